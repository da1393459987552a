"""Templates: a workbook a team fills by hand where it cannot run the code, and the site file that reads it back."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from shared_code.config.plan import Plan
from shared_code.config.study import ResultsTable, Study
from shared_code.model import ALL, LAYOUTS, Problem, Refused

LONGEST_SHEET = 31  # characters Excel allows in the name of a sheet
MOST_ROWS = 200_000  # a sheet holds 1,048,576; nobody fills as many by hand
FILL = PatternFill("solid", fgColor="FFF3C4")
IN_WORDS = " in words"


def fillable(study: Study) -> dict[tuple[str, str], ResultsTable]:
    """List the results tables that a team can fill by hand: those whose disclosure check needs nothing beside them.

    >>> from shared_code.config import Study
    >>> [".".join(key) for key in fillable(Study.read("config/study_published.yaml"))]
    ['hospital_use.monthly']
    """
    return {
        (stem, name): declared
        for stem, entry in study.analyses.items()
        for name, declared in entry.results.items()
        if not LAYOUTS[declared.layout].inside
    }


def empty_table(plan: Plan, name: str) -> pd.DataFrame:
    """Lay out a results table with every declared cell and no numbers: a column per dimension and statistic, as text.

    Dimensions that hold the site's own names (wards, localities) cannot be listed: the sets that break them out have
    no rows here, and a table that always breaks one out has a single row to copy.
    """
    declared = plan.results(name)
    levels = {d: plan.levels(name, d) for d in declared.dimensions}
    rows: list[tuple[str, ...]] = []
    for group in declared.sets:
        broken_out = [*declared.always, *group]
        own = [d for d in broken_out if levels[d] is None]
        if any(d in group for d in own):
            continue
        rows += product(*(([""] if d in own else list(levels[d] or {})) if d in broken_out else [ALL] for d in levels))
    table = pd.DataFrame(rows, columns=list(levels), dtype=str)
    return table.assign(**dict.fromkeys(LAYOUTS[declared.layout].statistics, ""))


def write_template(study: Study, target: Path) -> list[str]:
    """Write the workbook: instructions, then one sheet per results table; gives the names of the sheets.

    Raises model.Refused, and writes nothing, when the study has no table that can be filled by hand.
    """
    chosen = fillable(study)
    if not chosen:
        wrong = "none of its results tables can be filled by hand"
        raise Refused(f"The study {study.study}", [Problem(study.study, wrong, "", "Run the code at the site instead")])
    book = Workbook()
    about = book.active
    about.title = "Read me first"
    sheets = sheet_names(list(chosen))
    for line in _instructions(study, {sheets[key]: declared for key, declared in chosen.items()}):
        about.append([line])
    about.column_dimensions["A"].width = 110
    for row in about.iter_rows(min_row=1, max_col=1):
        row[0].alignment = Alignment(wrap_text=True, vertical="top")
    about["A1"].font = Font(bold=True, size=14)
    for (stem, name), declared in chosen.items():
        _sheet(book.create_sheet(sheets[stem, name]), Plan(study, stem), name, declared)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    book.save(partial)
    partial.replace(target)
    return list(sheets.values())


def sheet_names(keys: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Name the sheet of every results table within the length a workbook allows.

    >>> sheet_names([("hospital_use", "monthly"), ("a_very_long_name_of_an_analysis", "deaths")])
    {('hospital_use', 'monthly'): 'hospital_use.monthly', ('a_very_long_name_of_an_analysis', 'deaths'): '2 deaths'}
    """
    full = {key: ".".join(key) for key in keys}
    return {
        key: text if len(text) <= LONGEST_SHEET else f"{number} {key[1]}"[:LONGEST_SHEET]
        for number, (key, text) in enumerate(full.items(), 1)
    }


