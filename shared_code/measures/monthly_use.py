"""Use of services month by month by groups of people whose membership has a beginning and an end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from shared_code.config.study import months_between
from shared_code.measures.cohort import alive_and_registered
from shared_code.measures.prepared import Prepared
from shared_code.measures.spells import day_number, registration_spells


def members(prepared: Prepared, who: ir.Table, on: dt.date, group: str, since: dt.date, until: dt.date) -> pd.DataFrame:
    """Say from when to when the people of a group are observed: person_id, group, enter, leave (dates, [enter, leave)).

    who  person_id; only those alive and registered on `on` are members     since, until  the window they are observed in
    Registration, death and the window end it. Before `on` members are observed too, where the window begins earlier: they
    are then people who were to live until `on`, and comparisons over time must say so.
    """
    inside = alive_and_registered(prepared, on).select("person_id").semi_join(who, "person_id")
    spells = registration_spells(prepared)  # a change of practice without a gap ends nothing
    spells = spells[(spells["begin"] <= day_number(on)) & (spells["finish"] > day_number(on))]
    found = inside.execute().merge(spells, on="person_id")
    window = [day_number(since), day_number(until)]
    for name, side in (("enter", found.pop("begin").clip(lower=window[0])), ("leave", found.pop("finish").clip(upper=window[1]))):
        found[name] = pd.to_datetime(side, unit="D")
    if prepared.has("death"):
        died = prepared.death.select("person_id", "death_date").execute().drop_duplicates("person_id")
        death = found["person_id"].map(pd.Series(pd.to_datetime(died["death_date"]).to_numpy(), died["person_id"]))
        found["leave"] = found["leave"].where(death.isna() | (death > found["leave"]), death)
    found = found[found["leave"] > found["enter"]]
    return found.assign(group=group)[["person_id", "group", "enter", "leave"]].reset_index(drop=True)


def span(months: tuple[str, str]) -> tuple[dt.date, dt.date]:
    """Give the first day of the first month and the day after the last.

    >>> [day.isoformat() for day in span(("2022-04", "2024-02"))]
    ['2022-04-01', '2024-03-01']
    """
    first, last = (np.datetime64(month, "M") for month in months)
    return first.astype("datetime64[D]").item(), (last + 1).astype("datetime64[D]").item()


def yearly(days: list[dt.date], look_back: int, months: tuple[str, str]) -> list[tuple[dt.date, dt.date, dt.date]]:
    """Give of each day on which a rule is applied: the day, the day its look-back begins, and the day its people are left.

    People are followed for a year, or until the months end.

    >>> [str(d) for d in yearly([dt.date(2024, 4, 1)], 365, ("2022-04", "2024-07"))[0]]
    ['2024-04-01', '2023-04-02', '2024-08-01']
    """
    end = span(months)[1]
    return [(day, day - dt.timedelta(days=look_back), min(day.replace(year=day.year + 1), end)) for day in days]


def on_list(prepared: Prepared, name: str, on: dt.date) -> ir.Table:
    """List who was on a list on a day: person_id. Who is added later, for example after the event in question, is not."""
    flags = prepared.list_flag
    there = flags.filter(flags.list == name, flags.added <= _day(on), flags.removed.isnull() | (flags.removed > _day(on)))
    return there.select("person_id").distinct()


def appointments(prepared: Prepared, mode: str | None = None, without: list[str] | None = None) -> ir.Table:
    """List appointments that took place: person_id, day. mode  f2f or remote (all)     without  treatment functions left out"""
    seen = prepared.outpatient
    seen = seen.filter(seen.attended.isin(["5", "6"]))
    if mode:
        seen = seen.filter(seen.mode == mode)
    if without:
        seen = seen.filter(seen.tfc.isnull() | ~seen.tfc.isin(without))
    return seen.select("person_id", day="appt_date")


def contacts(prepared: Prepared) -> ir.Table:
    """List contacts with general practice that took place: person_id, day."""
    met = prepared.gp_encounter
    return met.filter(met.status == "attended").select("person_id", day="date")


def often(events: ir.Table, at_least: int, since: dt.date, until: dt.date) -> ir.Table:
    """List who had so many events or more in [since, until): person_id."""
    within = events.filter(events.day >= _day(since), events.day < _day(until))
    counted = within.group_by("person_id").agg(times=within.count())
    return counted.filter(counted.times >= at_least).select("person_id")


def monthly_use(cohorts: list[pd.DataFrame], services: Mapping[str, ir.Table], months: tuple[str, str]) -> pd.DataFrame:
    """Count events, people with events and days at risk of every group and service in every month.

    cohorts   from `members`; a person may be in several groups, and in a group again in another year
    services  name -> person_id, day of the event
    Deaths and moves reduce the days at risk; the fixed size of a list would hide them. Returns service, month, group and
    the layout `events`, zeros included; events_squared is summed over the people of a group in the month.
    """
    people, names = pd.concat(cohorts, ignore_index=True), months_between(*months)
    starts = np.array([np.datetime64(f"{m}-01") for m in names] + [np.datetime64(names[-1], "M") + 1], dtype="datetime64[D]")
    enter, leave = (people[c].to_numpy().astype("datetime64[D]") for c in ("enter", "leave"))
    groups = list(dict.fromkeys(people["group"]))
    number = people["group"].map({g: i for i, g in enumerate(groups)}).to_numpy()
    days = np.zeros((len(groups), len(names)))
    for at in range(len(names)):
        inside = (np.minimum(leave, starts[at + 1]) - np.maximum(enter, starts[at])).astype(int).clip(min=0)
        days[:, at] = np.bincount(number, inside, len(groups))
    parts = []
    for service, events in services.items():
        found = events.filter(events.day >= _day(starts[0].item()), events.day < _day(starts[-1].item())).execute()
        found = found[found["person_id"].isin(people["person_id"])]
        joined = found.merge(people, on="person_id")
        when = pd.to_datetime(joined["day"])
        joined = joined[(when >= joined["enter"]) & (when < joined["leave"])]
        joined = joined.assign(month=pd.to_datetime(joined["day"]).dt.strftime("%Y-%m"))
        each = joined.groupby(["group", "month", "person_id"]).size()
        sums = pd.DataFrame({"people": each.groupby(["group", "month"]).size(), "events": each.groupby(["group", "month"]).sum(),
                             "events_squared": (each**2).groupby(["group", "month"]).sum()})  # fmt: skip
        grid = pd.MultiIndex.from_product([groups, names], names=["group", "month"])
        part = sums.reindex(grid).fillna(0).astype("int64").reset_index()
        parts.append(part.assign(service=service, person_days=days.ravel()))
    return pd.concat(parts, ignore_index=True)[["service", "month", "group", "people", "events", "person_days", "events_squared"]]


def _day(date: dt.date) -> ir.DateValue:
    return ibis.literal(date.isoformat()).cast("date")
