"""The service for people who attend very often: what its page says is computed, and what it could show is said first."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import matched_controls as made_up
from shared_code import measures, methods
from shared_code.config import Study
from shared_code.measures.variants import FEWEST_TREATED
from shared_code.pooling.power import power

STEM = "high_intensity_users"
PAGE = Path(f"reports/{STEM}.qmd")


@pytest.fixture(scope="module")
def page() -> str:
    return re.sub(r"\s+", " ", PAGE.read_text("utf-8"))


@pytest.fixture(scope="module")
def entry():
    return Study.read(Path("config/study.yaml")).analyses[STEM]


@pytest.fixture(scope="module")
def followed():
    cohort = made_up.site(7, effect=0.6)
    frozen = measures.match_controls(measures.risk_sets(cohort), {})
    return measures.outcomes_of(frozen, made_up.END, ["ed_attendance"])


def test_the_published_numbers_stand_beside_what_the_rule_alone_gives(page, entry):
    """58, 41, 4 and 37 % are shown as published; the range of falls without any effect is computed."""
    for words in ("58 % fewer admissions", "41 % fewer attendances", "4 % fewer contacts", "37 % less activity"):
        assert words in page
    published = entry.figures["falls"].model_extra["published"]
    assert published == pytest.approx({"Published for attendances: 41 % fewer": 1 - 0.41,
                                       "Published for admissions: 58 % fewer": 1 - 0.58})  # fmt: skip
    falls = [-100 * methods.expected_fall(shape, mean, 7).change for shape, mean in ((0.35, 0.35), (0.25, 0.40), (0.10, 0.40))]
    assert f"A fall of {min(falls):.0f} to {max(falls):.0f} % in attendances is what the rule alone gives" in page


def test_nearly_three_to_one_is_read_in_every_way(page):
    read = methods.ratio_readings(230_000, 80_000, saving_months=6, cost_months=12)
    half = read.persisting[1]
    assert f"{read.as_published:.1f} if the effect stops at once" in page
    assert f"{half:.1f} if half of it lasts" in page
    assert f"{read.like_for_like + 1e-9:.1f} if six months are set against six" in page


def test_the_page_states_the_power_of_single_services(page):
    """The ratios for 40, 80 and 200 people are those of the simulation, in the order in which they stand on the page."""
    found = re.search(r"people could see a ratio of ([0-9.]+), of 80 people ([0-9.]+), of 200 people ([0-9.]+[0-9])", page)
    for people, told in zip((40, 80, 200), map(float, found.groups()), strict=True):
        again = methods.simulated_power(people, methods.GammaPoisson(0.25, 0.40), 7, runs=120, seed=4)
        assert again.smallest_fall == pytest.approx(told, abs=0.05)


def test_what_may_be_seen_is_said_before_outcomes(entry, page):
    """Power stands next to the effect among the findings, before it on the page, and uses nothing that happened after a start."""
    assert entry.findings[1].where["measure"] == "smallest fall to be seen"  # next to the effect
    assert page.index("What such a study can show at all") < page.index("Matched people in the service against their controls")
    step = next(s for s in entry.pooled if s.method == "power")
    assert step.settings["started"] == {"table": "deaths", "statistic": "people", "where": {"arm": "treated"}}


def cells(**treated: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give bins of attendances drawn from known rates, and how many were matched, by site."""
    rng, bins, started = np.random.default_rng(2), [], []
    labels = ["0", "1", "2", "3", "4", "5-6", "7-9", "10-14", "15+"]
    edges = [0, 1, 2, 3, 4, 5, 7, 10, 15]
    for site, people in treated.items():
        counts = rng.poisson(rng.gamma(0.25, 0.40 / 0.25, 20_000))
        inside = np.bincount(np.searchsorted(edges, counts, "right") - 1, minlength=len(edges))
        bins += [{"site": site, "attendances": label, "statistic": "people", "value": float(n), "lower": n, "upper": n}
                 for label, n in zip(labels, inside, strict=True)]  # fmt: skip
        started.append({"site": site, "arm": "treated", "statistic": "people", "value": people, "lower": people, "upper": people})
    return pd.DataFrame(bins), pd.DataFrame(started)


def test_the_power_of_all_sites_is_that_of_their_people_together(entry):
    bins, started = cells(a=40.0, b=80.0, c=5.0)
    matched = {"cells": started, "statistic": "people", "where": {"arm": "treated"}}
    settings = {"along": "attendances", "least": 7, "started": matched}
    scopes = {"pooled": ["a", "b", "c"], "site:a": ["a"], "site:c": ["c"]}
    rows = pd.DataFrame(power(bins, entry.results["frequency"], settings, scopes))
    smallest = rows[rows["measure"] == "smallest fall to be seen"].set_index("scope")
    assert smallest.loc["pooled", "people"] == 125 and smallest.loc["site:a", "people"] == 40
    assert smallest.loc["site:a", "estimate"] == pytest.approx(0.68, abs=0.05)  # the methods specification, section 4
    assert smallest.loc["pooled", "estimate"] > smallest.loc["site:a", "estimate"] + 0.05
    assert np.isnan(smallest.loc["site:c", "estimate"]) and "fewer than 10" in smallest.loc["site:c", "reason"]
    fall = rows[(rows["measure"] == "fall without any effect, simulated") & (rows["scope"] == "pooled")]["estimate"].iloc[0]
    assert fall == pytest.approx(-36.5, abs=4)


def test_groups_are_whole_matched_sets(followed):
    """Women and men together are everybody; a group holds the controls of its people, whatever they are themselves."""
    table = measures.effects_in_groups(followed).set_index("stratum")
    assert {"women", "men"} <= set(table.index)
    treated = followed.rows[followed.rows["treated"] == 1]
    male = followed.frozen.sets.cohort.sex[treated["person"]] == "M"
    for name, chosen in (("men", male), ("women", ~male)):
        if chosen.sum() < FEWEST_TREATED:
            assert np.isnan(table.loc[name, "estimate"])
            continue
        own = followed.rows["set"].isin(treated["set"][chosen])
        rows = followed.rows[own].reset_index(drop=True)
        z = replace(followed, rows=rows).four("ed_attendance", (-365, 0), (0, 183))
        of = (rows["treated"] == 1).to_numpy()
        arms = [methods.arm_sums(*z[m].T, rows.loc[m, "weight"]) for m in (of, ~of)]
        assert table.loc[name, "estimate"] == pytest.approx(np.log(methods.difference_in_differences(*arms).estimate))


def test_a_group_of_too_few_people_has_no_estimate(followed):
    few = followed.rows["set"] < FEWEST_TREATED - 1
    small = replace(followed, rows=followed.rows[few].reset_index(drop=True))
    table = measures.effects_in_groups(small)
    assert table["estimate"].isna().all() and (table["people"] == 0).all()


def test_another_rule_is_matched_and_frozen_again(followed):
    """Ten attendances choose fewer people than seven; a rule that nobody meets gives no estimate and does not stop."""
    sets = followed.frozen.sets
    empty = measures.match_controls(replace(sets, rows=sets.rows[sets.rows["treated"] == 0]), {})
    nobody = measures.outcomes_of(empty, made_up.END, ["ed_attendance"])
    table = measures.estimates(followed, None, {"same": followed, "nobody": nobody}).set_index("estimator")
    assert table.loc["same", "estimate"] == pytest.approx(table.loc["primary", "estimate"])
    assert np.isnan(table.loc["nobody", "estimate"]) and table.loc["nobody", "people"] == 0
