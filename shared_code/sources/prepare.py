"""Prepare: an extract becomes prepared tables, or a list of everything that is wrong with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir

from shared_code.config.columns import ColumnMap, TableMap
from shared_code.config.digests import of_json
from shared_code.config.private import for_owner_only
from shared_code.config.site import Site
from shared_code.model import TABLES, Problem, Refused, Table
from shared_code.model.validation import check_table
from shared_code.sources import mapping, table_steps
from shared_code.sources.holdings import holdings
from shared_code.sources.opening import engine, kinds_of_rows, opened, unexplained
from shared_code.sources.pseudonyms import Identifiers


def prepare(site: Site, folder: Path, target: Path, say: Any = lambda text: None) -> dict[str, int]:
    """Make every prepared table of a site; all of them, or none.

    folder  where the extract lies            target  folder for the Parquet files, replaced as a whole
    Returns table -> rows. Raises model.Refused with every problem of every table; the earlier prepared tables then
    stay as they were.
    """
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "landed").mkdir(parents=True)
    for_owner_only(partial)
    identifiers = Identifiers(site, target.parent)
    try:
        rows = _all_tables(site, folder, partial, say, identifiers)
        shutil.rmtree(partial / "landed")
        shutil.rmtree(partial / "spill", ignore_errors=True)
        record = {"site": site.site, "extract_date": site.extract_date.isoformat(), "rows": rows,
                  "holdings": holdings(partial), "unlinked": identifiers.lost,
                  "settings": of_json(site.model_dump(mode="json"))}  # fmt: skip
        (partial / "prepared.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    except BaseException:  # whatever happened, no copy of the extract stays behind
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)
    return rows


def _all_tables(site: Site, folder: Path, partial: Path, say: Any, identifiers: Identifiers) -> dict[str, int]:
    connection = engine(partial / "spill")
    try:
        problems: list[Problem] = []
        for name, settings in site.tables.items():
            say(f"{site.title}: {name}")
            found = _one_table(connection, TABLES[name], settings, site, folder, partial, identifiers)
            problems += [problem for problem in found if problem not in problems]
        if not problems:
            for name in site.tables:
                problems += check_table(connection, TABLES[name], partial, f"config/sites/{site.site}.yaml")
        if problems:
            raise Refused(f"The extract of {site.title} ({site.site})", problems)
        return {name: int(connection.read_parquet(partial / f"{name}.parquet").count().execute()) for name in site.tables}
    finally:
        connection.disconnect()


def _one_table(connection: Any, table: Table, settings: TableMap, site: Site, folder: Path, partial: Path,
               identifiers: Identifiers) -> list[Problem]:  # fmt: skip
    """Write one prepared table, or say what is wrong with its files and their mapping."""
    where = f"config/sites/{site.site}.yaml, tables.{table.name}"
    try:
        source, problems = opened(connection, table, settings, folder, partial / "landed", where)
        if problems:
            return problems
        parts = []
        for maps, chosen, built in kinds_of_rows(connection, table, settings, source):
            problems += unexplained(chosen, built, maps, table, where)
            if not problems:
                parts.append(_complete(connection, chosen, built, maps, table, identifiers))
        if not problems:
            rows = table_steps.on_prepared(ibis.union(*parts) if len(parts) > 1 else parts[0], settings, table)
            rows = _numbered(rows, table, settings.number)
            rows.order_by(table.key).to_parquet(partial / f"{table.name}.parquet")
        return problems
    except Refused as refused:
        return refused.problems
    except duckdb.Error as error:  # a file that was readable at first and is damaged further on
        reason = str(error).strip().splitlines()[0]
        return [Problem(where, f"{settings.source} cannot be read ({reason})", "", "Export it again, or in another form")]


def _complete(connection: Any, chosen: ir.Table, built: dict, maps: dict[str, ColumnMap], table: Table,
              identifiers: Identifiers) -> ir.Table:  # fmt: skip
    """Give every column of the data model, identifiers replaced by pseudonyms, and empty what the extract lacks."""
    rows = chosen.select(**{name: value for name, (value, _) in built.items()})
    for name, mapped in maps.items():
        if mapped.hides:
            rows = identifiers.replaced(connection, rows, table.name, name, mapped)
    missing = [c for c in table.columns if c.name not in rows.columns]
    rows = rows.mutate(**{c.name: ibis.null(mapping.IBIS_TYPE[c.type]) for c in missing})
    return rows.select(*table.column_names)


def _numbered(rows: ir.Table, table: Table, column: str) -> ir.Table:
    """Number the rows in an order that their content decides, where the extract has no identifier."""
    if not column:
        return rows
    others = [rows[name] for name in rows.columns if name != column]
    number = ibis.row_number().over(order_by=others).cast("string")
    return rows.mutate(**{column: ibis.literal(f"{table.name}-").concat(number)}).select(*table.column_names)
