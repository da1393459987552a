"""Composite indices: one number from several indicators, by fixed bounds and a fixed base."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from shared_code.methods.checks import Floats, require

Transformation = Literal["none", "log", "log1p", "exponential_rank"]
SKEWED = 2.0  # skewness above which METHODS 5 asks for the logarithm
TAIL = 23.0  # of the exponential transformation: a tenth of the most deprived areas gets half of the scale


class Component(NamedTuple):
    """Hold the scores of a component: 0 to 100, which were clipped, and the weighted sums they were made of.

    >>> Component(score=50.0, clipped=False, raw=0.0, best=2.0, worst=-2.0).best
    2.0
    """

    score: Any
    clipped: Any
    raw: Any
    best: float
    worst: float


def transformed(values: ArrayLike, how: Transformation = "none") -> Any:
    """Transform indicator values: logarithm for the skewed, log(x + 1) for percentages with zeros, exponential ranks.

    exponential_rank: values are ranks, 1 = most deprived of n; X = -23 ln(1 - R (1 - exp(-100/23))), R = (n + 1 - rank) / n,
    n the number of places. It spreads out the most deprived tenth (MHCLG, English Indices of Deprivation, since 2000).
    nan stays nan. Raises ValueError for a logarithm of what is not above 0, or ranks outside 1 to n.

    >>> transformed([1, 2, 4], "exponential_rank").round(2).tolist()
    [100.0, 31.01, 6.52]
    """
    x = np.asarray(values, dtype=float)
    where = f"transformed, {how}"
    if how == "none":
        return x
    known = ~np.isnan(x)
    if how in ("log", "log1p"):
        shifted = x + (how == "log1p")
        require(~known | (shifted > 0), where, "a value is not above 0", "Values above 0", "Use log1p, or no transformation")
        return np.log(shifted)
    n = max(int(known.sum()), int(np.nanmax(x, initial=1)))  # of places; one that is left out keeps its rank
    require(~known | (x >= 1), where, "a rank is below 1", "Ranks, 1 = most deprived",
            "Use `ranks` on scores first")
    position = (n + 1 - x) / n
    return -TAIL * np.log(1 - position * (1 - np.exp(-100 / TAIL)))


def ranks(values: ArrayLike, largest_first: bool = True) -> Any:
    """Rank values from 1; equal values share the average of their places, missing ones have none.

    >>> ranks([3.0, 9.0, np.nan, 9.0]).tolist()
    [3.0, 1.5, nan, 1.5]
    """
    x = np.asarray(values, dtype=float)
    return rankdata(-x if largest_first else x, axis=-1, nan_policy="omit")


def toward_better(values: ArrayLike, best: ArrayLike, worst: ArrayLike, direction: ArrayLike) -> Any:
    """Cap values at their best bound (doing better than the best earns nothing) and turn them so that more is better.

    values: (..., items); best, worst: (items,), in the unit of the values; direction: 1 where more is better, else -1.
    nan bounds do not cap. Raises ValueError where best and worst contradict the direction.

    >>> toward_better([[12.0, 101.0]], [0, 100], [50, 0], [-1, 1]).tolist()
    [[-12.0, 100.0]]
    """
    x, u, d = (np.asarray(v, dtype=float) for v in (values, best, worst))
    sign = np.asarray(direction, dtype=float)
    require(np.isin(sign, (-1, 1)), "toward_better", "a direction is neither 1 nor -1", "1: more is better; -1: more is worse",
            "Correct the direction")
    require(~((u - d) * sign <= 0), "toward_better", "the best bound is not better than the worst", "best better than worst",
            "Swap the bounds, or correct the direction")
    capped = np.where(np.isnan(u), x * sign, np.fmin(x * sign, u * sign))
    return np.where(np.isnan(x), np.nan, capped)


def component_score(standardised: ArrayLike, weights: ArrayLike, best: ArrayLike, worst: ArrayLike) -> Component:
    """Score a component from 0 (the worst bound) to 100 (the best), clipped to that range.

    standardised: (..., items), more is better; weights: (items,), any positive scale; best, worst: (items,), the bounds
    standardised with the same means and deviations. score = 100 (c - c_worst) / (c_best - c_worst) with c = sum(w z).
    The bounds enter here, together, and not indicator by indicator. Method: METHODS 5 step 10 (Stern and others).
    Raises ValueError for weights that are negative or all 0, or bounds without a distance.

    >>> component_score([[0.0, 0.0], [3.0, 9.0]], [0.5, 0.5], [2, 2], [-2, -6]).score.tolist()
    [66.66666666666667, 100.0]
    """
    where = "component_score"
    z, w = np.asarray(standardised, dtype=float), np.asarray(weights, dtype=float)
    require((w >= 0) & np.isfinite(w), where, "a weight is negative or missing", "Weights are 0 or more",
            "Look at the loadings: an item points the wrong way, or belongs elsewhere")
    require(w.sum() > 0, where, "all weights are 0", "At least one above 0", "Correct the weights")
    w = w / w.sum()
    top, bottom = float(np.asarray(best, dtype=float) @ w), float(np.asarray(worst, dtype=float) @ w)
    require(top > bottom, where, "the bounds have no distance", "best above worst, after inversion", "Correct the bounds")
    raw = z @ w
    score = 100 * (raw - bottom) / (top - bottom)
    outside = (score < 0) | (score > 100)
    return Component(np.clip(score, 0, 100), outside, raw, top, bottom)


def power_mean(scores: ArrayLike, weights: ArrayLike | None = None, power: float = 1.0) -> Any:
    """Average scores with a power: 1 arithmetic, 0 geometric, below 1 a low score weighs more than a high one.

    scores: (..., parts), 0 or more; weights: (parts,), equal where not given. A part that is missing makes it missing.
    Raises ValueError for negative scores with another power than 1.

    >>> [round(float(power_mean([80, 60, 40], power=p)), 2) for p in (1, 0.5, 0)]
    [60.0, 58.85, 57.69]
    """
    s = np.asarray(scores, dtype=float)
    w = np.ones(s.shape[-1]) if weights is None else np.asarray(weights, dtype=float)
    w = w / w.sum()
    if power == 1:
        return s @ w
    require(~(s < 0), "power_mean", "a score is negative", "Scores are 0 or more", "Use the arithmetic mean")
    if power == 0:
        with np.errstate(divide="ignore"):
            return np.exp(np.log(s) @ w)
    return (s**power @ w) ** (1 / power)


def standardised_by(values: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> Floats:
    """Standardise with means and deviations that were fixed once, for all years and all places.

    Standardising each year by itself would hide every progress that all places make together. Raises ValueError for a
    deviation that is not above 0.

    >>> standardised_by([[3.0], [5.0]], [4.0], [2.0]).tolist()
    [[-0.5], [0.5]]
    """
    s = np.asarray(sd, dtype=float)
    require(s > 0, "standardised_by", "a deviation is not above 0", "Every indicator differs between places",
            "Leave an indicator that does not vary out of the component")
    return (np.asarray(values, dtype=float) - np.asarray(mean, dtype=float)) / s
