"""PLUS groups and the care that Core20PLUS5 asks about: who belongs, who was checked, vaccinated, found early, booked early.

Planted shares differ between people of the two most deprived tenths of areas (Core20) and the rest, and depend on nothing
else, so every difference between the two is known. Records that must not count (too long ago, declined, of the family)
are planted too. Nothing here is measured; the values are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from shared_code.model.care import CORE20_DECILES
from shared_code.synthetic import planted
from shared_code.synthetic.chance import stream
from shared_code.synthetic.days import NEVER, completed_years
from shared_code.synthetic.diagnoses import STATUSES
from shared_code.synthetic.people import People
from shared_code.synthetic.places import Places

YEAR = 365  # days of a look-back of twelve months
EARLY_BOOKING = 210  # days between booking by 10 weeks and birth at term
DECOY = 0.5  # of those without the care: a record that must not count
OLD_READING = 0.25  # of people with hypertension who are not treated to target: no reading within the year
CHECKS = ("bp", "bmi", "lipids", "hba1c_glucose", "alcohol", "smoking")
KIND = {"bp": "body", "bmi": "body", "lipids": "blood", "hba1c_glucose": "blood", "alcohol": "habits", "smoking": "habits"}
TOGETHER = 0.4  # of those who lack one of blood or habits: lack all four of these
UNITS = {"bp": "mm[Hg]", "bmi": "kg/m2", "lipids": "mmol/L", "hba1c_glucose": "mmol/mol"}
HIGH, READ_AGAIN, AGAIN = 0.35, 0.6, 91  # severe mental illness without hypertension: a high pressure; measured again; days
STAGED = 0.7  # of people with cancer: a stage is recorded within the last five years


@dataclass(frozen=True)
class Share:
    """Plant one share: in Core20, elsewhere, the youngest age, and the codes that record it."""

    core20: float
    rest: float
    minimum_age: int = 0
    codes: tuple[str, ...] = ()

    def of(self, core20: np.ndarray) -> np.ndarray:
        """Give everybody's planted share."""
        return np.where(core20, self.core20, self.rest)


GROUPS = {
    "autism": Share(0.018, 0.014, 0, ("408856003",)),
    "homelessness": Share(0.012, 0.002, 16, ("32911000",)),
    "seeking_asylum": Share(0.009, 0.002, 0, ("446654005", "390790000")),
    "dependence": Share(0.040, 0.014, 18, ("66590003", "191816009")),
    "justice": Share(0.008, 0.002, 18, ("Z651", "Z653")),
    "carer": Share(0.050, 0.035, 16, ("224484003",)),
}
INCLUSION = ("homelessness", "seeking_asylum", "dependence", "justice")
CARE = {
    "maternity_booked": Share(0.60, 0.75), "smi_checks": Share(0.50, 0.62), "copd_flu": Share(0.62, 0.74),
    "copd_pneumococcal": Share(0.55, 0.65), "cancer_early": Share(0.50, 0.58), "hypertension_target": Share(0.58, 0.70),
}  # fmt: skip
BIRTHS = Share(0.060, 0.050, 18)  # of women up to 42: gave birth within the year
OLDEST_MOTHER = 42
COLUMNS = ["item", "core20", "locality", "people", "cases"]


@dataclass(frozen=True)
class Care:
    """Hold what was planted: records as `make_diagnoses` gives them, measurements, and who is (eligible, case) by item.

    again    whose pressure was high with severe mental illness, and who of these was measured again in time
    missing  which kinds of check each of them lacks: none, body, blood, habits or blood_habits; empty for everybody else
    """

    records: dict[str, np.ndarray]
    measurements: pd.DataFrame
    members: dict[str, tuple[np.ndarray, np.ndarray]]
    again: tuple[np.ndarray, np.ndarray]
    missing: np.ndarray


