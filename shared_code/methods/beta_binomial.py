"""Beta-binomial models of proportions over sites, for one group or two, which keep sites without any event."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import expit, gammaln, log_expit, logit

from shared_code.methods.checks import ConvergenceError, Floats, require, require_not_negative, student_quantile
from shared_code.methods.results import OneStage

SMALLEST = -16.0  # log of rho / (1 - rho) below which the sites do not differ
_LARGE = 1e3  # argument from which Stirling's series is exact to the last digits


def beta_binomial(cases: ArrayLike, people: ArrayLike, confidence: float = 0.95) -> OneStage:
    """Fit one proportion over sites whose own proportions follow a beta distribution.

    cases, people: shape (sites,), two sites or more. Result: `estimate` is the logit of the *mean* proportion over sites
    (`binomial_normal` gives the median), with limits by Student's t on sites - 1 degrees of freedom; `rho` is the
    correlation of two people of one site, 0 where sites do not differ.
    Method: direct maximum likelihood, a = mu (1 - rho) / rho and b = (1 - mu)(1 - rho) / rho; METHODS 10.3. Raises
    ValueError for unusable counts and ConvergenceError where nobody or everybody is a case, or no maximum is reached.

    >>> m = beta_binomial([12, 30, 7, 55, 21], [60, 90, 40, 120, 70])
    >>> print(f"{expit(m.estimate):.5f}, rho {m.rho:.5f}")
    0.30349, rho 0.03456
    """
    x, n = _counts("beta_binomial", cases, people)
    none = x.sum() in (0, n.sum())
    return _fit([(x, n, np.array([1.0]))], np.array([logit((x.sum() + 0.5) / (n.sum() + 1))]), 0, confidence,
                "beta-binomial", bool(none))  # fmt: skip


def beta_binomial_ratio(
    events_a: ArrayLike, people_a: ArrayLike, events_b: ArrayLike, people_b: ArrayLike, confidence: float = 0.95
) -> OneStage:
    """Compare two proportions over sites, a over b, with a common correlation: the odds ratio of the two mean proportions.

    events, people: shape (sites,). Sites without events in either group stay in and count. The comparison is over all sites
    together, not within each: where sites differ in level and in how many of their people are in a, it is confounded by
    site. `estimate` is the log odds ratio, limits as `beta_binomial`; `sites` counts them all.
    Method: Kuss 2015, Stat Med 34:1097. Raises as `beta_binomial`, also where a group has no events at any site.

    >>> m = beta_binomial_ratio([0, 1, 2, 0], [41, 82, 95, 30], [3, 4, 9, 0], [40, 80, 100, 31])
    >>> print(f"{np.exp(m.estimate):.4f}")
    0.1798
    """
    (a, n), (b, m) = _counts("beta_binomial_ratio", events_a, people_a), _counts("beta_binomial_ratio", events_b, people_b)
    require(a.shape == b.shape, "beta_binomial_ratio", "the two groups have different sites", "The same", "Match them first")
    none = a.sum() in (0, n.sum()) or b.sum() in (0, m.sum())
    level, other = (logit((x.sum() + 0.5) / (size.sum() + 1)) for x, size in ((b, m), (a, n)))
    groups = [(a, n, np.array([1.0, 1.0])), (b, m, np.array([1.0, 0.0]))]
    start = np.array([level, other - level])
    return _fit(groups, start, 1, confidence, "beta-binomial with a common correlation (Kuss)", bool(none))


def _fit(groups: list[tuple[Floats, Floats, Floats]], start: Floats, wanted: int, confidence: float, method: str, none: bool
         ) -> OneStage:  # fmt: skip
    if none:
        raise ConvergenceError("a group has no events (or nobody without one) at any site: the likelihood has no maximum")
    k = groups[0][0].size
    constant = sum(float((gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1)).sum()) for x, n, _ in groups)

    def negative(parameters: Floats) -> float:
        return -sum(_log_likelihood(x, n, float(row @ parameters[:-1]), float(parameters[-1])) for x, n, row in groups)

    def at_zero(beta: Floats) -> float:
        etas = [(x, n, float(row @ beta)) for x, n, row in groups]
        return -sum(float((x * log_expit(eta) + (n - x) * log_expit(-eta)).sum()) for x, n, eta in etas)

    flat, height = _maximum(at_zero, start)
    best, parameters = height, flat
    for begin in (-3.0, -6.0, -1.0):
        found, value = _maximum(negative, np.append(flat, begin))
        if value < best - 1e-9 and found[-1] > SMALLEST:
            best, parameters = value, found
            break
    differ = len(parameters) > len(flat)
    function: Callable[[Floats], float] = negative if differ else at_zero
    information = _hessian(function, parameters)
    values = np.linalg.eigvalsh(information)
    if values.min() <= 1e-9 * values.max() or np.abs(parameters).max() > 30:
        raise ConvergenceError("the likelihood is flat or runs away: too little information on the sites")
    se = float(np.sqrt(np.linalg.inv(information)[wanted, wanted]))
    value, half = float(parameters[wanted]), student_quantile(confidence, k - 1) * se
    rho = float(expit(parameters[-1])) if differ else 0.0
    nan = float("nan")
    return OneStage(value, value - half, value + half, se, "", nan, rho, nan, nan, k - 1, constant - best, k, method)


def _maximum(function: Callable[[Floats], float], start: Floats) -> tuple[Floats, float]:
    """Go down by quasi-Newton steps, then finish by Newton steps on central differences."""
    at = np.asarray(minimize(function, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6, "maxiter": 400}).x)
    for _ in range(50):
        gradient, curvature = _gradient(function, at), _hessian(function, at)
        values, vectors = np.linalg.eigh(curvature)
        step = -vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), 1e-8))
        step *= min(1.0, 1.0 / max(1e-300, float(np.abs(step).max())))
        if at.size > 1 and at[-1] < SMALLEST:
            break  # the edge: rho is 0
        while function(at + step) > function(at) + 1e-12 and np.abs(step).max() > 1e-9:
            step = step / 2
        at = at + step
        if np.abs(step).max() < 1e-7:
            return at, function(at)
    if at[-1] < SMALLEST + 4:
        return at, function(at)
    raise ConvergenceError("the likelihood did not reach its maximum: too little information on the sites")


def _gradient(function: Callable[[Floats], float], at: Floats) -> Floats:
    steps = 1e-5 * np.eye(at.size)
    return np.array([(function(at + s) - function(at - s)) / 2e-5 for s in steps])


def _hessian(function: Callable[[Floats], float], at: Floats) -> Floats:
    h = 1e-4
    steps = h * np.eye(at.size)
    return np.array([
        [(function(at + a + b) - function(at + a - b) - function(at - a + b) + function(at - a - b)) / (4 * h * h) for b in steps]
        for a in steps
    ])  # fmt: skip


def _log_likelihood(x: Floats, n: Floats, eta: float, log_gamma: float) -> float:
    """Return the sum of log P(x) without binomial coefficients; gamma = rho / (1 - rho)."""
    gamma = float(np.exp(min(log_gamma, 30.0)))
    p, q = float(expit(eta)), float(expit(-eta))
    return float((_rising(p, x, gamma) + _rising(q, n - x, gamma) - _rising(1.0, n, gamma)).sum())


def _rising(start: float, m: Floats, gamma: float) -> Floats:
    """Return the sum of log(start + j gamma) over j = 0 to m - 1, without loss where gamma is tiny."""
    z = start / gamma
    if z < _LARGE:
        return np.asarray(m * np.log(gamma) + gammaln(z + m) - gammaln(z))
    series = (1 / (z + m) - 1 / z) / 12 - (1 / (z + m) ** 3 - 1 / z**3) / 360
    return np.asarray(m * np.log(start + m * gamma) + (z - 0.5) * np.log1p(m / z) - m + series)


def _counts(where: str, cases: ArrayLike, people: ArrayLike) -> tuple[Floats, Floats]:
    x, n = np.asarray(cases, dtype=float), np.asarray(people, dtype=float)
    require(x.ndim == 1 and x.shape == n.shape and x.size >= 2, where, f"shapes {x.shape} and {n.shape}",
            "(sites,), two sites or more", "One of each per site")
    require(np.isfinite(x) & np.isfinite(n), where, "a count is withheld or missing", "Every site has counts",
            "Leave a site without numbers out, and name it")
    require_not_negative(where, cases=x)
    require((n > 0) & (x <= n), where, "cases exceed people, or a site has nobody", "0 to people", "Check the join")
    return x, n
