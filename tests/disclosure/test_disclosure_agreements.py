"""What the protocol says of numbers that agree: which relations enter the system, and which do not.

A relation is used where the site's own numbers fulfil it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from shared_code.config.agreement import Agreement
from shared_code.config.study import ResultsTable
from shared_code.disclosure.agreements import agreement_rows, compared, numbered
from shared_code.disclosure.build import Draft
from shared_code.disclosure.system import DAYS, IMPLICIT, PEOPLE


def table(name: str, dimensions: dict[str, Any], rows: list[tuple], layout: str = "counts") -> dict:
    """Declare a table whose columns hold, instead of its numbers, the number of the unknown behind each (-1: none)."""
    spec = {d: levels if isinstance(levels, dict) else {"values": {v: v for v in levels if v != "all"}, "total": "all" in levels}
            for d, levels in dimensions.items()}  # fmt: skip
    declared = ResultsTable.model_validate({"title": "t", "layout": layout, "dimensions": spec})
    return {name: (declared, pd.DataFrame(rows, columns=[*dimensions, "people"]))}


def said(*numbers: Any, **more: Any) -> Agreement:
    return Agreement.model_validate({"title": "t", "numbers": list(numbers), **more})


def number(table: str, **more: Any) -> dict[str, Any]:
    return {"table": table, "statistic": "people", **more}


def draft(*truth: float, kind: int = PEOPLE) -> Draft:
    made = Draft()
    for value in truth:
        made.add(value, kind, 0.0, np.inf, 0.0, False, 1.0)
    return made


BY_SEX = table("a.t", {"sex": ["F", "M", "all"]}, [("F", 0), ("M", 1), ("all", 2)])
BY_PLACE = table("b.t", {"sex": ["F", "M", "all"], "place": ["x", "y", "z"]},
                 [(s, p, 3 + 3 * i + j) for i, s in enumerate(("F", "M", "all")) for j, p in enumerate("xyz")])  # fmt: skip
TABLES = {**BY_SEX, **BY_PLACE}


def test_totals_that_are_not_named_are_not_broken_out():
    """Beside the total of one table stands the sum over all places of the other's totals."""
    assert compared(TABLES, said(number("a.t"), number("b.t"))) == [([(2, 1.0)], [(9, 1.0), (10, 1.0), (11, 1.0)])]


def test_for_every_level_of_a_dimension():
    pairs = compared(TABLES, said(number("a.t"), number("b.t"), each=["sex"]))
    assert pairs == [([(0, 1.0)], [(3, 1.0), (4, 1.0), (5, 1.0)]), ([(1, 1.0)], [(6, 1.0), (7, 1.0), (8, 1.0)])]


def test_only_the_levels_that_are_named():
    one = number("b.t", where={"sex": "M", "place": "y"})
    two = number("b.t", where={"sex": "all", "place": ["x", "z"]})
    assert compared(TABLES, said(one, two)) == [([(7, 1.0)], [(9, 1.0), (11, 1.0)])]


def test_numbers_that_are_added_and_subtracted():
    """All less the women are the men."""
    women = number("a.t", where={"sex": "F"}, times=-1)
    pairs = compared(TABLES, said([number("a.t"), women], number("a.t", where={"sex": "M"})))
    assert pairs == [([(2, 1.0), (0, -1.0)], [(1, 1.0)])]


def test_added_numbers_are_compared_where_each_of_them_is():
    """A level that one of the added tables does not have has no sum."""
    short = table("c.t", {"sex": ["F", "M", "all"]}, [("F", 20), ("all", 21)])
    pairs = compared({**TABLES, **short}, said([number("a.t"), number("c.t")], number("b.t", where={"place": "x"}), each=["sex"]))
    assert pairs == [([(0, 1.0), (20, 1.0)], [(3, 1.0)])]


