"""Ages at a first event over sites: events and days by attained age are summed first, then one curve is made per group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.model import UNKNOWN
from shared_code.pooling.band_rates import BandRates, band_rates, share
from shared_code.pooling.cubes import Cube, cube, set_of
from shared_code.pooling.fitted import complete_cases, proportions
from shared_code.pooling.groups import TOO_MUCH
from shared_code.pooling.prevalence import EVERYONE, MOST_WITHHELD
from shared_code.pooling.totals import totals_of

METHOD = "sum of sites by band of attained age, then one survival curve with constant hazards in each band"
CROSS = "sum of sites by age band, rising curve through the bands (isotonic), age of equal prevalence"


def attained_age(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                 ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Compute the age by which shares of each group have had a first event, and how much earlier than in another group.

    settings  item (dimension of outcomes), event and competing (two of its levels), age (dimension of bands), until (age
              at which the last band ends), quantiles (shares), groups (dimension -> level compared with), within (dimension
              of groups -> dimensions inside whose levels it is compared again: stratum, as sex=F)
    Gives, per level: "age by which 25 % have it" and "years earlier (25 %)", both net of the competing event, "years free
    of it", and by age (stratum) the rate, the "share who have it by this age" net of the competing event, and the same "as
    people also die". A site whose days of a band are withheld is left out of that band.
    """
    events = cube(cells, declared, "events")
    days = cube(cells, declared, "person_days", events.index)
    for scope, sites in scopes.items():
        rows = [events.sites.index(site) for site in sites if site in events.sites]
        if rows:
            names = [events.sites[r] for r in rows]
            found = band_rates(events, days, rows, declared)
            yield from _Curves(events, found, names, declared, settings, scope).results()


