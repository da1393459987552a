"""A list of people at high risk, drawn in spring from those recently treated, and what a policy did to their use of care.

Illness gets worse one day, and the need for appointments is high from then on. A list is drawn on one day from people with a
listed condition who were recently treated, so that looking back their use rises towards that day, whatever the policy
does. The policy then changes the use of everybody, more so of the listed, for four months: fewer appointments
face to face, more by telephone. Contacts with general practice change for nobody. Nothing here is measured.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from shared_code.synthetic import planted
from shared_code.synthetic.chance import stream
from shared_code.synthetic.days import NEVER, completed_years, day
from shared_code.synthetic.people import People

LISTED = ("copd", "cancer", "chronic_kidney_disease", "heart_failure", "rheumatoid_arthritis")
LIST, ROUTES = "SPL", ("national", "gp_hospital")
START, FINISH = (2024, 4, 1), (2024, 8, 1)  # the policy: first day, first day after it
DRAWN, LATE = (2024, 4, 1), (2024, 5, 20)  # the list: drawn, and added to later
TREATED, WINDOW = 3, 365  # appointments within so many days make somebody recently treated
WORSENING = 0.35  # yearly hazard of getting worse with a listed condition, from the first day of the data
CALM, ILL = 0.5, 7.0  # appointments a year before, and beside these after, somebody got worse
GP, REMOTE = 4.0, 0.15  # contacts with general practice a year; share of appointments that are remote without a policy
EFFECT = {"listed": {"f2f": 0.50, "remote": 1.60}, "others": {"f2f": 0.75, "remote": 1.30}}
ADDED_LATE = 0.02  # of people with a listed condition: put on the list later, by a practice
SPECIALTIES = ("300", "320", "340", "361", "410", "800")  # treatment functions


@dataclass(frozen=True)
class Listing:
    """Hold tables (a column `row` stands for the person) and what was planted."""

    feeds: dict[str, pd.DataFrame]
    truth: dict[str, Any]


def make_listing(people: People, has: tuple[np.ndarray, np.ndarray], began: np.ndarray, seed: int, start: int, end: int
                 ) -> Listing:  # fmt: skip
    """Draw appointments, contacts and the list; nothing of it where the policy lies outside [start, end).

    has, began  rows of people and numbers of conditions, as drawn, and the day each began
    """
    rng = stream(seed, "listing")
    count = len(people)
    numbers = [number for number, name in enumerate(planted.CONDITIONS) if name in LISTED]
    mine = np.isin(has[1], numbers)
    ill_since = np.full(count, NEVER, dtype=np.int64)
    np.minimum.at(ill_since, has[0][mine], began[mine])
    ill = ill_since < NEVER
    begin, until = np.maximum(people.entry, start), np.minimum(np.where(people.death == NEVER, end, people.death), end)
    row, on = _needed(rng, ill, begin, until)
    drawn, policy = _day(DRAWN), (_day(START), _day(FINISH))
    recent = np.bincount(row[(on >= drawn - WINDOW) & (on < drawn)], minlength=count)
    chosen = (ill_since <= drawn) & (recent >= TREATED) & (begin <= drawn) & (until > drawn)
    late = (ill_since <= drawn) & ~chosen & (rng.random(count) < ADDED_LATE) & (until > _day(LATE))
    remote = rng.random(len(row)) < REMOTE
    wave = (on >= policy[0]) & (on < policy[1])
    kept, more = np.ones(len(row)), np.zeros(len(row))
    for name, members in (("listed", chosen), ("others", ~chosen)):
        who = wave & members[row]
        kept[who & ~remote] = EFFECT[name]["f2f"]
        more[who & remote] = EFFECT[name]["remote"] - 1
    take, twice = rng.random(len(row)) < kept, rng.random(len(row)) < more
    source = np.concatenate([np.flatnonzero(take), np.flatnonzero(twice)])
    contacts_row, contacts_day = _steady(rng, np.where(ill, 1.6, 0.8) * GP, begin, until)
    feeds = {
        "outpatient": pd.DataFrame({
            "row": row[source], "appt_date": on[source],
            "tfc": np.array(SPECIALTIES, dtype=object)[rng.integers(0, len(SPECIALTIES), len(source))], "attended": "5",
            "first_followup": np.where(rng.random(len(source)) < 0.3, "first", "followup"),
            "mode": np.where(remote[source], "remote", "f2f"),
        }),
        "gp_encounter": pd.DataFrame({
            "enc_id": np.arange(1, len(contacts_row) + 1), "row": contacts_row, "date": contacts_day, "mode": "f2f",
            "role": "GP", "status": "attended",
        }),
        "list_flag": _list(rng, people, chosen, late, drawn),
    }  # fmt: skip
    truth = {
        "policy": [np.datetime64(d, "D").astype(str) for d in policy], "effect": EFFECT, "listed": int(chosen.sum()),
        "added_late": int(late.sum()), "ratio_of_ratios": {mode: EFFECT["listed"][mode] / EFFECT["others"][mode]
                                                           for mode in ("f2f", "remote")}
        | {"gp": 1.0, "ed": 1.0, "emergency": 1.0},
    }  # fmt: skip
    return Listing(feeds if start < policy[0] < end else {name: t.iloc[:0] for name, t in feeds.items()}, truth)


def _day(date: tuple[int, int, int]) -> int:
    return day(dt.date(*date))


def _needed(rng: np.random.Generator, ill: np.ndarray, begin: np.ndarray, until: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw the appointments people would have without a policy: steadily a few, and many more once they got worse."""
    row, on = _steady(rng, np.full(len(ill), CALM), begin, until)
    wait = rng.exponential(365.25 / WORSENING, len(ill))
    worse = np.where(ill, begin + np.minimum(wait, 1e5).astype(np.int64), NEVER)
    more_row, more = _steady(rng, np.where(ill, ILL, 0.0), np.minimum(np.maximum(worse, begin), until), until)
    return np.concatenate([row, more_row]), np.concatenate([on, more])


def _steady(rng: np.random.Generator, rate: np.ndarray, begin: np.ndarray, until: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw events at a steady yearly rate: row and day."""
    length = np.maximum(until - begin, 0)
    times = rng.poisson(rate * length / 365.25)
    row = np.repeat(np.arange(len(rate)), times)
    return row, begin[row] + (rng.random(len(row)) * length[row]).astype(np.int64)


def _list(rng: np.random.Generator, people: People, chosen: np.ndarray, late: np.ndarray, drawn: int) -> pd.DataFrame:
    """Write the list down: who was on it from the start, and who was added later by a practice or hospital."""
    first, later = np.flatnonzero(chosen), np.flatnonzero(late)
    age = completed_years(people.birth, drawn)
    row = np.concatenate([first, later])
    added = np.concatenate([drawn + rng.integers(0, 15, len(first)), _day(LATE) + rng.integers(0, 40, len(later))])
    return pd.DataFrame({
        "row": row, "list": LIST, "added": added, "removed": np.full(len(row), NEVER),
        "route": np.where(np.arange(len(row)) < len(first), ROUTES[0], ROUTES[1]),
        "reason": np.where(age[row] >= 70, "respiratory", "specialist"),
    })  # fmt: skip
