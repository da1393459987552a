"""Who started a service while meeting a rule, and who might have: risk sets on each day on which somebody started."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from shared_code.config.codelists import Codelist
from shared_code.measures.cohort import areas
from shared_code.measures.event_days import (
    FAR,
    WIDE,
    Events,
    Index,
    Ints,
    attendances,
    day_number,
    day_numbers,
    events_of,
)
from shared_code.measures.palliative import HOLDS, REGISTER, palliative_records
from shared_code.measures.prepared import Prepared
from shared_code.measures.rolling_rule import Intervals, Rule, Spans, latest_before, spans
from shared_code.model import ETHNICITY5, Problem, Refused

GAP = 28  # days between two registrations that count as one: a change of practice
AT_ONCE = 500_000  # rows of risk sets looked at together
STEPS = ("not_high", "too_young", "not_registered", "end_of_life", "not_resident", "eligible")


@dataclass(frozen=True)
class Cohort:
    """Hold what is known of the people who ever met the rule or were offered the service; arrays are by person.

    referred, started, died: days, FAR where it never was; registered: joined registrations
    """

    rule: Rule
    index: Index
    spans: Spans
    attended: Events
    registered: Intervals
    referred: Ints
    started: Ints
    died: Ints
    birth: Ints
    sex: np.ndarray
    ethnicity: np.ndarray
    care_home: np.ndarray
    palliative: tuple[Ints, Ints, np.ndarray]
    palliative_within: Events
    homes: tuple[Ints, Ints, np.ndarray] | None
    conditions: dict[str, Events]
    first_day: int = 0
    prepared: Prepared = field(repr=False, compare=False, default=None)  # type: ignore[assignment]

    def why_not(self, person: Ints, day: Ints) -> np.ndarray:
        """Say at which step people leave on a day; "eligible" for those who stay. Nothing after the day is looked at."""
        rule = self.rule
        begin, end = self.registered.holding(person, day)
        on_list = (begin <= day - rule.registered) & (end > day) & (self.died[person] > day)
        latest = latest_before(person, day, *self.palliative)
        dying = np.array([ended is not None and not ended for ended in latest], dtype=bool)
        dying |= self.palliative_within.between(person, day - HOLDS, day) > 0
        decile = self.decile(person, day)
        away = np.isnan(decile) if decile is not None else np.zeros(len(person), dtype=bool)
        met = self._met(person, day)
        return np.select([~met, self.age(person, day) < rule.minimum_age, ~on_list, dying, away], STEPS[:-1], STEPS[-1])

    def events(self, kind: str) -> Events | None:
        """Give the events of one kind; None where the site does not record it."""
        return self.attended if kind == "ed_attendance" else events_of(self.prepared, kind, self.index, self.rule.departments)

    def age(self, person: Ints, day: Ints) -> Ints:
        """Give ages in completed years on a day, the 15th of the month of birth assumed."""
        on, born = (np.asarray(d).astype("datetime64[D]") for d in (day, self.birth[person]))
        months = on.astype("datetime64[M]").astype(int) - born.astype("datetime64[M]").astype(int)
        early = (on - on.astype("datetime64[M]")).astype(int) + 1 < 15
        return np.asarray((months - early) // 12)

    def decile(self, person: Ints, day: Ints) -> np.ndarray | None:
        """Give the national decile of the area of residence on a day; nan outside the site's areas; None without addresses."""
        return None if self.homes is None else latest_before(person, day, *self.homes).astype(float)

    def _met(self, person: Ints, day: Ints) -> np.ndarray:
        """Tell who met the rule on some date in [day - recent, day]."""
        low = np.asarray(day) - self.rule.recent
        last = Intervals(self.spans.person, self.spans.first, self.spans.last + 1)
        now = last.holding(person, np.asarray(day))[1] > 0
        keys = np.sort(self.spans.person * WIDE + self.spans.last)
        base = np.asarray(person, dtype=np.int64) * WIDE
        ended = np.searchsorted(keys, base + day + 1) - np.searchsorted(keys, base + np.maximum(low, 0))
        return np.asarray(now | (ended > 0))


