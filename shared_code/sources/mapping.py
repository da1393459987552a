"""Mapping: columns of an extract become columns of the common data model.

Every mapped column is an Ibis expression; a value that the site file does not explain is a problem, and all problems
of a site are reported together.
"""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from shared_code.config.columns import ColumnMap, RowMap, TableMap
from shared_code.config.strict import code_text
from shared_code.model import Column, Problem, Table, did_you_mean, few
from shared_code.sources.landing import Landed

MOST_MONTHS = 130 * 12  # nobody is older; a larger number is a code for "unknown"
ISO_DATE = r"^([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})([ T].*)?$"
IBIS_TYPE = {"text": "string", "integer": "int64", "number": "float64", "date": "date",
             "timestamp": "timestamp", "boolean": "boolean"}  # fmt: skip


def as_code(column: ir.Column) -> ir.StringColumn:
    """Write a value as the code a person would write: trimmed text, 1.0 as "1", midnight as a date, empty as missing."""
    kind = column.type()
    if kind.is_floating():
        number = ibis.ifelse(column.isnan() | column.isinf(), ibis.null(kind), column)
        return ibis.ifelse(_is_whole(number), number.try_cast("int64").cast("string"), number.cast("string"))
    if kind.is_decimal():
        return column.cast("string").re_replace(r"([.][0-9]*?)0+$", r"\1").re_replace(r"[.]$", "")
    if kind.is_timestamp():
        day = column.cast("date")
        return ibis.ifelse(column == day.cast(kind), day.cast("string"), column.cast("string"))
    return column.cast("string").strip().nullif("")


def _is_whole(number: ir.FloatingColumn) -> ir.BooleanColumn:
    """Tell whole numbers of 64 bits; Ibis' own floor() would fail on a larger one."""
    return (number.try_cast("int64").cast("float64") == number).fill_null(False)


def missing_as_null(raw: ir.Column, code: ir.StringColumn, mapped: ColumnMap, table_missing: list[Any],
                    declared: list[tuple[float | str, float | str]]) -> ir.BooleanValue:  # fmt: skip
    """Tell which values mean "no value": codes named in the site file, and codes the file itself declares."""
    codes = [code_text(m) for m in [*table_missing, *mapped.missing]]
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
    if mapped.months_before:
        return _shifted(mapped.months_before, code, -1), code
    if mapped.years_before:
        return _shifted(mapped.years_before, code, -12, 6), code
    if mapped.months_after:
        return _shifted(mapped.months_after, code, 1), code
    if mapped.icd10:
        return code.upper().re_replace(r"[-.\s†+*]", "").nullif(""), code
    if kind == "date":
        return _date(raw, code, mapped, column), code
    if kind == "timestamp":
        return _moment(raw, code, mapped), code
    if kind in ("int64", "float64"):
        return _number(code, kind), code
    value: ir.Value = code if kind == "string" else code.try_cast(kind)
    if mapped.prefix:
        value = ibis.literal(mapped.prefix).concat(value)
    return value, code


def _number(code: ir.StringColumn, kind: str) -> ir.NumericValue:
    """Read a number; null where it is none, or a fraction where whole numbers belong."""
    number = code.try_cast("float64")
    good = ~(number.isnan() | number.isinf())
    if kind == "int64":
        good = good & _is_whole(number)
    return ibis.ifelse(good, number, ibis.null("float64")).try_cast(kind)


def _shifted(start: Any, code: ir.StringColumn, times: int, more: int = 0) -> ir.DateValue:
    """Give the first day of the month that lies so many months (code x times, and more) after or before a date.

    Null for a number that is none, negative, or larger than any lifetime.
    """
    months = code.try_cast("float64") * abs(times) + more
    months = ibis.ifelse((months >= more) & (months <= MOST_MONTHS), months, ibis.null("float64")).floor()
    ordinal = ibis.literal(start.year * 12 + start.month - 1) + months * (1 if times > 0 else -1)
    year, month = ordinal // 12, ordinal % 12 + 1
    return ibis.date(year.cast("int32"), month.cast("int32"), ibis.literal(1, "int32"))


def _date(raw: ir.Column, code: ir.StringColumn, mapped: ColumnMap, column: Column) -> ir.Value:
    kind = raw.type()
    if mapped.date and not (kind.is_date() or kind.is_timestamp()):
        value = try_strptime(code, mapped.date)
    elif kind.is_date() or kind.is_timestamp():
        value = ibis.ifelse(code.isnull(), ibis.null("date"), raw.cast("date"))
    else:
        value = code.re_extract(ISO_DATE, 1).nullif("").try_cast("date")
    return value.truncate("M").cast("date") if mapped.first_of_month or column.month else value


def _moment(raw: ir.Column, code: ir.StringColumn, mapped: ColumnMap) -> ir.Value:
    """Read a date and time; null where it does not fit."""
    if mapped.date and not raw.type().is_timestamp():
        return _try_strptime(code, mapped.date)
    if raw.type().is_timestamp():
        return ibis.ifelse(code.isnull(), ibis.null("timestamp"), raw)
    return code.try_cast("timestamp")


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
    for place, columns in groups[1:] or groups:
        made = {settings.number, *settings.columns, *columns}
        for column in table.columns:
            if column.never_missing and column.name not in made:
                mend = f"Add {column.name} to {place}"
                problems.append(Problem(place, f"{column.name} is missing ({column.meaning})", "", mend))
    named = [(f"{where}.where", name) for name in settings.where] + [(f"{where}.present", name) for name in settings.present]
    named += [(f"{where}.rows.{i}.where", name) for i, row in enumerate(settings.rows) for name in row.where]
    for place, name in named:
        if name not in landed.columns:
            wrong = f"the extract has no column {name!r}{did_you_mean(name, landed.columns)}"
            problems.append(Problem(place, wrong, few(landed.columns, 12), f"Correct {place.rpartition('.')[2]}:"))
    return problems


def filtered(landed: ir.Table, where: dict[str, Any], present: tuple[str, ...] | list[str] = ()) -> ir.Table:
    """Keep the rows whose codes are the ones named, and that have a value in the columns that must be present."""
    for name in present:
        landed = landed.filter(as_code(landed[name]).notnull())
    for name, wanted in where.items():
        codes = [code_text(w) for w in (wanted if isinstance(wanted, list) else [wanted])]
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
