"""Regression to the mean: how far counts fall by themselves among people who were chosen because they were high."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import gammaln

from shared_code.methods.checks import ConvergenceError, Floats, normal_quantile, require
from shared_code.methods.results import Estimate

MOST = 4000  # events a year beyond which nobody is reckoned with


class GammaPoisson(NamedTuple):
    """Hold a distribution of yearly counts: everyone has a rate of their own, and rates are gamma distributed."""

    shape: float
    mean: float


class Fall(NamedTuple):
    """Hold what happens to those with a high count if nothing changes: yearly counts before and after, relative change."""

    share_selected: float
    before: float
    after: float
    change: float


def fit_gamma_poisson(edges: ArrayLike, people: ArrayLike) -> GammaPoisson:
    """Fit shape and mean of yearly counts to how many people had how many events, by maximum likelihood.

    edges: lowest count of each bin, rising from 0, the last bin open; people: shape (bins,), summed over sites.
    Method: METHODS 4; negative binomial. Raises ValueError, ConvergenceError where there is no spread beyond chance.

    >>> fit = fit_gamma_poisson(range(6), [7870, 1210, 450, 200, 100, 170])
    >>> print(f"shape {fit.shape:.2f}, mean {fit.mean:.2f}")
    shape 0.23, mean 0.42
    """
    e, n = np.asarray(edges, dtype=float), np.asarray(people, dtype=float)
    where = "fit_gamma_poisson"
    require(len(e) == len(n) >= 3 and e[0] == 0 and (np.diff(e) > 0).all(), where, f"bins {e.tolist()}",
            "Three at least, rising from 0", "Correct the edges of the bins")  # fmt: skip
    require((n >= 0) & np.isfinite(n), where, "a number of people is missing or negative", "0 or more",
            "Merge bins until none is withheld")  # fmt: skip
    require(n[1:].sum() > 0 and n[0] > 0, where, "everybody has the same count", "Some without and some with events",
            "Check the table")  # fmt: skip
    loss = _loss_of(e, n)
    middle = np.append((e[:-1] + e[1:] - 1) / 2, e[-1])
    start = np.log([0.5, max(n @ middle / n.sum(), 1e-3)])
    found = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14, "maxiter": 4000})
    shape, mean = np.exp(found.x)
    if not found.success or shape > 1e4:
        raise ConvergenceError("counts spread no more than chance spreads them: nothing says how much people differ")
    return GammaPoisson(float(shape), float(mean))


def _loss_of(edges: Floats, people: Floats) -> Callable[[Floats], float]:
    """Give minus the log-likelihood per person of the logarithms of shape and mean."""
    counts = np.arange(int(edges[-1]))
    which = np.searchsorted(edges, counts, side="right") - 1

    def loss(parameters: Floats) -> float:
        p = np.bincount(which, _probabilities(counts, *np.exp(parameters)), minlength=len(people))
        p[-1] = max(1 - p[:-1].sum(), 1e-300)
        return float(-(people @ np.log(np.maximum(p, 1e-300))) / people.sum())

    return loss


def expected_fall(shape: float, mean: float, least: int, below: int | None = None) -> Fall:
    """Say how the yearly count of people chosen for a high one changes if their rates stay what they are.

    shape, mean: of a gamma-Poisson; least: lowest count for which people are chosen; below: and fewer than this, where
    there is a limit. Crises that pass make the true fall larger: this is its lower bound.
    Method: METHODS 4: sum of p(y) (shape + y) / (shape / mean + 1) over p(y).

    >>> print(f"{100 * expected_fall(0.25, 0.40, 7).change:.1f} %")
    -36.6 %
    """
    y, p = _selected(shape, mean, least, below)
    share, before = float(p.sum()), float(p @ y / p.sum())
    after = float(p @ _next(y, shape, mean) / share)
    return Fall(share, before, after, after / before - 1)


def spurious_ratio(treated: GammaPoisson, control: GammaPoisson, least: int, below: int) -> float:
    """Give the difference-in-differences ratio WITHOUT any effect, when both groups are matched on the count before.

    People of two populations who had the same count fall back differently far, and the ratio looks like an effect.
    Method: METHODS 4; Daw & Hatfield 2018.

    >>> round(spurious_ratio(GammaPoisson(2, 6), GammaPoisson(0.25, 0.4), 7, 40), 2)
    1.41
    """
    y, p = _selected(treated.shape, treated.mean, least, below)
    return float((p @ _next(y, *treated)) / (p @ _next(y, *control)))


def _selected(shape: float, mean: float, least: int, below: int | None) -> tuple[Floats, Floats]:
    require(shape > 0 and mean > 0 and least >= 0, "expected_fall", f"shape {shape}, mean {mean}, least {least}", "Above 0",
            "Correct the numbers")  # fmt: skip
    y = np.arange(least, MOST if below is None else below)
    return y.astype(float), _probabilities(y, shape, mean)


def _probabilities(y: ArrayLike, shape: float, mean: float) -> Floats:
    y = np.asarray(y, dtype=float)
    return np.asarray(np.exp(gammaln(shape + y) - gammaln(shape) - gammaln(y + 1)
                             - shape * np.log1p(mean / shape) - y * np.log1p(shape / mean)))  # fmt: skip


def _next(y: Floats, shape: float, mean: float) -> Floats:
    """Give the rate expected of somebody who had y events in a year."""
    return (shape + y) / (shape / mean + 1)


def fall_from_counts(edges: ArrayLike, people: ArrayLike, least: int, confidence: float = 0.95) -> Estimate:
    """Give the relative change expected without any effect, with limits, from how many people had how many events.

    edges, people: as in `fit_gamma_poisson`; least: lowest count for which people are chosen. Standard error by the delta
    method from the curvature of the likelihood. nan with a reason where counts say nothing of people's own rates.

    >>> found = fall_from_counts([0, 1, 2, 3, 4, 5, 7, 10], [7870, 1210, 440, 200, 100, 100, 50, 30], 7)
    >>> found.lower < found.estimate < found.upper < 0
    True
    """
    e, n = np.asarray(edges, dtype=float), np.asarray(people, dtype=float)
    try:
        fit = fit_gamma_poisson(e, n)
    except (ConvergenceError, ValueError) as error:
        return Estimate(np.nan, np.nan, np.nan, np.nan, str(error))
    at, h = np.log([fit.shape, fit.mean]), 1e-4
    loss = _loss_of(e, n)
    step = np.eye(2) * h
    curve = np.array([[(loss(at + a + b) - loss(at + a - b) - loss(at - a + b) + loss(at - a - b)) / (4 * h * h)
                       for b in step] for a in step]) * n.sum()  # fmt: skip
    slope = np.array([(expected_fall(*np.exp(at + s), least).change - expected_fall(*np.exp(at - s), least).change) / (2 * h)
                      for s in step])  # fmt: skip
    change = expected_fall(fit.shape, fit.mean, least).change
    se = float(np.sqrt(slope @ np.linalg.solve(curve, slope)))
    half = normal_quantile(confidence) * se
    return Estimate(change, change - half, change + half, se, "")
