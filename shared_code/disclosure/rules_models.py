"""Rules for regressions and likelihoods: what their sums tell about small groups, and when they may leave.

At coefficients of zero the Hessian of a model is the cross-tabulation of its columns, and the gradient holds their events.
So a step is judged as those tables would be, cell by cell; and because later steps are the same tables under other
weights, it leaves whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import rules
from shared_code.model import ALL, LAYOUTS

FEWEST_PER_PARAMETER = 10  # people with the event (and without it) for each parameter
FEWEST_DEGREES = 10  # people beyond the number of parameters
PEOPLE_PER_PARAMETER = 10
MOST_REQUESTS = 40  # rounds about one analysis' people, whatever the model: a refitted model is a difference

Frames = dict[str, pd.DataFrame]


def guard_profile(table: pd.DataFrame, declared: ResultsTable, policy: Policy) -> Frames:
    """Protect a likelihood at points: its curve tells the counts behind it, so it is judged as they are."""
    people, fewest = table["people"].to_numpy(float), table["fewest"].to_numpy(float)
    hidden = _small(people, policy) | _small(fewest, policy)
    # one curve leaves whole or not at all: a point more or less tells how near the threshold a group is
    others = [name for name in declared.dimensions if not declared.dimensions[name].points]
    if others:
        hidden = pd.Series(hidden).groupby([table[name].to_numpy() for name in others]).transform("any").to_numpy()
    elif hidden.any():
        hidden = np.ones(len(table), bool)
    guarded = {}
    for name in ("log_likelihood", "gradient"):
        cells = _exact(table[name].to_numpy(float), hidden)
        cells.loc[table[name].isna().to_numpy() & ~hidden, "status"] = "not_applicable"
        guarded[name] = cells
    for name in ("people", "events"):
        cells = _exact(table[name].to_numpy(float), hidden)
        cells.loc[hidden, ["lower", "upper"]] = [0, np.inf]
        guarded[name] = cells
    return guarded


def guard_step(table: pd.DataFrame, declared: ResultsTable, policy: Policy) -> Frames:
    """Protect one iteration of a federated regression: exact where every group behind it is large enough, else nothing."""
    hidden = np.full(len(table), bool(list(step_faults(table, policy))))
    nothing = not hidden.any() and float(_total(table)["cases"]) == 0
    guarded = {}
    for name in LAYOUTS["step"].statistics:
        values = table[name].to_numpy(float)
        silent = np.isnan(values) | (nothing and name not in ("people", "events"))
        shown = np.where(silent | hidden, np.nan, values)
        status = np.where(silent, "not_applicable", np.where(hidden, "withheld", "ok"))
        count = name in ("people", "clusters")
        lower, upper = (np.where((status == "withheld") & count, limit, shown) for limit in (0.0, np.inf))
        guarded[name] = pd.DataFrame({"value": shown, "status": status, "lower": lower, "upper": upper})
    return guarded


def step_faults(table: pd.DataFrame, policy: Policy) -> Iterator[tuple[str, str]]:
    """Say why a step may not leave, each with what to do: (reason, mend); nothing when it may.

    table  wide, of layout `step`. A site with no events gives none either: only that it has none.
    The reasons name terms and no number of people.
    """
    t = policy.smallest_shown
    total = _total(table)
    people, cases = float(total["people"]), float(total["cases"])
    if people < t:
        yield "fewer people than the threshold are in the model", "Leave the site out"
        return
    if cases == 0:
        return
    if total["requests"] > MOST_REQUESTS:
        wrong = f"more than {MOST_REQUESTS} rounds were asked about the people of this analysis: repeated fits can be subtracted"
        yield wrong, "Agree on one model, or on a one-round method"
    if t == 1:
        return
    small = table[_small(table["fewest"].to_numpy(float), policy)]
    pairs = sorted({" × ".join(sorted({_term(row["term"]), _term(row["by"])} - {ALL})) for _, row in small.iterrows()})
    if pairs:
        named = ", ".join(pair or "the outcome" for pair in _needed(pairs)[:6])
        yield f"groups of 1 to {t - 1} people, with or without the outcome, in {named}", "Merge levels, for all sites"
    if 0 < total["patterns"] < t:
        yield ("so many rounds of so few patterns could be solved for the people in each pattern of terms and outcome, and some "
               f"have 1 to {t - 1}"), "Merge levels, declare fewer rounds, or release estimates once"  # fmt: skip
    columns = table[(table["by"] == table["term"]) & (table["term"] != ALL) & (table["hessian"] != 0)]
    p = len(columns)
    if people < PEOPLE_PER_PARAMETER * p or people - p < FEWEST_DEGREES:
        yield f"{p} parameters are too many for its people", f"{PEOPLE_PER_PARAMETER} people or more for each; merge levels"
    if min(cases, float(total["others"])) < FEWEST_PER_PARAMETER * p:
        yield (f"fewer than {FEWEST_PER_PARAMETER} people with the outcome (or without it) for each of {p} parameters",
               "Merge levels, or leave terms out, for all sites")  # fmt: skip
    told = table[table["hessian"].notna() & (table["hessian"] != 0) & (table["effective"] < t)]
    if len(told) and not len(small):
        terms = sorted({_term(name) for name in told["term"]})
        yield f"at these coefficients a few people make up most of the sums of {', '.join(terms[:6])}", "Ask nearer to the fit"
    clusters = total["clusters"]
    if 0 < clusters < t:
        yield f"fewer than {t} clusters, so that each one's sums could be solved for", "Ask for the variance from people"


def _needed(pairs: list[str]) -> list[str]:
    """Leave out pairs whose smaller part is named already."""
    single = {pair for pair in pairs if " × " not in pair}
    return [pair for pair in pairs if " × " not in pair or not single & set(pair.split(" × "))]


def _term(name: str) -> str:
    return str(name).partition("=")[0].replace("intercept", ALL)


def _total(table: pd.DataFrame) -> pd.Series:
    return table[(table["term"] == ALL) & (table["by"] == ALL)].iloc[0]


def _small(values: np.ndarray, policy: Policy) -> np.ndarray:
    return (values > 0) & (values < policy.smallest_shown)


def _exact(values: np.ndarray, hidden: np.ndarray) -> pd.DataFrame:
    cells = pd.DataFrame({"value": values, "status": "ok", "lower": values, "upper": values})
    cells.loc[hidden, "status"] = "withheld"
    cells.loc[hidden, ["value", "lower", "upper"]] = np.nan
    return cells


rules.GUARDS |= {"profile": guard_profile, "step": guard_step}
