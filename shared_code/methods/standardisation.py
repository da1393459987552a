"""Direct and indirect standardisation from counts per band, summed over sites first."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import Floats, normal_quantile, plain, reasons, require, require_not_negative
from shared_code.methods.intervals import poisson_interval, wilson
from shared_code.methods.results import Estimate, Ratio

FEWEST = 10  # cases or events below which a standardised value is not given (Morris et al. 2018; OHID)

_TOO_FEW = f"fewer than {FEWEST} in all bands together"
_EMPTY = "a band has nobody in it: merge bands, in every group compared"
_WITHHELD = "a band is withheld"


class Standardised(NamedTuple):
    """Hold a weighted mean and its variance.

    >>> Standardised(estimate=0.25, variance=0.0001).estimate
    0.25
    """

    estimate: Any
    variance: Any


def standardise(values: ArrayLike, variances: ArrayLike, weights: ArrayLike) -> Standardised:
    """Average band values with standard weights: sum(W v) and sum(W^2 var) with W scaled to sum to 1.

    values, variances: shape (..., bands), any unit and its square; weights: (bands,) or broadcastable.
    A band of weight 0 does not count, whatever its value; nan in any other band gives nan.
    Method: Eurostat 2013; METHODS 3. Raises ValueError for weights that are negative or all 0.

    >>> s = standardise([0.1, 0.3], [0.0004, 0.0016], [3, 1])
    >>> print(f"{s.estimate:.3f} {s.variance:.6f}")
    0.150 0.000325
    """
    v, var = np.asarray(values, dtype=float), np.asarray(variances, dtype=float)
    w = np.asarray(weights, dtype=float)
    require((w >= 0) & np.isfinite(w), "standardise", "a weight is negative or missing", "Weights are 0 or more",
            "Take them from `standard_weights` with the edges of these bands")
    require(w.sum(axis=-1) > 0, "standardise", "all weights are 0", "At least one band has weight",
            "Check the age range of the standard population")
    require(w.shape[-1:] in {v.shape[-1:], (1,)}, "standardise", f"{w.shape[-1:]} weights for {v.shape[-1:]} bands",
            "There is one weight per band", "Take the weights from the edges of these bands")
    w = w / w.sum(axis=-1, keepdims=True)
    counts = w > 0
    if not counts.all():
        v, var = np.where(counts, v, 0), np.where(counts, var, 0)
    return Standardised(plain(np.einsum("...b,...b->...", v, w)), plain(np.einsum("...b,...b->...", var, w**2)))


def standardised_proportion(
    cases: ArrayLike | None = None,
    people: ArrayLike | None = None,
    weights: ArrayLike = (),
    *,
    proportions: ArrayLike | None = None,
    variances: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Standardise a proportion directly, with a Wilson interval on the effective sample size.

    cases, people: shape (..., bands), counts; weights: (bands,). Instead of the binomial p = cases/people and
    p(1-p)/people, `proportions` and `variances` per band may come from elsewhere, such as `censored_proportion`;
    cases and people (fitted ones) then serve the rules below, and without them those rules are the caller's.
    Result per leading shape, 0 to 1; nan with a `reason` when a band is withheld (nan), has nobody in it, or there are
    fewer than 10 cases. n* = v(1-v)/Var; when every band is all or nobody, n* is the people.
    Method: METHODS 3; Dobson et al. 1991 gives wider limits for common conditions.
    Raises ValueError as `wilson` and `standardise` do, or when neither counts nor proportions are given.

    >>> s = standardised_proportion([20, 60], [400, 300], [2, 1])
    >>> print(f"{s.estimate:.4f} ({s.lower:.4f} to {s.upper:.4f})")
    0.1000 (0.0811 to 0.1227)
    """
    where = "standardised_proportion"
    given = cases is not None and people is not None
    require(np.size(weights) > 0, where, "there are no weights", "One weight per band", "Pass `weights`")
    require(given or (proportions is not None and variances is not None), where, "the bands have no values",
            "Either `cases` and `people`, or `proportions` and `variances`", "Pass one of the two pairs")
    used = np.asarray(weights, dtype=float) > 0
    p, var = proportions, variances
    empty, count, all_people = np.asarray(False), np.asarray(float(FEWEST)), np.asarray(np.nan)
    if given:
        x, n = np.broadcast_arrays(np.asarray(cases, dtype=float), np.asarray(people, dtype=float))
        own = wilson(x, n, confidence).estimate  # checks the counts and gives nan for an empty band
        p = own if p is None else np.asarray(p, dtype=float)
        var = p * (1 - p) / np.where(n > 0, n, np.nan) if var is None else var
        empty, count, all_people = ((n == 0) & used).any(axis=-1), _sum(x, used), _sum(n, used)
    p, var = np.asarray(p, dtype=float), np.asarray(var, dtype=float)
    require(~((p < 0) | (p > 1)), where, "a proportion lies outside 0 to 1", "Proportions lie between 0 and 1",
            "Divide percentages by 100")
    require_not_negative(where, variances=var)

    v, total = standardise(p, var, weights)
    v = np.clip(v, 0, 1)  # weights that add up to 1 only nearly must not push it out
    unknown = np.isnan(v) | np.isnan(total) | np.isnan(count)
    reason = reasons(np.shape(v), (empty, _EMPTY), (unknown, _WITHHELD), (count < FEWEST, _TOO_FEW))
    keep = reason == ""
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.where(np.asarray(total) > 0, v * (1 - v) / np.asarray(total), all_people)
    interval = wilson(np.where(keep, v * effective, np.nan), np.where(keep, effective, np.nan), confidence)
    estimate, se = np.where(keep, v, np.nan), np.where(keep, np.sqrt(total), np.nan)
    return Estimate(plain(estimate), interval.lower, interval.upper, plain(se), reason)


