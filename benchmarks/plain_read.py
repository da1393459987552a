"""Read the same bytes and do nothing with them: DuckDB into a table, pyreadstat in chunks, COPY from PostgreSQL.

    python benchmarks/plain_read.py csv|parquet|spss|postgresql FOLDER

Writes the number of rows of people and of events.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROWS = 200_000  # of a chunk


def with_duckdb(reader: str, path: Path) -> int:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"CREATE TABLE rows AS SELECT * FROM {reader}('{path}')")
        return connection.execute("SELECT count(*) FROM rows").fetchone()[0]


def with_pyreadstat(path: Path) -> int:
    import pyreadstat

    return sum(len(frame) for frame, _ in pyreadstat.read_file_in_chunks(pyreadstat.read_sav, str(path), chunksize=ROWS))


def with_copy(table: str, url: str) -> int:
    import psycopg

    with psycopg.connect(url) as connection, connection.cursor().copy(f"COPY {table} TO STDOUT") as copy:
        return sum(bytes(block).count(b"\n") for block in copy)


def main(shape: str, folder: str) -> None:
    for name in ("people", "events"):
        if shape == "postgresql":
            print(with_copy(name, os.environ["COHORTIUM_DB_URL"]))
        elif shape == "spss":
            print(with_pyreadstat(Path(folder) / f"{name}.sav"))
        else:
            print(with_duckdb("read_csv" if shape == "csv" else "read_parquet", Path(folder) / f"{name}.{shape}"))


if __name__ == "__main__":
    main(*sys.argv[1:])
