"""Matching and what follows, on made-up sites; and every pitfall of such comparisons."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from benchmarks import matched_controls as made_up
from shared_code import measures
from shared_code.measures.event_days import WIDE, Events, day_number
from shared_code.measures.matched_controls import PROFILE, covariates, digest_of
from shared_code.measures.rolling_rule import spans
from shared_code.model import Refused


@pytest.fixture(scope="module")
def cohort():
    return made_up.site(7, effect=0.6)


@pytest.fixture(scope="module")
def frozen(cohort):
    return measures.match_controls(measures.risk_sets(cohort), {})


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


def made_up_copy(cohort, **changed):
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
