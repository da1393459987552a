"""At the demonstration's size and at all its sites, what may leave a site gives back what was planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

PEOPLE = 20_000


@pytest.fixture(scope="session")
def whole(demonstration):
    return demonstration(PEOPLE)


def one(results: pd.DataFrame, scope: str = "pooled", **where: str) -> pd.Series:
    chosen = results[(results["scope"] == scope) & (results["stratum"] == "")]
    for column, value in where.items():
        chosen = chosen[chosen[column] == value]
    assert len(chosen) == 1, (scope, where, len(chosen))
    return chosen.iloc[0]


def test_the_planted_effect_of_the_service_is_recovered_at_all_sites_and_pooled(whole):
    """Within three standard errors everywhere, and the pooled interval holds it; the fall without controls is far from it."""
    results = whole.pool("high_intensity_users")
    able = [m for m in whole.sites if m.site.can_run(whole.study.analyses["high_intensity_users"])]
    planted = whole.sites[0].truth["urgent_care"]["effect"]
    where = {"item": "ed_attendance", "group": "estimator", "level": "primary"}
    pooled = one(results, measure="pooled estimate", **where)
    assert pooled["lower"] < planted < pooled["upper"] and pooled["n_sites"] == len(able) >= 4
    for made in able:
        row = one(results, f"site:{made.site.site}", measure="effect at the site", **where)
        assert abs(np.log(row["estimate"] / planted)) < 3 * row["se"], made.site.site
    sums = one(results, measure="effect from sums", item="ed_attendance")
    assert sums["bound_lower"] < planted < sums["bound_upper"]
    naive = one(results, measure="pooled estimate", item="treated")
    assert naive["upper"] < planted - 0.1  # before and after alone: the fall by itself is taken for an effect
    alone = one(results, measure="pooled estimate", item="by_rule")
    assert alone["upper"] < 0.85
    eye = one(results, measure="pooled estimate", item="eye_appointment", group="estimator", level="primary")
    assert eye["lower"] < 1 < eye["upper"]


def test_the_power_that_was_stated_is_met(whole):
    """The standard error of the pooled effect is not far above what was said before."""
    results = whole.pool("high_intensity_users")
    expected = one(results, measure="standard error to expect")["estimate"]
    found = one(results, measure="common effect", item="ed_attendance", group="estimator", level="primary")["se"]
    assert 0.8 * expected < found < 1.6 * expected


def test_care_and_deaths_with_severe_mental_illness_are_recovered_at_all_sites(whole):
    results, truth = whole.pool("severe_mental_illness_care"), whole.sites[0].truth["severe_mental_illness"]
    able = [m for m in whole.sites if m.site.can_run(whole.study.analyses["severe_mental_illness_care"])]
    ratio = one(results, measure="mortality ratio to people without")
    assert abs(np.log(ratio["estimate"] / truth["mortality_ratio"])) < 3 * ratio["se"] and ratio["n_sites"] == len(able)
    crisis = one(results, measure="rate ratio", item="crisis")
    assert abs(np.log(crisis["estimate"] / truth["crisis_ratio"])) < 3 * crisis["se"]
    for made in able:
        row = one(results, f"site:{made.site.site}", measure="rate ratio", item="crisis")
        assert abs(np.log(row["estimate"] / truth["crisis_ratio"])) < 3 * row["se"], made.site.site
    met, concerned = np.zeros(2), np.zeros(2)
    for made in able:
        for item, core20, _, people, cases in made.truth["groups"]["rows"]:
            if item == "smi_checks":
                concerned[int(core20 == "core20")] += people
                met[int(core20 == "core20")] += cases
    gap = one(results, measure="difference", item="all_six")
    drawn = 100 * (met[1] / concerned[1] - met[0] / concerned[0])
    assert gap["bound_lower"] - 1 < drawn < gap["bound_upper"] + 1
