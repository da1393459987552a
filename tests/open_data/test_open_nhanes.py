"""NHANES 2003-04: SAS transport files, a fixed-width mortality file and a CSV, counted again with pandas alone."""

from __future__ import annotations

import gzip

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def nhanes(run_site):
    return run_site("nhanes", "nhanes", "2004-01-02")


@pytest.fixture(scope="module")
def people(shared) -> pd.DataFrame:
    """Everyone alive on 2 January 2004, straight from the files: sex, age in years, conditions."""
    folder = shared / "data" / "persons" / "nhanes"
    demo = pd.read_sas(folder / "DEMO_C.XPT", format="xport")[["SEQN", "RIAGENDR", "RIDAGEYR", "RIDRETH1"]]
    diabetes = pd.read_sas(folder / "DIQ_C.XPT", format="xport")[["SEQN", "DIQ010"]]
    with gzip.open(folder / "Covariate_C.csv.gz", "rt") as file:
        other = pd.read_csv(file)[["SEQN", "Diabetes", "CHF", "CHD", "Stroke", "Cancer"]]
    rows = []
    for line in (folder / "NHANES_2003_2004_MORT_2015_PUBLIC.dat").read_text().splitlines():
        rows.append((float(line[:14]), line[15:16], line[42:45].strip()))
    deaths = pd.DataFrame(rows, columns=["SEQN", "MORTSTAT", "MONTHS"])
    table = demo.merge(diabetes, "left", "SEQN").merge(other, "left", "SEQN").merge(deaths, "left", "SEQN")
    at_once = (table["MORTSTAT"] == "1") & (pd.to_numeric(table["MONTHS"], errors="coerce") < 1)
    table = table[~at_once]
    return table.assign(
        sex=table["RIAGENDR"].map({1: "M", 2: "F"}), age=table["RIDAGEYR"], diabetes=table["DIQ010"] == 1,
        heart_failure=table["CHF"] == "Yes", coronary_heart_disease=table["CHD"] == "Yes",
        stroke_tia=table["Stroke"] == "Yes", cancer=table["Cancer"] == "Yes",
    )  # fmt: skip


CONDITIONS = ["diabetes", "heart_failure", "coronary_heart_disease", "stroke_tia", "cancer"]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_people_and_cases_by_sex_and_age(nhanes, people, by_hand, condition):
    pd.testing.assert_frame_equal(nhanes.counted(condition), by_hand(people, condition))
    assert nhanes.counted(condition)["cases"].sum() > 50


def test_multimorbidity_counts_the_same_people(nhanes, people, by_hand):
    several = people.assign(two=people[CONDITIONS].sum(axis=1) >= 2)
    pd.testing.assert_frame_equal(nhanes.counted("two_or_more"), by_hand(several, "two"))


def test_what_the_survey_did_not_ask_is_zero_cases_and_everyone_is_there(nhanes, people):
    assert nhanes.counted("asthma")["cases"].sum() == 0
    assert nhanes.counted("asthma")["people"].sum() == len(people)
    assert len(people) > 10_000


def test_ethnic_groups_follow_the_site_file(nhanes, people):
    rows = nhanes.results[(nhanes.results["condition"] == "diabetes") & (nhanes.results["ethnicity"] != "all")]
    rows = rows[(rows[["sex", "age"]] != "all").all(axis=1)]  # and not their totals
    found = rows.groupby("ethnicity")[["people", "cases"]].sum()
    group = people["RIDRETH1"].map({1: "Other", 2: "Other", 3: "White", 4: "Black", 5: "Other"})
    expected = people.groupby(group)["diabetes"].agg(people="size", cases="sum")
    for name in ("White", "Black", "Other"):
        assert found.loc[name].tolist() == expected.loc[name].tolist()
    assert found.loc[["Asian", "Mixed", "Unknown"]].to_numpy().sum() == 0


def test_the_public_processed_diabetes_says_nearly_the_same(nhanes, people):
    """Another team's processing of the same answers; it differs where people were not asked."""
    known = people[people["Diabetes"].notna()]
    assert (known["diabetes"] == (known["Diabetes"] == "Yes")).mean() > 0.99


def test_deaths_and_ages(nhanes, people):
    death = nhanes.prepared["death"]
    assert len(death) == int((people["MORTSTAT"] == "1").sum()) + (10_122 - len(people))
    born = pd.to_datetime(nhanes.prepared["person"]["birth_month"])
    assert (born.dt.day == 1).all()
    assert sorted((2003 * 12 + 12 - (born.dt.year * 12 + born.dt.month)) // 12)[-1] == people["age"].max()


def test_areas_are_not_made_up(nhanes):
    assert set(nhanes.results["deprivation"]) == set(nhanes.results["locality"]) == {"all"}


def test_sequence_numbers_of_the_survey_are_nowhere(nhanes):
    for table in nhanes.prepared.values():
        assert table["person_id"].str.fullmatch("[0-9a-f]{64}").all()
