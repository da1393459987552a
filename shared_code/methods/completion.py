"""Common rates and proportions when counts lie in ranges and some of their sums over cells are known as well.

A table that leaves a site has withheld cells, and totals. The totals say how much the withheld cells hold together, which
says far more than the range of each. This is the iteration of `censored` with that knowledge added.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit

from shared_code.methods.checks import ConvergenceError, Floats, require
from shared_code.methods.exponential_families import BINOMIAL, POISSON, Family, Truncated
from shared_code.methods.results import CensoredFit

MOST_ITERATIONS = 200  # of which every other one moves the multipliers of the totals, the rest the estimates
TOLERANCE = 1e-3  # largest step of the expected count of a cell at the end, relative to it (or to 1, if it is smaller)
STEEPEST, LARGEST = 2.0, 60.0  # largest step and size of a multiplier, on the log or logit scale
LEAST = 1e-6  # information left on a cell by itself, as a share of all of it
SMALLEST = 1e-9  # proportion or rate, per unit of size, that an iteration may reach


@dataclass(frozen=True, eq=False)
class Totals:
    """Hold sums over cells that are known to lie in a range, at each site.

    of            shape (cells,): which total a cell is part of; -1: none
    lower, upper  shape (sites, totals); nan where a site has no such total
    """

    of: Any
    lower: Any
    upper: Any


@dataclass(frozen=True, eq=False)
class Completed:
    """Hold what counts most likely are: expected, and their variance given all ranges and totals.

    estimate     shape (cells,): proportion, or rate per unit of size; nan where no site has the cell
    expected     shape (sites, cells): expected counts; equal to the counts where these are known
    missing      shape (cells,): information on the log or logit scale that the ranges cost: 0 where all counts are known,
                 all of it where nothing is known of the cell apart from others
    steps        iterations taken
    """

    estimate: Any
    expected: Any
    missing: Any
    steps: int


def completed_proportions(
    people: ArrayLike, lower: ArrayLike, upper: ArrayLike, totals: Sequence[Totals] = (), start: ArrayLike | None = None
) -> Completed:
    """Fit one proportion per cell over the sites to counts in ranges whose totals are known.

    people, lower, upper: shape (sites, cells), whole people and cases; 0 people: the site is not in the cell.
    start: proportions to begin with, shape (cells,); those of `censored_proportion` save most of the iterations, and are
    the answer where no total is known.
    Method: expectation-maximisation; the expected counts are those of the distribution closest (in Kullback-Leibler
    divergence) to independent truncated counts among those that meet the totals (Csiszar 1975; Little and Rubin 2002,
    chapter 13).
    Totals that no counts within the ranges can meet are met as nearly as the ranges allow.
    Raises ValueError for unusable limits.

    >>> one_site = [[300, 300, 300]], [[40, 0, 0]], [[40, 20, 20]]
    >>> known = Totals(of=[0, 0, 0], lower=[[52]], upper=[[52]])
    >>> completed_proportions(*one_site, [known]).expected.round(2).tolist()
    [[40.0, 6.0, 6.0]]
    """
    return _complete(BINOMIAL, people, lower, upper, totals, start)


def completed_rates(
    exposure: ArrayLike, lower: ArrayLike, upper: ArrayLike, totals: Sequence[Totals] = (), start: ArrayLike | None = None
) -> Completed:
    """Fit one rate per cell over the sites to events in ranges whose totals are known; as `completed_proportions`.

    exposure: shape (sites, cells), person-time; events per unit of it are estimated.

    >>> fit = completed_rates([[1000.0, 1000.0]], [[1, 1]], [[9, 9]], [Totals([0, 0], [[12]], [[12]])])
    >>> fit.estimate.round(5).tolist()
    [0.006, 0.006]
    """
    return _complete(POISSON, exposure, lower, upper, totals, start)


def starting_values(fit: Callable[..., CensoredFit], lower: Floats, upper: Floats, size: Floats) -> Floats:
    """Give where to begin, shape (cells,): what `censored_proportion` or `censored_rate` finds, nan where it finds nothing.

    lower, upper, size: shape (sites, cells). A cell whose own ranges say too little may be known from its totals, so it
    stops nothing here.

    >>> from shared_code.methods import censored_proportion
    >>> low, high, people = np.array([[3.0, 0.0]]), np.array([[3.0, 50.0]]), np.array([[60.0, 50.0]])
    >>> starting_values(censored_proportion, low, high, people).round(3).tolist()
    [0.05, nan]
    """
    hopeless = np.zeros(size.shape[1], dtype=bool)
    while True:
        try:
            found = fit(*(np.where(hopeless, 0.0, side) for side in (lower, upper, size)))
        except ConvergenceError as error:
            hopeless[[cell[0] for cell in error.cells]] = True
            continue
        return np.where(hopeless, np.nan, np.asarray(found.estimate, float))


def information(completed: Completed, size: ArrayLike, family: Family = BINOMIAL) -> Floats:
    """Give the observed information of each cell on the log or logit scale: complete minus missing (Louis 1982).

    size: people or exposure, shape (sites, cells). Never below 0.

    >>> people = [[300, 300]]
    >>> information(completed_proportions(people, [[40, 1]], [[40, 9]]), people).round(1)
    array([34.7,  0.6])
    """
    return np.maximum(_complete_information(family, completed.estimate, np.asarray(size, float)) - completed.missing, 0.0)


def _complete_information(family: Family, estimate: Any, size: Floats) -> Floats:
    """Give the information that exactly known counts would carry: their variance."""
    return np.where(size > 0, family.variance(_natural(family, estimate), size), 0.0).sum(axis=0)


def _natural(family: Family, value: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return logit(value) if family is BINOMIAL else np.log(value)


def _complete(family: Family, size: ArrayLike, lower: ArrayLike, upper: ArrayLike, totals: Sequence[Totals],
              start: ArrayLike | None) -> Completed:  # fmt: skip
    n, low, high = (np.array(v, dtype=float) for v in np.broadcast_arrays(size, lower, upper))
    require(n.ndim == 2, "completion", "the arrays are not sites by cells", "Shape (sites, cells)", "Stack the sites")
    require(~((n > 0) & (np.isnan(low) | np.isnan(high) | (low > high) | (low < 0))), "completion",
            "a range is missing or upside down", "0 <= lower <= upper", "Give the ranges that were released")  # fmt: skip
    n = np.nan_to_num(n)
    low, high = np.where(n > 0, low, 0.0), np.where(n > 0, high, 0.0)
    if family is BINOMIAL:
        high = np.minimum(high, n)
        low = np.minimum(low, high)
    order = sorted(range(len(n)), key=lambda s: (n[s].tobytes(), low[s].tobytes(), high[s].tobytes()))  # sums in one order
    n, low, high = n[order], low[order], high[order]
    totals = [Totals(t.of, np.asarray(t.lower, float)[order], np.asarray(t.upper, float)[order]) for t in totals]
    uncertain = low < high
    site, cell = np.nonzero(uncertain)
    known = [_Known(t, uncertain, low, site, cell) for t in totals]
    total = n.sum(axis=0)
    top = 1 - SMALLEST if family is BINOMIAL else np.inf
    finite = np.where(np.isinf(high), np.maximum(low, 1), high)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.clip((low + finite).sum(axis=0) / 2 / total, SMALLEST, top)
    if start is not None:
        value = np.where(np.isnan(start), value, np.clip(start, SMALLEST, top))
    linked = np.zeros(len(value), dtype=bool)
    for part in known:
        linked[cell[part.inside]] = True
    nothing = ~linked & (low.sum(axis=0) == 0) & (high.sum(axis=0) > 0)  # only known not to be many: most likely none
    value = np.where(nothing, SMALLEST, value)
    expected, variance = low.copy(), np.zeros_like(low)
    between = Truncated(family, n[site, cell], low[site, cell], high[site, cell])
    step = 0
    for step in range(1, MOST_ITERATIONS + 1):
        if len(cell):
            tilt = sum((part.tilt for part in known), np.zeros(len(cell)))
            mean, spread = between.moments(_natural(family, value)[cell] + tilt)
            expected[site, cell], variance[site, cell] = mean, spread
            if step % 2 and known:
                for part in known:
                    part.adjust(mean, spread, low[site, cell], high[site, cell])
                continue
        with np.errstate(invalid="ignore", divide="ignore"):
            new = np.clip(expected.sum(axis=0) / total, SMALLEST, top)
            moved = np.max(np.abs(new - value) * total / np.maximum(1, new * total), initial=0.0, where=total > 0)
        value = new
        if moved < TOLERANCE and all(part.settled for part in known):
            break
    with np.errstate(invalid="ignore"):
        estimate = np.where(total > 0, expected.sum(axis=0) / total, np.nan)
        complete = np.nan_to_num(_complete_information(family, estimate, n))
    left = np.maximum(complete - variance.sum(axis=0), 0.0)
    for part in known:
        left = np.maximum(left, part.information(complete, variance, site, cell))
    return Completed(estimate, expected[np.argsort(order)], np.maximum(complete - left, 0.0), step)


class _Known:
    """One family of totals, over the uncertain entries only: what is known for certain is taken off first."""

    def __init__(self, totals: Totals, uncertain: Any, low: Floats, site: Any, cell: Any):
        of = np.asarray(totals.of, dtype=int)
        lower, upper = np.asarray(totals.lower, float), np.asarray(totals.upper, float)
        sites, self.count = lower.shape
        fixed = np.zeros(lower.shape)
        member = of >= 0
        for s in range(sites):
            certain = member & ~uncertain[s]
            np.add.at(fixed[s], of[certain], low[s, certain])
        self.inside = of[cell] >= 0
        index = site * self.count + of[cell]
        given = ~(np.isnan(lower) | np.isnan(upper)).ravel()
        self.inside &= given[np.where(self.inside, index, 0)]
        self.index = np.where(self.inside, index, 0)
        self.size = sites * self.count
        self.lower, self.upper = (lower - fixed).ravel(), (upper - fixed).ravel()
        self.multiplier, self.last, self.cap = np.zeros(self.size), np.zeros(self.size), np.full(self.size, STEEPEST)
        self.tilt = np.zeros(len(cell))
        self.settled = not self.inside.any()

    def _sum(self, values: Floats) -> Floats:
        return np.bincount(self.index[self.inside], values[self.inside], self.size)

    def adjust(self, mean: Floats, variance: Floats, low: Floats, high: Floats) -> None:
        """Take one Newton step of the multipliers: up where the sum is below its range, down where it is above, else to 0."""
        if not self.inside.any():
            return
        m, v = self._sum(mean), np.maximum(self._sum(variance), 1e-12)
        up, down = self.multiplier + (self.lower - m) / v, self.multiplier + (self.upper - m) / v
        with np.errstate(invalid="ignore"):
            wanted = np.where(up > 0, up, np.where(down < 0, down, 0.0))
        wanted = np.where(np.isnan(self.lower), 0.0, wanted)
        step = wanted - self.multiplier
        self.cap = np.where(step * self.last < 0, self.cap / 2, np.minimum(self.cap * 1.3, STEEPEST))  # do not swing
        step = np.clip(step, -self.cap, self.cap)
        self.last = step
        self.settled = bool(np.all(np.abs(step) < 1e-4) or np.all((np.abs(step) < 1e-4) | self._cornered(m, low, high)))
        self.multiplier = np.clip(self.multiplier + step, -LARGEST, LARGEST)
        self.tilt = np.where(self.inside, self.multiplier[self.index], 0.0)

    def _cornered(self, m: Floats, low: Floats, high: Floats) -> Any:
        """Tell where a sum has gone as far as the ranges of its cells allow (rounded totals may miss by a little)."""
        least, most = self._sum(low), self._sum(np.where(np.isinf(high), 1e300, high))
        return (np.abs(m - least) < 0.01) | (np.abs(m - most) < 0.01)

    def information(self, complete: Floats, variance: Floats, site: Any, cell: Any) -> Floats:
        """Give the information on each cell once the cells of a total are fitted together: 1 / (inverse)_ii.

        Knowing what cells hold together says less about each than it seems: they are traded against each other. The
        cells of one total, over all sites, make one small matrix.
        """
        left = np.zeros(len(complete))
        spread = np.square(self.upper - self.lower) / 12
        inside = np.flatnonzero(self.inside)
        order = inside[np.argsort(self.index[inside] % self.count, kind="stable")]
        blocks = np.split(order, np.flatnonzero(np.diff(self.index[order] % self.count)) + 1) if len(order) else []
        for block in blocks:
            cells, at = np.unique(cell[block], return_inverse=True)
            # where a total moves cells far, more may be missing than the fitted proportion alone would carry
            matrix = np.diag(np.maximum(complete[cells] - variance[:, cells].sum(axis=0), LEAST * complete[cells]))
            for known_at in np.unique(self.index[block]):
                one = self.index[block] == known_at
                v = np.zeros(len(cells))
                v[at[one]] = variance[site[block[one]], cell[block[one]]]
                together = v.sum() + spread[known_at]
                if np.isfinite(together) and together > 0:
                    matrix += np.outer(v, v) / together
            scale = np.sqrt(np.maximum(np.diag(matrix), 1e-12))
            inverse = np.linalg.pinv(matrix / np.outer(scale, scale) + 1e-9 * np.eye(len(cells)), hermitian=True)
            with np.errstate(divide="ignore"):
                left[cells] = np.where(np.diag(inverse) > 0, scale**2 / np.diag(inverse), 0.0)
        return left
