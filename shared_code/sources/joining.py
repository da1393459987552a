"""Joining: columns of another file of the extract, added where an identifier agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared_code.config.columns import Join, TableMap
from shared_code.model import Problem, Refused, few
from shared_code.sources.landing import Landed, named
from shared_code.sources.readers import land

NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT",
           "DOUBLE", "DECIMAL")  # fmt: skip


def land_table(connection: Any, settings: TableMap, folder: Path, place: Path) -> Landed:
    """Land the file of a table, and join the further files it names (raises model.Refused)."""
    main = land(folder / settings.file, place, connection, table=settings.table, sheet=settings.sheet,
                delimiter=settings.delimiter, encoding=settings.encoding, fixed_width=settings.fixed_width)  # fmt: skip
    for extra in settings.join:
        other = land(folder / extra.file, place, connection, table=extra.table, sheet=extra.sheet,
                     delimiter=extra.delimiter or settings.delimiter, encoding=extra.encoding or settings.encoding,
                     fixed_width=extra.fixed_width)  # fmt: skip
        main = _joined(connection, settings.file, main, extra, other)
    return main


def _joined(connection: Any, file: str, main: Landed, extra: Join, other: Landed) -> Landed:
    problems = [
        Problem(name, f"there is no column {extra.by!r} to join by", few(landed.columns, 12), "Correct join.by")
        for name, landed in ((file, main), (extra.file, other))
        if extra.by not in landed.columns
    ]
    if problems:
        raise Refused(file, problems)
    numeric = [_is_number(connection, landed, extra.by) for landed in (main, other)]
    left, right = (_as_code(f"{side}.{named(extra.by)}", mine, any(numeric)) for side, mine in zip("mo", numeric))
    sql = f"SELECT count(code) - count(DISTINCT code) FROM (SELECT {right} AS code FROM ({other.sql}) o)"
    repeated = connection.execute(sql).fetchone()[0]
    if repeated:
        wrong = f"{repeated} rows repeat an identifier {extra.by}"
        problem = Problem(extra.file, wrong, "one row per identifier", "Join a file that has one, or map it as a table")
        raise Refused(file, [problem])
    added = [c for c in other.columns if c not in main.columns]
    listed = "".join(f", o.{named(c)}" for c in added)
    return Landed(f"SELECT m.*{listed} FROM ({main.sql}) m LEFT JOIN ({other.sql}) o ON {left} = {right}",
                  main.columns + added, {**other.user_missing, **main.user_missing})  # fmt: skip


def _is_number(connection: Any, landed: Landed, column: str) -> bool:
    kind = connection.execute(f"DESCRIBE SELECT {named(column)} FROM ({landed.sql})").fetchone()[1]
    return str(kind).partition("(")[0] in NUMBERS


def _as_code(column: str, is_number: bool, compare_numbers: bool) -> str:
    """Write an identifier as text in SQL: a number without decimals; text as it is, unless it meets a number."""
    text = f"nullif(trim(CAST({column} AS VARCHAR)), '')"
    if is_number:
        whole = f"CAST(try_cast({column} AS HUGEINT) AS VARCHAR)"
        return f"CASE WHEN {column} = floor({column}) THEN {whole} ELSE {text} END"
    if compare_numbers:  # 0012 and 12.0 are the number 12; other texts stay themselves
        digits = f"regexp_extract({text}, '^([0-9]+)([.]0*)?$', 1)"
        return f"CASE WHEN {digits} <> '' THEN coalesce(nullif(ltrim({digits}, '0'), ''), '0') ELSE {text} END"
    return text
