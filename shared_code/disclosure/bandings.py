"""Nested and overlapping bands: 18+ and 65+, or two bandings of one age, tell of the people in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise, product
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


def bands_fit(own: Sets, theirs: Sets, bandings: dict[str, list[tuple[str, Dimension]]]) -> bool | None:
    """Say whether numbers in two bandings of a dimension can be of the same people; None where nothing can be compared.

    own, theirs  dimensions -> levels -> number; a second banding of a dimension is named with a number behind it
    As many people have reached each edge that both have, and ever fewer the next, whichever banding it is of.
    """
    specs = {key: spec for every in bandings.values() for key, spec in every if spec.kind == "exclusive"}
    fit = None
    for first, second in product(own, theirs):
        apart = [i for i, (a, b) in enumerate(zip(first, second)) if a != b]
        if len(first) != len(second) or len(apart) != 1:
            continue
        (at,) = apart
        a, b = first[at], second[at]
        if a.partition("#")[0] != b.partition("#")[0] or a not in specs or b not in specs:
            continue
        mine, others = _reached(own[first], at, specs[a]), _reached(theirs[second], at, specs[b])
        for group in mine.keys() & others.keys():
            reached = sorted([*mine[group].items(), *others[group].items()], key=lambda one: (one[0], -one[1]))
            differ = any(mine[group][edge] != others[group][edge] for edge in mine[group].keys() & others[group].keys())
            if differ or any(later > earlier for (_, earlier), (_, later) in pairwise(reached)):
                return False
        whole = mine.keys() == others.keys() and min(specs[a].bands) == min(specs[b].bands)
        fit = fit or (True if whole and any(map(any, (group.values() for group in mine.values()))) else None)
    return fit


def _reached(numbers: Mapping[tuple[str, ...], float], at: int, spec: Dimension) -> dict[tuple[str, ...], dict[float, float]]:
    """Give, for each group, the number from each edge on."""
    begins = {label: begin for label, (begin, _) in zip(band_labels(spec.bands, spec.kind), _ends(spec))}
    found: dict[tuple[str, ...], dict[float, float]] = {}
    for levels, number in numbers.items():
        group = found.setdefault((*levels[:at], *levels[at + 1 :]), dict.fromkeys(spec.bands, 0.0))
        for edge in spec.bands:
            group[edge] += float(number) if begins[levels[at]] >= edge else 0.0
    return found


def _ends(spec: Dimension) -> list[tuple[float, float]]:
    if spec.kind == "nested":
        return [(edge, np.inf) for edge in spec.bands]
    return list(zip(spec.bands, [*spec.bands[1:], np.inf]))
