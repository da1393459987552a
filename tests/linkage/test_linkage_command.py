"""The command link at a site of a few people by hand: every reason, every step, versions of the index, and refusals."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from shared_code import cli
from shared_code.config import Site
from shared_code.linkage.index import as_of
from shared_code.model import Refused
from shared_code.sources.pseudonyms import pseudonym, record_pseudonym

KEY = bytes(range(32))
REGISTER = """id,nhs,surname,forename,dob,sex,postcode,ethnic,lsoa,died
1,9434765919,Quellbird,Ana,17/05/1980,2,ZE1 0AA,A,E01000001,
2,4010232137,Otterbird,Ben,04/03/1955,1,ZE1 0AB,H,E01000001,10/01/2026
3,9876543210,Otterbird,Cleo,21/11/1990,2,ZE1 0AB,H,E01000002,
4,,Nonumber,Dai,01/02/1970,1,ZE1 0AC,A,E01000002,
"""
HOSPITAL = """rec,nhs,surname,forename,dob,sex,postcode,seen,site
H1,943 476 5919,Quelbird,Ana,17/05/1980,F,ZE1 0AA,2026-01-05,RX101
H2,,Otterbird,Ben,04/03/1955,M,ZE1 0AB,2026-02-01,RX101
H3,9434765918,Otterbird,Cleo,21/11/1990,F,ZZ99 3VZ,2026-01-07,RX101
H4,4010232137,Otterbird,Ben,04/03/1955,M,ZE1 0AB,2026-01-05,RX101
H5,abc,Stranger,Eve,09/09/1999,F,ZE9 9ZZ,2026-01-05,RX101
H6,12345,Stranger,Flo,31/02/1999,F,ZE9 9ZZ,2026-01-05,RX102
H7,2222222222,Stranger,Gus,08/08/1998,M,,2026-01-05,RX102
H8,9990000018,Stranger,Hal,07/07/1997,M,,2026-01-05,RX102
H9,9991234561,Stranger,Ida,06/06/1996,F,,2026-01-05,RX102
H10,9876543210,Otterbird,Cleo,21/11/1990,F,ZE1 0AB,2026-01-07,RX102
"""
MERGED = "old,new\n1,2\n"
SITE = """site: north
title: The north
controller: Trust
studies: []
folder: {folder}
extract_date: 2026-02-01
linkage:
  index: register
  records:
    register:
      kind: GP
      file: register.csv
      columns:
        record: {{from: id}}
        nhs_number: {{from: nhs}}
        surname: {{from: surname}}
        forename: {{from: forename}}
        date_of_birth: {{from: dob, date: "%d/%m/%Y"}}
        sex: {{from: sex, values: {{1: M, 2: F}}}}
        postcode: {{from: postcode}}
        ethnicity16: {{from: ethnic}}
        lsoa21: {{from: lsoa}}
        death_date: {{from: died, date: "%d/%m/%Y"}}
    hospital:
      kind: APC
      one_record_a_person: false
      file: hospital.csv
      columns:
        record: {{from: rec}}
        nhs_number: {{from: nhs}}
        surname: {{from: surname}}
        forename: {{from: forename}}
        date_of_birth: {{from: dob, date: "%d/%m/%Y"}}
        sex: {{from: sex, values: {{M: M, F: F}}}}
        postcode: {{from: postcode}}
        seen_on: {{from: seen}}
        provider: {{from: site}}
  superseded: {{file: merged.csv, from: old, to: new}}
tables:
  person:
    file: register.csv
    columns:
      person_id: {{from: id, linked: register}}
      birth_month: {{from: dob, date: "%d/%m/%Y", first_of_month: true}}
      sex: {{from: sex, values: {{1: M, 2: F}}}}
  ed_attendance:
    file: hospital.csv
    columns:
      att_id: {{from: rec}}
      person_id: {{from: rec, linked: hospital}}
      arrival: {{from: seen}}
      dept_type: {{constant: "01"}}
