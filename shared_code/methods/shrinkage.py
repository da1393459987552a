"""Stabilising rates of small areas: each is drawn towards the average, the more so the less it is based on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import require, require_not_negative


class Shrunk(NamedTuple):
    """Hold shrunken ratios of areas: the ratio and its standard error per area, the average and the spread of the truth.

    >>> Shrunk(estimate=1.0, se=0.1, mean=1.1, between=0.02).mean
    1.1
    """

    estimate: Any
    se: Any
    mean: float
    between: float


def empirical_bayes(observed: ArrayLike, expected: ArrayLike) -> Shrunk:
    """Draw observed over expected of each area towards the average of all (Marshall's global empirical Bayes).

    observed, expected: shape (areas,), counts and what they would be at a common rate (or people, for plain rates).
    r = O/E; m = sum O / sum E; A = max(0, sum E (r - m)^2 / sum E - m / mean E); r_eb = m + A / (A + m/E) (r - m).
    `se` is the posterior one, sqrt(A m/E / (A + m/E)). An area with nothing expected, or without a count (nan), is nan
    and does not speak of the others. Method: Marshall 1991, Appl Stat 40:283; METHODS 5 step 2.
    Raises ValueError for negative input, or where nothing is expected anywhere.

    >>> s = empirical_bayes([3, 11, 25], [6.1, 10.2, 15.8])
    >>> print(f"{s.mean:.3f} {s.between:.3f}", s.estimate.round(3))
    1.215 0.058 [1.052 1.17  1.373]
    """
    where = "empirical_bayes"
    o, e = np.broadcast_arrays(np.asarray(observed, dtype=float), np.asarray(expected, dtype=float))
    require_not_negative(where, observed=o, expected=e)
    use = np.isfinite(o) & (e > 0)
    require(use.any(), where, "nothing is expected in any area", "At least one area with people", "Check the join")
    rate = np.divide(o, e, out=np.full(o.shape, np.nan), where=use)
    m = float(o[use].sum() / e[use].sum())
    spread = float((e[use] * (rate[use] - m) ** 2).sum() / e[use].sum() - m / e[use].mean())
    between = max(0.0, spread)
    if m == 0:
        return Shrunk(np.where(use, 0.0, np.nan), np.where(use, 0.0, np.nan), 0.0, 0.0)
    within = np.divide(m, e, out=np.full(e.shape, np.nan), where=use)
    kept = between / (between + within)
    return Shrunk(m + kept * (rate - m), np.sqrt(kept * within), m, between)
