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
from shared_code.sources import table_steps, transformations
from shared_code.sources.codes import as_code, is_whole
from shared_code.sources.landing import Landed

MOST_MONTHS = 130 * 12  # nobody is older; a larger number is a code for "unknown"
ISO_DATE = r"^([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})([ T].*)?$"
IBIS_TYPE = {"text": "string", "integer": "int64", "number": "float64", "date": "date",
             "timestamp": "timestamp", "boolean": "boolean"}  # fmt: skip


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
    raw, code = _raw_and_code(landed, mapped, settings, user_missing)
    value, code = _made(landed, raw, code, mapped, column, settings)
    if mapped.default is not None:
        value = ibis.ifelse(code.isnull(), ibis.literal(mapped.default).cast(kind), value)
    return value, code


def _code_of(landed: ir.Table, name: str, mapped: ColumnMap, settings: TableMap, declared: list | None = None
             ) -> ir.StringValue:  # fmt: skip
    """Give one column of the extract as codes, empty where they mean "no value"."""
    code = as_code(landed[name])
    gone = missing_as_null(landed[name], code, mapped, settings.missing, declared or [])
    return ibis.ifelse(gone, ibis.null("string"), code)


def _raw_and_code(landed: ir.Table, mapped: ColumnMap, settings: TableMap, user_missing: dict[str, list]
                  ) -> tuple[ir.Column, ir.StringValue]:  # fmt: skip
    """Give a column as it is, and as tidied codes."""
    raw: ir.Column = landed[mapped.from_]
    code = _code_of(landed, mapped.from_, mapped, settings, user_missing.get(mapped.from_))
    for other in mapped.or_from:
        code = raw = ibis.coalesce(code, _code_of(landed, other, mapped, settings, user_missing.get(other)))
    return raw, transformations.tidy(code, mapped)


def _made(landed: ir.Table, raw: ir.Column, code: ir.StringValue, mapped: ColumnMap, column: Column, settings: TableMap
          ) -> tuple[ir.Value, ir.StringValue]:  # fmt: skip
    """Make the value in the one way the site file names; also the code to show where that fails."""
    kind = IBIS_TYPE[column.type]
    if mapped.values:
        return transformations.recoded(code, mapped, kind), code
    if mapped.months_before:
        return _shifted(mapped.months_before, code, -1), code
    if mapped.years_before:
        return _shifted(mapped.years_before, code, -12, 6), code
    if mapped.months_after:
        return _shifted(mapped.months_after, code, 1), code
    if mapped.imd_decile:
        return transformations.imd_decile(code, mapped.imd_decile), code
    if mapped.icd10:
        return code.upper().re_replace(r"[-.\s†+*]", "").nullif(""), code
    if mapped.age_on or mapped.month or mapped.days_until:
        return _with_another(landed, raw, code, mapped, column, settings)
    if kind == "date":
        return _date(raw, code, mapped, column), code
    if kind == "timestamp":
        return _moment(landed, raw, code, mapped, settings)
    if kind in ("int64", "float64"):
        return _number(code, kind), code
    value: ir.Value = code if kind == "string" else code.try_cast(kind)
    if mapped.prefix:
        value = ibis.literal(mapped.prefix).concat(value)
    return value, code


def _with_another(landed: ir.Table, raw: ir.Column, code: ir.StringValue, mapped: ColumnMap, column: Column,
                  settings: TableMap) -> tuple[ir.Value, ir.StringValue]:  # fmt: skip
    """Make a value from two columns; the code shows both, and is empty where one that is needed is empty."""
    name = mapped.age_on or mapped.month or mapped.days_until
    other = _code_of(landed, name, mapped, settings)
    shown = code.concat(" and ", other)
    if mapped.month:
        return transformations.birth_month_from_parts(code, other), ibis.ifelse(other.isnull(), code, shown)
    day = _day(landed[name], other, mapped)
    if mapped.age_on:
        return transformations.birth_month_from_age(code, day), shown
    days = day.delta(_day(raw, code, mapped), unit="day")
    return days.cast(IBIS_TYPE[column.type]), shown


