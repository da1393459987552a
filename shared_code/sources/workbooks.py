"""Workbooks: one sheet of an Excel file, row by row. The first row names the columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from shared_code.model import Problem, Refused, did_you_mean, few
from shared_code.sources.landing import chunks_of


def sheet_chunks(path: Path, sheet: str, size: int, memory: int) -> Iterator[pa.Table]:
    """Read a sheet (the first one, where none is named) in chunks; empty rows and empty columns are left out."""
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        names = [found.title for found in book.worksheets]
        if sheet and sheet not in names:
            wrong = f"there is no sheet {sheet!r} in it{did_you_mean(sheet, names)}"
            raise Refused(str(path), [Problem(str(path), wrong, few(names), "Correct sheet: in the site's settings")])
        chosen = book[sheet or names[0]]
        chosen.reset_dimensions()  # some programs write a wrong size
        rows = chosen.iter_rows(values_only=True)
        head = [_name(value) for value in next(rows, ())]
        while head and not head[-1]:
            head.pop()
        if not head:
            raise ValueError("the sheet is empty")
        header = [name or f"column{position}" for position, name in enumerate(head, 1)]
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            wrong = f"the first row names a column twice: {few(twice)}"
            raise Refused(str(path), [Problem(str(path), wrong, "one name per column", "Rename one of them")])
        yield from chunks_of(_cells(rows, len(header)), header, size, memory)
    finally:
        book.close()


def _name(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _cells(rows: Iterator[tuple], width: int) -> Iterator[list]:
    for number, row in enumerate(rows, 2):
        cells = [None if value == "" else value for value in row]
        if any(value is not None for value in cells[width:]):
            raise ValueError(f"row {number} has a cell to the right of the last column that has a name")
        if any(value is not None for value in cells):
            yield [*cells[:width], *[None] * (width - len(cells))]
