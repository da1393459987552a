"""Mapping: columns of an extract become columns of the common data model.

Every mapped column is an Ibis expression; a value that the site file does not explain is a problem, and all problems
of a site are reported together.
"""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from shared_code.config.site import ColumnMap, RowMap, TableMap
from shared_code.model import Column, Problem, Table, did_you_mean, few
from shared_code.sources.readers import Landed

IBIS_TYPE = {"text": "string", "integer": "int64", "number": "float64", "date": "date", "boolean": "boolean"}


def as_code(column: ir.Column) -> ir.StringColumn:
    """Write a value as the code a person would write: trimmed text, 1.0 as "1", empty as missing."""
    kind = column.type()
    if kind.is_floating():
        whole = column.cast("int64").cast("string")
        return ibis.ifelse(column == column.floor(), whole, column.cast("string"))
    return column.cast("string").strip().nullif("")


def missing_as_null(raw: ir.Column, code: ir.StringColumn, mapped: ColumnMap, table_missing: list[Any],
                    declared: list[tuple[float | str, float | str]]) -> ir.BooleanValue:  # fmt: skip
    """Tell which values mean "no value": codes named in the site file, and codes the file itself declares."""
    codes = [str(m) for m in [*table_missing, *mapped.missing]]
    is_missing: ir.BooleanValue = code.isin(codes) if codes else ibis.literal(False)
    for low, high in declared:
        if not isinstance(low, str) and raw.type().is_numeric():
            is_missing = is_missing | ((raw >= low) & (raw <= high))
        elif isinstance(low, str):
            is_missing = is_missing | (code == low.strip())
    explained = list(mapped.values)
    return is_missing & ~code.isin(explained) if explained else is_missing


def column_expression(landed: ir.Table, mapped: ColumnMap, column: Column, settings: TableMap,
                      user_missing: dict[str, list]) -> tuple[ir.Value, ir.Value | None]:  # fmt: skip
    """Build one column; also the code that must be explained or converted (None for a constant)."""
    kind = IBIS_TYPE[column.type]
    if mapped.constant is not None:
        return ibis.literal(mapped.constant).cast(kind), None
    raw = landed[mapped.from_]
    code = as_code(raw)
    gone = missing_as_null(raw, code, mapped, settings.missing, user_missing.get(mapped.from_, []))
    code = ibis.ifelse(gone, ibis.null("string"), code)
    if mapped.values:
        branches = [(code == old, ibis.literal(new).cast(kind)) for old, new in mapped.values.items()]
        return ibis.cases(*branches, else_=ibis.null(kind)), code
    if mapped.months_before or mapped.years_before:
        months = code.try_cast("float64") * (1 if mapped.months_before else 12) + (0 if mapped.months_before else 6)
        return _shifted(mapped.months_before or mapped.years_before, -months.floor().cast("int64")), code
    if mapped.months_after:
        return _shifted(mapped.months_after, code.try_cast("float64").floor().cast("int64")), code
    if mapped.icd10:
        tidy = code.upper().re_replace(r"[.\s†+*]", "")
        return tidy, code
    if kind == "date":
        return _date(raw, code, mapped), code
    value: ir.Value = code if kind == "string" else code.try_cast(kind)
    if mapped.prefix:
        value = ibis.literal(mapped.prefix).concat(value)
    return value, code


def _shifted(start: Any, months: ir.IntegerValue) -> ir.DateValue:
    """Give the first day of the month that lies so many months from a date."""
    ordinal = ibis.literal(start.year * 12 + start.month - 1) + months
    year, month = ordinal // 12, ordinal % 12 + 1
    return ibis.date(year.cast("int32"), month.cast("int32"), ibis.literal(1, "int32"))


def _date(raw: ir.Column, code: ir.StringColumn, mapped: ColumnMap) -> ir.Value:
    kind = raw.type()
    if mapped.date:
        value = try_strptime(code, mapped.date)
    elif kind.is_date() or kind.is_timestamp():
        value = ibis.ifelse(code.isnull(), ibis.null("date"), raw.cast("date"))
    else:
        value = code.substr(0, 10).try_cast("date")
    return value.truncate("M").cast("date") if mapped.first_of_month else value


@ibis.udf.scalar.builtin(name="try_strptime", signature=(("string", "string"), "timestamp"))
def _try_strptime(text, form):  # DuckDB's own function: a date that does not fit the format is null, not an error
    ...


def try_strptime(code: ir.StringValue, form: str) -> ir.DateValue:
    """Read a text date in a given format; null where it does not fit."""
    return _try_strptime(code, form).cast("date")


def check_columns(table: Table, settings: TableMap, landed: Landed, where: str) -> list[Problem]:
    """Compare the site file with the file's columns and the data model before anything is computed."""
    problems = []
    groups: list[tuple[str, dict[str, ColumnMap]]] = [(f"{where}.columns", settings.columns)]
    groups += [(f"{where}.rows.{i}.columns", row.columns) for i, row in enumerate(settings.rows)]
    for place, columns in groups:
        for name, mapped in columns.items():
            if mapped.from_ and mapped.from_ not in landed.columns:
                wrong = f"the extract has no column {mapped.from_!r}{did_you_mean(mapped.from_, landed.columns)}"
                problems.append(Problem(f"{place}.{name}", wrong, few(landed.columns, 12), "Correct from:"))
    made = {settings.number, *settings.columns, *(c for row in settings.rows for c in row.columns)}
    for column in table.columns:
        if column.never_missing and column.name not in made:
            mend = f"Add {column.name} to {where}.columns"
            problems.append(Problem(f"{where}.columns", f"{column.name} is missing ({column.meaning})", "", mend))
    for name in [*settings.where, *settings.present, *(n for row in settings.rows for n in row.where)]:
        if name not in landed.columns:
            wrong = f"the extract has no column {name!r}{did_you_mean(name, landed.columns)}"
            problems.append(Problem(f"{where}.where", wrong, few(landed.columns, 12), "Correct where:"))
    return problems


def filtered(landed: ir.Table, where: dict[str, Any], present: tuple[str, ...] | list[str] = ()) -> ir.Table:
    """Keep the rows whose codes are the ones named, and that have a value in the columns that must be present."""
    for name in present:
        landed = landed.filter(as_code(landed[name]).notnull())
    for name, wanted in where.items():
        codes = [str(w) for w in (wanted if isinstance(wanted, list) else [wanted])]
        landed = landed.filter(as_code(landed[name]).isin(codes))
    return landed


def mapped_rows(table: Table, settings: TableMap, landed: ir.Table, user_missing: dict[str, list]
                ) -> list[tuple[RowMap, ir.Table, dict[str, tuple[ir.Value, ir.Value | None]]]]:  # fmt: skip
    """Build the columns for each kind of row of a table (one kind, unless the extract is wide)."""
    result = []
    for row in settings.rows or [RowMap()]:
        chosen = filtered(filtered(landed, settings.where, settings.present), row.where)
        columns = {**settings.columns, **row.columns}
        built = {
            name: column_expression(chosen, mapped, table.column(name), settings, user_missing)
            for name, mapped in columns.items()
        }
        result.append((row, chosen, built))
    return result
