"""Released pairs of rows and faulty rows: nobody can be found in them, and the truth lies in every range."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect

DECLARED = ResultsTable.model_validate({
    "title": "t", "layout": "records", "dimensions": {"check": {"local": True}}})  # fmt: skip
POLICIES = st.builds(Policy, threshold=st.integers(3, 25), rounding=st.sampled_from([1, 5, 10]))


@st.composite
def tables(draw) -> pd.DataFrame:
    rows = []
    for number in range(draw(st.integers(1, 8))):
        people = draw(st.integers(0, 60) | st.integers(0, 4000))
        failing = draw(st.integers(0, min(people, 40)) | st.integers(0, people))
        more, faulty = draw(st.integers(0, 300)), draw(st.integers(0, 200))
        in_fault = failing + (faulty if failing else 0)
        rows.append((f"c{number}", people, max(people, in_fault) + (more if people else 0), failing, in_fault))
    return pd.DataFrame(rows, columns=["check", "people", "rows", "people_failing", "rows_failing"])


def release(table: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    return protect({"a.t": (DECLARED, table)}, [], policy).tables["a.t"]


@settings(deadline=None, database=None, derandomize=True, max_examples=60)
@given(tables(), POLICIES)
def test_no_small_group_is_shown_and_the_truth_lies_in_every_range(table, policy):
    cells = release(table, policy).merge(table.melt("check", var_name="statistic", value_name="true"))
    t = policy.threshold
    shown = cells[cells["value"].notna()]
    people = shown[shown["statistic"].isin(["people", "people_failing"])]
    assert not ((people["true"] > 0) & (people["true"] < t)).any()
    assert ((cells["lower"] <= cells["true"]) & (cells["true"] <= cells["upper"])).all()
    wide = shown.pivot(index="check", columns="statistic", values="true").reindex(columns=[*table.columns[1:]])
    faulty = wide[wide["people_failing"].notna() & (wide["people_failing"] > 0)]
    assert (faulty["people"] - faulty["people_failing"] >= t).all()
    rows = shown[shown["statistic"] == "rows_failing"].merge(table, on="check")
    assert ((rows["people_failing"] == 0) | (rows["people_failing"] >= t)).all()  # no rows of a hidden number of people


@pytest.mark.parametrize("people, failing, kept", [(100, 0, True), (100, 9, False), (100, 10, True), (100, 95, False),
                                                   (100, 100, False), (9, 0, False), (0, 0, True)])  # fmt: skip
def test_one_drawn_case_each(people, failing, kept):
    table = pd.DataFrame({"check": ["c"], "people": [people], "rows": [3 * people], "people_failing": [failing],
                          "rows_failing": [2 * failing]})  # fmt: skip
    cells = release(table, Policy(threshold=10, rounding=1)).set_index("statistic")
    assert (cells.loc["rows_failing", "status"] == "ok") == kept
    assert (cells.loc["people_failing", "status"] == "ok") == kept


def test_a_column_nobody_collects_says_so():
    table = pd.DataFrame({"check": ["c"], "people": [50], "rows": [70], "people_failing": [None], "rows_failing": [None]})
    cells = release(table.astype({"people_failing": float, "rows_failing": float}), Policy()).set_index("statistic")
    assert set(cells.loc[["people_failing", "rows_failing"], "status"]) == {"not_collected"}
