"""Area tables: methods applied to tidy tables of many areas at once."""

from __future__ import annotations

import numpy as np
import pandas as pd

from shared_code.methods.life_table import life_expectancy
from shared_code.model.units import DAYS_A_YEAR


def life_expectancy_table(table: pd.DataFrame, area: str, edges: list[int], ages: list[int]) -> pd.DataFrame:
    """Compute life expectancy of every area and sex from deaths and person-years by age band.

    table  columns area, sex, age (every band of every area and sex, in any order of rows), deaths, person_years
    edges  lower edges of the bands, years            ages  ages at which life expectancy is given; each is an edge
    Returns the `estimates` layout, one row per area, sex and term ("e0", "e65"): estimate and se in years (empty where
    it is not given), people = deaths, person_days. Method: life_table.life_expectancy.
    """
    from shared_code.model import band_labels

    order = {label: position for position, label in enumerate(band_labels(edges))}
    rows = table.assign(_order=table["age"].map(order)).sort_values([area, "sex", "_order"])
    groups = rows[[area, "sex"]].drop_duplicates().reset_index(drop=True)
    deaths = rows["deaths"].to_numpy(float).reshape(len(groups), len(edges))
    years = rows["person_years"].to_numpy(float).reshape(len(groups), len(edges))
    result = life_expectancy(deaths, years, edges)
    parts = []
    for age in ages:
        at = edges.index(age)
        given = ~np.asarray(result.too_wide)[:, at]
        parts.append(groups.assign(
            term=f"e{age}", estimate=np.where(given, result.estimate[:, at], np.nan),
            se=np.where(given, result.se[:, at], np.nan), people=deaths.sum(axis=1).astype("int64"),
            person_days=years.sum(axis=1) * DAYS_A_YEAR,
        ))  # fmt: skip
    return pd.concat(parts, ignore_index=True)
