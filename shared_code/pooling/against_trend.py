"""Change against a group's own trend: what a month would have been had trend and season gone on, and what it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.results import ResultsTable, months_between, year_before
from shared_code.methods.checks import normal_quantile
from shared_code.model import ALL
from shared_code.pooling.cubes import cube

NAIVE = "sum of sites; naive: it takes the year before as what was due"
METHOD = "sum of sites; quasi-Poisson with trend and calendar month"


def against_trend(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                  ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Compare a month with what the months before it lead one to expect, beside the same month a year earlier.

    settings  item, along (the month dimension), at (the month), until (the last month that the expectation is made from)
    Yields per item the yearly trend, the expected number, the change against it, and the naive change from a year before.
    A site is in it when it has every month from the first to `until`, and both months compared.
    """
    item, along, at = settings["item"], settings["along"], settings["at"]
    totals = [name for name, d in declared.dimensions.items() if d.total]
    chosen = cells[(cells[totals] == ALL).all(axis=1)] if totals else cells
    others = [name for name in declared.dimensions if name not in (item, along, *totals)]
    past = [month for month in declared.dimensions[along].levels() or {} if month <= settings["until"]]
    ahead = months_between(settings["until"], at)[1:]
    earlier = year_before(at)
    for key, rows in chosen.groupby([item, *others], sort=True):
        named = dict(zip([item, *others], key if isinstance(key, tuple) else (key,)))
        events, days = (cube(rows, declared, name) for name in ("events", "person_days"))
        place = dict(zip(events.index[along], events.index.index))
        if any(month not in place for month in (*past, at, earlier)):
            continue
        order = [place[month] for month in (*past, at)]
        for scope, members in scopes.items():
            found = [events.sites.index(site) for site in members if site in events.sites]
            full = [row for row in found if events.known[row, order].all() and not events.withheld[row, order].any()]
            if not full:
                continue
            y, t = ((c.lower[full] + c.upper[full]).sum(axis=0)[order] / 2 for c in (events, days))
            t = t / [pd.Period(month).days_in_month for month in (*past, at)]  # people at risk: the calendar month holds its days
            base = {"item": named[item], "group": along, "level": at, "sex": "both", "scope": scope, "events": y[-1],
                    "stratum": "; ".join(f"{name}={named[name]}" for name in others), "method": METHOD,
                    "sites": [events.sites[row] for row in full]}  # fmt: skip
            yield from _compared(base, past, ahead, y, t, y[past.index(earlier)], t[past.index(earlier)], earlier)


def _compared(base: dict[str, Any], past: list[str], ahead: list[str], y: np.ndarray, t: np.ndarray, before: float,
              before_time: float, earlier: str) -> Iterator[dict[str, Any]]:  # fmt: skip
    observed, z = y[-1], normal_quantile(0.95)
    try:
        # the months in between are not there to be fitted: only their number counts
        found = methods.trend_and_season(y[:-1], t[:-1], ahead=len(ahead), first_month=int(past[0][5:]),
                                         ahead_exposure=np.full(len(ahead), t[-1]))  # fmt: skip
    except ValueError as error:
        yield base | {"measure": "change against trend", "scale": "% change", "reason": str(error)}
        return
    expected, low, high = (float(np.asarray(v)[-1]) for v in (found.estimate, found.lower, found.upper))
    se = np.log(high / expected) / z
    yield base | {"measure": "trend", "scale": "% a year", "estimate": found.percent_a_year}
    yield base | {"measure": "expected", "scale": "events", "estimate": expected, "lower": low, "upper": high}
    ratio = observed / expected
    spread = float(np.sqrt(se**2 + max(found.dispersion, 1.0) / observed)) if observed else np.nan
    yield base | {"measure": "change against trend", "scale": "% change", "estimate": 100 * (ratio - 1), "se": spread,
                  "lower": 100 * (ratio * np.exp(-z * spread) - 1), "upper": 100 * (ratio * np.exp(z * spread) - 1)}  # fmt: skip
    if before:
        naive = (observed / t[-1]) / (before / before_time)
        yield base | {"measure": "change from a year before", "scale": "% change", "comparator": earlier,
                      "estimate": 100 * (naive - 1), "method": NAIVE}  # fmt: skip
