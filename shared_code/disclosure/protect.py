"""The one door through which numbers leave: every results table of a release goes through `protect` together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure.forms import Earlier, Protected
from shared_code.disclosure.rules import GUARDS
from shared_code.model import CELL_COLUMNS, LAYOUTS


def protect(tables: Mapping[str, tuple[ResultsTable, pd.DataFrame]], ledger: Sequence[Earlier], policy: Policy
            ) -> Protected:  # fmt: skip
    """Turn unprotected results tables into the cells that may be released.

    tables  name -> (declaration, wide table)
    ledger  the site's earlier releases. This first guard judges each cell by itself and rounds, so it has
            no rule for earlier releases yet: it refuses to run when there are any, rather than ignore them.
    policy  threshold and rounding
    Gives the cells of every table, sorted, nothing left out. Withheld values are empty and carry the range they are
    known to lie in.
    Raises ValueError for a layout that has no rule: what cannot be judged does not leave.
    """
    if len(ledger):
        raise ValueError("this site has released before: a second release needs the comparison with the ledger")
    # A count that passes the threshold but rounds to a number below it would look like one that does not.
    policy = policy.model_copy(update={"threshold": policy.smallest_shown})
    released = {}
    for name, (declared, table) in tables.items():
        if declared.layout not in GUARDS:
            raise ValueError(f"{name}: the layout {declared.layout} has no disclosure rule")
        guarded = GUARDS[declared.layout](table.reset_index(drop=True), declared, policy)
        dimensions = list(declared.dimensions)
        keys = table[dimensions].reset_index(drop=True).astype(str)
        parts = [
            keys.join(guarded[statistic]).assign(statistic=statistic) for statistic in LAYOUTS[declared.layout].statistics
        ]
        cells = pd.concat(parts, ignore_index=True)[[*dimensions, *CELL_COLUMNS]]
        released[name] = cells.sort_values([*dimensions, "statistic"], ignore_index=True)
    return Protected(released)


def summary(cells: pd.DataFrame) -> dict[str, int]:
    """Count the cells of a released table by status."""
    counts = cells["status"].value_counts()
    return {"cells": len(cells), **{str(status): int(n) for status, n in sorted(counts.items())}}
