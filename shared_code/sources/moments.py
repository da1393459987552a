"""Moments: dates and times of statistical files, which store them as numbers and say what they are in a format."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa

from shared_code.sources.landing import as_text

# Days from 1970-01-01 back to the day that each program counts from.
ORIGIN = {"SPSS": -141428, "Stata": -3653, "SAS": -3653}
FIRST_DAY, LAST_DAY = -719162, 2932896  # 0001-01-01 and 9999-12-31, in days since 1970-01-01
DAY = 86400  # seconds
# Formats by name, without width. SPSS: IBM SPSS Command Syntax Reference, "Date and Time Formats".
SPSS = {"DATE": "DATE ADATE EDATE JDATE SDATE QYR MOYR WKYR", "MOMENT": "DATETIME YMDHMS", "TIME": "TIME DTIME MTIME"}
# SAS: SAS Formats and Informats: Reference, "Date and Time". Every one of them is a way of writing a day, a second of all
# time, or a second of the day, even those that show only a part of it (YEAR, MONTH, DTYEAR, HOUR).
SAS = {
    "DATE": "DATE DAY DOWNAME E8601DA B8601DA IS8601DA JULDAY JULIAN PDJULG PDJULI MINGUO NENGO MONNAME MONTH MONYY QTR QTRR "
            "WEEKDATE WEEKDATX WEEKDAY WEEKU WEEKV WEEKW WORDDATE WORDDATX YEAR YYMON",
    "MOMENT": "DATETIME DATEAMPM MDYAMPM DTDATE DTMONYY DTWKDATX DTYEAR DTYYQC E8601DT B8601DT IS8601DT E8601DN B8601DN IS8601DN "
              "E8601DX B8601DX E8601DZ B8601DZ IS8601DZ E8601LX B8601LX",
    "TIME": "TIME TIMEAMPM HHMM HOUR MMSS TOD E8601TM B8601TM IS8601TM E8601TZ B8601TZ IS8601TZ E8601LZ B8601LZ IS8601LZ",
}  # fmt: skip
SAS_SEPARATED = re.compile(r"(DDMMYY|MMDDYY|YYMMDD|MMYY|YYMM|YYQR?|YYQZ?)[BCDNPS]?")  # the letter is the separator
NATIONAL = {"NLDATM": "MOMENT", "NLDAT": "DATE", "NLTIM": "TIME"}
STATA_TIME = {"%tcHH:MM:SS", "%tcHH:MM"}
STATA_PERIODS = {"w": 52, "m": 12, "q": 4, "h": 2}  # periods a year
FORMATS = {program: {name: kind for kind, names in by_kind.items() for name in names.split()}
           for program, by_kind in (("SPSS", SPSS), ("SAS", SAS))}  # fmt: skip


def kind_of(program: str, form: str) -> str:
    """Tell what a format makes of a number: DATE, MOMENT, TIME, PERIOD (a week, month, …) or nothing.

    >>> kind_of("SAS", "YYMMDDN8"), kind_of("SAS", "DTDATE7"), kind_of("Stata", "%tm"), kind_of("SPSS", "F8.2")
    ('DATE', 'MOMENT', 'PERIOD', '')
    """
    if program == "Stata":
        match = re.match(r"%-?0?\d*(?:(d)|t(.))", form)
        letter = match and (match[1] or match[2])
        if form in STATA_TIME:
            return "TIME"
        return {"d": "DATE", "c": "MOMENT", "C": "MOMENT"}.get(letter or "", "PERIOD" if letter in STATA_PERIODS else "")
    match = re.fullmatch(r"([A-Z0-9_]*?[A-Z_])\d*(?:\.\d*)?", form.upper())
    name = match[1] if match else ""
    if program == "SAS":
        if SAS_SEPARATED.fullmatch(name):
            return "DATE"
        national = [kind for start, kind in NATIONAL.items() if name.startswith(start)]
        if national:
            return national[0]
    return FORMATS[program].get(name, "")


def converted(numbers: np.ndarray, program: str, form: str) -> pa.Array:
    """Turn numbers into dates, moments or times of day, as their format says; NaN is null.

    A number that is no date (before year 1, after year 9999, a time of more than a day) stays a number, and the whole
    column is then text: the mapping will ask what it means.
    """
    kind = kind_of(program, form)
    if not kind:
        return pa.array(numbers, pa.float64(), from_pandas=True)
    ticks = 1000 if program == "Stata" else 1  # a second
    day = 1 if kind == "DATE" and program != "SPSS" else DAY * ticks
    with np.errstate(invalid="ignore"):
        if kind == "PERIOD":
            days = _first_days(numbers, form)
            good = (days >= FIRST_DAY) & (days <= LAST_DAY)
            made: Any = pa.array(_whole(days, good), pa.int32(), mask=~good).cast(pa.date32())
        elif kind == "DATE":
            days = np.floor(numbers / day) + ORIGIN[program]
            good = (days >= FIRST_DAY) & (days <= LAST_DAY)
            made = pa.array(_whole(days, good), pa.int32(), mask=~good).cast(pa.date32())
        elif kind == "MOMENT":  # to the millisecond: the numbers hold no more
            moment = np.round(numbers * (1000 / ticks)) + ORIGIN[program] * DAY * 1000.0
            good = (moment >= FIRST_DAY * DAY * 1000.0) & (moment < (LAST_DAY + 1) * DAY * 1000.0)
            made = pa.array(_whole(moment, good) * 1000, pa.int64(), mask=~good).cast(pa.timestamp("us"))
        else:
            time = np.round(numbers * (1000 / ticks))
            if form.upper().startswith("TOD"):  # SAS writes the time of day of a moment with it
                time = np.mod(time, DAY * 1000.0)
            good = (time >= 0) & (time < DAY * 1000.0)
            made = pa.array(_whole(time, good) * 1000, pa.int64(), mask=~good).cast(pa.time64("us"))
    lost = ~good & ~np.isnan(numbers)
    if not lost.any():
        return made
    texts = [None if value is None else as_text(value) for value in made.to_pylist()]
    return pa.array([as_text(float(n)) if bad else t for n, bad, t in zip(numbers, lost, texts)], pa.string())


def _whole(numbers: np.ndarray, good: np.ndarray) -> np.ndarray:
    return np.where(good, numbers, 0).astype("int64")


def _first_days(periods: np.ndarray, form: str) -> np.ndarray:
    """Give the first day of Stata's weeks, months, quarters and half-years, in days since 1970-01-01."""
    match = re.match(r"%-?t(.)", form)
    a_year = STATA_PERIODS[match[1]] if match else 12
    good = np.abs(periods) < 9000 * a_year
    count = np.where(good, periods, 0).astype("int64")
    year, part = np.floor_divide(count, a_year) + 1960, np.mod(count, a_year)
    if a_year == 52:  # Stata's first week starts on 1 January, and the last one is longer
        days = ((year - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype("int64")) + 7 * part
    else:
        months = (year - 1970) * 12 + part * (12 // a_year)
        days = months.astype("datetime64[M]").astype("datetime64[D]").astype("int64")
    return np.where(good, days, np.nan)
