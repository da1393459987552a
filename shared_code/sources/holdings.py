"""Holdings: what a site has, said without any small number and without any one record's date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis

from shared_code.model import TABLES

FLOOR = 10  # rows; whatever a study's own threshold, nothing rarer is said of what a site holds
ROUNDED_TO = 5


def holdings(folder: Path, floor: int = FLOOR) -> dict[str, dict[str, Any]]:
    """Describe each prepared table: rows (rounded half up; empty below the floor), first and last month.

    A first or last date is some record's date, so months with fewer rows than the floor do not count.
    Returns table -> {rows, first_month, last_month}; months only where the table has a date of its facts.
    """
    connection = ibis.duckdb.connect()
    try:
        described = {}
        for name, table in TABLES.items():
            path = folder / f"{name}.parquet"
            if not path.is_file():
                continue
            rows = connection.read_parquet(path)
            number = int(rows.count().execute())
            shown = (2 * number + ROUNDED_TO) // (2 * ROUNDED_TO) * ROUNDED_TO if number == 0 or number >= floor else None
            described[name] = {"rows": shown, "first_month": None, "last_month": None}
            if table.main_date:
                months = rows.filter(rows[table.main_date].notnull())
                months = months.group_by(month=months[table.main_date].cast("date").truncate("M").cast("date"))
                months = months.agg(rows=lambda t: t.count())
                span = months.filter(months.rows >= floor).aggregate(first=lambda t: t.month.min(), last=lambda t: t.month.max())
                first, last = span.execute().iloc[0]
                if first is not None and str(first) != "NaT":
                    described[name] |= {"first_month": f"{first:%Y-%m}", "last_month": f"{last:%Y-%m}"}
        return described
    finally:
        connection.disconnect()
