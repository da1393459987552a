"""Policies in groups of people: what became of a service in the months of a policy, by sex, age or where people live."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from shared_code.config.results import ResultsTable, year_before
from shared_code.model import ALL
from shared_code.pooling.many_outcomes import allow_for_many
from shared_code.pooling.policy import AGAINST, ROLLING, ratio_of, series_of


def policy_groups(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                  ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Compare the same stretch of two years in people who met the same rule, and in their comparator, group by group.

    settings  item, along (dimension of stretches, named by their first month), group, rolling, comparator, at (the stretch of the
              policy; it is compared with the one a year before)
    Everybody together, and every level of every dimension that is broken out by itself. Only sites that sent all numbers of a
    comparison are in it; events that repeat in a person widen the intervals. The p values of the groups, all services of the
    table together, are adjusted for how many they are (Holm 1979): among many groups some stand out by chance.
    """
    yield from _allowing_for_many([*_compared(cells, declared, settings, scopes)])


def _compared(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
              ) -> Iterator[dict[str, Any]]:  # fmt: skip
    item, along, group = settings["item"], settings["along"], settings["group"]
    stretch = str(settings["at"])
    before = year_before(stretch)
    for name, rows in cells.groupby(item, sort=True):
        for stratum, mine in _strata(rows, declared):
            series = {cohort: series_of(part, declared, along, [before, stretch])
                      for cohort, part in mine.groupby(group, sort=False)}  # fmt: skip
            rolling, other = series.get(settings["rolling"]), series.get(settings["comparator"])
            if rolling is None:
                continue
            for scope, members in scopes.items():
                base = {"item": name, "group": group, "sex": "both", "scope": scope, "level": settings["rolling"],
                        "stratum": stratum}  # fmt: skip
                yield ratio_of(base, ROLLING, [rolling], members, [stretch], [before])
                if other is not None:
                    row = base | {"comparator": settings["comparator"]}
                    yield ratio_of(row, AGAINST, [rolling, other], members, [stretch], [before])


def _allowing_for_many(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the pooled comparisons of groups, not those of everybody, p values that allow for how many they are."""
    families: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["scope"] == "pooled" and row["stratum"] and row.get("se", np.nan) > 0:
            families.setdefault(row["measure"], []).append(row)
    for family in families.values():
        allow_for_many(family)
    return rows


def _strata(rows: pd.DataFrame, declared: ResultsTable) -> Iterator[tuple[str, pd.DataFrame]]:
    """Give everybody together, and every level of every dimension that is broken out by itself."""
    totals = [name for name, dimension in declared.dimensions.items() if dimension.total]
    whole = rows[totals] == ALL
    yield "", rows[whole.all(axis=1)]
    for broken_out in totals:
        own = rows[~whole[broken_out] & whole.drop(columns=broken_out).all(axis=1)]
        for level in declared.dimensions[broken_out].levels() or ():
            yield f"{broken_out}={level}", own[own[broken_out] == level]
