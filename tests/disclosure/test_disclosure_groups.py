"""What the protocol says of groups made of groups, and inside groups: which relations enter the system, and which do not.

They are checked person by person: whoever one is, no sum that a rule calls a number of people falls below nothing.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from shared_code.config.study import Dimension, ResultsTable
from shared_code.disclosure.agreements import _of_levels, level_rows, levels_made_of_others
from shared_code.disclosure.build import Draft
from shared_code.disclosure.margins import Cohort
from shared_code.disclosure.system import PEOPLE


def draft(*truth: float, kind: int = PEOPLE) -> Draft:
    made = Draft()
    for value in truth:
        made.add(value, kind, 0.0, np.inf, 0.0, False, 1.0)
    return made


FLAGS = {flag: flag for flag in ("a", "b", "c")}


def dimension(**more: Any) -> Dimension:
    values = {**FLAGS, **{level: level for level in (*more.get("formed", {}), *more.get("within", {}))}}
    return Dimension.model_validate({"values": values, **more})


def everybody(at_least: dict[str, int]) -> list[dict[str, int]]:
    """List every kind of person there can be: which flags they have, and which levels made of flags."""
    return [{"everybody": 1, **dict(zip("abc", flags)), **{level: int(sum(flags) >= k) for level, k in at_least.items()}}
            for flags in product((0, 1), repeat=3)]  # fmt: skip


def sums_of(spec: Dimension, levels: list[str], whole: bool = True) -> list[dict[str, float]]:
    names = [*levels, "everybody"]
    made = draft(*[0.0] * len(names))
    if whole:
        made.whole = {at: len(levels) for at in range(len(levels))}
    found = _of_levels(spec, {level: at for at, level in enumerate(levels)}, made)
    return [{names[at]: times for at, times in sums.items()} for sums in found]


def formed(**at_least: int) -> dict[str, Any]:
    return {level: {"at_least": k, "of": ["a", "b", "c"]} for level, k in at_least.items()}


@pytest.mark.parametrize("at_least", [1, 2, 3])
def test_sums_over_groups_count_nobody_twice_and_nobody_less_than_none(at_least):
    """True of every kind of person, and as sharp as it can be: for some kind each sum is 0."""
    spec = dimension(formed=formed(some=at_least))
    sums = sums_of(spec, ["a", "b", "c", "some"])
    kinds = everybody({"some": at_least})
    values = [[sum(times * kind[name] for name, times in one.items()) for kind in kinds] for one in sums]
    assert all(min(of_one) == 0 for of_one in values)
    expected: list[dict[str, float]] = [{"some": -at_least, "a": 1, "b": 1, "c": 1}]
    if at_least == 1:
        expected += [{"some": 1, flag: -1} for flag in "abc"]
    else:
        expected += [{"everybody": at_least - 1, "some": 4 - at_least, "a": -1, "b": -1, "c": -1}]
    if at_least == 3:
        expected += [{flag: 1, "some": -1} for flag in "abc"]
    assert sorted(map(sorted, (one.items() for one in sums))) == sorted(map(sorted, (one.items() for one in expected)))


def test_without_a_number_of_everybody_only_those_in_it_count():
    assert len(sums_of(dimension(formed=formed(some=2)), ["a", "b", "c", "some"], whole=False)) == 1


@pytest.mark.parametrize("levels", [["a", "b", "some"], ["a", "b", "c"], ["some"]])
def test_a_union_says_nothing_where_a_part_or_it_is_not_there(levels):
    assert sums_of(dimension(formed=formed(some=2)), levels) == []


def test_one_part_is_inside_a_union_even_where_others_are_not_there():
    assert sums_of(dimension(formed=formed(some=1)), ["a", "some"]) == [{"some": 1.0, "a": -1.0}]


def test_groups_within_groups():
    spec = dimension(within={"small": ["a", "b"]})
    assert sums_of(spec, ["a", "b", "small"]) == [{"a": 1.0, "small": -1.0}, {"b": 1.0, "small": -1.0}]
    assert sums_of(spec, ["b", "small"]) == [{"b": 1.0, "small": -1.0}] and sums_of(spec, ["a", "b"]) == []


@pytest.mark.parametrize("order", [("two", "three"), ("three", "two")])
def test_who_is_at_three_is_at_two(order):
    """Whichever is declared first; levels at as many say nothing of each other."""
    at_least = {"two": 2, "three": 3}
    spec = dimension(formed=formed(**{level: at_least[level] for level in order}))
    assert sums_of(spec, ["two", "three"]) == [{"two": 1.0, "three": -1.0}]
    assert sums_of(dimension(formed=formed(two=2, too=2)), ["two", "too"]) == []
    other = {**formed(two=2), "three": {"at_least": 3, "of": ["a", "b", "c", "two"]}}
    assert sums_of(dimension(formed=other), ["two", "three"], whole=False) == []


def test_a_level_of_every_item_of_a_codelist():
    """Where no level is named, it is made of all items; levels with a name of their own are none."""
    spec = Dimension.model_validate({"codelist": "conditions", "values": {"any": "Any", "two": "Two or more"},
                                     "formed": {"any": {"at_least": 1}, "two": {"at_least": 2}}})  # fmt: skip
    sums = sums_of(spec, ["x", "y", "any", "two"])
    assert {"any": -1.0, "x": 1.0, "y": 1.0} in sums and {"two": -2.0, "x": 1.0, "y": 1.0} in sums
    assert {"x": 1.0, "two": -1.0} in sums  # two of two items: everybody in it is at each
    assert {"any": 1.0, "two": -1.0} in sums


def relations(truth: dict[str, float], spec: Dimension, whole: float | None = None) -> tuple[list, Draft]:
    """Give the relations of a table by sex and flag: the men have the numbers given, the women one person everywhere."""
    made = draft(*truth.values(), *[1.0] * len(truth), *([] if whole is None else [whole]))
    cells = {(flag, sex): i + n * len(truth) for n, sex in enumerate(("M", "F")) for i, flag in enumerate(truth)}
    cohort = Cohort(("counts", "cases"), {("flag", "sex"): cells, ("sex",): {("M",): 0, ("F",): len(truth)}})
    if whole is not None:
        made.whole = {at: len(made.truth) - 1 for at in range(len(truth))}
    return list(level_rows(cohort, made, {"flag": [spec]})), made


def test_differences_of_groups_are_people_and_are_computed_for_each_sex():
    found, made = relations({"a": 65, "small": 61}, dimension(within={"small": ["a"]}))
    assert found == [([0, 1, 4], [1.0, -1.0, -1.0], 0.0, 0.0), ([2, 3, 5], [1.0, -1.0, -1.0], 0.0, 0.0)]
    assert made.truth[4:] == [4, 0] and made.pieces == [4, 5]


def test_a_group_that_is_larger_than_what_holds_it_says_nothing():
    found, _ = relations({"a": 61, "small": 65}, dimension(within={"small": ["a"]}))
    assert found == [([2, 3, 4], [1.0, -1.0, -1.0], 0.0, 0.0)]  # of the women only


def test_what_counts_people_more_than_once_is_an_inequality():
    """Twice those at two or more are no more than all memberships; that difference is no number of people."""
    found, made = relations({"a": 50, "b": 40, "c": 30, "some": 45}, dimension(formed=formed(some=2)), whole=100.0)
    assert ([3, 0, 1, 2], [-2.0, 1.0, 1.0, 1.0], 0.0, np.inf) in found
    assert ([8, 3, 0, 1, 2], [1.0, 2.0, -1.0, -1.0, -1.0], 0.0, np.inf) in found
    assert made.pieces == []


def test_who_has_several_flags_of_a_union_is_counted_by_them():
    """30 + 20 + 10 less the 55 with any: 5 more flags than people, none of whom may be told."""
    found, made = relations({"a": 30, "b": 20, "c": 10, "some": 55}, dimension(formed=formed(some=1)))
    assert ([3, 0, 1, 2, 8], [-1.0, 1.0, 1.0, 1.0, -1.0], 0.0, 0.0) in found and made.truth[8] == 5 and 8 in made.pieces


def test_a_group_and_one_that_holds_it_may_be_one_unknown():
    made = draft(0.0)
    cohort = Cohort(("counts", "cases"), {("flag",): {("a",): 0, ("small",): 0}})
    assert list(level_rows(cohort, made, {"flag": [dimension(within={"small": ["a"]})]})) == []


def test_other_dimensions_than_that_of_the_flags_say_nothing():
    found, _ = relations({"a": 65, "small": 61}, dimension(within={"small": ["a"]}))
    made = draft(65, 61)
    cohort = Cohort(("counts", "cases"), {("sex",): {("a",): 0, ("small",): 1}})
    assert found and list(level_rows(cohort, made, {"flag": [dimension(within={"small": ["a"]})]})) == []


def test_dimensions_whose_levels_hold_each_other_are_listed_once():
    plain, within = dimension(), dimension(within={"small": ["a"]})
    union = dimension(formed=formed(some=1))

    def declared(**dimensions: Dimension) -> ResultsTable:
        return ResultsTable(title="t", layout="counts", dimensions=dimensions)

    found = levels_made_of_others([declared(flag=within, other=plain), declared(flag=within), declared(flag=plain, sex=union)])
    assert found == {"flag": [within], "sex": [union]}
