"""Quality: is a site's linked data complete, valid, plausible, linked and timely enough for an analysis?"""

from shared_code.quality.codes import snomed_valid
from shared_code.quality.faults import faults
from shared_code.quality.judge import evenness, judge, list_ratios
from shared_code.quality.linked import linked
from shared_code.quality.months import by_month, missing_months, observed_days, observed_share, receipt, unusual
from shared_code.quality.profile import against_population, coding_depth, cohort, flow, lags
from shared_code.quality.since import drift, psi

__all__ = [
    "against_population", "by_month", "coding_depth", "cohort", "drift", "evenness", "faults", "flow", "judge", "lags", "linked",
    "list_ratios", "missing_months", "observed_days", "observed_share", "psi", "receipt", "snomed_valid", "unusual",
]  # fmt: skip
