"""Published tables: what a team has published becomes results tables, or a list of everything wrong with it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ibis
import numpy as np
import pandas as pd

from shared_code.config.plan import Plan
from shared_code.config.site import ColumnMap, PublishedTable, Site
from shared_code.config.study import Study
from shared_code.model import ALL, LAYOUTS, Problem, Refused, did_you_mean, few
from shared_code.sources.mapping import as_code, filtered
from shared_code.sources.published_checks import check_published
from shared_code.sources.readers import land

NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)"
SIDES = ["value", "lower", "upper"]


@dataclass(frozen=True)
class Published:
    """Hold one results table as it was published.

    table     wide, in the declared layout; nan where the publisher gave no number
    withheld  one row per number the publisher withheld: dimensions, statistic, lower, upper
    """

    table: pd.DataFrame
    withheld: pd.DataFrame


def read_published(site: Site, study: Study) -> dict[tuple[str, str], Published]:
    """Read and check every published table of a site that fills a table of the study: (analysis, table) -> Published.

    Raises model.Refused with the problems of all files together.
    """
    problems: list[Problem] = []
    filled: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for number, entry in enumerate(site.published):
        where = f"config/sites/{site.site}.yaml, published.{number}"
        if entry.analysis not in study.analyses and len(site.studies) > 1:
            continue  # it belongs to another study of this site
        found = list(_undeclared(entry, study, where))
        if not found:
            try:
                cells, found = _one_file(entry, Plan(study, entry.analysis), Path(site.folder), where)
            except Refused as refused:
                found = refused.problems
            else:
                filled.setdefault((entry.analysis, entry.results), []).append(cells)
        problems += found
    if not filled and not problems:
        where, wrong = f"config/sites/{site.site}.yaml, published", f"no entry fills a table of the study {study.study}"
        problems.append(Problem(where, wrong, few(study.analyses), "Add an entry"))
    tables = {}
    for (stem, name), parts in filled.items():
        cells, plan = pd.concat(parts, ignore_index=True), Plan(study, stem)
        entries = [e for e in site.published if (e.analysis, e.results) == (stem, name)]
        where = f"{site.title}, {few(sorted({e.file for e in entries}))}"
        problems += check_published(cells, entries, plan, name, where)
        tables[stem, name] = _as_declared(cells, plan, name)
    if problems:
        raise Refused(f"The published tables of {site.title} ({site.site})", problems)
    return tables


def _undeclared(entry: PublishedTable, study: Study, where: str) -> Iterator[Problem]:
    """Compare an entry of the site file with the study before any file is opened."""

    def unknown(key: str, names: set[str], known: list[str]) -> Iterator[Problem]:
        for name in sorted(names - set(known)):
            wrong = f"{name!r} is not declared by the study{did_you_mean(name, known)}"
            yield Problem(f"{where}.{key}", wrong, few(known, 12), f"Correct {key}")

    yield from unknown("analysis", {entry.analysis}, list(study.analyses))
    results = study.analyses[entry.analysis].results if entry.analysis in study.analyses else {}
    yield from unknown("results", {entry.results} if results else set(), list(results))
    if entry.results not in results:
        return
    declared = results[entry.results]
    dimensions, layout = declared.dimensions, LAYOUTS[declared.layout]
    yield from unknown("dimensions", {*entry.dimensions}, list(dimensions))
    yield from unknown("not_collected", {*entry.not_collected}, declared.always)
    yield from unknown("statistics", {*entry.statistics}, list(layout.statistics))
    yield from unknown("breakdown", entry.broken_out, [ALL, *(n for n, d in dimensions.items() if d.total)])
    plan = Plan(study, entry.analysis)
    for name in [n for n in entry.not_collected if n in declared.always]:
        levels = list(plan.levels(entry.results, name) or {})
        yield from unknown(f"not_collected.{name}", {*entry.not_collected[name]}, levels)
    needed = {*declared.always, *(entry.broken_out & set(dimensions))}
    for name in [n for n in dimensions if n in needed and n not in entry.dimensions]:
        mend = f"Say in dimensions.{name} which column holds it"
        yield Problem(f"{where}.dimensions", f"{name} is missing", "", mend)
    made = {*entry.statistics, *(["person_days"] if entry.list_size else []), *layout.optional}
    for name in [s for s in layout.statistics if s not in made]:
        wrong = f"{name} is missing ({layout.statistics[name]})"
        yield Problem(f"{where}.statistics", wrong, "", f"Say in statistics.{name} which column holds it")
    if entry.list_size and not ("person_days" in layout.statistics and any(d.months for d in dimensions.values())):
        wrong = "list_size makes person_days of a table by month, which this table is not"
        yield Problem(f"{where}.list_size", wrong, "", "Remove list_size")


def _one_file(entry: PublishedTable, plan: Plan, folder: Path, where: str) -> tuple[pd.DataFrame, list[Problem]]:
    """Read one file: a row per cell with its dimensions and, per statistic, value, lower, upper and the text given."""
    rows = _rows(entry, folder, where)
    problems: list[Problem] = []
    cells = {}
    for name in plan.results(entry.results).dimensions:
        cells[name], found = _dimension(rows, entry, plan, name, where)
        problems += found
    if entry.breakdown:
        known = list(entry.breakdown.values)
        problems += _unexplained(rows[entry.breakdown.from_], known, entry.breakdown, f"{where}.breakdown", known)
    parts = [pd.DataFrame(cells)]
    for name, columns in entry.columns.items():
        added = [_numbers(rows[column], entry.withheld) for column in columns]
        together = added[0].assign(**{side: sum(one[side] for one in added) for side in SIDES})
        together["text"] = [" + ".join(texts) for texts in zip(*(one["text"] for one in added))]
        parts.append(together.add_prefix(f"{name}."))
    explained = pd.concat(parts, axis=1)[~pd.DataFrame(cells).isna().any(axis=1)]  # the others are problems already
    return explained.reset_index(drop=True), problems


def _rows(entry: PublishedTable, folder: Path, where: str) -> pd.DataFrame:
    """Read this site's rows of the file as text, exactly as published."""
    used = {m.from_ for m in entry.dimensions.values() if m.from_} | {c for columns in entry.columns.values() for c in columns}
    used |= {*entry.where, *entry.leave_out}
    used |= {entry.breakdown.from_} if entry.breakdown else set()
    with tempfile.TemporaryDirectory() as place:
        connection = ibis.duckdb.connect()
        try:
            landed = land(folder / entry.file, Path(place), connection.con, sheet=entry.sheet)
            missing = sorted(used - set(landed.columns))
            if missing:
                mend = f"Correct the names of columns in {where}"
                wrong = [f"the file has no column {name!r}{did_you_mean(name, landed.columns)}" for name in missing]
                there = few(landed.columns, 12)
                raise Refused(entry.file, [Problem(f"{where}, {entry.file}", text, there, mend) for text in wrong])
            connection.raw_sql(f"CREATE TEMP VIEW published AS {landed.sql}")
            table = filtered(connection.table("published"), entry.where)
            rows = table.select(**{name: as_code(table[name]).fill_null("") for name in sorted(used)}).execute()
        finally:
            connection.disconnect()
    for column, values in entry.leave_out.items():
        rows = rows[~rows[column].isin([str(v) for v in values])]
    if rows.empty:
        wrong_rows = f"no row of {entry.file} is this site's"
        raise Refused(entry.file, [Problem(f"{where}.where", wrong_rows, "", "Correct where")])
    return rows.reset_index(drop=True)


