"""Specifications drawn as small text tables: prepared tables as people see them, on more than one engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared_code.measures import Prepared
from shared_code.model import TABLES, Table

ARROW = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "date": pa.date32(), "boolean": pa.bool_()}
SHORT = {"who": "person_id"}  # people go by their names here; in real tables by a pseudonym


def read_table(text: str) -> pd.DataFrame:
    """Read an aligned text table: names in the first line, one word per cell, a full stop for nothing.

    Dates may be cut to the month, which means its first day.
    """
    lines = [line.split() for line in text.strip().splitlines()]
    assert all(len(line) == len(lines[0]) for line in lines), f"a line has another number of words:\n{text}"
    return pd.DataFrame(lines[1:], columns=[SHORT.get(name, name) for name in lines[0]]).replace({".": None})


def as_arrow(table: Table, text: str) -> pa.Table:
    """Type a text table as one prepared table; columns it leaves out are empty."""
    found = read_table(text)
    assert set(found) <= set(table.column_names), f"{table.name} has no {set(found) - set(table.column_names)}"
    arrays = []
    for column in table.columns:
        words = list(found[column.name]) if column.name in found else [None] * len(found)
        if column.type == "date":
            words = [f"{w}-01" if w and w.count("-") == 1 else w for w in words]
            words = [pd.Timestamp(w).date() if w else None for w in words]
        elif column.type in ("integer", "number"):
            words = [float(w) if w else None for w in words]
        arrays.append(pa.array(words).cast(ARROW[column.type]) if any(words) else pa.nulls(len(found), ARROW[column.type]))
    return pa.Table.from_arrays(arrays, names=table.column_names)


@pytest.fixture(params=["parquet", "database", "sqlite"])
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Prepared]:
    """Store text tables as prepared tables: in Parquet files, or inside a database that somebody else keeps."""

    def store(**texts: str) -> Prepared:
        arrow = {name: as_arrow(TABLES[name], text) for name, text in texts.items()}
        if request.param == "parquet":
            for name, table in arrow.items():
                pq.write_table(table, tmp_path / f"{name}.parquet")
            return Prepared(tmp_path)
        engine = ibis.sqlite if request.param == "sqlite" else ibis.duckdb
        connection = engine.connect(tmp_path / f"warehouse.{request.param}")
        for name, table in arrow.items():
            connection.create_table(name, table, overwrite=True)
        return Prepared(connection=connection)

    return store


@pytest.fixture(scope="session")
def expect() -> Callable[[Any, str], None]:
    """Compare a result, in any order of rows, with the text table that says what it should be."""

    def compare(result: Any, text: str) -> None:
        expected = read_table(text)
        found = result.execute() if hasattr(result, "execute") else result
        missing = set(expected) - set(found)
        assert not missing, f"the result has no column {missing}"
        found = found[list(expected)].astype(object).where(found[list(expected)].notna(), None)
        shown = found.map(lambda value: None if value is None else f"{value:g}" if isinstance(value, float) else str(value))
        assert sorted(map(tuple, shown.to_numpy()), key=str) == sorted(map(tuple, expected.to_numpy()), key=str)

    return compare
