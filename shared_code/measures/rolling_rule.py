"""Who meets a rule of the kind "seven or more in a year" on a rolling date, and who may be compared with whom then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from shared_code.measures.event_days import FAR, WIDE, Events, Ints


class Rule(BaseModel):
    """Say who belongs on a date: so many events in so many days before it, age, and time on the list.

    recent         the rule was met at some date in this many days up to the start
    follow_up      days compared after the start; look_back: days compared before it
    recruitment    first and last start that count, "YYYY-MM-DD"
    programme      programme_id of the service whose start is evaluated
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    least: int = Field(7, ge=1)
    window: int = Field(365, ge=1)
    recent: int = Field(90, ge=0)
    minimum_age: int = 18
    registered: int = 365
    look_back: int = 365
    follow_up: int = 183
    departments: list[str] = ["01"]
    programme: str
    recruitment: tuple[str, str]


@dataclass(frozen=True)
class Spans:
    """Hold the days on which people meet a rule, as intervals [first, last], sorted by person and day."""

    person: Ints
    first: Ints
    last: Ints

    def met(self, day: int, recent: int) -> Ints:
        """Give the people who met the rule on some date in [day - recent, day], each once."""
        return np.unique(self.person[(self.first <= day) & (self.last >= day - recent)])

    def since(self, person: Ints, day: Ints) -> Ints:
        """Give how many days ago people first met the rule, up to a day; 0 where they have not."""
        begin = pd.Series(self.first).groupby(self.person).min()
        first = begin.reindex(person).fillna(FAR).to_numpy()
        return np.maximum(np.where(first <= day, day - first, 0), 0).astype(np.int64)


def spans(events: Events, least: int, window: int) -> Spans:
    """Find the dates s for which a person has `least` or more events in [s - window, s).

    An event of the day itself is never in it. Overlapping intervals of a person are joined.

    >>> spans(Events.of(np.zeros(3, int), np.array([10, 20, 300])), least=2, window=100)
    Spans(person=array([0]), first=array([21]), last=array([110]))
    """
    person, day = events.keys // WIDE, events.keys % WIDE
    k = least - 1
    if len(day) <= k:
        return Spans(*(np.zeros(0, dtype=np.int64) for _ in range(3)))
    same = person[k:] == person[: len(person) - k]
    first, last = day[k:] + 1, day[: len(day) - k] + window
    good = same & (first <= last)
    who, first, last = person[k:][good], first[good], last[good]
    if not len(who):
        return Spans(who, first, last)
    # within a person both ends rise, so a gap is where the next begins after the one before has ended
    new = np.concatenate([[True], (who[1:] != who[:-1]) | (first[1:] > last[:-1] + 1)])
    begins = np.flatnonzero(new)
    ends = np.append(begins[1:], len(who)) - 1
    return Spans(who[begins], first[begins], last[ends])


@dataclass(frozen=True)
class Intervals:
    """Hold intervals [begin, end) of people, for example registrations; joined where the gap is short."""

    person: Ints
    begin: Ints
    end: Ints

    @classmethod
    def of(cls, person: Ints, begin: Ints, end: Ints, gap: int = 0) -> Intervals:
        """Join a person's intervals that overlap or lie at most `gap` days apart.

        >>> Intervals.of(np.array([0, 0]), np.array([5, 1]), np.array([9, 5]))
        Intervals(person=array([0]), begin=array([1]), end=array([9]))
        """
        known = (person >= 0) & (end > begin)
        order = np.lexsort((begin[known], person[known]))
        p, b, e = (np.asarray(v)[known][order].astype(np.int64) for v in (person, begin, end))
        if not len(p):
            return cls(p, b, e)
        reach = np.maximum.accumulate(p * WIDE + np.minimum(e, WIDE - 1)) - p * WIDE  # latest end so far of this person
        new = np.concatenate([[True], (p[1:] != p[:-1]) | (b[1:] > reach[:-1] + gap)])
        at = np.flatnonzero(new)
        return cls(p[at], b[at], np.maximum.reduceat(e, at))

    def holding(self, person: Ints, day: Ints) -> tuple[Ints, Ints]:
        """Give begin and end of the interval that holds a day; FAR and 0 where there is none."""
        base = self.person * WIDE + self.begin
        at = np.searchsorted(base, np.asarray(person, dtype=np.int64) * WIDE + day, side="right") - 1
        at_ = np.maximum(at, 0)
        if not len(base):
            return np.full(len(at), FAR), np.zeros(len(at), dtype=np.int64)
        good = (at >= 0) & (self.person[at_] == person) & (self.end[at_] > day)
        return np.where(good, self.begin[at_], FAR), np.where(good, self.end[at_], 0)


def latest_before(person: Ints, day: Ints, table_person: Ints, table_day: Ints, values: Any) -> Any:
    """Give the value that was latest on or before a day, by person; None where there is none (an address, for example)."""
    order = np.lexsort((table_day, table_person))
    keys = table_person[order].astype(np.int64) * WIDE + table_day[order]
    at = np.searchsorted(keys, np.asarray(person, dtype=np.int64) * WIDE + day, side="right") - 1
    at_ = np.maximum(at, 0)
    chosen = np.asarray(values, dtype=object)[order]
    if not len(keys):
        return np.full(len(at), None, dtype=object)
    good = (at >= 0) & (keys[at_] // WIDE == person)
    return np.where(good, chosen[at_], None)
