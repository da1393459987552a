"""Readers: any file of an extract becomes a table in DuckDB, with its codes as they were written.

Statistical files are read in chunks into Parquet; CSV and Parquet are scanned in place; databases are read table by
table. Nothing is interpreted here: labels, missing codes and dates are the mapping's business.
"""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from shared_code.config.site import FixedColumn
from shared_code.model import Problem, Refused, did_you_mean, few

CHUNK = 200_000  # rows held in memory at once
STATISTICAL = {".sav": "SPSS", ".zsav": "SPSS", ".por": "SPSS", ".dta": "Stata", ".xpt": "SAS", ".sas7bdat": "SAS"}
SUFFIXES = [*STATISTICAL, ".csv", ".tsv", ".txt", ".dat", ".parquet", ".xlsx", ".sqlite", ".db", ".duckdb"]


@dataclass
class Landed:
    """Hold one file as a scan: the SQL that reads it, its columns, and the codes the file declares as missing."""

    sql: str
    columns: list[str]
    user_missing: dict[str, list[tuple[float | str, float | str]]] = field(default_factory=dict)


def land(path: Path, place: Path, connection: Any, *, table: str = "", sheet: str = "", delimiter: str = ",",
         encoding: str = "utf-8", fixed_width: dict[str, FixedColumn] | None = None) -> Landed:  # fmt: skip
    """Make one file of the extract readable by DuckDB.

    path   the file; its ending says what it is
    place  private folder for the Parquet copy, where one is needed
    Raises model.Refused in one line when the file is missing, damaged or of a kind that cannot be read.
    """
    if not path.is_file():
        present = sorted(p.name for p in path.parent.glob("*")) if path.parent.is_dir() else []
        mend = f"Put it there, or correct file: in the site's settings{did_you_mean(path.name, present)}"
        raise Refused(str(path), [Problem(str(path), "the file is not there", few(present), mend)])
    suffix = path.with_suffix("").suffix.lower() if path.suffix == ".gz" else path.suffix.lower()
    try:
        if fixed_width:
            return _parquet_of(_fixed_width(path, fixed_width), place, path)
        if suffix in STATISTICAL:
            return _statistical(path, place, suffix)
        if suffix in (".csv", ".tsv", ".txt", ".dat"):
            return _delimited(path, place, connection, "\t" if suffix == ".tsv" else delimiter, encoding)
        if suffix == ".parquet":
            return Landed(f"SELECT * FROM read_parquet({_quoted(path)})", pq.read_schema(path).names)
        if suffix == ".xlsx":
            return _parquet_of(iter([pd.read_excel(path, sheet_name=sheet or 0, dtype=object)]), place, path, sheet)
        if suffix in (".sqlite", ".db"):
            return _sqlite(path, place, table)
        if suffix == ".duckdb":
            return _duckdb(path, connection, table)
    except Refused:
        raise
    except Exception as error:  # any reader may fail on a damaged file, each in its own way
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        problem = Problem(str(path), f"the file cannot be read ({reason})", "", "Export it again, or in another form")
        raise Refused(str(path), [problem]) from error
    problem = Problem(str(path), f"files ending in {suffix or 'nothing'} cannot be read", few(SUFFIXES, 12))
    raise Refused(str(path), [problem])


def _quoted(path: Path) -> str:
    return "'" + path.as_posix().replace("'", "''") + "'"


def _parquet_of(chunks: Iterator[pd.DataFrame], place: Path, path: Path, part: str = "") -> Landed:
    """Write chunks as text and numbers to one Parquet file, whole or not at all."""
    place.mkdir(parents=True, exist_ok=True)
    target = place / f"{path.name}{'.' + part if part else ''}.parquet"
    partial = target.with_suffix(".partial")
    writer: pq.ParquetWriter | None = None
    try:
        for chunk in chunks:
            chunk.columns = [str(c) for c in chunk.columns]
            schema = writer.schema if writer else None
            arrow = pa.Table.from_pandas(_plain(chunk, schema), schema=schema, preserve_index=False)
            writer = writer or pq.ParquetWriter(partial, _nullable(arrow.schema))
            writer.write_table(arrow.cast(writer.schema))
    finally:
        if writer:
            writer.close()
    if writer is None:
        raise ValueError("the file holds no rows")
    partial.replace(target)
    return Landed(f"SELECT * FROM read_parquet({_quoted(target)})", pq.read_schema(target).names)


def _nullable(schema: pa.Schema) -> pa.Schema:
    """Read an all-empty first chunk as text: a later chunk may hold values."""
    return pa.schema([f if not pa.types.is_null(f.type) else pa.field(f.name, pa.string()) for f in schema])


