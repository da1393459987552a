"""Matching people who got something with people who did not: propensity, caliper, greedy neighbours, balance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from shared_code.methods.checks import ConvergenceError, Floats, require

CALIPER = 0.2  # standard deviations of the logit (Austin 2011)
RIDGE = 1e-4  # per standardised covariate and row: separation shrinks instead of running away
ITERATIONS = 50


class Matched(NamedTuple):
    """Hold pairs: positions of the treated and of the control, and the control's weight (1 / controls of its set)."""

    treated: np.ndarray
    control: np.ndarray
    weight: Floats


class Balance(NamedTuple):
    """Hold standardised differences (treated minus control) and variance ratios, one per covariate."""

    difference: Floats
    variance_ratio: Floats


def propensity_logit(covariates: ArrayLike, treated: ArrayLike, ridge: float = RIDGE) -> Floats:
    """Fit the chance of being treated by logistic regression and give its logit for every row.

    covariates: shape (n, p), measured before the start; treated: shape (n,), 0 or 1. Covariates are standardised; those
    that do not vary are left out; a slight ridge keeps coefficients finite where some covariate separates the groups.
    Method: METHODS 4; Newton's method. Raises ValueError for missing values or a group without people, ConvergenceError.

    >>> logit = propensity_logit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    >>> bool((np.diff(logit) > 0).all())
    True
    """
    x, y = np.asarray(covariates, dtype=float), np.asarray(treated, dtype=float)
    where = "propensity_logit"
    require(np.isfinite(x).all(axis=1), where, "a covariate is missing", "Every row has every covariate",
            "Make missing a level of its own")  # fmt: skip
    require((y == 0) | (y == 1), where, "treated is neither 0 nor 1", "0 and 1", "Correct the column")
    require(0 < y.sum() < len(y), where, "one of the groups is empty", "Both have people", "Look at who is eligible")
    spread = x.std(axis=0)
    x = (x[:, spread > 0] - x[:, spread > 0].mean(axis=0)) / spread[spread > 0]
    x = np.column_stack([np.ones(len(x)), x])
    penalty = np.full(x.shape[1], ridge * len(x))
    penalty[0] = 0.0
    beta = np.zeros(x.shape[1])
    beta[0] = np.log(y.mean() / (1 - y.mean()))
    loss = _loss(x, y, beta, penalty)
    for _ in range(ITERATIONS):
        mean = expit(x @ beta)
        gradient = x.T @ (y - mean) - penalty * beta
        hessian = (x * (mean * (1 - mean))[:, None]).T @ x + np.diag(penalty + 1e-12)
        step = np.linalg.solve(hessian, gradient)
        while _loss(x, y, beta + step, penalty) > loss + 1e-12 * abs(loss) and np.abs(step).max() > 1e-12:
            step = step / 2
        beta = beta + step
        loss = _loss(x, y, beta, penalty)
        if np.abs(step).max() < 1e-9:
            return np.asarray(x @ beta)
    raise ConvergenceError("the propensity model did not settle: merge rare levels of its covariates")


def _loss(x: Floats, y: Floats, beta: Floats, penalty: Floats) -> float:
    eta = x @ beta
    return float(np.sum(np.logaddexp(0.0, eta) - y * eta) + penalty @ beta**2 / 2)


def caliper_width(treated: ArrayLike, control: ArrayLike, factor: float = CALIPER) -> float:
    """Give how far apart matched logits may lie: factor x sqrt((variance of treated + variance of controls) / 2).

    treated, control: logits of everyone eligible. Method: METHODS 4; Austin 2011. Raises ValueError for fewer than two
    people in a group.

    >>> round(caliper_width([0.0, 1.0], [0.0, 2.0]), 6)
    0.223607
    """
    t, c = np.asarray(treated, dtype=float), np.asarray(control, dtype=float)
    require(min(len(t), len(c)) > 1, "caliper_width", "a group has fewer than two people", "Two at least",
            "Look at who is eligible")  # fmt: skip
    return float(factor * np.sqrt((t.var(ddof=1) + c.var(ddof=1)) / 2))


