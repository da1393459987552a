"""Transport: SAS transport files (versions 5 and 8), which may hold several tables, cut into rows.

The layout is that of SAS technical notes TS-140 (version 5) and "Record Layout of a SAS Version 8 or 9 Data Set in SAS
Transport Format". Files consist of records of 80 bytes; the last row of a table is followed by blanks.
"""

from __future__ import annotations

import io
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RECORD = 80  # bytes
LIBRARY = 3 * RECORD
MEMBER = b"HEADER RECORD*******MEM"
SENTENCE = b"HEADER RECORD*******"
COUNT = slice(48, 63)  # where a version 8 file says how many rows a table has


@dataclass(frozen=True)
class Member:
    """Hold one table of a transport file: where its head and its rows lie, and how long a row is (bytes)."""

    name: str
    start: int
    first_row: int
    row: int
    rows: int
    numbers: dict[int, tuple[int, int]]  # which columns hold numbers: where in the row, how many bytes


def members(path: Path) -> list[Member]:
    """List the tables of a transport file (raises ValueError where it is damaged)."""
    size = path.stat().st_size
    if size < LIBRARY + RECORD or size % RECORD:
        raise ValueError("it ends in the middle of a record")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[: len(SENTENCE)] != SENTENCE:
            raise ValueError("it does not begin as a SAS transport file")
        starts = []
        at = content.find(MEMBER)
        while at >= 0:
            if at % RECORD == 0:
                starts.append(at)
            at = content.find(MEMBER, at + 1)
        ends = [*starts[1:], size]
        return [_member(content, start, end) for start, end in zip(starts, ends)]


def _member(content: mmap.mmap, start: int, end: int) -> Member:
    describes = int(content[start + 75 : start + 78])  # bytes that describe one column
    name = content[start + 2 * RECORD + 8 : start + 2 * RECORD + 40]
    long_names = content[start + 20 : start + 26] == b"MEMBV8"
    columns = start + 4 * RECORD
    number = int(content[columns + 54 : columns + 58]) if not long_names else int(content[columns + 52 : columns + 58])
    row, numbers = 0, {}
    for i in range(number):
        at = columns + RECORD + i * describes
        length, position = struct.unpack(">h", content[at + 4 : at + 6])[0], struct.unpack(">i", content[at + 84 : at + 88])[0]
        row = max(row, position + length)
        if struct.unpack(">h", content[at : at + 2])[0] == 1:
            numbers[i] = (position, length)
    rows = columns + RECORD + -(-number * describes // RECORD) * RECORD
    while content[rows : rows + 23] != SENTENCE + b"OBS":  # version 8 may list long labels first
        rows += RECORD
        if rows >= end:
            raise ValueError("a table of it has no rows")
    first = rows + RECORD
    if row <= 0:
        raise ValueError("a table of it has no columns")
    return Member(_text(name[: 32 if long_names else 8]), start, first, row, _rows(content, rows, first, end, row), numbers)


def _text(name: bytes) -> str:
    return name.decode("ascii", "replace").strip(" \0")


def _rows(content: mmap.mmap, head: int, first: int, end: int, row: int) -> int:
    """Count the rows, and refuse a table that ends in the middle of one."""
    space = end - first
    said = content[head + COUNT.start : head + COUNT.stop].strip()
    if content[head + 20 : head + 26] == b"OBSV8 " and said.isdigit():
        if not 0 <= space - int(said) * row < RECORD:
            raise ValueError(f"it says that it holds {int(said)} rows, and there is room for {space // row}")
        return int(said)
    rows = space // row
    rest = content[first + rows * row : end]
    if len(rest) >= RECORD or rest.strip(b" "):
        raise ValueError("it ends in the middle of a row")
    while rows and space - (rows - 1) * row < RECORD and not content[first + (rows - 1) * row : first + rows * row].strip(b" "):
        rows -= 1  # blanks after the last row, not rows
    return rows


def slices(path: Path, member: Member, size: int) -> Iterator[tuple[io.BytesIO, int]]:
    """Cut one table into small transport files of at most so many rows each; give each with its number of rows."""
    with path.open("rb") as file:
        library = file.read(LIBRARY)
        file.seek(member.start)
        head = bytearray(file.read(member.first_row - member.start))
        counted = head[-RECORD + 20 : -RECORD + 26] == b"OBSV8 "
        left = member.rows
        while True:
            rows = min(size, left)
            file.seek(member.first_row + (member.rows - left) * member.row)
            body = file.read(rows * member.row)
            if counted:
                head[-RECORD + COUNT.start : -RECORD + COUNT.stop] = f"{rows:>15}".encode()
            yield io.BytesIO(library + bytes(head) + body + b" " * (-len(body) % RECORD)), rows
            left -= rows
            if left <= 0:
                return


def letters(file: io.BytesIO, member: Member, rows: int) -> dict[int, dict[int, str]]:
    """Find the numbers that are missing for a reason: column -> row -> letter (A to Z, or _)."""
    head = LIBRARY + member.first_row - member.start
    body = np.frombuffer(file.getbuffer(), "uint8", rows * member.row, head).reshape(rows, member.row)
    found: dict[int, dict[int, str]] = {}
    for column, (position, length) in member.numbers.items():
        first = body[:, position]
        letter = ((first >= ord("A")) & (first <= ord("Z"))) | (first == ord("_"))
        here = np.flatnonzero(letter & ~body[:, position + 1 : position + length].any(axis=1))
        if len(here):
            found[column] = {int(row): chr(first[row]) for row in here}
    return found
