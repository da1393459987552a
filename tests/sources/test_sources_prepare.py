"""Prepare: all tables or none, every problem at once, the same bytes again, and identifiers that never show."""

from __future__ import annotations

import hashlib
import random

import duckdb
import pandas as pd
import pyreadstat
import pytest

from shared_code.model import Refused
from shared_code.sources.prepare import prepare
from shared_code.sources.pseudonyms import pseudonym, read_key

SECRET = "NHS9434765919"  # an identifier that must never be seen again
PEOPLE = [f"{SECRET},1980-05-01,1", "b,1990-06-01,2", "c,2000-07-01,2"]
EVENTS = {
    "file": "events.csv", "number": "event_id",
    "columns": {"person_id": {"from": "id", "pseudonymise": True}, "code": {"from": "code"},
                "code_system": {"constant": "ICD10"}, "event_date": {"from": "on"}, "source": {"constant": "GP"}},
}  # fmt: skip


def with_events(extract, *rows: str):
    extract.people(*PEOPLE).write("events.csv", "\n".join(["id,code,on", *rows]) + "\n")
    extract.tables["condition_event"] = {**EVENTS, "columns": dict(EVENTS["columns"])}
    return extract


def test_all_problems_of_all_tables_at_once_and_nothing_is_touched(extract, problems_of):
    with_events(extract, f"{SECRET},J45,2020-01-01").prepare()
    before = {p.name: p.read_bytes() for p in extract.target.iterdir()}
    extract.people(f"{SECRET},1980-05-01,7", "b,soon,2", "c,2000-07-01,7")
    extract.write("events.csv", "id,code,on\nb,J45,01/02/2020\n")
    extract.tables["condition_event"]["columns"]["status"] = {"from": "statis"}
    extract.tables["death"] = {"file": "death.csv", "columns": {"person_id": {"from": "id", "pseudonymise": True}}}
    text = "\n".join(map(str, problems_of(extract.prepare)))
    for words in (
        "person.columns.sex: sex holds '7' (2 rows), not explained. Allowed: F, M, I, U. Add these codes to",
        "person.columns.birth_month: dob holds 'soon' (1 rows), which is not a date",
        "condition_event.columns.status: the extract has no column 'statis'",
        "death.csv: the file is not there",
    ):
        assert words in text
    assert {p.name: p.read_bytes() for p in extract.target.iterdir()} == before
    assert extract.left_behind() == ["prepared"]


def test_wrong_columns_are_suggested(extract, problems_of):
    extract.people(*PEOPLE, header="id,dob,sx", where={"sexx": 1}, present=["iid"],
                   rows=[{"where": {"dop": 1}, "columns": {}}])  # fmt: skip
    text = "\n".join(map(str, problems_of(extract.prepare)))
    assert "columns.sex: the extract has no column 'sex' (did you mean sx?). Allowed: id, dob, sx. Correct from:" in text
    assert "person.where: the extract has no column 'sexx'" in text
    assert "person.present: the extract has no column 'iid' (did you mean id?)" in text
    assert "person.rows.0.where: the extract has no column 'dop' (did you mean dob?)" in text


def test_a_required_column_is_missing_in_one_kind_of_row(extract, message_of):
    with_events(extract, f"{SECRET},J45,2020-01-01")
    table = extract.tables["condition_event"]
    rows = [{"columns": {"code": table["columns"].pop("code")}}, {"columns": {"status": {"constant": "active"}}}]
    message = message_of(lambda: (table.update(rows=rows), extract.prepare()))
    assert "condition_event.rows.1.columns: code is missing (diagnosis code" in message


def test_required_values_duplicates_orphans_and_patterns_together(extract, problems_of):
    with_events(extract, "stranger,J45,2020-01-01", f"{SECRET},,2020-01-01")
    extract.people(*PEOPLE, PEOPLE[0])
    extract.write("death.csv", f"id,on,area\n{SECRET},2021-01-01,E01000001\nb,2021-01-01,W01999999\nc,2021-01-01,London\n")
    extract.tables["death"] = {"file": "death.csv", "columns": {
        "person_id": {"from": "id", "pseudonymise": True}, "death_date": {"from": "on"}, "reg_date": {"from": "on"},
        "lsoa21": {"from": "area"}}}  # fmt: skip
    text = "\n".join(map(str, problems_of(extract.prepare)))
    assert "tables.person: 1 values of the key (person_id) occur more than once; a row must be one person" in text
    assert "condition_event.columns.code: 1 rows are missing a value" in text
    assert "condition_event.columns.person_id: 1 rows name a person_id that is not in person. Extract person and" in text
    assert "death.columns.lsoa21: 1 rows do not have the form of the column (London). Allowed: [EW]01[0-9]{6}" in text
    assert SECRET not in text


