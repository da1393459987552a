"""A Bayesian random-effects analysis by quadrature, without any random numbers: a sensitivity analysis for few sites."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtr

from shared_code.methods.checks import Floats, require
from shared_code.methods.results import Posterior

PRIOR_SD = 2.0  # of the mean effect, on the log scale: ratios of 1/50 to 50 (Schuemie et al. 2022)
PRIOR_TAU = 0.5  # scale of the half-normal of tau (same source)
_NODES = 400


def bayesian_random_effects(
    estimates: ArrayLike,
    variances: ArrayLike,
    prior_sd: float = PRIOR_SD,
    prior_tau: float = PRIOR_TAU,
    confidence: float = 0.95,
) -> Posterior:
    """Average site estimates with a prior on how much sites differ, which few sites can hardly tell.

    estimates, variances: shape (sites,), on the log (or logit) scale; mu ~ N(0, prior_sd^2), tau ~ half-normal(prior_tau).
    Result: median of mu with equal-tailed limits, median of tau with the same, and predictive limits for another site.
    Works from one site on, where it is the prior that speaks of tau. Beside the estimate, not instead of it.
    Method: given tau everything is normal; tau is integrated by Gauss-Legendre quadrature; METHODS 10.5, Röver 2020.
    Raises ValueError for estimates that are not finite, variances or priors that are not above 0.

    >>> b = bayesian_random_effects([-0.35, -0.10, -0.52], [0.02, 0.015, 0.04])
    >>> print(f"{b.estimate:.4f} ({b.lower:.4f} to {b.upper:.4f}), tau {b.tau:.4f}")
    -0.2869 (-0.7295 to 0.1154), tau 0.2083
    """
    where = "bayesian_random_effects"
    y, v = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
    require(y.ndim == 1 and y.size > 0 and y.shape == v.shape, where, f"shapes {y.shape} and {v.shape}", "(sites,)",
            "One of each per site")
    require(np.isfinite(y) & np.isfinite(v) & (v > 0), where, "an estimate or variance is missing", "Every site has both",
            "Leave that site out, and name it")
    require(prior_sd > 0 and prior_tau > 0, where, "a prior has no width", "Above 0", "Correct the setting")
    order = np.lexsort((v, y))
    y, v = y[order], v[order]
    tau, weight = _tau_grid(prior_tau)
    w = 1 / (v[:, None] + tau**2)
    precision = w.sum(axis=0) + prior_sd**-2
    mean = (w * y[:, None]).sum(axis=0) / precision
    # Marginal likelihood of tau: the product of the sites' normals over mu, times the half-normal.
    log_density = (
        0.5 * np.log(w).sum(axis=0) - 0.5 * np.log(precision)
        - 0.5 * ((w * np.square(y[:, None])).sum(axis=0) - precision * np.square(mean)) - np.square(tau / prior_tau) / 2
    )  # fmt: skip
    weight = weight * np.exp(log_density - log_density.max())
    weight /= weight.sum()
    tail = (1 - confidence) / 2
    mu = [_quantile(q, mean, precision**-0.5, weight) for q in (0.5, tail, 1 - tail)]
    new = [_quantile(q, mean, np.sqrt(1 / precision + tau**2), weight) for q in (tail, 1 - tail)]
    spread = float(np.sqrt((weight * (1 / precision + np.square(mean))).sum() - (weight * mean).sum() ** 2))
    taus = [_quantile_of_nodes(q, tau, weight) for q in (0.5, tail, 1 - tail)]
    return Posterior(*mu, spread, "", *taus, *new)


def _tau_grid(scale: float) -> tuple[Floats, Floats]:
    """Return nodes and weights over tau from 0 to 10 scales, denser near 0."""
    x, w = _legendre()
    at = (x + 1) / 2
    return 10 * scale * at**2, 10 * scale * at * w  # tau = 10 s u^2


@lru_cache(maxsize=1)
def _legendre() -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(_NODES)  # takes a tenth of a second or more


def _quantile(q: float, means: Floats, sds: Floats, weights: Floats) -> float:
    def below(x: float) -> float:
        return float((weights * ndtr((x - means) / sds)).sum()) - q

    return float(brentq(below, float((means - 12 * sds).min()), float((means + 12 * sds).max()), xtol=1e-12))


def _quantile_of_nodes(q: float, nodes: Floats, weights: Floats) -> float:
    middle = np.cumsum(weights) - weights / 2
    return float(np.interp(q, np.concatenate([[0.0], middle]), np.concatenate([[0.0], nodes])))
