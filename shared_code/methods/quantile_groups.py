"""Quantile groups: tenths, fifths or any other number of equal groups of places, by rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import plain, require


def quantile_groups(values: ArrayLike, groups: int = 10, *, highest_first: bool = False) -> Any:
    """Put places into equal groups by the rank of their values: 1 holds the lowest (or the highest) values.

    values: shape (..., places), ranked along the last axis, each leading cell (an area, a sex) by itself; nan is left
    out. Equal values fall into one group, that of the lowest rank. Result: same shape, 1 to `groups`; nan for a place
    without a value, and for all places of a cell with fewer values than groups.
    Method: as OHID's phe_quantile. Raises ValueError for fewer than two groups.

    >>> quantile_groups([5.0, 1.0, 4.0, 2.0, 3.0, 9.0], 3)
    array([3., 1., 2., 1., 2., 3.])
    """
    require(groups >= 2, "quantile_groups", f"groups is {groups}", "Two or more", "Write 5 for fifths, 10 for tenths")
    v = np.asarray(values, dtype=float)
    require(v.ndim >= 1, "quantile_groups", "there is one value", "A list of places", "Pass the values of all places together")
    known = (~np.isnan(v)).sum(axis=-1, keepdims=True)
    turned = (-v if highest_first else v).reshape(-1, v.shape[-1])
    rank = np.stack([np.searchsorted(np.sort(row), row) for row in turned]).reshape(v.shape) + 1.0  # ties: the lowest
    with np.errstate(divide="ignore", invalid="ignore"):
        group = np.floor(groups + 1 - np.ceil((known + 1 - rank) / (known / groups)))
    group = np.where(np.isnan(v) | (known < groups), np.nan, np.maximum(group, 1.0))
    return plain(group)
