"""Multiple imputation of withheld counts: a sensitivity analysis beside the likelihood of `censored` and `completion`.

Withheld counts are drawn from what they can be, given their limits, the totals they are part of, and the rate that all
sites together show; the analysis is repeated over the draws and its results are combined by Rubin's rules.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, gammaln, log_expit, logit

from shared_code.methods.censored import censored_proportion, censored_rate
from shared_code.methods.checks import Floats, plain, reasons, require, require_not_negative, student_quantile
from shared_code.methods.completion import Totals
from shared_code.methods.results import Combined

DRAWS = 50
_WIDEST = 10_000  # most whole numbers between two limits


def imputed_counts(
    lower: ArrayLike, upper: ArrayLike, size: ArrayLike, *, people: bool, totals: Totals | None = None, draws: int = DRAWS,
    seed: int = 0,
) -> Floats:  # fmt: skip
    """Draw the counts that are not known, many times: shape (draws, sites, cells).

    lower, upper: shape (sites, cells), whole numbers, equal where the count is known; size: person-time (`people` False:
    Poisson counts) or people (binomial ones), nan or 0 where a site is not in a cell (its count is then nan). totals: one
    family of sums over cells that are known to lie in a range at each site; drawn counts meet them exactly. The common rate
    of each cell is itself drawn around its estimate, so that the draws differ by all that is not known.
    Method: METHODS 10.8.3; Rubin 1987. Same seed, same draws. Raises ValueError for unusable limits or totals that the
    limits cannot meet, ConvergenceError as `censored_rate` where the limits say too little.

    >>> counts = imputed_counts([[140], [88], [1]], [[140], [88], [9]], [[21000], [14500], [1900]], people=False, draws=4)
    >>> counts[:, 2, 0].tolist()
    [8.0, 7.0, 9.0, 8.0]
    """
    where = "imputed_counts"
    low, high, n = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (lower, upper, size)))
    require(low.ndim == 2, where, f"shape {low.shape}", "(sites, cells)", "Stack the cells along the last axis")
    require(draws >= 2, where, f"{draws} draws", "Two or more", "Use 50")
    there = n > 0
    if people:
        high = np.where(there, np.minimum(high, n), high)
    fit = (censored_proportion if people else censored_rate)(low, high, n)
    rng = np.random.default_rng(np.random.SeedSequence([seed, low.size]))
    value = _drawn(fit, np.where(there, high, 0).sum(axis=0), np.where(there, n, 0).sum(axis=0), people, draws, rng)
    result = np.where(there, low, np.nan) * np.ones((draws, 1, 1))
    grouped = np.full(low.shape[1], -1) if totals is None else np.asarray(totals.of)
    for site in range(low.shape[0]):
        open_ = there[site] & (low[site] < high[site])
        for total in range(-1, int(grouped.max()) + 1):
            cells = np.flatnonzero(open_ & (grouped == total))
            if not cells.size:
                continue
            pmfs = [_pmf(value[:, c], n[site, c], low[site, c], high[site, c], people) for c in cells]
            limits = None
            if total >= 0 and totals is not None:
                known = np.flatnonzero(there[site] & ~open_ & (grouped == total))
                edges = [np.asarray(edge, dtype=float)[site, total] for edge in (totals.lower, totals.upper)]
                if np.isfinite(edges).any():
                    rest = low[site, known].sum() + low[site, cells].sum()
                    limits = (np.nan_to_num(edges[0], nan=0.0) - rest, np.nan_to_num(edges[1], nan=np.inf) - rest)
            result[:, site, cells] += _sample(pmfs, limits, rng)
    return result


def combined(estimates: ArrayLike, variances: ArrayLike, confidence: float = 0.95) -> Combined:
    """Combine the results of an analysis over imputed data by Rubin's rules.

    estimates, variances: shape (draws, ...), on a scale on which the estimate is about normal (log, logit). Result: mean, total
    variance = mean variance + (1 + 1/draws) variance of the estimates, Student's limits, and `missing_share`, the part of
    the variance that comes from what is not known. nan with a `reason` where a draw has no estimate.
    Method: Rubin 1987, chapter 3. Raises ValueError for fewer than two draws.

    >>> c = combined([-4.9, -5.1, -5.0], [0.01, 0.01, 0.01])
    >>> print(f"{c.estimate:.2f} ({c.lower:.2f} to {c.upper:.2f}), {c.missing_share:.2f} of the variance is missing information")
    -5.00 (-5.37 to -4.63), 0.57 of the variance is missing information
    """
    y, v = np.broadcast_arrays(np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float))
    require(y.ndim >= 1 and len(y) >= 2, "combined", "fewer than two draws", "Two or more", "Use 50")
    require_not_negative("combined", variances=v)
    m = len(y)
    mean, within, between = y.mean(axis=0), v.mean(axis=0), y.var(axis=0, ddof=1)
    extra = (1 + 1 / m) * between
    total = within + extra
    with np.errstate(divide="ignore", invalid="ignore"):
        share = extra / total
        df = np.where(extra > 0, (m - 1) / np.square(np.where(extra > 0, share, 1.0)), np.inf)
    t = np.vectorize(lambda d: student_quantile(confidence, min(float(d), 1e9)))(np.where(np.isfinite(total), df, 1e9))
    half = t * np.sqrt(total)
    reason = reasons(mean.shape, (~np.isfinite(total), "a draw has no estimate"))
    mean, half, total = (np.where(reason == "", a, np.nan) for a in (mean, half, total))
    return Combined(plain(mean), plain(mean - half), plain(mean + half), plain(np.sqrt(total)), reason, plain(df), plain(share))


def imputed_rate(
    lower: ArrayLike, upper: ArrayLike, exposure: ArrayLike, totals: Totals | None = None, draws: int = DRAWS, seed: int = 0,
    confidence: float = 0.95,
) -> Combined:  # fmt: skip
    """Pool the rate of each cell over sites by multiple imputation of withheld counts; result on the log scale.

    Arguments as `imputed_counts`; result of shape (cells,): exp(estimate) is the rate per unit of exposure.

    >>> r = imputed_rate([[140], [88], [1]], [[140], [88], [9]], [[21000], [14500], [1900]])
    >>> print(f"{1e5 * np.exp(r.estimate[0]):.1f} per 100,000")
    629.8 per 100,000
    """
    counts = imputed_counts(lower, upper, exposure, people=False, totals=totals, draws=draws, seed=seed)
    size = np.where(np.asarray(exposure, dtype=float) > 0, exposure, 0.0).sum(axis=0)
    x = np.nansum(counts, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return combined(np.log(x / size), 1 / x, confidence)


def imputed_proportion(
    lower: ArrayLike, upper: ArrayLike, people: ArrayLike, totals: Totals | None = None, draws: int = DRAWS, seed: int = 0,
    confidence: float = 0.95,
) -> Combined:  # fmt: skip
    """Pool the proportion of each cell over sites by multiple imputation; result on the logit scale, shape (cells,).

    >>> p = imputed_proportion([[140], [88], [1]], [[140], [88], [9]], [[21000], [14500], [1900]])
    >>> print(f"{expit(p.estimate[0]):.5f}")
    0.00630
    """
    counts = imputed_counts(lower, upper, people, people=True, totals=totals, draws=draws, seed=seed)
    size = np.where(np.asarray(people, dtype=float) > 0, people, 0.0).sum(axis=0)
    x = np.nansum(counts, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return combined(logit(x / size), 1 / x + 1 / (size - x), confidence)


def _drawn(fit: Any, top: Floats, size: Floats, people: bool, draws: int, rng: np.random.Generator) -> Floats:
    """Draw the common rate (or proportion) of each cell around its estimate; shape (draws, cells)."""
    value, variance = np.atleast_1d(fit.estimate), np.atleast_1d(fit.variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = (value > 0) & ((value < 1) | (not people)) & np.isfinite(variance)
        safe = np.where(inside, value, 0.5)
        scale = safe * (1 - safe) if people else safe
        middle = logit(safe) if people else np.log(safe)
        sd = np.where(inside, np.sqrt(np.where(inside, variance, 0.0)) / scale, 0.0)
        drawn = middle + sd * rng.standard_normal((draws, value.size))
        drawn = expit(drawn) if people else np.exp(drawn)
        # Where every lower limit is 0 there is no curvature: the rate is drawn from what half an event would say.
        edge = rng.gamma(0.5, 1.0, (draws, value.size)) / np.where(size > 0, size, 1.0)
        edge = np.minimum(edge, 0.999 if people else np.inf)
        edge = np.where(value > 0.5, 1 - edge, edge) if people else edge
    return np.where(inside, drawn, edge)


def _pmf(value: Floats, size: float, low: float, high: float, people: bool) -> Floats:
    """Return the probabilities of low, low + 1, ..., high for each drawn rate; shape (draws, numbers)."""
    if not np.isfinite(high):
        mean = float(value.max()) * size
        high = max(low, np.ceil(mean + 10 * np.sqrt(mean) + 20))
    require(high - low <= _WIDEST, "imputed_counts", "two limits lie too far apart", f"At most {_WIDEST}", "Merge cells")
    j = np.arange(low, high + 1)
    if people:
        odds = logit(np.clip(value, 1e-300, 1 - 1e-15))[:, None]
        log = j * odds + size * log_expit(-odds) - gammaln(j + 1) - gammaln(size - j + 1)
    else:
        log = j * np.log(np.maximum(value, 1e-300) * size)[:, None] - gammaln(j + 1)
    p = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _sample(pmfs: list[Floats], limits: tuple[float, float] | None, rng: np.random.Generator) -> Floats:
    """Draw how far above its lower limit each count lies, jointly with the range of their sum; shape (draws, counts)."""
    draws = len(pmfs[0])
    result = np.zeros((draws, len(pmfs)))
    for d in range(draws):
        parts = [p[d] for p in pmfs]
        if limits is None:
            result[d] = [rng.choice(len(p), p=p) for p in parts]
            continue
        ahead = [np.ones(1)]  # distribution of the sum of the counts not yet drawn
        for p in reversed(parts):
            ahead.append(np.convolve(ahead[-1], p))
        total = ahead.pop()
        sums = np.arange(total.size)
        total = np.where((sums >= limits[0]) & (sums <= limits[1]), total, 0.0)
        require(total.sum() > 0, "imputed_counts", "the limits of the counts cannot meet their total", "They can",
                "Check that cells and total come from one release")
        left = int(rng.choice(total.size, p=total / total.sum()))
        for i, p in enumerate(parts):
            after = ahead.pop()
            k = np.arange(p.size)
            weight = np.where((left - k >= 0) & (left - k < after.size), p * after[np.clip(left - k, 0, after.size - 1)], 0.0)
            result[d, i] = rng.choice(p.size, p=weight / weight.sum())
            left -= int(result[d, i])
    return result
