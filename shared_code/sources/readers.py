"""Readers: any file of an extract becomes a table in DuckDB, with its codes as they were written.

Every file but Parquet and DuckDB files is copied into Parquet once, a chunk of rows at a time, so that a damaged one is
refused here and nowhere later. Nothing is interpreted: labels, missing codes and dates are the mapping's business.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
from pathlib import Path
from typing import Any

from shared_code.config.extracts import FixedColumn
from shared_code.model import Problem, Refused, did_you_mean, few
from shared_code.sources import guarded
from shared_code.sources.databases import copy_duckdb, scan_duckdb
from shared_code.sources.delimited import UTF8, is_gzip, land_delimited
from shared_code.sources.landing import Landed, scan, shortened
from shared_code.sources.reasons import reason

CHUNK = 200_000  # most rows held in memory at once
STATISTICAL = (".sav", ".zsav", ".por", ".dta", ".xpt", ".xpt5", ".xpt8", ".sas7bdat")
DELIMITED = (".csv", ".tsv", ".txt", ".dat")
WORKBOOKS = (".xlsx", ".xlsm")
SUFFIXES = [*STATISTICAL, *DELIMITED, *WORKBOOKS, ".parquet", ".sqlite", ".db", ".duckdb"]


def land(path: Path, place: Path, connection: Any, *, table: str = "", sheet: str = "", delimiter: str = ",",
         encoding: str = "utf-8", fixed_width: dict[str, FixedColumn] | None = None, catalogue: Path | None = None,
         most: int | None = None) -> Landed:  # fmt: skip
    """Make one file of the extract readable by DuckDB.

    path   the file; its ending says what it is, .gz after it that it is compressed
    place  private folder for the Parquet copy, where one is needed; a copy that lies there already is used again
    most   rows to keep of a large file, roughly, if not all; Landed.of then says how many there are (not for workbooks,
           SQLite and fixed width)
    Raises model.Refused in one line when the file is missing, damaged or of a kind that cannot be read.
    """
    if not path.is_file():
        present = sorted(p.name for p in path.parent.glob("*")) if path.parent.is_dir() else []
        mend = f"Put it there, or correct file: in the site's settings{did_you_mean(path.name, present)}"
        raise Refused(str(path), [Problem(str(path), "the file is not there", few(present), mend)])
    suffix = path.with_suffix("").suffix.lower() if is_gzip(path) else path.suffix.lower()
    settings = (table, sheet, delimiter, encoding, sorted((fixed_width or {}).items()), catalogue, path.stat().st_mtime_ns, most)
    digest = hashlib.sha256(repr((str(path.absolute()), path.stat().st_size, *settings)).encode()).hexdigest()[:12]
    target = place / f"{path.name}.{digest}.parquet"
    if target.is_file():
        return scan(target)
    if not fixed_width and suffix not in SUFFIXES:
        wrong = f"files ending in {suffix or 'nothing'} cannot be read"
        raise Refused(str(path), [Problem(str(path), wrong, few(SUFFIXES, 20))])
    options: dict[str, Any] = {"rows": CHUNK, "suffix": suffix, **({"most": most} if most else {})}
    try:
        if fixed_width:
            columns = {name: (column.first, column.last) for name, column in fixed_width.items()}
            return _guarded("fixed width", path, target, {**options, "columns": columns, "encoding": encoding})
        if suffix in DELIMITED:
            return land_delimited(path, target, "\t" if suffix == ".tsv" else delimiter, encoding, guarded.memory_allowed(), most)
        if is_gzip(path):
            return _unpacked(path, target, connection, table, suffix, options, sheet, encoding, catalogue)
        landed = _one(path, path, target, connection, table, suffix, options, sheet, encoding, catalogue)
        return shortened(landed, target, connection, most) if most and suffix in (".parquet", ".duckdb") else landed
    except Refused:
        raise
    except Exception as error:  # any reader may fail on a damaged file, each in its own way
        told = reason(str(error).strip() or type(error).__name__, isinstance(error, UnicodeError))
        raise Refused(str(path), [Problem(str(path), *told)]) from error


def _one(path: Path, shown: Path, target: Path, connection: Any, table: str, suffix: str, options: dict[str, Any],
         sheet: str, encoding: str, catalogue: Path | None) -> Landed:  # fmt: skip
    if suffix == ".parquet":
        return scan(path)
    if suffix == ".duckdb":
        return scan_duckdb(path, connection, table)
    if suffix in WORKBOOKS:
        return _guarded("workbook", path, target, {**options, "table": sheet}, shown)
    if suffix in (".sqlite", ".db"):
        return _guarded("sqlite", path, target, {**options, "table": table}, shown)
    more = {"encoding": "" if encoding.lower() in UTF8 else encoding, "table": table,
            "catalogue": str(catalogue) if catalogue else ""}  # fmt: skip
    return _guarded("statistical", path, target, {**options, **more}, shown)


def _guarded(kind: str, path: Path, target: Path, options: dict[str, Any], shown: Path | None = None) -> Landed:
    guarded.ask(kind, path, target, options, shown)
    return scan(target)


def _unpacked(path: Path, target: Path, connection: Any, table: str, suffix: str, *more: Any) -> Landed:
    """Read a compressed file by way of an unpacked copy, which is removed again."""
    target.parent.mkdir(parents=True, exist_ok=True)
    copy = target.with_suffix(f".partial{suffix}")
    try:
        with gzip.open(path, "rb") as packed, copy.open("wb") as out:
            shutil.copyfileobj(packed, out, 1 << 20)
        if suffix == ".duckdb":
            copy_duckdb(copy, path, target, table)
        elif suffix == ".parquet":
            scan(copy)
            copy.replace(target)
        else:
            return _one(copy, path, target, connection, table, suffix, *more)
        return scan(target)
    finally:
        copy.unlink(missing_ok=True)