def _plain(frame: pd.DataFrame, schema: pa.Schema | None) -> pd.DataFrame:
    """Make every column numbers, dates or text: a column of mixed objects becomes text."""
    plain = frame.copy(deep=False)
    for name in plain.columns:
        column = plain[name]
        wants_text = schema is not None and pa.types.is_string(schema.field(name).type)
        if column.dtype == object or wants_text:
            present = column.dropna()
            dates = len(present) and present.map(lambda v: hasattr(v, "isoformat")).all()
            if wants_text or not dates:
                plain[name] = column.map(_as_text, na_action="ignore")
    return plain


def _as_text(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if not isinstance(value, bytes) else value.decode("utf-8", "replace")


def _statistical(path: Path, place: Path, suffix: str) -> Landed:
    import pyreadstat

    reader = {".sav": pyreadstat.read_sav, ".zsav": pyreadstat.read_sav, ".por": pyreadstat.read_por,
              ".dta": pyreadstat.read_dta, ".xpt": pyreadstat.read_xport,
              ".sas7bdat": pyreadstat.read_sas7bdat}[suffix]  # fmt: skip
    options: dict[str, Any] = {"user_missing": True} if suffix in (".sav", ".zsav") else {}
    missing: dict[str, list[tuple[float | str, float | str]]] = {}

    def chunks() -> Iterator[pd.DataFrame]:
        offset = 0
        while True:
            frame, meta = reader(str(path), row_offset=offset, row_limit=CHUNK, **options)
            for name, ranges in (meta.missing_ranges or {}).items():
                missing[name] = [(r["lo"], r["hi"]) for r in ranges]
            if len(frame) or not offset:
                yield frame
            if len(frame) < CHUNK:
                return
            offset += CHUNK

    landed = _parquet_of(chunks(), place, path)
    landed.user_missing = missing
    return landed


def _delimited(path: Path, place: Path, connection: Any, delimiter: str, encoding: str) -> Landed:
    if encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        path = _as_utf8(path, place, encoding)
    sql = (
        f"SELECT * FROM read_csv({_quoted(path)}, delim='{delimiter}', header=true, all_varchar=true, "
        "quote='\"', escape='\"', null_padding=false, strict_mode=true)"
    )
    return Landed(sql, [row[0] for row in connection.execute(f"DESCRIBE {sql}").fetchall()])


def _as_utf8(path: Path, place: Path, encoding: str) -> Path:
    """Copy a text file into UTF-8, a block at a time."""
    place.mkdir(parents=True, exist_ok=True)
    target = place / f"{path.name.removesuffix('.gz')}.utf8"
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding=encoding, newline="") as source, target.open("w", encoding="utf-8", newline="") as out:
        while block := source.read(1 << 20):
            out.write(block)
    return target


def _fixed_width(path: Path, columns: dict[str, FixedColumn]) -> Iterator[pd.DataFrame]:
    spans = [(c.first - 1, c.last) for c in columns.values()]
    return pd.read_fwf(path, colspecs=spans, names=list(columns), dtype=str, chunksize=CHUNK, na_values=["."])


def _sqlite(path: Path, place: Path, table: str) -> Landed:
    with sqlite3.connect(f"file:{path.as_posix()}?mode=ro", uri=True) as database:
        kinds = database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
        _known_table(path, table, [row[0] for row in kinds])
        chunks = pd.read_sql_query(f'SELECT * FROM "{table}"', database, chunksize=CHUNK)
        return _parquet_of(chunks, place, path, table)


def _duckdb(path: Path, connection: Any, table: str) -> Landed:
    alias = "extract_" + "".join(c if c.isalnum() else "_" for c in path.stem)
    connection.execute(f"ATTACH IF NOT EXISTS {_quoted(path)} AS {alias} (READ_ONLY)")
    sql = "SELECT table_name FROM duckdb_tables() WHERE database_name = ?"
    _known_table(path, table, [row[0] for row in connection.execute(sql, [alias]).fetchall()])
    scan = f'SELECT * FROM {alias}."{table}"'
    return Landed(scan, [row[0] for row in connection.execute(f"DESCRIBE {scan}").fetchall()])


def _known_table(path: Path, table: str, present: list[str]) -> None:
    if table not in present:
        wrong = f"there is no table {table!r} in it{did_you_mean(table, present)}"
        raise Refused(str(path), [Problem(str(path), wrong, few(present), "Correct table: in the site's settings")])
