"""How single numbers are shown, against what the rules say in words: every count, and every edge, by plain arithmetic."""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, Decimal

import numpy as np
import pandas as pd
import pytest

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure.costs import cost_of, totals_over
from shared_code.disclosure.rounding import rounded, rounded_days, rounded_sums, to_decimals, withhold
from shared_code.disclosure.system import DAYS, PEOPLE, SUM
from shared_code.model.units import DAYS_A_YEAR

COUNTS = np.arange(80.0)


def said_of(n: int, policy: Policy) -> float:
    """Give what a number of people is shown as: half up to a multiple, or the middle of its group."""
    base = policy.rounding
    if policy.round_to == "midpoint":
        return 0 if n == 0 else (math.ceil(n / base) - 1) * base + (base + 1) // 2
    return math.floor(n / base + 0.5) * base


@pytest.mark.parametrize("policy", [
    *(Policy(threshold=10, rounding=base) for base in (2, 3, 5, 6, 10, 25)), Policy(threshold=3, rounding=5),
    Policy(threshold=7, rounding=6, round_to="midpoint"), Policy(threshold=4, rounding=5, round_to="midpoint"),
])  # fmt: skip
def test_a_rounded_count_carries_exactly_the_numbers_that_are_shown_so(policy):
    cells = rounded(COUNTS, (COUNTS > 0) & (policy.threshold > COUNTS), policy)
    every = {n: said_of(n, policy) for n in range(200)}
    for n, cell in enumerate(cells.to_dict("records")):
        same = [m for m, shown in every.items() if shown == every[n] and m >= policy.threshold]
        if n == 0:
            assert cell == {"value": 0, "status": "ok", "lower": 0, "upper": 0}
        elif n < policy.threshold:
            assert cell["status"] == "withheld" and np.isnan([cell["value"], cell["lower"], cell["upper"]]).all()
        else:
            assert cell == {"value": every[n], "status": "rounded", "lower": min(same), "upper": max(same)}, n


def test_a_number_that_is_not_there_has_no_range():
    for policy in (Policy(threshold=10, rounding=5), Policy(threshold=7, rounding=6, round_to="midpoint")):
        assert rounded(np.array([np.nan]), np.array([False]), policy)[["value", "lower", "upper"]].isna().all(axis=None)


@pytest.mark.parametrize("function", [rounded, rounded_days])
def test_without_rounding_a_number_is_its_own_range(function):
    cells = function(np.array([0.0, 12.0, 7.0]), np.array([False, False, True]), Policy(threshold=10, rounding=1))
    assert cells["status"].tolist() == ["ok", "ok", "withheld"]
    assert cells[["value", "lower", "upper"]].iloc[:2].to_numpy().tolist() == [[0.0] * 3, [12.0] * 3]
    assert cells[["value", "lower", "upper"]].iloc[2].isna().all()


@pytest.mark.parametrize("base", [2, 5])
def test_days_are_rounded_to_as_many_years_as_counts_to_people(base):
    step = base * DAYS_A_YEAR
    days = np.array([0.0, 1.0, 0.49 * step, 0.5 * step, 1.49 * step, 1.5 * step, 100 * step, np.nan, 7.0])
    cells = rounded_days(days, np.arange(9) == 8, Policy(threshold=10, rounding=base))
    assert cells["status"].tolist() == ["ok", *["rounded"] * 7, "withheld"]
    assert (cells["value"][:7] / step).tolist() == [0, 0, 0, 1, 1, 2, 100]
    assert (cells["lower"][:7] / step).tolist() == [0, 0, 0, 0.5, 0.5, 1.5, 99.5]
    assert (cells["upper"][:7] / step).tolist() == [0, 0.5, 0.5, 1.5, 1.5, 2.5, 100.5]
    assert cells[["value", "lower", "upper"]].iloc[7:].isna().all(axis=None)


