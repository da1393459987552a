"""Run charts of shares: what lies outside chance around a steady share, and what stays on one side of it too long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import require, require_not_negative

SIGMAS = 3.0  # Shewhart's limits
RUN = 8  # points in a row on one side of the centre that chance rarely gives: once in 128 starts


@dataclass(frozen=True)
class RunChart:
    """Hold a run chart: the centre, limits of every point, and which points say that something has changed."""

    centre: float
    lower: np.ndarray
    upper: np.ndarray
    beyond: np.ndarray
    shifted: np.ndarray


def p_chart(cases: ArrayLike, people: ArrayLike, run: int = RUN) -> RunChart:
    """Draw limits of chance around the share of all points together, and find points beyond them and long runs on one side.

    cases, people: shape (points,), in order of time; nan where a number is not known (it interrupts a run, and is in no sum)
    Method: Shewhart's p-chart, centre p = sum of cases / sum of people, limits p -+ 3 sqrt(p (1 - p) / n) of each point, within
    0 and 1 (Montgomery, Introduction to Statistical Quality Control). Raises ValueError for negative numbers, more cases than
    people, or nobody at all.

    >>> chart = p_chart([12, 15, 8, 10, 30], [50, 50, 50, 50, 50])
    >>> round(chart.centre, 2), round(float(chart.upper[0]), 3), chart.beyond.tolist()
    (0.3, 0.494, [False, False, False, False, True])
    """
    x, n = np.broadcast_arrays(np.asarray(cases, dtype=float), np.asarray(people, dtype=float))
    known = np.isfinite(x) & np.isfinite(n) & (np.where(np.isnan(n), 0, n) > 0)
    require_not_negative("p_chart", cases=x, people=n)
    require(not (x[known] > n[known]).any(), "p_chart", "there are more cases than people", "At most everybody",
            "Correct the table")  # fmt: skip
    require(bool(known.any()), "p_chart", "there is no point with people", "At least one", "Leave the chart out")
    centre = float(x[known].sum() / n[known].sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(known, x / n, np.nan)
        half = np.where(known, SIGMAS * np.sqrt(centre * (1 - centre) / n), np.nan)
    side = np.where(known & (share != centre), np.sign(share - centre), 0.0)
    shifted = np.zeros(len(x), dtype=bool)
    begin = 0
    for at in range(1, len(x) + 1):
        if at == len(x) or side[at] != side[begin]:
            shifted[begin:at] = side[begin] != 0 and at - begin >= run
            begin = at
    lower, upper = np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
    return RunChart(centre, lower, upper, known & ((share < lower) | (share > upper)), shifted)
