"""Meta-regression: how site estimates change with what distinguishes the sites; and the funnel test for small sites."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import chdtrc, chdtri, fdtrc, stdtr

from shared_code.methods.checks import ConvergenceError, Floats, normal_quantile, require, student_quantile
from shared_code.methods.meta_analysis import Method
from shared_code.methods.results import Estimate, MetaRegression

FEWEST_A_COEFFICIENT = 10  # sites per moderator below which the result warns (Borenstein et al. 2009)


def meta_regression(
    estimates: ArrayLike,
    variances: ArrayLike,
    moderators: ArrayLike,
    method: Method = "reml",
    knapp_hartung: bool = True,
    floor: bool = True,
    *,
    confidence: float = 0.95,
    max_iterations: int = 200,
) -> MetaRegression:
    """Regress site estimates on one or more moderators, with a variance between sites that they leave over.

    estimates, variances: shape (sites,), on the scale of the analysis; moderators: shape (sites,) or (sites, moderators),
    numbers or 0/1 for groups, known without error. Result: coefficients of shape (1 + moderators,), the intercept first,
    with standard errors and limits (Student's with sites - coefficients degrees of freedom under `knapp_hartung`, whose
    scale `floor` keeps from falling below 1); `test`/`p` of all moderators together (F, or chi-squared without Knapp and
    Hartung), `tau2` with Q-profile limits, `q_residual`, `i2_percent`, and `r2_percent`, the share of tau2 explained.
    `warning` says so where there are fewer than 10 sites per moderator; with 3 to 5 sites do not use it at all.
    Method: Knapp & Hartung 2003, Viechtbauer et al. 2015. Raises ValueError for fewer than two sites more than coefficients,
    moderators that are missing or tell the same thing twice, and ConvergenceError if tau2 does not settle.

    >>> r = meta_regression([0.1, 0.3, 0.2, 0.6, 0.5], [0.02, 0.03, 0.02, 0.04, 0.03], [1, 2, 3, 4, 5])
    >>> print(f"{r.estimate[1]:.4f} ({r.lower[1]:.4f} to {r.upper[1]:.4f}), tau2 {r.tau2:.4f}")
    0.1063 (-0.0564 to 0.2689), tau2 0.0000
    """
    where = "meta_regression"
    y, v = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
    z = np.asarray(moderators, dtype=float)
    z = z[:, None] if z.ndim == 1 else z
    remedy = "Leave a site that did not give one out, and name it"
    require(y.ndim == 1 and y.shape == v.shape and z.shape[:1] == y.shape, where,
            f"shapes {y.shape}, {v.shape} and {z.shape}", "One estimate, variance and row of moderators per site", remedy)
    require(np.isfinite(y) & np.isfinite(v) & (v > 0), where, "an estimate or variance is missing", "Every site has both", remedy)
    require(np.isfinite(z).all(axis=1), where, "a moderator is missing", "Every site has every moderator", remedy)
    x = np.column_stack([np.ones(y.size), z])
    k, p = x.shape
    require(k >= p + 2, where, f"{k} sites for {p} coefficients", "At least two sites more than coefficients",
            "Use fewer moderators, or describe the sites side by side")
    require(np.linalg.matrix_rank(x) == p, where, "the moderators tell the same thing twice, or do not vary",
            "Moderators that differ between sites", "Drop one")
    order = np.lexsort((v, y))
    y, v, x = y[order], v[order], x[order]

    tau2 = _tau2(method, y, v, x, max_iterations)
    alone = _tau2(method, y, v, np.ones((k, 1)), max_iterations)
    tail, df = (1 - confidence) / 2, k - p
    lower, upper = (_where_q_is(float(chdtri(df, t)), y, v, x, max_iterations) for t in (tail, 1 - tail))
    beta, inverse, q = _fit(y, v, x, tau2)
    q_residual = _fit(y, v, x, 0.0)[2]
    scale = q / df
    scale = (max(1.0, scale) if floor else scale) if knapp_hartung else 1.0
    covariance = scale * inverse
    se = np.sqrt(np.diag(covariance))
    half = (student_quantile(confidence, df) if knapp_hartung else normal_quantile(confidence)) * se
    test = float(beta[1:] @ np.linalg.solve(covariance[1:, 1:], beta[1:]))
    together = test / (p - 1)
    return MetaRegression(
        estimate=beta, lower=beta - half, upper=beta + half, se=se, reason="", covariance=covariance,
        df=df, test=together if knapp_hartung else test,
        p=float(fdtrc(p - 1, df, together) if knapp_hartung else chdtrc(p - 1, test)),
        tau2=tau2, tau2_lower=lower, tau2_upper=upper, q_residual=q_residual,
        i2_percent=100 * max(0.0, (q_residual - df) / q_residual) if q_residual > 0 else 0.0,
        h2=q_residual / df, r2_percent=100 * max(0.0, 1 - tau2 / alone) if alone > 0 else float("nan"),
        sites=k, method=method,
        warning=f"fewer than {FEWEST_A_COEFFICIENT} sites per moderator" if k < FEWEST_A_COEFFICIENT * (p - 1) else "",
    )  # fmt: skip


def egger_test(estimates: ArrayLike, variances: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Test whether small sites differ from large ones: Egger's regression of the estimate on its standard error.

    estimates, variances: shape (sites,), three or more. Result: the slope with Student's limits on sites - 2 degrees of
    freedom; 0 = the funnel is even. `reason` warns where there are fewer than 10 sites, too few for the test to mean much,
    and a slope says nothing of why: small sites may differ in their people. For log odds ratios the estimate and its
    standard error are linked, so the test rejects too often.
    Method: Egger et al. 1997 as weighted least squares with a free scale. Raises ValueError for fewer than three sites or
    standard errors that are all the same.

    >>> e = egger_test([0.1, 0.3, 0.2, 0.6], [0.02, 0.03, 0.01, 0.08])
    >>> print(f"{e.estimate:.3f} ({e.lower:.3f} to {e.upper:.3f}); {e.reason}")
    1.871 (-3.144 to 6.887); fewer than 10 sites: too few for this test to mean much
    """
    y, v = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
    require(y.ndim == 1 and y.shape == v.shape and y.size >= 3, "egger_test", f"{y.size} sites", "Three or more",
            "Show the sites side by side")
    require(np.isfinite(y) & np.isfinite(v) & (v > 0), "egger_test", "an estimate or variance is missing",
            "Every site has both", "Leave that site out, and name it")
    x = np.column_stack([np.ones(y.size), np.sqrt(v)])
    require(np.ptp(v) > 0, "egger_test", "all sites have the same standard error", "They differ", "There is no funnel to test")
    beta, inverse, q = _fit(y, v, x, 0.0)
    df = y.size - 2
    se = float(np.sqrt(inverse[1, 1] * q / df))
    half = student_quantile(confidence, df) * se
    few = "fewer than 10 sites: too few for this test to mean much" if y.size < 10 else ""
    return Estimate(float(beta[1]), float(beta[1] - half), float(beta[1] + half), se, few)


