"""Random-effects models of counts in one stage: nothing is added to a zero and no normal approximation is made."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit

from shared_code.methods.checks import (
    ConvergenceError,
    Floats,
    normal_quantile,
    require,
    require_not_negative,
    student_quantile,
)
from shared_code.methods.random_intercepts import Rows, fit
from shared_code.methods.results import OneStage

Limits = Literal["t", "normal"]
Conditioning = Literal["conditional", "baselines"]


def poisson_normal(events: ArrayLike, person_time: ArrayLike, confidence: float = 0.95, limits: Limits = "t") -> OneStage:
    """Fit one rate over sites whose log rates are normal: y ~ Poisson(t e^eta), eta ~ N(mu, tau2).

    events, person_time: shape (sites,), two sites or more; nan is not allowed. Result: mu (the log of the median rate over
    sites, per unit of person-time) with limits by Student's t on sites - 1 degrees of freedom (or `normal`), tau2 and
    prediction limits. Where tau2 is 0 the sites share one rate. With 5 sites or fewer tau2 is often 0: show the common
    rate and `bayesian_random_effects` beside it.
    Method: METHODS 10.3; maximum likelihood, adaptive quadrature. Raises ValueError for unusable counts and
    ConvergenceError, with the reason, where the likelihood has no maximum (no events anywhere).

    >>> m = poisson_normal([8, 31, 14, 60, 5], [420.0, 980, 610, 1300, 390])
    >>> print(f"{100 * np.exp(m.estimate):.3f} per 100 (tau {m.tau2**0.5:.4f})")
    2.645 per 100 (tau 0.3470)
    """
    y, t = _counts("poisson_normal", events, person_time, False)
    k = y.size
    rows = Rows(np.arange(k), y, np.full(k, np.nan), np.ones((k, 1)), np.ones(k), np.log(t))
    start = np.array([np.log(max(y.sum(), 0.5) / t.sum())])
    return _result(rows, start, False, k, confidence, limits, "Poisson-normal", no_events=y.sum() == 0)


def binomial_normal(cases: ArrayLike, people: ArrayLike, confidence: float = 0.95, limits: Limits = "t") -> OneStage:
    """Fit one proportion over sites whose log odds are normal: x ~ Binomial(n, expit(eta)), eta ~ N(mu, tau2).

    cases, people: shape (sites,). Result as `poisson_normal`, on the logit scale: expit(estimate) is the median proportion.
    Method: METHODS 10.4; maximum likelihood, adaptive quadrature. Raises as `poisson_normal`, also where everybody is a case.

    >>> m = binomial_normal([12, 30, 7, 55, 21], [60, 90, 40, 120, 70])
    >>> print(f"{m.estimate:.4f}, tau {m.tau2**0.5:.4f}")
    -0.8650, tau 0.4175
    """
    x, n = _counts("binomial_normal", cases, people, True)
    k = x.size
    rows = Rows(np.arange(k), x, n, np.ones((k, 1)), np.ones(k), np.zeros(k))
    start = np.array([logit((x.sum() + 0.5) / (n.sum() + 1))])
    none = x.sum() in (0, n.sum())
    return _result(rows, start, True, k, confidence, limits, "binomial-normal", no_events=bool(none))


def poisson_normal_ratio(
    events_a: ArrayLike, time_a: ArrayLike, events_b: ArrayLike, time_b: ArrayLike, confidence: float = 0.95,
    limits: Limits = "t", model: Conditioning = "conditional",
) -> OneStage:  # fmt: skip
    """Compare two rates over sites whose log rate ratios are normal, a over b; each site keeps its own level.

    events, time: shape (sites,), person-time above 0. A site with a zero in one group stays in; a site without events in
    either says nothing about a ratio and is not counted. model `conditional`: given a site's events together those of a
    are binomial, so its level drops out; `baselines`: the levels are fitted as one coefficient per site, the random effect
    is +1/2 in a and -1/2 in b. Result as `poisson_normal`, the log of the median rate ratio.
    Method: Stijnen et al. 2010, METHODS 10.3. Raises as `poisson_normal`; ConvergenceError where a group has no events at
    any site: `rate_ratio` then gives the limit that exists.

    >>> m = poisson_normal_ratio([3, 1, 9, 2, 6], [410, 820, 950, 300, 700.0], [5, 6, 9, 1, 14], [400, 800, 1000, 310, 690.0])
    >>> print(f"{np.exp(m.estimate):.4f}, tau2 {m.tau2:.4f}")
    0.6038, tau2 0.0000
    """
    where = "poisson_normal_ratio"
    require(model in get_args(Conditioning), where, f"model {model!r} is unknown", "conditional or baselines", "Correct it")
    (a, s), (b, t) = _counts(where, events_a, time_a, False), _counts(where, events_b, time_b, False)
    require(a.shape == b.shape, where, "the two groups have different sites", "The same sites", "Match the sites first")
    there = a + b > 0
    a, s, b, t = (v[there] for v in (a, s, b, t))
    k, none = a.size, a.sum() == 0 or b.sum() == 0
    if model == "conditional":
        rows = Rows(np.arange(k), a, a + b, np.ones((k, 1)), np.ones(k), np.log(s / t))
        start = np.array([0.0 if none else np.log(a.sum() * t.sum() / (b.sum() * s.sum()))])
        return _result(rows, start, True, k, confidence, limits, "binomial-normal, conditional on each site's events", bool(none))
    group = np.repeat([0.5, -0.5], k)
    site = np.tile(np.arange(k), 2)
    rows = Rows(site, np.concatenate([a, b]), np.full(2 * k, np.nan), np.column_stack([group, site[:, None] == np.arange(k)]),
                group, np.log(np.concatenate([s, t])))  # fmt: skip
    start = np.append(0.0, np.log((a + b) / (s + t)))
    return _result(rows, start, False, k, confidence, limits, "Poisson-normal with a level for each site", bool(none))


def binomial_normal_ratio(
    events_a: ArrayLike, people_a: ArrayLike, events_b: ArrayLike, people_b: ArrayLike, confidence: float = 0.95,
    limits: Limits = "t",
) -> OneStage:  # fmt: skip
    """Compare two proportions over sites whose log odds ratios are normal, a over b; each site keeps its own level.

    events, people: shape (sites,). A site without events, or without anybody else, in both groups is not counted.
    The levels are fitted as one coefficient per site, the random effect is +1/2 in a and -1/2 in b. Result as
    `poisson_normal`, the log of the median odds ratio. With a level for each of many small sites the ratio is biased away
    from 1: use it where sites have tens of events, `poisson_normal_ratio` for rare ones.
    Method: Turner et al. 2000, METHODS 10.3. Raises as `poisson_normal_ratio`.

    >>> m = binomial_normal_ratio([4, 6, 3], [123, 306, 231], [11, 29, 11], [139, 303, 220])
    >>> print(f"{np.exp(m.estimate):.4f}, tau2 {m.tau2:.4f}")
    0.2419, tau2 0.0000
    """
    where = "binomial_normal_ratio"
    (a, n), (b, m) = _counts(where, events_a, people_a, True), _counts(where, events_b, people_b, True)
    require(a.shape == b.shape, where, "the two groups have different sites", "The same sites", "Match the sites first")
    there = (a + b > 0) & (a + b < n + m)
    a, n, b, m = (v[there] for v in (a, n, b, m))
    k, group, site = a.size, np.repeat([0.5, -0.5], a.size), np.tile(np.arange(a.size), 2)
    rows = Rows(site, np.concatenate([a, b]), np.concatenate([n, m]), np.column_stack([group, site[:, None] == np.arange(k)]),
                group, np.zeros(2 * k))  # fmt: skip
    start = np.append(0.0, logit((a + b + 0.5) / (n + m + 1)))
    none = a.sum() in (0, n.sum()) or b.sum() in (0, m.sum())
    return _result(rows, start, True, k, confidence, limits, "binomial-normal with a level for each site", bool(none))


def _result(rows: Rows, start: Floats, binomial: bool, k: int, confidence: float, limits: Limits, method: str, no_events: bool
            ) -> OneStage:  # fmt: skip
    require(limits in get_args(Limits), method, f"limits {limits!r} are unknown", "t or normal", "Correct the setting")
    if no_events:
        raise ConvergenceError("a group has no events (or nobody without one) at any site: the likelihood has no maximum")
    require(k >= 2, method, f"{k} sites carry information", "Two or more", "Show the only site as it is")
    found = fit(rows, start, binomial)
    value, se, tau2 = float(found.beta[0]), float(np.sqrt(found.covariance[0, 0])), found.tau**2
    t = student_quantile(confidence, k - 1)
    half = (t if limits == "t" else normal_quantile(confidence)) * se
    elsewhere = t * float(np.sqrt(tau2 + se**2)) if k >= 3 else float("nan")
    return OneStage(value, value - half, value + half, se, "", tau2, float("nan"), value - elsewhere, value + elsewhere,
                    k - 1, found.log_likelihood, k, method)  # fmt: skip


def _counts(where: str, events: ArrayLike, size: ArrayLike, people: bool) -> tuple[Floats, Floats]:
    y, n = np.asarray(events, dtype=float), np.asarray(size, dtype=float)
    require(y.ndim == 1 and y.shape == n.shape, where, f"shapes {y.shape} and {n.shape}", "(sites,)", "One of each per site")
    remedy = "Leave a site without numbers out, and name it; withheld counts belong in a likelihood profile"
    require(np.isfinite(y) & np.isfinite(n), where, "a count is withheld or missing", "Every site has counts", remedy)
    require_not_negative(where, events=y)
    require(n > 0, where, "a site has nobody at risk", "Above 0", "Leave that site out, and name it")
    if people:
        require(y <= n, where, "events exceed people", "Events lie between 0 and people", "Check the join")
    return y, n
