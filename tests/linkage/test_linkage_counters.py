"""Counters: each number against a count by hand, and the correction against the formula of the specification."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shared_code.linkage.counters import COLUMNS, counted, with_coverage
from shared_code.linkage.quality import wilson


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    facts = pd.DataFrame({
        "with_identifier": [True] * 9 + [False], "valid_number": [True] * 6 + [False] * 4,
        "link_method": ["D1"] * 5 + ["U", "D2", "D3", "P", "U"], "sex": ["F"] * 5 + ["M"] * 4 + [None],
        "eth5": ["White", "White", "Asian", "Asian", None, None, "White", "White", None, None],
    })  # fmt: skip
    hidden = pd.DataFrame({
        "right": [True, True, True, False, False], "wrong": [False] * 4 + [True], "missed": [False] * 3 + [True, True],
        "sex": ["F", "F", "F", "F", "F"], "eth5": ["White", "White", "Asian", "Asian", None],
    })  # fmt: skip
    return counted("hospital", facts, hidden, of_index=["eth5"]).set_index(["stratum", "level"])


def test_counts_by_hand(rows):
    everyone = rows.loc[("all", "all")]
    counts = everyone[["records", "with_identifier", "valid_number", "linked", "linked_d1", "linked_d2", "linked_d3", "linked_p"]]
    assert counts.tolist() == [10, 9, 6, 8, 5, 1, 1, 1]
    assert everyone[["hidden", "hidden_right", "hidden_wrong", "hidden_missed"]].tolist() == [5, 3, 1, 2]
    assert rows.loc[("sex", "Unknown"), "records"] == 1 and rows.loc[("sex", "Unknown"), "hidden"] == 0
    assert list(rows.reset_index()[list(COLUMNS)]) == list(COLUMNS)


def test_recall_and_correction(rows):
    everyone = rows.loc[("all", "all")]
    assert everyone["recall"] == pytest.approx(0.6)
    assert (everyone["recall_lower"], everyone["recall_upper"]) == pytest.approx(wilson(3, 5))
    assert everyone["expected"] == pytest.approx(5 + 3 / 0.6)
    assert everyone["coverage"] == pytest.approx(8 / 10)
    women = rows.loc[("sex", "F")]  # every link by number: nothing to correct
    assert (women["expected"], women["coverage"]) == (5, 1)
    men = rows.loc[("sex", "M")]  # nobody in the gold standard: unknown, and not zero
    assert np.isnan(men["recall"]) and np.isnan(men["expected"]) and np.isnan(men["coverage"])


def test_what_the_source_does_not_say_comes_from_the_index(rows):
    assert set(rows.loc["eth5", "taken_from"]) == {"index"} and set(rows.loc["sex", "taken_from"]) == {"record"}
    assert rows.loc["eth5", "records"].isna().all()  # of an unlinked record the index says nothing
    assert rows.loc["eth5", "linked"].to_dict() == {"Asian": 2, "Unknown": 2, "White": 4}
    assert rows.loc[("eth5", "White"), "expected"] == 4 and rows.loc[("eth5", "White"), "linked_d1"] == 2
    assert rows.loc[("eth5", "White"), "recall"] == 1 and rows.loc[("eth5", "Unknown"), "hidden_wrong"] == 1


def test_all_records_linked_by_number_correct_the_whole_rate():
    """Where every link is made without a number, coverage is recall, and observed / coverage = observed / recall (12.6)."""
    row = pd.DataFrame({"linked": [97], "linked_d1": [0], "hidden": [100], "hidden_right": [97]})
    assert with_coverage(row)["coverage"].iloc[0] == pytest.approx(0.97)
