"""Simulate deaths from the planted hazards, and count the population they happen in."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from shared_code.model.units import DAYS_A_YEAR
from shared_code.synthetic import planted
from shared_code.synthetic.chance import draw, stream
from shared_code.synthetic.days import NEVER, day
from shared_code.synthetic.people import NOWHERE, People
from shared_code.synthetic.places import Places

OLDEST_COUNTED = 90  # area_population: 90 means 90 and over
MID_YEAR = (6, 30)
REGISTERED_AFTER = 21  # a death is registered 0 to 20 days later
# Underlying causes with weights, by age from 0, 1, 20, 50 and 75 on.
CAUSES = {
    0: {"P072": 5, "P369": 1, "Q249": 3, "R95": 1, "Q913": 1, "P285": 2},
    1: {"C910": 2, "C719": 2, "V892": 2, "G409": 1, "A419": 1, "Q249": 1, "J189": 1},
    20: {"X709": 4, "X420": 4, "V892": 2, "K703": 4, "I219": 2, "C509": 2, "C719": 1, "G409": 1, "F112": 1},
    50: {"C349": 8, "I219": 6, "I259": 5, "C189": 4, "C259": 3, "K703": 3, "J449": 4, "C509": 3, "I619": 2, "U071": 2,
         "C61": 2, "E119": 1, "I64X": 1, "C159": 2},
    75: {"F03X": 8, "G309": 6, "I259": 6, "I219": 4, "J449": 5, "C349": 5, "I64X": 4, "J189": 4, "F019": 4, "C61": 3,
         "C189": 3, "U071": 4, "I509": 2, "I48X": 1, "N390": 1, "R54X": 1, "W19": 1, "N184": 1, "C509": 2},
}  # fmt: skip


@dataclass(frozen=True)
class Exposure:
    """Hold expected deaths and days lived of people of known sex, by small area (rows) and sex F, M (columns)."""

    expected: np.ndarray
    days: np.ndarray


def simulate_deaths(people: People, places: Places, seed: int, start: int, end: int) -> Exposure:
    """Let people die in [start, end); sets `death`, and undoes moves that death came before.

    The hazard is the planted rate at the completed year of age times the hazard ratio of the area lived in that day.
    """
    left = stream(seed, "deaths").exponential(size=len(people))
    rates = np.stack([planted.death_rates("F"), planted.death_rates("M")])
    first_age = np.floor((people.entry - people.birth) / DAYS_A_YEAR).astype(np.int64)
    cells = len(places.lsoa21) * 2
    expected, days = np.zeros(cells), np.zeros(cells)
    death = np.full(len(people), np.inf)
    for year in range(int((end - start) / DAYS_A_YEAR) + 2):
        rate = rates[people.sex, np.minimum(first_age + year, planted.OLDEST)] / DAYS_A_YEAR
        begin = np.maximum(people.entry, people.birth + DAYS_A_YEAR * (first_age + year))
        finish = np.minimum(end, people.birth + DAYS_A_YEAR * (first_age + year + 1))
        change = np.clip(people.moved, begin, np.maximum(begin, finish))
        for area, since, until in ((people.earlier, begin, change), (people.area, change, finish)):
            living = np.flatnonzero((until > since) & (area >= 0) & np.isinf(death))
            where, length = area[living], (until - since)[living]
            hazard = rate[living] * places.hazard_ratio[where]
            dies = left[living] < hazard * length
            lived = np.where(dies, left[living] / hazard, length)
            death[living[dies]] = since[living[dies]] + lived[dies]
            left[living] -= hazard * length
            cell, counted = where * 2 + people.sex[living], people.recorded_sex[living] < 2
            expected += np.bincount(cell, hazard * lived * counted, cells)
            days += np.bincount(cell, lived * counted, cells)
    died = np.isfinite(death)
    people.death[died] = np.floor(death[died]).astype(np.int64)
    undone = died & (people.earlier >= 0) & (people.moved > people.death)
    people.area[undone] = people.earlier[undone]
    people.earlier[undone] = NOWHERE
    people.moved[undone] = np.iinfo(np.int32).min
    return Exposure(expected.reshape(-1, 2), days.reshape(-1, 2))


def death_records(people: People, seed: int) -> dict[str, np.ndarray]:
    """Make one record per death: row of the person, day, day of registration, underlying cause."""
    rng = stream(seed, "death records")
    row = np.flatnonzero(people.death != NEVER)
    when = people.death[row]
    lag = np.minimum(rng.geometric(0.18, len(row)) - 1, REGISTERED_AFTER - 1)
    age = (when - people.birth[row]) / DAYS_A_YEAR
    stage = np.searchsorted(list(CAUSES), age, side="right") - 1
    every = sorted({cause for causes in CAUSES.values() for cause in causes})
    weights = np.array([[causes.get(cause, 0) for cause in every] for causes in CAUSES.values()], dtype=float)
    cause = np.array(every, dtype=object)[draw(rng, weights, stage)]
    return {"row": row, "death": when, "registered": when + lag, "cause": cause}


def mid_years(start: dt.date, end: dt.date) -> list[int]:
    """List the years whose 30 June lies in [start, end)."""
    return [y for y in range(start.year, end.year + 1) if start <= dt.date(y, *MID_YEAR) < end]


def population(people: People, places: Places, years: list[int]) -> pd.DataFrame:
    """Count residents of known sex on 30 June by area, year, sex and single year of age, zeros included.

    Columns: area (number), year, sex (0 F, 1 M), age (0 to 90), population.
    """
    ages = OLDEST_COUNTED + 1
    shape = (len(places.lsoa21), len(years), 2, ages)
    counts = np.zeros(shape, dtype=np.int64)
    for number, year in enumerate(years):
        today = day(dt.date(year, *MID_YEAR))
        counted = np.flatnonzero(people.residents_on(today) & (people.recorded_sex < 2))
        age = np.minimum((today - people.birth[counted]) / DAYS_A_YEAR, OLDEST_COUNTED).astype(np.int64)
        cell = (people.area_on(today)[counted] * 2 + people.sex[counted]) * ages + age
        counts[:, number] = np.bincount(cell, minlength=shape[0] * 2 * ages).reshape(shape[0], 2, ages)
    area, year, sex, age = (index.ravel() for index in np.indices(shape, dtype=np.int32))
    return pd.DataFrame({
        "area": area, "year": np.array(years)[year], "sex": sex, "age": age, "population": counts.ravel(),
    })  # fmt: skip
