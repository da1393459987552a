"""Change between two months over sites: summed where events add up, and by random effects because sites differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.methods.checks import normal_quantile
from shared_code.model import ALL
from shared_code.model.units import DAYS_A_YEAR
from shared_code.pooling import cautions
from shared_code.pooling.cubes import cube

Z = normal_quantile(0.95)
METHOD = "sum of sites; interval from the least variance the published numbers allow, months taken as independent"


def change(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
           ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Compare the event rate of one month with another, per item and group of people, and list the monthly rates.

    settings  item (dimension, e.g. service), along (the month dimension), at and against (two months)
    A site that does not collect an item is not in it. Withheld months leave the site out of that month and say so.
    """
    item, along = settings["item"], settings["along"]
    totals = [name for name, d in declared.dimensions.items() if d.total]
    for stratum, chosen in _strata(cells, totals):
        cubes = {name: cube(chosen, declared, name) for name in ("events", "people", "person_days")}
        for name, rows in cubes["events"].index.groupby(item, sort=True):
            months = dict(zip(rows[along], rows.index))
            found = [*_monthly(str(name), months, cubes, scopes, along)]
            if settings["at"] in months and settings["against"] in months:
                at, against = months[settings["at"]], months[settings["against"]]
                found += _compared(str(name), at, against, cubes, scopes, settings)
            yield from ({**row, "stratum": stratum} for row in found)


def _strata(cells: pd.DataFrame, totals: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Split cells into those about everyone, then those about each level of one dimension."""
    yield "", cells[(cells[totals] == ALL).all(axis=1)] if totals else cells
    for name in totals:
        others = [t for t in totals if t != name]
        alone = cells[(cells[others] == ALL).all(axis=1) & (cells[name] != ALL)]
        for level, part in alone.groupby(name, sort=True):
            yield f"{name}={level}", part


def _values(cubes: dict, name: str, rows: list[int], at: int) -> np.ndarray:
    """Give the values of some sites in one cell; nan where withheld, not collected or absent."""
    found = cubes[name]
    values = (found.lower[rows, at] + found.upper[rows, at]) / 2
    return np.where(found.withheld[rows, at], np.nan, values)


def _monthly(name: str, months: dict[str, int], cubes: dict, scopes: dict[str, list[str]], along: str
             ) -> Iterator[dict[str, Any]]:  # fmt: skip
    sites = cubes["events"].sites
    for scope, members in scopes.items():
        rows = [sites.index(s) for s in members if s in sites]
        for month, at in months.items():
            y, days = _values(cubes, "events", rows, at), _values(cubes, "person_days", rows, at)
            inside = ~np.isnan(y) & ~np.isnan(days)
            if not inside.any():
                continue
            events, years = y[inside].sum(), days[inside].sum() / DAYS_A_YEAR
            squares = _least_squares(y, _values(cubes, "people", rows, at))[inside].sum()
            half = Z * np.sqrt(squares) / events if events else np.nan
            rate = 1000 * events / (years * 12)
            yield {"measure": "monthly rate", "item": name, "group": along, "level": month, "sex": "both",
                   "scope": scope, "scale": "per 1,000 people a month", "estimate": rate, "events": events,
                   "lower": rate * np.exp(-half), "upper": rate * np.exp(half), "person_years": years,
                   "sites": [sites[r] for r, i in zip(rows, inside) if i], "method": "sum of sites"}  # fmt: skip


def _least_squares(events: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Give, per site, the least possible sum of squares when so many people had so many events between them.

    Repeatable events are not Poisson: the variance of their total is the sum over people of events squared. Published
    tables lack it; the number of people fixes a lower limit, which is used and named as such. Where the number of
    people is not known either, the limit is one event each.
    """
    known = np.where((people > 0) & ~np.isnan(people), people, np.maximum(events, 1))
    each, more = np.divmod(events, known)
    return (known - more) * each**2 + more * (each + 1) ** 2


def _compared(name: str, at: int, against: int, cubes: dict, scopes: dict[str, list[str]], settings: dict
              ) -> Iterator[dict[str, Any]]:  # fmt: skip
    sites = cubes["events"].sites
    base = {"item": name, "group": settings["along"], "level": settings["at"], "comparator": settings["against"],
            "sex": "both", "scale": "% change"}  # fmt: skip
    for scope, members in scopes.items():
        rows = [sites.index(s) for s in members if s in sites]
        now, before = _values(cubes, "events", rows, at), _values(cubes, "events", rows, against)
        days_now, days_before = _values(cubes, "person_days", rows, at), _values(cubes, "person_days", rows, against)
        inside = ~np.isnan(now) & ~np.isnan(before)
        if not inside.any():
            continue
        a, b, ta, tb = (v[inside] for v in (now, before, days_now, days_before))
        named = [sites[r] for r, i in zip(rows, inside) if i]
        row = base | {"measure": "change", "scope": scope, "events": a.sum(), "person_years": ta.sum() / DAYS_A_YEAR,
                      "sites": named, "method": METHOD}  # fmt: skip
        if not (a.sum() and b.sum()):
            yield row | {"reason": "no events in one of the two months"}
            continue
        variance = sum(
            _least_squares(v, _values(cubes, "people", rows, cell)[inside]).sum() / v.sum() ** 2
            for v, cell in ((a, at), (b, against))
        )
        ratio = (a.sum() / ta.sum()) / (b.sum() / tb.sum())
        yield row | _as_percent(ratio, np.sqrt(variance))
        both = (a > 0) & (b > 0)  # a site without events in one month has no ratio: it is in the sum above only
        if scope == "pooled" and both.sum() > 1:
            logs = np.log((a / ta)[both]) - np.log((b / tb)[both])
            yield from _random_effects(base, logs, (1 / a[both] + 1 / b[both]), [n for n, i in zip(named, both) if i])


def _as_percent(ratio: float, se: float) -> dict[str, float]:
    low, high = ratio * np.exp(-Z * se), ratio * np.exp(Z * se)
    return {"estimate": 100 * (ratio - 1), "lower": 100 * (low - 1), "upper": 100 * (high - 1), "se": float(se)}


def _random_effects(base: dict, logs: np.ndarray, variances: np.ndarray, sites: list[str]) -> Iterator[dict[str, Any]]:
    """Give the average change, where another site would lie, and how much the sites differ."""
    result = methods.random_effects(logs, variances)
    agree = cautions.agreement(sites, logs, variances)
    common = base | {"scope": "pooled", "sites": sites, "agreement": agree.words}
    yield common | {
        "measure": "average change", "method": "random effects (REML, Hartung-Knapp)",
        "estimate": 100 * np.expm1(result.estimate), "lower": 100 * np.expm1(result.lower),
        "upper": 100 * np.expm1(result.upper), "se": result.se, "q": agree.q, "reason": str(result.reason),
        "caution": cautions.caution(cautions.AVERAGE, len(sites)),
    }  # fmt: skip
    yield common | {
        "measure": "change expected in another site", "method": "prediction interval (t, Hartung-Knapp)",
        "estimate": 100 * np.expm1(result.estimate), "lower": 100 * np.expm1(result.prediction_lower),
        "upper": 100 * np.expm1(result.prediction_upper), "reason": str(result.reason),
        "caution": cautions.caution(cautions.ELSEWHERE, len(sites)),
    }  # fmt: skip
    yield common | {
        "measure": "difference between sites (tau2)", "scale": "variance of the log ratio",
        "method": "REML with Q-profile interval", "estimate": result.tau2, "lower": result.tau2_lower,
        "upper": result.tau2_upper, "reason": str(result.reason),
    }  # fmt: skip
