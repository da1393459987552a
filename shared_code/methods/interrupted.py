"""Interrupted time series: how far monthly counts step off their own trend and season while something is in force."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import (
    ConvergenceError,
    Floats,
    normal_quantile,
    require,
    require_not_negative,
    student_quantile,
)
from shared_code.methods.results import Ratio

LAGS = 2  # months over which errors of one month may still be felt


class Interrupted(NamedTuple):
    """Hold the steps of a series: ratio to trend and season with limits, one per step.

    se: the larger of the two standard errors of the log ratio; se_hac: Newey-West; se_scaled: quasi-Poisson.
    percent_a_year: the trend; dispersion: Pearson; df: months less parameters.
    """

    estimate: Floats
    lower: Floats
    upper: Floats
    se: Floats
    se_hac: Floats
    se_scaled: Floats
    percent_a_year: float
    dispersion: float
    df: int


def interrupted_series(events: ArrayLike, exposure: ArrayLike, steps: ArrayLike, first_month: int = 1, *, trend: bool = True,
                       lags: int = LAGS, confidence: float = 0.95, max_iterations: int = 100) -> Interrupted:  # fmt: skip
    """Fit steps on top of a steady trend and twelve calendar months to monthly counts.

    events, exposure: shape (months,), consecutive; exposure is person-time. steps: shape (steps, months), 1 (or a share
    of the month) while a step is in force, 0 otherwise. first_month: calendar month (1 to 12) of the first. trend:
    whether the level may change steadily. Limits by Student's t with the larger of two standard errors: Newey-West
    (Bartlett weights over `lags` months) and quasi-Poisson (scaled by the dispersion), for either alone is too small in
    short series. Method: log-linear regression with offset; Bernal, Cummins & Gasparrini 2017, METHODS 8. Raises ValueError for
    unusable input or a step that the months and the trend explain; ConvergenceError where the fit does not end.

    >>> y = [100, 120, 90, 100, 110, 95] * 4 + [50, 60, 45, 50, 55, 48]
    >>> found = interrupted_series(y, [1] * 30, [[0] * 24 + [1] * 6], trend=False)
    >>> found.estimate.round(2), found.df
    (array([0.5]), 17)
    """
    where = "interrupted_series"
    y, size = np.asarray(events, dtype=float), np.asarray(exposure, dtype=float)
    step = np.atleast_2d(np.asarray(steps, dtype=float))
    require(y.ndim == 1 and y.shape == size.shape and step.shape[1:] == y.shape, where,
            f"shapes {y.shape}, {size.shape} and {step.shape}", "One number a month in all",
            "Give them for the same months")  # fmt: skip
    require_not_negative(where, events=y, exposure=size)
    require(np.isfinite(y) & (size > 0), where, "a month is withheld or has no person-time", "Every month has a count",
            "Leave out the sites that lack a month")  # fmt: skip
    month = (np.arange(y.size) + first_month - 1) % 12
    columns = [(month == m).astype(float) for m in np.unique(month)]
    columns += [np.arange(y.size) / 12.0] if trend else []
    x = np.column_stack([*columns, *step])
    df = y.size - x.shape[1]
    require(df > 0, where, f"{y.size} months for {x.shape[1]} parameters", "More months than parameters", "Use a longer series")
    require(np.linalg.matrix_rank(x) == x.shape[1], where, "a step follows from months and trend", "Months with and without it",
            "Add months before the step, or leave the trend out")  # fmt: skip
    beta, offset = np.zeros(x.shape[1]), np.log(size)
    beta[: len(np.unique(month))] = np.log(max(y.sum(), 0.5) / size.sum())
    for _ in range(max_iterations):
        mu = np.exp(np.clip(x @ beta + offset, -500, 500))
        move = np.linalg.solve(x.T @ (x * mu[:, None]), x.T @ (y - mu))
        beta = beta + np.clip(move, -2, 2)
        if np.abs(move).max() < 1e-11:
            break
    else:
        raise ConvergenceError(f"the steps did not converge in {max_iterations} iterations: a calendar month without events?")
    mu = np.exp(x @ beta + offset)
    bread = np.linalg.inv(x.T @ (x * mu[:, None]))
    dispersion = float((np.square(y - mu) / mu).sum() / df)
    score = x * (y - mu)[:, None]
    meat = score.T @ score
    for lag in range(1, lags + 1):
        cross = score[lag:].T @ score[:-lag]
        meat += (1 - lag / (lags + 1)) * (cross + cross.T)
    robust, scaled = bread @ meat @ bread, bread * max(dispersion, 1.0)
    which = np.arange(x.shape[1] - len(step), x.shape[1])
    se_hac, se_scaled = (np.sqrt(np.maximum(np.diag(v)[which], 0)) for v in (robust, scaled))
    se = np.maximum(se_hac, se_scaled)
    half = student_quantile(confidence, df) * se
    slope = 100 * float(np.expm1(beta[len(np.unique(month))])) if trend else 0.0
    return Interrupted(np.exp(beta[which]), np.exp(beta[which] - half), np.exp(beta[which] + half), se, se_hac, se_scaled, slope,
                       dispersion, df)  # fmt: skip


def ratio_of_rates(events: ArrayLike, exposure: ArrayLike, squares: Any = None, confidence: float = 0.95) -> Ratio:
    """Divide rates: the first by the second, and where there are four, that ratio by the one of the last two.

    events, exposure: shape (2,) for a rate ratio (now, before), or (4,) for a ratio of ratios (now and before of a group,
    now and before of its comparator). squares: same shape, sum over people of their squared events, without which
    events would be taken to happen once a person. Variance of the log: sum of squares / events^2; the same people in
    two numbers make it larger than it is. Method: METHODS 0.1 and 8 (ratio of ratios, difference in differences).
    Raises ValueError for other shapes or no events.

    >>> ratio_of_rates([50, 100, 90, 100], [1, 1, 1, 1]).estimate  # doctest: +ELLIPSIS
    0.5555...
    """
    where = "ratio_of_rates"
    y, t = np.asarray(events, dtype=float), np.asarray(exposure, dtype=float)
    q = y if squares is None else np.asarray(squares, dtype=float)
    require(y.shape in ((2,), (4,)) and y.shape == t.shape == q.shape, where, f"shapes {y.shape}, {t.shape}, {q.shape}",
            "Two or four numbers in each", "Give now and before, of a group and its comparator")  # fmt: skip
    require((y > 0) & (t > 0), where, "no events or no person-time", "Some of both everywhere", "Use longer intervals")
    sign = np.array([1.0, -1.0, -1.0, 1.0])[: y.size]
    log = float((sign * np.log(y / t)).sum())
    se = float(np.sqrt((np.maximum(q, y) / y**2).sum()))
    half = normal_quantile(confidence) * se
    return Ratio(float(np.exp(log)), float(np.exp(log - half)), float(np.exp(log + half)), se, "")
