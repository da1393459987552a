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
    return declared.model_copy(update={"dimensions": dimensions}), summed


def dry_count(name: str, declared: ResultsTable, table: pd.DataFrame, dimension: str, ladder: Mapping[str, list[int]],
              policy: Policy) -> dict[str, Any]:  # fmt: skip
    """Count, without releasing anything, what each rung of a ladder of bands would withhold of one table.

    ladder  name of the rung -> lower edges, finest first
    Gives {"table", "dimension", "rungs": {rung: {"cells", "withheld", "share"}}}; see record.common_rung for several sites.
    """
    rungs = {}
    for rung, edges in ladder.items():
        rung_declared, rung_table = coarser(declared, table, dimension, edges)
        counted = protect({name: (rung_declared, rung_table)}, [], policy).record["tables"][name]
        share = counted["withheld"] / counted["cells"] if counted["cells"] else 0.0
        rungs[rung] = {"cells": counted["cells"], "withheld": counted["withheld"], "share": share}
    return {"table": name, "dimension": dimension, "rungs": rungs}
