"""Totals: which cells of a released table are parts of which other cells, and what these say about their sum."""

from __future__ import annotations

import numpy as np

from shared_code.config.study import ResultsTable
from shared_code.methods import Totals
from shared_code.pooling.cubes import Cube, nested_sets, set_of


def totals_of(cells: Cube, declared: ResultsTable, rows: list[int], used: np.ndarray) -> list[Totals]:
    """Find the known sums over the cells of a table, for some of its sites.

    rows  which sites of the cube     used  shape (sites, cells): the counts that are fitted; the others are parts of a
    total as well, and widen what is known of it by their own range
    Gives one `Totals` per pair of declared sets of which the second breaks out less, and none lies between them: the
    cells broken out by deprivation, sex and age are parts of those broken out by deprivation alone, and so on. A total
    that no values within the ranges of its parts can meet is left out at that site: its parts are incomplete there
    (pooling/margins.py names such sites).
    """
    return [
        known
        for finer, coarser in nested_sets(declared)
        if (known := _between(cells, declared, finer, coarser, rows, used)) is not None
    ]


def _between(cells: Cube, declared: ResultsTable, finer: set[str], coarser: set[str], rows: list[int],
             used: np.ndarray) -> Totals | None:  # fmt: skip
    index = cells.index
    totals = [name for name, d in declared.dimensions.items() if d.total]
    parts, wholes = (set_of(index, declared, group) for group in (finer, coarser))
    shared = [name for name in declared.dimensions if name not in totals or name in coarser]
    if not parts.any() or not wholes.any():
        return None
    whole = index[wholes].assign(at=np.arange(wholes.sum()))[[*shared, "at"]]
    at = index[shared].merge(whole, on=shared, how="left")["at"].fillna(-1).to_numpy(int)
    of = np.where(parts, at, -1)
    lower, upper = (side[rows][:, wholes].astype(float) for side in (cells.lower, cells.upper))
    inside = of >= 0
    for s, row in enumerate(rows):
        low = np.nan_to_num(cells.lower[row, inside])
        high = np.nan_to_num(cells.upper[row, inside], posinf=1e300)

        def summed(values: np.ndarray) -> np.ndarray:
            return np.bincount(of[inside], values, wholes.sum())

        unknown = cells.known[row, inside] & ~used[s, inside]
        impossible = (summed(low) > upper[s]) | (summed(high) < lower[s]) | (summed(used[s, inside]) == 0)
        lower[s] -= summed(np.where(unknown, high, 0))
        upper[s] -= summed(np.where(unknown, low, 0))
        lower[s, impossible] = upper[s, impossible] = np.nan
    return Totals(of, lower, upper)


def range_of_sum(totals: list[Totals], low: np.ndarray, high: np.ndarray, members: np.ndarray) -> tuple[float, float]:
    """Give the range of the sum over some cells and all sites, from the ranges of the cells and from known totals.

    low, high  shape (sites, cells)     members  numbers of the cells
    """
    lower, upper = sums_by_site(totals, low, high, members)
    return float(lower.sum()), float(upper.sum())


def sums_by_site(totals: list[Totals], low: np.ndarray, high: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the range of the sum over some cells at every site: its least and its largest value, shape (sites,).

    A total counts where all its parts are members; the narrowest range that one family of totals gives is taken, site by
    site. The exact range would need a linear programme; this one is never narrower.
    """
    cells = np.zeros(low.shape[1], dtype=bool)
    cells[members] = True
    lower, upper = low[:, members].sum(axis=1), high[:, members].sum(axis=1)
    for known in totals:
        count = known.lower.shape[1]
        inside = known.of >= 0
        parts = np.bincount(known.of[inside], minlength=count)
        whole = (parts > 0) & (np.bincount(known.of[inside & cells], minlength=count) == parts)
        covered = inside & whole[np.where(inside, known.of, 0)]
        rest = cells & ~covered
        for site in range(len(low)):
            use = whole & ~np.isnan(known.lower[site])
            own = rest | (covered & ~use[np.where(inside, known.of, 0)])
            lower[site] = max(lower[site], known.lower[site, use].sum() + low[site, own].sum())
            upper[site] = min(upper[site], known.upper[site, use].sum() + high[site, own].sum())
    return np.minimum(lower, upper), upper


def largest_weighted_sum(weights: np.ndarray, low: np.ndarray, high: np.ndarray, most: np.ndarray) -> float:
    """Give the largest weighted sum of cells, each in its range, whose plain sum at every site is at most `most`.

    weights  shape (cells,), none negative     low, high  shape (sites, cells)     most  shape (sites,)
    This is a linear programme per site that filling the cells in the order of their weights solves exactly.

    >>> largest_weighted_sum(np.array([3.0, 1.0]), np.array([[1.0, 1.0]]), np.array([[9.0, 9.0]]), np.array([12.0]))
    30.0
    """
    return _filled(weights, np.argsort(-weights, kind="stable"), low, high, most)


def least_weighted_sum(weights: np.ndarray, low: np.ndarray, high: np.ndarray, least: np.ndarray) -> float:
    """Give the least weighted sum of cells, each in its range, whose plain sum at every site is at least `least`.

    >>> least_weighted_sum(np.array([3.0, 1.0]), np.array([[1.0, 1.0]]), np.array([[9.0, 9.0]]), np.array([12.0]))
    18.0
    """
    return _filled(weights, np.argsort(weights, kind="stable"), low, high, least)


def _filled(weights: np.ndarray, order: np.ndarray, low: np.ndarray, high: np.ndarray, total: np.ndarray) -> float:
    """Start at the lower ends, and add in this order what is left of the total."""
    start, span = low[:, order], high[:, order] - low[:, order]
    room = np.maximum(total - low.sum(axis=1), 0.0)[:, None]
    added = np.clip(room - (np.cumsum(span, axis=1) - span), 0.0, span)
    return float(((start + added) @ weights[order]).sum())