@pytest.mark.parametrize("digits", [0, 1, 2, 3])
def test_decimals_are_rounded_half_up_and_say_so(digits):
    values = np.array([0.0, 0.125, 0.375, 2.0625, -0.125, 17.4375, 3.0])
    cells = to_decimals(values, np.arange(7) == 6, digits)
    step = Decimal(1).scaleb(-digits)
    for value, cell in zip(values[:6], cells.to_dict("records")):
        shown = ((Decimal(value) / step + Decimal("0.5")).to_integral_value(ROUND_FLOOR) * step).normalize()
        assert cell["status"] == "rounded" and cell["value"] == pytest.approx(float(shown), abs=1e-12)
        assert cell["lower"] == pytest.approx(float(shown - step / 2), abs=1e-12)
        assert cell["upper"] == pytest.approx(float(shown + step / 2), abs=1e-12)
    assert cells.iloc[6]["status"] == "withheld" and cells.iloc[6][["value", "lower", "upper"]].isna().all()


@pytest.mark.parametrize(("total", "people", "step"), [
    (50, 100, 1), (51, 100, 2), (100, 100, 2), (101, 100, 5), (250, 100, 5), (251, 100, 10), (500, 100, 10), (501, 100, 20),
    (-120, 100, 5), (0.05, 100, 0.001), (7_777_777, 1000, 20_000),
])  # fmt: skip
def test_a_sum_is_rounded_to_the_next_step_above_two_contributions(total, people, step):
    cell = rounded_sums(np.array([float(total)]), np.array([float(people)]), np.array([False]), Policy(rounding=2)).iloc[0]
    assert cell["status"] == "rounded" and cell["upper"] - cell["lower"] == pytest.approx(step)
    assert cell["value"] == pytest.approx(math.floor(total / step + 0.5) * step)
    assert (cell["value"] - cell["lower"], cell["upper"] - cell["value"]) == (pytest.approx(step / 2), pytest.approx(step / 2))


def test_a_sum_that_has_no_average_is_shown_as_it_is():
    """Of nobody, of an unknown number of people, and zero: there is no contribution to round to; one that is hidden is empty."""
    sums, people = np.array([5.0, 0.0, 3.0, np.nan, 8.0]), np.array([0.0, 20.0, np.nan, 4.0, 100.0])
    cells = rounded_sums(sums, people, np.arange(5) == 4, Policy(rounding=5))
    assert cells["status"].tolist() == ["ok"] * 4 + ["withheld"]
    for name in ("value", "lower", "upper"):
        assert cells[name].tolist()[:3] == [5.0, 0.0, 3.0] and cells[name].iloc[3:].isna().all()
    exactly = rounded_sums(np.array([5.5]), np.array([2.0]), np.array([False]), Policy(rounding=1)).iloc[0]
    assert exactly.tolist() == [5.5, "ok", 5.5, 5.5]


def test_only_what_is_hidden_is_emptied():
    cells = withhold(pd.DataFrame({"value": [1.0, 2.0], "status": "ok", "lower": [0.0, 1.0], "upper": [2.0, 3.0]}),
                     np.array([True, False]))  # fmt: skip
    assert cells["status"].tolist() == ["withheld", "ok"] and cells.iloc[1].tolist() == [2.0, "ok", 1.0, 3.0]
    assert cells.iloc[0][["value", "lower", "upper"]].isna().all()


def test_what_a_number_costs():
    """The logarithm of its size; five times as much for each dimension it is a total over, half where it says little."""
    e = math.e - 1
    assert cost_of(0, (), e, PEOPLE) == cost_of(0, ("F",), -e, SUM) == pytest.approx(1.01)
    assert cost_of(0, (), e * DAYS_A_YEAR, DAYS) == pytest.approx(1.01) and cost_of(0, (), 0, PEOPLE) == pytest.approx(0.01)
    assert [cost_of(whole, (), e, PEOPLE) / 1.01 for whole in range(4)] == pytest.approx([1, 5, 9, 13])
    assert cost_of(1, ("F", "Unknown"), e, PEOPLE) == pytest.approx(2.5 * 1.01)


def test_a_total_is_over_the_dimensions_that_are_not_broken_out():
    declared = ResultsTable.model_validate({"title": "t", "layout": "bins", "dimensions": {
        "sex": {"values": {"F": "f"}, "total": True}, "age": {"bands": [0, 50], "total": True}, "arm": {"values": {"a": "a"}}}})
    counted = {("arm",): 2, ("sex", "arm"): 1, ("age#1", "arm"): 1, ("sex", "age", "arm"): 0, (): 2}
    assert {names: totals_over(declared, names) for names in counted} == counted
