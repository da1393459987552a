"""Text files: delimited with any sign and encoding, and fixed width. Every value stays text."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from shared_code.model import Problem, Refused, few
from shared_code.sources.landing import FACTS, Landed, chunks_of, land_chunks, quoted, scan, share_of

BYTES_A_CELL = 64  # of a text in memory, roughly
WIDE = 100  # columns
MOST_ROWS = 122_880  # of a chunk: DuckDB's own number
UTF8 = ("utf-8", "utf8", "utf-8-sig")


def is_gzip(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def land_delimited(path: Path, target: Path, delimiter: str, encoding: str, memory: int, most: int | None = None) -> Landed:
    """Copy a delimited file into Parquet, using at most so many bytes of memory.

    most  rows to keep, roughly, if not all: the whole file is read, and chance by content decides (see landing.share_of)
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if encoding.lower() in UTF8:
        return _csv(path, path, target, delimiter, memory, most)
    copy = target.with_name(f"{target.name}.partial.utf8")
    try:
        _copy_as_utf8(path, copy, encoding)
        return _csv(path, copy, target, delimiter, memory, most)
    finally:
        copy.unlink(missing_ok=True)


def _csv(path: Path, source: Path, target: Path, delimiter: str, memory: int, most: int | None) -> Landed:
    """Read a delimited file; `source` is the file itself or its copy in UTF-8."""
    header = _header(source, delimiter)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        wrong = f"the first line names a column twice: {few(twice)}"
        raise Refused(str(path), [Problem(str(path), wrong, "one name per column", "Rename one of them")])
    lines = _lines_of(source) - 1 if most else 0
    try:
        _copied(source, target, header, delimiter, memory, lines if most and lines > most else None, most or 1)
    except duckdb.OutOfMemoryException:  # hundreds of columns, little memory: slower, and with a few rows at a time
        land_chunks(chunks_of(_lines(source, delimiter, len(header)), header, MOST_ROWS, memory), target)
    return scan(target)


def _copied(source: Path, target: Path, header: list[str], delimiter: str, memory: int, of: int | None, most: int) -> None:
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in header)
    partial, spill = target.with_name(f"{target.name}.partial"), target.with_name(f"{target.name}.partial.spill")
    read = (
        f"read_csv({quoted(source)}, auto_detect=false, columns={{{columns}}}, delim={quoted(delimiter)}, header=true, "
        "quote='\"', escape='\"', comment='', nullstr='', null_padding=false, strict_mode=true, "
        f"compression='{'gzip' if is_gzip(source) else 'none'}')"
    )
    group = min(MOST_ROWS, max(2048, memory // 4 // (len(header) * BYTES_A_CELL)))  # rows
    try:
        with duckdb.connect(config={"memory_limit": f"{memory // 2**20}MB", "temp_directory": str(spill)}) as connection:
            connection.execute("SET enable_progress_bar = false")
            if len(header) > WIDE:  # every thread holds a buffer for every column
                connection.execute("SET threads = 1")
            part = share_of(header, most, of) if of else ""
            connection.execute(f"COPY (SELECT * FROM {read}{part}) TO {quoted(partial)} (FORMAT parquet, ROW_GROUP_SIZE {group}, "
                               f"KV_METADATA {{{FACTS.decode()}: {quoted(json.dumps({'of': of}))}}})")  # fmt: skip
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
        shutil.rmtree(spill, ignore_errors=True)


def _lines_of(source: Path) -> int:
    """Count the lines, as a quick measure of the rows."""
    opener = gzip.open if is_gzip(source) else open
    with opener(source, "rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 22), b""))


def _lines(source: Path, delimiter: str, width: int) -> Iterator[list[str | None]]:
    opener = gzip.open if is_gzip(source) else open
    with opener(source, "rt", encoding="utf-8-sig", newline="") as file:
        if len(delimiter) > 1:
            raise MemoryError("the file has too many columns for a delimiter of several characters: out of memory")
        lines = csv.reader(file, delimiter=delimiter, strict=True)
        next(lines)
        for number, row in enumerate(lines, 2):
            if row and len(row) != width:
                raise ValueError(f"CSV Error on Line: {number} Expected Number of Columns: {width} Found: {len(row)}")
            if row:
                yield [value or None for value in row]


def _header(path: Path, delimiter: str) -> list[str]:
    """Read the column names in the first line; a column without a name is called by its position."""
    opener = gzip.open if is_gzip(path) else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        if len(delimiter) == 1:
            names = next(csv.reader(file, delimiter=delimiter), None)
        else:  # Python's own reader knows one character only
            line = file.readline().rstrip("\r\n")
            names = [name.removeprefix('"').removesuffix('"') for name in line.split(delimiter)] if line else None
    if not names:
        raise ValueError("the file is empty")
    return [name.strip() or f"column{position}" for position, name in enumerate(names, 1)]


def _copy_as_utf8(path: Path, target: Path, encoding: str) -> None:
    """Copy a text file into UTF-8, a block at a time."""
    opener = gzip.open if is_gzip(path) else open
    with opener(path, "rt", encoding=encoding, newline="") as source, target.open("w", encoding="utf-8", newline="") as out:
        while block := source.read(1 << 20):
            out.write(block)


def fixed_width_chunks(path: Path, columns: dict[str, list[int]], encoding: str, size: int, memory: int) -> Iterator[pa.Table]:
    """Read a fixed-width file in chunks: blanks around a value are no part of it; blank and "." are nothing.

    columns  name -> first and last character, counted from 1
    """
    spans = [(first - 1, last) for first, last in columns.values()]
    opener = gzip.open if is_gzip(path) else open
    with opener(path, "rt", encoding=encoding) as file:
        rows = ([_field(line[first:last]) for first, last in spans] for line in file if line.strip())
        yield from chunks_of(rows, list(columns), size, memory)


def _field(text: str) -> str | None:
    text = text.strip()
    return text if text not in ("", ".") else None
