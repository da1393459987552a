"""Follow-up and events by attained age, drawn as tables."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from shared_code import measures
from shared_code.config import codelists
from shared_code.config.study import Period

PERIOD = Period(start="2020-01-01", end="2024-01-01")
LIST = codelists.load("long_term_conditions/2026-11")
LEVELS = {
    "outcome": {"onset": "", "death": ""}, "deprivation": dict.fromkeys(["1", "5", "Unknown"], ""),
    "age": dict.fromkeys(["20-49", "50+"], ""),
}  # fmt: skip

PEOPLE = """
who  birth_month sex ethnicity16
ann  1960-06     F   A
bob  1965-01     M   H
cy   1970-01     M   Z
dee  2001-03     F   N
eve  1930-01     F   A
fay  1980-01     U   A
"""
REGISTERED = """
who practice_code reg_start  reg_end    reg_type
ann Z00001        2001-01-01 .          GMS
bob Z00001        2010-01-01 2021-05-01 GMS
bob Z00002        2021-05-01 .          GMS
cy  Z00001        2020-06-01 2021-03-01 GMS
cy  Z00001        2022-01-01 .          GMS
dee Z00001        2001-03-20 .          GMS
eve Z00001        1990-01-01 .          GMS
fay Z00001        1990-01-01 .          GMS
"""
DIED = """
who death_date reg_date
ann 2023-02-01 2023-02-03
"""


def date(number: int) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=int(number))).isoformat()


def shown(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(entry=table["entry"].map(date), leave=table["leave"].map(date))


def test_who_is_followed_from_when_to_when(tables, expect):
    """A gap ends the follow-up and asks for another year; a change of practice does neither; 20 and 90 are the ages."""
    prepared = tables(person=PEOPLE, gp_registration=REGISTERED, death=DIED)
    found = measures.follow_up(prepared, PERIOD, (20, 90))
    expect(shown(found), """
    person_id entry      leave      died  ethnicity
    ann       2020-01-01 2023-02-01 True  White
    bob       2020-01-01 2024-01-01 False Asian
    cy        2023-01-01 2024-01-01 False Unknown
    dee       2021-03-15 2024-01-01 False Black
    eve       2020-01-01 2020-01-15 False White
    """)  # fmt: skip


def test_deprivation_is_that_of_the_home_at_entry(tables, expect):
    prepared = tables(
        person=PEOPLE, gp_registration=REGISTERED, death=DIED,
        person_address="""
        who start      lsoa21
        ann 2001-01-01 E01000001
        ann 2021-01-01 E01000002
        bob 2020-01-02 E01000002
        cy  2000-01-01 E01000009
        """,
        area_lookup="""
        lsoa21    ward_vintage ward_cd   imd_version imd10
        E01000001 2024-05      E05000001 IoD2025     1
        E01000002 2024-05      E05000001 IoD2025     10
        """,
    )  # fmt: skip
    found = measures.follow_up(prepared, PERIOD, (20, 90))
    expect(found, """
    person_id deprivation
    ann       1
    bob       Unknown
    cy        Unknown
    dee       Unknown
    eve       Unknown
    """)  # fmt: skip


CODES = """
event_id who code      code_system event_date source status
1        ann 73211009  SCT         2015-01-01 GP     active
2        ann 73211009  SCT         2020-02-01 GP     active
3        ann 38341003  SCT         2021-01-01 GP     family
4        ann I10       ICD10       2022-06-20 APC    .
5        bob 13645005  SCT         2018-01-01 GP     active
6        bob 195967001 SCT         2019-12-31 GP     active
7        cy  13645005  SCT         2010-01-01 GP     active
8        cy  38341003  SCT         2022-01-02 GP     active
9        dee 35489007  SCT         2024-01-01 GP     active
10       dee 38341003  SCT         2023-01-01 GP     active
"""


def test_the_second_condition_is_the_second_different_one(tables, expect):
    """A repeated code, family history, and what is recorded when the period has ended do not count."""
    found = measures.nth_condition(tables(condition_event=CODES), LIST, PERIOD.end)
    expect(found.assign(day=found["day"].map(date)), """
    person_id day
    ann       2022-06-20
    bob       2019-12-31
    cy        2022-01-02
    """)  # fmt: skip


def test_a_stroke_and_a_tia_are_one_condition(tables, expect):
    """Pitfall: the same illness under two names would make multimorbidity of one vessel."""
    found = measures.nth_condition(tables(condition_event="""
    event_id who code      code_system event_date source status
    1        ann I64       ICD10       2021-01-01 APC    .
    2        ann G459      ICD10       2021-02-01 APC    .
    3        ann 266257000 SCT         2021-03-01 GP     active
    4        bob I219      ICD10       2021-01-01 APC    .
    5        bob 414545008 SCT         2021-02-01 GP     active
    6        cy  I64       ICD10       2021-01-01 APC    .
    7        cy  I259      ICD10       2021-02-01 APC    .
    """), LIST, PERIOD.end)  # fmt: skip
    expect(found.assign(day=found["day"].map(date)), """
    person_id day
    cy        2021-02-01
    """)  # fmt: skip


def count(tables, missing=None):
    prepared = tables(person=PEOPLE, gp_registration=REGISTERED, death=DIED, condition_event=CODES)
    people = measures.follow_up(prepared, PERIOD, (20, 90)).assign(deprivation="1")
    second = measures.nth_condition(prepared, LIST, PERIOD.end)
    found = measures.events_by_attained_age(people, second, LEVELS, [[], ["deprivation"]], [20, 50], missing)
    return found[found["deprivation"] == "all"]


def test_events_and_days_by_attained_age(tables, expect):
    """ann is at risk until her second condition; bob had his; cy's was entered in his first year back, so he is not at risk."""
    days_ann, days_dee, days_eve = 901, 1022, 14
    expect(count(tables), f"""
    outcome age   people events person_days events_squared
    onset   20-49 0      0      {days_dee}  0
    onset   50+   1      1      {days_ann + days_eve} 1
    death   20-49 0      0      {days_dee}  0
    death   50+   0      0      {days_ann + days_eve} 0
    """)  # fmt: skip


def test_a_month_without_diagnoses_has_neither_days_nor_events(tables):
    """Pitfall: an event cannot be seen in a month that was not received; its days are no part of the denominator."""
    whole, without = count(tables), count(tables, ["2022-06"])
    at = (whole["outcome"] == "onset") & (whole["age"] == "50+")
    assert whole.loc[at, "events"].item() == 1 and without.loc[at, "events"].item() == 0
    young = (whole["outcome"] == "onset") & (whole["age"] == "20-49")
    assert whole.loc[young, "person_days"].item() - without.loc[young, "person_days"].item() == pytest.approx(30)


def test_counting_from_registration_makes_events_of_old_codes(tables):
    """Pitfall: without the year of waiting, what a practice enters on arrival looks like new disease."""
    prepared = tables(person=PEOPLE, gp_registration=REGISTERED.replace("cy  Z00001        2020-06-01 2021-03-01 GMS\n", ""),
                      condition_event=CODES)  # fmt: skip
    second = measures.nth_condition(prepared, LIST, PERIOD.end)
    sets, levels = [[]], {k: v for k, v in LEVELS.items() if k != "deprivation"}
    events = {}
    for wash_in in (0, 365):
        people = measures.follow_up(prepared, PERIOD, (20, 90), wash_in)
        people = people[people["person_id"] == "cy"]
        events[wash_in] = measures.events_by_attained_age(people, second, levels, sets, [20, 50])["events"].sum()
    assert events == {0: 1, 365: 0}
