"""What a monthly count would have been: a steady trend and the season, carried forward."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import ConvergenceError, normal_quantile, plain, require, require_not_negative
from shared_code.methods.results import Trend


def trend_and_season(
    events: ArrayLike,
    exposure: ArrayLike | None = None,
    ahead: int = 1,
    first_month: int = 1,
    *,
    ahead_exposure: ArrayLike | None = None,
    confidence: float = 0.95,
    max_iterations: int = 100,
) -> Trend:
    """Fit a constant yearly change and twelve calendar months to past counts, and say what to expect next.

    events: shape (months,), consecutive, summed over the sites that have all of them; 13 months or more. exposure: same
    shape, person-time (default: the same every month). first_month: calendar month (1 to 12) of the first. ahead: how
    many months to look ahead, with `ahead_exposure` (default: that of the last month). Result: `estimate` and limits of
    the mean count in each month ahead (the limits hold the error of the fit, widened by the dispersion; not the chance of
    the month itself), `percent_a_year`, `dispersion` (Pearson; above 1: the months scatter more than Poisson counts).
    Method: quasi-Poisson log-linear regression; Bernal et al. 2017, METHODS 8. Month effects have a closed form for a
    given trend, so one root is found. Raises ValueError for unusable input, ConvergenceError if the root is not reached.

    >>> t = trend_and_season([100, 120, 90] * 8, ahead=3)
    >>> print(f"{t.percent_a_year:.2f} % a year; next {t.estimate.round(1)}")
    0.00 % a year; next [100. 120.  90.]
    """
    where = "trend_and_season"
    y = np.asarray(events, dtype=float)
    require(y.ndim == 1 and y.size > 12, where, f"{y.size} months", "13 consecutive months or more", "Use a longer series")
    size = np.ones(y.size) if exposure is None else np.asarray(exposure, dtype=float)
    require_not_negative(where, events=y, exposure=size)
    require(np.isfinite(y) & (size > 0), where, "a month is withheld or has no person-time", "Every month has a count",
            "Leave out the sites that lack a month")
    t = np.arange(y.size + ahead) / 12.0
    month = (np.arange(y.size + ahead) + first_month - 1) % 12
    later = np.full(ahead, size[-1]) if ahead_exposure is None else np.broadcast_to(np.asarray(ahead_exposure, float), ahead)
    past, count = t[: y.size], np.bincount(month[: y.size], y, 12)
    require(count[np.unique(month)] > 0, where, "a calendar month has no events", "Each has some", "Use longer intervals")

    def fitted(slope: float) -> np.ndarray:
        grown = size * np.exp(slope * past)
        level = count / np.where(count > 0, np.bincount(month[: y.size], grown, 12), 1.0)
        return level[month[: y.size]] * grown

    slope = 0.0
    for _ in range(max_iterations):
        mu = fitted(slope)
        centre = np.bincount(month[: y.size], mu * past, 12) / np.where(count > 0, count, 1.0)
        curvature = (mu * np.square(past - centre[month[: y.size]])).sum()
        step = float(((y - mu) * past).sum() / curvature)
        slope += float(np.clip(step, -1, 1))
        if abs(step) < 1e-13 * max(1.0, abs(slope)):
            break
    else:
        raise ConvergenceError(f"the trend did not converge in {max_iterations} iterations")
    mu = fitted(slope)
    free = y.size - len(np.unique(month[: y.size])) - 1
    dispersion = float((np.square(y - mu) / mu).sum() / free) if free > 0 else float("nan")
    level = count / np.where(count > 0, np.bincount(month[: y.size], size * np.exp(slope * past), 12), 1.0)
    expected = level[month[y.size :]] * np.exp(slope * t[y.size :]) * later
    centre = np.bincount(month[: y.size], mu * past, 12) / np.where(count > 0, count, 1.0)
    far = t[y.size :] - centre[month[y.size :]]
    curvature = (mu * np.square(past - centre[month[: y.size]])).sum()
    se = np.sqrt(max(dispersion, 1.0) * (1 / count[month[y.size :]] + np.square(far) / curvature))
    factor = np.exp(normal_quantile(confidence) * se)
    return Trend(expected, expected / factor, expected * factor, plain(se), 100 * float(np.expm1(slope)), dispersion)
