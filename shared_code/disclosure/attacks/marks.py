"""Attacks on marks: whatever tells a small number apart from one that is withheld only to protect it."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from shared_code.disclosure.attacks.known import Tables
from shared_code.model import CELL_COLUMNS, LAYOUTS


def told_apart(released: Tables, threshold: int) -> Iterator[tuple[str, str, tuple[str, ...], float, float]]:
    """Find withheld numbers of people whose published range says that they are small."""
    for name, (declared, cells) in released.items():
        people = LAYOUTS[declared.layout].people
        few = cells[(cells["status"] == "withheld") & cells["statistic"].isin(people) & (cells["upper"] < threshold)
                    & (cells["upper"] > 0)]  # fmt: skip
        for row in few.to_dict("records"):
            yield name, row["statistic"], tuple(row[d] for d in declared.dimensions), row["lower"], row["upper"]


def order(cells: pd.DataFrame) -> str:
    """Say whether rows lie in an order that their own levels do not explain; empty when they do not."""
    keys = [c for c in cells.columns if c not in CELL_COLUMNS] + ["statistic"]
    return "" if cells[keys].equals(cells.sort_values(keys, ignore_index=True)[keys]) else "its rows are in an order of their own"


def missing_rows(cells: pd.DataFrame, levels: dict[str, list[str]]) -> list[str]:
    """List levels of a dimension that the table has for some rows and leaves out for others."""
    gaps = []
    for dimension in levels:
        others = [c for c in levels if c != dimension] + ["statistic"]
        have = cells.groupby(others, sort=True)[dimension].agg(lambda column: frozenset(column))
        gaps += sorted({f"{dimension} {level}" for group in have for level in set(have.max()) - set(group)}
                       if len(set(have)) > 1 else set())  # fmt: skip
    return gaps
