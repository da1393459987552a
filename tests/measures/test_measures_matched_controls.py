"""Risk sets, matching and what follows, on people drawn as small tables; and every pitfall of such comparisons."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import matched_controls as made_up
from shared_code import measures
from shared_code.config import codelists
from shared_code.measures.event_days import WIDE, Events, attendances, day_number
from shared_code.measures.matched_controls import PROFILE, covariates, digest_of
from shared_code.measures.matched_controls import _strata as strata_of
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


@pytest.fixture(scope="module")
def cohort():
    return made_up.site(7, effect=0.6)


@pytest.fixture(scope="module")
def frozen(cohort):
    return measures.match_controls(measures.risk_sets(cohort), {})


def test_without_a_table_of_deaths_nobody_is_followed_as_if_nobody_died(site):
    """Pitfall (ignoring deaths): the dead attend less, and a site that knows of none would release true zeros."""
    site.person("a", ["2020-07-01", "2020-07-11", "2020-07-21"], starts="2020-08-01").prepared()
    (site.folder / "death.parquet").unlink()
    with pytest.raises(Refused, match="there is no table of deaths"):
        measures.open_cohort(measures.open_prepared(site.folder), RULE, codelists.load("long_term_conditions/2026-11"),
                             palliative=codelists.load("palliative_care/2026-11"))  # fmt: skip


def test_sets_keep_to_the_rules(cohort, frozen):
    rows = frozen.rows
    controls = rows[rows["treated"] == 0]
    assert controls["person"].is_unique  # no control counts twice
    size = controls.groupby("set").size()
    assert size.max() <= 3 and set(size.index) == set(rows["set"])
    np.testing.assert_allclose(controls.groupby("set")["weight"].sum(), 1)
    start = rows["start"].to_numpy()
    of_set = rows[rows["treated"] == 1].set_index("set")["start"]
    assert (of_set[rows["set"]].to_numpy() == start).all()  # the same day for everybody of a set
    assert (cohort.sex[rows["person"]] == cohort.sex[rows[rows["treated"] == 1].set_index("set")["person"][rows["set"]]]).all()
    assert (cohort.referred[controls["person"]] > controls["start"]).all()
    assert frozen.balance["after"].abs().median() < frozen.balance["before"].abs().max()


def test_everybody_who_started_is_matched_or_told_why_not(frozen):
    """Methods section 4, step 5: how many are not matched, and in what they differ from those who are."""
    flow = frozen.flow.set_index("step")
    assert flow["cases"].sum() == flow["people"].iloc[0] and flow["people"].nunique() == 1
    assert flow.loc["matched", "cases"] == frozen.rows["treated"].sum()
    started = frozen.sets.rows[frozen.sets.rows["treated"] == 1]
    alone = started[~started["person"].isin(frozen.rows.loc[frozen.rows["treated"] == 1, "person"])]
    assert flow.loc["unmatched", "cases"] == len(alone) > 0 and "eligible" not in flow.index


def test_the_profile_of_who_is_not_matched_is_that_of_these_people(frozen):
    of, inside = frozen.candidates["treated"] == 1, frozen.rows.loc[frozen.rows["treated"] == 1, "person"]
    treated, control = (covariates(dataclasses.replace(frozen.sets, rows=frozen.candidates[m])) for m in (of, ~of))
    spread = np.sqrt((treated["ed_0_90"].var() + control["ed_0_90"].var()) / 2)
    matched = frozen.candidates.loc[of, "person"].isin(inside).to_numpy()
    expected = (treated["ed_0_90"][~matched].mean() - treated["ed_0_90"][matched].mean()) / spread
    told = measures.balance_table(frozen).set_index(["sample", "covariate"]).loc["unmatched"]
    assert told.loc["ed_0_90", "estimate"] == pytest.approx(expected)
    assert set(told.index) == set(PROFILE) and (told["people"] == min((~matched).sum(), matched.sum())).all()
    attributes = {"male", "care_home", "ethnic_minority", "ethnicity_unknown", "severe_mental_illness", "most_deprived_fifth"}
    assert not attributes & set(PROFILE)  # of which a few people could be told


def test_nothing_after_the_start_changes_who_is_matched(cohort, frozen):
    """A pitfall: matching on what was recorded later. Everything after the latest start may change, and nothing here does."""
    last = int(frozen.sets.rows["start"].max())
    earlier = Events(cohort.attended.keys[cohort.attended.keys % 10**7 < last])
    no_future = made_up_copy(cohort, attended=earlier, spans=spans(earlier, 7, 365))
    again = measures.match_controls(measures.risk_sets(no_future), {})
    assert again.digest == frozen.digest
    start, person = frozen.rows["start"].to_numpy(), frozen.rows["person"].to_numpy()
    measured = covariates(frozen.sets)
    cut = Events(cohort.attended.keys[cohort.attended.keys % 10**7 < int(start.min())])
    first = frozen.sets.rows["start"] == start.min()
    pd.testing.assert_frame_equal(covariates(measures.RiskSets(made_up_copy(cohort, attended=cut, spans=spans(cut, 7, 365)),
                                                              frozen.sets.rows[first].reset_index(drop=True), frozen.sets.flow,
                                                              "start_date")), measured[first].reset_index(drop=True))  # fmt: skip
    assert len(person)


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


def made_up_copy(cohort, **changed):
    import dataclasses

    return dataclasses.replace(cohort, **changed)


def test_outcomes_cannot_be_counted_from_sets_that_were_changed(frozen):
    """Balance is frozen before outcomes: dropping the sets one does not like afterwards is refused."""
    import dataclasses

    fewer = dataclasses.replace(frozen, rows=frozen.rows[frozen.rows["set"] > 2])
    with pytest.raises(Refused, match="changed after"):
        measures.outcomes_of(fewer, made_up.END, ["ed_attendance"])
    assert digest_of(frozen.rows, frozen.balance) == frozen.digest and len(frozen.digest) == 64


def test_the_dead_and_those_who_start_later_are_at_risk_until_then(cohort, frozen):
    """Pitfalls: the dead attend less; a control who starts the service is no longer a control."""
    followed = measures.outcomes_of(frozen, made_up.END, ["ed_attendance"])
    rows = followed.rows
    events, days = followed.window("ed_attendance", 0, 183)
    person, start = rows["person"].to_numpy(), rows["start"].to_numpy()
    for i in range(len(rows)):
        leave = min(start[i] + 183, cohort.died[person[i]], day_number(made_up.END))
        if rows["treated"].iloc[i] == 0:
            leave = min(leave, cohort.started[person[i]])
        assert days[i] == max(leave - start[i], 0)
        own = cohort.attended.keys[cohort.attended.keys // 10**7 == person[i]] % 10**7
        assert events[i] == ((own >= start[i]) & (own < leave)).sum()
    ignoring = followed.window("ed_attendance", 0, 183, "leave_ignoring")[1]
    assert (ignoring >= days).all() and (ignoring > days).any()


def test_a_peak_at_the_referral_is_not_in_the_test_of_earlier_months(frozen):
    """Months in which people are referred are no sign that the groups were unlike; earlier ones are."""
    followed = measures.outcomes_of(frozen, made_up.END, ["ed_attendance"])
    treated = followed.rows[followed.rows["treated"] == 1]

    def with_more(days):
        more = treated["person"].to_numpy() * WIDE + treated["start"].to_numpy() - days
        keys = np.sort(np.concatenate([followed.events["ed_attendance"].keys, *[more] * 6]))
        changed = dataclasses.replace(followed, events={"ed_attendance": Events(keys)})
        return measures.months(changed)[1].set_index("test")["estimate"]

    usual = measures.months(followed)[1].set_index("test")["estimate"]
    peak, earlier = with_more(20), with_more(250)
    assert peak["before"] > usual["before"] + 5 and peak["earlier"] == pytest.approx(usual["earlier"])
    assert earlier["earlier"] > usual["earlier"] + 5


def test_a_site_where_nobody_is_matched_gives_no_estimate_and_does_not_stop(frozen):
    followed = measures.outcomes_of(frozen, made_up.END, ["ed_attendance"])
    nobody = dataclasses.replace(followed, rows=followed.rows.iloc[:0])
    found = measures.estimates(nobody, nobody)
    assert found["estimate"].isna().all() and (found["people"] == 0).all()
    assert list(found["estimator"]) == list(measures.estimates(followed, followed)["estimator"])
    months, joint = measures.months(nobody)
    assert months["estimate"].isna().all() and joint["estimate"].isna().all() and (months["people"] == 0).all()
    assert (measures.activity_sums(nobody)[["people", "sum", "largest"]] == 0).all().all()
    changed = measures.changes(nobody, np.array([[8.0, 365, 3, 183]] * 40)).set_index("group_of")["estimate"]
    assert changed[["treated", "control"]].isna().all() and changed["by_rule"] == pytest.approx(np.log(3 / 183 / (8 / 365)))
    assert (measures.deaths(nobody)[["people", "cases"]] == 0).all().all()


def test_where_no_control_is_near_enough_the_whole_analysis_goes_on_without_estimates(frozen):
    alone = measures.match_controls(frozen.sets, {"caliper": 1e-12})
    assert alone.rows.empty and len(alone.balance) == len(frozen.balance)
    balance = measures.balance_table(alone).set_index("sample")
    assert balance.loc["after", ["estimate", "se"]].isna().all().all() and (balance.loc["after", "people"] == 0).all()
    assert balance.loc["before", "estimate"].notna().all()
    followed = measures.outcomes_of(alone, made_up.END, ["ed_attendance"])
    assert measures.estimates(followed, followed, {"other": followed})["estimate"].isna().all()
    groups = measures.effects_in_groups(followed)
    assert groups["estimate"].isna().all() and (groups["people"] == 0).all() and len(groups) == 10


@pytest.mark.parametrize("sets", [1, 2, 3])
def test_one_matched_set_tells_no_variance_and_few_do_not_stop(frozen, sets):
    """The influence of one set alone is zero: an error of nothing would look like certainty."""
    followed = measures.outcomes_of(frozen, made_up.END, ["ed_attendance"])
    few = dataclasses.replace(followed, rows=followed.rows[followed.rows["set"] < sets].reset_index(drop=True))
    found = measures.estimates(few, few, {"other": few})
    assert (found["se"].isna() | (found["se"] > 1e-6)).all()
    assert sets > 1 or found["estimate"].isna().all()
    months, joint = measures.months(few)
    assert sets > 1 or (months["estimate"].isna().all() and joint["estimate"].isna().all())
    falls = measures.changes(few, np.array([[8.0, 365, 3, 183]])).set_index("group_of")
    assert np.isnan(falls.loc["by_rule", "estimate"]) and (sets > 1 or np.isnan(falls.loc["treated", "se"]))


@pytest.mark.parametrize(("started", "others"), [(0, 50), (1, 50), (40, 0), (40, 1), (0, 0), (2, 2), (3, 50)])
def test_where_hardly_anybody_started_the_site_goes_on_without_estimates(frozen, started, others):
    """A new or small service: nobody can be compared, which is no reason to stop the whole release of the site."""
    rows = frozen.sets.rows
    first = rows.loc[rows["treated"] == 1, "start"].min()
    parts = [rows[(rows["treated"] == 1)].head(started), rows[(rows["treated"] == 0) & (rows["start"] == first)].head(others)]
    few = dataclasses.replace(frozen.sets, rows=pd.concat(parts, ignore_index=True))
    alone = measures.match_controls(few, {})
    alone.check()
    assert list(alone.balance["covariate"]) == list(frozen.balance["covariate"]) and alone.eligible == started
    balance = measures.balance_table(alone)
    assert len(balance) == 2 * len(frozen.balance) + len(PROFILE)
    followed = measures.outcomes_of(alone, made_up.END, ["ed_attendance"])
    found = measures.estimates(followed, followed, {"other": followed})
    assert not np.isinf(found[["estimate", "se"]].to_numpy()).any()
    if min(started, others) < 2:
        assert alone.rows.empty and balance[["estimate", "se"]].isna().all().all()
        assert found["estimate"].isna().all() and (found["people"] == 0).all()
        assert (balance["people"] <= min(started, others)).all()
    measures.activity_sums(followed), measures.months(followed), measures.deaths(followed), measures.effects_in_groups(followed)
    measures.changes(followed, np.zeros((0, 4)))


def test_sums_of_a_site_give_its_estimate_again(frozen):
    from shared_code import methods

    followed = measures.outcomes_of(frozen, made_up.END, ["ed_attendance"])
    sums = measures.activity_sums(followed).set_index(["arm", "quantity", "with"])
    names = ["before", "days_before", "after", "days_after"]
    arms = []
    for arm in ("treated", "control"):
        total = np.array([sums.loc[(arm, a, a), "sum"] for a in names])
        m = np.zeros((4, 4))
        for i, a in enumerate(names):
            for j in range(i, 4):
                m[i, j] = m[j, i] = sums.loc[(arm, a, names[j]), "sum_products"]
        arms.append(methods.Sums(total, m, int(sums.loc[(arm, "before", "before"), "people"])))
    again = methods.difference_in_differences(*arms)
    found = measures.estimates(followed).set_index("estimator").loc["people"]
    assert np.log(again.estimate) == pytest.approx(found["estimate"])
    assert again.se_log == pytest.approx(found["se"])


def test_a_fall_without_controls_shows_where_nothing_happened():
    """The most common pitfall, and the cure: about a third fewer without controls, a ratio around 1 with them."""
    found = made_up.simulate(25, 1.0, first=50)
    assert found["uncontrolled_change"] == pytest.approx(-0.36, abs=0.07)
    assert found["fixed_day_change"] == pytest.approx(-0.366, abs=0.05)
    assert found["coverage"] >= 0.84  # of 25 runs; the long simulation is in benchmarks
    assert found["mean_ratio"] == pytest.approx(1.0, abs=0.12)


def test_a_planted_effect_is_recovered():
    found = made_up.simulate(25, 0.7, first=200)
    assert found["mean_ratio"] == pytest.approx(0.7, abs=0.09)
    assert found["coverage"] >= 0.84
    assert found["uncontrolled_change"] < -0.45  # fall by itself and effect, which nobody can tell apart without controls


def test_digests_are_saved_beside_the_results(frozen, tmp_path):
    import json

    from shared_code.releases.release import frozen_of

    measures.save_frozen(tmp_path / "stem", started=frozen)
    assert frozen_of(tmp_path, ["stem.balance"]) == {"stem": {"started": frozen.digest}}
    (tmp_path / "stem" / "frozen.json").write_text(json.dumps({"people": 12}))
    with pytest.raises(Refused, match="digests"):
        frozen_of(tmp_path, ["stem.balance"])


def test_the_long_simulation_covers_and_stands_in_the_guide(request):
    import json

    root = request.path.parents[2]
    none, planted = json.loads((root / "benchmarks" / "matched_controls.json").read_text())
    guide = (root / "docs" / "matched-controls.md").read_text("utf-8")
    for found in (none, planted):
        assert found["runs"] == 1000
        assert 0.93 <= found["coverage"] <= 0.97
        assert f"{100 * found['coverage']:.1f} %" in guide and f"{found['mean_ratio']:.2f}" in guide
    assert none["uncontrolled_change"] == pytest.approx(-0.36, abs=0.01)
