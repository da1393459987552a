"""Released counts of people: what may never be seen in them, whatever the counts and the rules."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect, summary
from shared_code.releases.cells import to_csv

steady = settings(deadline=None, database=None, derandomize=True, max_examples=25)
DECLARED = ResultsTable.model_validate({
    "title": "t", "layout": "counts", "dimensions": {"place": {"local": True}, "sex": {"values": {"F": "f", "M": "m"}}},
})  # fmt: skip
SMALL = st.integers(0, 40) | st.integers(0, 3000)


@st.composite
def tables(draw) -> pd.DataFrame:
    pairs = draw(st.lists(st.tuples(SMALL, SMALL), min_size=1, max_size=12))
    rows = [(f"P{i:02}", "FM"[i % 2], p, min(p, c)) for i, (p, c) in enumerate(pairs)]
    return pd.DataFrame(rows, columns=["place", "sex", "people", "cases"])


POLICIES = st.builds(Policy, threshold=st.integers(3, 25), rounding=st.sampled_from([1, 2, 3, 5, 6, 10]))


def release(table: pd.DataFrame, policy: Policy, declared: ResultsTable = DECLARED) -> pd.DataFrame:
    return protect({"a.t": (declared, table)}, [], policy).tables["a.t"]


def beside(table: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Put the released cells beside the true values: a row per cell, columns people_value, …, true_people, …"""
    cells = release(table, policy).pivot(index=["place", "sex"], columns="statistic")
    cells.columns = [f"{statistic}_{column}" for column, statistic in cells.columns]
    return cells.join(table.set_index(["place", "sex"]).add_prefix("true_"))


@steady
@given(tables(), POLICIES)
def test_no_small_count_is_shown_nor_can_be_computed(table, policy):
    """Numerator, complement and denominator are 0 or reach the threshold; a group is never shown to be all cases."""
    found, t = beside(table, policy), policy.threshold
    for name in ("people", "cases"):
        shown = found[f"{name}_value"].dropna()
        assert not ((shown > 0) & (shown < t)).any()
        given_cells = found[found[f"{name}_status"].isin(["ok", "rounded"])]
        small = (given_cells[f"true_{name}"] > 0) & (given_cells[f"true_{name}"] < t)
        assert not small.any()
    both = found[found["cases_value"].notna()]
    others = both["true_people"] - both["true_cases"]
    assert ((others >= t) | (both["true_people"] == 0)).all()
    assert both["people_value"].notna().all()  # no numerator without its denominator


@steady
@given(tables(), st.builds(Policy, threshold=st.just(1) | st.integers(3, 25), rounding=st.integers(1, 12)))
def test_the_true_value_always_lies_in_the_range(table, policy):
    found = beside(table, policy)
    for name in ("people", "cases"):
        true, lower, upper = (found[c] for c in (f"true_{name}", f"{name}_lower", f"{name}_upper"))
        assert ((lower <= true) & (true <= upper)).all()
        assert (lower % 1 == 0).all()
        assert (upper % 1 == 0).all()
    assert (found["cases_upper"] <= found["people_upper"]).all()


@steady
@given(tables(), POLICIES)
def test_zero_is_a_value_and_withheld_has_none(table, policy):
    found = beside(table, policy)
    nobody = found["true_people"] == 0
    assert (found.loc[nobody, ["people_value", "cases_value"]] == 0).all(axis=None)
    assert (found.loc[nobody, ["people_status", "cases_status"]] == "ok").all(axis=None)
    none_ill = (found["true_cases"] == 0) & (found["true_people"] >= policy.smallest_shown)
    assert (found.loc[none_ill, "cases_value"] == 0).all()
    for name in ("people", "cases"):
        withheld = found[f"{name}_status"] == "withheld"
        assert found.loc[withheld, f"{name}_value"].isna().all()
        assert found.loc[~withheld, f"{name}_value"].notna().all()
        assert (found.loc[withheld, f"{name}_upper"] > found.loc[withheld, f"{name}_lower"]).all()


@steady
@given(tables(), POLICIES)
def test_primary_reasons_look_the_same(table, policy):
    """Few cases or few others: the same status, and no column that says why."""
    cells = release(table, policy)
    assert list(cells.columns) == ["place", "sex", "statistic", "value", "status", "lower", "upper"]
    assert set(cells["status"]) <= {"ok", "rounded", "withheld"}


@steady
@given(tables(), POLICIES, st.integers(0, 20))
def test_a_higher_threshold_never_shows_more(table, policy, more):
    stricter = policy.model_copy(update={"threshold": policy.threshold + more})
    loose, strict = release(table, policy), release(table, stricter)
    shown = strict["value"].notna()
    assert loose.loc[shown, "value"].notna().all()
    pd.testing.assert_series_equal(loose.loc[shown, "value"], strict.loc[shown, "value"])
    hidden = loose["value"].isna()
    assert strict.loc[hidden, "value"].isna().all()
    people = hidden & (loose["statistic"] == "people")
    assert (strict.loc[people, "lower"] <= loose.loc[people, "lower"]).all()
    assert (strict.loc[people, "upper"] >= loose.loc[people, "upper"]).all()