@pytest.mark.parametrize("first", [number("not.there"), [number("a.t"), number("not.there")]])
def test_nothing_is_compared_with_a_table_that_is_not_there(first):
    assert compared(TABLES, said(first, number("b.t"))) == []


def test_a_sum_that_lacks_a_number_is_not_compared():
    """The men of one place are not collected: what is left of the men is no sum of them, and the women stay."""
    (declared, frame) = BY_PLACE["b.t"]
    lacking = {**BY_SEX, "b.t": (declared, frame.assign(people=frame["people"].where(frame["people"] != 7, -1)))}
    pairs = compared(lacking, said(number("a.t"), number("b.t"), each=["sex"]))
    assert pairs == [([(0, 1.0)], [(3, 1.0), (4, 1.0), (5, 1.0)])]


def test_the_first_unknown_is_a_number_too():
    """The unknown numbered 0 is there; only -1 says that there is none."""
    assert compared(BY_SEX, said(number("a.t", where={"sex": "F"}), number("a.t", where={"sex": "M"})))


def test_more_than_two_numbers_are_compared_one_with_the_next():
    three = [number("a.t", where={"sex": s}) for s in ("F", "M", "all")]
    assert compared(TABLES, said(*three)) == [([(0, 1.0)], [(1, 1.0)]), ([(1, 1.0)], [(2, 1.0)])]


def test_the_same_at_every_level():
    """One denominator beside every place: each level with the next, for each sex by itself."""
    pairs = compared(TABLES, said(number("b.t"), each=["sex"], over="place"))
    assert pairs == [([(a, 1.0)], [(a + 1, 1.0)]) for a in (3, 4, 6, 7)]
    assert compared(TABLES, said(number("b.t"), over="place")) == [([(9, 1.0)], [(10, 1.0)]), ([(10, 1.0)], [(11, 1.0)])]


WARDS = table("b.t", {"ward": ["p", "q", "r", "s", "all"], "sex": ["F", "M", "all"]},
              [(w, s, 10 * i + j) for i, w in enumerate(("p", "q", "r", "s", "all"), 1)
               for j, s in enumerate(("F", "M", "all"))])  # fmt: skip
LOCALITIES = table("a.t", {"locality": ["north", "south", "all"], "sex": ["F", "M", "all"]},
                   [(w, s, 100 + 10 * i + j) for i, w in enumerate(("north", "south", "all"))
                    for j, s in enumerate(("F", "M", "all"))])  # fmt: skip


def of_wards(each: list[str], lie: dict[str, str], without: tuple[str, ...] = ()) -> list:
    """Compare wards, added up to the localities they lie in, with localities."""
    declared, frame = WARDS["b.t"]
    wards = number("b.t", inside={"locality": {"dimension": "ward", "levels": lie}})
    shown = {"b.t": (declared, frame[~frame["ward"].isin(without)].reset_index(drop=True)), **LOCALITIES}
    return compared(shown, said(wards, number("a.t"), each=each))


def test_the_wards_of_a_locality_are_added_up():
    """The fourth ward lies in no whole locality, and the total of all wards in none."""
    lie = {"p": "north", "q": "north", "r": "south"}
    north, south = [(12, 1.0), (22, 1.0)], [(32, 1.0)]
    assert of_wards(["locality"], lie) == [(north, [(102, 1.0)]), (south, [(112, 1.0)])]
    women = [pair for pair in of_wards(["locality", "sex"], lie) if pair[1] == [(100, 1.0)]]
    assert women == [([(10, 1.0), (20, 1.0)], [(100, 1.0)])] and of_wards(["sex", "locality"], lie)[0] == women[0]
    assert len(of_wards(["sex", "locality"], lie)) == 4


def test_a_locality_of_which_a_ward_is_not_there_is_not_the_sum_of_the_others():
    lie = {"p": "north", "q": "north", "r": "south"}
    assert of_wards(["locality"], lie, without=("q",)) == [([(32, 1.0)], [(112, 1.0)])]
    assert [pair[1] for pair in of_wards(["locality", "sex"], lie, without=("r",))] == [[(100, 1.0)], [(101, 1.0)]]


