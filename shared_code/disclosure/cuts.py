"""What stands in the way of a withheld number: inequalities that every safe pattern fulfils.

The end of an interval is a linear programme; its dual says how far the end moves, at most, when the bounds of other
numbers are lifted because they are withheld too. A pattern in which these moves do not add up to what is missing cannot
be safe (the capacity inequalities of Fischetti & Salazar 2001).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from shared_code.disclosure.audit import Finding
from shared_code.disclosure.bounds import EPS, activity
from shared_code.disclosure.programme import Extreme, Programme
from shared_code.disclosure.system import IMPLICIT, System

HOPS = (1, 2, 4, 8, 1000)  # how far around a number its relations are looked at, until they explain the failure


@dataclass(frozen=True)
class Cut:
    """Say that, if `unknown` is withheld, withholding more must move its interval by `short`.

    gain[i] is what withholding unknown i can add, at most.
    """

    unknown: int
    short: float
    gain: dict[int, float]


class Cutter:
    """Find cuts for one state of the pattern."""

    def __init__(self, system: System, withheld: np.ndarray):
        self.system, self.withheld = system, withheld
        self.lower, self.upper = system.bounds(withheld)
        least, most = activity(system.matrix, self.lower, self.upper)
        says = ~((least >= system.row_lower - EPS) & (most <= system.row_upper + EPS))
        self.matrix = system.matrix[says]
        self.row_lower, self.row_upper = system.row_lower[says], system.row_upper[says]
        self.columns = self.matrix.tocsc()
        self.owner = np.arange(system.size)
        rest = system.kind[system.child] == IMPLICIT
        self.owner[system.child[rest]] = system.parent[rest]

    def cuts(self, finding: Finding) -> list[Cut]:
        """Give the inequalities that the failing interval calls for; none when nothing that can be withheld would help."""
        s, target = self.system, finding.unknown
        near: list[int] = []
        for rows, members in self._around(target):
            found = self._of(target, rows, members)
            if found:
                return found
            near = near or [int(i) for i in members if np.isfinite(s.cost[i]) and not self.withheld[i]]
        return [Cut(target, 1.0, dict.fromkeys(near, 1.0))] if near else []  # only whole numbers explain it: begin nearby

    def _around(self, target: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Give the rows and unknowns within a few relations of a number, then within more, until there are no others."""
        rows, members = np.zeros(self.matrix.shape[0], bool), np.zeros(self.matrix.shape[1], bool)
        members[target] = True
        front, hop = np.array([target]), 0
        for hops in HOPS:
            known = int(rows.sum())
            while hop < hops and len(front):
                reached = _stored(self.columns, front)
                fresh = np.unique(reached[~rows[reached]])
                rows[fresh] = True
                beyond = _stored(self.matrix, fresh)
                front = np.unique(beyond[~members[beyond]])
                members[front] = True
                hop = hop + 1
            if hops > HOPS[0] and int(rows.sum()) == known:
                return
            yield np.flatnonzero(rows), np.flatnonzero(members)

    def _of(self, target: int, rows: np.ndarray, members: np.ndarray) -> list[Cut]:
        s = self.system
        at = int(np.searchsorted(members, target))
        if not len(rows):
            return []
        part = sparse.csr_matrix(self.matrix[rows][:, members])
        programme = Programme(part, self.row_lower[rows], self.row_upper[rows], self.lower[members], self.upper[members],
                              np.zeros(len(members), bool))  # fmt: skip
        high, low = programme.extreme(at, largest=True), programme.extreme(at, largest=False)
        short = {
            "max": s.need_max[target] - high.value, "min": low.value - s.need_min[target],
            "width": s.need_width[target] - (high.value - low.value),
        }  # fmt: skip
        sides = {"max": (high,), "min": (low,), "width": (low, high)}
        cuts = []
        for name, missing in short.items():
            if missing > EPS:
                cuts.append(Cut(target, float(missing), self._gains(members, sides[name], missing)))
        return [c for c in cuts if c.gain]

    def _gains(self, members: np.ndarray, ends: tuple[Extreme, ...], most: float) -> dict[int, float]:
        s = self.system
        gain: dict[int, float] = {}
        for end in ends:
            for i in np.flatnonzero((end.at_upper > EPS) | (end.at_lower > EPS)):
                unknown = int(members[i])
                owner = int(self.owner[unknown])
                up = float(end.at_upper[i] * (s.told_upper[unknown] - self.upper[unknown])) if end.at_upper[i] > EPS else 0.0
                least = max(s.floor[unknown], s.told_lower[unknown])
                down = end.at_lower[i] * (self.lower[unknown] - least) if end.at_lower[i] > EPS else 0.0
                for lifts, most_of_it in self._lifting(unknown, owner, up, max(0.0, down), float(end.at_lower[i])):
                    if self.withheld[lifts] or not np.isfinite(s.cost[lifts]):
                        continue
                    total = gain.get(lifts, 0.0) + most_of_it
                    if total > EPS:
                        gain[lifts] = min(total, most)
        return gain

    def _lifting(self, unknown: int, owner: int, up: float, down: float, at_lower: float) -> Iterator[tuple[int, float]]:
        """Give what lifts the bounds of an unknown when it is withheld, and by how much at most.

        Of one that is withheld already also its large whole, which is its upper end while shown; and what makes zeros possible.
        """
        yield owner, up + down
        s = self.system
        if self.withheld[unknown] and s.whole[unknown] >= 0 and up:
            yield int(s.whole[unknown]), up
        left = min(self.lower[unknown], np.inf if self.withheld[unknown] else s.floor[unknown])  # withheld by itself
        left -= max(0.0, s.told_lower[unknown])
        if at_lower > EPS and left > 0:
            for parent in s.parent[s.one_way & (s.child == unknown)].tolist():
                yield parent, at_lower * float(left)


def _stored(compressed: sparse.csr_matrix | sparse.csc_matrix, major: np.ndarray) -> np.ndarray:
    """List the indices stored in some rows of a matrix by rows, or in some columns of one by columns."""
    start, length = compressed.indptr[major], np.diff(compressed.indptr)[major]
    ahead = np.cumsum(length) - length
    return compressed.indices[np.arange(length.sum()) + np.repeat(start - ahead, length)]
