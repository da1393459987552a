"""Attacks by subtraction: two releases, two cohorts, two geographies, overlapping flags, and a partner's own counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from shared_code.disclosure.attacks.known import Cell, Known, Tables
from shared_code.model import CELL_COLUMNS, LAYOUTS

Range = tuple[float, float]


def over_time(before: Tables, now: Tables) -> dict[Cell, Range]:
    """Subtract an earlier release from a later one: how many people joined or left, cell by cell.

    Gives the range of the change of every number of people that both releases speak of.
    """
    changes: dict[Cell, Range] = {}
    for name, (declared, cells) in now.items():
        if name not in before:
            continue
        dimensions = list(declared.dimensions)
        people = [*LAYOUTS[declared.layout].people, "events", "records"]
        both = cells[cells["statistic"].isin(people)].merge(before[name][1], on=[*dimensions, "statistic"], suffixes=("", "_old"))
        for row in both.to_dict("records"):
            levels = tuple(row[d] for d in dimensions)
            changes[name, row["statistic"], levels] = (row["lower"] - row["upper_old"], row["upper"] - row["lower_old"])
    return changes


def gives_away(change: Range, threshold: int) -> bool:
    """Say whether a range of a change tells that it was one of a few people: all its numbers are 1 to t - 1 in size, few of them.

    >>> gives_away((1, 1), 10), gives_away((0, 0), 10), gives_away((-9, 9), 10), gives_away((100, 100), 10)
    (True, False, False, False)
    """
    low, high = change
    small = (low > 0 and high < threshold) or (high < 0 and low > -threshold)
    return small and high - low < threshold - 2


def of_two(known: Known, whole: Cell, part: Cell, rest: Cell) -> Range:
    """Subtract a part from a whole that somebody released apart from it: the others are a group of people too."""
    if rest not in known.index:
        known.add(rest, 0, float("inf"), implicit=True)
    known.equal({known.index[whole]: -1.0, known.index[part]: 1.0, known.index[rest]: 1.0})
    known.narrow()
    return known.between(rest)


def overlap(known: Known, one: Cell, other: Cell, either: Cell) -> Range:
    """Add two flags and subtract those who have either: what is left are the people with both."""
    both: Cell = (one[0], f"{one[1]} with both", (*one[2], *other[2]))
    known.add(both, 0, float("inf"), implicit=True)
    known.equal({known.index[one]: 1.0, known.index[other]: 1.0, known.index[either]: -1.0, known.index[both]: -1.0})
    known.narrow()
    return known.between(both)


def partner(pooled: Mapping[str, Range], own: Mapping[str, float]) -> dict[str, Range]:
    """Subtract one's own true counts from a pooled table: what is left is everybody else's.

    >>> partner({"a": (57, 57), "b": (12, 12)}, {"a": 50, "b": 3})
    {'a': (7, 7), 'b': (9, 9)}
    """
    return {key: (max(low - own[key], 0), high - own[key]) for key, (low, high) in pooled.items() if key in own}


def pooled_ranges(sites: Sequence[pd.DataFrame]) -> dict[str, Range]:
    """Add what sites released: per cell, the range in which the sum of their true numbers lies."""
    stacked = pd.concat(sites)
    keys = [c for c in stacked.columns if c not in CELL_COLUMNS] + ["statistic"]
    sums = stacked.assign(key=stacked[keys].astype(str).agg("/".join, axis=1)).groupby("key")[["lower", "upper"]].sum()
    return {key: (row.lower, row.upper) for key, row in sums.iterrows()}
