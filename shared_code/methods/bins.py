"""Quantiles from counts in bins, so that several sites can be pooled by adding counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import plain, require, require_not_negative


def quantile_from_bins(edges: ArrayLike, counts: ArrayLike, q: ArrayLike) -> Any:
    """Read quantiles off binned counts by linear interpolation inside the bin.

    edges: bin edges, rising, unit of the variable, bins [edge, next edge). With one edge more than counts the last
    edge closes the last bin; with as many edges as counts the last bin is open.
    counts: shape (..., bins), summed over sites first: an average of site medians is wrong.
    q: probabilities in 0 to 1, scalar or shape (k,); the result has shape (...) or (..., k), unit of the edges.
    nan where the quantile falls into an open last bin, where a count is nan (withheld), or where all counts are 0.
    Method: lo + (hi - lo)(qN - F)/c. Raises ValueError for edges that do not rise or do not match the counts.

    >>> quantile_from_bins([0, 1, 3, 8], [10, 30, 60], [0.25, 0.5])
    array([2.        , 3.83333333])
    """
    at, n, probability = np.asarray(edges, dtype=float), np.asarray(counts, dtype=float), np.asarray(q, dtype=float)
    bins = n.shape[-1] if n.ndim else 0
    require(at.ndim == 1 and bins > 0 and len(at) - bins in (0, 1), "quantile_from_bins",
            f"{at.size} edges do not fit {bins} counts", "Give one edge more than counts, or as many for an open last bin",
            "Check the declared bands of this table")
    require(np.diff(at) > 0, "quantile_from_bins", "the edges do not rise", "Each edge is above the one before",
            "Sort the bands")
    require((probability >= 0) & (probability <= 1), "quantile_from_bins", "q is not a probability",
            "It lies between 0 and 1", "Write 0.9 for the 90th percentile")
    require_not_negative("quantile_from_bins", counts=n)
    if len(at) == bins:
        at = np.append(at, np.nan)

    cumulative = np.cumsum(n, axis=-1)
    target = cumulative[..., -1:] * np.atleast_1d(probability)  # shape (..., k)
    inside = (cumulative[..., None, :] >= target[..., None]) & (n[..., None, :] > 0)
    found = inside.any(axis=-1)
    bin_ = inside.argmax(axis=-1)  # first bin that reaches the target and is not empty
    in_bin = np.take_along_axis(n, bin_, axis=-1)
    before = np.take_along_axis(cumulative, bin_, axis=-1) - in_bin
    share = np.clip((target - before) / np.where(found, in_bin, np.nan), 0, 1)
    value = at[bin_] + (at[bin_ + 1] - at[bin_]) * share
    value = np.where(found & ~np.isnan(n).any(axis=-1, keepdims=True), value, np.nan)
    return plain(value[..., 0] if probability.ndim == 0 else value)
