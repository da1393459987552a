"""The records behind the conditions: codes of general practice and hospital, dates, family history and noise."""

from __future__ import annotations

import numpy as np

from shared_code.model.units import DAYS_A_YEAR
from shared_code.synthetic import planted
from shared_code.synthetic.chance import pick, stream
from shared_code.synthetic.conditions import Reference
from shared_code.synthetic.people import People

# SNOMED CT root concepts (Appendix A of the methods), and ICD-10 codes that mean this condition and no other.
SNOMED = {
    "copd": ["13645005"], "severe_mental_illness": ["58214004", "13746004", "69322001"],
    "learning_disability": ["110359009"], "peripheral_artery_disease": ["399957001"], "depression": ["35489007"],
    "dementia": ["52448006"], "diabetes": ["73211009"], "epilepsy": ["84757009"], "heart_failure": ["84114007"],
    "coronary_heart_disease": ["414545008"], "chronic_kidney_disease": ["709044004"], "hypertension": ["38341003"],
    "stroke_tia": ["230690007", "266257000"], "asthma": ["195967001"], "rheumatoid_arthritis": ["69896004"],
    "atrial_fibrillation": ["49436004"], "hyperthyroidism": ["34486009"], "cancer": ["363346000"],
}  # fmt: skip
ICD10 = {
    "copd": ["J42", "J439", "J440", "J441", "J449"], "severe_mental_illness": ["F200", "F209", "F259", "F319", "F323"],
    "learning_disability": ["F700", "F719", "F79"], "peripheral_artery_disease": ["I702", "I739"],
    "depression": ["F320", "F321", "F329", "F339"], "dementia": ["F000", "F019", "F03", "G301", "G309", "F051"],
    "diabetes": ["E109", "E112", "E119", "E149"], "epilepsy": ["G402", "G409", "G419"],
    "heart_failure": ["I500", "I501", "I509"], "coronary_heart_disease": ["I209", "I219", "I214", "I251", "I259"],
    "chronic_kidney_disease": ["N183", "N184", "N185"], "hypertension": ["I10", "I119", "I129", "I159"],
    "stroke_tia": ["I619", "I633", "I639", "I64", "I694", "G459"], "asthma": ["J450", "J459", "J46"],
    "rheumatoid_arthritis": ["M059", "M060", "M069"], "atrial_fibrillation": ["I48", "I480", "I489"],
    "hyperthyroidism": ["E050", "E059"], "cancer": ["C189", "C349", "C509", "C61", "C679", "C859"],
}  # fmt: skip
# Records of other things; C449 (other skin cancer) and G454 (transient global amnesia) pass for conditions.
NOISE = ["54150009", "24079001", "396275006", "40930008", "C449", "G454", "J189", "S720", "N390", "K358", "M170"]
SOURCES = ("GP", "APC")
STATUSES = ("active", "history", "family")
RECORDS = (0.55, 0.30, 0.15)  # one, two or three records of a condition
HOSPITAL = 0.22  # share of records from admitted patient care
NOISY = 0.20  # records of other things per person
FAMILY = 0.025  # records of a condition in the family per person
YEARS_BACK = 14  # of records that are no condition of the person
HISTORY = 0.08  # of repeated records: entered as past
STATUS_MISSING = 0.5  # of hospital records, which often carry no status


def make_diagnoses(people: People, reference: Reference, has: tuple[np.ndarray, np.ndarray], onset: np.ndarray, seed: int
                   ) -> dict[str, np.ndarray]:  # fmt: skip
    """Write down the conditions people have (rows, conditions) as dated records, in no order.

    onset  day on which each condition began, which its first record carries
    Returns arrays over records: row of the person, code, icd10 (whether that is its terminology), day, source and
    status as numbers (status -1: none). The first record of a condition always counts: it is active or has no status.
    """
    rng = stream(seed, "diagnoses")
    row, condition = has
    times = pick(rng, np.array(RECORDS), len(row)) + 1
    again = np.repeat(np.arange(len(row)), times)
    repeated = np.concatenate([[False], again[1:] == again[:-1]]) if len(again) else np.zeros(0, dtype=bool)
    day = onset[again]
    later = reference.until[row[again]] - day
    day = day + np.where(repeated, (rng.random(len(again)) * later).astype(np.int64), 0)
    hospital = rng.random(len(again)) < HOSPITAL
    code = _codes(rng, condition[again], hospital)
    status = np.where(repeated & (rng.random(len(again)) < HISTORY), 1, 0)
    status = np.where(hospital & (rng.random(len(again)) < STATUS_MISSING), -1, status)
    own = {"row": row[again], "code": code, "icd10": hospital, "day": day, "source": hospital.astype(np.int64),
           "status": status}  # fmt: skip
    parts = [own, _family(rng, people, reference), _noise(rng, people, reference)]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in own}
    order = rng.permutation(len(joined["row"]))
    return {name: values[order] for name, values in joined.items()}


def _day_before(rng: np.random.Generator, people: People, reference: Reference, row: np.ndarray) -> np.ndarray:
    """Draw a day before the index date or death, not before birth."""
    until = reference.until[row]
    floor = np.maximum(people.birth[row], until - int(YEARS_BACK * DAYS_A_YEAR))
    back = 1 + (rng.random(len(row)) * np.maximum(until - floor, 1)).astype(np.int64)
    return np.maximum(until - back, people.birth[row])


def _codes(rng: np.random.Generator, condition: np.ndarray, hospital: np.ndarray) -> np.ndarray:
    """Draw a code of each condition, ICD-10 for hospital records and SNOMED CT for the others."""
    code = np.empty(len(condition), dtype=object)
    for terminology, chosen in ((SNOMED, ~hospital), (ICD10, hospital)):
        lists = [terminology[name] for name in planted.CONDITIONS]
        starts = np.cumsum([0, *map(len, lists)])
        flat = np.array([c for codes in lists for c in codes], dtype=object)
        which = condition[chosen]
        size = np.array([len(codes) for codes in lists])[which]
        code[chosen] = flat[starts[which] + (rng.random(len(which)) * size).astype(np.int64)]
    return code


def _family(rng: np.random.Generator, people: People, reference: Reference) -> dict[str, np.ndarray]:
    """Record conditions of relatives: they must not be counted as the person's own."""
    row = np.flatnonzero(rng.random(len(people)) < FAMILY)
    code = _codes(rng, rng.integers(0, len(planted.CONDITIONS), len(row)), np.zeros(len(row), dtype=bool))
    return _records(rng, people, reference, row, code, np.zeros(len(row), dtype=bool), STATUSES.index("family"))


def _noise(rng: np.random.Generator, people: People, reference: Reference) -> dict[str, np.ndarray]:
    """Record things that are none of the conditions."""
    row = np.flatnonzero(rng.random(len(people)) < NOISY)
    code = np.array(NOISE, dtype=object)[rng.integers(0, len(NOISE), len(row))]
    icd10 = np.isin(code.astype(str), [c for c in NOISE if not c.isdigit()])
    return _records(rng, people, reference, row, code, icd10, STATUSES.index("active"))


def _records(rng: np.random.Generator, people: People, reference: Reference, row: np.ndarray, code: np.ndarray,
             icd10: np.ndarray, status: int) -> dict[str, np.ndarray]:  # fmt: skip
    day = _day_before(rng, people, reference, row)
    return {"row": row, "code": code, "icd10": icd10, "day": day, "source": icd10.astype(np.int64),
            "status": np.full(len(row), status)}  # fmt: skip
