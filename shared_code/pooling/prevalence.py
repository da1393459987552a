"""Prevalence over sites: crude, age-sex standardised, ratios between groups, and slope across deprivation.

People and cases are summed over sites before anything is divided. Where a number is withheld, the site still counts:
its cases are known to lie in a range, and the proportion is the most likely one given all values and ranges (methods
specification 10.8); the two bounds show the result if every withheld number were as low, or as high, as it can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.pooling.cubes import Cube, cube, set_of

EVERYONE = "everyone"


def prevalence(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
               ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Compute every prevalence result of one table, as rows of the results table.

    cells     stacked cells of all sites
    settings  item, standardise (sex and age dimensions), groups (dimension -> level compared with), local_groups, slope
    scopes    name -> sites in it: pooled, and each site by itself
    """
    people = cube(cells, declared, "people")
    cases = cube(cells, declared, "cases", people.index)
    for scope, sites in scopes.items():
        rows = [people.sites.index(site) for site in sites if site in people.sites]
        if rows:
            yield from _Scope(people, cases, rows, declared, settings, scope).results()


class _Scope:
    """One scope: its own sites, fitted once over all cells."""

    def __init__(self, people: Cube, cases: Cube, rows: list[int], declared: ResultsTable, settings: dict, scope: str):
        self.scope, self.declared, self.settings = scope, declared, settings
        self.sites = [people.sites[r] for r in rows]
        self.index = people.index
        usable = people.known[rows] & ~people.withheld[rows]
        self.n = np.where(usable, (people.lower[rows] + people.upper[rows]) / 2, 0.0)
        self.low = np.where(usable, cases.lower[rows], 0.0)
        self.high = np.minimum(np.where(usable, cases.upper[rows], 0.0), np.floor(self.n))
        self.low = np.minimum(self.low, self.high)
        self.present = people.known[rows]
        self.item, (self.sex, self.age) = settings["item"], settings["standardise"]
        self.weights = self._weights()
        self._p, self._variance = _fit(self.n, self.low, self.high)
        self._groups: dict[tuple, _Group] = {}

    def group(self, members: np.ndarray, bands: list[list[str]]) -> _Group:
        key = (members.tobytes(), str(bands))
        if key not in self._groups:
            self._groups[key] = _Group(self, members, bands)
        return self._groups[key]

    def total(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sum cells that are merged, site by site: people, lowest and highest number of cases."""
        return self.n[:, cells].sum(axis=1), self.low[:, cells].sum(axis=1), self.high[:, cells].sum(axis=1)

    def fit(self, cells: np.ndarray, n: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
        """Give the proportion and its variance for one cell, or for cells that are merged."""
        if len(cells) == 1:
            return self._p[cells[0]], self._variance[cells[0]]
        p, variance = _fit(n[:, None], low[:, None], high[:, None])
        return p[0], variance[0]

    def _weights(self) -> dict[str, float]:
        spec = self.declared.dimensions[self.age]
        weights = methods.standard_weights(spec.bands)
        return dict(zip(spec.levels() or {}, np.asarray(weights, float)))

    def results(self) -> Iterator[dict[str, Any]]:
        groups = {EVERYONE: "", **self.settings["groups"]}
        if self.scope != "pooled":
            groups |= {name: "" for name in self.settings.get("local_groups", [])}
        for group, reference in groups.items():
            chosen = set_of(self.index, self.declared, EVERYONE if group == self.sex else group)
            for item, cells in self._by(chosen, self.item):
                levels = self._levels(cells, group)
                for level, members in levels.items():
                    yield from self._level(item, group, level, members, levels.get(reference), reference)
                if group == self.settings.get("slope"):
                    yield from self._slope(item, group, levels)

    def _by(self, chosen: np.ndarray, column: str) -> Iterator[tuple[str, np.ndarray]]:
        for value, rows in self.index[chosen].groupby(column, sort=True):
            yield str(value), rows.index.to_numpy()

    def _levels(self, cells: np.ndarray, group: str) -> dict[str, np.ndarray]:
        if group == EVERYONE:
            return {"everyone": cells}
        rows = self.index.loc[cells]
        return {str(level): part.index.to_numpy() for level, part in rows.groupby(group, sort=True)}

    def _level(self, item: str, group: str, level: str, members: np.ndarray, against: np.ndarray | None,
               reference: str) -> Iterator[dict[str, Any]]:  # fmt: skip
        if not self.n[:, members].sum():
            return
        bands = self._bands([members] if against is None else [members, against])
        mine = self.group(members, bands)
        base = self._row(item, group, level, mine)
        yield base | {"measure": "crude prevalence", "scale": "%"} | mine.crude()
        yield base | {"measure": "standardised prevalence", "scale": "%"} | mine.standardised()
        if against is not None and level != reference and level != "Unknown":
            other = self.group(against, bands)
            base |= {"comparator": reference, "scale": "ratio"}
            yield base | {"measure": "crude ratio"} | _ratio(mine.crude_estimate, other.crude_estimate)
            yield base | {"measure": "standardised ratio"} | _ratio(mine.estimate, other.estimate) | mine.ratio_bounds(other)

    def _row(self, item: str, group: str, level: str, mine: _Group) -> dict[str, Any]:
        inside = [site for site, used in zip(self.sites, self.n[:, mine.members].sum(axis=1) > 0) if used]
        return {
            "item": item, "group": group, "level": level, "sex": level if group == self.sex else "both",
            "scope": self.scope, "people": mine.people, "events": round(mine.cases), "sites": inside,
            "withheld_share": mine.withheld_share,
            "method": "sum of sites, then direct standardisation (ESP 2013)",
        }  # fmt: skip

    def _bands(self, groups: list[np.ndarray]) -> list[list[str]]:
        """Merge an age band without people into the next younger one, in every group compared."""
        bands: list[list[str]] = []
        ages = [a for a in self.weights if any((self.index.loc[g, self.age] == a).any() for g in groups)]
        for age in ages:
            bands.append([age])
        for position in range(len(bands) - 1, 0, -1):
            if not all(self._filled(g, bands[position]) for g in groups):
                bands[position - 1] += bands.pop(position)
        if len(bands) > 1 and not all(self._filled(g, bands[0]) for g in groups):
            bands[1] = bands.pop(0) + bands[0]
        return bands

    def _filled(self, members: np.ndarray, band: list[str]) -> bool:
        rows = self.index.loc[members]
        return all(
            self.n[:, part.index.to_numpy()].sum() > 0
            for _, part in rows[rows[self.age].isin(band)].groupby(self.sex)
        )

    def _slope(self, item: str, group: str, levels: dict[str, np.ndarray]) -> Iterator[dict[str, Any]]:
        ranked = [level for level in levels if level != "Unknown"]
        ranked.sort(key=int)
        together = np.concatenate([levels[level] for level in ranked]) if ranked else np.array([], int)
        if len(ranked) < 3 or not all(self.n[:, levels[level]].sum() for level in ranked):
            return
        bands = self._bands([levels[level] for level in ranked])
        groups = [self.group(levels[level], bands) for level in ranked]
        if any(g.estimate.reason for g in groups):
            return
        line = methods.slope_index([g.people for g in groups], [100 * g.estimate.estimate for g in groups],
                                   [100 * g.estimate.se for g in groups])  # fmt: skip
        base = self._row(item, group, "slope", self.group(together, bands))
        shares = {"method": "weighted line through the standardised prevalences, by rank of deprivation"}
        yield base | shares | {"measure": "slope index", "scale": "percentage points", "estimate": line.estimate,
                               "lower": line.lower, "upper": line.upper, "se": line.se}  # fmt: skip
        yield base | shares | {"measure": "relative index", "scale": "ratio", "estimate": line.ratio,
                               "lower": line.ratio_lower, "upper": line.ratio_upper}  # fmt: skip


class _Group:
    """People of one level: their proportion per sex and age band, fitted from values and ranges."""

    def __init__(self, scope: _Scope, members: np.ndarray, bands: list[list[str]]):
        self.members = members
        rows = scope.index.loc[members]
        sexes = sorted(rows[scope.sex].unique())
        merged = [
            (rows[(rows[scope.sex] == sex) & rows[scope.age].isin(band)].index.to_numpy(), band)
            for sex in sexes for band in bands
        ]  # fmt: skip
        self.weights = np.array([sum(scope.weights[a] for a in band) / len(sexes) for _, band in merged])
        totals = [scope.total(cells) for cells, _ in merged]
        self.n, self.low, self.high = (np.array([t[i].sum() for t in totals]) for i in range(3))
        fits = [scope.fit(cells, *total) for (cells, _), total in zip(merged, totals)]
        self.p, self.variance = (np.array([f[i] for f in fits]) for i in range(2))
        self.people = float(self.n.sum())
        self.cases = float(np.nansum(self.p * self.n))
        top = self.high.sum()
        self.withheld_share = float((top - self.low.sum()) / top) if top else 0.0
        self.estimate = self._standardised(self.p, self.variance)
        self.crude_estimate = self._crude()

    def _standardised(self, proportions: np.ndarray, variances: np.ndarray) -> methods.Estimate:
        reason = ""
        if self.cases < 10:
            reason = "fewer than 10 cases"
        elif np.isnan(proportions).any():
            reason = "an age band has no people"
        if reason:
            return methods.Estimate(np.nan, np.nan, np.nan, np.nan, reason)
        return methods.standardised_proportion(weights=self.weights, proportions=proportions, variances=variances)

    def _crude(self) -> methods.Estimate:
        if self.cases <= 0:
            return methods.Estimate(0.0, *methods.wilson(0, self.people).__dict__.values(), np.nan, "no cases")
        p = self.cases / self.people
        complete = np.nansum(self.n * self.p * (1 - self.p))
        fitted = np.nansum(self.n**2 * self.variance)
        effective = self.people * min(1.0, complete / fitted) if fitted > 0 else self.people
        interval = methods.wilson(p * effective, effective)
        return methods.Estimate(p, interval.lower, interval.upper, float(np.sqrt(p * (1 - p) / effective)), "")

    def crude(self) -> dict[str, Any]:
        bounds = {"bound_lower": 100 * self.low.sum() / self.people, "bound_upper": 100 * self.high.sum() / self.people}
        return _percent(self.crude_estimate) | bounds | {"method": "sum of sites"}

    def standardised(self) -> dict[str, Any]:
        low, high = self._bounds()
        return _percent(self.estimate) | {"bound_lower": 100 * low, "bound_upper": 100 * high}

    def _bounds(self) -> tuple[float, float]:
        n = np.where(self.n > 0, self.n, np.nan)
        share = self.weights / self.weights.sum()
        return float(np.sum(share * self.low / n)), float(np.sum(share * self.high / n))

    def ratio_bounds(self, other: _Group) -> dict[str, float]:
        """Give the ratio at the bounds least and most favourable to the other group."""
        (low, high), (other_low, other_high) = self._bounds(), other._bounds()
        with np.errstate(divide="ignore", invalid="ignore"):
            return {"bound_lower": float(np.divide(low, other_high)), "bound_upper": float(np.divide(high, other_low))}


def _fit(n: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit one proportion per cell over the sites; nan where nobody is in the cell."""
    people = np.floor(n)
    fit = methods.censored_proportion(low, np.minimum(high, people), people)
    p, variance = np.atleast_1d(fit.estimate).astype(float), np.atleast_1d(fit.variance).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        width = (high.sum(axis=0) - low.sum(axis=0)) / n.sum(axis=0)
    at_edge = np.atleast_1d(fit.at_edge).astype(bool)
    return p, np.where(at_edge, width**2 / 12, variance)  # at an edge only the range is known


def _percent(estimate: methods.Estimate) -> dict[str, Any]:
    return {"estimate": 100 * estimate.estimate, "lower": 100 * estimate.lower, "upper": 100 * estimate.upper,
            "se": 100 * estimate.se, "reason": str(estimate.reason)}  # fmt: skip


def _ratio(mine: methods.Estimate, other: methods.Estimate) -> dict[str, Any]:
    if mine.reason or other.reason:
        reason = mine.reason or f"comparator: {other.reason}"
        return {"estimate": np.nan, "lower": np.nan, "upper": np.nan, "reason": str(reason)}
    ratio = methods.standardised_ratio(mine, other)
    return {"estimate": ratio.estimate, "lower": ratio.lower, "upper": ratio.upper, "se": ratio.se_log,
            "reason": str(ratio.reason)}  # fmt: skip
