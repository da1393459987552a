"""Made-up people with identifiers: valid numbers, planted errors with known truth, and the same every time."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from shared_code.linkage.nhs_number import Rules, reason
from shared_code.synthetic import misspelling
from shared_code.synthetic.identifiers import Errors, make, nhs_numbers, no_errors

COLUMNS = ["nhs_number", "surname", "forename", "date_of_birth", "sex", "postcode"]


@pytest.fixture(scope="module")
def beside(example) -> pd.DataFrame:
    """Put what was typed beside the person meant."""
    meant = example.made.truth.merge(example.made.people.drop(columns="sex"), on="nhs_number")
    return meant.merge(example.made.records, on=["record_id", "source"], suffixes=("", "_typed"))


def test_numbers_are_valid_and_never_real():
    numbers = nhs_numbers(1_000_000)
    assert len(set(numbers)) == 1_000_000
    assert {n[:3] for n in numbers} == {"999", "998"}
    assert {reason(n, Rules(made_up=True)) for n in numbers[::5003]} == {"valid"}
    assert {reason(n) for n in numbers[:909_000:5003]} == {"test_range"}


def test_without_errors_everything_is_typed_as_it_is():
    made = make(600, 500, errors=no_errors())
    both = made.truth.merge(made.records, on=["record_id", "source"], suffixes=("_true", ""))
    assert (both["nhs_number"] == both["nhs_number_true"]).all()
    assert len(made.people.merge(made.records[COLUMNS], on=COLUMNS)) == 500


def test_the_same_seed_makes_the_same_people():
    one, two, other = make(600, 500, seed=3), make(600, 500, seed=3), make(600, 500, seed=4)
    pd.testing.assert_frame_equal(one.records, two.records)
    assert not one.records["surname"].equals(other.records["surname"])


@pytest.mark.parametrize("name", [f.name for f in fields(Errors) if f.name != "unequal"])
def test_shares_are_as_asked(name):
    """Each error alone, in a fifth of the records."""
    made = make(4000, 3000, errors=replace(no_errors(), **{name: 0.2}))
    share = made.truth[name].mean()
    if name == "number_of_household":
        assert 0 < share < 0.2, "only who does not live alone"
    else:
        assert share == pytest.approx(0.2, abs=0.025)
    untouched = made.truth.loc[~made.truth[name], "record_id"]
    typed = made.records[made.records["record_id"].isin(untouched)]
    if name != "not_in_index":
        assert len(typed.merge(made.people, on=COLUMNS)) == len(typed)


def test_planted_errors_are_what_they_are_called(beside):
    def those(error: str) -> pd.DataFrame:
        return beside[beside[error]]

    assert those("number_missing")["nhs_number_typed"].isna().all()
    mistyped = those("number_mistyped")["nhs_number_typed"].dropna()
    assert {reason(n, Rules(made_up=True)) for n in mistyped} <= {"wrong_check_digit", "no_check_digit"}
    assert (those("birth_missing")["date_of_birth_typed"].isna()).all()
    swapped = those("names_swapped")
    other_errors = ["surname_mistyped", "forename_mistyped", "forename_other", "surname_changed", "forename_initial"]
    untouched = ~swapped[other_errors].any(axis=1)
    assert (swapped["surname"] == swapped["forename_typed"])[untouched].all()
    assert (those("forename_initial")["forename_typed"].str.len() == 1).mean() > 0.9
    assert (those("moved")["postcode"] != those("moved")["postcode_typed"]).mean() > 0.9


def test_there_are_twins_and_households(example):
    people = example.made.people
    home = people.groupby(["postcode", "date_of_birth", "surname"]).size()
    assert 0.004 < (home > 1).sum() / len(people) < 0.03
    assert people["surname"].value_counts(normalize=True).iloc[0] < 0.05


def test_errors_fall_unequally():
    made = make(30_000, 30_000, errors=replace(no_errors(), number_missing=0.1, unequal=2.0))
    poorest = (made.truth["imd5"] == 1) | (made.truth["eth5"] != "White")
    rates = made.truth.groupby(poorest)["number_missing"].mean()
    assert rates[True] == pytest.approx(0.2, abs=0.02) and rates[False] == pytest.approx(0.1, abs=0.02)


def test_typing_errors_always_change_and_stay_near():
    rng = np.random.default_rng(1)
    old = np.array(["SMITH", "LEE", "AB", "A", "9990000018", "QA1 0AB", "BB"] * 300, dtype=object)
    new = misspelling.typed_wrong(rng, old)
    assert (old != new).all()
    assert {abs(len(a) - len(b)) for a, b in zip(old, new)} == {0, 1}
    digits = misspelling.typed_wrong(rng, np.array(["9990000018"] * 500, dtype=object), digits=True)
    assert {len(d) for d in digits} == {10} and all(d.isdigit() for d in digits)


def test_wrong_dates_are_dates():
    days = np.arange(np.datetime64("1960-01-01"), np.datetime64("1964-12-31")).astype("datetime64[s]")
    other = misspelling.other_date(np.random.default_rng(2), days)
    assert (other != days).mean() > 0.99
    swapped = misspelling.swapped_day_and_month(np.array(["1980-05-06", "1980-05-17"], dtype="datetime64[s]"))
    assert [str(d)[:10] for d in swapped] == ["1980-06-05", "1980-05-17"]
