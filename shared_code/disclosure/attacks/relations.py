"""Attacks with what the protocol says: groups made of groups, groups inside groups, numbers that agree between analyses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, product

import pandas as pd

from shared_code.config.agreement import Agreement, Selected
from shared_code.config.study import Dimension, ResultsTable
from shared_code.disclosure.attacks.known import Cell, Known, Tables
from shared_code.model import ALL, LAYOUTS


def groups(known: Known, tables: Tables) -> Known:
    """Subtract a group from one that holds it; a union holds each of its parts and no more than all of them together.

    Only what counts those in a group: the people among whom cases are counted are no smaller in the smaller group.
    """
    for name, (declared, _) in tables.items():
        for place, (dimension, spec) in enumerate(declared.dimensions.items()):
            if not (spec.formed or spec.within):
                continue
            wholes = LAYOUTS[declared.layout].part_of.values()
            own = [(s, (*levels[:place], *levels[place + 1 :])) for (table, s, levels), i in known.index.items()
                   if table == name and not known.implicit[i] and s not in wholes]  # fmt: skip
            for statistic, rest in dict.fromkeys(own):

                def at(level: str) -> int | None:
                    return known.index.get((name, statistic, (*rest[:place], level, *rest[place:])))  # noqa: B023

                for inner, outer in _inside(spec):
                    low, high = at(inner), at(outer)
                    if low is not None and high is not None:
                        levels = (*rest[:place], f"{outer} but not {inner}", *rest[place:])
                        between = known.add((name, f"{statistic} of {dimension}", levels), 0, math.inf, implicit=True)
                        known.equal({high: 1.0, low: -1.0, between: -1.0})
                for level, made in spec.formed.items():
                    parts, whole = [at(part) for part in made.of], at(level)
                    if made.at_least == 1 and whole is not None and parts and None not in parts:
                        levels = (*rest[:place], f"more than one of {level}", *rest[place:])
                        twice = known.add((name, f"{statistic} of {dimension}", levels), 0, math.inf, implicit=True)
                        known.equal({**{p: 1.0 for p in parts if p is not None}, whole: -1.0, twice: -1.0})
    return known


def _inside(spec: Dimension) -> set[tuple[str, str]]:
    pairs = {(inner, outer) for inner, many in spec.within.items() for outer in many}
    for level, made in spec.formed.items():
        pairs |= {(part, level) for part in made.of if made.at_least == 1}
        pairs |= {(level, part) for part in made.of if made.at_least == len(made.of)}
    return pairs


def agreed(known: Known, tables: Tables, agreements: Sequence[Agreement]) -> Known:
    """Read in the protocol which numbers of two tables are the same people, and take what either of them shows.

    A number that is the same at every level of a dimension (`over`) is found by `tables.denominators`.
    """
    for said in agreements:
        sums = [_sums(tables, added, said) for added in said.sums]
        for one, other in pairwise(sums):
            for key in one.keys() & other.keys():
                cells = [(cell, times) for cell, times in one[key]] + [(cell, -times) for cell, times in other[key]]
                if all(cell in known.index for cell, _ in cells):
                    left: dict[int, float] = {}
                    for cell, times in cells:
                        left[known.index[cell]] = left.get(known.index[cell], 0.0) + times
                    known.equal(left, -math.inf if said.relation == "at_most" else 0.0, 0.0)
    return known


def _sums(tables: Tables, listed: list[Selected], said: Agreement) -> dict[tuple[str, ...], list[tuple[Cell, float]]]:
    found: dict[tuple[str, ...], list[tuple[Cell, float]]] = {}
    for one in listed:
        if one.table not in tables:
            return {}
        for key, cells in _cells(*tables[one.table], one, said).items():
            found.setdefault(key, []).extend(((one.table, one.statistic, levels), one.times) for levels in cells)
    return found


def _cells(declared: ResultsTable, cells: pd.DataFrame, one: Selected, said: Agreement
           ) -> dict[tuple[str, ...], list[tuple[str, ...]]]:  # fmt: skip
    """Give the levels of the cells that are added, by the levels of `each`: places that lie inside others by the larger one."""
    levels = {name: [str(level) for level in cells[name].unique()] for name in declared.dimensions}
    shown = set(map(tuple, cells[list(declared.dimensions)].astype(str).to_numpy()))
    by = [one.inside[name].dimension if name in one.inside else name for name in said.each]
    found: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for combination in product(*(_chosen(declared, name, one, by, levels[name]) for name in levels)):
        if combination in shown:
            own = dict(zip(said.each, (combination[list(levels).index(dimension)] for dimension in by)))
            key = tuple(one.inside[name].levels.get(level, "") if name in one.inside else level for name, level in own.items())
            found.setdefault(key, []).append(combination)
    for place, name in enumerate(said.each):
        if name in one.inside:  # what lies in no larger place, and places of which a part is not there
            whole, at = one.inside[name].whole, list(levels).index(by[place])
            found = {key: rows for key, rows in found.items() if whole.get(key[place]) == {row[at] for row in rows}}
    return found


def _chosen(declared: ResultsTable, name: str, one: Selected, by: list[str], levels: list[str]) -> list[str]:
    said = one.where.get(name)
    if said is not None:
        return said if isinstance(said, list) else [said]
    if declared.dimensions[name].total:
        return [level for level in levels if level != ALL] if name in by else [ALL]
    return levels
