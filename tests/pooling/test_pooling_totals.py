"""Totals of a released table: which cells are parts of which, and what is left to know of the parts that are not fitted."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from shared_code.config.study import ResultsTable
from shared_code.methods import Totals
from shared_code.pooling.cubes import cube
from shared_code.pooling.totals import largest_weighted_sum, least_weighted_sum, range_of_sum, totals_of

DECLARED = ResultsTable.model_validate({
    "title": "T", "layout": "counts",
    "dimensions": {"group": {"values": {"a": "A", "b": "B"}, "total": True}, "age": {"bands": [0, 50], "total": True},
                   "item": {"values": {"x": "X"}}},
    "sets": [["group", "age"], ["age"], ["group"], []],
})  # fmt: skip


def released(counts: dict[tuple[str, str], int], ranges: dict | None = None) -> pd.DataFrame:
    """Cells of one site with every margin; `ranges` withholds cells."""
    rows = []
    for group, age in itertools.product(["a", "b", "all"], ["0-49", "50+", "all"]):
        n = sum(v for (g, a), v in counts.items() if group in (g, "all") and age in (a, "all"))
        low, high = (ranges or {}).get((group, age), (n, n))
        status = "ok" if low == high else "withheld"
        rows.append({"group": group, "age": age, "item": "x", "statistic": "cases", "site": "one",
                     "value": n if low == high else np.nan, "status": status, "lower": low, "upper": high})  # fmt: skip
    return pd.DataFrame(rows)


COUNTS = {("a", "0-49"): 12, ("a", "50+"): 30, ("b", "0-49"): 3, ("b", "50+"): 25}


def test_every_cell_is_part_of_the_next_coarser_cells_only():
    found = cube(released(COUNTS), DECLARED, "cases")
    totals = totals_of(found, DECLARED, [0], np.ones((1, len(found.index)), bool))
    assert len(totals) == 4  # group x age -> age, group x age -> group, age -> everyone, group -> everyone
    for known in totals:
        for number in range(known.lower.shape[1]):
            parts = found.lower[0, known.of == number].sum()
            assert parts == known.lower[0, number] == known.upper[0, number]


def test_a_part_that_is_not_fitted_widens_the_total_by_its_range():
    found = cube(released(COUNTS, {("b", "0-49"): (1, 9)}), DECLARED, "cases")
    cell = ((found.index["group"] == "b") & (found.index["age"] == "0-49")).to_numpy()
    known = totals_of(found, DECLARED, [0], ~cell[None, :])[0]
    number = known.of[cell][0]
    beside = ((found.index["group"] == "a") & (found.index["age"] == "0-49")).to_numpy()  # same age, other group
    total = 15 if number == known.of[beside][0] else 28
    assert (known.lower[0, number], known.upper[0, number]) == (total - 9, total - 1)


def test_a_total_its_parts_cannot_meet_says_nothing():
    wrong = released(COUNTS)
    at = (wrong["group"] == "all") & (wrong["age"] == "0-49")
    wrong.loc[at, ["value", "lower", "upper"]] = 99
    found = cube(wrong, DECLARED, "cases")
    totals = totals_of(found, DECLARED, [0], np.ones((1, len(found.index)), bool))
    assert sum(int(np.isnan(known.lower).sum()) for known in totals) == 2  # over its own parts, and as part of everyone


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 30), min_size=4, max_size=4), st.lists(st.integers(0, 12), min_size=4, max_size=4),
       st.sets(st.integers(0, 3), min_size=1))  # fmt: skip
def test_the_range_of_a_sum_holds_the_truth_and_is_no_wider_than_its_cells(counts, slack, members):
    truth = np.array([counts], float)
    low, high = np.maximum(truth - np.array(slack), 0), truth + np.array(slack[::-1])
    pairs = np.array([0, 0, 1, 1])
    sums = np.array([[truth[0, :2].sum(), truth[0, 2:].sum()]])
    chosen = np.array(sorted(members))
    least, most = range_of_sum([Totals(pairs, sums, sums)], low, high, chosen)
    assert least <= truth[0, chosen].sum() <= most
    assert low[0, chosen].sum() <= least and most <= high[0, chosen].sum()
    if {0, 1} == members:
        assert least == most == sums[0, 0]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 9)), min_size=1, max_size=5), st.integers(0, 60))
def test_weighted_sums_are_what_a_linear_programme_finds(cells, total):
    low, high = np.array([[min(a, b) for a, b, _ in cells]], float), np.array([[max(a, b) for a, b, _ in cells]], float)
    weights, ones = np.array([w for *_, w in cells], float), np.ones((1, len(cells)))
    total = float(np.clip(total, low.sum(), high.sum()))
    ranges = list(zip(low[0], high[0]))
    most = linprog(-weights, ones, [total], bounds=ranges)
    least = linprog(weights, -ones, [-total], bounds=ranges)
    assert largest_weighted_sum(weights, low, high, np.array([total])) == pytest.approx(-most.fun)
    assert least_weighted_sum(weights, low, high, np.array([total])) == pytest.approx(least.fun)
