"""What `cohortium check` says: typical faults in plain words, which analyses can run, and quickly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyreadstat
import pytest

from shared_code.config import Site, Study
from shared_code.sources import checking
from shared_code.sources.checking import check_site
from shared_code.sources.prepare import prepare

ROOT = Path(__file__).parents[2]
STUDY = Study.read(ROOT / "config" / "study.yaml")
GOOD: dict[str, Any] = {
    "person": {"file": "people.csv", "columns": {
        "person_id": {"from": "id", "pseudonymise": True}, "birth_month": {"from": "dob"},
        "sex": {"from": "sex", "values": {"1": "M", "2": "F"}}}},
    "gp_registration": {"file": "gp.csv", "columns": {
        "person_id": {"from": "id", "pseudonymise": True}, "practice_code": {"from": "gp"}, "reg_start": {"from": "start"},
        "reg_type": {"constant": "GMS"}}},
    "condition_event": {"file": "dx.csv", "number": "event_id", "columns": {
        "person_id": {"from": "id", "pseudonymise": True}, "code": {"from": "code", "icd10": True},
        "code_system": {"constant": "ICD10"}, "event_date": {"from": "day"}, "source": {"constant": "GP"}}},
}  # fmt: skip
FILES = {
    "people.csv": "id,dob,sex\n" + "".join(f"p{i},1980-05-01,{i % 2 + 1}\n" for i in range(40)),
    "gp.csv": "id,gp,start\n" + "".join(f"p{i},A1234{i % 3},2020-01-01\n" for i in range(40)),
    "dx.csv": "id,code,day\n" + "".join(f"p{i},J45,2021-02-0{i % 9 + 1}\n" for i in range(40)),
}


@pytest.fixture
def checked(tmp_path: Path):
    """Check the good extract, with a change to its settings (table, key -> value) or files (name -> text)."""

    def check(change: dict[tuple, Any] | None = None, files: dict[str, str] | None = None, **more: Any):
        import copy

        for name, text in {**FILES, **(files or {})}.items():
            if text:
                (tmp_path / name).write_text(text)
        tables = copy.deepcopy(GOOD)
        for keys, value in (change or {}).items():
            place = tables
            for key in keys[:-1]:
                place = place.setdefault(key, {})
            if value is None:
                place.pop(keys[-1])
            else:
                place[keys[-1]] = value
        site = Site.model_validate({"site": "north", "title": "The north", "controller": "T", "studies": ["demonstration"],
                                    "extract_date": "2026-05-01", "tables": tables, **more})  # fmt: skip
        return check_site(site, [STUDY], tmp_path)

    return check


def test_a_good_extract_fits(checked):
    findings = checked()
    assert findings.good
    assert findings.fits == [
        "person: fewer than 100 rows from people.csv, 3 of 9 columns mapped.",
        "gp_registration: fewer than 100 rows from gp.csv, 4 of 5 columns mapped.",
        "condition_event: fewer than 100 rows from dx.csv, 5 of 10 columns mapped.",
    ]
    assert findings.wrong == []
    for told in (
        "demonstration, Long-term conditions (long_term_conditions): can run, without what person_address, "
        "area_lookup would add.",
        "demonstration, Life expectancy (life_expectancy): cannot run. It needs death, area_lookup, area_population, "
        "which the site file does not map.",
        "demonstration: on its index date 2026-04-01 fewer than 100 permanent registrations are open.",
    ):
        assert told in findings.analyses


COLUMNS = ("person", "columns")
# a change of the settings | a change of the files | words that must be said
FAULTS = [
    ({(*COLUMNS, "sex", "from"): "sx"}, {}, ["person.columns.sex: the extract has no column 'sx' (did you mean sex?)"]),
    ({("person", "file"): "peple.csv"}, {}, ["peple.csv: the file is not there", "did you mean people.csv?"]),
    ({}, {"people.csv": FILES["people.csv"].replace(",1\n", ",7\n")},
     ["person.columns.sex: sex holds '7' (20 rows), not explained. Allowed: F, M, I, U. Add these codes to"]),
    ({(*COLUMNS, "sex", "values"): None}, {},
     ["40 rows hold a value that is not allowed: '1' (20 rows), '2' (20 rows). Allowed: F, M, I, U", "Explain these codes at"]),
    ({(*COLUMNS, "sex"): {"from": "YOUR_COLUMN"}}, {},
     ["person.columns.sex: still YOUR_COLUMN (sex as registered; required). Allowed: F, M, I, U. Write the column that holds it",
      "long_term_conditions): can run once what is wrong or blank in person is mended"]),
    ({(*COLUMNS, "language"): {"from": "YOUR_COLUMN"}}, {},
     ["not required: you may delete the line", "long_term_conditions): can run,"]),
    ({(*COLUMNS, "sex"): None}, {}, ["sex is missing (sex as registered). Add sex to"]),
    ({(*COLUMNS, "birth_month", "date"): "%d/%m/%Y"}, {},
     ["dob holds '1980-05-01' (40 rows), which is not a date in the form %d/%m/%Y. Correct date:"]),
    ({}, {"people.csv": FILES["people.csv"] + "p1,1990-01-01,1\n"},
     ["1 values of the key (person_id) occur more than once; a row must be one person. Add steps: [distinct_rows]"]),
    ({}, {"dx.csv": FILES["dx.csv"] + "p99,J45,2021-01-01\n"},
     ["condition_event.columns.person_id: 1 of 41 rows name a person who is not in person. Extract person and condition_event"]),
    ({("condition_event", "columns", "person_id", "pseudonymise"): None}, {},
     ["identifiers become pseudonyms here and not in person"]),
    ({}, {"dx.csv": FILES["dx.csv"] + "p1,,2021-01-01\n"}, ["condition_event.columns.code: 1 rows are missing a value"]),
    ({("condition_event", "where"): {"code": "Z99"}}, {}, ["condition_event: no row is left. Correct where, present or steps"]),
    ({}, {"gp.csv": FILES["gp.csv"].replace("2020-", "2027-")}, ["no permanent registration is open"]),
    ({}, {"people.csv": FILES["people.csv"] + "p50,1990-01-01\n"}, ["people.csv"]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "files", "words"), FAULTS, ids=range(len(FAULTS)))
def test_typical_faults_are_said_in_words(checked, change, files, words):
    findings = checked(change, files)
    told = "\n".join(findings.lines())
    for text in words:
        assert text in told, told
    assert "Traceback" not in told
    assert all(line.strip().endswith((".", ":")) or not line or line.endswith("nothing was found") or line.endswith("nothing")
               for line in findings.lines())  # fmt: skip


def test_rare_values_are_told_in_private_only(checked):
    findings = checked({}, {"people.csv": FILES["people.csv"] + "p50,1990-01-01,Canary\n"})
    assert "Canary" not in "\n".join(findings.lines())
    assert "'Canary' (1 rows)" in "\n".join(findings.lines(private=True))


def test_identifiers_are_never_told(checked):
    change = {("person", "columns", "person_id", "pseudonymise"): None}
    people = "id,dob,sex\n" + "".join(f"NHS943476{i:04d},1980-05-01,1\n" for i in range(40))
    findings = checked(change, {"people.csv": people})
    assert "person.columns.person_id: 40 rows do not have the form of the column" in "\n".join(findings.lines(private=True))
    assert "NHS943" not in "\n".join(findings.lines(private=True))


def test_check_and_prepare_agree(checked, tmp_path):
    """What check calls good can be prepared."""
    assert checked().good
    site = Site.model_validate({"site": "north", "title": "t", "controller": "c", "studies": [], "extract_date": "2026-05-01",
                                "tables": GOOD})  # fmt: skip
    assert prepare(site, tmp_path, tmp_path / "prepared") == {"person": 40, "gp_registration": 40, "condition_event": 40}


LARGE = pd.DataFrame({"id": [f"p{i % 40}" for i in range(3000)], "code": "J45", "day": "2021-02-01",
                      "n": [f"e{i}" for i in range(3000)]})  # fmt: skip


def write_large(path: Path, rows: pd.DataFrame) -> None:
    match path.suffix:
        case ".csv":
            rows.to_csv(path, index=False)
        case ".parquet":
            rows.to_parquet(path)
        case ".duckdb":
            with duckdb.connect(str(path)) as base:
                base.execute("CREATE TABLE dx AS SELECT * FROM rows")
        case ".sav":
            pyreadstat.write_sav(rows, path)


@pytest.mark.parametrize("ending", ["csv", "parquet", "duckdb", "sav"])
def test_of_a_large_table_a_part_is_looked_at_and_this_is_said(checked, tmp_path, monkeypatch, ending):
    monkeypatch.setattr(checking, "MOST_ROWS", 500)
    change: dict[tuple, Any] = {("condition_event", "file"): f"dx.{ending}", ("condition_event", "number"): None,
                                ("condition_event", "columns", "event_id"): {"from": "n"}}  # fmt: skip
    if ending == "duckdb":
        change[("condition_event", "table")] = "dx"
    write_large(tmp_path / f"dx.{ending}", LARGE)
    findings = checked(change, {f"dx.{ending}": ""})
    assert findings.good, findings.lines()
    said = re.fullmatch(
        f"condition_event: about ([0-9]+) rows from dx.{ending}(?:, dx)?, 6 of 10 columns mapped "
        r"\(so many of about 3,000 were looked at, to answer soon; prepare checks every row\)\.", findings.fits[2])  # fmt: skip
    assert said
    assert 350 < int(said[1]) < 650
    assert findings.lines() == checked(change, {f"dx.{ending}": ""}).lines()  # the same part every time
    # what is common is found, wherever in the file it lies; a person unknown in many rows, too
    strange, late = np.arange(3000) % 300 < 100, LARGE.index > 2700
    rows = LARGE.assign(id=np.where(strange, "p77", LARGE["id"]), day=np.where(late, "x", "2021-02-01"))
    (tmp_path / f"dx.{ending}").unlink()
    write_large(tmp_path / f"dx.{ending}", rows)
    told = "\n".join(checked(change, {f"dx.{ending}": ""}).lines())
    assert re.search("rows that were looked at name a person who is not in person", told), told
    assert re.search(r"day holds 'x' \([0-9]+ rows\), which is not a date", told), told


def test_the_verbs(tmp_path, monkeypatch):
    """new-site writes a draft and never overwrites; check answers with code 1 while something is open."""
    from typer.testing import CliRunner

    from shared_code.cli import app
    from shared_code.model import Refused

    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    run = CliRunner().invoke
    made = run(app, ["new-site", "north", *FILES])
    assert made.exit_code == 0, made.output
    assert "questions (# ?) to answer. Then: cohortium check north" in made.output
    assert isinstance(run(app, ["new-site", "north", *FILES]).exception, Refused)
    assert isinstance(run(app, ["new-site", "../x", *FILES]).exception, Refused)
    path = tmp_path / "config" / "sites" / "north.yaml"
    path.write_text(path.read_text().replace("2000-01-01", "2024-01-01").replace("{2: F, 1: M}", "{1: M}"))
    answer = run(app, ["check", "north", "--study", str(ROOT / "config" / "study.yaml")])
    assert answer.exit_code == 1
    for group in ("What fits:", "What is missing:", "What is wrong:", "Which analyses can run:"):
        assert group in answer.output
    record = tmp_path / "private" / "north" / "logs" / "check.txt"
    assert "sex holds '2' (20 rows), not explained" in record.read_text()
    assert record.stat().st_mode & 0o077 == 0
