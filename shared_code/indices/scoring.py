"""Scoring places on a composite index: fixed order, fixed bounds, fixed base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.indices import Index
from shared_code.indices.areas import AreaTable, with_same_edition
from shared_code.methods.checks import Floats
from shared_code.model import Problem, Refused, few

OF, LOWER, UPPER = ".of", ".lower", ".upper"  # columns beside an indicator: its denominator, the range of a withheld value
FEWEST_PLACES = 5  # in which a component must be scored, for means, deviations and weights


@dataclass(frozen=True)
class Base:
    """Hold what is fixed once, for all years: means, deviations and weights, and what the structure of components says.

    mean, sd   by indicator, after transformation and inversion     weights   by indicator; add up to 1 in a component
    structure  by component, methods.Structure                       plain     components whose weights were made equal
    """

    mean: dict[str, float]
    sd: dict[str, float]
    weights: dict[str, float]
    structure: dict[str, methods.Structure]
    plain: list[str]


@dataclass(frozen=True)
class Scored:
    """Hold the scores of places.

    values      indicators as they are (a place in a row)        stable      the same after shrinkage
    turned      transformed, capped and turned so that more is what the index rises with; gaps imputed
    scores      one column per component, dimension and the index; nan where it cannot be scored
    clipped     one column per component: the score lay outside 0 to 100
    imputed     one column per indicator: the value was missing
    dropped     indicators that too many places miss
    """

    index: Index
    values: pd.DataFrame
    stable: pd.DataFrame
    turned: pd.DataFrame
    scores: pd.DataFrame
    clipped: pd.DataFrame
    imputed: pd.DataFrame
    dropped: list[str]
    base: Base

    @property
    def total(self) -> pd.Series:
        """Give the index itself."""
        return self.scores[self.index.index]


def stabilised(index: Index, table: AreaTable) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the values of every indicator, shrunk where the index says so, and the standard errors of the shrunken.

    Raises model.Refused where the places of the table are of another edition than the index, or a column is missing.
    """
    with_same_edition(table, index.edition, f"The index {index.index}")
    frame = table.numbers
    needed = [*index.indicators, *index.context, *(n + OF for n, item in index.indicators.items() if item.shrink)]
    lacking = [name for name in needed if name not in frame]
    if lacking:
        wrong = f"{table.name} has no column {few(lacking)}"
        raise Refused(index.index, [Problem(f"config/indices/{index.index}.yaml", wrong, few(frame.columns, 12), "Correct it")])
    values = frame[list(index.indicators)].astype(float)
    errors = pd.DataFrame(0.0, index=values.index, columns=values.columns)
    stable = values.copy()
    for name, item in index.indicators.items():
        if item.shrink:
            per = multiplier(table, name)
            shrunk = methods.empirical_bayes(values[name] / per * frame[name + OF], frame[name + OF])
            stable[name], errors[name] = shrunk.estimate * per, shrunk.se * per
    return stable, errors


def multiplier(table: AreaTable, name: str) -> float:
    """Give what a share or rate is expressed per: 100 for per cent."""
    return float(table.per.get(name, 100.0))


def turned(index: Index, values: pd.DataFrame) -> pd.DataFrame:
    """Transform values, cap them at their best bound, and turn them so that more is what the index rises with."""
    columns = {}
    for name, item in index.indicators.items():
        x = methods.transformed(values[name], item.transform)
        best, worst, sign = ends(index, name)
        columns[name] = methods.toward_better(x[:, None], [best], [worst], [sign])[:, 0]
    return pd.DataFrame(columns, index=values.index)


def ranges(index: Index, table: AreaTable) -> Floats:
    """Give the range in which a withheld value lies, transformed and turned: (places, indicators, 2); nan where there is none."""
    frame = table.numbers
    result = np.full((len(frame), len(index.indicators), 2), np.nan)
    for column, (name, item) in enumerate(index.indicators.items()):
        if f"{name}{LOWER}" not in frame:
            continue
        best, worst, sign = ends(index, name)
        with np.errstate(divide="ignore"):
            both = methods.transformed(frame[[f"{name}{LOWER}", f"{name}{UPPER}"]].to_numpy(float), item.transform)
        both = np.sort(methods.toward_better(both, [best] * 2, [worst] * 2, [sign] * 2), axis=1)
        open_ended = frame[name].isna().to_numpy() & np.isfinite(both).all(axis=1)
        result[open_ended, column] = both[open_ended]
    return result


