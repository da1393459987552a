"""Two shares of places: how deep need is in a place, and how much of all need is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.model import ALL, UNKNOWN
from shared_code.pooling.groups import NARROW, Part, parts_of, share_row, unknown_places

SUMMED, TOTALS = "sum over places, Wilson interval", "released totals of sites, Wilson interval"


@dataclass(frozen=True)
class Whole:
    """Hold the cases of all known places together: the number taken, the least and most it can be, and whether it is a sum."""

    cases: float
    low: float
    high: float
    summed: bool = True

    @property
    def known(self) -> bool:
        """Say whether the number is the sum of its places, or known to within 1 %."""
        return bool(np.isfinite(self.high) and (self.summed or self.high - self.low <= NARROW * self.high))

    def __add__(self, other: Whole) -> Whole:
        return Whole(self.cases + other.cases, self.low + other.low, self.high + other.high, self.summed and other.summed)


def place_shares(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                 ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give two shares of every place, which must not be confused.

    settings  item and place (the sites' own names)
    share of the place    how many of its people are cases: how deep the need is
    share of the site     how many of the site's cases live there: where most of the need is
    share of all sites    the same over all sites
    Where a place is withheld, the site's released total (less those of no known place) is the whole, and the other places keep
    their shares; the place itself, and all of them where no total helps, have bounds: every withheld number at its ends.
    """
    item, place = settings["item"], settings["place"]
    others = [name for name, d in declared.dimensions.items() if d.total and name != place]
    alone = cells[(cells[others] == ALL).all(axis=1)] if others else cells
    for name, rows in alone.groupby(item, sort=False):
        here = rows[(rows[place] != ALL) & (rows[place] != UNKNOWN)]
        members = sorted({site for sites in scopes.values() for site in sites} & set(here["site"]))
        own = {site: {k[0]: p for k, p in parts_of(here[here["site"] == site], [place]).items()} for site in members}
        lost = unknown_places(here, place)
        wholes = {site: _whole(rows[rows["site"] == site], place, own[site], site in lost) for site in members}
        everywhere = sum(wholes.values(), Whole(0.0, 0.0, 0.0))
        for site, parts in own.items():
            if f"site:{site}" not in scopes:
                continue
            for level, part in parts.items():
                base = {"item": name, "group": place, "level": level, "sex": "both", "scope": f"site:{site}", "scale": "%"}
                yield base | {"measure": "share of the place"} | share_row(part)
                ends = _range(here[(here["site"] == site) & (here[place] == level) & (here["statistic"] == "cases")])
                yield base | {"measure": "share of the site", "sites": [site]} | _share_of(wholes[site], part, ends)
                yield base | {"measure": "share of all sites", "sites": members} | _share_of(everywhere, part, ends)


def _whole(rows: pd.DataFrame, place: str, parts: dict[str, Part], lost: bool) -> Whole:
    """Add the places of one site up; what is withheld lies within its range, and within what the site's total leaves."""
    cases = rows[rows["statistic"] == "cases"].set_index(place)
    here = cases.drop([ALL, UNKNOWN], errors="ignore")
    low, high = _range(here)
    if ALL in cases.index:
        least, most = _range(cases.loc[[ALL]])
        fewest, others = _range(cases.loc[cases.index == UNKNOWN])
        low, high = max(low, least - others), min(high, most - fewest)
    added = sum(part.cases.sum() for part in parts.values())
    if not lost and np.isfinite(added):
        return Whole(float(added), low, high)
    return Whole((low + high) / 2, low, high, summed=False)


def _range(cases: pd.DataFrame) -> tuple[float, float]:
    """Give the least and most that some numbers can add up to."""
    return float(cases["lower"].fillna(0.0).sum()), float(cases["upper"].fillna(np.inf).sum())


def _share_of(whole: Whole, part: Part, ends: tuple[float, float]) -> dict[str, Any]:
    """Give the share of a whole that lives in a place, with its bounds, or the bounds alone and why."""
    low, high = ends
    if not whole.high > 0:
        return {"reason": "there is nobody"}
    least = 100 * low / whole.high
    most = 100 * min(1.0, high / max(whole.low, high)) if high else 0.0
    told: dict[str, Any] = {"bound_lower": least, "bound_upper": most}
    if part.withheld or not whole.known:
        return told | {"reason": "a number of a place is withheld"}
    if not whole.cases > 0:
        return {"reason": "there is nobody"}
    found = methods.wilson(min(part.cases.sum(), whole.cases), whole.cases)
    return told | {"method": SUMMED if whole.summed else TOTALS, "estimate": 100 * found.estimate, "lower": 100 * found.lower,
                   "upper": 100 * found.upper, "people": whole.cases, "events": part.cases.sum()}  # fmt: skip
