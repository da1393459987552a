"""Fit a generalised linear model with one normal random effect per site, by maximum likelihood.

The integral over the random effect is done by Gauss-Hermite quadrature around each site's own mode, so that large counts
are as exact as small ones. This is the engine of `one_stage`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, gammaln

from shared_code.methods.checks import ConvergenceError, Floats

NODES = 40  # of the quadrature
SMALLEST_TAU = 1e-4  # below it the sites do not differ
STARTS = (0.3, 1.0, 0.05)  # values of tau to begin with
STEEPEST = 1e-5  # slope left at the end, per unit of the logarithm of the likelihood

_x, _w = np.polynomial.hermite.hermgauss(NODES)
_LOG_W = np.log(_w) + np.square(_x)


@dataclass(frozen=True, eq=False)
class Rows:
    """Hold the data: one row per site and group. `size` is the number of people for binomial rows and nan for Poisson ones.

    site    which site, 0 to sites - 1            x       (rows, coefficients)
    z       what multiplies the random effect     offset  added to the linear predictor
    """

    site: Any
    events: Floats
    size: Floats
    x: Floats
    z: Floats
    offset: Floats


@dataclass(frozen=True, eq=False)
class Fit:
    """Hold coefficients with their covariance, tau and the log-likelihood (with all its constants)."""

    beta: Floats
    covariance: Floats
    tau: float
    log_likelihood: float


def fit(rows: Rows, start: Floats, binomial: bool) -> Fit:
    """Maximise the likelihood over the coefficients and tau.

    start: coefficients to begin with. Raises ConvergenceError when the slope does not vanish, or the coefficients run away.

    >>> rows = Rows(np.arange(3), np.array([8.0, 31, 14]), np.full(3, np.nan), np.ones((3, 1)), np.ones(3),
    ...             np.log([420.0, 980, 610]))
    >>> f = fit(rows, np.array([-3.5]), binomial=False)
    >>> print(f"{f.beta[0]:.4f} {f.tau:.4f}")
    -3.6356 0.0000
    """
    constant = _constant(rows, binomial)
    for tau in STARTS:  # the first start that gets there; the likelihood has one maximum in all but odd cases
        found = minimize(lambda p: _negative(p, rows, binomial), np.append(start, tau), jac=True, method="BFGS",
                         options={"gtol": 1e-9, "maxiter": 500})  # fmt: skip
        if np.isfinite(found.fun) and np.abs(found.jac).max() < STEEPEST * max(1.0, abs(found.fun)):
            break
    else:
        raise ConvergenceError("the likelihood did not reach its maximum from any start: too little information on the sites")
    height, parameters = float(found.fun), found.x
    tau = abs(float(parameters[-1]))
    flat = np.append(_without(rows, parameters[:-1], binomial), 0.0)
    at_zero = _negative(flat, rows, binomial)[0]
    if tau < SMALLEST_TAU or at_zero <= height + 1e-10:
        parameters, tau, height = flat, 0.0, at_zero
    if np.abs(parameters[:-1]).max() > 30:
        raise ConvergenceError("a coefficient runs away: a group has no events at any site")
    return Fit(parameters[:-1], _covariance(parameters, rows, binomial, tau), tau, constant - height)


def _without(rows: Rows, start: Floats, binomial: bool) -> Floats:
    """Return the coefficients when the sites do not differ."""

    def f(beta: Floats) -> tuple[float, Floats]:
        value, slope = _negative(np.append(beta, 0.0), rows, binomial)
        return value, slope[:-1]

    found = minimize(f, start, jac=True, method="BFGS", options={"gtol": 1e-10, "maxiter": 500})
    return np.asarray(found.x)


def _covariance(parameters: Floats, rows: Rows, binomial: bool, tau: float) -> Floats:
    """Invert the observed information, by central differences of the exact slope; tau counts as estimated unless it is 0."""
    free = len(parameters) - (tau == 0.0)
    information = np.empty((free, free))
    for j in range(free):
        step = np.zeros(len(parameters))
        step[j] = 1e-4 * max(1.0, abs(float(parameters[j])) * 0.1)
        up, down = (_negative(parameters + s * step, rows, binomial)[1][:free] for s in (1, -1))
        information[:, j] = (up - down) / (2 * step[j])
    information = (information + information.T) / 2
    values = np.linalg.eigvalsh(information)
    if values.min() <= 1e-10 * values.max():
        raise ConvergenceError("the likelihood is flat: too little information to give a standard error")
    return np.linalg.inv(information)[: len(parameters) - 1, : len(parameters) - 1]


def _negative(parameters: Floats, rows: Rows, binomial: bool) -> tuple[float, Floats]:
    """Return minus the log-likelihood without its constant, and its slope."""
    beta, tau = parameters[:-1], parameters[-1]
    sites = int(rows.site.max()) + 1
    eta, z = rows.x @ beta + rows.offset, rows.z * tau
    mode, width = _modes(eta, z, rows, binomial, sites)
    u = mode[:, None] + np.sqrt(2) * width[:, None] * _x  # (sites, nodes)
    value, residual = _terms(eta[:, None] + z[:, None] * u[rows.site], rows, binomial)
    height = np.zeros((sites, NODES))
    np.add.at(height, rows.site, value)
    height += _LOG_W - np.square(u) / 2
    top = height.max(axis=1, keepdims=True)
    weight = np.exp(height - top)
    total = weight.sum(axis=1, keepdims=True)
    weight /= total
    likelihood = top[:, 0] + np.log(total[:, 0]) + np.log(width) - np.log(np.pi) / 2
    expected = weight[rows.site] * residual
    slope = np.append(expected.sum(axis=1) @ rows.x, (expected * u[rows.site]).sum(axis=1) @ rows.z)
    return -float(likelihood.sum()), -slope


def _terms(eta: Any, rows: Rows, binomial: bool) -> tuple[Any, Any]:
    """Return log-likelihood terms and residuals of each row at each node."""
    y, n = rows.events[:, None], rows.size[:, None]
    if binomial:
        return y * eta - n * np.logaddexp(0, eta), y - n * expit(eta)
    mean = np.exp(np.minimum(eta, 700.0))
    return y * eta - mean, y - mean


def _modes(eta: Floats, z: Floats, rows: Rows, binomial: bool, sites: int) -> tuple[Floats, Floats]:
    """Find each site's most likely random effect and how wide its likelihood is there; the height is concave."""
    u = np.zeros(sites)
    for _ in range(100):
        at = eta + z * u[rows.site]
        if binomial:
            p = expit(at)
            residual, weight = rows.events - rows.size * p, rows.size * p * (1 - p)
        else:
            mean = np.exp(np.minimum(at, 700.0))
            residual, weight = rows.events - mean, mean
        slope = np.bincount(rows.site, z * residual, sites) - u
        curvature = 1 + np.bincount(rows.site, z**2 * weight, sites)
        step = np.clip(slope / curvature, -3, 3)
        u = u + step
        if np.abs(step).max() < 1e-10:
            break
    return u, curvature**-0.5


def _constant(rows: Rows, binomial: bool) -> float:
    y, n = rows.events, rows.size
    if binomial:
        return float((gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)).sum())
    return float(-gammaln(y + 1).sum())
