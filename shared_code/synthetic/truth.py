"""What is true of made-up data: planted life expectancies, and expected numbers with each condition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from shared_code.model import band_labels
from shared_code.synthetic import planted
from shared_code.synthetic.conditions import at_least
from shared_code.synthetic.mortality import Exposure
from shared_code.synthetic.places import Places

# Bands of five years (European Standard Population 2013), with 15-19 cut at 18 for conditions of adults.
AGE_EDGES = [0, 5, 10, 15, 18, *range(20, 95, 5)]
LIFE_EDGES = np.array([0, 1, *range(5, 95, 5)])
SEX_NAMES = ("F", "M")


class ConditionTruth:
    """Add up, over the people alive and registered on the index date, expected and actual numbers per condition."""

    def __init__(self, members: np.ndarray, age: np.ndarray, sex: np.ndarray, quintile: np.ndarray, group: np.ndarray,
                 ward: np.ndarray, wards: list[str]):  # fmt: skip
        """Take arrays over people; `members` tells who is in (known sex, alive, registered); `ward` is a place in `wards`."""
        self.members = members
        self.age = age
        bands = np.searchsorted(AGE_EDGES, age, side="right") - 1
        self.cell = sex * len(AGE_EDGES) + bands
        self.dimensions = {
            "everyone": (np.zeros(len(age), dtype=np.int64), ["all"]),
            "deprivation": (quintile, [str(q) for q in range(1, 6)]),
            "ethnicity": (group, list(planted.ETHNIC_GROUPS)),
            "sex": (sex, list(SEX_NAMES)), "ward": (ward, wards),
        }  # fmt: skip
        minimum = [c.minimum_age for c in planted.CONDITIONS.values()] + [0] * len(planted.MULTIPLE)
        self.minimum = dict(zip([*planted.CONDITIONS, *planted.MULTIPLE], minimum))
        self.sums: dict[str, np.ndarray] = {
            name: np.zeros((len(self.minimum), len(levels) * 2 * len(AGE_EDGES), 4))
            for name, (_, levels) in self.dimensions.items()
        }

    def add(self, rows: slice, has: np.ndarray, chances: np.ndarray) -> None:
        """Add some people: what they have and how likely it was (columns are conditions)."""
        count = has.sum(axis=1)
        has = np.column_stack([has, *(count >= least for least in planted.MULTIPLE.values())])
        chances = np.column_stack([chances, at_least(chances)])
        members, age, cell = self.members[rows], self.age[rows], self.cell[rows]
        for name, (level, levels) in self.dimensions.items():
            flat = level[rows] * 2 * len(AGE_EDGES) + cell
            size = len(levels) * 2 * len(AGE_EDGES)
            for number, youngest in enumerate(self.minimum.values()):
                counted = np.flatnonzero(members & (age >= youngest))
                where, chance = flat[counted], chances[counted, number]
                total = self.sums[name][number]
                total[:, 0] += np.bincount(where, minlength=size)
                total[:, 1] += np.bincount(where, chance, size)
                total[:, 2] += np.bincount(where, chance * (1 - chance), size)
                total[:, 3] += np.bincount(where, has[counted, number], size)

    def rows(self) -> Iterator[list[Any]]:
        """Give one row per condition, dimension, level, sex and age band with anybody in it."""
        labels = band_labels(AGE_EDGES)
        for name, (_, levels) in self.dimensions.items():
            shape = (len(levels), 2, len(AGE_EDGES))
            for number, condition in enumerate(self.minimum):
                for flat, (people, expected, variance, cases) in enumerate(self.sums[name][number]):
                    if people:
                        level, sex, band = np.unravel_index(flat, shape)
                        yield [condition, name, levels[level], SEX_NAMES[sex], labels[band], int(people),
                               round(expected, 6), round(variance, 6), int(cases)]  # fmt: skip


CONDITION_COLUMNS = ["condition", "dimension", "level", "sex", "age", "people", "expected", "variance", "cases"]


def life_expectancies(places: Places, population: pd.DataFrame, exposure: Exposure, deaths: np.ndarray
                      ) -> list[dict[str, Any]]:  # fmt: skip
    """Compute the planted life expectancy at birth and at 65 of every ward, decile and the whole site, by sex.

    The rate at an age is the planted rate times the mean hazard ratio of the areas that belong together, each weighted
    by its share of their person-years in the age band (0, 1-4, 5-9, …, 90+), or of all ages where a band is empty.
    deaths   deaths by area (rows) and sex F, M (columns), all that happened, whenever registered
    """
    bands = np.searchsorted(LIFE_EDGES, population["age"].to_numpy(), side="right") - 1
    lived = np.zeros((len(places.lsoa21), 2, len(LIFE_EDGES)))
    np.add.at(lived, (population["area"].to_numpy(), population["sex"].to_numpy(), bands), population["population"])
    band_of_age = np.searchsorted(LIFE_EDGES, np.arange(planted.OLDEST + 1), side="right") - 1
    result = []
    for kind, code, areas in _groups(places):
        ratio = places.hazard_ratio[areas]
        for sex, name in enumerate(SEX_NAMES):
            in_band = lived[areas, sex]
            weights = np.where(in_band.sum(axis=0) > 0, in_band, in_band.sum(axis=1, keepdims=True))
            total = weights.sum(axis=0)
            mean = np.divide(ratio @ weights, total, out=np.full(len(total), ratio.mean()), where=total > 0)
            hazard = planted.death_rates(name) * mean[band_of_age]
            result.append({
                "area": kind, "code": code, "sex": name, "e0": round(planted.expectation(hazard), 6),
                "e65": round(planted.expectation(hazard, 65), 6), "person_years": float(in_band.sum()),
                "days_lived": round(float(exposure.days[areas, sex].sum()), 3),
                "expected_deaths": round(float(exposure.expected[areas, sex].sum()), 6),
                "deaths": int(deaths[areas, sex].sum()),
            })  # fmt: skip
    return result


def _groups(places: Places) -> Iterator[tuple[str, str, np.ndarray]]:
    for number, code in enumerate(places.ward_cd):
        yield "ward", str(code), np.flatnonzero(places.ward == number)
    for decile in planted.DECILES:
        areas = np.flatnonzero(places.imd10 == decile)
        if len(areas):
            yield "imd10", str(decile), areas
    yield "site", "all", np.arange(len(places.lsoa21))


def planted_summary(places: Places) -> dict[str, Any]:
    """Write down what was planted, for a reader."""
    quintiles = [str(q) for q in range(1, 6)]
    conditions = {
        name: {
            "per_1000_white_men_least_deprived": dict(zip(map(str, planted.AGES), c.base)), "female": c.female,
            "deprivation": dict(zip(quintiles, c.deprivation_ratios().round(6).tolist())),
            "ethnicity": dict(zip(planted.ETHNIC_GROUPS, c.ethnicity_ratios().tolist())), "minimum_age": c.minimum_age,
        }
        for name, c in planted.CONDITIONS.items()
    }  # fmt: skip
    baseline = {sex: planted.death_rates(sex) for sex in SEX_NAMES}
    return {
        "death": {
            "hazard_ratio_imd10": dict(zip(map(str, planted.DECILES), planted.imd_hazard_ratios().round(6).tolist())),
            "hazard_ratio_ward": dict(zip(places.ward_cd.tolist(), places.ward_factor.round(6).tolist())),
            "rates_by_single_year_of_age": {sex: rates.round(9).tolist() for sex, rates in baseline.items()},
            "life_expectancy_at_hazard_ratio_1": {s: round(planted.expectation(r), 6) for s, r in baseline.items()},
        },
        "conditions": conditions,
        "frailty": {"distribution": "gamma", "mean": 1, "shape": planted.FRAILTY_SHAPE},
        "highest_probability": planted.HIGHEST_PROBABILITY,
    }  # fmt: skip
