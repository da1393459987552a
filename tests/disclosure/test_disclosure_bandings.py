"""Bands and names: which numbers of two bandings can be of the same people, what lies between edges, how a number is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from shared_code.config.study import Dimension, Policy, ResultsTable
from shared_code.disclosure.bandings import band_rows, bands_fit
from shared_code.disclosure.build import Draft
from shared_code.disclosure.keys import bandings_of, keys_of, once_of
from shared_code.disclosure.margins import Cohort
from shared_code.model import band_labels

EXACT = Policy(threshold=10, rounding=1)


def bands(*edges: int, kind: str = "exclusive") -> Dimension:
    return Dimension.model_validate({"bands": list(edges), "kind": kind})


def declared(**dimensions: Any) -> ResultsTable:
    made = {name: spec if isinstance(spec, Dimension) else Dimension.model_validate(spec) for name, spec in dimensions.items()}
    return ResultsTable(title="t", layout="counts", dimensions=made)


# --- what lies between edges ---

def pieces(*tables: tuple[Dimension, list[float]], sexes: str = "F") -> tuple[list, Draft]:
    """Relate the bands of several tables, each given as its declaration and its numbers, the same for each sex."""
    draft, sets = Draft(), {}
    bandings = bandings_of([declared(age=spec) for spec, _ in tables])
    for spec, numbers in tables:
        (name,) = [key for key, d in bandings["age"] if (d.bands, d.kind) == (spec.bands, spec.kind)]
        levels = [("north", label, sex) for sex in sexes for label in band_labels(spec.bands, spec.kind)]
        own = {level: draft.add(n, 0, n, n, 1.0, False, 1.0) for level, n in zip(levels, numbers * len(sexes))}
        sets["area", name, "sex"] = own
    cohort = Cohort(("counts", "people"), sets)
    return list(band_rows(cohort, draft, bandings, EXACT)), draft


def test_one_banding_by_itself_says_nothing():
    assert pieces((bands(0, 18, 65), [30, 40, 20]))[0] == []


def test_between_two_nested_bands_lie_people_that_no_table_shows():
    """From 18 on are those of 18 to 64 and those from 65 on, who are a band of their own."""
    rows, draft = pieces((bands(18, 65, kind="nested"), [60, 20]))
    assert rows == [([0, 2, 1], [1.0, -1.0, -1.0], 0.0, 0.0)] and draft.pieces == [2] and np.isnan(draft.truth[2])


def test_each_sex_has_pieces_of_its_own():
    rows, draft = pieces((bands(18, 65, kind="nested"), [60, 20]), sexes="FM")
    assert rows == [([0, 4, 1], [1.0, -1.0, -1.0], 0.0, 0.0), ([2, 5, 3], [1.0, -1.0, -1.0], 0.0, 0.0)]
    assert draft.pieces == [4, 5]


def test_bands_made_of_bands_need_no_others():
    """0 to 17, 18 to 64, 65 on; and 0 to 17, 18 on: the second is made of the first, and of equal bands one is the other."""
    rows, draft = pieces((bands(0, 18, 65), [30, 40, 20]), (bands(0, 18), [30, 60]))
    assert ([4, 1, 2], [1.0, -1.0, -1.0], 0.0, 0.0) in rows and draft.pieces == []
    assert [row for row in rows if len(row[0]) == 2] in ([([0, 3], [1.0, -1.0], 0.0, 0.0)], [([3, 0], [1.0, -1.0], 0.0, 0.0)])
    assert len(rows) == 2


def test_edges_that_cross_leave_pieces_to_both():
    rows, draft = pieces((bands(0, 18), [30, 70]), (bands(0, 40), [60, 40]))
    # 18 to 39 is number 4: the rest of those from 18 on are from 40 on, and of those under 40 under 18
    assert sorted(rows) == [([1, 4, 3], [1.0, -1.0, -1.0], 0.0, 0.0), ([2, 0, 4], [1.0, -1.0, -1.0], 0.0, 0.0)]
    assert draft.pieces == [4]


# --- can two bandings be of the same people? ---

def fits(one: list[float], other: list[float], edges: tuple = (0, 18, 65), others: tuple = (0, 40), **sexes: Any) -> bool | None:
    """Compare numbers in two bandings of the ages of women (and of men, whose numbers are the same in both)."""
    bandings = bandings_of([declared(age=bands(*edges)), declared(age=bands(*others))])

    def numbers(of: list[float], spec: tuple, here: str) -> dict:
        return {(label, sex): n for sex in here for label, n in zip(band_labels([*spec]), of)}

    own = {("age", "sex"): numbers(one, edges, sexes.get("own", "F"))}
    theirs = {("age#1", "sex"): numbers(other, others, sexes.get("theirs", "F"))}
    return bands_fit(own, theirs, bandings)


@pytest.mark.parametrize(("one", "other", "expected"), [
    ([30, 40, 20], [50, 40], True),  # 90, 60 from 18, 40 from 40, 20 from 65
    ([30, 40, 20], [50, 41], False),  # 91 people are not 90
    ([30, 40, 20], [30, 60], True),  # nobody is 18 to 39
    ([30, 40, 20], [29, 61], False),  # 60 from 18 on, and 61 from 40 on
    ([30, 40, 20], [70, 20], True),  # nobody is 40 to 64
    ([30, 40, 20], [71, 19], False),  # 19 from 40 on, and 20 from 65 on
    ([0, 0, 0], [0, 0], None),  # of nobody nothing can be said
])  # fmt: skip
def test_ever_fewer_people_have_reached_a_later_edge(one, other, expected):
    assert fits(one, other) is expected and fits(other, one, (0, 40), (0, 18, 65)) is expected


def test_an_edge_that_both_have_is_reached_by_as_many():
    assert fits([30, 40, 20], [30, 60], others=(0, 18)) is True and fits([30, 40, 20], [31, 59], others=(0, 18)) is False


def test_bandings_of_other_ages_or_other_groups_say_only_what_they_contradict():
    assert fits([40, 20], [50, 40], edges=(18, 65)) is None  # from 18 on 60, of all 90
    assert fits([40, 20], [30, 61], edges=(18, 65)) is False
    assert fits([30, 40, 20], [50, 40], own="FM") is None and fits([30, 40, 20], [50, 41], own="FM") is False


def test_only_two_bandings_of_one_dimension_are_compared():
    bandings = bandings_of([declared(age=bands(0, 18)), declared(age=bands(0, 40)), declared(wait=bands(0, 30))])
    young = {("0-17",): 30.0, ("18+",): 70.0}
    assert bands_fit({("age",): young}, {("age",): {("0-17",): 1.0, ("18+",): 2.0}}, bandings) is None  # one banding
    assert bands_fit({("age",): young}, {("wait",): {("0-29",): 1.0, ("30+",): 2.0}}, bandings) is None
    assert bands_fit({("age",): young}, {("age#1", "sex"): {("0-39", "F"): 1.0, ("40+", "F"): 1.0}}, bandings) is None
    crossed = {("0-39", "x"): 500.0, ("40+", "x"): 1.0}
    assert bands_fit({("age", "sex"): {("0-17", "x"): 1.0, ("18+", "x"): 1.0}}, {("age#1", "ward"): crossed}, bandings) is None
    nested = bandings_of([declared(age=bands(18, 65, kind="nested")), declared(age=bands(0, 40))])
    assert bands_fit({("age",): {("18+",): 1.0, ("65+",): 5.0}}, {("age#1",): {("0-39",): 1.0, ("40+",): 9.0}}, nested) is None


def test_one_fit_is_enough_and_one_misfit_is_too_much():
    bandings = bandings_of([declared(age=bands(0, 18)), declared(age=bands(0, 40))])
    good, bad = {("0-39",): 60.0, ("40+",): 40.0}, {("0-39", "F"): 10.0, ("40+", "F"): 60.0}
    own = {("age",): {("0-17",): 30.0, ("18+",): 70.0}, ("age", "sex"): {("0-17", "F"): 30.0, ("18+", "F"): 40.0}}
    assert bands_fit(own, {("age#1",): good}, bandings) is True
    assert bands_fit(own, {("age#1",): good, ("age#1", "sex"): bad}, bandings) is False


# --- what a number is named by ---

def test_bandings_are_numbered_as_they_come():
    tables = [declared(age=bands(0, 18), sex={"values": {"F": ""}}), declared(age=bands(0, 18)), declared(age=bands(0, 40)),
              declared(wait=bands(0, 18)), declared(age=bands(0, 18, kind="nested"))]  # fmt: skip
    names = {name: [(key, spec.bands, spec.kind) for key, spec in every] for name, every in bandings_of(tables).items()}
    assert names == {"age": [("age", [0, 18], "exclusive"), ("age#1", [0, 40], "exclusive"), ("age#2", [0, 18], "nested")],
                     "wait": [("wait", [0, 18], "exclusive")]}  # fmt: skip


AGE_SEX = declared(sex={"values": {"F": "", "M": ""}, "total": True}, age={"bands": [0, 40], "total": True},
                   item={"codelist": "c"})  # fmt: skip


def frame(*rows: tuple) -> tuple[pd.DataFrame, np.ndarray]:
    made = pd.DataFrame(rows, columns=["sex", "age", "item", "value"])
    return made, made["value"].to_numpy(float)


def test_a_number_is_named_by_what_is_broken_out():
    bandings = bandings_of([declared(age=bands(0, 18)), AGE_SEX])
    table, values = frame(("F", "0-39", "a", 5), ("all", "0-39", "b", 7), ("all", "all", "a", 9))
    assert keys_of(AGE_SEX, table, values, bandings) == [
        (("age#1", "item", "sex"), ("0-39", "a", "F")), (("age#1", "item"), ("0-39", "b")), (("item",), ("a",))]  # fmt: skip


def test_a_denominator_that_repeats_beside_every_item_is_not_named_by_it():
    table, values = frame(("F", "0-39", "a", 5), ("F", "0-39", "b", 5), ("M", "0-39", "a", 7), ("M", "0-39", "b", 7))
    assert keys_of(AGE_SEX, table, values, {}) == [(("age", "sex"), ("0-39", s)) for s in "FFMM"]
    for other in (8, np.nan):
        keys = keys_of(AGE_SEX, table, np.array([5, 5, 7, other]), {})
        assert [dimensions for dimensions, _ in keys] == [("age", "item", "sex")] * 4
    single, of_single = frame(("F", "0-39", "a", 5), ("M", "0-39", "a", 7))
    assert keys_of(AGE_SEX, single, of_single, {})[0][0] == ("age", "item", "sex")  # one item repeats nothing
    apart, of_apart = frame(("F", "0-39", "a", 5), ("M", "0-39", "b", 7))
    assert keys_of(AGE_SEX, apart, of_apart, {})[0][0] == ("age", "item", "sex")  # and neither do two of other people


def test_what_repeats_by_chance_in_bands_months_places_or_totals_stays():
    """These are parts of a whole: two bands of seven people are not one."""
    months, values = ["2020-01", "2020-02"], {"x": "", "y": ""}
    for spec, levels in (({"bands": [0, 40]}, ["0-39", "40+"]), ({"months": months}, months), ({"local": True}, ["x", "y"]),
                         ({"values": values, "total": True}, ["x", "y"])):  # fmt: skip
        made = declared(d=spec)
        keys = keys_of(made, pd.DataFrame({"d": levels}), np.array([7.0, 7.0]), {})
        assert keys == [(("d",), (levels[0],)), (("d",), (levels[1],))] == once_of(made, keys, np.array([7.0, 7.0]))
    plain = declared(d={"values": values})
    assert keys_of(plain, pd.DataFrame({"d": ["x", "y"]}), np.array([7.0, 7.0]), {}) == [((), ()), ((), ())]


def test_a_set_may_repeat_though_the_whole_table_does_not():
    """By sex both items are of the same people, over both sexes they are not."""
    table, values = frame(("F", "0-39", "a", 5), ("F", "0-39", "b", 5), ("M", "0-39", "a", 7), ("M", "0-39", "b", 7),
                          ("all", "0-39", "a", 12), ("all", "0-39", "b", 13))  # fmt: skip
    keys = keys_of(AGE_SEX, table, values, {})
    assert once_of(AGE_SEX, keys, values) == [(("age", "sex"), ("0-39", s)) for s in "FFMM"] + [
        (("age", "item"), ("0-39", "a")), (("age", "item"), ("0-39", "b"))]  # fmt: skip


def test_two_dimensions_may_repeat():
    sex = {"values": {"F": "", "M": ""}, "total": True}
    made = declared(item={"codelist": "c"}, kind={"values": {"k": "", "l": ""}}, sex=sex)
    rows = pd.DataFrame([(i, k, s) for s in ("F", "M", "all") for i in "ab" for k in "kl"], columns=["item", "kind", "sex"])
    values = np.array([5.0] * 4 + [7.0] * 4 + [1, 2, 3, 4])
    keys = keys_of(made, rows, values, {})
    assert keys[0] == (("item", "kind", "sex"), ("a", "k", "F"))
    once = once_of(made, keys, values)
    assert once[:8] == [(("sex",), (s,)) for s in "FFFFMMMM"] and once[8:] == keys[8:]
