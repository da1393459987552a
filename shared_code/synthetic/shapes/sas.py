"""SAS delivery: transport files of version 5 with names of eight characters, SAS dates, and Y and N for yes and no."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat

from shared_code.model.tables import ETHNICITY16
from shared_code.synthetic.shapes.writing import SAS_EPOCH, coded, filled, first_of_month, number_dates, typed

DATES = ("BIRTHMTH", "FROMDT", "TODT", "REGSTDT", "REGENDDT", "DIAGDT", "DEATHDT", "DREGDT")
HEADER = 1000  # characters of a transport file within which the time of writing stands
TIME = re.compile(rb"[0-9]{2}[A-Z]{3}[0-9]{2}:[0-9]{2}:[0-9]{2}:[0-9]{2}")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def write_sas(tables: dict[str, pd.DataFrame], folder: Path, seed: int, on: dt.date) -> None:
    """Write the tables as .xpt files."""
    stamp = f"{on:%d}{MONTHS[on.month - 1]}{on:%y}:00:00:00".encode("ascii")
    for name, table in tables.items():
        columns, file = COLUMNS[name](table, seed), FILES[name]
        dates = {c: "DATE9." for c in columns if c in DATES}
        for column in dates:
            columns[column] = number_dates(columns[column], SAS_EPOCH)
        path = folder / f"{file}.xpt"
        pyreadstat.write_xport(
            pd.DataFrame(columns), str(path), table_name=file.upper(), file_format_version=5, variable_format=dates
        )
        with path.open("r+b") as written:  # the time of writing: the same input must give the same bytes
            header = TIME.sub(stamp, written.read(HEADER))
            written.seek(0)
            written.write(header)


FILES = {
    "person": "person", "person_address": "address", "gp_registration": "gpreg", "condition_event": "diag",
    "death": "deaths", "area_lookup": "lsoa", "area_population": "mye",
}  # fmt: skip


def _person(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "PSEUDOID": t["person_id"], "BIRTHMTH": first_of_month(t["birth"]),
        "SEXCD": coded(t["sex"], {"M": "1", "F": "2", "I": "9", "U": "X"}),
        "ETHNICCD": coded(t["ethnicity16"], {c: c for c in ETHNICITY16}, ""),
        "CAREHOME": np.where(t["carehome_flag"] == 1, "Y", "N"),
    }  # fmt: skip


def _address(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {"PSEUDOID": t["person_id"], "FROMDT": t["start"], "TODT": t["end"], "LSOA21CD": t["lsoa21"]}


def _registration(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "PSEUDOID": t["person_id"], "PRACTICE": t["practice_code"], "REGSTDT": t["reg_start"], "REGENDDT": t["reg_end"],
        "REGTYPE": coded(t["reg_type"], {"GMS": "G", "temp": "T", "other": "O"}),
    }  # fmt: skip


def _diagnosis(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    icd10 = (t["code_system"] == "ICD10").to_numpy()
    return {
        "EVENTID": t["event_id"].astype(float), "PSEUDOID": t["person_id"],
        "DIAGCODE": typed(seed, "diagnoses", t["code"], icd10, {filled: 1.0}),
        "CODESYS": coded(t["code_system"], {"SCT": "SCT", "ICD10": "I10"}), "DIAGDT": t["event_date"],
        "SETTING": coded(t["source"], {"GP": "GP", "APC": "IP"}),
        "STATUSCD": coded(t["status"], {"active": "A", "history": "P", "family": "F"}, ""),
    }  # fmt: skip


def _death(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "PSEUDOID": t["person_id"], "DEATHDT": t["death_date"], "DREGDT": t["reg_date"],
        "UCAUSE": t["underlying_icd10"], "LSOA21CD": t["lsoa21"],
    }  # fmt: skip


def _area(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "LSOA21CD": t["lsoa21"], "WD24CD": t["ward_cd"], "WD24NM": t["ward_name"], "PCN": t["locality"],
        "IMDVER": t["imd_version"], "IMDDEC": t["imd10"].astype(float),
    }  # fmt: skip


def _population(t: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "LSOA21CD": t["area_cd"], "YEAR": t["year"].astype(float), "SEXCD": coded(t["sex"], {"M": "1", "F": "2"}),
        "AGE": t["age"].astype(float), "POP": t["population"].astype(float),
    }  # fmt: skip


COLUMNS = {
    "person": _person, "person_address": _address, "gp_registration": _registration, "condition_event": _diagnosis,
    "death": _death, "area_lookup": _area, "area_population": _population,
}  # fmt: skip