def ends(index: Index, name: str) -> tuple[float, float, int]:
    """Give the transformed bounds of an indicator (nan where it has none) and its sign."""
    item = index.indicators[name]
    sign = 1 if item.more_is == index.rises_with else -1
    given = [np.nan if bound is None else bound for bound in (item.best, item.worst)]
    best, worst = (float(b) if np.isnan(b) else float(methods.transformed([b], item.transform)[0]) for b in given)
    return (best, worst, sign) if index.rises_with == "better" else (worst, best, sign)


def filled(index: Index, table: AreaTable, rows: pd.DataFrame, times: int, rng: np.random.Generator
           ) -> tuple[Floats, pd.DataFrame, list[str]]:  # fmt: skip
    """Impute what is missing: (times, places, indicators), which components can be scored, and indicators left out.

    What was withheld and lies in a known range is drawn from that range and does not count as missing.
    """
    names = list(rows.columns)
    result = np.repeat(rows.to_numpy(float)[None], times, axis=0)
    can = pd.DataFrame(True, index=rows.index, columns=list(index.components))
    dropped: list[str] = []
    context = table.numbers[index.context].to_numpy(float) if index.context else np.zeros((len(rows), 0))
    limits = ranges(index, table)
    for component in index.components:
        items = index.items_of(component)
        part = rows[items].to_numpy(float)
        if not np.isnan(part).any():
            continue
        within = limits[:, [names.index(name) for name in items]]
        keep, places = methods.scorable(np.where(np.isfinite(within).all(axis=-1), 0.0, part))
        dropped += [name for name, there in zip(items, keep) if not there]
        kept = [name for name, there in zip(items, keep) if there]
        can[component] = places & bool(kept)
        if kept:
            at = [names.index(name) for name in kept]
            result[:, :, at] = methods.imputed_areas(part[:, keep], context, rng, times, within[:, keep])
    return result, can, dropped


def base_of(index: Index, table: AreaTable, people: Any = None) -> Base:
    """Fix means, deviations and weights from a table of places.

    people   weight of each place in the correlations (population-weighted components); equal where not given
    Raises model.Refused, and scores nothing, where an indicator points the wrong way in its component: that is a fault of the
    declaration, which nobody but its author can judge.
    """
    stable, _ = stabilised(index, table)
    full, can, dropped = filled(index, table, turned(index, stable), methods.area_imputation.IMPUTATIONS, stream(index, 0))
    frame = pd.DataFrame(full.mean(axis=0), index=stable.index, columns=stable.columns)
    heads = np.ones(len(frame)) if people is None else np.asarray(people, dtype=float) / np.mean(people)
    problems: list[Problem] = []
    structures: dict[str, methods.Structure] = {}
    chosen: dict[str, float] = {}
    plain: list[str] = []
    mean: dict[str, float] = {}
    sd: dict[str, float] = {}
    for component in index.components:
        items = [name for name in index.items_of(component) if name not in dropped]
        part = frame.loc[can[component], items].to_numpy(float)
        if not items or len(part) < FEWEST_PLACES:
            said = f"{component} can be scored in {len(part)} places; its indicators are missing in too many"
            mend = "Choose indicators that more places have"
            problems.append(Problem(table.name, said, f"at least {FEWEST_PLACES}", mend))
            continue
        w = heads[can[component].to_numpy()]
        middle, spread, correlation = _moments(index, component, items, part, w)
        mean |= dict(zip(items, middle))
        sd |= dict(zip(items, spread))
        structure = methods.scale_structure(correlation)
        structures[component] = structure
        if index.weights == "given":
            given = np.array([index.indicators[name].weight for name in items], dtype=float)
        elif index.weights == "equal":
            given = np.full(len(items), 1 / len(items))
        else:
            if structure.reason == "a loading is negative":
                wrong = [name for name, loading in zip(items, structure.loadings) if loading < 0]
                said = f"{few(wrong)} goes against the others of {component}"
                problems.append(Problem(f"config/indices/{index.index}.yaml", said, "indicators that all point the same way",
                                        "Correct more_is, move it to another component, or leave it out"))  # fmt: skip
                continue
            given = methods.plain_weights(structure.weights) if index.simplify else structure.weights
            if index.simplify and len(items) > 1 and np.allclose(given, 1 / len(items)):
                plain.append(component)
        chosen |= dict(zip(items, given))
    if problems:
        raise Refused(f"The index {index.index}", problems)
    return Base(mean, sd, chosen, structures, plain)


