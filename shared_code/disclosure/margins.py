"""Parts and totals: the equations between sets of cells that count the same thing of the same people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

Key = tuple[str, ...]
Levels = dict[tuple[str, ...], dict[Key, int]]  # dimensions broken out -> level of each -> unknown
Row = tuple[list[int], list[float], float, float]  # unknowns, coefficients, least and largest sum


@dataclass
class Cohort:
    """Cells that count the same thing of the same people, over one or several tables."""

    statistic: tuple[str, str]
    sets: Levels = field(default_factory=dict)
    partition: set[str] = field(default_factory=set)
    declared: set[tuple[tuple[str, ...], str]] = field(default_factory=set)


def margins(cohort: Cohort, truth: list[float]) -> Iterator[Row]:
    """Give the relations between parts and totals of a cohort, where its numbers fulfil them."""
    names = list(cohort.sets)
    told: set[tuple[int, ...]] = set()
    for fine, coarse in nested(names, names, cohort.partition):
        if any(set(coarse) < set(between) < set(fine) for between in names):
            continue
        at = [fine.index(name) for name in coarse]
        parts: dict[Key, list[int]] = {}
        for levels, number in cohort.sets[fine].items():
            parts.setdefault(tuple(levels[i] for i in at), []).append(number)
        totals = {k: n for k, n in cohort.sets[coarse].items() if k in parts}
        sums = {k: sum(truth[i] for i in parts[k]) for k in totals}
        tolerance = {k: 1e-9 * max(1.0, abs(sums[k])) for k in totals}
        equal = all(abs(sums[k] - truth[n]) <= tolerance[k] for k, n in totals.items())
        below = all(sums[k] <= truth[n] + tolerance[k] for k, n in totals.items())
        if not (equal or below):
            continue
        for key, total in totals.items():
            if (total, *parts[key]) in told:  # one denominator behind every condition
                continue
            told.add((total, *parts[key]))
            slack = abs(sums[key] - truth[total]) if equal else 0.0  # sums of days differ in their last digit
            yield [total, *parts[key]], [1.0, *[-1.0] * len(parts[key])], -slack, slack if equal else np.inf
    yield from _crossing(cohort, truth)


def _crossing(cohort: Cohort, truth: list[float]) -> Iterator[Row]:
    """Relate two ways of breaking the same people out that share dimensions, where no table shows what they share."""
    names = list(cohort.sets)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            shared = tuple(n for n in one if n in other)
            apart = (set(one) | set(other)) - set(shared)
            if not (set(one) - set(shared) and set(other) - set(shared) and apart <= cohort.partition) or any(
                set(shared) <= set(n) and (set(n) < set(one) or set(n) < set(other)) for n in names if n not in (one, other)
            ):
                continue
            sides = []
            for dimensions in (one, other):
                at = [dimensions.index(name) for name in shared]
                members: dict[Key, list[int]] = {}
                for levels, number in cohort.sets[dimensions].items():
                    members.setdefault(tuple(levels[j] for j in at), []).append(number)
                sides.append(members)
            left, right = sides
            common = [k for k in left if k in right]
            gaps = [abs(sum(truth[n] for n in left[k]) - sum(truth[n] for n in right[k])) for k in common]
            size = max((abs(truth[n]) for k in common for n in left[k]), default=0.0)
            if common and max(gaps) <= 1e-9 * max(1.0, size):
                for k, gap in zip(common, gaps):
                    yield [*left[k], *right[k]], [1.0] * len(left[k]) + [-1.0] * len(right[k]), -gap, gap


def nested(fine: list[tuple[str, ...]], coarse: list[tuple[str, ...]], partition: set[str]
            ) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:  # fmt: skip
    for f in fine:
        for p in coarse:
            if set(p) < set(f) and set(f) - set(p) <= partition:
                yield f, p


def sums_of(cells: dict[Key, float], fine: tuple[str, ...], coarse: tuple[str, ...]) -> dict[Key, float]:
    at = [fine.index(name) for name in coarse]
    sums: dict[Key, float] = {}
    for levels, value in cells.items():
        key = tuple(levels[i] for i in at)
        sums[key] = sums.get(key, 0.0) + value
    return sums