class _Writer:
    """Collect records and measurements of people."""

    def __init__(self, end: int, birth: np.ndarray) -> None:
        self.end, self.birth = end, birth
        self.records: list[dict[str, np.ndarray]] = []
        self.measured: list[pd.DataFrame] = []

    def code(self, row: np.ndarray, codes: np.ndarray | str, day: np.ndarray, status: str = "active") -> None:
        """Record a code of general practice, not before birth."""
        day = np.maximum(day, self.birth[row])
        code = np.broadcast_to(np.asarray(codes, dtype=object), row.shape)
        icd10 = np.array([not str(c)[:1].isdigit() for c in code], dtype=bool)
        of = STATUSES.index(status)
        self.records.append({"row": row, "code": code, "icd10": icd10, "day": day, "source": np.zeros(len(row), np.int64),
                             "status": np.full(len(row), of)})  # fmt: skip

    def measure(self, row: np.ndarray, concept: str, day: np.ndarray, value: np.ndarray, declined: bool = False) -> None:
        """Record a measurement, or that the person declined it."""
        self.measured.append(pd.DataFrame({
            "row": row, "concept": concept, "date": np.maximum(day, self.birth[row]), "value": None if declined else value,
            "unit": None if declined else UNITS.get(concept), "declined": declined,
        }))  # fmt: skip


def make_care(people: People, places: Places, has: tuple[np.ndarray, np.ndarray], seed: int, end: int) -> Care:
    """Plant groups and care for everybody alive on the last day.

    has  rows of people and numbers of conditions, as drawn     end  the index date
    """
    rng = stream(seed, "groups")
    age = completed_years(people.birth, end)
    alive = (people.death == NEVER) & (people.birth < end)
    core20 = places.imd10[people.area] <= CORE20_DECILES
    out = _Writer(end, people.birth)
    members: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    chance = rng.random((len(GROUPS), len(people)))
    for number, (name, share) in enumerate(GROUPS.items()):
        found = alive & (age >= share.minimum_age) & (chance[number] < share.of(core20))
        members[name] = (np.ones(len(people), dtype=bool), found)
        row = np.flatnonzero(found)
        out.code(row, _one(rng, share.codes, len(row)), _before(rng, people, row, end, 5 * YEAR))
        relative = np.flatnonzero(alive & ~found & (chance[number] > 0.995))
        out.code(relative, share.codes[0], _before(rng, people, relative, end, 5 * YEAR), "family")
    condition = {name: np.isin(np.arange(len(people)), has[0][has[1] == number])
                 for number, name in enumerate(planted.CONDITIONS)}  # fmt: skip
    met = {name: rng.random(len(people)) < share.of(core20) for name, share in CARE.items()}
    mother = alive & (people.sex == 0) & (age >= BIRTHS.minimum_age) & (age <= OLDEST_MOTHER)
    mother &= rng.random(len(people)) < BIRTHS.of(core20)
    members["maternity_booked"] = (mother, mother & met["maternity_booked"])
    _births(rng, out, *(np.flatnonzero(m) for m in (mother & met["maternity_booked"], mother & ~met["maternity_booked"])))
    met = {name: chosen & alive for name, chosen in met.items()}  # nobody is cared for who has died
    members["smi_checks"] = (condition["severe_mental_illness"], condition["severe_mental_illness"] & met["smi_checks"])
    members["hypertension_target"] = (condition["hypertension"], condition["hypertension"] & met["hypertension_target"])
    condition = {name: found & alive for name, found in condition.items()}
    ill, hypertension = condition["severe_mental_illness"], condition["hypertension"]
    pressed = _pressures(rng, out, hypertension, met["hypertension_target"], ill)
    missing = _checks(rng, out, ill, met["smi_checks"], stream(seed, "checks missing together").random(len(people)) < TOGETHER)
    copd = np.isin(np.arange(len(people)), has[0][has[1] == list(planted.CONDITIONS).index("copd")])
    for item, code, ever in (("copd_flu", "86198006", YEAR), ("copd_pneumococcal", "12866006", 10 * YEAR)):
        members[item] = (copd, copd & met[item])
        row = np.flatnonzero(members[item][1])
        out.code(row, code, end - 1 - (rng.random(len(row)) * (ever - 1)).astype(np.int64))
        if ever == YEAR:  # last winter's does not count
            late = np.flatnonzero(condition["copd"] & ~met[item] & (rng.random(len(people)) < DECOY))
            out.code(late, code, end - YEAR - 1 - (rng.random(len(late)) * YEAR).astype(np.int64))
    staged = condition["cancer"] & (rng.random(len(people)) < STAGED)
    members["cancer_early"] = (staged, staged & met["cancer_early"])
    for row, codes in ((np.flatnonzero(staged & met["cancer_early"]), ("13104003", "60333009")),
                       (np.flatnonzero(staged & ~met["cancer_early"]), ("50283003", "2640006"))):  # fmt: skip
        out.code(row, _one(rng, codes, len(row)), end - 1 - (rng.random(len(row)) * (5 * YEAR - 1)).astype(np.int64))
    still_high = hypertension & ~met["hypertension_target"]
    again = _read_again(stream(seed, "high pressures"), out, ill, still_high, pressed, hypertension)
    records = {name: np.concatenate([part[name] for part in out.records]) for name in out.records[0]}
    measured = pd.concat(out.measured, ignore_index=True)
    measured.insert(0, "meas_id", np.arange(1, len(measured) + 1))
    return Care(records, measured, members, again, missing)


