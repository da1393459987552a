"""Measures: what a site counts. Everything here adds up over people, areas and sites."""

from shared_code.measures.cohort import (
    alive_and_registered,
    area_of_residence,
    band,
    completed_years,
    conditions_present,
    ethnicity5,
    registered,
    ward_edition,
    ward_names,
)
from shared_code.measures.follow_up import deaths_by_attained_age, events_by_attained_age, follow_up, nth_condition
from shared_code.measures.groups import (
    both_definitions,
    broad_groups,
    checked,
    codes_recorded,
    count_shares,
    count_table,
    in_thirds_of_need,
    missing_together,
    number_of_checks,
    read_again,
    soon_enough,
    together,
    treated_to_target,
    with_age_bands,
    with_code,
    with_core20,
)
from shared_code.measures.illness import (
    check_days,
    crises,
    days_lived,
    deaths_in_all,
    first_events_by_check,
    in_the_last,
    repeated_events,
    seen_after_discharge,
    shares_with_event,
    with_and_without,
    years_lost,
)
from shared_code.measures.matched_controls import Frozen, balance_table, match_controls, save_frozen
from shared_code.measures.matched_follow_up import (
    FollowUp,
    activity_sums,
    changes,
    deaths,
    estimates,
    months,
    outcomes_of,
)
from shared_code.measures.monthly_use import appointments, contacts, members, monthly_use, often, on_list, span, yearly
from shared_code.measures.mortality import as_events, deaths_and_person_years, require_located_deaths
from shared_code.measures.palliative import in_palliative_care, palliative_records
from shared_code.measures.prepared import Prepared, open_prepared
from shared_code.measures.residents import residents_in_need
from shared_code.measures.risk import admission_risk, emergency_stays, frailty, judged, known_before, risk_sums
from shared_code.measures.risk_sets import Cohort, RiskSets, open_cohort, risk_sets
from shared_code.measures.rolling_rule import Rule
from shared_code.measures.rule_counts import by_rule, frequencies
from shared_code.measures.saving import check_results, save_results
from shared_code.measures.tally import count_cases
from shared_code.measures.use_in_groups import described, emergency_care, use_in_groups
from shared_code.measures.variants import effects_in_groups, match_variants

__all__ = [
    "Cohort", "FollowUp", "Frozen", "Prepared", "RiskSets", "Rule", "activity_sums", "admission_risk", "alive_and_registered",
    "appointments", "area_of_residence", "as_events", "balance_table", "band", "both_definitions", "broad_groups", "by_rule",
    "changes",
    "check_days", "check_results", "checked", "codes_recorded", "completed_years", "conditions_present", "contacts",
    "count_cases", "count_shares", "count_table", "crises", "days_lived", "deaths", "deaths_and_person_years",
    "deaths_by_attained_age", "deaths_in_all", "described", "effects_in_groups", "emergency_care", "emergency_stays",
    "estimates", "ethnicity5", "events_by_attained_age", "first_events_by_check", "follow_up", "frailty", "frequencies",
    "in_palliative_care", "in_the_last", "in_thirds_of_need", "judged", "known_before", "match_controls", "match_variants",
    "members", "missing_together", "monthly_use", "months", "nth_condition", "number_of_checks", "often", "on_list",
    "open_cohort", "open_prepared", "outcomes_of", "palliative_records", "read_again", "registered", "repeated_events",
    "require_located_deaths", "residents_in_need", "risk_sets", "risk_sums", "save_frozen", "save_results",
    "seen_after_discharge", "shares_with_event", "soon_enough", "span", "together", "treated_to_target", "use_in_groups",
    "ward_edition", "ward_names", "with_age_bands", "with_and_without", "with_code", "with_core20", "yearly", "years_lost",
]  # fmt: skip
