"""Two groups compared over sites when events are rare: common effects that keep zeros and add nothing to them."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import chdtri

from shared_code.methods.checks import (
    ConvergenceError,
    Floats,
    normal_quantile,
    plain,
    reasons,
    require,
    require_not_negative,
)
from shared_code.methods.results import Ratio

Measure = Literal["risk_ratio", "odds_ratio", "rate_ratio", "risk_difference", "rate_difference"]

_WITHHELD = "a site's count is withheld"
_NOTHING = "no site has events to compare in both groups"


def mantel_haenszel(
    events_a: ArrayLike, size_a: ArrayLike, events_b: ArrayLike, size_b: ArrayLike, measure: Measure = "rate_ratio",
    confidence: float = 0.95,
) -> Ratio:  # fmt: skip
    """Compare two groups over sites (or strata) by Mantel-Haenszel, a over b, without continuity correction.

    events, size: shape (..., sites); size is people for risks and odds, person-time for rates. A site with a zero in one
    group stays in; a site without events in either carries no information on a ratio (it does on a difference), and a
    site in which a group is empty drops out. For the two differences the result is a minus b, and `se_log` its own standard
    error. nan with a `reason` where a count is withheld or one of the two weighted sums is 0.
    Method: Greenland & Robins 1985 (risk and rate ratios, differences by Sato et al. 1989 for risks), Robins, Breslow &
    Greenland 1986 (odds ratio). Raises ValueError for negative counts, or events above people.

    >>> r = mantel_haenszel([0, 1, 2, 0], [410, 820, 950, 300], [3, 4, 9, 0], [400, 800, 1000, 310])
    >>> print(f"{r.estimate:.4f} ({r.lower:.4f} to {r.upper:.4f})")
    0.1917 (0.0560 to 0.6560)
    """
    where = "mantel_haenszel"
    require(measure in get_args(Measure), where, f"measure {measure!r} is unknown", f"One of {get_args(Measure)}",
            "Correct the setting")
    a, n, b, m = _counts(where, "rate" not in measure, events_a, size_a, events_b, size_b)
    both = (n > 0) & (m > 0)
    unknown = np.isnan(a + n + b + m).any(axis=-1)
    a, n, b, m = (np.where(both, v, z) for v, z in ((a, 0.0), (n, 1.0), (b, 0.0), (m, 1.0)))
    t = n + m
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure in ("risk_difference", "rate_difference"):
            weight = np.where(both, n * m / t, 0.0)
            total = weight.sum(axis=-1)
            value = ((a * m - b * n) / t).sum(axis=-1) / total
            if measure == "rate_difference":
                variance = (np.square(weight) * (a / n**2 + b / m**2)).sum(axis=-1) / total**2
            else:
                p = (b * (n / t) ** 2 - a * (m / t) ** 2 + (n / t) * (m / t) * (m - n) / 2 * both).sum(axis=-1)
                q = ((a * (m - b) + b * (n - a)) / t).sum(axis=-1) / 2
                variance = (value * p + q) / total**2
            reason = reasons(value.shape, (unknown, _WITHHELD), (total == 0, "no site has both groups"))
            se, z = np.sqrt(variance), normal_quantile(confidence)
            shown = [np.where(reason == "", v, np.nan) for v in (value, value - z * se, value + z * se, se)]
            return Ratio(*map(plain, shown), reason)
        if measure == "odds_ratio":
            r, s, p, q = a * (m - b) / t, b * (n - a) / t, (a + m - b) / t, (b + n - a) / t
            top, bottom = r.sum(axis=-1), s.sum(axis=-1)
            variance = (
                (p * r).sum(axis=-1) / (2 * top**2) + (p * s + q * r).sum(axis=-1) / (2 * top * bottom)
                + (q * s).sum(axis=-1) / (2 * bottom**2)
            )  # fmt: skip
        else:
            top, bottom = (a * m / t).sum(axis=-1), (b * n / t).sum(axis=-1)
            spread = (a + b) * n * m / t**2 - (a * b / t if measure == "risk_ratio" else 0.0)
            variance = spread.sum(axis=-1) / (top * bottom)
        return _ratio(top / bottom, np.sqrt(variance), unknown, (top == 0) | (bottom == 0), confidence)


def peto_odds_ratio(
    events_a: ArrayLike, people_a: ArrayLike, events_b: ArrayLike, people_b: ArrayLike, confidence: float = 0.95
) -> Ratio:
    """Pool odds ratios over sites by Peto's one-step method, a over b.

    events, people: shape (..., sites). Zeros in one group stay in. Only for groups of about the same size and effects near
    1: it is biased otherwise, and `mantel_haenszel` is the default. nan with a `reason` as there.
    Method: Yusuf et al. 1985. Raises ValueError for negative counts, or events above people.

    >>> r = peto_odds_ratio([0, 1, 2], [400, 800, 950], [3, 4, 9], [400, 800, 1000])
    >>> print(f"{r.estimate:.4f} ({r.lower:.4f} to {r.upper:.4f})")
    0.2606 (0.1058 to 0.6419)
    """
    a, n, b, m = _counts("peto_odds_ratio", True, events_a, people_a, events_b, people_b)
    unknown = np.isnan(a + n + b + m).any(axis=-1)
    events, people = a + b, n + m
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.where(people > 0, events * n / people, 0.0)
        variance = np.where(people > 1, expected * (m / people) * (people - events) / (people - 1), 0.0)
        total = variance.sum(axis=-1)
        value = np.exp((a - expected).sum(axis=-1) / total)
        return _ratio(value, total**-0.5, unknown, total == 0, confidence)


def rate_ratio(
    events_a: ArrayLike, time_a: ArrayLike, events_b: ArrayLike, time_b: ArrayLike, confidence: float = 0.95
) -> Ratio:
    """Fit one rate ratio over sites (or strata) by conditional maximum likelihood, with profile-likelihood limits.

    events, time: shape (sites,), person-time above 0. Given the events of a site in both groups together, those of a are
    binomial, so each site's own level drops out; a site without events adds nothing. Where no events are in group a (or b)
    at all the estimate is 0 (or infinite, as `estimate`), with one finite limit. `se_log` from the information.
    Method: Breslow & Day 1987, METHODS 10.3. Raises ValueError for negative counts or person-time that is not above 0.

    >>> r = rate_ratio([0, 1, 2, 0], [410, 820, 950, 300], [3, 4, 9, 0], [400, 800, 1000, 310])
    >>> print(f"{r.estimate:.5f} ({r.lower:.5f} to {r.upper:.5f})")
    0.19106 (0.04445 to 0.57361)
    """
    where = "rate_ratio"
    a, s, b, t = _counts(where, False, events_a, time_a, events_b, time_b)
    require(a.ndim == 1, where, "several analyses at once", "Shape (sites,)", "Call it for each")
    if np.isnan(a + s + b + t).any():
        return Ratio(np.nan, np.nan, np.nan, np.nan, _WITHHELD)
    require((s > 0) & (t > 0), where, "a site has no person-time", "Above 0", "Leave that site out")
    e, offset = a + b, np.log(s / t)
    if e.sum() == 0:
        return Ratio(np.nan, np.nan, np.nan, np.nan, "no site has events")

    def height(log_ratio: float) -> float:
        eta = log_ratio + offset
        return float((a * eta - e * np.logaddexp(0, eta)).sum())

    def slope(log_ratio: float) -> float:
        return float((a - e / (1 + np.exp(-(log_ratio + offset)))).sum())

    far = 40.0 + float(np.abs(offset).max())
    none_a, none_b = a.sum() == 0, b.sum() == 0
    if none_a or none_b:
        best, top = (-np.inf if none_a else np.inf), 0.0  # the height that the likelihood nears but does not reach
    else:
        best = _root(slope, -far, far)
        top = height(best)
    drop = float(chdtri(1, 1 - confidence)) / 2

    def below(log_ratio: float) -> float:
        return height(log_ratio) - top + drop

    lower, upper = -np.inf, np.inf
    if none_a or none_b:
        only = _root(below, -far, far)
        lower, upper = (lower, only) if none_a else (only, upper)
    else:
        lower = _root(below, best - _reach(below, best, -1), best)
        upper = _root(below, best, best + _reach(below, best, 1))
    with np.errstate(over="ignore"):
        p = 1 / (1 + np.exp(-(best + offset)))
        information = float((e * p * (1 - p)).sum()) if np.isfinite(best) else 0.0
        se = information**-0.5 if information > 0 else np.nan
        return Ratio(float(np.exp(best)), float(np.exp(lower)), float(np.exp(upper)), se, "")


def _reach(below: Any, best: float, sign: int) -> float:
    width = 0.1
    while below(best + sign * width) > 0:
        width *= 2
        if width > 1e4:
            raise ConvergenceError("the likelihood does not fall to its limit")
    return width


def _root(f: Any, low: float, high: float) -> float:
    result, report = brentq(f, low, high, xtol=1e-13, rtol=1e-13, full_output=True, disp=False)
    if not report.converged:
        raise ConvergenceError("the likelihood's root was not reached")
    return float(result)


def _counts(where: str, people: bool, *values: ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
    a, n, b, m = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in values))
    require_not_negative(where, events_a=a, size_a=n, events_b=b, size_b=m)
    require(a.ndim >= 1, where, "there is no axis of sites", "Shape (..., sites)", "Pass the sites as a list")
    if people:
        require(~((a > n) | (b > m)), where, "events exceed people", "Events lie between 0 and people", "Check the join")
    return a, n, b, m


def _ratio(value: Any, se: Any, unknown: Any, nothing: Any, confidence: float) -> Ratio:
    reason = reasons(np.shape(value), (unknown, _WITHHELD), (nothing, _NOTHING))
    value, se = (np.where(reason == "", v, np.nan) for v in (value, se))
    factor = np.exp(normal_quantile(confidence) * se)
    return Ratio(plain(value), plain(value / factor), plain(value * factor), plain(se), reason)
