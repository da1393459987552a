"""When conditions begin: ages at onset that fit the planted prevalence by age, and what they say of multimorbidity.

Whoever has a condition at age A got it by age a <= A with probability M(a) / M(A), where M is the highest planted base
prevalence up to an age. So prevalence by age and dates of diagnosis tell one story, and hazards by attained age have a
truth: the expected numbers of people who reach two conditions, and their days at risk, exact given each person's frailty.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from shared_code.model import ETHNICITY5, UNKNOWN, band_labels
from shared_code.model.units import DAYS_A_YEAR
from shared_code.synthetic import planted
from shared_code.synthetic.conditions import CHUNK, Reference, probabilities
from shared_code.synthetic.days import NEVER, birthday
from shared_code.synthetic.people import People
from shared_code.synthetic.places import Places

YOUNGEST, OLDEST, WASH_IN = 20, 90, 365  # years of age between which people are followed, and days registered before
BANDS = [20, 30, 40, 50, 55, 60, 65, 70, 75, 80, 85]  # of attained age, in which the truth is told
STEPS = 4  # parts of each piece of follow-up over which the chance of being at risk is averaged
COLUMNS = ["dimension", "level", "age", "expected", "variance", "person_days", "events", "days"]


@cache
def curves() -> tuple[np.ndarray, np.ndarray]:
    """Give ages (years) and M of every condition (rows) at these ages: rising, 0 below the youngest age."""
    ages = np.concatenate([[0.0], np.arange(planted.OLDEST + 1) + 0.5])
    base = planted.base_probabilities()
    rows = []
    for number, condition in enumerate(planted.CONDITIONS.values()):
        first = base[number, 0] if condition.minimum_age == 0 else 0.0
        rows.append(np.maximum.accumulate(np.concatenate([[first], base[number]])))
    return ages, np.array(rows)


def onset_days(birth: np.ndarray, until: np.ndarray, condition: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Turn chances (0 to 1) into days of onset, for people who have a condition on a day.

    birth, until  days (until: index date or death)    condition  number of the condition
    The youngest age counts from the month of birth; nobody's onset lies on or after `until`.
    """
    ages, risen = curves()
    now = (until - birth) / DAYS_A_YEAR
    day = np.empty(len(birth), dtype=np.int64)
    for number, planted_condition in enumerate(planted.CONDITIONS.values()):
        mine = np.flatnonzero(condition == number)
        height = chance[mine] * np.interp(now[mine], ages, risen[number])
        begins = birth[mine] + np.floor(np.interp(height, risen[number], ages) * DAYS_A_YEAR).astype(np.int64)
        youngest = planted_condition.minimum_age
        floor = birthday(birth[mine], np.full(len(mine), youngest)) if youngest else birth[mine]
        day[mine] = np.maximum(np.minimum(np.maximum(begins, floor), until[mine] - 1), birth[mine])
    return day


def second_onset(rows: np.ndarray, onset: np.ndarray, people: int) -> np.ndarray:
    """Give the day on which each person has two conditions, NEVER where that day has not come."""
    order = np.lexsort((onset, rows))
    row, day = rows[order], onset[order]
    second = np.flatnonzero(row[1:] == row[:-1]) + 1
    second = second[np.concatenate([[True], row[second][1:] != row[second][:-1]])] if len(second) else second
    result = np.full(people, NEVER, dtype=np.int64)
    result[row[second]] = day[second]
    return result


