"""Ages at onset from events and person-years by age band: hazards that are constant within each band."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import Floats, normal_quantile, plain, reasons, require, require_not_negative
from shared_code.methods.results import Estimate, Interval

_WITHHELD, _EMPTY = "a band is withheld", "a band has no person-years"


def onset_quantile(
    edges: ArrayLike, events: ArrayLike, person_years: ArrayLike, q: float = 0.5, confidence: float = 0.95,
    *, delta: bool = False, variances: ArrayLike | None = None,
) -> Estimate:  # fmt: skip
    """Give the age by which a share q of people would have had the event, if nothing else took them away.

    edges: lower age edges in years, rising; one more than the bands closes the last band, as many leave it open.
    events, person_years: shape (..., bands), summed over sites first (an average of site medians, or the mean age of
    those who had the event, is wrong). Everybody is free of the event at the first edge; entry may be later (delayed
    entry is in the person-years). Result: years, shape (...); nan with a `reason` where a band up to that age is withheld
    or has no person-years, or where the share is not reached before the end (of the last closed band).
    Method: METHODS 3: cumulative hazard H = sum of width x events / person-years, linear within a band; the age where
    H = -ln(1 - q); SE = sqrt(Var H) / hazard there, with Var H linear within the band, too, a little wide;
    `delta` takes it in full (Var of H at that age itself). variances: of the hazards, where more than sampling is uncertain
    (withheld events); by default events / person-years squared. Raises ValueError for unusable edges, negative input, or a
    q that is not between 0 and 1.

    >>> o = onset_quantile([20, 40, 60, 80], [200, 900, 1500], [40000, 30000, 15000])
    >>> print(f"{o.estimate:.2f} ({o.lower:.2f} to {o.upper:.2f})")
    59.77 (58.39 to 61.15)
    """
    where = "onset_quantile"
    require(0 < q < 1, where, f"q is {q}", "It lies between 0 and 1", "Write 0.5 for the median")
    d, y, at, width = _bands(where, edges, events, person_years)
    hazard = d / np.where(y > 0, y, np.nan)
    reached = np.cumsum(hazard * width, axis=-1)
    target = -np.log1p(-q)
    inside = reached >= target
    found = inside.any(axis=-1)
    band = np.where(found, inside.argmax(axis=-1), 0)[..., None]
    in_band = np.take_along_axis(hazard, band, axis=-1)
    before = np.take_along_axis(reached, band, axis=-1) - in_band * width[band]
    with np.errstate(divide="ignore", invalid="ignore"):
        age = at[band] + (target - before) / in_band
        lived = np.clip(age - at[:-1], 0, width)  # years of each band before that age
        if not delta:
            lived = np.sqrt(lived * width)
        variance = np.where(lived > 0, np.square(lived) * _spread(d, y, variances), 0.0).sum(axis=-1)
        se = np.sqrt(variance) / in_band[..., 0]
    unknown = np.isnan(d) | np.isnan(y)
    upto = np.arange(d.shape[-1]) <= np.where(found, band[..., 0], d.shape[-1])[..., None]
    reason = reasons(
        d.shape[:-1], ((unknown & upto).any(axis=-1), _WITHHELD), (((y == 0) & upto).any(axis=-1), _EMPTY),
        (~found, f"fewer than {q:.0%} have had it by {at[-1]:g}"),
    )  # fmt: skip
    age, se = np.where(found, age[..., 0], np.nan), np.where(found, se, np.nan)
    half = normal_quantile(confidence) * se
    return Estimate(plain(age), plain(age - half), plain(age + half), plain(se), reason)


def years_free(
    edges: ArrayLike, events: ArrayLike, person_years: ArrayLike, confidence: float = 0.95,
    *, variances: ArrayLike | None = None,
) -> Estimate:  # fmt: skip
    """Give the mean years lived free of the event between the first and the last edge, if nothing else took people away.

    Arguments as `onset_quantile`, with one edge more than bands. Result: years, shape (...), at most the whole width;
    nan with a `reason` where a band is withheld or has no person-years. For groups in which no quantile is reached.
    Method: area under exp(-H), delta method with Var(hazard) = events / person-years squared; METHODS 3.

    >>> f = years_free([20, 40, 60, 80], [200, 900, 1500], [40000, 30000, 15000])
    >>> print(f"{f.estimate:.2f} of 60 years ({f.lower:.2f} to {f.upper:.2f})")
    36.93 of 60 years (36.36 to 37.51)
    """
    where = "years_free"
    d, y, at, width = _bands(where, edges, events, person_years)
    closed = len(at) == np.broadcast(events, person_years).shape[-1] + 1
    require(closed, where, "the last band is open", "One edge more than bands", "Give the age at which to stop")
    hazard = d / np.where(y > 0, y, np.nan)
    reason = reasons(d.shape[:-1], ((np.isnan(d) | np.isnan(y)).any(axis=-1), _WITHHELD), ((y == 0).any(axis=-1), _EMPTY))
    lived, gradient = _with_gradient(lambda h: _years(h, width), hazard)
    se = np.sqrt((np.square(gradient) * _spread(d, y, variances)).sum(axis=-1))
    half = normal_quantile(confidence) * se
    return Estimate(plain(lived), plain(lived - half), plain(lived + half), plain(se), reason)


def cumulative_incidence(
    edges: ArrayLike, events: ArrayLike, competing: ArrayLike, person_years: ArrayLike, confidence: float = 0.95,
    *, variances: tuple[ArrayLike, ArrayLike] | None = None,
) -> Interval:  # fmt: skip
    """Give the share of people who have had the event by the end of each band, when others (deaths) take people away.

    events, competing, person_years: shape (..., bands), summed over sites; edges as `years_free`. Result: 0 to 1, shape
    (..., bands), with limits on the complementary log-log scale; it may never reach a half, where the quantile of
    `onset_quantile`, which is net of deaths, would. nan from the first band that is withheld or has no person-years.
    variances: of the two hazards, as in `onset_quantile`.
    Method: Aalen-Johansen with constant hazards in each band; METHODS 3.

    >>> c = cumulative_incidence([20, 40, 60, 80], [200, 900, 1500], [40, 200, 900], [40000, 30000, 15000])
    >>> c.estimate.round(4)
    array([0.0942, 0.4714, 0.7267])
    """
    where = "cumulative_incidence"
    d, y, _, width = _bands(where, edges, events, person_years)
    other = np.broadcast_to(np.asarray(competing, dtype=float)[..., : d.shape[-1]], d.shape)
    require_not_negative(where, competing=other)
    time = np.where(y > 0, y, np.nan)
    both = np.concatenate([d / time, other / time], axis=-1)
    value, gradient = _with_gradient(lambda h: _incidence(h, width), both)
    of_event, of_other = variances if variances is not None else (None, None)
    spread = np.concatenate([_spread(d, time, of_event), _spread(other, time, of_other)], axis=-1)
    # A later band has no part in an earlier share: its gradient is 0 there, and so is its term even where it is withheld.
    variance = np.where(gradient == 0, 0.0, np.square(gradient) * spread[..., None, :]).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(variance) / np.abs((1 - value) * np.log1p(-value))
        factor = np.exp(normal_quantile(confidence) * se)
        lower, upper = -np.expm1(np.log1p(-value) / factor), -np.expm1(np.log1p(-value) * factor)
    nobody = value == 0
    return Interval(plain(value), plain(np.where(nobody, 0.0, lower)), plain(np.where(nobody, np.nan, upper)))


def _spread(d: Floats, y: Floats, variances: ArrayLike | None) -> Floats:
    """Give the variance of the hazards of the closed bands."""
    if variances is None:
        return np.asarray(d / np.square(np.where(y > 0, y, np.nan)), dtype=float)
    given = np.asarray(variances, dtype=float)[..., : d.shape[-1]]
    require_not_negative("variances", variances=given)
    return np.broadcast_to(given, d.shape)


def _bands(where: str, edges: ArrayLike, events: ArrayLike, person_years: ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
    """Check the input; gives events and person-years of the closed bands, their edges and widths."""
    d, y = np.broadcast_arrays(np.asarray(events, dtype=float), np.asarray(person_years, dtype=float))
    at = np.asarray(edges, dtype=float)
    bands = d.shape[-1] if d.ndim else 0
    require(at.ndim == 1 and at.size >= 2 and at.size - bands in (0, 1), where, f"{at.size} edges do not fit {bands} bands",
            "One edge more than bands, or as many for an open last band", "Check the age bands declared for this table")
    require(np.diff(at) > 0, where, "the edges do not rise", "Each edge is above the one before", "Sort the bands")
    require_not_negative(where, events=d, person_years=y)
    require(~((y == 0) & (d > 0)), where, "there are events without person-years", "Events need person-years",
            "Check that both come from the same rows")
    closed = at.size - 1
    return d[..., :closed], y[..., :closed], at, np.diff(at)


def _years(hazard: Any, width: Floats) -> Any:
    """Return the area under the survival curve, shape (...)."""
    total = hazard * width
    start = np.exp(-(np.cumsum(total, axis=-1) - total))
    return (start * width * _relative(total)).sum(axis=-1)


def _incidence(hazards: Any, width: Floats) -> Any:
    """Return the share with the event at every band end; the last axis holds its hazards, then those of the others."""
    own, other = np.split(hazards, 2, axis=-1)
    total = (own + other) * width
    start = np.exp(-(np.cumsum(total, axis=-1) - total))
    return np.cumsum(start * own * width * _relative(total), axis=-1)


def _relative(total: Any) -> Any:
    """Return (1 - exp(-x)) / x, which is 1 at 0; for complex x, too."""
    small = np.abs(total) < 1e-5
    safe = np.where(small, 1.0, total)
    with np.errstate(invalid="ignore"):  # nan: a band that is withheld
        return np.where(small, 1 - total / 2 + total * total / 6, (1 - np.exp(-safe)) / safe)


def _with_gradient(function: Any, at: Floats) -> tuple[Any, Any]:
    """Return a function's value and its exact gradient, by steps along the imaginary axis (Squire & Trapp 1998)."""
    step = 1e-30
    parts = []
    for position in range(at.shape[-1]):
        moved = at.astype(complex)
        moved[..., position] += 1j * step
        parts.append(np.imag(function(moved)) / step)
    return np.real(function(at.astype(complex))), np.stack(parts, axis=-1)
