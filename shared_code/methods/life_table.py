"""Life expectancy from deaths and person-years by age band."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import Floats, normal_quantile, plain, reasons, require, require_not_negative
from shared_code.methods.results import Estimate, LifeExpectancy

FEWEST_PERSON_YEARS = 5000.0  # not computed at or below this total (Toson & Baker 2003)
WIDEST_INTERVAL = 20.0  # years of the 95 % interval; beyond it the interval is shown and the estimate is not (METHODS 2)
INFANT_FRACTION = 0.1  # share of the year lived by those who die in the band 0-1; half in every other band
STARTERS = 100_000.0  # the radix: people at the start of the table; it cancels out of every result


def life_expectancy(
    deaths: ArrayLike,
    person_years: ArrayLike,
    edges: ArrayLike,
    effective_deaths: ArrayLike | None = None,
    *,
    fewest_person_years: float = FEWEST_PERSON_YEARS,
    confidence: float = 0.95,
) -> LifeExpectancy:
    """Compute life expectancy in years at the start of every age band (abridged life table).

    deaths, person_years: shape (..., bands), summed over sites and years first; fractional deaths are allowed.
    edges: lower age edges in years, shape (bands,), rising, last band open: 0, 1, 5, ..., 90 or any other.
    effective_deaths: same shape, used in the variance only; deaths whose number was fitted (`censored_rate`) carry the
    information of fewer. Default: the deaths themselves.
    Result fields have shape (..., bands); `reason` and nothing else has shape (...): an area with person-years <= 5,000
    or withheld (nan) bands, a band without person-years, more deaths than person-years, or no death in the open band
    is nan throughout. nan also at ages that nobody reaches.
    Method: Chiang 1968 (II), a = 0.1 in the band 0-1 and 0.5 elsewhere; final interval by Silcocks et al. 2001.
    Raises ValueError for edges that do not rise or fit, negative input, or deaths without effective deaths.

    >>> e = life_expectancy([20, 30, 200], [40000, 60000, 3000], [0, 20, 65])
    >>> print(f"{e.estimate[0]:.2f} ({e.lower[0]:.2f} to {e.upper[0]:.2f})")
    78.48 (76.42 to 80.53)
    """
    where = "life_expectancy"
    d, py = np.broadcast_arrays(np.asarray(deaths, dtype=float), np.asarray(person_years, dtype=float))
    at = np.asarray(edges, dtype=float)
    require(at.ndim == 1 and at.size >= 2 and d.shape[-1:] == at.shape, where,
            f"{at.size} edges do not fit {d.shape[-1:]} bands", "There is one lower edge per band, at least two bands",
            "Check the age bands declared for this table")
    require(np.diff(at) > 0, where, "the edges do not rise", "Each edge is above the one before", "Sort the bands")
    require_not_negative(where, deaths=d, person_years=py)
    effective = d if effective_deaths is None else np.broadcast_to(np.asarray(effective_deaths, dtype=float), d.shape)
    require(~(d > 0) | (effective > 0), where, "a band has deaths but no effective deaths",
            "Effective deaths are above 0 wherever deaths are", "Take both from the same fit")

    reason = reasons(
        d.shape[:-1],
        (np.isnan(d).any(axis=-1) | np.isnan(py).any(axis=-1), "a band is withheld"),
        (py.sum(axis=-1) <= fewest_person_years, f"{fewest_person_years:,.0f} person-years or fewer"),
        ((py == 0).any(axis=-1), "a band has no person-years"),
        ((d > py).any(axis=-1), "a band has more deaths than person-years"),
        (d[..., -1] == 0, "no deaths in the open last band"),
    )
    given = np.asarray(reason == "")[..., None]
    # Areas that are not given go through the same arithmetic with harmless numbers, and become nan at the end.
    d, py, effective = np.where(given, d, 1.0), np.where(given, py, 10.0), np.where(given, effective, 1.0)

    e, variance = _table(d, py, effective, at)
    e, se = np.where(given, e, np.nan), np.where(given, np.sqrt(variance), np.nan)
    half = normal_quantile(confidence) * se
    too_wide = 2 * normal_quantile(0.95) * se > WIDEST_INTERVAL  # of the 95 % interval, whatever interval is asked for
    return LifeExpectancy(e, e - half, e + half, se, reason, at, too_wide)


def gap(a: LifeExpectancy, b: LifeExpectancy, confidence: float = 0.95) -> Estimate:
    """Subtract the life expectancies of two areas or groups without people in common, first minus second.

    a, b: results over the same bands, of the same sex. Fields: years, shape (..., bands); `reason` shape (...).
    Method: difference and sqrt(SE_a^2 + SE_b^2). Raises ValueError when the bands differ.

    >>> a = life_expectancy([20, 30, 200], [40000, 60000, 3000], [0, 20, 65])
    >>> b = life_expectancy([40, 60, 300], [40000, 60000, 3000], [0, 20, 65])
    >>> g = gap(a, b)
    >>> print(f"{g.estimate[0]:.2f} ({g.lower[0]:.2f} to {g.upper[0]:.2f})")
    6.17 (3.80 to 8.54)
    """
    require(np.array_equal(a.edges, b.edges), "gap", "the age bands differ", "Both tables have the same edges",
            "Compute both life tables from the same bands")
    difference = a.estimate - b.estimate
    se = np.hypot(a.se, b.se)
    half = normal_quantile(confidence) * se
    reason = reasons(
        difference.shape[:-1],
        (np.asarray(a.reason) != "", "the first life expectancy is not given"),
        (np.asarray(b.reason) != "", "the second life expectancy is not given"),
    )
    return Estimate(difference, difference - half, difference + half, se, reason)


def _table(d: Floats, py: Floats, effective: Floats, at: Floats) -> tuple[Any, Any]:
    """Return expectancy and variance at every band start; shapes (..., bands)."""
    width = np.diff(at)
    lived = np.full(width.size, 0.5)  # a: share of the band lived by those who die in it
    if at[0] == 0 and at[1] == 1:
        lived[0] = INFANT_FRACTION
    rate = d / py
    closed, last = rate[..., :-1], rate[..., -1:]
    dies = np.minimum(width * closed / (1 + width * (1 - lived) * closed), 1.0)  # q
    start = np.full((*d.shape[:-1], 1), STARTERS)
    alive = np.concatenate([start, STARTERS * np.cumprod(1 - dies, axis=-1)], axis=-1)  # l
    years = np.concatenate(
        [width * (alive[..., 1:] + lived * (alive[..., :-1] - alive[..., 1:])), alive[..., -1:] / last], axis=-1
    )  # L
    reached = np.where(alive > 0, alive, np.nan)
    e = _sum_from_each_band(years) / reached

    known = np.where(d > 0, effective, 1.0)  # where nobody died, q = 0 and the term is 0
    spread = dies**2 * (1 - dies) / known[..., :-1]
    after = np.nan_to_num(e[..., 1:])  # an age that nobody reaches has q = 1 before it and spread 0
    terms = np.square(alive[..., :-1] * ((1 - lived) * width + after)) * spread
    final = np.square(alive[..., -1:]) / (known[..., -1:] * np.square(last))
    return e, _sum_from_each_band(np.concatenate([terms, final], axis=-1)) / np.square(reached)


def _sum_from_each_band(values: Floats) -> Any:
    return plain(np.cumsum(values[..., ::-1], axis=-1)[..., ::-1])
