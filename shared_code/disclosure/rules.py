"""Rules for one row of a results table: what may not be shown whatever else is released, and why.

A rule takes (wide table, declaration, policy) and gives, per statistic of the layout, a frame with a row per row of the
table: `value`, `status`, `lower`, `upper` as they would be published, and `reason` ("" where the number may be shown).
Where there is a reason the status is `withheld`. Rules are registered per layout in GUARDS; another module adds its own:
`GUARDS["profile"] = guard_profile`. A layout without a rule is refused. There is no layout for a minimum, a maximum, a
mode or a median: they are one person's value, and quantiles are computed from bins. Which statistics add up, and so are
protected jointly, is said in `system.LINEAR`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure.rounding import exact, rounded, rounded_days, rounded_sums, to_decimals, withhold
from shared_code.model.units import DAYS_A_YEAR

ESTIMATE_DIGITS, SE_DIGITS = 2, 3  # decimals that estimates and standard errors keep
CLASS_LIMIT = 1000  # people; nobody of a smaller group having a sensitive attribute tells it of everyone (11.3)

FEW_PEOPLE = "fewer people than the threshold"
FEW_CASES = "fewer cases than the threshold"
FEW_OTHERS = "fewer people without it than the threshold"
NOBODY = "nobody in a group of fewer than 1,000 has it, which tells it of all of them"
LITTLE_TIME = "less person-time than the threshold of people would spend in a year"
UNKNOWN_PEOPLE = "it is not known how many people stand behind it"
DOMINANT = "one or two people make up most of the sum"

Frames = dict[str, pd.DataFrame]
Guard = Callable[[pd.DataFrame, ResultsTable, Policy], Frames]


def guard_counts(table: pd.DataFrame, declared: ResultsTable, policy: Policy) -> Frames:
    """Protect people and cases: small groups, small numbers of cases, and small numbers of non-cases."""
    people, cases = table["people"].to_numpy(float), table["cases"].to_numpy(float)
    t = policy.threshold
    anybody = people > 0
    few_people = anybody & (people < t)
    few_cases = (cases > 0) & (cases < t)
    few_others = anybody & (people - cases < t) & (t != 1)  # none without the attribute discloses a whole group
    nobody = anybody & (cases == 0) & (people < CLASS_LIMIT) & declared.sensitive & (t != 1)
    of_people = _first([(few_people, FEW_PEOPLE)])
    of_cases = _first([(few_people, FEW_PEOPLE), (few_cases, FEW_CASES), (few_others, FEW_OTHERS), (nobody, NOBODY)])
    shown = rounded(people, of_people != "", policy)
    numerator = rounded(cases, of_cases != "", policy)
    numerator["upper"] = np.minimum(numerator["upper"], shown["upper"])
    return {"people": _given(shown, people, of_people), "cases": _given(numerator, cases, of_cases)}


def guard_events(table: pd.DataFrame, declared: ResultsTable, policy: Policy) -> Frames:
    """Protect events by the number of distinct people who had one, and by the person-time behind them.

    A statistic that a site does not collect says so and has no range. Events of an unknown number of people cannot be
    judged and are hidden. A threshold of 1 hides nothing.
    """
    people, days = table["people"].to_numpy(float), table["person_days"].to_numpy(float)
    t = policy.threshold
    little_time = (days < t * DAYS_A_YEAR) & (t != 1)
    reasons = _first([((people > 0) & (people < t), FEW_PEOPLE), (little_time, LITTLE_TIME),
                      (np.isnan(people) & (t != 1), UNKNOWN_PEOPLE)])  # fmt: skip
    guarded = {}
    for name in ("people", "events", "events_squared"):
        values = table[name].to_numpy(float)
        guarded[name] = _given(rounded(values, reasons != "", policy), values, reasons)
    of_days = _first([(little_time, LITTLE_TIME)])
    guarded["person_days"] = _given(rounded_days(days, of_days != "", policy), days, of_days)
    return guarded


def guard_estimates(table: pd.DataFrame, declared: ResultsTable, policy: Policy) -> Frames:
    """Protect estimates by the number of distinct people with the event behind them, and by their person-time."""
    people, days = table["people"].to_numpy(float), table["person_days"].to_numpy(float)
    t = policy.threshold
    few_people = (people > 0) & (people < t)
    little_time = (days > 0) & (days < t * DAYS_A_YEAR) & (t != 1)
    without = (people < t) & (t != 1)  # an estimate rests on events: with none it is hidden as well
    unknown = np.isnan(people) & (t != 1)
    not_given = table["estimate"].isna().to_numpy()
    of_people, of_days = _first([(few_people, FEW_PEOPLE)]), _first([(little_time, LITTLE_TIME)])
    guarded = {
        "people": _given(rounded(people, few_people, policy), people, of_people),
        "person_days": _given(rounded_days(days, little_time, policy), days, of_days),
    }
    reasons = _first([(without & ~not_given, FEW_PEOPLE), (unknown & ~not_given, UNKNOWN_PEOPLE),
                      (little_time & ~not_given, LITTLE_TIME)])  # fmt: skip
    for name, digits in (("estimate", ESTIMATE_DIGITS), ("se", SE_DIGITS)):
        values, public = table[name].to_numpy(float), t == 1 and policy.rounding == 1  # published before: nothing is rounded
        shown = exact(values, reasons != "") if public else to_decimals(values, reasons != "", digits)
        absent = not_given | (np.isnan(values) & (reasons == ""))  # a test statistic has no standard error
        shown.loc[absent, ["value", "status", "lower", "upper"]] = [np.nan, "not_applicable", np.nan, np.nan]
        guarded[name] = shown.assign(reason=reasons)
    guarded["se"]["lower"] = guarded["se"]["lower"].clip(lower=0)
    return guarded


def guard_moments(table: pd.DataFrame, declared: ResultsTable, policy: Policy) -> Frames:
    """Protect sums by the number of people and by dominance: no person, and no two, may make up most of a sum.

    The two largest contributions may have at most `dominance` of the sum (n, k rule), and the rest must be at least
    `p_percent` % of the largest (p % rule): with known second largest, nobody then learns the largest closely.
    """
    people, total = table["people"].to_numpy(float), np.abs(table["sum"].to_numpy(float))
    first, second = table["largest"].to_numpy(float), table["second_largest"].to_numpy(float)
    t = policy.threshold
    few_people = (people > 0) & (people < t)
    unknown = (np.isnan(people) | np.isnan(first) | np.isnan(second)) & (t != 1)
    # Contributions of both signs can cancel in the sum, so a small rest always counts as dominated.
    concentrated = ((first + second) > policy.dominance * total) | (total - first - second < policy.p_percent / 100 * first)
    dominated = concentrated & (t != 1)
    of_people = _first([(few_people, FEW_PEOPLE)])
    of_sums = _first([(few_people, FEW_PEOPLE), (unknown, UNKNOWN_PEOPLE), (dominated, DOMINANT)])
    guarded = {"people": _given(rounded(people, of_people != "", policy), people, of_people)}
    for name in ("sum", "sum_squares", "sum_products"):
        values = table[name].to_numpy(float)
        guarded[name] = _given(rounded_sums(values, people, of_sums != "", policy), values, of_sums)
    guarded["sum_squares"]["lower"] = guarded["sum_squares"]["lower"].clip(lower=0)
    return guarded


def guard_bins(table: pd.DataFrame, declared: ResultsTable, policy: Policy) -> Frames:
    """Protect bins by the number of distinct people in each: quantiles are read from bins, never from a person."""
    people, records = table["people"].to_numpy(float), table["records"].to_numpy(float)
    t = policy.threshold
    reasons = _first([((people > 0) & (people < t), FEW_PEOPLE), (np.isnan(people) & (t != 1), UNKNOWN_PEOPLE)])
    return {name: _given(rounded(values, reasons != "", policy), values, reasons)
            for name, values in (("people", people), ("records", records))}  # fmt: skip


GUARDS: dict[str, Guard] = {
    "counts": guard_counts, "events": guard_events, "estimates": guard_estimates, "moments": guard_moments,
    "bins": guard_bins,
}  # fmt: skip


def _first(reasons: list[tuple[np.ndarray, str]]) -> np.ndarray:
    """Give each row the first reason that holds for it, or ""."""
    return np.select([np.asarray(holds, bool) for holds, _ in reasons], [reason for _, reason in reasons], "").astype(object)


def _given(cells: pd.DataFrame, values: np.ndarray, reasons: np.ndarray) -> pd.DataFrame:
    """Add the reasons; what the site does not collect says so, and has neither a range nor a reason."""
    absent = np.isnan(values)
    cells.loc[absent, ["value", "status", "lower", "upper"]] = [np.nan, "not_collected", np.nan, np.nan]
    return cells.assign(reason=np.where(absent, "", reasons))


__all__ = ["GUARDS", "Guard", "exact", "rounded", "to_decimals", "withhold"]
