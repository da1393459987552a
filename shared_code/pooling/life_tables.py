"""Life expectancy over sites: deaths and person-years are summed by band first, then one life table is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.model import UNKNOWN
from shared_code.pooling.band_rates import band_rates, share
from shared_code.pooling.cubes import Cube, cube

FEWEST_LEVELS = 3  # a line through fewer says nothing about a gradient
METHOD = "sum of sites by age band, then one life table (Chiang II, Silcocks)"


def life_expectancy(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                    ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Compute life expectancy per level of a group and sex, and the slope across the levels.

    settings  group (ranked dimension, most deprived first), by ([sex]), age (band dimension), ages (0, 65)
    A site whose person-years of a band are withheld is left out of that band. Deaths that are withheld are known to lie
    in a range: the death rate is the most likely one given all values, ranges and totals.
    """
    events = cube(cells, declared, "events")
    days = cube(cells, declared, "person_days", events.index)
    for scope, sites in scopes.items():
        rows = [events.sites.index(site) for site in sites if site in events.sites]
        if rows:
            yield from _of_scope(events, days, rows, declared, settings, scope)


def _of_scope(events: Cube, days: Cube, rows: list[int], declared: ResultsTable, settings: dict, scope: str
              ) -> Iterator[dict[str, Any]]:  # fmt: skip
    found = band_rates(events, days, rows, declared)
    years, low, high, total = found.years, found.low, found.high, found.total
    rate, variance = found.rate, found.variance
    deaths = rate * total
    effective = np.where(variance > 0, rate**2 / np.where(variance > 0, variance, 1), deaths)
    spec = declared.dimensions[settings["age"]]
    order = {label: position for position, label in enumerate(spec.levels() or {})}
    group, by = settings["group"], settings["by"]
    names = [events.sites[r] for r in rows]
    for keys, part in events.index.groupby(by, sort=True):
        tables = {}
        for level, members in part.groupby(group, sort=False):
            at = members.index[np.argsort(members[settings["age"]].map(order))].to_numpy()
            base = {"group": group, "level": str(level), "sex": str(keys[0]), "scope": scope, "scale": "years",
                    "people": np.nan, "events": round(float(np.nansum(deaths[at]))),
                    "person_years": float(total[at].sum()), "measure": "life expectancy", "method": METHOD,
                    "sites": [s for s, there in zip(names, years[:, at].sum(axis=1) > 0) if there],
                    "withheld_share": share(low[:, at], high[:, at])}  # fmt: skip
            table = methods.life_expectancy(deaths[at], total[at], spec.bands, np.nan_to_num(effective[at]))
            extremes = [methods.life_expectancy(side[:, at].sum(axis=0), total[at], spec.bands) for side in (high, low)]
            tables[str(level)] = (base, table)
            yield from _rows(base, table, extremes, settings["ages"], spec.bands)
        yield from _slopes(tables, settings["ages"], spec.bands)


def _rows(base: dict, table: methods.LifeExpectancy, extremes: list, ages: list[int], bands: list[int]
          ) -> Iterator[dict[str, Any]]:  # fmt: skip
    for age in ages:
        at = bands.index(age)
        yield base | {
            "item": f"e{age}", "estimate": table.estimate[at], "lower": table.lower[at], "upper": table.upper[at],
            "se": table.se[at], "reason": str(table.reason), "bound_lower": extremes[0].estimate[at],
            "bound_upper": extremes[1].estimate[at],
        }  # fmt: skip


def _slopes(tables: dict[str, tuple[dict, methods.LifeExpectancy]], ages: list[int], bands: list[int]
            ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give the slope index across the ranked levels of one sex (most deprived first)."""
    ranked = sorted((level for level in tables if level != UNKNOWN), key=int)
    if not ranked:
        return
    without = [level for level in ranked if str(tables[level][1].reason)]
    years = [tables[level][0]["person_years"] for level in ranked]
    sites = sorted({s for level in ranked for s in tables[level][0]["sites"]})
    for age in ages:
        at = bands.index(age)
        base = tables[ranked[0]][0] | {
            "item": f"e{age}", "measure": "slope index", "level": "slope", "sites": sites,
            "events": sum(tables[x][0]["events"] for x in ranked), "person_years": sum(years),
            "withheld_share": max(tables[x][0]["withheld_share"] for x in ranked),
            "method": "weighted line through the deciles, by rank of deprivation: least minus most deprived end",
        }  # fmt: skip
        if without or len(ranked) < FEWEST_LEVELS:
            reason = f"no life expectancy for {', '.join(without)}" if without else f"fewer than {FEWEST_LEVELS} levels"
            yield base | {"reason": reason}
            continue
        line = methods.slope_index(years, [tables[x][1].estimate[at] for x in ranked],
                                   [tables[x][1].se[at] for x in ranked])  # fmt: skip
        yield base | {"estimate": line.estimate, "lower": line.lower, "upper": line.upper, "se": line.se}
