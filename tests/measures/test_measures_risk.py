"""What is known before a day and what happens after it, drawn as tables: nothing leaks from after to before."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from shared_code import measures
from shared_code.config import codelists

ON = dt.date(2024, 4, 1)
DEFICITS = codelists.load("frailty_deficits/2026-11")
PEOPLE = """
who birth_month sex ethnicity16 carehome_flag
ann 1940-06     F   A           .
bob 1950-01     M   A           .
cy  1955-01     M   A           .
dee 1960-03     F   A           .
eve 1930-01     F   A           .
"""
REGISTERED = """
who practice_code reg_start  reg_end reg_type
ann Z00001        2001-01-01 .       GMS
bob Z00001        2010-01-01 .       GMS
cy  Z00002        2023-06-01 .       GMS
dee Z00001        2001-03-20 .       GMS
eve Z00002        1990-01-01 .       GMS
"""
SPELLS = """
who spell_id admi_date  disch_date admimeth class_pat discharge_dest
ann 1        2024-03-20 2024-03-31 21       1         51
ann 2        2024-04-01 2024-04-09 2B       1         19
bob 3        2024-04-01 2024-04-03 21       1         19
bob 4        2023-04-02 2023-04-03 22       1         19
bob 5        2023-04-01 2023-04-01 21       1         19
eve 6        2025-04-01 2025-04-03 21       1         19
eve 7        2024-06-01 2024-06-03 11       1         19
"""
CODES = """
event_id who code code_system event_date recorded_date source status
1        ann W19  ICD10       2024-02-01 .             APC    .
2        ann R55  ICD10       2024-03-30 2024-04-05    APC    .
3        ann N390 ICD10       2024-04-01 .             APC    .
4        ann F009 ICD10       2020-01-01 .             APC    .
5        bob I10  ICD10       2000-01-01 .             GP     active
6        bob E119 ICD10       2000-01-01 .             GP     family
7        eve W19  ICD10       2024-03-31 2024-03-31    APC    .
"""


@pytest.fixture
def prepared(tables):
    return tables(person=PEOPLE, gp_registration=REGISTERED, admission=SPELLS, condition_event=CODES)


def test_a_stay_that_goes_on_elsewhere_is_one_stay(prepared):
    """ann's transfer on the day of prediction continues her stay of March: it is no new admission."""
    found = measures.emergency_stays(prepared, dt.date(2024, 1, 1), dt.date(2025, 1, 1))
    assert sorted(found["person_id"]) == ["ann", "bob"]


def test_the_year_before_ends_and_the_year_after_begins_on_the_day(prepared, expect):
    """bob's stay on the day itself is the outcome; his stay 366 days before is too old; planned stays are none."""
    found = measures.admission_risk(prepared, DEFICITS, ON)
    expect(found, """
    person_id practice age sex emergency outcome
    ann       Z00001   83  F   1         0
    bob       Z00001   74  M   1         1
    eve       Z00002   94  F   0         0
    """)  # fmt: skip


def test_what_was_recorded_later_was_not_known(prepared, expect):
    """Pitfall: R55 dated before the day but entered after it, and the codes of the admission to be predicted, do not count."""
    found = measures.frailty(prepared, DEFICITS, ON)
    expect(found, """
    person_id deficits hospital_points hospital_frailty
    ann       2        3.2             low
    bob       1        0               low
    eve       1        3.2             low
    """)  # fmt: skip
    later = measures.frailty(prepared, DEFICITS, dt.date(2024, 5, 1)).set_index("person_id")
    assert later.loc["ann", "hospital_points"] == pytest.approx(3.2 + 1.8 + 3.2)


def test_writing_the_same_down_again_makes_nobody_frailer(tables):
    """Pitfall (coding depth): a site that records every deficit three times has no frailer people for it."""
    lines = CODES.strip().splitlines()
    again = [line.replace(line[0], f"{n}{line[0]}", 1) for n in (7, 8) for line in lines[1:]]
    again.append("90       bob 38341003 SCT 2001-01-01 . GP active")  # high blood pressure under another code
    found = [measures.frailty(tables(person=PEOPLE, condition_event="\n".join([*lines, *more])), DEFICITS, ON)
             for more in ([], again)]  # fmt: skip
    assert found[0]["deficits"].max() > 1 and found[0]["hospital_points"].max() > 0
    for scored in found:
        scored.sort_values("person_id", inplace=True, ignore_index=True)
    pd.testing.assert_frame_equal(*found)


def test_people_in_palliative_care_are_left_out(tables):
    codes = CODES + "8        eve 103735009 SCT 2024-01-01 . GP active\n"
    prepared = tables(person=PEOPLE, gp_registration=REGISTERED, admission=SPELLS, condition_event=codes)
    found = measures.admission_risk(prepared, DEFICITS, ON, palliative=codelists.load("palliative_care/2026-11"))
    assert set(found["person_id"]) == {"ann", "bob"}


def test_too_many_movers_stop_the_analysis(tables, message_of):
    """Whoever moves away is not observed; where these are many, those who stay are a selection."""
    gone = REGISTERED.replace("eve Z00002        1990-01-01 .  ", "eve Z00002        1990-01-01 2024-08-01")
    prepared = tables(person=PEOPLE, gp_registration=gone, admission=SPELLS, condition_event=CODES)
    assert "leave within the horizon" in message_of(measures.admission_risk, prepared, DEFICITS, ON)


def test_a_death_is_no_move(tables):
    """Dying before an admission is the absence of one."""
    gone = REGISTERED.replace("eve Z00002        1990-01-01 .  ", "eve Z00002        1990-01-01 2024-08-02")
    died = "who death_date reg_date\neve 2024-08-01 2024-08-03\n"
    prepared = tables(person=PEOPLE, gp_registration=gone, admission=SPELLS, condition_event=CODES, death=died)
    found = measures.admission_risk(prepared, DEFICITS, ON).set_index("person_id")
    assert found.loc["eve", "outcome"] == 0 and len(found) == 3


def test_sums_of_risks_by_hand():
    """Four people; two bands; one case."""
    people = pd.DataFrame({"sex": ["F", "F", "M", "M"], "outcome": [0, 1, 0, 0]})
    risk = np.array([0.05, 0.20, 0.30, 0.10])
    levels = {"quantity": {}, "band": dict.fromkeys(["0-19", "20+"], ""), "sex": dict.fromkeys("FM", "")}
    found = measures.risk_sums(people, risk, [0, 20], levels, [[], ["band"], ["band", "sex"]])
    one = found.set_index(["quantity", "band", "sex"])
    assert one.loc[("risk", "all", "all"), ["people", "sum"]].tolist() == pytest.approx([4, 0.65])
    assert one.loc[("risk_of_cases", "all", "all"), ["people", "sum"]].tolist() == pytest.approx([1, 0.2])
    assert one.loc[("risk", "20+", "all"), ["people", "sum", "sum_squares"]].tolist() == pytest.approx([2, 0.5, 0.13])
    assert one.loc[("risk", "20+", "M"), ["people", "largest"]].tolist() == pytest.approx([1, 0.3])
    assert one.loc[("risk_of_cases", "0-19", "F"), "people"] == 0