def open_cohort(prepared: Prepared, rule: Rule | dict[str, Any], codelist: Codelist, first_day: dt.date | None = None, *,
                palliative: Codelist) -> Cohort:  # fmt: skip
    """Read what matching needs of everybody who ever met the rule or was offered the service, and of nobody else.

    rule: as declared in the study; codelist: conditions that are counted; first_day: first day of the data; palliative: codelist
    of palliative care, in which nobody is compared.
    Raises model.Refused where nobody was offered the service, and without a table of deaths.
    """
    if not prepared.has("death"):
        wrong = "there is no table of deaths: the dead would stay at risk, and nobody would die"
        mend = "List death under needs: in the study; the site is then left out"
        raise Refused("The service", [Problem("death", wrong, "a table of deaths", mend)])
    rule = rule if isinstance(rule, Rule) else Rule.model_validate(rule)
    programme = prepared.programme.filter(prepared.programme.programme_id == rule.programme)
    offered = programme.select("person_id", "referral_date", "start_date").execute()
    if offered.empty:
        known = sorted(prepared.programme.select("programme_id").distinct().execute()["programme_id"])
        wrong = f"nobody was offered the programme {rule.programme!r}"
        raise Refused("The service", [Problem("programme.programme_id", wrong, ", ".join(known) or "no programme at all",
                                              "Name it as the site does, or map programme_id")])  # fmt: skip
    every = attendances(prepared, rule.departments)
    often = every.group_by("person_id").agg(n=every.count())
    often = often.filter(often.n >= rule.least).execute()["person_id"]
    index = Index.of([*often, *offered["person_id"]])
    attended = events_of(prepared, "ed_attendance", index, rule.departments)
    assert attended is not None, "the analysis needs ed_attendance"
    person = index.rows(prepared.person).execute().set_index("person_id").reindex(index.ids)
    letter = {c: name for name, letters in ETHNICITY5.items() for c in letters}
    return Cohort(
        rule, index, spans(attended, rule.least, rule.window), attended, _registrations(prepared, index),
        *(_first(index, offered, c) for c in ("referral_date", "start_date")), _deaths(prepared, index),
        day_numbers(person["birth_month"], missing=0), person["sex"].fillna("U").to_numpy(str),
        person["ethnicity16"].map(letter).fillna("Unknown").to_numpy(str),
        person["carehome_flag"].eq(True).to_numpy(bool),
        *_palliative(prepared, index, palliative), _homes(prepared, index), _conditions(prepared, index, codelist),
        day_number(first_day) if first_day else 0, prepared,
    )  # fmt: skip


def _first(index: Index, table: pd.DataFrame, column: str) -> Ints:
    found = np.full(len(index), FAR, dtype=np.int64)
    np.minimum.at(found, index.numbers(table["person_id"]), day_numbers(table[column]))
    return found


def _deaths(prepared: Prepared, index: Index) -> Ints:
    return _first(index, index.rows(prepared.death.select("person_id", "death_date")).execute().pipe(_known, index), "death_date")


def _known(table: pd.DataFrame, index: Index) -> pd.DataFrame:
    return table[index.numbers(table["person_id"]) >= 0]


def _registrations(prepared: Prepared, index: Index) -> Intervals:
    table = prepared.gp_registration
    rows = index.rows(table.filter(table.reg_type == "GMS").select("person_id", "reg_start", "reg_end")).execute()
    return Intervals.of(index.numbers(rows["person_id"]), day_numbers(rows["reg_start"]), day_numbers(rows["reg_end"]), GAP)


def _palliative(prepared: Prepared, index: Index, listed: Codelist) -> tuple[tuple[Ints, Ints, np.ndarray], Events]:
    """Find records of palliative care: those that hold until they are ended (with whether they end it), and those for a year."""
    events = prepared.condition_event
    rows = palliative_records(events.filter(events.status.isnull() | (events.status != "family")), listed).pipe(_known, index)
    rows = rows.sort_values("ended", kind="stable")  # of two records of one day the end counts
    day, person = rows["day"].to_numpy(), index.numbers(rows["person_id"])
    ever = (rows["item"] == REGISTER).to_numpy()
    return (person[ever], day[ever], rows["ended"].to_numpy(object)[ever]), Events.of(person[~ever], day[~ever])