def _dimension(rows: pd.DataFrame, entry: PublishedTable, plan: Plan, name: str, where: str
               ) -> tuple[pd.Series, list[Problem]]:  # fmt: skip
    """Give a dimension of every row in the study's codes; empty where a code is not explained."""
    spec, levels = plan.results(entry.results).dimensions[name], plan.levels(entry.results, name)
    mapped = entry.dimensions.get(name)
    total = pd.Series(ALL, index=rows.index)
    if mapped is None:
        return total, []
    text = rows[mapped.from_] if mapped.from_ else pd.Series(str(mapped.constant), index=rows.index)
    codes = text
    if mapped.values:
        codes = text.map({old: str(new) for old, new in mapped.values.items()})
    elif mapped.date:
        codes = pd.to_datetime(text, format=mapped.date, errors="coerce").dt.strftime("%Y-%m")
    allowed = None if levels is None else [*levels, *([ALL] if spec.total else [])]
    codes = codes.where(codes.isin(allowed) if allowed is not None else codes.ne(""))
    if entry.breakdown and name in entry.broken_out:
        here = rows[entry.breakdown.from_].map(entry.breakdown.values) == name
        codes, text = codes.where(here, ALL), text.where(here)
    lost = text[codes.isna()]
    return codes, _unexplained(lost, [], mapped, f"{where}.dimensions.{name}", allowed or [])


def _unexplained(text: pd.Series, known: list[str], mapped: ColumnMap, where: str, allowed: list[str]) -> list[Problem]:
    tally = text[~text.isin(known)].value_counts()
    if tally.empty:
        return []
    shown = few([f"{code!r} ({rows} rows)" for code, rows in tally.items()], 5)
    mend = f"Explain it at {where}.values, or name it in leave_out"
    return [Problem(where, f"{mapped.from_ or 'constant'} holds {shown}, not explained", few(allowed, 12), mend)]


def _numbers(text: pd.Series, marks: dict[str, tuple[int, int | None]]) -> pd.DataFrame:
    """Turn text into numbers: value, its range, and the text itself; nan where it is neither number nor mark."""
    value = pd.to_numeric(text.where(text.str.fullmatch(NUMBER)), errors="coerce").astype(float)
    numbers = pd.DataFrame({"value": value, "lower": value, "upper": value, "text": text})
    for mark, (lower, upper) in marks.items():
        numbers.loc[text == mark, SIDES] = [math.nan, lower, math.inf if upper is None else upper]
    return numbers


def _as_declared(cells: pd.DataFrame, plan: Plan, name: str) -> Published:
    """Lay the cells out as the results table that the study declares."""
    declared = plan.results(name)
    dimensions, layout = list(declared.dimensions), LAYOUTS[declared.layout]
    table, withheld = cells[dimensions].copy(), []
    for statistic in layout.statistics:
        numbers = _statistic(cells, statistic, declared.dimensions)
        table[statistic] = numbers["value"]
        hidden = numbers["value"].isna() & numbers["lower"].notna()
        withheld.append(cells.loc[hidden, dimensions].assign(statistic=statistic).join(numbers[["lower", "upper"]]))
    return Published(table, pd.concat(withheld, ignore_index=True))


def _statistic(cells: pd.DataFrame, statistic: str, dimensions: dict) -> pd.DataFrame:
    """Give value, lower and upper of a statistic: published as such, made from the list size, or not collected."""
    empty = pd.DataFrame(np.nan, index=cells.index, columns=SIDES)
    if f"{statistic}.value" in cells:
        return cells[[f"{statistic}.{side}" for side in SIDES]].set_axis(SIDES, axis=1)
    if statistic == "person_days" and "list_size.value" in cells:
        month = next(name for name, d in dimensions.items() if d.months)
        days = pd.to_datetime(cells[month], format="%Y-%m").dt.days_in_month
        return pd.DataFrame({side: cells[f"list_size.{side}"] * days for side in SIDES})
    return empty
