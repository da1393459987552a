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
from shared_code.disclosure.points import Points
from shared_code.disclosure.settling import Finding, Settling, whole_numbers
from shared_code.disclosure.system import IMPLICIT, System


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
          since: Audit | None = None, enough: int = 10**9, points: Points | None = None) -> Audit:  # fmt: skip
    """Audit a pattern, given the bounds of every unknown that are published or known.

    only   unknowns to look at (default: every withheld one and every piece that the tables give away)
    since  an earlier audit of everything: what has not changed in any way since, and was safe, stays so
    enough failures of one component after which the others in it are not looked for
    points solutions of earlier audits of this system: each counts only where it fulfils everything that this audit knows
    """
    low, high, component, rows = reduced(system, lower, upper)
    targets = targets_of(system, withheld)
    if only is not None:
        targets &= only
    if since is not None:
        targets &= _touched(system, low, high, component, since)
    state = Settling(system, low, high, rows, component, Points(system) if points is None else points)
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
    matrix = system.matrix
    low, high = propagate(matrix, system.row_lower, system.row_upper, lower, upper, whole_numbers(system))
    least, most = activity(matrix, low, high)
    kept = ~((least >= system.row_lower - EPS) & (most <= system.row_upper + EPS))
    # A rest that occurs once, and whose bounds the others imply, takes its row with it: it can be computed from them.
    once = np.bincount(matrix.indices, minlength=system.size) == 1
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    single = once[matrix.indices] & (system.kind[matrix.indices] == IMPLICIT) & (system.need_width[matrix.indices] == 0)
    at = np.flatnonzero(single)
    if len(at):
        a, column, row = matrix.data[at], matrix.indices[at], rows[at]
        own_low, own_high = np.sort([a * low[column], a * high[column]], axis=0)
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
        total, count = np.bincount(rows, finite), np.bincount(rows, infinite)
        rest = count[rows[at]] - infinite[at]
        result.append(np.where(rest > 0, endless, total[rows[at]] - finite[at]))
    return result[0], result[1]
