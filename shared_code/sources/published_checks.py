"""Checks of published tables: what no honest table of counts can hold, said with the cell it stands in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pandas as pd

from shared_code.config.plan import Plan
from shared_code.config.site import PublishedTable
from shared_code.model import ALL, LAYOUTS, Layout, Problem, few

CELLS_SHOWN = 3  # cells named in a message
SEND = "Correct the published file, or ask its publisher"


def check_published(cells: pd.DataFrame, entries: list[PublishedTable], plan: Plan, name: str, where: str
                    ) -> Iterator[Problem]:  # fmt: skip
    """Check one results table made from published tables.

    cells    dimensions, and per statistic (and list_size) <statistic>.value, .lower, .upper, .text
    entries  the entries of the site file it was made from
    """
    declared = plan.results(name)
    dimensions = list(declared.dimensions)
    repeated = cells[cells.duplicated(dimensions)]
    if len(repeated):
        yield Problem(where, f"{_cells(repeated, dimensions)} more than once", "one row per cell", SEND)
    yield from _numbers(cells, dimensions, LAYOUTS[declared.layout], where)
    yield from _contradictions(cells, dimensions, where)
    yield from _gaps(cells, entries, plan, name, where)


def _cells(rows: pd.DataFrame, dimensions: list[str]) -> str:
    first = rows.head(CELLS_SHOWN).to_dict("records")
    named = [", ".join(f"{d} {row[d]}" for d in dimensions if row[d] != ALL) for row in first]
    more = f" and {len(rows) - CELLS_SHOWN:,} more" if len(rows) > CELLS_SHOWN else ""
    return f"{len(rows):,} cell{'s' if len(rows) != 1 else ''} ({'; '.join(named)}{more})"


def _numbers(cells: pd.DataFrame, dimensions: list[str], layout: Layout, where: str) -> Iterator[Problem]:
    """Find texts where numbers should be, negative numbers, and fractions of people or events."""
    for statistic in sorted({c.rpartition(".")[0] for c in cells.columns if c.endswith(".text")}):
        value, lower, text = (cells[f"{statistic}.{side}"] for side in ("value", "lower", "text"))
        marks = cells[value.isna() & lower.isna()]
        if len(marks):
            shown = few([repr(t) for t in sorted(set(text[marks.index]))], 5)
            mend = 'If it stands for a withheld number, say so in the site file, for example withheld: {"<5": [1, 4]}'
            yield Problem(where, f"{statistic} holds {shown} in {_cells(marks, dimensions)}", "a number", mend)
        for wrong, rows in (("is negative", cells[value < 0]), ("is not a whole number", cells[value % 1 > 0])):
            applies = statistic not in layout.signed if wrong == "is negative" else statistic in (*layout.whole, "list_size")
            if len(rows) and applies:
                shown = few(text[rows.index][:CELLS_SHOWN])
                yield Problem(where, f"{statistic} {wrong} in {_cells(rows, dimensions)}: {shown}", "", SEND)


def _contradictions(cells: pd.DataFrame, dimensions: list[str], where: str) -> Iterator[Problem]:
    """Find cells in which no values within the published ranges fit together."""
    have = {c.rpartition(".")[0] for c in cells.columns if c.endswith(".value")}
    for part, total, meaning in (("people", "events", "everyone counted has had at least one"),
                                 ("people", "list_size", "only people on the list are counted"),
                                 ("cases", "people", "cases are some of the people")):  # fmt: skip
        if {part, total} <= have:
            rows = cells[cells[f"{part}.lower"] > cells[f"{total}.upper"]]
            if len(rows):
                shown = f"{rows[f'{part}.text'].iloc[0]} and {rows[f'{total}.text'].iloc[0]}"
                wrong = f"{part} exceeds {total} in {_cells(rows, dimensions)}: {shown}"
                yield Problem(where, wrong, f"{part} at most {total}: {meaning}", SEND)
    if {"people", "events"} <= have:
        rows = cells[(cells["people.upper"] == 0) & (cells["events.lower"] > 0)]
        if len(rows):
            yield Problem(where, f"there are events but no people in {_cells(rows, dimensions)}", "", SEND)


def _gaps(cells: pd.DataFrame, entries: list[PublishedTable], plan: Plan, name: str, where: str) -> Iterator[Problem]:
    """Find levels that are lacking or present against what not_collected says, and missing cells."""
    declared = plan.results(name)
    known = {d: list(plan.levels(name, d) or sorted(set(cells[d]) - {ALL})) for d in declared.dimensions}
    for dimension in declared.always:
        without = {level for entry in entries for level in entry.not_collected.get(dimension, {})}
        present = set(cells[dimension])
        if declared.dimensions[dimension].months:
            continue  # months are counted below, cell by cell
        for level in [v for v in known[dimension] if v not in present | without]:
            mend = f"If the site has no such figures, say why in not_collected.{dimension}.{level}"
            yield Problem(where, f"there is no row with {dimension} {level}", "", mend)
        for level in sorted(present & without):
            wrong = f"{dimension} {level} is there, though not_collected says that it is not"
            yield Problem(where, wrong, "", f"Remove not_collected.{dimension}.{level}")
        known[dimension] = [v for v in known[dimension] if v in present - without]
    missing = _expected(cells, declared.sets, declared.always, known).difference(_keys(cells, list(known)))
    if len(missing):
        rows = missing.to_frame(index=False)
        months = [d for d, spec in declared.dimensions.items() if spec.months]
        for month, part in rows.groupby(months[0]) if months else [("", rows)]:
            mend = "A number that was withheld has its mark (site file, withheld:); a missing row may mean anything"
            what = f"{month} is missing in " if months else "missing: "
            shown = _cells(part, [d for d in known if d not in months])
            yield Problem(where, what + shown, "a row for every month and group", mend)


def _expected(cells: pd.DataFrame, sets: list[list[str]], always: list[str], known: dict[str, list[str]]
              ) -> pd.MultiIndex:  # fmt: skip
    """List the cells a complete table has: every declared set that the site breaks out at all, with all its levels."""
    grid: list[tuple[str, ...]] = []
    for group in sets:
        if not group or (cells[group] != ALL).all(axis=1).any():
            levels = [known[d] if d in always or d in group else [ALL] for d in known]
            grid += product(*levels)
    return pd.MultiIndex.from_tuples(grid, names=list(known)) if grid else _keys(cells, list(known))


def _keys(cells: pd.DataFrame, dimensions: list[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(cells[dimensions].drop_duplicates())