def match(treated: ArrayLike, control: ArrayLike, caliper: float, ratio: int = 1, *,
          treated_stratum: ArrayLike | None = None, control_stratum: ArrayLike | None = None,
          treated_person: ArrayLike | None = None, control_person: ArrayLike | None = None,
          treated_start: ArrayLike | None = None) -> Matched:  # fmt: skip
    """Give each treated the nearest unused controls of its stratum within the caliper, in descending order of the logit.

    treated, control: logits; strata: whole numbers, equal where a control may be matched with a treated (risk set and
    everything exact); persons: whole numbers, one row of a person in every risk set it belongs to. A person is used once
    as a control, never as its own. Ties go to the earlier person. ratio: most controls of a treated. treated_start: day of
    each start; those who start earlier choose first, whatever their logit. Without it a control who is in many risk sets
    would be taken on the day it looks most like somebody treated, at its peak, from which it falls: that looks into the future.
    Method: METHODS 4; greedy nearest neighbour without replacement. Treated without a control are not in the result.

    >>> match([0.1, 2.0], [0.0, 0.3, 5.0], caliper=0.5, ratio=2)
    Matched(treated=array([0, 0]), control=array([0, 1]), weight=array([0.5, 0.5]))
    """
    t, c = np.asarray(treated, dtype=float), np.asarray(control, dtype=float)
    of_t, of_c = (np.zeros(len(v), dtype=np.int64) if s is None else np.asarray(s, dtype=np.int64)
                  for v, s in ((t, treated_stratum), (c, control_stratum)))  # fmt: skip
    who = np.arange(len(c)) if control_person is None else np.asarray(control_person, dtype=np.int64)
    own = np.full(len(t), -1) if treated_person is None else np.asarray(treated_person, dtype=np.int64)
    require((len(of_t) == len(own) == len(t)) and (len(of_c) == len(who) == len(c)), "match", "lengths differ",
            "One logit, stratum and person per row", "Check how the rows were made")  # fmt: skip
    require(caliper > 0 and ratio >= 1, "match", f"caliper {caliper} and ratio {ratio}", "Above 0, and 1 or more",
            "Correct the parameters of the analysis")  # fmt: skip
    order = np.lexsort((who, c, of_c))
    strata, scores, people = of_c[order], c[order], who[order]
    begin, end = np.searchsorted(strata, of_t), np.searchsorted(strata, of_t, side="right")
    used = np.zeros(people.max(initial=-1) + 2, dtype=bool)
    rows, found = [], []
    began = np.zeros(len(t)) if treated_start is None else np.asarray(treated_start)
    for i in np.lexsort((own, -t, began)):
        inside = scores[begin[i] : end[i]]
        low = begin[i] + np.searchsorted(inside, t[i] - caliper)
        high = begin[i] + np.searchsorted(inside, t[i] + caliper, side="right")
        near = np.arange(low, high)
        near = near[~used[people[near]] & (people[near] != own[i])]
        if not len(near):
            continue
        near = near[np.lexsort((people[near], np.abs(scores[near] - t[i])))]
        near = near[np.sort(np.unique(people[near], return_index=True)[1])][:ratio]
        used[people[near]] = True
        rows += [i] * len(near)
        found += order[near].tolist()
    sets = np.array(rows, dtype=np.int64)
    size = np.bincount(sets, minlength=len(t))
    return Matched(sets, np.array(found, dtype=np.int64), 1.0 / size[sets])


def standardised_difference(treated: ArrayLike, control: ArrayLike, *, treated_weights: ArrayLike | None = None,
                            control_weights: ArrayLike | None = None, spread: ArrayLike | None = None) -> Balance:  # fmt: skip
    """Compare covariates of two groups: (mean - mean) / pooled standard deviation, and the ratio of their variances.

    treated, control: shape (n, p); 0 and 1 for attributes, whose variance is p (1 - p). weights: shape (n,), for matched
    groups; spread: shape (p,), the pooled standard deviation of the groups BEFORE matching, which matched groups are
    judged by (theirs is smaller, which would flatter or exaggerate). A covariate that never varies differs by 0.
    Method: METHODS 4; Austin 2009. Balanced: below 0.1, with variances within a factor of 2.

    >>> b = standardised_difference([[1.0], [0.0], [1.0], [1.0]], [[1.0], [0.0], [0.0], [0.0]])
    >>> b.difference.round(4).tolist()
    [1.1547]
    """
    parts = []
    for values, weights in ((treated, treated_weights), (control, control_weights)):
        x = np.atleast_2d(np.asarray(values, dtype=float))
        w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=float)
        total = w.sum() or np.nan  # nobody in a group: no mean, and no difference
        mean = w @ x / total
        binary = ((x == 0) | (x == 1)).all(axis=0)
        sample = w @ np.square(x - mean) / total * (len(x) / max(len(x) - 1, 1))
        parts.append((mean, np.where(binary, mean * (1 - mean), sample)))
    (m1, v1), (m0, v0) = parts
    scale = np.sqrt((v1 + v0) / 2) if spread is None else np.asarray(spread, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.where(scale > 0, (m1 - m0) / scale, np.where(m1 == m0, 0.0, np.nan))
        ratio = np.where((v1 > 0) & (v0 > 0), v1 / v0, np.where(v1 == v0, 1.0, np.nan))
    return Balance(difference, ratio)


def pooled_spread(treated: ArrayLike, control: ArrayLike) -> Floats:
    """Give the pooled standard deviation of covariates, shape (p,), that standardised differences are divided by.

    >>> pooled_spread([[1.0], [0.0]], [[1.0], [0.0]]).tolist()
    [0.5]
    """
    variances = []
    for values in (treated, control):
        x = np.atleast_2d(np.asarray(values, dtype=float))
        mean = x.mean(axis=0)
        binary = ((x == 0) | (x == 1)).all(axis=0)
        variances.append(np.where(binary, mean * (1 - mean), x.var(axis=0, ddof=1) if len(x) > 1 else 0.0))
    return np.sqrt((variances[0] + variances[1]) / 2)
