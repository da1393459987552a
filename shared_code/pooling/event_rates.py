"""Rates of events over sites: of events that repeat, with robust limits, and of deaths against reference rates."""

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
from shared_code.pooling.band_rates import band_rates, share
from shared_code.pooling.cubes import cube, set_of
from shared_code.pooling.expected_deaths import against_expected
from shared_code.pooling.groups import TOO_MUCH

ROBUST = "sum of sites; limits allow for events that come in clusters (sum of squares)"


def event_rates(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Compute rates of events that may repeat in the same people, and compare two levels of a group.

    settings  item (dimension of events), group (dimension with a total), compare and against (two of its levels)
    A site with a withheld number of a level is left out of it, and of the comparison.
    """
    item, group = settings["item"], settings["group"]
    wide = cells.pivot(index=["site", item, group], columns="statistic", values="value").reset_index()
    for name, rows in wide.dropna(subset=["events", "person_days", "events_squared"]).groupby(item, sort=True):
        yield from _rates_of(str(name), rows, group, settings, scopes)


def _rates_of(name: str, wide: pd.DataFrame, group: str, settings: dict[str, Any], scopes: dict[str, list[str]]
              ) -> Iterator[dict[str, Any]]:  # fmt: skip
    z = normal_quantile(0.95)
    for scope, members in scopes.items():
        found = {}
        mine = wide[wide["site"].isin(members)]
        pair = (settings["compare"], settings["against"])
        both = set.intersection(*(set(mine[mine[group] == level]["site"]) for level in pair))
        for level in dict.fromkeys(mine[group]):
            own = mine[mine[group] == level]
            y, t, yy = (float(own[c].sum()) for c in ("events", "person_days", "events_squared"))
            base = {"item": name, "group": "everyone" if level == ALL else group, "level": str(level), "sex": "both",
                    "scope": scope, "events": y, "person_years": t / DAYS_A_YEAR, "sites": list(own["site"]),
                    "method": ROBUST}  # fmt: skip
            rate = methods.rate(y, t / DAYS_A_YEAR, 100, squares=max(y, yy))
            yield base | {"measure": "rate", "scale": "per 100 person-years", "estimate": rate.estimate, "lower": rate.lower,
                          "upper": rate.upper, "reason": str(rate.reason)}  # fmt: skip
            if level in pair and both:
                part = own[own["site"].isin(both)]
                y, t, yy = (float(part[c].sum()) for c in ("events", "person_days", "events_squared"))
                counts = {"sites": sorted(both), "events": y, "person_years": t / DAYS_A_YEAR}
                found[level] = (base | counts, methods.rate(y, t / DAYS_A_YEAR, 100, squares=max(y, yy)))
        if len(found) == 2:
            (base, a), (_, b) = found[settings["compare"]], found[settings["against"]]
            se = float(np.hypot(a.se_log, b.se_log))
            ratio = float(a.estimate / b.estimate) if b.estimate else np.nan
            yield base | {"measure": "rate ratio", "scale": "ratio", "comparator": settings["against"], "estimate": ratio,
                          "lower": ratio * np.exp(-z * se), "upper": ratio * np.exp(z * se), "se": se}  # fmt: skip


def mortality_ratio(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                    ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Compare deaths of a group with those expected at reference rates, and with those of everybody else.

    settings  group (dimension), of and others (two of its levels), by (sex), age (bands), until (age at which the last band
              ends), rates (sex -> deaths per person-year by age band, the same at every site)
              lived and others_in (optional, both): further tables with the days of the group by sex and age, and the deaths
              and days of everybody else, where deaths of the group by band are too few to leave: only their total is used
    Gives the standardised mortality ratio (all observed over all expected deaths; never an average of sites' ratios) and the
    ratio of directly standardised rates, of the group over the others, who do not have the illness. The others are not the
    general population: the two numbers are of different kinds.
    """
    if "lived" in settings:
        yield from against_expected(cells, settings, scopes)
        return
    events = cube(cells, declared, "events")
    days = cube(cells, declared, "person_days", events.index)
    group, sex, age = settings["group"], settings["by"], settings["age"]
    labels = list(declared.dimensions[age].levels() or {})
    place = {label: number for number, label in enumerate(labels)}
    finest = set_of(events.index, declared, {group, sex, age})
    reference = np.array([settings["rates"][s][place[a]] if a in place else 0.0  # totals expect nothing of their own
                          for s, a in zip(events.index[sex], events.index[age])])  # fmt: skip
    standard = methods.standard_weights(declared.dimensions[age].bands, upper=settings["until"])
    weights = np.array([standard[place[a]] if a in place else 0.0 for a in events.index[age]])
    at = {level: np.flatnonzero(finest & (events.index[group] == settings[level]).to_numpy()) for level in ("of", "others")}
    for scope, sites in scopes.items():
        rows = [events.sites.index(s) for s in sites if s in events.sites]
        if not rows:
            continue
        found = band_rates(events, days, rows, declared)
        deaths = found.rate * found.total
        of = at["of"]
        if np.isnan(found.rate[of][found.total[of] > 0]).any():
            yield {"item": "deaths", "group": group, "level": settings["of"], "sex": "both", "scope": scope, "scale": "ratio",
                   "measure": "standardised mortality ratio", "comparator": "reference rates", "reason": TOO_MUCH,
                   "sites": [events.sites[r] for r in rows]}  # fmt: skip
            continue
        observed, expected = float(np.nansum(deaths[of])), float(methods.expected_events(found.total[of], reference[of]))
        base = {"item": "deaths", "group": group, "level": settings["of"], "sex": "both", "scope": scope, "scale": "ratio",
                "events": float(np.round(observed)), "person_years": float(found.total[of].sum()),
                "sites": [events.sites[r] for r, y in zip(rows, found.years[:, of].sum(axis=1)) if y > 0],
                "withheld_share": share(found.low[:, of], found.high[:, of])}  # fmt: skip
        uncertain = float(np.nansum((found.variance * found.total**2)[of]))
        effective = observed**2 / uncertain if uncertain > 0 else observed
        limits = methods.poisson_interval(effective)
        widen = observed / expected / effective if effective > 0 and expected > 0 else np.nan
        yield base | {
            "measure": "standardised mortality ratio", "comparator": "reference rates", "estimate": observed / expected,
            "lower": limits.lower * widen, "upper": limits.upper * widen, "method": "all observed over all expected deaths",
            "bound_lower": float(found.low[:, of].sum() / expected), "bound_upper": float(found.high[:, of].sum() / expected),
        }  # fmt: skip
        values = [methods.standardise(found.rate[i], found.variance[i], weights[i]) for i in (of, at["others"])]
        ratio = float(values[0].estimate / values[1].estimate) if values[1].estimate else np.nan
        se = float(np.sqrt(sum(v.variance / v.estimate**2 for v in values))) if all(v.estimate > 0 for v in values) else np.nan
        half = np.exp(normal_quantile(0.95) * se)
        yield base | {"measure": "ratio of standardised death rates", "comparator": settings["others"], "estimate": ratio,
                      "lower": ratio / half, "upper": ratio * half, "se": se,
                      "method": "deaths of sites summed by sex and age, rates standardised directly (ESP 2013)"}  # fmt: skip
