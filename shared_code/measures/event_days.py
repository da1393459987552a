"""Events of people as days: counts of any person in any window, without a loop over people."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from shared_code.measures.prepared import Prepared

Ints = np.ndarray
WIDE = np.int64(10**7)  # more days than any date has
FAR = 10**6  # a day that does not come
SAME_MINUTES, TRANSFER_MINUTES = 10, 60  # the same attendance entered twice; the second half of a transferred one


@dataclass(frozen=True)
class Events:
    """Hold events of numbered people, sorted: `keys` = person x WIDE + day."""

    keys: Ints

    @classmethod
    def of(cls, person: Ints, day: Ints) -> Events:
        """Sort events; those of nobody (person -1) are left out."""
        known = person >= 0
        return cls(np.sort(person[known].astype(np.int64) * WIDE + day[known]))

    def between(self, person: Ints, begin: Ints, end: Ints) -> Ints:
        """Count the events of people in [begin, end), one window each; empty windows hold none.

        >>> Events.of(np.array([0, 0, 1]), np.array([5, 9, 7])).between(np.array([0, 1]), np.array([5, 8]), np.array([9, 20]))
        array([1, 0])
        """
        base = np.asarray(person, dtype=np.int64) * WIDE
        low, high = (np.searchsorted(self.keys, base + np.clip(d, 0, WIDE - 1)) for d in (begin, end))
        return np.maximum(high - low, 0)

    def first_after(self, person: Ints, day: Ints) -> Ints:
        """Give the first event of people on or after a day; FAR where there is none."""
        base = np.asarray(person, dtype=np.int64) * WIDE
        at = np.searchsorted(self.keys, base + day)
        found = self.keys[np.minimum(at, len(self.keys) - 1)] if len(self.keys) else np.full(len(base), -1)
        return np.where((at < len(self.keys)) & (found // WIDE == person), found % WIDE, FAR)


@dataclass(frozen=True)
class Index:
    """Number some people in the order of their identifiers, so that numbers do not depend on the order of rows."""

    ids: np.ndarray
    _place: pd.Index = field(repr=False, compare=False)

    @classmethod
    def of(cls, ids: Any) -> Index:
        sorted_ids = np.unique(np.asarray(ids, dtype=object))
        return cls(sorted_ids, pd.Index(sorted_ids))

    def __len__(self) -> int:
        return len(self.ids)

    def numbers(self, ids: Any) -> Ints:
        """Give the numbers of identifiers; -1 for people who are not in it."""
        return self._place.get_indexer(np.asarray(ids, dtype=object))

    def rows(self, table: ir.Table) -> ir.Table:
        """Keep the rows of these people; few people are named in the query, many are filtered afterwards."""
        if len(self) > 20_000:
            return table
        people = ibis.memtable(pd.DataFrame({"person_id": self.ids.astype(str)}))
        return table.semi_join(people, "person_id")


def day_number(date: dt.date) -> int:
    """Number a date as days since 1970-01-01."""
    return (date - dt.date(1970, 1, 1)).days


def day_numbers(values: Any, missing: int = FAR) -> Ints:
    """Number dates or times as days since 1970-01-01.

    >>> day_numbers(pd.Series([dt.date(1970, 1, 3), None])).tolist()
    [2, 1000000]
    """
    dates = pd.to_datetime(pd.Series(np.asarray(values)), errors="coerce")
    days = dates.to_numpy().astype("datetime64[D]").astype(np.int64)
    return np.where(dates.isna().to_numpy(), missing, days)


def attendances(prepared: Prepared, departments: list[str]) -> ir.Table:
    """List unplanned attendances at some types of department, each once: person_id, arrival, arrival_mode, outcome.

    An arrival within 10 minutes of the one before, or within 60 minutes of a departure that was a transfer, is the same
    attendance. Source: methods specification 0.2.
    """
    rows = prepared.ed_attendance
    rows = rows.filter(rows.dept_type.isin(departments), rows.person_id.notnull())
    rows = rows.filter(rows.att_category.isnull() | (rows.att_category != "planned_followup"))
    before = ibis.window(group_by="person_id", order_by=["arrival", "att_id"])
    rows = rows.mutate(_arrival=rows.arrival.lag().over(before), _departure=rows.departure.lag().over(before),
                       _outcome=rows.outcome.lag().over(before))  # fmt: skip
    again = rows._arrival.notnull() & (_minutes(rows._arrival, rows.arrival) < SAME_MINUTES)
    transferred = rows._departure.notnull() & (rows._outcome == "transfer")
    transferred = transferred.fill_null(False) & (_minutes(rows._departure, rows.arrival) <= TRANSFER_MINUTES).fill_null(False)
    return rows.filter(~again.fill_null(False), ~transferred).select("person_id", "arrival", "arrival_mode", "outcome")


def _minutes(earlier: Any, later: Any) -> Any:
    return (later.epoch_seconds() - earlier.epoch_seconds()) / 60


def events_of(prepared: Prepared, name: str, index: Index, departments: list[str]) -> Events | None:
    """Give one kind of event of some people; None where the site has no such table. KINDS lists them."""
    table, day, condition = KINDS[name]
    if not prepared.has(table):
        return None
    rows = attendances(prepared, departments) if table == "ed_attendance" else getattr(prepared, table)
    if condition is not None:
        rows = rows.filter(condition(rows).fill_null(False))
    found = index.rows(rows.select("person_id", _day=rows[day].cast("date"))).execute()
    return Events.of(index.numbers(found["person_id"]), day_numbers(found["_day"]))


def _always(name: str, *values: Any) -> Any:
    return lambda rows: rows[name].isin(list(values))


# kind of event -> table, its date, and which rows count
KINDS: dict[str, tuple[str, str, Any]] = {
    "ed_attendance": ("ed_attendance", "arrival", None),
    "ed_ambulance": ("ed_attendance", "arrival", _always("arrival_mode", "ambulance")),
    "ed_admission": ("ed_attendance", "arrival", _always("outcome", "admitted")),
    "gp_encounter": ("gp_encounter", "date", _always("status", "attended")),
    "mh_contact": ("mh_contact", "date", lambda rows: rows.attended),
    "mh_crisis": ("mh_contact", "date", lambda rows: rows.attended & rows.crisis),
    "eye_appointment": ("outpatient", "appt_date", lambda rows: (rows.tfc == "130") & rows.attended.isin(["5", "6"])),
}
