"""Allocation: shares of a sum of money over the places of all sites, by stated principles, from released counts alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.methods.funding import MOST_YEARS
from shared_code.model import ALL
from shared_code.pooling.groups import parts_of, unknown_places

SCALE = "pounds"
PUBLISHED = "published"  # scope of what others announced


@dataclass(frozen=True)
class Lived:
    """Hold the places that share: site, name, people and people in need."""

    sites: list[str]
    names: list[str]
    people: np.ndarray
    need: np.ndarray


def allocation(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
               ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Share a sum out over places: by heads, by need, by every mix, with a floor, at a pace, in whole pounds.

    settings  item (definitions of need), place, need (the definition that counts), total (pounds), weights (of need; the
              grid), weight (the one that is proposed), announced (site -> pounds, whose principle is looked for), and
              optionally floor (pounds a place), last_year (pounds, by heads), growth (lowest and highest), published
              (a plan of others: tiers with places, each and beside)
    Every site that is announced an amount must have sent all its places, and no number may be withheld: money is not
    shared out among those who happened to answer.
    """
    announced = settings["announced"]
    main = _lived(cells, declared, settings, settings["need"], announced)
    base = {"item": settings["need"], "group": settings["place"], "sex": "both", "scale": SCALE}
    if isinstance(main, str):
        for site in (s for s in announced if f"site:{s}" in scopes):
            yield base | {"measure": "allocation, proposed", "level": ALL, "scope": f"site:{site}", "sites": [site],
                          "reason": main}  # fmt: skip
    else:
        needs = declared.dimensions[settings["item"]].values
        others = [(name, _lived(cells, declared, settings, name, announced)) for name in needs]
        known = {name: lived for name, lived in others if not isinstance(lived, str)}
        yield from _by_place(base, main, known, settings)
        yield from _by_site(base, main, settings)
    yield from _published(base, settings.get("published", {}))


def _lived(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], need: str, announced: dict[str, float]
           ) -> Lived | str:  # fmt: skip
    """Read people and people in need of every place, or say why they are not all known."""
    place = settings["place"]
    mine = cells[(cells[settings["item"]] == need) & (cells[place] != ALL)]
    lacking = [site for site in announced if site not in set(mine["site"])]
    if lacking:
        return f"no numbers from {', '.join(lacking)}, who take a share"
    mine = mine[mine["site"].isin(announced)]
    parts = [(site, name[0], part) for site in sorted(announced)
             for name, part in parts_of(mine[mine["site"] == site], [place]).items()]  # fmt: skip
    if unknown_places(mine, place) or any(part.withheld for _, _, part in parts):
        return "a number of a place is withheld"
    return Lived([p[0] for p in parts], [str(p[1]) for p in parts], np.array([p[2].people.sum() for p in parts]),
                 np.array([p[2].cases.sum() for p in parts]))  # fmt: skip


