"""How far scores and ranks could be moved: by chance, by what is missing, by weights, and by choices of method."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from shared_code import methods
from shared_code.config.indices import Index
from shared_code.indices.areas import AreaTable
from shared_code.indices.scoring import (
    OF,
    Base,
    Scored,
    aggregated,
    base_of,
    component_scores,
    ends,
    filled,
    multiplier,
    score,
    stabilised,
    stream,
    turned,
)
from shared_code.methods.checks import Floats

CONCENTRATION = 50.0  # of the Dirichlet distribution of weights around those used
CHUNK = 500  # draws at a time


@dataclass(frozen=True)
class Uncertain:
    """Hold the draws: item -> (draws, places), for the index, its dimensions and components; places with every score.

    without_one  the index in the same draws, each without one component chosen at random; None where there are only two
    """

    places: list[str]
    draws: dict[str, Floats]
    without_one: Floats | None = None

    def interval(self, item: str, confidence: float = 0.95) -> tuple[Floats, Floats]:
        """Give the limits of each place's score."""
        tail = (1 - confidence) / 2
        low, high = np.quantile(self.draws[item], [tail, 1 - tail], axis=0)
        return low, high


def uncertain(index: Index, table: AreaTable, scored: Scored) -> Uncertain:
    """Draw indicators within their sampling error, gaps, and weights, and score every draw.

    Shares and rates with a denominator are drawn from their posterior (normal around the shrunken value; elsewhere Beta for
    people, Gamma for events);
    values with a standard error in a column `<name>.se` from a normal. What was published without any error is taken as
    it is, and said so. Weights are drawn from a Dirichlet distribution around those used.
    """
    places = list(scored.scores.index[scored.scores.notna().all(axis=1)])
    at = table.numbers.index.get_indexer(places)
    kept: dict[str, list[Floats]] = {}
    rng, choice = stream(index, 1), stream(index, 2)
    lacking: list[Floats] = []
    stable, errors = stabilised(index, table)
    for start in range(0, index.draws, CHUNK):
        number = min(CHUNK, index.draws - start)
        values = _drawn(index, table, stable, errors, number, rng)
        parts = {}
        for component in index.components:
            columns = [list(index.indicators).index(name) for name in index.items_of(component)]
            weights = _weights(index, scored.base, component, number, rng)
            parts[component] = component_scores(index, scored.base, component, values[:, :, columns], weights)[0][:, at]
        if len(index.components) > 2:
            lacking.append(_without_one(index, parts, choice.integers(0, len(parts), number)).astype(np.float32))
        for name, drawn in aggregated(index, parts).items():
            kept.setdefault(name, []).append(drawn.astype(np.float32))  # half the memory; six digits are written
    draws = {name: np.concatenate(kept.pop(name)) for name in list(kept)}
    return Uncertain(places, draws, np.concatenate(lacking) if lacking else None)


def _without_one(index: Index, parts: dict[str, Floats], gone: Any) -> Floats:
    """Give the index in every draw without one of its components: `gone` names it by number, (draws,)."""
    total = np.empty(next(iter(parts.values())).shape)
    for number, left_out in enumerate(parts):
        mine = gone == number
        if mine.any():
            total[mine] = aggregated(index, {name: drawn[mine] for name, drawn in parts.items() if name != left_out})[index.index]
    return total


def has_error(index: Index, table: AreaTable) -> list[str]:
    """List the indicators of which the sampling error is known."""
    return [name for name in index.indicators if name + OF in table.numbers or f"{name}.se" in table.numbers]


def _drawn(index: Index, table: AreaTable, stable: pd.DataFrame, errors: pd.DataFrame, number: int,
           rng: np.random.Generator) -> Floats:  # fmt: skip
    """Draw every indicator, turned: (draws, places, indicators)."""
    base = turned(index, stable)
    if base.isna().any(axis=None):  # a gap is drawn anew each time, from the regression on what is there
        values, _, _ = filled(index, table, base, number, rng)
    else:
        values = np.repeat(base.to_numpy(float)[None], number, axis=0)
    for column, name in enumerate(index.indicators):
        drawn = _sampled(index, table, name, stable[name].to_numpy(float), errors[name].to_numpy(float), number, rng)
        if drawn is not None:
            best, worst, sign = ends(index, name)
            moved = methods.transformed(drawn, index.indicators[name].transform)[..., None]
            moved = methods.toward_better(moved, [best], [worst], [sign])[..., 0]
            values[:, :, column] = np.where(np.isnan(moved), values[:, :, column], moved)
    return values


