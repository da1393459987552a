"""Prepare: an extract becomes prepared tables, or a list of everything that is wrong with it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from shared_code.config.digests import of_json
from shared_code.config.site import ColumnMap, Site, TableMap
from shared_code.model import TABLES, Problem, Refused, Table, few
from shared_code.model.validation import check_table
from shared_code.sources import mapping, pseudonyms
from shared_code.sources.readers import Landed, land

ROWS_SHOWN = 5  # distinct values named in a message


def prepare(site: Site, folder: Path, target: Path, say: Any = lambda text: None) -> dict[str, int]:
    """Make every prepared table of a site; all of them, or none.

    folder  where the extract lies            target  folder for the Parquet files, replaced as a whole
    Returns table -> rows. Raises model.Refused with every problem of every table; the earlier prepared tables then
    stay as they were.
    """
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "landed").mkdir(parents=True)
    _owner_only(partial)
    connection = ibis.duckdb.connect()
    connection.raw_sql(f"SET temp_directory = '{(partial / 'spill').as_posix()}'")
    problems: list[Problem] = []
    rows: dict[str, int] = {}
    try:
        for name, settings in site.tables.items():
            say(f"{site.title}: {name}")
            problems += _one_table(connection, TABLES[name], settings, site, folder, partial)
        if not problems:
            for name in site.tables:
                problems += check_table(connection, TABLES[name], partial, f"config/sites/{site.site}.yaml")
        if problems:
            raise Refused(f"The extract of {site.title} ({site.site})", problems)
        for name in site.tables:
            rows[name] = int(connection.read_parquet(partial / f"{name}.parquet").count().execute())
    finally:
        connection.disconnect()
        if problems:
            shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(partial / "landed")
    shutil.rmtree(partial / "spill", ignore_errors=True)
    record = {"site": site.site, "extract_date": site.extract_date.isoformat(), "rows": rows,
              "settings": of_json(site.model_dump(mode="json"))}  # fmt: skip
    (partial / "prepared.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)
    return rows


def _owner_only(folder: Path) -> None:
    if os.name == "posix":
        folder.chmod(0o700)


def _one_table(connection: Any, table: Table, settings: TableMap, site: Site, folder: Path, partial: Path) -> list[Problem]:
    where = f"config/sites/{site.site}.yaml, tables.{table.name}"
    try:
        source = _land(connection.con, settings, folder, partial / "landed" / table.name)
    except Refused as refused:
        return refused.problems
    problems = mapping.check_columns(table, settings, source, where)
    if problems:
        return problems
    connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW landed_{table.name} AS {source.sql}")
    landed = connection.table(f"landed_{table.name}")
    parts = []
    for row, chosen, built in mapping.mapped_rows(table, settings, landed, source.user_missing):
        maps = {**settings.columns, **row.columns}
        problems += _unexplained(chosen, built, maps, table, where)
        parts.append(chosen.select(**{name: value for name, (value, _) in built.items()}))
    if problems:
        return problems
    rows = ibis.union(*parts) if len(parts) > 1 else parts[0]
    for name, mapped in settings.columns.items():
        if mapped.pseudonymise:
            rows = pseudonyms.replace(connection, rows, name, site.site, site.made_up)
    if settings.number:
        number = ibis.row_number().over(order_by=[rows[name] for name in rows.columns]).cast("string")
        rows = rows.mutate(**{settings.number: ibis.literal(f"{table.name}-").concat(number)})
    missing = [c for c in table.columns if c.name not in rows.columns]
    rows = rows.mutate(**{c.name: ibis.null(mapping.IBIS_TYPE[c.type]) for c in missing})
    rows = rows.select(*table.column_names).order_by(table.key)
    rows.to_parquet(partial / f"{table.name}.parquet")
    return []


def _land(duck: Any, settings: TableMap, folder: Path, place: Path) -> Landed:
    """Land the table's file, and join the further files it names."""
    main = land(folder / settings.file, place, duck, table=settings.table, sheet=settings.sheet,
                delimiter=settings.delimiter, encoding=settings.encoding, fixed_width=settings.fixed_width)  # fmt: skip
    for extra in settings.join:
        other = land(folder / extra.file, place, duck, fixed_width=extra.fixed_width)
        problems = [
            Problem(f"{file}", f"there is no column {extra.by!r} to join by", few(landed.columns, 12), "Correct join.by")
            for file, landed in ((settings.file, main), (extra.file, other))
            if extra.by not in landed.columns
        ]
        if problems:
            raise Refused(settings.file, problems)
        added = [c for c in other.columns if c not in main.columns]
        listed = "".join(f', o."{c}"' for c in added)
        condition = " = ".join(_same_code(f'{side}."{extra.by}"') for side in "mo")
        main = Landed(f"SELECT m.*{listed} FROM ({main.sql}) m LEFT JOIN ({other.sql}) o ON {condition}",
                      main.columns + added, {**other.user_missing, **main.user_missing})  # fmt: skip
    return main


def _same_code(column: str) -> str:
    """Write an identifier the same whether a file holds it as a number or as text, so that one equality joins both."""
    return f"coalesce(CAST(try_cast({column} AS DOUBLE) AS VARCHAR), trim(CAST({column} AS VARCHAR)))"


def _unexplained(chosen: ir.Table, built: dict, maps: dict[str, ColumnMap], table: Table, where: str) -> list[Problem]:
    """Find values that the site file does not explain or that do not fit their type, with how often they occur."""
    problems = []
    for name, (value, code) in built.items():
        if code is None or maps[name].pseudonymise:
            continue
        column, mapped = table.column(name), maps[name]
        lost = chosen.mutate(_code=code, _value=value).filter(lambda t: t._code.notnull() & t._value.isnull())
        tally = lost.group_by("_code").agg(rows=lost.count()).order_by(ibis.desc("rows"), "_code").limit(200).execute()
        if not len(tally):
            continue
        shown = few([f"{c!r} ({n} rows)" for c, n in zip(tally["_code"], tally["rows"])], ROWS_SHOWN)
        if mapped.values:
            allowed = few(column.values, 20) if column.values else few(map(str, set(mapped.values.values())))
            mend = f"Add these codes to {where}.columns.{name}.values, or to missing"
            problems.append(Problem(f"{where}.columns.{name}", f"{mapped.from_} holds {shown}, not explained", allowed, mend))
        else:
            kind = f"a date in the form {mapped.date}" if mapped.date else f"a {column.type}"
            mend = f"Correct date: or missing: at {where}.columns.{name}"
            problems.append(Problem(f"{where}.columns.{name}", f"{mapped.from_} holds {shown}, which is not {kind}", "", mend))
    return problems
