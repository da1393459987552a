"""The demonstration, as a stranger would run it: everything is made, nothing leaks, nothing runs twice, truth comes back."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shared_code.config import Study, sites_of
from shared_code.methods import standard_weights
from shared_code.releases import package
from shared_code.releases.cells import from_csv

ROOT = Path(__file__).parents[2]
STUDY = Study.read(ROOT / "config" / "study.yaml")
SITES = {site.site: site for site in sites_of("demonstration", ROOT / "config" / "sites") if site.made_up}


@pytest.fixture(scope="module")
def results(demonstration) -> pd.DataFrame:
    path = demonstration.folder / "public" / "demonstration" / "pooled" / "results.csv"
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


@pytest.fixture(scope="module")
def truths(demonstration) -> dict[str, dict]:
    return {s: json.loads((demonstration.folder / "data" / s / "truth.json").read_text("utf-8")) for s in SITES}


def planned_jobs(checkout) -> list[str]:
    said = checkout.snakemake("-n")
    assert said.returncode == 0, said.stderr
    return re.findall(r"^Job \d+: (.*)$", said.stdout + said.stderr, re.MULTILINE)


def test_five_sites_in_five_shapes(demonstration):
    assert len(SITES) == 5
    assert len({site.demonstration.shape for site in SITES.values()}) == 5
    for name, site in SITES.items():
        rows = json.loads((demonstration.folder / "private" / name / "prepared" / "prepared.json").read_text())["rows"]
        assert rows["person"] == 20_000
        assert set(rows) == set(site.tables)


def test_one_site_lacks_what_one_analysis_needs_and_is_named(demonstration, results):
    without = [name for name, site in SITES.items() if not site.can_run(STUDY.analyses["life_expectancy"])]
    assert len(without) == 1
    who = pd.read_csv(demonstration.folder / "public" / "demonstration" / "pooled" / "sites.csv", keep_default_na=False)
    row = who[(who.site == without[0]) & (who.analysis == "life_expectancy")].iloc[0]
    assert (row.state, row.reason) == ("not run", "the site has no table death")
    pooled = results[(results.analysis == "life_expectancy") & (results.scope == "pooled")]
    assert (pooled.sites_without == without[0]).all() and (pooled.n_sites == 4).all()


def test_a_second_run_does_nothing(demonstration):
    again = demonstration.snakemake()
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_changed_site_file_reruns_only_that_site_and_what_pools_it(demonstration):
    path = demonstration.folder / "config" / "sites" / "demo_dunmere.yaml"
    before = path.read_text("utf-8")
    path.write_text(before + "# checked again\n", "utf-8")
    try:
        planned = planned_jobs(demonstration)
        others = [name for name in SITES if name != "demo_dunmere"]
        assert any("Prepare the tables of demo_dunmere" in job for job in planned)
        assert any("Check every package" in job for job in planned)
        assert not [job for job in planned if any(name in job for name in others)]
    finally:
        path.write_text(before, "utf-8")
        demonstration.snakemake("--touch")


def test_a_changed_caption_runs_no_analysis(demonstration):
    path = demonstration.folder / "config" / "study.yaml"
    before = path.read_text("utf-8")
    path.write_text(before.replace("caption: Life expectancy at birth by ward", "caption: Life expectancy by ward"), "utf-8")
    try:
        planned = planned_jobs(demonstration)
        assert any("Draw the figures" in job for job in planned)
        assert not [job for job in planned if "Run " in job or "Prepare" in job or "Protect" in job]
    finally:
        path.write_text(before, "utf-8")


def test_a_changed_definition_runs_that_analysis_everywhere(demonstration):
    path = demonstration.folder / "config" / "study.yaml"
    before = path.read_text("utf-8")
    path.write_text(before.replace("bands: [0, 18, 40, 55, 65, 75, 85]", "bands: [0, 18, 40, 65, 85]"), "utf-8")
    try:
        planned = planned_jobs(demonstration)
        assert sum("Run long_term_conditions" in job for job in planned) == 5
        assert not [job for job in planned if "Run life_expectancy" in job]
    finally:
        path.write_text(before, "utf-8")


def test_no_small_number_leaves_a_site(demonstration):
    for name in SITES:
        _, files, _ = package.read(demonstration.folder / "outbox" / "demonstration" / f"{name}.zip")
        for content in files.values():
            cells = from_csv(content)
            people = cells[cells.statistic.isin(["people", "cases"]) & cells.value.notna()]
            assert not ((people.value > 0) & (people.value < 10)).any()
            assert (people[people.statistic == "people"].value % 5 == 0).all()


def test_two_people_approved_what_left_and_the_site_sent_it(demonstration):
    for name in SITES:
        sent = package.opened(demonstration.folder / "outbox" / "demonstration" / f"{name}.zip")
        draft = package.opened(demonstration.folder / "private" / name / "demonstration" / "release" / f"{name}.zip")
        assert sent.digest == draft.digest and not draft.signatures
        assert {one["role"] for one in sent.signatures["approvals"]} == {"analyst", "reviewer"}
        assert (sent.signatures["sent"]["number"], sent.signatures["sent"]["site"]) == (1, name)
    verified = demonstration.cohortium("verify", f"inbox/demonstration/{name}.zip")
    assert verified.returncode == 0, verified.stderr
    assert "All signatures stand" in verified.stdout and "Every byte fits" in verified.stdout


def test_what_leaves_holds_nobody(demonstration):
    """No pseudonym, no date of birth and no name of a file leaves a site or is published."""
    person = pd.read_parquet(demonstration.folder / "private" / "demo_ashvale" / "prepared" / "person.parquet")
    some = set(person.person_id.sample(500, random_state=1))
    for room in ("outbox", "inbox", "public"):
        for path in (demonstration.folder / room).rglob("*"):
            if path.is_file():
                text = path.read_bytes().decode("utf-8", "ignore")
                assert not any(p in text for p in some), path
                assert str(demonstration.folder) not in text, f"{path} names a folder of the machine"


def test_executed_notebooks_stay_private(demonstration):
    found = [p.relative_to(demonstration.folder).parts[0] for p in demonstration.folder.rglob("*.ipynb")]
    assert set(found) == {"notebooks", "private"}


def test_one_site_alone_can_make_its_release(demonstration):
    done = demonstration.snakemake("release", site="demo_ashvale")
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr


def test_the_same_extract_gives_the_same_package_byte_for_byte(demonstration):
    private = Path("private") / "demo_carrowby" / "demonstration" / "release" / "demo_carrowby.zip"
    target = demonstration.folder / private
    before = target.read_bytes()
    sent = package.opened(demonstration.folder / "outbox" / "demonstration" / "demo_carrowby.zip")
    shutil.rmtree(demonstration.folder / "private" / "demo_carrowby")
    shutil.rmtree(demonstration.folder / "data" / "demo_carrowby")
    again = demonstration.snakemake(private.as_posix())
    assert again.returncode == 0, again.stderr
    assert target.read_bytes() == before
    assert package.opened(target).digest == sent.digest
    assert demonstration.snakemake().returncode == 0


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("img", "script", "link", "iframe", "source"):
            self.loaded.append(given.get("src") or given.get("href") or "")
        if tag == "img":
            self.images.append(given)


def test_the_report_is_whole_and_loads_nothing_from_elsewhere(demonstration):
    report = demonstration.folder / "public" / "demonstration" / "report"
    pages = sorted(report.glob("*.html"))
    assert {p.stem for p in pages} == {"index", "who", "catalogue", "methods", "reproduce", *STUDY.analyses}
    for page in pages:
        links = _Links()
        links.feed(page.read_text("utf-8"))
        assert not [x for x in links.loaded if x.startswith(("http:", "https:", "//"))], page
        assert all(image.get("alt") for image in links.images), f"{page.name} has a picture without alternative text"
        text = page.read_text("utf-8")
        assert "nan" not in re.sub(r"<[^>]+>", " ", text).split(), f"{page.name} shows a nan"


def test_the_summary_shows_the_pooled_numbers(demonstration, results):
    page = (demonstration.folder / "public" / "demonstration" / "report" / "index.html").read_text("utf-8")
    for entry in STUDY.analyses.values():
        for finding in entry.findings:
            chosen = results[results.scope == "pooled"]
            for column, value in finding.where.items():
                chosen = chosen[chosen[column].astype(str) == value]
            estimate = chosen.estimate.iloc[0]
            if np.isnan(estimate):
                assert f"not given ({chosen.reason.iloc[0]})" in page
                continue
            assert f"{np.floor(estimate * 10**finding.decimals + 0.5) / 10**finding.decimals:.{finding.decimals}f}" in page


def test_every_site_sees_what_would_leave_it(demonstration):
    for name, site in SITES.items():
        page = demonstration.folder / "private" / name / "demonstration" / "review.html"
        assert f"What would leave {site.title}" in page.read_text("utf-8")


def true_prevalence(truths: dict, condition: str, dimension: str, level: str) -> float:
    """Standardise the planted probabilities of all sites exactly as the analysis would with unlimited people."""
    parts = [pd.DataFrame(t["conditions"]["rows"], columns=t["conditions"]["columns"]) for t in truths.values()]
    rows = pd.concat(parts)
    rows = rows[(rows.condition == condition) & (rows.dimension == dimension) & (rows.level.astype(str) == level)]
    first = rows.age.str.extract(r"^(\d+)")[0].astype(int)
    edges = [e for e in (0, 18, 40, 55, 65, 75, 85) if e >= first.min()]
    band = first.map(lambda age: max(e for e in edges if e <= age))
    sums = rows.assign(band=band).groupby(["sex", "band"])[["people", "expected"]].sum()
    weights = dict(zip((0, 18, 40, 55, 65, 75, 85), np.asarray(standard_weights([0, 18, 40, 55, 65, 75, 85]))))
    w = np.array([weights[b] for _, b in sums.index])
    return float(np.sum(w * sums.expected / sums.people) / w.sum())


def test_planted_ratios_come_back_within_their_intervals(results, truths):
    inside, z = [], []
    chosen = results[(results.analysis == "long_term_conditions") & (results.scope == "pooled")
                     & (results.measure == "standardised ratio") & results.estimate.notna()]  # fmt: skip
    for row in chosen.itertuples():
        if row.group == "sex":
            continue
        truth = true_prevalence(truths, row.item, row.group, row.level)
        truth /= true_prevalence(truths, row.item, row.group, row.comparator)
        inside.append(row.lower <= truth <= row.upper)
        z.append((np.log(row.estimate) - np.log(truth)) / row.se)
    assert len(inside) > 50
    assert 0.90 <= np.mean(inside) <= 1.0, np.mean(inside)
    assert abs(np.mean(z)) < 0.35 and np.max(np.abs(z)) < 4.5, (np.mean(z), np.max(np.abs(z)))


def test_planted_prevalence_comes_back(results, truths):
    chosen = results[(results.scope == "pooled") & (results.measure == "standardised prevalence")
                     & (results.group == "everyone") & results.estimate.notna()]  # fmt: skip
    for row in chosen.itertuples():
        truth = 100 * true_prevalence(truths, row.item, "everyone", "all")
        assert abs(row.estimate - truth) < 4 * row.se, (row.item, row.estimate, truth)


def test_planted_crude_ratio_differs_from_the_standardised_one(results):
    """Ethnic minority groups are younger: the crude ratio of diabetes understates, as METHODS 3 warns."""
    one = results[(results.scope == "pooled") & (results.item == "diabetes") & (results.level == "Asian")]
    by = one[one.group == "ethnicity"].set_index("measure").estimate
    assert by["crude ratio"] < 0.85 * by["standardised ratio"]


def test_planted_life_expectancy_comes_back(results, truths):
    planted = pd.concat([pd.DataFrame(t["life_expectancy"]) for t in truths.values()])
    planted = planted[planted.area == "imd10"]
    misses = 0
    pooled = results[(results.scope == "pooled") & (results.measure == "life expectancy") & (results["item"] == "e0")]
    with_deaths = set("; ".join(pooled.sites).split("; "))
    assert len(with_deaths) == 4 and len(pooled) == 20
    errors = []
    for row in pooled.itertuples():
        same = planted[(planted.code.astype(str) == str(row.level)) & (planted.sex == row.sex)]
        truth = np.average(same.e0, weights=same.person_years)
        misses += not row.lower <= truth <= row.upper
        errors.append(row.estimate - truth)
    assert misses <= 4, f"{misses} of 20 deciles miss the planted life expectancy"
    assert abs(np.mean(errors)) < 0.8, np.mean(errors)


def test_every_number_can_be_traced_to_releases(demonstration, results):
    digests = {
        path.stem: package.opened(path).digest
        for path in (demonstration.folder / "inbox" / "demonstration").glob("*.zip")
    }  # fmt: skip
    for row in results.itertuples():
        if not row.n_sites:  # nobody collects it: then there is nothing to trace
            assert pd.isna(row.estimate) and pd.isna(row.releases) and pd.isna(row.sites)
            continue
        named = row.sites.split("; ")
        assert row.releases.split("; ") == ["sha256:" + digests[s][:12] for s in named]
        assert row.n_sites == len(named)


def test_lint_has_only_the_exception_that_is_explained(demonstration):
    """One environment serves every rule (docs/decisions/0003), so rules name none of their own."""
    said = demonstration.snakemake("--lint")
    complaints = set(re.findall(r"^ +\* (.*?):?$", said.stderr + said.stdout, re.MULTILINE))
    assert complaints <= {"Specify a conda environment or container for each rule."}


def test_the_readme_shows_what_the_demonstration_makes(demonstration):
    """Numbers of the README are computed; `cohortium readme` writes them again after a change."""
    from shared_code.reporting import open_report
    from shared_code.reporting.readme import demonstration_part, part_of

    report = open_report(demonstration.folder / "private" / "coordination" / "demonstration" / "report")
    assert part_of((ROOT / "README.md").read_text("utf-8")) == demonstration_part(report)


def test_regressions_are_fitted_over_the_sites_and_stand_in_the_report(demonstration, results):
    """Every round went through every door; a model whose groups are too small at every site says so, and gives nothing."""
    fitted = results[results.target == "coefficients"]
    assert dict(fitted.groupby("item").n_sites.max()) == {"multimorbidity": 5, "coarse": 4}
    assert set(fitted.measure) == {"odds ratio"} and fitted[["estimate", "lower", "upper"]].notna().all(axis=None)
    emergency = fitted[(fitted.item == "coarse") & (fitted.group == "emergency")].iloc[0]
    assert 2 < emergency.estimate < 3.5, "the planted odds ratio of a stay in the year before is exp(0.92) = 2.5"
    page = demonstration.folder / "public" / "demonstration" / "report"
    said = "".join(path.read_text("utf-8") for path in page.glob("emergency_admission_risk.html"))
    assert "odds ratio" in said.lower() and "it has not been fitted" not in said
