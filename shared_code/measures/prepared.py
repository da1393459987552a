"""Prepared tables as lazy queries: nothing is read until a sum is asked for."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from shared_code.config.rooms import from_root
from shared_code.model import TABLES, few


class Prepared:
    """Give the prepared tables of one site by name.

    The engine is DuckDB over Parquet; `connection` may be any Ibis connection that holds tables of these names, such
    as the site's PostgreSQL or Spark.
    """

    def __init__(self, folder: str | Path | None = None, connection: Any = None):
        self._folder = Path(folder) if folder is not None else None
        self._connection = connection if connection is not None else ibis.duckdb.connect()
        self._tables: dict[str, ir.Table] = {}

    def has(self, name: str) -> bool:
        """Tell whether the site has this table."""
        if self._folder is not None:
            return (self._folder / f"{name}.parquet").is_file()
        return name in self._connection.list_tables()

    @property
    def folder(self) -> Path | None:
        """Where the prepared tables lie; None where they are in a database."""
        return self._folder

    @property
    def extract_date(self) -> dt.date | None:
        """Day of the extract, from the record beside the prepared tables; None where there is no record."""
        record = self._folder / "prepared.json" if self._folder is not None else None
        if record is None or not record.is_file():
            return None
        return dt.date.fromisoformat(json.loads(record.read_text("utf-8"))["extract_date"])

    def __getattr__(self, name: str) -> ir.Table:
        if name.startswith("_") or name not in TABLES:
            raise AttributeError(f"{name!r} is not a table of the data model: {few(TABLES)}")
        if name not in self._tables:
            if not self.has(name):
                raise AttributeError(f"the site has no table {name}")
            source = self._connection
            path = self._folder / f"{name}.parquet" if self._folder is not None else None
            self._tables[name] = source.read_parquet(path) if path is not None else source.table(name)
        return self._tables[name]


def open_prepared(folder: str | Path) -> Prepared:
    """Open the prepared tables in a folder."""
    return Prepared(from_root(folder))
