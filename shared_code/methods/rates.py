"""Rates and indirectly standardised rates from events and person-time, summed over sites first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import normal_quantile, plain, reasons, require, require_not_negative
from shared_code.methods.intervals import poisson_interval
from shared_code.methods.results import Ratio
from shared_code.methods.standardisation import indirect_ratio


def rate(
    events: ArrayLike,
    person_time: ArrayLike,
    multiplier: float = 100_000,
    squares: ArrayLike | None = None,
    *,
    products: ArrayLike | None = None,
    time_squares: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Ratio:
    """Divide events by person-time, with limits for events that happen once or that repeat in the same person.

    events, person_time: any matching shape, summed over sites; the result is per `multiplier` of person-time.
    Without `squares` events are Poisson: exact limits below 10, Byar's from 10 (OHID). squares: sum over people of their
    events squared, for admissions, attendances and other events that repeat; then the robust standard error of the log
    rate is sqrt(sum (y - r t)^2) / sum y, which needs also `products` (sum of y t) and `time_squares` (sum of t^2). Left
    out, they count as 0, which is close where everyone is followed for about as long, and slightly too wide.
    `se_log` is that of the log rate (Poisson: 1/sqrt(events)). nan with a `reason` where a count is withheld or nobody
    was followed. Repeating events that did not happen have an estimate of 0 and no limits: how they cluster is unknown.
    Method: METHODS 0.1. Raises ValueError for negative input, squares below events, or only one of the two products.

    >>> once, repeated = rate(312, 1190, 100), rate(312, 1190, 100, squares=1184)
    >>> print(f"{once.estimate:.2f} ({once.lower:.2f} to {once.upper:.2f}), robust {repeated.lower:.2f} to {repeated.upper:.2f}")
    26.22 (23.39 to 29.30), robust 21.12 to 32.54
    """
    where = "rate"
    x, t = np.broadcast_arrays(np.asarray(events, dtype=float), np.asarray(person_time, dtype=float))
    require_not_negative(where, events=x, person_time=t)
    require((products is None) == (time_squares is None), where, "one of products and time_squares is missing",
            "Both or neither", "Release sum(y t) and sum(t^2) together")
    require(squares is not None or products is None, where, "products are given without squares",
            "They only matter for events that repeat", "Pass `squares`")
    rules: list[tuple[Any, str]] = [
        (np.isnan(x) | np.isnan(t), "a count is withheld"), (t == 0, "there is no person-time"),
    ]  # fmt: skip
    time = np.where(t > 0, t, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = x / time
        if squares is None:
            limits = poisson_interval(np.where(np.isnan(time), np.nan, x), confidence)
            se_log = 1 / np.sqrt(np.where(np.isnan(value), np.nan, x))
            lower, upper = limits.lower / time, limits.upper / time
        else:
            y2 = np.asarray(squares, dtype=float)
            require(~(y2 < x), where, "a sum of squares is below the events", "y squared is at least y for whole y",
                    "Sum squared events per person, not per cell")
            spread = y2
            if products is not None and time_squares is not None:
                spread = y2 - 2 * value * np.asarray(products, dtype=float) + value**2 * np.asarray(time_squares, dtype=float)
            se_log = np.where(x > 0, np.sqrt(np.maximum(spread, 0)) / np.where(x > 0, x, np.nan), np.nan)
            factor = np.exp(normal_quantile(confidence) * se_log)
            lower, upper = value / factor, value * factor
            rules += [(np.isnan(y2), "a count is withheld"), (x == 0, "no events: how they would cluster is unknown")]
            value = np.where(np.isnan(y2), np.nan, value)
    reason = reasons(np.broadcast_shapes(x.shape, np.shape(value)), *rules)
    return Ratio(plain(multiplier * value), plain(multiplier * lower), plain(multiplier * upper), plain(se_log), reason)


def expected_events(person_time: ArrayLike, reference_rates: ArrayLike) -> Any:
    """Add up the events expected at reference rates: sum over bands of person-time times rate.

    person_time: shape (..., bands), summed over sites; reference_rates: (bands,) or broadcastable, per unit of the same
    person-time and the same at every site. Result: shape (...), events; nan where a band that counts is withheld. A band
    whose reference rate is 0 expects nothing, whatever its person-time. Raises ValueError for negative input.

    >>> round(float(expected_events([310, 820], [0.0003, 0.0006])), 3)
    0.585
    """
    t, r = np.broadcast_arrays(np.asarray(person_time, dtype=float), np.asarray(reference_rates, dtype=float))
    require_not_negative("expected_events", person_time=t, reference_rates=r)
    require(np.isfinite(r), "expected_events", "a reference rate is missing", "Every band has one",
            "Use a reference with the bands of this table")
    return plain(np.sum(np.where(r > 0, t * r, 0.0), axis=-1))


def indirect_rate(
    observed: ArrayLike,
    expected: ArrayLike,
    reference_rate: float,
    multiplier: float = 100_000,
    confidence: float = 0.95,
) -> Ratio:
    """Standardise a rate indirectly: observed over expected events times the crude rate of the reference.

    observed, expected: any matching shape (`expected_events`); reference_rate: all events over all person-time of the
    reference. Result per `multiplier`. nan with a `reason` as in `indirect_ratio`, and only as comparable as that.
    Method: OHID (exact limits below 10 events, Byar's from 10). Raises ValueError for negative input.

    >>> r = indirect_rate(30, 20.0, 0.01, multiplier=1000)
    >>> print(f"{r.estimate:.2f} ({r.lower:.2f} to {r.upper:.2f})")
    15.00 (10.12 to 21.41)
    """
    require(reference_rate >= 0, "indirect_rate", f"the reference rate is {reference_rate}", "A rate is 0 or more",
            "Divide all events of the reference by all its person-time")
    ratio = indirect_ratio(observed, expected, confidence)
    scale = multiplier * reference_rate
    return Ratio(scale * ratio.estimate, scale * ratio.lower, scale * ratio.upper, ratio.se_log, ratio.reason)
