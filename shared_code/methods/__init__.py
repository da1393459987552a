"""Statistical methods as pure functions on arrays: one method, one function, one reference, one known answer.

Sites are summed first: every function takes counts or sums that add up over sites, except `meta_analysis`, which is for
what does not. A value that cannot be given is nan with a `reason`; unusable input raises ValueError, and an iteration
that does not end raises ConvergenceError. The formulas are those of METHODS, by section number.
"""

from shared_code.methods.area_imputation import imputed_areas, limits_of_shares, scorable
from shared_code.methods.area_tables import life_expectancy_table, standardised_table
from shared_code.methods.bayes import bayesian_random_effects
from shared_code.methods.before_after import (
    Sums,
    arm_sums,
    before_after,
    common_difference,
    difference_in_differences,
    difference_in_differences_of_sets,
    e_value,
    holm,
    set_sums,
)
from shared_code.methods.benefit_cost import BenefitCost, RatioReadings, benefit_cost, ratio_readings
from shared_code.methods.beta_binomial import beta_binomial, beta_binomial_ratio
from shared_code.methods.bins import quantile_from_bins
from shared_code.methods.censored import bounds, censored_proportion, censored_rate
from shared_code.methods.checks import ConvergenceError
from shared_code.methods.completion import (
    Completed,
    Totals,
    completed_proportions,
    completed_rates,
    information,
    starting_values,
)
from shared_code.methods.composite import (
    Component,
    component_score,
    power_mean,
    ranks,
    standardised_by,
    toward_better,
    transformed,
)
from shared_code.methods.cross_sections import equivalent_age
from shared_code.methods.effects import comparison, single
from shared_code.methods.event_study import EventStudy, Power, after_only, clustered_rates, event_study, simulated_power
from shared_code.methods.funding import (
    Paced,
    allocate,
    distance_from_target,
    implied_blend,
    pace_of_change,
    weight_of_blend,
    whole_pounds,
    with_floor,
    years_to_target,
)
from shared_code.methods.funnels import funnel_limits, funnel_position
from shared_code.methods.hazards import cumulative_incidence, onset_quantile, years_free
from shared_code.methods.imputation import combined, imputed_counts, imputed_proportion, imputed_rate
from shared_code.methods.inequality import slope_index
from shared_code.methods.interrupted import Interrupted, interrupted_series, ratio_of_rates
from shared_code.methods.intervals import (
    difference,
    newcombe_difference,
    poisson_interval,
    round_half_up,
    round_midpoint,
    wilson,
)
from shared_code.methods.life_table import gap, life_expectancy
from shared_code.methods.matching import (
    Balance,
    Matched,
    caliper_width,
    match,
    pooled_spread,
    propensity_logit,
    standardised_difference,
)
from shared_code.methods.meta_analysis import common_effect, cumulative, leave_one_out, random_effects, subgroups
from shared_code.methods.meta_regression import egger_p, egger_test, meta_regression
from shared_code.methods.moments import correlation, mean
from shared_code.methods.one_stage import binomial_normal, binomial_normal_ratio, poisson_normal, poisson_normal_ratio
from shared_code.methods.predictions import (
    auc_from_bins,
    brier_interval,
    calibration,
    interval_of_area,
    needed_to_intervene,
    net_benefit,
    recalibration,
    within_sites,
)
from shared_code.methods.profiles import Profile, default_points, pool_profiles, profile_at, profile_of_rates
from shared_code.methods.profiles_random import bayesian_profiles, random_effects_of_profiles
from shared_code.methods.quantile_groups import quantile_groups
from shared_code.methods.rank_uncertainty import Ranks, against_peers, nearest_peers, rank_intervals
from shared_code.methods.rare import mantel_haenszel, peto_odds_ratio, rate_ratio
from shared_code.methods.rates import expected_events, indirect_rate, rate
from shared_code.methods.regression_to_mean import (
    Fall,
    GammaPoisson,
    expected_fall,
    fall_from_counts,
    fit_gamma_poisson,
    spurious_ratio,
)
from shared_code.methods.results import (
    Bounds,
    Calibration,
    CensoredFit,
    Combined,
    Discrimination,
    Estimate,
    Interval,
    LeaveOneOut,
    LifeExpectancy,
    Mean,
    MetaAnalysis,
    MetaRegression,
    OneStage,
    PooledProfile,
    Posterior,
    Ratio,
    SlopeIndex,
    Trend,
)
from shared_code.methods.run_charts import RunChart, p_chart
from shared_code.methods.scale_structure import Structure, correlation_from_sums, plain_weights, scale_structure
from shared_code.methods.seasons import trend_and_season
from shared_code.methods.shrinkage import Shrunk, empirical_bayes
from shared_code.methods.standard_population import ESP2013, standard_weights
from shared_code.methods.standardisation import (
    Standardised,
    dobson_rate,
    indirect_ratio,
    mantel_haenszel_ratio,
    standardise,
    standardised_proportion,
    standardised_ratio,
)

