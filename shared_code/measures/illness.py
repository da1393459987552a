"""People with one illness beside everybody else: when they have it, repeated events, and care soon after a discharge."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from shared_code.config.study import Period
from shared_code.measures.prepared import Prepared
from shared_code.measures.spells import NEVER, day_number, days_since_1970
from shared_code.model import ALL, UNKNOWN
from shared_code.model.care import TO_HOSPITAL

NOT_HOME = (*TO_HOSPITAL, "79")  # destinations of a discharge: another hospital, or death


def with_and_without(people: pd.DataFrame, onset: pd.DataFrame) -> pd.DataFrame:
    """Split each person's follow-up at the day on which an illness was first recorded: a column `group`, with and without.

    people  from `follow_up`     onset  person_id, day     Nobody counts as ill before that day: the time until then would be
    time in which nobody with the illness can have died. Adds `core20` from the fifth of deprivation, where the site knows it.
    """
    if "deprivation" in people:
        known = people["deprivation"].map({"1": "core20", UNKNOWN: UNKNOWN}).fillna("rest")
        people = people.assign(core20=known)
    day = people["person_id"].map(onset.set_index("person_id")["day"]).fillna(NEVER).astype("int64")
    ill = people.assign(entry=np.maximum(people["entry"], day), group="with")
    died = people["died"] & (day >= people["leave"])  # an illness first recorded at the death made no time with it
    others = people.assign(leave=np.minimum(people["leave"], day), died=died, group="without")
    both = pd.concat([ill, others], ignore_index=True)
    return both[both["leave"] > both["entry"]].reset_index(drop=True)


def repeated_events(people: pd.DataFrame, days: pd.DataFrame, event: str, group: str, levels: dict[str, str]) -> pd.DataFrame:
    """Count events that may repeat, and days at risk, in all and by one group (the layout `events`, with squares for clustering).

    people  person_id, entry, leave and the group     days  person_id, day     event  its name, a column
    Events in [entry, leave) count.
    """
    joined = days.merge(people[["person_id", "entry", "leave"]], on="person_id")
    inside = joined[(joined["day"] >= joined["entry"]) & (joined["day"] < joined["leave"])]
    number = people["person_id"].map(inside.groupby("person_id").size()).fillna(0).astype("int64")
    counted = people.assign(n=number, days=people["leave"] - people["entry"])
    parts = []
    for level in [ALL, *levels]:
        own = counted if level == ALL else counted[counted[group] == level]
        parts.append({"event": event, group: level, "people": int((own["n"] > 0).sum()), "events": int(own["n"].sum()),
                      "person_days": float(own["days"].sum()), "events_squared": int((own["n"] ** 2).sum())})  # fmt: skip
    return pd.DataFrame(parts)


def crises(prepared: Prepared) -> pd.DataFrame:
    """List attended crisis and home-treatment contacts, one a day: person_id, day."""
    found = prepared.mh_contact.filter(prepared.mh_contact.attended & prepared.mh_contact.crisis)
    table = found.select("person_id", "date").distinct().execute()
    return pd.DataFrame({"person_id": table["person_id"], "day": days_since_1970(table["date"])})


def seen_after_discharge(prepared: Prepared, period: Period, codes: str, days: int = 3) -> tuple[ir.Table, ir.Table]:
    """List who was discharged from a ward in a period, and who of these was seen within some days of the first discharge.

    codes  how the primary diagnosis begins (a regular expression)     days  0 to this many days after, the last one left out
    Only contacts that took place count. A discharge by death, or into another hospital, is none. Gives two tables of person_id.
    """
    spells = prepared.admission
    home = spells.discharge_dest.isnull() | ~spells.discharge_dest.isin(NOT_HOME)
    spells = spells.filter(spells.primary_icd10.re_search(codes), spells.disch_date.notnull(), home)
    table = spells.select("person_id", "disch_date").execute()
    table["out"] = days_since_1970(table["disch_date"])
    table = table[(table["out"] >= day_number(period.start)) & (table["out"] < day_number(period.end) - days)]
    first = table.sort_values("out").drop_duplicates("person_id")
    contacts = prepared.mh_contact.filter(prepared.mh_contact.attended).select("person_id", "date").execute()
    contacts["day"] = days_since_1970(contacts["date"])
    both = first.merge(contacts, on="person_id")
    soon = both[(both["day"] >= both["out"]) & (both["day"] < both["out"] + days)]["person_id"].unique()
    schema = ibis.schema({"person_id": "string"})
    return tuple(ibis.memtable(pd.DataFrame({"person_id": pd.Series(ids, dtype=object)}), schema=schema)
                 for ids in (first["person_id"].unique(), soon))  # type: ignore[return-value]  # fmt: skip
