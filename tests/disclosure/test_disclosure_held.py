"""A number beside the same number of an earlier release: kept, widened, withheld or shown, at every edge of the rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure.forms import Earlier
from shared_code.disclosure.past import HELD, Past, hold, past_tables
from shared_code.disclosure.system import LINEAR
from shared_code.model.units import DAYS_A_YEAR

EXACT, ROUNDED = Policy(threshold=10, rounding=1), Policy(threshold=10, rounding=5)
YEARS = 10 * DAYS_A_YEAR


def declared(layout: str) -> ResultsTable:
    return ResultsTable.model_validate({"title": "t", "layout": layout, "dimensions": {"arm": {"values": {"a": "", "b": ""}}}})


def held(layout: str, statistic: str, now: tuple, then: tuple, moved: float = 0.0, policy: Policy = EXACT, name: str = "t"
         ) -> list:  # fmt: skip
    """Give (value, status, lower, upper) of a number after the comparison, and whether it was withheld because of it.

    now   true number, and the range it would be shown with      then   true number (nan where unknown), value, range
    moved people behind it who came or went
    """
    said, others = declared(layout), {"people": 100.0, "people_failing": 50.0}
    table = pd.DataFrame({"arm": ["a"], **others, statistic: [now[0]]})
    before = pd.DataFrame({"arm": ["a"], **{n: v - moved for n, v in others.items()}, statistic: [then[0]]})
    shown = pd.DataFrame({"value": [float(now[0])], "status": "ok", "lower": [now[1]], "upper": [now[2]], "reason": ""})
    old = pd.DataFrame({"value": [then[1]], "status": "ok", "lower": [then[2]], "upper": [then[3]]})
    units = LINEAR[layout].units
    for unit in units:
        if unit not in table:
            table[unit], before[unit] = 1.0, 1.0
    past = Past(name, said, before, dict.fromkeys(units, old))
    cell = hold("t", said, table, dict.fromkeys(units, shown), [past], policy)[statistic].iloc[0]
    assert (cell["reason"] == HELD) == (cell["status"] == "withheld")
    return [cell["value"], cell["status"], cell["lower"], cell["upper"]]


WITHHELD = [np.nan, "withheld", np.nan, np.nan]


@pytest.mark.parametrize(("now", "then", "expected"), [
    # (true, range), (true, value, range): nothing changed; by 9, by 10; down by 9, by 10
    ((100, 100, 100), (100, 100, 100, 100), [100, "ok", 100, 100]),
    ((109, 109, 109), (100, 100, 100, 100), [100, "rounded", 91, 109]),
    ((110, 110, 110), (100, 100, 100, 100), [110, "ok", 110, 110]),
    ((91, 91, 91), (100, 100, 100, 100), [100, "rounded", 91, 109]),
    ((90, 90, 90), (100, 100, 100, 100), [90, "ok", 90, 90]),
    # a range never goes below the threshold
    ((15, 15, 15), (12, 12, 12, 12), [12, "rounded", 10, 21]),
    # the same number in a finer or another rounding keeps its first form, in a coarser one it takes the new
    ((100, 100, 100), (100, 100, 98, 102), [100, "ok", 98, 102]),
    ((101, 98, 102), (101, 101, 101, 101), [101, "ok", 98, 102]),
    ((101, 98, 102), (101, 100, 95, 104), [100, "ok", 95, 104]),
    ((101, 98, 102), (101, 104, 99, 108), [104, "ok", 99, 108]),
    # a change that stays open by nine needs nothing
    ((104, 102, 107), (100, 100, 98, 102), [104, "ok", 102, 107]),
    ((104, 102, 106), (100, 100, 98, 102), [100, "rounded", 89, 111]),
    # what was withheld, or nobody, has no value to keep
    ((25, 25, 25), (18, np.nan, 1, 19), [25, "ok", 25, 25]),
    ((25, 25, 25), (18, np.nan, 17, 19), WITHHELD),
    ((12, 12, 12), (5, 0, 0, 0), WITHHELD),
    # only the range is known: within it nothing changed; outside, within twice the threshold, it may have been a few
    ((101, 101, 101), (np.nan, 100, 98, 102), [100, "ok", 98, 102]),
    ((98, 98, 98), (np.nan, 100, 98, 102), [100, "ok", 98, 102]),
    ((102, 102, 102), (np.nan, 100, 98, 102), [100, "ok", 98, 102]),
    ((111, 111, 111), (np.nan, 100, 98, 102), [100, "rounded", 89, 111]),
    ((119, 119, 119), (np.nan, 100, 98, 102), WITHHELD), ((120, 120, 120), (np.nan, 100, 98, 102), [120, "ok", 120, 120]),
    ((81, 81, 81), (np.nan, 100, 98, 102), WITHHELD), ((80, 80, 80), (np.nan, 100, 98, 102), [80, "ok", 80, 80]),
    ((107, 105, 109), (np.nan, 100, 98, 102), [100, "rounded", 89, 111]),
    # a row that the earlier release did not have
    ((15, 15, 15), (np.nan, np.nan, np.nan, np.nan), [15, "ok", 15, 15]),
])  # fmt: skip
def test_counts_of_people(now, then, expected):
    np.testing.assert_equal(held("counts", "cases", now, then), expected)
    if expected[1] != "ok":
        assert held("counts", "cases", now, then, name="other")[1] == "ok"
        free = Policy(threshold=1, rounding=1)
        assert held("counts", "cases", now, then, policy=free)[1] == "ok"


@pytest.mark.parametrize(("layout", "statistic"), [("bins", "records"), ("events", "events"), ("events", "events_squared"),
                                                   ("records", "rows"), ("records", "rows_failing")])  # fmt: skip
@pytest.mark.parametrize(("now", "moved", "expected"), [
    (150, 9, WITHHELD), (150, -9, WITHHELD), (150, 10, [150, "ok", 150, 150]), (150, np.nan, WITHHELD),
    (109, 9, [100, "rounded", 91, 109]),
    (109, 10, [100, "rounded", 91, 109]), (100, 9, [100, "ok", 100, 100]),
])  # fmt: skip
def test_numbers_that_few_people_can_change_by_much(layout, statistic, now, moved, expected):
    np.testing.assert_equal(held(layout, statistic, (now, now, now), (100, 100, 100, 100), moved), expected)


@pytest.mark.parametrize(("layout", "statistic"), [("counts", "cases"), ("records", "people_failing")])
def test_a_number_of_people_is_not_asked_who_moved(layout, statistic):
    """Three came and fifty more have it: fifty people changed, none of whom is known by it."""
    assert held(layout, statistic, (150, 150, 150), (100, 100, 100, 100), 3) == [150, "ok", 150, 150]


@pytest.mark.parametrize(("change", "expected"), [
    (0, "ok"), (1, "rounded"), (YEARS - 1, "withheld"), (YEARS, "ok"), (9 * DAYS_A_YEAR, "rounded"),
    (-9 * DAYS_A_YEAR, "rounded"),
])  # fmt: skip
def test_days_change_by_years_of_people(change, expected):
    now = 4000 + change
    value, status, lower, upper = held("events", "person_days", (now, now, now), (4000, 4000, 4000, 4000))
    assert status == expected
    if status == "rounded":
        assert (value, lower, upper) == (4000, 4000 - 9 * DAYS_A_YEAR, 4000 + 9 * DAYS_A_YEAR)
    assert held("events", "person_days", (301, 301, 301), (300, 300, 300, 300))[2] == 0.0  # never less than none


@pytest.mark.parametrize(("statistic", "floor"), [("sum", -86), ("sum_products", -86), ("sum_squares", 0)])
def test_sums_change_by_the_people_behind_them(statistic, floor):
    """Kept in a range of eighteen times their step at a threshold of ten and rounding to five: 18 / 5 x 20 = 72."""
    before, wide_ = (-4, -4, -14, 6), (3, -7, 13)
    assert held("moments", statistic, (3, -7, 13), before, 10, ROUNDED)[1] == "ok"
    value, status, lower, upper = held("moments", statistic, wide_, before, 9, ROUNDED)
    assert (value, status, lower, upper) == (-4, "rounded", max(-14 - 72, floor), 6 + 72)
    np.testing.assert_equal(held("moments", statistic, (79, 69, 89), before, 9, ROUNDED), WITHHELD)
    assert held("moments", statistic, (-4, -14, 6), before, 9, ROUNDED) == [-4, "ok", -14, 6]
    exact = held("moments", statistic, (3, 3, 3), (4, 4, 4, 4), 9, EXACT)
    np.testing.assert_equal(exact, WITHHELD)  # without a step there is no range to keep it in


def cells(**more) -> pd.DataFrame:
    numbers = {("b", "people"): 50.0, ("b", "cases"): 20.0, ("a", "people"): 90.0, ("a", "cases"): 30.0}
    return pd.DataFrame([{"arm": arm, "statistic": statistic, "value": v, "status": "ok", "lower": v, "upper": v, **more}
                         for (arm, statistic), v in numbers.items()])  # fmt: skip


def test_earlier_tables_lie_along_the_rows_of_the_one_they_speak_of():
    table = pd.DataFrame({"arm": ["a", "b", "c"], "people": 1, "cases": 1})
    tables = {"x.t": (declared("counts"), table), "y.u": (declared("counts"), table), "z.v": (declared("bins"), table)}
    behind = pd.DataFrame({"arm": ["b", "a"], "people": [51, 91], "cases": [21, 31]})
    found = past_tables(tables, [Earlier("1", "", {"x.t": cells()}, {"x.t": behind}), Earlier("2", "", {"old.w": cells()})])
    assert [one.name for one in found] == ["x.t", "x.t", "y.u"]  # by name, or else by form
    assert found[0].truth["people"].tolist()[:2] == [91, 51] and np.isnan(found[0].truth["people"].iloc[2])
    assert found[0].shown["cases"]["value"].tolist()[:2] == [30, 20] and np.isnan(found[0].shown["cases"]["lower"].iloc[2])
    assert found[1].truth[["people", "cases"]].isna().all(axis=None) and found[1].truth["arm"].tolist() == ["a", "b", "c"]
    assert not past_tables(tables, [Earlier("3", "", {"old.w": cells(sex="F")})])  # broken down by more
    assert not past_tables(tables, [Earlier("3", "", {"old.w": cells().query("statistic == 'people'")})])
    assert not past_tables(tables, [Earlier("3", "", {"old.w": cells().rename(columns={"arm": "sex"})})])
    other = behind.rename(columns={"arm": "sex"})
    assert past_tables(tables, [Earlier("4", "", {"x.t": cells()}, {"x.t": other})])[0].truth["people"].isna().all()


@pytest.mark.parametrize("before", [53.0, 50.0])
def test_what_the_rules_hide_stays_hidden_beside_any_earlier_number(before):
    """50 of 55 are hidden because few have it not; that 53, or the same 50, had been shown before brings no number back."""
    said = declared("counts")
    table = pd.DataFrame({"arm": ["a", "b"], "people": [55.0, 55.0], "cases": [50.0, 50.0]})
    hidden = pd.DataFrame({"value": np.nan, "status": "withheld", "lower": np.nan, "upper": np.nan, "reason": ["few", "few"]})
    old = pd.DataFrame({"value": [before, np.nan], "status": ["ok", "withheld"], "lower": [before, 1], "upper": [before, 60]})
    past = Past("t", said, table.assign(cases=before), {"people": old, "cases": old})
    for policy in (EXACT, ROUNDED):
        found = hold("t", said, table, {"people": hidden, "cases": hidden}, [past], policy)["cases"]
        assert found["reason"].tolist() == ["few", "few"] and found["value"].isna().all() and found["lower"].isna().all()


def test_nothing_is_compared_where_all_is_public_or_nothing_adds_up():
    free = Policy(threshold=1, rounding=1)
    assert held("counts", "cases", (100, 100, 100), (100, 100, 98, 102), policy=free) == [100, "ok", 100, 100]
    frames = {"people": cells()}
    for layout, policy in (("step", EXACT), ("counts", free), ("step", free)):
        assert hold("t", declared(layout), cells(), frames, [], policy) is frames