__all__ = [
    "ESP2013",
    "Balance",
    "BenefitCost",
    "Bounds",
    "Calibration",
    "CensoredFit",
    "Combined",
    "Completed",
    "Component",
    "ConvergenceError",
    "Discrimination",
    "Estimate",
    "EventStudy",
    "Fall",
    "GammaPoisson",
    "Interrupted",
    "Interval",
    "LeaveOneOut",
    "LifeExpectancy",
    "Matched",
    "Mean",
    "MetaAnalysis",
    "MetaRegression",
    "OneStage",
    "Paced",
    "PooledProfile",
    "Posterior",
    "Power",
    "Profile",
    "Ranks",
    "Ratio",
    "RatioReadings",
    "RunChart",
    "Shrunk",
    "SlopeIndex",
    "Standardised",
    "Structure",
    "Sums",
    "Totals",
    "Trend",
    "after_only",
    "against_peers",
    "allocate",
    "arm_sums",
    "auc_from_bins",
    "bayesian_profiles",
    "bayesian_random_effects",
    "before_after",
    "benefit_cost",
    "beta_binomial",
    "beta_binomial_ratio",
    "binomial_normal",
    "binomial_normal_ratio",
    "bounds",
    "brier_interval",
    "calibration",
    "caliper_width",
    "censored_proportion",
    "censored_rate",
    "clustered_rates",
    "combined",
    "common_difference",
    "common_effect",
    "comparison",
    "completed_proportions",
    "completed_rates",
    "component_score",
    "correlation",
    "correlation_from_sums",
    "cumulative",
    "cumulative_incidence",
    "default_points",
    "difference",
    "difference_in_differences",
    "difference_in_differences_of_sets",
    "distance_from_target",
    "dobson_rate",
    "e_value",
    "egger_p",
    "egger_test",
    "empirical_bayes",
    "equivalent_age",
    "event_study",
    "expected_events",
    "expected_fall",
    "fall_from_counts",
    "fit_gamma_poisson",
    "funnel_limits",
    "funnel_position",
    "gap",
    "holm",
    "implied_blend",
    "imputed_areas",
    "imputed_counts",
    "imputed_proportion",
    "imputed_rate",
    "indirect_rate",
    "indirect_ratio",
    "information",
    "interrupted_series",
    "interval_of_area",
    "leave_one_out",
    "life_expectancy",
    "life_expectancy_table",
    "limits_of_shares",
    "mantel_haenszel",
    "mantel_haenszel_ratio",
    "match",
    "mean",
    "meta_regression",
    "nearest_peers",
    "needed_to_intervene",
    "net_benefit",
    "newcombe_difference",
    "onset_quantile",
    "p_chart",
    "pace_of_change",
    "peto_odds_ratio",
    "plain_weights",
    "poisson_interval",
    "poisson_normal",
    "poisson_normal_ratio",
    "pool_profiles",
    "pooled_spread",
    "power_mean",
    "profile_at",
    "profile_of_rates",
    "propensity_logit",
    "quantile_from_bins",
    "quantile_groups",
    "random_effects",
    "random_effects_of_profiles",
    "rank_intervals",
    "ranks",
    "rate",
    "rate_ratio",
    "ratio_of_rates",
    "ratio_readings",
    "recalibration",
    "round_half_up",
    "round_midpoint",
    "scale_structure",
    "scorable",
    "set_sums",
    "simulated_power",
    "single",
    "slope_index",
    "spurious_ratio",
    "standard_weights",
    "standardise",
    "standardised_by",
    "standardised_difference",
    "standardised_proportion",
    "standardised_ratio",
    "standardised_table",
    "starting_values",
    "subgroups",
    "toward_better",
    "transformed",
    "trend_and_season",
    "weight_of_blend",
    "whole_pounds",
    "wilson",
    "with_floor",
    "within_sites",
    "years_free",
    "years_to_target",
]
