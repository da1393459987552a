"""Read the extract of the text or the SPSS demonstration site in plain pandas, with the recodes its site file names.

Per table: the file; our column -> theirs; which columns are dates; codes (theirs -> ours); what means "no value".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

LETTERS = ["A", "B", "C", "D", "E", "F", "G", "H", "J", "K", "L", "M", "N", "P", "R", "S"]


@dataclass(frozen=True)
class File:
    """How one file is read."""

    name: str
    columns: dict[str, str]
    dates: tuple[str, ...] = ()
    codes: dict[str, dict[Any, Any]] = field(default_factory=dict)
    missing: dict[str, list[Any]] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()
    left_out: dict[str, list[str]] = field(default_factory=dict)  # rows of the file that are totals of others


TEXT = {
    "person": File(
        "people.csv",
        {"person_id": "Pseudonym", "birth": "Date of birth", "sex": "Sex", "ethnicity": "Ethnic category",
         "care_home": "Care home"},
        ("birth",),
        {"sex": {"Male": "M", "Female": "F", "Indeterminate": "I", "Not known": "U"},
         "ethnicity": {letter: letter for letter in [*LETTERS, "Z", "99"]}, "care_home": {"Yes": True, "No": False}},
        {name: ["NULL", "-", "UNK"] for name in ("person_id", "birth", "sex", "ethnicity", "care_home")},
    ),
    "address": File(
        "addresses.csv", {"person_id": "Pseudonym", "start": "From", "end": "To", "lsoa": "LSOA"}, ("start", "end"),
        missing={name: ["NULL"] for name in ("person_id", "start", "end", "lsoa")},
    ),
    "registration": File(
        "gp_registrations.csv", {"person_id": "Pseudonym", "start": "Registered", "end": "Deregistered", "kind": "Kind"},
        ("start", "end"), {"kind": {"Regular": "GMS", "Temporary": "temp", "Private": "other"}}, {"end": ["-"]},
    ),
    "diagnosis": File(
        "diagnoses.csv.gz",
        {"person_id": "Pseudonym", "code": "Code", "system": "Coding", "date": "Recorded", "source": "Where",
         "status": "Certainty"},
        ("date",),
        {"system": {"SNOMED CT": "SCT", "ICD-10": "ICD10"}, "source": {"GP practice": "GP", "Hospital": "APC"},
         "status": {"Active": "active", "Past": "history", "FH": "family"}},
        {"status": ["-"]},
    ),
    "death": File(
        "deaths.csv", {"person_id": "Pseudonym", "died": "Died", "registered": "Registered", "lsoa": "LSOA"},
        ("died", "registered"),
    ),
    "area": File(
        "areas.csv",
        {"lsoa": "LSOA", "ward_code": "Ward code", "ward_name": "Ward", "locality": "District",
         "decile": "Deprivation decile"},
        numbers=("decile",),
    ),
    "population": File(
        "mid_year_population.csv", {"lsoa": "LSOA", "year": "Year", "sex": "Sex", "age": "Age", "people": "People"},
        codes={"sex": {"Females": "F", "Males": "M"}}, numbers=("year", "age", "people"), left_out={"sex": ["Persons"]},
    ),
}  # fmt: skip
WHO = "Pseudonymised_Person_Identifier"
SPSS = {
    "person": File(
        "Person_Master.sav",
        {"person_id": WHO, "birth": "Month_of_Birth", "sex": "Sex_at_Registration",
         "ethnicity": "Ethnic_Group_Self_Reported", "care_home": "Care_Home_Resident"},
        ("birth",),
        {"sex": {1: "M", 2: "F", 3: "I", 9: "U"}, "care_home": {1: True, 0: False},
         "ethnicity": dict(enumerate(LETTERS, 1)) | {98: "Z", 99: "99"}},
        {"ethnicity": [97]},
    ),
    "address": File(
        "Address_History.sav", {"person_id": WHO, "start": "Date_Moved_In", "end": "Date_Moved_Out",
                                "lsoa": "LSOA_2021_of_Residence"}, ("start", "end"),
    ),
    "registration": File(
        "GP_List_History.sav",
        {"person_id": WHO, "start": "Date_Registered", "end": "Date_Deregistered", "kind": "Registration_Type"},
        ("start", "end"), {"kind": {1: "GMS", 2: "temp", 3: "other"}},
    ),
    "diagnosis": File(
        "Diagnoses_Coded.sav",
        {"person_id": WHO, "code": "Diagnosis_Code", "system": "Terminology_of_Code", "date": "Date_of_Diagnosis",
         "source": "Setting_of_Record", "status": "Status_of_Condition"},
        ("date",),
        {"system": {1: "SCT", 2: "ICD10"}, "source": {1: "GP", 2: "APC"},
         "status": {1: "active", 2: "history", 3: "family"}},
        {"status": [9]},
    ),
    "death": File(
        "Civil_Deaths.sav", {"person_id": WHO, "died": "Date_of_Death", "registered": "Date_of_Registration",
                             "lsoa": "Usual_Residence_LSOA_2021"}, ("died", "registered"),
    ),
    "area": File(
        "Area_Lookup.sav",
        {"lsoa": "LSOA_2021_Code", "ward_code": "Ward_2024_Code", "ward_name": "Ward_2024_Name",
         "locality": "Neighbourhood", "decile": "IMD_2025_Decile"},
    ),
    "population": File(
        "Population_Estimates.sav",
        {"lsoa": "LSOA_2021_Code", "year": "Mid_Year", "sex": "Sex_of_Residents", "age": "Single_Year_of_Age",
         "people": "Residents"},
        codes={"sex": {1: "M", 2: "F"}},
    ),
}  # fmt: skip


def read_extract(shape: str, folder: Path, needed: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Read the tables that are needed: recoded, dates as dates. Ends with a message when codes are not explained."""
    files, read = {"csv": (TEXT, read_text), "spss": (SPSS, read_spss)}[shape]
    tables, problems = {}, []
    for table in sorted(needed):
        file = files[table]
        rows = read(folder / file.name, file)
        for column, codes in file.codes.items():
            rows[column], lost = recoded(rows[column], codes)
            if len(lost):
                problems.append(f"{file.name}, {file.columns[column]}: codes not explained: {lost.to_dict()}")
        tables[table] = rows
    if problems:
        raise SystemExit("\n".join(problems))
    return tables


