"""The age at which one group is as often affected as another is at a given age: a comparison of cross-sections."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from shared_code.methods.checks import Floats, normal_quantile, require, require_not_negative
from shared_code.methods.results import Estimate

_WITHHELD = "an age band is withheld or has no people"
STEP = 0.02  # years between the ages that are tried for the limits


def equivalent_age(
    ages: ArrayLike, shares: ArrayLike, variances: ArrayLike, reference_shares: ArrayLike, reference_variances: ArrayLike,
    at: float, confidence: float = 0.95,
) -> Estimate:  # fmt: skip
    """Give the age at which a group reaches the share of affected people that a reference group has at one age.

    ages: midpoints of age bands, years, rising; shares, variances: shape (bands,), of the affected in each band, summed over
    sites first; at: age in the reference group, within the midpoints. Result: years, nan with a `reason` where the share is
    not reached or a band is withheld. It compares people of different ages on one day, not how people fare as they age:
    do not read its difference to `at` as that of `onset_quantile`.
    Method: rising curve through the bands (isotonic regression weighted by 1 / variance), linear between midpoints; the
    limits are the ages at which the curve does not differ from the share (Fieller's way; nan beyond the bands), because
    the curve has kinks; METHODS 3, after Barnett et al. 2012. Raises ValueError for unusable input.

    >>> e = equivalent_age([45, 55, 65, 75], [.1, .2, .35, .5], [.0001] * 4, [.05, .1, .2, .3], [.0001] * 4, at=65)
    >>> print(f"{e.estimate:.1f} ({e.lower:.1f} to {e.upper:.1f})")
    55.0 (52.5 to 56.7)
    """
    where = "equivalent_age"
    t, p, v, q, u = (np.asarray(x, dtype=float) for x in (ages, shares, variances, reference_shares, reference_variances))
    require(np.diff(t) > 0, where, "the ages do not rise", "Each midpoint lies above the one before", "Sort the bands")
    require(t[0] <= at <= t[-1], where, f"{at:g} lies outside the bands", "An age between the first and the last midpoint",
            "Choose another age, or further bands")  # fmt: skip
    require_not_negative(where, variances=v, reference_variances=u)
    if np.isnan(p + v + q + u).any():
        return Estimate(np.nan, np.nan, np.nan, np.nan, _WITHHELD)
    curve, linear = _rising(p, v)
    other, other_linear = _rising(q, u)
    step = min(int(np.searchsorted(t, at, side="right")) - 1, len(t) - 2)
    part = (at - t[step]) / (t[step + 1] - t[step])
    wanted = (1 - part) * other[step] + part * other[step + 1]
    variance = np.square((1 - part) * other_linear[step] + part * other_linear[step + 1]) @ u
    if not curve[0] <= wanted <= curve[-1]:
        side = "already above" if wanted < curve[0] else "not reached"
        reason = f"{wanted:.1%} is {side} at {t[0] if wanted < curve[0] else t[-1]:g} years"
        return Estimate(np.nan, np.nan, np.nan, np.nan, reason)
    fine = np.unique(np.concatenate([np.arange(t[0], t[-1], STEP), t]))
    height = np.interp(fine, t, curve)
    parts = np.stack([np.interp(fine, t, column) for column in linear.T], axis=1)  # the curve as a sum of shares
    off = np.abs(height - wanted)
    limit = normal_quantile(confidence) * np.sqrt(np.square(parts) @ v + variance)
    possible = fine[off <= limit]
    same = fine[off <= off.min() + 1e-12]
    age = float((same[0] + same[-1]) / 2)
    if off.min() > 0 and len(same) == 1:  # between two points of the grid
        at_point = int(np.searchsorted(height, wanted, side="left"))
        age = float(np.interp(wanted, height[at_point - 1 : at_point + 1], fine[at_point - 1 : at_point + 1]))
    lower = float(possible[0]) if possible[0] > t[0] else np.nan
    upper = float(possible[-1]) if possible[-1] < t[-1] else np.nan
    se = (upper - lower) / (2 * normal_quantile(confidence))
    return Estimate(age, lower, upper, se, "")


def _rising(shares: Floats, variances: Floats) -> tuple[Floats, Floats]:
    """Give the rising curve, and the weights by which it is made of the shares (rows: points of the curve)."""
    positive = variances[variances > 0]
    least = positive.min() * 1e-3 if len(positive) else 1.0
    weights = 1 / np.maximum(variances, least)
    fitted = isotonic_regression(shares, weights=weights)
    linear = np.zeros((len(shares), len(shares)))
    for start, end in zip(fitted.blocks[:-1], fitted.blocks[1:]):
        linear[start:end, start:end] = weights[start:end] / weights[start:end].sum()
    return np.asarray(fitted.x, dtype=float), linear
