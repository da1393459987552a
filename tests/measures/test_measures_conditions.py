"""Who has a condition, and how the cells of a results table are counted."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import ibis
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.codelists import Codelist
from shared_code.measures import conditions_present, count_cases
from shared_code.model import ALL

ON = dt.date(2024, 4, 1)
CODES = Codelist(
    "made_up", "1",
    {"asthma": "Asthma", "depression": "Depression", "smi": "Severe mental illness", "stroke": "Stroke", "copd": "COPD"},
    {"asthma": 0, "depression": 18, "smi": 18, "stroke": 0, "copd": 0},
    {
        ("ICD10", "J45"): [("asthma", True)], ("SCT", "195967001"): [("asthma", True)], ("ICD10", "F32"): [("depression", True)],
        ("ICD10", "F323"): [("depression", False), ("smi", True)], ("ICD10", "I64"): [("stroke", True)],
        ("ICD10", "J44"): [("copd", True)],
    }, "",
)  # fmt: skip


def test_a_condition_is_present_from_its_first_code_on(tables, expect):
    """Family history is nobody's own illness, a code after the day is not known yet, and no status means present."""
    prepared = tables(
        condition_event="""
            event_id  who        code       code_system  event_date  source  status
            1         active     J450       ICD10        2010-01-01  GP      active
            2         history    J45        ICD10        2010-01-01  GP      history
            3         silent     J45        ICD10        2010-01-01  GP      .
            4         relative   J45        ICD10        2010-01-01  GP      family
            5         that_day   J45        ICD10        2024-04-01  GP      active
            6         next_day   J45        ICD10        2024-04-02  GP      active
            7         snomed     195967001  SCT          2010-01-01  GP      active
            8         psychotic  F3230      ICD10        2010-01-01  APC     active
            9         low        F329       ICD10        2010-01-01  APC     active
            10        nothing    Z000       ICD10        2010-01-01  APC     active
            11        mixed_up   J45        SCT          2010-01-01  GP      active""",
    )
    expect(
        conditions_present(prepared, CODES, ON),
        """
        who        condition
        active     asthma
        history    asthma
        silent     asthma
        that_day   asthma
        snomed     asthma
        psychotic  smi
        low        depression""",
    )


def test_a_code_that_says_it_has_ended_ends_it_until_it_comes_back(tables, expect):
    """The latest record decides; a record after the day is not known yet; it ends that condition and no other."""
    resolving = replace(CODES, resolving={("SCT", "162660004"): {"asthma"}})
    prepared = tables(
        condition_event="""
            event_id  who        code       code_system  event_date  source  status
            1         ended      J45        ICD10        2010-01-01  GP      active
            2         ended      162660004  SCT          2015-01-01  GP      active
            3         same_day   J45        ICD10        2015-01-01  GP      active
            4         same_day   162660004  SCT          2015-01-01  GP      active
            5         came_back  162660004  SCT          2015-01-01  GP      active
            6         came_back  J45        ICD10        2018-01-01  GP      active
            7         not_yet    J45        ICD10        2010-01-01  GP      active
            8         not_yet    162660004  SCT          2024-04-02  GP      active
            9         other      J44        ICD10        2010-01-01  GP      active
            10        other      162660004  SCT          2015-01-01  GP      active
            11        never      162660004  SCT          2015-01-01  GP      active""",
    )
    expect(
        conditions_present(prepared, resolving, ON),
        """
        who        condition
        came_back  asthma
        not_yet    asthma
        other      copd""",
    )


def test_two_or_more_counts_distinct_conditions(tables, expect):
    prepared = tables(
        condition_event="""
            event_id  who   code  code_system  event_date  source  status
            1         one   J45   ICD10        2010-01-01  GP      active
            2         one   J450  ICD10        2015-01-01  GP      active
            3         two   J45   ICD10        2010-01-01  GP      active
            4         two   I64   ICD10        2010-01-01  APC     active
            5         two   J44   ICD10        2010-01-01  APC     family
            6         four  J45   ICD10        2010-01-01  GP      active
            7         four  I64   ICD10        2010-01-01  GP      active
            8         four  J44   ICD10        2010-01-01  GP      active
            9         four  F32   ICD10        2010-01-01  GP      active""",
    )
    expect(
        conditions_present(prepared, CODES, ON).filter(lambda t: t.condition.isin(["two_or_more", "four_or_more"])),
        """
        who   condition
        two   two_or_more
        four  two_or_more
        four  four_or_more""",
    )


def test_no_code_means_anything(tables):
    prepared = tables(condition_event="event_id who code code_system event_date source\n1 anna Z000 ICD10 2010-01-01 GP")
    assert conditions_present(prepared, CODES, ON).execute().empty


