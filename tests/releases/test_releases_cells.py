"""Cells as text: they come back as they were, and whatever contradicts itself is refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect
from shared_code.model import CELL_COLUMNS
from shared_code.releases.cells import check_cells, from_csv, small_counts, to_csv

steady = settings(deadline=None, database=None, derandomize=True, max_examples=40)
DECLARED = ResultsTable.model_validate({
    "title": "t", "layout": "counts", "sets": [[], ["area"]],
    "dimensions": {"area": {"values": {"1": "a", "2": "b"}, "total": True}, "place": {"local": True}},
})  # fmt: skip
LEVELS = {"area": {"1": "a", "2": "b"}, "place": None}
ESTIMATES = ResultsTable.model_validate({"title": "t", "layout": "estimates", "dimensions": {"ward": {"local": True}}})


def good() -> pd.DataFrame:
    """Cells 1: shown, 2: cases withheld, all: people withheld."""
    table = pd.DataFrame({"area": ["1", "2", "all"], "place": ["X"] * 3, "people": [100, 50, 4], "cases": [40, 3, 1]})
    return protect({"a.t": (DECLARED, table)}, [], Policy()).tables["a.t"]


def at(cells: pd.DataFrame, area: str, statistic: str) -> int:
    return cells.index[(cells["area"] == area) & (cells["statistic"] == statistic)][0]


NUMBERS = st.one_of(st.just(math.nan), st.just(math.inf), st.integers(-5, 10**9).map(float), st.floats(-1e9, 1e9))


@steady
@given(st.lists(st.tuples(st.text(min_size=1), NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=8))
def test_cells_come_back_as_they_were(rows):
    """To six decimals; written again they are the same bytes, whatever characters a place has in its name."""
    rows = [(name.replace("\x00", " "), *numbers) for name, *numbers in rows]
    rows = [row for row in rows if all(ord(c) < 0xD800 or ord(c) > 0xDFFF for c in row[0])]
    cells = pd.DataFrame(
        [(place, "people", value, "ok", lower, upper) for place, value, lower, upper in rows], columns=["place", *CELL_COLUMNS]
    ).astype({"value": float, "lower": float, "upper": float})
    back = from_csv(to_csv(cells))
    assert back["place"].tolist() == cells["place"].tolist()
    for name in ("value", "lower", "upper"):
        np.testing.assert_allclose(back[name], cells[name], rtol=0, atol=5.1e-7)
    assert to_csv(back) == to_csv(cells)


def test_the_form_of_a_number():
    cells = pd.DataFrame({"value": [12.0, 0.1 + 0.2, 1e-9, -0.0, np.nan, np.inf], "lower": 1.0, "upper": 2.0})
    lines = to_csv(cells).decode().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["12", "0.3", "0", "0", "", "INF"]


def test_words_that_look_like_numbers_or_nothing_stay_words():
    cells = good().assign(place=["007", "NA", "null", "1e5", "", "None"])
    assert from_csv(to_csv(cells))["place"].tolist() == ["007", "NA", "null", "1e5", "", "None"]


def test_good_cells_have_no_problem():
    assert check_cells(from_csv(to_csv(good())), DECLARED, LEVELS, "x") == []


# what is changed | words of the one message
FAULTS = [
    (lambda c: c.rename(columns={"lower": "low"}), "its columns are area, place, statistic, value, status, low, upper"),
    (lambda c: c[["place", "area", *CELL_COLUMNS]], "its columns are place, area"),
    (lambda c: c.assign(area=c["area"].replace("1", "3")), "area holds 3. Allowed: 1, 2, all"),
    (lambda c: c.assign(statistic=c["statistic"].replace("cases", "case")), "statistic holds case. Allowed: people, cases"),
    (lambda c: c.assign(status=c["status"].replace("rounded", "exact")), "status holds exact. Allowed: ok, rounded"),
    (lambda c: pd.concat([c, c.head(1)]), "a cell occurs twice"),
    (lambda c: c.drop(at(c, "1", "cases")), "a cell lacks one of its statistics. Allowed: people, cases"),
    (lambda c: put(c, "2", "cases", value=3), "a value is empty though it is given, or present though it is withheld"),
    (lambda c: put(c, "1", "cases", value=np.nan), "a value is empty though it is given"),
    (lambda c: put(c, "1", "people", value=np.inf, upper=np.inf), "a value is not a finite number"),
    (lambda c: put(c, "1", "people", lower=np.nan), "a value lies outside its range, or has none"),
    (lambda c: put(c, "1", "people", upper=99), "a value lies outside its range"),
    (lambda c: put(c, "2", "cases", lower=np.nan), "a withheld value has no range"),
    (lambda c: put(c, "2", "cases", lower=9, upper=1), "a withheld value has no range"),
    (lambda c: put(c, "2", "cases", status="not_collected"), "a value that is not collected or not applicable has a range"),
    (lambda c: put(c, "1", "cases", lower=37.5), "a count holds fractions"),
    (lambda c: put(c, "2", "cases", lower=-1), "a number is negative"),
    (lambda c: put(c, "1", "cases", value=105, upper=107), "cases exceeds people"),
    (lambda c: put(c, "2", "cases", upper=60), "cases exceeds people"),
]


def put(cells: pd.DataFrame, area: str, statistic: str, **changed) -> pd.DataFrame:
    cells = cells.copy()
    for name, value in changed.items():
        cells.loc[at(cells, area, statistic), name] = value
    return cells


@pytest.mark.parametrize(("change", "words"), FAULTS)
def test_each_contradiction_is_named(change, words):
    problems = [str(p) for p in check_cells(change(good()), DECLARED, LEVELS, "north.zip, t.csv")]
    assert len(problems) == 1, problems
    assert problems[0].startswith("north.zip, t.csv: ")
    assert words in problems[0]


def test_withheld_estimates_have_no_range_and_negative_ones_are_good():
    table = pd.DataFrame({"ward": ["A", "B", "C"], "estimate": [-0.5, 80.0, np.nan], "se": [0.1, 0.2, np.nan],
                          "people": [50, 3, 0], "person_days": [1e6, 1e6, 0.0]})  # fmt: skip
    cells = from_csv(to_csv(protect({"a.t": (ESTIMATES, table)}, [], Policy()).tables["a.t"]))
    assert check_cells(cells, ESTIMATES, {"ward": None}, "x") == []


def test_small_counts_are_found():
    cells = put(good(), "1", "cases", value=5, lower=3, upper=7)
    assert small_counts(cells, "counts", Policy()) == 1
    assert small_counts(good(), "counts", Policy()) == 0
    assert small_counts(cells, "counts", Policy(threshold=5, rounding=5)) == 0


def test_what_an_iteration_reads_is_written_with_all_its_digits():
    """Values of a likelihood keep every digit; other numbers keep six decimals."""
    cells = pd.DataFrame({"statistic": ["gradient", "hessian", "people", "person_days"], "value": [1 / 3e9, 2 / 3, 12.0, 1 / 3],
                          "lower": -math.inf, "upper": math.inf})  # fmt: skip
    read = from_csv(to_csv(cells))
    assert list(read["value"]) == [1 / 3e9, 2 / 3, 12.0, 0.333333]
    assert list(read["lower"]) == [-math.inf] * 4


MOMENTS = ResultsTable.model_validate({"title": "t", "layout": "moments", "dimensions": {"ward": {"local": True}}})


def test_a_statistic_without_a_standard_error_and_a_dominated_sum_leave_in_a_form_that_is_accepted():
    """What protection writes is what receiving accepts, also where a number cannot be given or has no range."""
    tested = pd.DataFrame({"ward": ["A", "B"], "estimate": [12.8, 0.4], "se": [np.nan, 0.1], "people": [76, 80],
                           "person_days": [128_960.0, 99_000.0]})  # fmt: skip
    summed = pd.DataFrame({"ward": ["A", "B"], "people": [40, 50], "sum": [1000.0, 500.0], "sum_squares": [9e5, 6e3],
                           "sum_products": np.nan, "largest": [950.0, 15.0], "second_largest": [20.0, 14.0]})  # fmt: skip
    left = protect({"a.e": (ESTIMATES, tested), "a.m": (MOMENTS, summed)}, [], Policy()).tables
    for name, declared in (("a.e", ESTIMATES), ("a.m", MOMENTS)):
        assert check_cells(from_csv(to_csv(left[name])), declared, {"ward": None}, name) == []
    status = left["a.e"].set_index(["ward", "statistic"])["status"]
    assert status["A", "se"] == "not_applicable" and status["A", "estimate"] == status["B", "se"] == "rounded"
    sums = left["a.m"].set_index(["ward", "statistic"])["status"]
    assert sums["A", "sum"] == "withheld" and sums["A", "people"] == "rounded" and sums["B", "sum"] == "rounded"
