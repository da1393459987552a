"""Rates of cells over sites, where some sites' events lie in ranges: the most likely rate and how uncertain it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared_code.config.study import ResultsTable
from shared_code.model.units import DAYS_A_YEAR
from shared_code.pooling.cubes import Cube
from shared_code.pooling.fitted import complete_events
from shared_code.pooling.totals import totals_of


@dataclass(frozen=True)
class BandRates:
    """Hold rates per person-year and what they were made from.

    years, low, high  shape (sites, cells): person-years, and the range of the events, 0 where a site is left out of a cell
    total, rate, variance  shape (cells,): person-years of all sites, events over them, and the variance of the rate
    """

    years: np.ndarray
    low: np.ndarray
    high: np.ndarray
    total: np.ndarray
    rate: np.ndarray
    variance: np.ndarray


def band_rates(events: Cube, days: Cube, rows: list[int], declared: ResultsTable) -> BandRates:
    """Estimate the rate of every cell over some sites (rows of the cubes), given all values, ranges and totals.

    A site whose person-days of a cell are withheld is left out of that cell.
    """
    usable = days.known[rows] & ~days.withheld[rows] & events.known[rows]
    years = np.where(usable, (days.lower[rows] + days.upper[rows]) / 2, 0.0) / DAYS_A_YEAR
    low = np.where(usable & (years > 0), events.lower[rows], 0.0)
    high = np.where(usable & (years > 0), events.upper[rows], 0.0)
    total = years.sum(axis=0)
    expected, unknown = complete_events(years, low, high, totals_of(events, declared, rows, usable & (years > 0)))
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = expected.sum(axis=0) / total
        left = expected.sum(axis=0) - unknown  # information on the log rate: complete minus missing
        variance = np.where(expected.sum(axis=0) > 0, rate**2 / left, 0.0)
        least, most, deaths = (side.sum(axis=0) for side in (low, high, expected))
        edge = (least == 0) & (most > 0) & (deaths < 0.01)
        spread = ((most - least) / total) ** 2 / 12  # at an edge only the range is known
        largest = deaths / total**2 + spread  # of sampling, and of any number in the range being as likely as any other
        variance = np.where(edge, spread, np.where((most > least) & ~(variance < largest), largest, variance))
        rate = np.where((total > 0) & (edge | (deaths == 0) | (left > 0) | np.isfinite(most)), rate, np.nan)
    return BandRates(years, low, high, total, rate, variance)


def share(low: np.ndarray, high: np.ndarray) -> float:
    """Give the share of the events that withheld cells could hold at most."""
    if np.isinf(high).any():
        return 1.0
    return float((high.sum() - low.sum()) / high.sum()) if high.sum() else 0.0
