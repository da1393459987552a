"""Attacks by subtraction: across time, cohorts, geographies, flags, and by partners who know their own counts."""

from __future__ import annotations

import pandas as pd
import pytest

from shared_code.disclosure import Earlier
from shared_code.disclosure.attacks import Known
from shared_code.disclosure.attacks.differences import gives_away, of_two, over_time, overlap, partner, pooled_ranges
from shared_code.disclosure.attacks.find import too_narrow
from shared_code.model import Refused

T = 10
SEX = {"sex": ["F", "M"]}
TOTAL = {"sex": ["F", "M", "all"]}


def wide(rows: list[tuple], dimensions=("sex",)) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*dimensions, "people", "cases"])


# what happened between two releases | the first | the second | where somebody looks | the secret
REFRESHES = [
    ("one person was diagnosed", [("F", 500, 112), ("M", 500, 90)], [("F", 500, 113), ("M", 500, 90)], ("cases", "F"), 1),
    ("one case more of few", [("F", 500, 37), ("M", 500, 90)], [("F", 500, 38), ("M", 500, 90)], ("cases", "F"), 1),
    ("one person moved away", [("F", 500, 112), ("M", 500, 90)], [("F", 499, 112), ("M", 500, 90)], ("people", "F"), -1),
    ("three died", [("F", 503, 112), ("M", 500, 90)], [("F", 500, 112), ("M", 500, 90)], ("people", "F"), -3),
    ("a codelist with more codes", [("F", 500, 204), ("M", 500, 90)], [("F", 500, 207), ("M", 500, 90)], ("cases", "F"), 3),
    ("one person crosses a rounding boundary", [("F", 500, 112), ("M", 500, 90)], [("F", 500, 113), ("M", 500, 90)],
     ("cases", "F"), 1),
    ("a small number becomes large enough", [("F", 500, 9), ("M", 500, 90)], [("F", 500, 10), ("M", 500, 90)], ("cases", "F"), 1),
]  # fmt: skip


@pytest.mark.parametrize(("what", "first", "second", "where", "secret"), REFRESHES, ids=[r[0] for r in REFRESHES])
def test_two_releases(what, first, second, where, secret, declare, release_by_hand, release_ours):
    declared, cell = declare(SEX), ("a.t", where[0], (where[1],))
    before, now = ({"a.t": (declared, wide(rows))} for rows in (first, second))
    change = over_time(release_by_hand(before, 1), release_by_hand(now, 1))[cell]
    assert change == (secret, secret) and gives_away(change, T)

    left = release_ours(before)
    earlier = Earlier("0" * 64, "first extract", {"a.t": left["a.t"][1]}, {"a.t": before["a.t"][1]})
    try:
        again = release_ours(now, [earlier])
    except (ValueError, Refused) as refused:  # refused as a whole: nothing leaves
        assert "released before" in str(refused) or "difference to an earlier release" in str(refused)
        return
    for found in over_time(left, again).values():
        assert not gives_away(found, T)


def test_two_cohorts(declare, release_by_hand, release_ours):
    """All adults in one table, adults under 65 in another: the difference are the seven of 65 and over."""
    tables = {"a.adults": (declare(SEX), wide([("F", 407, 100), ("M", 500, 90)])),
              "a.working_age": (declare(SEX), wide([("F", 400, 100), ("M", 450, 70)]))}  # fmt: skip
    cells = ("a.adults", "people", ("F",)), ("a.working_age", "people", ("F",)), ("a.old", "people", ("F",))
    assert of_two(Known.of(release_by_hand(tables), T), *cells) == (7, 7)
    low, high = of_two(Known.of(release_ours(tables), T), *cells)
    assert high > low and not low == high == 7


def test_with_and_without_care_homes(declare, release_by_hand, release_ours):
    tables = {"a.all": (declare(SEX), wide([("F", 800, 203), ("M", 500, 90)])),
              "a.at_home": (declare(SEX), wide([("F", 700, 200), ("M", 450, 70)]))}  # fmt: skip
    cells = ("a.all", "cases", ("F",)), ("a.at_home", "cases", ("F",)), ("a.care_home", "cases", ("F",))
    assert of_two(Known.of(release_by_hand(tables), T), *cells) == (3, 3)
    low, high = of_two(Known.of(release_ours(tables), T), *cells)
    assert high - low >= T - 2  # no number of people is told; that there are few of them is for the reviewer to see


def test_two_geographies(declare, release_by_hand, release_ours):
    """A district that is a ward and one street: the street's cases are the difference."""
    tables = {"a.district": (declare(SEX), wide([("F", 900, 104), ("M", 500, 90)])),
              "a.ward": (declare(SEX), wide([("F", 850, 100), ("M", 450, 70)]))}  # fmt: skip
    cells = ("a.district", "cases", ("F",)), ("a.ward", "cases", ("F",)), ("a.street", "cases", ("F",))
    assert of_two(Known.of(release_by_hand(tables), T), *cells) == (4, 4)
    low, high = of_two(Known.of(release_ours(tables), T), *cells)
    assert high - low >= T - 2


@pytest.mark.parametrize("names", [("diabetes", "copd", "either"), ("transplant", "cancer treatment", "shielded for either")],
                         ids=["conditions", "reasons for shielding"])  # fmt: skip
def test_overlapping_flags(names, declare, release_by_hand, release_ours):
    """A + B - (A or B) = A and B: two people have both."""
    rows = [(names[0], 5000, 210), (names[1], 5000, 300), (names[2], 5000, 508)]
    tables = {"a.t": (declare({"flag": [*names]}), wide(rows, ("flag",)))}
    cells = [("a.t", "cases", (name,)) for name in names]
    assert overlap(Known.of(release_by_hand(tables), T), *cells) == (2, 2)
    low, high = overlap(Known.of(release_ours(tables), T), *cells)
    assert high - low >= 5 and high > 2


def sites(numbers: list[int], declare) -> list[dict]:
    return [{"a.t": (declare(SEX), wide([("F", 900, n), ("M", 900, 100 + n)]))} for n in numbers]


@pytest.mark.parametrize(("numbers", "knows"), [([50, 7], 1), ([50, 44, 7], 2), ([40 + i for i in range(39)] + [3], 39)],
                         ids=["two sites", "three sites, two of them together", "forty sites, all but one together"])  # fmt: skip
def test_partners_subtract_what_they_know(numbers, knows, declare, release_ours):
    secret = numbers[-1]
    own = {"F/cases": sum(numbers[:knows])}
    assert partner({"F/cases": (sum(numbers), sum(numbers))}, own) == {"F/cases": (secret, secret)}

    released = [release_ours(tables)["a.t"][1] for tables in sites(numbers, declare)]
    low, high = partner(pooled_ranges(released), own)["F/cases"]
    assert low <= secret <= high
    assert not too_narrow(low, high, T, withheld=True)


def test_the_rest_of_the_network(declare, release_ours):
    """A figure of one site beside "all others" is the same subtraction, done by the publisher."""
    released = [release_ours(tables)["a.t"][1] for tables in sites([50, 12, 13], declare)]
    everybody = pooled_ranges(released)
    others = pooled_ranges(released[1:])
    low, high = everybody["F/cases"][0] - others["F/cases"][1], everybody["F/cases"][1] - others["F/cases"][0]
    alone = pooled_ranges(released[:1])["F/cases"]
    assert low <= alone[0] and high >= alone[1]  # no more is told than the site itself released
