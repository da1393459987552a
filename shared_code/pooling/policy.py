"""Policies: what became of a group's use of services while a policy was in force, by designs of rising worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.results import ResultsTable, months_between, year_before
from shared_code.methods.checks import normal_quantile
from shared_code.model.units import DAYS_A_YEAR
from shared_code.pooling import cautions
from shared_code.pooling.cubes import cube
from shared_code.pooling.decision import in_words
from shared_code.pooling.meta import FEW_EVENTS, as_random_effects

WITHHELD = "a month of it is withheld"  # at the site, or at every one of several
NAIVE, TREND, ROLLING, AGAINST = ("change, naive", "change against trend", "change, rolling cohorts", "ratio of ratios")
HOW = {
    NAIVE: "the fixed group, same months of the year before",
    TREND: "the fixed group against its own trend and season (interrupted time series)",
    ROLLING: "people who met the same rule a year later, same months",
    AGAINST: "change of rolling cohorts over that of their comparator",
}  # fmt: skip


def policy_change(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                  ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Compare the months of a policy with what was due, by four designs side by side.

    settings  item, along (months), group, fixed (drawn once, looking back), rolling (the same rule every year),
              comparator (rolling too), months (first and last month of the policy)
    Only sites that sent every month of a group are in its numbers; events that repeat in a person widen the intervals.
    """
    item, along, group = settings["item"], settings["along"], settings["group"]
    months = list(declared.dimensions[along].levels() or {})
    wave = months_between(*settings["months"])
    before = [year_before(month) for month in wave]
    for name, rows in cells.groupby(item, sort=True):
        series = {level: series_of(part, declared, along, months) for level, part in rows.groupby(group, sort=False)}
        for scope, members in scopes.items():
            base = {"item": name, "group": group, "sex": "both", "scope": scope}
            for level, one in series.items():
                stratum = "" if level == settings["rolling"] else f"{group}={level}"
                yield from _monthly(base, one, members, months, stratum)
            fixed, rolling, other = (series.get(settings[key]) for key in ("fixed", "rolling", "comparator"))
            if fixed is not None:
                yield ratio_of(base | {"level": settings["fixed"]}, NAIVE, [fixed], members, wave, before)
                yield _trend(base | {"level": settings["fixed"]}, fixed, members, months, wave)
            if rolling is not None:
                yield ratio_of(base | {"level": settings["rolling"]}, ROLLING, [rolling], members, wave, before)
            if rolling is not None and other is not None:
                row = base | {"level": settings["rolling"], "comparator": settings["comparator"]}
                yield ratio_of(row, AGAINST, [rolling, other], members, wave, before)
                if scope == "pooled":
                    yield from _over_sites(row, rolling, other, members, wave, before)


class _Series:
    """The months of one group and one service, by site."""

    def __init__(self, rows: pd.DataFrame, declared: ResultsTable, along: str, months: list[str]):
        cubes = {name: cube(rows, declared, name) for name in ("events", "person_days", "events_squared")}
        self.sites = cubes["events"].sites
        place = {month: at for at, month in enumerate(cubes["events"].index[along])}
        self.at = {month: place[month] for month in months if month in place}
        self.values = {}
        for name, one in cubes.items():
            middle = (one.lower + one.upper) / 2
            self.values[name] = np.where(one.withheld, np.nan, middle)
        squares = cubes["events_squared"]
        most = np.where(np.isfinite(squares.upper), squares.upper, np.nan)  # a range: limits are as wide as it allows
        self.values["events_squared"] = np.where(squares.withheld, most, self.values["events_squared"])

    def complete(self, members: list[str], months: list[str]) -> list[str]:
        """List the sites that have every one of some months."""
        if any(month not in self.at for month in months):
            return []
        order = [self.at[month] for month in months]
        rows = {site: self.sites.index(site) for site in members if site in self.sites}
        return [site for site, row in rows.items()
                if not any(np.isnan(self.values[n][row, order]).any() for n in ("events", "person_days"))]  # fmt: skip

    def sums(self, sites: list[str], months: list[str]) -> np.ndarray:
        """Give events, person-days and squares over sites, shape (3, months)."""
        rows, order = [self.sites.index(s) for s in sites], [self.at[m] for m in months]
        return np.array([self.values[n][np.ix_(rows, order)].sum(axis=0) for n in ("events", "person_days", "events_squared")])


def series_of(rows: pd.DataFrame, declared: ResultsTable, along: str, months: list[str]) -> _Series:
    """Read the months of one group and one service from the cells of all sites."""
    return _Series(rows, declared, along, months)


