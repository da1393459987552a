"""Every word that changes rows: small drawn tables, and the same answer in any order of the file."""

from __future__ import annotations

import pandas as pd
import pytest

EPISODES = """\
person prov admitted   order key diag disch      meth
A      R1   2024-01-01 2     e2  I50  2024-01-09 1
A      R1   2024-01-01 1     e1  J45  -          8
A      R1   2024-01-20 1     e3  I10  2024-01-21 1
A      R2   2024-01-01 1     e4  C50  2024-01-02 1
B      R1   2024-01-01 1     e5  E11  2024-01-03 4
C      R1   2024-01-01 10    e7  -    -          8
C      R1   2024-01-01 9     e6  K50  2024-01-05 1
D      R1   2024-01-01 -     e9  L40  -          8
D      R1   2024-01-01 1     e8  M05  2024-01-02 1
E      R1   2024-01-01 1     f2  N18  2024-01-04 1
E      R1   2024-01-01 1     f1  G20  2024-01-02 1"""
# spell | its first diagnosis | discharge of its last episode (episode 10 comes after 9; an unnumbered one comes last)
SPELLS = [("e1", "J45", "2024-01-09"), ("e3", "I10", "2024-01-21"), ("e4", "C50", "2024-01-02"), ("e5", "E11", "2024-01-03"),
          ("e6", "K50", None), ("e8", "M05", None), ("f1", "G20", "2024-01-04")]  # fmt: skip
ADMISSION = {
    "spell_id": {"from": "key"}, "person_id": {"from": "person", "pseudonymise": True}, "provider": {"constant": "RAA"},
    "admi_date": {"from": "admitted"}, "disch_date": {"from": "disch"}, "admimeth": {"constant": "21"},
    "class_pat": {"constant": "1"}, "primary_icd10": {"from": "diag", "icd10": True},
}  # fmt: skip
SPELL = {"person": "person", "provider": "prov", "admitted": "admitted", "order": "order", "episode": "key", "last": ["disch"]}


def drawn(text: str) -> pd.DataFrame:
    head, *rows = [line.split() for line in text.splitlines()]
    return pd.DataFrame(rows, columns=head)


@pytest.mark.parametrize("shuffle", [None, 1, 2])
def test_spells_from_episodes(table_of, shuffle):
    rows = drawn(EPISODES) if shuffle is None else drawn(EPISODES).sample(frac=1, random_state=shuffle)
    made = table_of("admission", rows, ADMISSION, missing=["-"], steps=[{"spells_from_episodes": SPELL}])
    found = [(s, d, None if pd.isna(e) else str(e)[:10]) for s, d, e in zip(made.spell_id, made.primary_icd10, made.disch_date)]
    assert found == SPELLS


def test_spells_without_a_provider_are_wider(table_of):
    how = {k: v for k, v in SPELL.items() if k != "provider"}
    made = table_of("admission", drawn(EPISODES), ADMISSION, missing=["-"], steps=[{"spells_from_episodes": how}])
    assert list(made.spell_id) == ["e1", "e3", "e5", "e6", "e8", "f1"]  # e4, at another provider, is part of e1


def test_leave_out(table_of):
    rows = drawn("person key code\nA e1 99\nB e2 21\nC e3 -\nD e4 98")
    how = {"leave_out": {"code": [99, "98"]}}
    columns = {**ADMISSION, "spell_id": {"from": "key"}, "disch_date": {"constant": "2024-01-05"},
               "admi_date": {"constant": "2024-01-01"},
               "primary_icd10": {"constant": "I10"}}  # fmt: skip
    assert list(table_of("admission", rows, columns, missing=["-"], steps=[how]).spell_id) == ["e2", "e3"]


def test_rows_from_columns(table_of):
    rows = drawn("id d1 d2 d3\nA I10 - E11\nB - - -\nC J45 J45 -")
    made = table_of(
        "condition_event", rows, {
            "person_id": {"from": "id", "pseudonymise": True}, "code": {"from": "D", "icd10": True},
            "code_system": {"constant": "ICD10"}, "event_date": {"constant": "2024-01-01"}, "source": {"constant": "APC"},
            "diag_position": {"from": "P"}, "parent_id": {"from": "id"}},
        missing=["-"], number="event_id",
        steps=[{"rows_from_columns": {"columns": ["d1", "d2", "d3"], "value": "D", "position": "P"}}],
    )  # fmt: skip
    assert sorted(zip(made.parent_id, made.code, made.diag_position)) == [
        ("A", "E11", 3), ("A", "I10", 1), ("C", "J45", 1), ("C", "J45", 2)]  # fmt: skip


