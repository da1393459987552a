"""Missing indicators of areas: who may miss how many, and what stands in their place."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import Floats, require

AREAS_MISSING = 0.10  # share of areas an indicator may miss
ITEMS_MISSING = 0.25  # share of a component's indicators an area may miss; else the component is not scored there
IMPUTATIONS = 20
ROUNDS = 50  # of fitting areas and items in turn; with few gaps it settles within ten


def scorable(values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Say which indicators may stay and in which areas the component can be scored (METHODS 5 step 5).

    values: (areas, items), nan where missing. Result: (items,) and (areas,), true where allowed: an indicator may miss
    10 % of the areas, an area 25 % of the indicators that stay.

    >>> keep, areas = scorable([[1, 2, 3, 4], [2, 3, 4, np.nan], [3, 4, 5, np.nan], [4, 5, 6, 7]])
    >>> keep.tolist(), areas.tolist()
    ([True, True, True, False], [True, True, True, True])
    """
    x = np.asarray(values, dtype=float)
    gone = np.isnan(x)
    keep = gone.mean(axis=0) <= AREAS_MISSING
    share = gone[:, keep].mean(axis=1) if keep.any() else np.ones(len(x))
    return keep, share <= ITEMS_MISSING


def limits_of_shares(shares: ArrayLike, cases: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> Floats:
    """Bound the shares that were not given, from the range in which their numbers of cases are known to lie.

    shares, cases: (areas, items), nan where not given; lower, upper: (areas, items), the range of the cases of a share that
    was withheld, nan elsewhere. Result: (areas, items, 2), nan where nothing is bounded.
    What one case adds to a share is one over the people behind it. It is fitted as area times item on the shares that were
    given (logarithms, least squares), since an area's people of one age go with those of another; the limits are widened by
    two standard deviations of what the fit leaves. An area of which no share was given has no limits.

    >>> limits = limits_of_shares([[10, 20], [5, np.nan]], [[100, 50], [100, np.nan]], [[np.nan] * 2, [np.nan, 1]],
    ...                           [[np.nan] * 2, [np.nan, 9]])
    >>> np.round(limits[1, 1], 2).tolist(), bool(np.isnan(limits[0]).all())  # 0.4 a case, and half as much there
    ([0.2, 1.8], True)
    """
    share, number = np.asarray(shares, dtype=float), np.asarray(cases, dtype=float)
    low, high = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    given = (share > 0) & (number > 0)
    known = np.where(given, np.log(np.where(given, share, 1) / np.where(given, number, 1)), 0.0)
    areas, items = np.zeros(len(share)), np.zeros(share.shape[1])
    by_area, by_item = given.sum(axis=1), given.sum(axis=0)
    for _ in range(ROUNDS):
        items = (given * (known - areas[:, None])).sum(axis=0) / np.maximum(by_item, 1)
        areas = (given * (known - items)).sum(axis=1) / np.maximum(by_area, 1)
    left = given * (known - items - areas[:, None])
    freedom = given.sum() - (by_area > 0).sum() - (by_item > 0).sum() + 1
    spread = np.sqrt((left**2).sum() / freedom) if freedom > 0 else 0.0
    a_case = np.where((by_area > 0)[:, None] & (by_item > 0), np.exp(items + areas[:, None]), np.nan)
    limits = np.stack([low * a_case * np.exp(-2 * spread), high * a_case * np.exp(2 * spread)], axis=-1)
    limits[~np.isnan(share) | ~np.isfinite(limits).all(axis=-1)] = np.nan
    return limits


def imputed_areas(values: ArrayLike, context: ArrayLike, rng: np.random.Generator, times: int = IMPUTATIONS,
                  limits: ArrayLike | None = None) -> Floats:  # fmt: skip
    """Impute missing values by regression on the other indicators and on context, with a drawn residual each time.

    values: (areas, items); context: (areas, any), without gaps; limits: (areas, items, 2), the range in which a withheld
    value is known to lie: it is drawn evenly from there, never by regression, because withheld is not missing at random.
    Result: (times, areas, items); the mean over the first axis is the point value. Values that are there stay as they are.
    Raises ValueError where the context has gaps or too few areas are complete to fit a regression.

    >>> x = np.array([[1.0, 2.0], [2.0, 4.1], [3.0, 5.9], [4.0, 8.0], [5.0, np.nan]])
    >>> drawn = imputed_areas(x, np.zeros((5, 0)), np.random.default_rng(1), 200)
    >>> bool(9 < drawn[:, 4, 1].mean() < 11), bool(drawn[:, 4, 1].std() > 0)
    (True, True)
    """
    x, given = np.asarray(values, dtype=float), np.asarray(context, dtype=float)
    require(np.isfinite(given), "imputed_areas", "the context has gaps", "A number for every area", "Complete the context")
    result = np.repeat(x[None], times, axis=0)
    known = np.full((*x.shape, 2), np.nan) if limits is None else np.asarray(limits, dtype=float)
    for item in range(x.shape[1]):
        gone = np.isnan(x[:, item])
        ranged = gone & np.isfinite(known[:, item]).all(axis=-1)
        if ranged.any():
            low, high = known[ranged, item].T
            result[:, ranged, item] = rng.uniform(low, high, (times, int(ranged.sum())))
        gone &= ~ranged
        if gone.any():
            others = np.delete(x, item, axis=1)
            filled = np.where(np.isnan(others), np.nanmean(others, axis=0), others)
            design = np.column_stack([np.ones(len(x)), filled, given])
            fit = ~np.isnan(x[:, item])
            require(fit.sum() > design.shape[1], "imputed_areas", f"{fit.sum()} areas have the indicator",
                    f"More than {design.shape[1]}", "Leave the indicator out")
            slope, _, rank, _ = np.linalg.lstsq(design[fit], x[fit, item], rcond=None)
            residual = x[fit, item] - design[fit] @ slope
            spread = np.sqrt((residual**2).sum() / (fit.sum() - rank))
            result[:, gone, item] = design[gone] @ slope + rng.normal(0, spread, (times, int(gone.sum())))
    return result