def published_entries(study: Study, file: str, sheets: dict[tuple[str, str], str]) -> list[dict[str, Any]]:
    """Write the `published:` part of the site file that reads the filled workbook."""
    threshold = study.disclosure.threshold
    entries = []
    for (stem, name), declared in fillable(study).items():
        layout = LAYOUTS[declared.layout]
        entry: dict[str, Any] = {
            "file": file, "sheet": sheets[stem, name], "analysis": stem, "results": name,
            "dimensions": {d: {"from": d} for d in declared.dimensions},
            "statistics": {s: s for s in layout.statistics},
        }  # fmt: skip
        if threshold > 1:
            entry["withheld"] = {f"<{threshold}": [1, threshold - 1]}
        entries.append(entry)
    return entries


def _instructions(study: Study, tables: dict[str, ResultsTable]) -> list[str]:
    threshold = study.disclosure.threshold
    small = (
        f"Write 0 where you counted nobody, and <{threshold} where you counted 1 to {threshold - 1} people; leave nothing empty."
        if threshold > 1 else "Write 0 where you counted nobody; never leave a cell empty."
    )  # fmt: skip
    lines = [
        study.title, "", study.summary.strip(), "",
        "For a team that cannot run the code. Fill the yellow cells of every sheet; the other columns say which cell a row is.",
        small,
        "Do not rename sheets or columns. You may add rows for places of your own (wards, localities) where a sheet has such a "
        "column, and delete rows you have no figures for if your site file says why (not_collected).",
        f"The people are those of the protocol: index date {study.index_date}, period {study.period.start} to "
        f"{study.period.end} (the end is not part of it). Count each person once.",
        "",
    ]  # fmt: skip
    for sheet, declared in tables.items():
        layout = LAYOUTS[declared.layout]
        lines.append(f"{sheet}: {declared.title}")
        lines += [f"    {statistic}: {meaning}" for statistic, meaning in layout.statistics.items()]
    return lines


def _sheet(sheet: Any, plan: Plan, name: str, declared: ResultsTable) -> None:
    table = empty_table(plan, name)
    if len(table) > MOST_ROWS:
        wrong = f"it has {len(table):,} rows"
        raise Refused(f"The template of {plan.stem}.{name}", [Problem(name, wrong, f"{MOST_ROWS:,}", "Run the code instead")])
    labels = {d: plan.levels(name, d) or {} for d in declared.dimensions}
    worded = {d: known for d, known in labels.items() if any(code != label for code, label in known.items())}
    statistics = list(LAYOUTS[declared.layout].statistics)
    header = [*declared.dimensions, *(f"{d}{IN_WORDS}" for d in worded), *statistics]
    sheet.append(header)
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for row in table.itertuples(index=False):
        codes = dict(zip(table.columns, row))
        words = [labels[d].get(codes[d], "everyone" if codes[d] == ALL else codes[d]) for d in worded]
        sheet.append([*(codes[d] for d in declared.dimensions), *words, *[None] * len(statistics)])
    first = len(header) - len(statistics) + 1
    whole = LAYOUTS[declared.layout].whole
    for position, statistic in enumerate(statistics, first):
        letter = get_column_letter(position)
        if len(table):
            area = f"{letter}2:{letter}{len(table) + 1}"
            for (cell,) in sheet[area]:
                cell.fill = FILL
            integer = f",{letter}2=INT({letter}2)" if statistic in whole else ""
            rule = f'=OR(LEFT({letter}2,1)="<",AND(ISNUMBER({letter}2),{letter}2>=0{integer}))'
            check = DataValidation(type="custom", formula1=rule, allow_blank=True, showErrorMessage=True)
            check.error = "A number from 0, or the mark for a small number (see Read me first)"
            sheet.add_data_validation(check)
            check.add(area)
    for position, title in enumerate(header, 1):
        sheet.column_dimensions[get_column_letter(position)].width = min(40, max(12, len(title) + 2))
    sheet.freeze_panes = sheet.cell(row=2, column=first)
