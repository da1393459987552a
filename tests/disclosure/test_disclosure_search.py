"""How patterns are found: known solutions change no answer, and nothing stays withheld that could be shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import search
from shared_code.disclosure.audit import audit
from shared_code.disclosure.bandings import band_rows
from shared_code.disclosure.build import Draft, build
from shared_code.disclosure.cuts import Cutter
from shared_code.disclosure.keys import bandings_of
from shared_code.disclosure.margins import Cohort
from shared_code.disclosure.points import Points
from shared_code.disclosure.rules import GUARDS
from shared_code.disclosure.search import NoPattern, choose, outsider
from shared_code.disclosure.system import IMPLICIT
from tests.disclosure.test_disclosure_losses import system_of

steady = settings(deadline=None, database=None, derandomize=True, max_examples=40)
TABLES = st.lists(st.lists(st.integers(0, 40), min_size=4, max_size=4), min_size=3, max_size=4)


@steady
@given(TABLES, st.lists(st.integers(0, 24), max_size=6))
def test_known_solutions_change_no_interval(table, also):
    """Solutions of an audit of one pattern are offered to that of another: safe or not, each interval is the same."""
    system, at = system_of(table)
    start = system.closed(system.primary)
    more = start.copy()
    more[[u for i, u in enumerate(at.values()) if i in also]] = True
    points = Points(system)
    for withheld in (system.closed(more), start, system.closed(more)):
        alone, helped = outsider(system, withheld), outsider(system, withheld, points=points)
        assert [f.unknown for f in alone.findings] == [f.unknown for f in helped.findings]
        alone, helped = (audit(system, withheld, *system.bounds(withheld), points=p) for p in (None, points))
        assert alone.findings == helped.findings


def test_a_solution_that_breaks_a_relation_is_not_taken():
    system, at = system_of([[4, 36, 60], [22, 51, 17], [31, 6, 48]])
    withheld = system.closed(system.primary)
    assert not outsider(system, withheld).safe
    members = np.arange(system.size)
    points = Points(system)
    lies = np.nan_to_num(system.truth)
    for step in (30.0, -4.0):
        moved = lies.copy()
        moved[[at["r0", "c0"], at["r2", "c1"]]] += step
        points.add(members, moved)
    assert outsider(system, withheld, points=points).findings == outsider(system, withheld).findings


def none_could_be_shown(system, withheld, start) -> None:
    """No number can be shown, with those that it follows (people and records of a row follow each other), and be safe."""
    for unknown in np.flatnonzero(withheld & ~start & (system.kind != IMPLICIT)):
        trial = withheld.copy()
        own = [unknown]
        for one in own:
            own += [p for p, c in zip(system.parent.tolist(), system.child.tolist()) if c == one and withheld[p] and p not in own]
        trial[own] = False
        trial = system.closed(trial)
        assert trial[own].any() or start[own].any() or not outsider(system, trial).safe


@steady
@given(TABLES)
def test_whatever_the_greedy_search_withholds_is_needed(table):
    """Without the exact search: the pattern is safe, and no single number of it could be shown again."""
    system, _ = system_of(table)
    start = system.closed(system.primary)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "EXACT_CELLS", 0)
        try:
            pattern = choose(system)
        except NoPattern:
            return
    assert outsider(system, pattern.withheld).safe
    none_could_be_shown(system, pattern.withheld, start)


@steady
@given(TABLES)
def test_what_turns_out_not_to_be_needed_is_shown_again(table):
    """Everything withheld that may be, and no cut known: what stays is safe, and none of it could be shown."""
    system, _ = system_of(table)
    start = system.closed(system.primary)
    everything = system.closed(np.isfinite(system.cost) | start)
    if not outsider(system, everything).safe:
        return
    kept, programmes = search._cleaned(system, everything, start, [], Points(system))
    assert outsider(system, kept).safe and (kept >= start).all()
    assert (programmes > 0) >= (kept != everything).any()
    none_could_be_shown(system, kept, start)


@steady
@given(TABLES, st.integers(-1, 12))
def test_showing_again_may_end_at_any_time_and_the_pattern_is_safe(table, most):
    """Whatever the number of questions after which it ends; the more are asked, the less stays withheld."""
    system, _ = system_of(table)
    start = system.closed(system.primary)
    everything = system.closed(np.isfinite(system.cost) | start)
    if not outsider(system, everything).safe:
        return
    whole = search._cleaned(system, everything, start, [], Points(system))[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "MOST_CLEANING", most)
        kept, programmes = search._cleaned(system, everything, start, [], Points(system))
    assert outsider(system, kept).safe and (kept >= whole).all() and (kept <= everything).all()
    assert most >= 0 or (programmes == 0 and (kept == everything).all())


@steady
@given(TABLES, st.lists(st.integers(0, 40), max_size=10), st.sampled_from([None, 1, 2]), st.sampled_from([1, 5]))
def test_the_greedy_search_fails_only_where_no_pattern_is_safe(table, fixed, rounds, slowly):
    """Some numbers left before and cannot be withheld: where everything else withheld is safe, a pattern is found.

    Also by a search that asks only after so many rounds what no pattern can protect, and goes on where that is not it.
    """
    system, at = system_of(table)
    cost = system.cost.copy()
    cost[[u for i, u in enumerate(at.values()) if i in fixed and not system.primary[u]]] = np.inf
    system = replace(system, cost=cost)
    start = system.closed(system.primary)
    withheld = system.closed(np.isfinite(cost) | start)
    while not (found := outsider(system, withheld, enough=10**9)).safe:  # what cannot be withheld safely is shown after all
        failing = [f.unknown for f in found.findings]
        if any(start[u] or system.kind[u] == IMPLICIT for u in failing):
            withheld = None
            break
        withheld = system.closed((np.isfinite(cost) & withheld & ~np.isin(np.arange(system.size), failing)) | start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "EXACT_CELLS", 0)
        patch.setattr(search, "FIRST_ROUNDS", rounds)
        patch.setattr(search, "ROUNDS_TO_TWICE", slowly)
        if withheld is None:
            with pytest.raises(NoPattern):
                choose(system, ask=rounds is None)
        else:
            assert outsider(system, choose(system, ask=rounds is None).withheld).safe


def test_a_search_that_is_not_done_goes_on_where_it_is(monkeypatch):
    """Only what still fails is asked about, not everything; what it withheld by then stays withheld until it is cleaned up."""
    system, _ = system_of([[4, 36, 60, 25], [22, 5, 17, 30], [31, 6, 48, 3], [12, 9, 40, 28]])
    monkeypatch.setattr(search, "EXACT_CELLS", 0)
    monkeypatch.setattr(search, "FIRST_ROUNDS", 1)
    asked, begun = [], []
    all_withheld, greedy = search.all_withheld, search._greedy
    monkeypatch.setattr(search, "all_withheld", lambda s, w, only: asked.append(only.sum()) or all_withheld(s, w, only=only))
    monkeypatch.setattr(search, "_greedy", lambda s, w, *a, **k: begun.append(w.sum()) or greedy(s, w, *a, **k))
    assert outsider(system, choose(system, ask=False).withheld).safe
    assert len(asked) == 1 and 1 <= asked[0] < system.size / 4
    assert len(begun) == 2 and begun[1] > begun[0]


def test_bands_of_other_tables_add_no_unknowns():
    """A table whose ages are banded in one way is not cut into the pieces of another table's bands."""
    tables = [ResultsTable.model_validate({"title": "t", "layout": "bins", "dimensions": {"age": {"bands": bands}}})
              for bands in ([0, 18, 65], [0, 40, 65])]  # fmt: skip
    bandings = bandings_of(tables)
    assert [key for key, _ in bandings["age"]] == ["age", "age#1"]
    draft = Draft()
    own = {("age",): {(level,): draft.implicit(50.0) for level in ("0-17", "18-64", "65+")}}
    assert not list(band_rows(Cohort(("bins", "people"), own), draft, bandings, Policy()))
    both = own | {("age#1",): {(level,): draft.implicit(50.0) for level in ("0-39", "40-64", "65+")}}
    rows = list(band_rows(Cohort(("bins", "people"), both), draft, bandings, Policy()))
    assert len(draft.truth) == 6 + 1  # only 18-39 is no band of either
    assert len(rows) == 3


COUNTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 25)), min_size=4, max_size=4)


@steady
@given(COUNTS, st.lists(st.integers(0, 17), max_size=4), st.integers(0, 2**32 - 1))
@example([(0, 0), (0, 0), (1, 0), (19, 10)], [], 0)  # a large denominator, shown, is the upper end of withheld cases
@example([(19, 19), (25, 15), (30, 10), (22, 0)], [3, 9, 17], 0)  # 10 cases may be nobody only with their people withheld
def test_every_safe_pattern_fulfils_every_cut(cells, also, seed):
    """A cut that leaves out a number whose withholding would help could rule a good pattern out."""
    rows = [(f"r{i // 2}", f"c{i % 2}", n, min(n, k)) for i, (n, k) in enumerate(cells)]
    frame = pd.DataFrame(rows, columns=["r", "c", "people", "cases"])
    sums = [frame.groupby(by, as_index=False)[["people", "cases"]].sum() for by in ("r", "c")]
    frame = pd.concat([frame, sums[0].assign(c="all"), sums[1].assign(r="all"),
                       frame[["people", "cases"]].sum().to_frame().T.assign(r="all", c="all")], ignore_index=True)  # fmt: skip
    declared = ResultsTable.model_validate({
        "title": "t", "layout": "counts", "sets": [[], ["r"], ["c"], ["r", "c"]],
        "dimensions": {d: {"values": {f"{d}{i}": "" for i in range(2)}, "total": True} for d in "rc"}})  # fmt: skip
    policy = Policy(threshold=10, rounding=1)
    system = build({"t": (declared, frame)}, {"t": GUARDS["counts"](frame, declared, policy)}, policy)
    free = np.flatnonzero(np.isfinite(system.cost) & ~system.primary)
    withheld = system.primary.copy()
    withheld[free[[i for i in also if i < len(free)]]] = True
    withheld = system.closed(withheld)
    cutter = Cutter(system, withheld)
    cuts = [cut for finding in outsider(system, withheld, enough=10**9).findings for cut in cutter.cuts(finding)]
    rng = np.random.default_rng(seed)
    for _ in range(25):
        wider = withheld.copy()
        wider[free[rng.random(len(free)) < rng.random()]] = True
        wider = system.closed(wider)
        if outsider(system, wider).safe:
            for cut in cuts:
                assert sum(gain for unknown, gain in cut.gain.items() if wider[unknown]) >= cut.short - 1e-6, cut
