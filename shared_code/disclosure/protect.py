"""The one door through which numbers leave: every results table of a release goes through `protect` together.

How ranges are published: a withheld number carries the range that follows from its class on a public ladder (1-19, 20-49,
50-99, … at a threshold of 10) and from everything else that is published: totals, parts, denominators. Small numbers and
numbers withheld to protect them are treated alike; see `ranges`. A rounded number carries the numbers that round to it.
Totals that are declared in the `sets` of a table are published like any other number and make these ranges tighter:
the sum of the withheld parts of a published total is known to within its rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from shared_code.config.agreement import Agreement
from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure.audit import Audit
from shared_code.disclosure.build import build
from shared_code.disclosure.forms import Earlier, Protected
from shared_code.disclosure.known import without_known
from shared_code.disclosure.past import hold, past_tables
from shared_code.disclosure.points import Points
from shared_code.disclosure.ranges import Ranges, first_look, publish
from shared_code.disclosure.record import record
from shared_code.disclosure.rules import GUARDS, Frames
from shared_code.disclosure.search import NoPattern, Pattern, choose
from shared_code.disclosure.system import LINEAR, SUM, System
from shared_code.model import CELL_COLUMNS, LAYOUTS, Problem, Refused, few

COMPLEMENTARY = "withheld so that a smaller number cannot be computed"
RULE = "withheld by the rule of its layout"
FOLLOWS = "withheld together with another number of its row"

Tables = Mapping[str, tuple[ResultsTable, pd.DataFrame]]


def protect(tables: Tables, ledger: Sequence[Earlier], policy: Policy, agreements: Sequence[Agreement] = ()) -> Protected:
    """Turn unprotected results tables into the cells that may be released.

    tables  name -> (declaration, wide table)
    ledger  the site's earlier releases, oldest first: what left before is known, and may be subtracted
    policy  threshold, rounding and dominance
    agreements  what the study says of numbers of several tables: an outsider knows it too
    Gives the cells of every table, sorted, nothing left out; the record that may leave with them; and, for the site
    alone, why each number is withheld. Withheld values are empty and carry the range they are known to lie in.
    Raises ValueError for a layout that has no rule: what cannot be judged does not leave. Raises model.Refused when no
    choice of withheld numbers protects the small ones.
    """
    for name, (declared, _) in tables.items():
        if declared.layout not in GUARDS:
            raise ValueError(f"{name}: the layout {declared.layout} has no disclosure rule")
    # A count that passes the threshold but rounds to a number below it would look like one that does not.
    policy = policy.model_copy(update={"threshold": policy.smallest_shown})
    tables = {name: (declared, _in_order(declared, table)) for name, (declared, table) in sorted(tables.items())}
    past = past_tables(tables, ledger)
    frames = {}
    for name, (declared, table) in tables.items():
        frames[name] = hold(name, declared, table, _judged(declared, table, policy), past, policy)
    system = build(tables, frames, policy, past, agreements)
    easier = build(tables, frames, policy, past, agreements, apart=True)
    try:
        told, look, pattern, ranges = _found(system, policy, easier, bool(past))
    except NoPattern as nothing:
        raise _refused(system, tables, nothing, {name for one in ledger for name in one.tables}) from None
    released, reasons = {}, {}
    for name, (declared, table) in tables.items():
        cells = _cells(name, declared, table, frames[name], system, pattern, ranges)
        kept = [*declared.dimensions, "statistic"]
        released[name] = cells[[*declared.dimensions, *CELL_COLUMNS]]
        reasons[name] = cells.loc[cells["status"] == "withheld", [*kept, "reason"]].reset_index(drop=True)
    outcome = {"pattern": "least loss" if pattern.exact else "greedy, then cleaned up",
               "programmes": look.programmes + pattern.programmes + ranges.audit.programmes,
               "narrowest_interval": _narrowest(ranges)}  # fmt: skip
    if told:
        outcome["told_before"] = told  # large numbers that follow from earlier releases, with the range that follows
    declarations = {name: declared for name, (declared, _) in tables.items()}
    return Protected(released, record(released, declarations, policy, ledger, outcome), reasons)


def _found(system: System, policy: Policy, easier: System, past: bool) -> tuple[int, Audit, Pattern, Ranges]:
    """Find what is withheld; gives first how many large numbers are told by earlier releases already.

    Withholds again what the last release withheld and is the same, if that leads to a pattern; then without that; then with
    what earlier releases tell of large numbers, and the range that follows.
    """
    for told, whole, apart in _attempts(system, policy, easier, past):
        try:
            return told, *_chosen(whole, policy, apart)
        except NoPattern as failure:
            nothing = failure
    raise nothing


def _attempts(system: System, policy: Policy, easier: System, past: bool) -> Iterator[tuple[int, System, System]]:
    for told, whole, apart in _with_what_is_told(system, policy, easier, past):
        yield told, whole, apart
        if whole.again.any():
            yield told, *(replace(one, again=np.zeros(one.size, bool)) for one in (whole, apart))


def _with_what_is_told(system: System, policy: Policy, easier: System, past: bool) -> Iterator[tuple[int, System, System]]:
    yield 0, system, easier
    if past:
        relaxed, told = without_known(system, policy.threshold)
        if told:
            yield told, relaxed, without_known(easier, policy.threshold)[0]


def _chosen(system: System, policy: Policy, easier: System) -> tuple[Audit, Pattern, Ranges]:
    """Find what is withheld, and the ranges that say so; gives the audit of the small numbers by themselves as well.

    easier  the same numbers with fewer relations. What it needs is found first, and is often all: then the system itself,
            whose parts hang together, is audited and not searched.
    """
    begin = _last_time(system) if easier.size == system.size else _begun(easier, system, policy)
    look, pattern, points = _pattern(system, policy, begin, ask=easier.size == system.size)
    return look, pattern, publish(system, pattern.withheld, policy, look, points)


def _pattern(system: System, policy: Policy, begin: np.ndarray | None = None, ask: bool = True
             ) -> tuple[Audit, Pattern, Points]:  # fmt: skip
    """Find what is withheld; gives the audit of the small numbers by themselves, and the solutions of all audits, as well."""
    points = Points(system)
    look = first_look(system, policy, points)
    suspects = np.isin(look.components, look.components[[f.unknown for f in look.findings]]) if begin is None else None
    return look, choose(system, suspects, points, begin, ask), points


def _last_time(system: System) -> np.ndarray | None:
    """Give what the last release withheld and is the same, or None where that is nothing: the search begins there."""
    return system.again if system.again.any() else None


def _begun(easier: System, system: System, policy: Policy) -> np.ndarray:
    """Select what the easier system needs: without withholding what stands behind many rows if it can, else with it.

    Raises NoPattern where nothing is found that protects it: a pattern that is safe in the system is safe in it as well.
    """
    to = np.full(easier.size, -1)
    for number, at in easier.cells.items():
        to[at[at >= 0]] = system.cells[number][at >= 0]
    several = (to >= 0) & (np.bincount(to[to >= 0], minlength=system.size) > 1)[to]
    begin = _last_time(easier)
    try:
        withheld = _pattern(replace(easier, cost=np.where(several, np.inf, easier.cost)), policy, begin)[1].withheld
    except NoPattern:
        try:
            withheld = _pattern(easier, policy, begin)[1].withheld
        except NoPattern as nothing:
            raise NoPattern([int(to[i]) for i in nothing.unknowns if to[i] >= 0]) from None
    found = np.zeros(system.size, bool)
    found[to[withheld & (to >= 0)]] = True
    return found


def _narrowest(ranges: Ranges) -> str:
    least = ranges.audit.least_width
    return "nothing is withheld" if np.isinf(least) else f"at least {np.floor(least * 100) / 100:g} times what is asked"


def _refused(system: System, tables: Tables, nothing: NoPattern, before: set[str]) -> Refused:
    """Say where numbers cannot be protected, without saying which numbers; what is new beside earlier releases is named."""
    problems = []
    new = [name for name in tables if before and name not in before]
    added = f". New beside what left before, and so the likely reason: {few(new)}" if new else ""
    for (name, statistic), at in system.cells.items():
        number = int(np.isin(at, nothing.unknowns).sum())
        if number:
            wrong = f"{statistic}: withholding further numbers does not protect all that are small"
            mend = "Declare coarser bands or fewer dimensions for this table, or leave out what was released before" + added
            problems.append(Problem(name, wrong, "", mend))
    if not problems:
        mend = "Wait until more people differ, or leave out the tables that changed"
        problems = [Problem(", ".join(sorted(tables)), "the difference to an earlier release would show a few people", "", mend)]
    return Refused("The release", problems)


def _judged(declared: ResultsTable, table: pd.DataFrame, policy: Policy) -> Frames:
    """Apply the rule of a layout to every row; a rule that gives no reasons has one reason."""
    frames = GUARDS[declared.layout](table, declared, policy)
    for name, cells in frames.items():
        if "reason" not in cells:
            frames[name] = cells.assign(reason=np.where(cells["status"] == "withheld", RULE, ""))
    return frames


def _in_order(declared: ResultsTable, table: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows, so that their order decides nothing."""
    dimensions = list(declared.dimensions)
    order = table[dimensions].astype(str).sort_values(dimensions, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _cells(name: str, declared: ResultsTable, table: pd.DataFrame, frames: Frames, system: System, pattern: Pattern,
           ranges: Ranges) -> pd.DataFrame:  # fmt: skip
    """Write the cells of one table: values that may be shown, ranges for those that may not."""
    dimensions = list(declared.dimensions)
    keys = table[dimensions].astype(str)
    hidden = {}
    for statistic in LAYOUTS[declared.layout].statistics:
        at = system.cells.get((name, statistic))
        hidden[statistic] = (frames[statistic]["status"] == "withheld").to_numpy() if at is None else (
            (at >= 0) & pattern.withheld[at])  # fmt: skip
    follows = LINEAR[declared.layout].follows if declared.layout in LINEAR else {}
    parts = []
    for statistic in LAYOUTS[declared.layout].statistics:
        cells, at = frames[statistic].copy(), system.cells.get((name, statistic))
        more = hidden[statistic].copy()
        for other in follows.get(statistic, ()):
            more |= hidden[other]
        more &= (cells["status"].isin(["ok", "rounded"]) | (cells["status"] == "withheld")).to_numpy()
        shown = cells["status"].isin(["ok", "rounded"]).to_numpy()
        cells.loc[more & shown, "reason"] = COMPLEMENTARY if at is not None else FOLLOWS
        cells.loc[more, "status"] = "withheld"
        cells.loc[more, "value"] = np.nan
        if at is None:
            cells.loc[more, ["lower", "upper"]] = np.nan
        else:
            known = more & (system.kind[at] != SUM)
            cells.loc[known, "lower"], cells.loc[known, "upper"] = ranges.lower[at][known], ranges.upper[at][known]
            cells.loc[more & ~known, ["lower", "upper"]] = np.nan
        parts.append(keys.join(cells).assign(statistic=statistic))
    every = pd.concat(parts, ignore_index=True)[[*dimensions, *CELL_COLUMNS, "reason"]]
    return every.sort_values([*dimensions, "statistic"], ignore_index=True)


def summary(cells: pd.DataFrame) -> dict[str, int]:
    """Count the cells of a released table by status."""
    counts = cells["status"].value_counts()
    return {"cells": len(cells), **{str(status): int(n) for status, n in sorted(counts.items())}}
