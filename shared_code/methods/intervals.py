"""Intervals for the basic quantities, and rounding half up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincinv

from shared_code.methods.checks import normal_quantile, plain, reasons, require, require_not_negative
from shared_code.methods.results import Estimate, Interval

EXACT_BELOW = 10  # events; exact chi-square limits below, Byar's approximation from here on (OHID practice)


def wilson(cases: ArrayLike, people: ArrayLike, confidence: float = 0.95) -> Interval:
    """Give a proportion with its Wilson score interval.

    cases, people: counts of any matching shape; effective (fractional) counts are allowed. Result in 0 to 1.
    Where there are no people, or a count is nan (withheld), all three fields are nan.
    Method: Wilson 1927, J Am Stat Assoc 22:209. Raises ValueError for negative counts or cases above people.

    >>> w = wilson(45210, 49876)
    >>> print(f"{w.estimate:.6f} ({w.lower:.6f} to {w.upper:.6f})")
    0.906448 (0.903861 to 0.908972)
    """
    x, n = np.broadcast_arrays(np.asarray(cases, dtype=float), np.asarray(people, dtype=float))
    require_not_negative("wilson", cases=x, people=n)
    require(~(x > n), "wilson", "cases exceed people", "Cases lie between 0 and people",
            "Check that both were counted over the same rows")
    z = normal_quantile(confidence)
    n = np.where(n > 0, n, np.nan)
    p = x / n
    middle = 2 * x + z**2
    half = z * np.sqrt(z**2 + 4 * x * (1 - p))
    lower = np.where(x == 0, 0 * n, (middle - half) / (2 * (n + z**2)))
    upper = np.where(x == n, 1 + 0 * n, (middle + half) / (2 * (n + z**2)))
    # The last digit of floating-point arithmetic must not push a limit past the estimate or out of 0 to 1.
    return Interval(plain(p), plain(np.clip(lower, 0, p)), plain(np.clip(upper, p, 1)))


def poisson_interval(events: ArrayLike, confidence: float = 0.95) -> Interval:
    """Give limits for the mean of a count: exact chi-square below 10 events, Byar's approximation from 10.

    events: counts of any shape; effective (fractional) counts are allowed; nan stays nan. Result in events: divide by
    person-time for a rate, by expected events for a ratio. For repeatable events (admissions) it is too narrow.
    Method: Garwood 1936; Byar in Breslow & Day 1987, vol. II, p. 69. Raises ValueError for negative counts.

    >>> p = poisson_interval([0, 4, 10])
    >>> p.lower.round(4), p.upper.round(4)
    (array([0.    , 1.0899, 4.7874]), array([ 3.6889, 10.2416, 18.3915]))
    """
    x = np.asarray(events, dtype=float)
    require_not_negative("poisson_interval", events=x)
    z = normal_quantile(confidence)
    alpha = (1 - confidence) / 2
    few = np.where(x < EXACT_BELOW, x, np.nan)
    many = np.where(x >= EXACT_BELOW, x, np.nan)
    # Half a chi-square quantile with 2k degrees of freedom is the quantile of a gamma of shape k.
    exact_lower = np.where(few == 0, 0.0, gammaincinv(np.where(few > 0, few, np.nan), alpha))
    exact_upper = gammaincinv(few + 1, 1 - alpha)
    byar_lower = many * (1 - 1 / (9 * many) - z / (3 * np.sqrt(many))) ** 3
    byar_upper = (many + 1) * (1 - 1 / (9 * (many + 1)) + z / (3 * np.sqrt(many + 1))) ** 3
    lower = np.where(x < EXACT_BELOW, exact_lower, byar_lower)
    upper = np.where(x < EXACT_BELOW, exact_upper, byar_upper)
    return Interval(plain(x), plain(lower), plain(upper))


def newcombe_difference(
    x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, confidence: float = 0.95
) -> Interval:
    """Give the difference of two independent proportions, first minus second.

    x1, x2: cases; n1, n2: people; any matching shape. Result in -1 to 1; nan where either proportion is nan.
    Method: Newcombe 1998, Stat Med 17:873, method 10 (square-and-add of Wilson limits). Raises as `wilson` does.

    >>> d = newcombe_difference(56, 70, 48, 80)
    >>> print(f"{d.estimate:.4f} ({d.lower:.4f} to {d.upper:.4f})")
    0.2000 (0.0524 to 0.3339)
    """
    first, second = wilson(x1, n1, confidence), wilson(x2, n2, confidence)
    difference = first.estimate - second.estimate
    lower = difference - np.hypot(first.estimate - first.lower, second.upper - second.estimate)
    upper = difference + np.hypot(first.upper - first.estimate, second.estimate - second.lower)
    return Interval(plain(difference), plain(lower), plain(upper))


def round_half_up(value: ArrayLike, base: float = 1) -> Any:
    """Round to a multiple of `base`, halves upwards: floor(value / base + 1/2) * base, without its rounding error.

    value: numbers of any shape; whole numbers stay whole numbers, nan stays nan. Python and NumPy round half to even,
    which would turn 12.5 / 5 into 2. Exact for a whole base; a decimal base such as 0.1 compares the stored binary
    numbers. Raises ValueError for a base that is not above zero.

    >>> round_half_up([8, 12, 13, 17, 22, 23], 5)
    array([10, 10, 15, 15, 20, 25])
    >>> round_half_up(-2.5, 1), round_half_up(0.49999999999999994, 1)
    (np.float64(-2.0), np.float64(0.0))
    """
    _require_base("round_half_up", base)
    x = np.asarray(value)
    if x.dtype.kind in "iu" and float(base).is_integer():
        b = int(base)
        return plain((x + b // 2) // b * b)
    x = x.astype(float)
    rest = np.fmod(x, base)  # exact, with the sign of x; value / base + 0.5 is not
    step = np.where(2 * rest >= base, base, np.where(2 * rest < -base, -base, 0.0))
    return plain(x - rest + step + 0.0)  # adding 0.0 turns -0.0 into 0.0


def round_midpoint(value: ArrayLike, base: int = 6) -> Any:
    """Round a count to the middle of its group of `base`: 0 stays 0, 1 to 6 become 3, 7 to 12 become 9.

    value: whole numbers >= 0 of any shape; nan stays nan. Method: midpoint-6 rounding (OpenSAFELY).
    Raises ValueError for negative or broken counts, or a base that is not a whole number above zero.

    >>> round_midpoint([0, 1, 6, 7, 100])
    array([ 0,  3,  3,  9, 99])
    """
    _require_base("round_midpoint", base)
    x = np.asarray(value)
    require_not_negative("round_midpoint", value=x.astype(float))
    require(~(x % 1 > 0) & (base % 1 == 0), "round_midpoint", "a value or the base is not whole",
            "Counts and their base are whole numbers", "Round the counts, never a rate computed from them")
    group_end = (x + base - 1) // base * base
    return plain(np.where(x == 0, x, group_end - base // 2))


def _require_base(where: str, base: float) -> None:
    require(base > 0, where, f"the base is {base}", "A base is above zero", "Write 5 to round to a multiple of 5")


def difference(a: Estimate, b: Estimate, confidence: float = 0.95) -> Estimate:
    """Subtract two independent estimates, first minus second, with normal limits.

    a, b: results with estimate and se in the same unit, over groups without people in common; not given where either is
    not. Method: sqrt(SE_a^2 + SE_b^2).

    >>> d = difference(Estimate(3.0, 2.0, 4.0, 0.5, ""), Estimate(1.0, 0.2, 1.8, 0.4, ""))
    >>> print(f"{d.estimate:.2f} ({d.lower:.2f} to {d.upper:.2f})")
    2.00 (0.75 to 3.25)
    """
    value, se = np.asarray(a.estimate) - np.asarray(b.estimate), np.hypot(a.se, b.se)
    half = normal_quantile(confidence) * se
    missing = [(np.isnan(x.estimate), f"the {which} value is not given") for x, which in ((a, "first"), (b, "second"))]
    reason = reasons(np.shape(value), *missing)
    return Estimate(plain(value), plain(value - half), plain(value + half), plain(se), reason)
