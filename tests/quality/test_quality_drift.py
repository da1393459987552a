"""Drift, from a real release to the next extract, through the commands a site runs; and what moves where it is planted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

from shared_code.cli import app
from shared_code.config import Site
from shared_code.quality.since import since
from shared_code.synthetic import make_extract

ROOT = Path(__file__).parents[2]
PEOPLE = 2_000
LACKING = ("programme", "outpatient", "mh_contact", "measurement", "gp_encounter", "list_flag")  # tables this site does not map
ROLES = {"ada": "analyst", "rosa": "reviewer"}
MOVED = ("age", "sex", "ethnicity", "deprivation", "size", "records")


class Place:
    """A real site in a folder of its own: its settings, its people's keys, and the commands."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.extract = folder / "data" / "north"
        self.settings: dict[str, Any] = {}

    def run(self, *words: str) -> Result:
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == 0, f"{done.output}\n{done.exception}"
        return done

    def write(self, **changed: Any) -> None:
        self.settings |= changed
        path = self.folder / "config" / "sites" / "north.yaml"
        path.write_text(yaml.safe_dump(self.settings, allow_unicode=True), "utf-8")

    def quality(self) -> tuple[dict[str, Any], str]:
        """Prepare the extract and measure its quality; gives the checks of drift, and the words."""
        self.run("prepare", "north")
        told = self.run("analyse", "north", "data_quality")
        folder = self.folder / "private" / "north" / "demonstration" / "results" / "data_quality"
        assert "quality.txt says why, in words" in told.output.replace("\n", "")
        checks = json.loads((folder / "quality.json").read_text("utf-8"))["checks"]
        return {name: checks[f"drift:{name}"] for name in MOVED}, (folder / "quality.txt").read_text("utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Make up the extract of a site, with settings, three keys, and a study that measures data quality only."""
    folder = tmp_path_factory.mktemp("north")
    demo = Site.read("demo_dunmere", ROOT / "config" / "sites")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COHORTIUM_KEYS", str(folder / "keys"))
        patch.setenv("PYTHONPATH", str(ROOT))
        for part in ("notebooks", "config/codelists"):
            shutil.copytree(ROOT / part, folder / part)
        study = yaml.safe_load((ROOT / "config" / "study.yaml").read_text("utf-8"))
        study["analyses"] = {"data_quality": study["analyses"]["data_quality"]}
        study.pop("agree")
        (folder / "config" / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False, allow_unicode=True), "utf-8")
        (folder / "config" / "sites").mkdir()
        made = Place(folder)
        make_extract(demo, PEOPLE, made.extract)
        public = {}
        for who in ("ada", "rosa", "north"):
            made.run("keys", "new", who)
            public[who] = made.run("keys", "show", who).output.strip()
        given = yaml.safe_load((ROOT / "config" / "sites" / "demo_dunmere.yaml").read_text("utf-8"))
        given = {k: v for k, v in given.items() if k != "demonstration"} | {"site": "north", "folder": "data/north"}
        given["tables"] = {name: table for name, table in given["tables"].items() if name not in LACKING}
        people = {who: {"roles": [role], "key": public[who]} for who, role in ROLES.items()}
        made.write(**given | {"site_key": public["north"], "people": people})
        yield made


@pytest.fixture(scope="module")
def first(place: Place) -> dict[str, Any]:
    """Measure the first extract, release it, have two people approve it, and send it."""
    found, _ = place.quality()
    place.run("release", "north")
    for who, role in ROLES.items():
        place.run("approve", "north", "--by", who, "--role", role, "--reason", "looked at every table")
    assert "No program carries it" in place.run("send", "north").output.replace("\n", " ")
    return found


def changed(place: Place, file: str, keep: Any) -> None:
    path = place.extract / file
    rows = pd.read_csv(path, sep=";", dtype=str, keep_default_na=False, encoding="cp1252" if "feed" not in file else "utf-8")
    rows[keep(rows)].to_csv(path, sep=";", index=False, encoding="cp1252" if "feed" not in file else "utf-8")


def test_a_first_release_has_nothing_to_compare_with(first):
    assert {f["verdict"] for f in first.values()} == {"not assessed"}
    assert {f["reason"] for f in first.values()} == {"there is no earlier release of other data to compare with"}


def test_the_same_people_a_month_later_have_not_moved(place, first):
    place.write(extract_date="2026-05-20")
    found, words = place.quality()
    assert {name: f["verdict"] for name, f in found.items()} == dict.fromkeys(MOVED, "pass")
    assert "last release" not in words


