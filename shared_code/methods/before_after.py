"""Before and after, with controls: difference-in-differences of rates from sums that add up over people and sites.

For every person: events and days before the start (y, t) and after it. Everything follows from the sums of these four
numbers and of their products, which are all that a site needs to send.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import ConvergenceError, Floats, normal_quantile, require, student_quantile
from shared_code.methods.results import Ratio

FEW_CLUSTERS = 100  # below it the robust variance is multiplied by G / (G - 1)
FEW_TREATED = 50  # below it limits are Student's with G - 2 degrees of freedom


@dataclass(frozen=True, eq=False)
class Sums:
    """Hold sums over the people of an arm: `total` (4,) of events before, days before, events after, days after;

    `products` (4, 4) of their products over clusters (people, or matched sets); `clusters` how many.
    """

    total: Floats
    products: Floats
    clusters: int


def arm_sums(before: ArrayLike, days_before: ArrayLike, after: ArrayLike, days_after: ArrayLike,
             weights: ArrayLike | None = None) -> Sums:  # fmt: skip
    """Add up an arm: each person's four numbers times its weight, and the products of these.

    before, after: events, shape (n,); days_before, days_after: days at risk; weights: 1 for treated, 1/m for each of m
    controls of a set. Method: METHODS 4. Raises ValueError for negative numbers or events without days.

    >>> arm_sums([7, 9], [365, 365], [2, 3], [182, 150]).total.tolist()
    [16.0, 730.0, 5.0, 332.0]
    """
    z = np.column_stack([np.asarray(v, dtype=float) for v in (before, days_before, after, days_after)])
    where = "arm_sums"
    require(
        np.isfinite(z).all(axis=1), where, "a number is missing", "Events and days of everyone", "Check the windows"
    )
    require((z >= 0).all(axis=1), where, "a number is below zero", "Events and days are 0 or more", "Check the windows")
    require(~((z[:, 0] > 0) & (z[:, 1] == 0)) & ~((z[:, 2] > 0) & (z[:, 3] == 0)), where, "events without days at risk",
            "Events happen while somebody is at risk", "Cut events and days at the same date")  # fmt: skip
    if weights is not None:
        z = z * np.asarray(weights, dtype=float)[:, None]
    return Sums(z.sum(axis=0), z.T @ z, len(z))


def set_sums(treated: ArrayLike, controls: ArrayLike) -> Sums:
    """Add up matched sets: the treated person's four numbers and the weighted sum of its controls', side by side.

    treated, controls: shape (sets, 4). Result: total (8,), products (8, 8); variance then allows for what people of a set
    have in common. Method: METHODS 4.

    >>> set_sums([[7, 365, 2, 182]], [[8, 365, 3, 182]]).total.tolist()
    [7.0, 365.0, 2.0, 182.0, 8.0, 365.0, 3.0, 182.0]
    """
    z = np.hstack([np.asarray(treated, dtype=float), np.asarray(controls, dtype=float)])
    return Sums(z.sum(axis=0), z.T @ z, len(z))


def before_after(arm: Sums, confidence: float = 0.95, small_sample: bool = True) -> Ratio:
    """Give the rate after over the rate before, WITHOUT controls. It falls by itself where people were chosen for a peak.

    Method: METHODS 4. Limits are robust to people's events coming in clusters.

    >>> round(float(before_after(arm_sums([7, 9], [365, 365], [2, 3], [182, 150])).estimate), 4)
    0.6871
    """
    c, reason = _gradient(arm.total)
    variance = float(c @ arm.products @ c) * _few(arm.clusters, small_sample)
    return _ratio(float(_log_change(arm.total)), variance, normal_quantile(confidence), reason or _alone(arm.clusters))


def difference_in_differences(
    treated: Sums, control: Sums, confidence: float = 0.95, small_sample: bool = True
) -> Ratio:
    """Compare the change of rates in two arms: (after / before) of the treated over (after / before) of the controls.

    The logarithm is the interaction of a Poisson model with arm, period and both, offset log days. Variance: robust to
    clustering in people, from the products. Fewer than 100 people in both arms: times G / (G - 1); fewer than 50 treated:
    Student's limits with G - 2 degrees of freedom (small_sample=False: neither). nan with a reason where a cell has no
    events.
    Method: METHODS 4; Bertrand, Duflo & Mullainathan 2004.

    >>> t = arm_sums([7, 9, 8], [365] * 3, [2, 3, 4], [182] * 3)
    >>> c = arm_sums([8, 9, 7], [365] * 3, [4, 5, 3], [182] * 3)
    >>> round(float(difference_in_differences(t, c).estimate), 4)
    0.75
    """
    (ct, why_t), (cc, why_c) = _gradient(treated.total), _gradient(control.total)
    people = treated.clusters + control.clusters
    variance = float(ct @ treated.products @ ct + cc @ control.products @ cc) * _few(people, small_sample)
    delta = _log_change(treated.total) - _log_change(control.total)
    why = why_t or why_c or _alone(treated.clusters, control.clusters)
    return _ratio(float(delta), variance, _quantile(treated.clusters, people, confidence, small_sample), why)


def difference_in_differences_of_sets(sets: Sums, confidence: float = 0.95, small_sample: bool = True) -> Ratio:
    """As `difference_in_differences`, with variance robust to what the people of a matched set have in common.

    sets: from `set_sums`. Method: METHODS 4.

    >>> s = set_sums([[7, 365, 2, 182], [9, 365, 3, 182]], [[8, 365, 4, 182], [9, 365, 5, 182]])
    >>> round(float(difference_in_differences_of_sets(s).estimate), 4)
    0.5903
    """
    (ct, why_t), (cc, why_c) = _gradient(sets.total[:4]), _gradient(sets.total[4:])
    c = np.concatenate([ct, -cc])
    variance = float(c @ sets.products @ c) * _few(sets.clusters, small_sample)
    delta = _log_change(sets.total[:4]) - _log_change(sets.total[4:])
    why = why_t or why_c or _alone(sets.clusters)
    return _ratio(float(delta), variance, _quantile(sets.clusters, sets.clusters, confidence, small_sample), why)


def common_difference(totals: ArrayLike, products: ArrayLike, clusters: ArrayLike, confidence: float = 0.95,
                      small_sample: bool = True) -> Ratio:  # fmt: skip
    """Fit one difference-in-differences to all sites, each with its own arm and period effects, from their sums.

    totals: shape (sites, 2, 4), treated first; products: (sites, 2, 4, 4); clusters: (sites, 2). Equal to a Poisson model
    of all people together with site x arm and site x period terms and person-robust variance. Sums must NOT be added over
    sites before: that drops the sites' own changes over time. Sites with an empty cell are refused (use likelihood
    profiles). Method: METHODS 4, "Pooled across sites, exactly". Raises ValueError.

    >>> t, m = np.array([[[16, 730, 5, 332], [17, 730, 9, 364]]], float), np.zeros((1, 2, 4, 4))
    >>> round(float(common_difference(t, m, [[2, 2]]).estimate), 4)
    0.6472
    """
    s, m, g = np.asarray(totals, dtype=float), np.asarray(products, dtype=float), np.asarray(clusters, dtype=float)
    require(s.ndim == 3 and s.shape[1:] == (2, 4) and m.shape == (*s.shape, 4), "common_difference",
            f"shapes {s.shape} and {m.shape}", "(sites, 2, 4) and (sites, 2, 4, 4)", "Put the sums in this order")  # fmt: skip
    require((s > 0).all(axis=(1, 2)), "common_difference", "a cell has no events or no days",
            "Every arm and period of a site has some", "Use likelihood profiles, or leave the site out and name it")  # fmt: skip
    sites = len(s)
    y, t = s[..., [0, 2]].reshape(-1), s[..., [1, 3]].reshape(-1)  # site, arm, period
    x = np.zeros((sites * 4, 3 * sites + 1))
    for i in range(sites):
        for arm in (0, 1):  # treated, control
            for period in (0, 1):
                row = 4 * i + 2 * arm + period
                x[row, 3 * i] = 1
                x[row, 3 * i + 1] = arm == 0
                x[row, 3 * i + 2] = period
                x[row, -1] = arm == 0 and period == 1
    beta = _poisson(x, y, t)
    mean = t * np.exp(x @ beta)
    bread = np.linalg.inv((x * mean[:, None]).T @ x)
    meat = np.zeros_like(bread)
    for i in range(sites):
        for arm in (0, 1):
            row = 4 * i + 2 * arm
            rate = mean[row : row + 2] / t[row : row + 2]
            lead = np.column_stack([x[row], -rate[0] * x[row], x[row + 1], -rate[1] * x[row + 1]])
            meat += lead @ m[i, arm] @ lead.T
    variance = float((bread @ meat @ bread)[-1, -1]) * _few(g.sum(), small_sample)
    return _ratio(float(beta[-1]), variance, _quantile(g[:, 0].sum(), g.sum(), confidence, small_sample), "")


def holm(p_values: ArrayLike) -> Floats:
    """Adjust p values for how many outcomes are looked at, the smallest most (Holm 1979).

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(np.minimum(1.0, p[order] * (len(p) - np.arange(len(p)))))
    adjusted = np.empty_like(stepped)
    adjusted[order] = stepped
    return adjusted


