"""Tables of areas that know their edition: areas of different editions are never mixed, even where their codes look alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from shared_code.model import Problem, Refused, few

MEND = "Carry one of them over with a lookup first; never join on the code: the same code can be another area"


@dataclass(frozen=True)
class AreaTable:
    """Hold numbers of areas, indexed by code, and the edition of the codes, such as `ward 2017-12` or `LSOA 2021`.

    per     share or rate -> what it is expressed per (100 where not given)
    events  rates of events, which may happen to a person again and again
    """

    numbers: pd.DataFrame
    edition: str
    name: str = "a table"
    per: Mapping[str, float] = field(default_factory=dict)
    events: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        twice = self.numbers.index[self.numbers.index.duplicated()]
        if len(twice):
            wrong = f"{len(twice)} areas are there more than once: {few(twice, 3)}"
            raise Refused(self.name, [Problem(self.name, wrong, "one row per area", "Say with `rows` which rows are meant")])


@dataclass(frozen=True)
class AreaLookup:
    """Lead from areas of one edition to another; `share` says how much of a start area lies in the end area.

    pairs  columns start, end, share; the shares of each start area add up to 1
    """

    pairs: pd.DataFrame
    start: str
    end: str
    name: str = "a lookup"


def joined(first: AreaTable, second: AreaTable) -> AreaTable:
    """Put two tables of the same edition side by side (raises model.Refused where the editions differ)."""
    if first.edition != second.edition:
        wrong = f"{first.name} is of {first.edition} and {second.name} of {second.edition}"
        raise Refused("The join of two tables", [Problem(second.name, wrong, "one edition", MEND)])
    return AreaTable(first.numbers.join(second.numbers, how="outer"), first.edition, f"{first.name} with {second.name}")


def with_same_edition(table: AreaTable, edition: str, what: str) -> AreaTable:
    """Give the table back when it is of the edition asked for (raises model.Refused otherwise)."""
    if table.edition != edition:
        wrong = f"{table.name} is of {table.edition}, and {what} is of {edition}"
        raise Refused(what, [Problem(table.name, wrong, edition, MEND)])
    return table


def carried(table: AreaTable, lookup: AreaLookup) -> AreaTable:
    """Carry counts over to another edition: each area's count is shared out, and what falls together is added.

    Only counts and sums can be carried, never rates. Raises model.Refused where the lookup starts from another edition, or
    does not know an area of the table: the table is then not of the edition it says.
    """
    with_same_edition(table, lookup.start, lookup.name)
    strange = table.numbers.index.difference(lookup.pairs["start"])
    if len(strange):
        wrong = f"{len(strange):,} codes of {table.name} are not of {lookup.start}: {few(strange, 3)}"
        raise Refused(lookup.name, [Problem(table.name, wrong, f"codes of {lookup.start}", "Correct the edition of the source")])
    pairs = lookup.pairs[lookup.pairs["start"].isin(table.numbers.index)]
    shared = table.numbers.loc[pairs["start"]].mul(pairs["share"].to_numpy(), axis=0)
    summed = shared.groupby(pairs["end"].to_numpy(), sort=True).sum(min_count=1)
    return AreaTable(summed, lookup.end, f"{table.name}, carried to {lookup.end}")


def way(start: str, end: str, lookups: list[AreaLookup]) -> list[AreaLookup]:
    """Find the lookups that lead from one edition to another (raises model.Refused where none do)."""
    ways: list[list[AreaLookup]] = [[]]
    seen = {start}
    while ways:
        so_far = ways.pop(0)
        here = so_far[-1].end if so_far else start
        if here == end:
            return so_far
        for lookup in lookups:
            if lookup.start == here and lookup.end not in seen:
                seen.add(lookup.end)
                ways.append([*so_far, lookup])
    known = few([f"{one.start} to {one.end}" for one in lookups]) or "none"
    raise Refused("The lookups", [Problem("lookups", f"none leads from {start} to {end}", known, "Declare a lookup")])