def read_text(path: Path, file: File) -> pd.DataFrame:
    """Read a semicolon-separated file in Windows characters."""
    nothing = {theirs: ["", *file.missing.get(ours, [])] for ours, theirs in file.columns.items()}
    numbers = {file.columns[name]: "float64" for name in file.numbers}
    types = {theirs: numbers.get(theirs, "str") for theirs in file.columns.values()}
    rows = pd.read_csv(path, sep=";", encoding="cp1252", usecols=list(types), dtype=types, na_values=nothing,
                       keep_default_na=False)  # fmt: skip
    rows = rows.rename(columns={theirs: ours for ours, theirs in file.columns.items()})
    for column, left_out in file.left_out.items():
        rows = rows[~rows[column].isin(left_out)].copy()
    for column in file.dates:
        rows[column] = pd.to_datetime(rows[column], format="%d/%m/%Y")
    return rows


def read_spss(path: Path, file: File) -> pd.DataFrame:
    """Read an SPSS file with its user-missing codes kept as they are: some of them mean something."""
    import pyreadstat

    rows, _ = pyreadstat.read_sav(str(path), usecols=list(file.columns.values()), user_missing=True,
                                  dates_as_pandas_datetime=True)  # fmt: skip
    rows = rows.rename(columns={theirs: ours for ours, theirs in file.columns.items()})
    for column in file.dates:
        rows[column] = pd.to_datetime(rows[column])
    for column, codes in file.missing.items():
        rows[column] = rows[column].mask(rows[column].isin(codes))
    return rows


def recoded(column: pd.Series, codes: dict[Any, Any]) -> tuple[pd.Series, pd.Series]:
    """Replace codes; also give those that lead to nothing, with how often they occur."""
    new = column.map(codes)
    return new, column[new.isna() & column.notna()].value_counts()
