"""Hospital spells, with a planted risk of emergency admission in older people, and records of frailty behind it.

From age 65 whether somebody is admitted as an emergency within a year of 1 April is drawn from a logistic model of what was
known that day: age, sex, deprivation, frailty (deficits recorded so far) and an emergency admission in the year before; each
site has an intercept of its own. Everybody else, and earlier years, have a steady rate. Values are chosen, not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from shared_code.config import codelists
from shared_code.model.care import CORE20_DECILES
from shared_code.synthetic.chance import pick, stream
from shared_code.synthetic.days import NEVER, completed_years
from shared_code.synthetic.people import People
from shared_code.synthetic.places import Places

YEAR, OLD = 365, 65
CODELIST = "frailty_deficits/2026-11"
DEFICITS, MILD, MODERATE = 35, 0.12, 0.24  # of the list; shares of them above which somebody is mildly, or more, frail
INTERCEPT, BETWEEN_SITES = -2.35, 0.15  # mean, and standard deviation between sites, of the log odds of the reference
LOG_ODDS = {"age=75-84": 0.35, "age=85+": 0.80, "sex=M": 0.10, "core20=core20": 0.25, "frailty=mild": 0.45,
            "frailty=moderate": 0.95, "emergency=1+": 0.90}  # fmt: skip
AGAIN = 0.35  # further admissions in a year, on average, of those who are admitted
RATES = {0: 0.05, 50: 0.07, 65: 0.12, 75: 0.2, 85: 0.3}  # yearly emergency admissions before, by age at the end
UNEVEN = 0.8  # shape of the gamma distribution of single people's rates
ELECTIVE = 0.07
TRANSFERRED = 0.05  # of spells: continued elsewhere as a transfer, one stay in two spells
# Codes of deficits in GP records (SNOMED CT) and hospital records (ICD-10, most with points of hospital frailty).
GP_CODES = ("161898004", "404640003", "267036007", "15188001", "64859006", "397540003", "165232002", "89362005", "271737000",
            "160689007", "45007003", "193462001", "49049000", "46742003", "8510008", "386807006", "105529008")  # fmt: skip
HOSPITAL_CODES = ("W19", "N390", "R410", "E871", "L899", "R268", "S000", "R55", "I959", "N179", "R33", "R32", "Z740", "R54")
REASONS = ("J189", "N390", "A419", "R074", "S720", "R55", "K590", "L039")  # primary diagnoses of emergencies
DEFICITS_A_YEAR, FROM_AGE = 0.16, 55  # mean number of such records, per year of age above


@dataclass(frozen=True)
class Admissions:
    """Hold the spells (a column `row` stands for the person), and the truth."""

    spells: pd.DataFrame
    truth: dict[str, Any]


def frailty_records(people: People, seed: int, end: int) -> dict[str, np.ndarray]:
    """Draw dated records of deficits of older people, in the form of `make_diagnoses`."""
    rng = stream(seed, "frailty records")
    until = np.where(people.death == NEVER, end, people.death)
    age = completed_years(people.birth, until)
    mean = DEFICITS_A_YEAR * np.clip(age - FROM_AGE, 0, None)
    row = np.repeat(np.arange(len(people)), rng.poisson(mean * rng.gamma(3.0, 1 / 3.0, len(people))))
    hospital = rng.random(len(row)) < 0.25
    chosen = [np.array(codes, dtype=object)[rng.integers(0, len(codes), len(row))] for codes in (GP_CODES, HOSPITAL_CODES)]
    day = until[row] - 1 - (rng.random(len(row)) * 7 * YEAR).astype(np.int64)
    return {"row": row, "code": np.where(hospital, chosen[1], chosen[0]), "icd10": hospital,
            "day": np.maximum(day, people.birth[row]), "source": hospital.astype(np.int64),
            "status": np.zeros(len(row), dtype=np.int64)}  # fmt: skip


def make_admissions(people: People, places: Places, diagnoses: dict[str, np.ndarray], seed: int, start: int, end: int
                    ) -> Admissions:  # fmt: skip
    """Draw the spells of [start, end); `diagnoses` are all records, those of `frailty_records` included."""
    rng = stream(seed, "admissions")
    count = len(people)
    own = stream(seed, "admissions of the site").normal(INTERCEPT, BETWEEN_SITES)
    deficits = _first_deficits(diagnoses)
    first = end - 2 * YEAR
    steady = np.array(list(RATES.values()))[np.searchsorted(list(RATES), completed_years(people.birth, end), "right") - 1]
    steady = steady * rng.gamma(UNEVEN, 1 / UNEVEN, count)
    rows, days = _poisson(rng, steady, np.maximum(people.entry, start), np.minimum(people.death, first))
    expected: dict[str, Any] = {}
    for begin in (first, first + YEAR):
        old = (completed_years(people.birth, begin) >= OLD) & people.residents_on(begin)
        chance = _expit(own + _linear_predictor(people, places, deficits, rows, days, begin))
        admitted = np.flatnonzero(old & (rng.random(count) < chance))
        last = np.minimum(begin + YEAR, people.death)
        times = 1 + rng.poisson(AGAIN, len(admitted))
        again = np.repeat(admitted, times)
        when = begin + (rng.random(len(again)) * (last[again] - begin)).astype(np.int64)
        other_rows, other_days = _poisson(rng, np.where(old, 0, steady), np.maximum(people.entry, begin), last)
        rows, days = (np.concatenate(parts) for parts in ((rows, again, other_rows), (days, when, other_days)))
        expected[str(np.datetime64(begin, "D"))] = {
            "people": int(old.sum()), "expected": round(float(chance[old].sum()), 3), "admitted": len(admitted)}  # fmt: skip
    elective_rows, elective_days = _poisson(rng, np.full(count, ELECTIVE), np.maximum(people.entry, start),
                                            np.minimum(people.death, end))  # fmt: skip
    truth = {"log_odds": LOG_ODDS, "intercept": round(float(own), 6), "from_age": OLD, "days": YEAR, "years": expected}
    return Admissions(_spells(rng, people, (rows, days), (elective_rows, elective_days), seed, end), truth)


def _expit(value: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-value))


def _first_deficits(diagnoses: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Give person and day of the first record of each different deficit; family history does not count."""
    listed = codelists.load(CODELIST)
    names = list(listed.titles)
    codes, which = np.unique(diagnoses["code"].astype(str), return_inverse=True)
    rows, items, days = [], [], []
    for number, code in enumerate(codes):
        for name in listed.conditions_of("SCT" if code.isdigit() else "ICD10", code):
            at = np.flatnonzero((which == number) & (diagnoses["status"] != 2))
            rows.append(diagnoses["row"][at])
            items.append(np.full(len(at), names.index(name)))
            days.append(diagnoses["day"][at])
    row, item, day = (np.concatenate(parts) for parts in (rows, items, days))
    order = np.lexsort((day, row * len(names) + item))
    row, item, day = row[order], item[order], day[order]
    new = np.concatenate([[True], (row[1:] != row[:-1]) | (item[1:] != item[:-1])])
    return row[new], day[new]


