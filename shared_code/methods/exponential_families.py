"""Poisson and binomial counts between limits: means and variances that hold in the far tails.

Both are written in their natural parameter (log rate, log odds), and the probabilities between the limits are summed
from ratios of neighbours, so nothing under- or overflows and no difference of two near-equal tails is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from shared_code.methods.checks import Floats

_AT_ONCE = 2**20  # terms held in memory at a time


class Family(NamedTuple):
    """Describe counts by mean, variance and log ratio of neighbours, at parameter x and size (person-time or people).

    >>> round(float(POISSON.mean(np.log(0.5), 10.0)), 12)
    5.0
    """

    mean: Callable[[Any, Any], Any]
    variance: Callable[[Any, Any], Any]
    log_ratio: Callable[[Any, Any, Any], Any]  # log P(j) - log P(j - 1) for j >= 1


def _poisson_mean(x: Any, size: Any) -> Any:
    return size * np.exp(x)


def _binomial_mean(x: Any, size: Any) -> Any:
    return size * expit(x)


def _binomial_variance(x: Any, size: Any) -> Any:
    return size * expit(x) * expit(-x)


def _poisson_log_ratio(x: Any, size: Any, j: Any) -> Any:
    return x + np.log(size) - np.log(j)


def _binomial_log_ratio(x: Any, size: Any, j: Any) -> Any:
    return x + np.log(size - j + 1) - np.log(j)


POISSON = Family(_poisson_mean, _poisson_mean, _poisson_log_ratio)
BINOMIAL = Family(_binomial_mean, _binomial_variance, _binomial_log_ratio)


def truncated_moments(family: Family, x: Floats, size: Floats, lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
    """Give mean and variance of counts known to lie in [lower, upper].

    x, size, lower, upper: shape (entries,); upper may be infinite for POISSON and is at most `size` for BINOMIAL.
    Method: sum over the limits, cut where a term is below 1e-17 of the largest (Bernstein's inequality around the
    mode; beyond a limit on the far side of the mode terms fall faster).

    >>> mean, variance = truncated_moments(POISSON, np.log([2.0]), np.ones(1), np.array([1.0]), np.array([np.inf]))
    >>> print(f"{mean[0]:.6f} {variance[0]:.6f}")
    2.313035 1.588974
    """
    mode = np.clip(np.floor(family.mean(x, size)), lower, upper)
    half = np.ceil(10 * np.sqrt(family.variance(x, size)) + 40)
    first, last = np.maximum(lower, mode - half), np.minimum(upper, mode + half)
    width = (last - first).astype(int) + 1
    mean, variance = np.empty(len(x)), np.empty(len(x))
    longest_first = np.argsort(-width, kind="stable")
    start = 0
    while start < len(x):
        columns = int(width[longest_first[start]])
        rows = longest_first[start : start + max(1, _AT_ONCE // columns)]
        start += len(rows)
        j = np.minimum(first[rows, None] + np.arange(columns), last[rows, None])
        log_term = np.zeros(j.shape)
        if columns > 1:
            ratios = family.log_ratio(x[rows, None], size[rows, None], j[:, 1:])
            log_term[:, 1:] = np.cumsum(ratios, axis=1)
        log_term[np.arange(columns) >= width[rows, None]] = -np.inf
        term = np.exp(log_term - log_term.max(axis=1, keepdims=True))
        term /= term.sum(axis=1, keepdims=True)
        offset = j - mode[rows, None]
        centre = (offset * term).sum(axis=1)
        mean[rows] = mode[rows] + centre
        variance[rows] = (np.square(offset - centre[:, None]) * term).sum(axis=1)
    return mean, variance


class Truncated:
    """Counts between fixed limits, whose moments are asked for at one parameter after another.

    size, lower, upper: shape (entries,), as for `truncated_moments`, whose answers these are. What does not depend on the
    parameter is computed once: every term of every entry stands in one long row.

    >>> between = Truncated(BINOMIAL, np.array([100.0]), np.array([1.0]), np.array([9.0]))
    >>> mean, variance = between.moments(np.log([0.05 / 0.95]))
    >>> print(f"{mean[0]:.6f} {variance[0]:.6f}")
    4.866239 3.794161
    """

    WIDEST = 512  # terms; wider ranges are cut where the terms vanish, which depends on the parameter

    def __init__(self, family: Family, size: Floats, lower: Floats, upper: Floats):
        self._family, self._size, self._lower, self._upper = family, size, lower, upper
        self._narrow = upper - lower < self.WIDEST
        width = (upper - lower)[self._narrow].astype(int) + 1
        self._ends = np.cumsum(width)
        self._starts = self._ends - width
        self._of = np.repeat(np.arange(len(width)), width)
        self._offset = (np.arange(len(self._of)) - self._starts[self._of]).astype(float)
        j = lower[self._narrow][self._of] + self._offset
        ratio = np.where(self._offset > 0, family.log_ratio(0.0, size[self._narrow][self._of], np.maximum(j, 1)), 0.0)
        sums = np.cumsum(ratio)
        self._base = sums - sums[self._starts][self._of] if len(sums) else sums

    def moments(self, x: Floats) -> tuple[Floats, Floats]:
        """Give mean and variance of every entry at the parameters x, shape (entries,)."""
        mean, variance = np.empty(len(x)), np.empty(len(x))
        wide = ~self._narrow
        if wide.any():
            fixed = (self._size[wide], self._lower[wide], self._upper[wide])
            mean[wide], variance[wide] = truncated_moments(self._family, x[wide], *fixed)
        if len(self._of):
            log_term = self._base + x[self._narrow][self._of] * self._offset
            log_term -= np.maximum.reduceat(log_term, self._starts)[self._of]
            term = np.exp(log_term)
            total = np.add.reduceat(term, self._starts)
            term *= self._offset
            centre = np.add.reduceat(term, self._starts) / total
            term *= self._offset
            square = np.add.reduceat(term, self._starts) / total
            mean[self._narrow] = self._lower[self._narrow] + centre
            variance[self._narrow] = np.maximum(square - np.square(centre), 0.0)
        return mean, variance
