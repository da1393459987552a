"""Margins: do the parts of a table add up to its total at every site?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from shared_code.config.study import ResultsTable
from shared_code.model import ALL

SIZE = {"counts": "people", "events": "person_days"}
TOLERANCE = 0.01  # share of the total; rounding alone stays below it except in very small tables


def incomplete_margins(cells: pd.DataFrame, declared: ResultsTable) -> Iterator[dict[str, Any]]:
    """List the sites and dimensions where the parts hold noticeably less or more than the total.

    Parts are compared with the totals of the same cells: a site that breaks out one service only is not short of the
    others. Withheld cells count as the range they lie in: a margin is incomplete when no value in the ranges can make
    it add up within 1 %.
    Yields site, dimension, share_missing (share of the total that is in no part; below 0 where the parts exceed it).
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
        same = [d for d in declared.dimensions if d not in totals]
        for site, rows in alone.groupby("site", sort=True):
            parts = rows[rows[name] != ALL]
            whole = rows[rows[name] == ALL]
            whole = whole.merge(parts[same].drop_duplicates(), on=same) if same else whole
            if parts.empty or whole.empty or not np.isfinite(whole["upper"].sum()):
                continue
            total = (whole["lower"].sum() + whole["upper"].sum()) / 2
            slack = TOLERANCE * total
            least, most = parts["lower"].fillna(0).sum(), parts["upper"].fillna(np.inf).sum()
            if most < total - slack or least > total + slack:
                middle = (least + most) / 2 if np.isfinite(most) else least
                yield {"site": str(site), "dimension": name, "share_missing": 1 - middle / total}
