"""A hospital whose records come with identifiers only: people it knows and people it does not, with planted errors.

Everybody in the register gets a name, a household, a postcode and an NHS number of the test range. The hospital types them
anew, with the errors of `identifiers.Errors`; some records hold a number that has since been merged into another, some
people have no fixed abode, and some patients live elsewhere and are not in the register. Shares are chosen, not measured.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from shared_code.synthetic import identifiers, planted
from shared_code.synthetic.chance import pick, stream
from shared_code.synthetic.days import NEVER
from shared_code.synthetic.identifiers import GROUPS, HOUSEHOLD, PEOPLE_A_POSTCODE, SAME_SURNAME, Errors
from shared_code.synthetic.names import forenames, surnames
from shared_code.synthetic.people import People
from shared_code.synthetic.places import ELSEWHERE, PEOPLE_PER_AREA, Places

PATIENTS = 0.5  # share of the register the hospital knows, beside everybody with a hospital diagnosis
STRANGERS = 0.04  # of its patients
EPISODES = 0.6  # further episodes, without a diagnosis of interest, for every patient
TYPED_AGAIN = 0.15  # of episodes: the identity was typed anew, not copied from the patient's record
OLD_NUMBER = 0.01  # of records: a number that was merged into the person's present one
MERGED = 0.005  # of the register: people who had another number before, beside those
NO_ABODE, NO_ABODE_POSTCODE = 0.006, "ZZ99 3VZ"  # of records; more in deprived areas
NO_ABODE_NO_NUMBER = 0.4  # of these: no number was found
SITES = 2  # hospitals
FIELDS = ["nhs_number", "surname", "forename", "date_of_birth", "sex", "postcode"]


@dataclass(frozen=True)
class Hospital:
    """Hold what a site with a hospital delivers beside its other tables.

    register    one row a person, in their order: FIELDS (sex as F or M)
    records     one row a patient or an episode: record, FIELDS as typed, seen_on (day), provider, homeless (0, 1),
                ethnicity16 ("" where not asked), lsoa21 (of the address as recorded)
    meant       row of the person in the register, by record; -1 for a stranger
    errors      what is wrong with each record, names joined by a blank
    diagnosis   record of each diagnosis; -1 for those of general practice
    strangers   records of strangers, each with one diagnosis of its own
    superseded  old and present number
    """

    register: pd.DataFrame
    records: pd.DataFrame
    meant: np.ndarray
    errors: np.ndarray
    diagnosis: np.ndarray
    strangers: np.ndarray
    superseded: pd.DataFrame


def make_hospital(people: People, places: Places, diagnoses: dict[str, np.ndarray], seed: int, end: int, episodes: bool
                  ) -> Hospital:  # fmt: skip
    """Name everybody, and type what the hospital recorded of its patients.

    episodes  one record an episode instead of one a patient
    """
    rng = stream(seed, "hospital")
    everyone, row_of = _named(people, places, seed)
    known = len(people)
    hospital = diagnoses["source"] == 1
    patients = np.union1d(diagnoses["row"][hospital], np.flatnonzero(rng.random(known) < PATIENTS))
    count = round(len(patients) * STRANGERS)
    strangers = identifiers._people(count, seed + 1).assign(nhs_number=_numbers(seed, known, count, "strangers"))
    strangers["household"] += known
    place = np.argsort(row_of)  # of each person among everyone
    everyone = pd.concat([everyone, strangers[everyone.columns]], ignore_index=True)
    who = rng.permutation(np.concatenate([place[patients], known + np.arange(count)]))  # one entry a patient
    typed, errors = _typed(everyone, who, known, rng)
    patient = np.full(len(everyone), -1)
    patient[who] = np.arange(len(who))
    days = diagnoses["day"][hospital]
    of = patient[place[diagnoses["row"][hospital]]]
    last_day = np.where(people.death == NEVER, end, people.death)
    until = np.concatenate([last_day[row_of], np.full(count, end)])[who]
    recent = until - 1 - (rng.random(len(who)) * 1500).astype(np.int64)
    if episodes:
        extra = np.flatnonzero(rng.random(len(who)) < EPISODES)
        alone = np.flatnonzero((who >= known) | ~np.isin(np.arange(len(who)), np.concatenate([of, extra])))
        source = np.concatenate([of, extra, alone])
        seen = np.concatenate([days, recent[extra], recent[alone]])
        again, their = _typed(everyone, who[source], known, rng)
        anew = rng.random(len(source)) < TYPED_AGAIN
        typed = again.where(pd.Series(anew), typed.iloc[source].reset_index(drop=True))
        errors = np.where(anew, their, errors[source])
        who, record = who[source], np.arange(len(of))
    else:
        seen = recent.copy()
        np.maximum.at(seen, of, days)
        record = of
    order = rng.permutation(len(who))
    new_place = np.argsort(order)
    typed, errors, who, seen = typed.iloc[order].reset_index(drop=True), errors[order], who[order], seen[order]
    meant = np.where(who < known, row_of[np.minimum(who, known - 1)], -1)
    numbers = everyone["nhs_number"].to_numpy()
    typed, errors, superseded = _old_numbers(rng, typed, errors, numbers, who, known, seed)
    typed, errors, homeless = _no_abode(rng, typed, errors, everyone["imd5"].to_numpy()[who])
    letters = np.where(meant >= 0, people.ethnicity[np.maximum(meant, 0)], "")
    asked = np.where(rng.random(len(who)) < 0.9, letters, "")
    own = (7_000_001 if episodes else 4_000_001) + np.arange(len(who))
    hospitals = np.array([f"RX{seed % 10}{n + 1:02d}" for n in range(SITES)], dtype=object)
    records = typed.assign(
        record=own.astype(str).astype(object), seen_on=seen, homeless=homeless.astype(np.int64), ethnicity16=asked,
        provider=hospitals[rng.integers(0, SITES, len(who))], lsoa21=_areas(rng, people, places, meant, errors),
    )  # fmt: skip
    records["date_of_birth"] = _days(records["date_of_birth"])
    register = everyone.iloc[place][FIELDS].reset_index(drop=True)
    register["date_of_birth"] = _days(register["date_of_birth"])
    diagnosis = np.full(len(hospital), -1)
    diagnosis[hospital] = new_place[record]
    return Hospital(register, records, meant, errors, diagnosis, np.flatnonzero(meant < 0), superseded)


def _named(people: People, places: Places, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Give everybody an identity, household by household; also the person of each row."""
    rng = stream(seed, "identities")
    count = len(people)
    beside = rng.random(count)
    beside[people.twin] = beside[np.flatnonzero(people.twin) - 1] + 1e-9
    row_of = np.lexsort((beside, people.area))
    area, twin = people.area[row_of], people.twin[row_of]
    group = np.array([GROUPS.index(g) if g in GROUPS else 0 for g in planted.ETHNIC_GROUPS])[people.group[row_of]]
    sex = np.where(people.sex[row_of] == 0, "F", "M")
    size = 1 + pick(rng, np.array(HOUSEHOLD), count)
    home = np.repeat(np.arange(count), size)[:count]
    begins = np.concatenate([[True], (home[1:] != home[:-1]) | (area[1:] != area[:-1])]) & ~twin
    begins[0] = True
    home = np.cumsum(begins) - 1
    head = np.flatnonzero(begins)[home]
    own = surnames(rng, group)
    surname = np.where(begins | twin | (rng.random(count) < SAME_SURNAME), own[head], own)
    surname[twin] = surname[np.flatnonzero(twin) - 1]
    an_area = PEOPLE_PER_AREA // PEOPLE_A_POSTCODE
    code = area * an_area + rng.integers(0, an_area, count)[head]
    return pd.DataFrame({
        "nhs_number": _numbers(seed, 0, count, "register"), "surname": surname, "forename": forenames(rng, group, sex),
        "date_of_birth": people.birth[row_of].astype("datetime64[D]").astype("datetime64[s]"), "sex": sex,
        "postcode": identifiers.postcodes(code), "household": home, "eth5": np.array(GROUPS, dtype=object)[group],
        "imd5": (places.imd10[area] + 1) // 2,
    }), row_of  # fmt: skip