class _Curves:
    """The curves of one scope."""

    def __init__(self, events: Cube, rates: BandRates, names: list[str], declared: ResultsTable, settings: dict, scope: str):
        self.index, self.rates, self.names, self.declared, self.settings = events.index, rates, names, declared, settings
        self.scope = scope
        spec = declared.dimensions[settings["age"]]
        self.edges = [*spec.bands, settings["until"]]
        self.order = {label: position for position, label in enumerate(spec.levels() or {})}

    def results(self) -> Iterator[dict[str, Any]]:
        totals = {name for name, d in self.declared.dimensions.items() if d.total}
        for group, reference in {EVERYONE: "", **self.settings["groups"]}.items():
            rows = self.index[set_of(self.index, self.declared, {group} & totals)]
            levels = {"everyone": rows} if group == EVERYONE else {str(k): part for k, part in rows.groupby(group, sort=True)}
            yield from self._levels(group, reference, levels, "")
        for group, inside in (self.settings.get("within") or {}).items():
            for other in inside:
                both = self.index[set_of(self.index, self.declared, {group, other})]
                for name, rows in both.groupby(other, sort=True):
                    levels = {str(k): part for k, part in rows.groupby(group, sort=True)}
                    yield from self._levels(group, self.settings["groups"][group], levels, f"{other}={name}")

    def _levels(self, group: str, reference: str, levels: dict[str, pd.DataFrame], stratum: str) -> Iterator[dict[str, Any]]:
        against = self._curve(levels[reference]) if reference in levels else None
        for level, part in levels.items():
            if len(part):
                theirs = against if level != reference else None
                yield from self._level(group, level, self._curve(part), theirs, reference, stratum)

    def _curve(self, rows: pd.DataFrame) -> dict[str, np.ndarray]:
        """Give the cells of the event and of the competing one, in the order of age."""
        ordered = rows.iloc[np.argsort(rows[self.settings["age"]].map(self.order), kind="stable")]
        outcomes = (self.settings["event"], self.settings["competing"])
        return {name: ordered.index[ordered[self.settings["item"]] == name].to_numpy() for name in outcomes}

    def _level(self, group: str, level: str, curve: dict[str, np.ndarray], against: dict[str, np.ndarray] | None,
               reference: str, stratum: str) -> Iterator[dict[str, Any]]:  # fmt: skip
        at = curve[self.settings["event"]]
        years = self.rates.years[:, at].sum(axis=1)
        if not years.sum():
            return
        base = {
            "item": self.settings["event"], "group": group, "level": level, "sex": "both", "scope": self.scope,
            "stratum": stratum, "scale": "years", "events": float(np.round(np.nansum((self.rates.rate * self.rates.total)[at]))),
            "person_years": float(years.sum()), "method": METHOD, "sites": [s for s, y in zip(self.names, years) if y > 0],
            "withheld_share": self._withheld(at),
        }  # fmt: skip
        compared = against is not None and level != UNKNOWN
        hidden = both_hidden = base["withheld_share"] > MOST_WITHHELD
        if compared:
            both_hidden = hidden or self._withheld(against[self.settings["event"]]) > MOST_WITHHELD
        for q in self.settings["quantiles"]:
            mine = self._quantile(at, q)
            row = base | {"measure": f"age by which {q:.0%} have it".replace("%", " %")}
            yield row | _given(mine, hidden) | self._bounds(at, q)
            if compared:
                other = self._quantile(against[self.settings["event"]], q)
                row = base | {"measure": f"years earlier ({q:.0%})".replace("%", " %"), "comparator": reference}
                yield row | _earlier(mine, other, both_hidden)
        free = methods.years_free(self.edges, *self._sums(at), variances=self.rates.variance[at])
        yield base | {"measure": "years free of it"} | _given(free, hidden)
        if compared:
            other = against[self.settings["event"]]
            theirs = methods.years_free(self.edges, *self._sums(other), variances=self.rates.variance[other])
            yield base | {"measure": "fewer years free of it", "comparator": reference} | _earlier(free, theirs, both_hidden)
        if not hidden:
            yield from self._by_age(base, curve)

    def _withheld(self, at: np.ndarray) -> float:
        return share(self.rates.low[:, at], self.rates.high[:, at])

    def _sums(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.rates.rate[at] * self.rates.total[at], self.rates.total[at]

    def _quantile(self, at: np.ndarray, q: float) -> methods.Estimate:
        return methods.onset_quantile(self.edges, *self._sums(at), q, variances=self.rates.variance[at])

    def _bounds(self, at: np.ndarray, q: float) -> dict[str, float]:
        """Give the age at the most and at the fewest events that the ranges allow."""
        sides = (self.rates.high, self.rates.low)
        if np.isinf(self.rates.high[:, at]).any():
            return {}
        ages = [methods.onset_quantile(self.edges, side[:, at].sum(axis=0), self.rates.total[at], q).estimate for side in sides]
        return {"bound_lower": float(ages[0]), "bound_upper": float(ages[1])}

    def _by_age(self, base: dict[str, Any], curve: dict[str, np.ndarray]) -> Iterator[dict[str, Any]]:
        at, other = curve[self.settings["event"]], curve[self.settings["competing"]]
        rate, variance, total = self.rates.rate[at], self.rates.variance[at], self.rates.total[at]
        deaths = self._sums(other)[0]
        nothing = np.zeros(len(at))
        net = methods.cumulative_incidence(self.edges, rate * total, nothing, total, variances=(variance, nothing))
        spread = (variance, self.rates.variance[other])
        both = methods.cumulative_incidence(self.edges, rate * total, deaths, total, variances=spread)
        inside = f"{base['stratum']}; " if base["stratum"] else ""
        for position, label in enumerate(self.order):
            count = rate[position] * total[position]
            effective = rate[position] ** 2 / variance[position] if variance[position] > 0 else count
            limits = methods.poisson_interval(effective)
            scale = 1000 * rate[position] / effective if effective > 0 else np.nan
            where = base | {"stratum": f"{inside}age={label}", "events": float(np.round(count)),
                            "person_years": float(total[position])}  # fmt: skip
            yield where | {"measure": "rate at this age", "scale": "per 1,000 person-years", "estimate": 1000 * rate[position],
                           "lower": limits.lower * scale, "upper": limits.upper * scale}  # fmt: skip
            for measure, curve_of in (("share who have it by this age", net), ("share who have it, as people also die", both)):
                ends = {end: 100 * getattr(curve_of, end)[position] for end in ("estimate", "lower", "upper")}
                yield where | ends | {"measure": measure, "scale": "%", "stratum": f"{inside}age={self.edges[position + 1]:g}"}


def equivalent_age(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                   ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Compute at which age each group has the prevalence that another group has at one age.

    settings  item (dimension of what people have), age (dimension of bands), until (age at which the last band counts as
              ended), at (age in the other group), groups (dimension -> level compared with)
    Gives "age of the same prevalence" and "years earlier, same prevalence": a comparison of people of different ages on one
    day, not of how long people live without the condition.
    """
    people = cube(cells, declared, "people")
    cases = cube(cells, declared, "cases", people.index)
    spec = declared.dimensions[settings["age"]]
    order = {label: position for position, label in enumerate(spec.levels() or {})}
    edges = np.array([*spec.bands, settings["until"]], dtype=float)
    middles = (edges[1:] + edges[:-1]) / 2
    for scope, sites in scopes.items():
        rows = [people.sites.index(site) for site in sites if site in people.sites]
        if not rows:
            continue
        usable = people.known[rows] & ~people.withheld[rows]
        n = np.where(usable, (people.lower[rows] + people.upper[rows]) / 2, 0.0)
        high = np.minimum(np.where(usable, cases.upper[rows], 0.0), np.floor(n))
        low = np.minimum(np.where(usable, cases.lower[rows], 0.0), high)
        expected, unknown = complete_cases(n, low, high, totals_of(cases, declared, rows, usable))
        names = np.array([people.sites[r] for r in rows])
        summed = (side.sum(axis=0) for side in (n, expected))
        p, variance, flat = proportions(*summed, unknown, low.sum(axis=0), high.sum(axis=0))
        p, variance = np.where(flat, np.nan, p), np.where(flat, np.nan, variance)  # a curve through the ages needs more
        for group, reference in settings["groups"].items():
            index = people.index[set_of(people.index, declared, {group})]
            for item, found in index.groupby(settings["item"], sort=True):
                parts = {str(level): part.index[np.argsort(part[settings["age"]].map(order))].to_numpy()
                         for level, part in found.groupby(group, sort=True)}  # fmt: skip
                for level, at in parts.items():
                    if not n[:, at].sum():
                        continue
                    base = {
                        "item": str(item), "group": group, "level": level, "sex": "both", "scope": scope,
                        "people": float(n[:, at].sum()), "events": float(np.round(np.nansum(p[at] * n[:, at].sum(axis=0)))),
                        "sites": list(names[n[:, at].sum(axis=1) > 0]), "withheld_share": share(low[:, at], high[:, at]),
                    }  # fmt: skip
                    yield from _prevalences(base, order, n[:, at].sum(axis=0), p[at], variance[at])
                    if reference in parts and level not in (reference, UNKNOWN):
                        other = parts[reference]
                        age = methods.equivalent_age(middles, p[at], variance[at], p[other], variance[other], settings["at"])
                        base |= {"scale": "years", "comparator": reference, "method": CROSS}
                        yield base | {"measure": "age of the same prevalence"} | _given(age)
                        earlier = {"estimate": settings["at"] - age.estimate, "lower": settings["at"] - age.upper,
                                   "upper": settings["at"] - age.lower, "se": age.se, "reason": age.reason}  # fmt: skip
                        yield base | {"measure": "years earlier, same prevalence"} | earlier


def _prevalences(base: dict[str, Any], order: dict[str, int], people: np.ndarray, p: np.ndarray, variance: np.ndarray
                 ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give the prevalence of every age band, with Wilson limits at the people that its variance is worth."""
    for label, n, share_of, var in zip(order, people, p, variance):
        effective = min(n, share_of * (1 - share_of) / var) if var > 0 else n
        wilson = methods.wilson(share_of * effective, effective) if effective > 0 and not np.isnan(share_of) else None
        yield base | {
            "measure": "prevalence at this age", "scale": "%", "stratum": f"age={label}", "method": "sum of sites",
            "people": float(n), "events": float(np.round(share_of * n)), "estimate": 100 * share_of,
            "lower": 100 * float(wilson.lower) if wilson else np.nan, "upper": 100 * float(wilson.upper) if wilson else np.nan,
        }  # fmt: skip


def _given(found: methods.Estimate, hidden: bool = False) -> dict[str, Any]:
    if hidden:
        return {"reason": TOO_MUCH}
    return {"estimate": float(found.estimate), "lower": float(found.lower), "upper": float(found.upper),
            "se": float(found.se), "reason": str(found.reason)}  # fmt: skip


def _earlier(mine: methods.Estimate, other: methods.Estimate, hidden: bool = False) -> dict[str, Any]:
    if hidden:
        return {"reason": TOO_MUCH}
    if str(mine.reason) or str(other.reason):
        return {"reason": str(mine.reason) or f"comparator: {other.reason}"}
    gap = methods.difference(other, mine)
    return {"estimate": float(gap.estimate), "lower": float(gap.lower), "upper": float(gap.upper), "se": float(gap.se)}