def e_value(ratio: float, lower: float, upper: float) -> tuple[float, float]:
    """Say how strong confounding nobody recorded would have to be: for the ratio, and for the limit nearer to 1.

    Both ratios of such a confounder, with who is treated and with the outcome, must be as large to explain the ratio away; 1
    where the limits hold no effect already. Method: METHODS 4, companion (ix); VanderWeele & Ding 2017, whose example this is.

    >>> [round(e, 2) for e in e_value(3.9, 1.8, 8.7)]
    [7.26, 3.0]
    """
    far, near = (max(value, 1 / value) for value in (ratio, lower if ratio >= 1 else upper))
    near = 1.0 if lower <= 1 <= upper else near
    return far + float(np.sqrt(far * (far - 1))), near + float(np.sqrt(near * (near - 1)))


def _log_change(total: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(total[2] / total[3]) - np.log(total[0] / total[1]))


def _gradient(total: Floats) -> tuple[Floats, str]:
    if not (total > 0).all():
        return np.full(4, np.nan), "no events, or no days, before or after"
    return np.array([-1.0, 1.0, 1.0, -1.0]) / total, ""


def _alone(*clusters: float) -> str:
    """Say why there is no variance: the influence of somebody alone is always zero, which would look like certainty."""
    return "one person, or one matched set, does not tell how much they vary" if min(clusters) < 2 else ""


