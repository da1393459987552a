"""Landing: chunks of rows become one Parquet file, with their codes as they were written.

A column that turns out to hold other kinds of values in a later chunk is text in the end: the chunks are then written as
several parts, and the parts are rewritten once. No chunk is read twice, and never more than one is in memory.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FACTS = b"cohortium"  # key of what a file says about its columns, in the metadata of the Parquet copy
BYTES_A_VALUE = 150  # of a Python value and its copies while a chunk is made
ROWS_REWRITTEN = 50_000  # rows of a part held in memory while it is rewritten


@dataclass
class Landed:
    """Hold one file as a scan: the SQL that reads it, its columns, and what the file itself says about them.

    user_missing  column -> ranges (lowest, highest code) that the file declares to mean "no value"
    described     column -> label, format and labels (code -> label), where the file has them
    of            rows that the source has, where only a part of them was read on purpose
    """

    sql: str
    columns: list[str]
    user_missing: dict[str, list[tuple[float | str, float | str]]] = field(default_factory=dict)
    described: dict[str, dict[str, Any]] = field(default_factory=dict)
    of: int | None = None


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
    """Give the scan of a Parquet file, with what is known about its columns."""
    head = pq.read_metadata(target)
    facts = json.loads((head.metadata or {}).get(FACTS, b"{}"))
    missing = {name: [(low, high) for low, high in ranges] for name, ranges in facts.get("missing", {}).items()}
    columns = head.schema.to_arrow_schema().names
    return Landed(f"SELECT * FROM read_parquet({quoted(target)})", columns, missing, facts.get("columns", {}),
                  facts.get("of"))  # fmt: skip


def share_of(columns: list[str], most: int, of: int) -> str:
    """Write the SQL condition that keeps about `most` of `of` rows: chance by the content of a row, the same every time."""
    return f" WHERE hash({', '.join(map(named, columns))}) % 1000000 < {max(1, 1_000_000 * most // max(of, 1))}"


def shortened(landed: Landed, target: Path, connection: Any, most: int) -> Landed:
    """Copy about so many rows of what can be scanned into a Parquet file of its own; everything, where there are no more."""
    of = int(connection.execute(f"SELECT count(*) FROM ({landed.sql})").fetchone()[0])
    if of <= most:
        return landed
    if not target.is_file():
        partial = target.with_name(f"{target.name}.partial")
        target.parent.mkdir(parents=True, exist_ok=True)
        read = f"SELECT * FROM ({landed.sql}){share_of(landed.columns, most, of)}"
        connection.execute(f"COPY ({read}) TO {quoted(partial)} (FORMAT parquet)")
        partial.replace(target)
    return replace(landed, sql=scan(target).sql, of=of)


def land_chunks(chunks: Iterable[pa.Table], target: Path, facts: dict[str, Any] | None = None) -> Landed:
    """Write chunks to one Parquet file, whole or not at all.

    facts  what the file says about its columns; it may be filled while the chunks are read
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    parts = _Parts(target)
    try:
        for chunk in chunks:
            parts.write(chunk)
        parts.finish(facts or {})
    finally:
        parts.close()
        clear(target)
    return scan(target)


def clear(target: Path) -> None:
    """Remove whatever was half-written of a Parquet file."""
    for path in list(target.parent.iterdir()) if target.parent.is_dir() else []:
        if path.name.startswith(f"{target.name}.partial"):
            path.unlink(missing_ok=True)


