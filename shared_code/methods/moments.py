"""Means, standard deviations and correlations from sums that add up over sites."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from shared_code.methods.checks import plain, reasons, require, require_not_negative
from shared_code.methods.results import Interval, Mean


def mean(people: ArrayLike, total: ArrayLike, squares: ArrayLike, confidence: float = 0.95) -> Mean:
    """Give the mean and standard deviation of a quantity from its sum and sum of squares.

    people, total, squares: any matching shape, summed over sites first (an average of site means or of site standard
    deviations is wrong). Result: mean with Student's limits on people - 1 degrees of freedom, `sd` with divisor
    people - 1, `se` of the mean. With one person there is a mean and nothing else. nan with a `reason` where a sum is
    withheld, nobody has a value, or the squares are smaller than the mean allows (rounded sums).
    Method: METHODS 10.1; limits as OHID's. Raises ValueError for negative people or squares.

    >>> m = mean(5, 20.0, 90.0)
    >>> print(f"{m.estimate:.2f} ({m.lower:.2f} to {m.upper:.2f}), sd {m.sd:.3f}")
    4.00 (2.04 to 5.96), sd 1.581
    """
    n, s, q = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (people, total, squares)))
    require_not_negative("mean", people=n, squares=q)
    require((confidence > 0) & (confidence < 1), "mean", f"{confidence} is not a confidence level",
            "It is a number between 0 and 1", "Write 0.95 for 95 %")
    withheld = np.isnan(n) | np.isnan(s) | np.isnan(q)
    n_ = np.where(n > 0, n, np.nan)
    value = s / n_
    with np.errstate(invalid="ignore"):
        centred = q - s * value
        slack = 1e-12 * np.abs(q)  # the last digits of floating-point sums
        impossible = centred < -slack
        df = np.where(n_ > 1, n_ - 1, np.nan)
        sd = np.sqrt(np.where(impossible, np.nan, np.maximum(centred, 0.0)) / df)
        se = sd / np.sqrt(n_)
        half = stdtrit(df, 0.5 + confidence / 2) * se
    reason = reasons(
        n.shape, (withheld, "a sum is withheld"), (n == 0, "nobody has a value"),
        (impossible, "the sum of squares is smaller than the mean allows"), (n == 1, "one person: no spread"),
    )  # fmt: skip
    value = np.where(withheld, np.nan, value)
    return Mean(*map(plain, (value, value - half, value + half, se)), reason, plain(sd))


def correlation(
    people: ArrayLike, sum_a: ArrayLike, sum_b: ArrayLike, squares_a: ArrayLike, squares_b: ArrayLike, products: ArrayLike,
    confidence: float = 0.95,
) -> Interval:  # fmt: skip
    """Give the correlation of two quantities from sums, squares and products over the same people.

    Every argument: any matching shape, summed over sites first. Result in -1 to 1 with limits by Fisher's transformation
    (four people or more); nan where a sum is withheld, or where one of the two does not vary.
    Method: METHODS 10.1; Fisher 1921. Raises ValueError for negative people or squares.

    >>> r = correlation(5, 15, 30, 55, 220, 109)
    >>> print(f"{r.estimate:.4f} ({r.lower:.4f} to {r.upper:.4f})")
    0.9500 (0.4185 to 0.9968)
    """
    n, a, b, aa, bb, ab = np.broadcast_arrays(
        *(np.asarray(v, dtype=float) for v in (people, sum_a, sum_b, squares_a, squares_b, products))
    )
    require_not_negative("correlation", people=n, squares_a=aa, squares_b=bb)
    require((confidence > 0) & (confidence < 1), "correlation", f"{confidence} is not a confidence level",
            "It is a number between 0 and 1", "Write 0.95 for 95 %")
    with np.errstate(divide="ignore", invalid="ignore"):
        spread_a, spread_b, both = aa - a * a / n, bb - b * b / n, ab - a * b / n
        varies = (spread_a > 1e-12 * aa) & (spread_b > 1e-12 * bb)
        r: Any = np.clip(both / np.sqrt(np.where(varies, spread_a * spread_b, np.nan)), -1, 1)
        half = ndtri(0.5 + confidence / 2) / np.sqrt(np.where(n > 3, n - 3, np.nan))
        middle = np.arctanh(r)
        return Interval(plain(r), plain(np.tanh(middle - half)), plain(np.tanh(middle + half)))
