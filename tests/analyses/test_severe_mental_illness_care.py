"""Care of people with severe mental illness: what was planted comes out, and the pitfalls are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shared_code import measures
from shared_code.config import Site, codelists
from shared_code.config.study import Period

ROOT = Path(__file__).parents[2]
STEM, PEOPLE = "severe_mental_illness_care", 6000
SITES = ["demo_ashvale", "demo_dunmere"]
PERIOD = Period(start="2021-04-01", end="2026-04-01")


@pytest.fixture(scope="session")
def two(demonstration):
    return demonstration(PEOPLE, *SITES, protected=False)


@pytest.fixture(scope="session")
def pooled(two) -> pd.DataFrame:
    return two.pool(STEM)


def one(results: pd.DataFrame, **where: str) -> pd.Series:
    chosen = results[(results["scope"] == "pooled") & (results["stratum"] == "")]
    for column, value in where.items():
        chosen = chosen[chosen[column] == value]
    assert len(chosen) == 1, (where, len(chosen))
    return chosen.iloc[0]


def test_all_six_are_counted_person_by_person(two):
    """Pitfall: the product of the single shares is not the share who had all six."""
    tables = [t["checks"] for t in two.tables(STEM).values()]
    counted = pd.concat(tables)
    counted = counted[counted["core20"] == "all"].groupby("check")[["people", "cases"]].sum()
    shares = counted["cases"] / counted["people"]
    single = shares.drop(["all_six", "seen"])
    planted = sum(sum(row[-1] for row in made.truth["groups"]["rows"] if row[0] == "smi_checks") for made in two.sites)
    assert counted.loc["all_six", "cases"] == planted > 0
    assert shares["all_six"] < single.min() and abs(np.prod(single) - shares["all_six"]) > 0.05


def test_planted_shares_and_rates_are_recovered(two, pooled):
    truth = two.sites[0].truth["severe_mental_illness"]
    for level, share in truth["seen"].items():
        row = one(pooled, measure="share", item="seen", level=level)
        half = 3 * np.sqrt(share * (1 - share) / row["people"])
        assert abs(row["estimate"] / 100 - share) < half
    row = one(pooled, measure="rate ratio")
    assert abs(np.log(row["estimate"] / truth["crisis_ratio"])) < 3 * row["se"]
    row = one(pooled, measure="ratio of standardised death rates")
    assert abs(np.log(row["estimate"] / truth["mortality_ratio"])) < 3 * row["se"]


def test_crises_by_hand(two):
    """Every planted contact of the ill is counted once a day while they are followed."""
    made = two.sites[0]
    counted = two.tables(STEM)[made.site.site]["crisis"]
    everyone = counted[counted["core20"] == "all"].iloc[0]
    parts = counted[counted["core20"] != "all"][["people", "events", "person_days", "events_squared"]].sum()
    assert (parts == everyone[parts.index]).all()
    assert everyone["events_squared"] > everyone["events"] > 0


def test_poisson_limits_of_crises_would_be_too_narrow(pooled):
    """Pitfall: contacts of the same person are not independent."""
    row = one(pooled, measure="rate", group="everyone")
    assert np.log(row["upper"] / row["lower"]) > 1.15 * 2 * 1.96 / np.sqrt(row["events"])


def test_the_ratio_is_of_sums_not_of_sites(two, pooled):
    """The pooled mortality ratio is all observed over all expected deaths, and the reference is the same everywhere."""
    step = next(s for s in two.study.analyses[STEM].pooled if s.table == "deaths")
    cells = pd.concat([t["deaths"] for t in two.tables(STEM).values()])
    cells = cells[(cells["group"] == "with") & (cells["age"] != "all")]
    bands = list(two.study.analyses[STEM].results["deaths"].dimensions["age"].levels())
    rates = [step.settings["rates"][sex][bands.index(age)] for sex, age in zip(cells["sex"], cells["age"])]
    expected = (cells["person_days"] / 365.25 * rates).sum()
    row = one(pooled, measure="standardised mortality ratio")
    assert row["estimate"] == pytest.approx(cells["events"].sum() / expected)


def test_time_before_the_diagnosis_is_not_time_with_it(two):
    """Pitfall (immortal time): until their diagnosis people with it cannot have died with it; the rate would be too low."""
    made = two.sites[1]
    people = measures.follow_up(made.prepared, PERIOD, (18, 75), wash_in=0)
    onset = measures.nth_condition(made.prepared, codelists.load("long_term_conditions/2026-11"), PERIOD.end, 1,
                                   "severe_mental_illness")  # fmt: skip
    both = measures.with_and_without(people, onset)
    ill = both[both["group"] == "with"]
    ever = people[people["person_id"].isin(onset["person_id"])]
    assert (ill["leave"] - ill["entry"]).sum() < (ever["leave"] - ever["entry"]).sum()
    whole = (both["leave"] - both["entry"]).sum()
    assert whole == (people["leave"] - people["entry"]).sum(), "every day is counted once"
    assert both["died"].sum() == people["died"].sum(), "every death is counted once"


@pytest.mark.parametrize("stem", ["severe_mental_illness_care", "onset_of_multimorbidity", "emergency_admission_risk",
                                  "life_expectancy"])  # fmt: skip
def test_a_site_without_a_table_of_deaths_is_left_out_and_named(demonstration, stem):
    """Otherwise its people would be counted as never dying: true zeros nobody saw."""
    made = demonstration(PEOPLE, *SITES, protected=False)
    lacking = Site.read("demo_carrowby", ROOT / "config" / "sites")
    assert "death" not in lacking.tables and not lacking.can_run(made.study.analyses[stem])
    assert all(one.site.can_run(made.study.analyses[stem]) for one in made.sites)
