"""Looking up: columns of a list of codes, added to every row that holds the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared_code.config.columns import LookUp, TableMap
from shared_code.config.extracts import Extract
from shared_code.model import Problem, Refused, did_you_mean, few
from shared_code.sources.joining import land_table
from shared_code.sources.landing import Landed, named


def looked_up(connection: Any, settings: TableMap, main: Landed, folder: Path, place: Path, where: str) -> Landed:
    """Add the columns that a table's `look_up` names (raises model.Refused)."""
    for i, asked in enumerate(settings.look_up):
        source = {name: getattr(asked, name) for name in Extract.model_fields if name in asked.model_fields_set}
        codes = land_table(connection, TableMap(**source, columns={}), folder, place)
        main = _with_codes(connection, asked, main, codes, f"{where}.look_up.{i}")
    return main


def _with_codes(connection: Any, asked: LookUp, main: Landed, codes: Landed, where: str) -> Landed:
    named_in = (("the extract", main.columns, [asked.from_]), (asked.source, codes.columns, [asked.to, *asked.take]))
    problems = [
        Problem(where, f"{place} has no column {name!r}{did_you_mean(name, known)}", few(known, 12), "Correct the name")
        for place, known, names in named_in
        for name in names
        if name not in known
    ]
    problems += [Problem(where, f"the extract has a column {name!r} already", "", "Leave it out of take")
                 for name in asked.take if name in main.columns]  # fmt: skip
    if not problems:
        key = _text(named(asked.to))
        repeated = connection.execute(f"SELECT count({key}) - count(DISTINCT {key}) FROM ({codes.sql})").fetchone()[0]
        if repeated:
            wrong = f"{repeated} rows of {asked.source} repeat a code {asked.to}"
            problems = [Problem(where, wrong, "one row per code", "Correct to:")]
    if problems:
        raise Refused(asked.source, problems)
    taken = ", ".join(f"o.{named(name)}" for name in asked.take)
    sql = (f"SELECT m.*, {taken} FROM ({main.sql}) m LEFT JOIN ({codes.sql}) o "
           f"ON {_text('m.' + named(asked.from_))} = {_text('o.' + named(asked.to))}")  # fmt: skip
    return Landed(sql, main.columns + asked.take, {**codes.user_missing, **main.user_missing}, of=main.of)


def _text(column: str) -> str:
    """Write a code as text in SQL: 12.0 is 12."""
    return f"nullif(regexp_replace(trim(CAST({column} AS VARCHAR)), '[.]0+$', ''), '')"
