"""Groups compared over sites: a share in one group against the same share in another, and how places differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.model import ALL, UNKNOWN

TOO_WIDE = 0.5  # withheld numbers whose ranges together hold more than this share of all people leave no share to be told
NARROW = 0.01  # a range no wider than this share of its upper end says what the number is
POOLED, EVERYONE = "pooled", "everyone"
SUMS = "sum of sites, Wilson interval"
NEWCOMBE = "sum of sites, Newcombe interval"
FITTED = "; withheld numbers of a site are fitted within their ranges"
TOO_MUCH = "too much is withheld"
WITHIN = "compared within sites (Mantel-Haenszel)"


@dataclass(frozen=True)
class Part:
    """Hold people and cases of one cell by site; cases that are withheld (nan) or rounded lie between low and high."""

    sites: list[str]
    people: np.ndarray
    cases: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def withheld(self) -> bool:
        return bool(np.isnan(self.cases).any())

    def of(self, sites: list[str]) -> Part:
        """Take some of the sites."""
        keep = [self.sites.index(site) for site in sites if site in self.sites]
        return Part([self.sites[i] for i in keep], self.people[keep], self.cases[keep], self.low[keep], self.high[keep])

    def __add__(self, other: Part) -> Part:
        """Add two parts over the sites that are in both; a number that is withheld in one is withheld in the sum."""
        both = [site for site in self.sites if site in other.sites]
        a, b = self.of(both), other.of(both)
        return Part(both, a.people + b.people, a.cases + b.cases, a.low + b.low, a.high + b.high)

    def share(self) -> methods.Interval | None:
        """Give the share with its limits (Wilson); ranges are fitted beside known numbers, and alone they say nothing.

        The fit takes the sites of a range to have the share of the others (methods, 10.8). What is withheld need not, so the
        limits are those of every number of cases that the ranges allow. Where the ranges are so wide that a few people at one
        site would answer for all others, nothing is given.
        """
        people = self.people.sum()
        if not self.withheld:
            return methods.wilson(self.cases.sum(), people)
        if np.isnan(self.cases).all():
            return None
        known = ~np.isnan(self.cases)
        if np.where(known, 0.0, self.high - self.low).sum() > TOO_WIDE * self.people.sum():
            return None
        low, high = (np.where(known, self.cases, side)[:, None] for side in (self.low, self.high))
        found = methods.censored_proportion(low, high, self.people[:, None])
        least, most = (methods.wilson(float(side.sum()), people) for side in (low, high))
        fitted = float(np.asarray(found.estimate).ravel()[0])
        return methods.Interval(fitted, least.lower, most.upper) if np.isfinite(fitted) else None


def rest_of(whole: Part, group: Part, beside: list[Part], against: list[Part], hidden: set[str]) -> Part:
    """Give what a group is compared with: everybody but the group and those beside it, else the sum of the levels.

    beside   levels that are neither the group nor compared with it (where people live is not known)
    hidden   sites that withheld how many people are in a level: there, nothing can be subtracted from the whole
    A whole less a group is known where the parts of the rest are withheld; and both say in which range it lies.
    """
    added = reduce(lambda a, b: a + b, against)
    sites = [site for site in added.sites if site in group.sites]
    parts = []
    for site in sites:
        one = added.of([site])
        told = len(against) == 1 and not one.withheld  # the rest itself was released
        if site in whole.sites and site not in hidden and not told:
            total, mine = whole.of([site]), [part.of([site]) for part in (group, *beside) if site in part.sites]
            people = float(total.people[0] - sum(part.people[0] for part in mine))
            cases = float(total.cases[0] - sum(part.cases[0] for part in mine))
            low = max(one.low[0], total.low[0] - sum(part.high[0] for part in mine))
            high = min(one.high[0], total.high[0] - sum(part.low[0] for part in mine), people)
            if people > 0 and low <= high:
                cases = float(np.clip(cases, low, high))
                one = Part([site], *(np.array([value]) for value in (people, cases, low, high)))
        parts.append(one)
    return Part(sites, *(np.concatenate([getattr(part, name) for part in parts] or [np.array([])])
                         for name in ("people", "cases", "low", "high")))  # fmt: skip


def parts_of(cells: pd.DataFrame, by: list[str]) -> dict[tuple, Part]:
    """Read cells of the layout `counts` into one part per combination of some dimensions.

    A site whose number of people is withheld is not in it. Cases that are withheld but known to within 1 % (nearly everybody
    of a place is one) count as the middle of their range.
    """
    wide = cells.pivot(index=["site", *by], columns="statistic", values=["value", "lower", "upper"])
    wide.columns = [" ".join(name) for name in wide.columns]
    wide = wide.reset_index()
    wide = wide[wide["value people"].notna() & (wide["value people"] > 0) & wide["lower cases"].notna()]
    found: dict[tuple, Part] = {}
    for key, rows in wide.groupby(by, sort=False):
        n = rows["value people"].to_numpy(float)
        low = rows["lower cases"].to_numpy(float)
        high = np.minimum(rows["upper cases"].to_numpy(float), n)
        x = rows["value cases"].to_numpy(float)
        x = np.minimum(np.where(np.isnan(x) & (high - low <= NARROW * high), (low + high) / 2, x), n)
        found[key if isinstance(key, tuple) else (key,)] = Part(list(rows["site"]), n, x, np.minimum(low, high), high)
    return found


def unknown_places(cells: pd.DataFrame, place: str) -> dict[str, set[str]]:
    """Find the places of each site whose number of people is withheld (a place with nobody in it is known)."""
    people = cells[(cells["statistic"] == "people") & cells["value"].isna()]
    return {str(site): set(rows[place]) for site, rows in people.groupby("site")}


def gaps(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
         ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give every share in each level of a group, and compare one level with another: difference, ratio, people to close it.

    settings  item, group (dimension with a total), compare and against (two of its levels; against may be several, summed), and
              optionally slope (all levels but unknown, from the most deprived): slope index, and people to level with the best
    What a group is compared with is everybody else where all levels but the unknown are named: the whole less the group, which
    is known also where its parts are withheld. The difference is that of the sums over sites (Newcombe); the ratio compares
    within sites (Mantel-Haenszel), so that sites that differ in both people and share do not make a gap. Bounds put every
    withheld number at its ends.
    """
    item, group = settings["item"], settings["group"]
    others = [name for name, d in declared.dimensions.items() if d.total and name != group]
    alone = cells[(cells[others] == ALL).all(axis=1)] if others else cells
    parts = parts_of(alone, [item, group])
    order = {name: at for at, name in enumerate(declared.dimensions[group].levels() or {})}
    for name in dict.fromkeys(key[0] for key in parts):
        levels = sorted((key[1] for key in parts if key[0] == name), key=lambda v: order.get(str(v), -1))
        for scope, members in scopes.items():
            base = {"item": name, "sex": "both", "scope": scope}
            for level in levels:
                part = parts[name, level].of(members)
                if part.sites:
                    where = {"group": EVERYONE, "level": ALL} if level == ALL else {"group": group, "level": level}
                    yield base | where | {"measure": "share", "scale": "%"} | share_row(part)
            against = settings["against"] if isinstance(settings["against"], list) else [settings["against"]]
            if all((name, level) in parts for level in (settings["compare"], *against)):
                mine = parts[name, settings["compare"]].of(members)
                other = _others(parts, name, settings["compare"], against, order, unknown_places(
                    alone[(alone[item] == name) & (alone[group] != ALL)], group)).of(members)  # fmt: skip
                both = [s for s in mine.sites if s in other.sites]
                named = {"group": group, "level": settings["compare"], "comparator": " and ".join(against)}
                if both:
                    yield from _compared(base | named, mine.of(both), other.of(both))
            if settings.get("slope") and all((name, level) in parts for level in settings["slope"]):
                ordered = [parts[name, level].of(members) for level in settings["slope"]]
                yield from _slope(base | {"group": group, "level": "slope"}, ordered)