def _few(clusters: float, small_sample: bool) -> float:
    """Correct a robust variance of few clusters."""
    return clusters / (clusters - 1) if small_sample and 1 < clusters < FEW_CLUSTERS else 1.0


def _quantile(treated: float, clusters: float, confidence: float, small_sample: bool) -> float:
    few = small_sample and clusters > 2 and treated < FEW_TREATED
    return student_quantile(confidence, clusters - 2) if few else normal_quantile(confidence)


def _ratio(delta: float, variance: float, quantile: float, reason: str) -> Ratio:
    if reason:
        return Ratio(np.nan, np.nan, np.nan, np.nan, reason)
    se = np.sqrt(max(variance, 0.0))
    return Ratio(np.exp(delta), np.exp(delta - quantile * se), np.exp(delta + quantile * se), se, "")


def _poisson(x: Floats, y: Floats, t: Floats) -> Floats:
    beta = np.linalg.lstsq(x, np.log(y / t), rcond=None)[0]
    for _ in range(100):
        mean = t * np.exp(x @ beta)
        step = np.linalg.solve((x * mean[:, None]).T @ x, x.T @ (y - mean))
        beta = beta + step
        if np.abs(step).max() < 1e-12:
            return np.asarray(beta)
    raise ConvergenceError("the common difference did not settle")