PERSON = {"person_id": {"from": "id", "pseudonymise": True}, "birth_month": {"constant": "1980-01-01"}, "sex": {"from": "sex"},
          "ethnicity16": {"from": "eth"}, "ethnicity_date": {"from": "on"}}  # fmt: skip
ASKED = """\
id sex eth on
A  F   A   2020-01-01
A  F   B   2021-01-01
A  F   C   -
B  M   H   -
B  M   H   -
C  F   J   2020-01-01
C  F   K   2020-01-01"""


@pytest.mark.parametrize(("word", "groups"), [("latest_by", ["B", "H", "J"]), ("earliest_by", ["A", "H", "J"])])
@pytest.mark.parametrize("shuffle", [0, 1])
def test_one_row_per_key(table_of, word, groups, shuffle):
    """A row without a date comes last; equal dates are decided by the other columns, not by the file."""
    rows = drawn(ASKED).sample(frac=1, random_state=shuffle)
    assert sorted(table_of("person", rows, PERSON, missing=["-"], steps=[{word: "ethnicity_date"}]).ethnicity16) == groups


def test_distinct_rows(table_of, message_of):
    rows = drawn("id sex eth on\nA F A -\nA F A -\nB M H -")
    assert len(table_of("person", rows, PERSON, missing=["-"], steps=["distinct_rows"])) == 2
    assert "1 values of the key (person_id) occur more than once" in message_of(table_of, "person", rows, PERSON, missing=["-"])


KEPT = [(None, ["a1", "a4", "b1", "b2"]), (11, ["a1", "b1"]), (0, ["a1", "a2", "a3", "a4", "b1", "b2"])]


@pytest.mark.parametrize(("minutes", "kept"), KEPT)
def test_one_attendance_from_duplicates(table_of, minutes, kept):
    """10 minutes belong together, 11 do not; each arrival is compared with the one before it."""
    rows = drawn("id key at\nA a1 10:00\nA a2 10:10\nA a3 10:20\nA a4 10:31\nB b1 10:00\nB b2 10:11").assign(on="2024-01-01")
    step = "one_attendance_from_duplicates" if minutes is None else {"one_attendance_from_duplicates": {"minutes": minutes}}
    made = table_of("ed_attendance", rows, {
        "att_id": {"from": "key"}, "person_id": {"from": "id", "pseudonymise": True},
        "arrival": {"from": "on", "time": "at"}, "dept_type": {"constant": "01"}}, steps=[step])  # fmt: skip
    assert list(made.att_id) == kept


# a step as written | words of the message
FAULTS = [
    ({"leave_out": {"sx": 1}}, "steps.0.leave_out: the extract has no column 'sx' (did you mean sex?)"),
    ({"rows_from_columns": {"columns": ["sex", "eth"], "value": "on"}}, "the extract has a column 'on' already"),
    ({"rows_from_columns": {"columns": ["sex", "eth"], "value": "E"}}, "the extract has no column 'sex'"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "words"), FAULTS)
def test_faults_of_steps_are_named(table_of, problems_of, step, words):
    rows = drawn(ASKED)
    assert words in "\n".join(map(str, problems_of(table_of, "person", rows, PERSON, missing=["-"], steps=[step])))


WRITTEN = [
    ("distinct_row", "the key 'distinct_row' is not known (did you mean distinct_rows?)"),
    ({"sql": "DROP TABLE person"}, "the key 'sql' is not known"),
    ({"distinct_rows": True, "latest_by": "sex"}, "a step is one word, not distinct_rows, latest_by"),
    ({"latest_by": "sx"}, "'sx' is not a column of person (did you mean sex?)"),
    ("one_attendance_from_duplicates", "person has no arrivals to compare"),
    ({"spells_from_episodes": {"person": "p"}}, "steps.0.spells_from_episodes.admitted: this key is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "words"), WRITTEN)
def test_steps_are_a_closed_list(tmp_path, problems_of, step, words):
    import yaml

    from shared_code.config import Site

    path = tmp_path / "north.yaml"
    path.write_text(yaml.safe_dump({"site": "north", "title": "t", "controller": "c", "studies": [], "extract_date": "2024-01-01",
                                    "tables": {"person": {"file": "a.csv", "columns": {}, "steps": [step]}}}))  # fmt: skip
    assert words in "\n".join(map(str, problems_of(Site.read, path)))
