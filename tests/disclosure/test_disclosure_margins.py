"""Parts and totals as equations: every direct one, where the numbers fulfil it, and no other."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from shared_code.disclosure.margins import Cohort, margins, sums_of


def cohort(sets: dict[tuple[str, ...], dict[tuple[str, ...], float]], partition: set[str]) -> tuple[Cohort, list[float]]:
    """Number the cells of some sets of dimensions."""
    truth: list[float] = []
    numbered = {}
    for names, cells in sets.items():
        numbered[names] = {levels: len(truth) + i for i, levels in enumerate(cells)}
        truth += cells.values()
    return Cohort(("bins", "people"), numbered, partition), truth


def relations(sets, partition) -> set[tuple]:
    """Give every relation as ({cell: coefficient}, least, largest), cells named by their levels."""
    of, truth = cohort(sets, partition)
    names = {number: (*zip(dims, levels),) for dims, cells in of.sets.items() for levels, number in cells.items()}
    found = []
    for unknowns, coefficients, low, high in margins(of, truth):
        assert low - 1e-9 <= sum(c * truth[u] for u, c in zip(unknowns, coefficients)) <= high + 1e-9
        found.append((frozenset((names[u], c) for u, c in zip(unknowns, coefficients)), low, high))
    assert len(found) == len(set(found))
    return set(found)


def said(total: tuple, parts: list[tuple], low: float = 0.0, high: float = 0.0) -> tuple:
    return frozenset([(total, 1.0), *((p, -1.0) for p in parts)]), low, high


TABLE = {("r0", "c0"): 4.0, ("r0", "c1"): 30.0, ("r1", "c0"): 22.0, ("r1", "c1"): 51.0}
WHOLE = {("r", "c"): TABLE, ("r",): {("r0",): 34.0, ("r1",): 73.0}, ("c",): {("c0",): 26.0, ("c1",): 81.0}, (): {(): 107.0}}


def test_a_table_with_its_margins():
    """Rows and columns from their cells, the total from rows and from columns: not once more from all cells."""
    rows = [said((("r", r),), [(("r", r), ("c", c)) for c in ("c0", "c1")]) for r in ("r0", "r1")]
    columns = [said((("c", c),), [(("r", r), ("c", c)) for r in ("r0", "r1")]) for c in ("c0", "c1")]
    totals = [said((), [((name, f"{name}{i}"),) for i in range(2)]) for name in "rc"]
    assert relations(WHOLE, {"r", "c"}) == {*rows, *columns, *totals}
    assert relations({("r", "c"): TABLE, (): {(): 107.0}}, {"r", "c"}) == {
        said((), [(("r", r), ("c", c)) for r, c in product(("r0", "r1"), ("c0", "c1"))])}  # fmt: skip
    assert relations(WHOLE, {"r"}) == {*columns, totals[0]} and relations(WHOLE, set()) == set()


@pytest.mark.parametrize(("total", "expected"), [(107.0, (0.0, 0.0)), (120.0, (0.0, np.inf)), (106.0, None)])
def test_a_total_may_hold_people_of_no_part_but_never_fewer(total, expected):
    found = relations({("r",): {("r0",): 34.0, ("r1",): 73.0}, (): {(): total}}, {"r"})
    assert found == ({said((), [(("r", "r0"),), (("r", "r1"),)], *expected)} if expected else set())


def test_sums_of_days_may_differ_in_their_last_digit():
    ((_, low, high),) = relations({("r",): {("r0",): 0.1, ("r1",): 0.2}, (): {(): 0.3}}, {"r"})
    assert -1e-15 < low < 0 < high < 1e-15
    assert relations({("r",): {("r0",): 1e9, ("r1",): 2e9}, (): {(): 3e9 - 1}}, {"r"}) != set()  # of billions, one is nothing
    assert relations({("r",): {("r0",): 1e7, ("r1",): 2e7}, (): {(): 3e7 - 1}}, {"r"}) == set()


AGES = {("s", "age"): {("F", "young"): 40.0, ("F", "old"): 3.0, ("M", "young"): 50.0},
        ("s", "area"): {("F", "north"): 13.0, ("F", "south"): 30.0, ("N", "south"): 7.0}}  # fmt: skip


def test_two_ways_to_break_the_same_people_out():
    """Women by age and women by area are the same women; no table shows them by themselves."""
    sides = [((("s", "F"), ("age", "young")), 1.0), ((("s", "F"), ("age", "old")), 1.0),
             ((("s", "F"), ("area", "north")), -1.0), ((("s", "F"), ("area", "south")), -1.0)]  # fmt: skip
    assert relations(AGES, {"age", "area"}) == {(frozenset(sides), 0.0, 0.0)}
    assert relations(AGES, {"age"}) == relations(AGES, {"area"}) == set()
    other = {**AGES, ("s", "area"): {("F", "north"): 13.0, ("F", "south"): 31.0}}
    assert relations(other, {"age", "area"}) == set()
    shown = {**AGES, ("s",): {("F",): 43.0, ("M",): 50.0, ("N",): 7.0}}  # then each way by itself, and the two not once more
    assert relations(shown, {"age", "area"}) == {
        said((("s", s),), [(("s", s), (name, level)) for level in levels])
        for s, name, levels in (("F", "age", ("young", "old")), ("M", "age", ("young",)), ("F", "area", ("north", "south")),
                                ("N", "area", ("south",)))}  # fmt: skip


def test_cells_are_added_up_by_the_dimensions_that_stay():
    assert sums_of(TABLE, ("r", "c"), ("c",)) == {("c0",): 26.0, ("c1",): 81.0}
    assert sums_of(TABLE, ("r", "c"), ("c", "r")) == {(c, r): n for (r, c), n in TABLE.items()}
    assert sums_of(TABLE, ("r", "c"), ()) == {(): 107.0}