def _sampled(index: Index, table: AreaTable, name: str, value: Floats, error: Floats, number: int,
             rng: np.random.Generator) -> Floats | None:  # fmt: skip
    """Draw one indicator within its sampling error, (draws, places); None where no error is known."""
    frame = table.numbers
    shape = (number, len(value))
    if index.indicators[name].shrink:
        return np.abs(value + rng.normal(0, 1, shape) * error)
    if f"{name}.se" in frame:
        return value + rng.normal(0, 1, shape) * frame[f"{name}.se"].to_numpy(float)
    if name + OF not in frame:
        return None
    per, n = multiplier(table, name), frame[name + OF].to_numpy(float)
    x = value / per * n
    drawn = np.full(shape, np.nan)
    known = np.isfinite(x) & (n > 0)
    size = (number, int(known.sum()))
    if name in table.events:  # may happen to a person again and again: Poisson, not binomial
        drawn[:, known] = per * rng.gamma(x[known] + 0.5, 1.0, size) / n[known]
    else:
        drawn[:, known] = per * rng.beta(x[known] + 0.5, np.maximum(n[known] - x[known], 0) + 0.5, size)
    return drawn


def _weights(index: Index, base: Base, component: str, number: int, rng: np.random.Generator) -> Floats:
    items = index.items_of(component)
    w = np.array([base.weights.get(name, 0.0) for name in items])
    drawn = np.zeros((number, len(items)))
    used = w > 0
    drawn[:, used] = rng.dirichlet(CONCENTRATION * w[used] / w.sum(), number) * w.sum()
    return drawn


def sensitivity(index: Index, table: AreaTable, scored: Scored, people: Any = None) -> Iterator[dict[str, Any]]:
    """Score again under each other choice of method, and compare the ranks.

    people  size of every place, for components weighted by people; what the index names where not given
    Yields switch, title, Spearman's correlation of the ranks, the largest change of rank, the share of the lowest fifth
    that stays in it.
    """
    people = table.numbers[index.people] if people is None and index.people else people
    main = scored.total.dropna()
    for name, title, changed in _switches(index, table, scored, people):
        found = changed.reindex(main.index)
        ranks = [methods.ranks(v.to_numpy(float)) for v in (main, found)]
        lowest = [r > len(main) * (1 - methods.rank_uncertainty.LOWEST) for r in ranks]
        yield {"switch": name, "title": title, "correlation": float(spearmanr(*ranks).statistic),
               "largest_change": float(np.abs(ranks[0] - ranks[1]).max()),
               "lowest_fifth_kept": float((lowest[0] & lowest[1]).sum() / max(1, lowest[0].sum()))}  # fmt: skip


def _switches(index: Index, table: AreaTable, scored: Scored, people: Any) -> Iterator[tuple[str, str, pd.Series]]:
    def again(**changes: Any) -> pd.Series:
        return score(index.model_copy(update=changes), table).total

    if index.weights != "equal":
        yield "equal_weights", "Equal weights in every component", again(weights="equal")
    if people is not None and index.weights == "principal_component":
        found = score(index, table, base_of(index, table, people))
        yield "people_weights", "Components weighted by people, not by places", found.total
    if index.scale == "bounds":
        yield "geometric", "Geometric means: a weak component is not made up for", again(power=0)
        yield "between", "Means between arithmetic and geometric (power 0.5)", again(power=0.5)
        for widen, what in ((0.1, "wider"), (-0.1, "narrower")):
            parts = {c: component_scores(index, scored.base, c, scored.turned[index.items_of(c)].to_numpy(float)[None],
                                         widen=widen)[0] for c in index.components}  # fmt: skip
            total = aggregated(index, parts)[index.index][0]
            yield f"bounds_{what}", f"Bounds 10 % {what}", pd.Series(total, index=scored.scores.index).where(scored.total.notna())
    if any(item.shrink for item in index.indicators.values()):
        plain = {name: item.model_copy(update={"shrink": False}) for name, item in index.indicators.items()}
        yield "not_shrunk", "Small wards not drawn towards the average", again(indicators=plain)
