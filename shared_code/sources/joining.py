"""Joining: files of one table put under each other, and columns of another source added where an identifier agrees."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from shared_code.config.columns import Join, TableMap
from shared_code.config.extracts import Extract
from shared_code.model import Problem, Refused, few
from shared_code.sources import readers
from shared_code.sources.databases import land_server_table
from shared_code.sources.guarded import memory_allowed
from shared_code.sources.landing import Landed, as_text, named, scan

NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT",
           "DOUBLE", "DECIMAL")  # fmt: skip


def land_table(connection: Any, settings: TableMap, folder: Path, place: Path, most: int | None = None) -> Landed:
    """Land the sources of a table, and join the further ones it names (raises model.Refused).

    most  rows to read of a statistical file or a table of a server, if not all: for a look, never for prepared tables
    """
    main = _landed(connection, settings, folder, place, settings.delimiter, settings.encoding, most)
    for extra in settings.join:
        other = _landed(connection, extra, folder, place, extra.delimiter or settings.delimiter,
                        extra.encoding or settings.encoding)  # fmt: skip
        main = _joined(connection, settings.source, main, extra, other)
    return main


def _landed(connection: Any, source: Extract, folder: Path, place: Path, delimiter: str, encoding: str,
            most: int | None = None) -> Landed:  # fmt: skip
    if source.database:
        name = hashlib.sha256(repr((source.database.url_env, source.table, most)).encode()).hexdigest()[:12]
        target = place / f"{source.table}.{name}.parquet"
        if target.is_file():
            return scan(target)
        return land_server_table(source.database.url_env, source.table, target, readers.CHUNK, memory_allowed(), most)
    options: dict[str, Any] = {
        "table": source.table, "sheet": source.sheet, "delimiter": delimiter, "encoding": encoding,
        "fixed_width": source.fixed_width, "catalogue": folder / source.catalogue if source.catalogue else None,
        "most": most,
    }  # fmt: skip
    found, problems = [], []
    for path in _paths(source, folder):
        try:
            found.append((path.name, readers.land(path, place, connection, **options)))
        except Refused as refused:
            problems += refused.problems
    if problems:
        raise Refused(source.source, problems)
    return stacked(connection, source.source, found)


def _paths(source: Extract, folder: Path) -> list[Path]:
    """List the files of a source; a name with a wildcard stands for every file that it fits, in order of their names."""
    paths: list[Path] = []
    for name in source.files or [source.file]:
        if (folder / name).is_file() or not any(sign in name for sign in "*?["):
            paths.append(folder / name)
            continue
        matching = sorted(path for path in folder.glob(name) if path.is_file())
        if not matching:
            present = sorted(path.name for path in folder.glob("*"))
            raise Refused(name, [Problem(str(folder / name), "no file fits this pattern", few(present), "Correct file:")])
        paths += matching
    return list(dict.fromkeys(paths))


def stacked(connection: Any, source: str, found: list[tuple[str, Landed]]) -> Landed:
    """Put the rows of several files under each other: the same columns in all of them, in any order.

    A column that holds numbers in one file and text in another becomes codes. What any of the files declares as missing
    counts as missing in all of them.
    """
    if len(found) == 1:
        return found[0][1]
    first_name, first = found[0]
    problems = []
    for name, other in found[1:]:
        for has, has_not, columns in ((first_name, name, set(first.columns) - set(other.columns)),
                                      (name, first_name, set(other.columns) - set(first.columns))):  # fmt: skip
            if columns:
                wrong = f"there is no column {few(sorted(columns))}, which {has} has"
                mend = "Export it again, or map it as a table of its own"
                problems.append(Problem(has_not, wrong, "the same columns in every file", mend))
    if problems:
        raise Refused(source, problems)
    kinds = [_kinds(connection, landed) for _, landed in found]
    mixed = {column for column in first.columns if len({kind[column] for kind in kinds}) > 1}
    missing: dict[str, list] = {}
    selects = []
    for (_, landed), kind in zip(found, kinds):
        listed = [f"{_code(named(c), kind[c])} AS {named(c)}" if c in mixed else named(c) for c in first.columns]
        selects.append(f"SELECT {', '.join(listed)} FROM ({landed.sql})")
        for column, ranges in landed.user_missing.items():
            known = missing.setdefault(column, [])
            known += [pair for pair in ranges if pair not in known]
    for column in mixed & set(missing):  # they are compared as codes now
        missing[column] = [(as_text(low), as_text(high)) for low, high in missing[column] if low == high]
    described = {name: said for _, landed in reversed(found) for name, said in landed.described.items()}
    of = _of(connection, [landed for _, landed in found])
    return Landed(" UNION ALL ".join(selects), first.columns, missing, described, of)


def _of(connection: Any, landed: list[Landed]) -> int | None:
    """Say how many rows there are in all, where some file was read in part only."""
    if all(one.of is None for one in landed):
        return None
    return sum(one.of or int(connection.execute(f"SELECT count(*) FROM ({one.sql})").fetchone()[0]) for one in landed)


def _kinds(connection: Any, landed: Landed) -> dict[str, str]:
    return {row[0]: str(row[1]) for row in connection.execute(f"DESCRIBE {landed.sql}").fetchall()}


def _code(column: str, kind: str) -> str:
    """Write a value as a code in SQL: numbers without needless decimals, midnight as a date."""
    if kind.partition("(")[0] in NUMBERS:
        return _as_code(column, True, False)
    if kind.startswith("TIMESTAMP"):
        day = f"CAST(CAST({column} AS DATE) AS VARCHAR)"
        return f"CASE WHEN {column} = CAST({column} AS DATE) THEN {day} ELSE CAST({column} AS VARCHAR) END"
    return f"CAST({column} AS VARCHAR)"


def _joined(connection: Any, file: str, main: Landed, extra: Join, other: Landed) -> Landed:
    problems = [
        Problem(name, f"there is no column {extra.by!r} to join by", few(landed.columns, 12), "Correct join.by")
        for name, landed in ((file, main), (extra.source, other))
        if extra.by not in landed.columns
    ]
    if problems:
        raise Refused(file, problems)
    numeric = [_is_number(connection, landed, extra.by) for landed in (main, other)]
    left, right = (_as_code(f"{side}.{named(extra.by)}", mine, any(numeric)) for side, mine in zip("mo", numeric))
    sql = f"SELECT count(code) - count(DISTINCT code) FROM (SELECT {right} AS code FROM ({other.sql}) o)"
    repeated = connection.execute(sql).fetchone()[0]
    if repeated:
        wrong = f"{repeated} rows repeat an identifier {extra.by}"
        problem = Problem(extra.source, wrong, "one row per identifier", "Join a file that has one, or map it as a table")
        raise Refused(file, [problem])
    added = [c for c in other.columns if c not in main.columns]
    listed = "".join(f", o.{named(c)}" for c in added)
    return Landed(f"SELECT m.*{listed} FROM ({main.sql}) m LEFT JOIN ({other.sql}) o ON {left} = {right}",
                  main.columns + added, {**other.user_missing, **main.user_missing}, of=main.of)  # fmt: skip


def _is_number(connection: Any, landed: Landed, column: str) -> bool:
    kind = connection.execute(f"DESCRIBE SELECT {named(column)} FROM ({landed.sql})").fetchone()[1]
    return str(kind).partition("(")[0] in NUMBERS


def _as_code(column: str, is_number: bool, compare_numbers: bool) -> str:
    """Write an identifier as text in SQL: a number without decimals; text as it is, unless it meets a number."""
    text = f"nullif(trim(CAST({column} AS VARCHAR)), '')"
    if is_number:
        whole = f"CAST(try_cast({column} AS HUGEINT) AS VARCHAR)"
        return f"CASE WHEN {column} = floor({column}) THEN {whole} ELSE {text} END"
    if compare_numbers:  # 0012 and 12.0 are the number 12; other texts stay themselves
        digits = f"regexp_extract({text}, '^([0-9]+)([.]0*)?$', 1)"
        return f"CASE WHEN {digits} <> '' THEN coalesce(nullif(ltrim({digits}, '0'), ''), '0') ELSE {text} END"
    return text