def test_two_editions_of_deprivation_are_never_mixed(extract, message_of):
    rows = "".join(f"E0100000{n},2024-05,E05000001,Here,{imd},3\n" for n, imd in enumerate(["IoD2019", "IoD2025"]))
    extract.write("areas.csv", f"lsoa21,ward_vintage,ward_cd,locality,imd_version,imd10\n{rows}")
    names = ["lsoa21", "ward_vintage", "ward_cd", "locality", "imd_version", "imd10"]
    extract.tables["area_lookup"] = {"file": "areas.csv", "columns": {name: {"from": name} for name in names}}
    assert "imd_version: several editions are mixed (IoD2019, IoD2025)" in message_of(extract.prepare)


@pytest.mark.parametrize("change", ["forgotten", "values"])
def test_identifiers_are_never_shown_in_messages(extract, message_of, change):
    identifier = {"from": "id"} if change == "forgotten" else {"from": "id", "values": {"b": "0" * 64}}
    message = message_of(extract.people(*PEOPLE, columns={"person_id": identifier}).prepare)
    assert "person.columns.person_id" in message
    assert SECRET not in message


def test_identifiers_and_the_key_are_never_written(extract, capfd, monkeypatch):
    monkeypatch.setenv("COHORTIUM_KEY", "c0ffee" * 10 + "0123")
    said: list[str] = []
    with_events(extract, f"{SECRET},J45,2020-01-01")
    prepare(extract.site(), extract.folder, extract.target, said.append)
    written = b"".join(p.read_bytes() for p in extract.target.rglob("*") if p.is_file())
    captured = capfd.readouterr()
    for place in (written, "".join(said).encode(), captured.out.encode(), captured.err.encode()):
        assert SECRET.encode() not in place
        assert b"c0ffee" not in place
        assert bytes.fromhex("c0ffee" * 10 + "0123") not in place
    assert said == ["The north: person", "The north: condition_event"]


def test_prepared_tables_are_for_their_owner_only(extract):
    extract.people(*PEOPLE).prepare()
    assert extract.target.stat().st_mode & 0o077 == 0


def test_a_second_run_gives_the_same_bytes_in_any_order_of_rows(extract):
    """Rows without an identifier are numbered by their content, so the order of the file does not matter."""
    rows = [f"{person},{code},2020-01-0{day}" for person in (SECRET, "b", "c") for code in ("J45", "I10") for day in (1, 2, 2)]
    first = digests(with_events(extract, *rows))
    assert digests(with_events(extract, *rows)) == first
    random.Random(5).shuffle(rows)
    extract.tables.clear()
    assert digests(with_events(extract, *rows)) == first
    events = pd.read_parquet(extract.target / "condition_event.parquet")
    assert sorted(events["event_id"]) == sorted(f"condition_event-{n}" for n in range(len(rows)))


def digests(extract) -> dict[str, str]:
    extract.prepare()
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in extract.target.iterdir()}


def test_a_file_damaged_further_on_is_refused(extract, message_of):
    """A Parquet file can be read up to the page that is damaged."""
    pd.DataFrame({"id": range(10_000), "dob": ["1980-01-01"] * 10_000, "sex": [1] * 10_000}).to_parquet(
        extract.folder / "people.parquet", compression="zstd"
    )
    content = bytearray((extract.folder / "people.parquet").read_bytes())
    content[4:100] = b"\xff" * 96  # the header of the first page
    extract.write("people.parquet", bytes(content))
    extract.people()
    extract.tables["person"]["file"] = "people.parquet"
    assert "people.parquet cannot be read" in message_of(extract.prepare)
    assert extract.left_behind() == []