def _by_place(base: dict[str, Any], main: Lived, known: dict[str, Lived], settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give every model for every place, and under the proposed weight the range over the definitions of need."""
    total, weight = settings["total"], settings["weight"]
    proposed = methods.allocate(total, main.people, main.need, weight)
    amounts = {f"allocation, weight of need {w:.1f}": methods.allocate(total, main.people, main.need, w)
               for w in settings["weights"]}  # fmt: skip
    amounts["allocation, proposed"] = proposed
    if "floor" in settings:
        amounts["allocation, with a floor"] = methods.with_floor(proposed, settings["floor"])
    paced, last = None, None
    if "growth" in settings:
        last = settings["last_year"] * main.people / main.people.sum()
        slowest, fastest = settings["growth"]
        paced = methods.pace_of_change(proposed, last, slowest, fastest, total).amounts
        amounts["allocation, at a pace"] = paced
    ranges = [methods.allocate(total, lived.people, lived.need, weight) for lived in known.values()
              if lived.names == main.names and lived.need.sum() > 0]  # fmt: skip
    for measure, values in amounts.items():
        pounds = methods.whole_pounds(values)
        for at, row in enumerate(_rows(base, main)):
            bounds = {"bound_lower": float(min(r[at] for r in ranges)), "bound_upper": float(max(r[at] for r in ranges))}
            extra = bounds if measure == "allocation, proposed" else {}
            yield row | {"measure": measure, "estimate": float(pounds[at]), "method": _how(measure, settings)} | extra
    pounds = methods.whole_pounds(proposed)
    for at, row in enumerate(_rows(base, main)):
        yield row | {"measure": "pounds per head", "estimate": pounds[at] / main.people[at], "method": _how("", settings)}
        one = {"estimate": pounds[at] / main.need[at]} if main.need[at] else {"reason": "nobody in need lives there"}
        yield row | {"measure": "pounds per person in need", "method": _how("", settings)} | one
    if paced is not None and last is not None:
        share, (slowest, fastest) = proposed / total, settings["growth"]
        before = methods.distance_from_target(last, share * last.sum())
        after = methods.distance_from_target(paced, proposed)
        years = methods.years_to_target(proposed, last, slowest, fastest, total / last.sum() - 1)
        for measure, values, scale in (("distance from target, last year", 100 * before, "%"),
                                       ("distance from target, this year", 100 * after, "%"),
                                       ("years to target", years, "years")):  # fmt: skip
            for at, row in enumerate(_rows(base, main)):
                why = {} if np.isfinite(values[at]) else {"reason": f"not within {MOST_YEARS} years"}
                yield row | {"measure": measure, "scale": scale, "estimate": float(values[at]),
                             "method": _how("allocation, at a pace", settings)} | why  # fmt: skip


def _rows(base: dict[str, Any], main: Lived) -> list[dict[str, Any]]:
    return [base | {"level": name, "scope": f"site:{site}", "sites": [site], "people": float(n), "events": float(c)}
            for site, name, n, c in zip(main.sites, main.names, main.people, main.need)]  # fmt: skip


def _how(measure: str, settings: dict[str, Any]) -> str:
    """Say the principle in words."""
    whole = f"{settings['total']:,.0f} pounds over all places, to the pound"
    mixed = f"weight of need {settings['weight']:g}"
    if measure.startswith("allocation, weight"):
        return whole
    if measure == "allocation, with a floor":
        return f"{whole}; {mixed}; no place below {settings['floor']:,.0f}"
    if measure == "allocation, at a pace":
        low, high = settings["growth"]
        return f"{whole}; {mixed}; growth {100 * low:g} to {100 * high:g} % on {settings['last_year']:,.0f} shared out by heads"
    return f"{whole}; {mixed}"


def _by_site(base: dict[str, Any], main: Lived, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Say what an announced split stands for: which weight of need, and what it is per head and per person in need."""
    announced = settings["announced"]
    total = sum(announced.values())
    sites = np.array(main.sites)
    gaps: list[tuple[float, float]] = []
    for site, pounds in announced.items():
        n, c = main.people[sites == site].sum(), main.need[sites == site].sum()
        row = base | {"group": "site", "level": site, "scope": f"site:{site}", "sites": [site], "people": n, "events": c,
                      "method": "announced amount against released counts"}  # fmt: skip
        yield row | {"measure": "announced", "estimate": float(pounds)}
        yield row | {"measure": "announced, pounds per head", "estimate": pounds / n}
        yield row | {"measure": "announced, pounds per person in need"} | (
            {"estimate": pounds / c} if c else {"reason": "nobody in need lives there"})  # fmt: skip
        share, by_heads, by_need = pounds / total, n / main.people.sum(), c / main.need.sum()
        gaps.append((share - by_heads, by_need - by_heads))
        implied = row | {"measure": "implied weight of need", "scale": "weight"}
        if abs(by_heads - by_need) < 1e-9:
            yield implied | {"reason": "its shares of people and of need are equal: every weight gives this split"}
            continue
        weight = methods.implied_blend(share, by_heads, by_need)
        outside = "less than its heads give it" if weight < 0 else "more than its need gives it" if weight > 1 else ""
        side = outside if by_need > by_heads or not outside else "no mix of heads and need gives this"
        yield implied | {"estimate": weight, "reason": side}
    apart = sum(need * need for _, need in gaps)
    together = base | {"group": "everyone", "level": ALL, "scope": "pooled", "sites": [*announced],
                       "method": "mix of heads and need nearest to the announced split (least squares)"}  # fmt: skip
    if apart > 0:
        weight = sum(money * need for money, need in gaps) / apart
        yield together | {"measure": "implied weight of need", "scale": "weight", "estimate": weight}
        if 0 <= weight < 1:
            yield together | {"measure": "implied weight of a person in need", "scale": "ratio",
                              "estimate": float(methods.weight_of_blend(weight, main.people, main.need))}  # fmt: skip


def _published(base: dict[str, Any], plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Add a published plan up both ways, by tier and by purpose; the two must agree, or no sum is given.

    The other reading, in which what goes elsewhere comes on top of the announced sum, stands beside it with what is left over.
    """
    if not plan:
        return
    row = base | {"group": "tier", "scope": PUBLISHED, "sites": [], "method": "as published", "item": ""}
    by_tier = {tier: t["places"] * t["each"] + t["beside"] for tier, t in plan["tiers"].items()}
    for tier, t in plan["tiers"].items():
        words = f"{t['places']} x {t['each']:,.0f} + {t['beside']:,.0f}"
        yield row | {"measure": "published, by tier", "level": tier, "estimate": float(by_tier[tier]), "method": words}
    places = sum(t["places"] * t["each"] for t in plan["tiers"].values())
    beside = sum(t["beside"] for t in plan["tiers"].values())
    for level, pounds in (("places", places), ("beside", beside)):
        yield row | {"measure": "published, by purpose", "group": "purpose", "level": level, "estimate": float(pounds)}
    agree = sum(by_tier.values()) == places + beside == plan["total"]
    why = {"estimate": float(plan["total"])} if agree else {"reason": f"the parts add up to {places + beside:,.0f}"}
    yield row | {"measure": "published, together", "group": "everyone", "level": ALL} | why
    if beside:
        over = plan["total"] - places
        left = f"; {over:,.0f} of the {plan['total']:,.0f} then go to no named place" if over > 0 else ""
        yield row | {"measure": "published, if additional", "group": "everyone", "level": ALL,
                     "estimate": float(plan["total"] + beside), "method": f"{plan['total']:,.0f} + {beside:,.0f}{left}"}
