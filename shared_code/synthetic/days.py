"""Days as whole numbers since 1970-01-01, and what statistics packages make of them."""

from __future__ import annotations

import datetime as dt

import numpy as np

NEVER = np.iinfo(np.int32).max  # a day that does not come: no death, no move, still registered
EPOCH = dt.date(1970, 1, 1)


def day(date: dt.date) -> int:
    """Number a calendar date.

    >>> day(dt.date(1970, 1, 2))
    1
    """
    return (date - EPOCH).days


def as_dates(days: np.ndarray) -> np.ndarray:
    """Turn numbers into dates; NEVER becomes NaT."""
    dates = days.astype("datetime64[D]")
    dates[days == NEVER] = np.datetime64("NaT")
    return dates


def month_number(days: np.ndarray) -> np.ndarray:
    """Number the months since January 1970."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def day_of_month(days: np.ndarray) -> np.ndarray:
    dates = days.astype("datetime64[D]")
    return (dates - dates.astype("datetime64[M]")).astype(np.int64) + 1


def completed_years(birth: np.ndarray, on: np.ndarray | int) -> np.ndarray:
    """Compute age in completed years as an analysis does: from the month of birth, its 15th day assumed."""
    on = np.broadcast_to(np.asarray(on, dtype=np.int64), birth.shape)
    months = month_number(on) - month_number(birth) - (day_of_month(on) < 15)
    return np.maximum(months // 12, 0)


def birthday(birth: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Give the day on which that age is completed, the 15th of the month of birth assumed."""
    months = (month_number(birth) + 12 * age).astype("datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64) + 14
