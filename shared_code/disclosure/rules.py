"""Rules for one cell: when it may be shown, and what may be said of it when it may not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from shared_code.config.study import Policy, ResultsTable
from shared_code.methods.intervals import round_half_up
from shared_code.model.units import DAYS_A_YEAR

ESTIMATE_DIGITS, SE_DIGITS = 2, 3  # decimals that estimates and standard errors keep


def guard_counts(table: pd.DataFrame, declared: ResultsTable, policy: Policy) -> dict[str, pd.DataFrame]:
    """Protect people and cases: small groups, small numbers of cases, and small numbers of non-cases."""
    people, cases = table["people"].to_numpy(float), table["cases"].to_numpy(float)
    t = policy.threshold
    few_people = (people > 0) & (people < t)
    few_cases = (cases > 0) & (cases < t)
    few_others = (people > 0) & (people - cases < t) & (t > 1)  # none without the attribute discloses a whole group
    shown = _rounded(people, few_people, policy)
    shown.loc[few_people, ["lower", "upper"]] = [1, t - 1]
    numerator = _rounded(cases, few_people | few_cases | few_others, policy)
    numerator.loc[few_cases, ["lower", "upper"]] = [1, t - 1]
    others = few_others & ~few_cases
    numerator.loc[others, "lower"] = (shown["lower"] - (t - 1)).clip(lower=0)[others]
    numerator.loc[others, "upper"] = shown["upper"][others]
    numerator.loc[few_people, ["lower", "upper"]] = [0, t - 1]
    numerator["upper"] = np.minimum(numerator["upper"], shown["upper"])
    for values, cells in ((people, shown), (cases, numerator)):
        cells.loc[np.isnan(values), ["value", "status", "lower", "upper"]] = [np.nan, "not_collected", np.nan, np.nan]
    return {"people": shown, "cases": numerator}


def guard_events(table: pd.DataFrame, declared: ResultsTable, policy: Policy) -> dict[str, pd.DataFrame]:
    """Protect events by the number of distinct people who had one, and by the person-time behind them.

    A statistic that a site does not collect says so and has no range. Events of an unknown number of people cannot be
    judged and are hidden. A threshold of 1 hides nothing.
    """
    people = table["people"].to_numpy(float)
    t = policy.threshold
    few_people = (people > 0) & (people < t)
    little_time = table["person_days"].to_numpy(float) < t * DAYS_A_YEAR if t > 1 else np.zeros(len(table), bool)
    hidden = few_people | little_time | (np.isnan(people) & (t > 1))
    guarded = {}
    for name in ("people", "events", "events_squared"):
        values = table[name].to_numpy(float)
        shown = _rounded(values, hidden, policy)
        most = t - 1 if declared.once or name == "people" else np.inf
        shown.loc[hidden, ["lower", "upper"]] = [0, np.inf]
        shown.loc[few_people, ["lower", "upper"]] = [1, most]
        shown.loc[np.isnan(values), ["value", "status", "lower", "upper"]] = [np.nan, "not_collected", np.nan, np.nan]
        guarded[name] = shown
    days = table["person_days"].to_numpy(float)
    guarded["person_days"] = _exact(days, little_time)
    guarded["person_days"].loc[little_time, ["lower", "upper"]] = [0, t * DAYS_A_YEAR]
    return guarded


def guard_estimates(table: pd.DataFrame, declared: ResultsTable, policy: Policy) -> dict[str, pd.DataFrame]:
    """Protect estimates by the number of distinct people with the event behind them, and by their person-time."""
    people, days = table["people"].to_numpy(float), table["person_days"].to_numpy(float)
    t = policy.threshold
    few_people = (people > 0) & (people < t)
    little_time = (days > 0) & (days < t * DAYS_A_YEAR) & (t > 1)
    hidden = ((people < t) & (t > 1)) | little_time  # an estimate rests on events: with none it is hidden as well
    not_given = table["estimate"].isna().to_numpy()
    guarded = {"people": _rounded(people, few_people, policy), "person_days": _exact(days, little_time)}
    guarded["people"].loc[few_people, ["lower", "upper"]] = [1, t - 1]
    guarded["person_days"].loc[little_time, ["lower", "upper"]] = [0, t * DAYS_A_YEAR]
    for name, digits in (("estimate", ESTIMATE_DIGITS), ("se", SE_DIGITS)):
        shown = _to_decimals(table[name].to_numpy(float), hidden & ~not_given, digits)
        shown.loc[not_given, ["value", "status", "lower", "upper"]] = [np.nan, "not_applicable", np.nan, np.nan]
        guarded[name] = shown
    guarded["se"]["lower"] = guarded["se"]["lower"].clip(lower=0)
    return guarded


GUARDS = {"counts": guard_counts, "events": guard_events, "estimates": guard_estimates}


def _exact(values: np.ndarray, hidden: np.ndarray) -> pd.DataFrame:
    cells = pd.DataFrame({"value": values, "status": "ok", "lower": values, "upper": values})
    cells.loc[hidden, "status"] = "withheld"
    cells.loc[hidden, ["value", "lower", "upper"]] = np.nan
    return cells


def _to_decimals(values: np.ndarray, hidden: np.ndarray, digits: int) -> pd.DataFrame:
    """Round half up to so many decimals; the true value lies within half a step of the last one."""
    scale = 10**digits
    cells = _exact(round_half_up(values * scale) / scale, hidden)
    cells.loc[~hidden, "status"] = "rounded"
    cells["lower"], cells["upper"] = cells["lower"] - 0.5 / scale, cells["upper"] + 0.5 / scale
    return cells


def _rounded(values: np.ndarray, hidden: np.ndarray, policy: Policy) -> pd.DataFrame:
    """Round half up and give the range of whole numbers that round to the value and pass the threshold."""
    if policy.rounding == 1:
        return _exact(values, hidden)
    base = policy.rounding
    shown = np.where(np.isnan(values), np.nan, round_half_up(np.nan_to_num(values), base))
    lower = np.ceil(shown - base / 2)
    cells = pd.DataFrame({
        "value": shown, "status": np.where(values == 0, "ok", "rounded"),
        "lower": np.where(values == 0, 0, np.maximum(lower, policy.threshold)),
        "upper": np.where(values == 0, 0, np.ceil(shown + base / 2) - 1),
    })  # fmt: skip
    cells.loc[hidden, "status"] = "withheld"
    cells.loc[hidden, ["value", "lower", "upper"]] = np.nan
    return cells
