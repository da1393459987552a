"""SPSS delivery: one .sav file per table, numbers with value labels, user-missing codes, SPSS dates."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat

from shared_code.model.tables import ETHNICITY16
from shared_code.synthetic.shapes import writing
from shared_code.synthetic.shapes.writing import coded, dotted, first_of_month, number_dates, plain, typed

ETHNIC_NUMBERS = {letter: number for number, letter in enumerate(list(ETHNICITY16)[:16], 1)} | {"Z": 98, "99": 99}
LABELS: dict[str, dict[int | float, str]] = {
    "Sex_at_Registration": {1: "Male", 2: "Female", 3: "Indeterminate", 9: "Not known"},
    "Ethnic_Group_Self_Reported": {
        **{number: ETHNICITY16[letter] for letter, number in ETHNIC_NUMBERS.items()}, 97: "Not asked"},
    "Care_Home_Resident": {0: "No", 1: "Yes"},
    "Registration_Type": {1: "Permanent (GMS)", 2: "Temporary resident", 3: "Other"},
    "Terminology_of_Code": {1: "SNOMED CT", 2: "ICD-10"},
    "Setting_of_Record": {1: "General practice", 2: "Admitted patient care"},
    "Status_of_Condition": {1: "Active", 2: "History of", 3: "Family history", 9: "Not stated"},
    "Sex_of_Residents": {1: "Male", 2: "Female"},
}  # fmt: skip
MISSING: dict[str, list[Any]] = {
    "Sex_at_Registration": [9], "Ethnic_Group_Self_Reported": [{"lo": 97, "hi": 99}], "Status_of_Condition": [9],
}  # fmt: skip
CREATED = 92  # where the header of a .sav file holds "dd mmm yy" and "hh:mm:ss"


def write_spss(tables: dict[str, pd.DataFrame], folder: Path, seed: int, on: dt.date) -> None:
    """Write the tables as .sav files with long variable names."""
    for name, table in tables.items():
        columns, file = COLUMNS[name](table, seed), FILES[name]
        dates = {c: "EDATE10" for c in columns if c.startswith(("Date_", "Month_"))}
        for column in dates:
            columns[column] = number_dates(columns[column], writing.SPSS_EPOCH, writing.SECONDS_A_DAY)
        for column in set(columns) & set(LABELS):
            columns[column] = np.asarray(columns[column], dtype=float)
        path = folder / file
        pyreadstat.write_sav(
            pd.DataFrame(columns), str(path), variable_format=dates, row_compress=True,
            variable_value_labels={c: LABELS[c] for c in columns if c in LABELS},
            missing_ranges={c: MISSING[c] for c in columns if c in MISSING},
        )  # fmt: skip
        with path.open("r+b") as written:  # pyreadstat prints the present time; the same input must give the same bytes
            written.seek(CREATED)
            written.write(f"{on:%d} {MONTHS[on.month - 1]} {on:%y}00:00:00".encode("ascii"))


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FILES = {
    "person": "Person_Master.sav", "person_address": "Address_History.sav", "gp_registration": "GP_List_History.sav",
    "condition_event": "Diagnoses_Coded.sav", "death": "Civil_Deaths.sav", "area_lookup": "Area_Lookup.sav",
    "area_population": "Population_Estimates.sav",
}  # fmt: skip


def _person(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "Pseudonymised_Person_Identifier": t["person_id"], "Month_of_Birth": first_of_month(t["birth"]),
        "Sex_at_Registration": coded(t["sex"], {"M": 1, "F": 2, "I": 3, "U": 9}),
        "Ethnic_Group_Self_Reported": coded(t["ethnicity16"], ETHNIC_NUMBERS, 97),
        "Care_Home_Resident": t["carehome_flag"],
    }  # fmt: skip


def _address(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "Pseudonymised_Person_Identifier": t["person_id"], "Date_Moved_In": t["start"], "Date_Moved_Out": t["end"],
        "LSOA_2021_of_Residence": t["lsoa21"],
    }  # fmt: skip


def _registration(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "Pseudonymised_Person_Identifier": t["person_id"], "Practice_ODS_Code": t["practice_code"],
        "Date_Registered": t["reg_start"], "Date_Deregistered": t["reg_end"],
        "Registration_Type": coded(t["reg_type"], {"GMS": 1, "temp": 2, "other": 3}),
    }  # fmt: skip


def _diagnosis(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    icd10 = (t["code_system"] == "ICD10").to_numpy()
    return {
        "Record_Number": t["event_id"].astype(float), "Pseudonymised_Person_Identifier": t["person_id"],
        "Diagnosis_Code": typed(seed, "diagnoses", t["code"], icd10, {plain: 0.2, dotted: 0.7, str.lower: 0.1}),
        "Terminology_of_Code": coded(t["code_system"], {"SCT": 1, "ICD10": 2}), "Date_of_Diagnosis": t["event_date"],
        "Setting_of_Record": coded(t["source"], {"GP": 1, "APC": 2}),
        "Status_of_Condition": coded(t["status"], {"active": 1, "history": 2, "family": 3}, 9),
        **({"Date_Recorded": t["recorded_date"]} if "recorded_date" in t else {}),
    }  # fmt: skip


def _death(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    every = np.ones(len(t), dtype=bool)
    return {
        "Pseudonymised_Person_Identifier": t["person_id"], "Date_of_Death": t["death_date"],
        "Date_of_Registration": t["reg_date"], "Usual_Residence_LSOA_2021": t["lsoa21"],
        "Underlying_Cause_ICD10": typed(seed, "causes", t["underlying_icd10"], every, {plain: 0.5, dotted: 0.5}),
    }  # fmt: skip


def _area(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "LSOA_2021_Code": t["lsoa21"], "Ward_2024_Code": t["ward_cd"], "Ward_2024_Name": t["ward_name"],
        "Neighbourhood": t["locality"], "IMD_2025_Decile": t["imd10"].astype(float),
    }  # fmt: skip


def _population(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "LSOA_2021_Code": t["area_cd"], "Mid_Year": t["year"].astype(float),
        "Sex_of_Residents": coded(t["sex"], {"M": 1, "F": 2}), "Single_Year_of_Age": t["age"].astype(float),
        "Residents": t["population"].astype(float),
    }  # fmt: skip


COLUMNS = {
    "person": _person, "person_address": _address, "gp_registration": _registration, "condition_event": _diagnosis,
    "death": _death, "area_lookup": _area, "area_population": _population,
}  # fmt: skip
