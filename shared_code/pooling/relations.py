"""Every number of a release as an unknown with its range, and every relation that must hold between them.

Unknowns are the true numbers behind the released cells of one site; a released number lies in its range, also when it is
rounded or withheld. The relations are those of the declarations: a part is at most its whole, parts of a total do not
exceed it and, where nobody can be outside them, add up to it, nested bands fall, and what the study says must agree
agrees. Which statistics add up is said in disclosure/system.py; a site that counted honestly fulfils all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import sparse

from shared_code.config.agreement import Agreement
from shared_code.config.study import Dimension, ResultsTable
from shared_code.disclosure.agreements import compared
from shared_code.disclosure.system import LINEAR
from shared_code.model import LAYOUTS, UNKNOWN, band_labels
from shared_code.pooling.cubes import nested_sets, set_of

Tables = Mapping[tuple[str, str], tuple[ResultsTable, pd.DataFrame]]  # (analysis, table) -> declaration, cells

# Distinct people and sums of squares of repeated events do not add up: one person can be in several parts.
DISTINCT = {("events", "people"), ("events", "events_squared"), ("bins", "people"), ("records", "people"),
            ("records", "people_failing"), ("estimates", "people"), ("estimates", "person_days")}  # fmt: skip
RECORDS = ("people", "rows", "people_failing", "rows_failing")  # of a layout that the disclosure system does not add up
OVER_TIME = ("events", "person_days", "records", "rows", "rows_failing")  # what happened in two months is both together
WHOLE, PARTS, PART, NESTED, AGREES, SAME = "whole", "parts", "part", "nested", "agrees", "same"


@dataclass(frozen=True)
class Numbers:
    """Hold the unknowns of one site: ranges, and where each stands.

    tables  (analysis, table) -> its dimensions and, per statistic, the number of the unknown (-1: none)
    cells   for every unknown: analysis, table, statistic, row of its table
    """

    lower: np.ndarray
    upper: np.ndarray
    tables: dict[tuple[str, str], pd.DataFrame]
    declared: dict[tuple[str, str], ResultsTable]
    cells: list[tuple[str, str, str, int]]


@dataclass(frozen=True)
class Family:
    """Hold relations of one kind: lower <= matrix @ unknowns <= upper, and what each row is about.

    about   the unknown that names a row in words (the total, the numerator, …)
    said    what all its rows have in common, in words
    """

    kind: str
    matrix: sparse.csr_matrix
    lower: np.ndarray
    upper: np.ndarray
    about: np.ndarray
    said: str = ""


@dataclass
class Draft:
    """Collect the entries of a family."""

    rows: list[np.ndarray] = field(default_factory=list)
    columns: list[np.ndarray] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)

    def add(self, rows: np.ndarray, columns: np.ndarray, value: float) -> None:
        self.rows.append(rows)
        self.columns.append(columns)
        self.values.append(np.full(len(rows), value))

    def family(self, kind: str, size: int, lower: np.ndarray, upper: np.ndarray, about: np.ndarray, said: str = "") -> Family:
        entries = (np.concatenate(self.values), (np.concatenate(self.rows), np.concatenate(self.columns)))
        return Family(kind, sparse.csr_matrix(entries, (len(about), size)), lower, upper, about, said)


def numbers_of(tables: Tables) -> Numbers:
    """Give every released number of a site as an unknown; what was not collected or cannot be given is none."""
    lower, upper, cells, wide, declarations = [], [], [], {}, {}
    start = 0
    for (stem, name), (declared, frame) in tables.items():
        dimensions, signed = list(declared.dimensions), LAYOUTS[declared.layout].signed
        told = frame[frame["status"].isin(["ok", "rounded", "withheld"])].reset_index(drop=True)
        low, high = told["lower"].to_numpy(float), told["upper"].to_numpy(float)
        least = np.where(told["statistic"].isin(signed), -np.inf, 0.0)
        lower.append(np.where(np.isnan(low), least, low))
        upper.append(np.where(np.isnan(high), np.inf, high))
        at = told.assign(at=start + np.arange(len(told)))
        table = at.pivot(index=dimensions, columns="statistic", values="at")
        table = table.reindex(columns=list(LAYOUTS[declared.layout].statistics)).fillna(-1).astype(int).reset_index()
        row = dict(zip(table[list(LAYOUTS[declared.layout].statistics)].to_numpy().ravel().tolist(),
                       np.repeat(np.arange(len(table)), len(LAYOUTS[declared.layout].statistics)).tolist()))  # fmt: skip
        cells += [(stem, name, statistic, row[start + i]) for i, statistic in enumerate(told["statistic"])]
        wide[stem, name], declarations[stem, name] = table, declared
        start += len(told)
    flat = (np.concatenate(x) if x else np.array([]) for x in (lower, upper))
    return Numbers(*flat, wide, declarations, cells)


def relations(numbers: Numbers, agreements: Sequence[Agreement] = ()) -> Iterator[Family]:
    """Give every family of relations between the numbers of one site."""
    for key, table in numbers.tables.items():
        declared, layout = numbers.declared[key], LAYOUTS[numbers.declared[key].layout]
        for part, whole in {**layout.part_of, **layout.at_most}.items():
            yield from _pairs(numbers, table[part].to_numpy(), table[whole].to_numpy(), WHOLE, whole)
        units = tuple(LINEAR[declared.layout].units) if declared.layout in LINEAR else ()
        for statistic in RECORDS if declared.layout == "records" else units:
            distinct = (declared.layout, statistic) in DISTINCT and not declared.once
            for finer, coarser in nested_sets(declared):
                yield from _margin(numbers, key, table, statistic, finer, coarser, distinct)
            if statistic not in layout.signed:
                yield from _nested_bands(numbers, declared, table, statistic)
    for said in agreements:
        yield from _agreement(numbers, said)


def _pairs(numbers: Numbers, part: np.ndarray, whole: np.ndarray, kind: str, said: str) -> Iterator[Family]:
    """Relate what is at most something else, row by row."""
    both = (part >= 0) & (whole >= 0)
    if both.any():
        draft, rows = Draft(), np.arange(both.sum())
        draft.add(rows, whole[both], 1.0)
        draft.add(rows, part[both], -1.0)
        n = len(rows)
        yield draft.family(kind, len(numbers.lower), np.zeros(n), np.full(n, np.inf), part[both], said)


def _margin(numbers: Numbers, key: tuple[str, str], table: pd.DataFrame, statistic: str, finer: set[str], coarser: set[str],
            distinct: bool) -> Iterator[Family]:  # fmt: skip
    """Relate parts and totals: none exceeds the total, together they do not, and all together they are the total."""
    declared = numbers.declared[key]
    apart = [declared.dimensions[name] for name in sorted(finer - coarser)]
    if any(d.codelist or d.kind == "nested" for d in apart):
        return
    distinct |= any(d.overlapping for d in apart) or (any(d.months for d in apart) and statistic not in OVER_TIME)
    signed = statistic in LAYOUTS[declared.layout].signed
    shared = [name for name, d in declared.dimensions.items() if not d.total or name in coarser]
    parts, wholes = table[set_of(table, declared, finer)], table[set_of(table, declared, coarser)]
    wholes = wholes[wholes[statistic] >= 0]
    every = parts[parts[statistic] >= 0]
    if every.empty or wholes.empty:
        return
    number = pd.Series(np.arange(len(wholes)), index=pd.MultiIndex.from_frame(wholes[shared]) if shared else None)
    of = number.reindex(pd.MultiIndex.from_frame(every[shared])).to_numpy() if shared else np.zeros(len(every))
    inside = ~np.isnan(of)
    rows, at = of[inside].astype(int), every[statistic].to_numpy()[inside]
    total, size = wholes[statistic].to_numpy(), len(numbers.lower)
    said = " and ".join(sorted(finer - coarser))
    if distinct or signed:
        if not signed and len(at):
            yield from _pairs(numbers, at, total[rows], PART, said)
        return
    complete = np.bincount(rows, minlength=len(wholes)) == _levels_in_all(apart)
    used = np.bincount(rows, minlength=len(wholes)) > 0
    draft = Draft()
    draft.add(np.arange(len(wholes)), total, 1.0)
    draft.add(rows, at, -1.0)
    found = draft.family(PARTS, size, np.zeros(len(wholes)), np.where(complete, 0.0, np.inf), total, said)
    kept = np.flatnonzero(used)
    yield Family(PARTS, found.matrix[kept], found.lower[kept], found.upper[kept], found.about[kept], said)


def _levels_in_all(apart: list[Dimension]) -> int:
    """Give the number of parts of a total outside which nobody can be; -1 where somebody can."""
    if not all(UNKNOWN in d.values and not d.local for d in apart):
        return -1
    return int(np.prod([len(d.values) for d in apart]))


def _nested_bands(numbers: Numbers, declared: ResultsTable, table: pd.DataFrame, statistic: str) -> Iterator[Family]:
    """Relate bands without an upper end: 65 and over are some of 18 and over."""
    for name, spec in declared.dimensions.items():
        if spec.kind != "nested":
            continue
        others = [d for d in declared.dimensions if d != name]
        labels = band_labels(spec.bands, spec.kind)
        for wider, narrower in pairwise(labels):
            a, b = (table[table[name] == label] for label in (wider, narrower))
            how = {"on": others} if others else {"how": "cross"}
            both = a.merge(b, suffixes=("", " narrower"), **how)
            part, whole = both[f"{statistic} narrower"].to_numpy(), both[statistic].to_numpy()
            yield from _pairs(numbers, part, whole, NESTED, f"{name} {wider}")


def _agreement(numbers: Numbers, said: Agreement) -> Iterator[Family]:
    """Relate the numbers that the study says agree, where a site released them."""
    tables = {f"{stem}.{name}": (numbers.declared[stem, name], table) for (stem, name), table in numbers.tables.items()}
    yield from _compared(numbers, compared(tables, said), said, SAME if said.over else AGREES)


def _compared(numbers: Numbers, pairs: list[tuple[list[tuple[int, float]], list[tuple[int, float]]]], said: Agreement, kind: str
              ) -> Iterator[Family]:  # fmt: skip
    if not pairs:
        return
    draft = Draft()
    for row, (first, second) in enumerate(pairs):
        for entries, sign in ((first, -1.0), (second, 1.0)):
            for at, times in entries:
                draft.add(np.array([row]), np.array([at]), sign * times)
    end = 0.0 if said.relation == "equal" else np.inf
    about = np.array([second[0][0] for _, second in pairs])
    yield draft.family(kind, len(numbers.lower), np.zeros(len(pairs)), np.full(len(pairs), end), about, said.title)
