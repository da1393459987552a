"""What is planted in made-up data, in readable tables: death rates, conditions and who has more of them.

Nothing here is measured; the values are chosen to look like England. Change them here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

OLDEST = 120  # completed years at which a hazard is still defined
DECILES = range(1, 11)
ETHNIC_GROUPS = ("White", "Mixed", "Asian", "Black", "Other", "Unknown")

# --- deaths -----------------------------------------------------------------------------------------------------------
# Deaths per person-year by sex: first year of life, childhood (1-14), young adults' extra, rate at exact age 65, and
# the yearly rise of its logarithm (Gompertz). They give a life expectancy of about 79 (M) and 83 (F) at hazard ratio 1.
INFANT, CHILD, ADULT, AT_65, RISE = 0, 1, 2, 3, 4
DEATH_RATES = {"F": (0.0035, 0.00010, 0.00015, 0.00805, 0.1085), "M": (0.0042, 0.00012, 0.00040, 0.01245, 0.1000)}
HIGHEST_RATE = 1.0  # per person-year
MOST_DEPRIVED, LEAST_DEPRIVED = 1.75, 0.70  # hazard ratios of deciles 1 and 10, log-linear between
WARD_FACTORS = (0.85, 1.20)  # hazard ratios of wards, evenly spread on the logarithm between these

# --- conditions -------------------------------------------------------------------------------------------------------
AGES = (0, 18, 30, 45, 60, 75, 90)  # the base is interpolated between these ages and flat outside
FRAILTY_SHAPE = 5.0  # gamma with mean one and this shape: what makes conditions cluster in the same people
HIGHEST_PROBABILITY = 0.95
DEADLY, DEADLIER = "severe_mental_illness", 2.5  # who dies at DEADLY_AGES is that many times as likely to have had it
DEADLY_AGES = (18, 75)


@dataclass(frozen=True)
class Planted:
    """Declare one condition.

    base          people with it per 1,000 at AGES, White men of the least deprived quintile
    female        ratio of women to men
    deprivation   ratio of the most deprived quintile to the least, log-linear between
    ethnicity     ratios to White of Mixed, Asian, Black, Other (Unknown: 1)
    minimum_age   nobody younger has it
    """

    base: tuple[float, ...]
    female: float
    deprivation: float
    ethnicity: tuple[float, float, float, float]
    minimum_age: int = 0

    def deprivation_ratios(self) -> np.ndarray:
        """Give the ratios of quintiles 1 (most deprived) to 5."""
        return self.deprivation ** ((4 - np.arange(5)) / 4)

    def ethnicity_ratios(self) -> np.ndarray:
        """Give the ratios in the order of ETHNIC_GROUPS."""
        return np.array([1.0, *self.ethnicity, 1.0])


# fmt: off
CONDITIONS: dict[str, Planted] = {
    #                                       0   18   30   45   60   75   90  women depr.  Mixed Asian Black Other
    "copd":                      Planted((  0, 0.1,   1,   7,  25,  50,  55), 0.90,  2.6, (0.85, 0.55, 0.50, 0.70)),
    "severe_mental_illness":     Planted((  0,   2,   5,   8,   9,   9,   8), 0.95,  2.2, (1.30, 1.00, 1.80, 1.10), 18),
    "learning_disability":       Planted((  1, 6.5, 5.5, 4.5,   4,   2,   1), 0.70,  1.9, (0.95, 1.10, 0.85, 0.80)),
    "peripheral_artery_disease": Planted((  0,   0, 0.2,   1,   6,  18,  26), 0.60,  1.9, (0.90, 0.60, 0.75, 0.80)),
    "depression":                Planted((  0,  45,  85, 105, 105,  85,  80), 1.60,  1.6, (0.95, 0.60, 0.55, 0.65), 18),
    "dementia":                  Planted((  0,   0,   0, 0.2,   2,  32, 190), 1.15,  1.1, (1.00, 0.90, 1.20, 0.95), 18),
    "diabetes":                  Planted((0.5,   5,  10,  34,  90, 145, 135), 0.78,  1.6, (1.30, 2.10, 1.90, 1.50)),
    "epilepsy":                  Planted((  2,   5,   6, 6.5,   7,   8,   9), 0.95,  1.6, (0.85, 0.65, 0.75, 0.75)),
    "heart_failure":             Planted((  0, 0.2, 0.6,   3,  11,  40, 120), 0.75,  1.6, (1.05, 1.10, 1.15, 1.00)),
    "coronary_heart_disease":    Planted((  0, 0.1,   1,  11,  55, 125, 190), 0.52,  1.5, (0.95, 1.45, 0.65, 0.95)),
    "chronic_kidney_disease":    Planted((  0, 0.5,   2,   6,  24, 115, 280), 1.18,  1.3, (1.05, 1.15, 1.25, 1.00), 18),
    "hypertension":              Planted((0.1,   1,  12,  90, 250, 460, 540), 0.95, 1.25, (1.10, 1.15, 1.40, 1.05)),
    "stroke_tia":                Planted((0.1, 0.4, 1.2,   6,  23,  72, 140), 0.80,  1.4, (1.00, 1.10, 1.25, 1.00)),
    "asthma":                    Planted(( 10,  52,  49,  52,  58,  62,  55), 1.20,  1.4, (1.00, 0.85, 0.75, 0.70)),
    "rheumatoid_arthritis":      Planted((0.2, 0.6, 1.5,   4,   8,  12,  12), 2.30,  1.3, (0.95, 1.05, 0.85, 0.90)),
    "atrial_fibrillation":       Planted((  0, 0.3,   1,   4,  21,  90, 210), 0.68, 1.05, (0.80, 0.50, 0.45, 0.60)),
    "hyperthyroidism":           Planted((0.1,   1,   2,   4,   5,   6,   6), 3.20,  1.1, (1.00, 1.15, 1.05, 1.00)),
    "cancer":                    Planted((0.5,   2,   5,  16,  55, 140, 180), 1.15, 0.95, (0.85, 0.60, 0.75, 0.75)),
}
# fmt: on
MULTIPLE = {"two_or_more": 2, "four_or_more": 4}  # of the conditions above

# --- who lives where --------------------------------------------------------------------------------------------------
# People by age at the start, in thousands per five years of age from 0-4 to 90+, as in England and Wales in 2021.
AGE_STRUCTURE = (54, 59, 60, 57, 60, 66, 70, 67, 63, 64, 69, 67, 57, 49, 49, 36, 25, 16, 9)
# How much younger a group is than its neighbours: the yearly fall of the logarithm of its size with age.
YOUNGER = {"White": 0.0, "Mixed": 0.036, "Asian": 0.018, "Black": 0.016, "Other": 0.018, "Unknown": 0.006}
TYPICAL_RATIO = 1.15  # hazard ratio of England as a whole on the scale of these deciles
# How much more common groups other than White are in deprived areas: per decile, on the logarithm.
MORE_DEPRIVED = {"White": 0.0, "Mixed": 0.08, "Asian": 0.10, "Black": 0.14, "Other": 0.08, "Unknown": 0.02}


def imd_hazard_ratios() -> np.ndarray:
    """Give the hazard ratios of deciles 1 to 10."""
    return MOST_DEPRIVED * (LEAST_DEPRIVED / MOST_DEPRIVED) ** (np.arange(10) / 9)


@cache
def death_rates(sex: str) -> np.ndarray:
    """Give deaths per person-year at completed ages 0 to OLDEST at hazard ratio 1."""
    rate = DEATH_RATES[sex]
    age = np.arange(OLDEST + 1) + 0.5
    young = rate[ADULT] * np.clip((age - 10) / 15, 0, 1)
    hazard = young + rate[AT_65] * np.exp(rate[RISE] * (age - 65))
    hazard[1:15] = np.maximum(hazard[1:15], rate[CHILD])
    hazard[0] = rate[INFANT]
    return np.minimum(hazard, HIGHEST_RATE)


def survival(hazard: np.ndarray) -> np.ndarray:
    """Give the share alive at exact ages 0, 1, … from rates that are constant within each year of age."""
    return np.exp(-np.concatenate([[0.0], np.cumsum(hazard)]))


def expectation(hazard: np.ndarray, age: int = 0) -> float:
    """Compute life expectancy in years at an exact age; the last rate goes on for ever.

    >>> round(expectation(np.full(5, 0.02)), 6), round(expectation(death_rates("M")), 1)
    (50.0, 78.9)
    """
    alive = survival(hazard[age:])
    lived = (alive[:-1] - alive[1:]) / hazard[age:]
    return float(lived.sum() + alive[-1] / hazard[-1])


@cache
def base_probabilities() -> np.ndarray:
    """Give the base probability of every condition (rows) at completed ages 0 to OLDEST (columns)."""
    age = np.arange(OLDEST + 1) + 0.5
    rows = [np.where(age > c.minimum_age, np.interp(age, AGES, c.base) / 1000, 0.0) for c in CONDITIONS.values()]
    return np.array(rows)
