"""A draft from the files alone: how much it guesses right, what it must never write, and that `check` takes it."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from shared_code.config import Site, Study
from shared_code.sources.checking import check_site
from shared_code.sources.drafting import draft_site
from shared_code.synthetic import make_extract

ROOT = Path(__file__).parents[2]
SITES = ROOT / "config" / "sites"
DEMONSTRATION = ["demo_ashvale", "demo_brackenmoor", "demo_carrowby", "demo_dunmere", "demo_eastholt"]
PEOPLE = 1_500
USUAL = ("%Y-%m-%d", "%Y-%m-%dT%H:%M")
LEAST_RIGHT = 0.85  # measured: 0.94 to 0.97 at each site; the aim is more than 0.7


@pytest.fixture(scope="module", params=DEMONSTRATION)
def drafted(request, tmp_path_factory) -> tuple[Site, Site, str, Path]:
    """Give the committed site, the draft as it is read, its text, and the folder of the extract."""
    committed = Site.read(request.param, SITES)
    folder = tmp_path_factory.mktemp(request.param) / "extract"
    make_extract(committed, PEOPLE, folder)
    text = draft_site("north", sorted(path for path in folder.iterdir() if path.name != "truth.json"))
    path = folder.parent / "north.yaml"
    path.write_text(text, encoding="utf-8")
    return committed, Site.read(path), text, folder


def test_most_columns_are_guessed_right(drafted):
    """A column is right when its table, its file and what it is made from are those of the committed site file."""
    committed, draft, _, _ = drafted
    right, wrong = 0, []
    for table, settings in committed.tables.items():
        mine = draft.tables.get(table)
        same = mine is not None and (mine.file, mine.table) == (settings.file, settings.table)
        for name, mapped in settings.columns.items():
            guess = mine.columns.get(name) if mine and same else None
            if guess and (guess.from_, guess.constant) == (mapped.from_, mapped.constant):
                right += 1
            else:
                wrong.append(f"{table}.{name}")
    share = right / (right + len(wrong))
    assert share >= LEAST_RIGHT, f"{share:.3f} {wrong}"
    assert set(draft.tables) == set(committed.tables)


def test_ways_of_reading_are_guessed_right(drafted):
    """Of the columns found, dates, pseudonyms and every code that is written are as in the committed site file."""
    committed, draft, _, _ = drafted
    for table, settings in draft.tables.items():
        theirs = committed.tables[table]
        assert (settings.delimiter, settings.number) == (theirs.delimiter, theirs.number)
        assert [j.file for j in settings.join] == [j.file for j in theirs.join]
        linked = any("person_id" in row.columns for row in theirs.rows)  # by number of the source: a draft knows no linkage
        assert len(settings.rows) == (0 if linked else len(theirs.rows))
        for name, mapped in settings.columns.items():
            known = theirs.columns.get(name)
            if known is None or known.from_ != mapped.from_:
                continue
            forms = [m.date if m.date not in USUAL else "" for m in (mapped, known)]  # what is read unless another is named
            assert (forms[0], mapped.hides, mapped.icd10) == (forms[1], known.hides, known.icd10)
            for code, value in mapped.values.items():
                assert known.values.get(code, code.upper()) == value, (table, name, code)


def test_the_draft_is_taken_by_check_and_its_questions_can_be_understood(drafted):
    _, draft, text, folder = drafted
    findings = check_site(draft, [Study.read(ROOT / "config" / "study.yaml")], folder)
    told = "\n".join(findings.lines())
    assert len(findings.fits) == len(draft.tables)
    assert "extract_date: still blank. Write the day on which the extract was made." in told
    for place in re.findall(r"^      (\w+): \{from: YOUR_COLUMN\}", text, re.MULTILINE):
        assert f".columns.{place}: still YOUR_COLUMN (" in told
    for problem in findings.wrong:  # only codes that were too rare for the draft, or whose meaning no file tells
        assert "not explained" in problem.wrong or "not allowed" in problem.wrong, problem
        assert "values" in problem.mend
    assert "Long-term conditions (long_term_conditions): can run" in told


def test_a_draft_is_the_same_again_in_any_order_of_files(drafted):
    committed, _, text, folder = drafted
    if committed.site != "demo_dunmere":
        return  # once is enough
    files = sorted((path for path in folder.iterdir() if path.name != "truth.json"), reverse=True)
    assert sorted(draft_site("north", files).splitlines()) == sorted(text.splitlines())


def canaries(tmp_path: Path, rare: int) -> str:
    """Draft a file that is full of values that must not be written."""
    rows = 400
    people = pd.DataFrame({
        "NHS_NUMBER": [f"94347{i:05d}" for i in range(rows)],
        "DOB": ["13/07/1951"] * 50 + [f"{i % 28 + 1:02d}/0{i % 9 + 1}/19{i % 90 + 10}" for i in range(rows - 50)],
        "SEX": ["Male"] * 200 + ["Female"] * (200 - rare) + ["Canarian"] * rare,
        "SURNAME": ["CANARYSMITH"] * rows, "Forename": ["Canarina"] * rows, "Address_line_1": ["1 Canary Wharf"] * rows,
        "POSTCODE": ["CN1 1RY"] * rows, "FreeText_Notes": ["canary in a mine"] * rows,
        "ETHNIC_GROUP": ["A"] * 380 + ["CANARYISH"] * 20, "Care_home": ["Yes"] * 9 + ["No"] * (rows - 9),
    })  # fmt: skip
    people.to_csv(tmp_path / "patients.csv", index=False)
    text = draft_site("north", [tmp_path / "patients.csv"])
    (tmp_path / "north.yaml").write_text(text, encoding="utf-8")
    Site.read(tmp_path / "north.yaml")
    return text


def test_no_rare_value_and_no_value_of_an_identifier_is_written(tmp_path):
    text = canaries(tmp_path, rare=9)
    for value in ("94347", "13/07/1951", "1951", "Canarian", "CANARYSMITH", "Canarina", "Canary Wharf", "CN1 1RY", "mine", "Yes"):
        assert value not in text, value
    assert "sex: {from: SEX, values: {Female: F, Male: M}}" in text
    assert "person_id: {from: NHS_NUMBER, pseudonymise: true}" in text
    assert "some codes occur in fewer than 10 rows each" in text
    assert "not used: SURNAME, Forename, Address_line_1, POSTCODE, FreeText_Notes" in text  # names of columns, no values


def test_ten_rows_are_enough_to_ask_about_a_code(tmp_path):
    assert "# ? sex: 1 of its codes (Canarian) not understood" in canaries(tmp_path, rare=10)


def test_numbers_without_labels_are_asked_about(tmp_path):
    pd.DataFrame({"pid": [f"P{i}" for i in range(100)], "dob": ["1980-01-01"] * 100, "sex": [1, 2] * 50, "reg_type": [1] * 100}
                 ).to_csv(tmp_path / "people.csv", index=False)  # fmt: skip
    text = draft_site("north", [tmp_path / "people.csv"])
    assert "sex: {from: sex, values: {2: F, 1: M}}" in text
    assert "numbers were taken as in the NHS Data Dictionary: 1 male, 2 female" in text


def test_a_file_that_fits_nothing_is_named(tmp_path):
    (tmp_path / "menu.csv").write_text("dish,price\nsoup,3\npie,5\n")
    text = draft_site("north", [tmp_path / "menu.csv"])
    assert "# not used: menu.csv (fits no table" in text
    (tmp_path / "north.yaml").write_text(text, encoding="utf-8")
    assert Site.read(tmp_path / "north.yaml").tables == {}


def test_days_that_may_be_months_are_asked_about(tmp_path):
    pd.DataFrame({"pid": [f"P{i}" for i in range(60)], "dob": ["05/04/1980"] * 60, "sex": ["M", "F"] * 30}
                 ).to_csv(tmp_path / "people.csv", index=False)  # fmt: skip
    assert "day before month, or month before day?" in draft_site("north", [tmp_path / "people.csv"])


# Real layouts, whose mapping no file could tell completely: what a person decided (registrations from dates of birth, one
# table of diagnoses from twenty columns) is counted as wrong. site | folder | least share right (measured: 0.72 and 0.58)
REAL = [("hes_artificial", "hes_artificial", 0.6), ("synthea", "synthea_csv", 0.5)]


@pytest.mark.parametrize(("name", "folder", "least"), REAL)
def test_real_layouts(shared: Path, tmp_path, name, folder, least):
    files = sorted(path for path in (shared / "data" / "persons" / folder).iterdir() if ".csv" in path.name)
    text = draft_site("north", files)
    (tmp_path / "north.yaml").write_text(text, encoding="utf-8")
    draft, committed = Site.read(tmp_path / "north.yaml"), Site.read(name, SITES)
    pairs = [(t, c, m.from_) for t, s in committed.tables.items() for c, m in s.columns.items() if m.from_]
    right = [t in draft.tables and c in draft.tables[t].columns and draft.tables[t].columns[c].from_ == source
             for t, c, source in pairs]  # fmt: skip
    assert sum(right) / len(right) >= least
    for path in files:  # no name, number or text of a person
        rows = pd.read_csv(path, dtype=str)
        for column in {"PSEUDO_HESID", "FIRST", "LAST", "SSN", "ADDRESS", "PASSPORT", "Id", "PATIENT"} & set(rows):
            found = {value for value in rows[column].dropna() if len(value) > 4 and value in text}
            assert not found, (column, found)


def test_deaths_that_stand_with_the_people(tmp_path):
    pd.DataFrame({"pid": [f"P{i}" for i in range(60)], "dob": ["1940-05-01"] * 60, "sex": ["M", "F"] * 30,
                  "DEATHDATE": ["2020-01-01", None] * 30}).to_csv(tmp_path / "people.csv", index=False)  # fmt: skip
    text = draft_site("north", [tmp_path / "people.csv"])
    assert "present: [DEATHDATE]" in text
    assert "death_date: {from: DEATHDATE}" in text


def test_an_extract_of_a_council_needs_few_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One export of clients with odd headings, and diagnoses from SPSS with labels: four answers, and it can be prepared."""
    import pyreadstat

    from shared_code.sources.prepare import prepare

    monkeypatch.setenv("COHORTIUM_KEY", bytes(range(32)).hex())
    ids, folder = [f"C{100_000 + 7 * i}" for i in range(300)], tmp_path / "extract"
    folder.mkdir()
    pd.DataFrame({
        "Client Ref.": ids, "D.O.B": [f"{i % 28 + 1:02d}/{i % 12 + 1:02d}/{1930 + i % 80}" for i in range(300)],
        "Gender (1=M 2=F)": [str(i % 2 + 1) for i in range(300)], "Surname": [f"Smythe{i}" for i in range(300)],
        "Ethnic Origin": ["White British", "Asian - Indian", "Black African"] * 100, "GP Practice": ["M83001", "Y01234"] * 150,
        "Date Registered": [f"{i % 28 + 1:02d}-Mar-{2001 + i % 20}" for i in range(300)],
    }).to_csv(folder / "Clients extract (final) v2.csv", index=False)  # fmt: skip
    events = pd.DataFrame({"CLIENT": ids * 2, "DIAGCODE": ["E11.9", "I10", "J45.9"] * 200, "SRC": [1.0, 2.0] * 300,
                           "DIAGDATE": pd.to_datetime("2015-01-01") + pd.to_timedelta(range(600), "D")})  # fmt: skip
    pyreadstat.write_sav(events, folder / "diagnoses.sav", variable_format={"DIAGDATE": "DATE11"},
                         variable_value_labels={"SRC": {1: "GP practice", 2: "Hospital inpatient"}})  # fmt: skip
    text = draft_site("moorland", sorted(folder.iterdir()))
    assert "Smythe" not in text and "C100" not in text
    answers = {"YOUR ORGANISATION": "Moorland Council", "2000-01-01": "2026-04-20", "reg_type: {from: YOUR_COLUMN}":
               "reg_type: {constant: GMS}", "studies: []": "studies: [demonstration]"}  # fmt: skip
    for question, answer in answers.items():
        assert question in text
        text = text.replace(question, answer)
    (tmp_path / "moorland.yaml").write_text(text, "utf-8")
    site = Site.read(tmp_path / "moorland.yaml")
    found = check_site(site, [Study.read(ROOT / "config" / "study.yaml")], folder)
    assert found.good, found.lines()
    assert any("Long-term conditions" in line and "can run" in line for line in found.analyses)
    assert prepare(site, folder, tmp_path / "prepared") == {"person": 300, "gp_registration": 300, "condition_event": 600}
    person = pd.read_parquet(tmp_path / "prepared" / "person.parquet")
    assert set(person["sex"]) == {"M", "F"} and set(person["ethnicity16"]) == {"A", "H", "N"}
    monkeypatch.delenv("COHORTIUM_KEY")
    told = check_site(site, [], folder)
    assert told.good and any("identifiers are never stored without a key" in line for line in told.missing)
