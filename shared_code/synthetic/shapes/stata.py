"""Stata delivery: .dta files with short names, labelled whole numbers, daily dates, and codes in any letter case."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from shared_code.model.tables import ETHNICITY16
from shared_code.synthetic.chance import stream
from shared_code.synthetic.days import as_dates
from shared_code.synthetic.shapes.writing import coded, dotted, filled, first_of_month, mixed, plain, typed

STATA_14 = 118
LABELS = {
    "sex": {0: "female", 1: "male", 2: "indeterminate", 9: "not known"},
    "status": {1: "active", 2: "past", 3: "family"},
    "carehome": {0: "no", 1: "yes"},
}  # fmt: skip
SPELLINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "reg_type": {"GMS": ("GMS", "gms", "Gms"), "temp": ("TEMP", "temp"), "other": ("OTHER", "Other")},
    "code_system": {"SCT": ("SNOMED", "snomed"), "ICD10": ("ICD10", "icd10", "Icd10")},
    "source": {"GP": ("GP", "gp"), "APC": ("APC", "apc")},
    "sex": {"F": ("F", "f"), "M": ("M", "m")},
    "ethnicity16": {letter: (letter, letter.lower()) for letter in ETHNICITY16},
}


def write_stata(tables: dict[str, pd.DataFrame], folder: Path, seed: int, on: dt.date) -> None:
    """Write the tables as .dta files; ethnic groups lie in a file of their own, which lacks people never asked."""
    rng = stream(seed, "spellings")
    files = {FILES[name]: columns(tables[name], rng, seed) for name, columns in COLUMNS.items() if name in tables}
    files["ethnicity.dta"] = _ethnicity(tables["person"], rng)
    for file, columns in files.items():
        dates = [name for name in columns if name in DATES]
        for name in dates:
            columns[name] = as_dates(np.asarray(columns[name])).astype("datetime64[ns]")
        pd.DataFrame(columns).to_stata(
            folder / file, write_index=False, version=STATA_14, time_stamp=dt.datetime(on.year, on.month, on.day),
            convert_dates=dict.fromkeys(dates, "td"), value_labels={c: LABELS[c] for c in columns if c in LABELS},
        )  # fmt: skip


DATES = ("dob_m", "dob", "adr_from", "adr_to", "reg_from", "reg_to", "dx_date", "dod", "dor", "lastseen")
FILES = {
    "person": "persons.dta", "person_address": "addresses.dta", "gp_registration": "gplist.dta",
    "condition_event": "diagnoses.dta", "death": "deaths.dta", "area_lookup": "geography.dta",
    "area_population": "population.dta", "hospital": "hospital_patients.dta", "superseded": "merged_nhs_numbers.dta",
}  # fmt: skip


def _spelled(rng: np.random.Generator, t: pd.DataFrame, column: str) -> np.ndarray:
    return mixed(rng, t[column], SPELLINGS[column])


def _person(t: pd.DataFrame, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    return {
        "pid": t["person_id"], "dob_m": first_of_month(t["birth"]),
        "sex": coded(t["sex"], {"F": 0, "M": 1, "I": 2, "U": 9}, 9, np.int8),
        "carehome": t["carehome_flag"].astype(np.int8),
    } | ({
        "nhsno": t["nhs_number"], "sname": t["surname"], "fname": t["forename"], "dob": t["birth"], "postcode": t["postcode"],
        "lsoa": t["lsoa21"], "dod": t["death_date"],
    } if "nhs_number" in t else {})  # fmt: skip


def _ethnicity(t: pd.DataFrame, rng: np.random.Generator) -> dict[str, Any]:
    recorded = t[t["ethnicity16"].notna()]
    return {"pid": recorded["person_id"].to_numpy(), "ethnic": _spelled(rng, recorded, "ethnicity16")}


def _address(t: pd.DataFrame, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    return {"pid": t["person_id"], "adr_from": t["start"], "adr_to": t["end"], "lsoa": t["lsoa21"]}


def _registration(t: pd.DataFrame, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    return {
        "pid": t["person_id"], "practice": t["practice_code"], "reg_from": t["reg_start"], "reg_to": t["reg_end"],
        "reg_type": _spelled(rng, t, "reg_type"),
    }  # fmt: skip


def _diagnosis(t: pd.DataFrame, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    icd10 = (t["code_system"] == "ICD10").to_numpy()
    styles = {filled: 0.5, plain: 0.2, str.lower: 0.3}
    return {
        "recno": t["event_id"].astype(np.int32), "pid": t["person_id"],
        "code": typed(seed, "diagnoses", t["code"], icd10, styles), "codesys": _spelled(rng, t, "code_system"),
        "dx_date": t["event_date"], "source": _spelled(rng, t, "source"),
        "status": coded(t["status"], {"active": 1, "history": 2, "family": 3}, np.nan, float),
    } | ({"pid": t["person_id"].astype(float), "hospno": _text(t["record"])} if "record" in t else {})  # fmt: skip


def _death(t: pd.DataFrame, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    every = np.ones(len(t), dtype=bool)
    return {
        "pid": t["person_id"], "dod": t["death_date"], "dor": t["reg_date"], "lsoa": t["lsoa21"],
        "cause": typed(seed, "causes", t["underlying_icd10"], every, {plain: 0.6, str.lower: 0.2, dotted: 0.2}),
    }  # fmt: skip


def _area(t: pd.DataFrame, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    return {
        "lsoa": t["lsoa21"], "ward": t["ward_cd"], "wardname": t["ward_name"], "edition": t["ward_vintage"],
        "district": t["locality"], "imd_dec": t["imd10"].astype(np.int8),
    }  # fmt: skip


def _population(t: pd.DataFrame, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    return {
        "lsoa": t["area_cd"], "year": t["year"].astype(np.int16), "sex_of": _spelled(rng, t, "sex"),
        "age": t["age"].astype(np.int8), "pop": t["population"].astype(np.int32),
    }  # fmt: skip


def _hospital(t: pd.DataFrame, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    """Write the hospital's list of patients as its clerks typed it."""
    return {
        "hospno": t["record"], "nhsno": _text(t["nhs_number"]), "sname": _text(t["surname"]), "fname": _text(t["forename"]),
        "dob": t["date_of_birth"], "sex": np.where(t["sex"] == "M", 1, 0).astype(np.int8), "postcode": _text(t["postcode"]),
        "ethnic": _text(t["ethnicity16"]), "nfa": t["homeless"].astype(np.int8), "lastseen": t["seen_on"],
        "hospital": t["provider"], "lsoa": t["lsoa21"],
    }  # fmt: skip


def _superseded(t: pd.DataFrame, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    return {"oldno": t["superseded"], "newno": t["current"]}


def _text(column: pd.Series) -> np.ndarray:
    """Write text; Stata knows no missing one."""
    return column.astype(object).where(column.notna(), "").to_numpy()


COLUMNS = {
    "person": _person, "person_address": _address, "gp_registration": _registration, "condition_event": _diagnosis,
    "death": _death, "area_lookup": _area, "area_population": _population, "hospital": _hospital, "superseded": _superseded,
}  # fmt: skip
