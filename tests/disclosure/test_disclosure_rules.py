"""What each layout's rule hides, against the rule in plain words, for every number around every edge."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure.rules import (
    DOMINANT,
    FEW_CASES,
    FEW_OTHERS,
    FEW_PEOPLE,
    GUARDS,
    LITTLE_TIME,
    NOBODY,
    UNKNOWN_PEOPLE,
)
from shared_code.model.units import DAYS_A_YEAR

T = 10
EXACT, FREE = Policy(threshold=T, rounding=1), Policy(threshold=1, rounding=1)
YEARS = T * DAYS_A_YEAR


def declared(layout: str, **more) -> ResultsTable:
    return ResultsTable.model_validate({"title": "t", "layout": layout, "dimensions": {"arm": {"values": {"a": "A"}}}, **more})


def guarded(layout: str, rows: list[dict[str, float]], policy: Policy = EXACT, **more) -> dict[str, list[dict]]:
    """Apply a rule to rows; gives the cells of every statistic, checked to be empty exactly where they are withheld."""
    frames = GUARDS[layout](pd.DataFrame(rows), declared(layout, **more), policy)
    for name, cells in frames.items():
        assert ((cells["status"] == "withheld") | ~cells["status"].isin(["ok", "rounded"])).eq(cells["value"].isna()).all(), name
        if "reason" in cells:
            assert ((cells["reason"] != "") == (cells["status"] == "withheld")).all(), name
    return {name: cells.to_dict("records") for name, cells in frames.items()}


@pytest.mark.parametrize("sensitive", [True, False])
def test_counts(sensitive):
    rows = [{"people": p, "cases": c} for p in (*range(22), 999, 1000) for c in range(min(p, 21) + 1)]
    found = guarded("counts", rows, sensitive=sensitive)
    for row, people, cases in zip(rows, found["people"], found["cases"]):
        p, c = row["people"], row["cases"]
        few = FEW_PEOPLE if 0 < p < T else ""
        nobody = NOBODY if sensitive and c == 0 and 0 < p < 1000 else ""
        why = few or (FEW_CASES if 0 < c < T else "") or (FEW_OTHERS if p > 0 and p - c < T else "") or nobody
        assert (people["reason"], cases["reason"]) == (few, why), row
    assert not any(cell["reason"] for cells in guarded("counts", rows, FREE, sensitive=sensitive).values() for cell in cells)


def test_cases_are_never_said_to_be_more_than_the_people():
    cells = guarded("counts", [{"people": 31, "cases": 18}, {"people": 1000, "cases": 13}], Policy(threshold=5, rounding=25))
    assert [(c["value"], c["lower"], c["upper"]) for c in cells["cases"]] == [(25, 13, 37), (25, 13, 37)]
    both = guarded("counts", [{"people": 37, "cases": 31}], Policy(threshold=6, rounding=25))
    assert both["cases"][0]["upper"] == both["people"][0]["upper"] == 37


def test_what_a_site_does_not_collect_has_neither_range_nor_reason():
    for layout, rest in (("counts", {"cases": 3.0}), ("bins", {"records": 30.0})):
        known = next(iter(rest))
        cells = guarded(layout, [{"people": 20.0, known: np.nan}, {"people": 20.0, **rest}])[known][0]
        assert cells["status"] == "not_collected" and not cells["reason"] and np.isnan([cells["lower"], cells["upper"]]).all()


def test_events():
    """Events by the people who had one and by the time behind them; people whose number is not known hide them."""
    rows = [{"people": p, "events": 2.0 * p, "events_squared": 4.0 * p, "person_days": d}
            for p, d in product((0, 1, 9, 10, 11, np.nan), (0, YEARS - 1, YEARS, YEARS + 1))]  # fmt: skip
    found = guarded("events", rows)
    for i, row in enumerate(rows):
        time = LITTLE_TIME if row["person_days"] < YEARS else ""
        few = FEW_PEOPLE if 0 < row["people"] < T else ""
        assert found["person_days"][i]["reason"] == time
        for name in ("people", "events", "events_squared"):
            expected = "" if np.isnan(row[name]) else few or time
            assert found[name][i]["reason"] == expected, row
    unknown = guarded("events", [{"people": np.nan, "events": 30.0, "events_squared": 60.0, "person_days": YEARS}])
    assert unknown["events"][0]["reason"] == unknown["events_squared"][0]["reason"] == UNKNOWN_PEOPLE
    free = guarded("events", [*rows, {"people": np.nan, "events": 30.0, "events_squared": 60.0, "person_days": 5.0}], FREE)
    assert not any(cell["reason"] for cells in free.values() for cell in cells)


def test_estimates():
    """By the people with the event behind them (with none as well) and by their time; one that is not given says so."""
    days = (0, 1, YEARS - 1, YEARS)
    rows = [{"people": p, "person_days": d, "estimate": e, "se": s}
            for p, d, e, s in product((0, 1, 9, 10, np.nan), days, (1.23456, np.nan), (0.0002, np.nan))]  # fmt: skip
    found = guarded("estimates", rows)
    for i, row in enumerate(rows):
        few = FEW_PEOPLE if 0 < row["people"] < T else ""
        time = LITTLE_TIME if 0 < row["person_days"] < YEARS else ""
        assert (found["people"][i]["reason"], found["person_days"][i]["reason"]) == (few, time)
        why = (FEW_PEOPLE if row["people"] < T else UNKNOWN_PEOPLE if np.isnan(row["people"]) else "") or time
        estimate, se = found["estimate"][i], found["se"][i]
        if np.isnan(row["estimate"]):
            assert estimate["status"] == se["status"] == "not_applicable" and not estimate["reason"] and not se["reason"]
            assert np.isnan([estimate["lower"], se["upper"]]).all()
        elif why:
            assert estimate["reason"] == se["reason"] == why
        else:
            assert (estimate["value"], estimate["lower"], estimate["upper"]) == pytest.approx((1.23, 1.225, 1.235))
            assert se["status"] == ("not_applicable" if np.isnan(row["se"]) else "rounded") and not se["reason"]
            if not np.isnan(row["se"]):  # no standard error is below zero
                assert (se["value"], se["lower"], se["upper"]) == pytest.approx((0.0, 0.0, 0.0005))
    for policy, shown in ((FREE, 1.23456), (Policy(threshold=1, rounding=5), 1.23), (EXACT, 1.23)):
        assert guarded("estimates", [{"people": 20, "person_days": YEARS, "estimate": 1.23456, "se": 0.2}], policy)[
            "estimate"][0]["value"] == pytest.approx(shown)  # fmt: skip
    free = guarded("estimates", rows, FREE)
    assert not any(cell["reason"] for cells in free.values() for cell in cells)


def moments(people: float, total: float, first: float, second: float) -> dict[str, float]:
    return {"people": people, "sum": total, "sum_squares": 1.0, "sum_products": 2.0, "largest": first, "second_largest": second}


@pytest.mark.parametrize(("row", "why"), [
    (moments(30, 100, 50, 35), ""), (moments(30, 100, 50, 36), DOMINANT), (moments(30, -100, 50, 36), DOMINANT),
    (moments(30, 100, 80, 12), DOMINANT), (moments(30, 100, 75, 8), ""), (moments(30, 100, 0.5, 0.4), ""),
    (moments(30, 1, 0.9, 0.05), DOMINANT), (moments(30, 0, 0, 0), ""), (moments(30, 0, 4, 4), DOMINANT),
    (moments(9, 100, 5, 5), FEW_PEOPLE),
    (moments(10, 100, 5, 5), ""), (moments(1, 100, 100, 0), FEW_PEOPLE), (moments(0, 0, 0, 0), ""),
    (moments(np.nan, 100, 5, 5), UNKNOWN_PEOPLE), (moments(30, 100, np.nan, 5), UNKNOWN_PEOPLE),
    (moments(30, 100, 5, np.nan), UNKNOWN_PEOPLE),
])  # fmt: skip
def test_moments(row, why):
    """Two people may have at most 85 % of a sum, and the rest must be at least 10 % of the largest."""
    policy = Policy(threshold=T, rounding=1, dominance=0.85, p_percent=10)
    found = guarded("moments", [row], policy)
    assert {found[name][0]["reason"] for name in ("sum", "sum_squares", "sum_products")} == {why}
    assert found["people"][0]["reason"] == (why if why == FEW_PEOPLE else "")
    assert {cell["reason"] for cells in guarded("moments", [row], FREE).values() for cell in cells} == {""}


def test_the_rest_of_a_sum_hides_the_largest_by_p_percent():
    policy = Policy(threshold=T, rounding=1, dominance=1.0, p_percent=10)
    rests = {10.0: "", 9.95: DOMINANT, 9.9: DOMINANT}
    found = {rest: guarded("moments", [moments(30, 110 + rest, 100, 10)], policy)["sum"][0]["reason"] for rest in rests}
    assert found == rests
    wide = guarded("moments", [moments(30, 900, 50, 40)], Policy(threshold=T, rounding=5, dominance=0.85, p_percent=10))
    assert wide["sum_squares"][0]["lower"] >= 0
    odd = {**moments(30, 900, 50, 40), "sum_squares": 0.0}
    assert guarded("moments", [odd], Policy(threshold=T, rounding=5))["sum_squares"][0]["lower"] == 0


def test_bins():
    rows = [{"people": p, "records": 2 * p} for p in (0, 1, 9, 10, 11)] + [{"people": np.nan, "records": 40}]
    expected = ["", FEW_PEOPLE, FEW_PEOPLE, "", "", UNKNOWN_PEOPLE]
    found = guarded("bins", rows)
    assert [cell["reason"] for cell in found["records"]] == expected
    assert [cell["reason"] for cell in found["people"]] == [*expected[:5], ""]
    assert {cell["reason"] for cells in guarded("bins", rows, FREE).values() for cell in cells} == {""}


@pytest.mark.parametrize("rounding", [1, 5])
def test_records(rounding):
    """By distinct people: all, those with a fault, those without; each hidden number with the range that its reason leaves."""
    policy = Policy(threshold=T, rounding=rounding)
    rows = [{"people": p, "rows": 3 * p, "people_failing": f, "rows_failing": 2 * f} for p in range(25) for f in range(p + 1)]
    for row, *cells in zip(rows, *guarded("records", rows, policy).values(), strict=True):
        whole, number, failing, faults = cells
        p, f = row["people"], row["people_failing"]
        few, small, others = 0 < p < T, 0 < f < T, f > 0 and p - f < T
        assert [cell["status"] == "withheld" for cell in cells] == [few, few, few or small or others, few or small or others]
        for cell, name in zip(cells, ("people", "rows", "people_failing", "rows_failing")):
            assert cell["lower"] <= row[name] <= cell["upper"], (row, name)
        assert failing["upper"] <= whole["upper"] and faults["upper"] <= number["upper"]
        if few:
            assert (whole["lower"], whole["upper"], number["lower"], number["upper"]) == (1, T - 1, 1, np.inf)
            assert (failing["lower"], failing["upper"]) == (1 if f else 0, T - 1)
            assert (faults["lower"], faults["upper"]) == (1 if f else 0, np.inf)
        elif small:
            assert (failing["lower"], failing["upper"]) == (1, T - 1)
            assert (faults["lower"], faults["upper"]) == (1, number["upper"])
        elif others:
            assert (failing["lower"], failing["upper"]) == (max(whole["lower"] - (T - 1), 1), whole["upper"])
            assert (faults["lower"], faults["upper"]) == (0, number["upper"])
        elif f == 0:
            assert failing["value"] == faults["value"] == 0 and failing["status"] == "ok"
    free = guarded("records", rows, FREE)
    assert {cell["status"] for cells in free.values() for cell in cells} == {"ok"}


def test_faults_that_a_site_does_not_count():
    found = guarded("records", [{"people": 40, "rows": 90, "people_failing": np.nan, "rows_failing": np.nan}])
    for name in ("people_failing", "rows_failing"):
        cell = found[name][0]
        assert cell["status"] == "not_collected" and np.isnan([cell["lower"], cell["upper"]]).all()
