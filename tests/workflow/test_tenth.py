"""The tenth question and the sixth site: three files and one YAML, nothing else, and the real workflow runs both."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from shared_code.config import Site
from shared_code.synthetic import make_extract

STEM, SITE = "asthma_by_area", "millbrook"
DEMO = ["demo_ashvale", "demo_carrowby"]  # the small study has two sites to begin with
KEPT = ["long_term_conditions", "data_quality"]  # one question, and the quality that it asks for
PEOPLE = 20_000  # as the demonstration has them


def files(folder: Path) -> dict[str, bytes]:
    """Give what people wrote: everything outside the rooms and the workflow's own folder."""
    rooms = {"data", "private", "outbox", "inbox", "public", ".snakemake", "keys"}
    found = [p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).parts[0] not in rooms]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found if "__pycache__" not in p.parts}


def analyses_of(said: dict) -> set[str]:
    return {number["table"].split(".")[0] for number in said["numbers"]}


@pytest.fixture(scope="module")
def small(checkout):
    """A copy of the project with one question and two made-up sites, run from end to end."""
    protocol = checkout.folder / "config" / "study.yaml"
    content = yaml.safe_load(protocol.read_text("utf-8"))
    content["analyses"] = {stem: content["analyses"][stem] for stem in KEPT}
    content["agree"] = [said for said in content["agree"] if analyses_of(said) <= set(KEPT)]
    assert content["agree"], "what the protocol says of the kept question's own numbers stays"
    protocol.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf-8")
    for path in (checkout.folder / "config" / "sites").glob("demo_*.yaml"):
        if path.stem not in DEMO:
            path.unlink()
    done = checkout.snakemake(people=PEOPLE)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return checkout


def run(copy, people=PEOPLE) -> list[str]:
    done = copy.snakemake(people=people)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return re.findall(r"^Job \d+: (.*)$", done.stdout + done.stderr, re.MULTILINE)


def results_of(copy) -> pd.DataFrame:
    path = copy.folder / "public" / "demonstration" / "pooled" / "results.csv"
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    return table[table["analysis"] == STEM]


def test_a_new_question_is_one_notebook_one_entry_and_one_page(small):
    before = files(small.folder)
    done = small.cohortium("new-analysis", STEM)
    assert done.returncode == 0, done.stderr
    after = files(small.folder)
    changed = {name for name in after if before.get(name) != after[name]}
    assert changed == {"config/study.yaml", f"notebooks/{STEM}.ipynb", f"reports/{STEM}.qmd", "reports/_quarto.yml"}
    jobs = run(small)
    assert sum(f"Run {STEM}" in job for job in jobs) == 2
    assert not [job for job in jobs if any(f"Run {stem}" in job for stem in KEPT) or "Prepare" in job or "Make up" in job]
    found = results_of(small)
    ratio = found[(found.scope == "pooled") & (found.measure == "standardised ratio") & (found.level == "M")]
    assert ratio.sites.tolist() == ["; ".join(DEMO)] and ratio.estimate.notna().all()
    page = (small.folder / "public" / "demonstration" / "report" / f"{STEM}.html").read_text("utf-8")
    assert "How much more common is asthma" in page and "<img" in page


def test_a_new_site_is_one_yaml(small, tmp_path):
    """A real site: its extract lies in its room, two of its people approve, somebody carries the package."""
    keys = {"COHORTIUM_KEYS": str(tmp_path / "keys"), "COHORTIUM_KEY": bytes(range(32)).hex()}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in keys.items():
            patch.setenv(name, value)
        patch.setitem(os.environ, "PYTHONPATH", str(small.folder))
        public = {}
        for who in ("ada", "rosa", SITE):
            made = small.cohortium("keys", "new", who)
            assert made.returncode == 0, made.stderr
            public[who] = re.search(r"ed25519:[^'\"]+", made.stdout)[0]
        sites = small.folder / "config" / "sites"
        content = yaml.safe_load((sites / "demo_carrowby.yaml").read_text("utf-8"))
        made_up = Site.read("demo_carrowby", sites)
        other = made_up.demonstration.model_copy(update={"seed": 606})
        make_extract(made_up.model_copy(update={"demonstration": other}), PEOPLE, small.folder / "data" / SITE)
        del content["demonstration"]
        content |= {"site": SITE, "title": "Millbrook", "folder": f"data/{SITE}", "site_key": public[SITE], "people": {
            "ada": {"roles": ["analyst"], "key": public["ada"]}, "rosa": {"roles": ["reviewer"], "key": public["rosa"]}}}
        before = files(small.folder)
        (sites / f"{SITE}.yaml").write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf-8")
        released = small.snakemake("release", people=PEOPLE, site=SITE)
        assert released.returncode == 0, released.stdout[-3000:] + released.stderr[-6000:]
        for who in ("ada", "rosa"):
            done = small.cohortium("approve", SITE, "--by", who, "--reason", "It was looked at, number by number")
            assert done.returncode == 0, done.stderr
        sent = small.cohortium("send", SITE)
        assert sent.returncode == 0, sent.stderr
        package = small.folder / "outbox" / "demonstration" / f"{SITE}.zip"  # a person carries it
        received = small.cohortium("receive", str(package))
        assert received.returncode == 0, received.stderr
        jobs = run(small)
    changed = {name for name, text in files(small.folder).items() if before.get(name) != text}
    assert changed == {f"config/sites/{SITE}.yaml"}
    assert not [job for job in jobs if any(name in job for name in DEMO)], "the other sites did something again"
    found = results_of(small)
    ratio = found[(found.scope == "pooled") & (found.measure == "standardised ratio") & (found.level == "M")]
    assert ratio.sites.tolist() == ["; ".join([*DEMO, SITE])] and ratio.n_sites.tolist() == [3]
    page = (small.folder / "public" / "demonstration" / "report" / "who.html").read_text("utf-8")
    assert "Millbrook" in page
