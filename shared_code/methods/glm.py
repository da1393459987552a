"""What one site answers in one iteration of a federated regression: log-likelihood, its derivatives, and their spread.

Rows are worked through in blocks, so memory stays small whatever the number of people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, gammaln

from shared_code.methods.checks import Floats, require

FAMILIES = ("linear", "logistic", "poisson", "modified_poisson", "negative_binomial")
DISPERSION = "dispersion"  # the last parameter of a negative binomial model: the logarithm of its alpha
BLOCK = 2**15  # rows at a time
LARGEST = 500.0  # linear predictors are cut here, so that a wild step gives a large finite loss and is halved


@dataclass(frozen=True, eq=False)
class Step:
    """Hold one answer: everything is a sum over people, so answers of sites add up.

    gradient: shape (p,), first derivative of the log-likelihood; hessian: shape (p, p), minus the second derivative;
    meat: shape (p, p), sum over people (or clusters) of products of scores, where it was asked for. `effective`: shape
    (p, p), by how many people each element of the Hessian is shared evenly (for disclosure rules; it never leaves).
    """

    log_likelihood: float
    gradient: Floats
    hessian: Floats
    people: int
    events: float
    meat: Floats | None = None
    clusters: int | None = None
    effective: Floats | None = None


class _Parts(NamedTuple):
    """Per row: log-likelihood, score and weight of the linear predictor; score, cross weight, weight of the dispersion."""

    loglik: Floats
    score: Floats
    weight: Floats
    dispersion: tuple[Floats, Floats, Floats] | None = None


def derivatives(family: str, columns: Any, outcome: ArrayLike, beta: ArrayLike, *, offset: ArrayLike | None = None,
                counts: ArrayLike | None = None, log_dispersion: float | None = None, meat: bool = False,
                clusters: ArrayLike | None = None, effective: bool = False) -> Step:  # fmt: skip
    """Give log-likelihood, gradient and Hessian of a regression at given coefficients.

    family: one of FAMILIES; columns: shape (n, p), or anything whose slices `columns[a:b]` give such arrays; outcome:
    shape (n,): 0 or 1 (logistic, modified Poisson), a count (Poisson, negative binomial) or any number (linear); beta:
    shape (p,); offset: shape (n,), on the scale of the linear predictor (log person-years); counts: shape (n,), how many
    people each row stands for (1); log_dispersion: log of the negative binomial's alpha, which becomes the last of p + 1
    parameters; meat: also give the spread of the scores, by person or by `clusters` (shape (n,), whole numbers).
    The log-likelihood of the linear model is minus half the residual sum of squares.
    Method: METHODS 10.6; McCullagh & Nelder 1989; Lawless 1987 (negative binomial). Raises ValueError for an unknown
    family, unequal lengths, or an outcome that the family cannot have.

    >>> x = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    >>> step = derivatives("logistic", x, [0, 1, 1], [0.0, 0.0])
    >>> step.gradient, 4 * step.hessian[0]
    (array([0.5, 1. ]), array([3., 2.]))
    """
    require(family in FAMILIES, "derivatives", f"the family {family!r} is unknown", f"One of {', '.join(FAMILIES)}",
            "Correct the model")
    y, b = np.asarray(outcome, dtype=float), np.asarray(beta, dtype=float)
    n, p = len(y), len(b)
    shift = np.zeros(n) if offset is None else np.asarray(offset, dtype=float)
    times = np.ones(n) if counts is None else np.asarray(counts, dtype=float)
    require(len(columns) == n == len(shift) == len(times), "derivatives", "lengths differ",
            "One outcome, offset and count per row", "Check how the table was joined")
    check_outcome(family, y)
    extra = family == "negative_binomial"
    require(extra == (log_dispersion is not None), "derivatives", "the dispersion does not fit the family",
            "It belongs to negative_binomial and to nothing else", "Correct the request")
    parts_of = _parts(family, y, log_dispersion)
    size = p + extra
    total, gradient, hessian = 0.0, np.zeros(size), np.zeros((size, size))
    sizes, squares = np.zeros((p, p)), np.zeros((p, p))
    spread, members = np.zeros((size, size)), None
    if clusters is not None:
        found, members = np.unique(np.asarray(clusters), return_inverse=True)
        sums = np.zeros((len(found), size))
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        x = np.asarray(columns[rows], dtype=float)
        eta = np.clip(x @ b + shift[rows], -LARGEST, LARGEST) if family != "linear" else x @ b + shift[rows]
        parts = parts_of(y[rows], eta)
        w = times[rows]
        total += float(w @ parts.loglik)
        weight = w * parts.weight
        gradient[:p] += (w * parts.score) @ x
        hessian[:p, :p] += x.T @ (weight[:, None] * x)
        if parts.dispersion is not None:
            score, cross, curvature = parts.dispersion
            gradient[p] += w @ score
            hessian[p, :p] += (w * cross) @ x
            hessian[p, p] += w @ curvature
        if effective:
            size_x, square_x = np.abs(x), np.square(x)
            sizes += size_x.T @ (weight[:, None] * size_x)
            squares += square_x.T @ ((w * np.square(parts.weight))[:, None] * square_x)
        if meat:
            scores = parts.score[:, None] * x
            if parts.dispersion is not None:
                scores = np.column_stack([scores, parts.dispersion[0]])
            if members is None:
                spread += scores.T @ (w[:, None] * scores)
            else:
                np.add.at(sums, members[rows], w[:, None] * scores)
    hessian[:p, p:] = hessian[p:, :p].T
    if meat and members is not None:
        spread = sums.T @ sums
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = np.where(squares > 0, np.square(sizes) / squares, 0.0) if effective else None
    return Step(total, gradient, hessian, int(times.sum()), float(times @ y), spread if meat else None,
                len(found) if members is not None else None, shared)  # fmt: skip


def check_outcome(family: str, y: Floats) -> None:
    """Stop on an outcome that the family cannot have (raises ValueError).

    >>> check_outcome("poisson", np.array([0.0, 3.0]))
    """
    remedy = "Correct the outcome in the notebook, or the family of the model"
    require(np.isfinite(y), "outcome", "it is missing", "Every row has one", remedy)
    if family in ("logistic", "modified_poisson"):
        require((y == 0) | (y == 1), "outcome", "it is neither 0 nor 1", f"A {family} model knows 0 and 1", remedy)
    elif family != "linear":
        require((y >= 0) & (y % 1 == 0), "outcome", "it is no count", f"A {family} model counts: 0, 1, 2, …", remedy)


def _parts(family: str, y: Floats, log_dispersion: float | None) -> Callable[[Floats, Floats], _Parts]:
    if family == "negative_binomial":
        return _negative_binomial(y, float(log_dispersion or 0.0))
    return {"linear": _linear, "logistic": _logistic}.get(family, _poisson)


def _linear(y: Floats, eta: Floats) -> _Parts:
    residual = y - eta
    return _Parts(-0.5 * np.square(residual), residual, np.ones_like(eta))


def _logistic(y: Floats, eta: Floats) -> _Parts:
    mean = expit(eta)
    return _Parts(y * eta - np.logaddexp(0.0, eta), y - mean, mean * expit(-eta))


def _poisson(y: Floats, eta: Floats) -> _Parts:
    mean = np.exp(eta)
    return _Parts(y * eta - mean - gammaln(y + 1), y - mean, mean)


def _negative_binomial(y: Floats, log_alpha: float) -> Callable[[Floats, Floats], _Parts]:
    """Variance mu + alpha mu². Sums over k < y stand for differences of gamma functions, exact also for tiny alpha."""
    alpha = np.exp(np.clip(log_alpha, -LARGEST, LARGEST))
    ak = alpha * np.arange(int(y.max(initial=0)))
    tables = [np.concatenate([[0.0], np.cumsum(t)]) for t in (np.log1p(ak), ak / (1 + ak), ak / np.square(1 + ak))]

    def parts(y: Floats, eta: Floats) -> _Parts:
        mean, count = np.exp(eta), y.astype(int)
        log_rising, first, second = (table[count] for table in tables)
        am = alpha * mean
        log_spread = np.log1p(am) / alpha
        loglik = log_rising + y * eta - (alpha * y + 1) * log_spread - gammaln(y + 1)
        score, weight = (y - mean) / (1 + am), mean * (1 + alpha * y) / np.square(1 + am)
        by_alpha = first - (alpha * y + 1) * mean / (1 + am) + log_spread
        cross = (y - mean) * am / np.square(1 + am)
        curvature = second - y * am / (1 + am) + (alpha * y + 1) * mean * am / np.square(1 + am)
        return _Parts(loglik, score, weight, (by_alpha, cross, -(curvature + mean / (1 + am) - log_spread)))

    return parts