def _others(parts: dict[tuple, Part], name: Any, compare: str, against: list[str], levels: Iterable[str],
            hidden: dict[str, set[str]]) -> Part:  # fmt: skip
    """Give the people a group is compared with: everybody else where the levels named are all but the unknown, else their sum."""
    sides = [parts[name, level] for level in against]
    if {*levels} - {UNKNOWN, ALL} != {compare, *against} or (name, ALL) not in parts:
        return reduce(lambda a, b: a + b, sides)
    beside = [parts[name, UNKNOWN]] if (name, UNKNOWN) in parts else []
    return rest_of(parts[name, ALL], parts[name, compare], beside, sides, set(hidden))


def share_row(part: Part) -> dict[str, Any]:
    """Give the share of a part as a row of results, with its bounds, or why it is not told."""
    found, people = part.share(), part.people.sum()
    told: dict[str, Any] = {"reason": TOO_MUCH} if found is None else {
        "estimate": 100 * found.estimate, "lower": 100 * found.lower, "upper": 100 * found.upper,
        "events": float(np.round(found.estimate * people)) if part.withheld else part.cases.sum(),
        "method": SUMS + FITTED if part.withheld else SUMS,
    }  # fmt: skip
    return told | {
        "bound_lower": 100 * float(part.low.sum() / people), "bound_upper": 100 * float(part.high.sum() / people),
        "people": people, "sites": part.sites, "withheld_share": _withheld(part),
    }  # fmt: skip


