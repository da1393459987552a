"""How tests pick the one result they are about."""

from __future__ import annotations

import pandas as pd


def only(results: pd.DataFrame, **where: str) -> pd.Series:
    """Give the one row in which every column has the value asked for; none or several fail the test."""
    chosen = results
    for column, value in where.items():
        chosen = chosen[chosen[column] == value]
    assert len(chosen) == 1, (where, len(chosen))
    return chosen.iloc[0]


def one(results: pd.DataFrame, measure: str = "", item: str = "", **where: str) -> pd.Series:
    """Give the one result of all sites together and of no stratum, unless another scope or stratum is asked for."""
    named = {name: value for name, value in (("measure", measure), ("item", item)) if value}
    return only(results, **{"scope": "pooled", "stratum": "", **named, **where})
