"""Attendances at emergency departments, and a service for people who come very often, with a planted effect.

Everybody has a rate of attendances of their own that never changes; rates are gamma distributed, so a few people come very
often, and whoever is chosen for a high count comes less often afterwards without anybody doing anything. The service takes
people who meet its rule on the day of a monthly meeting, the more readily the more they came lately. While somebody is in it,
each attendance is prevented with the planted chance; nothing else changes. Shares are chosen, not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from shared_code.synthetic.chance import pick, stream
from shared_code.synthetic.days import NEVER, completed_years
from shared_code.synthetic.people import People
from shared_code.synthetic.places import Places

SHAPE, MEAN = 0.42, 0.70  # of the yearly rate of attendances at a major department
DEPRIVED = 0.06  # rise of the logarithm of the rate per tenth of areas towards the most deprived
MINOR, PLANNED, TWICE = 0.12, 0.03, 0.02  # beside each: at a minor department, planned, entered twice
ADMITTED, AMBULANCE = 0.30, 0.32
EYES = 0.5  # yearly outpatient appointments for eyes, which the service cannot change
CONTACTS, IN_CONTACT, IN_CONTACT_OFTEN = 6.0, 0.05, 0.45  # with mental health services: a year; share of people; of frequent ones
LEAST, YEAR, OLDEST_HIGH = 7, 365, 5  # the rule: attendances in a year; frequent: yearly rate
EFFECT, EFFECT_DAYS = 0.65, 183  # ratio of rates in the service; afterwards there is none
PROGRAMME = "high_intensity_service"
FIRST_MEETING, LAST_MEETING = 730, 220  # days after the first of the data, and before the last
TAKEN, RECENT = 0.05, 0.35  # chance of being taken at a meeting, and how its log odds rise per attendance in 90 days
DECLINES = 0.08
END_OF_LIFE, PALLIATIVE = 0.35, ("103735009", "395669003")  # share of the dying who get such a code, and codes


@dataclass(frozen=True)
class UrgentCare:
    """Hold tables (a column `row` stands for the person), further records as `make_diagnoses` gives them, and the truth."""

    feeds: dict[str, pd.DataFrame]
    records: dict[str, np.ndarray]
    truth: dict[str, Any]


def make_urgent_care(people: People, places: Places, seed: int, start: int, end: int) -> UrgentCare:
    """Draw attendances, appointments and contacts of [start, end), and whom the service takes."""
    rng = stream(seed, "urgent care")
    count = len(people)
    deprived = np.exp(DEPRIVED * (5.5 - places.imd10[people.area]))
    rate = rng.gamma(SHAPE, MEAN / SHAPE, count) * deprived / deprived.mean()
    begin, until = np.maximum(people.entry, start), np.minimum(np.where(people.death == NEVER, end, people.death), end)
    row, day = _drawn(rng, rate, begin, until)
    service = _service(stream(seed, "high-intensity service"), people, row, day, start, end)
    taken = np.full(count, NEVER, dtype=np.int64)
    taken[service["row"]] = service["begin"]
    inside = (day >= taken[row]) & (day < taken[row] + EFFECT_DAYS)
    prevented = inside & (rng.random(len(row)) >= EFFECT)
    feeds = {
        "ed_attendance": _attendances(rng, row[~prevented], day[~prevented], seed),
        "programme": pd.DataFrame({
            "row": service["row"], "programme_id": PROGRAMME, "eligible_date": service["met"],
            "referral_date": service["referred"], "start_date": service["begin"],
            "end_date": np.where(service["begin"] == NEVER, NEVER, service["begin"] + EFFECT_DAYS),
            "status": np.where(service["begin"] == NEVER, "declined", "completed"),
        }),
        "outpatient": _appointments(stream(seed, "eye clinic"), begin, until),
        "mh_contact": _contacts(stream(seed, "mental health contacts"), rate, begin, until),
    }  # fmt: skip
    started = service["row"][service["begin"] < NEVER]
    in_service = np.minimum(taken[started] + EFFECT_DAYS, until[started]) - taken[started]
    truth = {
        "rate": {"shape": SHAPE, "mean": MEAN, "deprivation": DEPRIVED}, "effect": EFFECT, "effect_days": EFFECT_DAYS,
        "referred": len(service["row"]), "started": len(started), "programme": PROGRAMME,
        "expected_without": round(float((rate[started] * in_service / YEAR).sum()), 3),
        "prevented": int(prevented.sum()), "days_in_service": int(in_service.sum()),
    }  # fmt: skip
    return UrgentCare(feeds, _palliative(stream(seed, "palliative care"), people, start, end), truth)


def _drawn(rng: np.random.Generator, rate: np.ndarray, begin: np.ndarray, until: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw events of people over their days: row and day, by person and day."""
    length = np.maximum(until - begin, 0)
    times = rng.poisson(rate * length / YEAR)
    row = np.repeat(np.arange(len(rate)), times)
    day = begin[row] + (rng.random(len(row)) * length[row]).astype(np.int64)
    order = np.lexsort((day, row))
    return row[order], day[order]


