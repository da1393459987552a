"""The parts of the search for a pattern and of the published classes, against trying everything and against words."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pandas as pd
import pytest

from shared_code.config.study import Policy
from shared_code.disclosure import ranges, search
from shared_code.disclosure.audit import Audit, audit, reduced
from shared_code.disclosure.covering import cheapest
from shared_code.disclosure.cuts import Cut, Cutter, _stored
from shared_code.disclosure.known import without_known
from shared_code.disclosure.ranges import _largest, _merged, bounds, ladder, publish
from shared_code.disclosure.record import _share
from shared_code.disclosure.search import (
    NoPattern,
    _cover,
    _may_be_shown,
    _narrowest,
    _shown_with,
    _weight,
    all_withheld,
    choose,
    outsider,
)
from shared_code.disclosure.settling import Finding
from shared_code.disclosure.system import DAYS, IMPLICIT, PEOPLE, SUM, UNIT, System
from tests.disclosure.systems import INF, drawn, ends, system
from tests.disclosure.test_disclosure_losses import system_of

NONE, LONE = np.array([], int), [[0.0] * 6]


def numbers(truth: list[float], follows: dict[int, int] | None = None, rows=None, **more) -> System:
    """Give numbers without a relation, unless rows are given; follows: parent -> child."""
    pairs = follows or {}
    return system(rows or [[0.0] * len(truth)], truth, parent=np.array([*pairs], int), child=np.array([*pairs.values()], int),
                  **{"one_way": np.zeros(len(pairs), bool), **more})  # fmt: skip


def withheld(s: System, *which: int) -> np.ndarray:
    return np.isin(np.arange(s.size), which)


def test_what_is_withheld_takes_along_what_follows_it():
    s = numbers([5, 6, 7, 8], {0: 1, 1: 2})
    assert s.closed(withheld(s, 0)).tolist() == [True, True, True, False]
    assert s.closed(withheld(s, 2)).tolist() == [False, False, True, False]


def test_what_an_outsider_reckons_with():
    """A withheld number is not zero, unless it is, or what it follows one way is hidden; a large whole shown is its end."""
    s = numbers([5, 0, 7, 8, 4], {0: 2, 1: 3}, one_way=[True, False], floor=[1, 1, 1, 1, 1.0])
    assert s.hidden_lower(withheld(s, 0, 1, 2, 3)).tolist() == [1, 0, 0, 1, 1]
    low, high = s.bounds(withheld(s, 0, 2))
    assert low.tolist() == [1, 0, 0, 8, 4] and high.tolist() == [INF, 0, INF, 8, 4]
    s = numbers([30, 7, 19, 7, 20, 7, 40, 41], whole=[-1, 0, -1, 2, -1, 4, -1, 6])
    low, high = s.bounds(withheld(s, 1, 3, 5, 7))
    assert high.tolist() == [30, 30, 19, INF, 20, 20, 40, INF]  # 19 is not twice ten; 41 cases among 40 tell that it is no whole
    assert s.bounds(withheld(s, 0, 1))[1].tolist()[:2] == [INF, INF]


def test_what_is_lost_with_a_number():
    """Its cost and that of what follows it, not of what is withheld anyway or is no cell; a zero is dear."""
    s = numbers([5, 6, 0, 8, 9, 3], {0: 1, 1: 2, 3: 4}, cost=[1, 2, 4, 8, INF, 32], kind=[PEOPLE] * 5 + [IMPLICIT])
    nobody = withheld(s)
    assert _weight(s, nobody, 0) == pytest.approx(7 + 1e4) and _weight(s, nobody, 3) == pytest.approx(8)
    assert _weight(s, withheld(s, 1, 2), 0) == pytest.approx(1) and 0 < _weight(s, nobody, 5) < 1e-3


def subsets(items):
    return chain.from_iterable(combinations(items, k) for k in range(len(items) + 1))


@pytest.mark.parametrize("seed", range(16))
def test_the_cheapest_choice_is_that_of_trying_all(seed):
    """A cut of a number that need not be withheld asks only where it is; what follows is chosen with what it follows."""
    rng = np.random.default_rng(seed)
    n = 7
    s = numbers([*rng.choice([0, 5, 20], n)], {0: 1, 2: 0} if seed % 2 else {3: 4}, cost=rng.integers(1, 9, n).astype(float))
    candidates = np.flatnonzero(np.arange(n) < 6)
    cuts = []
    for short in rng.integers(2, 9, 3).tolist():
        gain = {int(i): float(rng.integers(1, short + 3)) for i in rng.choice(n, 3, replace=False)}
        cuts.append(Cut(int(rng.integers(0, n)), float(short), gain))

    def fulfils(chosen: set[int]) -> bool:
        asked = [c for c in cuts if c.unknown not in candidates or c.unknown in chosen]
        enough = all(sum(min(c.gain[i], c.short) for i in c.gain if i in chosen) >= c.short - 1e-9 for c in asked)
        return enough and all(c in chosen for p, c in zip(s.parent, s.child) if p in chosen)

    def cost(chosen) -> float:
        return sum(s.cost[i] + 1e4 * (s.truth[i] == 0) for i in chosen)

    best = min((cost(c) for c in subsets(candidates.tolist()) if fulfils(set(c))), default=None)
    found = cheapest(s, candidates, cuts)
    assert (found is None) == (best is None)
    if found is not None:
        assert fulfils(set(found.tolist())) and cost(found) == pytest.approx(best)


def test_a_cover_takes_what_loses_least_for_what_it_gains():
    s = numbers([20] * 6, cost=[1, 1, 1, 10, 3, 1.0])
    nobody = withheld(s)
    one, other = Cut(5, 8.0, {0: 8.0, 4: 8.0}), Cut(5, 4.0, {1: 4.0, 4: 4.0})
    assert _cover(s, nobody, [one, other]) == {0, 1}
    assert _cover(s, nobody, [one, other, Cut(5, 2.0, {2: 2.0, 4: 2.0}), Cut(5, 2.0, {3: 2.0, 4: 2.0})]) == {4}
    assert _cover(s, nobody, [Cut(5, 8.0, {0: 5.0, 1: 4.0, 3: 8.0})]) == {0, 1}  # two halves are cheaper than the whole
    assert _cover(s, nobody, [Cut(5, 8.0, {0: 100.0, 1: 7.0})]) == {0}
    assert _cover(s, nobody, [Cut(5, 0.5, {1: 0.5})]) == {1}
    assert _cover(s, nobody, [Cut(5, 8.0, {0: 5.0})]) == {0}  # the cut asks for more than it offers
    assert _cover(s, nobody, [Cut(5, 8.0, {1: 8.0, 0: 8.0})]) == {0} and _cover(s, nobody, []) == set()
    partly = [Cut(5, 10.0, {0: 6.0, 1: 6.0, 2: 5.0}), Cut(5, 10.0, {2: 10.0, 3: 10.0})]
    assert _cover(s, nobody, partly) == {2, 0}  # 2 fulfils one and half of the other, 0 the rest


def test_what_may_be_shown_again():
    now = withheld(numbers([20] * 5), 0, 1, 2, 3)
    assert _may_be_shown(now, [1], []) and _may_be_shown(now, [0], [])
    cut = Cut(3, 5.0, {0: 3.0, 2: 2.0, 4: 5.0})
    every = np.ones(5, bool)
    assert not _may_be_shown(now, [0], [cut]) and not _may_be_shown(now, [2], [cut]) and _may_be_shown(now, [1], [cut])
    assert _may_be_shown(every, [2], [cut]) and _may_be_shown(every & (np.arange(5) < 3), [2], [cut])
    assert _may_be_shown(every, [0], [cut]) and _may_be_shown(now, [3], [cut])
    assert not _may_be_shown(now, [1, 2], [cut]) and not _may_be_shown(every, [4, 0], [cut]) and _may_be_shown(now, [0, 3], [cut])


def test_what_has_to_be_shown_for_a_number_to_be_shown():
    """Whatever it follows, and what that follows, where it is withheld; two that follow each other are shown together."""
    every, followed = np.ones(6, bool), {1: [0, 2], 2: [3], 4: [5], 5: [4]}
    assert sorted(_shown_with(followed, every, 1)) == [0, 1, 2, 3] and _shown_with(followed, every, 0) == [0]
    assert sorted(_shown_with(followed, every, 4)) == [4, 5] == sorted(_shown_with(followed, every, 5))
    assert sorted(_shown_with(followed, every & (np.arange(6) != 2), 1)) == [0, 1]


def test_the_two_narrowest_of_each_component_are_looked_into():
    findings = [Finding(0, 0, 9), Finding(1, 0, 5), Finding(2, 3, 9), Finding(3, 0, 5), Finding(4, 0, 8)]
    found = Audit(findings, INF, 0, np.array([0, 0, 0, 0, 1]), NONE, NONE)
    assert [f.unknown for f in _narrowest(found)] == [1, 3, 4]


def test_parts_have_no_relation_with_each_other():
    s = numbers([1] * 7, {0: 5, 1: 5}, rows=[[1, 1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0]])
    parts = s.parts()
    assert [sorted(np.flatnonzero(parts == p).tolist()) for p in dict.fromkeys(parts.tolist())] == [[0, 1, 5], [2, 3, 4], [6]]


def test_neighbours_are_found_relation_by_relation():
    """In a chain, 1, 2, 4 and 8 relations away, and then all of them; nothing is asked twice."""
    n = 14
    s = system((np.eye(n - 1, n) - np.eye(n - 1, n, 1)).tolist(), [20] * n)
    cutter = Cutter(s, np.ones(n, bool))
    assert [len(rows) for rows, _ in cutter._around(0)] == [1, 2, 4, 8, 13]
    assert [members.tolist() for _, members in cutter._around(1)][:2] == [[0, 1, 2], [0, 1, 2, 3]]
    short = Cutter(system([[1, -1, 0], [0, 1, -1]], [20] * 3), np.ones(3, bool))
    assert [len(rows) for rows, _ in short._around(0)] == [1, 2]
    assert _stored(cutter.matrix, np.array([2, 0])).tolist() == [2, 3, 0, 1]


def cuts_of(s: System, which: np.ndarray, target: int = 0) -> list[Cut]:
    return Cutter(s, which).cuts(Finding(target, 0, 0))


def test_what_would_help_a_number_that_a_total_tells():
    """3 of 48: withholding the 5 adds 4 to its upper end at most (it is no zero), the 40 all that is missing, the total too."""
    s = system([[1, 1, 1, -1]], [3, 5, 40, 48])
    assert cuts_of(s, withheld(s, 0)) == [Cut(0, 7.0, {1: 4.0, 2: 7.0, 3: 7.0}), Cut(0, 9.0, {1: 9.0, 2: 9.0, 3: 9.0})]
    s.cost[2] = INF
    assert cuts_of(s, withheld(s, 0))[0].gain == {1: 4.0, 3: 7.0}
    s.floor[1] = 4.5
    assert cuts_of(s, withheld(s, 0))[0].gain == {1: 0.5, 3: 7.0}
    s.floor[1] = 1
    assert cuts_of(s, withheld(s, 0, 1))[0] == Cut(0, 3.0, {3: 3.0})  # with the 5 gone too, up to 7
    s.need_max[0], s.need_width[0], s.need_min[0] = 0, 0, 1
    assert cuts_of(s, withheld(s, 0)) == [Cut(0, 2.0, {1: 2.0, 3: 2.0})]  # down as the 5 goes up, and as the total goes down
    s.cost[[1, 3]] = INF
    assert cuts_of(s, withheld(s, 0)) == []
    assert cuts_of(system([[0, 0]], [3, 5]), np.array([True, False])) == []


def test_what_earlier_releases_told_cannot_be_taken_back():
    """Of the 5 it is known to be 3 to 7, of the total to be at most 50: withholding them adds no more than that."""
    s = system([[1, 1, 1, -1]], [3, 5, 40, 48], told_lower=[-INF, 3, -INF, -INF], told_upper=[INF, 7, INF, 50])
    assert cuts_of(s, withheld(s, 0))[0] == Cut(0, 7.0, {1: 2.0, 2: 7.0, 3: 2.0})
    low, high = s.bounds(np.array([False, True, False, True]))
    assert (low.tolist(), high.tolist()) == ([3, 3, 40, 1], [3, 7, 40, 50])
    assert bounds(s, withheld(s, 1, 3), np.full(4, -1), [20, 50, 100])[1].tolist() == [3, 7, 40, 49]
    s.told_lower[1] = 5
    assert cuts_of(s, withheld(s, 0))[0] == Cut(0, 7.0, {2: 7.0, 3: 2.0})


def test_what_earlier_releases_told_is_no_gain_of_what_makes_zeros_possible():
    """An 8 that is withheld with the people behind it could be nobody, or no fewer than the 2 that were told."""
    for told, gain in ((-INF, 3.0), (2.0, 1.0)):
        s = system([[1, 1, 0, -1]], [5, 8, 50, 13], parent=[2], child=[1], one_way=[True], floor=[1, 3, 1, 1],
                   told_lower=[-INF, told, -INF, -INF], need_width=[12, 0, 0, 0], need_max=[13, -INF, -INF, -INF])  # fmt: skip
        assert cuts_of(s, withheld(s, 0, 1))[0].gain[2] == gain


def test_what_only_whole_numbers_explain_begins_nearby():
    s = system([[1, 1, -1, 0], [0, 0, 1, -1]], [20, 28, 48, 48], need_width=[0] * 4, need_max=[-INF] * 4)
    assert cuts_of(s, withheld(s, 0, 1)) == [Cut(0, 1.0, {2: 1.0})]
    s.cost[2] = INF
    assert cuts_of(s, withheld(s, 0, 1)) == []
    s = system([[1, 1, -1, 0, 0], [0, 1, 0, 1, -1]], [20, 28, 48, 4, 32], need_width=[0] * 5, need_max=[-INF] * 5)
    s.cost[2] = INF  # then what is one relation further away
    assert cuts_of(s, withheld(s, 0, 1, 3)) == [Cut(0, 1.0, {4: 1.0})]
    assert cuts_of(system([[1, -1]] * 3, [20, 20], need_width=[0] * 2, need_max=[-INF] * 2), np.array([True, False])) == [
        Cut(0, 1.0, {1: 1.0})]  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_relations_that_say_something_are_looked_at(seed):
    """Those that, on either side, are narrower than the ranges of their numbers."""
    d = drawn(seed)
    s = system(d.a.tolist(), d.truth, lower=d.low, upper=d.high)
    s.row_lower, s.row_upper = d.row_lower, d.row_upper
    sums = np.array([ends(row, d.low, d.high) for row in d.a])
    says = (sums[:, 0] < d.row_lower) | (sums[:, 1] > d.row_upper)
    assert np.array_equal(Cutter(s, np.zeros(s.size, bool)).matrix.toarray(), d.a[says])


@pytest.mark.parametrize("seed", range(4))
def test_the_search_as_a_whole(seed, monkeypatch):
    """The exact search loses no more than any single choice, the greedy one shows again what it can; both count what they ask."""
    s, _ = system_of(np.random.default_rng(seed).negative_binomial(1, 1 / 25, (3, 3)).tolist())
    free = np.flatnonzero(np.isfinite(s.cost) & ~s.primary & (s.kind != IMPLICIT))
    start, asked, losses = s.closed(s.primary), [], []

    def counted(*arguments, enough, **more):
        asked.append((found := audit(*arguments, enough=enough, **more)).programmes * (enough < search.ALL))
        return found

    monkeypatch.setattr(search, "audit", counted)
    for cells in (400, 0):
        monkeypatch.setattr(search, "EXACT_CELLS", cells)
        asked.clear()
        found = choose(s)
        assert found.programmes == sum(asked)
        assert outsider(s, found.withheld).safe and (found.withheld >= start).all()
        assert found.exact == (cells == 400 or outsider(s, start).safe)
        more = found.withheld & ~start
        losses.append(sum(s.cost[i] + 1e4 * (s.truth[i] == 0) for i in np.flatnonzero(more)))
        for i in np.flatnonzero(more & (s.kind != IMPLICIT)):
            trial = found.withheld.copy()
            trial[i] = False
            trial = s.closed(trial)
            assert trial[i] or not outsider(s, trial).safe
    assert losses[0] <= losses[1] + 1e-6
    for one in free:
        single = s.closed(s.primary | withheld(s, one))
        if outsider(s, single).safe:
            extra = np.flatnonzero(single & ~start)
            assert losses[0] <= sum(s.cost[i] + 1e4 * (s.truth[i] == 0) for i in extra) + 1e-6


def test_withholding_a_part_helps_by_its_whole():
    """A rest is lifted by withholding the cases it follows; a zero that is withheld already by what it follows one way."""
    kind = [PEOPLE, PEOPLE, IMPLICIT, PEOPLE]
    s = system([[0, 1, 1, -1], [1, 0, 1, 0]], [4, 30, 6, 36], kind=kind, parent=[1], child=[2], one_way=[False])
    s.lower[2], s.upper[2] = 6, 6
    assert cuts_of(s, withheld(s, 0))[0].gain == {1: 5.0}  # the rest is lifted from 6 to 1
    large = system([[1, 1, -1, 0]], [19, 6, 25, 20], whole=[-1, 3, -1, -1], need_min=[3, 0, 0, 0], need_width=[0] * 4)
    assert cuts_of(large, withheld(large, 0, 1)) == [Cut(0, 2.0, {2: 2.0, 3: 2.0})]
    large = system([[0, 1, 1, -1]], [20, 19, 6, 25], whole=[-1, -1, 0, -1], need_min=[0, 3, 0, 0], need_width=[0] * 4)
    assert cuts_of(large, withheld(large, 1, 2), 1) == [Cut(1, 2.0, {3: 2.0, 0: 2.0})]
    zero = system([[1, 1, -1, 0]], [3, 6, 9, 40], parent=[3], child=[1], one_way=[True])
    assert cuts_of(zero, withheld(zero, 0, 1)) == [Cut(0, 2.0, {2: 2.0, 3: 1.0})] * 2


@pytest.mark.parametrize("threshold", [3, 8, 10])
def test_the_ladder_is_2_5_10_times_the_threshold_and_so_on(threshold):
    steps = [threshold * s * 10**p for p in range(6) for s in (2, 5, 10)]
    for largest in (0, 2 * threshold - 1, 2 * threshold, 5 * threshold - 1, 5 * threshold, 99 * threshold, 100 * threshold):
        expected = [s for s in steps if s <= largest] + [min(s for s in steps if s > largest)]
        assert ladder(threshold, largest) == expected and ladder(threshold, largest, first=1) == [threshold + 1, *expected]


def test_a_withheld_number_says_its_class():
    edges, truth = [20, 50, 100], [0, 5, 19, 20, 49, 50, 99, 100 * UNIT[DAYS] - 1, 20 * UNIT[DAYS], 7]
    s = numbers(truth, kind=[PEOPLE] * 7 + [DAYS, DAYS, SUM])
    low, high = bounds(s, np.arange(10) != 6, np.full(10, -1), edges)
    assert low.tolist() == [0, 1, 1, 20, 20, 50, 99, 50 * UNIT[DAYS], 20 * UNIT[DAYS], 1]
    assert high.tolist() == [19, 19, 19, 49, 49, 99, 99, 100 * UNIT[DAYS], 50 * UNIT[DAYS], INF]
    low, high = bounds(s, np.ones(10, bool), np.array([0, 0, 1, 2, 3, 1, 2, 2, 3, 0]), edges)
    assert high.tolist() == [19, 19, 49, 99, INF, 49, 99, 100 * UNIT[DAYS], INF, INF] and low.tolist() == [0] + [1] * 9


@pytest.mark.parametrize(("cases", "rest", "expected"), [
    (60, 5, ((20, INF), (0, 19))), (60, 19, ((20, INF), (0, 19))), (60, 20, ((50, 99), (0, INF))), (12, 5, ((1, 19), (0, INF))),
])  # fmt: skip
def test_where_nearly_everyone_has_it_the_class_is_that_of_the_others(cases, rest, expected):
    s = numbers([cases, rest], {0: 1}, kind=[PEOPLE, IMPLICIT], floor=[1, 0])
    low, high = bounds(s, np.ones(2, bool), np.full(2, -1), [20, 50, 100])
    assert (low[0], high[0]) == expected[0] and (low[1], high[1]) == expected[1]


def test_classes_that_give_a_number_away_are_merged():
    """Those of its relations and its component, up to the class that holds them all; merged once, they grow by a step."""
    s = numbers([5, 60, 7, 30, 8], rows=[[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1]])
    found = Audit([Finding(0, 5, 5)], INF, 0, np.array([0, 0, 0, 1, 1]), NONE, NONE)
    first = _merged(s, withheld(s, 0, 1, 2, 3), np.full(5, -1), [20, 50, 100], found)
    assert first.tolist() == [2, 2, 2, -1, -1]
    assert _merged(s, withheld(s, 0, 1, 2, 3), first, [20, 50, 100], found).tolist() == [3, 3, 3, -1, -1]
    apart = Audit([Finding(0, 5, 5), Finding(2, 7, 7), Finding(4, 8, 8)], INF, 0, np.arange(5), NONE, NONE)
    assert _merged(s, withheld(s, 0, 2, 3, 4), np.full(5, -1), [20, 50], apart).tolist() == [0, -1, 0, 1, 1]
    both = Audit([Finding(0, 5, 5), Finding(2, 5, 5)], INF, 0, found.components, NONE, NONE)  # one step, however many fail
    assert _merged(s, withheld(s, 0, 1, 2, 3), first, [20, 50, 100], both).tolist() == [3, 3, 3, -1, -1]
    pair = Audit([Finding(0, 5, 5)], INF, 0, np.zeros(2, int), NONE, NONE)
    assert _merged(numbers([5, 6], rows=[[1, 1]]), np.ones(2, bool), np.zeros(2, int), [20, 50], pair).tolist() == [1, 1]
    days = numbers([30 * UNIT[DAYS], 2 * UNIT[DAYS]], rows=[[1, 1]], kind=[DAYS, DAYS])
    assert _merged(days, np.ones(2, bool), np.full(2, -1), [20, 50, 100], pair).tolist() == [1, 1]
    assert _largest(days, np.ones(2, bool)) == 30 and _largest(days, np.zeros(2, bool)) == 0
    partly = np.array([-1, 2, 2, -1, -1])
    assert _merged(s, withheld(s, 0, 1, 2), partly, [20, 50, 100], found).tolist() == [2, 2, 2, -1, -1]


def test_ranges_are_as_narrow_as_their_classes_where_that_is_safe():
    system_, at = system_of([[4, 36, 60], [22, 51, 17], [31, 6, 48]])
    chosen = choose(system_)
    found = publish(system_, chosen.withheld, Policy(threshold=10, rounding=1))
    assert found.audit.safe and found.audit.least_width >= 1 - 1e-6
    assert (found.lower <= system_.truth).all() and (system_.truth <= found.upper).all()
    assert found.merged == 0 and found.upper[at["r0", "c0"]] <= 19
    alone = numbers([4.0])
    assert publish(alone, np.ones(1, bool), Policy(threshold=10, rounding=1)).upper.tolist() == [19]


def test_a_partner_that_is_known_to_be_large_gives_nothing_away(monkeypatch):
    """4 and 51 of 55: the classes 1-19 and 50-99 would leave 1 to 5; merged, both lie in 1-99."""
    asked = []

    def counted(*arguments, **more):
        asked.append((found := audit(*arguments, **more)).programmes)
        return found

    monkeypatch.setattr(ranges, "audit", counted)
    s, policy = numbers([4, 51, 55], rows=[[1, 1, -1]]), Policy(threshold=10, rounding=1)
    found = publish(s, withheld(s, 0, 1), policy)
    assert (found.lower.tolist(), found.upper.tolist(), found.merged) == ([1, 1, 55], [54, 54, 55], 2)
    assert found.audit.programmes == sum(asked)


def test_the_last_word_is_an_audit_of_everything():
    """However sure an earlier audit was: one number alone under a total that is shown has no safe range."""
    s, policy = numbers([4, 51, 55], rows=[[1, 1, -1]]), Policy(threshold=10, rounding=1)
    low, high, components, _ = reduced(s, *bounds(s, withheld(s, 0), np.full(3, -1), [20, 50, 100]))
    for since in (Audit([], 1.0, 0, components, low, high), None):
        with pytest.raises(ValueError, match="no ranges could be found"):
            publish(s, withheld(s, 0), policy, since=since)


def test_what_no_pattern_protects_is_said():
    s = system([[1, -1]], [3, 3], cost=[INF, INF])
    s.primary[0] = True
    found = all_withheld(s, s.primary)
    assert [f.unknown for f in found.findings] == [0]
    with pytest.raises(NoPattern) as error:
        choose(s)
    assert error.value.unknowns == [0]


def test_only_large_numbers_that_are_told_already_are_asked_nothing():
    """Of four that a fixed number tells: a small one, one of the threshold, nobody, and the people without an attribute."""
    rows = np.hstack([np.eye(5), -np.eye(5)]).tolist()
    s = system(rows, [9, 10, 0, 12, 12] * 2, cost=[1] * 5 + [INF] * 5, kind=[PEOPLE] * 3 + [IMPLICIT] + [PEOPLE] * 6)
    s.primary[4] = True
    asked, told = without_known(s, 10)
    assert told == 2
    assert asked.need_width[:5].tolist() == [9, 0, 0, 9, 9] and asked.need_max[:3].tolist() == [10, -INF, -INF]
    assert asked.need_min[:5].tolist() == [INF] * 5 and asked.need_width[5:].tolist() == [9] * 5


def test_the_share_that_is_withheld_at_most():
    cells = pd.DataFrame({"status": ["withheld", "ok", "not_collected"], "lower": [1, 57, np.nan], "upper": [19, 62, np.nan]})
    assert _share(cells) == 0.25 and _share(cells[1:]) == 0.0 and _share(cells[:0]) is None
    assert _share(cells[:1]) == 1.0 and _share(cells.assign(upper=[INF, 62, 0])) is None
    assert _share(cells.assign(lower=[1, 58, np.nan])) == 0.247  # 0.24675, upwards
    assert _share(cells.assign(upper=[19, INF, np.nan])) == 0.25