@steady
@given(tables(), st.sampled_from([10, 20, 30]), st.sampled_from([2, 5]))
def test_coarser_rounding_never_shows_more(table, threshold, times):
    """Thresholds here are multiples of both, so the same cells are withheld."""
    fine = release(table, Policy(threshold=threshold, rounding=1))
    coarse = release(table, Policy(threshold=threshold, rounding=times))
    assert (fine["status"] == "withheld").equals(coarse["status"] == "withheld")
    assert (coarse["lower"] <= fine["lower"]).all()
    assert (coarse["upper"] >= fine["upper"]).all()


@pytest.mark.parametrize(
    ("true", "base", "shown"),
    [(8, 5, 10), (12, 5, 10), (13, 5, 15), (17, 5, 15), (18, 5, 20), (22, 5, 20), (23, 5, 25), (25, 10, 30), (45, 6, 48),
     (15, 2, 16), (17, 2, 18)],
)  # fmt: skip
def test_halves_are_rounded_up(true, base, shown):
    """T11.3 of the methods specification; Python would round 25 to 20, and 45 / 6 to 42."""
    table = pd.DataFrame({"place": ["A"], "sex": ["F"], "people": [true], "cases": [0]})
    cell = release(table, Policy(threshold=1, rounding=base)).query("statistic == 'people'").iloc[0]
    assert (cell["value"], cell["status"]) == (shown, "rounded")


@steady
@given(st.integers(0, 400), st.integers(0, 400), POLICIES)
def test_nested_groups_stay_nested(inner, more, policy):
    """People of 65 and over are among those of 18 and over, also in what is shown and in the ranges.

    Where a few people lie between the two, the wider group may be withheld: the difference would tell them.
    """
    nested = ResultsTable.model_validate({
        "title": "t", "layout": "counts", "dimensions": {"age": {"bands": [18, 65], "kind": "nested"}},
    })  # fmt: skip
    table = pd.DataFrame({"age": ["18+", "65+"], "people": [inner + more, inner], "cases": [0, 0]})
    cells = release(table, policy, nested).query("statistic == 'people'").set_index("age")
    older, adults = cells.loc["65+"], cells.loc["18+"]
    if older["status"] != "withheld" and not 0 < more < policy.smallest_shown:
        assert adults["status"] != "withheld"
    if "withheld" not in (older["status"], adults["status"]):
        assert older["value"] <= adults["value"]
    assert older["lower"] <= adults["upper"]
    assert older["upper"] <= adults["upper"]


@steady
@given(tables(), POLICIES, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_byte(table, policy, random):
    order = list(range(len(table)))
    random.shuffle(order)
    assert to_csv(release(table, policy)) == to_csv(release(table.iloc[order], policy))


@pytest.mark.parametrize(
    ("people", "cases", "shown"),
    [
        (9, 0, [None, None]), (10, 0, [10, 0]), (40, 9, [40, None]), (40, 10, [40, 10]), (40, 30, [40, 30]),
        (40, 31, [40, None]), (40, 40, [40, None]), (10, 10, [10, None]), (0, 0, [0, 0]), (19, 10, [20, None]),
        (20, 10, [20, 10]),
    ],
)  # fmt: skip
def test_at_the_threshold(people, cases, shown):
    """Ten of a kind are shown and nine are not: people, cases, and those who are no cases. All of a group is nobody else."""
    table = pd.DataFrame({"place": ["A"], "sex": ["F"], "people": [people], "cases": [cases]})
    found = release(table, Policy(threshold=10, rounding=5)).set_index("statistic")["value"]
    assert [None if np.isnan(found[name]) else found[name] for name in ("people", "cases")] == shown


def test_the_table_given_is_not_changed():
    table = pd.DataFrame({"place": ["A"], "sex": ["F"], "people": [12], "cases": [3]}, index=[7])
    before = table.copy()
    release(table, Policy())
    pd.testing.assert_frame_equal(table, before)


def test_a_threshold_that_is_no_multiple_of_the_rounding():
    """12 passes a threshold of 12 and rounds to 10, which looks small: it is withheld, and so is its exact range."""
    table = pd.DataFrame({"place": ["A", "B"], "sex": ["F", "F"], "people": [12, 13], "cases": [0, 0]})
    people = release(table, Policy(threshold=12, rounding=5)).query("statistic == 'people'")
    assert people["value"].fillna(-1).tolist() == [-1, 15]
    assert people[["lower", "upper"]].to_numpy().tolist() == [[1, 25], [13, 17]]  # 1 to twice the smallest shown


def test_what_a_publisher_did_not_give_is_no_zero():
    table = pd.DataFrame({"place": ["A", "B"], "sex": ["F", "F"], "people": [100, np.nan], "cases": [np.nan, np.nan]})
    cells = release(table, Policy(threshold=1, rounding=1))
    assert cells["status"].tolist() == ["not_collected", "ok", "not_collected", "not_collected"]
    assert cells[cells["status"] == "not_collected"][["value", "lower", "upper"]].isna().all(axis=None)


def test_an_unknown_layout_is_refused():
    table = pd.DataFrame({"place": ["A"], "sex": ["F"], "people": [12], "cases": [3]})
    unknown = DECLARED.model_copy(update={"layout": "raw"})
    with pytest.raises(ValueError, match="the layout raw has no disclosure rule"):
        protect({"a.t": (unknown, table)}, [], Policy())


def test_the_summary_counts_cells_by_status():
    table = pd.DataFrame({"place": ["A", "B"], "sex": ["F", "F"], "people": [3, 100], "cases": [1, 0]})
    assert summary(release(table, Policy())) == {"cells": 4, "ok": 1, "rounded": 1, "withheld": 2}
