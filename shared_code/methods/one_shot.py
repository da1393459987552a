"""Regressions for teams that can release only once, and how much that loses against the federated fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import ConvergenceError, Floats, normal_quantile, require
from shared_code.methods.federated_algebra import inverse, newton_step
from shared_code.methods.glm import Step, derivatives
from shared_code.methods.results import Estimate


def average(estimates: ArrayLike, covariances: ArrayLike, confidence: float = 0.95) -> tuple[Estimate, Floats]:
    """Average the coefficients that sites fitted alone, by inverse variance, all terms together.

    estimates: shape (sites, terms), nan where a site has no estimate of a term; covariances: shape (sites, terms, terms).
    Gives the average with its standard errors (shape (terms,)) and its covariance. Exact for a linear model of known
    variance; biased for rare events, where a site's own fit is. Method: METHODS 10.6; Becker & Wu 2007.
    Raises ValueError for shapes that do not fit or a term without any estimate.

    >>> pooled, _ = average([[1.0], [2.0]], [[[0.5]], [[0.25]]])
    >>> pooled.estimate.round(4), pooled.se.round(4)
    (array([1.6667]), array([0.4082]))
    """
    beta, variances = np.asarray(estimates, dtype=float), np.asarray(covariances, dtype=float)
    sites, terms = beta.shape
    remedy = "Leave a site without estimates out, and name it"
    require(variances.shape == (sites, terms, terms), "average", "the covariances do not fit the estimates",
            "One matrix per site", remedy)  # fmt: skip
    require(np.isfinite(beta).any(axis=0), "average", "no site has an estimate of a term", "One at least", remedy)
    total, weighted = np.zeros((terms, terms)), np.zeros(terms)
    for values, covariance in zip(beta, variances):
        has = np.flatnonzero(np.isfinite(values))
        precision = inverse(covariance[np.ix_(has, has)])
        total[np.ix_(has, has)] += precision
        weighted[has] += precision @ values[has]
    pooled = inverse(total)
    estimate, se = pooled @ weighted, np.sqrt(np.diag(pooled))
    z = normal_quantile(confidence)
    return Estimate(estimate, estimate - z * se, estimate + z * se, se, np.full(terms, "")), pooled


def answers_from_patterns(family: str, columns: ArrayLike, people: ArrayLike, events: ArrayLike,
                          exposure: ArrayLike | None = None) -> Callable[[ArrayLike], Step]:  # fmt: skip
    """Answer every round of a fit from one table of counts by covariate pattern, released once.

    columns: shape (patterns, terms); people, events: shape (patterns,), nan where withheld; exposure: shape (patterns,),
    person-time (poisson). Sufficient, so the fit equals that on people; what is lost is what was withheld.
    family: logistic or poisson. Raises ValueError for another one.

    >>> step = answers_from_patterns("logistic", [[1, 0], [1, 1]], [10, 10], [2, 5])([0.0, 0.0])
    >>> step.people, step.gradient
    (20, array([-3.,  0.]))
    """
    require(family in ("logistic", "poisson"), "patterns", f"{family} has no counts that suffice", "logistic or poisson",
            "Use the federated fit")  # fmt: skip
    x, n, y = (np.asarray(values, dtype=float) for values in (columns, people, events))
    known = np.isfinite(n) & np.isfinite(y) & (n > 0)
    x, n, y = x[known], n[known], y[known]
    time = n if exposure is None else np.asarray(exposure, dtype=float)[known]

    def answer(beta: ArrayLike) -> Step:
        if family == "poisson":
            step = derivatives("poisson", x, y, beta, offset=np.log(time))
            return Step(step.log_likelihood, step.gradient, step.hessian, int(n.sum()), step.events)
        both, outcome = np.vstack([x, x]), np.repeat([1.0, 0.0], len(x))
        return derivatives("logistic", both, outcome, beta, counts=np.concatenate([y, n - y]))

    return answer


def surrogate(lead: Callable[[Floats], Step], start: ArrayLike, others: Mapping[str, Step], rounds: int = 50) -> Floats:
    """Estimate coefficients from the people of one lead site and one gradient of every other site.

    lead: the lead site's answer at any coefficients; start: shape (p,), where everyone's gradient was taken, such as the
    lead site's own fit; others: site -> answer at `start`. All coefficients are common. Gives shape (p,).
    Method: ODAL (Duan et al. 2020): the lead's likelihood, tilted by the gradient of all. Approximate.
    Raises ConvergenceError if the tilted likelihood has no maximum.

    >>> x = np.array([[1.0, 0], [1, 1], [1, 0], [1, 1], [1, 0], [1, 1]])
    >>> site = lambda beta: derivatives("logistic", x, [0, 1, 0, 1, 1, 0], beta)
    >>> surrogate(site, [0.0, 0.0], {"b": site([0.0, 0.0])}).round(4)
    array([-0.6931,  1.3863])
    """
    begin = np.asarray(start, dtype=float)
    here = lead(begin)
    everyone = here.people + sum(step.people for step in others.values())
    slope = (here.gradient + sum((step.gradient for step in others.values()), np.zeros(len(begin)))) / everyone
    tilt = slope - here.gradient / here.people
    beta = begin
    for _ in range(rounds):
        at = lead(beta)
        move = newton_step(at.gradient / at.people + tilt, at.hessian / at.people)
        largest = float(np.abs(move).max())
        beta = beta + move * min(1.0, 2.0 / max(largest, 1e-300))
        if largest < 1e-10 * max(1.0, float(np.abs(beta).max())):
            return beta
    raise ConvergenceError(f"the surrogate likelihood did not settle in {rounds} steps: its lead site is too small")


def one_step(start: ArrayLike, answers: Mapping[str, Step]) -> tuple[Floats, Floats]:
    """Take one Newton step from coefficients that everybody answered once; gives coefficients and covariance.

    start: shape (p,), such as the lead site's own fit. All coefficients are common. Method: Le Cam's one-step estimator.

    >>> x = np.array([[1.0, 0], [1, 1], [1, 0], [1, 1], [1, 0], [1, 1]])
    >>> answer = derivatives("logistic", x, [0, 1, 0, 1, 1, 0], [-0.6, 1.3])
    >>> one_step([-0.6, 1.3], {"a": answer})[0].round(2)
    array([-0.69,  1.38])
    """
    gradient, hessian = (sum(getattr(a, part) for a in answers.values()) for part in ("gradient", "hessian"))
    return np.asarray(start, dtype=float) + newton_step(gradient, hessian), inverse(hessian)


def loss(estimate: ArrayLike, exact: ArrayLike, exact_se: ArrayLike) -> dict[str, Any]:
    """Measure what an approximation lost: its distance from the exact fit in the exact fit's standard errors.

    estimate, exact, exact_se: shape (terms,). Gives `distance` per term, and the `largest`.

    >>> loss([0.5, 0.2], [0.4, 0.2], [0.1, 0.1])["largest"].round(2)
    np.float64(1.0)
    """
    distance = (np.asarray(estimate, dtype=float) - np.asarray(exact, dtype=float)) / np.asarray(exact_se, dtype=float)
    return {"distance": distance, "largest": np.abs(distance).max()}
