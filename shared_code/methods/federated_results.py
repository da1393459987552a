"""What a federated fit ends with: every coefficient with its interval, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shared_code.methods import federated_algebra as algebra
from shared_code.methods.checks import Floats, normal_quantile
from shared_code.methods.federated_algebra import INFINITE, Key
from shared_code.methods.glm import DISPERSION
from shared_code.methods.results import Estimate


@dataclass(frozen=True, eq=False)
class Fit:
    """Hold a fitted model. `settled` is false where the iteration ended without an answer; `words` say why.

    coefficients  (term, site or "") -> estimate on the scale of the linear predictor, limits, standard error, reason
    covariance    shape (k, k), of the coefficients in `estimated`, robust where that was asked for
    log_likelihood, people, events, sites, left_out (site -> reason), rounds, dispersion (alpha, or the residual variance
    of a linear model, else nan), history (one record per round)
    """

    coefficients: dict[Key, Estimate]
    covariance: Floats
    estimated: list[Key]
    settled: bool
    words: str
    log_likelihood: float
    people: int
    events: float
    sites: tuple[str, ...]
    left_out: dict[str, str]
    rounds: int
    dispersion: float = math.nan
    clusters: int = 0
    history: tuple[dict[str, Any], ...] = field(default=(), repr=False)

    def __getitem__(self, key: str | Key) -> Estimate:
        """Give a coefficient by its term, or by (term, site) where it is a site's own."""
        return self.coefficients[key if isinstance(key, tuple) else (key, "")]


def conclude(spec: Any, state: Any, confidence: float = 0.95) -> Fit:
    """Read the result from a state that has ended.

    Standard errors come from the inverse Hessian, or from the sandwich H⁻¹BH⁻¹ (people), with the correction
    G/(G-1) × (n-1)/(n-k) for G clusters. Method: METHODS 10.6; White 1980; Liang & Zeger 1986.
    """
    keys = algebra.keys_of(spec, state.sites)
    given = state.answers
    people, events = sum(a.people for a in given.values()), math.fsum(a.events for a in given.values())
    loglik = math.fsum(a.log_likelihood for a in given.values()) if given else math.nan
    about = {"words": state.words, "log_likelihood": loglik, "people": people, "events": events, "sites": state.sites,
             "left_out": dict(state.left_out), "rounds": state.round, "history": state.history}  # fmt: skip
    if state.phase != "done":
        coefficients = {key: _none(state.fixed.get(key, (0.0, state.words))[1]) for key in keys}
        return Fit(coefficients, np.zeros((0, 0)), [], False, **about)
    _, hessian, _ = algebra.assemble(spec, state, given)
    estimated = [key for key in keys if key not in state.fixed]
    keep = [keys.index(key) for key in estimated]
    bread = algebra.inverse(hessian[np.ix_(keep, keep)]) if keep else np.zeros((0, 0))
    free = people - len(estimated)
    dispersion, clusters = math.nan, sum(a.clusters or 0 for a in given.values())
    if spec.family == "linear":
        dispersion = -2 * loglik / free if free > 0 else math.nan
    covariance = bread * (dispersion if spec.family == "linear" else 1.0)
    if spec.robust:
        meat = algebra.assemble_meat(spec, given, state.sites)[np.ix_(keep, keep)]
        covariance = bread @ meat @ bread
        if spec.robust == "clusters":
            covariance = covariance * (clusters / (clusters - 1) * (people - 1) / free if clusters > 1 and free > 0 else math.nan)
    if spec.with_dispersion:
        dispersion = 0.0 if (DISPERSION, "") in state.fixed else math.exp(state.best[DISPERSION, ""])
    z, errors = normal_quantile(confidence), np.sqrt(np.diag(covariance))
    coefficients = {}
    for key, se in zip(estimated, errors.tolist()):
        value = state.best[key]
        coefficients[key] = Estimate(value, value - z * se, value + z * se, se, "")
    for key, (value, why) in state.fixed.items():
        infinite = abs(value) >= INFINITE and key[0] != DISPERSION
        coefficients[key] = _none(why, math.copysign(math.inf, value) if infinite else math.nan)
    ordered = {key: coefficients[key] for key in keys}
    return Fit(ordered, covariance, estimated, True, dispersion=dispersion, clusters=clusters, **about)


def _none(why: str, estimate: float = math.nan) -> Estimate:
    return Estimate(estimate, math.nan, math.nan, math.nan, why)
