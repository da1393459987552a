"""What a service saves against what it costs: benefit-cost ratio, net benefit, and how sure one can be of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import Floats, require

DRAWS = 20_000


class RatioReadings(NamedTuple):
    """Hold the readings of one published pair of saving and cost; `persisting` has one per share of effect that lasts."""

    as_published: float
    net_return: float
    like_for_like: float
    persisting: Floats


@dataclass(frozen=True, eq=False)
class BenefitCost:
    """Hold a benefit-cost ratio: from the estimates alone, and median and limits over what is uncertain.

    saving, cost: pounds; net: saving - cost with limits; p_pays: share of draws in which the saving exceeds the cost;
    swing: (inputs, 2), the ratio at the 2.5th and 97.5th percentile of one input, the others at their estimates.
    """

    deterministic: float
    median: float
    lower: float
    upper: float
    saving: float
    cost: float
    net: float
    net_lower: float
    net_upper: float
    p_pays: float
    swing: Floats


def ratio_readings(saving: float, cost: float, *, saving_months: float, cost_months: float,
                   persistence: ArrayLike = (0.0, 0.5, 1.0)) -> RatioReadings:  # fmt: skip
    """Read a published saving and cost in every way that one can mean by "a ratio".

    persistence: shares of the effect that last for the rest of the cost's months. A ratio of a saving of some months to
    the cost of more is right only if the effect stops at once. Net return is the ratio less 1. Method: METHODS 4.

    >>> ratio_readings(230_000, 80_000, saving_months=6, cost_months=12).as_published
    2.875
    """
    require(cost > 0 and 0 < saving_months <= cost_months, "ratio_readings", f"cost {cost}, months {saving_months}",
            "A cost above 0, of at least as many months as the saving", "Correct the numbers")  # fmt: skip
    rest = (cost_months - saving_months) / saving_months
    whole = saving * (1 + rest * np.asarray(persistence, dtype=float)) / cost
    return RatioReadings(saving / cost, saving / cost - 1, saving / (cost * saving_months / cost_months), whole)


def benefit_cost(events: ArrayLike, log_ratio: ArrayLike, se: ArrayLike, unit_cost: ArrayLike, unit_cv: ArrayLike,
                 cost: float, cost_sd: float, *, later: float = 0.0, shrink: float = 1.0, marginal: float = 1.0,
                 correlation: ArrayLike | None = None, draws: int = DRAWS, seed: int = 1) -> BenefitCost:  # fmt: skip
    """Set the value of events avoided against the cost of the service, with everything uncertain drawn many times.

    events: of the treated after the start, shape (outcomes,); log_ratio, se: their effect and its standard error;
    unit_cost: pounds; unit_cv: its coefficient of variation; cost, cost_sd: of the service in the months compared.
    Avoided: events x (1 / ratio - 1): negative where events rose. later: effect of an equal time afterwards as a share of
    this one (with a cost for both periods); shrink: factor on the log ratio (0.5: halfway to none); marginal: share of
    the unit cost that an avoided event frees; correlation: shape (outcomes, outcomes), of the log ratios (none: independent).
    Drawn: normal log ratios, gamma unit costs, normal cost.
    Method: METHODS 4; Briggs, Sculpher & Claxton 2006. Raises ValueError.

    >>> found = benefit_cost([40], [np.log(0.42)], [0.2241], [3500], [0.15], 80_000, 4_000)
    >>> round(found.deterministic, 3)
    2.417
    """
    y, d, s, c, v = np.broadcast_arrays(*(np.atleast_1d(np.asarray(a, dtype=float)) for a in
                                          (events, log_ratio, se, unit_cost, unit_cv)))  # fmt: skip
    where = "benefit_cost"
    require(np.isfinite([y, d, s, c, v]).all(axis=0), where, "a number is missing", "Every outcome has all five",
            "Leave the outcome out and say so")  # fmt: skip
    require((y >= 0).all() and (s >= 0).all() and (c >= 0).all() and (v >= 0).all() and cost > 0 and cost_sd >= 0, where,
            "a number is below zero, or the service costs nothing", "0 or more", "Correct the settings")  # fmt: skip
    root = _root(np.eye(len(y)) if correlation is None else np.asarray(correlation, dtype=float), len(y))
    rng = np.random.default_rng(np.random.SeedSequence([seed, len(y)]))
    size = (draws, len(y))
    logs = (d + s * (rng.standard_normal(size) @ root.T)) * shrink
    cv = np.where(v > 0, v, 1.0)
    prices = np.where(v > 0, rng.gamma(1 / cv**2, c * cv**2, size), c) * marginal
    costs = np.maximum(cost + cost_sd * rng.standard_normal(draws), 1e-9 * cost)

    def saved(logs: Floats, prices: Floats) -> Floats:
        return np.asarray((y * np.expm1(-logs) * prices).sum(axis=-1) * (1 + later))

    drawn = saved(logs, prices)
    ratio, net = drawn / costs, drawn - costs
    point = float(saved(shrink * d, marginal * c))
    ends = [2.5, 97.5]
    swing = []
    for k in range(len(y)):
        swing.append([float(saved(np.where(np.arange(len(y)) == k, x, shrink * d), marginal * c)) / cost
                      for x in np.percentile(logs[:, k], ends)[::-1]])  # fmt: skip
        swing.append([float(saved(shrink * d, np.where(np.arange(len(y)) == k, x, marginal * c))) / cost
                      for x in np.percentile(prices[:, k], ends)])  # fmt: skip
    swing.append([point / float(x) for x in np.percentile(costs, ends)[::-1]])
    (low, high), (net_low, net_high) = np.percentile(ratio, ends), np.percentile(net, ends)
    return BenefitCost(point / cost, float(np.median(ratio)), float(low), float(high), point, float(cost), point - cost,
                       float(net_low), float(net_high), float((ratio > 1).mean()), np.array(swing))  # fmt: skip


def _root(correlation: Floats, size: int) -> Floats:
    """Give a matrix whose product with its transpose is a correlation matrix, also where outcomes move together entirely."""
    values, vectors = np.linalg.eigh(correlation) if correlation.shape == (size, size) else (np.array([-1.0]), None)
    fits = values.min() > -1e-9 and np.allclose(correlation, correlation.T) and np.allclose(np.diag(correlation), 1)
    require(fits, "benefit_cost", "the correlations cannot all be true", "A correlation matrix, a row an outcome", "Correct it")
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))
