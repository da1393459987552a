"""What a list finds at a site and what it may miss, counted person by person in plain Python."""

from __future__ import annotations

import random
import re

import pytest

from shared_code.config import Policy
from shared_code.config.codelists import Codelist
from shared_code.measures.code_use import code_use

DIABETES = Codelist(
    "made", "1", {"diabetes": "Diabetes", "cancer": "Cancer"}, {"diabetes": 0, "cancer": 0},
    {("ICD10", "E10"): [("diabetes", True)], ("ICD10", "E112"): [("diabetes", True)], ("SCT", "73211009"): [("diabetes", True)],
     ("ICD10", "C50"): [("cancer", True)], ("ICD10", "C509"): [("cancer", False)]}, "",
)  # fmt: skip
WIDER = Codelist("wide", "2", {"diabetes": "Diabetes"}, {"diabetes": 0},
                 {("ICD10", "E11"): [("diabetes", True)], ("SCT", "44054006"): [("diabetes", True)]}, "")  # fmt: skip
CODES = [("ICD10", c) for c in ("E101", "E112", "E119", "C501", "C509", "I10")] + [
    ("SCT", c) for c in ("73211009", "44054006", "38341003")]  # fmt: skip


def recorded(seed: int, people: int = 60, events: int = 200) -> list[tuple[str, str, str, str]]:
    chance = random.Random(seed)
    return [(f"p{chance.randrange(people)}", *chance.choice(CODES), chance.choice(["active", "active", "family", "."]))
            for _ in range(events)]  # fmt: skip


def as_text(rows: list[tuple[str, str, str, str]]) -> str:
    lines = ["event_id who code_system code status", *(f"e{i} {' '.join(row)}" for i, row in enumerate(rows))]
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_a_plain_loop(tables, seed: int):
    rows = recorded(seed)
    found = code_use(tables(condition_event=as_text(rows)), DIABETES, WIDER)
    held = [(who, system, code) for who, system, code, status in rows if status != "family"]

    def people(condition) -> set[str]:
        return {who for who, system, code in held if condition(system, code)}

    listed = {"E101", "E112", "73211009"}
    of_list = people(lambda s, c: c in listed)
    icd10, snomed = people(lambda s, c: c in ("E101", "E112")), people(lambda s, c: s == "SCT")
    row = found.conditions.set_index("condition").loc["diabetes"]
    assert row["people"] == len(of_list)
    assert row["family"] == len(people(lambda s, c: c == "E119") - of_list)
    assert row["beside"] == len(people(lambda s, c: c in ("E112", "E119", "44054006")) - of_list)
    assert row["both"] == len(icd10 & snomed)
    assert row["both_found"] == len(icd10 & people(lambda s, c: c == "73211009"))
    counted = {(r.code, r.use): r.people for r in found.codes.itertuples() if r.condition == "diabetes"}
    for code in ("E101", "E112", "73211009"):
        assert counted[code, "found"] == len(people(lambda s, c, code=code: c == code))
    assert counted["E119", "same family"] == len(people(lambda s, c: c == "E119"))
    cancer = found.codes[found.codes["condition"] == "cancer"]
    assert set(cancer["code"]) == {"C501"}, "a code that the list itself leaves out is not missed"


def events(**codes: int) -> str:
    """Give `code=people`: that many people with this code, each somebody else."""
    rows = [(f"{code}_{i}", "SCT" if code[1:].isdigit() and code[0] == "s" else "ICD10", code.removeprefix("s"), "active")
            for code, number in codes.items() for i in range(number)]  # fmt: skip
    return as_text(rows)


def test_a_list_that_misses_most_is_told(tables):
    """Most people with diabetes have E119, which the list lacks."""
    found = code_use(tables(condition_event=events(E101=12, E119=40, C501=20)), DIABETES)
    told = found.told(Policy())
    assert "Diabetes: 10 people. ICD-10 E101 (10)" in told
    assert "  of the same family, and not in the list: ICD-10 E119 (40)" in told
    assert found.warned == ["Diabetes: the list misses most. 40 people have a code of the same family and none of the list's, "
                            "which finds 10 people."]  # fmt: skip
    assert not [w for w in code_use(tables(condition_event=events(E101=41, E119=40, C501=20)), DIABETES).warned if "most" in w]


def test_root_concepts_alone_miss_what_general_practice_records(tables):
    """Fifty people have a hospital code and a general practice code; the list knows the practice code of five."""
    rows = [(f"p{i}", "ICD10", "E101", "active") for i in range(50)]
    rows += [(f"p{i}", "SCT", "73211009" if i < 5 else "44054006", "active") for i in range(50)]
    found = code_use(tables(condition_event=as_text(rows)), DIABETES, WIDER)
    told = "\n".join(found.told(Policy()))
    assert ("Diabetes: its SNOMED CT codes miss most. Of 50 people with an ICD-10 code of it and with SNOMED CT records, "
            "fewer than 10 people have one of the list's SNOMED CT codes.") in told  # fmt: skip


def test_another_list_shows_whom_this_one_misses(tables):
    found = code_use(tables(condition_event=events(s73211009=10, s44054006=90)), DIABETES, WIDER)
    found.told(Policy())
    assert ("Diabetes: the list misses most. 90 people have a code of wide/2 and none of the list's, which finds 10 people."
            in found.warned)  # fmt: skip


def test_a_list_that_finds_nobody_is_told(tables):
    found = code_use(tables(condition_event=events(I10=20)), DIABETES)
    assert found.told(Policy())[:2] == ["Diabetes: nobody.", "Cancer: nobody."]
    assert len(found.warned) == 2


@pytest.mark.parametrize(("threshold", "rounding"), [(10, 5), (20, 10)])
def test_no_small_number_and_no_rare_code_is_told(tables, threshold: int, rounding: int):
    policy = Policy(threshold=threshold, rounding=rounding)
    found = code_use(tables(condition_event=events(E101=9, E112=19, E119=3, C501=1, s73211009=7)), DIABETES)
    told = found.told(policy)
    assert "E101" not in " ".join(told) and "E119" not in " ".join(told) and "73211009" not in " ".join(told)
    assert ("E112" in " ".join(told)) == (threshold == 10)
    assert "Cancer: fewer than" in " ".join(told)
    shown = [int(n) for n in re.findall(r"\((\d+)\)|(?<!than )\b(\d+) people", " ".join(told)) for n in n if n]
    assert shown and all(n >= threshold and n % rounding == 0 for n in shown), told
