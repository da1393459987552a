"""An extract in a folder of its own, a site file for it, and the prepared tables they give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from shared_code.config import Site
from shared_code.sources import readers
from shared_code.sources.prepare import prepare

KEY = bytes(range(32)).hex()
PERSON = {
    "person_id": {"from": "id", "pseudonymise": True},
    "birth_month": {"from": "dob"},
    "sex": {"from": "sex", "values": {"1": "M", "2": "F"}},
}


class Extract:
    """Files of one site, and what `prepare` makes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.target = folder / "extract", folder / "prepared"
        self.folder.mkdir()
        self.tables: dict[str, Any] = {}

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def people(self, *rows: str, header: str = "id,dob,sex", **more: Any) -> Extract:
        """Write people.csv and map it as the table person; `more` changes the mapping."""
        self.write("people.csv", "\n".join([header, *rows]) + "\n")
        columns = {**PERSON, **more.pop("columns", {})}
        self.tables["person"] = {"file": "people.csv", "columns": columns, **more}
        return self

    def site(self, **more: Any) -> Site:
        return Site.model_validate({
            "site": "north", "title": "The north", "controller": "Trust", "studies": [], "extract_date": "2024-02-01",
            "tables": self.tables, **more,
        })  # fmt: skip

    def prepare(self, **more: Any) -> dict[str, pd.DataFrame]:
        site = self.site(**more)
        prepare(site, self.folder, self.target)
        return {name: pd.read_parquet(self.target / f"{name}.parquet") for name in site.tables}

    def left_behind(self) -> list[str]:
        """Name what lies beside the extract: nothing but whole prepared tables may."""
        return sorted(path.name for path in self.folder.parent.iterdir() if path != self.folder)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHORTIUM_KEY", KEY)
    monkeypatch.delenv("COHORTIUM_KEY_FILE", raising=False)


@pytest.fixture
def extract(tmp_path: Path) -> Extract:
    return Extract(tmp_path)


@pytest.fixture
def landed(tmp_path: Path) -> Callable[..., pd.DataFrame]:
    """Read one file as an extract's table, its values as the codes a person would write."""
    from ibis import duckdb as ibis_duckdb

    from shared_code.sources.mapping import as_code

    def read(path: Path, **options: Any) -> pd.DataFrame:
        connection = ibis_duckdb.connect()
        found = readers.land(path, tmp_path / "landed", connection.con, **options)
        assert [p.name for p in (tmp_path / "landed").rglob("*") if p.suffix != ".parquet"] == []
        connection.raw_sql(f"CREATE TEMP VIEW found AS {found.sql}")
        table = connection.table("found")
        codes = table.select(**{name: as_code(table[name]) for name in table.columns}).execute()
        connection.disconnect()
        return codes.astype(object).where(codes.notna(), None)

    return read


@pytest.fixture
def refused(tmp_path: Path, message_of: Callable[..., str]) -> Callable[..., str]:
    """Read one file that must be refused; give the message, and check that nothing was half-written."""

    def read(path: Path, **options: Any) -> str:
        with duckdb.connect() as connection:
            message = message_of(readers.land, path, tmp_path / "landed", connection, **options)
        assert [p.name for p in (tmp_path / "landed").rglob("*")] == []
        return message

    return read


@pytest.fixture
def table(extract: Extract, tmp_path: Path) -> Callable[..., tuple[Any, list[list]]]:
    """Land what a table's settings say; give the rows in order, every value as text."""
    from ibis import duckdb as ibis_duckdb

    from shared_code.config.columns import TableMap
    from shared_code.sources.joining import land_table
    from shared_code.sources.mapping import as_code

    def read(**settings: Any) -> tuple[Any, list[list]]:
        connection = ibis_duckdb.connect()
        found = land_table(connection.con, TableMap(columns={}, **settings), extract.folder, tmp_path / "landed")
        connection.raw_sql(f"CREATE TEMP VIEW found AS {found.sql}")
        view = connection.table("found")
        codes = view.select(**{name: as_code(view[name]) for name in view.columns}).execute().astype(object)
        return found, codes.where(codes.notna(), None).sort_values(list(codes)).to_numpy().tolist()

    return read