def _moments(index: Index, component: str, items: list[str], part: Floats, heads: Floats) -> tuple[Floats, Floats, Floats]:
    """Give means, deviations and correlations; by sums, so that sites could have sent them."""
    still = [name for name, spread in zip(items, np.ptp(part, axis=0)) if spread == 0]
    if still:
        wrong = f"{few(still)} is the same in all places"
        where = f"config/indices/{index.index}.yaml"
        raise Refused(index.index, [Problem(where, wrong, "indicators that differ", f"Leave it out of {component}")])
    centre = part.mean(axis=0)  # sums of what is left after a constant: the same result, and no digits lost
    moved = part - centre
    mean, sd, correlation = methods.correlation_from_sums(len(part), heads @ moved, (moved * heads[:, None]).T @ moved)
    return mean + centre, sd, correlation


def score(index: Index, table: AreaTable, base: Base | None = None) -> Scored:
    """Score every place of a table; with the base of another year, so that years can be compared."""
    stable, _ = stabilised(index, table)
    base = base or base_of(index, table)
    rows = turned(index, stable)
    full, can, dropped = filled(index, table, rows, methods.area_imputation.IMPUTATIONS, stream(index, 0))
    frame = pd.DataFrame(full.mean(axis=0), index=rows.index, columns=rows.columns)
    scores, clipped = {}, {}
    for component in index.components:
        found, outside = component_scores(index, base, component, frame[index.items_of(component)].to_numpy(float)[None])
        scores[component] = np.where(can[component], found[0], np.nan)
        clipped[component] = outside[0] & can[component].to_numpy()
    whole = aggregated(index, {name: np.asarray(value)[None] for name, value in scores.items()})
    return Scored(index, table.numbers[list(index.indicators)], stable, frame,
                  pd.DataFrame({name: value[0] for name, value in whole.items()}, index=rows.index),
                  pd.DataFrame(clipped, index=rows.index), rows.isna(), dropped, base)  # fmt: skip


def component_scores(index: Index, base: Base, component: str, values: Floats, weights: Floats | None = None,
                     widen: float = 0.0) -> tuple[Floats, Any]:  # fmt: skip
    """Score a component in every draw: (draws, places) and which were clipped.

    values  (draws, places, indicators)    weights  (draws, indicators), the base's where not given
    widen   share of the distance between the bounds by which each bound is moved outwards (inwards where negative)
    """
    items = index.items_of(component)
    use = [at for at, name in enumerate(items) if name in base.weights]
    names = [items[at] for at in use]
    w = np.array([base.weights[name] for name in names])[None] if weights is None else weights[:, use]
    z = values[:, :, use]
    bounds = np.array([ends(index, name)[:2] for name in names])
    signs = np.array([ends(index, name)[2] for name in names])
    best, worst = (bounds * signs[:, None]).T
    if widen:
        room = widen * (best - worst)
        best, worst = best + room, worst - room
        z = np.where(np.isnan(best), z, np.minimum(z, best))
    if index.standardise:
        mean, sd = (np.array([part[name] for name in names]) for part in (base.mean, base.sd))
        z, best, worst = (methods.standardised_by(v, mean, sd) for v in (z, best, worst))
    if index.combine == "mean":
        w = w / w.sum(axis=1, keepdims=True)
    raw = np.einsum("dpi,di->dp", np.broadcast_to(z, (max(len(z), len(w)), *z.shape[1:])),
                    np.broadcast_to(w, (max(len(z), len(w)), w.shape[1])))  # fmt: skip
    if index.scale == "none":
        return raw, np.zeros(raw.shape, dtype=bool)
    top, bottom = (w @ best)[:, None], (w @ worst)[:, None]
    found = 100 * (raw - bottom) / (top - bottom)
    return np.clip(found, 0, 100), (found < -1e-9) | (found > 100 + 1e-9)


def aggregated(index: Index, scores: dict[str, Floats], power: float | None = None) -> dict[str, Floats]:
    """Give component, dimension and index scores, each (draws, places); a part that is missing makes the whole missing."""
    power = index.power if power is None else power
    dimensions = {
        name: methods.power_mean(np.stack([scores[c] for c in spec.components if c in scores], axis=-1), power=power)
        for name, spec in index.dimensions.items() if any(c in scores for c in spec.components)
    }  # fmt: skip
    whole = methods.power_mean(np.stack(list(dimensions.values()), axis=-1), power=power)
    return {index.index: whole, **dimensions, **scores}


def stream(index: Index, number: int) -> np.random.Generator:
    """Give the random numbers of one step of an index; steps do not disturb each other."""
    return np.random.default_rng(np.random.SeedSequence([index.seed, number]))
