"""What a rule does by itself: how many events people have in a year, and what follows for those over the line."""

from __future__ import annotations

import datetime as dt

import ibis
import numpy as np
import pandas as pd

from shared_code.measures.cohort import alive_and_registered, band, completed_years
from shared_code.measures.event_days import attendances, day_number
from shared_code.measures.prepared import Prepared
from shared_code.measures.risk_sets import Cohort
from shared_code.model import band_labels


def frequencies(prepared: Prepared, cohort: Cohort, on: dt.date, edges: list[int]) -> pd.DataFrame:
    """Count adults registered on a day by their events in the year before: attendances, people, records (layout `bins`)."""
    rule = cohort.rule
    people = alive_and_registered(prepared, on)
    people = people.filter(completed_years(people.birth_month, on) >= rule.minimum_age).select("person_id")
    day, before = (ibis.literal(d.isoformat()).cast("date") for d in (on, on - dt.timedelta(days=rule.window)))
    every = attendances(prepared, rule.departments)
    every = every.filter(every.arrival.date() >= before, every.arrival.date() < day)
    counts = every.group_by("person_id").agg(n=every.count())
    joined = people.left_join(counts, "person_id").mutate(n=lambda t: t.n.fill_null(0))
    found = joined.group_by(bin=band(joined.n, edges)).agg(people=joined.count()).execute().set_index("bin")["people"]
    counted = found.reindex(band_labels(edges), fill_value=0).astype("int64")
    return pd.DataFrame({"attendances": counted.index, "people": counted.to_numpy(), "records": counted.to_numpy()})


def by_rule(cohort: Cohort, on: dt.date, end: dt.date) -> np.ndarray:
    """Give events and days before and after a day, shape (n, 4), of all who met the rule on it and had not been referred.

    Followed to death, the end of registration or of the data, or the start of the service. What falls here falls by itself.
    """
    rule, day = cohort.rule, day_number(on)
    met = cohort.spans.met(day, 0)
    met = met[cohort.referred[met] >= day]
    met = met[cohort.why_not(met, np.full(len(met), day)) == "eligible"]
    leave = np.minimum.reduce([cohort.registered.holding(met, np.full(len(met), day))[1], cohort.died[met], cohort.started[met],
                               np.full(len(met), min(day + rule.follow_up, day_number(end)))])  # fmt: skip
    before = cohort.attended.between(met, np.full(len(met), day - rule.look_back), np.full(len(met), day))
    after = cohort.attended.between(met, np.full(len(met), day), leave)
    return np.column_stack([before, np.full(len(met), rule.look_back), after, np.maximum(leave - day, 0)]).astype(float)
