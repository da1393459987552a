"""Table steps: what each word of `steps:` does to the rows of a table (declared in config/table_steps.py)."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from shared_code.config.columns import TableMap
from shared_code.config.strict import code_text
from shared_code.config.table_steps import OneAttendance, RowsFromColumns, SpellsFromEpisodes
from shared_code.model import Problem, Table, did_you_mean, few
from shared_code.sources.codes import as_code

ROW = "_row"


def columns_after(settings: TableMap, columns: list[str]) -> list[str]:
    """List the columns of the extract once the steps have added and used up theirs."""
    for step in settings.steps:
        gone = step.rows_from_columns.columns if step.rows_from_columns else []
        columns = [c for c in columns if c not in gone] + step.new_columns()
    return columns


def step_problems(settings: TableMap, columns: list[str], where: str) -> list[Problem]:
    """Find columns that steps name and the extract lacks, or that they would add and it has."""
    problems, known = [], list(columns)
    for i, step in enumerate(settings.steps):
        place = f"{where}.steps.{i}.{step.word}"
        for name in step.extract_columns():
            if name not in known:
                wrong = f"the extract has no column {name!r}{did_you_mean(name, known)}"
                problems.append(Problem(place, wrong, few(known, 12), "Correct the name"))
        for name in step.new_columns():
            if name in known:
                problems.append(Problem(place, f"the extract has a column {name!r} already", "", "Choose another name"))
            known.append(name)
    return problems


def on_extract(rows: ir.Table, settings: TableMap) -> ir.Table:
    """Apply the steps that work on rows of the extract, in the order in which they are written."""
    for step in settings.steps:
        if step.leave_out is not None:
            rows = left_out(rows, step.leave_out)
        elif step.spells_from_episodes:
            rows = spells_from_episodes(rows, step.spells_from_episodes)
        elif step.rows_from_columns:
            rows = rows_from_columns(rows, step.rows_from_columns, settings.missing)
    return rows


def on_prepared(rows: ir.Table, settings: TableMap, table: Table) -> ir.Table:
    """Apply the steps that work on prepared rows, in the order in which they are written."""
    for step in settings.steps:
        if step.distinct_rows:
            rows = rows.distinct()
        elif step.latest_by or step.earliest_by:
            rows = one_per_key(rows, table.key, step.latest_by or step.earliest_by, bool(step.latest_by))
        elif step.one_attendance_from_duplicates:
            rows = one_attendance_from_duplicates(rows, table.key, step.one_attendance_from_duplicates)
    return rows


def left_out(rows: ir.Table, codes: dict[str, Any]) -> ir.Table:
    """Drop rows that hold one of these codes; an empty value is no code."""
    for name, unwanted in codes.items():
        listed = [code_text(c) for c in (unwanted if isinstance(unwanted, list) else [unwanted])]
        rows = rows.filter(~as_code(rows[name]).isin(listed).fill_null(False))
    return rows


def spells_from_episodes(rows: ir.Table, how: SpellsFromEpisodes) -> ir.Table:
    """Keep the first episode of every spell, with the columns in `last` taken from the spell's last episode."""
    spell = [as_code(rows[name]) for name in (how.person, how.provider, how.admitted) if name]
    number = as_code(rows[how.order]).try_cast("float64")
    order = [ibis.asc(number, nulls_first=False), as_code(rows[how.episode])]
    whole = ibis.window(group_by=spell, order_by=order, preceding=None, following=None)
    first = ibis.row_number().over(ibis.window(group_by=spell, order_by=order))
    closing = {name: rows[name].last(include_null=True).over(whole) for name in how.last}
    return rows.mutate(**closing, **{ROW: first}).filter(lambda t: t[ROW] == 0).drop(ROW)


def rows_from_columns(rows: ir.Table, how: RowsFromColumns, missing: list[Any]) -> ir.Table:
    """Make one row per filled column, with its value and its position among the columns."""
    place = how.position or "_position"
    wide = rows.mutate(**{name: as_code(rows[name]) for name in how.columns})
    position = {name: i for i, name in enumerate(how.columns, 1)}
    long = wide.pivot_longer(
        ibis.selectors.cols(*how.columns), names_to=place, names_transform=lambda name: position[name], values_to=how.value
    )
    empty = [code_text(code) for code in missing]
    filled = long[how.value].notnull()
    long = long.filter(filled & ~long[how.value].isin(empty) if empty else filled)
    return long if how.position else long.drop(place)


def one_per_key(rows: ir.Table, key: list[str], by: str, latest: bool) -> ir.Table:
    """Of several rows with one key keep the latest (or earliest) by one column; a row without a value there comes last.

    Rows that are equal in it are decided by their other columns, so that the order of the file does not matter.
    """
    asked = (ibis.desc if latest else ibis.asc)(rows[by], nulls_first=False)
    others = [rows[name] for name in rows.columns if name not in (by, *key)]
    place = ibis.row_number().over(ibis.window(group_by=[rows[k] for k in key], order_by=[asked, *others]))
    return rows.mutate(**{ROW: place}).filter(lambda t: t[ROW] == 0).drop(ROW)


def one_attendance_from_duplicates(rows: ir.Table, key: list[str], how: OneAttendance) -> ir.Table:
    """Keep the first of a person's arrivals that follow one another within so many minutes.

    Source: methods specification 0.2 (the same person, arrival within 10 minutes).
    """
    window = ibis.window(group_by=rows.person_id, order_by=[rows.arrival, *[rows[k] for k in key]])
    gap = rows.arrival.epoch_seconds() - rows.arrival.lag().over(window).epoch_seconds()
    again = (gap <= how.minutes * 60) & rows.person_id.notnull()
    return rows.mutate(_again=again.fill_null(False)).filter(lambda t: ~t["_again"]).drop("_again")
