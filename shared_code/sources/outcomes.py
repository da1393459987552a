"""Outcomes: what becomes of every file in a folder, as a table in Markdown.

    python -m shared_code.sources.outcomes FOLDER

A file is read as a whole or refused for a reason; there is nothing in between.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from shared_code.model import Refused
from shared_code.sources.describing import catalogue_labels
from shared_code.sources.readers import land

HEAD = "| file | outcome | rows | columns | reason or remark |\n|---|---|---:|---:|---|"


@dataclass(frozen=True)
class Outcome:
    """Hold what became of one file."""

    file: str
    read: bool
    rows: int = 0
    columns: int = 0
    remark: str = ""

    def __str__(self) -> str:
        numbers = f"{self.rows} | {self.columns}" if self.read else " | "
        return f"| {self.file} | {'read' if self.read else 'refused'} | {numbers} | {self.remark.replace('|', '/')} |"


def outcomes(folder: Path) -> Iterator[Outcome]:
    """Try every file of a folder and of its subfolders, in the order of their names."""
    for path in sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        try:
            yield _catalogue(name, path) if path.suffix.lower() == ".sas7bcat" else _table(name, path)
        except Refused as refused:
            said = "; ".join(str(problem).removeprefix(f"{path}: ") for problem in refused.problems)
            yield Outcome(name, False, remark=said)


def _table(name: str, path: Path) -> Outcome:
    with tempfile.TemporaryDirectory() as place, duckdb.connect() as connection:
        landed = land(path, Path(place), connection)
        rows = connection.execute(f"SELECT count(*) FROM ({landed.sql})").fetchone()
        said = ["codes for missing values"] if landed.user_missing else []
        said += ["value labels"] if any("labels" in column for column in landed.described.values()) else []
        return Outcome(name, True, int(rows[0]) if rows else 0, len(landed.columns), " and ".join(said))


def _catalogue(name: str, path: Path) -> Outcome:
    labels = catalogue_labels(path)
    return Outcome(name, True, sum(map(len, labels.values())), 2, f"catalogue: value labels of {len(labels)} formats")


def table(folder: Path) -> str:
    """Write the table, with a line that sums it up."""
    found = list(outcomes(folder))
    read = sum(outcome.read for outcome in found)
    return "\n".join([f"{len(found)} files: {read} read, {len(found) - read} refused.", "", HEAD, *map(str, found)])


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python -m shared_code.sources.outcomes FOLDER")
    print(table(Path(sys.argv[1])))
