"""The linear system of a release, number by number: what is unknown, what is published of it, and what its interval must reach.

The numbers asked for are those of the methods specification 11.4 (width threshold - 1, upper end threshold), by hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure.build import build
from shared_code.disclosure.costs import cost_of
from shared_code.disclosure.past import Past
from shared_code.disclosure.rules import GUARDS
from shared_code.disclosure.system import DAYS, IMPLICIT, PEOPLE, SUM, System
from shared_code.model.units import DAYS_A_YEAR

EXACT = Policy(threshold=10, rounding=1)
INF = np.inf


def table(layout: str, dimensions: dict[str, Any], rows: list[tuple], **more: Any) -> tuple[ResultsTable, pd.DataFrame]:
    """Declare a table (levels as a list; "all" declares a total) and lay its rows out: levels, then statistics."""
    spec = {d: levels if isinstance(levels, dict) else {"values": {v: v for v in levels if v != "all"}, "total": "all" in levels}
            for d, levels in dimensions.items()}  # fmt: skip
    declared = ResultsTable.model_validate({"title": "t", "layout": layout, "dimensions": spec, **more})
    columns = {"counts": ["people", "cases"], "events": ["people", "events", "events_squared", "person_days"],
               "bins": ["people", "records"],
               "moments": ["people", "sum", "sum_squares", "sum_products", "largest", "second_largest"]}[layout]  # fmt: skip
    return declared, pd.DataFrame(rows, columns=[*dimensions, *columns])


def built(policy: Policy = EXACT, past: list[Past] | None = None, apart: bool = False, **tables: Any) -> System:
    frames = {name: GUARDS[declared.layout](frame, declared, policy) for name, (declared, frame) in tables.items()}
    return build(tables, frames, policy, past or [], apart=apart)


def relations(system: System) -> set[tuple]:
    """Give the rows as sets of (unknown, coefficient), with both ends."""
    matrix = system.matrix
    return {(frozenset(zip(matrix[r].indices.tolist(), matrix[r].data.tolist())), float(low), float(high))
            for r, (low, high) in enumerate(zip(system.row_lower, system.row_upper))}  # fmt: skip


def row(low: float, high: float, **of: float) -> tuple:
    """Write a relation by hand: unknown `_7=-1.0` is number 7, once, subtracted."""
    return frozenset((int(name[1:]), value) for name, value in of.items()), low, high


COUNTS = table("counts", {"d": ["v", "w", "x", "y", "z"]},
               [("v", 100, 40), ("w", 60, 4), ("x", 12, 12), ("y", 1, 1), ("z", 0, 0)])  # fmt: skip


def test_counts_become_people_cases_and_those_without():
    """Numbers 0 to 4 are people, 5 to 9 cases, 10 to 14 the people without, whom no table shows."""
    s = built(t=COUNTS)
    assert s.cells["t", "people"].tolist() == [0, 1, 2, 3, 4] and s.cells["t", "cases"].tolist() == [5, 6, 7, 8, 9]
    assert s.truth.tolist() == [100, 60, 12, 1, 0, 40, 4, 12, 1, 0, 60, 56, 0, 0, 0]
    assert s.kind.tolist() == [PEOPLE] * 10 + [IMPLICIT] * 5
    assert s.primary.tolist() == [i in (3, 6, 7, 8) for i in range(15)]
    assert {row(0, 0, **{f"_{i}": 1.0, f"_{i + 5}": -1.0, f"_{i + 10}": -1.0}) for i in range(5)} == relations(s)
    assert s.whole.tolist() == [-1] * 5 + [0, 1, 2, 3, 4] + [-1] * 5
    assert np.isinf(s.cost[10:]).all() and s.cost[6] == cost_of(0, ("w",), 4, PEOPLE)


def test_what_is_published_and_what_is_not():
    s = built(t=COUNTS)
    shown = [0, 1, 2, 4, 5, 9]
    assert (s.lower[shown] == s.truth[shown]).all() and (s.upper[shown] == s.truth[shown]).all()
    hidden = [3, 6, 7, 8]
    assert s.lower[hidden].tolist() == [0] * 4 and np.isinf(s.upper[hidden]).all()
    # where cases may be shown, everybody knows that the others reach the threshold, or are nobody where there is nobody
    assert s.lower[10:].tolist() == [10, 0, 0, 0, 0] and np.isinf(s.upper[10:]).all()


def test_what_an_interval_must_reach():
    """Nine wide and up to ten; and down to so few cases that ten may be without, as far as there are ten others."""
    s = built(t=COUNTS)
    assert s.need_width.tolist() == [9] * 10 + [0] * 5 and s.need_max.tolist() == [10] * 10 + [-INF] * 5
    assert s.need_min.tolist() == [INF] * 5 + [90, 50, 2, 1, 0] + [INF] * 5


def test_a_threshold_of_one_asks_for_nothing():
    s = built(Policy(threshold=1, rounding=1), t=COUNTS)
    assert not s.primary.any() and (s.lower[10:] == 0).all() and (s.need_width == 0).all()


def test_cases_are_withheld_with_their_people_and_the_others_with_the_cases():
    s = built(t=COUNTS)
    follows = {(int(p), int(c)): bool(o) for p, c, o in zip(s.parent, s.child, s.one_way)}
    assert follows == {**{(i, i + 5): True for i in range(5)}, **{(i + 5, i + 10): True for i in range(5)}}


@pytest.mark.parametrize(("sensitive", "floor"), [(False, 1), (True, 0)])
def test_that_a_number_is_withheld_tells_that_it_is_not_nobody(sensitive, floor):
    """Unless nobody is withheld as well, as where an attribute is sensitive."""
    declared, frame = COUNTS
    s = built(t=(declared.model_copy(update={"sensitive": sensitive}), frame))
    assert s.floor.tolist() == [floor] * 10 + [0] * 5


EVENTS = table("events", {"d": ["x", "y"]}, [("x", 50, 80, np.nan, 9e4), ("y", 4, 6, np.nan, 8e4)])


def test_events_hang_together_and_days_have_their_own_unit():
    s = built(t=EVENTS)
    people, events, squares, days = (s.cells["t", name] for name in ("people", "events", "events_squared", "person_days"))
    assert people.tolist() == [0, 1] and events.tolist() == [2, 3] and squares.tolist() == [-1, -1] and days.tolist() == [4, 5]
    assert s.kind.tolist() == [PEOPLE] * 4 + [DAYS] * 2
    assert s.need_width.tolist() == [9] * 4 + [9 * DAYS_A_YEAR] * 2 and s.need_max.tolist() == [10] * 4 + [10 * DAYS_A_YEAR] * 2
    assert (s.need_min == INF).all() and (s.whole == -1).all() and s.floor.tolist() == [1] * 4 + [0] * 2
    assert relations(s) == {row(0, INF, _0=-1.0, _2=1.0), row(0, INF, _1=-1.0, _3=1.0)}  # no more people than events
    follows = {(int(p), int(c)): bool(o) for p, c, o in zip(s.parent, s.child, s.one_way)}
    assert follows == {(2, 0): False, (3, 1): False, (0, 2): False, (1, 3): False,
                       (4, 0): True, (5, 1): True, (4, 2): True, (5, 3): True}  # fmt: skip


def test_events_of_an_unknown_number_of_people_may_be_none():
    s = built(t=table("events", {"d": ["x"]}, [("x", np.nan, 80, 90, 9e4)]))
    assert s.cells["t", "people"].tolist() == [-1] and s.floor.tolist() == [0, 0, 0] and s.primary.tolist() == [True, True, False]


def test_events_that_happen_once_are_the_people():
    """Fifty deaths are fifty dead, and fifty squares of one."""
    s = built(t=table("events", {"d": ["x"]}, [("x", 50, 50, 50, 9e4)], once=True))
    assert [s.cells["t", n].tolist() for n in ("people", "events", "events_squared", "person_days")] == [[0], [0], [0], [1]]
    apart = built(t=table("events", {"d": ["x"]}, [("x", 50, 50, 50, 9e4)]))
    assert [apart.cells["t", n].tolist() for n in ("people", "events", "events_squared")] == [[0], [1], [2]]


def test_sums_must_be_as_uncertain_as_they_are_large():
    s = built(t=table("moments", {"d": ["x", "y"]}, [("x", 50, -300, 9000, 70, 20, 19), ("y", 4, 30, 900, np.nan, 20, 9)]))
    assert s.kind.tolist() == [PEOPLE] * 2 + [SUM] * 5
    assert s.need_width.tolist() == [9, 9, 300, 30, 9000, 900, 70] and s.need_max.tolist() == [10, 10] + [-INF] * 5
    assert s.floor.tolist() == [1, 1, -INF, -INF, 0, 0, -INF]  # squares alone are never negative
    assert s.lower[[1, 3, 5]].tolist() == [0, -INF, 0] and s.lower[[2, 4, 6]].tolist() == [-300, 9000, 70]
    assert (s.upper[[1, 3, 5]] == INF).all()


# --- several tables ---

SEX = {"sex": ["F", "M"]}


def bins(dimensions: dict[str, Any], *rows: tuple) -> tuple[ResultsTable, pd.DataFrame]:
    """Lay a table of bins out in which every person has one value."""
    return table("bins", dimensions, [(*r, r[-1]) for r in rows])


def people(system: System, name: str) -> list[int]:
    return system.cells[name, "people"].tolist()


def test_the_same_people_in_two_tables_are_one_unknown():
    s = built(a=bins(SEX, ("F", 70), ("M", 4)), b=bins(SEX, ("M", 4), ("F", 70)))
    assert people(s, "a") == [0, 1] and people(s, "b") == [1, 0] and s.size == 4


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_one_unknown_is_known_as_well_as_the_better_of_its_tables(order):
    """And may not be shown where either of them says so."""
    declared, frame = bins(SEX, ("F", 70), ("M", 44))
    frames = {name: GUARDS["bins"](frame, declared, EXACT) for name in "ab"}
    first, second = (frames[name]["people"] for name in order)
    first.loc[0, ["lower", "upper"]] = [60, 72]
    second.loc[0, ["lower", "upper"]] = [68, 80]
    second.loc[1, "reason"] = "small"
    s = build(dict.fromkeys("ab", (declared, frame)), frames, EXACT)
    assert people(s, "a") == people(s, "b") == [0, 1]
    assert (s.lower[0], s.upper[0]) == (68, 72) and s.primary[:2].tolist() == [False, True]


def test_tables_that_differ_in_a_number_are_of_different_people():
    s = built(a=bins(SEX, ("F", 70), ("M", 44)), b=bins(SEX, ("F", 70), ("M", 45)))
    assert people(s, "a") == [0, 1] and people(s, "b") == [4, 5]


AGES = {"age": {"values": {"young": "", "old": ""}}, "sex": ["F", "M"]}


@pytest.mark.parametrize(("men", "one"), [(44, True), (45, False)])
def test_parts_and_totals_of_two_tables_belong_together_where_they_add_up(men, one):
    parts = bins(AGES, ("young", "F", 30), ("old", "F", 40), ("young", "M", 24), ("old", "M", 20))
    for tables in ({"a": parts, "b": bins(SEX, ("F", 70), ("M", men))}, {"b": parts, "a": bins(SEX, ("F", 70), ("M", men))}):
        s = built(**tables)
        fine, coarse = (people(s, "a"), people(s, "b")) if tables["a"] is parts else (people(s, "b"), people(s, "a"))
        adds_up = row(0, 0, **{f"_{coarse[0]}": 1.0, f"_{fine[0]}": -1.0, f"_{fine[1]}": -1.0})
        assert (adds_up in relations(s)) == one


@pytest.mark.parametrize(("item", "adds_up"), [({"codelist": "conditions"}, False), (["a", "b"], True)])
def test_items_of_a_codelist_are_no_parts_of_a_whole(item, adds_up):
    """Somebody may have both, even where the numbers happen to add up to all with either."""
    s = built(a=bins({"item": item, **SEX}, ("a", "F", 30), ("b", "F", 40), ("a", "M", 24), ("b", "M", 20)),
              b=bins(SEX, ("F", 70), ("M", 44)))  # fmt: skip
    assert any(len(of) == 3 for of, _, _ in relations(s)) == adds_up


def test_bands_that_cannot_be_of_the_same_people_are_not_taken_for_one():
    """Fewer are 18 and over than are 40 and over: these are two groups of people, though one number agrees."""
    one, other = {"age": {"bands": [0, 18]}, **SEX}, {"age": {"bands": [0, 40]}, **SEX}
    s = built(a=bins(one, ("0-17", "F", 30), ("18+", "F", 40)), b=bins(other, ("0-39", "F", 10), ("40+", "F", 60)))
    assert not any(len(of) > 2 for of, _, _ in relations(s))


def test_a_total_of_other_levels_is_no_total_of_these():
    """The table by age lacks the men: that its women add up does not make the two one."""
    parts = bins(AGES, ("young", "F", 30), ("old", "F", 40))
    s = built(a=parts, b=bins(SEX, ("F", 70), ("M", 44)))
    assert not any(len(of) == 3 for of, _, _ in relations(s))


CODES = {"item": {"codelist": "conditions"}, "sex": ["F", "M"]}
CONDITIONS = table("counts", CODES, [("asthma", "F", 300, 90), ("asthma", "M", 200, 80), ("stroke", "F", 300, 30),
                                     ("stroke", "M", 200, 20), ("gout", "F", 300, 20), ("gout", "M", 200, 50)])  # fmt: skip


def test_one_denominator_behind_every_condition_is_one_unknown():
    s = built(t=CONDITIONS)
    women, men = people(s, "t")[:2]
    assert people(s, "t") == [women, men] * 3 and len(set(s.cells["t", "cases"].tolist())) == 6
    assert s.cost[women] == cost_of(0, ("F",), 300, PEOPLE)


def test_in_the_easier_system_it_is_one_for_each_and_as_dear_as_all():
    """By sex three conditions share their denominators; over both, gout has one of its own."""
    both = [("asthma", "all", 500, 170), ("stroke", "all", 500, 50), ("gout", "all", 510, 70)]
    rows = [*CONDITIONS[1].itertuples(index=False, name=None), *both]
    declared = table("counts", {**CODES, "sex": ["F", "M", "all"]}, rows)
    plain, easier = built(t=declared), built(t=declared, apart=True)
    women, men, every, gout = (people(plain, "t")[i] for i in (0, 1, 6, 8))
    assert people(plain, "t") == [women, men] * 3 + [every, every + 1, gout] and gout == every + 2
    assert len(set(people(easier, "t"))) == 9
    of_women = cost_of(0, ("asthma", "F"), 300, PEOPLE)
    assert plain.cost[women] == of_women and easier.cost[people(easier, "t")[:4:2]] == pytest.approx([3 * of_women] * 2)
    assert easier.cost[people(easier, "t")[6]] == cost_of(1, ("asthma",), 500, PEOPLE)


# --- people between bands ---

@pytest.mark.parametrize(("between", "asked"), [(0, (0, -INF)), (1, (9, 10)), (9, (9, 10)), (10, (0, -INF))])
def test_people_between_two_bands_are_a_number_of_people(between, asked):
    """From 18 on and from 65 on: the difference must be nobody, protected, or of the threshold and more."""
    bands = {"age": {"bands": [18, 65], "kind": "nested"}}
    s = built(t=bins(bands, ("18+", 94 + between), ("65+", 94)))
    (piece,) = [i for i in range(s.size) if s.kind[i] == IMPLICIT and s.truth[i] == between and s.matrix[:, [i]].nnz
                and 0 in s.matrix[s.matrix[:, [i]].nonzero()[0]].indices]  # fmt: skip
    assert (s.need_width[piece], s.need_max[piece]) == asked and np.isinf(s.cost[piece])
    assert (s.lower[piece], s.upper[piece]) == (0, INF)


def test_what_is_computed_leaves_what_is_known_as_it_is():
    """Days are not whole numbers, and stay so beside a piece that is computed."""
    bands = {"age": {"bands": [18, 65], "kind": "nested"}}
    s = built(t=table("events", bands, [("18+", 50, 80, 90, 90000.4), ("65+", 40, 60, 70, 80000.4)]))
    assert s.truth[s.cells["t", "person_days"]].tolist() == [90000.4, 80000.4] and not np.isnan(s.truth).any()


def test_what_shown_numbers_tell_of_people_that_no_table_shows():
    """Two bandings whose edges cross: 60 under 40 less 30 under 18 are 30 in between, and so are 70 less 40."""
    one, other = {"age": {"bands": [0, 18]}}, {"age": {"bands": [0, 40]}}
    s = built(a=bins(one, ("0-17", 30), ("18+", 70)), b=bins(other, ("0-39", 60), ("40+", 40)))
    assert s.truth[s.kind == IMPLICIT].tolist() == [30, 30]  # people, and records


# --- earlier releases ---

def before(declared: ResultsTable, frame: pd.DataFrame, then: list[float], ranges: list[tuple], status: str = "ok") -> Past:
    truth = frame.assign(people=then, records=then).astype({"people": float, "records": float})
    low, high = zip(*ranges)
    shown = pd.DataFrame({"value": then, "status": status, "lower": low, "upper": high})
    return Past("t", declared, truth, {"people": shown, "records": shown})


PLACES = bins({"place": ["p", "q", "r", "s"]}, ("p", 50), ("q", 60), ("r", 70), ("s", 80))


def compared(then: list[float], ranges: list[tuple], **more: Any) -> tuple[System, set[tuple]]:
    s = built(t=PLACES, past=[before(*PLACES, then, ranges, **more)])
    first = set(people(s, "t"))
    return s, {r for r in relations(s) if {i for i, _ in r[0]} & first and not {i for i, _ in r[0]} & {4, 5, 6, 7}}


def test_a_number_that_did_not_change_is_the_same_and_one_that_changed_little_differs_by_people():
    """50 as before, 60 of 59, 70 of 79, 80 of 90: nothing, one, nine and ten people differ."""
    s, found = compared([50, 59, 79, 90], [(50, 50), (59, 59), (79, 79), (90, 90)])
    assert s.truth[8:11].tolist() == [59, 79, 90] and s.kind[8:11].tolist() == [IMPLICIT] * 3
    assert s.truth[11:13].tolist() == [1, -9]
    assert found == {row(0, 0, _1=1.0, _8=-1.0, _11=-1.0), row(0, 0, _2=1.0, _9=-1.0, _12=-1.0)}
    assert s.need_width[11:13].tolist() == [9, 9] and s.lower[11] == -INF and s.upper[11] == INF and s.floor[11] == -INF
    assert (s.lower[8], s.upper[8], s.floor[8]) == (59, 59, 59)
    assert [side[:4].tolist() for side in told_of(s)] == [[50, -INF, -INF, -INF], [50, INF, INF, INF]]


def told_of(s: System) -> tuple[np.ndarray, np.ndarray]:
    return s.told_lower, s.told_upper


def test_what_several_releases_told_of_a_number_is_all_known():
    """50 was told as 40 to 60, then as 45 to 70: an outsider knows 45 to 60, also where it is withheld now."""
    early, late = ([(a, b), (60, 60), (70, 70), (80, 80)] for a, b in ((40, 60), (45, 70)))
    s = built(t=PLACES, past=[before(*PLACES, [50, 60, 70, 80], ranges) for ranges in (early, late)])
    assert s.size == 8 and [side[0] for side in told_of(s)] == [45, 60]
    everything = np.ones(s.size, bool)
    for hidden in (everything, ~everything):
        low, high = s.bounds(hidden)
        assert (low[0], high[0]) == ((45, 60) if hidden.all() else (50, 50))


@pytest.mark.parametrize(("width", "told"), [(0, True), (8, True), (9, False), (20, False)])
def test_what_left_before_need_not_be_protected_in_itself(width, told):
    """A range of eight or fewer says of a number what its interval would have to hide."""
    s, _ = compared([50, 59, 79, 90], [(50, 50 + width), (59, 59), (79, 79), (90, 90)])
    assert (s.need_width[0], s.need_max[0], s.need_min[0]) == ((0, -INF, INF) if told else (9, 10, INF))
    assert s.need_width[1] == 9


def test_what_the_site_no_longer_knows_counts_as_unchanged_where_it_can_be():
    s, found = compared([np.nan, np.nan, np.nan, np.nan], [(50, 54), (56, 60), (71, 79), (60, 79)])
    assert found == set() and [side[:4].tolist() for side in told_of(s)] == [[50, 56, -INF, -INF], [54, 60, INF, INF]]


def test_what_was_not_released_says_nothing():
    s, found = compared([50, 59, 70, 90], [(np.nan, np.nan), (59, 59), (np.nan, np.nan), (90, 90)])
    assert found == {row(0, 0, _1=1.0, _8=-1.0, _10=-1.0)} and s.truth[8:11].tolist() == [59, 90, 1]


def test_what_was_withheld_before_is_withheld_again_rather_than_another():
    s, _ = compared([50, 59, 79, 90], [(1, 70)] * 4, status="withheld")
    own = [cost_of(0, ("p",), n, PEOPLE) for n in (50, 60, 70, 80)]
    assert s.cost[:8] == pytest.approx([0.1 * cost for cost in own] * 2)
    shown, _ = compared([50, 59, 79, 90], [(1, 70)] * 4)
    assert shown.cost[:8] == pytest.approx(own * 2)


def test_what_the_last_release_withheld_and_is_the_same_is_withheld_again():
    told = [[(50, 50), (1, 99), (1, 99), (80, 80)], [(1, 99), (60, 60), (1, 99), (80, 80)]]
    past = [before(*PLACES, [50, 60, 70, 80], ranges) for ranges in told]
    for one in past:
        for cells in one.shown.values():
            cells["status"] = np.where(cells["lower"] == 1, "withheld", "ok")
    assert built(t=PLACES, past=past).again.tolist() == [True, False, True, False] * 2
    changed = built(t=PLACES, past=[*past, before(*PLACES, [50, 60, 71, 80], [(1, 99)] * 4, status="withheld")])
    assert changed.again[:8].tolist() == [True, True, True, True] * 2
    assert not built(t=PLACES).again.any()
