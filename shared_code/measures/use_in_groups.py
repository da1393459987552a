"""Use of services over stretches of months by groups of people: who they are is said on the day their cohort is drawn."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import product

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from shared_code.measures.cohort import band, registered
from shared_code.measures.event_days import attendances
from shared_code.measures.groups import with_core20
from shared_code.measures.prepared import Prepared
from shared_code.measures.risk import emergency_stays
from shared_code.model import ALL, UNKNOWN


def described(prepared: Prepared, people: pd.DataFrame, on: dt.date, ages: list[int]) -> pd.DataFrame:
    """Add sex, band of age and where they live (place: core20 or rest) on a day to members of a cohort, from `members`.

    ages  lower edges of the bands, years. People whose sex or area is not known are left out; where the site knows no areas,
    the column place is absent and nobody is left out for it.
    """
    there = with_core20(registered(prepared, on))
    there = there.mutate(age=band(there.age, ages))
    columns = ["sex", "age"]
    if "core20" in there.columns:
        there = there.filter(there.core20 != UNKNOWN).mutate(place=there.core20)
        columns.append("place")
    found = people.merge(there.select("person_id", *columns).execute(), on="person_id")
    return found.dropna(subset=columns).reset_index(drop=True)


def emergency_care(prepared: Prepared, departments: list[str], since: dt.date, until: dt.date) -> dict[str, ir.Table]:
    """List attendances at emergency departments (ed) and emergency stays in hospital (emergency): person_id, day.

    departments  types that count, such as 01 (major)     since, until  [since, until), in which stays begin
    """
    seen = attendances(prepared, departments)
    stays = emergency_stays(prepared, since, until)
    stays["day"] = (stays["day"].to_numpy().astype("datetime64[D]")).astype("datetime64[us]")
    listed = ibis.memtable(stays[["person_id", "day"]].astype({"person_id": object}))
    return {"ed": seen.select("person_id", day=seen.arrival.date()),
            "emergency": listed.select(listed.person_id.cast("string").name("person_id"), listed.day.cast("date").name("day"))}


def use_in_groups(
    people: Sequence[pd.DataFrame], services: Mapping[str, ir.Table], stretches: Mapping[str, tuple[dt.date, dt.date]],
    levels: Mapping[str, Mapping[str, str]], sets: Sequence[Sequence[str]],
) -> pd.DataFrame:  # fmt: skip
    """Count events, people with events and days at risk of every service, stretch of time and group of people.

    people     tables of person_id, group, enter, leave and a column per dimension of `sets`, one row per member and cohort
    services   name -> person_id, day of the event     stretches  name -> [since, until)
    levels     service, wave, cohort and the dimensions of `sets` -> their codes; cohort is the column `group` of people
    sets       which dimensions are broken out; the others are totals. A set whose column the people lack is left out.
    Deaths and moves reduce the days at risk. Gives the layout `events`, zeros included.
    """
    everybody = pd.concat(list(people), ignore_index=True)
    totals = [name for name in levels if name not in ("service", "wave", "cohort")]
    counted = []
    for wave, (since, until) in stretches.items():
        enter, leave = (everybody[side].to_numpy().astype("datetime64[D]") for side in ("enter", "leave"))
        low, high = np.maximum(enter, np.datetime64(since)), np.minimum(leave, np.datetime64(until))
        inside = everybody.assign(low=low, high=high, days=(high - low).astype(int))
        inside = inside[inside["days"] > 0].reset_index(drop=True)
        for service, events in services.items():
            literal = [ibis.literal(day.isoformat()).cast("date") for day in (since, until)]
            found = events.filter(events.day >= literal[0], events.day < literal[1]).execute()
            row = pd.Series(inside.index, inside["person_id"] + "\n" + inside["group"])
            number = np.zeros(len(inside), dtype="int64")
            for group in inside["group"].unique():
                at = row.reindex(found["person_id"] + "\n" + group)
                known = at.notna().to_numpy()
                member, day = at[known].to_numpy(int), pd.to_datetime(found["day"])[known].to_numpy().astype("datetime64[D]")
                during = (day >= inside["low"].to_numpy().astype("datetime64[D]")[member]) & (
                    day < inside["high"].to_numpy().astype("datetime64[D]")[member])  # fmt: skip
                np.add.at(number, member[during], 1)
            counted.append(inside.assign(service=service, wave=wave, cohort=inside["group"], events=number,
                                         events_squared=number**2, people=(number > 0).astype(int)))  # fmt: skip
    every = pd.concat(counted, ignore_index=True)
    parts = []
    for group in sets:
        if any(name not in every for name in group):
            continue
        by = ["service", "wave", "cohort", *group]
        grid = pd.DataFrame(product(*(list(levels[name]) for name in by)), columns=by)
        sums = every.groupby(by, as_index=False)[["people", "events", "days", "events_squared"]].sum()
        part = grid.merge(sums, "left", by).fillna(dict.fromkeys(("people", "events", "days", "events_squared"), 0))
        parts.append(part.assign(**{name: ALL for name in totals if name not in group}))
    table = pd.concat(parts, ignore_index=True).rename(columns={"days": "person_days"})
    table = table.astype({"people": "int64", "events": "int64", "events_squared": "int64", "person_days": float})
    return table[[*levels, "people", "events", "person_days", "events_squared"]]
