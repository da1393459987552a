"""A small extract and what one column, or one table, of it becomes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from shared_code.config import Site
from shared_code.sources.prepare import prepare

KEY = bytes(range(32)).hex()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHORTIUM_KEY", KEY)
    monkeypatch.delenv("COHORTIUM_KEY_FILE", raising=False)


def site_of(tables: dict[str, Any], **more: Any) -> Site:
    return Site.model_validate({"site": "north", "title": "The north", "controller": "Trust", "studies": [],
                                "extract_date": "2024-02-01", "tables": tables, **more})  # fmt: skip


@pytest.fixture
def table_of(tmp_path: Path) -> Callable[..., pd.DataFrame]:
    """Write rows as a CSV or Parquet file, map them as one table, and give the prepared table."""

    def make(table: str, rows: pd.DataFrame, columns: dict[str, Any], **more: Any) -> pd.DataFrame:
        file = "rows.parquet" if more.pop("parquet", False) else "rows.csv"
        if file.endswith("csv"):
            rows.to_csv(tmp_path / file, index=False)
        else:
            rows.to_parquet(tmp_path / file)
        site = site_of({table: {"file": file, "columns": columns, **more}})
        prepare(site, tmp_path, tmp_path / "prepared")
        return pd.read_parquet(tmp_path / "prepared" / f"{table}.parquet")

    return make


@pytest.fixture
def values_of(table_of: Callable[..., pd.DataFrame]) -> Callable[..., list[Any]]:
    """Make one column of a table from drawn values: column of the extract -> values. Missing values are None."""

    def make(column: str, how: dict[str, Any], parquet: bool = False, missing: list[Any] | None = None, **values: list[Any]):
        table, name = column.split(".")
        rows = pd.DataFrame(values).assign(n=lambda t: [f"{i:03d}" for i in range(len(t))])
        fixed = {k: v for k, v in FIXED[table].items() if k != name}
        made = table_of(table, rows, {**fixed, name: how}, parquet=parquet, missing=missing or [])
        made = made.sort_values("value" if table == "measurement" and name != "value" else NUMBERED.get(table, name))
        found = made[name].astype(object)
        return [None if pd.isna(v) else str(v) if table != "admission" and not isinstance(v, bool | int | float) else v
                for v in found]  # fmt: skip

    return make


NUMBERED = {"person": "language", "ed_attendance": "att_id", "admission": "spell_id", "area_lookup": "ward_name",
            "gp_registration": "practice_code"}  # fmt: skip
FIXED: dict[str, dict[str, Any]] = {
    "person": {
        "person_id": {"from": "n", "pseudonymise": True}, "birth_month": {"constant": "1980-05-01"},
        "sex": {"constant": "F"}, "language": {"from": "n", "values": {f"{i:03d}": f"{chr(97 + i // 26)}{chr(97 + i % 26)}"
                                                                      for i in range(60)}}},
    "ed_attendance": {
        "att_id": {"from": "n"}, "person_id": {"from": "n", "pseudonymise": True}, "arrival": {"constant": "2024-01-01"},
        "dept_type": {"constant": "01"}},
    "admission": {
        "spell_id": {"from": "n"}, "person_id": {"from": "n", "pseudonymise": True},
        "admi_date": {"constant": "2024-01-01"}, "admimeth": {"constant": "21"}, "class_pat": {"constant": "1"}},
    "gp_registration": {
        "person_id": {"from": "n", "pseudonymise": True}, "practice_code": {"from": "n"},
        "reg_start": {"constant": "2020-01-01"}, "reg_type": {"constant": "GMS"}},
    "area_lookup": {
        "lsoa21": {"from": "n", "prefix": "E01000"}, "ward_vintage": {"constant": "2024-05"},
        "ward_cd": {"constant": "E05000001"}, "ward_name": {"from": "n"}, "locality": {"constant": "Here"},
        "imd_version": {"constant": "IoD2019"}, "imd10": {"constant": 3}},
}  # fmt: skip
