"""Records with identifiers: read as any table of the extract is, and handed to linkage in a file that does not stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import ibis

from shared_code.config.columns import TableMap
from shared_code.config.extracts import Extract
from shared_code.config.site import Site
from shared_code.model import TABLES, Problem, Refused
from shared_code.model.identified import IDENTIFIED
from shared_code.sources import mapping
from shared_code.sources.joining import land_table
from shared_code.sources.landing import named, quoted
from shared_code.sources.lookups import looked_up
from shared_code.sources.opening import unexplained

ROW = "cohortium_row"
UNREADABLE = 0.2  # share of dates of birth that may be unreadable before their format must be wrong


def read_identified(connection: Any, name: str, settings: TableMap, site: Site, folder: Path, place: Path) -> Path:
    """Write the records of one source into a Parquet file: the columns of `IDENTIFIED`, and row.

    row     position in the source as delivered, from 1, by which a person finds a record again
    place   private folder; whoever asked removes it
    Dates of birth that no calendar knows are empty: a typing error is not a reason to stop. Raises model.Refused.
    """
    where = f"config/sites/{site.site}.yaml, linkage.records.{name}"
    try:
        source = land_table(connection.con, settings, folder, place / "landed")
        source = looked_up(connection.con, settings, source, folder, place / "landed", where)
        problems = mapping.check_columns(IDENTIFIED, settings, source, where)
        if problems:
            raise Refused(where, problems)
        view = f"identified_{name}"
        sql = f"SELECT row_number() OVER () AS {ROW}, * FROM ({source.sql})"
        connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW {view} AS {sql}")
        _, chosen, built = mapping.mapped_rows(IDENTIFIED, settings, connection.table(view), source.user_missing)[0]
        asked = {n: b for n, b in built.items() if n != "date_of_birth"}
        problems = [*unexplained(chosen, asked, settings.columns, IDENTIFIED, where), *_dates_of_birth(chosen, built, where)]
        if problems:
            raise Refused(where, problems)
        row = chosen[ROW] if ROW in chosen.columns else ibis.row_number() + 1  # steps may have made new rows
        rows = chosen.select(row=row, **{n: value for n, (value, _) in built.items()})
        missing = {c.name: ibis.null(mapping.IBIS_TYPE[c.type]) for c in IDENTIFIED.columns if c.name not in rows.columns}
        target = place / f"{name}.parquet"
        rows.mutate(**missing).select("row", *IDENTIFIED.column_names).order_by("row").to_parquet(target)
    except duckdb.Error as error:
        told = f"{settings.source} cannot be read ({type(error).__name__})"  # the engine's own words may show identifiers
        raise Refused(where, [Problem(where, told, "", "Export it again, or in another form")]) from None
    problems = _rules(connection, target, settings, where)
    if problems:
        raise Refused(where, problems)
    return target


def read_superseded(connection: Any, site: Site, folder: Path, place: Path) -> Path | None:
    """Write the list of superseded numbers into a Parquet file: superseded, current. None where the site has none."""
    settings = site.linkage.superseded if site.linkage else None
    if settings is None:
        return None
    where = f"config/sites/{site.site}.yaml, linkage.superseded"
    given = {n: getattr(settings, n) for n in Extract.model_fields if n in settings.model_fields_set}
    source = land_table(connection.con, TableMap(**given, columns={}), folder, place / "landed")
    lacking = [c for c in (settings.from_, settings.to) if c not in source.columns]
    if lacking:
        raise Refused(where, [Problem(where, f"there is no column {c!r}", ", ".join(source.columns), "Correct from or to")
                              for c in lacking])  # fmt: skip
    connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW superseded_numbers AS {source.sql}")
    rows = connection.table("superseded_numbers")
    target = place / "superseded.parquet"
    codes = {new: mapping.as_code(rows[old]) for new, old in (("superseded", settings.from_), ("current", settings.to))}
    rows.select(**codes).filter(lambda t: t.superseded.notnull() & t.current.notnull()).to_parquet(target)
    return target


def deciles(connection: Any, site: Site, folder: Path, place: Path) -> Path | None:
    """Write the national decile of every small area, as the site's own table of areas says it: lsoa21, imd10."""
    settings = site.tables.get("area_lookup")
    columns = settings.columns if settings else {}
    if settings is None or settings.rows or not {"lsoa21", "imd10"} <= set(columns):
        return None
    wanted = settings.model_copy(update={"columns": {n: columns[n] for n in ("lsoa21", "imd10")}, "number": ""})
    source = land_table(connection.con, wanted, folder, place / "landed")
    source = looked_up(connection.con, wanted, source, folder, place / "landed", "tables.area_lookup")
    connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW areas_of_the_site AS {source.sql}")
    found = mapping.mapped_rows(TABLES["area_lookup"], wanted, connection.table("areas_of_the_site"), source.user_missing)
    _, chosen, built = found[0]
    target = place / "deciles.parquet"
    chosen.select(**{n: value for n, (value, _) in built.items()}).distinct().to_parquet(target)
    return target


def _dates_of_birth(chosen: Any, built: dict, where: str) -> list[Problem]:
    if "date_of_birth" not in built:
        return []
    value, code = built["date_of_birth"]
    if code is None:
        return []
    counts = chosen.aggregate(typed=code.count(), lost=(code.notnull() & value.isnull()).sum().fill_null(0)).execute().iloc[0]
    if counts["lost"] <= UNREADABLE * counts["typed"]:
        return []
    wrong = f"{counts['lost']:,} of {counts['typed']:,} dates of birth cannot be read"
    return [Problem(f"{where}.columns.date_of_birth", wrong, "the form in which they are written", "Correct date:")]


def _rules(connection: Any, target: Path, settings: TableMap, where: str) -> list[Problem]:
    """Find records without a number of their own, and numbers that name two records; counts only."""
    record = named("record")
    rows, empty, repeated = connection.con.execute(
        f"SELECT count(*), count(*) - count({record}), count({record}) - count(DISTINCT {record}) "
        f"FROM read_parquet({quoted(target)})").fetchone()  # fmt: skip
    place = f"{where}.columns.record"
    problems = []
    if not rows:
        problems.append(Problem(where, "no record is left", "", "Correct where or present, or the extract"))
    if empty:
        mend = "Correct from:, or use present"
        problems.append(Problem(place, f"it is empty in {empty:,} rows", "a number in every row", mend))
    if repeated:
        wrong = f"{repeated:,} rows repeat the number of another record"
        problems.append(Problem(place, wrong, "one row a record", "Choose the column that numbers the rows of this source"))
    return problems
