"""Prevalence over sites: crude, age-sex standardised, ratios between groups, and slope across deprivation.

People and cases are summed over sites before anything is divided. Where a number is withheld, the site still counts:
its cases are known to lie in a range and to add up to the totals that were released, and the proportion is the most
likely one given all of this (methods specification 10.8); the two bounds show the result if every withheld number were
as low, or as high, as it can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.model import UNKNOWN
from shared_code.pooling.cubes import Cube, cube, set_of
from shared_code.pooling.fitted import complete_cases, proportions
from shared_code.pooling.groups import TOO_MUCH
from shared_code.pooling.totals import largest_weighted_sum, least_weighted_sum, range_of_sum, sums_by_site, totals_of

EVERYONE = "everyone"
FEWEST_LEVELS = 3  # a line through fewer says nothing about a gradient
MOST_WITHHELD = 0.8  # of the cases; above, planted truth came back 20 to 50 % too high at the demonstration's sites
MOST_WITH_FLAT = 0.6  # the same, where of some age band next to nothing but its range is known
FEWEST_CASES = 10  # below, a standardised value is not given (Morris et al. 2018)


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
        self.sites = np.array([people.sites[r] for r in rows])
        self.index = people.index
        self.least, self.most = _extremes(people, cases, rows)
        self.fewest_people, self.most_people, self.x_low, self.x_high = (
            np.nan_to_num(side[rows]) for side in (people.lower, people.upper, cases.lower, cases.upper)
        )
        self.every_total = totals_of(cases, declared, rows, cases.known[rows])
        usable = people.known[rows] & ~people.withheld[rows]
        self.n = np.where(usable, (people.lower[rows] + people.upper[rows]) / 2, 0.0)
        self.high = np.minimum(np.where(usable, cases.upper[rows], 0.0), np.floor(self.n))
        self.low = np.minimum(np.where(usable, cases.lower[rows], 0.0), self.high)
        self.people = self.n.sum(axis=0)
        self.item, (self.sex, self.age) = settings["item"], settings["standardise"]
        spec = declared.dimensions[self.age]
        self.weights = np.asarray(methods.standard_weights(spec.bands), float)
        order = {label: i for i, label in enumerate(spec.levels() or {})}
        self.ages = self.index[self.age].map(order).fillna(-1).to_numpy(int)  # -1: all ages together
        self.sexes = self.index[self.sex].astype("category").cat.codes.to_numpy(int)
        self.totals = totals_of(cases, declared, rows, usable)
        self.expected, self.unknown = complete_cases(self.n, self.low, self.high, self.totals)
        self._groups: dict[tuple, _Group] = {}

    def results(self) -> Iterator[dict[str, Any]]:
        groups = {EVERYONE: "", **self.settings["groups"]}
        if self.scope != "pooled":
            groups |= dict.fromkeys(self.settings.get("local_groups", []), "")
        for group, reference in groups.items():
            chosen = set_of(self.index, self.declared, {group, self.sex, self.age})
            for item, rows in self.index[chosen].groupby(self.item, sort=True):
                levels = {"everyone": rows.index.to_numpy()} if group == EVERYONE else {
                    str(level): part.index.to_numpy() for level, part in rows.groupby(group, sort=True)
                }  # fmt: skip
                for level, members in levels.items():
                    yield from self._level(str(item), group, level, members, levels.get(reference), reference)
                if group == self.settings.get("slope"):
                    yield from self._slope(str(item), group, levels)

    def _level(self, item: str, group: str, level: str, members: np.ndarray, against: np.ndarray | None,
               reference: str) -> Iterator[dict[str, Any]]:  # fmt: skip
        if not self.people[members].sum():
            return
        if against is not None and not self.people[against].sum():
            against = None  # nobody to compare with
        bands = self._bands([members] if against is None else [members, against])
        mine = self._group(members, bands)
        base = self._row(item, group, level, [mine])
        yield base | {"measure": "crude prevalence", "scale": "%"} | mine.crude()
        yield base | {"measure": "standardised prevalence", "scale": "%"} | mine.standardised()
        if against is not None and level not in (reference, UNKNOWN):
            other = self._group(against, bands)
            base |= {"comparator": reference, "scale": "ratio"}
            crude = base | {"measure": "crude ratio", "method": "sum of sites"}
            yield crude | _ratio(mine.crude_estimate, other.crude_estimate)
            yield base | {"measure": "standardised ratio"} | _ratio(mine.estimate, other.estimate) | mine.ratio_bounds(other)

    def _row(self, item: str, group: str, level: str, parts: list[_Group]) -> dict[str, Any]:
        inside = sum(self.n[:, part.members].sum(axis=1) for part in parts) > 0
        low, high = sum(part.fewest for part in parts), sum(part.most_cases for part in parts)
        return {
            "item": item, "group": group, "level": level, "sex": level if group == self.sex else "both",
            "scope": self.scope, "people": sum(part.people for part in parts),
            "events": np.round(sum(part.cases for part in parts)), "sites": list(self.sites[inside]),
            "withheld_share": float((high - low) / high) if high else 0.0,
            "method": "sum of sites, then direct standardisation (ESP 2013)",
        }  # fmt: skip

    def _group(self, members: np.ndarray, bands: list[list[int]]) -> _Group:
        key = (members.tobytes(), str(bands))
        if key not in self._groups:
            self._groups[key] = _Group(self, members, bands)
        return self._groups[key]

    def _bands(self, groups: list[np.ndarray]) -> list[list[int]]:
        """Merge an age band in which some sex has no people into its younger neighbour, in every group compared."""
        ages = sorted({int(age) for group in groups for age in self.ages[group]})
        filled = dict.fromkeys(ages, True)
        for group in groups:
            for sex in np.unique(self.sexes[group]):
                own = group[self.sexes[group] == sex]
                people = np.bincount(self.ages[own], weights=self.people[own], minlength=len(self.weights))
                filled = {age: filled[age] and people[age] > 0 for age in ages}
        bands: list[list[int]] = []
        waiting: list[int] = []  # bands without people below the youngest filled one join it
        for age in ages:
            if filled[age]:
                bands.append([*waiting, age])
                waiting = []
            elif bands:
                bands[-1].append(age)
            else:
                waiting.append(age)
        return bands or [ages]

    def _slope(self, item: str, group: str, levels: dict[str, np.ndarray]) -> Iterator[dict[str, Any]]:
        ranked = sorted((level for level in levels if level != UNKNOWN), key=int)
        if len(ranked) < FEWEST_LEVELS or not all(self.people[levels[level]].sum() for level in ranked):
            return
        bands = self._bands([levels[level] for level in ranked])
        groups = [self._group(levels[level], bands) for level in ranked]
        base = self._row(item, group, "slope", groups)
        base |= {"method": "weighted line through the standardised prevalences, by rank of deprivation"}
        without = [level for level, g in zip(ranked, groups) if g.estimate.reason]
        if without:
            reason = {"reason": f"no standardised prevalence for {', '.join(without)}"}
            yield base | reason | {"measure": "slope index", "scale": "percentage points"}
            yield base | reason | {"measure": "relative index", "scale": "ratio"}
            return
        line = methods.slope_index([g.people for g in groups], [100 * g.estimate.estimate for g in groups],
                                   [100 * g.estimate.se for g in groups])  # fmt: skip
        yield base | {"measure": "slope index", "scale": "percentage points", "estimate": line.estimate,
                      "lower": line.lower, "upper": line.upper, "se": line.se}  # fmt: skip
        yield base | {"measure": "relative index", "scale": "ratio", "estimate": line.ratio,
                      "lower": line.ratio_lower, "upper": line.ratio_upper}  # fmt: skip


class _Group:
    """People of one level: their proportion per sex and age band, fitted from values and ranges."""

    def __init__(self, scope: _Scope, members: np.ndarray, bands: list[list[int]]):
        self.members = members
        ages, sexes = scope.ages[members], scope.sexes[members]
        present = np.unique(sexes)
        cells = [members[(sexes == sex) & np.isin(ages, band)] for sex in present for band in bands]
        self.weights = np.array([scope.weights[band].sum() / len(present) for _ in present for band in bands])
        self.n, self.low, self.high = (np.array([side[:, c].sum() for c in cells]) for side in (scope.n, scope.low, scope.high))
        self.least, self.most = (
            np.array([[part[c].sum() for c in cells] for part in side]) for side in (scope.least, scope.most)
        )  # cases and people of every cell, when the proportion is as low, and as high, as it can be
        self.scope, self.cells = scope, cells
        self.sums = sums_by_site(scope.every_total, scope.x_low, scope.x_high, members)
        expected, unknown = (np.array([side[..., c].sum() for c in cells]) for side in (scope.expected, scope.unknown))
        self.p, self.variance, flat = proportions(self.n, expected, unknown, self.low, self.high)
        self.people = float(self.n.sum())
        self.fewest, self.most_cases = range_of_sum(scope.totals, scope.low, scope.high, members)
        share = 1 - self.fewest / self.most_cases if self.most_cases else 0.0
        self.too_little = share > (MOST_WITH_FLAT if flat.any() else MOST_WITHHELD)
        self.cases = float(np.sum((self.p * self.n)[self.n > 0]))  # nan where a range says too little
        self.estimate = self._standardised()
        self.crude_estimate = self._crude()

    def _standardised(self) -> methods.Estimate:
        reason = ""
        if np.isnan(self.cases) or self.too_little:
            reason = TOO_MUCH
        elif self.cases < FEWEST_CASES:
            reason = f"fewer than {FEWEST_CASES} cases"
        elif np.isnan(self.p).any():
            reason = "an age band has no people"
        if reason:
            return methods.Estimate(np.nan, np.nan, np.nan, np.nan, reason)
        return methods.standardised_proportion(weights=self.weights, proportions=self.p, variances=self.variance)

    def _crude(self) -> methods.Estimate:
        if np.isnan(self.cases) or self.too_little:
            return methods.Estimate(np.nan, np.nan, np.nan, np.nan, TOO_MUCH)
        p = self.cases / self.people
        complete, fitted = np.nansum(self.n * self.p * (1 - self.p)), np.nansum(self.n**2 * self.variance)
        effective = self.people * min(1.0, complete / fitted) if fitted > 0 else self.people
        interval = methods.wilson(p * effective, effective)
        se = float(np.sqrt(p * (1 - p) / effective))
        return methods.Estimate(p, interval.lower, interval.upper, se, "" if self.cases else "no cases")

    def crude(self) -> dict[str, Any]:
        low, high = self._bounds_of(np.ones(len(self.cells)), crude=True)
        bounds = {"bound_lower": 100 * low, "bound_upper": 100 * high}
        return _percent(self.crude_estimate) | bounds | {"method": "sum of sites"}

    def standardised(self) -> dict[str, Any]:
        low, high = self._bounds()
        return _percent(self.estimate) | {"bound_lower": 100 * low, "bound_upper": 100 * high}

    def _bounds(self) -> tuple[float, float]:
        return self._bounds_of(self.weights / self.weights.sum())

    def _bounds_of(self, share: np.ndarray, crude: bool = False) -> tuple[float, float]:
        """Give the least and the largest weighted proportion: from the ranges of the cells, and from the totals of each site."""
        with np.errstate(invalid="ignore", divide="ignore"):
            if crude:
                low, high = (float(cases.sum() / people.sum()) for cases, people in (self.least, self.most))
            else:
                low, high = (float(np.sum(share * cases / people)) for cases, people in (self.least, self.most))
            sides = self.scope.fewest_people, self.scope.most_people
            fewest, most = (np.array([side[:, c].sum() for c in self.cells]) for side in sides)
            if crude:
                fewest, most = np.full(len(share), fewest.sum()), np.full(len(share), most.sum())
            at = np.repeat(np.arange(len(self.cells)), [len(c) for c in self.cells])
            every = np.concatenate(self.cells)
            x_low, x_high = self.scope.x_low[:, every], self.scope.x_high[:, every]
            if (most > 0).all():
                low = max(low, least_weighted_sum((share / most)[at], x_low, x_high, self.sums[0]))
            if (fewest > 0).all():
                high = min(high, largest_weighted_sum((share / fewest)[at], x_low, x_high, self.sums[1]))
        return low, high

    def ratio_bounds(self, other: _Group) -> dict[str, float]:
        """Give the ratio at the bounds least and most favourable to the other group."""
        (low, high), (other_low, other_high) = self._bounds(), other._bounds()
        with np.errstate(divide="ignore", invalid="ignore"):
            return {"bound_lower": float(np.divide(low, other_high)), "bound_upper": float(np.divide(high, other_low))}


def _extremes(people: Cube, cases: Cube, rows: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Give cases and people of every cell, summed over the sites, at the lowest and at the highest possible proportion.

    Every number lies in its range, withheld people included. Shape (2, cells): cases, people.
    """
    n_low, n_high, x_low, x_high = (
        np.nan_to_num(side[rows]) for side in (people.lower, people.upper, cases.lower, cases.upper)
    )
    n_at_high = np.clip(x_high, n_low, n_high)  # further people without the condition would only dilute it
    lowest = np.array([np.minimum(x_low, n_high).sum(axis=0), n_high.sum(axis=0)])
    return lowest, np.array([np.minimum(x_high, n_at_high).sum(axis=0), n_at_high.sum(axis=0)])


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
