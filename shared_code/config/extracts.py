"""Where a table of an extract lies: a file, several files, or a table of a database, and how it is to be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field, model_validator

from shared_code.config.strict import Fault, Strict


class FixedColumn(Strict):
    """A column of a fixed-width file: first and last character, counted from 1."""

    first: int = Field(ge=1)
    last: int = Field(ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> FixedColumn:
        if self.last < self.first:
            raise ValueError(f"the column ends ({self.last}) before it starts ({self.first})")
        return self


class Database(Strict):
    """A server, reached through SQLAlchemy. Its address holds a password and never stands in a settings file.

    url_env   name of the environment variable that holds the address
    """

    url_env: str

    @model_validator(mode="after")
    def _is_a_name(self) -> Database:
        if not self.url_env.replace("_", "").isalnum() or self.url_env[:1].isdigit():  # perhaps the address itself: never shown
            raise ValueError("url_env names an environment variable, for example COHORTIUM_DB_URL; the address stands there")
        return self


class Extract(Strict):
    """One source of rows: exactly one of file, files or database.

    file         a file in the site's folder, or a pattern such as "activity_*.csv" for several with the same columns
    files        several files with the same columns, named one by one
    database     a server (see Database)
    table        table or view of a database or of a SAS transport file, or schema.table
    sheet        sheet of a workbook (the first one, unless named)
    delimiter, encoding   of a text file; the encoding also of a statistical file that names it wrongly
    fixed_width  columns of a text file without delimiters
    catalogue    file with the value labels of a SAS file
    """

    file: str = ""
    files: list[str] = []
    database: Database | None = None
    table: str = ""
    sheet: str = ""
    delimiter: str = ","
    encoding: str = "utf-8"
    fixed_width: dict[str, FixedColumn] = {}
    catalogue: str = ""

    @classmethod
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find a table with no source of rows, or with more than one."""
        given = [key for key in ("file", "files", "database") if content.get(key)]
        if not given:
            yield Fault(("file",), "this key is missing", "exactly one of file, files and database")
        for key in given[1:]:
            yield Fault((key,), f"{given[0]} is there already", "exactly one of file, files and database")
        if "database" in given and not content.get("table"):
            yield Fault(("table",), "this key is missing", "table, or schema.table")

    @property
    def source(self) -> str:
        """Name the source in messages."""
        if self.database:
            return f"{self.database.url_env}, {self.table}"
        return self.file or ", ".join(self.files[:3]) + (" …" if len(self.files) > 3 else "")
