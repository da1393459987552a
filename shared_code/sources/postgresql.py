"""PostgreSQL: a table as the server copies it out, which takes a tenth of the time that rows one by one take.

Only tables whose columns are all of the common types below; for others the caller reads rows through a cursor.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc

from shared_code.sources.landing import named

# Number of a type (pg_type.oid) -> what its column becomes, and how it is asked for ({} stands for the column).
KINDS: dict[int, tuple[pa.DataType, str]] = {
    16: (pa.bool_(), "{}"), 20: (pa.int64(), "{}"), 21: (pa.int64(), "{}"), 23: (pa.int64(), "{}"),
    700: (pa.float64(), "nullif({}, 'NaN')"), 701: (pa.float64(), "nullif({}, 'NaN')"),
    19: (pa.string(), "{}"), 25: (pa.string(), "{}"), 1042: (pa.string(), "{}"), 1043: (pa.string(), "{}"),
    2950: (pa.string(), "{}"), 1082: (pa.date32(), "{}"), 1114: (pa.timestamp("us"), "{}"),
    1700: (pa.string(), "trim_scale(nullif({}, 'NaN'))"),
}  # fmt: skip
BLOCK = 4 << 20  # bytes that are parsed at a time
SMALLEST = 1 << 16


class _Stream(io.RawIOBase):
    """Give what a COPY sends as a file that can be read."""

    def __init__(self, blocks: Iterator[Any]) -> None:
        self.blocks, self.left = blocks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self.left:
            block = next(self.blocks, None)
            if block is None:
                return 0
            self.left = bytes(block)
        size = min(len(target), len(self.left))
        target[:size], self.left = self.left[:size], self.left[size:]
        return size


def copied_chunks(connection: Any, table: str, share: float | None, memory: int) -> Iterator[pa.Table] | None:
    """Copy a table or view out in chunks, or give None where a column is of a type that needs care.

    connection  of psycopg, in a transaction      table   as SQL
    share       of the rows, by chance (from a fixed seed), if not all      memory  bytes allowed
    """
    with connection.cursor() as cursor:
        columns = [(c.name, KINDS.get(c.type_code)) for c in cursor.execute(f"SELECT * FROM {table} LIMIT 0").description]
        version = connection.info.server_version
        cursor.execute("SET LOCAL datestyle TO ISO")
        cursor.execute("SELECT setseed(0.5)")
    if not columns or any(kind is None for _, kind in columns) or version < 130000:  # trim_scale
        return None
    kinds = {name: kind for name, kind in columns if kind}
    asked = ", ".join(f"{how.format(named(name))} AS {named(name)}" for name, (_, how) in kinds.items())
    chosen = f" WHERE random() < {share:.9f}" if share else ""
    return _parsed(connection, f"SELECT {asked} FROM {table}{chosen}", {n: kind for n, (kind, _) in kinds.items()}, memory)


def _parsed(connection: Any, query: str, kinds: dict[str, pa.DataType], memory: int) -> Iterator[pa.Table]:
    schema = pa.schema(list(kinds.items()))
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')") as copy:
        blocks = iter(copy)
        first = next(blocks, None)
        if first is None:
            yield schema.empty_table()
            return
        reader = pc.open_csv(
            io.BufferedReader(_Stream(chain([first], blocks)), SMALLEST),
            pc.ReadOptions(use_threads=False, block_size=max(SMALLEST, min(BLOCK, memory // 32)), column_names=schema.names),
            pc.ParseOptions(newlines_in_values=True),
            pc.ConvertOptions(column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
                              true_values=["t"], false_values=["f"]),
        )  # fmt: skip
        for batch in reader:
            yield pa.Table.from_batches([batch])
