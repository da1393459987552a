"""A list, a policy, and four designs: the naive one is wrong in the planted way, the last one right."""

from __future__ import annotations

from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from picking import one
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from shared_code import measures
from shared_code.config import Study
from shared_code.pooling.policy_groups import policy_groups

SITES = ["demo_ashvale", "demo_dunmere", "demo_brackenmoor"]
STEM = "shielded_people"


@pytest.fixture(scope="module")
def shown(demonstration):
    return demonstration(12_000, *SITES, protected=False)


@pytest.fixture(scope="module")
def pooled(shown) -> pd.DataFrame:
    return shown.pool(STEM)


@pytest.fixture(scope="module")
def truth(made_site) -> dict:
    return made_site(SITES[0], 12_000).truth["listing"]


def test_the_list_and_the_rule_find_the_same_people_on_the_day(made_site):
    made = made_site(SITES[0], 12_000)
    flags = made.prepared.list_flag.execute()
    early = flags[pd.to_datetime(flags["added"]) <= "2024-04-15"]
    assert len(early) == made.truth["listing"]["listed"]
    assert len(flags) - len(early) == made.truth["listing"]["added_late"] > 0


def test_ratio_of_ratios_recovers_the_planted_effect(pooled, truth):
    for item in ("f2f", "remote", "gp"):
        row, planted = one(pooled, "ratio of ratios", item), truth["ratio_of_ratios"][item]
        assert np.exp(np.log(planted) - 3.3 * row["se"]) < row["estimate"] < np.exp(np.log(planted) + 3.3 * row["se"]), item
        average = one(pooled, "ratio of ratios, average over sites", item)
        assert average["lower"] < planted < average["upper"]


def test_rolling_cohorts_recover_the_planted_fall_and_the_naive_change_understates_it(pooled, truth):
    planted = 100 * (truth["effect"]["listed"]["f2f"] - 1)
    rolling, naive = one(pooled, "change, rolling cohorts", "f2f"), one(pooled, "change, naive", "f2f")
    assert abs(np.log1p(rolling["estimate"] / 100) - np.log1p(planted / 100)) < 3.3 * rolling["se"]
    assert naive["estimate"] > planted + 2 and naive["lower"] > rolling["estimate"]
    trend = one(pooled, "change against trend", "f2f")
    assert trend["estimate"] < naive["estimate"]


def test_use_of_the_fixed_list_rises_towards_its_date_and_that_of_each_years_people_does_not(pooled):
    rates = pooled[(pooled["measure"] == "monthly rate") & (pooled["item"] == "f2f") & (pooled["scope"] == "pooled")]
    fixed = rates[rates["stratum"] == "cohort=listed"].set_index("level")["estimate"]
    rolling = rates[rates["stratum"] == ""].set_index("level")["estimate"]
    assert fixed["2024-01":"2024-03"].mean() > 1.3 * fixed["2022-04":"2022-06"].mean()
    assert rolling["2023-04":"2023-07"].mean() == pytest.approx(rolling["2022-04":"2022-07"].mean(), rel=0.12)


def test_days_at_risk_fall_with_deaths_and_moves(shown):
    """The pitfall: the size of the list stays the same, the people on it do not."""
    monthly = shown.tables(STEM)[SITES[0]]["monthly"]
    mine = monthly[(monthly["cohort"] == "rule") & (monthly["service"] == "gp")].set_index("month")
    per_day = mine["person_days"] / pd.PeriodIndex(mine.index, freq="M").days_in_month
    assert per_day["2023-03"] < per_day["2022-04"]
    fixed = monthly[(monthly["cohort"] == "listed") & (monthly["service"] == "gp")].set_index("month")
    assert (fixed["events_squared"] >= fixed["events"]).all()
    assert fixed.loc["2024-07", "person_days"] / 31 < fixed.loc["2024-04", "person_days"] / 30