def _numbers(seed: int, after: int, count: int, step: str) -> np.ndarray:
    """Give `count` NHS numbers of the test range in no order, beginning after the first `after`."""
    return stream(seed, f"numbers of {step}").permutation(identifiers.nhs_numbers(after + count)[after:])


def _typed(everyone: pd.DataFrame, who: np.ndarray, known: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Type records of people, and name the errors of each."""
    typed, planted_errors = identifiers._typed(everyone, who, known, rng, Errors())
    names = [f.name for f in fields(Errors) if f.name in planted_errors]
    errors = np.full(len(who), "", dtype=object)
    for name in names:
        errors = errors + np.where(planted_errors[name], f"{name} ", "").astype(object)
    errors = errors + np.where(who >= known, "not_in_index ", "").astype(object)
    return typed, errors


def _old_numbers(rng: np.random.Generator, typed: pd.DataFrame, errors: np.ndarray, true: np.ndarray, who: np.ndarray,
                 known: int, seed: int) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:  # fmt: skip
    """Put an old number into some records that hold the right one, and list old numbers, those and others."""
    right = (typed["nhs_number"].to_numpy(dtype=object) == true[who]) & (who < known)
    chosen = right & (rng.random(len(who)) < OLD_NUMBER)
    others = np.flatnonzero(rng.random(known) < MERGED)
    merged = np.union1d(who[chosen], others)
    old = _numbers(seed, len(true), len(merged), "the past")
    of = dict(zip(merged, old, strict=True))
    number = typed["nhs_number"].to_numpy(dtype=object).copy()
    number[chosen] = [of[w] for w in who[chosen]]
    errors = errors + np.where(chosen, "number_superseded ", "").astype(object)
    return typed.assign(nhs_number=number), errors, pd.DataFrame({"superseded": old, "current": true[merged]}, dtype=object)


def _no_abode(rng: np.random.Generator, typed: pd.DataFrame, errors: np.ndarray, imd5: np.ndarray
              ) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:  # fmt: skip
    """Take the address of some people away, and often the number: nobody could look it up."""
    homeless = rng.random(len(typed)) < NO_ABODE * np.where(imd5 == 1, 2.5, 0.8)
    no_number = homeless & (rng.random(len(typed)) < NO_ABODE_NO_NUMBER)
    changed = typed.assign(postcode=typed["postcode"].where(~homeless, NO_ABODE_POSTCODE),
                           nhs_number=typed["nhs_number"].where(~no_number, None))  # fmt: skip
    errors = errors + np.where(homeless, "no_fixed_abode ", "").astype(object)
    return changed, errors + np.where(no_number, "number_missing ", "").astype(object), homeless


def _areas(rng: np.random.Generator, people: People, places: Places, meant: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Give the small area of each record: another one where the person had moved, one elsewhere for strangers."""
    area = places.lsoa21.astype(object)[people.area[np.maximum(meant, 0)]]
    moved = np.array(["moved" in e for e in errors])
    area = np.where(moved, places.lsoa21.astype(object)[rng.integers(0, len(places.lsoa21), len(meant))], area)
    return np.where(meant < 0, ELSEWHERE.astype(object)[rng.integers(0, len(ELSEWHERE), len(meant))], area)


def _days(dates: pd.Series) -> np.ndarray:
    days = dates.to_numpy().astype("datetime64[D]")
    return np.where(np.isnat(days), NEVER, days.astype(np.int64))
