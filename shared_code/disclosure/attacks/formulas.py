"""Attacks that undo a formula: percentages, ratios, curves, means, models, likelihoods and their derivatives."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np


def percentage(percent: float, decimals: int, people: tuple[float, float]) -> list[int]:
    """List the numerators that give a published percentage, the number of people being known (to a range).

    >>> percentage(4.8, 1, (83, 83))
    [4]
    """
    half = 0.5 * 10**-decimals
    found = set()
    for n in range(max(1, math.ceil(people[0])), math.floor(people[1]) + 1):
        low, high = (percent - half) / 100 * n, (percent + half) / 100 * n
        found |= set(range(max(0, math.ceil(low - 1e-9)), math.floor(high + 1e-9) + 1))
    return sorted(found)


def both_roundings(ranges: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Intersect the ranges of one number that was published in several roundings.

    >>> both_roundings([(8, 12), (7, 12), (11, 13)])
    (11, 12)
    """
    return max(low for low, _ in ranges), min(high for _, high in ranges)


def curve(survival: Sequence[float], decimals: int, most: int = 200) -> list[tuple[int, int]]:
    """Read a Kaplan-Meier curve backwards: each step is 1 - events / at risk, and few fractions fit so many decimals.

    Gives (events, at risk) per step where just one pair with at most `most` at risk fits, else (-1, -1).
    """
    steps = []
    for before, after in itertools.pairwise([1.0, *survival]):
        half = 0.5 * 10**-decimals
        low, high = (after - half) / (before + half), (after + half) / (before - half)
        fits = [(d, n) for n in range(1, most + 1) for d in {math.floor((1 - low) * n), math.ceil((1 - high) * n)}
                if 0 < d <= n and low <= 1 - d / n <= high]  # fmt: skip
        in_lowest_terms = {(d // math.gcd(d, n), n // math.gcd(d, n)) for d, n in fits}
        steps.append(min(fits, key=lambda pair: pair[1]) if len(in_lowest_terms) == 1 else (-1, -1))
    return steps


def two_values(mean: float, variance: float) -> tuple[float, float]:
    """Give the two values of two people from their mean and variance.

    >>> two_values(15.0, 50.0)
    (10.0, 20.0)
    """
    half = math.sqrt(variance / 2)
    return mean - half, mean + half


def largest(total: float, second: float) -> tuple[float, float]:
    """Estimate the largest contribution to a sum, as the second largest contributor can: (at least, at most)."""
    return max(0.0, second), total - second


def one_hot(estimate: float, se: float) -> tuple[float, float]:
    """Turn the log odds of a group in a saturated model, with its standard error, into events and people.

    A term that marks one group has estimate log(d / (n - d)) and se sqrt(1/d + 1/(n - d)): two equations, two unknowns.

    >>> [round(x, 6) for x in one_hot(math.log(3 / 5), math.sqrt(1 / 3 + 1 / 5))]
    [3.0, 8.0]
    """
    odds = math.exp(estimate)
    without = (1 + 1 / odds) / se**2
    return odds * without, without + odds * without


def gradient(difference: float) -> tuple[float, float]:
    """Read the derivative of a log-likelihood by a one-person term at coefficients of zero: outcome minus one half.

    Gives (outcome, how far from a whole outcome); near zero means that one person's outcome was read.
    """
    outcome = difference + 0.5
    return round(outcome), abs(outcome - round(outcome))


def profile(grid: Mapping[float, float], most: int = 60) -> list[tuple[int, int]]:
    """Find (events, people) of a group whose log-likelihood over the log odds was published on a grid.

    log L(b) = d b - n log(1 + exp(b)) up to a constant: two differences of the grid determine d and n.
    """
    points = sorted(grid)
    values = np.array([grid[b] for b in points])
    found = []
    for d, n in ((d, people) for people in range(1, most + 1) for d in range(people + 1)):
        expected = np.array([d * b - n * math.log1p(math.exp(b)) for b in points])
        if np.allclose(np.diff(values), np.diff(expected), atol=1e-9):
            found.append((d, n))
    return found


def somebody(value: float, values: Sequence[float]) -> int:
    """Count the people who have exactly a published value (a raw median, minimum, maximum or percentile is somebody's)."""
    return int(np.isclose(np.asarray(values, float), value, rtol=0, atol=1e-12).sum())
