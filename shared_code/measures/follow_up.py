"""Follow-up of people in a period: from when to when each is observed, and events and days by attained age."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

import ibis
import numpy as np
import pandas as pd

from shared_code.config.codelists import Codelist
from shared_code.config.study import Period
from shared_code.measures.cohort import DAY_OF_BIRTH, areas, ethnicity5, recorded_codes, with_meaning
from shared_code.measures.prepared import Prepared
from shared_code.measures.spells import NEVER, day_number, days_since_1970, death_days, registration_spells
from shared_code.methods.piecewise import split_time
from shared_code.model import ALL, UNKNOWN, band_labels
from shared_code.model.units import DAYS_A_YEAR

WASH_IN = 365  # days registered before somebody is followed: codes entered on arrival are no events


def follow_up(prepared: Prepared, period: Period, ages: tuple[int, int], wash_in: int = WASH_IN) -> pd.DataFrame:
    """Say from which day to which each person of known sex is followed in a period: [entry, leave).

    ages     age at which follow-up begins and ends, in years
    wash_in  days registered before it begins; what is entered on registration is older than it looks
    Columns: person_id, sex, ethnicity, birth, entry, leave (days since 1970-01-01, birth on the 15th of its month), died
    (follow-up ends with death) and, where the site records addresses, deprivation (national fifth at entry). A person
    leaves at death, at the end of the registration (a change of practice without a gap is none), at the oldest age or at
    the end of the period; who comes back after a gap is followed once. Source: methods specification, section 3.
    """
    start, end = day_number(period.start), day_number(period.end)
    person = prepared.person.filter(prepared.person.sex.isin(["F", "M"]))
    people = person.select("person_id", "sex", "birth_month", ethnicity=ethnicity5(person.ethnicity16)).execute()
    people["birth"] = days_since_1970(people.pop("birth_month")) + DAY_OF_BIRTH - 1
    people["death"] = people["person_id"].map(death_days(prepared)).fillna(NEVER).astype("int64")
    spells = registration_spells(prepared).merge(people, on="person_id")
    oldest = np.floor(spells["birth"] + ages[1] * DAYS_A_YEAR)
    youngest = np.ceil(spells["birth"] + ages[0] * DAYS_A_YEAR)
    spells["entry"] = np.maximum.reduce([spells["begin"] + wash_in, youngest, np.full(len(spells), start)])
    spells["leave"] = np.minimum.reduce([spells["finish"], spells["death"], oldest, np.full(len(spells), end)])
    spells["died"] = (spells["death"] <= spells["leave"]) & (spells["death"] < end)
    spells = spells[spells["leave"] > spells["entry"]].sort_values(["person_id", "entry"], ignore_index=True)
    spells = spells.drop_duplicates("person_id").reset_index(drop=True)
    found = spells[["person_id", "sex", "ethnicity", "birth", "entry", "leave", "died"]]
    found = found.astype({"birth": "int64", "entry": "int64", "leave": "int64"})
    if prepared.has("person_address") and prepared.has("area_lookup"):
        found["deprivation"] = fifth_at_entry(prepared, found)
    return found


def fifth_at_entry(prepared: Prepared, people: pd.DataFrame) -> pd.Series:
    """Give the national fifth of deprivation of the area each person lived in at entry."""
    known = areas(prepared).select("lsoa21", "imd10").execute().set_index("lsoa21")["imd10"]
    address = prepared.person_address.select("person_id", "start", "lsoa21").execute()
    address["start"] = days_since_1970(address["start"])
    joined = address.merge(people[["person_id", "entry"]], on="person_id")
    joined = joined[joined["start"] <= joined["entry"]].sort_values("start").drop_duplicates("person_id", keep="last")
    decile = joined.set_index("person_id")["lsoa21"].map(known)
    fifth = people["person_id"].map((decile + 1) // 2)
    return fifth.map(lambda value: UNKNOWN if pd.isna(value) else str(int(value)))


def nth_condition(prepared: Prepared, codelist: Codelist, before: dt.date, number: int = 2, only: str = "", *,
                  without: Collection[str] = (), sources: Collection[str] = ()) -> pd.DataFrame:  # fmt: skip
    """Give the day on which each person had so many different conditions: person_id, day (since 1970-01-01).

    only     one condition of the list, with number 1: the day on which it was first recorded
    without  conditions that do not count     sources  the only sources of records that count (GP, APC, …); empty: all

    A condition begins with its first record, family history left out; records from `before` on are not read.
    """
    day = ibis.literal(before.isoformat()).cast("date")
    events = prepared.condition_event
    events = events.filter(events.event_date < day, events.status.isnull() | (events.status != "family"))
    if sources:
        events = events.filter(events.source.isin(sorted(sources)))
    matches = [match for match in codelist.matches(recorded_codes(events))
               if (not only or match[2] == only) and match[2] not in without]  # fmt: skip
    first = with_meaning(events, matches)
    first = first.group_by("person_id", "condition").agg(begins=first.event_date.min())
    order = ibis.window(group_by="person_id", order_by=["begins", "condition"])
    nth = first.mutate(_place=ibis.row_number().over(order)).filter(lambda t: t._place == number - 1)
    found = nth.select("person_id", "begins").execute()
    return pd.DataFrame({"person_id": found["person_id"], "day": days_since_1970(found["begins"])})


def events_by_attained_age(
    people: pd.DataFrame, onset: pd.DataFrame, levels: dict[str, dict[str, str] | None], sets: list[list[str]],
    edges: list[int], missing: list[str] | None = None, outcomes: tuple[str, str] = ("onset", "death"),
) -> pd.DataFrame:  # fmt: skip
    """Count first events, deaths before them, and days at risk by attained age, over every set of dimensions.

    people   from `follow_up`     onset  person_id, day of the event     edges  lower ages of the bands, the last one open
    levels   dimension -> its codes; outcome and age are among them
    missing  months (YYYY-MM) in which events could not be seen: neither days nor events in them count
    outcomes names of the event and of dying before it
    Who had the event by entry is not at risk; the day of leaving does not count. One row per cell in the layout `events`
    (people = events = events_squared: both happen once). Source: methods specification, section 3.
    """
    day = people["person_id"].map(onset.set_index("person_id")["day"]).fillna(NEVER).to_numpy()
    entry, leave = people["entry"].to_numpy(), people["leave"].to_numpy()
    free = day > entry
    had = free & (day < leave)
    finish = np.where(had, day, leave)
    died = free & ~had & people["died"].to_numpy()
    labels, pieces = band_labels(edges), []
    for since, until in _windows(entry.min(initial=0), leave.max(initial=0) + 1, missing or []):
        low, high = np.maximum(entry, since), np.minimum(finish, until)
        row = np.flatnonzero(free & (high > low))
        birth = people["birth"].to_numpy()[row]
        ended = finish[row] < until  # an event in a month that was not received is not seen
        cut = split_time((low[row] - birth) / DAYS_A_YEAR, (high[row] - birth) / DAYS_A_YEAR, ended, edges)
        pieces.append(pd.DataFrame({
            "row": row[cut.row], "age": np.array(labels, dtype=object)[cut.band], "days": cut.time * DAYS_A_YEAR,
            outcomes[0]: cut.event * had[row][cut.row], outcomes[1]: cut.event * died[row][cut.row],
        }))  # fmt: skip
    cut = pd.concat(pieces, ignore_index=True)
    totals = sorted({name for group in sets for name in group})
    always = [name for name in levels if name not in (*totals, "outcome", "age")]
    for name in {*totals, *always} & set(people.columns):
        cut[name] = people[name].to_numpy()[cut["row"]]
    parts = [_cells(cut, [*group, *always, "age"], levels, outcomes).assign(**{t: ALL for t in totals if t not in group})
             for group in sets if all(name in people.columns for name in group)]  # fmt: skip
    return pd.concat(parts, ignore_index=True)[[*levels, "people", "events", "person_days", "events_squared"]]


def deaths_by_attained_age(people: pd.DataFrame, levels: dict[str, dict[str, str] | None], sets: list[list[str]],
                           edges: list[int]) -> pd.DataFrame:  # fmt: skip
    """Count deaths and days lived by attained age, over every set of dimensions, age among those that may be totalled.

    As `events_by_attained_age`, of people among whom there is no other event; a person may have several stretches.
    """
    nobody = pd.DataFrame({"person_id": pd.Series(dtype=object), "day": pd.Series(dtype="int64")})
    by = [name for name in levels if name not in ("outcome", "age")]
    finest: dict[str, Any] = {"outcome": {}, **{name: levels[name] for name in by}, "age": dict.fromkeys(band_labels(edges), "")}
    counted = events_by_attained_age(people, nobody, finest, [by], edges)
    counted = counted[counted["outcome"] == "death"]
    parts = []
    for group in sets:
        codes = pd.MultiIndex.from_product([list(finest[name] or []) for name in group], names=group).to_frame(index=False)
        summed = counted.groupby(group, as_index=False)[["people", "events", "person_days", "events_squared"]].sum()
        part = codes.merge(summed, "left", group).fillna(0)
        parts.append(part.assign(**{name: ALL for name in [*by, "age"] if name not in group}))
    whole = ["people", "events", "events_squared"]
    table = pd.concat(parts, ignore_index=True).astype(dict.fromkeys(whole, "int64"))
    return table[[*by, "age", "people", "events", "person_days", "events_squared"]]


def _windows(first: int, last: int, missing: list[str]) -> list[tuple[int, int]]:
    """Give the stretches of days that are observed: all but the missing months."""
    windows, since = [], int(first)
    for month in sorted(missing):
        begin = dt.date.fromisoformat(f"{month}-01")
        windows.append((since, day_number(begin)))
        since = day_number((begin + dt.timedelta(days=32)).replace(day=1))
    return [(low, high) for low, high in [*windows, (since, int(last))] if high > low]


def _cells(cut: pd.DataFrame, by: list[str], levels: dict[str, Any], outcomes: tuple[str, str]) -> pd.DataFrame:
    """Sum pieces of follow-up over the dimensions; every declared cell is there, zeros included."""
    codes = [list(levels[name] or sorted(cut[name].unique())) for name in by]
    grid = pd.MultiIndex.from_product(codes, names=by).to_frame(index=False)
    sums = grid.merge(cut.groupby(by, as_index=False)[["days", *outcomes]].sum(), "left", by).fillna(0)
    parts = []
    for name in outcomes:
        count = sums[name].round().astype("int64")
        parts.append(sums[by].assign(outcome=name, people=count, events=count, person_days=sums["days"].astype(float),
                                     events_squared=count))  # fmt: skip
    return pd.concat(parts, ignore_index=True)