def _service(rng: np.random.Generator, people: People, row: np.ndarray, day: np.ndarray, start: int, end: int
             ) -> dict[str, np.ndarray]:  # fmt: skip
    """Hold monthly meetings: whoever meets the rule may be taken, once; most of them start some days later."""
    often = np.flatnonzero(np.bincount(row, minlength=len(people)) >= LEAST)
    keys = row * np.int64(10**6) + day
    waiting = np.ones(len(often), dtype=bool)
    found: list[dict[str, np.ndarray]] = []
    for meeting in range(start + FIRST_MEETING, end - LAST_MEETING, 30):
        base = often * np.int64(10**6) + meeting
        within, lately = (np.searchsorted(keys, base) - np.searchsorted(keys, base - days) for days in (YEAR, 90))
        adult = (completed_years(people.birth[often], meeting) >= 18) & (people.death[often] > meeting + 60)
        log_odds = np.log(TAKEN / (1 - TAKEN)) + RECENT * (lately - 3)
        chosen = waiting & adult & (within >= LEAST) & (rng.random(len(often)) < 1 / (1 + np.exp(-log_odds)))
        waiting &= ~chosen
        who = often[chosen]
        referred = meeting + rng.integers(1, 10, len(who))
        starts = np.where(rng.random(len(who)) < DECLINES, NEVER, referred + rng.integers(5, 20, len(who)))
        found.append({"row": who, "met": np.full(len(who), meeting), "referred": referred, "begin": starts})
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def _attendances(rng: np.random.Generator, row: np.ndarray, day: np.ndarray, seed: int) -> pd.DataFrame:
    """Write attendances down: beside those at a major department, minor and planned ones, and some entered twice."""
    count = len(row)
    beside = np.flatnonzero(rng.random(count) < MINOR + PLANNED)
    again = np.flatnonzero(rng.random(count) < TWICE)
    source = np.concatenate([np.arange(count), beside, again])
    kind = np.concatenate([np.zeros(count, int), np.where(rng.random(len(beside)) < MINOR / (MINOR + PLANNED), 1, 2),
                           np.zeros(len(again), int)])  # fmt: skip
    minute = rng.integers(0, 1440, count)
    minute = np.concatenate([minute, rng.integers(0, 1440, len(beside)), np.minimum(minute[again] + 5, 1439)])
    other_day = np.where(kind > 0, rng.integers(0, 25, len(source)), 0)
    admitted = rng.random(count)[source] < ADMITTED
    ambulance = rng.random(count)[source] < AMBULANCE
    stay = rng.integers(60, 480, count)[source]
    arrival = (day[source] + other_day) * 1440 + minute
    order = np.lexsort((arrival, row[source]))
    table = pd.DataFrame({
        "row": row[source], "arrival": _stamp(arrival), "departure": _stamp(arrival + stay),
        "provider": np.array([f"RX{seed % 10}{n + 1:02d}" for n in range(2)], dtype=object)[rng.integers(0, 2, count)[source]],
        "dept_type": np.where(kind == 1, "03", "01"),
        "att_category": np.where(kind == 2, "planned_followup", "unplanned_first"),
        "arrival_mode": np.where(ambulance & (kind == 0), "ambulance", "other"),
        "outcome": np.where(admitted & (kind == 0), "admitted", "discharged"),
        "acuity": 1 + pick(rng, np.array([1, 3, 6, 5, 2]), len(source)),
    }).iloc[order].reset_index(drop=True)  # fmt: skip
    table.insert(0, "att_id", np.arange(1, len(table) + 1))
    return table


def _stamp(minutes: np.ndarray) -> np.ndarray:
    return np.datetime_as_string(minutes.astype("datetime64[m]"), unit="m").astype(object)


def _appointments(rng: np.random.Generator, begin: np.ndarray, until: np.ndarray) -> pd.DataFrame:
    """Draw outpatient appointments of ophthalmology (treatment function 130): nothing to do with attendances."""
    row, day = _drawn(rng, rng.gamma(0.8, EYES / 0.8, len(begin)), begin, until)
    came = rng.random(len(row)) < 0.9
    return pd.DataFrame({
        "appt_id": np.arange(1, len(row) + 1), "row": row, "appt_date": day, "tfc": "130", "attended": np.where(came, "5", "3"),
        "first_followup": np.where(rng.random(len(row)) < 0.3, "first", "followup"), "mode": "f2f",
    })  # fmt: skip


def _contacts(rng: np.random.Generator, rate: np.ndarray, begin: np.ndarray, until: np.ndarray) -> pd.DataFrame:
    """Draw contacts with mental health services: of more people among those who often attend emergency departments."""
    in_contact = rng.random(len(rate)) < np.where(rate >= OLDEST_HIGH, IN_CONTACT_OFTEN, IN_CONTACT)
    own = np.where(in_contact, rng.gamma(1.5, CONTACTS / 1.5, len(rate)), 0.0)
    row, day = _drawn(rng, own, begin, until)
    return pd.DataFrame({
        "contact_id": np.arange(1, len(row) + 1), "row": row, "referral_id": [f"R{r}" for r in row], "date": day,
        "team_type": "A06", "attended": rng.random(len(row)) < 0.92, "crisis": rng.random(len(row)) < 0.08,
        "setting": "community",
    })  # fmt: skip


def _palliative(rng: np.random.Generator, people: People, start: int, end: int) -> dict[str, np.ndarray]:
    """Record palliative care of some of those who die, in their last year."""
    row = np.flatnonzero((people.death < end) & (rng.random(len(people)) < END_OF_LIFE))
    day = people.death[row] - rng.integers(20, 300, len(row))
    row, day = row[day > people.birth[row]], day[day > people.birth[row]]
    code = np.array(PALLIATIVE, dtype=object)[rng.integers(0, len(PALLIATIVE), len(row))]
    zero = np.zeros(len(row), dtype=np.int64)
    return {"row": row, "code": code, "icd10": zero.astype(bool), "day": day, "source": zero, "status": zero}
