"""Margins: do the parts of a table add up to its total at every site?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from shared_code.config.study import ResultsTable
from shared_code.model import ALL

SIZE = {"counts": "people", "events": "person_days"}
TOLERANCE = 0.01  # share of the total; rounding alone stays below it except in very small tables


def incomplete_margins(cells: pd.DataFrame, declared: ResultsTable) -> Iterator[dict[str, Any]]:
    """List the sites and dimensions where the parts hold noticeably less or more than the total.

    Only dimensions whose levels are all declared can be checked. Withheld cells count as the range they lie in: a
    margin is incomplete when no value in the ranges can make it add up within 1 %.
    Yields site, dimension, total, parts_lower, parts_upper.
    """
    if declared.layout not in SIZE:
        return
    size = cells[cells["statistic"] == SIZE[declared.layout]]
    totals = [name for name, d in declared.dimensions.items() if d.total]
    for name in totals:
        others = [t for t in totals if t != name]
        alone = size[(size[others] == ALL).all(axis=1)] if others else size
        if not (alone[name] != ALL).any():
            continue
        for site, rows in alone.groupby("site", sort=True):
            whole, parts = rows[rows[name] == ALL], rows[rows[name] != ALL]
            if parts.empty:
                continue
            total = (whole["lower"].sum() + whole["upper"].sum()) / 2
            slack = TOLERANCE * total
            if parts["upper"].sum() < total - slack or parts["lower"].sum() > total + slack:
                middle = (parts["lower"].sum() + parts["upper"].sum()) / 2
                yield {"site": str(site), "dimension": name, "share_missing": 1 - middle / total}