def _one(rng: np.random.Generator, codes: tuple[str, ...], size: int) -> np.ndarray:
    return np.array(codes, dtype=object)[rng.integers(0, len(codes), size)]


def _before(rng: np.random.Generator, people: People, row: np.ndarray, end: int, longest: int) -> np.ndarray:
    """Draw days before the index date, not before birth."""
    room = np.minimum(end - people.birth[row], longest)
    return np.maximum(end - 1 - (rng.random(len(row)) * np.maximum(room - 1, 1)).astype(np.int64), people.birth[row])


def _births(rng: np.random.Generator, out: _Writer, early: np.ndarray, late: np.ndarray) -> None:
    """Record births within the year, and the first contact with antenatal care: by 10 weeks, or later."""
    for row, first, last in ((early, EARLY_BOOKING, EARLY_BOOKING + 25), (late, 60, EARLY_BOOKING)):
        born = out.end - 1 - (rng.random(len(row)) * (YEAR - 1)).astype(np.int64)
        out.code(row, "169826009", born)
        booked = born - first - (rng.random(len(row)) * (last - first)).astype(np.int64)
        out.code(row, "424525001", booked)
        out.code(row, "424525001", born - 30)  # a later contact, which must not count as the first


def _pressures(rng: np.random.Generator, out: _Writer, hypertension: np.ndarray, met: np.ndarray, ill: np.ndarray) -> np.ndarray:
    """Record the latest blood pressure of people with hypertension, and an older one that says the opposite.

    Of people with severe mental illness the older one is never high, for `_read_again` says who of them is measured again.
    Gives the day of everybody's latest reading, 0 for people without hypertension.
    """
    row = np.flatnonzero(hypertension)
    good = met[row]
    day = out.end - 1 - (rng.random(len(row)) * (YEAR - 31)).astype(np.int64)
    no_reading = ~good & (rng.random(len(row)) < OLD_READING) & ~ill[row]
    day = np.where(no_reading, out.end - YEAR - 1 - (rng.random(len(row)) * YEAR).astype(np.int64), day)
    low, high = rng.integers(110, 139, len(row)), rng.integers(151, 185, len(row))
    out.measure(row, "bp", day, _pressure(rng, np.where(good, low, high), np.where(good, 60, 85)))
    older = row[rng.random(len(row)) < DECOY]
    at = np.searchsorted(row, older)
    was_high = good[at] & ~ill[older]
    out.measure(older, "bp", day[at] - 30, _pressure(rng, np.where(was_high, high[at], low[at]), np.where(was_high, 85, 60)))
    latest = np.zeros(len(hypertension), dtype=np.int64)
    latest[row] = day
    return latest