def _number(code: ir.StringColumn, kind: str) -> ir.NumericValue:
    """Read a number; null where it is none, or a fraction where whole numbers belong."""
    number = code.try_cast("float64")
    good = ~(number.isnan() | number.isinf())
    if kind == "int64":
        good = good & is_whole(number)
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


def _day(raw: ir.Column, code: ir.StringColumn, mapped: ColumnMap) -> ir.DateValue:
    """Read a date; null where it does not fit."""
    kind = raw.type()
    if kind.is_date() or kind.is_timestamp():
        return ibis.ifelse(code.isnull(), ibis.null("date"), raw.cast("date"))
    if mapped.date:
        return try_strptime(code, mapped.date)
    return code.re_extract(ISO_DATE, 1).nullif("").try_cast("date")


def _date(raw: ir.Column, code: ir.StringColumn, mapped: ColumnMap, column: Column) -> ir.Value:
    value = _day(raw, code, mapped)
    if mapped.plus_days:
        value = (value + ibis.interval(days=mapped.plus_days)).cast("date")
    if mapped.first_of_month or column.month:
        return ibis.date(value.year(), value.month(), ibis.literal(1))
    return value


def _moment(landed: ir.Table, raw: ir.Column, code: ir.StringColumn, mapped: ColumnMap, settings: TableMap
            ) -> tuple[ir.Value, ir.StringValue]:  # fmt: skip
    """Read a date and time, from one column or from several; null where it does not fit."""
    if mapped.time:
        clock = _code_of(landed, mapped.time, mapped, settings)
        value = transformations.moved(_day(raw, code, mapped).cast("timestamp"), transformations.minutes_of_day(clock))
        code = code.concat(" ", clock)
    elif raw.type().is_timestamp():
        value = ibis.ifelse(code.isnull(), ibis.null("timestamp"), raw)
    else:
        value = _try_strptime(code, mapped.date) if mapped.date else code.try_cast("timestamp")
    if mapped.plus_minutes:
        minutes = _code_of(landed, mapped.plus_minutes, mapped, settings)
        value = transformations.moved(value, transformations.whole_minutes(minutes))
        code = code.concat(" + ", minutes)
    if mapped.plus_days:
        value = value + ibis.interval(days=mapped.plus_days)
    return value, code


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
    present = table_steps.columns_after(settings, landed.columns)
    for place, columns in groups:
        for name, mapped in columns.items():
            for asked in mapped.extract_columns():
                if asked not in present:
                    wrong = f"the extract has no column {asked!r}{did_you_mean(asked, present)}"
                    key = "from:" if asked == mapped.from_ else "the name"
                    problems.append(Problem(f"{place}.{name}", wrong, few(present, 12), f"Correct {key}"))
    problems += table_steps.step_problems(settings, landed.columns, where)
    for place, columns in groups[1:] or groups:
        made = {settings.number, *settings.columns, *columns}
        for column in table.columns:
            if column.never_missing and column.name not in made:
                mend = f"Add {column.name} to {place}"
                problems.append(Problem(place, f"{column.name} is missing ({column.meaning})", "", mend))
    named = [(f"{where}.where", name) for name in settings.where] + [(f"{where}.present", name) for name in settings.present]
    asked_of = [(place, name, landed.columns) for place, name in named]
    asked_of += [(f"{where}.rows.{i}.where", name, present) for i, row in enumerate(settings.rows) for name in row.where]
    for place, name, columns_there in asked_of:
        if name not in columns_there:
            wrong = f"the extract has no column {name!r}{did_you_mean(name, columns_there)}"
            problems.append(Problem(place, wrong, few(columns_there, 12), f"Correct {place.rpartition('.')[2]}:"))
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
        kept = table_steps.on_extract(filtered(landed, settings.where, settings.present), settings)
        chosen = filtered(kept, row.where)
        columns = {**settings.columns, **row.columns}
        built = {
            name: column_expression(chosen, mapped, table.column(name), settings, user_missing)
            for name, mapped in columns.items()
        }
        result.append((row, chosen, built))
    return result