def test_tables_are_numbered_by_the_unknowns_behind_their_cells():
    declared, frame = BY_SEX["a.t"]
    found = numbered({"a.t": (declared, frame.assign(people=[5, 6, 11], cases=0))}, {("a.t", "people"): np.array([7, 8, 9])})
    assert found["a.t"][1]["people"].tolist() == [7, 8, 9] and found["a.t"][1]["cases"].tolist() == [-1, -1, -1]


ONE, OTHER = number("a.t", where={"sex": "F"}), number("a.t", where={"sex": "M"})


def rows(truth: list[float], relation: str, kind: int = PEOPLE, **more: Any) -> tuple[list, Draft]:
    made = draft(*truth, kind=kind)
    return list(agreement_rows(BY_SEX, [said(ONE, OTHER, relation=relation, **more)], made)), made


def test_equal_numbers_are_one_equation():
    found, made = rows([40, 40, 0], "equal")
    assert found == [([0, 1], [-1.0, 1.0], 0.0, 0.0)] and len(made.truth) == 3 and not made.pieces


@pytest.mark.parametrize("truth", [[40, 41, 0], [41, 40, 0], [0, 1, 0], [1, 0, 0]])
def test_what_the_numbers_contradict_is_left_out(truth):
    """A system that held a false equation would speak of another site."""
    assert rows(truth, "equal")[0] == []


def test_days_that_differ_in_their_last_digit_are_equal():
    (equation,), _ = rows([0.1 + 0.2, 0.3, 0], "equal", DAYS)
    (_, _, low, high) = equation
    assert low < 0 < high < 1e-12 and low == -high


@pytest.mark.parametrize("truth", [[41, 40, 0], [1, 0, 0]])
def test_more_than_what_it_is_at_most_is_left_out(truth):
    found, made = rows(truth, "at_most")
    assert found == [] and len(made.truth) == 3


@pytest.mark.parametrize(("truth", "rest"), [([61, 65, 0], 4), ([40, 40, 0], 0)])
def test_who_is_in_the_larger_group_only_is_a_number_of_people(truth, rest):
    (row,), made = rows(truth, "at_most")
    assert row == ([0, 1, 3], [-1.0, 1.0, -1.0], 0.0, 0.0)  # larger - smaller - rest = 0
    assert made.truth[3] == rest and made.kind[3] == IMPLICIT and made.pieces == [3]
    assert sum(made.truth[at] * times for at, times in zip(*row[:2])) == 0


def test_a_difference_of_days_is_no_number_of_people():
    found, made = rows([100.0, 700.0, 0], "at_most", DAYS)
    assert len(found) == 1 and made.pieces == []
    mixed = draft(3, 9, 0)
    mixed.kind[0] = DAYS
    list(agreement_rows(BY_SEX, [said(ONE, OTHER, relation="at_most")], mixed))
    assert mixed.pieces == []


def test_the_same_unknown_on_both_sides_says_nothing():
    same = table("a.t", {"sex": ["F", "M", "all"]}, [("F", 0), ("M", 0), ("all", 1)])
    assert list(agreement_rows(same, [said(ONE, OTHER)], draft(40, 80))) == []


def test_numbers_that_occur_on_both_sides_cancel():
    total, women, men = number("a.t"), number("a.t", where={"sex": "F"}), number("a.t", where={"sex": "M"})
    (row,) = agreement_rows(BY_SEX, [said([total, women], [total, men])], draft(40, 40, 80))
    assert row == ([0, 1], [-1.0, 1.0], 0.0, 0.0)


def test_what_holds_over_a_dimension_is_left_to_the_one_unknown_it_is():
    assert list(agreement_rows(BY_PLACE, [said(number("b.t"), over="place")], draft(*[7] * 12))) == []
