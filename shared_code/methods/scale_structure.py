"""Whether indicators belong together: reliability, sampling adequacy and the first principal component."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import Floats, require


class Structure(NamedTuple):
    """Hold what the correlations of a component say: `reason` says why something is not given.

    >>> scale_structure([[1, 0.5], [0.5, 1]]).share
    0.75
    """

    alpha: float
    adequacy: float
    adequacy_of_items: Any
    eigenvalue: float
    share: float
    loadings: Any
    weights: Any
    reason: str


def correlation_from_sums(number: float, sums: ArrayLike, products: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Give means, standard deviations and correlations from sums that add up over sites.

    number: how many places; sums: (items,); products: (items, items), the sums of products. Divisor number - 1.
    This is exact: whoever adds the sums of all sites gets what one table of all places would give (METHODS 5).
    Raises ValueError for fewer than two places, or an item that does not vary.

    >>> mean, sd, r = correlation_from_sums(3, [6, 12], [[14, 26], [26, 56]])
    >>> mean.tolist(), sd.round(6).tolist(), float(r[0, 1].round(6))
    ([2.0, 4.0], [1.0, 2.0], 0.5)
    """
    where = "correlation_from_sums"
    s, p = np.asarray(sums, dtype=float), np.asarray(products, dtype=float)
    require(number >= 2, where, f"{number} places", "At least 2", "Wait for more sites")
    mean = s / number
    covariance = (p - np.outer(s, s) / number) / (number - 1)
    variance = np.diag(covariance)
    require(variance > 1e-12 * np.maximum(np.diag(p) / number, 1e-300), where, "an item does not vary",
            "Every item differs between places", "Leave that item out, and say so")
    sd = np.sqrt(variance)
    return mean, sd, covariance / np.outer(sd, sd)


def scale_structure(correlation: ArrayLike) -> Structure:
    """Measure how well items go together: Cronbach's alpha, Kaiser's adequacy, first component and its weights.

    correlation: (items, items), of items that all point the same way. alpha = k r / (1 + (k - 1) r) with r the average
    correlation; adequacy = sum r^2 / (sum r^2 + sum p^2) off the diagonal, p the partial correlations, overall and for
    each item; loadings = first eigenvector times the root of its eigenvalue, turned so that most are positive;
    weights = loadings over their sum. A negative loading is an item that points the wrong way or belongs elsewhere: the
    weights are then not given (nan), and nothing is turned round. With one item there is a weight of 1 and nothing else.
    Method: Cronbach 1951; Kaiser 1974; METHODS 5 steps 8 and 9. Raises ValueError for what is no correlation matrix.

    >>> s = scale_structure([[1, 0.6, 0.5], [0.6, 1, 0.4], [0.5, 0.4, 1]])
    >>> print(f"alpha {s.alpha:.3f}, adequacy {s.adequacy:.3f}, share {s.share:.3f}", s.weights.round(3))
    alpha 0.750, adequacy 0.658, share 0.668 [0.355 0.335 0.31 ]
    """
    where = "scale_structure"
    r = np.asarray(correlation, dtype=float)
    require(r.ndim == 2 and r.shape[0] == r.shape[1] and r.shape[0] > 0, where, f"shape {r.shape}", "(items, items)",
            "Pass the correlations of one component")
    require(np.isfinite(r), where, "a correlation is missing", "A number from -1 to 1", "Leave out items that do not vary")
    require(np.allclose(r, r.T) and np.allclose(np.diag(r), 1), where, "it is not symmetric with ones on the diagonal",
            "A correlation matrix", "Standardise first")
    k = len(r)
    if k == 1:
        return Structure(np.nan, np.nan, np.array([np.nan]), 1.0, 1.0, np.ones(1), np.ones(1), "one indicator")
    off = ~np.eye(k, dtype=bool)
    average = float(r[off].mean())
    alpha = k * average / (1 + (k - 1) * average) if 1 + (k - 1) * average > 0 else np.nan
    values, vectors = np.linalg.eigh((r + r.T) / 2)
    loadings = vectors[:, -1] * np.sqrt(max(values[-1], 0))
    loadings = loadings if loadings.sum() >= 0 else -loadings
    turned = bool((loadings < -1e-9).any())
    weights = np.full(k, np.nan) if turned else np.clip(loadings, 0, None) / np.clip(loadings, 0, None).sum()
    overall, each, reason = np.nan, np.full(k, np.nan), ""
    if values[0] > 1e-10:
        inverse = np.linalg.inv(r)
        partial = -inverse / np.sqrt(np.outer(np.diag(inverse), np.diag(inverse)))
        squares, partials = np.where(off, r**2, 0), np.where(off, partial**2, 0)
        overall = float(squares.sum() / (squares.sum() + partials.sum())) if squares.sum() + partials.sum() > 0 else np.nan
        total = squares.sum(axis=0) + partials.sum(axis=0)
        each = np.divide(squares.sum(axis=0), total, out=each, where=total > 0)
    else:
        reason = "an indicator follows from the others"
    reason = "a loading is negative" if turned else reason
    return Structure(alpha, overall, each, float(values[-1]), float(values[-1] / k), loadings, weights, reason)


def plain_weights(weights: ArrayLike, tolerance: float = 0.2) -> Floats:
    """Replace weights by equal ones where none differs from 1/k by more than a share: simpler to explain, and as good.

    >>> plain_weights([0.27, 0.24, 0.25, 0.24]).tolist(), plain_weights([0.5, 0.3, 0.2]).tolist()
    ([0.25, 0.25, 0.25, 0.25], [0.5, 0.3, 0.2])
    """
    w = np.asarray(weights, dtype=float)
    return np.full(len(w), 1 / len(w)) if np.all(np.abs(w * len(w) - 1) <= tolerance) else w
