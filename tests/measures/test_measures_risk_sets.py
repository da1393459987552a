"""Who might have started a service on the same day: the rolling rule and risk sets, on people drawn as small tables."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared_code import measures
from shared_code.config import codelists
from shared_code.measures.event_days import Events, attendances, day_number
from shared_code.measures.matched_controls import _strata as strata_of
from shared_code.measures.matched_controls import covariates
from shared_code.measures.rolling_rule import Intervals, spans
from shared_code.model import Refused

END = dt.date(2022, 1, 1)
RULE = {"programme": "hiu", "recruitment": ("2020-06-01", "2021-06-30"), "least": 3}


def day(text):
    return day_number(dt.date.fromisoformat(text))


class Site:
    """Write a small site day by day: everybody is 40, registered since 2015, and attends when told."""

    def __init__(self, folder):
        self.folder, self.visits, self.offers, self.codes, self.gone = folder, [], [], [], {}
        self.people, self.ended, self.births = [], {}, {}

    def person(self, who, visits, starts=None, referred=None, died=None, left=None, born="1980-01-01"):
        self.people.append(who)
        self.visits += [(who, v) for v in visits]
        if starts or referred:
            self.offers.append((who, referred or starts, starts))
        self.gone[who], self.ended[who], self.births[who] = died, left, born
        return self

    def code(self, who, system, code, on, status="active"):
        self.codes.append((who, system, code, on, status))
        return self

    def prepared(self):
        def date(values):
            return pa.array([dt.date.fromisoformat(v) if v else None for v in values], pa.date32())

        def write(name, **columns):
            pq.write_table(pa.table(columns), self.folder / f"{name}.parquet")

        who = self.people
        text = {"type": pa.string()}
        write("person", person_id=who, birth_month=date(self.births[w] for w in who), sex=["F"] * len(who),
              ethnicity16=["A"] * len(who), carehome_flag=[False] * len(who))  # fmt: skip
        write("gp_registration", person_id=who, practice_code=["P"] * len(who), reg_start=date(["2015-01-01"] * len(who)),
              reg_end=date(self.ended[w] for w in who), reg_type=["GMS"] * len(who))  # fmt: skip
        visits = self.visits
        at = [dt.datetime.fromisoformat(f"{v[1]} 12:00" if len(v[1]) == 10 else v[1]) for v in visits]
        n = len(visits)
        write("ed_attendance", att_id=[f"{i:05d}" for i in range(n)], person_id=[v[0] for v in visits],
              arrival=pa.array(at, pa.timestamp("us")),
              departure=pa.array([a + dt.timedelta(hours=3) for a in at], pa.timestamp("us")), dept_type=["01"] * n,
              att_category=["unplanned_first"] * n, arrival_mode=["other"] * n, outcome=["discharged"] * n)  # fmt: skip
        dead = [w for w in who if self.gone[w]]
        write("death", person_id=pa.array(dead, **text), death_date=date(self.gone[w] for w in dead))
        write("programme", person_id=pa.array([o[0] for o in self.offers], **text), programme_id=["hiu"] * len(self.offers),
              referral_date=date(o[1] for o in self.offers), start_date=date(o[2] for o in self.offers))  # fmt: skip
        columns = list(zip(*self.codes, strict=True)) or [[], [], [], [], []]
        write("condition_event", person_id=pa.array(columns[0], **text), code_system=pa.array(columns[1], **text),
              code=pa.array(columns[2], **text), event_date=date(columns[3]), status=pa.array(columns[4], **text))  # fmt: skip
        return measures.open_prepared(self.folder)

    def cohort(self, **more):
        return measures.open_cohort(self.prepared(), RULE | more, codelists.load("long_term_conditions/2026-11"),
                                    palliative=codelists.load("palliative_care/2026-11"))  # fmt: skip

    def candidates(self, who="t", **more):
        """Give those who might be compared with somebody, on the day of the start."""
        sets = measures.risk_sets(self.cohort(**more))
        ids = sets.cohort.index.ids
        start = sets.rows.loc[(ids[sets.rows["person"]] == who) & (sets.rows["treated"] == 1), "start"]
        assert len(start) == 1, f"{who} is not among the treated: {sets.flow}"
        found = sets.rows[(sets.rows["treated"] == 0) & (sets.rows["start"] == start.iloc[0])]
        return set(ids[found["person"]])


THREE = ["2020-10-01", "2020-11-01", "2020-12-01"]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path).person("t", THREE, starts="2021-01-10")


def test_the_rule_is_rolling_and_never_counts_the_day_itself():
    events = Events.of(np.zeros(3, int), np.array([day(d) for d in ("2020-10-01", "2020-11-01", "2020-12-01")]))
    found = spans(events, 3, 365)
    assert (found.first[0], found.last[0]) == (day("2020-12-02"), day("2021-10-01"))
    assert list(found.met(day("2020-12-01"), 0)) == []  # the third attendance is of this very day
    assert list(found.met(day("2020-12-02"), 0)) == [0]
    assert list(found.met(day("2021-12-01"), 90)) == [0]  # met within the 90 days before
    assert list(found.met(day("2022-01-01"), 90)) == []


def test_spans_agree_with_counting_every_day():
    rng = np.random.default_rng(3)
    person, days = rng.integers(0, 20, 300), rng.integers(0, 900, 300)
    events, least, window = Events.of(person, days), 4, 120
    found = spans(events, least, window)
    for on in range(0, 1100, 7):
        brute = {p for p in range(20) if ((days[person == p] >= on - window) & (days[person == p] < on)).sum() >= least}
        assert set(found.met(on, 0)) == brute
        recent = {p for p in range(20) for s in range(on - 30, on + 1)
                  if ((days[person == p] >= s - window) & (days[person == p] < s)).sum() >= least}  # fmt: skip
        assert set(found.met(on, 30)) == recent


def test_registrations_join_over_a_change_of_practice():
    joined = Intervals.of(np.array([0, 0, 0]), np.array([0, 100, 300]), np.array([100, 200, 400]), gap=28)
    assert joined.holding(np.array([0, 0, 0]), np.array([150, 250, 350]))[0].tolist() == [0, 10**6, 300]


def test_who_might_have_started_on_the_same_day(site):
    for who in ("same", "also"):
        site.person(who, THREE)
    site.person("rare", THREE[:2]).person("dead", THREE, died="2020-12-20").person("gone", THREE, left="2021-01-01")
    site.person("child", THREE, born="2005-06-01").person("long_ago", ["2018-10-01", "2018-11-01", "2018-12-01"])
    assert site.candidates() == {"same", "also"}


def test_someone_referred_before_is_no_control_and_someone_referred_later_is(site):
    """A pitfall: to ask whether a control is NEVER referred looks into the future (immortal time)."""
    site.person("before", THREE, starts="2021-01-05").person("later", THREE, starts="2021-03-01")
    site.person("declined", THREE, referred="2021-01-04").person("never", THREE)
    assert site.candidates() == {"later", "never"}


def test_people_in_palliative_care_are_left_out_on_both_sides(site):
    site.person("ever", THREE).code("ever", "SCT", "103735009", "2017-01-01")
    site.person("ended", THREE).code("ended", "SCT", "103735009", "2017-01-01")
    site.code("ended", "SCT", "103735009", "2018-01-01", "resolved")
    site.person("family", THREE).code("family", "SCT", "103735009", "2017-01-01", "family")
    site.person("in_hospital", THREE).code("in_hospital", "ICD10", "Z515", "2020-06-01")
    site.person("years_ago", THREE).code("years_ago", "ICD10", "Z515", "2018-06-01")
    site.person("afterwards", THREE).code("afterwards", "SCT", "103735009", "2021-02-01")  # after the start: not known then
    assert site.candidates() == {"ended", "family", "years_ago", "afterwards"}
    site.person("t2", THREE, starts="2021-02-10").code("t2", "SCT", "103735009", "2020-01-01")
    flow = measures.risk_sets(site.cohort()).flow.set_index("step")["cases"]
    assert (flow["end_of_life"], flow["eligible"], flow.sum()) == (1, 1, 2)


def test_offered_people_are_compared_from_the_day_of_referral(site):
    site.person("no", THREE, referred="2020-12-20")
    started, offered = (measures.risk_sets(site.cohort(), at=at) for at in ("start_date", "referral_date"))
    assert started.rows["treated"].sum() == 1
    assert offered.rows["treated"].sum() == 2


def test_the_same_attendance_is_counted_once(tmp_path):
    site = Site(tmp_path).person("t", ["2020-10-01", "2020-10-01 12:06", "2020-11-01", "2020-12-01"], starts="2021-01-10")
    found = attendances(site.prepared(), ["01"]).execute()
    assert len(found) == 3


def test_an_unknown_programme_says_what_there_is(site):
    with pytest.raises(Refused, match="hiu"):
        site.cohort(programme="another")


def test_without_a_table_of_deaths_nobody_is_followed_as_if_nobody_died(site):
    """Pitfall (ignoring deaths): the dead attend less, and a site that knows of none would release true zeros."""
    site.person("a", ["2020-07-01", "2020-07-11", "2020-07-21"], starts="2020-08-01").prepared()
    (site.folder / "death.parquet").unlink()
    with pytest.raises(Refused, match="there is no table of deaths"):
        measures.open_cohort(measures.open_prepared(site.folder), RULE, codelists.load("long_term_conditions/2026-11"),
                             palliative=codelists.load("palliative_care/2026-11"))  # fmt: skip


def test_what_a_service_writes_down_of_its_people_is_not_matched_on(site):
    """A pitfall: a care plan records illnesses of those in the service; matched on these, nobody outside would be like them."""
    site.person("same", THREE)

    def known():
        sets = measures.risk_sets(site.cohort())
        return covariates(sets), list(strata_of(sets, [0, 7]))

    before, strata = known()
    assert strata[0] == strata[1]
    for day_of_plan in ("2021-01-10", "2021-02-01"):  # the day of the start itself is after it began
        site.code("t", "ICD10", "F200", day_of_plan).code("t", "SCT", "73211009", day_of_plan)
    after, same = known()
    pd.testing.assert_frame_equal(before, after)
    assert same == strata
    site.code("t", "ICD10", "F200", "2021-01-09")
    earlier, other = known()
    assert earlier["severe_mental_illness"].tolist() == [0.0, 1.0] and other[0] != other[1]