def egger_p(test: Estimate, sites: int) -> float:
    """Give the two-sided p value of Egger's test.

    >>> round(egger_p(egger_test([0.1, 0.3, 0.2, 0.6], [0.02, 0.03, 0.01, 0.08]), 4), 4)
    0.2496
    """
    return float(2 * stdtr(sites - 2, -abs(test.estimate / test.se)))


def _fit(y: Floats, v: Floats, x: Floats, tau2: float) -> tuple[Floats, Floats, float]:
    """Return coefficients, (X'WX)^-1 and the weighted sum of squares that is left."""
    root = np.sqrt(1 / (v + tau2))
    scaled, response = x * root[:, None], y * root
    orthogonal, triangle = np.linalg.qr(scaled)
    beta = np.linalg.solve(triangle, orthogonal.T @ response)
    inverse = np.linalg.inv(triangle)
    return beta, inverse @ inverse.T, float(np.square(response - scaled @ beta).sum())


def _projection(v: Floats, x: Floats, tau2: float) -> Floats:
    w = 1 / (v + tau2)
    wx = x * w[:, None]
    return np.diag(w) - wx @ np.linalg.solve(x.T @ wx, wx.T)


def _tau2(method: str, y: Floats, v: Floats, x: Floats, max_iterations: int) -> float:
    df = x.shape[0] - x.shape[1]
    if method == "pm":
        return _where_q_is(float(df), y, v, x, max_iterations)
    if method == "dl":
        return max(0.0, (_fit(y, v, x, 0.0)[2] - df) / float(np.trace(_projection(v, x, 0.0))))
    require(method in ("reml", "ml"), "meta_regression", f"method {method!r} is unknown", "It is reml, ml, dl or pm",
            "Correct the setting")

    def slope(tau2: float) -> float:
        p = _projection(v, x, tau2)
        py = p @ y
        return float(py @ py - (np.trace(p) if method == "reml" else (1 / (v + tau2)).sum()))

    def height(tau2: float) -> float:
        w = 1 / (v + tau2)
        value = np.log(w).sum() - _fit(y, v, x, tau2)[2]
        return float(value - np.linalg.slogdet(x.T @ (x * w[:, None]))[1] if method == "reml" else value)

    top = 10 * (float(np.square(y - y.mean()).sum()) + float(v.max()))
    grid = np.concatenate([[0.0], np.geomspace(1e-9 * float(v.min()), top, 240)])
    slopes = np.array([slope(t) for t in grid])
    found = [0.0] if slopes[0] <= 0 else []
    for i in np.flatnonzero((slopes[:-1] > 0) & (slopes[1:] <= 0)):
        found.append(_root(slope, float(grid[i]), float(grid[i + 1]), max_iterations))
    if not found:
        raise ConvergenceError("the likelihood has no maximum; try method pm")
    return max(found, key=height)


def _where_q_is(target: float, y: Floats, v: Floats, x: Floats, max_iterations: int) -> float:
    def f(tau2: float) -> float:
        return _fit(y, v, x, tau2)[2] - target

    low, high = 0.0, float(v.min())
    if f(low) <= 0:
        return 0.0
    for _ in range(max_iterations):
        if f(high) <= 0:
            return _root(f, low, high, max_iterations)
        low, high = high, 4 * high
    raise ConvergenceError(f"tau2 was not bracketed in {max_iterations} iterations")


def _root(f: Any, low: float, high: float, max_iterations: int) -> float:
    result, report = brentq(f, low, high, xtol=1e-300, rtol=1e-14, maxiter=max_iterations, full_output=True, disp=False)
    if not report.converged:
        raise ConvergenceError(f"tau2 did not converge in {max_iterations} iterations")
    return float(result)
