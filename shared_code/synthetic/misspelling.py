"""Errors of typing: a letter or digit changed, left out, doubled, or two neighbours exchanged; dates likewise."""

from __future__ import annotations

import numpy as np

WIDTH = 16  # characters; longer texts lose their end when mistyped
CHANGED, LEFT_OUT, EXCHANGED, DOUBLED = range(4)


def typed_wrong(rng: np.random.Generator, texts: np.ndarray, digits: bool = False) -> np.ndarray:
    """Put one typing error into every text (ASCII capitals, digits); the result always differs.

    digits  only exchange neighbours or change a digit, so that the length stays
    """
    if not len(texts):
        return texts
    old = texts.astype(f"S{WIDTH}")
    letters = old.view(np.uint8).reshape(-1, WIDTH)
    length = np.maximum((letters != 0).sum(axis=1), 1)
    rows, column = np.arange(len(letters)), np.arange(WIDTH)
    at = (rng.random(len(letters)) * length).astype(int)
    kind = rng.choice([CHANGED, EXCHANGED] if digits else [CHANGED, LEFT_OUT, EXCHANGED, DOUBLED], len(letters))
    kind = np.where((length < 3) & (kind != DOUBLED), CHANGED, kind)
    before = np.minimum(at, np.maximum(length - 2, 0))  # first of two neighbours
    same = letters[rows, before] == letters[rows, np.minimum(before + 1, WIDTH - 1)]
    kind = np.where((kind == EXCHANGED) & same, CHANGED, kind)
    source = np.broadcast_to(column, letters.shape).copy()
    source += (kind == LEFT_OUT)[:, None] & (column >= at[:, None])
    source -= (kind == DOUBLED)[:, None] & (column > at[:, None])
    swap = kind == EXCHANGED
    source[rows[swap], before[swap]] += 1
    source[rows[swap], before[swap] + 1] -= 1
    padded = np.concatenate([letters, np.zeros((len(letters), 1), dtype=np.uint8)], axis=1)
    new = np.take_along_axis(padded, source, axis=1)
    change = kind == CHANGED
    first = np.where((letters[rows, at] >= 48) & (letters[rows, at] <= 57), 48, 65)  # "0" or "A"
    span = np.where(first == 48, 10, 26)
    step = 1 + (rng.random(len(letters)) * (span - 1)).astype(int)
    other = first + (letters[rows, at].astype(int) - first + step) % span
    new[rows[change], at[change]] = other[change]
    return np.ascontiguousarray(new).view(f"S{WIDTH}").ravel().astype(str).astype(object)


def other_date(rng: np.random.Generator, dates: np.ndarray) -> np.ndarray:
    """Change one digit of a date: the last of the day, of the month or of the year."""
    year, month, day = _parts(dates)
    kind = rng.integers(0, 3, len(dates))
    step = rng.integers(1, 9, len(dates))
    day = np.where(kind == 0, np.minimum(day // 10 * 10 + (day % 10 + step) % 10, 28), day)
    day = np.where(day == 0, 1, day)
    month = np.where(kind == 1, np.where(month < 10, (month - 1 + step) % 9 + 1, 10 + (month - 9 + step % 2) % 3), month)
    year = np.where(kind == 2, year // 10 * 10 + (year % 10 + step) % 10, year)
    return _date(year, month, day, dates.dtype)


def swapped_day_and_month(dates: np.ndarray) -> np.ndarray:
    """Exchange day and month where that is a date; others stay."""
    year, month, day = _parts(dates)
    can = day <= 12
    return _date(year, np.where(can, day, month), np.where(can, month, day), dates.dtype)


def _parts(dates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    months = dates.astype("datetime64[M]").astype(int)
    day = (dates.astype("datetime64[D]") - dates.astype("datetime64[M]")).astype(int) + 1
    return months // 12 + 1970, months % 12 + 1, day


def _date(year: np.ndarray, month: np.ndarray, day: np.ndarray, kind: np.dtype) -> np.ndarray:
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    longest = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(int)
    return (months.astype("datetime64[D]") + (np.minimum(day, longest) - 1)).astype(kind)
