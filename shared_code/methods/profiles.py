"""Effects pooled from likelihood profiles: each site gives its log-likelihood and slope at points agreed in advance.

For rare events, where an estimate with a standard error says too little or does not exist: a site without any event in one
group stays in, and nothing is added to its zero. Between the points the log-likelihood is the cubic that has the values
and slopes at both ends (Hermite), outside the last points a straight line.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import chdtri, expit

from shared_code.methods.checks import Floats, require, require_not_negative
from shared_code.methods.results import PooledProfile

LOW, HIGH, NUMBER = np.log(0.005), np.log(20), 16  # default points: log ratios that cover the limits of sparse comparisons


class Profile(NamedTuple):
    """Hold the log-likelihood less its highest over the points, and its slope; shape (points,).

    >>> Profile(np.zeros(3), np.ones(3)).gradient.sum()
    np.float64(3.0)
    """

    log_likelihood: Floats
    gradient: Floats


def default_points() -> Floats:
    """Give the points that a study uses unless it agrees on others: 16 log ratios from 0.005 to 20.

    >>> np.exp(default_points()[[0, -1]]).round(3)
    array([5.e-03, 2.e+01])
    """
    return np.linspace(LOW, HIGH, NUMBER)


def profile_of_rates(
    events_a: ArrayLike, time_a: ArrayLike, events_b: ArrayLike, time_b: ArrayLike, points: ArrayLike
) -> Profile:
    """Compute a site's profile of the log rate ratio, a over b, each stratum keeping its own level.

    events, time: one number each, or shape (strata,) with person-time above 0; points: log rate ratios. Given the events of
    a stratum in both groups together those of a are binomial, which profiles its level out. A site without events has a
    flat profile, which says nothing and harms nothing. Raises ValueError for negative counts or no person-time.

    >>> p = profile_of_rates(0, 410, 3, 400, [-2.0, 0.0, 2.0])
    >>> p.log_likelihood.round(3), p.gradient.round(3)
    (array([ 0.   , -1.727, -6.056]), array([-0.365, -1.519, -2.65 ]))
    """
    where = "profile_of_rates"
    a, s, b, t = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, dtype=float)) for v in (events_a, time_a, events_b, time_b)))
    require_not_negative(where, events_a=a, events_b=b)
    require(np.isfinite(a + b) & (s > 0) & (t > 0), where, "a stratum has no person-time, or a count is missing",
            "Person-time above 0", "Leave that stratum out")
    eta = np.asarray(points, dtype=float)[:, None] + np.log(s / t)
    total = a + b
    height = (a * eta - total * np.logaddexp(0, eta)).sum(axis=1)
    return Profile(height - height.max(), (a - total * expit(eta)).sum(axis=1))


def profile_at(points: ArrayLike, log_likelihood: ArrayLike, gradient: ArrayLike, x: ArrayLike) -> tuple[Floats, Floats]:
    """Read log-likelihood and slope between (and beyond) the points.

    points: (points,), rising; log_likelihood, gradient: (..., points); x: (values,). Result: two of shape (..., values).
    Method: cubic Hermite inside, straight line outside (Schuemie et al. 2022).

    >>> at, slope = profile_at([0, 1], [0, 1], [0, 2], [0.5, 3.0])  # the parabola x^2, and its tangent at 1
    >>> at, slope
    (array([0.25, 5.  ]), array([1., 2.]))
    """
    p, y, g = _checked(points, log_likelihood, gradient)
    at = np.asarray(x, dtype=float)
    i = np.clip(np.searchsorted(p, at, side="right") - 1, 0, p.size - 2)
    width = p[i + 1] - p[i]
    t = np.clip((at - p[i]) / width, 0, 1)
    a, b, da, db = y[..., i], y[..., i + 1], g[..., i] * width, g[..., i + 1] * width
    value = (
        (2 * t**3 - 3 * t**2 + 1) * a + (t**3 - 2 * t**2 + t) * da + (3 * t**2 - 2 * t**3) * b + (t**3 - t**2) * db
    )
    slope = ((6 * t**2 - 6 * t) * (a - b) + (3 * t**2 - 4 * t + 1) * da + (3 * t**2 - 2 * t) * db) / width
    beyond = at - np.clip(at, p[0], p[-1])
    return value + slope * beyond, slope


def pool_profiles(
    points: ArrayLike, log_likelihood: ArrayLike, gradient: ArrayLike, confidence: float = 0.95
) -> PooledProfile:
    """Add the profiles of all sites, which share one effect, and find its maximum and likelihood limits.

    points: (points,), the same at every site; log_likelihood, gradient: (sites, points). Result on the scale of the points
    (log ratio): the highest point, the limits where the log-likelihood has fallen by half a chi-squared quantile, `se` from
    the curvature. A limit beyond the agreed points is read off a straight line and wrong: `reason` then asks for wider
    points. Where the likelihood still rises at an end (no events in one group at any site) there is no estimate but an
    infinite one, and one limit. A site with a flat profile is in and changes nothing.
    Method: METHODS 10.7; Luo et al. 2024. Raises ValueError for profiles that are missing or do not match the points.

    >>> points = default_points()
    >>> sites = [profile_of_rates(*s, points) for s in ((0, 410, 3, 400), (1, 820, 4, 800), (2, 950, 9, 1000), (0, 300, 0, 310))]
    >>> found = pool_profiles(points, [s.log_likelihood for s in sites], [s.gradient for s in sites])
    >>> print(np.exp([found.estimate, found.lower, found.upper]).round(4))
    [0.191  0.0444 0.5735]
    """
    p, y, g = _checked(points, log_likelihood, gradient)
    require(y.ndim == 2, "pool_profiles", f"profiles of shape {y.shape}", "(sites, points)", "Stack the sites")
    return _read(p, _sum(y), _sum(g), confidence, len(y))


def _read(p: Floats, y: Floats, g: Floats, confidence: float, sites: int) -> PooledProfile:
    """Find maximum and limits of one curve."""
    drop = float(chdtri(1, 1 - confidence)) / 2
    if (np.abs(g) < 1e-12).all():
        return PooledProfile(np.nan, np.nan, np.nan, np.nan, "no site has events to compare", False, False, sites)
    if g[0] <= 0:
        best, top = -np.inf, float(y[0] + abs(g[0]))  # where an exponential tail with this slope ends
    elif g[-1] >= 0:
        best, top = np.inf, float(y[-1] + abs(g[-1]))
    else:
        best = _highest(p, y, g)
        top = float(profile_at(p, y, g, [best])[0][0])

    def below(x: float) -> float:
        return float(profile_at(p, y, g, [x])[0][0]) - top + drop

    lower = -np.inf if best == -np.inf else _limit(below, p[-1] if best == np.inf else best, -1)
    upper = np.inf if best == np.inf else _limit(below, p[0] if best == -np.inf else best, 1)
    outside = (bool(np.isfinite(lower) and lower < p[0]), bool(np.isfinite(upper) and upper > p[-1]))
    reason = ""
    if np.isinf(best):
        reason = "the likelihood still rises at the last point: no events in one group, or points that are too narrow"
    elif any(outside):
        reason = "a limit lies beyond the agreed points: ask the sites again, with wider points"
    se = np.nan
    if np.isfinite(best):
        h = 1e-4
        curvature = -(profile_at(p, y, g, [best + h])[1][0] - profile_at(p, y, g, [best - h])[1][0]) / (2 * h)
        se = float(curvature**-0.5) if curvature > 0 else np.nan
    return PooledProfile(float(best), float(lower), float(upper), se, reason, *outside, sites)


def _highest(p: Floats, y: Floats, g: Floats) -> float:
    """Return the maximum: in every interval whose slopes turn from rise to fall, the root of the slope; the highest of them."""
    found = []
    for i in np.flatnonzero((g[:-1] > 0) & (g[1:] <= 0)):
        root = float(brentq(lambda x: float(profile_at(p, y, g, [x])[1][0]), p[i], p[i + 1], xtol=1e-13))
        found.append((float(profile_at(p, y, g, [root])[0][0]), root))
    return max(found)[1]


def _limit(below: Any, start: float, sign: int) -> float:
    """Walk from the maximum until the curve is below, then find where it crosses."""
    near, step = start, 0.05
    while below(near + sign * step) > 0:
        near, step = near + sign * step, step * 1.3
        if abs(near - start) > 1e3:
            return sign * float("inf")
    far = near + sign * step
    return float(brentq(below, min(near, far), max(near, far), xtol=1e-12))


def _sum(values: Floats) -> Floats:
    """Add over sites in one order, so that the order in which sites are read changes no bit."""
    return np.sort(values, axis=0).sum(axis=0)


def _checked(points: ArrayLike, log_likelihood: ArrayLike, gradient: ArrayLike) -> tuple[Floats, Floats, Floats]:
    where = "profile"
    p, y, g = (np.asarray(v, dtype=float) for v in (points, log_likelihood, gradient))
    require(p.ndim == 1 and p.size >= 2 and np.diff(p).min() > 0, where, "the points do not rise", "Two points or more",
            "Use the points that the study agreed on")
    require(y.shape == g.shape and y.shape[-1:] == p.shape, where, f"profiles {y.shape} and slopes {g.shape} at {p.size} points",
            "One value and one slope per point", "Ask the site for all points")
    require(np.isfinite(y) & np.isfinite(g), where, "a value is missing or withheld", "Every point has a value and a slope",
            "A profile is withheld as a whole: leave that site out, and name it")
    return p, y, g
