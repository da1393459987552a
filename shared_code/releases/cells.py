"""Cells as text: the CSV form in which released tables travel."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator

import pandas as pd

from shared_code.config.study import Dimension, Policy, ResultsTable
from shared_code.model import ALL, CELL_COLUMNS, LAYOUTS, STATUSES, Problem, few
from shared_code.model.layouts import PRECISE

NUMBERS = ("value", "lower", "upper")
EXECUTED = "=+-@\t\r\n＝＋－＠"  # a spreadsheet takes text that begins with one of these for a formula, or breaks the cell
MARK = "'"


def neutral(text: str) -> str:
    """Write a label so that no spreadsheet executes it; `as_meant` reads it back unchanged.

    >>> neutral("=1+1"), neutral("Leeds"), neutral("'quoted'")
    ("'=1+1", 'Leeds', "''quoted'")
    """
    return MARK + text if text.startswith((MARK, *EXECUTED)) else text


def as_meant(text: str) -> str:
    """Read back what `neutral` wrote (raises ValueError for a label that a spreadsheet would execute)."""
    if text.startswith(tuple(EXECUTED)):
        raise ValueError(f"a spreadsheet would execute {text[:20]!a}")
    return text.removeprefix(MARK)

ALL_OR_NOTHING = ("profile", "step")  # such a table leaves whole or is withheld whole: then no number has a range


def to_csv(cells: pd.DataFrame) -> bytes:
    """Write cells as CSV: UTF-8, line feeds, numbers of six decimals or, where declared, all; empty = no value.

    A label that a spreadsheet would execute is made harmless.
    """
    text = cells.copy()
    precise = text["statistic"].isin(PRECISE) if "statistic" in text else [False] * len(text)
    for name in text.columns:
        if name in NUMBERS:
            text[name] = [_decimal(number, in_full) for number, in_full in zip(text[name], precise)]
        else:
            text[name] = text[name].map(lambda label: neutral(str(label)))
    rows = [list(text.columns), *zip(*(text[name] for name in text.columns))]
    return "".join(",".join(map(_quoted, row)) + "\n" for row in rows).encode()


def _quoted(text: str) -> str:
    """Quote a field where RFC 4180 asks for it; pandas leaves a lone carriage return bare, which breaks the row."""
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text


def _decimal(number: float, in_full: bool) -> str:
    if number is None or math.isnan(number):
        return ""
    if math.isinf(number):
        return "INF" if number > 0 else "-INF"  # as a table schema writes it
    rounded = float(number) if in_full else round(float(number), 6)
    return str(int(rounded)) if rounded.is_integer() and abs(rounded) < 2**53 else repr(rounded)


def from_csv(content: bytes) -> pd.DataFrame:
    """Read cells back; dimensions stay text, as they were before they were written."""
    frame = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, encoding="utf-8")
    for name in frame.columns:
        if name in NUMBERS:
            frame[name] = frame[name].map(lambda text: float(text) if text else math.nan).astype(float)
        else:
            frame[name] = frame[name].map(as_meant)
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
    if cells.duplicated([*declared.dimensions, "statistic"]).any():
        problems.append(Problem(where, "a cell occurs twice", "one row per cell and statistic", "Release it again"))
    elif len(cells) != len(statistics) * len(cells.drop_duplicates(list(declared.dimensions))):
        problems.append(Problem(where, "a cell lacks one of its statistics", few(statistics), "Release it again"))
    if problems:
        return problems
    return [Problem(where, wrong, "", "Release it again") for wrong in _contradictions(cells, declared)]


def _contradictions(cells: pd.DataFrame, declared: ResultsTable) -> Iterator[str]:
    """Find values and ranges that no honest release holds: pooling relies on each of these."""
    layout = LAYOUTS[declared.layout]
    value, lower, upper = (cells[name] for name in ("value", "lower", "upper"))
    given, withheld = cells["status"].isin(["ok", "rounded"]), cells["status"] == "withheld"
    if (given & value.isna()).any() or (~given & value.notna()).any():
        yield "a value is empty though it is given, or present though it is withheld"
    if not value.dropna().map(math.isfinite).all() or not lower.dropna().map(math.isfinite).all():
        yield "a value is not a finite number"
    elif (given & value.notna() & ~((lower <= value) & (value <= upper))).any():
        yield "a value lies outside its range, or has none"
    may_be_anything = cells["statistic"].isin([*layout.signed, *layout.may_be_empty])
    counted = cells["statistic"].isin([*layout.whole, *layout.people])
    counted |= ~may_be_anything & (declared.layout not in ("estimates", "moments"))  # a dominated sum has no range
    counted &= declared.layout not in ALL_OR_NOTHING
    if (withheld & counted & ~(lower <= upper)).any():
        yield "a withheld value has no range"
    if (~given & ~withheld & (lower.notna() | upper.notna())).any():
        yield "a value that is not collected or not applicable has a range"
    whole = cells["statistic"].isin(layout.whole)
    if any(((numbers[whole].dropna() % 1) > 0).any() for numbers in (value, lower, upper)):
        yield "a count holds fractions"
    if any((numbers[~cells["statistic"].isin(layout.signed)] < 0).any() for numbers in (value, lower, upper)):
        yield "a number is negative"
    wide = cells.pivot(index=list(declared.dimensions), columns="statistic")
    for part, of in layout.part_of.items():
        if any((wide[side, part] > wide[side, of]).any() for side in ("value", "upper")):
            yield f"{part} exceeds {of}"


def small_counts(cells: pd.DataFrame, layout: str, policy: Policy) -> int:
    """Count the numbers of people that are shown though they are smaller than the threshold."""
    people = cells["statistic"].isin(LAYOUTS[layout].people)
    return int((people & (cells["value"] > 0) & (cells["value"] < policy.threshold)).sum())


def _unknown_levels(cells: pd.DataFrame, name: str, spec: Dimension, levels: dict[str, str] | None,
                    where: str) -> list[Problem]:  # fmt: skip
    if levels is None:
        return []
    allowed = {*levels, *([ALL] if spec.total else [])}
    unknown = sorted(set(cells[name]) - allowed)
    return [Problem(where, f"{name} holds {few(unknown)}", few(sorted(allowed), 12))] if unknown else []
