"""How well predicted risks fit, from bins of predicted risk that add up over sites."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, ndtri

from shared_code.methods.checks import ConvergenceError, Floats, normal_quantile, plain, require, require_not_negative
from shared_code.methods.intervals import poisson_interval, wilson
from shared_code.methods.results import Calibration, Discrimination, Estimate, Interval


def calibration(
    people: ArrayLike, predicted: ArrayLike, events: ArrayLike, predicted_squares: ArrayLike, predicted_events: ArrayLike,
    confidence: float = 0.95,
) -> Calibration:  # fmt: skip
    """Compare the events observed with those predicted: O/E and the Brier score.

    Every argument: shape (..., bins), sums over the people of a bin and over sites: people, sum p, sum y, sum p^2 and
    sum p y. Result per leading shape: observed, expected, `estimate` O/E with exact limits below 10 events and Byar's
    from 10, `brier` = mean (p - y)^2, `scaled_brier` = 1 - brier / that of predicting the mean for everybody. nan where
    a bin is withheld. Method: METHODS 6; Steyerberg 2019. Raises ValueError for negative input.

    >>> c = calibration([100, 50], [10.0, 20.0], [12, 18], [1.2, 8.5], [1.3, 7.6])
    >>> print(f"O/E {c.estimate:.3f} ({c.lower:.3f} to {c.upper:.3f}), Brier {c.brier:.4f}")
    O/E 1.000 (0.675 to 1.428), Brier 0.1460
    """
    n, p, y, pp, py = np.broadcast_arrays(
        *(np.asarray(v, dtype=float) for v in (people, predicted, events, predicted_squares, predicted_events))
    )
    require_not_negative("calibration", people=n, predicted=p, events=y, predicted_squares=pp, predicted_events=py)
    total, expected, observed = n.sum(axis=-1), p.sum(axis=-1), y.sum(axis=-1)
    limits = poisson_interval(observed, confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        brier = (pp.sum(axis=-1) - 2 * py.sum(axis=-1) + observed) / total
        share = observed / total
        ratio, lower, upper = (v / np.where(expected > 0, expected, np.nan) for v in (observed, limits.lower, limits.upper))
        scaled = 1 - brier / np.where(share * (1 - share) > 0, share * (1 - share), np.nan)
    return Calibration(*map(plain, (ratio, lower, upper, observed, expected, brier, scaled)))


def brier_interval(
    people: ArrayLike, events: ArrayLike, losses: ArrayLike, confidence: float = 0.95
) -> tuple[Estimate, Estimate]:
    """Give the Brier score and its scaled form with limits, from groups of people with the same outcome and like predictions.

    people: shape (groups,); events: 1 where everybody of the group has the event, 0 where nobody has; losses: sum of
    (p - y)^2 over the people of a group. Limits are those of drawing people anew (what a bootstrap of people approaches), with
    the predictions as declared; the spread of losses within a group is left out, which for bands of predicted risk hardly
    matters. nan where a group is withheld, or all people have the same outcome.
    Method: delta method; Bradley, Schwartz & Hashino 2008. Raises ValueError for negative input.

    >>> brier, scaled = brier_interval([80, 20], [0, 1], [3.2, 10.0])
    >>> print(f"{brier.estimate:.3f} ({brier.lower:.3f} to {brier.upper:.3f}), scaled {scaled.estimate:.3f} (se {scaled.se:.3f})")
    0.132 (0.096 to 0.168), scaled 0.175 (se 0.009)
    """
    n, y, total = (np.asarray(v, dtype=float) for v in (people, events, losses))
    require_not_negative("brier_interval", people=n, events=y, losses=total)
    n, y, total = (v[~(n == 0)] for v in (n, y, total))
    share = n @ y / n.sum() if len(n) else np.nan
    spread = share * (1 - share)
    if not spread > 0:
        nothing = Estimate(np.nan, np.nan, np.nan, np.nan, "everybody, or nobody, has the event, or a group is withheld")
        return nothing, nothing
    own, mean = total / n, total.sum() / n.sum()
    influence = own - mean
    scaled = -influence / spread + mean * (1 - 2 * share) / spread**2 * (y - share)
    z, found = normal_quantile(confidence), []
    for value, parts in ((mean, influence), (1 - mean / spread, scaled)):
        se = float(np.sqrt(n @ parts**2) / n.sum())
        found.append(Estimate(float(value), float(value - z * se), float(value + z * se), se, ""))
    return found[0], found[1]


def recalibration(
    log_odds: ArrayLike, people: ArrayLike, events: ArrayLike, confidence: float = 0.95, max_iterations: int = 50
) -> tuple[Estimate, Estimate]:
    """Fit calibration-in-the-large and the calibration slope to grouped predictions.

    log_odds: shape (groups,), logit of the predicted risk of everybody in the group (of the mean risk for a bin, which
    is close for narrow bins); people, events: same shape, summed over sites; groups without people drop out.
    Result: the intercept with the log odds as offset (0 = right on average), and the slope on the log odds (1 = right,
    below 1 = predictions too extreme); standard errors from the information.
    Method: Cox 1958; METHODS 6. Raises ValueError for unusable input and ConvergenceError when nobody or everybody has
    the event, or the fit runs away.

    >>> citl, slope = recalibration([-2.0, 0.0, 1.5], [100, 80, 60], [14, 40, 48])
    >>> print(f"{citl.estimate:.3f} (se {citl.se:.3f}), slope {slope.estimate:.3f} (se {slope.se:.3f})")
    0.026 (se 0.159), slope 0.914 (se 0.122)
    """
    where = "recalibration"
    x, n, y = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (log_odds, people, events)))
    require(x.ndim == 1, where, "the groups are not a list", "Shape (groups,)", "Fit one model at a time")
    require_not_negative(where, people=n, events=y)
    require(~(y > n), where, "events exceed people", "Events lie between 0 and people", "Check the join")
    x, n, y = (v[n > 0] for v in (x, n, y))
    require(np.isfinite(x) & np.isfinite(y), where, "a group has no prediction or no events", "Every group has both",
            "Withheld groups cannot be left out of a fit; merge bins until none is withheld")
    if y.sum() in (0, n.sum()):
        raise ConvergenceError("nobody or everybody has the event: the intercept is infinite")
    z = normal_quantile(confidence)
    fits = []
    for design, offset in ((np.ones((x.size, 1)), x), (np.column_stack([np.ones(x.size), x]), np.zeros(x.size))):
        beta, covariance = _logistic(design, offset, n, y, max_iterations)
        se = float(np.sqrt(covariance[-1, -1]))
        fits.append(Estimate(float(beta[-1]), float(beta[-1] - z * se), float(beta[-1] + z * se), se, ""))
    return fits[0], fits[1]


def _logistic(design: Floats, offset: Floats, n: Floats, y: Floats, max_iterations: int) -> tuple[Floats, Floats]:
    """Fit a logistic model of one or two columns to grouped data by Newton steps."""
    beta = np.zeros(design.shape[1])
    for _ in range(max_iterations):
        p = expit(design @ beta + offset)
        information = design.T @ (design * (n * p * (1 - p))[:, None])
        if np.linalg.cond(information) > 1e12:
            raise ConvergenceError("the predictions do not vary enough, or separate the events, for a slope")
        step = np.linalg.solve(information, design.T @ (y - n * p))
        beta = beta + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-12 * max(1.0, float(np.abs(beta).max())):
            return beta, np.linalg.inv(information)
    raise ConvergenceError(f"the recalibration did not converge in {max_iterations} iterations")


def auc_from_bins(positives: ArrayLike, negatives: ArrayLike, confidence: float = 0.95) -> Discrimination:
    """Give the area under the ROC curve from a histogram of predicted risk.

    positives, negatives: shape (..., bins), people with and without the event per bin of rising risk, summed over sites
    for the pooled area (which also rewards differences between sites), or per site for `within_sites`. People in one
    bin count as tied (one half); `error_bound` is the most that this can be off. se: DeLong's on the histogram, limits
    on the logit scale. nan where a count is withheld or one of the two groups is empty.
    Method: DeLong et al. 1988 with ties; METHODS 6. Raises ValueError for negative counts.

    >>> a = auc_from_bins([5, 20, 40], [60, 30, 10])
    >>> print(f"{a.estimate:.4f} ({a.lower:.4f} to {a.upper:.4f}), within {a.error_bound:.3f}")
    0.8385 (0.7709 to 0.8890), within 0.100
    """
    pos, neg = np.broadcast_arrays(np.asarray(positives, dtype=float), np.asarray(negatives, dtype=float))
    require_not_negative("auc_from_bins", positives=pos, negatives=neg)
    p, n = pos.sum(axis=-1), neg.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        both = np.where((p > 0) & (n > 0), p * n, np.nan)
        below = np.cumsum(neg, axis=-1) - neg / 2  # negatives that a positive of this bin beats, ties one half
        above = p[..., None] - np.cumsum(pos, axis=-1) + pos / 2
        auc = (pos * below).sum(axis=-1) / both
        part_p = (pos * np.square(below / n[..., None] - auc[..., None])).sum(axis=-1) / (p * np.where(p > 1, p - 1, np.nan))
        part_n = (neg * np.square(above / p[..., None] - auc[..., None])).sum(axis=-1) / (n * np.where(n > 1, n - 1, np.nan))
        se = np.sqrt(part_p + part_n)
        middle, half = np.log(auc / (1 - auc)), normal_quantile(confidence) * se / (auc * (1 - auc))
        lower, upper = expit(middle - half), expit(middle + half)
    bound = (pos * neg).sum(axis=-1) / (2 * both)
    return Discrimination(*map(plain, (auc, lower, upper, se, p, n, bound)))


def within_sites(areas: Discrimination) -> Any:
    """Average the areas of several sites by the number of pairs they hold: how well risks rank people inside a site.

    areas: one `auc_from_bins` over shape (sites, bins). A site without an area (nan) drops out.

    >>> print(round(within_sites(auc_from_bins([[5, 20, 40], [3, 8, 9]], [[60, 30, 10], [40, 20, 9]])), 4))
    0.8237
    """
    pairs = np.where(np.isnan(areas.estimate), 0.0, areas.positives * areas.negatives)
    return plain(np.sum(pairs * np.nan_to_num(areas.estimate)) / np.sum(pairs))


def net_benefit(true_positives: ArrayLike, false_positives: ArrayLike, people: ArrayLike, threshold: ArrayLike) -> Any:
    """Give the net benefit of acting on everybody at or above a risk: TP/n - FP/n x t/(1 - t).

    true_positives, false_positives, people: any matching shape, summed over sites; threshold: 0 to below 1. To act on
    everybody instead, pass all events as true positives and everybody else as false positives; on nobody: 0.
    Method: Vickers & Elkin 2006. Raises ValueError for negative counts or an unusable threshold.

    >>> print(f"{net_benefit(851, 3865, 9041, 0.1):.6f}")
    0.046627
    """
    tp, fp, n, t = (np.asarray(v, dtype=float) for v in (true_positives, false_positives, people, threshold))
    require_not_negative("net_benefit", true_positives=tp, false_positives=fp, people=n)
    require((t >= 0) & (t < 1), "net_benefit", "a threshold is not a risk below 1", "0 to below 1", "Write 0.2 for 20 %")
    size = np.where(n > 0, n, np.nan)
    return plain(tp / size - fp / size * t / (1 - t))


def needed_to_intervene(true_positives: ArrayLike, flagged: ArrayLike, reduction: float, confidence: float = 0.95) -> Interval:
    """Say how many flagged people must get an intervention to spare one person the event.

    true_positives, flagged: any matching shape, summed over sites; reduction: the relative reduction of risk, above 0
    to 1, taken as known. Result: 1 / (PPV x reduction), with limits from Wilson's interval of the PPV (infinite where
    nobody flagged had the event). Method: METHODS 6. Raises ValueError as `wilson` does.

    >>> i = needed_to_intervene(376, 1116, 0.1)
    >>> print(f"{i.estimate:.2f} ({i.lower:.2f} to {i.upper:.2f})")
    29.68 (27.38 to 32.28)
    """
    require(0 < reduction <= 1, "needed_to_intervene", f"the reduction is {reduction}", "Above 0 to 1", "Write 0.1 for 10 %")
    value = wilson(true_positives, flagged, confidence)
    with np.errstate(divide="ignore"):
        return Interval(*(plain(1 / (np.asarray(v) * reduction)) for v in (value.estimate, value.upper, value.lower)))


def interval_of_area(area: ArrayLike, positives: ArrayLike, negatives: ArrayLike, confidence: float = 0.95) -> Interval:
    """Give limits for an area under the curve of which only the size of the two groups is known.

    Method: Hanley & McNeil 1982, limits on the logit scale. For published areas; `auc_from_bins` has the better error.

    >>> i = interval_of_area(0.8, 100, 200)
    >>> print(f"{i.lower:.4f} to {i.upper:.4f}")
    0.7369 to 0.8511
    """
    a, p, n = (np.asarray(v, dtype=float) for v in (area, positives, negatives))
    require((a > 0) & (a < 1), "interval_of_area", "an area is not between 0 and 1", "Above 0, below 1", "Divide by 100")
    first, second = a / (2 - a), 2 * a**2 / (1 + a)
    se = np.sqrt((a * (1 - a) + (p - 1) * (first - a**2) + (n - 1) * (second - a**2)) / (p * n))
    half = ndtri(0.5 + confidence / 2) * se / (a * (1 - a))
    middle = np.log(a / (1 - a))
    return Interval(plain(a), plain(expit(middle - half)), plain(expit(middle + half)))
