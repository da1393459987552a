"""Companions of before and after with controls: month by month, after only, and how large a group would be needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, chdtri, fdtrc

from shared_code.methods.before_after import arm_sums, difference_in_differences
from shared_code.methods.checks import ConvergenceError, Floats, normal_quantile, require
from shared_code.methods.glm import Step, derivatives
from shared_code.methods.regression_to_mean import GammaPoisson
from shared_code.methods.results import Ratio

LEAST_DISPERSION = -8.0  # logarithm of the negative binomial's alpha below which it is a Poisson model


@dataclass(frozen=True, eq=False)
class EventStudy:
    """Hold log rate ratios of months against the reference month: shape (months,), 0 there; covariance of all of them."""

    log_ratio: Floats
    covariance: Floats
    reference: int
    clusters: int

    @property
    def se(self) -> Floats:
        return np.sqrt(np.diag(self.covariance))

    def joint(self, months: ArrayLike, small_sample: bool = True) -> tuple[float, int, float]:
        """Test that the ratios of some months are all 1: chi-square, degrees of freedom, p.

        Independent sites' chi-squares and degrees of freedom add up. The reference month is passed over. small_sample: the
        covariance is estimated from so many clusters (Hotelling), and the chi-square is the one with the same p.
        """
        at = np.asarray([m for m in np.atleast_1d(np.asarray(months, dtype=int)) if m != self.reference])
        b, v = self.log_ratio[at], self.covariance[np.ix_(at, at)]
        if not np.isfinite(b).all():
            return float("nan"), len(at), float("nan")
        statistic = float(b @ np.linalg.pinv(v, hermitian=True) @ b)
        df, more = len(at), self.clusters - len(at)
        if small_sample and more <= 0:
            return float("nan"), df, float("nan")
        p = fdtrc(df, more, statistic * more / (df * (self.clusters - 1))) if small_sample else chdtrc(df, statistic)
        return float(chdtri(df, p)) if small_sample else statistic, df, float(p)


class Power(NamedTuple):
    """Hold how exact a study of some size is when nothing has an effect, and what it could show."""

    se: float
    uncontrolled_change: float
    coverage: float
    smallest_fall: float  # ratio that is found with 80 % power; smaller effects are not


def event_study(events: ArrayLike, days: ArrayLike, treated: ArrayLike, reference: int, *, weights: ArrayLike | None = None,
                clusters: ArrayLike | None = None) -> EventStudy:  # fmt: skip
    """Compare two arms month by month with their ratio in a reference month.

    events, days: shape (n, months); treated: shape (n,), 0 or 1; weights: (n,); clusters: (n,), whole numbers (matched
    sets), or each person. nan for months without events in an arm, and for one cluster, which tells no variance.
    Method: METHODS 4; Bertrand, Duflo & Mullainathan 2004.

    >>> study = event_study([[2, 4], [3, 3], [2, 2], [3, 5]], np.full((4, 2), 30), [1, 1, 0, 0], reference=0)
    >>> study.log_ratio.round(3).tolist()
    [0.0, 0.0]
    """
    y, t, a = np.asarray(events, dtype=float), np.asarray(days, dtype=float), np.asarray(treated, dtype=float)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    which = np.arange(len(y)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    require(y.shape == t.shape and len(a) == len(y) == len(w), "event_study", "lengths differ", "One row a person",
            "Check the windows")  # fmt: skip
    influence = np.zeros((which.max(initial=-1) + 1, y.shape[1]))
    log = np.zeros(y.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        for arm, sign in ((1, 1.0), (0, -1.0)):
            mine = a == arm
            wy, wt = w[mine, None] * y[mine], w[mine, None] * t[mine]
            log += sign * np.log(wy.sum(axis=0) / wt.sum(axis=0))
            own = wy / wy.sum(axis=0) - wt / wt.sum(axis=0)
            np.add.at(influence, which[mine], sign * (own - own[:, [reference]]))
        log = log - log[reference]
    log = np.where(np.isfinite(log) & (len(influence) > 1), log, np.nan)
    return EventStudy(log, influence.T @ influence, reference, len(influence))


def after_only(after: ArrayLike, days: ArrayLike, treated: ArrayLike, before: ArrayLike, *, weights: ArrayLike | None = None,
               clusters: ArrayLike | None = None) -> Ratio:  # fmt: skip
    """Compare rates after the start at equal events before it: Poisson regression on log(1 + before), robust limits.

    after, before: events, shape (n,); days: at risk after the start, people without any are left out; treated: 0 or 1;
    weights, clusters: (n,), as in `event_study`. Where both groups come from one population this is proof against
    regression to the mean. Method: METHODS 4, companion (i). Raises ConvergenceError.

    >>> r = after_only([1, 2, 2, 4], [180] * 4, [1, 1, 0, 0], [7, 9, 7, 9])
    >>> round(float(r.estimate), 3)
    0.5
    """
    y, t, a, b = (np.asarray(v, dtype=float) for v in (after, days, treated, before))
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    which = np.arange(len(y)) if clusters is None else np.asarray(clusters)
    here = t > 0
    x = np.column_stack([np.ones(here.sum()), a[here], np.log1p(b[here])])
    if not (w * y * a)[here].sum() or not (w * y * (1 - a))[here].sum():
        return Ratio(np.nan, np.nan, np.nan, np.nan, "no events after the start in one of the groups")
    return clustered_rates(x, y[here], t[here], w[here], which[here], at=1)


def clustered_rates(columns: ArrayLike, events: ArrayLike, days: ArrayLike, weights: ArrayLike, clusters: ArrayLike, at: int,
                    family: str = "poisson", confidence: float = 0.95) -> Ratio:  # fmt: skip
    """Fit a weighted Poisson or negative binomial regression of rates with cluster-robust limits; gives one coefficient.

    columns: shape (n, p), the first one 1; at: which coefficient is given, as a ratio. nan with a reason where rows that are
    all alike, or one cluster, do not tell it. Raises ConvergenceError.

    >>> x = np.column_stack([np.ones(4), [1, 1, 0, 0]])
    >>> round(float(clustered_rates(x, [1, 2, 2, 4], [180] * 4, np.ones(4), range(4), at=1).estimate), 3)
    0.5
    """
    x, y, t, w = (np.asarray(v, dtype=float) for v in (columns, events, days, weights))
    if np.linalg.matrix_rank(x) < x.shape[1] or len(np.unique(clusters)) < 2:
        return Ratio(np.nan, np.nan, np.nan, np.nan, "too few people, or too much alike, for a regression")
    dispersed = family == "negative_binomial"
    beta = np.zeros(x.shape[1] + dispersed)
    beta[0] = np.log((w @ y) / (w @ t))

    def step_at(b: Floats, meat: bool = False) -> Step:
        own = float(b[-1]) if dispersed else None
        return derivatives(family, x, y, b[: x.shape[1]], offset=np.log(t), counts=w, meat=meat, clusters=clusters,
                           log_dispersion=own)  # fmt: skip

    now = step_at(beta)
    for _ in range(100):
        curve = now.hessian + 1e-10 * np.eye(len(beta))
        if dispersed and np.linalg.eigvalsh(curve)[0] <= 0:
            curve = curve + (1e-3 - np.linalg.eigvalsh(curve)[0]) * np.eye(len(beta))
        move = np.linalg.solve(curve, now.gradient)
        move = move * min(1.0, 5.0 / max(np.abs(move).max(), 1e-300))
        ahead = step_at(beta + move)
        while ahead.log_likelihood < now.log_likelihood - 1e-9 and np.abs(move).max() > 1e-10:
            move = move / 2
            ahead = step_at(beta + move)
        beta, now = beta + move, ahead
        if dispersed and beta[-1] < LEAST_DISPERSION:  # counts spread no more than chance does: Poisson
            return clustered_rates(x, y, t, w, clusters, at, confidence=confidence)
        if np.abs(move).max() < 1e-9:
            break
    else:
        raise ConvergenceError("the regression did not settle: a group has hardly any events")
    last = step_at(beta, meat=True)
    assert last.meat is not None
    bread = np.linalg.inv(last.hessian)
    se = float(np.sqrt((bread @ last.meat @ bread)[at, at]))
    z = normal_quantile(confidence)
    return Ratio(np.exp(beta[at]), np.exp(beta[at] - z * se), np.exp(beta[at] + z * se), se, "")


def simulated_power(treated: int, rates: GammaPoisson, least: int, *, ratio: int = 2, lost: float = 0.06, days: int = 183,
                    runs: int = 200, seed: int = 1) -> Power:  # fmt: skip
    """Simulate a study in which nothing has an effect: how exact it is, and what the fall without controls looks like.

    treated: people in the service; rates: everybody's yearly events; least: chosen for so many in a year; ratio: controls
    of each; lost: share of people not followed to the end. Rates are stable. Method: METHODS 4.

    >>> power = simulated_power(40, GammaPoisson(0.25, 0.4), 7, runs=40)
    >>> 0.1 < power.se < 0.18
    True
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, treated]))
    z80 = normal_quantile(0.95) + normal_quantile(0.6)
    found, changes, inside = [], [], 0
    for _ in range(runs):
        before, after, at_risk = _chosen(rng, treated * (1 + ratio), rates, least, lost, days)
        year = np.full(len(before), 365.0)
        t = arm_sums(before[:treated], year[:treated], after[:treated], at_risk[:treated])
        c = arm_sums(
            before[treated:], year[treated:], after[treated:], at_risk[treated:], np.full(treated * ratio, 1 / ratio)
        )
        answer = difference_in_differences(t, c)
        found.append(np.log(answer.estimate))
        inside += answer.lower <= 1 <= answer.upper
        changes.append(t.total[2] / t.total[3] / (t.total[0] / t.total[1]) - 1)
    se = float(np.nanstd(found, ddof=1))
    return Power(se, float(np.nanmean(changes)), inside / runs, float(np.exp(-z80 * se)))


def _chosen(rng: np.random.Generator, people: int, rates: GammaPoisson, least: int, lost: float, days: int
            ) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Draw people until enough have a high count: events of a year before, events after, days at risk after."""
    before, rate = np.zeros(0), np.zeros(0)
    while len(before) < people:
        own = rng.gamma(rates.shape, rates.mean / rates.shape, 20_000)
        count = rng.poisson(own)
        before, rate = np.append(before, count[count >= least]), np.append(rate, own[count >= least])
    before, rate = before[:people], rate[:people]
    leaves = rng.random(people) < lost
    at_risk = np.where(leaves, np.floor(rng.random(people) * (days - 1)) + 1, days)
    return before, rng.poisson(rate * at_risk / 365).astype(float), at_risk
