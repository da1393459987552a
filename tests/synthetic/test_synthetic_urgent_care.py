"""Attendances and the service of made-up sites: what is planted is there, and what depends on the future is not."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from shared_code.config import Site
from shared_code.methods import expected_fall
from shared_code.synthetic import urgent_care
from shared_code.synthetic.days import day
from shared_code.synthetic.make import simulate

START, END = day(dt.date(2021, 4, 1)), day(dt.date(2026, 4, 1))


@pytest.fixture(scope="module")
def site(request):
    sites = request.path.parents[2] / "config" / "sites"
    facts, truth = simulate(Site.read("demo_ashvale", sites), 20_000, dt.date(2026, 4, 1), dt.date(2021, 4, 1))
    return facts, truth["urgent_care"]


def days_of(table):
    return table["arrival"].to_numpy(str).astype("datetime64[D]").astype(np.int64)


def major(facts):
    table = facts.feeds["ed_attendance"]
    return table[(table["dept_type"] == "01") & (table["att_category"] != "planned_followup")]


def test_high_counts_fall_as_the_planted_rates_say(site):
    facts, _ = site
    table = major(facts)
    table, at = table.assign(day=days_of(table)), day(dt.date(2023, 3, 1))  # before the service begins
    here = np.flatnonzero((facts.people.entry <= at - 365) & (facts.people.death > at + 365))
    counts = [table[(table["day"] >= at + a) & (table["day"] < at + b)].groupby("row").size().reindex(here, fill_value=0)
              for a, b in ((-365, 0), (0, 365))]  # fmt: skip
    high = counts[0] >= 7
    assert 80 < high.sum() < 300
    fall = counts[1][high].sum() / counts[0][high].sum() - 1
    assert fall == pytest.approx(expected_fall(urgent_care.SHAPE, urgent_care.MEAN, 7).change, abs=0.08)
    assert counts[0].mean() == pytest.approx(urgent_care.MEAN * (1 + urgent_care.TWICE), rel=0.1)


def test_everybody_taken_meets_the_rule_and_the_service_has_its_effect(site):
    facts, truth = site
    programme, table = facts.feeds["programme"], major(facts)
    table = table.assign(day=days_of(table))
    for row in programme.itertuples():
        own = table[table["row"] == row.row]["day"]
        assert ((own >= row.eligible_date - 365) & (own < row.eligible_date)).sum() >= 7
        assert row.eligible_date < row.referral_date < row.start_date
    started = programme[programme["status"] == "completed"]
    assert len(started) == truth["started"] and len(programme) == truth["referred"]
    assert programme["row"].is_unique
    inside = table.merge(started[["row", "start_date"]], on="row")
    happened = ((inside["day"] >= inside["start_date"]) & (inside["day"] < inside["start_date"] + 183)).sum()
    expected = truth["expected_without"] * truth["effect"]
    assert abs(happened / (1 + urgent_care.TWICE) - expected) < 4 * np.sqrt(expected)
    assert truth["prevented"] / truth["expected_without"] == pytest.approx(1 - truth["effect"], abs=0.15)


def test_palliative_care_is_recorded_before_death(site):
    facts, _ = site
    palliative = np.isin(facts.diagnoses["code"].astype(str), urgent_care.PALLIATIVE)
    row, on = facts.diagnoses["row"][palliative], facts.diagnoses["day"][palliative]
    assert len(row) > 100
    assert (on < facts.people.death[row]).all()


def test_prepared_tables_hold_the_feeds(made):
    for name in ("ed_attendance", "programme", "outpatient", "mh_contact"):
        assert len(made.tables[name]) == made.truth["rows"][name], name
    assert made.tables["ed_attendance"]["person_id"].isin(made.tables["person"]["person_id"]).all()
    assert pd.api.types.is_datetime64_any_dtype(made.tables["ed_attendance"]["arrival"])
