"""Cubes: cells of all sites side by side, so that sums over sites are sums over one axis."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from shared_code.config.study import ResultsTable
from shared_code.model import ALL


@dataclass(frozen=True)
class Cube:
    """Hold one statistic of a results table: for each cell (row of `index`) and each site the range it lies in.

    lower, upper  shape (sites, cells); equal where the value is known; nan where the site has no such cell
    known         the site says something about the cell (a value or a range)
    """

    index: pd.DataFrame
    sites: list[str]
    lower: np.ndarray
    upper: np.ndarray
    withheld: np.ndarray

    @property
    def known(self) -> np.ndarray:
        return ~np.isnan(self.lower)


def cube(cells: pd.DataFrame, declared: ResultsTable, statistic: str, index: pd.DataFrame | None = None) -> Cube:
    """Lay the cells of one statistic out by site, in the order of `index` (default: every cell that any site has)."""
    dimensions = list(declared.dimensions)
    rows = cells[cells["statistic"] == statistic]
    if index is None:
        index = rows[dimensions].drop_duplicates().sort_values(dimensions, ignore_index=True)
    sites = sorted(rows["site"].unique())
    keys = pd.MultiIndex.from_frame(index)
    parts = []
    for site in sites:
        own = rows[rows["site"] == site]
        parts.append(own.set_index(pd.MultiIndex.from_frame(own[dimensions])).reindex(keys))
    lower, upper = (np.array([p[side].to_numpy(float) for p in parts]) for side in ("lower", "upper"))
    withheld = np.array([(p["status"] == "withheld").to_numpy() for p in parts])
    return Cube(index.reset_index(drop=True), sites, lower, upper, withheld)


def set_of(index: pd.DataFrame, declared: ResultsTable, broken_out: Collection[str]) -> np.ndarray:
    """Select the cells broken out by exactly these of the dimensions that can be totalled."""
    chosen = np.ones(len(index), dtype=bool)
    for name in [name for name, d in declared.dimensions.items() if d.total]:
        chosen &= ((index[name] != ALL) == (name in broken_out)).to_numpy()
    return chosen


def nested_sets(declared: ResultsTable) -> Iterator[tuple[set[str], set[str]]]:
    """Give the pairs of declared sets of which the second breaks out less, and none lies between them."""
    sets = [set(group) for group in declared.sets]
    for finer in sets:
        for coarser in sets:
            if coarser < finer and not any(coarser < between < finer for between in sets):
                yield finer, coarser
