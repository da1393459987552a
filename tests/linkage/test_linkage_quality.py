"""Measured quality against planted truth: 20,000 records, 20,000 people, errors, twins and strangers."""

from __future__ import annotations

import pandas as pd
import pytest

from shared_code.linkage.quality import (
    STRATA,
    Quality,
    checked_precision,
    compare,
    gold_standard,
    measure,
    missed_by,
    sensitivity,
    to_check,
    wilson,
)  # fmt: skip
from shared_code.linkage.run import link
from shared_code.methods import intervals

KEYS = ["record_id", "source"]


@pytest.fixture(scope="module")
def compared(example) -> pd.DataFrame:
    return compare(example.linked.links, example.truth)


@pytest.fixture(scope="module")
def gold(example) -> pd.DataFrame:
    rows = example.made.records.merge(example.truth[[*KEYS, "age_band", "eth5", "imd5"]], on=KEYS)
    return gold_standard(rows, example.made.people, example.linked, example.settings)


def test_published_example():
    quality = Quality(9710, 48, 290)
    found = [round(x, 5) for x in (quality.precision, quality.recall, quality.f1)]
    assert found == [0.99508, 0.97100, 0.98289]
    assert quality.table()["lower"].iloc[0] == pytest.approx(0.9935, abs=1e-4)


def test_intervals_are_those_of_the_methods():
    """Linkage comes before methods, so it has its own; the two must agree."""
    for cases, people in ((0, 10), (5, 10), (10, 10), (48, 9758)):
        theirs = intervals.wilson(cases, people)
        assert wilson(cases, people) == pytest.approx((float(theirs.lower), float(theirs.upper)), abs=1e-7)


def test_planted_truth(compared):
    """Nearly all are found, and nearly none wrongly; the wrong ones carry a number of their own household."""
    quality = measure(compared)
    assert quality.precision > 0.998
    assert quality.recall > 0.99
    wrong = compared[compared["wrong"]]
    assert (wrong["link_method"] == "D1").mean() > 0.7
    assert wrong.loc[wrong["link_method"] == "D1", ["number_of_household", "number_of_another"]].any(axis=1).all()


def test_every_method_finds_something_and_a_stranger_is_nobody(compared):
    counts = compared["link_method"].value_counts()
    assert min(counts[m] for m in ("D1", "D2", "D3", "P", "U")) > 100
    strangers = compared[compared["not_in_index"]]
    assert strangers["person_id"].isna().mean() > 0.995


# an error        at least this share of the records with it are linked rightly
FOUND = [
    ("number_missing", 0.95), ("number_mistyped", 0.95), ("number_of_another", 0.80), ("surname_mistyped", 0.97),
    ("surname_changed", 0.95), ("forename_mistyped", 0.97), ("forename_initial", 0.95), ("forename_other", 0.85),
    ("names_swapped", 0.85), ("birth_mistyped", 0.90), ("birth_missing", 0.65), ("sex_wrong", 0.90), ("moved", 0.96),
]  # fmt: skip


@pytest.mark.parametrize(("error", "share"), FOUND)
def test_each_planted_error(compared, error, share):
    planted = compared[compared[error] & ~compared["not_in_index"]]
    assert len(planted) > 20
    assert planted["right"].mean() >= share


def test_who_is_missed(compared):
    """Errors were planted more often in the most deprived fifth and in minorities, and the rates show it."""
    rates = missed_by(compared).set_index(["stratum", "level"])
    assert set(rates.index.get_level_values(0)) == set(STRATA)
    assert rates.loc[("imd5", "1"), "rate"] > rates.loc[("imd5", "5"), "rate"]
    assert ((rates["lower"] <= rates["rate"]) & (rates["rate"] <= rates["upper"])).all()
    for stratum in STRATA:
        assert rates.loc[stratum, "missed"].sum() == compared["missed"].sum()
        assert rates.loc[stratum, "people"].sum() == compared["person_id_true"].notna().sum()


def test_hidden_numbers_measure_the_true_quality(example, compared, gold):
    """The gold standard, which sees no truth, comes close to the truth about records without a number."""
    measured = measure(gold)
    against_truth = measure(compare(gold[[*KEYS, "person_id", "link_method", "weight_band"]],
                                    example.truth[example.truth["record_id"].isin(gold["record_id"])]))  # fmt: skip
    without = compared[compared["number_missing"]]
    true = measure(without)
    assert len(gold) > 15_000
    for found, real in ((measured, against_truth), (measured, true)):
        assert found.precision == pytest.approx(real.precision, abs=0.004)
        assert found.recall == pytest.approx(real.recall, abs=0.02)
    assert set(gold["link_method"]) >= {"D2", "D3", "P", "U"} and "D1" not in set(gold["link_method"])


def test_the_gold_standard_tells_who_is_missed(example, gold):
    rates = missed_by(gold)
    assert set(rates["stratum"]) == set(STRATA)
    assert rates.loc[rates["stratum"] == "imd5", "people"].sum() == len(gold)


def test_wrong_numbers_are_listed_for_review(example, compared):
    """D1 as specified believes a number of the same home; such links stay, but a person is asked."""
    asked = example.linked.review[example.linked.review["reason"] == "doubtful_number"]
    wrong = compared[compared["wrong"] & (compared["link_method"] == "D1")]
    assert len(wrong.merge(asked, on=KEYS)) >= 0.8 * len(wrong)
    assert len(asked) < 0.01 * len(compared)


def test_a_checked_sample_is_weighted_back(example, compared):
    sample = to_check(example.linked, each=60)
    assert sample["stands_for"].sum() == pytest.approx(example.linked.links["person_id"].notna().sum())
    checked = sample.merge(compared[[*KEYS, "right"]], on=KEYS)
    value, error = checked_precision(checked)
    assert value == pytest.approx(measure(compared).precision, abs=max(4 * error, 0.01))
    bands = pd.DataFrame({"weight_band": ["a"] * 4 + ["b"] * 2, "stands_for": [25.0] * 4 + [50.0] * 2,
                          "right": [True, True, True, False, True, True]})  # fmt: skip
    assert checked_precision(bands)[0] == pytest.approx((100 * 0.75 + 100) / 200)


def test_thresholds_trade_precision_for_recall(example):
    some, truth = example.made.records.head(6000), example.truth.head(6000)
    found = sensitivity(some, example.made.people, truth, example.linked, example.settings)
    assert found["right"].is_monotonic_decreasing and found["missed"].is_monotonic_increasing
    assert found["wrong"].is_monotonic_decreasing


def test_the_same_links_twice(example):
    """In other order, too: the order of the rows decides nothing."""
    mixed = [rows.sample(frac=1, random_state=4) for rows in (example.made.records, example.made.people)]
    again = link(*mixed, example.settings)
    pd.testing.assert_frame_equal(again.links, example.linked.links)
    pd.testing.assert_frame_equal(again.review, example.linked.review)
    assert again.report == example.linked.report