def test_nothing_stays_behind_when_a_run_is_interrupted(extract):
    def stop(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(extract.people(*PEOPLE).site(), extract.folder, extract.target, stop)
    assert extract.left_behind() == []


def test_a_folder_with_an_apostrophe(extract):
    extract.target = extract.folder.parent / "the site's own"
    assert len(extract.people(*PEOPLE).prepare()["person"]) == 3


# ---- joining another file


@pytest.mark.parametrize(("left", "right"), [("number", "number"), ("number", "text"), ("text", "number"), ("text", "text")])
def test_joining_by_a_number_or_a_text(extract, left, right):
    """0012 in a text file is the number 12 of a statistical file; two texts are compared as they are."""
    ids = [7, 12, 30]
    frame = pd.DataFrame({"id": ids, "dob": ["1980-01-01"] * 3, "sex": [1, 1, 1]})
    other = pd.DataFrame({"id": [12, 7, 99], "home": [1, 0, 1]})
    for name, table, kind in (("people", frame, left), ("homes", other, right)):
        if kind == "number":
            pyreadstat.write_sav(table, extract.folder / f"{name}.sav")
        else:
            texts = table.assign(id=table["id"].map("{:04d}".format))
            texts.to_csv(extract.folder / f"{name}.csv", index=False)
    files = [f"{name}.{'sav' if kind == 'number' else 'csv'}" for name, kind in (("people", left), ("homes", right))]
    extract.tables["person"] = {
        "file": files[0], "join": [{"file": files[1], "by": "id"}],
        "columns": {"person_id": {"from": "id", "pseudonymise": True}, "birth_month": {"from": "dob"},
                    "sex": {"from": "sex", "values": {1: "M"}},
                    "carehome_flag": {"from": "home", "values": {1: True, 0: False}}},
    }  # fmt: skip
    found = extract.prepare()["person"].set_index("person_id")["carehome_flag"]
    known = {number: pseudonym(read_key(), "north", f"{number:04d}" if left == "text" else str(number)) for number in ids}
    assert [found[known[7]], found[known[12]], found[known[30]]] == [False, True, None]


def test_long_identifiers_are_not_confused_and_texts_not_read_as_numbers(extract):
    """As decimal numbers, the first two would be equal, and 1e3 would be 1000."""
    ids = ["12345678901234567", "12345678901234568", "1e3", "1000"]
    extract.people(*[f"{i},1980-01-01,1" for i in ids], join=[{"file": "homes.csv", "by": "id"}],
                   columns={"carehome_flag": {"from": "home", "values": {"1": True, "0": False}}})  # fmt: skip
    extract.write("homes.csv", f"id,home\n{ids[0]},1\n1000,0\n")
    found = extract.prepare()["person"].set_index("person_id")["carehome_flag"]
    assert [found[pseudonym(read_key(), "north", i)] for i in ids] == [True, None, None, False]


def test_a_joined_file_with_other_characters_or_repeated_identifiers(extract, message_of):
    extract.people("a,1980-01-01,1", join=[{"file": "homes.csv", "by": "id", "delimiter": ";", "encoding": "cp1252"}],
                   columns={"carehome_flag": {"from": "häuslich", "values": {"nö": False}}})  # fmt: skip
    extract.write("homes.csv", "id;häuslich\na;nö\n".encode("cp1252"))
    assert extract.prepare()["person"]["carehome_flag"].tolist() == [False]
    extract.write("homes.csv", "id;häuslich\na;nö\n a ;nö\n".encode("cp1252"))
    assert "homes.csv: 1 rows repeat an identifier id. Allowed: one row per identifier" in message_of(extract.prepare)
    extract.write("homes.csv", b"idd;x\na;1\n")
    assert "homes.csv: there is no column 'id' to join by. Allowed: idd, x" in message_of(extract.prepare)


def test_many_rows_are_joined_fast(extract):
    """Both sides are brought to one code and compared once: a comparison of all pairs would take minutes."""
    with duckdb.connect() as db:
        for name, columns in (("people", "'1980-01-01' AS dob, 1 AS sex"), ("homes", "1 AS home")):
            path = extract.folder / f"{name}.parquet"
            db.execute(f"COPY (SELECT range AS id, {columns} FROM range(60000)) TO '{path}'")
    extract.people(join=[{"file": "homes.parquet", "by": "id"}])
    extract.tables["person"]["file"] = "people.parquet"
    extract.tables["person"]["columns"]["carehome_flag"] = {"from": "home", "values": {1: True}}
    assert extract.prepare()["person"]["carehome_flag"].sum() == 60_000


def test_refused_is_all_that_is_raised_for_a_missing_key(extract, monkeypatch, message_of):
    monkeypatch.delenv("COHORTIUM_KEY")
    with_events(extract, f"{SECRET},J45,2020-01-01")
    assert "neither COHORTIUM_KEY nor COHORTIUM_KEY_FILE is set" in message_of(extract.prepare)
    assert extract.left_behind() == []
    assert issubclass(Refused, Exception)
