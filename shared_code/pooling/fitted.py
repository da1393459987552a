"""Cases, events and proportions of cells whose numbers are known to lie in ranges, and to add up to known totals."""

from __future__ import annotations

import numpy as np

from shared_code import methods

FLATTEST = 1e-3  # information left, as a share of that without ranges; below it nothing is known of the cases


def complete_cases(n: np.ndarray, low: np.ndarray, high: np.ndarray, totals: list[methods.Totals]
                   ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Give the expected cases of every site and cell, and the information the ranges cost, given all ranges and totals."""
    people = np.floor(n)
    high = np.minimum(high, people)
    start = methods.starting_values(methods.censored_proportion, np.minimum(low, high), high, people)
    done = methods.completed_proportions(people, np.minimum(low, high), high, totals, start)
    return np.sort(done.expected, axis=0), done.missing  # only summed over the sites: in one order, whatever theirs is


def complete_events(years: np.ndarray, low: np.ndarray, high: np.ndarray, totals: list[methods.Totals]
                    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Give the same of events in person-time."""
    start = methods.starting_values(methods.censored_rate, low, high, years)
    done = methods.completed_rates(years, low, high, totals, start)
    return np.sort(done.expected, axis=0), done.missing


def proportions(n: np.ndarray, expected: np.ndarray, unknown: np.ndarray, low: np.ndarray, high: np.ndarray
                ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Give proportion and variance of every cell, nan where nobody is in it, and where next to only the range is known.

    n, expected, unknown, low, high  people, expected cases, missing information, and range of cases, over all sites

    Where the ranges leave little information the range itself still bounds the number of cases: the variance is never
    more than that of sampling and of any number in the range being as likely as any other together.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        p = expected / n
        complete = n * p * (1 - p)
        left = complete - unknown
        spread = ((high - low) / n) ** 2 / 12
        edge = expected < low + 0.01 * (high - low)  # at an edge only the range is known
        flat = (high > low) & ~edge & ~(left > FLATTEST * complete)
        known = np.where(complete > 0, (p * (1 - p)) ** 2 / left, 0.0)
        widest = p * (1 - p) / n + spread
        variance = np.where(high > low, np.where(flat, widest, np.where(edge, spread, np.minimum(known, widest))), known)
    return np.where(n > 0, p, np.nan), np.where(n > 0, variance, np.nan), flat & (n > 0)
