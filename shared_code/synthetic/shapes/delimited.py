"""Delimited delivery: semicolons, Windows characters, day/month/year, words for codes, and many ways to say nothing."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from shared_code.model.tables import ETHNICITY16
from shared_code.synthetic.chance import stream
from shared_code.synthetic.shapes.writing import Styles, coded, dotted, text_dates, typed

ENCODING = "cp1252"
FORM = "%d/%m/%Y"
SEX = {"F": "Female", "M": "Male", "I": "Indeterminate", "U": "Not known"}
NOTHING = ("NULL", "-", "UNK")


def write_delimited(tables: dict[str, pd.DataFrame], folder: Path, seed: int, on: dt.date) -> None:
    """Write the tables as semicolon-separated text; the diagnoses, the biggest, are compressed."""
    for name, table in tables.items():
        columns, file = COLUMNS[name](table, seed), FILES[name]
        path = folder / file
        with path.open("wb") as raw:
            if path.suffix == ".gz":  # no name and no time in the header: the same input must give the same bytes
                with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=4) as packed:
                    _write(columns, packed)
            else:
                _write(columns, raw)


def _write(columns: dict[str, Any], target: Any) -> None:
    pd.DataFrame(columns).to_csv(
        target, sep=";", index=False, encoding=ENCODING, lineterminator="\r\n", chunksize=100_000
    )


FILES = {
    "person": "people.csv", "person_address": "addresses.csv", "gp_registration": "gp_registrations.csv",
    "condition_event": "diagnoses.csv.gz", "death": "deaths.csv", "area_lookup": "areas.csv",
    "area_population": "mid_year_population.csv",
}  # fmt: skip


def _dagger(code: str) -> str:
    return dotted(code) + "†"


def _asterisk(code: str) -> str:
    return dotted(code) + "*"


def _plus(code: str) -> str:
    return dotted(code).lower() + "+"


def _person(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    group = coded(t["ethnicity16"], {c: c for c in ETHNICITY16})
    nothing = np.array(NOTHING, dtype=object)[stream(seed, "nothing").integers(0, len(NOTHING), len(t))]
    return {
        "Pseudonym": t["person_id"], "Date of birth": text_dates(t["birth"], FORM, ""), "Sex": coded(t["sex"], SEX),
        "Ethnic category": np.where(t["ethnicity16"].isna(), nothing, group),
        "Care home": np.where(t["carehome_flag"] == 1, "Yes", "No"),
    }  # fmt: skip


def _address(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "Pseudonym": t["person_id"], "From": text_dates(t["start"], FORM, "NULL"),
        "To": text_dates(t["end"], FORM, "NULL"), "LSOA": t["lsoa21"],
    }  # fmt: skip


def _registration(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "Pseudonym": t["person_id"], "Practice": t["practice_code"],
        "Registered": text_dates(t["reg_start"], FORM, "-"), "Deregistered": text_dates(t["reg_end"], FORM, "-"),
        "Kind": coded(t["reg_type"], {"GMS": "Regular", "temp": "Temporary", "other": "Private"}),
    }  # fmt: skip


def _diagnosis(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    icd10 = (t["code_system"] == "ICD10").to_numpy()
    styles: Styles = {dotted: 0.85, _dagger: 0.07, _asterisk: 0.05, _plus: 0.03}
    return {
        "Record": t["event_id"], "Pseudonym": t["person_id"],
        "Code": typed(seed, "diagnoses", t["code"], icd10, styles),
        "Coding": coded(t["code_system"], {"SCT": "SNOMED CT", "ICD10": "ICD-10"}),
        "Recorded": text_dates(t["event_date"], FORM, "NULL"),
        "Where": coded(t["source"], {"GP": "GP practice", "APC": "Hospital"}),
        "Certainty": coded(t["status"], {"active": "Active", "history": "Past", "family": "FH"}, "-"),
    }  # fmt: skip


def _death(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    every = np.ones(len(t), dtype=bool)
    return {
        "Pseudonym": t["person_id"], "Died": text_dates(t["death_date"], FORM, "NULL"),
        "Registered": text_dates(t["reg_date"], FORM, "NULL"), "LSOA": t["lsoa21"],
        "Underlying cause": typed(seed, "causes", t["underlying_icd10"], every, {dotted: 1.0}),
    }  # fmt: skip


def _area(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "LSOA": t["lsoa21"], "Ward code": t["ward_cd"], "Ward": t["ward_name"], "District": t["locality"],
        "Deprivation decile": t["imd10"],
    }  # fmt: skip


def _population(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Write women, men and, as published estimates do, a third row for both."""
    people = pd.DataFrame({
        "LSOA": t["area_cd"], "Year": t["year"], "Sex": coded(t["sex"], {"F": "Females", "M": "Males"}),
        "Age": t["age"], "People": t["population"],
    })  # fmt: skip
    keys = ["LSOA", "Year", "Age"]
    both = people.groupby(keys, as_index=False, sort=False)["People"].sum().assign(Sex="Persons")
    joined = pd.concat([people, both[people.columns]], ignore_index=True)
    return {name: joined[name] for name in joined}


COLUMNS = {
    "person": _person, "person_address": _address, "gp_registration": _registration, "condition_event": _diagnosis,
    "death": _death, "area_lookup": _area, "area_population": _population,
}  # fmt: skip
