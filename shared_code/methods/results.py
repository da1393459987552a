"""The shapes that results take: frozen records with named fields.

Fields are scalars for one result and arrays for many. A result that is not given is nan, and `reason` says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Interval:
    """Hold an estimate between two limits, all in the unit of the estimate.

    >>> Interval(estimate=0.5, lower=0.4, upper=0.6).upper
    0.6
    """

    estimate: Any
    lower: Any
    upper: Any


@dataclass(frozen=True, eq=False)
class Estimate(Interval):
    """Hold an interval with its standard error and, where it is not given, the reason.

    >>> Estimate(estimate=0.5, lower=0.4, upper=0.6, se=0.05, reason="").se
    0.05
    """

    se: Any
    reason: Any

    @property
    def variance(self) -> Any:
        """Square the standard error."""
        return np.square(self.se)


@dataclass(frozen=True, eq=False)
class Ratio(Interval):
    """Hold a ratio with the standard error of its logarithm.

    >>> Ratio(estimate=2.0, lower=1.5, upper=2.7, se_log=0.15, reason="").se_log
    0.15
    """

    se_log: Any
    reason: Any


@dataclass(frozen=True, eq=False)
class Mean(Estimate):
    """Hold a mean with its standard error and the standard deviation `sd` of the values."""

    sd: Any


@dataclass(frozen=True, eq=False)
class Calibration(Interval):
    """Hold observed over expected events (`estimate`) with the Brier score and its scaled form."""

    observed: Any
    expected: Any
    brier: Any
    scaled_brier: Any


@dataclass(frozen=True, eq=False)
class Discrimination(Interval):
    """Hold an area under the ROC curve, the people with and without the event, and what binning can be off by at most."""

    se: Any
    positives: Any
    negatives: Any
    error_bound: Any


@dataclass(frozen=True, eq=False)
class Trend(Interval):
    """Hold the counts expected in the months ahead, the standard error of their logarithm, and the trend."""

    se_log: Any
    percent_a_year: float
    dispersion: float


@dataclass(frozen=True, eq=False)
class LifeExpectancy(Estimate):
    """Hold life expectancy in years at every band start; `reason` is per area, the rest per area and band.

    `too_wide` marks an interval wider than 20 years: show the interval, not the estimate.
    """

    edges: Any
    too_wide: Any


@dataclass(frozen=True, eq=False)
class SlopeIndex(Estimate):
    """Hold a slope index (`estimate`, unit of the values) and the relative index `ratio` with its limits.

    `first` and `last` are the fitted values at the two ends of the ranking.
    """

    first: Any
    last: Any
    ratio: Any
    ratio_lower: Any
    ratio_upper: Any
    ratio_se_log: Any


@dataclass(frozen=True, eq=False)
class MetaAnalysis(Estimate):
    """Hold a random-effects analysis of site estimates; `weights` follow the order of the input and sum to 1.

    `prediction_lower/upper`: where the effect of another site would lie (t with k-1 degrees of freedom and the
    standard error in `se`); `hts_lower/upper`: the Higgins-Thompson-Spiegelhalter version (t with k-2, plain standard
    error), for sensitivity only. `i2_percent` runs from 0 to 100, `h2` is Q over its degrees of freedom `df`.
    `tau2_lower/upper`: Q-profile limits. Fields are scalars for one analysis and arrays for many.
    """

    tau2: Any
    tau2_lower: Any
    tau2_upper: Any
    q: Any
    df: Any
    i2_percent: Any
    h2: Any
    prediction_lower: Any
    prediction_upper: Any
    hts_lower: Any
    hts_upper: Any
    weights: Any
    sites: Any
    method: Any


@dataclass(frozen=True, eq=False)
class MetaRegression(Estimate):
    """Hold a meta-regression: coefficients (intercept first), what they leave over, and a warning if sites are few.

    `test` and `p`: of all moderators together; `r2_percent`: the share of the variance between sites that they explain.
    """

    covariance: Any
    df: int
    test: float
    p: float
    tau2: float
    tau2_lower: float
    tau2_upper: float
    q_residual: float
    i2_percent: float
    h2: float
    r2_percent: float
    sites: int
    method: str
    warning: str


@dataclass(frozen=True, eq=False)
class OneStage(Estimate):
    """Hold a model fitted to the counts of all sites in one stage; `estimate` on the log or logit scale.

    `tau2` (or, for a beta-binomial, `rho`) says how much sites differ; `prediction_lower/upper` where another site would
    lie, with t on sites - 1 degrees of freedom. `sites` counts those that carry information.
    """

    tau2: float
    rho: float
    prediction_lower: float
    prediction_upper: float
    df: int
    log_likelihood: float
    sites: int
    method: str


@dataclass(frozen=True, eq=False)
class Posterior(Estimate):
    """Hold medians and equal-tailed limits of a Bayesian analysis; `se` is the posterior standard deviation."""

    tau: float
    tau_lower: float
    tau_upper: float
    prediction_lower: float
    prediction_upper: float


@dataclass(frozen=True, eq=False)
class PooledProfile(Estimate):
    """Hold what pooled likelihood profiles say, on the scale of their points; which limits lie beyond the points."""

    lower_outside: bool
    upper_outside: bool
    sites: int


@dataclass(frozen=True, eq=False)
class Combined(Estimate):
    """Hold a result combined over imputed data: degrees of freedom, and the share of the variance that is missing information."""

    df: Any
    missing_share: Any


@dataclass(frozen=True, eq=False)
class LeaveOneOut(Interval):
    """Hold the analyses without each site in turn, in input order.

    `sign_changes`, `significance_changes` and `moves` (by more than one standard error of the full analysis) are
    boolean per site; `flagged` is any of the three.
    """

    se: Any
    sign_changes: Any
    significance_changes: Any
    moves: Any
    tau2: Any

    @property
    def flagged(self) -> Any:
        """Mark the sites on which the conclusion hangs."""
        return self.sign_changes | self.significance_changes | self.moves


@dataclass(frozen=True, eq=False)
class CensoredFit(Interval):
    """Hold a maximum-likelihood rate or proportion per cell, fitted to counts known to lie between limits.

    `effective`: how many events (rate) or people (proportion), exactly known, carry the same information;
    `sites`: how many sites are in the cell; `at_edge`: counts that are not known exactly left the estimate at 0 (or 1),
    where the likelihood has no curvature: variance and effective are nan, and only the limits can be read.
    """

    variance: Any
    effective: Any
    at_edge: Any
    sites: Any
    iterations: Any
    converged: Any

    @property
    def se(self) -> Any:
        """Take the square root of the variance."""
        return np.sqrt(self.variance)


@dataclass(frozen=True, eq=False)
class Bounds:
    """Hold a pooled statistic at all-lower and all-upper counts.

    `uncertain_share`: the most that counts not known exactly can contribute to the pooled count, from 0 to 1.
    """

    lower: Any
    upper: Any
    uncertain_share: Any
