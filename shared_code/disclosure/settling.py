"""Settle the withheld numbers of one component after another: what is certainly possible for each.

A number is settled as soon as two solutions are known that are far enough apart. Solutions come from the site's own
numbers, from the programmes of this audit, and from those of earlier audits of the same system, which are taken only
where they fulfil every relation and bound of this one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from shared_code.disclosure.bounds import EPS
from shared_code.disclosure.evidence import moves
from shared_code.disclosure.points import Points
from shared_code.disclosure.programme import WHOLE, Programme
from shared_code.disclosure.system import DAYS, PEOPLE, SUM, UNIT, System

MOST_TOGETHER, FEW_TOGETHER = 40, 5  # programmes that ask for many numbers at once; numbers worth one
FAR = 100.0  # times what an interval needs
LARGEST_WHOLE = 400  # unknowns; up to this size fractions are followed up by whole-number programming


@dataclass(frozen=True)
class Finding:
    """Hold the interval of one withheld number that fails."""

    unknown: int
    lower: float
    upper: float


@dataclass(frozen=True)
class Component:
    """Hold the relations between the unknowns of one component, all others having one value."""

    members: np.ndarray
    matrix: sparse.csr_matrix
    row_lower: np.ndarray
    row_upper: np.ndarray


class Settling:
    """Keep what is certainly possible for each unknown, and settle the numbers asked for."""

    def __init__(self, system: System, low: np.ndarray, high: np.ndarray, kept: np.ndarray, component: np.ndarray,
                 points: Points):  # fmt: skip
        self.system, self.kept, self.component, self.points = system, kept, component, points
        self.whole = whole_numbers(system)
        self.low, self.high = _ended(system, low, high)
        self.least, self.most = moves(system, self.low, self.high, kept, self.whole)
        self.skipped = np.zeros(system.size, bool)
        self.findings: list[Finding] = []
        self.least_width, self.programmes = np.inf, 0
        alone = np.bincount(component)[component] == 1
        self.least[alone], self.most[alone] = self.low[alone], self.high[alone]
        self.alone = alone

    def settle(self, targets: np.ndarray, enough: int) -> None:
        """Settle each target, or find both ends of its interval; after `enough` failures the rest of a component is skipped."""
        waiting = targets[~self.alone[targets] & ~self.settled(targets)]
        if not len(waiting):
            return
        numbers = np.unique(self.component[waiting])
        members, rows = self._grouped(numbers)
        by_component = _groups(self.component[waiting], waiting, numbers)
        for here, inside, relations in zip(by_component, members, rows):
            self._settle_one(self._component(inside, relations), here, enough)

    def _settle_one(self, own: Component, waiting: np.ndarray, enough: int) -> None:
        """Settle the targets of one component: by known solutions, many at once, then one by one."""
        self._known(own, waiting)
        waiting = waiting[~self.settled(waiting)]
        if not len(waiting):
            return
        programme = self._programme(own)
        self._together(waiting, programme, own)
        failures = 0
        for target in waiting.tolist():
            if self.settled(target):
                continue
            for largest in (True, False):
                if self.settled(target):
                    break
                found, whole = self._ask([target], largest, programme, own)
                value = float(found[np.searchsorted(own.members, target)])
                if self.whole[target]:
                    value = float(np.round(value)) if whole else self._whole_end(target, value, largest, own)
                (self.most if largest else self.least)[target] = value
            if not self.settled(target):
                failures += 1
                if failures >= enough:
                    rest = waiting[waiting > target]
                    self.skipped[rest[~self.settled(rest)]] = True
                    break
        self.programmes += programme.solved

    def _known(self, own: Component, waiting: np.ndarray) -> None:
        """Take solutions of earlier audits that fulfil every relation and bound of this component."""
        found = self.points.of(own.members, waiting)
        if found is None:
            return
        members = own.members
        inside = ((found >= self.low[members] - EPS) & (found <= self.high[members] + EPS)).all(axis=1)
        found = found[inside]
        sums = (own.matrix @ found.T).T
        scale = EPS * np.maximum(1.0, np.abs(sums) * 1e-6)
        found = found[((sums >= own.row_lower - scale) & (sums <= own.row_upper + scale)).all(axis=1)]
        if len(found):
            self.least[members] = np.minimum(self.least[members], found.min(axis=0))
            self.most[members] = np.maximum(self.most[members], found.max(axis=0))

    def _together(self, waiting: np.ndarray, programme: Programme, own: Component) -> None:
        """Ask for many numbers in one programme: not their ends, but solutions far enough apart for most of them."""
        if len(waiting) < FEW_TOGETHER:
            return
        columns = own.matrix.tocsc()
        rows = {t: set(columns.indices[columns.indptr[at] : columns.indptr[at + 1]].tolist())
                for t, at in zip(waiting.tolist(), np.searchsorted(own.members, waiting).tolist())}  # fmt: skip
        for turn in range(MOST_TOGETHER):
            largest = turn % 2 == 0
            taken: set[int] = set()
            asked = []
            for target in waiting[~self.settled(waiting)].tolist():
                if taken.isdisjoint(rows[target]):
                    taken |= rows[target]
                    asked.append(target)
            if len(asked) < FEW_TOGETHER:
                return
            self._ask(asked, largest, programme, own)
            if self.settled(np.array(asked)).sum() < len(asked) / 10 and not largest:
                return

    def _ask(self, targets: list[int], largest: bool, programme: Programme, own: Component) -> tuple[np.ndarray, bool]:
        """Solve one programme and note what its solution shows to be possible; gives it, and whether it is in whole numbers."""
        found = programme.extremes(np.searchsorted(own.members, targets), np.full(len(targets), largest))
        whole = not (programme.whole & (np.abs(found - np.round(found)) > WHOLE)).any()
        if whole:
            values = np.where(programme.whole, np.round(found), found)
            self.least[own.members] = np.minimum(self.least[own.members], values)
            self.most[own.members] = np.maximum(self.most[own.members], values)
            self.points.add(own.members, values)
        return found, whole

    def _whole_end(self, target: int, value: float, largest: bool, own: Component) -> float:
        """Find the end of an interval in whole numbers, where the programme's answer has fractions."""
        if len(own.members) <= LARGEST_WHOLE:
            self.programmes += 1
            found = self._programme(own).whole_extreme(int(np.searchsorted(own.members, target)), largest)
            return float(np.round(found))
        return float(np.floor(value + EPS) if largest else np.ceil(value - EPS))

    def _grouped(self, numbers: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Give the unknowns and the relations of these components."""
        matrix = self.system.matrix
        entry_rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        used = self.kept[entry_rows] & ~self.alone[matrix.indices]
        row_of = np.full(matrix.shape[0], -1)
        row_of[entry_rows[used]] = self.component[matrix.indices[used]]  # all open entries of a row are of one component
        every = np.arange(self.system.size)
        return _groups(self.component, every, numbers), _groups(row_of, np.arange(matrix.shape[0]), numbers)

    def _component(self, members: np.ndarray, rows: np.ndarray) -> Component:
        system = self.system
        full = system.matrix[rows]
        fixed = self.low.copy()  # the others in these rows have one value
        fixed[members] = 0.0
        moved = full @ fixed
        return Component(members, full[:, members].tocsr(), system.row_lower[rows] - moved, system.row_upper[rows] - moved)

    def _programme(self, own: Component) -> Programme:
        at = own.members
        return Programme(own.matrix, own.row_lower, own.row_upper, self.low[at], self.high[at], self.whole[at])

    def settled(self, target: int | np.ndarray) -> np.ndarray:
        """Say whether the solutions known for these numbers are as far apart as they must be."""
        s, least, most = self.system, self.least[target], self.most[target]
        scale = EPS * np.maximum(1.0, s.need_width[target])
        return ((most - least >= s.need_width[target] - scale) & (most >= s.need_max[target] - scale)
                & (least <= s.need_min[target] + scale))  # fmt: skip

    def judge(self, target: int) -> None:
        """Note the interval of a number that fails, or how wide that of a safe one is at least."""
        if not self.settled(target):
            self.findings.append(Finding(target, float(self.least[target]), float(self.most[target])))
            return
        need = self.system.need_width[target]
        if need > 0:
            self.least_width = min(self.least_width, float(self.most[target] - self.least[target]) / need)


def _groups(labels: np.ndarray, values: np.ndarray, numbers: np.ndarray) -> list[np.ndarray]:
    """Give the values under each of these labels, in their order."""
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], numbers, side="left"), np.searchsorted(labels[order], numbers, side="right")
    return [values[order[a:b]] for a, b in zip(*ends)]


def whole_numbers(system: System) -> np.ndarray:
    """Select numbers of people that occur only together with such."""
    fractional = np.isin(system.kind, [DAYS, SUM])
    rows = np.repeat(np.arange(system.matrix.shape[0]), np.diff(system.matrix.indptr))
    mixed = np.bincount(rows, fractional[system.matrix.indices], system.matrix.shape[0]) > 0
    touched = np.zeros(system.size, bool)
    touched[system.matrix.indices[mixed[rows]]] = True
    return ~fractional & ~touched


def _ended(system: System, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give endless ranges an end far enough away to settle any question; it can only make the audit stricter."""
    unit = np.select([system.kind == PEOPLE, system.kind == DAYS], [UNIT[PEOPLE], UNIT[DAYS]], 1.0)
    far = FAR * np.maximum(system.need_width, unit)
    truth = np.where(np.isnan(system.truth), np.where(np.isfinite(low), low, 0.0), system.truth)
    reach = float(np.max(np.abs(truth), initial=0.0))
    return np.where(np.isinf(low), truth - far - reach, low), np.where(np.isinf(high), truth + far + reach, high)
