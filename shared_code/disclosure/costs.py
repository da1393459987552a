"""What is lost when a number is withheld: what is withheld to protect another number should cost the reader least."""

from __future__ import annotations

import numpy as np

from shared_code.config.study import ResultsTable
from shared_code.disclosure.system import UNIT

# Totals are worth more than parts, and a level that says little less.
TOTAL_COSTS, RESIDUAL_COSTS = 4.0, 0.5
RESIDUAL = {"unknown", "other", "not known", "not stated"}


def totals_over(declared: ResultsTable, dimensions: tuple[str, ...]) -> int:
    """Count the dimensions over which cells that break out these are totals."""
    names = {n.partition("#")[0] for n in dimensions}
    return sum(spec.total and name not in names for name, spec in declared.dimensions.items())


def cost_of(whole: int, levels: tuple[str, ...], value: float, unit: int) -> float:
    """Give the loss of a number: it grows with its size, and with the number of dimensions that it is a total over."""
    size = abs(value) / UNIT.get(unit, 1.0)
    residual = any(level.lower() in RESIDUAL for level in levels)
    return float(np.log1p(size) + 0.01) * (1 + TOTAL_COSTS * whole) * (RESIDUAL_COSTS if residual else 1.0)
