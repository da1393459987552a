"""Estimators of the variance between sites (tau2), for many analyses at once.

Every function takes estimates and variances of shape (analyses, sites), sites in one order within each analysis, and
the variance of a site that is absent infinite. One root finder serves them all; what does not settle is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.optimize.elementwise import find_root
from scipy.special import chdtri

from shared_code.methods.checks import ConvergenceError, Floats

_AT_ONCE = 4_000_000  # numbers held in memory at a time
_FEW = 16  # brackets up to which one after the other is quicker
_GRID = 240  # values of tau2 between which roots of a score are looked for


def weighted(y: Floats, v: Floats, tau2: Any) -> tuple[Floats, Floats, Floats]:
    """Return weighted mean, total weight and weighted sum of squares of each analysis at one tau2 each.

    >>> [part.tolist() for part in weighted(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]), np.array([0.0]))]
    [[2.0], [2.0], [2.0]]
    """
    w = 1 / (v + np.asarray(tau2, dtype=float)[..., None])
    total = w.sum(axis=-1)
    mean = (w * y).sum(axis=-1) / total
    return mean, total, (w * np.square(y - mean[..., None])).sum(axis=-1)


def dersimonian_laird(y: Floats, v: Floats, _: int) -> Floats:
    """Estimate tau2 by moments of Q (DerSimonian and Laird 1986).

    >>> dersimonian_laird(np.array([[0.0, 1.0, 3.0]]), np.ones((1, 3)), 0).round(4)
    array([1.3333])
    """
    w = 1 / v
    q, total = weighted(y, v, np.zeros(len(y)))[2], w.sum(axis=-1)
    return np.maximum(0.0, (q - (_sites(v) - 1)) / (total - np.square(w).sum(axis=-1) / total))


def paule_mandel(y: Floats, v: Floats, max_iterations: int) -> Floats:
    """Find the tau2 at which the generalised Q equals its expectation (Paule and Mandel 1982).

    >>> paule_mandel(np.array([[0.0, 1.0, 3.0]]), np.ones((1, 3)), 200).round(4)
    array([1.3333])
    """
    return where_q_is(_sites(v) - 1.0, y, v, max_iterations)


def reml(y: Floats, v: Floats, max_iterations: int) -> Floats:
    """Find the tau2 with the highest restricted likelihood, among the roots of its score and 0 (Viechtbauer 2005).

    >>> reml(np.array([[0.0, 1.0, 3.0]]), np.ones((1, 3)), 200).round(4)
    array([1.3333])
    """
    return _highest(y, v, max_iterations, restricted=True)


def ml(y: Floats, v: Floats, max_iterations: int) -> Floats:
    """Find the tau2 with the highest likelihood: too small with few sites (Hardy and Thompson 1996).

    >>> ml(np.array([[0.0, 1.0, 3.0]]), np.ones((1, 3)), 200).round(4)
    array([0.5556])
    """
    return _highest(y, v, max_iterations, restricted=False)


ESTIMATORS: dict[str, Callable[[Floats, Floats, int], Floats]] = {
    "reml": reml, "dl": dersimonian_laird, "pm": paule_mandel, "ml": ml,
}  # fmt: skip


def q_profile(y: Floats, v: Floats, confidence: float, max_iterations: int) -> tuple[Floats, Floats]:
    """Give limits of tau2 by inverting the generalised Q (Viechtbauer 2007).

    >>> [limit.round(3).tolist() for limit in q_profile(np.array([[0.0, 1.0, 3.0]]), np.ones((1, 3)), 0.95, 200)]
    [[0.0], [91.162]]
    """
    df, tail = _sites(v) - 1.0, (1 - confidence) / 2
    lower = where_q_is(chdtri(df, tail), y, v, max_iterations)
    return lower, where_q_is(chdtri(df, 1 - tail), y, v, max_iterations)


def where_q_is(target: Floats, y: Floats, v: Floats, max_iterations: int) -> Floats:
    """Find the tau2 at which the generalised Q, which falls with tau2, meets a target; 0 if it starts below.

    >>> where_q_is(np.array([2.0]), np.array([[0.0, 1.0, 3.0]]), np.ones((1, 3)), 200).round(4)
    array([1.3333])
    """
    result = np.zeros(len(y))
    left = np.flatnonzero(weighted(y, v, result)[2] > target)
    low, high = np.zeros(len(left)), v[left].min(axis=-1)
    open_ = np.arange(len(left))
    for _ in range(max_iterations):
        rows = left[open_]
        above = weighted(y[rows], v[rows], high[open_])[2] > target[rows]
        open_ = open_[above]
        if not open_.size:
            break
        low[open_], high[open_] = high[open_], 4 * high[open_]
    else:
        raise ConvergenceError(f"tau2 was not bracketed in {max_iterations} iterations", _cells(left[open_]))

    def f(tau2: Any, row: Any) -> Floats:
        rows = row.astype(int)
        return weighted(y[rows], v[rows], tau2)[2] - target[rows]

    result[left] = _roots(f, low, high, left, max_iterations)
    return result


def _roots(f: Any, low: Floats, high: Floats, rows: Any, max_iterations: int) -> Any:
    """Find one root in every bracket, to the last digits: Brent for a few, Chandrupatla 1997 for many at once."""
    if len(rows) <= _FEW:
        roots = np.zeros(len(rows))
        for at, row in enumerate(np.asarray(rows, dtype=float)):
            roots[at], report = brentq(
                lambda tau2, row: float(f(np.array([tau2]), np.array([row]))[0]), low[at], high[at], args=(row,),
                xtol=1e-300, rtol=1e-14, maxiter=max_iterations, full_output=True, disp=False)  # fmt: skip
            if not report.converged:
                raise ConvergenceError(f"tau2 did not converge in {max_iterations} iterations", _cells([row]))
        return roots
    found = find_root(f, (low, high), args=(np.asarray(rows, dtype=float),), maxiter=max_iterations,
                      tolerances={"xrtol": 1e-14, "xatol": 0.0, "frtol": 0.0, "fatol": 0.0})  # fmt: skip
    if not np.all(found.success):
        bad = np.asarray(rows)[~np.asarray(found.success)]
        raise ConvergenceError(f"tau2 did not converge in {max_iterations} iterations", _cells(bad))
    return np.asarray(found.x)


def _highest(y: Floats, v: Floats, max_iterations: int, restricted: bool) -> Floats:
    result = np.zeros(len(y))
    step = max(1, _AT_ONCE // (_GRID * y.shape[-1]))
    for start in range(0, len(y), step):
        part = slice(start, start + step)
        result[part] = _highest_of_some(y[part], v[part], max_iterations, restricted, start)
    return result


def _highest_of_some(y: Floats, v: Floats, max_iterations: int, restricted: bool, first: int) -> Floats:
    # The likelihood can have several maxima; none lies far above the spread of the estimates.
    there = np.isfinite(v)
    middle = (np.where(there, y, 0).sum(axis=-1) / _sites(v))[:, None]
    spread = np.where(there, np.square(y - middle), 0).sum(axis=-1) + np.where(there, v, 0).max(axis=-1)
    low = np.log(1e-9 * v.min(axis=-1))[:, None]
    rise = np.log(10 * spread)[:, None] - low
    grid = np.concatenate([np.zeros((len(y), 1)), np.exp(low + rise * np.linspace(0, 1, _GRID))], axis=1)
    slope = score(y, v, grid, restricted)
    rows, at = np.nonzero((slope[:, :-1] > 0) & (slope[:, 1:] <= 0))

    def f(tau2: Any, row: Any) -> Floats:
        chosen = row.astype(int)
        return score(y[chosen], v[chosen], tau2[:, None], restricted)[:, 0]

    roots = _roots(f, grid[rows, at], grid[rows, at + 1], rows, max_iterations)
    at_zero = np.flatnonzero(slope[:, 0] <= 0)
    rows, roots = np.concatenate([at_zero, rows]), np.concatenate([np.zeros(len(at_zero)), roots])
    without = np.setdiff1d(np.arange(len(y)), rows)
    if without.size:
        raise ConvergenceError("the likelihood has no maximum; try method pm", _cells(without + first))
    height = likelihood(y[rows], v[rows], roots[:, None], restricted)[:, 0]
    best = np.lexsort((roots, -height, rows))  # of equal heights the smaller
    _, firsts = np.unique(rows[best], return_index=True)
    return np.asarray(roots[best][firsts])


def score(y: Floats, v: Floats, tau2: Floats, restricted: bool = True) -> Floats:
    """Return the slope of twice the (restricted) log-likelihood; tau2 and result have shape (analyses, values)."""
    w, total, squares = _parts(y, v, tau2)
    slope = (np.square(w) * squares).sum(axis=1) - w.sum(axis=1)
    return np.asarray(slope + np.square(w).sum(axis=1) / total if restricted else slope)


def likelihood(y: Floats, v: Floats, tau2: Floats, restricted: bool = True) -> Floats:
    """Return twice the (restricted) log-likelihood without its constant; shapes as `score`."""
    w, total, squares = _parts(y, v, tau2)
    log_w = np.log(np.where(w > 0, w, 1.0)).sum(axis=1)
    height = log_w - (w * squares).sum(axis=1)
    return np.asarray(height - np.log(total) if restricted else height)


def _parts(y: Floats, v: Floats, tau2: Floats) -> tuple[Floats, Floats, Floats]:
    w = 1 / (v[:, :, None] + tau2[:, None, :])
    total = w.sum(axis=1)
    mean = (w * y[:, :, None]).sum(axis=1) / total
    return w, total, np.square(y[:, :, None] - mean[:, None, :])


def _sites(v: Floats) -> Any:
    return np.isfinite(v).sum(axis=-1)


def _cells(rows: Any) -> list[tuple[int, ...]]:
    return [(int(row),) for row in rows]