def _homes(prepared: Prepared, index: Index) -> tuple[Ints, Ints, np.ndarray] | None:
    if not (prepared.has("person_address") and prepared.has("area_lookup")):
        return None
    known = areas(prepared).select("lsoa21", "imd10")
    table = prepared.person_address.select("person_id", "start", "lsoa21").left_join(known, "lsoa21")
    rows = index.rows(table.select("person_id", "start", "imd10")).execute().pipe(_known, index)
    return index.numbers(rows["person_id"]), day_numbers(rows["start"]), rows["imd10"].to_numpy(float)


def _conditions(prepared: Prepared, index: Index, codelist: Codelist) -> dict[str, Events]:
    """Find the day each condition was first recorded: condition -> its people and days."""
    events = prepared.condition_event
    events = events.filter(events.status.isnull() | (events.status != "family"), events.code.notnull())
    rows = index.rows(events.select("person_id", "code_system", "code", "event_date")).execute().pipe(_known, index)
    recorded = sorted(set(zip(rows["code_system"], rows["code"], strict=True)))
    meaning = pd.DataFrame(codelist.matches(recorded), columns=["code_system", "code", "condition"])
    found = rows.merge(meaning, on=["code_system", "code"])
    found = found.groupby(["person_id", "condition"], as_index=False)["event_date"].min()
    days, who = day_numbers(found["event_date"]), index.numbers(found["person_id"])
    of = found["condition"].to_numpy(str)
    return {name: Events.of(who[of == name], days[of == name]) for name in codelist.titles}


@dataclass(frozen=True)
class RiskSets:
    """Hold who started (`treated`) and who might have on the same day: rows of person, start, treated (0, 1).

    flow: step, people, cases: where people who started leave on the way; at: the date that counts as the start
    """

    cohort: Cohort
    rows: pd.DataFrame
    flow: pd.DataFrame
    at: str


def risk_sets(cohort: Cohort, at: str = "start_date") -> RiskSets:
    """List, for everybody who started while meeting the rule, the people who met the same rule on the same day.

    at: start_date, or referral_date for everybody to whom the service was offered (intention to treat). Who might have: not
    referred up to that day, whether or not they are later; alive, registered and in the area; a person may be in many
    risk sets. Nobody is chosen or left out for what comes after the day. Source: methods specification, section 4.
    """
    rule = cohort.rule
    day = cohort.started if at == "start_date" else cohort.referred
    first, last = (day_number(dt.date.fromisoformat(d)) for d in rule.recruitment)
    person = np.flatnonzero((day >= first) & (day <= last))
    why = cohort.why_not(person, day[person])
    steps = [step for step in STEPS if step != "not_resident" or cohort.homes is not None]
    flow = pd.DataFrame({"step": steps, "people": len(person), "cases": [int((why == step).sum()) for step in steps]})
    treated = person[why == "eligible"]
    parts = [pd.DataFrame({"person": treated, "start": day[treated], "treated": 1})]
    waiting: list[np.ndarray] = []
    starts = np.unique(day[treated])
    for number, start in enumerate(starts, 1):
        met = cohort.spans.met(int(start), rule.recent)
        met = met[cohort.referred[met] > start]
        waiting.append(np.column_stack([met, np.full(len(met), start)]))
        if number == len(starts) or sum(map(len, waiting)) > AT_ONCE:
            met, on = np.concatenate(waiting).T
            good = cohort.why_not(met, on) == "eligible"
            parts.append(pd.DataFrame({"person": met[good], "start": on[good], "treated": 0}))
            waiting = []
    rows = pd.concat(parts, ignore_index=True).astype("int64")
    return RiskSets(cohort, rows.sort_values(["start", "treated", "person"], ignore_index=True), flow, at)