def test_a_lost_month_and_lost_people_are_told_in_words_and_numbers(place, first):
    place.write(extract_date="2026-06-20")
    changed(place, "ed_attendance_feed.csv", lambda rows: ~rows["arrival"].str.startswith("2023-09"))
    people = pd.read_csv(place.extract / "people.csv", sep=";", dtype=str, encoding="cp1252")
    born = pd.to_datetime(people["Date of birth"], dayfirst=True, errors="coerce")
    gone = set(people["Pseudonym"][(born < "1960-01-01") & (people.index % 4 > 0)])
    for path in sorted(place.extract.glob("*.csv")):
        with path.open(encoding="cp1252") as file:
            names = file.readline().strip().split(";")
        column = next((c for c in ("Pseudonym", "person_id") if c in names), None)
        if column:
            changed(place, path.name, lambda rows, column=column: ~rows[column].isin(gone))
    events = pd.read_csv(place.extract / "diagnoses.csv.gz", sep=";", dtype=str, keep_default_na=False, encoding="cp1252")
    events[~events["Pseudonym"].isin(gone)].to_csv(place.extract / "diagnoses.csv.gz", sep=";", index=False, encoding="cp1252")
    found, words = place.quality()
    assert found["age"]["verdict"] in ("look", "stop")
    assert found["size"]["verdict"] in ("look", "stop")
    assert found["records"]["verdict"] in ("look", "stop")
    assert found["sex"]["verdict"] == "pass"
    # the numbers are those of the tables: the cohort now, and what the ledger holds
    folder = place.folder / "private" / "north" / "demonstration" / "results" / "data_quality"
    now = int(pd.read_parquet(folder / "cohort.parquet")["people"].max())
    assert f"{now:,} people now, about " in found["size"]["reason"]
    assert found["size"]["share"] == pytest.approx(1 - now / before_of(found["size"]["reason"]), abs=0.001)
    assert "ed_attendance 2023-09: 0 rows now, about " in found["records"]["reason"]
    for line in ("People in the cohort, more or fewer than in the last release: ",
                 "Months whose number of rows moved by more than a fifth since the last release held it: ",
                 "Shift of the cohort by age since the last release (PSI): "):  # fmt: skip
        assert line in words
    assert "ed_attendance 2023-09: 0 rows now" in words


def before_of(reason: str) -> float:
    return float(reason.partition("about ")[2].split()[0].replace(",", ""))


def released(months: list[tuple[str, str, float]]) -> pd.DataFrame:
    rows = pd.DataFrame(months, columns=["source", "month", "value"])
    return rows.assign(statistic="records", lower=rows["value"] - 2, upper=rows["value"] + 2)


MONTHS = [f"2023-{n:02d}" for n in range(1, 13)]


@pytest.mark.parametrize(("now", "share", "words"), [
    ({}, 0, ""), ({"2023-05": 0}, 1 / 9, "a 2023-05: 0 rows now, about 200 in the last release"),
    ({"2023-05": 165}, 0, ""), ({"2023-05": 155}, 1 / 9, "a 2023-05: 155"), ({"2023-05": 245}, 1 / 9, "a 2023-05: 245"),
    ({"2023-11": 400, "2023-12": 900}, 0, ""),  # the latest months of the release were still growing
    (dict.fromkeys(MONTHS, 400), 1, "; and 4 more"),
])  # fmt: skip
def test_months_that_moved(now, share, words):
    months = pd.DataFrame({"source": "a", "month": MONTHS, "records": [float(now.get(month, 200)) for month in MONTHS]})
    earlier = released([("a", month, 200.0) for month in MONTHS])
    found = since({"months": months}, {"months": earlier})["records"]
    assert found.share == pytest.approx(share)
    assert words in found.words
    assert bool(found.words) == bool(share)


def test_few_rows_and_withheld_numbers_say_nothing():
    months = pd.DataFrame({"source": "a", "month": MONTHS, "records": 0.0})
    earlier = released([("a", month, 40.0) for month in MONTHS])
    assert since({"months": months}, {"months": earlier}) == {}
    withheld = earlier.assign(value=float("nan"), lower=1.0, upper=900.0)
    assert since({"months": months}, {"months": withheld}) == {}


def test_a_cohort_that_shrinks_evenly_is_seen_by_its_size_only():
    cohort = pd.DataFrame({"characteristic": "sex", "level": ["F", "M"], "people": 1000, "cases": [500, 500]})
    cells = pd.DataFrame({"characteristic": "sex", "level": list("FFMM"), "statistic": ["people", "cases"] * 2,
                          "value": [2000, 1000] * 2})  # fmt: skip
    cells = cells.assign(lower=cells["value"], upper=cells["value"])
    found = since({"cohort": cohort}, {"cohort": cells})
    assert found["sex"].share == pytest.approx(0, abs=1e-6)
    assert (found["size"].share, found["size"].words) == (0.5, "1,000 people now, about 2,000 in the last release")