def test_emergency_care_was_left_alone_and_groups_have_the_planted_effect(pooled, truth):
    """Four months together: nothing was planted for emergency care, and the same effect on appointments in every group."""
    planted = {"seen": truth["ratio_of_ratios"]["f2f"], "ed": 1.0, "emergency": 1.0}
    rows = pooled[(pooled["measure"] == "ratio of ratios") & (pooled["scope"] == "pooled") & pooled["item"].isin(planted)]
    groups = {"", "sex=F", "sex=M", "age=0-49", "age=50-69", "age=70+", "place=core20", "place=rest"}
    found = {item: set(part["stratum"]) for item, part in rows.groupby("item")}
    assert found == {"seen": groups, "ed": groups, "emergency": {""}}
    for row in rows.to_dict("records"):
        far = abs(np.log(row["estimate"] / planted[row["item"]]))
        assert far < 3.5 * row["se"], (row["item"], row["stratum"])
    seen = rows[rows["item"] == "seen"].set_index("stratum")
    assert seen.loc["", "upper"] < 1 and (seen["estimate"] < 1).all(), "and it is seen, not only not contradicted"


def test_what_changes_for_everybody_on_the_same_day_is_no_effect_of_the_policy():
    """Pitfall: stays rise by half for both cohorts on the day of the policy; only the comparators tell that from the policy."""
    counts = {("rule", "2023-04"): 400, ("rule", "2024-04"): 600, ("others", "2023-04"): 300, ("others", "2024-04"): 450}
    numbers = [{"site": "a", "service": "emergency", "cohort": cohort, "wave": wave, "statistic": statistic, "value": value,
                "lower": value, "upper": value, "status": "ok"}
               for (cohort, wave), events in counts.items()
               for statistic, value in (("people", events), ("events", events), ("person_days", 122_000.0),
                                        ("events_squared", events))]  # fmt: skip
    entry = Study.read(Path(__file__).parents[2] / "config" / "study.yaml").analyses[STEM]
    step = next(s for s in entry.pooled if s.table == "stays")
    rows = policy_groups(pd.DataFrame(numbers), entry.results["stays"], step.settings, {"pooled": ["a"]})
    found = {row["measure"]: row for row in rows}
    alone, against = found["change, rolling cohorts"], found["ratio of ratios"]
    assert alone["estimate"] == pytest.approx(50) and alone["lower"] > 20
    assert against["estimate"] == pytest.approx(1) and against["lower"] < 1 < against["upper"]


def test_p_values_of_groups_allow_for_how_many_they_are(pooled):
    """By statsmodels: all groups of both services together, everybody left out."""
    for measure in ("ratio of ratios", "change, rolling cohorts"):
        rows = pooled[(pooled["measure"] == measure) & (pooled["scope"] == "pooled")]
        groups = rows[rows["stratum"] != ""]
        logs = np.log(groups["estimate"] if measure == "ratio of ratios" else 1 + groups["estimate"] / 100)
        adjusted = multipletests(2 * norm.sf(np.abs(logs) / groups["se"]), method="holm")[1]
        assert len(groups) == 14 and rows.loc[rows["stratum"] == "", "p_adjusted"].isna().all()
        np.testing.assert_allclose(groups["p_adjusted"].astype(float), adjusted)
        assert (groups.loc[groups["item"] == "ed", "p_adjusted"] > 0.05).all(), "nothing was planted there"
        assert (groups.loc[groups["item"] == "seen", "p_adjusted"] < 0.05).sum() >= 2, "what was planted is still found"


def test_groups_add_up_and_are_part_of_the_months(shown):
    for site, tables in shown.tables(STEM).items():
        waves, monthly = tables["waves"], tables["monthly"]
        keys = ["service", "wave", "cohort"]
        whole = waves[(waves[["sex", "age", "place"]] == "all").all(axis=1)].set_index(keys)
        for name in ("sex", "age", "place"):
            parts = waves[waves[name] != "all"].groupby(keys)[["people", "events", "person_days", "events_squared"]].sum()
            assert (parts == whole.loc[parts.index, parts.columns]).all(axis=None), (site, name)
        for year in ("2023", "2024"):
            inside = monthly[(monthly["service"] == "f2f") & monthly["month"].isin([f"{year}-0{m}" for m in range(4, 8)])]
            for cohort in ("rule", "others"):
                part, row = inside[inside["cohort"] == cohort], whole.loc["seen", f"{year}-04", cohort]
                assert 0.97 * part["events"].sum() <= row["events"] <= part["events"].sum()
                assert 0.97 * part["person_days"].sum() <= row["person_days"] <= part["person_days"].sum()


