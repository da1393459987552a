"""Effect sizes of sites from counts, on the scale on which they are pooled, without adding anything to a zero."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import plain, reasons, require, require_not_negative
from shared_code.methods.results import Estimate

Comparison = Literal["log_risk_ratio", "log_odds_ratio", "risk_difference", "log_rate_ratio", "rate_difference"]
Single = Literal["logit", "arcsine", "log_rate", "root_rate"]

_ZERO = "a zero: this scale is infinite there; use a method for rare events"
_WITHHELD = "a count is withheld"


def comparison(
    events_a: ArrayLike, size_a: ArrayLike, events_b: ArrayLike, size_b: ArrayLike, measure: Comparison = "log_risk_ratio"
) -> Estimate:
    """Compare two groups within each site: a over b (or a minus b), with its standard error.

    events, size: any matching shape; size is people for risks and odds, person-time for rates. Result: the effect on the
    scale of the measure with limits of 95 %; nan with a `reason` where a count is withheld, a group is empty, or a zero
    makes the scale infinite. Nothing is ever added to a zero: such sites belong in `mantel_haenszel`, `rate_ratio`, a
    one-stage model or a likelihood profile, which keep them.
    Method: delta method. Raises ValueError for negative counts, or events above people.

    >>> c = comparison([4, 0], [123, 50], [11, 2], [139, 50])
    >>> print(c.estimate.round(4), c.reason[1])
    [-0.8893     nan] a zero: this scale is infinite there; use a method for rare events
    """
    where = "comparison"
    require(measure in get_args(Comparison), where, f"measure {measure!r} is unknown", f"One of {get_args(Comparison)}",
            "Correct the setting")
    a, n, b, m = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (events_a, size_a, events_b, size_b)))
    _check(where, "rate" not in measure, a, n, b, m)
    empty = ~((n > 0) & (m > 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure == "log_risk_ratio":
            y, v = np.log(a / n) - np.log(b / m), 1 / a - 1 / n + 1 / b - 1 / m
        elif measure == "log_odds_ratio":
            y, v = np.log(a * (m - b) / (b * (n - a))), 1 / a + 1 / (n - a) + 1 / b + 1 / (m - b)
        elif measure == "log_rate_ratio":
            y, v = np.log(a / n) - np.log(b / m), 1 / a + 1 / b
        elif measure == "risk_difference":
            y, v = a / n - b / m, a * (n - a) / n**3 + b * (m - b) / m**3
        else:
            y, v = a / n - b / m, a / n**2 + b / m**2
    return _result(y, v, empty, np.isnan(a + n + b + m))


def single(events: ArrayLike, size: ArrayLike, measure: Single = "logit") -> Estimate:
    """Put the proportion or rate of each site on a scale on which it is closer to normal, with its standard error.

    events, size: any matching shape; size is people for `logit` and `arcsine` (of the square root), person-time for
    `log_rate` and `root_rate`. Zeros are kept by `arcsine` and `root_rate`, and have no value on the other two. A pooled
    arcsine is turned back by sin squared. Prefer `binomial_normal` and `poisson_normal`, which need no transformation; the
    double arcsine of Freeman and Tukey is not offered, because its mean cannot be turned back (Schwarzer et al. 2019).
    Method: delta method. Raises ValueError for negative counts, or events above people.

    >>> single([0, 12], [40, 60], "arcsine").estimate.round(4)
    array([0.    , 0.4636])
    """
    where = "single"
    require(measure in get_args(Single), where, f"measure {measure!r} is unknown", f"One of {get_args(Single)}",
            "Correct the setting")
    x, n = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (events, size)))
    _check(where, measure in ("logit", "arcsine"), x, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure == "logit":
            y, v = np.log(x / (n - x)), 1 / x + 1 / (n - x)
        elif measure == "arcsine":
            y, v = np.arcsin(np.sqrt(x / n)), 1 / (4 * n)
        elif measure == "log_rate":
            y, v = np.log(x / n), 1 / x
        else:
            y, v = np.sqrt(x / n), 1 / (4 * n)
    return _result(y, v, ~(n > 0), np.isnan(x + n))


def _check(where: str, people: bool, *counts: Any) -> None:
    for events, size in zip(counts[::2], counts[1::2], strict=True):
        require_not_negative(where, events=events, size=size)
        if people:
            require(~(events > size), where, "events exceed people", "Events lie between 0 and people", "Check the join")


def _result(y: Any, v: Any, empty: Any, withheld: Any) -> Estimate:
    good = np.isfinite(y) & np.isfinite(v) & (v > 0)
    y, se = np.where(good, y, np.nan), np.sqrt(np.where(good, v, np.nan))
    reason = reasons(y.shape, (withheld, _WITHHELD), (empty, "a group is empty"), (~good, _ZERO))
    half = 1.959963984540054 * se
    return Estimate(plain(y), plain(y - half), plain(y + half), plain(se), reason)
