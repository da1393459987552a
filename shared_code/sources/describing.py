"""Describing: what a file says about its columns, for whoever drafts a site file from it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from shared_code.sources import guarded
from shared_code.sources.landing import Landed, as_text
from shared_code.sources.readers import land

TYPES = {"DATE": "date", "TIME": "time", "BOOLEAN": "boolean", "VARCHAR": "text", "UUID": "text"}
OPEN_END = 1e300  # SPSS writes "lowest" and "highest" as the largest numbers there are
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


@dataclass(frozen=True)
class DescribedColumn:
    """Hold one column: its name, its label in words, its type, its labels, and its codes for "no value".

    type      number, whole number, text, date, timestamp, time or boolean: as the file stores it
    format    how the program that wrote it shows it, such as F8.2, DATE9 or %td
    labels    code -> label         missing   codes such as 9 or .a, and ranges such as "-9 to -1"
    """

    name: str
    label: str = ""
    type: str = "text"
    format: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Described:
    """Hold the columns of a file or table, and how many rows it has."""

    columns: list[DescribedColumn]
    rows: int

    def column(self, name: str) -> DescribedColumn:
        """Give one column by its name (raises KeyError)."""
        return {column.name: column for column in self.columns}[name]


def describe(path: Path, **options: Any) -> Described:
    """Read a file once and tell what it says about its columns (raises model.Refused in one line).

    options   those of readers.land: table, sheet, delimiter, encoding, fixed_width, catalogue
    The copy of the file that this needs is removed again.
    """
    with tempfile.TemporaryDirectory() as place, duckdb.connect() as connection:
        return described(land(path, Path(place), connection, **options), connection)


def described(landed: Landed, connection: Any) -> Described:
    """Tell what is known about the columns of a file that was landed already."""
    kinds = connection.execute(f"DESCRIBE {landed.sql}").fetchall()
    columns = []
    for name, kind, *_ in kinds:
        said = landed.described.get(name, {})
        missing = tuple(_range(*pair) for pair in landed.user_missing.get(name, []))
        column = DescribedColumn(name, said.get("label", ""), _type(str(kind)), said.get("format", ""))
        columns.append(replace(column, labels=said.get("labels", {}), missing=missing))
    return Described(columns, int(connection.execute(f"SELECT count(*) FROM ({landed.sql})").fetchone()[0]))


def _type(kind: str) -> str:
    if kind.startswith("TIMESTAMP"):
        return "timestamp"
    return "whole number" if kind in WHOLE else TYPES.get(kind, "number")


def _range(low: float | str, high: float | str) -> str:
    if low == high:
        return as_text(low)
    ends = ["any number" if abs(float(end)) > OPEN_END else as_text(end) for end in (low, high)]
    return " to ".join(ends)


def catalogue_labels(path: Path, encoding: str = "") -> dict[str, dict[str, str]]:
    """Read a SAS catalogue: format name -> code -> label (raises model.Refused in one line)."""
    with tempfile.TemporaryDirectory() as place:
        options = {"suffix": ".sas7bcat", "rows": 0, "encoding": encoding}
        return guarded.ask("catalogue", path, Path(place) / "none", options)["labels"]