def test_use_in_groups_drawn():
    """a (F) has two contacts in the months, one on the last day, and one after; b (M) dies before hers; c is in both cohorts."""
    members = pd.DataFrame([("a", "rule", "2024-04-01", "2024-08-01", "F"), ("b", "rule", "2024-04-01", "2024-05-01", "M"),
                            ("c", "rule", "2023-04-01", "2024-04-01", "F"), ("c", "others", "2024-04-01", "2024-08-01", "F")],
                           columns=["person_id", "group", "enter", "leave", "sex"])  # fmt: skip
    members = members.assign(enter=pd.to_datetime(members["enter"]), leave=pd.to_datetime(members["leave"]))
    days = [("a", "2024-04-01"), ("a", "2024-07-31"), ("a", "2024-08-01"), ("b", "2024-05-01"), ("c", "2024-06-01")]
    events = pd.DataFrame(days, columns=["person_id", "day"]).assign(day=lambda t: pd.to_datetime(t["day"]).dt.date)
    levels = {"service": {"gp": ""}, "wave": {"2024-04": ""}, "cohort": {"rule": "", "others": ""}, "sex": {"F": "", "M": ""}}
    found = measures.use_in_groups([members], {"gp": ibis.memtable(events)}, {"2024-04": measures.span(("2024-04", "2024-07"))},
                                   levels, [[], ["sex"]])  # fmt: skip
    found = found.set_index(["cohort", "sex"])[["people", "events", "person_days", "events_squared"]]
    assert found.loc["rule", "all"].tolist() == [1, 2, 122 + 30, 4] and found.loc["rule", "M"].tolist() == [0, 0, 30, 0]
    assert found.loc["rule", "F"].tolist() == [1, 2, 122, 4] and found.loc["others", "all"].tolist() == [1, 1, 122, 1]
    assert found.loc["others", "M"].tolist() == [0, 0, 0, 0], "a true zero is there"


def test_who_is_added_after_the_date_is_not_on_the_list(made_site):
    import datetime as dt

    made = made_site(SITES[0], 12_000)
    date, later = dt.date(2024, 4, 15), dt.date(2024, 8, 1)
    on = {day: measures.on_list(made.prepared, "SPL", day).count().execute() for day in (date, later)}
    assert on[later] > on[date] > 50
    assert measures.on_list(made.prepared, "OTHER", dt.date(2024, 8, 1)).count().execute() == 0


def test_a_withheld_month_is_never_a_zero(demonstration):
    """At small sites months are withheld; a site is only in what it sent every month of."""
    small = demonstration(3_000, *SITES)
    monthly, pooled = small.cells(STEM)["monthly"], small.pool(STEM)
    compared = [f"{year}-{month:02d}" for year in (2023, 2024) for month in range(4, 8)]
    used = monthly[monthly["month"].isin(compared) & monthly["cohort"].isin(["rule", "others"])]
    withheld = used[(used["status"] == "withheld") & used["statistic"].isin(["events", "person_days"])]
    rows = pooled[(pooled["measure"] == "ratio of ratios") & (pooled["scope"] == "pooled")].set_index("item")
    left_out = 0
    for item in ("f2f", "remote", "gp"):
        whole = set(monthly["site"]) - set(withheld.loc[withheld["service"] == item, "site"])
        left_out += len(set(monthly["site"]) - whole)
        inside = rows.loc[item, "sites"] if item in rows.index and not np.isnan(rows.loc[item, "estimate"]) else []
        assert set(inside.split("; ") if isinstance(inside, str) else inside) <= whole
    assert left_out  # or nothing was tested