LEVELS = {
    "condition": {"asthma": "", "depression": ""}, "area": {"1": "", "2": ""}, "sex": {"F": "", "M": ""},
    "age": {"0-17": "", "18-64": "", "65+": ""},
}  # fmt: skip


def count(people: pd.DataFrame, cases: pd.DataFrame, levels: dict = LEVELS, sets: list | None = None, **more) -> pd.DataFrame:
    return count_cases(
        ibis.memtable(people), ibis.memtable(cases), item="condition", levels=levels, sets=sets or [[], ["area"]],
        bands={"age": [0, 18, 65]}, minimum_age={"depression": 18}, **more,
    )  # fmt: skip


PEOPLE = pd.DataFrame({"person_id": list("abcd"), "sex": list("FFFM"), "age": [17, 18, 64, 65], "area": list("1122")})
CASES = pd.DataFrame({"person_id": list("abbce"), "condition": ["asthma", "asthma", "depression", "depression", "asthma"]})


def test_every_declared_cell_is_there_with_its_zeros(expect):
    """Depression is counted from 18; a case that is not among the people is nobody's."""
    found = count(PEOPLE, CASES)
    assert len(found) == (3 + 2) * 2 * (1 + 2)  # bands of each condition, sexes, total and two areas
    expect(
        found[(found["area"] != ALL) & (found["sex"] == "F")],
        """
        condition   area  sex  age    people  cases
        asthma      1     F    0-17   1       1
        asthma      1     F    18-64  1       1
        asthma      1     F    65+    0       0
        asthma      2     F    0-17   0       0
        asthma      2     F    18-64  1       0
        asthma      2     F    65+    0       0
        depression  1     F    18-64  1       1
        depression  1     F    65+    0       0
        depression  2     F    18-64  1       1
        depression  2     F    65+    0       0""",
    )
    everyone = found[found["area"] == ALL]
    assert everyone.groupby("condition")["people"].sum().to_dict() == {"asthma": 4, "depression": 3}


def test_totals_over_age_hold_the_ages_that_count():
    """A total leaves out the ages at which an item is not counted, so that its parts add up to it."""
    found = count(PEOPLE, CASES, sets=[["area", "sex", "age"], ["area", "sex"], []])
    keys = ["condition", "area", "sex"]
    parts = found[found["age"] != ALL].groupby(keys)[["people", "cases"]].sum()
    totals = found[(found["age"] == ALL) & (found["area"] != ALL)].set_index(keys)[["people", "cases"]]
    pd.testing.assert_frame_equal(totals.sort_index(), parts.sort_index())
    everyone = found[(found[["area", "sex", "age"]] == ALL).all(axis=1)].set_index("condition")
    assert everyone["people"].to_dict() == {"asthma": 4, "depression": 3}
    assert everyone["cases"].to_dict() == {"asthma": 2, "depression": 2}


def test_a_set_that_the_site_does_not_collect_is_left_out():
    found = count(PEOPLE.drop(columns="area"), CASES)
    assert set(found["area"]) == {ALL}


def test_levels_of_the_sites_own_are_those_it_has():
    found = count(PEOPLE.assign(area=["Mill", "Mill", "Moor", "Moor"]), CASES, {**LEVELS, "area": None})
    assert set(found["area"]) == {ALL, "Mill", "Moor"}


def test_a_case_listed_twice_is_one_case():
    pd.testing.assert_frame_equal(count(PEOPLE, CASES), count(PEOPLE, pd.concat([CASES, CASES])))


@settings(deadline=None, database=None, derandomize=True, max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_parts_add_up_to_totals_and_equal_a_count_by_hand(seed):
    rng = pd.Series(range(60)).sample(60, random_state=seed)
    people = pd.DataFrame({"person_id": rng.map("p{}".format), "sex": ["F", "M", "F"] * 20, "age": (rng * 37) % 95,
                           "area": ["1", "2"] * 30})  # fmt: skip
    cases = pd.DataFrame({"person_id": people["person_id"][rng % 3 == 0], "condition": "asthma"})
    found = count(people, cases)
    asthma = found[found["condition"] == "asthma"]
    parts = asthma[asthma["area"] != ALL].groupby(["sex", "age"])[["people", "cases"]].sum()
    total = asthma[asthma["area"] == ALL].set_index(["sex", "age"])[["people", "cases"]].sort_index()
    pd.testing.assert_frame_equal(parts, total, check_like=True)
    assert total["people"].sum() == 60
    old = people[(people["age"] >= 65) & (people["sex"] == "F")]
    assert total.loc[("F", "65+")].tolist() == [len(old), int(old["person_id"].isin(cases["person_id"]).sum())]
