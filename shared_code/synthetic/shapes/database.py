"""Database delivery: one SQLite file, the site's own patient numbers, dates as YYYYMMDD, men and women side by side."""

from __future__ import annotations

import datetime as dt
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from shared_code.model.tables import ETHNICITY16
from shared_code.synthetic.shapes.writing import coded, dotted, filled, text_dates, typed

FORM = "%Y%m%d"
FILE = "warehouse.sqlite"
_SAME = {letter: letter for letter in ETHNICITY16}
TYPES = {"i": "INTEGER", "u": "INTEGER", "f": "REAL"}


def write_database(tables: dict[str, pd.DataFrame], folder: Path, seed: int, on: dt.date) -> None:
    """Write the tables into one database file."""
    database = sqlite3.connect(folder / FILE, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        for name, table in tables.items():
            target, columns = NAMES[name], COLUMNS[name](table, seed)
            kinds = [f"{column} {_kind(column, values)}" for column, values in columns.items()]
            database.execute("BEGIN")
            database.execute(f"CREATE TABLE {target} ({', '.join(kinds)})")
            slots = ", ".join("?" * len(columns))
            rows = zip(*(values.tolist() for values in columns.values()), strict=True)
            database.executemany(f"INSERT INTO {target} VALUES ({slots})", rows)
            database.execute("COMMIT")
    finally:
        database.close()


def _kind(column: str, values: Any) -> str:
    return "INTEGER" if column.endswith("_ymd") else TYPES.get(np.asarray(values).dtype.kind, "TEXT")


NAMES = {
    "person": "patient", "person_address": "residence", "gp_registration": "registration",
    "condition_event": "diagnosis", "death": "mortality", "area_lookup": "small_area",
    "area_population": "population_estimate", "hospital": "hospital_episode", "superseded": "merged_nhs_number",
}  # fmt: skip


def _ymd(days: pd.Series) -> np.ndarray:
    """Write dates as whole numbers, 20260401; the column's type in the database makes them so."""
    return text_dates(days, FORM, None)


def _person(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "pat_no": t["person_id"], "dob_ymd": _ymd(t["birth"]), "ethnic_cat": coded(t["ethnicity16"], _SAME),
        "gender": coded(t["sex"], {"F": "female", "M": "male", "I": "other", "U": "unknown"}),
        "in_care_home": t["carehome_flag"],
    } | ({
        "nhs_no": t["nhs_number"], "family_name": t["surname"], "given_name": t["forename"], "postcode": t["postcode"],
        "lsoa": t["lsoa21"], "died_ymd": _ymd(t["death_date"]),
    } if "nhs_number" in t else {})  # fmt: skip


def _address(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {"pat_no": t["person_id"], "from_ymd": _ymd(t["start"]), "until_ymd": _ymd(t["end"]), "lsoa": t["lsoa21"]}


def _registration(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "pat_no": t["person_id"], "gp_practice": t["practice_code"], "begin_ymd": _ymd(t["reg_start"]),
        "end_ymd": _ymd(t["reg_end"]), "list_type": coded(t["reg_type"], {"GMS": 1, "temp": 2, "other": 9}),
    }  # fmt: skip


def _diagnosis(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Write one row per fact without an identifier of its own."""
    icd10 = (t["code_system"] == "ICD10").to_numpy()
    return {
        "pat_no": t["person_id"], "recorded_on": text_dates(t["event_date"], FORM, None),
        "scheme": coded(t["code_system"], {"SCT": "snomed", "ICD10": "icd"}),
        "term": typed(seed, "diagnoses", t["code"], icd10, {dotted: 0.6, filled: 0.4}),
        "origin": coded(t["source"], {"GP": 1, "APC": 2}),
        "verification": coded(t["status"], {"active": "confirmed", "history": "past", "family": "relative"}),
    } | ({"episode_no": t["record"]} if "record" in t else {})  # fmt: skip


def _death(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "pat_no": t["person_id"], "died_ymd": _ymd(t["death_date"]), "registered_ymd": _ymd(t["reg_date"]),
        "cause": t["underlying_icd10"], "lsoa": t["lsoa21"],
    }  # fmt: skip


def _area(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "lsoa": t["lsoa21"], "ward": t["ward_cd"], "ward_label": t["ward_name"], "ward_edition": t["ward_vintage"],
        "district": t["locality"], "imd_edition": t["imd_version"], "imd_decile": t["imd10"],
    }  # fmt: skip


def _population(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Write men and women side by side: one row per area, year and age."""
    wide = t.pivot_table(index=["area_cd", "year", "age"], columns="sex", values="population", observed=True)
    wide = wide.reset_index()
    return {
        "lsoa": wide["area_cd"], "year": wide["year"], "age": wide["age"], "males": wide["M"].astype(np.int64),
        "females": wide["F"].astype(np.int64),
    }  # fmt: skip


def _hospital(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Write the hospitals' episodes, each with the patient's details as they were typed."""
    return {
        "episode_no": t["record"], "hospital": t["provider"], "admitted_ymd": _ymd(t["seen_on"]),
        "nhs_no": _spaced(t["nhs_number"]), "born": text_dates(t["date_of_birth"], "%d.%m.%Y", None),
        "gender": np.where(t["sex"] == "M", "male", "female"), "postcode": t["postcode"],
        "no_fixed_abode": np.where(t["homeless"] == 1, "yes", "no"),
        "family_name": t["surname"], "given_name": t["forename"],
    }  # fmt: skip


def _superseded(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {"old_nhs_no": t["superseded"], "new_nhs_no": t["current"]}


def _spaced(numbers: pd.Series) -> np.ndarray:
    """Write NHS numbers as people read them, 999 000 0018."""
    return np.array([None if n is None else f"{n[:3]} {n[3:6]} {n[6:]}" for n in numbers], dtype=object)


COLUMNS = {
    "person": _person, "person_address": _address, "gp_registration": _registration, "condition_event": _diagnosis,
    "death": _death, "area_lookup": _area, "area_population": _population, "hospital": _hospital, "superseded": _superseded,
}  # fmt: skip
