"""Recorded against expected: how many cases a register holds, and how many its people would have at given rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.model import ALL
from shared_code.pooling.groups import EVERYONE, TOO_MUCH, Part, parts_of

MOST_WITHHELD = 0.1  # share of the cases that may lie in withheld and rounded numbers; beyond it only bounds are given
METHOD = "all recorded over all expected cases; exact limits below 10 cases, Byar's from 10"


def recorded_expected(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                      ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Compare the recorded cases of one item with those expected at given rates, in every level of a group and in all.

    settings  item (dimension), of (the level of it that is compared), group, by (sex), age (bands), rates (sex -> share of
              people by age band, the same at every site)
    Two such ratios are not comparable with each other, for their people differ in age; each is with its own expectation, and
    groups are compared by direct standardisation. A site of whom the people of a cell are withheld is not in it. Gives the
    ratio, and how many cases are expected beyond those recorded.
    """
    item, group, sex, age = (settings[name] for name in ("item", "group", "by", "age"))
    labels = list(declared.dimensions[age].levels() or {})
    levels = [*(declared.dimensions[group].levels() or {})]
    mine = cells[(cells[item] == settings["of"]) & (cells[[group, sex, age]] != ALL).all(axis=1)]
    unknown = mine[(mine["statistic"] == "people") & mine["value"].isna()]
    for level in [ALL, *levels]:
        own = mine if level == ALL else mine[mine[group] == level]
        closed = set(unknown["site"] if level == ALL else unknown.loc[unknown[group] == level, "site"])
        parts = parts_of(own, [group, sex, age])
        for scope, members in scopes.items():
            inside = [site for site in members if site in set(own["site"]) - closed]
            used = {key: part.of(inside) for key, part in parts.items()}
            used = {key: part for key, part in used.items() if part.sites}
            base = {"item": settings["of"], "sex": "both", "scope": scope, "scale": "ratio", "sites": inside,
                    "measure": "recorded over expected", "comparator": "given rates",
                    "group": EVERYONE if level == ALL else group, "level": level}  # fmt: skip
            if inside and used:
                yield from _ratio(base, used, {key: settings["rates"][key[1]][labels.index(key[2])] for key in used})
            elif set(own["site"]) & set(members):
                yield base | {"reason": TOO_MUCH}


def _cases(part: Part) -> float:
    """Give the cases of all sites: ranges fitted beside known numbers, and the middle of the range where there are none."""
    found = part.share()
    return float(part.people.sum() * found.estimate) if found else float((part.low + part.high).sum() / 2)


def _ratio(base: dict[str, Any], parts: dict[tuple, Part], rates: dict[tuple, float]) -> Iterator[dict[str, Any]]:
    people = {key: float(part.people.sum()) for key, part in parts.items()}
    recorded = sum(_cases(part) for part in parts.values())
    expected = sum(people[key] * rates[key] for key in parts)
    low, high = (float(sum(getattr(part, side).sum() for part in parts.values())) for side in ("low", "high"))
    common = base | {"people": sum(people.values()), "events": round(recorded),
                     "withheld_share": (high - low) / high if high else 0.0}  # fmt: skip
    if common["withheld_share"] > MOST_WITHHELD:
        yield base | {"reason": TOO_MUCH, "withheld_share": common["withheld_share"], "bound_lower": low / expected,
                      "bound_upper": high / expected}  # fmt: skip
        return
    found = methods.indirect_ratio(recorded, expected)
    yield common | {"estimate": float(found.estimate), "lower": float(found.lower), "upper": float(found.upper),
                    "bound_lower": low / expected, "bound_upper": high / expected, "method": METHOD}  # fmt: skip
    yield common | {"measure": "expected and not recorded", "scale": "people", "estimate": max(0.0, expected - recorded),
                    "bound_lower": max(0.0, expected - high), "bound_upper": max(0.0, expected - low),
                    "method": "expected less recorded cases, where these are fewer"}  # fmt: skip
