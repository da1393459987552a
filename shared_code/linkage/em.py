"""Expectation maximisation for Fellegi and Sunter's model from counts of agreement patterns.

Two classes of pairs, fields independent within a class (Winkler 1988; methods specification, section 12.5). Splink
trains the working model; this small version is what its parameters are checked against, and it needs no engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mixture:
    """Hold the share of matching pairs, and per field P(agree | match) and P(agree | non-match)."""

    share: float
    m: np.ndarray
    u: np.ndarray
    rounds: int


def fit(counts: Mapping[str, float], share: float, m: Sequence[float], u: Sequence[float], *, fixed_u: bool = False,
        tolerance: float = 1e-12, most_rounds: int = 5000) -> Mixture:  # fmt: skip
    """Estimate the mixture from pattern counts, starting at (share, m, u).

    counts   pattern -> pairs; a pattern is one character a field: 1 agrees, 0 disagrees, - missing (says nothing)
    fixed_u  keep u, which random pairs give

    >>> found = fit({"11": 90, "10": 19, "01": 109, "00": 9782}, 0.1, [0.8, 0.8], [0.01, 0.01], fixed_u=True)
    >>> round(found.share, 4), round(float(found.m[0]), 2)
    (0.01, 0.89)
    """
    weight = np.array(list(counts.values()), dtype=float)
    agree = np.array([[c == "1" for c in pattern] for pattern in counts], dtype=float)
    known = np.array([[c != "-" for c in pattern] for pattern in counts], dtype=float)
    probability_m, probability_u = np.array(m, dtype=float), np.array(u, dtype=float)
    before = np.inf
    rounds = 0
    while rounds < most_rounds:
        rounds += 1
        matching = share * _likelihood(probability_m, agree, known)
        other = (1 - share) * _likelihood(probability_u, agree, known)
        is_match = weight * matching / (matching + other)
        share = is_match.sum() / weight.sum()
        probability_m = (is_match @ agree) / (is_match @ known)
        if not fixed_u:
            probability_u = ((weight - is_match) @ agree) / ((weight - is_match) @ known)
        now = float(weight @ np.log(matching + other))
        if abs(now - before) <= tolerance * abs(now):
            break
        before = now
    return Mixture(float(share), probability_m, probability_u, rounds)


def _likelihood(probability: np.ndarray, agree: np.ndarray, known: np.ndarray) -> np.ndarray:
    return np.prod(np.where(known == 1, np.where(agree == 1, probability, 1 - probability), 1.0), axis=1)
