"""Opening: the files of one table, its columns checked, its rows mapped, and the values that nobody explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from shared_code.config.columns import ColumnMap, TableMap
from shared_code.model import Problem, Table, few
from shared_code.sources import guarded, mapping
from shared_code.sources.holdings import FLOOR
from shared_code.sources.joining import land_table
from shared_code.sources.landing import Landed, quoted
from shared_code.sources.lookups import looked_up

ROWS_SHOWN = 5  # distinct values named in a message
Built = dict[str, tuple[ir.Value, ir.Value | None]]


def engine(spill: Path) -> Any:
    """Start DuckDB with a set bound of memory; what needs more than that goes by way of files in a private folder."""
    connection = ibis.duckdb.connect()
    connection.raw_sql(f"SET memory_limit = '{guarded.engine_memory()}MB'")
    connection.raw_sql(f"SET temp_directory = {quoted(spill)}")
    return connection


def opened(connection: Any, table: Table, settings: TableMap, folder: Path, place: Path, where: str,
           most: int | None = None) -> tuple[Landed, list[Problem]]:  # fmt: skip
    """Read the files of one table; also give what is wrong with the columns that its mapping names (raises model.Refused).

    most  rows to look at where a source must be read row by row (see joining.land_table)
    """
    source = land_table(connection.con, settings, folder, place, most)
    source = looked_up(connection.con, settings, source, folder, place, where)
    return source, mapping.check_columns(table, settings, source, where)


def kinds_of_rows(connection: Any, table: Table, settings: TableMap, source: Landed
                  ) -> list[tuple[dict[str, ColumnMap], ir.Table, Built]]:  # fmt: skip
    """Map the rows of a table: for each kind of row its mapping, the rows of the extract, and the columns made of them."""
    connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW landed_{table.name} AS {source.sql}")
    found = mapping.mapped_rows(table, settings, connection.table(f"landed_{table.name}"), source.user_missing)
    return [({**settings.columns, **row.columns}, chosen, built) for row, chosen, built in found]


def unexplained(chosen: ir.Table, built: dict, maps: dict[str, ColumnMap], table: Table, where: str) -> list[Problem]:
    """Find values that the site file does not explain or that do not fit their type, with how often they occur."""
    problems = []
    asked = {name: (value, code) for name, (value, code) in built.items()
             if code is not None and value is not code and not maps[name].hides}  # fmt: skip
    if not asked:
        return []
    # one scan says which columns lose anything; only those are looked at again, value by value
    lost = {name: (code.notnull() & value.isnull()).sum().fill_null(0) for name, (value, code) in asked.items()}
    found = chosen.aggregate(**lost).execute().iloc[0]
    for name, (value, code) in asked.items():
        if not found[name]:
            continue
        column, mapped = table.column(name), maps[name]
        lost = chosen.mutate(_code=code, _value=value).filter(lambda t: t._code.notnull() & t._value.isnull())
        tally = lost.group_by("_code").agg(rows=lost.count()).order_by(ibis.desc("rows"), "_code").limit(200).execute()
        shown = few([f"{c!r} ({n} rows)" for c, n in zip(tally["_code"], tally["rows"])], ROWS_SHOWN)
        common = tally[tally["rows"] >= FLOOR]
        told = few([f"{c!r} ({n} rows)" for c, n in zip(common["_code"], common["rows"])], ROWS_SHOWN)
        if len(common) < len(tally):
            told += f"{' and ' if told else ''}{len(tally) - len(common)} values of fewer than {FLOOR} rows each"
        if column.private:  # identifiers are counted, never shown
            shown = told = f"{tally['rows'].sum()} values"
        if mapped.values:
            allowed = few(column.values, 20) if column.values else few(map(str, dict.fromkeys(mapped.values.values())))
            mend = f"Add these codes to {where}.columns.{name}.values, or to missing"
            problems.append(Problem(f"{where}.columns.{name}", f"{mapped.from_} holds {shown}, not explained", allowed, mend,
                                    told=f"{mapped.from_} holds {told}, not explained"))  # fmt: skip
        else:
            kind = f"a date in the form {mapped.date}" if mapped.date else f"a {column.type}"
            mend = f"Correct date: or missing: at {where}.columns.{name}"
            problems.append(Problem(f"{where}.columns.{name}", f"{mapped.from_} holds {shown}, which is not {kind}", "", mend,
                                    told=f"{mapped.from_} holds {told}, which is not {kind}"))  # fmt: skip
    return problems
