"""Days as numbers, and the spells in which people were registered."""

from __future__ import annotations

import numpy as np
import pandas as pd

from shared_code.measures.event_days import day_number, day_numbers
from shared_code.measures.prepared import Prepared

NEVER = np.iinfo(np.int32).max  # a day that does not come


def days_since_1970(dates: pd.Series) -> np.ndarray:
    """Number days since 1970-01-01; NEVER where there is none."""
    return day_numbers(dates, NEVER)


def death_days(prepared: Prepared) -> pd.Series:
    """Give the day on which each person who has died did so, by person_id; empty where the site has no table of deaths."""
    if not prepared.has("death"):
        return pd.Series(dtype="int64", index=pd.Index([], dtype=object))
    died = prepared.death.select("person_id", "death_date").execute().drop_duplicates("person_id")
    return pd.Series(days_since_1970(died["death_date"]), died["person_id"])


def registration_spells(prepared: Prepared) -> pd.DataFrame:
    """Join permanent registrations that follow each other without a gap: person_id, begin, finish."""
    table = prepared.gp_registration.filter(prepared.gp_registration.reg_type == "GMS")
    spells = table.select("person_id", "reg_start", "reg_end").execute()
    spells["begin"], spells["finish"] = days_since_1970(spells["reg_start"]), days_since_1970(spells["reg_end"])
    spells = spells.sort_values(["person_id", "begin", "finish"], ignore_index=True)
    sofar = spells.groupby("person_id", sort=False)["finish"].cummax()
    same = spells["person_id"].eq(spells["person_id"].shift())
    run = (~(same & (spells["begin"] <= sofar.shift().fillna(0)))).cumsum()
    kept = {"person_id": "first", "begin": "first", "finish": "max"}
    return spells.groupby(run, sort=False).agg(kept).reset_index(drop=True)


__all__ = ["NEVER", "day_number", "days_since_1970", "death_days", "registration_spells"]
