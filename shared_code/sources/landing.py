"""Landing: chunks of rows become one Parquet file, with their codes as they were written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


@dataclass
class Landed:
    """Hold one file as a scan: the SQL that reads it, its columns, and the codes the file declares as missing."""

    sql: str
    columns: list[str]
    user_missing: dict[str, list[tuple[float | str, float | str]]] = field(default_factory=dict)


class _Mixed(Exception):
    """A column holds numbers in one chunk and something else in another."""


def quoted(text: object) -> str:
    """Write a text or a path as an SQL string.

    >>> quoted("the site's own")
    "'the site''s own'"
    """
    return "'" + (text.as_posix() if isinstance(text, Path) else str(text)).replace("'", "''") + "'"


def named(name: str) -> str:
    """Write a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def scan(target: Path) -> Landed:
    """Give the scan of a Parquet file."""
    return Landed(f"SELECT * FROM read_parquet({quoted(target)})", pq.read_schema(target).names)


def land_chunks(chunks: Callable[[], Iterator[pd.DataFrame]], place: Path, name: str) -> Landed:
    """Write chunks as numbers, dates and text to one Parquet file, whole or not at all.

    chunks  gives the chunks from the beginning, each time it is called: a column that turns out to hold different kinds
            of values is written again as text from the start
    """
    place.mkdir(parents=True, exist_ok=True)
    target = place / f"{name}.parquet"
    partial = place / f"{name}.partial"
    text: set[str] = set()
    while True:
        try:
            _write(chunks(), partial, text)
        except _Mixed as mixed:
            text.add(str(mixed))
        else:
            partial.replace(target)
            return scan(target)
        finally:
            partial.unlink(missing_ok=True)


def _write(chunks: Iterator[pd.DataFrame], partial: Path, text: set[str]) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for chunk in chunks:
            chunk.columns = [str(c) for c in chunk.columns]
            schema = writer.schema if writer else None
            arrays = [_array(chunk[name], name, schema, text) for name in chunk.columns]
            arrow = pa.Table.from_arrays(arrays, names=list(chunk.columns))
            writer = writer or pq.ParquetWriter(partial, arrow.schema)
            writer.write_table(arrow)
    finally:
        if writer:
            writer.close()
    if writer is None:
        raise ValueError("the file holds no rows")


def _array(column: pd.Series, name: str, schema: pa.Schema | None, text: set[str]) -> pa.Array:
    """Turn one column of a chunk into numbers, dates or text: as in the first chunk, where there was one."""
    kind = schema.field(name).type if schema else None
    if name in text or (kind is not None and pa.types.is_string(kind)):
        return pa.array(column.map(as_text, na_action="ignore"), pa.string(), from_pandas=True)
    if column.dtype == object:
        present = column.dropna()
        if not len(present) or not present.map(lambda value: hasattr(value, "isoformat")).all():
            column, kind = column.map(as_text, na_action="ignore"), kind or pa.string()  # nothing yet: text, for now
    try:
        return pa.array(column, kind, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        if name in text:
            raise
        raise _Mixed(name) from None


def as_text(value: Any) -> str:
    """Write one value as the code a person would write.

    >>> as_text(1.0), as_text(True), as_text(dt.datetime(2020, 1, 2)), as_text("01")
    ('1', 'true', '2020-01-02', '01')
    """
    match value:
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case dt.datetime():
            return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ")
        case bytes():
            return value.decode("utf-8", "replace")
    return str(value)
