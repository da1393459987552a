"""Relations that the protocol declares between tables, and between the levels of one dimension.

Anyone can read them in the protocol, so an outsider who subtracts numbers knows them: numbers of two analyses that count the same
people (`agree`), a condition that holds everybody with one of several (`formed`), and groups inside groups (`within`). What
follows from two numbers by subtraction (65 in one group, 61 in a group inside it) is a number of people like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

from shared_code.config.agreement import Agreement, Selected
from shared_code.config.study import Dimension, ResultsTable
from shared_code.disclosure.margins import Cohort
from shared_code.disclosure.system import PEOPLE
from shared_code.model import ALL, LAYOUTS

Entries = list[tuple[int, float]]  # unknowns and how often each counts
Row = tuple[list[int], list[float], float, float]
Tables = Mapping[str, tuple[ResultsTable, pd.DataFrame]]


def compared(tables: Tables, said: Agreement) -> list[tuple[Entries, Entries]]:
    """Give the pairs of sums that an agreement compares: equal, or the first at most the second.

    tables   analysis.table -> (declaration, its dimensions and, per statistic, the number of the unknown, -1: none)
    Nothing where a table is not there, or where a number is missing.
    """
    sums: list[dict[tuple[str, ...], Entries]] = []
    for added in said.sums:
        parts = [_selected(tables, one, said) for one in added]
        if any(part is None for part in parts):
            return []
        keys = set.intersection(*(set(part) for part in parts if part is not None))
        sums.append({key: [entry for part in parts if part is not None for entry in part[key]] for key in sorted(keys)})
    if said.over:  # the same at every level: compare each with the next
        pairs = []
        for one in sums:
            groups: dict[tuple[str, ...], list[Entries]] = {}
            for key, entries in one.items():
                groups.setdefault(key[:-1], []).append(entries)
            pairs += [(a, b) for g in groups.values() for a, b in pairwise(g)]
        return pairs
    return [(first[key], second[key]) for first, second in pairwise(sums) for key in first if key in second]


def _selected(tables: Tables, one: Selected, said: Agreement) -> dict[tuple[str, ...], Entries] | None:
    """Give the unknowns of a selection by the levels of `each` and `over`; None where the table is not there."""
    if one.table not in tables:
        return None
    declared, table = tables[one.table]
    for large, lie in one.inside.items():  # the wards of a locality, added up
        table = table.assign(**{large: table[lie.dimension].map(lie.levels)}).dropna(subset=[large])
    chosen = pd.Series(True, table.index)
    by = [*said.each, *([said.over] if said.over else [])]
    added = {*by, *(lie.dimension for lie in one.inside.values())}
    for dimension, spec in declared.dimensions.items():
        levels = one.where.get(dimension)
        if levels is not None:
            chosen &= table[dimension].isin(levels if isinstance(levels, list) else [levels])
        elif spec.total:
            chosen &= (table[dimension] != ALL) == (dimension in added)
    found: dict[tuple[str, ...], Entries] = {}
    rows, broken = table[chosen], set()
    for levels, at in zip(rows[by].itertuples(index=False, name=None) if by else [()] * len(rows), rows[one.statistic]):
        found.setdefault(tuple(map(str, levels)), []).append((int(at), one.times))
        if at < 0:
            broken.add(tuple(map(str, levels)))
    for large, lie in one.inside.items():  # a locality of which a ward has no row is not the sum of the others
        whole, place = lie.whole, by.index(large)
        broken |= {key for key, own in rows.groupby(by) if set(own[lie.dimension]) != whole[key[place]]}
    return {key: entries for key, entries in found.items() if key not in broken}


def numbered(tables: Tables, cells: Mapping[tuple[str, str], np.ndarray]) -> dict[str, tuple[ResultsTable, pd.DataFrame]]:
    """Give every table with the unknowns behind its numbers: `cells` says, per table and statistic, those of its rows."""
    return {name: (declared, table[list(declared.dimensions)].astype(str).assign(
                **{s: cells.get((name, s), -1) for s in LAYOUTS[declared.layout].statistics}))
            for name, (declared, table) in tables.items()}  # fmt: skip


def agreement_rows(tables: Tables, agreements: Sequence[Agreement], draft: Any) -> Iterator[Row]:
    """Give what the agreements say of the unknowns of a release, where its numbers fulfil it.

    Not those `over` a dimension (one denominator beside every condition): build makes these one unknown where they repeat
    throughout a table, and equations between them where they do not would tie all conditions together. Where one number
    is at most another, the difference is a number of people, and protected as one.
    """
    for said in [one for one in agreements if not one.over]:
        for first, second in compared(tables, said):
            sums: dict[int, float] = {}
            for entries, sign in ((first, -1.0), (second, 1.0)):
                for at, times in entries:
                    sums[at] = sums.get(at, 0.0) + sign * times
            sums = {at: times for at, times in sums.items() if times}
            gap = sum(times * draft.truth[at] for at, times in sums.items())
            tolerance = 1e-9 * max([1.0, *(abs(draft.truth[at]) for at in sums)])
            if not sums or (abs(gap) > tolerance if said.relation == "equal" else gap < -tolerance):
                continue
            if said.relation == "equal":
                yield [*sums], [*sums.values()], -abs(gap), abs(gap)
            else:
                yield _difference(draft, sums, gap)


def _difference(draft: Any, sums: Mapping[int, float], gap: float) -> Row:
    """Give the row of a difference that is never negative; where people are counted, it counts people."""
    rest = draft.implicit(gap)
    if all(draft.kind[at] == PEOPLE for at in sums):
        draft.pieces.append(rest)
    return [*sums, rest], [*sums.values(), -1.0], 0.0, 0.0


def levels_made_of_others(declared: Sequence[ResultsTable]) -> dict[str, list[Dimension]]:
    """List the dimensions of tables whose levels hold each other: name -> declarations."""
    found: dict[str, list[Dimension]] = {}
    for table in declared:
        for name, spec in table.dimensions.items():
            same = found.setdefault(name, [])
            if (spec.formed or spec.within) and spec not in same:
                same.append(spec)
    return {name: specs for name, specs in found.items() if specs}


def level_rows(cohort: Cohort, draft: Any, made: Mapping[str, list[Dimension]]) -> Iterator[Row]:
    """Relate levels that are made of others, or lie within others, where the numbers of a cohort fulfil it."""
    for name, specs in made.items():
        for dimensions in [d for d in cohort.sets if name in d]:
            place = dimensions.index(name)
            groups: dict[tuple[str, ...], dict[str, int]] = {}
            for levels, at in cohort.sets[dimensions].items():
                groups.setdefault(levels[:place] + levels[place + 1 :], {})[levels[place]] = at
            for parts in groups.values():
                for spec in specs:
                    for sums in _of_levels(spec, parts, draft):
                        gap = sum(times * draft.truth[at] for at, times in sums.items())
                        single = all(abs(times) == 1 for times in sums.values()) and sum(times > 0 for times in sums.values()) > 0
                        if gap < 0 or len(sums) < 2:
                            continue
                        if single:
                            yield _difference(draft, sums, gap)
                        else:
                            yield [*sums], [*sums.values()], 0.0, float("inf")


def _of_levels(spec: Dimension, parts: Mapping[str, int], draft: Any) -> Iterator[dict[int, float]]:
    """Give sums of unknowns that are never negative; with coefficients of 1 and -1 they count people (or memberships)."""
    inner = {(low, high) for low, outer in spec.within.items() for high in outer}
    for level, made in spec.formed.items():
        of = made.of or [item for item in parts if item not in spec.values]
        here = [parts[item] for item in of if item in parts]
        n = len(of)
        inner |= {(item, level) for item in of if made.at_least == 1} | {(level, item) for item in of if made.at_least == n}
        if level not in parts or len(here) < n or not here:
            continue
        yield {parts[level]: -float(made.at_least), **dict.fromkeys(here, 1.0)}  # everybody in it is at so many others
        people = draft.whole.get(parts[level])
        if made.at_least > 1 and people is not None:  # everybody else is at fewer
            yield {people: made.at_least - 1.0, parts[level]: n - made.at_least + 1.0, **dict.fromkeys(here, -1.0)}
    for (one, a), (other, b) in combinations(spec.formed.items(), 2):
        if a.of == b.of and a.at_least != b.at_least:
            inner.add((one, other) if a.at_least > b.at_least else (other, one))
    for low, high in sorted(inner):
        if low in parts and high in parts:
            yield {parts[high]: 1.0, parts[low]: -1.0}
