"""Random effects over likelihood profiles: sites differ, and each keeps its own, far from normal, likelihood."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import logsumexp

from shared_code.methods.bayes import PRIOR_SD, PRIOR_TAU
from shared_code.methods.checks import ConvergenceError, Floats, require, student_quantile
from shared_code.methods.profiles import profile_at
from shared_code.methods.results import OneStage, Posterior

_STEP = 0.02  # between effects at which likelihoods are summed; below 1.5 steps of tau another quadrature takes over
_BEYOND = 4.0  # how far past the agreed points effects of sites are looked for
_RUNS = "the mean lies beyond the agreed points: no events in one group, or points that are too narrow"
_x, _w = np.polynomial.hermite_e.hermegauss(31)


class _Curves:
    """Hold the profiles of sites on a fine grid of effects."""

    def __init__(self, points: ArrayLike, log_likelihood: ArrayLike, gradient: ArrayLike) -> None:
        self.points = np.asarray(points, dtype=float)
        y, g = np.asarray(log_likelihood, dtype=float), np.asarray(gradient, dtype=float)
        order = np.lexsort(np.column_stack([y, g]).T)  # one order, whatever that of the sites
        self.y, self.g = y[order], g[order]
        self.effects = np.arange(self.points[0] - _BEYOND, self.points[-1] + _BEYOND + _STEP, _STEP)
        self.height = profile_at(self.points, self.y, self.g, self.effects)[0]

    def log_likelihood(self, mu: float, tau: float) -> float:
        """Return the sum over sites of the log of the likelihood averaged over N(mu, tau^2)."""
        if tau < 1.5 * _STEP:
            height = profile_at(self.points, self.y, self.g, mu + tau * _x)[0]
            return float(logsumexp(height, axis=1, b=_w / _w.sum()).sum())
        weight = -np.square((self.effects - mu) / tau) / 2
        return float((logsumexp(self.height + weight, axis=1) - logsumexp(weight)).sum())


def random_effects_of_profiles(
    points: ArrayLike, log_likelihood: ArrayLike, gradient: ArrayLike, confidence: float = 0.95
) -> OneStage:
    """Fit effects of sites that are normal around a mean to their likelihood profiles, by maximum likelihood.

    Arguments as `pool_profiles`. Result: the mean on the scale of the points with limits by Student's t on sites - 1 degrees
    of freedom, where `sites` counts those whose profile is not flat; tau2 is 0 where they do not differ, which few sites
    often cannot tell: show `pool_profiles` and `bayesian_profiles` beside it.
    Method: METHODS 10.7. Raises ValueError as `pool_profiles`, and ConvergenceError where the mean runs off the points.

    >>> from shared_code.methods.profiles import default_points, profile_of_rates
    >>> counts = ((3, 410, 5, 400), (1, 820, 6, 800), (9, 950, 9, 1000), (16, 1200, 14, 1100), (7, 700, 25, 650))
    >>> profiles = [profile_of_rates(*c, default_points()) for c in counts]
    >>> m = random_effects_of_profiles(default_points(), *zip(*profiles))
    >>> print(f"{np.exp(m.estimate):.3f}, tau {m.tau2**0.5:.3f}")
    0.556, tau 0.495
    """
    where = "random_effects_of_profiles"
    curves = _Curves(points, log_likelihood, gradient)
    sites = int((np.abs(curves.g) > 1e-12).any(axis=1).sum())
    require(sites >= 2, where, f"{sites} sites have events", "Two or more", "Show the only profile as it is")

    slope = curves.g.sum(axis=0)
    if slope[0] <= 0 or slope[-1] >= 0:
        raise ConvergenceError(_RUNS)

    def negative(parameters: Floats) -> float:
        return -curves.log_likelihood(float(parameters[0]), abs(float(parameters[1])))

    start = float(curves.points[curves.y.sum(axis=0).argmax()])
    found = minimize(negative, [start, 0.3], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-11, "maxiter": 2000})
    at_zero = minimize(lambda p: negative(np.array([p[0], 0.0])), [start], method="Nelder-Mead",
                       options={"xatol": 1e-8, "fatol": 1e-11, "maxiter": 2000})  # fmt: skip
    if not (found.success and at_zero.success):
        raise ConvergenceError("the likelihood did not reach its maximum: too little information on the sites")
    differ = found.fun < at_zero.fun - 1e-9
    mu, tau = (float(found.x[0]), abs(float(found.x[1]))) if differ else (float(at_zero.x[0]), 0.0)
    if not curves.points[0] < mu < curves.points[-1]:
        raise ConvergenceError(_RUNS)
    se = _standard_error(negative, np.array([mu, tau])[: 1 + differ])
    t = student_quantile(confidence, sites - 1)
    elsewhere = t * np.hypot(tau, se) if sites >= 3 else np.nan
    height = curves.log_likelihood(mu, tau)
    return OneStage(mu, mu - t * se, mu + t * se, se, "", tau**2, np.nan, mu - elsewhere, mu + elsewhere, sites - 1,
                    height, sites, "likelihood profiles, normal effects")  # fmt: skip


def _standard_error(negative: object, at: Floats) -> float:
    h = 1e-3
    steps = h * np.eye(at.size)

    def f(p: Floats) -> float:
        return negative(np.append(p, 0.0)[:2])  # type: ignore[operator]

    information = np.array([
        [(f(at + a + b) - f(at + a - b) - f(at - a + b) + f(at - a - b)) / (4 * h * h) for b in steps] for a in steps
    ])  # fmt: skip
    if np.linalg.eigvalsh(information).min() <= 0:
        raise ConvergenceError("the likelihood is flat: too little information to give a standard error")
    return float(np.sqrt(np.linalg.inv(information)[0, 0]))


def bayesian_profiles(
    points: ArrayLike, log_likelihood: ArrayLike, gradient: ArrayLike, prior_sd: float = PRIOR_SD,
    prior_tau: float = PRIOR_TAU, confidence: float = 0.95,
) -> Posterior:  # fmt: skip
    """Average likelihood profiles with a prior on how much sites differ, by quadrature on a fixed grid.

    Arguments as `pool_profiles`; priors as `bayesian_random_effects`. Result on the scale of the points. Always finite,
    also where one group has no events at any site: there the prior of the mean speaks.
    Method: METHODS 10.5 and 10.7; Schuemie et al. 2022 with quadrature for their sampler. Raises ValueError as `pool_profiles`.

    >>> from shared_code.methods.profiles import default_points, profile_of_rates
    >>> counts = ((0, 410, 3, 400), (1, 820, 4, 800), (2, 950, 9, 1000), (0, 300, 0, 310))
    >>> b = bayesian_profiles(default_points(), *zip(*[profile_of_rates(*c, default_points()) for c in counts]))
    >>> print(np.exp([b.estimate, b.lower, b.upper]).round(3), round(b.tau, 3))
    [0.202 0.049 0.658] 0.302
    """
    require(prior_sd > 0 and prior_tau > 0, "bayesian_profiles", "a prior has no width", "Above 0", "Correct the setting")
    curves = _Curves(points, log_likelihood, gradient)
    x, w = np.polynomial.legendre.leggauss(40)
    taus, tau_weights = 5 * prior_tau * ((x + 1) / 2) ** 2, 5 * prior_tau * ((x + 1) / 2) * w
    mus = curves.effects
    log = np.empty((taus.size, mus.size))
    likelihood = np.exp(curves.height - curves.height.max(axis=1, keepdims=True))
    for row, tau in enumerate(taus):
        value = _smoothed(likelihood, tau) / _smoothed(np.ones((1, mus.size)), tau)
        log[row] = np.log(np.maximum(value, 1e-300)).sum(axis=0) - np.square(tau / prior_tau) / 2
    log -= np.square(mus / prior_sd) / 2
    density = np.exp(log - log.max()) * tau_weights[:, None]
    density /= density.sum()
    tail = (1 - confidence) / 2
    of_mu = density.sum(axis=0)
    mu = [_quantile(q, mus, of_mu) for q in (0.5, tail, 1 - tail)]
    tau_ = [_quantile(q, np.append(0.0, taus), np.append(0.0, density.sum(axis=1))) for q in (0.5, tail, 1 - tail)]
    new = sum((_smoothed(density[[row]], tau)[0] for row, tau in enumerate(taus)), np.zeros(mus.size))
    spread = float(np.sqrt((of_mu * mus**2).sum() - (of_mu * mus).sum() ** 2))
    predicted = [_quantile(q, curves.effects, new) for q in (tail, 1 - tail)]
    return Posterior(*mu, spread, "", *tau_, *predicted)


def _smoothed(rows: Floats, tau: float) -> Floats:
    """Average each row over N(0, tau^2) around every effect of the grid."""
    from scipy.signal import fftconvolve  # slow to import, and only needed here

    if tau < _STEP / 2:
        return rows
    reach = min(int(np.ceil(8 * tau / _STEP)), rows.shape[1] - 1)
    kernel = np.exp(-np.square(np.arange(-reach, reach + 1) * _STEP / tau) / 2)
    return np.asarray(fftconvolve(rows, kernel[None, :] / kernel.sum(), mode="full", axes=1)[:, reach:-reach])


def _quantile(q: float, nodes: Floats, weights: Floats) -> float:
    return float(np.interp(q, np.cumsum(weights) - weights / 2, nodes))
