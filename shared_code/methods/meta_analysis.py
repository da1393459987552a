"""Two-stage meta-analysis of site estimates, for what cannot be pooled by adding counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import chdtri

from shared_code.methods.checks import ConvergenceError, Floats, normal_quantile, require, student_quantile
from shared_code.methods.results import Estimate, LeaveOneOut, MetaAnalysis

Method = Literal["reml", "dl", "pm"]

_ONE = "one site: its own estimate, nothing is pooled"
_TWO = "two sites: common effect, no claim about the variance between sites; show both"


def common_effect(estimates: ArrayLike, variances: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Average site estimates by inverse variance, as if all sites shared one effect.

    estimates, variances: shape (sites,), on the scale of the analysis (log for ratios, logit for proportions).
    Method: METHODS 10.2. Raises ValueError for estimates that are not finite or variances that are not above 0.

    >>> c = common_effect([-0.35, -0.10, -0.52], [0.02, 0.015, 0.04])
    >>> print(f"{c.estimate:.4f} (se {c.se:.4f})")
    -0.2624 (se 0.0840)
    """
    y, v, _ = _sorted(estimates, variances)
    mean, total, _ = _weighted(y, v, 0.0)
    se, half = total**-0.5, normal_quantile(confidence) * total**-0.5
    return Estimate(mean, mean - half, mean + half, se, "")


def random_effects(
    estimates: ArrayLike,
    variances: ArrayLike,
    method: Method = "reml",
    knapp_hartung: bool = True,
    floor: bool = True,
    *,
    confidence: float = 0.95,
    max_iterations: int = 200,
) -> MetaAnalysis:
    """Average site estimates that may differ between sites, and say how much they differ.

    estimates, variances: shape (sites,), on the scale of the analysis. method: `reml`, `dl` or `pm` for tau2.
    knapp_hartung: standard error scaled by the spread of the sites, t with k-1 degrees of freedom; `floor` keeps that
    scale from falling below 1 (three near-identical sites would otherwise look certain).
    Three sites or more give everything. Two give the common effect with normal limits and one its own estimate; tau2,
    I2 and prediction limits are then nan and `reason` says so. The order of the sites changes no bit of the result.
    Method: Viechtbauer 2005 (REML) and 2007 (Q-profile), DerSimonian & Laird 1986, Paule & Mandel 1982, Hartung & Knapp
    2001, Röver et al. 2015 (floor), Higgins et al. 2009 (prediction).
    Raises ValueError for unusable input and ConvergenceError, with the reason, if the iteration does not end.

    >>> m = random_effects([-0.35, -0.10, -0.52], [0.02, 0.015, 0.04])
    >>> print(f"{m.estimate:.4f} ({m.lower:.4f} to {m.upper:.4f}), tau2 {m.tau2:.4f}")
    -0.2890 (-0.8053 to 0.2273), tau2 0.0205
    """
    require(method in get_args(Method), "random_effects", f"method {method!r} is unknown",
            "It is reml, dl or pm", "Correct the setting")
    y, v, order = _sorted(estimates, variances)
    k, nan = len(y), float("nan")
    common = common_effect(y, v, confidence)
    q = float(_weighted(y, v, 0.0)[2])
    if k < 3:
        weights = _in_input_order(1 / v, order)
        return MetaAnalysis(
            common.estimate, common.lower, common.upper, common.se, _ONE if k == 1 else _TWO,
            nan, nan, nan, q, nan, nan, nan, nan, nan, weights, k, "single" if k == 1 else "common",
        )  # fmt: skip

    tau2 = {"reml": _reml, "pm": _paule_mandel, "dl": _dersimonian_laird}[method](y, v, max_iterations)
    tau2_lower, tau2_upper = _q_profile(y, v, confidence, max_iterations)
    mean, total, spread = _weighted(y, v, tau2)
    plain_se = float(total**-0.5)
    scale = spread / (k - 1)
    se = plain_se * float(np.sqrt(max(1.0, scale) if floor else scale)) if knapp_hartung else plain_se
    t = student_quantile(confidence, k - 1)
    half = (t if knapp_hartung else normal_quantile(confidence)) * se
    elsewhere = t * np.sqrt(tau2 + se**2)
    hts = student_quantile(confidence, k - 2) * np.sqrt(tau2 + plain_se**2)
    return MetaAnalysis(
        estimate=mean, lower=mean - half, upper=mean + half, se=se, reason="",
        tau2=tau2, tau2_lower=tau2_lower, tau2_upper=tau2_upper,
        q=q, i2_percent=100 * max(0.0, (q - (k - 1)) / q) if q > 0 else 0.0,
        prediction_lower=mean - elsewhere, prediction_upper=mean + elsewhere,
        hts_lower=mean - hts, hts_upper=mean + hts,
        weights=_in_input_order(1 / (v + tau2), order), sites=k, method=method,
    )  # fmt: skip


