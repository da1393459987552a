"""The rule for rows with faults: distinct people decide, for those affected, for those not, and for all of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import rules, system
from shared_code.disclosure.rounding import rounded


def guard_records(table: pd.DataFrame, declared: ResultsTable, policy: Policy) -> dict[str, pd.DataFrame]:
    """Protect pairs of all rows and faulty rows by the distinct people behind them.

    Everything is withheld where 1 to t - 1 people are behind the rows; the faulty part also where 1 to t - 1 people have
    a faulty row, or fewer than t have none. Nobody affected is a true zero and is shown.
    """
    people, failing = table["people"].to_numpy(float), table["people_failing"].to_numpy(float)
    t = policy.threshold
    anybody = people > 0
    few_people = anybody & (people < t)
    few_failing = (failing > 0) & (failing < t)
    few_others = anybody & (people - failing < t) & (t != 1)
    hidden = few_people | few_failing | few_others
    guarded = {name: rounded(table[name].to_numpy(float), few_people, policy) for name in ("people", "rows")}
    guarded["people"].loc[few_people, ["lower", "upper"]] = [1, t - 1]
    guarded["rows"].loc[few_people, ["lower", "upper"]] = [1, np.inf]
    for name, whole in (("people_failing", "people"), ("rows_failing", "rows")):
        values, of = table[name].to_numpy(float), guarded[whole]
        cells = rounded(values, hidden, policy)
        cells.loc[hidden, "lower"] = 0
        cells.loc[few_failing, "lower"] = 1
        cells.loc[hidden, "upper"] = of["upper"][hidden]
        if name == "people_failing":
            cells.loc[few_failing, "upper"] = t - 1
            others = few_others & ~few_failing & ~few_people
            cells.loc[others, "lower"] = (of["lower"] - (t - 1)).clip(lower=1)[others]
        cells["upper"] = np.minimum(cells["upper"], of["upper"])
        cells.loc[np.isnan(values), ["value", "status", "lower", "upper"]] = [np.nan, "not_collected", np.nan, np.nan]
        guarded[name] = cells
    return guarded


rules.GUARDS["records"] = guard_records
system.LINEAR["records"] = system.Linear(
    dict.fromkeys(("people", "rows", "people_failing", "rows_failing"), system.PEOPLE),
    {"people": ("rows",), "rows": ("people",), "people_failing": ("rows_failing", "people"),
     "rows_failing": ("people_failing", "rows")},
    parts={"people_failing": "people"},
    at_most={"people": "rows", "people_failing": "rows_failing", "rows_failing": "rows"},
)  # fmt: skip
