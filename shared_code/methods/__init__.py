"""Statistical methods as pure functions on arrays: one method, one function, one reference, one known answer.

Sites are summed first: every function takes counts or sums that add up over sites, except `meta_analysis`, which is for
what does not. A value that cannot be given is nan with a `reason`; unusable input raises ValueError, and an iteration
that does not end raises ConvergenceError. The formulas are those of METHODS, by section number.
"""

from shared_code.methods.area_tables import life_expectancy_table
from shared_code.methods.bins import quantile_from_bins
from shared_code.methods.censored import bounds, censored_proportion, censored_rate
from shared_code.methods.completion import Completed, Totals, completed_proportions, completed_rates, information
from shared_code.methods.checks import ConvergenceError
from shared_code.methods.inequality import slope_index
from shared_code.methods.intervals import (
    newcombe_difference,
    poisson_interval,
    round_half_up,
    round_midpoint,
    wilson,
)
from shared_code.methods.life_table import gap, life_expectancy
from shared_code.methods.meta_analysis import common_effect, leave_one_out, random_effects
from shared_code.methods.results import (
    Bounds,
    CensoredFit,
    Estimate,
    Interval,
    LeaveOneOut,
    LifeExpectancy,
    MetaAnalysis,
    Ratio,
    SlopeIndex,
)
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
    "Bounds",
    "CensoredFit",
    "Completed",
    "ConvergenceError",
    "Estimate",
    "Interval",
    "LeaveOneOut",
    "LifeExpectancy",
    "MetaAnalysis",
    "Ratio",
    "SlopeIndex",
    "Standardised",
    "Totals",
    "bounds",
    "censored_proportion",
    "censored_rate",
    "common_effect",
    "completed_proportions",
    "completed_rates",
    "dobson_rate",
    "gap",
    "indirect_ratio",
    "information",
    "leave_one_out",
    "life_expectancy",
    "life_expectancy_table",
    "mantel_haenszel_ratio",
    "newcombe_difference",
    "poisson_interval",
    "quantile_from_bins",
    "random_effects",
    "round_half_up",
    "round_midpoint",
    "slope_index",
    "standard_weights",
    "standardise",
    "standardised_proportion",
    "standardised_ratio",
    "wilson",
]
