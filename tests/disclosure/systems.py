"""Small systems of relations between numbers, drawn or written down, for the tests of the audit and of what it leads to."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from scipy import sparse

from shared_code.disclosure.system import System

INF = np.inf


def drawn(seed: int, endless: bool = True) -> SimpleNamespace:
    """Draw a few relations between a few whole numbers, with ranges that hold them; some ends are missing."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(3, 7)), int(rng.integers(1, 5))
    a = rng.choice([0, 0, 1, 1, -1, 2], (m, n)).astype(float)
    truth = rng.integers(0, 6, n).astype(float)
    low = truth - rng.choice([0, 0, 1, 3], n)
    high = truth + rng.choice([0, 0, 1, 4], n)
    total = a @ truth
    row_low, row_high = total - rng.choice([0, 0, 0, 1, 2.5], m), total + rng.choice([0, 0, 0, 1, 2.5], m)
    if endless:
        low, high = np.where(rng.random(n) < 0.15, -INF, low), np.where(rng.random(n) < 0.15, INF, high)
        row_low = np.where(rng.random(m) < 0.2, -INF, row_low)
    return SimpleNamespace(matrix=sparse.csr_matrix(a), a=a, row_lower=row_low, row_upper=row_high, truth=truth, low=low,
                           high=high, size=n, whole=rng.random(n) < 0.6, kept=rng.random(m) < 0.8)  # fmt: skip


def ends(row: np.ndarray, low: np.ndarray, high: np.ndarray, without: int = -1) -> tuple[float, float]:
    """Give the least and the largest sum of a row, term by term."""
    terms = [(a * low[j], a * high[j]) if a > 0 else (a * high[j], a * low[j])
             for j, a in enumerate(row) if a and j != without]  # fmt: skip
    return sum(t[0] for t in terms), sum(t[1] for t in terms)


def system(a: list[list[float]], truth: list[float], row_slack: float = 0.0, **more) -> System:
    """Make a system of numbers that may all be withheld; nothing follows anything unless said."""
    n, matrix, x = len(truth), sparse.csr_matrix(np.array(a, float).reshape(-1, len(truth))), np.array(truth, float)
    total, nobody = matrix @ np.nan_to_num(x), np.array([], int)
    made = {
        "truth": x, "kind": np.zeros(n, int), "lower": x, "upper": x, "floor": np.ones(n), "told_lower": np.full(n, -INF),
        "told_upper": np.full(n, INF), "again": np.zeros(n, bool), "primary": np.zeros(n, bool),
        "cost": np.ones(n), "need_width": np.full(n, 9.0), "need_max": np.full(n, 10.0), "need_min": np.full(n, INF),
        "parent": nobody, "child": nobody, "one_way": nobody.astype(bool), "matrix": matrix, "row_lower": total - row_slack,
        "row_upper": total + row_slack, "cells": {}, "whole": np.full(n, -1),
    }  # fmt: skip
    return System(**{**made, **{name: np.asarray(value) for name, value in more.items()}})
