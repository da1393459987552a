"""The joint audit: what anyone can derive of each withheld number from everything that is published.

A withheld number is safe when the interval an outsider derives for it, by linear programming over the whole release, is
at least threshold - 1 wide and reaches the threshold (methods specification 11.4; Fischetti & Salazar 2001). The audit
never trusts how the pattern was found. First, bounds are propagated and relations that say nothing are dropped; the
system then falls apart into small components. Within each, a number is settled as soon as two solutions are known that
are far enough apart: every programme solved for one number is evidence for the others too. The site's own numbers are
the first such solution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from shared_code.disclosure.bounds import EPS, activity, propagate
from shared_code.disclosure.evidence import moves
from shared_code.disclosure.programme import WHOLE, Programme
from shared_code.disclosure.system import DAYS, IMPLICIT, PEOPLE, SUM, UNIT, System

MOST_TOGETHER, FEW_TOGETHER = 40, 5  # programmes that ask for many numbers at once; numbers worth one
FAR = 100.0  # times what an interval needs
LARGEST_WHOLE = 400  # unknowns; up to this size fractions are followed up by whole-number programming


@dataclass(frozen=True)
class Finding:
    """Hold the interval of one withheld number that fails."""

    unknown: int
    lower: float
    upper: float


@dataclass
class Audit:
    """Hold the outcome: failures (none = safe), how wide the narrowest interval is at least, programmes solved."""

    findings: list[Finding]
    least_width: float
    programmes: int
    components: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def safe(self) -> bool:
        return not self.findings


def audit(system: System, withheld: np.ndarray, lower: np.ndarray, upper: np.ndarray, only: np.ndarray | None = None,
          since: Audit | None = None, enough: int = 10**9) -> Audit:  # fmt: skip
    """Audit a pattern, given the bounds of every unknown that are published or known.

    only   unknowns to look at (default: every withheld one and every piece that the tables give away)
    since  an earlier audit of everything: what has not changed in any way since, and was safe, stays so
    enough failures of one component after which the others in it are not looked for
    """
    low, high, component, rows = reduced(system, lower, upper)
    targets = targets_of(system, withheld)
    if only is not None:
        targets &= only
    if since is not None:
        targets &= _touched(system, low, high, component, since)
    state = _State(system, low, high, rows, component)
    state.settle(np.flatnonzero(targets), enough)
    for target in np.flatnonzero(targets & ~state.skipped):
        state.judge(int(target))
    least = min(state.least_width, since.least_width) if since is not None else state.least_width
    return Audit(state.findings, least, state.programmes, component, low, high)


def _touched(system: System, low: np.ndarray, high: np.ndarray, component: np.ndarray, since: Audit) -> np.ndarray:
    """Select the unknowns of components in which a bound changed, or that share a relation with one that did."""
    changed = (low != since.low) | (high != since.high)
    changed[[f.unknown for f in since.findings]] = True
    rows = np.repeat(np.arange(system.matrix.shape[0]), np.diff(system.matrix.indptr))
    near = np.zeros(system.matrix.shape[0], bool)
    near[rows[changed[system.matrix.indices]]] = True
    changed[system.matrix.indices[near[rows]]] = True
    return np.isin(component, component[changed])


def targets_of(system: System, withheld: np.ndarray) -> np.ndarray:
    """Select the numbers that must be safe: all that are withheld, and pieces below the threshold."""
    pieces = (system.kind == IMPLICIT) & (system.need_width > 0)
    return (withheld & (system.kind != IMPLICIT)) | pieces


def reduced(system: System, lower: np.ndarray, upper: np.ndarray
            ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Propagate bounds, drop relations that say nothing, and number the components that remain.

    Gives the bounds, the component of every unknown, and which rows are left.
    """
    whole = np.isin(system.kind, [PEOPLE]) | (system.kind == IMPLICIT)
    low, high = propagate(system.matrix, system.row_lower, system.row_upper, lower, upper, whole & _whole_rows(system))
    kept = np.ones(system.matrix.shape[0], bool)
    matrix = system.matrix
    least, most = activity(matrix, low, high)
    kept &= ~((least >= system.row_lower - EPS) & (most <= system.row_upper + EPS))
    # A rest that occurs once, and whose bounds the others imply, takes its row with it: it can be computed from them.
    once = np.bincount(matrix.indices, minlength=system.size) == 1
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    single = once[matrix.indices] & (system.kind[matrix.indices] == IMPLICIT) & (system.need_width[matrix.indices] == 0)
    at = np.flatnonzero(single)
    if len(at):
        a, column, row = matrix.data[at], matrix.indices[at], rows[at]
        own_low = np.where(a > 0, a * low[column], a * high[column])
        own_high = np.where(a > 0, a * high[column], a * low[column])
        others = _without(matrix, low, high, at, rows)
        equal = system.row_lower[row] == system.row_upper[row]
        implied = equal & (system.row_lower[row] - others[1] >= own_low - EPS) & (
            system.row_upper[row] - others[0] <= own_high + EPS)  # fmt: skip
        kept[row[implied]] = False
    open_ = high - low > EPS
    entries = kept[rows] & open_[matrix.indices]
    graph = sparse.csr_matrix(
        (np.ones(entries.sum()), (rows[entries], matrix.indices[entries] + matrix.shape[0])),
        (matrix.shape[0] + system.size,) * 2,
    )
    labels = connected_components(graph, directed=False)[1]
    return low, high, labels[matrix.shape[0] :], kept