def followed(people: People, registrations: dict[str, np.ndarray], start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the first day and the day after the last of each person's follow-up in [start, end); equal where there is none.

    A person is followed from age 20 and from 365 days after the registration began (a change of practice does not
    interrupt it), until death, age 90 or the end of the registration; sex known.
    """
    permanent = registrations["type"] == 0
    row, begin, finish = (registrations[name][permanent] for name in ("row", "begin", "finish"))
    first, last = np.full(len(people), NEVER, dtype=np.int64), np.zeros(len(people), dtype=np.int64)
    np.minimum.at(first, row, begin)
    np.maximum.at(last, row, finish)
    entry = np.maximum.reduce([np.full(len(people), start), np.minimum(first, NEVER - WASH_IN) + WASH_IN,
                               _age(people.birth, YOUNGEST).astype(np.int64)])  # fmt: skip
    leave = np.minimum.reduce([last, people.death, np.full(len(people), end), _age(people.birth, OLDEST).astype(np.int64)])
    leave = np.where((leave > entry) & (people.recorded_sex < 2), leave, entry)
    return entry, leave


def multimorbidity_onset(
    people: People, places: Places, reference: Reference, follow_up: tuple[np.ndarray, np.ndarray], second: np.ndarray,
) -> dict[str, Any]:  # fmt: skip
    """Tell the planted number of people who reach two conditions, by attained age and group.

    follow_up  first and last day (exclusive) of each person at risk; equal where there is none
    second     day of the second condition
    expected and person_days are sums over people of P(free at the start of the band, not at its end) and of the days
    free in it; variance is that of the number of events; events and days are those that were drawn.
    """
    labels = band_labels([*BANDS, OLDEST])[:-1]
    groups = _groups(people, places, follow_up[0])
    sums = {name: np.zeros((len(levels), len(labels), 5)) for name, (_, levels) in groups.items()}
    for begin in range(0, len(people), CHUNK):
        rows = np.arange(begin, min(begin + CHUNK, len(people)))
        rows = rows[follow_up[1][rows] > follow_up[0][rows]]
        has = probabilities(reference, rows)
        for band, (low, high) in enumerate(zip(BANDS, [*BANDS[1:], OLDEST])):
            start = _age(people.birth[rows], low)
            since, till = np.maximum(follow_up[0][rows], start), np.minimum(follow_up[1][rows], _age(people.birth[rows], high))
            inside = np.flatnonzero(till > since)
            who, since, till = rows[inside], since[inside], till[inside]
            free = _free(people.birth[who], reference.until[who], has[inside], np.linspace(since, till, 2 * STEPS + 1))
            weights = np.array([1, *[4, 2] * (STEPS - 1), 4, 1]) / (6 * STEPS)  # Simpson
            reached, days = free[0] - free[-1], (till - since) * (weights @ free)
            drawn = (second[who] > since) & (second[who] < till)  # the last day is not part of the follow-up
            lived = np.clip(np.minimum(second[who], till) - since, 0, None)
            values = np.stack([reached, reached * (1 - reached), days, drawn, lived], axis=1)
            for name, (level, _) in groups.items():
                np.add.at(sums[name][:, band], level[who], values)
    rows_of = [
        [name, level, label, *(round(float(v), 6) for v in sums[name][i, j][:3]), *map(float, sums[name][i, j][3:])]
        for name, (_, levels) in groups.items() for i, level in enumerate(levels) for j, label in enumerate(labels)
    ]  # fmt: skip
    return {"columns": COLUMNS, "rows": rows_of}


def _age(birth: np.ndarray, age: int) -> np.ndarray:
    """Give the day on which an age begins: so many times 365.25 days after the 15th of the month of birth."""
    return birthday(birth, np.zeros(len(birth), dtype=np.int64)) + age * DAYS_A_YEAR


def _groups(people: People, places: Places, on: np.ndarray) -> dict[str, tuple[np.ndarray, list[str]]]:
    """Give each person's level of what the truth is told by, where they live at the start of their follow-up."""
    area = people.area_on(on)
    fifth = np.where(area >= 0, (places.imd10[np.maximum(area, 0)] - 1) // 2, 5)
    names = [*ETHNICITY5, UNKNOWN]
    of = np.array([names.index(name) for name in planted.ETHNIC_GROUPS])
    ethnicity = of[people.group]
    broad = np.select([ethnicity == names.index("White"), ethnicity == len(names) - 1], [0, 2], 1)
    rest = (fifth != 0).astype(np.int64)
    areas, backgrounds = ("core20", "rest"), ("White", "minority", UNKNOWN)
    return {
        "everyone": (np.zeros(len(people), dtype=np.int64), ["all"]),
        "deprivation": (fifth, [*(str(q) for q in range(1, 6)), UNKNOWN]),
        "ethnicity": (ethnicity, names),
        "core20, sex": (2 * rest + np.minimum(people.recorded_sex, 1), [f"{a}, {s}" for a in areas for s in "FM"]),
        "core20, background": (3 * rest + broad, [f"{a}, {b}" for a in areas for b in backgrounds]),
    }


def _free(birth: np.ndarray, until: np.ndarray, has: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Give the chance of having fewer than two conditions on some days (first axis), exact given the chances `has`."""
    ages, risen = curves()
    none = np.ones(days.shape)
    one = np.zeros(days.shape)
    now = (until - birth) / DAYS_A_YEAR
    then = (days - birth) / DAYS_A_YEAR
    for number in range(len(risen)):
        at_end = np.interp(now, ages, risen[number])
        share = np.interp(then, ages, risen[number]) / np.where(at_end > 0, at_end, 1)
        p = np.where(at_end > 0, has[:, number] * np.minimum(share, 1), 0)
        one = one * (1 - p) + none * p
        none = none * (1 - p)
    return none + one
