"""Bounds that follow from other bounds: what every relation, taken by itself and repeatedly, says of each unknown.

This is interval propagation over the rows of a linear system. It is exact where unknowns are linked in one way only,
never too narrow, needs no solver, and anyone can repeat it from what is published.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

EPS = 1e-6
MOST_ROUNDS = 60


class Contradiction(ValueError):
    """No numbers fulfil the relations: the system does not describe one release."""


def activity(matrix: sparse.csr_matrix, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the least and the largest value of every row, infinite where it has no end."""
    rows, columns, coefficient = _entries(matrix)
    low, high = _ends(coefficient, columns, lower, upper)
    n = matrix.shape[0]
    return np.bincount(rows, low, n), np.bincount(rows, high, n)


def propagate(matrix: sparse.csr_matrix, row_lower: np.ndarray, row_upper: np.ndarray, lower: np.ndarray,
              upper: np.ndarray, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Tighten the bounds of the unknowns until no row says more.

    whole   which unknowns are whole numbers
    Raises Contradiction when the bounds of an unknown cross.
    """
    rows, columns, coefficient = _entries(matrix)
    lower, upper = lower.astype(float).copy(), upper.astype(float).copy()
    positive = coefficient > 0
    for _ in range(MOST_ROUNDS):
        rest_low, rest_high = _rest(rows, columns, coefficient, lower, upper)
        with np.errstate(invalid="ignore"):
            a, b = (row_upper[rows] - rest_low) / coefficient, (row_lower[rows] - rest_high) / coefficient
        new_upper, new_lower = np.where(positive, a, b), np.where(positive, b, a)
        found_lower, found_upper = lower.copy(), upper.copy()
        np.maximum.at(found_lower, columns, np.where(np.isnan(new_lower), -np.inf, new_lower))
        np.minimum.at(found_upper, columns, np.where(np.isnan(new_upper), np.inf, new_upper))
        found_lower = np.where(whole, np.ceil(found_lower - EPS), found_lower)
        found_upper = np.where(whole, np.floor(found_upper + EPS), found_upper)
        found_lower, found_upper = np.maximum(found_lower, lower), np.minimum(found_upper, upper)
        scale = np.maximum(1.0, np.where(np.isfinite(found_lower), np.abs(found_lower), 1.0))
        crossed = found_lower > found_upper + EPS * scale
        if crossed.any():
            raise Contradiction(f"unknown {np.flatnonzero(crossed)[0]} cannot have any value")
        found_lower = np.minimum(found_lower, found_upper)
        with np.errstate(invalid="ignore"):  # an infinite bound that stays infinite has not moved
            moved = (found_lower - lower > EPS * scale) | (upper - found_upper > EPS * scale)
        lower, upper = found_lower, found_upper
        if not moved.any():
            break
    return lower, upper


def _entries(matrix: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return rows, matrix.indices, matrix.data


def _ends(coefficient: np.ndarray, columns: np.ndarray, lower: np.ndarray, upper: np.ndarray
          ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    positive = coefficient > 0
    low = coefficient * np.where(positive, lower[columns], upper[columns])
    return low, coefficient * np.where(positive, upper[columns], lower[columns])


def _rest(rows: np.ndarray, columns: np.ndarray, coefficient: np.ndarray, lower: np.ndarray, upper: np.ndarray
          ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Give, per entry, the least and largest sum of the other entries of its row."""
    rests = []
    for own, endless in zip(_ends(coefficient, columns, lower, upper), (-np.inf, np.inf)):
        infinite = np.isinf(own)
        finite = np.where(infinite, 0.0, own)
        total, count = np.bincount(rows, finite), np.bincount(rows, infinite)
        others = count[rows] - infinite
        rests.append(np.where(others > 0, endless, total[rows] - finite))
    return rests[0], rests[1]
