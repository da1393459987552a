"""What changes when a newer index, on newer areas, takes the place of an older one: who moves into need, and who moves out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from shared_code import methods
from shared_code.config.editions import Counted, Editions
from shared_code.config.indicators import IndicatorTable
from shared_code.config.indices import Index
from shared_code.indices.areas import AreaLookup, AreaTable, carried, with_same_edition
from shared_code.indices.scoring import score
from shared_code.indices.tables import area_table, compute, read_source

TOGETHER = "All of them"


def in_need(scores: pd.Series, fifth: float) -> pd.Series:
    """Say which areas are among the most deprived share by rank; `scores` rise with deprivation.

    >>> in_need(pd.Series([5.0, 1.0, 3.0, 4.0, 2.0], list("abcde")), 0.2).tolist()
    [True, False, False, False, False]
    """
    return pd.Series(methods.ranks(scores.to_numpy()) <= fifth * len(scores), scores.index)


def moved(people: AreaTable, before: pd.Series, after: pd.Series, beside: pd.Series, lookup: AreaLookup, edition: str
          ) -> pd.DataFrame:  # fmt: skip
    """Count the people of every newer area by whether they were in need before and are in need after.

    people   column people, of the older edition     before  older area -> in need; after, beside  newer area -> in need
    edition  of the newer areas. The same people are counted on both sides: what changes is the index alone.
    Columns: people, before, after, beside, both, into, out. Raises model.Refused where editions would be mixed.
    """
    numbers = people.numbers.assign(before=people.numbers["people"] * before.reindex(people.numbers.index).to_numpy())
    there = carried(AreaTable(numbers, people.edition, people.name), lookup)
    there = with_same_edition(there, edition, "the newer index").numbers.reindex(after.index).fillna(0.0)
    now, then = after.to_numpy(float), there["before"]
    return pd.DataFrame({"people": there["people"], "before": then, "after": there["people"] * now,
                         "beside": there["people"] * beside.reindex(after.index).to_numpy(float), "both": then * now,
                         "into": (there["people"] - then) * now, "out": then * (1 - now)})  # fmt: skip


def two_editions(declared: Editions, data: Path) -> pd.DataFrame:
    """Compute who moves into and out of need in every declared place, and what it does to a sum of money.

    data  folder of the open data. Columns: place, those of `moved`, pounds_before, pounds_after, pounds_beside; the last row is
    all of them. Raises model.Refused for a file or column that is not there, and wherever areas of two editions would be mixed.
    """
    needs = {}
    tables = {}
    for name in (declared.first.index, declared.second.index):
        index = Index.read(name)
        table = IndicatorTable.read(index.table)
        tables[name] = area_table(table, compute(table, Path(data)))
        needs[name] = in_need(score(index, tables[name]).total, declared.fifth)
    older, newer = tables[declared.first.index], tables[declared.second.index]
    narrow = in_need(-newer.numbers[declared.beside.indicator], declared.fifth)  # ranked from 1, the most deprived
    start = AreaTable(_counted(declared.people, data).to_frame("people"), older.edition, declared.people.title)
    start = AreaTable(start.numbers.loc[start.numbers.index.intersection(older.numbers.index)], start.edition, start.name)
    lookup = lookup_of(declared, data, older, newer)
    areas = moved(start, needs[declared.first.index], needs[declared.second.index], narrow, lookup, newer.edition)
    within = read_source(Path(data) / declared.places.file, [declared.places.column, declared.places.name], {})
    within = within.drop_duplicates(declared.places.column).set_index(declared.places.column)[declared.places.name]
    found = areas.groupby(within.reindex(areas.index)).sum().reindex(declared.places.only)
    for side in ("before", "after", "beside"):
        found[f"pounds_{side}"] = methods.allocate(declared.money.pounds, found["people"], found[side], declared.money.weight)
    whole = found.sum().to_frame(TOGETHER).T
    return pd.concat([found, whole]).rename_axis("place").reset_index()


def _counted(spec: Counted, data: Path) -> pd.Series:
    return read_source(Path(data) / spec.file, [spec.column, spec.value], {}).set_index(spec.column)[spec.value].astype(float)


def lookup_of(declared: Editions, data: Path, older: AreaTable, newer: AreaTable) -> AreaLookup:
    """Lead from older to newer areas; the people of one that was split are shared out by the newer count."""
    spec = declared.lookup
    pairs = read_source(Path(data) / spec.file, [spec.start, spec.end], {}).drop_duplicates()
    pairs = pairs[pairs[spec.start].isin(older.numbers.index) & pairs[spec.end].isin(newer.numbers.index)]
    size = pairs[spec.end].map(_counted(declared.shares, data)).to_numpy(float)
    share = size / pd.Series(size, pairs.index).groupby(pairs[spec.start]).transform("sum")
    pairs = pd.DataFrame({"start": pairs[spec.start], "end": pairs[spec.end], "share": share})
    return AreaLookup(pairs, older.edition, newer.edition, spec.title)
