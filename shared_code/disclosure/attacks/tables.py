"""Attacks on tables: what margins, complements, nested bands and linked tables say of a withheld number."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

from shared_code.config.study import ResultsTable
from shared_code.disclosure.attacks.known import Known, Tables
from shared_code.model import ALL, LAYOUTS, band_labels


def margins(known: Known, tables: Tables) -> Known:
    """Subtract the shown parts from a total: what is left is the sum of the withheld ones."""
    for name, (declared, _) in tables.items():
        for place, (dimension, spec) in enumerate(declared.dimensions.items()):
            if not _adds_up(declared, dimension):
                continue
            for (statistic, rest), parts in _groups(known, name, place).items():
                if len(parts) < 2 or not _complete(spec, parts):
                    continue
                total = (name, statistic, (*rest[:place], ALL, *rest[place:]))
                whole = known.index.get(total)
                if whole is None and not spec.total:  # a total that the table leaves to the reader, and another may show
                    least, most = (sum(side[i] for i in parts.values()) for side in (known.lower, known.upper))
                    whole = known.add(total, least, most, implicit=True)
                if whole is not None:
                    known.equal({whole: -1.0, **dict.fromkeys(parts.values(), 1.0)})
    return known


def complements(known: Known, tables: Tables) -> Known:
    """Subtract cases from people: those without the attribute are a group of people as well."""
    for name, (declared, _) in tables.items():
        for part, whole in LAYOUTS[declared.layout].part_of.items():
            for (table, statistic, levels), i in list(known.index.items()):
                if table == name and statistic == part and (name, whole, levels) in known.index:
                    rest = known.add((name, f"{whole} without", levels), 0, float("inf"), implicit=True)
                    known.equal({known.index[name, whole, levels]: -1.0, i: 1.0, rest: 1.0})
    return known


def nested(known: Known, tables: Tables) -> Known:
    """Subtract a narrower band from a wider one: the people between the two edges are a group as well."""
    for name, (declared, _) in tables.items():
        for place, (dimension, spec) in enumerate(declared.dimensions.items()):
            if spec.kind != "nested":
                continue
            labels = band_labels(spec.bands, "nested")
            between = band_labels(spec.bands)
            for (statistic, rest), parts in _groups(known, name, place).items():
                for wide, narrow, label in zip(labels, labels[1:], between):
                    if wide in parts and narrow in parts:
                        levels = (*rest[:place], label, *rest[place:])
                        ring = known.add((name, f"{statistic} of {dimension}", levels), 0, float("inf"), implicit=True)
                        known.equal({parts[wide]: -1.0, parts[narrow]: 1.0, ring: 1.0})
    return known


def linked(known: Known, tables: Tables) -> Known:
    """Find the same people in two tables: what one withholds the other may show.

    Numbers that tables hold, and totals of them: other numbers that were worked out (people without, a group less another)
    have no range of their own by which a reader would see that two are not the same. Where two tables of an analysis show
    different numbers for the same levels, they are of different people (deaths before one illness, and before another).
    """
    seen: dict[tuple, dict[str, int]] = defaultdict(dict)
    for (name, statistic, levels), i in known.index.items():
        declared = tables[name][0]
        if statistic in LAYOUTS[declared.layout].statistics:
            stem = name.partition(".")[0]
            key = frozenset((d, level) for d, level in zip(declared.dimensions, levels) if level != ALL)
            seen[stem, declared.layout, statistic, key][name] = i
    others = {(statistic, one, other) for (_, _, statistic, _), same in seen.items() for one, other in combinations(same, 2)
              if _apart(known, same[one], same[other])}  # fmt: skip
    for (_, _, statistic, key), same in seen.items():
        for one, other in combinations(same, 2):
            neither = not key and known.implicit[same[one]] and known.implicit[same[other]]  # nothing says what both count
            if (statistic, one, other) not in others and not neither:
                known.equal({same[one]: 1.0, same[other]: -1.0})
    return known


def denominators(known: Known, tables: Tables) -> Known:
    """Find a number of people that is printed once per item of a codelist: it is the same number every time.

    Not of two items that differ anywhere among the numbers of the same dimensions: each has people of its own there.
    """
    for name, (declared, _) in tables.items():
        if declared.layout != "counts":
            continue
        lists = [d for d, spec in enumerate(declared.dimensions.values()) if spec.codelist]
        seen: dict[tuple, dict[tuple[str, ...], int]] = defaultdict(dict)
        for (table, statistic, levels), i in known.index.items():
            if table == name and statistic == "people" and lists:
                rest = tuple(level for place, level in enumerate(levels) if place not in lists)
                seen[rest][tuple(levels[place] for place in lists)] = i
        differ = {(_broken_out(rest), one, other) for rest, same in seen.items() for one, other in combinations(sorted(same), 2)
                  if _apart(known, same[one], same[other])}  # fmt: skip
        for rest, same in seen.items():
            for one, other in combinations(sorted(same), 2):
                if (_broken_out(rest), one, other) not in differ:
                    known.equal({same[one]: 1.0, same[other]: -1.0})
    return known


def _broken_out(levels: tuple[str, ...]) -> tuple[bool, ...]:
    return tuple(level != ALL for level in levels)


def _apart(known: Known, one: int, other: int) -> bool:
    """Say whether no number is in both ranges."""
    return known.lower[one] > known.upper[other] or known.lower[other] > known.upper[one]


def _adds_up(declared: ResultsTable, dimension: str) -> bool:
    """Say whether the parts are different people: bands and groups are, items of a codelist overlap."""
    spec = declared.dimensions[dimension]
    return not spec.codelist and spec.kind != "nested" and (declared.layout in ("counts", "bins") or declared.once)


def _complete(spec, parts: dict[str, int]) -> bool:
    levels = spec.levels()
    return levels is None or set(levels) <= set(parts)


def _groups(known: Known, name: str, place: int) -> dict[tuple[str, tuple[str, ...]], dict[str, int]]:
    """Group the numbers of a table that differ in one dimension only: (statistic, other levels) -> level -> unknown."""
    groups: dict[tuple[str, tuple[str, ...]], dict[str, int]] = defaultdict(dict)
    for (table, statistic, levels), i in known.index.items():
        if table == name and not known.implicit[i] and levels[place] != ALL:
            groups[statistic, (*levels[:place], *levels[place + 1 :])][levels[place]] = i
    return groups
