"""Who has which condition: planted probabilities, draws, and the expected numbers behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shared_code.synthetic import planted
from shared_code.synthetic.chance import stream
from shared_code.synthetic.days import NEVER, completed_years
from shared_code.synthetic.people import People
from shared_code.synthetic.places import Places

CHUNK = 100_000  # people worked on at once


@dataclass(frozen=True)
class Reference:
    """Hold what the probabilities of a person depend on, on the index date or at death."""

    age: np.ndarray
    sex: np.ndarray
    quintile: np.ndarray  # 0 = most deprived
    group: np.ndarray
    frailty: np.ndarray
    until: np.ndarray
    died: np.ndarray


def make_reference(people: People, places: Places, seed: int, index: int) -> Reference:
    """Gather what the probabilities depend on."""
    until = np.where(people.death == NEVER, index, people.death)
    shape = planted.FRAILTY_SHAPE
    return Reference(
        age=np.minimum(completed_years(people.birth, until), planted.OLDEST), sex=people.sex,
        quintile=(places.imd10[people.area] - 1) // 2, group=people.group,
        frailty=stream(seed, "frailty").gamma(shape, 1 / shape, len(people)), until=until, died=people.death != NEVER,
    )  # fmt: skip


def probabilities(reference: Reference, rows: slice | np.ndarray) -> np.ndarray:
    """Compute the planted probability of every condition (columns) for some people (rows)."""
    result = np.empty((len(reference.age[rows]), len(planted.CONDITIONS)))
    base = planted.base_probabilities()
    for number, (name, condition) in enumerate(planted.CONDITIONS.items()):
        ratio = np.where(reference.sex[rows] == 0, condition.female, 1.0)
        ratio = ratio * condition.deprivation_ratios()[reference.quintile[rows]]
        ratio = ratio * condition.ethnicity_ratios()[reference.group[rows]]
        result[:, number] = base[number][reference.age[rows]] * ratio * reference.frailty[rows]
        if name == planted.DEADLY:
            age = reference.age[rows]
            early = reference.died[rows] & (age >= planted.DEADLY_AGES[0]) & (age < planted.DEADLY_AGES[1])
            result[:, number] *= np.where(early, planted.DEADLIER, 1.0)
    return np.minimum(result, planted.HIGHEST_PROBABILITY)


def at_least(chances: np.ndarray) -> np.ndarray:
    """Compute the probability of having at least the numbers in planted.MULTIPLE, given independent chances.

    Exact (Poisson-binomial), one condition after the other.

    >>> at_least(np.array([[0.5, 0.5, 0.0, 0.0]])).tolist()
    [[0.25, 0.0]]
    """
    most = max(planted.MULTIPLE.values())
    has = np.zeros((most + 1, len(chances)))
    has[0] = 1.0
    for chance in chances.T:
        step = has[:-1] * chance
        has[:-1] -= step
        has[1:] += step
    return np.stack([has[least:].sum(axis=0) for least in planted.MULTIPLE.values()], axis=1)


def draw_conditions(reference: Reference, seed: int) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Draw who has which condition, some people at a time: (rows, has, probabilities), all conditions as columns."""
    rng = stream(seed, "conditions")
    people = len(reference.age)
    for begin in range(0, people, CHUNK):
        rows = slice(begin, min(begin + CHUNK, people))
        chances = probabilities(reference, rows)
        yield rows, rng.random(chances.shape) < chances, chances
