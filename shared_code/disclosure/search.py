"""Choose what is withheld besides the small numbers themselves, losing as little as possible.

Small systems are solved exactly: a whole-number programme over the cuts found so far, until the audit passes. Large ones
greedily: each round covers all cuts by what loses least per unit gained; then whatever turned out not to be needed is
shown again. Every choice is made in a fixed order, so the same numbers give the same pattern.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from shared_code.disclosure.audit import Audit, Finding, audit
from shared_code.disclosure.covering import ZERO_COSTS, cheapest
from shared_code.disclosure.cuts import Cut, Cutter
from shared_code.disclosure.points import Points
from shared_code.disclosure.system import IMPLICIT, System

EXACT_CELLS = 400
MOST_ROUNDS, FIRST_ROUNDS = 200, 30  # of a search; of one that did not ask first what no pattern can protect
ROUNDS_TO_TWICE = 5  # of a search that goes on: after so many more it asks for twice as much; what is too much is shown again
ROUNDS_UNASKED = 8  # of a small part, before it is asked what no pattern can protect: most are done by then
MOST_ASKED = 60_000  # unknowns; in larger parts it takes longer to ask first than to try
ALL = 10**9  # failing numbers
MOST_CLEANING = 5_000  # programmes (a site of 20,000 people needs some 150); what is not shown again by then stays withheld
CUTS_AT_ONCE = 2  # failing numbers of one component that are looked into in a round
SPARE = 1e-9  # of what a cut asks for, lost in adding up


class NoPattern(ValueError):
    """No choice of further withheld numbers protects these: `unknowns` cannot be made safe."""

    def __init__(self, unknowns: list[int]):
        super().__init__(f"{len(unknowns)} numbers cannot be protected")
        self.unknowns = unknowns


class Unfinished(NoPattern):
    """A search used up its rounds; holds what it withheld, its last audit, its cuts and the number of its programmes."""

    def __init__(self, withheld: np.ndarray, found: Audit, cuts: list[Cut], solved: int):
        super().__init__([finding.unknown for finding in found.findings])
        self.withheld, self.found, self.cuts, self.solved = withheld, found, cuts, solved


@dataclass(frozen=True)
class Pattern:
    """Hold what is withheld, how it was found, and the number of linear programmes it took."""

    withheld: np.ndarray
    exact: bool
    programmes: int


def choose(system: System, suspects: np.ndarray | None = None, points: Points | None = None,
           begin: np.ndarray | None = None, ask: bool = True) -> Pattern:  # fmt: skip
    """Find a pattern that is safe against an outsider who is told nothing of the withheld numbers.

    suspects  the unknowns that may not be safe when just the small numbers are withheld (default: any)
    points    solutions of earlier audits
    begin     what is withheld to begin with, besides what must be (default: nothing)
    ask       look first for what no pattern can protect, before a long search; not where `begin` is likely to be enough
    Raises NoPattern where none exists.
    """
    start = system.closed(system.primary if begin is None else system.primary | begin)
    points = Points(system) if points is None else points
    first = outsider(system, start, only=suspects, points=points)
    if first.safe:
        return Pattern(start, True, first.programmes)
    parts = system.parts()
    failing = sorted({int(parts[f.unknown]) for f in first.findings})
    cells = np.bincount(parts[system.kind != IMPLICIT], minlength=parts.max() + 1)
    small = [p for p in failing if cells[p] <= EXACT_CELLS]
    withheld, solved = start.copy(), first.programmes
    if small:
        withheld, n = _exact(system, withheld, parts, small, first, points)
        solved += n
    if len(small) < len(failing):
        if small:
            first = outsider(system, withheld, since=first, points=points)
        searched = np.isin(parts, [p for p in failing if p not in set(small)])
        withheld, cuts, n = _searched(system, withheld, first, points, searched, ask)
        solved += n
        withheld, n = _cleaned(system, withheld, start, cuts, points)
        solved += n
    return Pattern(withheld, len(small) == len(failing), solved)


def _searched(system: System, start: np.ndarray, first: Audit, points: Points, searched: np.ndarray, ask: bool
              ) -> tuple[np.ndarray, list[Cut], int]:  # fmt: skip
    """Search parts that are too large to be solved exactly; what no pattern can protect is found before, or where it is few.

    searched  the unknowns of these parts     ask  look for what no pattern can protect at once, unless the parts are very large
    """
    if not ask or searched.sum() > MOST_ASKED:
        try:
            return _greedy(system, start, first, points, FIRST_ROUNDS)
        except Unfinished as so_far:  # what cannot be protected may have called for more and more, in vain
            if all_withheld(system, start, only=np.isin(np.arange(system.size), so_far.unknowns)).safe:
                return _greedy(system, so_far.withheld, so_far.found, points, so_far=so_far)
        except NoPattern:
            pass
    return _greedy(_without_hopeless(system, start, searched), start, first, points)


def outsider(system: System, withheld: np.ndarray, only: np.ndarray | None = None, since: Audit | None = None,
             points: Points | None = None, enough: int = CUTS_AT_ONCE) -> Audit:  # fmt: skip
    """Audit a pattern against an outsider who knows of a withheld number only that it is not zero."""
    return audit(system, withheld, *system.bounds(withheld), only=only, since=since, enough=enough, points=points)


def all_withheld(system: System, start: np.ndarray, but: np.ndarray | None = None, since: Audit | None = None,
                 only: np.ndarray | None = None) -> Audit:  # fmt: skip
    """Audit the pattern that withholds all it may: withholding more only widens intervals, so what fails here fails always.

    start  what has to be withheld     but  what is shown all the same     only  the unknowns to look at (default: any)
    """
    free = np.isfinite(system.cost) if but is None else np.isfinite(system.cost) & ~but
    return outsider(system, system.closed(free | start), only, since, enough=ALL)


def _without_hopeless(system: System, start: np.ndarray, only: np.ndarray) -> System:
    """Forbid to withhold what no pattern can protect, as often as this leaves more of it, in the parts that are searched.

    Without this, withholding such a number would call for more and more, in vain.
    Raises NoPattern where a number that must be withheld, or a piece that the tables give away, is among them.
    """
    never, found = np.zeros(system.size, bool), None
    while True:
        found = all_withheld(system, start, never, found, only)
        failing = np.array([finding.unknown for finding in found.findings], int)
        if (lost := failing[start[failing] | (system.kind[failing] == IMPLICIT)]).size:
            raise NoPattern(lost.tolist())
        if not failing.size:
            return replace(system, cost=np.where(never, np.inf, system.cost))
        never[failing] = True
        while (more := never[system.child] & ~never[system.parent]).any():  # nor what would withhold it as well
            never[system.parent[more]] = True


def _narrowest(found: Audit) -> list[Finding]:
    """Take the narrowest intervals of each component: what mends them often mends the others."""
    taken: dict[int, int] = {}
    chosen = []
    for finding in sorted(found.findings, key=lambda f: (f.upper - f.lower, f.unknown)):
        component = int(found.components[finding.unknown])
        taken[component] = taken.get(component, 0) + 1
        if taken[component] <= CUTS_AT_ONCE:
            chosen.append(finding)
    return chosen


def _greedy(system: System, withheld: np.ndarray, found: Audit, points: Points, rounds: int = MOST_ROUNDS,
            so_far: Unfinished | None = None) -> tuple[np.ndarray, list[Cut], int]:  # fmt: skip
    """Withhold more until the audit passes, covering what each round finds by what loses least; gives the cuts as well.

    found   the audit of `withheld`     so_far   the search that this one goes on with, asking for more and more
    """
    solved, every = (so_far.solved, list(so_far.cuts)) if so_far else (0, [])
    for number in range(rounds):
        if found.safe:
            return withheld, every, solved
        cutter = Cutter(system, withheld)
        cuts, hopeless = [], []
        for finding in _narrowest(found):
            own = cutter.cuts(finding)
            cuts += own
            if not own:
                hopeless.append(finding.unknown)
        if hopeless:
            raise NoPattern(hopeless)
        chosen = _cover(system, withheld, cuts, 2.0 ** (number // ROUNDS_TO_TWICE) if so_far else 1.0)
        withheld = withheld.copy()
        withheld[sorted(chosen)] = True
        withheld = system.closed(withheld)
        every += cuts
        found = outsider(system, withheld, since=found, points=points)
        solved += found.programmes
    if found.safe:
        return withheld, every, solved
    raise Unfinished(withheld, found, every, solved)


def _cover(system: System, withheld: np.ndarray, cuts: list[Cut], times: float = 1.0) -> set[int]:
    """Choose unknowns that fulfil all cuts, or so many times what they ask for, by the least loss per unit gained."""
    chosen: set[int] = set()
    missing = [times * c.short for c in cuts]
    where: dict[int, list[int]] = {}
    for number, cut in enumerate(cuts):
        for unknown in cut.gain:
            where.setdefault(unknown, []).append(number)
    weight = {i: _weight(system, withheld, i) for i in where}
    open_ = {number for number, short in enumerate(missing) if short > 0}
    while open_:
        best, best_score = -1, 0.0
        for unknown in sorted(where):
            if unknown in chosen:
                continue
            gained = sum(min(cuts[n].gain[unknown], missing[n]) / cuts[n].short for n in where[unknown] if n in open_)
            score = gained / weight[unknown]
            if score > best_score + 1e-12:
                best, best_score = unknown, score
        if best < 0:
            break  # the cuts ask for more than they offer; the next round finds others
        chosen.add(best)
        for n in where[best]:
            missing[n] -= cuts[n].gain[best]
            if missing[n] <= 1e-9:
                open_.discard(n)
    return chosen


def _weight(system: System, withheld: np.ndarray, unknown: int) -> float:
    """Give what is lost when an unknown is withheld, with everything that follows it."""
    trial = np.zeros(system.size, bool)
    trial[unknown] = True
    lost = system.closed(trial) & ~withheld & (system.kind != IMPLICIT)
    zero = ZERO_COSTS * float((system.truth[lost] == 0).sum())
    return float(np.where(np.isfinite(system.cost[lost]), system.cost[lost], 0).sum()) + zero + 1e-6


def _cleaned(system: System, withheld: np.ndarray, start: np.ndarray, cuts: list[Cut], points: Points
             ) -> tuple[np.ndarray, int]:  # fmt: skip
    """Show again what is not needed: one number per component at a time, with those that it follows, the costliest first."""
    kept = start.copy()
    found = outsider(system, withheld, only=np.zeros(system.size, bool))
    followed: dict[int, list[int]] = {}
    for parent, child in zip(system.parent.tolist(), system.child.tolist()):
        followed.setdefault(child, []).append(parent)
    solved = 0
    while True:
        candidates = np.flatnonzero(withheld & ~kept & (system.kind != IMPLICIT))
        order = candidates[np.lexsort((candidates, -system.cost[candidates]))]
        first = np.unique(found.components[order], return_index=True)[1]
        tried = order[np.sort(first)]
        if not len(tried) or solved > MOST_CLEANING:
            return withheld, solved
        kept[tried] = True
        groups = [_shown_with(followed, withheld, t) for t in tried.tolist()]
        freed = [own for own in groups if not start[own].any() and _may_be_shown(withheld, own, cuts)]
        if not freed:
            continue
        trial = system.closed(_without(withheld, freed))
        after = outsider(system, trial, since=found, points=points, enough=1)
        solved += after.programmes
        failing = [found.components[f.unknown] for f in after.findings]
        safe = [own for own in freed if not np.isin(found.components[own], failing).any()]
        shown = system.closed(_without(withheld, safe))
        if after.findings:  # what is shown now must be safe without what stays withheld after all
            again = outsider(system, shown, since=found, points=points, enough=1)
            solved += again.programmes
            if again.findings:
                continue
            after = again
        withheld, found = shown, after


def _shown_with(followed: dict[int, list[int]], withheld: np.ndarray, unknown: int) -> list[int]:
    """List what has to be shown for a number to be shown: itself, and the withheld numbers that it follows.

    followed   number -> those whose withholding withholds it
    """
    own = [unknown]
    for one in own:  # grows while it is read
        own += [other for other in followed.get(one, []) if withheld[other] and other not in own]
    return own


def _without(withheld: np.ndarray, groups: list[list[int]]) -> np.ndarray:
    shown = withheld.copy()
    shown[[unknown for own in groups for unknown in own]] = False
    return shown


def _may_be_shown(withheld: np.ndarray, own: list[int], cuts: list[Cut]) -> bool:
    """Say whether these numbers can be shown without breaking what every safe pattern fulfils."""
    trial = _without(withheld, [own])
    return all(not trial[cut.unknown] or sum(gain for i, gain in cut.gain.items() if trial[i]) >= cut.short - SPARE
               for cut in cuts if not cut.gain.keys().isdisjoint(own))  # fmt: skip


def _exact(system: System, start: np.ndarray, parts: np.ndarray, small: list[int], found: Audit, points: Points
           ) -> tuple[np.ndarray, int]:  # fmt: skip
    """Find the cheapest safe pattern of each small part by cutting planes, all parts side by side."""
    current, waiting, solved = start.copy(), set(small), 0
    cuts: dict[int, list[Cut]] = {part: [] for part in small}
    for number in range(MOST_ROUNDS):
        if number == ROUNDS_UNASKED:
            system = _without_hopeless(system, start, np.isin(parts, list(waiting)))
        cutter = Cutter(system, current)
        failing: dict[int, list[int]] = {}
        for finding in found.findings:
            if int(parts[finding.unknown]) in waiting:
                failing.setdefault(int(parts[finding.unknown]), []).append(finding.unknown)
        for finding in _narrowest(found):
            part = int(parts[finding.unknown])
            if part in waiting:
                own = cutter.cuts(finding)
                if not own and start[finding.unknown]:
                    raise NoPattern([finding.unknown])
                cuts[part] += own or [Cut(finding.unknown, 1.0, {})]  # this one cannot be withheld safely
        waiting = set(failing)
        if not waiting:
            return current, solved
        for part in sorted(waiting):
            inside = parts == part
            candidates = np.flatnonzero(inside & np.isfinite(system.cost) & ~start)
            chosen = cheapest(system, candidates, cuts[part])
            if chosen is None:
                raise NoPattern(failing[part])
            current[inside] = start[inside]
            current[chosen] = True
        current = system.closed(current)
        found = outsider(system, current, only=np.isin(parts, list(waiting)), since=found, points=points)
        solved += found.programmes
    raise NoPattern(sorted(u for unknowns in failing.values() for u in unknowns))
