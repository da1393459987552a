"""Inequality along a ranking of groups: slope index and relative index."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from shared_code.methods.checks import normal_quantile, plain, reasons, require, require_not_negative
from shared_code.methods.results import SlopeIndex

Transform = Literal["none", "log", "logit"]
_Z95 = normal_quantile(0.95)


def slope_index(
    population: ArrayLike,
    values: ArrayLike,
    se: ArrayLike | None = None,
    confidence: float = 0.95,
    *,
    transform: Transform = "none",
    limits: tuple[ArrayLike, ArrayLike] | None = None,
) -> SlopeIndex:
    """Fit a line of group values on cumulative population rank: its slope and the ratio of its ends.

    population, values, se: shape (..., groups), ordered from the most deprived (x = 0) to the least (x = 1); population
    is that of all sites together. `estimate` and `se` are in the unit of the values: fitted difference between the two
    ends of the ranking. `ratio` is fitted last over fitted first, nan unless both are above 0.
    transform: fit the logarithm (rates) or the log odds (proportions, 0 to 1) where the values do not lie on a line; the
    two fitted ends are turned back. limits: lower and upper 95 % limits of the values, from which the standard error on
    that scale is taken, as OHID does; otherwise it comes from `se` by the delta method.
    nan with a `reason`: a group that is not given (nan, or not above 0 where a transform needs it), or fewer than two
    groups with population. A group without population does not count.
    Method: METHODS 2, OHID's weighted line in its exact linear form (the slope is linear in the values, so nothing is
    simulated). Limits of the ratio by the delta method on its logarithm; with a transform, limits of both come from those
    of the slope around the fitted middle, as OHID's. Raises ValueError for negative population or se, or without either.

    >>> s = slope_index([100, 100, 100, 100], [75.0, 78.0, 80.0, 83.0], [0.5, 0.5, 0.5, 0.5])
    >>> print(f"{s.estimate:.2f} ({s.lower:.2f} to {s.upper:.2f}), ratio {s.ratio:.4f}")
    10.40 (8.65 to 12.15), ratio 1.1409
    """
    where = "slope_index"
    require(transform in get_args(Transform), where, f"transform {transform!r} is unknown", "It is none, log or logit",
            "Correct the setting")
    require((se is None) != (limits is None), where, "the values have no error, or two", "Either `se` or `limits`", "Pass one")
    n, y = np.broadcast_arrays(np.asarray(population, dtype=float), np.asarray(values, dtype=float))
    require_not_negative(where, population=n)
    to, back, rise = _SCALES[transform]
    with np.errstate(divide="ignore", invalid="ignore"):
        changed = to(y)
        if limits is not None:
            e = np.broadcast_to((to(np.asarray(limits[1], float)) - to(np.asarray(limits[0], float))) / (2 * _Z95), y.shape)
        else:
            e = np.broadcast_to(np.asarray(se, dtype=float), y.shape) / rise(changed)
    require_not_negative(where, se=e)
    used = n > 0
    few = used.sum(axis=-1) < 2
    unknown = (used & ~(np.isfinite(changed) & np.isfinite(e))) | np.isnan(n)
    reason = reasons(n.shape[:-1], (unknown.any(axis=-1), "a group is not given"), (few, "fewer than two groups have people"))
    keep = np.asarray(reason == "")[..., None]
    n = np.where(keep, n, 1.0)
    used = n > 0
    y, e = np.where(used & keep, changed, 0.0), np.where(used & keep, e, 0.0)

    share = n / n.sum(axis=-1, keepdims=True)
    rank = np.cumsum(share, axis=-1) - share / 2
    centred = rank - _total(share * rank)[..., None]
    width = _total(share * np.square(centred))[..., None]
    to_slope = share * centred / np.where(width > 0, width, np.nan)  # coefficients of the values
    to_first = share - to_slope * _total(share * rank)[..., None]  # fitted value at x = 0
    to_last = to_first + to_slope

    z = normal_quantile(confidence)
    slope, first, last = (_total(weights * y) for weights in (to_slope, to_first, to_last))
    slope_se = np.sqrt(_total(np.square(to_slope * e)))
    if transform != "none":
        return _turned_back(back, rise, (slope, first, last), slope_se, _total(
            np.square((to_last * rise(last)[..., None] - to_first * rise(first)[..., None]) * e)), z, reason, keep[..., 0])
    positive = (first > 0) & (last > 0)
    first_, last_ = np.where(positive, first, np.nan), np.where(positive, last, np.nan)
    ratio = last_ / first_
    log_se = np.sqrt(_total(np.square((to_last / last_[..., None] - to_first / first_[..., None]) * e)))
    slope, slope_se, first, last, ratio, log_se = (
        np.where(keep[..., 0], v, np.nan) for v in (slope, slope_se, first, last, ratio, log_se)
    )
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


def _turned_back(
    back: Any, rise: Any, line: tuple[Any, Any, Any], slope_se: Any, variance: Any, z: float, reason: Any, keep: Any
) -> SlopeIndex:
    """Turn the ends of a line on another scale back, and the limits of its slope around its middle."""
    slope, first, last = line
    middle = (first + last) / 2
    ends = [(back(middle - s / 2), back(middle + s / 2)) for s in (slope, slope - z * slope_se, slope + z * slope_se)]
    differences = [np.where(keep, b - a, np.nan) for a, b in ends]
    ratios = [np.where(keep, b / a, np.nan) for a, b in ends]
    log_se = np.log(ratios[2] / ratios[1]) / (2 * z)
    values = (*differences, np.where(keep, np.sqrt(variance), np.nan), reason, *(np.where(keep, v, np.nan) for v in ends[0]))
    return SlopeIndex(*map(plain, (*values, *ratios, log_se)))


# scale -> to it, back from it, and how fast the value rises with it
_SCALES: dict[str, tuple[Any, Any, Any]] = {
    "none": (lambda v: v, lambda v: v, np.ones_like),
    "log": (np.log, np.exp, np.exp),
    "logit": (logit, expit, lambda v: expit(v) * expit(-v)),
}


def _total(values: Any) -> Any:
    return np.sum(values, axis=-1)
