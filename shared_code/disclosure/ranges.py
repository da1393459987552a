"""The published range of a withheld number, and the public ladder it is taken from.

Every withheld count says in which class of a public ladder it lies: 1 to 2t - 1, then up to 5t, 10t, 20t, 50t, 100t, …
(t is the threshold; at t = 10: 1-19, 20-49, 50-99, 100-199, …). A number withheld because few people do *not* have the
attribute says so of the others in the same classes. What then follows from the published margins narrows the range
further; anyone can repeat that step. Nothing else is said: a class is a property of the number alone, the first class
holds small numbers and numbers withheld to protect them alike, and the audit takes exactly these classes as known.

Where a class would give a number away (its partner in a sum is known to be large), the classes of that component are
merged: all its numbers then lie between 1 and the first step that holds them all, and, should that not be enough, the
next step, until the audit passes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from shared_code.config.study import Policy
from shared_code.disclosure.audit import Audit, audit
from shared_code.disclosure.points import Points
from shared_code.disclosure.system import IMPLICIT, PEOPLE, SUM, UNIT, System

EDGES = (2, 5, 10)  # times the threshold, then times ten, and so on
SPARE = 3  # steps beyond the largest number, for merged classes that need more room; after that there is no upper end


def ladder(threshold: int, largest: float, first: int = 2) -> list[int]:
    """List where the classes end: the first number of the next class, up to the class that holds a number.

    >>> ladder(10, 250), ladder(10, 60, first=1)
    ([20, 50, 100, 200, 500], [11, 20, 50, 100])
    """
    edges, place = [2 * threshold], 1
    while edges[-1] <= largest:
        edges.append(EDGES[place % len(EDGES)] * 10 ** (place // len(EDGES)) * threshold)
        place += 1
    return edges if first == 2 else [threshold + 1, *edges]


@dataclass(frozen=True)
class Ranges:
    """Hold the published range of every unknown, the audit that they pass, and how many numbers' classes were merged."""

    lower: np.ndarray
    upper: np.ndarray
    audit: Audit
    merged: int


def publish(system: System, withheld: np.ndarray, policy: Policy, since: Audit | None = None,
            points: Points | None = None) -> Ranges:  # fmt: skip
    """Give every withheld number its class, tightened by what is published, such that the audit passes.

    since   the audit of the small numbers by themselves
    points  solutions of earlier audits; the last audit looks at each again
    """
    points = Points(system) if points is None else points
    edges = ladder(policy.threshold, _largest(system, withheld) * 10 ** (SPARE // len(EDGES)), policy.first_class)
    top = np.full(system.size, -1)  # -1: its own class; k: from the least value to the end of class k
    programmes = 0
    for _ in range(len(edges) * 20):
        lower, upper = bounds(system, withheld, top, edges)
        found = audit(system, withheld, lower, upper, since=since, enough=1, points=points)
        programmes += found.programmes
        if found.safe and since is not None:  # the last word is an audit of everything
            found = audit(system, withheld, lower, upper, enough=1, points=points)
            programmes += found.programmes
        if found.safe:
            done = replace(found, programmes=programmes)
            return Ranges(found.low, found.high, done, int((top >= 0).sum()))
        top, since = _merged(system, withheld, top, edges, found), _both(since, found)
    raise ValueError("no ranges could be found that keep the withheld numbers safe")


def first_look(system: System, policy: Policy, points: Points | None = None) -> Audit:
    """Audit the small numbers by themselves, with their classes: what is safe so needs nothing else to be withheld."""
    start = system.closed(system.primary)
    edges = ladder(policy.threshold, _largest(system, start), policy.first_class)
    return audit(system, start, *bounds(system, start, np.full(system.size, -1), edges), enough=1, points=points)


def _both(since: Audit | None, found: Audit) -> Audit:
    """Remember what fails; what an earlier audit settled and the last one did not look at stays settled."""
    return found if since is None else replace(found, least_width=min(since.least_width, found.least_width))


def bounds(system: System, withheld: np.ndarray, top: np.ndarray, edges: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Give the range of every unknown that is published or said by its class, before anything is derived from it."""
    lower, upper = system.bounds(withheld)
    rest_of = _rests(system)
    for i in np.flatnonzero(_classed(system, withheld)):
        unit, last = UNIT[int(system.kind[i])], 1.0 if system.kind[i] == PEOPLE else 0.0
        at = int(np.searchsorted(edges, system.truth[i] / unit, side="right"))
        if top[i] >= 0:
            if top[i] < len(edges):
                upper[i] = edges[top[i]] * unit - last
            continue
        if at:
            lower[i] = edges[at - 1] * unit
        rest = rest_of.get(int(i))
        if at and rest is not None and system.truth[rest] < edges[0]:
            lower[i], upper[rest] = edges[0], edges[0] - 1  # nearly everyone has it: the class is that of the others
        else:
            upper[i] = edges[at] * unit - last
    return system.with_told(lower, upper)


def _classed(system: System, withheld: np.ndarray) -> np.ndarray:
    return withheld & (system.kind != IMPLICIT) & (system.kind != SUM)


def _largest(system: System, withheld: np.ndarray) -> float:
    at = np.flatnonzero(_classed(system, withheld))
    return max((float(system.truth[i]) / UNIT[int(system.kind[i])] for i in at), default=0.0)


def _rests(system: System) -> dict[int, int]:
    """Give the unknown that holds the people without the attribute, per unknown that counts those with it."""
    rest = system.kind[system.child] == IMPLICIT
    return dict(zip(system.parent[rest].tolist(), system.child[rest].tolist()))


def _merged(system: System, withheld: np.ndarray, top: np.ndarray, edges: list[int], found: Audit) -> np.ndarray:
    """Merge the classes of everything that a failing number is linked with, or widen them by a step if they were."""
    top = top.copy()
    classed = _classed(system, withheld)
    columns = system.matrix.tocsc()
    done: set[int] = set()
    for finding in found.findings:
        if finding.unknown in done:
            continue
        rows = columns.indices[columns.indptr[finding.unknown] : columns.indptr[finding.unknown + 1]]
        near = np.unique(system.matrix[rows].indices)
        linked = np.isin(found.components, found.components[[finding.unknown, *near[classed[near]]]]) & classed
        linked[near[classed[near]]] = True
        members = np.flatnonzero(linked)
        done |= set(members.tolist())
        sizes = [system.truth[i] / UNIT[int(system.kind[i])] for i in members]
        holds_all = max((int(np.searchsorted(edges, s, side="right")) for s in sizes), default=0)
        widest = int(top[members].max(initial=-1))
        new = max(holds_all, widest + 1) if (top[members] >= 0).all() else max(holds_all, widest)
        top[members] = new
    return top
