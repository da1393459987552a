"""Funnels: how far from the average a place of a given size can lie by chance."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincinv

from shared_code.methods.checks import normal_quantile, plain, require, require_not_negative
from shared_code.methods.intervals import poisson_interval, wilson
from shared_code.methods.results import Interval

Statistic = Literal["proportion", "count"]
LEVELS = (0.95, 0.998)  # the two pairs of control limits of OHID's funnels ("2 sigma" and "3 sigma")


def funnel_limits(size: ArrayLike, average: float, statistic: Statistic = "proportion", confidence: float = 0.95) -> Interval:
    """Give control limits around the average for places of any size, for drawing the funnel.

    statistic "proportion": size = people, average = all cases over all people; limits in 0 to 1, where Wilson's interval
    of a place would just touch the average. statistic "count": size = observed events, average = the average rate or,
    for observed over expected, 1; limits are the rate (or ratio) at which exactly so many events would just touch it.
    Result: shape of `size`; a count of 0 has lower limit 0 and no upper limit (nan).
    Method: Spiegelhalter 2005, as in OHID's funnel plots. Raises ValueError for negative sizes or an unusable average.

    >>> f = funnel_limits([100, 1000], 0.2)
    >>> f.lower.round(4), f.upper.round(4)
    (array([0.1216, 0.1752]), array([0.2784, 0.2248]))
    """
    n = np.asarray(size, dtype=float)
    require(statistic in get_args(Statistic), "funnel_limits", f"statistic {statistic!r} is unknown",
            "It is proportion or count", "Correct the setting")
    require_not_negative("funnel_limits", size=n)
    top = 1.0 if statistic == "proportion" else np.inf
    require(0 <= average <= top, "funnel_limits", f"the average is {average}", "Between 0 and 1 for a proportion, else 0 or more",
            "Divide all cases by all people, or all events by all person-time")
    z, tail = normal_quantile(confidence), (1 - confidence) / 2
    middle = np.full(n.shape, float(average))
    with np.errstate(divide="ignore", invalid="ignore"):
        if statistic == "proportion":
            half = z * np.sqrt(average * (1 - average) / np.where(n > 0, n, np.nan))
            return Interval(plain(middle), plain(np.clip(average - half, 0, 1)), plain(np.clip(average + half, 0, 1)))
        lower = average * n / gammaincinv(n + 1, 1 - tail)
        upper = average * n / gammaincinv(np.where(n > 0, n, np.nan), tail)
    return Interval(plain(middle), plain(lower), plain(upper))


def funnel_position(
    events: ArrayLike, size: ArrayLike, average: float, statistic: Statistic = "proportion",
    levels: tuple[float, float] = LEVELS,
) -> Any:  # fmt: skip
    """Say on which side of which control limit each place lies: -2, -1, 0, 1 or 2.

    events, size: any matching shape; size = people for proportions, person-time for rates, expected events for ratios
    (average 1). 1 or -1: outside the first pair of limits (95 %), 2 or -2: outside the second (99.8 %); nan where a
    count is withheld or the size is 0. With many places some lie outside by chance: 1 in 20 of the first kind.
    Method: the interval of the place (Wilson; exact below 10 events, Byar's from 10) leaves out the average, as OHID.
    Raises ValueError as `wilson` and `poisson_interval` do.

    >>> funnel_position([20, 35, 8], [100, 100, 100], 0.2)
    array([ 0.,  2., -1.])
    """
    x, n = np.broadcast_arrays(np.asarray(events, dtype=float), np.asarray(size, dtype=float))
    require(statistic in get_args(Statistic), "funnel_position", f"statistic {statistic!r} is unknown",
            "It is proportion or count", "Correct the setting")
    require_not_negative("funnel_position", size=n)
    position = np.zeros(x.shape)
    for step, confidence in enumerate(levels, start=1):
        if statistic == "proportion":
            limits = wilson(x, n, confidence)
            lower, upper = limits.lower, limits.upper
        else:
            limits = poisson_interval(x, confidence)
            with np.errstate(divide="ignore", invalid="ignore"):
                lower, upper = limits.lower / n, limits.upper / n
        position = np.where(average < lower, step, np.where(average > upper, -step, position))
    return plain(np.where(np.isnan(x) | ~(n > 0), np.nan, position))
