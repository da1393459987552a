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
    minimum_age  item -> youngest age counted; the age bands below it are left out for that item
    Returns one row per cell: the dimensions, people, cases.
    """  # fmt: skip
    people = people.mutate(**{name: band(people[name], edges) for name, edges in bands.items()})
    totals = sorted({name for group in sets for name in group})
    always = [name for name in levels if name not in totals and name != item]
    parts = []
    with people.cache() as everyone, everyone.inner_join(cases.distinct(), "person_id").cache() as found:
        for group in sets:
            if any(name not in everyone.columns for name in group):
                continue  # the site does not collect what this set is broken out by
            by = [*group, *always]
            n = everyone.group_by(by).agg(people=everyone.count()).execute()
            x = found.group_by([item, *by]).agg(cases=found.count()).execute()
            codes = {name: list(levels[name] or sorted(n[name].dropna().unique())) for name in by}
            grid = pd.DataFrame(product(levels[item] or {}, *codes.values()), columns=[item, *by])
            part = grid.merge(n, "left", by).merge(x, "left", [item, *by])
            part[["people", "cases"]] = part[["people", "cases"]].fillna(0).astype("int64")
            parts.append(part.assign(**{name: ALL for name in totals if name not in group}))
    table = pd.concat(parts, ignore_index=True)
    if "age" in bands:
        begins = dict(zip(band_labels(bands["age"]), bands["age"]))
        youngest = table[item].map(minimum_age).fillna(0)
        table = table[table["age"].map(begins) >= youngest]
    return table[[*levels, "people", "cases"]].reset_index(drop=True)



