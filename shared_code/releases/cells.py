"""Cells as text: the CSV form in which released tables travel."""

from __future__ import annotations

import io
import math

import pandas as pd

from shared_code.config.study import Dimension, ResultsTable
from shared_code.model import ALL, CELL_COLUMNS, LAYOUTS, STATUSES, Problem, few


def to_csv(cells: pd.DataFrame) -> bytes:
    """Write cells as CSV (UTF-8, line feeds, decimal numbers, empty = no value)."""
    text = cells.copy()
    for name in ("value", "lower", "upper"):
        text[name] = text[name].map(_decimal)
    return text.to_csv(index=False, lineterminator="\n").encode()


def _decimal(number: float) -> str:
    if number is None or math.isnan(number):
        return ""
    if math.isinf(number):
        return "inf"
    return str(int(number)) if float(number).is_integer() else repr(round(float(number), 6))


def from_csv(content: bytes) -> pd.DataFrame:
    """Read cells back; dimensions stay text, as they were written."""
    frame = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, encoding="utf-8")
    for name in ("value", "lower", "upper"):
        if name in frame:
            frame[name] = pd.to_numeric(frame[name].replace("", None), errors="raise").astype(float)
    return frame


def check_cells(cells: pd.DataFrame, declared: ResultsTable, levels: dict[str, dict[str, str] | None],
                where: str) -> list[Problem]:  # fmt: skip
    """Compare released cells with the declared layout; a receiver trusts nothing else about a table."""
    expected = [*declared.dimensions, *CELL_COLUMNS]
    if list(cells.columns) != expected:
        return [Problem(where, f"its columns are {few(cells.columns, 12)}", few(expected, 12), "Release it again")]
    problems = []
    for name, spec in declared.dimensions.items():
        problems += _unknown_levels(cells, name, spec, levels[name], where)
    statistics = LAYOUTS[declared.layout].statistics
    for column, allowed in (("statistic", statistics), ("status", STATUSES)):
        unknown = sorted(set(cells[column]) - set(allowed))
        if unknown:
            problems.append(Problem(where, f"{column} holds {few(unknown)}", few(allowed, 12), "Release it again"))
    given = cells["status"].isin(["ok", "rounded"])
    if (given & cells["value"].isna()).any() or (~given & cells["value"].notna()).any():
        problems.append(Problem(where, "a value is empty though it is given, or present though it is withheld"))
    if not cells["value"].dropna().map(math.isfinite).all():
        problems.append(Problem(where, "a value is not a finite number"))
    if cells.duplicated([*declared.dimensions, "statistic"]).any():
        problems.append(Problem(where, "a cell occurs twice", "one row per cell and statistic", "Release it again"))
    return problems


def _unknown_levels(cells: pd.DataFrame, name: str, spec: Dimension, levels: dict[str, str] | None,
                    where: str) -> list[Problem]:  # fmt: skip
    if levels is None:
        return []
    allowed = {*levels, *([ALL] if spec.total else [])}
    unknown = sorted(set(cells[name]) - allowed)
    return [Problem(where, f"{name} holds {few(unknown)}", few(sorted(allowed), 12))] if unknown else []
