"""Name every number of a table by what it counts: which dimensions are broken out, and the levels of each.

Two numbers of the same name, of the same people, are one number.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from shared_code.config.study import Dimension, ResultsTable
from shared_code.disclosure.margins import Key
from shared_code.model import ALL


def bandings_of(declared: list[ResultsTable]) -> dict[str, list[tuple[str, Dimension]]]:
    """List the different bandings of each banded dimension: name -> (name used in keys, dimension)."""
    found: dict[str, list[tuple[str, Dimension]]] = {}
    for table in declared:
        for name, spec in table.dimensions.items():
            if spec.bands and all((spec.bands, spec.kind) != (d.bands, d.kind) for _, d in found.setdefault(name, [])):
                found[name].append((f"{name}#{len(found[name])}" if found[name] else name, spec))
    return found


def keys_of(declared: ResultsTable, table: pd.DataFrame, values: np.ndarray, bandings: dict[str, list[tuple[str, Dimension]]]
          ) -> list[tuple[tuple[str, ...], Key]]:  # fmt: skip
    """Give each row (dimensions broken out, their levels), without the dimensions over which the numbers do not change."""
    texts = {name: table[name].astype(str).to_numpy() for name in declared.dimensions}
    constant = _constant(declared, texts, values)
    names = {}
    for name, spec in declared.dimensions.items():
        same = [key for key, d in bandings.get(name, []) if (d.bands, d.kind) == (spec.bands, spec.kind)]
        names[name] = same[0] if same else name
    kept = sorted((names[name], texts[name], declared.dimensions[name].total) for name in texts if name not in constant)
    keys = []
    for i in range(len(values)):
        out = [(name, levels[i]) for name, levels, total in kept if not (total and levels[i] == ALL)]
        keys.append((tuple(n for n, _ in out), tuple(level for _, level in out)))
    return keys


def once_of(declared: ResultsTable, keys: list[tuple[tuple[str, ...], Key]], values: np.ndarray
            ) -> list[tuple[tuple[str, ...], Key]]:  # fmt: skip
    """Give each row its key without the dimensions over which the numbers of its set repeat, though not those of every set.

    One denominator stands behind every condition of an age band, though the whole table has others behind those of adults.
    """
    once = list(keys)
    sets: dict[tuple[str, ...], list[int]] = {}
    for i, (dimensions, _) in enumerate(keys):
        sets.setdefault(dimensions, []).append(i)
    for dimensions, rows in sets.items():
        for name in dimensions:
            spec = declared.dimensions.get(name)
            if spec is None or spec.total or spec.bands or spec.months or spec.local:
                continue
            at = once[rows[0]][0].index(name)
            seen: dict[Key, float] = {}
            without = [(*once[i][1][:at], *once[i][1][at + 1 :]) for i in rows]
            if len(set(without)) < len(rows) and all(seen.setdefault(k, values[i]) == values[i] for k, i in zip(without, rows)):
                kept = tuple(n for n in once[rows[0]][0] if n != name)
                for i, key in zip(rows, without):
                    once[i] = kept, key
    return once


def _constant(declared: ResultsTable, texts: dict[str, np.ndarray], values: np.ndarray) -> set[str]:
    """Find dimensions over whose levels every number repeats: one denominator beside each condition."""
    constant: set[str] = set()
    for name, spec in declared.dimensions.items():
        if spec.total or spec.bands or spec.months or spec.local or len(set(texts[name])) < 2:
            continue
        others = [n for n in texts if n != name and n not in constant]
        frame = pd.DataFrame({**{n: texts[n] for n in others}, "value": values})
        groups = frame.groupby(others, sort=False)["value"] if others else None
        least, most, size = (groups.min(), groups.max(), groups.size()) if groups is not None else (
            pd.Series([frame["value"].min()]), pd.Series([frame["value"].max()]), pd.Series([len(frame)]))  # fmt: skip
        if (size > 1).any() and (least.fillna(-1) == most.fillna(-1)).all() and not np.isnan(values).any():
            constant.add(name)
    return constant