def dobson_rate(
    events: ArrayLike,
    person_time: ArrayLike,
    weights: ArrayLike,
    multiplier: float = 100_000,
    squares: ArrayLike | None = None,
    *,
    variances: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Standardise a rate directly, with Dobson's interval.

    events, person_time: shape (..., bands); weights: (bands,); the result is per `multiplier` of person-time.
    squares: sum over people of squared events per band, for events that repeat in the same person (admissions);
    without it events are Poisson. variances: of the band rates (per person-time, squared), if they come from a fit.
    nan with a `reason` when a band is withheld (nan), has no person-time, or there are fewer than 10 events.
    Method: Dobson et al. 1991, Stat Med 10:457; non-independent events as in the Fingertips technical guidance.
    Raises ValueError for negative input, or when both squares and variances are given.

    >>> r = dobson_rate([8, 30], [4000.0, 2000.0], [3, 1], multiplier=1000)
    >>> print(f"{r.estimate:.3f} ({r.lower:.3f} to {r.upper:.3f})")
    5.250 (3.689 to 7.239)
    """
    where = "dobson_rate"
    x, t = np.broadcast_arrays(np.asarray(events, dtype=float), np.asarray(person_time, dtype=float))
    require_not_negative(where, events=x, person_time=t)
    require(squares is None or variances is None, where, "both squares and variances are given",
            "At most one of them says how uncertain a band is", "Drop one")
    used = np.asarray(weights, dtype=float) > 0
    empty = t == 0
    time = np.where(empty, np.nan, t) if empty.any() else t
    rates = x / time
    if variances is not None:
        var = np.asarray(variances, dtype=float)
        require_not_negative(where, variances=var)
    elif squares is not None:
        sum_of_squares = np.asarray(squares, dtype=float)
        require(~(sum_of_squares < x), where, "a sum of squares is below the events",
                "y squared is at least y for whole y", "Sum squared events per person, not per band")
        var = sum_of_squares / time**2
    else:
        var = rates / time

    rate, total = standardise(rates, var, weights)
    count = _sum(x, used)
    reason = reasons(
        np.shape(rate),
        ((empty & used).any(axis=-1), _EMPTY),
        (np.isnan(rate) | np.isnan(total), _WITHHELD),
        (count < FEWEST, _TOO_FEW),
    )
    keep = reason == ""
    count = np.where(keep, count, np.nan)
    limits = poisson_interval(count, confidence)
    scale = np.sqrt(total / count)
    lower, upper = rate + scale * (limits.lower - count), rate + scale * (limits.upper - count)
    values = (np.where(keep, multiplier * value, np.nan) for value in (rate, lower, upper, np.sqrt(total)))
    rate, lower, upper, se = map(plain, values)
    return Estimate(rate, lower, upper, se, reason)


def standardised_ratio(a: Estimate, b: Estimate, confidence: float = 0.95) -> Ratio:
    """Divide two independent standardised values, first by second, with log-normal limits.

    a, b: results with estimate and se in the same unit, over the same weights. nan with a `reason` where either is
    not given or not above 0. Method: SE(log) = sqrt(Var_a/a^2 + Var_b/b^2), METHODS 3.

    >>> a = Estimate(estimate=0.2, lower=0.18, upper=0.22, se=0.01, reason="")
    >>> b = Estimate(estimate=0.1, lower=0.09, upper=0.11, se=0.005, reason="")
    >>> r = standardised_ratio(a, b)
    >>> print(f"{r.estimate:.3f} ({r.lower:.3f} to {r.upper:.3f})")
    2.000 (1.741 to 2.297)
    """
    top, bottom = np.asarray(a.estimate, dtype=float), np.asarray(b.estimate, dtype=float)
    shape = np.broadcast_shapes(top.shape, bottom.shape)
    reason = reasons(
        shape,
        (np.isnan(top), "the first value is not given"),
        (np.isnan(bottom), "the second value is not given"),
        ((top <= 0) | (bottom <= 0), "a ratio needs two values above 0"),
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(np.square(a.se / top) + np.square(b.se / bottom))
        return _log_normal(top / bottom, se, reason, confidence)


def indirect_ratio(observed: ArrayLike, expected: ArrayLike, confidence: float = 0.95) -> Ratio:
    """Divide observed by expected events, with Byar's limits (exact below 10).

    observed: counts; expected: events at the reference rates, same shape. `se_log` is 1/sqrt(observed).
    nan with a `reason` where either is withheld or nothing is expected. Two indirect ratios are not comparable with
    each other, only with their own reference. Method: Breslow & Day 1987. Raises ValueError for negative input.

    >>> r = indirect_ratio(30, 20.0)
    >>> print(f"{r.estimate:.3f} ({r.lower:.3f} to {r.upper:.3f})")
    1.500 (1.012 to 2.141)
    """
    x, e = np.broadcast_arrays(np.asarray(observed, dtype=float), np.asarray(expected, dtype=float))
    require_not_negative("indirect_ratio", observed=x, expected=e)
    reason = reasons(x.shape, (np.isnan(x) | np.isnan(e), "a count is withheld"), (e == 0, "nothing is expected"))
    keep = reason == ""
    divisor = np.where(keep, e, np.nan)
    limits = poisson_interval(x, confidence)
    with np.errstate(divide="ignore"):
        se_log = np.where(keep, 1 / np.sqrt(x), np.nan)
    ratio, lower, upper = (plain(value / divisor) for value in (x, limits.lower, limits.upper))
    return Ratio(ratio, lower, upper, plain(se_log), reason)


def mantel_haenszel_ratio(
    cases_a: ArrayLike, people_a: ArrayLike, cases_b: ArrayLike, people_b: ArrayLike, confidence: float = 0.95
) -> Ratio:
    """Compare two groups over strata by the Mantel-Haenszel ratio of proportions, a over b.

    All counts: shape (..., strata). A stratum in which a group is empty carries no information and drops out; there
    is no continuity correction. nan with a `reason` where a count is withheld or either weighted sum is 0.
    Method: Greenland & Robins 1985, Biometrics 41:55. Raises ValueError for negative counts or cases above people.

    >>> r = mantel_haenszel_ratio([10, 30], [100, 100], [8, 25], [160, 150])
    >>> print(f"{r.estimate:.3f} ({r.lower:.3f} to {r.upper:.3f})")
    1.847 (1.220 to 2.797)
    """
    xa, na, xb, nb = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (cases_a, people_a, cases_b, people_b)))
    for x, n in ((xa, na), (xb, nb)):
        require_not_negative("mantel_haenszel_ratio", cases=x, people=n)
        require(~(x > n), "mantel_haenszel_ratio", "cases exceed people", "Cases lie between 0 and people",
                "Check that both were counted over the same rows")
    total = np.where(na + nb == 0, 1, na + nb)
    top, bottom = (xa * nb / total).sum(axis=-1), (xb * na / total).sum(axis=-1)
    spread = ((xa + xb) * na * nb / total**2 - xa * xb / total).sum(axis=-1)
    reason = reasons(
        np.shape(top),
        (np.isnan(top) | np.isnan(bottom), "a stratum is withheld"),
        ((top == 0) | (bottom == 0), "no stratum has cases to compare in both groups"),
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return _log_normal(top / bottom, np.sqrt(spread / (top * bottom)), reason, confidence)


def _sum(values: Floats, used: Any) -> Any:
    return np.sum(values if np.all(used) else np.where(used, values, 0), axis=-1)


def _log_normal(ratio: Any, se: Any, reason: Any, confidence: float) -> Ratio:
    ratio, se = np.where(reason == "", ratio, np.nan), np.where(reason == "", se, np.nan)
    factor = np.exp(normal_quantile(confidence) * se)
    return Ratio(plain(ratio), plain(ratio / factor), plain(ratio * factor), plain(se), reason)