"""


class North:
    """A site in a folder of its own, in which the command line runs."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.data, self.private = folder / "extract", folder / "private" / "north"
        self.data.mkdir()
        (folder / "config" / "sites").mkdir(parents=True)
        self.settings = folder / "config" / "sites" / "north.yaml"
        self.settings.write_text(SITE.format(folder=self.data), "utf-8")
        self.write()

    def write(self, register: str = REGISTER, hospital: str = HOSPITAL, merged: str = MERGED) -> None:
        for name, text in (("register", register), ("hospital", hospital), ("merged", merged)):
            (self.data / f"{name}.csv").write_text(text, "utf-8")

    def run(self, *words: str) -> int:
        """Run the command line as a user does; returns the code it ends with."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["cohortium", *words])
            try:
                cli.main()
            except SystemExit as ended:
                return int(ended.code or 0)
        return 0

    @property
    def report(self) -> dict:
        return json.loads((self.private / "linkage" / "linkage.json").read_text("utf-8"))

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.private / name)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("COHORTIUM_KEY", KEY.hex())
    monkeypatch.delenv("COHORTIUM_KEY_FILE", raising=False)


@pytest.fixture(scope="module")
def north(tmp_path_factory) -> North:
    site = North(tmp_path_factory.mktemp("north"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COHORTIUM_KEY", KEY.hex())
        assert site.run("prepare", "north") == 0  # links first, by itself
    return site


def test_every_record_by_the_step_that_should_link_it(north):
    links = north.table("linkage/links/hospital.parquet").set_index("record")
    of = {n: links.loc[record_pseudonym(KEY, "north", "hospital", n)] for n in [f"H{i}" for i in range(1, 11)]}
    ids = {name: pseudonym(KEY, "NHS", number) for name, number in (
        ("Ana", "9434765919"), ("Ben", "4010232137"), ("Cleo", "9876543210"))}  # fmt: skip
    assert {n: row["link_method"] for n, row in of.items()} == {
        "H1": "D1", "H2": "D2", "H3": "D3", "H4": "D1", "H10": "D1", **dict.fromkeys(("H5", "H6", "H7", "H8", "H9"), "U")}
    assert [of[n]["person_id"] for n in ("H1", "H2", "H3", "H4", "H10")] == [
        ids["Ana"], ids["Ben"], ids["Cleo"], ids["Ben"], ids["Cleo"]]  # fmt: skip
    assert links["weight_band"].value_counts().to_dict() == {"deterministic": 5, "none": 5}
    assert ids["Ana"] == "3b25b93553c5a2acb7330f83648e7ca460768fce2fe19e5bbe029684324be15f"  # T12.1


def test_every_reason_to_reject_a_number_is_counted(north):
    assert north.report["sources"]["hospital"]["reasons"] == {
        "valid": 3, "missing": 1, "not_digits": 1, "wrong_length": 1, "repeated_digit": 1, "no_check_digit": 1,
        "wrong_check_digit": 1, "test_range": 1}  # fmt: skip
    numbers = north.report["sources"]["hospital"]["numbers"]
    flags = {row["issue_range"]: row["rows"] for row in numbers if row["reason"] == "valid"}
    assert flags == {"none": 2, "england_wales_iom": 1}  # flagged, not judged
    page = (north.private / "linkage" / "linkage.html").read_text("utf-8")
    assert "it begins with 999, which is kept for tests" in page and "one digit is repeated ten times" in page


def test_rows_of_the_unlinked_are_left_out_and_counted(north):
    record = json.loads((north.private / "prepared" / "prepared.json").read_text("utf-8"))
    assert record["unlinked"] == {"person": {"register": {"rows": 4, "unlinked": 0}},
                                  "ed_attendance": {"hospital": {"rows": 10, "unlinked": 5}}}  # fmt: skip
    people, seen = north.table("prepared/person.parquet"), north.table("prepared/ed_attendance.parquet")
    assert len(people) == 4 and len(seen) == 5 and set(seen["person_id"]) < set(people["person_id"])
    assert pseudonym(KEY, "north", "4") in set(people["person_id"])  # without a number, by the register's own
    assert north.report["index"]["without_valid_number"] == 1


def test_what_cannot_be_is_counted(north):
    """Ben died on 10 January and is seen on 1 February; Cleo is in two hospitals on one day."""
    found = {row["check"]: (row["records"], row["of"]) for row in north.report["implausible"]}
    assert found == {"two_deaths": (0, 1), "after_death": (1, 2), "two_places": (2, 5)}


def test_counters_hold_counts_and_strata(north):
    counts = north.table("linkage/linkage.parquet").set_index(["stratum", "level"])
    everyone = counts.loc[("all", "all")]
    assert (everyone["records"], everyone["with_identifier"], everyone["linked"], everyone["linked_d1"]) == (10, 10, 5, 3)
    assert counts.loc[("homeless", "yes"), "records"] == 1  # the postcode of no fixed abode says it
    assert counts.loc[("age", "70-79"), "linked"] == 2 and counts.loc[("month", "2026-02"), "records"] == 1
    assert counts.loc[("age", "Unknown"), "records"] == 1  # 31 February is no date, and no reason to stop
    assert counts.loc[("eth5", "Asian"), "linked"] == 4 and counts.loc[("eth5", "Asian"), "taken_from"] == "index"
    assert north.report["sources"]["hospital"]["quality"] is None  # three records by number are no standard


def test_a_second_run_without_a_change_makes_no_version_and_a_change_keeps_the_old(north, tmp_path):
    site = North(tmp_path)
    assert site.run("link", "north") == 0
    first = site.table("linkage/index.parquet")
    assert site.run("link", "north") == 0
    assert site.report["version"] == 1 and site.table("linkage/index.parquet").equals(first)
    # Ana's number is merged into a new one, and her hospital record still holds the old
    site.write(register=REGISTER.replace("1,9434765919", "1,4505577104"), merged="old,new\n9434765919,450 557 7104\n")
    assert site.run("link", "north") == 0
    old, new = (pseudonym(KEY, "NHS", n) for n in ("9434765919", "4505577104"))
    assert site.report["version"] == 2 and site.report["index"]["new_merges"] == 1
    links = site.table("linkage/links/hospital.parquet").set_index("record")
    assert links.loc[record_pseudonym(KEY, "north", "hospital", "H1"), ["person_id", "link_method"]].tolist() == [new, "D1"]
    history = site.table("linkage/index.parquet")
    assert old in set(as_of(history, 1)["person_id"]) and old not in set(as_of(history)["person_id"])
    # the list of merges is gone, what is known stays
    site.write(register=REGISTER.replace("1,9434765919", "1,4505577104"))
    assert site.run("link", "north") == 0
    links = site.table("linkage/links/hospital.parquet").set_index("record")
    assert links.loc[record_pseudonym(KEY, "north", "hospital", "H1"), "person_id"] == new
    merges = site.table("linkage/merges.parquet")
    assert merges[["superseded", "current", "valid_from_version"]].values.tolist() == [[old, new, 2]]


@pytest.mark.parametrize(("key", "words"), [
    ("", "identifiers are never stored without a key"), (KEY.hex()[:-2], "31 bytes"), ("secret", "not hexadecimal"),
    ("inside", "the key file lies inside the project"),
])  # fmt: skip
def test_the_command_refuses_without_a_proper_key(key, words, tmp_path, monkeypatch, capsys):
    site = North(tmp_path)
    monkeypatch.setenv("COHORTIUM_KEY", "" if key == "inside" else key)
    if key == "inside":
        (tmp_path / "config" / "key").write_text(KEY.hex(), "utf-8")
        monkeypatch.setenv("COHORTIUM_KEY_FILE", str(tmp_path / "config" / "key"))
    for verb in ("link", "prepare"):
        assert site.run(verb, "north") == 1
        said = capsys.readouterr()
        assert words in said.err and "Traceback" not in said.err and KEY.hex() not in said.err + said.out
    assert not list(site.private.glob("l*/*.parquet")) and not list(site.private.glob("linkage*"))


def test_nothing_of_a_person_is_kept_or_said(north, capfd):
    assert north.run("link", "north") == 0
    said = capfd.readouterr()
    kept = [said.out, said.err]
    for path in (north.private / "linkage").rglob("*"):
        if path.suffix == ".parquet":
            kept.append(pd.read_parquet(path).to_csv())
        elif path.is_file():
            kept.append(path.read_text("utf-8"))
    text = "\n".join(kept).lower()
    for canary in ("quellbird", "otterbird", "9434765919", "943 476", "4010232137", "9876543210", "ze1 0a", "ze10a", "17/05/1980",
                   "1980-05-17", "h10", KEY.hex()):  # fmt: skip
        assert canary not in text, canary
    assert [p.name for p in north.private.iterdir() if p.name.startswith("linkage")] == ["linkage"]  # what was read is gone


def test_check_reads_the_records_and_keeps_nothing(north, capsys):
    before = sorted(p.name for p in north.private.iterdir())
    north.run("check", "north")
    said = capsys.readouterr().out
    assert "linkage, register: fewer than 100 records from register.csv, to be linked as the people of the index." in said
    assert "linkage, hospital: fewer than 100 records from hospital.csv, to be linked to the people of the index." in said
    assert "Quellbird" not in said and sorted(p.name for p in north.private.iterdir()) == before


def test_a_checked_sample_gives_the_precision_a_person_found(north):
    sample = pd.read_csv(north.private / "linkage" / "to_check.csv")
    assert sample["row"].tolist() == [1, 2, 3, 4, 10] and sample["index_row"].tolist() == [1, 2, 3, 2, 3]
    sample["right"] = ["yes", "yes", "no", "yes", "yes"]
    sample.to_csv(north.private / "linkage" / "checked.csv", index=False)
    assert north.run("link", "north") == 0
    assert north.report["sources"]["hospital"]["checked"] == {"links": 5, "precision": 0.8, "se": 0.0}  # all of them: no error
    assert "that a person checked" in (north.private / "linkage" / "linkage.html").read_text("utf-8")
    (north.private / "linkage" / "checked.csv").unlink()


def test_problems_of_every_source_are_told_together_without_values(tmp_path, capsys):
    site = North(tmp_path)
    site.write(register=REGISTER.replace("id,nhs", "id,number"), hospital=HOSPITAL.replace("H2,", "H1,").replace(",F,", ",W,"))
    assert site.run("link", "north") == 1
    said = capsys.readouterr().err
    assert "linkage.records.register.columns.nhs_number: the extract has no column 'nhs'" in said
    assert "linkage.records.hospital.columns.sex" in said
    site.write(hospital=HOSPITAL.replace("H2,", "H1,"))
    assert site.run("link", "north") == 1
    said = capsys.readouterr().err
    assert "linkage.records.hospital.columns.record: 1 rows repeat the number of another record" in said
    assert "Otterbird" not in said


FAULTS = [
    ("index: register", "index: registry", "'registry' is not one of linkage.records (did you mean register?)"),
    ("linked: hospital", "linked: hospitl", "'hospitl' is not one of linkage.records (did you mean hospital?)"),
    ("att_id: {from: rec}", "att_id: {from: rec, linked: hospital}", "att_id is not the person"),
    ("record: {from: rec}", "practice_code: {constant: A12345}", "record is missing"),
    ("nhs_number: {from: nhs}", "nhs_number: {from: nhs, pseudonymise: true}", "identifiers are read here as they are"),
    ("kind: APC", "kind: hospital", "'hospital' is not allowed"),
]


@pytest.mark.parametrize(("old", "new", "words"), FAULTS)
def test_faults_of_the_settings_are_named(old, new, words, tmp_path):
    text = SITE.format(folder=tmp_path)
    assert old in text
    path = tmp_path / "north.yaml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(Refused) as refused:
        Site.read(path)
    assert words in str(refused.value)
