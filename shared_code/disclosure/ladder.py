"""Coarser bands before withholding: how much of a table each rung of a declared ladder would withhold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure.protect import protect
from shared_code.disclosure.system import LINEAR
from shared_code.model import ALL, band_labels


def coarser(declared: ResultsTable, table: pd.DataFrame, dimension: str, edges: list[int]) -> tuple[ResultsTable, pd.DataFrame]:
    """Add a table up to coarser bands of one dimension: the declaration and the wide table.

    edges  lower edges of the new bands, all of them edges of the declared ones
    Raises ValueError for edges that are not, nested bands, and layouts whose numbers do not add up over people.
    """
    spec = declared.dimensions[dimension]
    if not spec.bands or spec.kind != "exclusive" or not set(edges) <= set(spec.bands) or edges[0] != spec.bands[0]:
        raise ValueError(f"{dimension} cannot be added up to bands from {edges}: its own begin at {spec.bands}")
    if declared.layout not in ("counts", "events") or (declared.layout == "events" and not declared.once):
        raise ValueError(f"a table of the layout {declared.layout} does not add up over {dimension}")
    labels = band_labels(edges)
    into = {}
    for edge, label in zip(spec.bands, band_labels(spec.bands)):
        into[label] = labels[max(i for i, e in enumerate(edges) if e <= edge)]
    changed = table.assign(**{dimension: table[dimension].astype(str).map({**into, ALL: ALL})})
    statistics = list(LINEAR[declared.layout].units)
    summed = changed.groupby(list(declared.dimensions), sort=False, as_index=False)[statistics].sum(min_count=1)
    dimensions = {**declared.dimensions, dimension: spec.model_copy(update={"bands": edges})}
    return declared.model_copy(update={"dimensions": dimensions, "ladder": {}}), summed


ENOUGH = 0.02  # of the cells: a rung at which fewer are withheld loses next to nothing (methods specification 11.4)


def rungs_of(declared: ResultsTable, dimension: str) -> dict[str, list[int]]:
    """Give the declared ladder of a dimension, its own bands first: name (the bands) -> lower edges."""
    steps = [declared.dimensions[dimension].bands, *declared.ladder[dimension]]
    return {", ".join(band_labels(edges)): edges for edges in steps}


def climb(name: str, declared: ResultsTable, table: pd.DataFrame, policy: Policy) -> list[dict[str, Any]]:
    """Count what every rung of every ladder declared for a table would withhold; see `dry_count`, which it gives a list of."""
    return [dry_count(name, declared, table, dimension, rungs_of(declared, dimension), policy) for dimension in declared.ladder]


def finest_rung(counted: Mapping[str, Any]) -> str:
    """Name the finest rung at which fewer than 2 % of the cells are withheld, or else the coarsest; nothing else is told.

    >>> finest_rung({"rungs": {"5 years": {"share": 0.2}, "10 years": {"share": 0.01}, "all": {"share": 0.0}}})
    '10 years'
    """
    return next((rung for rung, outcome in counted["rungs"].items() if outcome["share"] < ENOUGH), [*counted["rungs"]][-1])


def dry_count(name: str, declared: ResultsTable, table: pd.DataFrame, dimension: str, ladder: Mapping[str, list[int]],
              policy: Policy) -> dict[str, Any]:  # fmt: skip
    """Count, without releasing anything, what each rung of a ladder of bands would withhold of one table.

    ladder  name of the rung -> lower edges, finest first
    Gives {"table", "dimension", "rungs": {rung: {"cells", "withheld", "share"}}}; see record.common_rung for several sites.
    """
    rungs = {}
    for rung, edges in ladder.items():
        rung_declared, rung_table = coarser(declared, table, dimension, edges)
        # each rung is judged by itself: what was released before speaks of other bands
        counted = protect({name: (rung_declared, rung_table)}, [], policy).record["tables"][name]
        share = counted["withheld"] / counted["cells"] if counted["cells"] else 0.0
        rungs[rung] = {"cells": counted["cells"], "withheld": counted["withheld"], "share": share}
    return {"table": name, "dimension": dimension, "rungs": rungs}
