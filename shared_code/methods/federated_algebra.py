"""The linear algebra of a federated fit: answers of sites become one gradient and one Hessian over all coefficients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from shared_code.methods.checks import Floats
from shared_code.methods.glm import DISPERSION, Step

Key = tuple[str, str]  # term, and the site whose own coefficient it is ("" for a common one)
INFINITE = 40.0  # stands for an infinite coefficient: e to the minus 40 times any number of people is nothing
SAME = 1e-9  # share of a column that the columns before it leave unexplained, below which it says nothing new


def key_of(spec: Any, term: str, site: str) -> Key:
    """Name the coefficient by which a site multiplies a term."""
    return term, site if term in spec.own else ""


def keys_of(spec: Any, sites: tuple[str, ...]) -> list[Key]:
    """List all coefficients: those of each site, then the common ones, the dispersion last."""
    own = [(term, site) for site in sites for term in spec.terms if term in spec.own]
    common = [(term, "") for term in spec.terms if term not in spec.own]
    return [*own, *common, *([(DISPERSION, "")] if spec.with_dispersion else [])]


def assemble(spec: Any, state: Any, given: Mapping[str, Step]) -> tuple[Floats, Floats, list[Key]]:
    """Add up the answers: gradient, Hessian (both with the ridge) and the coefficients they belong to.

    Sums over sites are exact (math.fsum), so that the order of the sites changes no bit.
    """
    keys = keys_of(spec, state.sites)
    gradient, hessian = _added(spec, keys, {s: (a.gradient, a.hessian) for s, a in given.items()})
    if spec.ridge:
        for i, key in enumerate(keys):
            if penalised_term(spec, key):
                gradient[i] -= spec.ridge * state.point[key]
                hessian[i, i] += spec.ridge
    return gradient, hessian, keys


def assemble_meat(spec: Any, given: Mapping[str, Step], sites: tuple[str, ...]) -> Floats:
    """Add up the spread of the scores over sites; people and clusters never lie in two sites."""
    keys = keys_of(spec, sites)
    blank = {s: (np.zeros(len(a.gradient)), a.meat) for s, a in given.items()}
    return _added(spec, keys, blank)[1]


def _added(spec: Any, keys: list[Key], pieces: Mapping[str, tuple[Floats, Any]]) -> tuple[Floats, Floats]:
    place = {key: i for i, key in enumerate(keys)}
    vectors, matrices = [], []
    for site in sorted(pieces):
        names = [key_of(spec, term, site) for term in spec.terms]
        where = [place[name] for name in (*names, *([(DISPERSION, "")] if spec.with_dispersion else []))]
        vector, matrix = np.zeros(len(keys)), np.zeros((len(keys), len(keys)))
        vector[where] = pieces[site][0]
        matrix[np.ix_(where, where)] = pieces[site][1]
        vectors.append(vector)
        matrices.append(matrix)
    return _exact_sum(vectors), _exact_sum(matrices)


def _exact_sum(parts: list[Floats]) -> Floats:
    stacked = np.stack(parts)
    several = (stacked != 0).sum(axis=0) > 1
    total = stacked.sum(axis=0)
    total[several] = [math.fsum(values) for values in stacked[:, several].T]
    return total


def penalised_term(spec: Any, key: Key) -> bool:
    """Tell whether ridge acts on a coefficient: not on a site's own, the intercept, or the dispersion."""
    return key[1] == "" and key[0] not in ("intercept", DISPERSION) and key[0] not in spec.own


def penalised(spec: Any, point: Mapping[Key, float], logliks: Mapping[str, float]) -> float:
    """Give the log-likelihood of all sites less the ridge penalty."""
    squares = [value * value for key, value in point.items() if penalised_term(spec, key)] if spec.ridge else []
    return math.fsum(logliks.values()) - 0.5 * spec.ridge * math.fsum(squares)


def newton_step(gradient: Floats, hessian: Floats, with_dispersion: bool = False) -> Floats:
    """Solve for the step. Where a dispersion (the last) bends the wrong way it moves alone, and never far.

    >>> newton_step(np.array([2.0, 1.0]), np.array([[4.0, 0], [0, -1.0]]), with_dispersion=True)
    array([0.5, 0.5])
    """
    if not with_dispersion:
        return _solve(gradient, hessian) if len(gradient) else gradient
    try:
        step = _solve(gradient, hessian)
    except np.linalg.LinAlgError:
        step = np.append(_solve(gradient[:-1], hessian[:-1, :-1]), 0.5 * np.sign(gradient[-1]))
    if abs(step[-1]) > 1:
        step = np.append(_solve(gradient[:-1], hessian[:-1, :-1]), np.sign(step[-1]))
    return step


def _solve(gradient: Floats, hessian: Floats) -> Floats:
    scale = 1 / np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-300))
    solved: Floats = cho_solve(cho_factor(hessian * np.outer(scale, scale)), gradient * scale) * scale
    return solved


def inverse(matrix: Floats) -> Floats:
    """Invert a symmetric positive matrix, scaled first (raises numpy.linalg.LinAlgError where it is not positive)."""
    scale = 1 / np.sqrt(np.diag(matrix))
    scaled = cho_solve(cho_factor(matrix * np.outer(scale, scale)), np.eye(len(matrix)))
    return scaled * np.outer(scale, scale)


def not_estimable(hessian: Floats, keys: list[Key]) -> dict[Key, str]:
    """Name the coefficients that no data can tell: nobody has the term, or the terms before it say the same.

    Method: Cholesky factor row by row; a column that the earlier ones explain is passed over, as R's glm does.

    >>> not_estimable(np.array([[4.0, 2, 2], [2, 2, 2], [2, 2, 2]]), [("intercept", ""), ("a", ""), ("b", "")])
    {('b', ''): 'the terms before it say the same: its coefficient cannot be told apart from theirs'}
    """
    reasons: dict[Key, str] = {}
    lower = np.zeros_like(hessian)
    kept: list[int] = []
    for i, key in enumerate(keys):
        if hessian[i, i] == 0:
            reasons[key] = "nobody at any site has it"
            continue
        if key[0] == DISPERSION:
            continue
        row = np.zeros(len(kept))
        for place, j in enumerate(kept):
            row[place] = (hessian[i, j] - row[:place] @ lower[j, :place]) / lower[j, place]
        rest = hessian[i, i] - row @ row
        if rest <= SAME * hessian[i, i]:
            reasons[key] = "the terms before it say the same: its coefficient cannot be told apart from theirs"
            continue
        lower[i, : len(kept)] = row
        lower[i, len(kept)] = math.sqrt(rest)
        kept.append(i)
    return reasons
