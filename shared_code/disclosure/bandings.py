"""Nested and overlapping bands: 18+ and 65+, or two bandings of one age, tell of the people in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from shared_code.config.study import Dimension, Policy
from shared_code.model import band_labels

Sets = Mapping[tuple[str, ...], Mapping[tuple[str, ...], float]]


def band_rows(cohort: Any, draft: Any, bandings: dict[str, list[tuple[str, Dimension]]], policy: Policy
              ) -> Iterator[tuple[list[int], list[float], float, float]]:  # fmt: skip
    """Relate bands of one dimension through the pieces between all their edges.

    A piece that is no band of its own is an unknown that no table shows. Where the bands give its number away, the
    number must be 0 or reach the threshold like any other.
    """
    for every in bandings.values():
        kinds = [(key, spec) for key, spec in every if any(key in dimensions for dimensions in cohort.sets)]
        if not kinds or (len(kinds) == 1 and kinds[0][1].kind == "exclusive"):
            continue
        edges = sorted({edge for _, d in kinds for edge in d.bands})
        pieces: dict[tuple, dict[int, int]] = {}
        found = []
        for key, spec in kinds:
            ends = dict(zip(band_labels(spec.bands, spec.kind), _ends(spec)))
            for dimensions in [d for d in cohort.sets if key in d]:
                at = dimensions.index(key)
                other_names = dimensions[:at] + dimensions[at + 1 :]
                for levels, number in cohort.sets[dimensions].items():
                    first, last = ends[levels[at]]
                    inside = [e for e in edges if first <= e < last]
                    others = (other_names, levels[:at] + levels[at + 1 :])
                    found.append((others, inside, number))
                    if len(inside) == 1:
                        pieces.setdefault(others, {})[inside[0]] = number
        rows = []
        for others, inside, number in found:
            own = pieces.setdefault(others, {})
            for edge in inside:
                if edge not in own:
                    own[edge] = draft.implicit(np.nan)
                    draft.pieces.append(own[edge])
            if len(inside) > 1 or own[inside[0]] != number:
                rows.append(([number, *[own[e] for e in inside]], [1.0, *[-1.0] * len(inside)], 0.0, 0.0))
        yield from rows


def banded_alike(own: Sets, theirs: Sets, bandings: dict[str, list[tuple[str, Dimension]]]) -> bool:
    """Say whether two sets of numbers are of the same people in different bands: equal between all edges they share.

    own, theirs  dimensions -> levels -> number; a second banding of a dimension is named with a number behind it
    """
    specs = {key: spec for every in bandings.values() for key, spec in every if spec.kind == "exclusive"}
    for first, second in product(own, theirs):
        apart = [i for i, (a, b) in enumerate(zip(first, second)) if a != b]
        if len(first) != len(second) or len(apart) != 1:
            continue
        a, b = first[apart[0]], second[apart[0]]
        if a.partition("#")[0] != b.partition("#")[0] or a not in specs or b not in specs:
            continue
        shared = sorted(set(specs[a].bands) & set(specs[b].bands))
        sums = [_between(numbers, apart[0], specs[key], shared) for numbers, key in ((own[first], a), (theirs[second], b))]
        if shared and any(sums[0].values()) and sums[0] == sums[1]:
            return True
    return False


def _between(numbers: Mapping[tuple[str, ...], float], at: int, spec: Dimension, shared: list[float]) -> dict[tuple, float]:
    """Add numbers up between shared edges."""
    ends = dict(zip(band_labels(spec.bands, spec.kind), _ends(spec)))
    found: dict[tuple, float] = {}
    for levels, number in numbers.items():
        begin = max((edge for edge in shared if edge <= ends[levels[at]][0]), default=-1)
        key = (*levels[:at], *levels[at + 1 :], begin)
        found[key] = found.get(key, 0.0) + float(number)
    return found


def _ends(spec: Dimension) -> list[tuple[float, float]]:
    if spec.kind == "nested":
        return [(edge, np.inf) for edge in spec.bands]
    return list(zip(spec.bands, [*spec.bands[1:], np.inf]))