def _without(matrix: sparse.csr_matrix, low: np.ndarray, high: np.ndarray, at: np.ndarray, rows: np.ndarray
             ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Give the least and the largest sum of the other entries of the rows in which entries `at` stand."""
    positive = matrix.data > 0
    result = []
    for side, endless in ((np.where(positive, low[matrix.indices], high[matrix.indices]), -np.inf),
                          (np.where(positive, high[matrix.indices], low[matrix.indices]), np.inf)):  # fmt: skip
        terms = matrix.data * side
        infinite = np.isinf(terms)
        finite = np.where(infinite, 0, terms)
        n = matrix.shape[0]
        total, count = np.bincount(rows, finite, n), np.bincount(rows, infinite, n)
        rest = count[rows[at]] - infinite[at]
        result.append(np.where(rest > 0, endless, total[rows[at]] - finite[at]))
    return result[0], result[1]


def _whole_rows(system: System) -> np.ndarray:
    """Select unknowns that occur only together with whole numbers."""
    fractional = np.isin(system.kind, [DAYS, SUM])
    rows = np.repeat(np.arange(system.matrix.shape[0]), np.diff(system.matrix.indptr))
    mixed = np.bincount(rows, fractional[system.matrix.indices], system.matrix.shape[0]) > 0
    touched = np.zeros(system.size, bool)
    touched[system.matrix.indices[mixed[rows]]] = True
    return ~touched


class _State:
    """Settle the numbers of all components side by side, keeping what is certainly possible for each.

    Components have nothing to do with each other, so one programme asks a question of each of them at once.
    """

    def __init__(self, system: System, low: np.ndarray, high: np.ndarray, kept: np.ndarray, component: np.ndarray):
        self.system, self.kept, self.component = system, kept, component
        self.whole = ((system.kind == PEOPLE) | (system.kind == IMPLICIT)) & _whole_rows(system)
        self.low, self.high = _ended(system, low, high)
        self.least, self.most = moves(system, self.low, self.high, kept, self.whole)
        self.skipped = np.zeros(system.size, bool)
        self.findings: list[Finding] = []
        self.least_width, self.programmes = np.inf, 0

    def settle(self, targets: np.ndarray, enough: int) -> None:
        """Solve programmes until each target is settled, or both ends of its interval are known."""
        alone = np.bincount(self.component)[self.component] == 1
        self.least[alone], self.most[alone] = self.low[alone], self.high[alone]
        waiting = targets[~alone[targets] & ~self.settled(targets)].tolist()
        if not waiting:
            return
        members = np.flatnonzero(np.isin(self.component, self.component[waiting]))
        programme = self._programme(members)
        place = np.full(self.system.size, -1)
        place[members] = np.arange(len(members))
        labels = np.unique(self.component[members], return_inverse=True)[1]
        self._together(waiting, programme, members, place, labels)
        queues: dict[int, list[int]] = {}
        for target in reversed(waiting):
            queues.setdefault(int(self.component[target]), []).append(target)
        side, failures = dict.fromkeys(queues, True), dict.fromkeys(queues, 0)
        while True:
            asked = {}
            for number, queue in queues.items():
                while queue and self.settled(queue[-1]):
                    queue.pop()
                    side[number] = True
                if queue:
                    asked[queue[-1]] = side[number]
            if not asked:
                break
            found, broken = self._ask(list(asked), list(asked.values()), programme, members, place, labels)
            for target, largest in asked.items():
                number = int(self.component[target])
                value = float(found[place[target]])
                if self.whole[target]:
                    value = self._whole_end(target, value, largest) if broken[labels[place[target]]] else float(np.round(value))
                (self.most if largest else self.least)[target] = value
                side[number] = not largest
                if not largest:
                    queues[number].pop()  # both ends are known
                    failures[number] += not self.settled(target)
                    if failures[number] >= enough:
                        rest = np.array(queues[number], int)
                        self.skipped[rest[~self.settled(rest)]] = True
                        queues[number].clear()
        self.programmes += programme.solved

    def _together(self, waiting: list[int], programme: Programme, members: np.ndarray, place: np.ndarray, labels: np.ndarray
                  ) -> None:  # fmt: skip
        """Ask for many numbers in one programme: not their ends, but solutions far enough apart for most of them."""
        matrix = self.system.matrix
        columns = matrix.tocsc()
        for turn in range(MOST_TOGETHER):
            largest = turn % 2 == 0
            taken: set[int] = set()
            asked = []
            open_ = np.array(waiting)
            for target in open_[~self.settled(open_)].tolist():
                rows = [r for r in columns.indices[columns.indptr[target]:columns.indptr[target + 1]].tolist() if self.kept[r]]
                if taken.isdisjoint(rows):
                    taken.update(rows)
                    asked.append(target)
            if len(asked) < FEW_TOGETHER:
                return
            self._ask(asked, [largest] * len(asked), programme, members, place, labels)
            if self.settled(np.array(asked)).sum() < len(asked) / 10 and not largest:
                return

    def _ask(self, targets: list[int], largest: list[bool], programme: Programme, members: np.ndarray, place: np.ndarray,
             labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Solve one programme and note what its solution shows to be possible; gives it and the components with fractions."""
        found = programme.extremes(place[targets], np.array(largest))
        broken = np.zeros(labels.max() + 1, bool)
        broken[labels[programme.whole & (np.abs(found - np.round(found)) > WHOLE)]] = True
        usable = members[~broken[labels]]
        values = np.where(programme.whole, np.round(found), found)
        self.least[usable] = np.minimum(self.least[usable], values[place[usable]])
        self.most[usable] = np.maximum(self.most[usable], values[place[usable]])
        return found, broken

    def _programme(self, members: np.ndarray) -> Programme:
        system = self.system
        inside = np.zeros(system.size, bool)
        inside[members] = True
        rows = np.repeat(np.arange(system.matrix.shape[0]), np.diff(system.matrix.indptr))
        entry = self.kept[rows] & inside[system.matrix.indices]
        chosen = np.unique(rows[entry])
        full = system.matrix[chosen]
        fixed = np.where(inside | ~np.isfinite(self.low), 0.0, self.low)  # the others in these rows have one value
        moved = full @ fixed
        return Programme(full[:, members].tocsr(), system.row_lower[chosen] - moved, system.row_upper[chosen] - moved,
                         self.low[members], self.high[members], self.whole[members])  # fmt: skip

    def _whole_end(self, target: int, value: float, largest: bool) -> float:
        """Find the end of an interval in whole numbers, where the programme's answer has fractions."""
        members = np.flatnonzero(self.component == self.component[target])
        if len(members) <= LARGEST_WHOLE:
            self.programmes += 1
            found = self._programme(members).whole_extreme(int(np.searchsorted(members, target)), largest)
            return float(np.round(found))
        return float(np.floor(value + EPS) if largest else np.ceil(value - EPS))

    def settled(self, target: int | np.ndarray) -> np.ndarray:
        s, least, most = self.system, self.least[target], self.most[target]
        scale = EPS * np.maximum(1.0, s.need_width[target])
        return ((most - least >= s.need_width[target] - scale) & (most >= s.need_max[target] - scale)
                & (least <= s.need_min[target] + scale))  # fmt: skip

    def judge(self, target: int) -> None:
        if not self.settled(target):
            self.findings.append(Finding(target, float(self.least[target]), float(self.most[target])))
            return
        need = self.system.need_width[target]
        if need > 0:
            self.least_width = min(self.least_width, float(self.most[target] - self.least[target]) / need)


def _ended(system: System, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give endless ranges an end far enough away to settle any question; it can only make the audit stricter."""
    unit = np.select([system.kind == PEOPLE, system.kind == DAYS], [UNIT[PEOPLE], UNIT[DAYS]], 0.0)
    far = FAR * np.maximum(np.maximum(system.need_width, unit), 1.0)
    truth = np.where(np.isnan(system.truth), np.where(np.isfinite(low), low, 0.0), system.truth)
    reach = float(np.max(np.abs(truth), initial=0.0))
    return np.where(np.isinf(low), truth - far - reach, low), np.where(np.isinf(high), truth + far + reach, high)
