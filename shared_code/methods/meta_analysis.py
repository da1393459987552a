"""Two-stage meta-analysis of site estimates, for what cannot be pooled by adding counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from shared_code.methods.between_sites import ESTIMATORS, q_profile, weighted
from shared_code.methods.checks import Floats, normal_quantile, plain, reasons, require
from shared_code.methods.results import Estimate, LeaveOneOut, MetaAnalysis

Method = Literal["reml", "dl", "pm", "ml"]

_NONE = "no site gave an estimate"
_ONE = "one site: its own estimate, nothing is pooled"
_TWO = "two sites: common effect, no claim about the variance between sites; show both"


def common_effect(estimates: ArrayLike, variances: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Average site estimates by inverse variance, as if all sites shared one effect.

    estimates, variances: shape (sites,), or (..., sites) for many analyses at once, on the scale of the analysis (log for
    ratios, logit for proportions); nan in both marks a site that is not in one of several analyses.
    Method: METHODS 10.2. Raises ValueError for estimates that are not finite or variances that are not above 0.

    >>> c = common_effect([-0.35, -0.10, -0.52], [0.02, 0.015, 0.04])
    >>> print(f"{c.estimate:.4f} (se {c.se:.4f})")
    -0.2624 (se 0.0840)
    """
    s = _Sites(estimates, variances)
    mean, se, _ = s.average(np.zeros(len(s.y)))
    half = normal_quantile(confidence) * se
    values = (s.shaped(v) for v in (mean, mean - half, mean + half, se))
    return Estimate(*values, s.shaped(reasons(mean.shape, (s.count == 0, _NONE))))


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

    estimates, variances: shape (sites,), or (..., sites) for many analyses at once, as `common_effect`.
    method: `reml`, `ml`, `dl` or `pm` for tau2. knapp_hartung: standard error scaled by the spread of the sites, t with
    k-1 degrees of freedom; `floor` keeps that scale from falling below 1 (three near-identical sites would otherwise
    look certain). Three sites or more give everything. Two give the common effect with normal limits and one its own
    estimate; tau2, I2, H2 and prediction limits are then nan and `reason` says so. The order of the sites changes no bit.
    Method: Viechtbauer 2005 (REML) and 2007 (Q-profile), DerSimonian & Laird 1986, Paule & Mandel 1982, Hartung & Knapp
    2001, Röver et al. 2015 (floor), Higgins et al. 2009 (prediction).
    Raises ValueError for unusable input and ConvergenceError, with the reason, if the iteration does not end.

    >>> m = random_effects([-0.35, -0.10, -0.52], [0.02, 0.015, 0.04])
    >>> print(f"{m.estimate:.4f} ({m.lower:.4f} to {m.upper:.4f}), tau2 {m.tau2:.4f}")
    -0.2890 (-0.8053 to 0.2273), tau2 0.0205
    """
    require(method in get_args(Method), "random_effects", f"method {method!r} is unknown",
            "It is reml, ml, dl or pm", "Correct the setting")
    s, z = _Sites(estimates, variances), normal_quantile(confidence)
    several = s.count >= 3
    tau2, tau2_lower, tau2_upper = (np.full(len(s.y), np.nan) for _ in range(3))
    if several.any():
        y, v = s.y[several], s.v[several]
        tau2[several] = ESTIMATORS[method](y, v, max_iterations)
        tau2_lower[several], tau2_upper[several] = q_profile(y, v, confidence, max_iterations)
    mean, plain_se, spread = s.average(np.where(several, tau2, 0.0))
    q = s.average(np.zeros(len(s.y)))[2]
    df = np.where(several, s.count - 1.0, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = spread / df
        scaled = np.sqrt(np.maximum(1.0, scale) if floor else scale) if knapp_hartung else 1.0
        se = np.where(several, plain_se * scaled, plain_se)
        t, t_fewer = (stdtrit(np.maximum(d, 1.0), 0.5 + confidence / 2) for d in (df, df - 1))
        half = np.where(several, (t if knapp_hartung else z) * se, z * plain_se)
        elsewhere, hts = t * np.sqrt(tau2 + se**2), t_fewer * np.sqrt(tau2 + plain_se**2)
        i2 = np.where(q > 0, 100 * np.maximum(0.0, (q - df) / np.where(q > 0, q, 1.0)), 0.0 * df)
    with np.errstate(divide="ignore"):
        weights = 1 / (s.v + np.where(several, tau2, 0.0)[:, None])
    reason = reasons(mean.shape, (s.count == 0, _NONE), (s.count == 1, _ONE), (s.count == 2, _TWO))
    named = np.where(several, method, np.where(s.count == 2, "common", "single"))
    return MetaAnalysis(
        estimate=s.shaped(mean), lower=s.shaped(mean - half), upper=s.shaped(mean + half), se=s.shaped(se),
        reason=s.shaped(reason), tau2=s.shaped(tau2), tau2_lower=s.shaped(tau2_lower), tau2_upper=s.shaped(tau2_upper),
        q=s.shaped(q), df=s.shaped(df), i2_percent=s.shaped(i2), h2=s.shaped(q / df),
        prediction_lower=s.shaped(mean - elsewhere), prediction_upper=s.shaped(mean + elsewhere),
        hts_lower=s.shaped(mean - hts), hts_upper=s.shaped(mean + hts),
        weights=s.in_input_order(weights), sites=s.shaped(s.count), method=s.shaped(named),
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
    kept = ~np.eye(y.size, dtype=bool)
    others = random_effects(np.where(kept, y, np.nan), np.where(kept, v, np.nan), method, knapp_hartung, floor,
                            confidence=confidence)  # fmt: skip
    significant = (others.lower > null) | (others.upper < null)
    return LeaveOneOut(
        others.estimate, others.lower, others.upper, others.se,
        sign_changes=np.sign(others.estimate - null) != np.sign(everyone.estimate - null),
        significance_changes=significant != (everyone.lower > null or everyone.upper < null),
        moves=np.abs(others.estimate - everyone.estimate) > everyone.se,
        tau2=others.tau2,
    )  # fmt: skip


def cumulative(
    estimates: ArrayLike,
    variances: ArrayLike,
    method: Method = "reml",
    knapp_hartung: bool = True,
    floor: bool = True,
    *,
    confidence: float = 0.95,
) -> MetaAnalysis:
    """Repeat the random-effects analysis as each site joins, in the order given.

    estimates, variances: shape (sites,), in the order of joining (dates of releases, rising size). Result: fields of shape
    (sites,), the first with one site, the second with two (common effect), then three and more.
    Method: Lau et al. 1992. Raises as `random_effects` does.

    >>> cumulative([-0.35, -0.10, -0.52], [0.02, 0.015, 0.04]).estimate.round(4)
    array([-0.35  , -0.2071, -0.289 ])
    """
    y, v = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
    require(y.ndim == 1 and np.isfinite(y).all(), "cumulative", "an estimate is missing, or there are several analyses",
            "Shape (sites,)", "Leave a site that did not give an estimate out, and name it")
    joined = np.tri(y.size, dtype=bool)
    return random_effects(np.where(joined, y, np.nan), np.where(joined, v, np.nan), method, knapp_hartung, floor,
                          confidence=confidence)  # fmt: skip


def subgroups(
    estimates: ArrayLike,
    variances: ArrayLike,
    groups: Sequence[Any],
    method: Method = "reml",
    knapp_hartung: bool = True,
    floor: bool = True,
    *,
    confidence: float = 0.95,
) -> tuple[list[Any], MetaAnalysis]:
    """Analyse each group of sites by itself: each group has its own tau2.

    estimates, variances: shape (sites,); groups: which group each site is in. Result: the names of the groups, sorted, and
    one analysis whose fields have shape (groups,). Whether the groups differ is a question for `meta_regression` with a
    moderator per group, which shares one tau2 over them; with few sites a group neither can say much.
    Method: Borenstein et al. 2009, chapter 19. Raises as `random_effects` does.

    >>> names, found = subgroups([-0.35, -0.10, -0.52, 0.2], [0.02, 0.015, 0.04, 0.03], ["a", "a", "a", "b"])
    >>> names, found.estimate.round(4), found.sites
    (['a', 'b'], array([-0.289,  0.2  ]), array([3, 1]))
    """
    y, v = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
    require(y.ndim == 1 and len(groups) == y.size, "subgroups", f"{len(groups)} groups for {y.size} sites",
            "One group per site", "Give every site a group")
    names = sorted(set(groups))
    member = np.array([[group == name for group in groups] for name in names])
    return names, random_effects(np.where(member, y, np.nan), np.where(member, v, np.nan), method, knapp_hartung, floor,
                                 confidence=confidence)  # fmt: skip


class _Sites:
    """Hold checked input as (analyses, sites), each analysis in one order so that sums do not depend on that of the sites."""

    def __init__(self, estimates: ArrayLike, variances: ArrayLike) -> None:
        y, v = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
        remedy = "Leave a site that did not give an estimate out, and name it"
        require(y.ndim >= 1 and y.size > 0 and y.shape == v.shape, "meta-analysis",
                f"estimates of shape {y.shape} and variances of shape {v.shape}", "One of each per site, at least one", remedy)
        absent = np.isnan(y) & np.isnan(v) & (y.ndim > 1)
        require(absent | np.isfinite(y), "meta-analysis", "an estimate is not finite", "Every site has an estimate", remedy)
        require(absent | (np.isfinite(v) & (v > 0)), "meta-analysis", "a variance is not above 0",
                "Every site has a variance", remedy)
        self.shape = y.shape
        y = np.where(absent, 0.0, y).reshape(-1, y.shape[-1])
        v = np.where(absent, np.inf, v).reshape(y.shape)
        self.order = np.lexsort((v, y, np.isinf(v)), axis=-1)
        self.y: Floats = np.take_along_axis(y, self.order, axis=-1)
        self.v: Floats = np.take_along_axis(v, self.order, axis=-1)
        self.count = np.isfinite(self.v).sum(axis=-1)

    def average(self, tau2: Floats) -> tuple[Floats, Floats, Floats]:
        """Return mean, its plain standard error and the weighted sum of squares; nan without sites."""
        with np.errstate(divide="ignore", invalid="ignore"):
            mean, total, spread = weighted(self.y, self.v, tau2)
            return mean, np.where(total > 0, total**-0.5, np.nan), np.where(total > 0, spread, np.nan)

    def shaped(self, values: Any) -> Any:
        return plain(np.reshape(values, self.shape[:-1]))

    def in_input_order(self, weights: Floats) -> Any:
        result = np.empty_like(weights)
        with np.errstate(invalid="ignore"):
            np.put_along_axis(result, self.order, weights / weights.sum(axis=-1, keepdims=True), axis=-1)
        return result.reshape(self.shape)
