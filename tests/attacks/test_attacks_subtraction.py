"""What is left when numbers are subtracted: ranges by hand, and when a range is too narrow (methods specification 11.4, 11.7)."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import pandas as pd
import pytest

from shared_code.config.study import ResultsTable
from shared_code.disclosure.attacks import differences
from shared_code.disclosure.attacks.find import Weakness, find, too_narrow
from shared_code.disclosure.attacks.known import Known

T = 10
INF = math.inf


def test_a_range_is_too_narrow_when_few_numbers_are_left_or_only_small_ones():
    """Every range up to 25, and what it says: all small and not just nobody, or fewer than ten numbers where one is withheld."""
    for low in range(26):
        for high in range(low, 26):
            numbers = range(low, high + 1)
            small = all(n < T for n in numbers) and any(numbers)
            assert too_narrow(low, high, T, False) == small
            assert too_narrow(low, high, T, True) == (any(numbers) and (small or len(numbers) < T))


@pytest.mark.parametrize(("low", "high", "threshold"), [(3, 3, 1), (0, 0, T), (5, 4, T)])
def test_nothing_is_too_narrow_where_nothing_is_withheld_or_known(low, high, threshold):
    assert not too_narrow(low, high, threshold, True)


def test_a_threshold_of_three_withholds_one_and_two():
    assert too_narrow(1, 2, 3, True) and too_narrow(2, 2, 3, False) and not too_narrow(2, 3, 3, False)
    assert too_narrow(1, 1, 2, False)  # whatever the smallest number asked for


@pytest.mark.parametrize(("piece", "lower", "nobody"), [(True, 0, True), (True, 1, False), (False, 0, False), (True, -1, True)])
def test_only_a_piece_may_be_nobody(piece, lower, nobody):
    weakness = Weakness("a", "t", "people", (), lower, 5, piece)
    assert weakness.may_be_nobody == nobody and not Weakness("a", "t", "people", (), lower, 5).piece
    with pytest.raises(FrozenInstanceError):
        weakness.lower = 3  # what was found stays as it was found


def cells(rows: list[tuple], *dimensions: str) -> pd.DataFrame:
    """Give cells: levels, statistic, lower, upper (equal ends: shown; else withheld)."""
    made = pd.DataFrame(rows, columns=[*dimensions, "statistic", "lower", "upper"]).astype({"lower": float, "upper": float})
    shown = made["lower"] == made["upper"]
    return made.assign(value=made["lower"].where(shown), status=shown.map({True: "ok", False: "withheld"}))


def table(layout: str = "counts", **dimensions: list[str]) -> ResultsTable:
    spec = {d: {"values": {v: v for v in levels if v != "all"}, "total": "all" in levels} for d, levels in dimensions.items()}
    return ResultsTable.model_validate({"title": "t", "layout": layout, "dimensions": spec})


def test_what_is_found_says_whether_it_is_a_number_of_the_table():
    """Withheld: 60 of 64 less 40. Without the attribute: 64 less 61, whom no table holds."""
    sex = table(sex=["F", "M", "all"])
    rows = [("F", "people", 40, 40), ("M", "people", 0, INF), ("all", "people", 44, 44),
            ("F", "cases", 37, 37), ("M", "cases", 0, INF), ("all", "cases", 37, INF)]  # fmt: skip
    found = {(w.statistic, w.levels): (w.lower, w.upper, w.piece) for w in find({"a.t": (sex, cells(rows, "sex"))}, T)
             if w.attack == "tables together"}  # fmt: skip
    assert found["people", ("M",)] == (4, 4, False)
    assert found["people without", ("F",)] == (3, 3, True)
    assert ("people", ("F",)) not in found and ("cases", ("F",)) not in found  # they are shown


# --- one release less another ---

def test_changes_between_two_releases_are_differences_of_ranges():
    sex = table("events", sex=["F", "M"])
    before = cells([("F", "people", 100, 100), ("M", "people", 50, 59), ("F", "events", 130, 130), ("F", "person_days", 7, 7)],
                   "sex")  # fmt: skip
    now = cells([("F", "people", 103, 103), ("M", "people", 58, 62), ("F", "events", 128, 132), ("F", "person_days", 9, 9),
                 ("M", "events", 1, 1)], "sex")  # fmt: skip
    changes = differences.over_time({"a.t": (sex, before)}, {"a.t": (sex, now), "a.new": (sex, now)})
    assert changes == {("a.t", "people", ("F",)): (3, 3), ("a.t", "people", ("M",)): (58 - 59, 62 - 50),
                       ("a.t", "events", ("F",)): (-2, 2)}  # fmt: skip


def test_a_change_gives_away_when_it_is_of_few_and_nearly_known():
    """Every range of changes up to 14 either way: it holds none but 1 to 9 (or -1 to -9), and fewer than nine of them."""
    for low in range(-14, 15):
        for high in range(low, 15):
            numbers = range(low, high + 1)
            few = all(0 < n < T for n in numbers) or all(-T < n < 0 for n in numbers)
            assert differences.gives_away((low, high), T) == (few and len(numbers) < T - 1), (low, high)


def knowing(**ranges: tuple[float, float]) -> tuple[Known, dict]:
    known, named = Known(T), {}
    for name, (low, high) in ranges.items():
        named[name] = ("a.t", "people", (name,))
        known.add(named[name], low, high)
    return known, named


def test_a_part_from_somewhere_else_leaves_the_rest_of_a_whole():
    known, at = knowing(whole=(100, 104), part=(93, 96))
    rest = ("b.t", "people", ("rest",))
    assert differences.of_two(known, at["whole"], at["part"], rest) == (4, 11)
    assert known.implicit[known.index[rest]] and not known.withheld[known.index[rest]]


def test_a_rest_that_is_known_already_is_narrowed_and_not_added_again():
    known, at = knowing(whole=(100, 104), part=(93, 96), rest=(5, 40))
    known.withheld[known.index[at["rest"]]] = True
    assert differences.of_two(known, at["whole"], at["part"], at["rest"]) == (5, 11) and len(known.cells) == 3


def test_nobody_may_be_left_of_a_whole():
    known, at = knowing(whole=(95, 95), part=(93, 95))
    assert differences.of_two(known, at["whole"], at["part"], ("b.t", "people", ("rest",))) == (0, 2)


@pytest.mark.parametrize(("either", "both"), [((150, 152), (28, 30)), ((178, 185), (0, 2))])
def test_two_flags_and_either_tell_those_with_both(either, both):
    """80 and 100 less those with either; both flags stand in what is said of them."""
    known, at = knowing(one=(80, 80), other=(100, 100), either=either)
    assert differences.overlap(known, at["one"], at["other"], at["either"]) == both
    assert known.cells[-1] == ("a.t", "people with both", ("one", "other")) and known.implicit[-1]


def test_a_partner_learns_what_the_others_have():
    pooled = {"a": (57.0, 61.0), "b": (12.0, 12.0), "c": (1.0, 2.0)}
    assert differences.partner(pooled, {"a": 50, "b": 13, "d": 4}) == {"a": (7, 11), "b": (0, -1)}


def test_pooled_ranges_are_sums_over_sites():
    sites = [cells([("F", "x", "people", 5, 9), ("M", "x", "people", 1, 1), ("F", "x", "cases", 2, 2)], "sex", "area"),
             cells([("F", "x", "people", 20, 20), ("F", "y", "people", 3, 3)], "sex", "area")]  # fmt: skip
    assert differences.pooled_ranges(sites) == {"F/x/people": (25, 29), "M/x/people": (1, 1), "F/x/cases": (2, 2),
                                                "F/y/people": (3, 3)}  # fmt: skip
