"""A group against everybody else: what is withheld widens the limits, and a whole less a group is known beside withheld parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from shared_code.config.study import ResultsTable
from shared_code.pooling.groups import Part, gaps, rest_of

DECLARED = ResultsTable.model_validate({
    "title": "t", "layout": "counts", "sets": [[], ["place"]],
    "dimensions": {"check": {"values": {"six": "All checks"}},
                   "place": {"values": {"core": "c", "middle": "m", "least": "l", "Unknown": "u"}, "total": True}},
})  # fmt: skip
ASKED = {"item": "check", "group": "place", "compare": "core", "against": ["middle", "least"],
         "slope": ["core", "middle", "least"]}  # fmt: skip
PLACES = ("core", "middle", "least", "Unknown")


def part(*rows: tuple[int, int, int, int | None]) -> Part:
    """Make a part of sites a, b, …: people, least and most cases, and the cases where they are known."""
    known = [(n, a, b, np.nan if x is None else x) for n, a, b, x in rows]
    people, low, high, cases = (np.array(side, float) for side in zip(*known))
    return Part([chr(97 + i) for i in range(len(rows))], people, cases, low, high)


def cells(sites: dict[str, dict[str, tuple]], hidden_people: tuple[str, ...] = ()) -> pd.DataFrame:
    """Give released cells: site -> place -> people, and cases or the range they are withheld with; totals are added up."""
    rows = []
    for site, places in sites.items():
        for place, (people, cases, _) in places.items():
            gone = place in hidden_people
            rows.append((site, place, "people", np.nan if gone else people, 1 if gone else people, 19 if gone else people))
            low, high = cases if isinstance(cases, tuple) else (cases, cases)
            rows.append((site, place, "cases", np.nan if isinstance(cases, tuple) else cases, low, high))
        total = [sum(p[i] for p in places.values()) for i in (0, 2)]
        rows += [(site, "all", name, n, n, n) for name, n in zip(("people", "cases"), total)]
    return pd.DataFrame(rows, columns=["site", "place", "statistic", "value", "lower", "upper"]).assign(check="six", status="ok")


def told(table: pd.DataFrame, measure: str, level: str = "core", scope: str = "pooled") -> dict:
    scopes = {"pooled": sorted(set(table["site"])), **{f"site:{s}": [s] for s in set(table["site"])}}
    found = [r for r in gaps(table, DECLARED, ASKED, scopes) if (r["measure"], r["level"], r["scope"]) == (measure, level, scope)]
    assert len(found) == 1
    return found[0]


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_the_limits_hold_those_of_every_number_that_may_have_been_withheld(data):
    """Whatever the withheld numbers are: a reader who knew them would get limits inside these (Wilson, by statsmodels)."""
    rows, true = [], []
    for _ in range(data.draw(st.integers(2, 5))):
        n = data.draw(st.integers(10, 300))
        x = data.draw(st.integers(0, n))
        shown = data.draw(st.booleans())
        low, high = (x, x) if shown else (data.draw(st.integers(0, x)), data.draw(st.integers(x, n)))
        rows.append((n, low, high, x if shown else None))
        true.append(x)
    own = part(*rows)
    found = own.share()
    if found is None:
        assert own.withheld
        return
    low, high = proportion_confint(sum(true), own.people.sum(), method="wilson")
    assert found.lower <= low + 1e-9 and high - 1e-9 <= found.upper
    assert found.lower <= found.estimate <= found.upper
    if not own.withheld:
        assert (found.lower, found.upper) == pytest.approx((low, high))


SITES = {
    "a": {"core": (100, 55, 55), "middle": (50, (10, 51), 30), "least": (40, (1, 41), 25), "Unknown": (0, 0, 0)},
    "b": {"core": (30, 10, 10), "middle": (50, 25, 25), "least": (60, 30, 30), "Unknown": (0, 0, 0)},
}


def test_everybody_else_is_known_where_the_parts_are_withheld():
    """At site a 110 of 190 had all checks, 55 of them of 100 in the group: 55 of 90 elsewhere, whichever part they are in."""
    table = cells(SITES)
    row = told(table, "difference", scope="site:a")
    assert row["estimate"] == pytest.approx(55 - 100 * 55 / 90)
    assert (row["bound_lower"], row["bound_upper"]) == pytest.approx([row["estimate"]] * 2)
    pooled = told(table, "difference")
    assert pooled["estimate"] == pytest.approx(100 * 65 / 130 - 100 * 110 / 200) and "fitted" not in pooled["method"]
    assert pooled["lower"] < pooled["estimate"] < pooled["upper"]
    ratio = told(table, "ratio")
    assert ratio["estimate"] == pytest.approx((55 * 90 / 190 + 10 * 110 / 140) / (55 * 100 / 190 + 55 * 30 / 140))
    gap = told(table, "people to close the gap")
    assert gap["estimate"] == pytest.approx(130 * (110 / 200 - 65 / 130))
    assert (gap["lower"], gap["upper"]) == pytest.approx(
        (max(0, -1.3 * pooled["upper"]), max(0, -1.3 * pooled["lower"])))  # fmt: skip


def test_each_part_by_itself_keeps_limits_as_wide_as_what_is_withheld():
    table = cells(SITES)
    least = told(table, "share", "least")
    assert least["lower"] < 100 * 31 / 100 and least["upper"] > 100 * 70 / 100
    slope = told(table, "slope index", "slope")
    assert slope["lower"] < -20 < 20 < slope["upper"]
    assert told(table, "people to level with the best", "slope")["reason"] == "too much is withheld"


def test_what_is_not_known_of_others_is_not_subtracted():
    """People of unknown area, or withheld people of a level, are neither the group nor everybody else."""
    some = {site: places | {"Unknown": (12, (1, 9), 5)} for site, places in SITES.items()}
    row = told(cells(some), "difference", scope="site:a")
    known = 100 * 60 / 90  # 115 in all, less the 55 of the group and the 1 to 9 of unknown area
    assert "estimate" not in row and row["reason"] == "too much is withheld"
    assert row["bound_lower"] == pytest.approx(55 - 100 * (115 - 55 - 1) / 90) and row["bound_upper"] > 55 - known
    gone = told(cells(SITES, hidden_people=("Unknown",)), "difference", scope="site:a")
    assert gone["bound_lower"] == pytest.approx(55 - 100 * 90 / 90) and "estimate" not in gone


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_the_rest_holds_the_truth_and_is_narrower_than_the_sum_of_its_parts(data):
    """Any true numbers, any of them withheld with any range around them, the whole rounded to 5."""
    true = {name: data.draw(st.integers(0, 60)) for name in PLACES}
    people = {name: x + data.draw(st.integers(1, 40)) for name, x in true.items()}

    def seen(name: str) -> Part:
        x = true[name]
        ends = (x, x) if data.draw(st.booleans()) else (data.draw(st.integers(0, x)), data.draw(st.integers(x, people[name])))
        return part((people[name], *ends, x if ends[0] == ends[1] else None))

    parts, whole = {name: seen(name) for name in PLACES}, sum(true.values())
    about = 5 * round(whole / 5)
    total = part((sum(people.values()), about - 2, about + 2, about))
    found = rest_of(total, parts["core"], [parts["Unknown"]], [parts["middle"], parts["least"]], set())
    inside, added = true["middle"] + true["least"], parts["middle"] + parts["least"]
    assert added.low[0] <= found.low[0] <= inside <= found.high[0] <= added.high[0]
    assert found.people[0] == people["middle"] + people["least"]
    if parts["core"].withheld or parts["Unknown"].withheld:
        assert found.withheld
    else:
        assert abs(found.cases[0] - inside) <= 2


def test_one_level_that_was_released_is_taken_as_it_was_released():
    total, core, rest = part((200, 98, 102, 100)), part((100, 48, 52, 50)), part((100, 53, 57, 55))
    assert rest_of(total, core, [], [rest], set()).cases[0] == 55
    assert rest_of(total, core, [], [part((100, 1, 99, None))], set()).cases[0] == 50