class _Parts:
    """Write parts of one table, each with its own kinds of columns, and make one file of them."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.kinds: dict[str, pa.DataType] = {}
        self.parts: list[tuple[Path, dict[str, pa.DataType]]] = []
        self.writer: pq.ParquetWriter | None = None

    def write(self, chunk: pa.Table) -> None:
        if self.parts and list(self.kinds) != chunk.column_names:
            raise ValueError("its columns change from one row to another")
        if not chunk.column_names:
            raise ValueError("the file holds no columns")
        here = zip(chunk.column_names, chunk.schema.types)
        kinds = {name: _merged(self.kinds.get(name, pa.null()), kind) for name, kind in here}
        if not self.parts or kinds != self.kinds:
            self.close()
            path = self.target.with_name(f"{self.target.name}.partial{len(self.parts)}")
            self.kinds = kinds
            self.parts.append((path, kinds))
            self.writer = pq.ParquetWriter(path, _schema(kinds))
        assert self.writer is not None
        self.writer.write_table(_as_kinds(chunk, kinds))

    def finish(self, facts: dict[str, Any]) -> None:
        """Make one file of the parts, with the kinds that hold every value."""
        if not self.parts:
            raise ValueError("the file holds no rows")
        described = {FACTS.decode(): json.dumps(facts)} if facts else {}
        if len(self.parts) == 1 and self.writer:
            self.writer.add_key_value_metadata(described)
            self.close()
            self.parts[0][0].replace(self.target)
            return
        self.close()
        whole = self.target.with_name(f"{self.target.name}.partial")
        with pq.ParquetWriter(whole, _schema(self.kinds)) as writer:
            for path, _ in self.parts:
                with ExitStack() as open_files:
                    part = open_files.enter_context(pq.ParquetFile(path))
                    for batch in part.iter_batches(ROWS_REWRITTEN, use_threads=False):
                        writer.write_table(_as_kinds(pa.Table.from_batches([batch]), self.kinds))
            writer.add_key_value_metadata(described)
        whole.replace(self.target)

    def close(self) -> None:
        if self.writer:
            self.writer.close()
            self.writer = None


def _merged(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Give the kind that holds the values of both: text, where they differ."""
    if pa.types.is_null(one) or pa.types.is_null(other):
        return other if pa.types.is_null(one) else one
    return one if one == other else pa.string()


def _schema(kinds: dict[str, pa.DataType]) -> pa.Schema:
    return pa.schema([(name, pa.string() if pa.types.is_null(kind) else kind) for name, kind in kinds.items()])


def _as_kinds(chunk: pa.Table, kinds: dict[str, pa.DataType]) -> pa.Table:
    schema = _schema(kinds)
    return pa.table([_cast(chunk[name], schema.field(name).type) for name in kinds], schema=schema)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if column.type == kind:
        return column
    if column.null_count == len(column):
        return pa.nulls(len(column), kind)
    return pa.array([None if value is None else as_text(value) for value in column.to_pylist()], pa.string())


def as_arrow(values: Iterable[Any]) -> pa.Array:
    """Turn Python values into numbers, dates, truth values or text: text, where they are of several kinds."""
    listed = [None if value is None or value != value else value for value in values]
    kinds = {type(value) for value in listed if value is not None}
    if any(issubclass(kind, dt.datetime) for kind in kinds):
        listed = [v.replace(tzinfo=None) if isinstance(v, dt.datetime) else v for v in listed]
    plain = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string(), dt.date: pa.date32(),
             dt.datetime: pa.timestamp("us"), dt.time: pa.time64("us")}  # fmt: skip
    if not kinds:
        return pa.nulls(len(listed))
    kind = plain.get(next(iter(kinds))) if len(kinds) == 1 else None
    try:
        return pa.array(listed, kind or pa.string()) if kind else _texts(listed)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # a whole number of more than 64 bits
        return _texts(listed)


def _texts(values: list[Any]) -> pa.Array:
    return pa.array([None if value is None else as_text(value) for value in values], pa.string())


def as_text(value: Any) -> str:
    """Write one value as the code a person would write.

    >>> as_text(1.0), as_text(True), as_text(dt.datetime(2020, 1, 2)), as_text("01")
    ('1', 'true', '2020-01-02', '01')
    >>> as_text(decimal.Decimal("2.50")), as_text([1, "a"])
    ('2.5', '[1, "a"]')
    """
    match value:
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case decimal.Decimal() if value.is_finite():
            text = format(value, "f")
            return text.rstrip("0").rstrip(".") if "." in text else text
        case dt.datetime():
            return value.date().isoformat() if value.time() == dt.time() else value.replace(tzinfo=None).isoformat(" ")
        case bytes() | memoryview():
            return bytes(value).decode("utf-8", "replace")
        case list() | tuple() | dict():
            return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def columns_of(rows: list[Any], names: list[str]) -> pa.Table:
    """Turn rows (sequences of one length) into a chunk."""
    return pa.table([as_arrow(column) for column in zip(*rows)] if rows else [pa.nulls(0)] * len(names), names=names)


def chunks_of(rows: Iterator[Any], names: list[str], size: int, memory: int) -> Iterator[pa.Table]:
    """Cut a stream of rows into chunks of at most `size` rows that fit in an eighth of the memory allowed (bytes).

    A table without rows is one empty chunk.
    """
    size = min(size, max(100, memory // 8 // (max(1, len(names)) * BYTES_A_VALUE)))
    held: list[Any] = []
    cut = 0
    for row in rows:
        held.append(row)
        if len(held) >= size:
            yield columns_of(held, names)
            held, cut = [], cut + 1
    if held or not cut:
        yield columns_of(held, names)
