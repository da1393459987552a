"""Inequality along a ranking of groups: slope index and relative index."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import normal_quantile, plain, reasons, require, require_not_negative
from shared_code.methods.results import SlopeIndex


def slope_index(population: ArrayLike, values: ArrayLike, se: ArrayLike, confidence: float = 0.95) -> SlopeIndex:
    """Fit a line of group values on cumulative population rank: its slope and the ratio of its ends.

    population, values, se: shape (..., groups), ordered from the most deprived (x = 0) to the least (x = 1); population
    is that of all sites together. `estimate` and `se` are in the unit of the values: fitted difference between the two
    ends of the ranking. `ratio` is fitted last over fitted first, nan unless both are above 0.
    A group without population does not count; a group whose value is not given (nan) makes the area nan, with `reason`.
    Method: METHODS 2, OHID's weighted line in its exact linear form (the slope is linear in the values, so nothing is
    simulated); limits of the ratio by the delta method on its logarithm.
    Raises ValueError for negative population or se, or fewer than two groups with population.

    >>> s = slope_index([100, 100, 100, 100], [75.0, 78.0, 80.0, 83.0], [0.5, 0.5, 0.5, 0.5])
    >>> print(f"{s.estimate:.2f} ({s.lower:.2f} to {s.upper:.2f}), ratio {s.ratio:.4f}")
    10.40 (8.65 to 12.15), ratio 1.1409
    """
    n, y, e = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (population, values, se)))
    require_not_negative("slope_index", population=n, se=e)
    require((n > 0).sum(axis=-1) >= 2, "slope_index", "fewer than two groups have people",
            "A line needs at least two groups", "Check the ranking and the population of its groups")
    used = n > 0
    unknown = (used & (np.isnan(y) | np.isnan(e))) | np.isnan(n)
    reason = reasons(n.shape[:-1], (unknown.any(axis=-1), "a group is not given"))
    y, e = np.where(used, y, 0.0), np.where(used, e, 0.0)

    share = n / n.sum(axis=-1, keepdims=True)
    rank = np.cumsum(share, axis=-1) - share / 2
    centred = rank - _total(share * rank)[..., None]
    to_slope = share * centred / _total(share * np.square(centred))[..., None]  # coefficients of the values
    to_first = share - to_slope * _total(share * rank)[..., None]  # fitted value at x = 0
    to_last = to_first + to_slope

    z = normal_quantile(confidence)
    slope, first, last = (_total(weights * y) for weights in (to_slope, to_first, to_last))
    slope_se = np.sqrt(_total(np.square(to_slope * e)))
    positive = (first > 0) & (last > 0)
    first_, last_ = np.where(positive, first, np.nan), np.where(positive, last, np.nan)
    ratio = last_ / first_
    log_se = np.sqrt(_total(np.square((to_last / last_[..., None] - to_first / first_[..., None]) * e)))
    return SlopeIndex(
        estimate=plain(slope),
        lower=plain(slope - z * slope_se),
        upper=plain(slope + z * slope_se),
        se=plain(slope_se),
        reason=reason,
        first=plain(first),
        last=plain(last),
        ratio=plain(ratio),
        ratio_lower=plain(ratio * np.exp(-z * log_se)),
        ratio_upper=plain(ratio * np.exp(z * log_se)),
        ratio_se_log=plain(log_se),
    )


def _total(values: Any) -> Any:
    return np.sum(values, axis=-1)