def leave_one_out(
    estimates: ArrayLike,
    variances: ArrayLike,
    method: Method = "reml",
    knapp_hartung: bool = True,
    floor: bool = True,
    *,
    null: float = 0.0,
    confidence: float = 0.95,
) -> LeaveOneOut:
    """Repeat the random-effects analysis without each site in turn, and mark the sites on which it hangs.

    estimates, variances: shape (sites,), two sites or more; `null`: the value that means no effect.
    Arrays in the result follow the order of the input. Method: METHODS 10.2. Raises as `random_effects` does.

    >>> one_out = leave_one_out([-0.35, -0.10, -0.52], [0.02, 0.015, 0.04])
    >>> one_out.estimate.round(4), one_out.flagged
    (array([-0.2145, -0.4067, -0.2071]), array([ True,  True,  True]))
    """
    y, v = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
    require(y.ndim == 1 and y.size >= 2, "leave_one_out", "fewer than two sites", "At least two sites",
            "Show the only site as it is")
    everyone = random_effects(y, v, method, knapp_hartung, floor, confidence=confidence)
    others = [
        random_effects(np.delete(y, i), np.delete(v, i), method, knapp_hartung, floor, confidence=confidence)
        for i in range(y.size)
    ]
    estimate, lower, upper, se = (np.array([getattr(o, f) for o in others]) for f in ("estimate", "lower", "upper", "se"))
    significant = (lower > null) | (upper < null)
    return LeaveOneOut(
        estimate, lower, upper, se,
        sign_changes=np.sign(estimate - null) != np.sign(everyone.estimate - null),
        significance_changes=significant != (everyone.lower > null or everyone.upper < null),
        moves=np.abs(estimate - everyone.estimate) > everyone.se,
    )  # fmt: skip


def _sorted(estimates: ArrayLike, variances: ArrayLike) -> tuple[Floats, Floats, Any]:
    """Check the input and put it into one order, so that sums do not depend on the order of sites."""
    y, v = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
    remedy = "Leave a site that did not give an estimate out, and name it"
    require(y.ndim == 1 and y.size > 0 and y.shape == v.shape, "meta-analysis",
            f"estimates of shape {y.shape} and variances of shape {v.shape}", "One of each per site, at least one", remedy)
    require(np.isfinite(y), "meta-analysis", "an estimate is not finite", "Every site has an estimate", remedy)
    require(np.isfinite(v) & (v > 0), "meta-analysis", "a variance is not above 0", "Every site has a variance", remedy)
    order = np.lexsort((v, y))
    return y[order], v[order], order


def _in_input_order(weights: Floats, order: Any) -> Floats:
    result = np.empty_like(weights)
    result[order] = weights / weights.sum()
    return result


def _weighted(y: Floats, v: Floats, tau2: float) -> tuple[float, float, float]:
    """Return weighted mean, total weight and weighted sum of squares."""
    w = 1 / (v + tau2)
    mean = (w * y).sum() / w.sum()
    return float(mean), float(w.sum()), float((w * np.square(y - mean)).sum())


def _dersimonian_laird(y: Floats, v: Floats, _: int) -> float:
    w = 1 / v
    q = _weighted(y, v, 0.0)[2]
    return max(0.0, (q - (len(y) - 1)) / float(w.sum() - np.square(w).sum() / w.sum()))


def _paule_mandel(y: Floats, v: Floats, max_iterations: int) -> float:
    return _where_q_is(len(y) - 1, y, v, max_iterations)


def _q_profile(y: Floats, v: Floats, confidence: float, max_iterations: int) -> tuple[float, float]:
    df, tail = len(y) - 1, (1 - confidence) / 2
    lower = _where_q_is(float(chdtri(df, tail)), y, v, max_iterations)
    return lower, _where_q_is(float(chdtri(df, 1 - tail)), y, v, max_iterations)


def _where_q_is(target: float, y: Floats, v: Floats, max_iterations: int) -> float:
    """Return the tau2 at which the generalised Q, which falls with tau2, meets the target; 0 if it starts below."""
    return _falling_root(lambda tau2: _weighted(y, v, tau2)[2] - target, float(v.min()), max_iterations)


def _falling_root(f: Callable[[float], float], first: float, max_iterations: int) -> float:
    if f(0.0) <= 0:
        return 0.0
    low, high = 0.0, first
    for _ in range(max_iterations):
        if f(high) <= 0:
            return _root(f, low, high, max_iterations)
        low, high = high, 4 * high
    raise ConvergenceError(f"tau2 was not bracketed in {max_iterations} iterations")


def _root(f: Callable[[float], float], low: float, high: float, max_iterations: int) -> float:
    result, report = brentq(f, low, high, xtol=1e-300, rtol=1e-14, maxiter=max_iterations, full_output=True, disp=False)
    if not report.converged:
        raise ConvergenceError(f"tau2 did not converge in {max_iterations} iterations")
    return float(result)


def _reml(y: Floats, v: Floats, max_iterations: int) -> float:
    """Return the tau2 with the highest restricted likelihood, among the roots of its score and 0."""

    def parts(tau2: Any) -> tuple[Floats, Floats, Floats]:
        w = 1 / (v[:, None] + tau2)
        total = w.sum(axis=0)
        return w, total, np.square(y[:, None] - (w * y[:, None]).sum(axis=0) / total)

    def score(tau2: Any) -> Floats:
        w, total, squares = parts(tau2)
        return np.asarray((np.square(w) * squares).sum(axis=0) - total + np.square(w).sum(axis=0) / total)

    def likelihood(tau2: Any) -> Floats:
        w, total, squares = parts(tau2)
        return np.asarray(np.log(w).sum(axis=0) - np.log(total) - (w * squares).sum(axis=0))

    # The likelihood can have several maxima; none lies far above the spread of the estimates.
    top = 10 * (float(np.square(y - y.mean()).sum()) + float(v.max()))
    grid = np.concatenate([[0.0], np.geomspace(1e-9 * float(v.min()), top, 500)])
    slope = score(grid)
    candidates = [0.0] if slope[0] <= 0 else []
    for i in np.flatnonzero((slope[:-1] > 0) & (slope[1:] <= 0)):
        candidates.append(_root(lambda tau2: float(score(tau2)[0]), float(grid[i]), float(grid[i + 1]), max_iterations))
    if not candidates:
        raise ConvergenceError("the restricted likelihood has no maximum; try method pm")
    return candidates[int(likelihood(np.array(candidates)).argmax())]
