"""Saving results tables: checked against their declaration, into the private room."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from shared_code.config.plan import Plan
from shared_code.config.rooms import from_root
from shared_code.config.study import ResultsTable
from shared_code.model import ALL, LAYOUTS, Layout, Problem, Refused, few


def check_results(plan: Plan, name: str, table: pd.DataFrame, complete: bool = False) -> list[Problem]:
    """Compare a results table with its declared layout: columns, codes, sets, statistics, one row per cell.

    complete  the site counted these numbers itself: none may be empty, and they must agree with each other
    """
    declared = plan.results(name)
    levels = {dimension: plan.levels(name, dimension) for dimension in declared.dimensions}
    return check_table(declared, levels, f"{plan.stem}.{name}", table, complete)


def check_table(declared: ResultsTable, known: dict[str, dict[str, str] | None], where: str, table: pd.DataFrame,
                complete: bool) -> list[Problem]:  # fmt: skip
    """Compare a table with a declaration; `known` are the levels of each dimension, None where any text is allowed."""
    layout = LAYOUTS[declared.layout]
    expected = [*declared.dimensions, *layout.columns]
    if sorted(table.columns) != sorted(expected):
        missing = [c for c in expected if c not in table.columns]
        extra = [c for c in table.columns if c not in expected]
        wrong = f"missing columns: {few(missing) or 'none'}; columns nobody declared: {few(extra) or 'none'}"
        return [Problem(where, wrong, few(expected, 12), "Make the notebook's table and study.yaml agree")]
    problems = []
    for dimension, spec in declared.dimensions.items():
        levels = known[dimension]
        if table[dimension].isna().any():
            problems.append(Problem(where, f"{dimension} is empty in some rows", "a code", "Correct the notebook"))
            continue
        if levels is not None:
            allowed = {*levels, *([ALL] if spec.total else [])}
            unknown = sorted(set(table[dimension].astype(str)) - allowed)
            if unknown:
                wrong = f"{dimension} holds {few(unknown)}"
                problems.append(Problem(where, wrong, few(sorted(allowed), 12), "Correct the notebook, or study.yaml"))
    totals = [d for d, spec in declared.dimensions.items() if spec.total]
    found = {tuple(d for d in totals if row[d] != ALL) for _, row in table[totals].drop_duplicates().iterrows()}
    for group in found - {tuple(d for d in totals if d in group) for group in declared.sets}:
        wrong = f"rows are broken out by {few(group)} together, which sets does not declare"
        problems.append(Problem(where, wrong, str(declared.sets), "Declare the set, or leave it out"))
    repeated = int(table.duplicated(list(declared.dimensions)).sum())
    if repeated:
        problems.append(Problem(where, f"{repeated} cells occur twice", "", "One row per cell"))
    return problems + _statistics_problems(table, layout, declared.once, complete, where)


def _statistics_problems(table: pd.DataFrame, layout: Layout, once: bool, complete: bool, where: str) -> list[Problem]:
    """Find statistics that are no numbers, or that contradict what they count."""
    problems = []
    for statistic, meaning in {**layout.statistics, **layout.inside}.items():
        values = table[statistic]
        if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
            problems.append(Problem(where, f"{statistic} holds something else than numbers", meaning, "Correct the notebook"))
            continue
        given = values.dropna()
        if not np.isfinite(given).all():
            problems.append(Problem(where, f"{statistic} is infinite in some cells", meaning, "Correct the notebook"))
        elif statistic in layout.whole and not (given % 1 == 0).all():
            problems.append(Problem(where, f"{statistic} holds fractions", meaning, "Correct the notebook"))
        if statistic not in layout.signed and (given < 0).any():
            problems.append(Problem(where, f"{statistic} is negative", meaning, "Correct the notebook"))
        if complete and len(given) < len(values) and statistic not in (*layout.optional, *layout.may_be_empty):
            problems.append(Problem(where, f"{statistic} is empty in some cells", meaning, "Write 0 where nobody was found"))
    if problems:
        return problems
    pairs = {**layout.part_of, **(layout.at_most if complete else {})}
    for part, whole in pairs.items():
        if (table[part] > table[whole]).any():
            problems.append(Problem(where, f"{part} exceeds {whole} in some cells", "", "Count the same people in both"))
    if complete and once and not problems and (table["people"] != table["events"]).any():
        wrong = "people and events differ although an event happens once to a person"
        problems.append(Problem(where, wrong, "", "Correct the notebook, or once: in study.yaml"))
    return problems


def save_results(plan: Plan, folder: str | Path, **tables: pd.DataFrame) -> None:
    """Write every declared results table of an analysis as Parquet `<name>.parquet`, or none.

    Raises model.Refused when a table is missing, was not declared, or does not fit its layout.
    """
    declared = plan.entry.results
    problems = [
        Problem(plan.stem, f"the results table {name} was not {'saved' if name in declared else 'declared'}")
        for name in sorted(set(declared) ^ set(tables))
    ]
    for name in sorted(set(declared) & set(tables)):
        problems += check_results(plan, name, tables[name], complete=True)
    if problems:
        raise Refused(f"Results of {plan.stem}", problems)
    folder = from_root(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        ordered = table[[*declared[name].dimensions, *LAYOUTS[declared[name].layout].columns]]
        ordered = ordered.sort_values(list(declared[name].dimensions), ignore_index=True)
        partial = folder / f"{name}.parquet.partial"
        ordered.to_parquet(partial, index=False)
        if os.name == "posix":
            partial.chmod(0o600)
        partial.replace(folder / f"{name}.parquet")
