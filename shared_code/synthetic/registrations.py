"""Make-believe GP registrations: long ones, recent ones, temporary ones, ended ones and ghosts."""

from __future__ import annotations

import numpy as np

from shared_code.model.units import DAYS_A_YEAR
from shared_code.synthetic.chance import stream
from shared_code.synthetic.days import NEVER
from shared_code.synthetic.people import NOWHERE, OUTSIDE, People

PEOPLE_PER_PRACTICE = 9000
FEWEST_PRACTICES = 3
TYPES = ("GMS", "temp", "other")
RECENT = 0.03  # registered within the last year
TWICE = 0.06  # changed practice
TEMPORARY, OTHER = 0.01, 0.004
LAPSED = 0.01  # ended without a new one, though the person still lives in the site
GHOSTS = 0.03  # of deaths: the registration was never closed


def make_registrations(people: People, seed: int, start: int, end: int) -> dict[str, np.ndarray]:
    """Draw registrations; every person has one or two.

    Returns arrays over registrations: row of the person, practice code, begin, finish (NEVER while open), type.
    """
    rng = stream(seed, "registrations")
    count = len(people)
    practices = max(FEWEST_PRACTICES, round(count / PEOPLE_PER_PRACTICE))
    codes = np.array([f"Z{seed % 100:02d}{number + 1:03d}" for number in range(practices)], dtype=object)
    last_day = np.where(people.death == NEVER, end, people.death)
    begin = np.maximum(people.birth, start - (rng.random(count) ** 0.8 * 25 * DAYS_A_YEAR).astype(np.int64))
    arrived = people.earlier == OUTSIDE
    begin = np.where(arrived, people.moved, begin)
    begin = np.where((begin == people.birth) | arrived, begin + rng.integers(0, 15, count), begin)
    recent = (rng.random(count) < RECENT) & (people.death == NEVER)
    begin = np.where(recent, np.maximum(begin, end - rng.integers(1, 366, count)), begin)
    begin = np.minimum(begin, last_day + (people.death == NEVER) * 14)
    finish = np.where(people.death == NEVER, NEVER, people.death + rng.integers(1, 11, count))
    ghost = (rng.random(count) < GHOSTS) & (people.death != NEVER)
    finish[ghost] = NEVER
    lapses = (rng.random(count) < LAPSED) & (people.death == NEVER) & (begin + 30 < end)
    since = np.maximum(begin + 30, start)
    finish = np.where(lapses, since + (rng.random(count) * np.maximum(end - since, 1)).astype(np.int64), finish)
    kind = np.searchsorted([TEMPORARY, TEMPORARY + OTHER], rng.random(count), side="right")
    kind = np.where(kind == 2, 0, kind + 1)
    practice = rng.integers(0, practices, count)
    changes = (rng.random(count) < TWICE) & (begin + 60 < np.minimum(last_day, finish))
    room = np.minimum(last_day, finish) - begin - 60
    change = begin + 30 + (rng.random(count) * np.maximum(room, 1)).astype(np.int64)
    second = np.where(changes, change, begin)
    first = np.flatnonzero(changes)
    return {
        "row": np.concatenate([first, np.arange(count)]),
        "practice": np.concatenate([codes[(practice[first] + 1) % practices], codes[practice]]),
        "begin": np.concatenate([begin[first], second]),
        "finish": np.concatenate([change[first], finish]),
        "type": np.concatenate([np.zeros(len(first), dtype=np.int64), kind]),
    }  # fmt: skip


def registered_on(registrations: dict[str, np.ndarray], count: int, on: int) -> np.ndarray:
    """Tell who holds an open permanent (GMS) registration on a day."""
    current = (registrations["type"] == 0) & (registrations["begin"] <= on) & (registrations["finish"] > on)
    found = np.zeros(count, dtype=bool)
    found[registrations["row"][current]] = True
    return found


def addresses(people: People, lsoa21: np.ndarray) -> dict[str, np.ndarray]:
    """List addresses: the current one of everybody, after the earlier one of those who moved."""
    first = np.flatnonzero(people.earlier != NOWHERE)
    came_from = np.where(people.earlier[first] == OUTSIDE, people.elsewhere[first], lsoa21[people.earlier[first]])
    current = np.where(people.earlier == NOWHERE, people.settled, people.moved)
    return {
        "row": np.concatenate([first, np.arange(len(people))]),
        "begin": np.concatenate([people.settled[first], current]),
        "finish": np.concatenate([people.moved[first], np.full(len(people), NEVER)]),
        "lsoa21": np.concatenate([came_from, lsoa21[people.area]]).astype(object),
    }  # fmt: skip