def _read_again(rng: np.random.Generator, out: _Writer, ill: np.ndarray, still_high: np.ndarray, latest: np.ndarray,
                hypertension: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Give people with severe mental illness high pressures, and a share of them another reading in time; tell who they are.

    Those with hypertension have theirs, and stay high when measured again. Of the others some have one high reading within
    the year, so late that the routine check a year ago does not count as measured again, and so early that its time is over.
    """
    some = ill & ~hypertension & (rng.random(len(ill)) < HIGH)
    first = np.where(some, out.end - AGAIN - 1 - (rng.random(len(ill)) * (YEAR - AGAIN - 1)).astype(np.int64), latest)
    high = some | (ill & still_high & (latest < out.end - AGAIN))
    seen = high & (rng.random(len(ill)) < READ_AGAIN)
    gap, value = 1 + rng.integers(0, AGAIN, len(ill)), rng.integers(151, 185, len(ill))
    row = np.flatnonzero(some)
    out.measure(row, "bp", first[row], _pressure(rng, value[row], np.full(len(row), 85)))
    row = np.flatnonzero(seen)
    later = np.where(some[row], 125, value[row])
    out.measure(row, "bp", first[row] + gap[row], _pressure(rng, later, np.where(some[row], 60, 85)))
    return high, seen


def _pressure(rng: np.random.Generator, systolic: np.ndarray, diastolic: np.ndarray) -> np.ndarray:
    under = diastolic + rng.integers(0, 20, len(systolic)) * (diastolic < 80) + 8 * (diastolic > 80)
    return np.array([f"{s}/{d}" for s, d in zip(systolic, under)], dtype=object)


def _checks(rng: np.random.Generator, out: _Writer, ill: np.ndarray, met: np.ndarray, together: np.ndarray) -> np.ndarray:
    """Record the six checks of people with severe mental illness: all within the year, or all but some that are short.

    together  who lacks all checks of blood and habits where one of these is missing. The missing one is never blood pressure,
    whose readings people with hypertension have for another reason. Gives which kinds everybody lacks.
    """
    row = np.flatnonzero(ill)
    missing = rng.integers(1, len(CHECKS), len(row))
    kind = np.array([KIND[concept] for concept in CHECKS], dtype=object)
    both = together[row] & (kind[missing] != "body")
    for number, concept in enumerate(CHECKS):
        done = met[row] | ((missing != number) & ~(both & (kind[number] != "body")))
        within = out.end - 1 - (rng.random(len(row)) * (YEAR - 1)).astype(np.int64)
        value = _pressure(rng, rng.integers(110, 139, len(row)), np.full(len(row), 60)) if concept == "bp" else (
            rng.integers(20, 40, len(row)).astype(str).astype(object))  # fmt: skip
        if concept == "bp":  # a reading older than any other decides nothing about hypertension
            within = np.full(len(row), out.end - YEAR)
        out.measure(row[done], concept, within[done], value[done])
        decoy = ~done & (rng.random(len(row)) < DECOY)
        out.measure(row[decoy], concept, within[decoy] - YEAR, value[decoy])
        refused = ~done & ~decoy
        out.measure(row[refused], concept, within[refused], value[refused], declined=True)
    lacks = np.full(len(ill), "", dtype=object)
    lacks[row] = np.where(met[row], "none", np.where(both, "blood_habits", kind[missing]))
    return lacks


def group_truth(care: Care, registered: np.ndarray, places: Places, people: People) -> dict[str, Any]:
    """Write down, over registered people of known sex, who belongs and who had the care, by Core20 and locality."""
    core20 = np.where(places.imd10[people.area] <= CORE20_DECILES, "core20", "rest")
    locality = places.ward_locality[places.ward[people.area]].astype(str)
    rows = []
    for item, (eligible, case) in care.members.items():
        frame = pd.DataFrame({"core20": core20, "locality": locality, "people": eligible & registered,
                              "cases": case & registered})  # fmt: skip
        summed = frame.groupby(["core20", "locality"], as_index=False)[["people", "cases"]].sum()
        rows += [[item, *map(str, row[:2]), int(row[2]), int(row[3])] for row in summed.itertuples(index=False)]
    shares = {name: {"core20": s.core20, "rest": s.rest, "minimum_age": s.minimum_age} for name, s in (GROUPS | CARE).items()}
    return {"planted": shares, "columns": COLUMNS, "rows": rows}


def check_truth(care: Care, registered: np.ndarray) -> dict[str, Any]:
    """Write down who lacks which checks, and whose high pressure was measured again, over the registered with the illness."""
    high, seen = care.again
    kinds, numbers = np.unique(care.missing[registered & (care.missing != "")].astype(str), return_counts=True)
    return {"missing": dict(zip(kinds.tolist(), numbers.tolist())), "read_again": {
        "planted": READ_AGAIN, "people": int((high & registered).sum()), "cases": int((seen & registered).sum())}}  # fmt: skip
