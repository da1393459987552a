"""Pooled tables: no site learns of a few people elsewhere by subtracting its own numbers."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import partner_reasons, protect_pooled
from shared_code.disclosure.pooled import FEW_SITES, PARTNER

KNOWN = Path(__file__).parents[2].parent / "shared" / "methods" / "known_answers.json"
steady = settings(deadline=None, database=None, derandomize=True, max_examples=60)
DECLARED = ResultsTable.model_validate({
    "title": "t", "layout": "bins", "sets": [[], ["area"]],
    "dimensions": {"area": {"values": {"1": "a", "2": "b", "3": "c"}, "total": True}},
})  # fmt: skip


@pytest.mark.skipif(not KNOWN.is_file(), reason="the known answers are not beside the project")
def test_known_answer_of_the_partner():
    """T11.4: pooled (57, 33, 12), own (50, 30, 3): the others have (7, 3, 9), so no cell is published."""
    case = json.loads(KNOWN.read_text("utf-8"))["T11.4"]
    own = np.array(case["inputs"]["own"], float)
    others = np.array(case["inputs"]["pooled"], float) - own
    assert others.tolist() == case["expected"]["other_sites"]
    sites = {"own": own, "b": np.ceil(others / 2), "c": np.floor(others / 2)}
    assert (partner_reasons(sites, Policy(threshold=10)) == PARTNER).all()


@steady
@given(st.lists(st.lists(st.integers(0, 30), min_size=4, max_size=4), min_size=2, max_size=5), st.integers(1, 2))
def test_every_site_and_pair_is_tried(numbers, colluding):
    policy = Policy(threshold=10, colluding=colluding, fewest_contributing=2)
    sites = {f"s{i}": np.array(values, float) for i, values in enumerate(numbers)}
    for cell, reason in enumerate(partner_reasons(sites, policy)):
        own = [values[cell] for values in numbers]
        rests = [sum(own) - sum(group) for size in range(1, colluding + 1) for group in combinations(own, size)]
        unsafe = any(0 < rest < 10 for rest in rests) or (sum(own) > 0 and sum(v > 0 for v in own) < 2)
        assert bool(reason) == unsafe


def site(*people: int) -> pd.DataFrame:
    rows = [*zip("123", people), ("all", sum(people))]
    return pd.DataFrame(rows, columns=["area", "people"]).assign(records=lambda t: t["people"])


def test_the_pooled_table_is_protected_as_a_whole():
    """Area 1 comes from two sites only: its pooled number is withheld, and so is another, or it could be computed."""
    sites = {"a": site(50, 100, 200), "b": site(60, 150, 90), "c": site(0, 40, 80)}
    done = protect_pooled(DECLARED, sites, Policy(threshold=10, rounding=1))
    people = done[done["statistic"] == "people"].set_index("area")
    assert people.loc["1", "reason"] == FEW_SITES
    assert people["withheld"].sum() >= 2
    shown = people[~people["withheld"]]
    assert (shown["value"] == [sum(t.set_index("area").loc[a, "people"] for t in sites.values()) for a in shown.index]).all()


def test_what_is_safe_is_published_whole():
    sites = {name: site(50, 100, 200) for name in "abc"}
    assert not protect_pooled(DECLARED, sites, Policy(threshold=10, rounding=1))["withheld"].any()


def test_tables_with_other_rows_are_refused():
    with pytest.raises(ValueError, match="the same rows"):
        protect_pooled(DECLARED, {"a": site(1, 2, 3), "b": site(1, 2, 3).iloc[1:]}, Policy())


def counts(**cases: tuple[int, int]) -> pd.DataFrame:
    return pd.DataFrame([(area, *n) for area, n in cases.items()], columns=["area", "people", "cases"])


def test_cases_and_those_without_are_subtracted_as_well():
    """Less a site's own, the others have 7 cases in x, 8 without in y; in z they have 40, and two sites have any people in w."""
    declared = ResultsTable.model_validate({
        "title": "t", "layout": "counts", "dimensions": {"area": {"values": dict.fromkeys("wxyz", "")}}})  # fmt: skip
    sites = {"a": counts(w=(300, 50), x=(300, 60), y=(300, 60), z=(300, 60)),
             "b": counts(w=(400, 50), x=(200, 3), y=(40, 36), z=(200, 20)),
             "c": counts(w=(0, 0), x=(200, 4), y=(40, 36), z=(200, 20))}  # fmt: skip
    done = protect_pooled(declared, sites, Policy(threshold=10, rounding=1)).set_index(["area", "statistic"])
    assert done.index.tolist() == [(area, s) for area in "wxyz" for s in ("cases", "people")]
    hidden = done[done["withheld"]]
    assert {("w", "people"), ("w", "cases"), ("x", "cases"), ("y", "cases")} == set(hidden.index)
    assert hidden["reason"].to_dict() == {("w", "people"): FEW_SITES, ("w", "cases"): FEW_SITES, ("x", "cases"): PARTNER,
                                          ("y", "cases"): PARTNER}  # fmt: skip
    assert hidden["value"].isna().all() and done.loc[("z", "people"), "value"] == 700 and done.loc[("z", "cases"), "value"] == 100
    assert (done.loc[~done["withheld"], "reason"] == "").all()


def test_a_small_sum_is_withheld_by_its_own_rule():
    declared = ResultsTable.model_validate({
        "title": "t", "layout": "counts", "dimensions": {"area": {"values": dict.fromkeys("xy", "")}}})  # fmt: skip
    sites = {name: counts(x=(200, 2), y=(200, 20)) for name in "abc"}
    done = protect_pooled(declared, sites, Policy(threshold=10, rounding=1)).set_index(["area", "statistic"])
    assert done.loc[("x", "cases"), "reason"] == "fewer cases than the threshold" and done["withheld"].sum() == 1


def test_where_nothing_is_withheld_nothing_is_subtracted():
    few = {name: np.array([1.0, np.nan]) for name in "ab"}
    assert partner_reasons(few, Policy(threshold=1)).tolist() == ["", ""]
    nobody = {name: np.array([0.0, np.nan, 50.0]) for name in "abc"}
    assert partner_reasons(nobody, Policy(threshold=10)).tolist() == ["", "", ""]
    two = {"a": np.array([50.0]), "b": np.array([10.0]), "c": np.array([0.0])}
    assert partner_reasons(two, Policy(threshold=10)).tolist() == [FEW_SITES]


def test_only_numbers_that_add_up_are_pooled():
    declared = ResultsTable.model_validate({"title": "t", "layout": "profile", "dimensions": {"p": {"points": [-1, 1, 3]}}})
    with pytest.raises(ValueError, match="profile do not add up"):
        protect_pooled(declared, {"a": site(1, 2, 3)}, Policy())


def test_what_a_site_did_not_count_adds_nobody():
    """A site without a number for an area is no person more there."""
    none = site(50, 100, 200).astype(float, errors="ignore")
    none.loc[0, ["people", "records"]] = np.nan
    done = protect_pooled(DECLARED, {"a": none, "b": site(60, 150, 90), "c": site(70, 40, 80), "d": site(80, 40, 80)},
                          Policy(threshold=10, rounding=1))  # fmt: skip
    cells = done[done["statistic"] == "people"].set_index("area")
    assert cells.loc["1", "value"] == 60 + 70 + 80 and cells.loc["2", "value"] == 100 + 150 + 40 + 40
