"""Tallies: people and cases over the declared dimensions, every declared cell present, true zeros included."""

from __future__ import annotations

from itertools import product

import ibis.expr.types as ir
import pandas as pd

from shared_code.measures.cohort import band
from shared_code.model import ALL, band_labels


def count_cases(people: ir.Table, cases: ir.Table, item: str, levels: dict[str, dict[str, str] | None],
                sets: list[list[str]], bands: dict[str, list[int]], minimum_age: dict[str, int]) -> pd.DataFrame:
    """Count people, and how many of them are cases, per item over every set of dimensions.

    people   one row per person: person_id, age, and a column per dimension
    cases    (person_id, item): one row per person and item that the person is a case of
    item     name of the item's column, for example condition
    levels   dimension -> its codes (None: the site's own), the item included
    sets     which of the dimensions that have a total are broken out together
    bands    dimension made from a number -> its lower edges
    minimum_age  item -> youngest age counted; younger people are left out for that item
    Returns one row per cell: the dimensions, people, cases.
    """  # fmt: skip
    youngest = {name: minimum_age.get(name, 0) for name in levels[item] or {}}
    people = people.mutate(completed_age=people.age) if "age" in bands else people
    people = people.mutate(**{name: band(people[name], edges) for name, edges in bands.items()})
    totals = sorted({name for group in sets for name in group})
    always = [name for name in levels if name not in totals and name != item]
    parts = []
    with people.cache() as everyone, everyone.inner_join(cases.distinct(), "person_id").cache() as found:
        for group, least in product(sets, sorted(set(youngest.values()))):
            if any(name not in everyone.columns for name in group):
                continue  # the site does not collect what this set is broken out by
            by = [*group, *always]
            items = [name for name, age in youngest.items() if age == least]
            old, sick = (t.filter(t.completed_age >= least) if least else t for t in (everyone, found))
            n = _counted(old, by, "people")
            x = _counted(sick, [item, *by], "cases")
            codes = {name: _codes(name, levels, n, bands, least) for name in by}
            grid = pd.DataFrame(product(items, *codes.values()), columns=[item, *by])
            part = (grid.merge(n, "left", by) if by else grid.assign(people=n["people"].iloc[0])).merge(x, "left", [item, *by])
            part[["people", "cases"]] = part[["people", "cases"]].fillna(0).astype("int64")
            parts.append(part.assign(**{name: ALL for name in totals if name not in group}))
    table = pd.concat(parts, ignore_index=True)
    return table[[*levels, "people", "cases"]].reset_index(drop=True)


def _counted(rows: ir.Table, by: list[str], name: str) -> pd.DataFrame:
    if not by:
        return rows.aggregate(**{name: rows.count()}).execute()
    return rows.group_by(by).agg(**{name: rows.count()}).execute()


def _codes(name: str, levels: dict[str, dict[str, str] | None], found: pd.DataFrame, bands: dict[str, list[int]],
           least: int) -> list[str]:  # fmt: skip
    """List the codes of a dimension; bands that end below the youngest age counted are left out."""
    codes = list(levels[name] or sorted(found[name].dropna().unique()))
    if name != "age" or name not in bands:
        return codes
    ends = dict(zip(band_labels(bands["age"]), [*bands["age"][1:], float("inf")]))
    return [code for code in codes if ends[code] > least]
