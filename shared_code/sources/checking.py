"""Checking: what a site file and its extract allow, in plain sentences, without writing any prepared table.

The same expressions as in `prepare` are only counted. Of a large table but that of people about half a million rows are looked
at, so that a million people take less than a minute; this is said, and `prepare` checks every row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir

from shared_code.config import Site, Study
from shared_code.config.columns import TableMap
from shared_code.model import TABLES, Column, Problem, Refused, Table, few
from shared_code.model.validation import column_rules
from shared_code.sources import mapping, table_steps
from shared_code.sources.drafting import BLANK, NO_DATE
from shared_code.sources.findings import Findings, Seen, percent, rounded
from shared_code.sources.holdings import FLOOR
from shared_code.sources.identified import read_identified
from shared_code.sources.opening import engine, kinds_of_rows, opened, unexplained
from shared_code.sources.pseudonyms import read_key

OFTEN_EMPTY = 0.2  # share of empty rows from which a column is mentioned
MOST_ROWS = 500_000  # of a table that are looked at


def check_site(site: Site, studies: Iterable[Study], folder: Path | None = None, room: Path | None = None) -> Findings:
    """Check a site's settings against its extract and the studies: what fits, is missing, is wrong, and can run.

    folder  where the extract lies (default: the site's own)
    room    the site's private room, where copies lie while the check runs (default: the system's temporary folder)
    """
    folder = folder if folder is not None else Path(site.folder or f"data/{site.site}")
    findings, where = Findings(), f"config/sites/{site.site}.yaml"
    findings.missing += [*_blanks(site, where), *_key(site)]
    seen: dict[str, Seen] = {}
    with tempfile.TemporaryDirectory(prefix="check-", dir=room) as place:  # for its owner only, and gone in the end
        connection = engine(Path(place) / "spill")
        try:
            _check_records(connection, site, folder, Path(place) / "records", findings)
            for name, settings in site.tables.items():
                found = _check_table(connection, TABLES[name], settings, site, folder, Path(place) / "landed", findings)
                if found:
                    seen[name] = found
            findings.wrong += _references(connection, seen, where)
            for study in studies:
                findings.analyses += _analyses(site, study, findings, seen)
        finally:
            connection.disconnect()
    return findings


def _check_records(connection: Any, site: Site, folder: Path, place: Path, findings: Findings) -> None:
    """Read the sources that are to be linked; nothing is linked."""
    for name, source in (site.linkage.records if site.linkage else {}).items():
        place.mkdir(exist_ok=True)
        try:
            rows = connection.read_parquet(read_identified(connection, name, source, site, folder, place)).count().execute()
        except Refused as refused:
            findings.wrong += [problem for problem in refused.problems if problem not in findings.wrong]
        else:
            findings.fits.append(f"linkage, {name}: {rounded(int(rows))} records from {source.source}, to be linked "
                                 f"{'to' if name != site.linkage.index else 'as'} the people of the index.")  # fmt: skip


def _blanks(site: Site, where: str) -> list[str]:
    """Name what a draft left open."""
    open_ends = []
    if site.extract_date.isoformat() == NO_DATE:
        open_ends.append(f"{where}, extract_date: still blank. Write the day on which the extract was made.")
    for table, settings in site.tables.items():
        groups = [("columns", settings.columns), *((f"rows.{i}.columns", row.columns) for i, row in enumerate(settings.rows))]
        for place, columns in groups:
            for name in [n for n, m in columns.items() if m.from_ == BLANK]:
                column = TABLES[table].column(name)
                required = "required" if column.never_missing else "not required: you may delete the line"
                allowed = f" Allowed: {few(column.values, 20)}." if column.values else ""
                told = f"{where}, tables.{table}.{place}.{name}: still {BLANK} ({column.meaning}; {required})."
                open_ends.append(f"{told}{allowed} Write the column that holds it, or a constant.")
    return open_ends


def _key(site: Site) -> list[str]:
    """Say that `prepare` will need a key, where there is none yet."""
    maps = [m for t in site.tables.values() for columns in (t.columns, *(r.columns for r in t.rows)) for m in columns.values()]
    if site.made_up or not any(m.hides for m in maps):
        return []
    try:
        read_key()
    except Refused as refused:
        return [str(problem) for problem in refused.problems]
    return []


def _filled_in(settings: TableMap) -> TableMap:
    """Leave out what is still blank."""
    def kept(columns: dict[str, Any]) -> dict[str, Any]:
        return {name: mapped for name, mapped in columns.items() if mapped.from_ != BLANK}

    rows = [row.model_copy(update={"columns": kept(row.columns)}) for row in settings.rows]
    return settings.model_copy(update={"columns": kept(settings.columns), "rows": rows})


def _check_table(connection: Any, table: Table, written: TableMap, site: Site, folder: Path, place: Path, findings: Findings
                 ) -> Seen | None:  # fmt: skip
    where = f"config/sites/{site.site}.yaml, tables.{table.name}"
    settings = _filled_in(written)
    columns = [*written.columns.items(), *(pair for row in written.rows for pair in row.columns.items())]
    blank = {name for name, mapped in columns if mapped.from_ == BLANK}
    try:
        most = MOST_ROWS if table.refers_to else None  # everybody else's identifiers are compared with those of all people
        source, problems = opened(connection, table, settings, folder, place, where, most)
        problems = [p for p in problems if not any(p.wrong.startswith(f"{name} is missing (") for name in blank)]
        if problems:
            findings.wrong += problems
            return None
        parts = [_counted(chosen, built, maps, table, where, findings)
                 for maps, chosen, built in kinds_of_rows(connection, table, settings, source)]  # fmt: skip
        rows = ibis.union(*parts) if len(parts) > 1 else parts[0]
        rows = table_steps.on_prepared(rows, settings, table) if not blank & set(table.key) else rows
        return _tallied(rows, table, settings, where, blank, findings, source.of)
    except Refused as refused:
        findings.wrong += refused.problems
    except duckdb.Error as error:
        wrong = f"{written.source} cannot be read ({str(error).splitlines()[0]})"
        findings.wrong.append(Problem(where, wrong, "", "Export it again"))
    return None


def _counted(chosen: ir.Table, built: dict, maps: dict, table: Table, where: str, findings: Findings) -> ir.Table:
    """Count values that are not explained, in one pass; name them only where there are any."""
    lost = {n: (code.notnull() & value.isnull()).sum().fill_null(0) for n, (value, code) in built.items()
            if code is not None and value is not code and not maps[n].hides}  # fmt: skip
    if lost:
        counts = chosen.aggregate(**{f"l{i}": count for i, count in enumerate(lost.values())}).execute().iloc[0]
        faulty = {n: built[n] for i, n in enumerate(lost) if counts[f"l{i}"]}
        findings.wrong += [p for p in unexplained(chosen, faulty, maps, table, where) if p not in findings.wrong]
    empty = {c.name: ibis.null(mapping.IBIS_TYPE[c.type]) for c in table.columns if c.name not in built}
    return chosen.select(**{n: value for n, (value, _) in built.items()}).mutate(**empty).select(*table.column_names)


def _tallied(rows: ir.Table, table: Table, settings: TableMap, where: str, blank: set[str], findings: Findings,
             of: int | None) -> Seen:  # fmt: skip
    """Count rows, empty values, values against the rules, and repeated keys."""
    maps = {**settings.columns, **{n: m for row in settings.rows for n, m in row.columns.items()}}
    hidden = {n for n, m in maps.items() if m.hides} | {settings.number} | blank
    rules = [(c, told, bad) for c in table.columns if c.name not in hidden for told, bad in column_rules(rows, c)]
    rules = [(c, told, bad) for c, told, bad in rules if c.name in maps or c.never_missing]
    filled = {c: rows[c].count() for c in maps if c not in blank}
    counts = rows.aggregate(
        **{f"f{i}": n for i, n in enumerate(filled.values())},
        **{f"r{i}": bad.sum().fill_null(0) for i, (_, _, bad) in enumerate(rules)}, rows=rows.count(),
    ).execute().iloc[0]  # fmt: skip
    number = int(counts["rows"])
    if not number:
        findings.wrong.append(Problem(where, "no row is left", "", "Correct where, present or steps, or the extract"))
        return Seen(rows, 0, True)
    shares = {name: int(counts[f"f{i}"]) / number for i, name in enumerate(filled)}
    seldom = [f"{name} ({percent(1 - share)} empty)" for name, share in shares.items() if share < 1 - OFTEN_EMPTY]
    told = f"{table.name}: {rounded(number)} rows from {settings.source}, {len(filled)} of {len(table.columns)} columns mapped"
    told += f"; often empty: {', '.join(seldom)}" if seldom else ""
    findings.fits.append(told + (_part(of) if of else "."))
    lacking = [c.name for c in table.columns if c.name not in maps and c.name != settings.number and c.name not in blank]
    if lacking:
        findings.missing.append(f"{where}: no column for {few(lacking, 20)}; add them if you have them.")
    for i, (column, rule, _) in enumerate(rules):
        if counts[f"r{i}"] and not any(p.where == f"{where}.columns.{column.name}" for p in findings.wrong):
            findings.wrong.append(_against_rule(rows, column, rule, int(counts[f"r{i}"]), where))
    if not {settings.number, *blank} & set(table.key):
        keys = rows.select(**{name: _short(rows[name]) for name in table.key})
        repeated = int(keys.group_by(table.key).agg(n=lambda t: t.count()).filter(lambda t: t.n > 1).count().execute())
        if repeated:
            key = ", ".join(table.key)
            wrong = f"{repeated:,} values of the key ({key}) occur more than once; a row must be {table.row}"
            mend = "Add steps: [distinct_rows], or latest_by: with a date, or correct the extract"
            findings.wrong.append(Problem(where, wrong, "", mend))
    columns = [settings.columns, *(row.columns for row in settings.rows)]
    linked = frozenset(c["person_id"].linked for c in columns if "person_id" in c and c["person_id"].linked)
    return Seen(rows, number, "person_id" in maps and not maps["person_id"].hides, linked, of)


def _part(of: int) -> str:
    """Say that only a part of a source was looked at."""
    return f" (so many of {rounded(of)} were looked at, to answer soon; prepare checks every row)."


def _short(value: ir.Column) -> ir.Column:
    """Compare long texts by a hash of 64 bits: several times faster, and two of a million agree by chance once in 30 million."""
    return value.hash() if value.type().is_string() else value


def _against_rule(rows: ir.Table, column: Column, rule: str, number: int, where: str) -> Problem:
    """Describe rows that break a rule of a column; the codes of a listed column are named, rare ones in private only."""
    place, wrong, told = f"{where}.columns.{column.name}", f"{number:,} rows {rule}", ""
    allowed = few(column.values, 20) or column.pattern or column.meaning
    mend = f"Correct the mapping at {place}, or the extract"
    if column.values and "missing" in rule:
        mend = f"Say at {place} what an empty value means (default: with one of these codes), or correct the extract"
    if column.values and not column.private and "not allowed" in rule:
        code = rows[column.name]
        strange = rows.filter(code.notnull() & ~code.isin(list(column.values))).group_by(column.name).agg(n=lambda t: t.count())
        tally = strange.order_by(ibis.desc("n"), column.name).limit(20).execute()
        named = [f"{c!r} ({n:,} rows)" for c, n in zip(tally[column.name], tally["n"])]
        common = [text for text, n in zip(named, tally["n"]) if n >= FLOOR]
        told = f"{wrong}: {', '.join(common) or f'each in fewer than {FLOOR} rows'}"
        wrong, mend = f"{wrong}: {', '.join(named)}", f"Explain these codes at {place}.values, or name them in missing"
    return Problem(place, wrong, allowed, mend, told=told)


def _references(connection: Any, seen: dict[str, Seen], where: str) -> list[Problem]:
    """Find rows about people who are not in the table person."""
    problems: list[Problem] = []
    if "person" not in seen or not seen["person"].count or seen["person"].of:  # a person not looked at is no fault
        return problems
    people = seen["person"].rows
    known = connection.create_table("known_people", people.select(person=people.person_id.hash()), temp=True)
    for name, table in seen.items():
        if "person_id" in TABLES[name].refers_to and table.count:
            place = f"{where}, tables.{name}.columns.person_id"
            if table.linked != seen["person"].linked:  # numbers of different sources: linkage says who is who
                continue
            if table.plain != seen["person"].plain:
                wrong = "identifiers become pseudonyms here and not in person, or the reverse"
                problems.append(Problem(place, wrong, "pseudonymise in both tables, or in neither", "Correct pseudonymise"))
                continue
            asked = table.rows.filter(table.rows.person_id.notnull()).select(person=table.rows.person_id.hash())
            lost = int(asked.anti_join(known, "person").count().execute())
            if lost:
                looked_at = " that were looked at" if table.of else ""
                wrong = f"{lost:,} of {table.count:,} rows{looked_at} name a person who is not in person"
                mend = f"Extract person and {name} on the same day, and check that both use the same identifier"
                problems.append(Problem(place, wrong, "", mend))
    return problems


def _analyses(site: Site, study: Study, findings: Findings, seen: dict[str, Seen]) -> list[str]:
    """Say of each analysis of a study whether it can run, and if not, why."""
    found = []
    blanks = [line for line in findings.missing if BLANK in line and "; required" in line]
    troubled = {
        table
        for table in site.tables
        if table not in seen
        or any(_of(problem, table) for problem in findings.wrong)
        or any(f"tables.{table}." in line for line in blanks)
    }
    for stem, entry in study.analyses.items():
        title = f"{study.study}, {entry.title} ({stem})"
        if entry.tables_only:
            continue
        lacks = [need for need in site.lacks(entry) if "." not in need or site.has(need.partition(".")[0])]
        hurt = sorted({need.partition(".")[0] for need in entry.needs} & troubled)
        without = [use for use in entry.uses if not site.has(use)]
        if lacks:
            found.append(f"{title}: cannot run. It needs {few(lacks)}, which the site file does not map.")
        elif hurt:
            found.append(f"{title}: can run once what is wrong or blank in {few(hurt)} is mended.")
        elif without:
            found.append(f"{title}: can run, without what {few(without)} would add.")
        else:
            found.append(f"{title}: can run.")
    if found and study.study not in site.studies:
        found.append(f"{study.study}: config/sites/{site.site}.yaml, studies does not name it. Add it if you take part.")
    if found and "gp_registration" in seen:
        found += _registered_on(study, seen["gp_registration"])
    return found


def _of(problem: Problem, table: str) -> bool:
    """Tell whether a problem stands in this table, not in one whose name begins the same."""
    _, named, rest = problem.where.partition(f"tables.{table}")
    return bool(named) and rest[:1] in ("", ".", ",")


def _registered_on(study: Study, registrations: Seen) -> list[str]:
    day, rows = ibis.literal(study.index_date.isoformat()).cast("date"), registrations.rows
    current = rows.filter(rows.reg_type == "GMS", rows.reg_start <= day, rows.reg_end.isnull() | (rows.reg_end > day))
    number = int(current.count().execute())
    if registrations.of:
        number = number * registrations.of // max(registrations.count, 1)
    told = f"{rounded(number)} permanent registrations are open" if number else "no permanent registration is open"
    told += ", judged by the rows looked at" if registrations.of else ""
    return [f"{study.study}: on its index date {study.index_date} {told}."]
