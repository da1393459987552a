"""The other side of every attack: a release as a careful person would make it by hand, and ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect
from shared_code.model import LAYOUTS

T = 10
Tables = dict[str, tuple[ResultsTable, pd.DataFrame]]


def table(dimensions: dict[str, Any], layout: str = "counts", **more: Any) -> ResultsTable:
    """Declare a table in one line: name -> list of values, band edges, or a whole declaration."""
    spec = {}
    for name, given in dimensions.items():
        if isinstance(given, dict):
            spec[name] = given
        elif isinstance(given[0], int):
            spec[name] = {"bands": given}
        else:
            values = {level: level for level in given if level != "all"}
            spec[name] = {"values": values, "total": "all" in given}
    return ResultsTable.model_validate({"title": "t", "layout": layout, "dimensions": spec, **more})


def naive(tables: Tables, threshold: int = T) -> Tables:
    """Withhold every small number by itself, show all others exactly: what most people do by hand."""
    released = {}
    for name, (declared, wide) in tables.items():
        dimensions, layout = list(declared.dimensions), LAYOUTS[declared.layout]
        parts = []
        for statistic in layout.statistics:
            if statistic not in wide:
                continue
            value = wide[statistic].to_numpy(float)
            small = (value > 0) & (value < threshold) & (statistic in layout.people)
            parts.append(wide[dimensions].astype(str).assign(
                statistic=statistic, value=np.where(small, np.nan, value), status=np.where(small, "withheld", "ok"),
                lower=np.where(small, 0, value), upper=np.where(small, np.inf, value)))  # fmt: skip
        released[name] = (declared, pd.concat(parts).sort_values([*dimensions, "statistic"], ignore_index=True))
    return released


def ours(tables: Tables, ledger=(), policy: Policy | None = None) -> Tables:
    """Protect all tables together, as a release does."""
    done = protect(tables, list(ledger), policy or Policy(threshold=T, rounding=5)).tables
    return {name: (tables[name][0], cells) for name, cells in done.items()}


@pytest.fixture(scope="session")
def release_by_hand() -> Callable[..., Tables]:
    return naive


@pytest.fixture(scope="session")
def release_ours() -> Callable[..., Tables]:
    return ours


@pytest.fixture(scope="session")
def declare() -> Callable[..., ResultsTable]:
    return table