def _monthly(base: dict[str, Any], one: _Series, members: list[str], months: list[str], stratum: str
             ) -> Iterator[dict[str, Any]]:  # fmt: skip
    for month in months:
        sites = one.complete(members, [month])
        if not sites:
            continue
        events, days, squares = one.sums(sites, [month])[:, 0]
        years = days / DAYS_A_YEAR
        half = normal_quantile(0.95) * np.sqrt(np.maximum(squares, events)) / events if events else np.nan
        rate = 1000 * events / (12 * years)
        yield base | {"measure": "monthly rate", "group": "month", "level": month, "stratum": stratum, "estimate": rate,
                      "lower": rate * np.exp(-half), "upper": rate * np.exp(half), "events": events, "person_years": years,
                      "scale": "per 1,000 people a month", "sites": sites, "method": "sum of sites",
                      "caution": _no_limits(squares)}  # fmt: skip


def ratio_of(base: dict[str, Any], measure: str, groups: list[_Series], members: list[str], wave: list[str], before: list[str]
           ) -> dict[str, Any]:  # fmt: skip
    """Divide the rate of the policy's months by that of the same months a year before; two groups: ratio of ratios."""
    sites = [s for s in members if all(s in one.complete(members, [*wave, *before]) for one in groups)]
    row = base | {"measure": measure, "method": f"sum of sites; {HOW[measure]}", "sites": sites,
                  "scale": "ratio" if measure == AGAINST else "% change"}  # fmt: skip
    if not sites:
        return row | {"reason": WITHHELD}
    sums = [one.sums(sites, span).sum(axis=1) for one in groups for span in (wave, before)]
    events, days, squares = np.array(sums).T
    if not (events > 0).all():
        return row | {"reason": "no events in some of the months"}
    found = methods.ratio_of_rates(events, days, squares)
    values = {"estimate": found.estimate, "lower": found.lower, "upper": found.upper}
    if measure != AGAINST:
        values = {name: 100 * (value - 1) for name, value in values.items()}
    return row | values | {"se": found.se_log, "events": events[0], "person_years": days[0] / DAYS_A_YEAR,
                           "caution": _no_limits(squares.sum())}  # fmt: skip


def _no_limits(squares: float) -> str:
    """Say why there are no limits, where what events repeat in people is withheld; without it they would be too narrow."""
    return "no limits: how events repeat in people is withheld at a site" if np.isnan(squares) else ""


def _trend(base: dict[str, Any], one: _Series, members: list[str], months: list[str], wave: list[str]) -> dict[str, Any]:
    """Fit the step of the policy's months on top of trend and season."""
    until = [month for month in months if month <= wave[-1]]
    sites = one.complete(members, until)
    row = base | {"measure": TREND, "scale": "% change", "method": f"sum of sites; {HOW[TREND]}", "sites": sites}
    if not sites:
        return row | {"reason": WITHHELD}
    events, days, _ = one.sums(sites, until)
    steps = [[float(month in wave) for month in until]]
    try:
        found = methods.interrupted_series(events, days, steps, int(until[0][5:]))
    except (ValueError, methods.ConvergenceError) as error:
        return row | {"reason": str(error)}
    named = {"estimate": found.estimate, "lower": found.lower, "upper": found.upper}
    return row | {name: 100 * float(value[0] - 1) for name, value in named.items()} | {
        "se": float(found.se[0]), "df": found.df, "events": events[-len(wave):].sum()}  # fmt: skip


def _over_sites(base: dict[str, Any], rolling: _Series, other: _Series, members: list[str], wave: list[str], before: list[str]
                ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Average the ratio of ratios over sites, which may differ, and say whether they do."""
    each = {site: ratio_of(base, AGAINST, [rolling, other], [site], wave, before) for site in members}
    good = {site: row for site, row in each.items() if np.isfinite(row.get("se", np.nan))}
    if len(good) < 2:
        return
    without = {site: row.get("reason") or row["caution"] for site, row in each.items() if site not in good}
    y, se = (np.array(values, dtype=float) for values in zip(*((np.log(r["estimate"]), r["se"]) for r in good.values())))
    agree = cautions.agreement([*good], y, se**2)
    few = sum(row["events"] < FEW_EVENTS for row in good.values())
    yield base | as_random_effects(methods.random_effects(y, se**2), np.exp, len(good), agree.q, few) | {
        "measure": "ratio of ratios, average over sites", "scale": "ratio", "sites": [*good], "agreement": agree.words,
        "events": sum(row["events"] for row in good.values()), "sites_excluded": in_words(without),
    }  # fmt: skip