def _linear_predictor(people: People, places: Places, deficits: tuple[np.ndarray, np.ndarray], rows: np.ndarray,
                      days: np.ndarray, begin: int) -> np.ndarray:  # fmt: skip
    """Add up the log odds of what is known of each person on a day, the intercept left out."""
    count = len(people)
    age = completed_years(people.birth, begin)
    area = people.area_on(begin)
    core20 = (area >= 0) & (places.imd10[np.maximum(area, 0)] <= CORE20_DECILES)
    number = np.bincount(deficits[0][deficits[1] < begin], minlength=count)
    mild, moderate = number / DEFICITS > MILD, number / DEFICITS > MODERATE
    before = np.bincount(rows[(days >= begin - YEAR) & (days < begin)], minlength=count) > 0
    known = {"age=75-84": (age >= 75) & (age < 85), "age=85+": age >= 85, "sex=M": people.sex == 1, "core20=core20": core20,
             "frailty=mild": mild & ~moderate, "frailty=moderate": moderate, "emergency=1+": before}
    return sum(LOG_ODDS[name] * values for name, values in known.items())


def _poisson(rng: np.random.Generator, rate: np.ndarray, begin: np.ndarray, until: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw events at yearly rates: person and day."""
    length = np.maximum(until - begin, 0)
    row = np.repeat(np.arange(len(rate)), rng.poisson(rate * length / YEAR))
    return row, begin[row] + (rng.random(len(row)) * length[row]).astype(np.int64)


def _spells(rng: np.random.Generator, people: People, emergency: tuple[np.ndarray, np.ndarray],
            elective: tuple[np.ndarray, np.ndarray], seed: int, end: int) -> pd.DataFrame:  # fmt: skip
    """Write spells down: method and length, and some stays in two spells, the second a transfer."""
    row = np.concatenate([emergency[0], elective[0]])
    day = np.concatenate([emergency[1], elective[1]])
    urgent = np.arange(len(row)) < len(emergency[0])
    nights = np.where(urgent, rng.geometric(0.18, len(row)), rng.geometric(0.45, len(row)) - 1)
    out = np.minimum(day + nights, people.death[row])
    method = np.where(urgent, np.array(["21", "21", "21", "22", "2A"])[rng.integers(0, 5, len(row))], "11")
    primary = np.where(urgent, np.array(REASONS, dtype=object)[rng.integers(0, len(REASONS), len(row))], "H259")
    moved = np.flatnonzero(urgent & (rng.random(len(row)) < TRANSFERRED) & (out + 4 < np.minimum(people.death[row], end)))
    row, begin = np.concatenate([row, row[moved]]), np.concatenate([day, out[moved]])
    finish = np.concatenate([out, out[moved] + 4])
    destination = np.full(len(row), "19", dtype=object)
    destination[moved] = "51"
    hospitals = np.array([f"RX{seed % 10}{n + 1:02d}" for n in range(2)], dtype=object)
    still = finish >= end
    return pd.DataFrame({
        "spell_id": np.arange(1, len(row) + 1), "row": row, "provider": hospitals[pick(rng, np.array([0.7, 0.3]), len(row))],
        "admi_date": begin, "disch_date": np.where(still, NEVER, finish),
        "admimeth": np.concatenate([method, np.full(len(moved), "2B")]),
        "class_pat": np.where(finish > begin, "1", np.where(np.concatenate([urgent, np.ones(len(moved), dtype=bool)]), "1", "2")),
        "primary_icd10": np.concatenate([primary, primary[moved]]), "los_days": np.where(still, "", (finish - begin).astype(str)),
        "discharge_method": np.where(still, "8", "1"), "discharge_dest": np.where(still, "", destination),
    })  # fmt: skip
