"""People with one illness beside everybody else: when they have it, repeated events, and care soon after a discharge."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from shared_code.config.study import Period
from shared_code.measures.groups import core20_of_fifths
from shared_code.measures.moments import moments_of
from shared_code.measures.prepared import Prepared
from shared_code.measures.rolling_rule import Intervals
from shared_code.measures.spells import NEVER, day_number, days_since_1970
from shared_code.methods.piecewise import split_time
from shared_code.model import ALL, band_labels
from shared_code.model.care import TO_HOSPITAL
from shared_code.model.units import DAYS_A_YEAR

NOT_HOME = (*TO_HOSPITAL, "79")  # destinations of a discharge: another hospital, or death


def with_and_without(people: pd.DataFrame, onset: pd.DataFrame) -> pd.DataFrame:
    """Split each person's follow-up at the day on which an illness was first recorded: a column `group`, with and without.

    people  from `follow_up`     onset  person_id, day     Nobody counts as ill before that day: the time until then would be
    time in which nobody with the illness can have died. Adds `core20` from the fifth of deprivation, where the site knows it.
    """
    if "deprivation" in people:
        people = people.assign(core20=core20_of_fifths(people["deprivation"]))
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


def shares_with_event(people: pd.DataFrame, days: pd.DataFrame, event: str, along: str, begins: Collection[str], until: dt.date
                      ) -> pd.DataFrame:  # fmt: skip
    """Count, of the people followed on the first day of each stretch of time, those with an event in it (layout `counts`).

    people  person_id, entry, leave     days  person_id, day     event  its name, a column
    along, begins  name of the column of stretches, and their first months (YYYY-MM), in order; each lasts up to the next,
    the last up to `until`. Events after leaving are not seen. For run charts: the denominator is new in every stretch.
    """
    edges = [day_number(dt.date.fromisoformat(f"{month}-01")) for month in begins] + [day_number(until)]
    parts = []
    for code, since, end in zip(begins, edges[:-1], edges[1:], strict=True):
        there = people[(people["entry"] <= since) & (people["leave"] > since)]
        own = days.merge(there[["person_id", "leave"]], on="person_id")
        had = own[(own["day"] >= since) & (own["day"] < np.minimum(own["leave"], end))]
        parts.append({"event": event, along: code, "people": len(there), "cases": int(had["person_id"].nunique())})
    return pd.DataFrame(parts)


def first_events_by_check(people: pd.DataFrame, events: pd.DataFrame, checks: pd.DataFrame, event: str, lasts: int = 365
                          ) -> pd.DataFrame:  # fmt: skip
    """Count first events and days at risk by whether the last check was within so many days (the layout `events`).

    people  person_id, entry, leave (one stretch each)     events, checks  person_id, day     event  its name, a column
    The status changes with time: nobody counts as checked before a check, for then nobody with an early event could be.
    A check counts from the day after it, so that one made because of the event does not. Dimension since_check: all, within,
    longer (also never). Source: methods specification, section 7.
    """
    place = pd.Series(np.arange(len(people)), people["person_id"].to_numpy())
    entry, leave = (people[name].to_numpy(np.int64) for name in ("entry", "leave"))
    own = events.assign(who=events["person_id"].map(place)).dropna(subset=["who"]).astype({"who": "int64"})
    own = own[(own["day"].to_numpy() >= entry[own["who"]]) & (own["day"].to_numpy() < leave[own["who"]])]
    first = own.groupby("who")["day"].min().reindex(np.arange(len(people))).fillna(NEVER).to_numpy(np.int64)
    had, finish = first < leave, np.minimum(first, leave)
    known = checks.assign(who=checks["person_id"].map(place)).dropna(subset=["who"])
    who, day = known["who"].to_numpy(np.int64), known["day"].to_numpy(np.int64)
    spans = Intervals.of(who, day + 1, day + 1 + lasts)
    inside = np.zeros(len(people), dtype=np.int64)
    overlap = np.minimum(spans.end, finish[spans.person]) - np.maximum(spans.begin, entry[spans.person])
    np.add.at(inside, spans.person, np.maximum(overlap, 0))
    current = had & (spans.holding(np.arange(len(people)), finish)[1] > 0)  # finish: the day of the event, where there is one
    days = finish - entry
    parts = {"all": (had, days), "within": (current, inside), "longer": (had & ~current, days - inside)}
    return pd.DataFrame([{"event": event, "since_check": level, "people": int(of.sum()), "events": int(of.sum()),
                          "person_days": float(time.sum()), "events_squared": int(of.sum())}
                         for level, (of, time) in parts.items()])  # fmt: skip


def in_the_last(people: pd.DataFrame, until: dt.date, days: int) -> pd.DataFrame:
    """Cut the follow-up of people to the last days before a date: who is not followed in them is left out."""
    end = day_number(until)
    cut = people.assign(entry=np.maximum(people["entry"], end - days), leave=np.minimum(people["leave"], end))
    return cut[cut["leave"] > cut["entry"]].reset_index(drop=True)


def deaths_in_all(people: pd.DataFrame, group: str) -> pd.DataFrame:
    """Count deaths and days of everybody together (the layout `events`, dimension group).

    people  person_id, entry, leave, died     group  the name of the group they are
    """
    died = int(people["died"].sum())
    return pd.DataFrame([{"group": group, "people": died, "events": died, "events_squared": died,
                          "person_days": float((people["leave"] - people["entry"]).sum())}])  # fmt: skip


def years_lost(people: pd.DataFrame, until: int) -> pd.DataFrame:
    """Add up the years that the dead of each group did not live up to an age (the layout `moments`, quantity `years`).

    people  group, birth, leave, died, as `with_and_without` gives them     until  the age, in years
    """
    dead = people[people["died"]]
    lost = np.maximum(until - (dead["leave"] - dead["birth"]) / DAYS_A_YEAR, 0.0)
    return pd.DataFrame([{"quantity": "years", "group": group, **moments_of(lost[dead["group"] == group])}
                         for group in ("with", "without")])  # fmt: skip


def days_lived(people: pd.DataFrame, edges: list[int]) -> pd.DataFrame:
    """Add up the days people lived by sex and attained age (the layout `moments`, quantity `days`).

    people  person_id, sex, birth, entry, leave     edges  lower ages of the bands, years
    """
    birth = people["birth"].to_numpy()
    cut = split_time((people["entry"].to_numpy() - birth) / DAYS_A_YEAR, (people["leave"].to_numpy() - birth) / DAYS_A_YEAR,
                     np.zeros(len(people), dtype=bool), edges)  # fmt: skip
    labels = band_labels(edges)
    pieces = pd.DataFrame({"who": people["person_id"].to_numpy()[cut.row], "sex": people["sex"].to_numpy()[cut.row],
                           "age": np.array(labels, dtype=object)[cut.band], "days": cut.time * DAYS_A_YEAR})  # fmt: skip
    pieces = pieces.groupby(["sex", "age", "who"], as_index=False)["days"].sum()
    return pd.DataFrame([{"quantity": "days", "sex": sex, "age": age,
                          **moments_of(pieces.loc[(pieces["sex"] == sex) & (pieces["age"] == age), "days"])}
                         for sex in ("F", "M") for age in labels])  # fmt: skip


def check_days(prepared: Prepared, concepts: Collection[str]) -> pd.DataFrame:
    """List the days on which people had any of some checks done (declined is not done): person_id, day."""
    done = prepared.measurement
    table = done.filter(done.concept.isin(list(concepts)), ~done.declined).select("person_id", "date").distinct().execute()
    return pd.DataFrame({"person_id": table["person_id"], "day": days_since_1970(table["date"])})


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