def _withheld(*parts: Part) -> float:
    """Give the share of the cases that withheld and rounded numbers could hold."""
    most = sum(part.high.sum() for part in parts)
    return float(sum((part.high - part.low).sum() for part in parts) / most) if most else 0.0


def _compared(base: dict[str, Any], mine: Part, other: Part) -> Iterator[dict[str, Any]]:
    ends = [[float(side.sum() / p.people.sum()) for side in (p.low, p.high)] for p in (mine, other)]
    (low, high), (other_low, other_high) = ends
    common = base | {"people": mine.people.sum(), "sites": mine.sites, "withheld_share": _withheld(mine, other)}
    a, b = mine.share(), other.share()
    difference = common | {"measure": "difference", "scale": "percentage points", "bound_lower": 100 * (low - other_high),
                           "bound_upper": 100 * (high - other_low)}  # fmt: skip
    ratio = common | {"measure": "ratio", "scale": "ratio", "bound_lower": low / other_high if other_high else np.nan,
                      "bound_upper": high / other_low if other_low else np.nan}  # fmt: skip
    gap = common | {"measure": "people to close the gap", "scale": "people",
                    "method": "people of the group times the difference, where it is behind"}  # fmt: skip
    if a is None or b is None:
        yield from ({**row, "reason": TOO_MUCH} for row in (difference, ratio, gap))
        return
    d = a.estimate - b.estimate  # Newcombe's method 10: the limits of each share, put together
    apart = {
        "method": NEWCOMBE + (FITTED if mine.withheld or other.withheld else ""), "estimate": 100 * d,
        "lower": 100 * (d - np.hypot(a.estimate - a.lower, b.upper - b.estimate)),
        "upper": 100 * (d + np.hypot(a.upper - a.estimate, b.estimate - b.lower)),
    }  # fmt: skip
    yield difference | apart
    size = mine.people.sum()
    yield gap | {"estimate": max(0.0, -d) * size, "lower": max(0.0, -apart["upper"] / 100) * size,
                 "upper": max(0.0, -apart["lower"] / 100) * size}  # fmt: skip
    if mine.withheld or other.withheld:
        yield ratio | {"reason": "it compares within sites, and a number of a site is withheld"}
    elif not (mine.cases.sum() and other.cases.sum()):
        yield ratio | {"reason": "nobody in one of the two groups"}
    else:
        found = methods.mantel_haenszel_ratio(mine.cases, mine.people, other.cases, other.people)
        yield ratio | {"estimate": found.estimate, "lower": found.lower, "upper": found.upper, "se": found.se_log,
                       "method": WITHIN}  # fmt: skip


def _slope(base: dict[str, Any], ordered: list[Part]) -> Iterator[dict[str, Any]]:
    """Give the slope index over levels from the most deprived on, and how many people would bring all level with the best."""
    both = [site for site in ordered[0].sites if all(site in part.sites for part in ordered)]
    if not both:
        return
    parts = [part.of(both) for part in ordered]
    shares, n = [part.share() for part in parts], np.array([part.people.sum() for part in parts])
    base |= {"people": float(n.sum()), "sites": both, "withheld_share": _withheld(*parts)}
    slope = base | {"measure": "slope index", "scale": "percentage points", "comparator": "most to least deprived"}
    level = base | {"measure": "people to level with the best", "scale": "people",
                    "method": "people of each level times how far it is behind the best"}  # fmt: skip
    if any(found is None for found in shares):
        yield from ({**row, "reason": TOO_MUCH} for row in (slope, level))
        return
    p, low, high = (np.array([getattr(found, name) for found in shares]) for name in ("estimate", "lower", "upper"))
    found = methods.slope_index(n, 100 * p, limits=(100 * low, 100 * high))
    yield slope | {"estimate": float(found.estimate), "lower": float(found.lower), "upper": float(found.upper),
                   "se": float(found.se), "method": "line through the shares by rank of deprivation, all sites summed",
                   "reason": str(found.reason)}  # fmt: skip
    fitted = any(part.withheld for part in parts)
    yield level | ({"reason": TOO_MUCH} if fitted else {"estimate": float(n @ (p.max() - p))})
