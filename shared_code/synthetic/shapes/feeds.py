"""Feeds of other systems: whatever package a team uses, they arrive as plain text with the names of the data model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from shared_code.model import TABLES
from shared_code.synthetic.shapes.writing import text_dates

FORM = "%Y-%m-%d"


def with_identifiers(table: pd.DataFrame, identifiers: np.ndarray) -> pd.DataFrame:
    """Put the person's identifier in place of the number of the person (`row`)."""
    return table.assign(person_id=identifiers[table["row"].to_numpy()]).drop(columns="row")


def write_feeds(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """Write each table as `<name>_feed.csv`: semicolons, dates as 2026-04-01, true and false as 1 and 0, nothing left empty."""
    for name, table in tables.items():
        columns = {}
        for column in table:
            kind = TABLES[name].column(str(column)).type
            values = table[column]
            columns[column] = text_dates(values, FORM, "") if kind == "date" else values
            if kind == "boolean":
                columns[column] = values.astype("int64")
        path = folder / f"{name}_feed.csv"
        pd.DataFrame(columns).to_csv(path, sep=";", index=False, encoding="utf-8", lineterminator="\r\n", chunksize=100_000)
