"""Readers: any file of an extract becomes a table in DuckDB, with its codes as they were written.

Every file but Parquet and DuckDB files is copied into Parquet once, so that a damaged one is refused here and nowhere
later. Nothing is interpreted: labels, missing codes and dates are the mapping's business.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from shared_code.config.columns import FixedColumn
from shared_code.model import Problem, Refused, did_you_mean, few
from shared_code.sources.landing import Landed, land_chunks, named, quoted, scan

CHUNK = 200_000  # rows held in memory at once
STATISTICAL = {".sav": "SPSS", ".zsav": "SPSS", ".por": "SPSS", ".dta": "Stata", ".xpt": "SAS", ".sas7bdat": "SAS"}
DELIMITED = (".csv", ".tsv", ".txt", ".dat")
SUFFIXES = [*STATISTICAL, *DELIMITED, ".parquet", ".xlsx", ".sqlite", ".db", ".duckdb"]
SAS_RECORD = 80  # bytes; a SAS transport file consists of whole records
UTF8 = ("utf-8", "utf8")


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
    suffix = path.with_suffix("").suffix.lower() if _is_gzip(path) else path.suffix.lower()
    try:
        if fixed_width:
            return land_chunks(lambda: _fixed_width(path, fixed_width, encoding), place, path.name)
        if suffix in STATISTICAL:
            return _statistical(path, place, suffix, encoding)
        if suffix in DELIMITED:
            return _delimited(path, place, connection, "\t" if suffix == ".tsv" else delimiter, encoding)
        if suffix == ".parquet":
            return scan(path)
        if suffix == ".xlsx":
            return _workbook(path, place, sheet)
        if suffix in (".sqlite", ".db"):
            return _sqlite(path, place, table)
        if suffix == ".duckdb":
            return _duckdb(path, connection, table)
    except Refused:
        raise
    except Exception as error:  # any reader may fail on a damaged file, each in its own way
        problem = Problem(str(path), *_reason(error))
        raise Refused(str(path), [problem]) from error
    problem = Problem(str(path), f"files ending in {suffix or 'nothing'} cannot be read", few(SUFFIXES, 20))
    raise Refused(str(path), [problem])


def _reason(error: Exception) -> tuple[str, str, str]:
    """Say in one line why a file cannot be read, without quoting its content; what is allowed; what to do."""
    text = str(error).strip()
    if isinstance(error, UnicodeError) or "unicode" in text.lower():
        return "its characters are not in the encoding named", "", "Set encoding: in the site's settings, for example cp1252"
    ragged = re.search(r"CSV Error on Line: (\d+).*?Expected Number of Columns: (\d+) Found: (\d+)", text, re.DOTALL)
    if ragged:
        line, expected, found = ragged.groups()
        return f"line {line} has {found} fields, not {expected}", f"{expected} fields in every line", "Export it again"
    line = re.search(r"CSV Error on Line: (\d+)", text)
    first = f"line {line[1]} is not CSV" if line else text.splitlines()[0].rstrip(".") if text else type(error).__name__
    return f"the file cannot be read ({first})", "", "Export it again, or in another form"


def _fixed_width(path: Path, columns: dict[str, FixedColumn], encoding: str) -> Iterator[pd.DataFrame]:
    spans = [(c.first - 1, c.last) for c in columns.values()]
    return pd.read_fwf(path, colspecs=spans, names=list(columns), dtype=str, chunksize=CHUNK, encoding=encoding,
                       keep_default_na=False, na_values=["", "."])  # fmt: skip


def _statistical(path: Path, place: Path, suffix: str, encoding: str) -> Landed:
    import pyreadstat

    reader = {".sav": pyreadstat.read_sav, ".zsav": pyreadstat.read_sav, ".por": pyreadstat.read_por,
              ".dta": pyreadstat.read_dta, ".xpt": pyreadstat.read_xport,
              ".sas7bdat": pyreadstat.read_sas7bdat}[suffix]  # fmt: skip
    if suffix == ".xpt" and path.stat().st_size % SAS_RECORD:
        raise ValueError("it ends in the middle of a record")
    options: dict[str, Any] = {"user_missing": True} if suffix in (".sav", ".zsav") else {}
    if encoding.lower() not in UTF8:
        options["encoding"] = encoding
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

    landed = land_chunks(chunks, place, path.name)
    landed.user_missing = missing
    return landed


def _delimited(path: Path, place: Path, connection: Any, delimiter: str, encoding: str) -> Landed:
    place.mkdir(parents=True, exist_ok=True)
    if encoding.lower() in UTF8:
        return _csv(path, path, place, connection, delimiter)
    copy = place / f"{path.name}.utf8"
    try:
        _copy_as_utf8(path, copy, encoding)
        return _csv(path, copy, place, connection, delimiter)
    finally:
        copy.unlink(missing_ok=True)


def _csv(path: Path, source: Path, place: Path, connection: Any, delimiter: str) -> Landed:
    """Read a delimited file; `source` is the file itself or its copy in UTF-8."""
    header = _header(source, delimiter)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        wrong = f"the first line names a column twice: {few(twice)}"
        raise Refused(str(path), [Problem(str(path), wrong, "one name per column", "Rename one of them")])
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in header)
    partial, target = place / f"{path.name}.partial", place / f"{path.name}.parquet"
    read = (
        f"read_csv({quoted(source)}, auto_detect=false, columns={{{columns}}}, delim={quoted(delimiter)}, header=true, "
        "quote='\"', escape='\"', comment='', nullstr='', null_padding=false, strict_mode=true, "
        f"compression='{'gzip' if _is_gzip(source) else 'none'}')"
    )
    try:
        connection.execute(f"COPY (SELECT * FROM {read}) TO {quoted(partial)} (FORMAT parquet)")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return scan(target)


def _is_gzip(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _header(path: Path, delimiter: str) -> list[str]:
    """Read the column names in the first line; a column without a name is called by its position."""
    opener = gzip.open if _is_gzip(path) else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        names = next(csv.reader(file, delimiter=delimiter), None)
    if not names:
        raise ValueError("the file is empty")
    return [name.strip() or f"column{position}" for position, name in enumerate(names, 1)]


def _copy_as_utf8(path: Path, target: Path, encoding: str) -> None:
    """Copy a text file into UTF-8, a block at a time."""
    opener = gzip.open if _is_gzip(path) else open
    with opener(path, "rt", encoding=encoding, newline="") as source, target.open("w", encoding="utf-8", newline="") as out:
        while block := source.read(1 << 20):
            out.write(block)


def _workbook(path: Path, place: Path, sheet: str) -> Landed:
    with pd.ExcelFile(path, engine="openpyxl") as book:
        names = [str(name) for name in book.sheet_names]
        if sheet and sheet not in names:
            wrong = f"there is no sheet {sheet!r} in it{did_you_mean(sheet, names)}"
            raise Refused(str(path), [Problem(str(path), wrong, few(names), "Correct sheet: in the site's settings")])
        frame = book.parse(sheet or names[0], dtype=object, keep_default_na=False, na_values=[""])
    return land_chunks(lambda: iter([frame.copy(deep=False)]), place, f"{path.name}.{sheet}" if sheet else path.name)


def _sqlite(path: Path, place: Path, table: str) -> Landed:
    with closing(sqlite3.connect(f"file:{quote(path.as_posix())}?mode=ro", uri=True)) as database:
        kinds = database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
        _known_table(path, table, [row[0] for row in kinds])
        query = f"SELECT * FROM {named(table)}"
        return land_chunks(lambda: pd.read_sql_query(query, database, chunksize=CHUNK), place, f"{path.name}.{table}")


def _duckdb(path: Path, connection: Any, table: str) -> Landed:
    alias = f"extract_{hashlib.sha256(path.as_posix().encode()).hexdigest()[:12]}"
    connection.execute(f"ATTACH IF NOT EXISTS {quoted(path)} AS {alias} (READ_ONLY)")
    sql = ("SELECT table_name FROM duckdb_tables() WHERE database_name = $1 "
           "UNION ALL SELECT view_name FROM duckdb_views() WHERE database_name = $1 AND NOT internal")  # fmt: skip
    _known_table(path, table, [row[0] for row in connection.execute(sql, [alias]).fetchall()])
    read = f"SELECT * FROM {alias}.{named(table)}"
    return Landed(read, [row[0] for row in connection.execute(f"DESCRIBE {read}").fetchall()])


def _known_table(path: Path, table: str, present: list[str]) -> None:
    if table not in present:
        wrong = f"there is no table {table!r} in it{did_you_mean(table, present)}" if table else "no table of it is named"
        raise Refused(str(path), [Problem(str(path), wrong, few(present), "Correct table: in the site's settings")])
