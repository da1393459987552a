"""Validation of prepared tables against their declaration, by the engine that holds them."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

import ibis.expr.types as ir

from shared_code.model.problems import Problem, few
from shared_code.model.tables import Column, Table


def check_table(connection: Any, table: Table, folder: Path, settings: str) -> list[Problem]:
    """Check one prepared table: types, missing values, allowed values, patterns, limits, unique key, references.

    folder  where the Parquet files lie        settings  name of the site file, for the messages
    """
    rows = connection.read_parquet(folder / f"{table.name}.parquet")
    where = f"{settings}, tables.{table.name}"
    rules = [(column, rule, bad) for column in table.columns for rule, bad in column_rules(rows, column)]
    counts = rows.aggregate([bad.sum().fill_null(0).name(f"r{i}") for i, (_, _, bad) in enumerate(rules)]).execute()
    problems = []
    for i, (column, rule, bad) in enumerate(rules):
        number = int(counts[f"r{i}"].iloc[0])
        if number:
            shown = ""
            if "missing" not in rule and not column.private:
                found = rows.filter(bad).select(column.name).distinct().order_by(column.name).limit(5).execute()
                shown = f" ({few(found[column.name])})"
            allowed = few(column.values, 20) or column.pattern or _limits(column) or column.meaning
            mend = f"Correct the mapping at {where}.columns.{column.name}, or the extract"
            if column.values and "missing" in rule:
                say = f"Say at {where}.columns.{column.name} what empty means"
                mend = f"{say} (default: with one of these codes), or correct the extract"
            problems.append(Problem(f"{where}.columns.{column.name}", f"{number} rows {rule}{shown}", allowed, mend,
                                    told=f"{number} rows {rule}" if shown else ""))  # fmt: skip
    problems += _unique(rows, table, where)
    for name in table.one_value:
        found = sorted(rows.select(name).distinct().limit(5).execute()[name].dropna())
        if len(found) > 1:
            problems.append(Problem(f"{where}.columns.{name}", f"several editions are mixed ({few(found)})", "one", "Keep one"))
    for column_name, other in table.refers_to.items():
        target = folder / f"{other}.parquet"
        if target.is_file():
            problems += _orphans(connection, rows, column_name, other, target, where)
    return problems


def column_rules(rows: ir.Table, column: Column) -> list[tuple[str, ir.BooleanColumn]]:
    """List what the declaration of a column forbids: words for it, and which rows do it."""
    value = rows[column.name]
    rules: list[tuple[str, ir.BooleanColumn]] = []
    if column.never_missing:
        rules.append(("are missing a value", value.isnull()))
    if column.values:
        rules.append(("hold a value that is not allowed", ~value.isin(list(column.values))))
    if column.pattern:
        rules.append(("do not have the form of the column", ~value.re_search(f"^(?:{column.pattern})$")))
    if column.month:
        rules.append(("are not the first day of a month", value.day() != 1))
    limits = [value < column.lowest] if column.lowest is not None else []
    limits += [value > column.highest] if column.highest is not None else []
    if limits:
        rules.append(("lie outside the limits", reduce(lambda a, b: a | b, limits)))
    return rules


def _limits(column: Column) -> str:
    if column.lowest is None:
        return ""
    return f"{column.lowest:g} to {column.highest:g}" if column.highest is not None else f"{column.lowest:g} or more"


def _unique(rows: ir.Table, table: Table, where: str) -> list[Problem]:
    hashed = rows.select(**{name: rows[name].hash() for name in table.key})  # numbers of 64 bits: several times faster
    if not _repeated(hashed, table.key):  # equal values have equal hashes, so nothing is missed
        return []
    number = _repeated(rows, table.key)
    if not number:
        return []
    mend = "Remove the duplicates from the extract, or map a further key column"
    wrong = f"{number} values of the key ({', '.join(table.key)}) occur more than once; a row must be {table.row}"
    return [Problem(where, wrong, "", mend)]


def _repeated(rows: ir.Table, key: list[str]) -> int:
    return int(rows.group_by(key).agg(n=rows.count()).filter(lambda t: t.n > 1).count().execute())


def _orphans(connection: Any, rows: ir.Table, column: str, other: str, target: Path, where: str) -> list[Problem]:
    known = connection.read_parquet(target)
    lost = rows.anti_join(known, column)
    number = int(lost.count().execute())
    if not number:
        return []
    wrong = f"{number} rows name a {column} that is not in {other}"
    return [Problem(f"{where}.columns.{column}", wrong, "", f"Extract {other} and {where.split('.')[-1]} on the same day")]
