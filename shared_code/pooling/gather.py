"""Gathering: estimates of places that lie inside one site are collected, not pooled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from shared_code.config.study import ResultsTable
from shared_code.methods.checks import normal_quantile
from shared_code.model.units import DAYS_A_YEAR

WHY_EMPTY = {
    "not_applicable": "the site could not compute it (too few person-years, or nobody died in the last age band)",
    "withheld": "withheld: fewer people than the threshold",
    "not_collected": "not collected",
}


def gather(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
           ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """List the estimates of every site with their intervals, one row per place and term.

    settings  item (dimension that names the term) and unit
    """
    item = settings["item"]
    place = next(name for name, d in declared.dimensions.items() if d.local)
    keys = ["site", *declared.dimensions]
    z = normal_quantile(0.95)
    wide = cells.pivot(index=keys, columns="statistic", values="value").reset_index()
    status = cells[cells["statistic"] == "estimate"].set_index(keys)["status"]
    for row in wide.to_dict("records"):
        site = row["site"]
        if [site] not in scopes.values():
            continue
        state = status[tuple(row[k] for k in keys)]
        estimate, se = row.get("estimate", np.nan), row.get("se", np.nan)
        yield {
            "measure": "estimate of the site", "item": row[item], "group": place, "level": row[place],
            "sex": row.get("sex", "both"), "scope": f"site:{site}", "scale": settings["unit"],
            "estimate": estimate, "se": se, "lower": estimate - z * se, "upper": estimate + z * se,
            "events": row.get("people", np.nan), "person_years": row.get("person_days", np.nan) / DAYS_A_YEAR,
            "method": "computed inside the site", "sites": [site], "reason": WHY_EMPTY.get(state, ""),
        }  # fmt: skip



