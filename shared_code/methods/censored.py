"""Common rates and proportions when some sites' counts are only known to lie between limits.

A withheld count is not unknown: it lies in, say, 1 to 9. Replacing it by 0 or dropping the site biases the pooled
value; adding log P(lower <= X <= upper) for that site to the likelihood does not (METHODS 10.8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit

from shared_code.methods.checks import ConvergenceError, Floats, plain, require, require_not_negative
from shared_code.methods.exponential_families import BINOMIAL, POISSON, Family, truncated_moments
from shared_code.methods.intervals import poisson_interval, wilson
from shared_code.methods.results import Bounds, CensoredFit

TOLERANCE = 1e-12  # last step of the iteration, on the log or logit scale
FLATTEST = 1e-8  # information left after censoring, as a share of that without; below it arithmetic noise decides


def censored_rate(
    lower: ArrayLike, upper: ArrayLike, exposure: ArrayLike, *, confidence: float = 0.95, max_iterations: int = 200
) -> CensoredFit:
    """Fit one Poisson rate per cell to event counts that are exact (lower == upper) or lie in [lower, upper].

    lower, upper: shape (sites, ...), whole events; upper may be infinite. exposure: same shape, person-time; nan or 0:
    the site is not in that cell. Result per cell, shape (...), events per unit of exposure: `variance` from the
    observed information, `effective` events = rate^2 / variance, limits as for that many exactly known events.
    All exact gives sum/sum and variance rate/exposure. All lower limits 0 give rate 0, with the upper limit of the
    all-upper count; unless every count is exactly 0, variance and effective are then nan and `at_edge` is set.
    A cell without sites is nan with `sites` 0. The order of sites changes no bit.
    Method: interval-censored maximum likelihood by safeguarded Newton steps on the log rate, on which the likelihood is
    concave; METHODS 10.8.2. Raises ValueError for unusable limits, and ConvergenceError naming every cell in which the
    limits say too little to fix a rate.

    >>> fit = censored_rate([140, 88, 1], [140, 88, 9], [21000.0, 14500.0, 1900.0])
    >>> print(f"{1e5 * fit.estimate:.3f} per 100,000, as from {fit.effective:.1f} events")
    630.135 per 100,000, as from 233.7 events
    """
    cells = _cells("censored_rate", lower, upper, exposure)
    low, high, size = cells.lower, cells.upper, cells.size
    closed = np.isfinite(high)
    # At the first rate no expected count is above its mean, at the second none is below: the root lies between.
    top = np.where(closed, high, low).sum(axis=0)
    top_size = np.where(closed, size, 0.0).sum(axis=0)
    bottom, total = low.sum(axis=0), size.sum(axis=0)
    _refuse((cells.sites > 0) & (top_size == 0), cells, "no count in the cell has an upper limit")
    uncertain = (low < high).any(axis=0)
    fitted, at_edge = (bottom > 0) & uncertain, (bottom == 0) & uncertain
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = bottom / total
        log_rate, information, steps = _solve(POISSON, cells, fitted, np.log(exact), np.log(top / top_size), max_iterations)
        rate = np.where(fitted, np.exp(log_rate), exact)
        effective = np.where(fitted, information, np.where((cells.sites > 0) & ~at_edge, bottom, np.nan))
        variance = np.where(bottom > 0, np.square(rate) / effective, 0 * rate * effective)
        unit = np.where(bottom > 0, effective / rate, top_size)  # exposure that goes with the effective events
        limits = poisson_interval(np.where(at_edge, 0, effective), confidence)
        upper_limit = np.where(bottom > 0, limits.upper, poisson_interval(top, confidence).upper)
        interval = (limits.lower / unit, upper_limit / unit)
    return _result(cells, rate, interval, variance, effective, at_edge, steps)


def censored_proportion(
    lower: ArrayLike, upper: ArrayLike, people: ArrayLike, *, confidence: float = 0.95, max_iterations: int = 200
) -> CensoredFit:
    """Fit one proportion per cell to case counts that are exact (lower == upper) or lie in [lower, upper].

    lower, upper: shape (sites, ...), whole people; an upper limit above the people means the people. people: same
    shape; 0 or nan: the site is not in that cell. Result per cell, shape (...), 0 to 1: `variance` from the observed
    information, `effective` people = p(1-p)/variance, Wilson limits for that many.
    All exact gives sum/sum. All lower limits 0 give 0 (all upper limits at the people: 1), with the outer limit of the
    all-upper (all-lower) count; unless every count is exact, variance and effective are then nan and `at_edge` is set.
    A cell without sites is nan with `sites` 0. The order of sites changes no bit.
    Method: as `censored_rate`, with binomial counts on the logit scale.
    Raises ValueError for unusable limits, and ConvergenceError naming every cell in which the limits say too little.

    >>> fit = censored_proportion([140, 88, 1], [140, 88, 9], [21000, 14500, 1900])
    >>> print(f"{fit.estimate:.6f}, as from {fit.effective:.0f} people")
    0.006302, as from 37090 people
    """
    where = "censored_proportion"
    n = np.asarray(people, dtype=float)
    require(np.isnan(n) | (np.floor(n) == n), where, "people are not whole", "People are whole numbers", "Pass counts, not rates")
    cells = _cells(where, lower, np.where(np.isnan(n), upper, np.minimum(upper, n)), n)
    low, high, size = cells.lower, cells.upper, cells.size
    bottom, top, total = low.sum(axis=0), high.sum(axis=0), size.sum(axis=0)
    _refuse((cells.sites > 0) & (bottom == 0) & (top == total), cells, "the limits run from nobody to everybody")
    uncertain, outermost = (low < high).any(axis=0), (bottom == 0) | (top == total)
    fitted, at_edge = uncertain & ~outermost, uncertain & outermost
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.where(bottom == 0, 0.0, np.where(top == total, 1.0, bottom / total)) + 0 * total / total
        log_odds, information, steps = _solve(
            BINOMIAL, cells, fitted, logit(bottom / total), logit(top / total), max_iterations
        )
        p = np.where(fitted, BINOMIAL.mean(log_odds, 1.0), exact)
        unit = BINOMIAL.variance(log_odds, 1.0)
        effective = np.where(fitted, information / unit, np.where((cells.sites > 0) & ~at_edge, total, np.nan))
        variance = p * (1 - p) / effective
    inner = wilson(p * effective, effective, confidence)
    outer = wilson(np.where(bottom == 0, top, bottom), total, confidence)
    interval = (
        np.where(at_edge, np.where(bottom == 0, 0.0, outer.lower), inner.lower),
        np.where(at_edge, np.where(bottom == 0, outer.upper, 1.0), inner.upper),
    )
    return _result(cells, p, interval, variance, effective, at_edge, steps)


def bounds(lower: ArrayLike, upper: ArrayLike, exposure: ArrayLike) -> Bounds:
    """Pool a rate or proportion at all-lower and all-upper counts: the truth cannot lie outside.

    lower, upper, exposure (or people): shape (sites, ...); nan or 0 exposure: the site is not in that cell.
    Result per cell, shape (...). Publish the two bounds if they lead to one conclusion; coarsen the bands when
    `uncertain_share` is above 0.1. Method: METHODS 10.8.1. Raises ValueError for unusable limits.

    >>> b = bounds([140, 88, 1], [140, 88, 9], [21000, 14500, 1900])
    >>> print(f"{1e5 * b.lower:.3f} to {1e5 * b.upper:.3f}, uncertain at most {b.uncertain_share:.1%}")
    612.299 to 633.690, uncertain at most 3.8%
    """
    cells = _cells("bounds", lower, upper, exposure)
    total = np.where(cells.sites > 0, cells.size.sum(axis=0), np.nan)
    top = cells.upper.sum(axis=0)
    uncertain = np.where(cells.upper > cells.lower, cells.upper, 0.0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        share = np.where(np.isinf(top), 1.0, uncertain / np.where(top > 0, top, 1.0))
    values = (cells.lower.sum(axis=0) / total, top / total, np.where(np.isnan(total), np.nan, share))
    return Bounds(*(plain(value.reshape(cells.shape)) for value in values))


@dataclass(frozen=True, eq=False)
class _Cells:
    """Checked input: arrays of shape (sites, cells), sites in one order within each cell, zero where absent."""

    where: str
    shape: tuple[int, ...]
    lower: Floats
    upper: Floats
    size: Floats
    sites: Any


def _cells(where: str, lower: ArrayLike, upper: ArrayLike, size: ArrayLike) -> _Cells:
    low, high, n = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (lower, upper, size)))
    require(low.ndim >= 1, where, "there is no axis of sites", "Shape (sites, ...)", "Stack the sites along axis 0")
    require_not_negative(where, lower=low, upper=high, exposure=n)
    require(~np.isinf(n), where, "an exposure is infinite", "Exposure is finite", "Check the person-time")
    present = n > 0
    require(~((n == 0) & (low > 0)), where, "there are events without exposure", "Events need exposure",
            "Check that counts and exposure come from the same rows")
    require(~present | ~(np.isnan(low) | np.isnan(high)), where, "a limit is missing",
            "Every site in a cell has limits", "Use the limits of the disclosure rule, such as 1 and 9")
    require(~present | (low <= high), where, "a lower limit is above its upper limit", "lower <= upper",
            "Check the limits, and that they do not exceed the people")
    require(~present | ((np.floor(low) == low) & (np.floor(high) == high)), where, "a limit is not whole",
            "Limits are whole numbers", "Use the limits of the count, not of a rate")
    flat = [np.where(present, v, 0.0).reshape(len(low), -1) for v in (low, high, n)]
    order = np.lexsort((flat[1], flat[0], flat[2]), axis=0)
    low, high, n = (np.take_along_axis(v, order, axis=0) for v in flat)
    return _Cells(where, present.shape[1:], low, high, n, (n > 0).sum(axis=0))


def _solve(
    family: Family, cells: _Cells, wanted: Any, low: Floats, high: Floats, max_iterations: int
) -> tuple[Floats, Floats, Any]:
    """Return the natural parameter, its information and the steps taken for the wanted cells; nan, nan, 0 elsewhere.

    The score falls as the parameter rises and changes sign between `low` and `high`. A Newton step that leaves this
    bracket, or does not halve the last step, is replaced by the middle of the bracket.
    """
    count = wanted.size
    answer, information, steps = np.full(count, np.nan), np.full(count, np.nan), np.zeros(count, dtype=int)
    low, high = np.where(wanted, low, 0.0), np.where(wanted, high, 0.0)
    x, last = (low + high) / 2, high - low
    size = cells.size.sum(axis=0)
    exact = np.where(cells.lower == cells.upper, cells.lower, 0.0).sum(axis=0)
    site, cell = np.nonzero((cells.lower < cells.upper) & wanted)
    entry_lower, entry_upper, entry_size = (v[site, cell] for v in (cells.lower, cells.upper, cells.size))
    active = wanted.copy()
    for iteration in range(1, max_iterations + 1):
        if not active.any():
            break
        on = active[cell]
        mean, variance = truncated_moments(family, x[cell[on]], entry_size[on], entry_lower[on], entry_upper[on])
        score = exact + np.bincount(cell[on], mean, count) - family.mean(x, size)
        curvature = family.variance(x, size) - np.bincount(cell[on], variance, count)
        low, high = np.where(active & (score > 0), x, low), np.where(active & (score <= 0), x, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = score / curvature
        newton = (curvature > 0) & (x + step >= low) & (x + step <= high) & (np.abs(step) <= last / 2)
        step = np.where(newton, step, (low + high) / 2 - x)
        x, last = np.where(active, x + step, x), np.abs(step)
        done = active & (last <= TOLERANCE + 4 * np.finfo(float).eps * np.abs(x))
        answer[done], information[done], steps[done] = x[done], curvature[done], iteration
        active &= ~done
    if active.any():
        _fail(active, cells, f"no answer after {max_iterations} iterations")
    with np.errstate(invalid="ignore"):
        _refuse(wanted & ~(information > FLATTEST * family.variance(x, size)), cells, "the limits are too far apart")
    return answer, information, steps


def _refuse(bad: Any, cells: _Cells, reason: str) -> None:
    if bad.any():
        _fail(bad, cells, reason)


def _fail(bad: Any, cells: _Cells, reason: str) -> NoReturn:
    places = [tuple(int(i) for i in np.unravel_index(flat, cells.shape)) for flat in np.flatnonzero(bad)]
    named = ", ".join(str(place) for place in places[:5]) + (", ..." if len(places) > 5 else "")
    raise ConvergenceError(
        f"{cells.where}: {reason} in {f'cell {named}' if cells.shape else 'this cell'}. "
        "The counts must say something about the value. Give tighter limits, or merge these cells with others.",
        places,
    )


def _result(cells: _Cells, value: Any, interval: Any, variance: Any, effective: Any, edge: Any, steps: Any) -> CensoredFit:
    fields = (value, *interval, variance, effective, edge, cells.sites, steps, cells.sites > 0)
    return CensoredFit(*(plain(np.reshape(field, cells.shape)) for field in fields))
