"""A new table that adds up numbers that left before: it can be released, and no small number follows from all of it."""

from __future__ import annotations

import os
import sys

import numpy as np
import pandas as pd
import pulp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import Earlier, protect
from shared_code.model import Refused

FINE, COARSE = [0, 20, 40, 60, 80], [0, 40, 80]
WIDER = {"0-19": "0-39", "20-39": "0-39", "40-59": "40-79", "60-79": "40-79", "80+": "80+"}
POLICY = Policy(threshold=10, rounding=5)


def declared(bands: list[int]) -> ResultsTable:
    return ResultsTable.model_validate({
        "title": "t", "layout": "bins", "sets": [["sex"], []],
        "dimensions": {"age": {"bands": bands}, "sex": {"values": {"F": "f", "M": "m"}, "total": True}},
    })  # fmt: skip


def laid_out(counts: pd.DataFrame) -> pd.DataFrame:
    both = counts.groupby("age", as_index=False)["people"].sum().assign(sex="all")
    return pd.concat([counts, both], ignore_index=True).assign(records=lambda f: f["people"])


def derived(fine: pd.DataFrame, published: list[tuple[pd.DataFrame, dict[str, str]]]) -> dict[tuple[str, str], tuple[float, ...]]:
    """Give the interval of every fine number that fits all that was published, of both releases, by another solver."""
    model = pulp.LpProblem("attack", pulp.LpMinimize)
    x = {(age, sex): pulp.LpVariable(f"x{i}", 0) for i, (age, sex) in enumerate(zip(fine["age"], fine["sex"])) if sex != "all"}
    for shown, of in published:
        for row in shown[shown["statistic"] == "people"].itertuples():
            total = pulp.lpSum(x[age, sex] for age, sex in x if of[age] == row.age and row.sex in (sex, "all"))
            model += total >= row.lower
            if np.isfinite(row.upper):
                model += total <= row.upper
    ends = {}
    for key, variable in x.items():
        found = []
        for sign in (1, -1):
            model.setObjective(sign * variable)
            status = pulp.LpStatus[model.solve(pulp.PULP_CBC_CMD(msg=False))]
            assert status in ("Optimal", "Unbounded")
            found.append(variable.value() if status == "Optimal" else np.inf)
        ends[key] = (found[0], found[1])
    return ends


def test_wider_bands_of_the_same_people_give_no_small_number_away():
    """Nearly all can be released (a refusal tells nothing), and then every small number stays open."""
    looked_at: list[int | None] = []

    @settings(deadline=None, database=None, derandomize=True, max_examples=int(os.environ.get("COHORTIUM_REFRESHES", "12")))
    @given(st.lists(st.integers(0, 14) | st.integers(15, 400), min_size=10, max_size=10))
    def each(counts):
        looked_at.append(small_numbers_that_stay_open(counts))

    each()
    assert looked_at.count(None) <= len(looked_at) / 10 and sum(n or 0 for n in looked_at) >= len(looked_at)


def small_numbers_that_stay_open(counts: list[int]) -> int | None:
    """Count the small numbers, each of which must stay open; None where the second release is refused."""
    fine = pd.DataFrame([(age, sex) for age in WIDER for sex in "FM"], columns=["age", "sex"]).assign(people=counts)
    wide = fine.assign(age=fine["age"].map(WIDER)).groupby(["age", "sex"], as_index=False)["people"].sum()
    fine, wide = laid_out(fine), laid_out(wide)
    first = protect({"a.t": (declared(FINE), fine)}, [], POLICY).tables["a.t"]
    before = Earlier("0" * 64, "data", {"a.t": first}, {"a.t": fine})
    try:
        second = protect({"a.t": (declared(FINE), fine), "b.t": (declared(COARSE), wide)}, [before], POLICY)
    except Refused as refused:
        assert "b.t" in str(refused)  # what is new is named
        return None
    same = dict(zip(WIDER, WIDER))
    ends = derived(fine, [(first, same), (second.tables["a.t"], same), (second.tables["b.t"], WIDER)])
    small = fine[(fine["people"] > 0) & (fine["people"] < 10) & (fine["sex"] != "all")]
    for row in small.itertuples():
        low, high = ends[row.age, row.sex]
        assert high - low >= 9 - 1e-6 and high >= 10 - 1e-6, (row, low, high)
    return len(small)


@pytest.mark.parametrize("total", [False, True])
def test_tables_that_cannot_be_of_the_same_people_are_left_apart(total):
    """As many in all, but 30 below 18 in one and 10 below 65 in the other: two kinds of people."""
    tables = {}
    for name, edge, numbers in (("a.t", 18, [30, 20]), ("b.t", 65, [10, 40])):
        dimension = {"bands": [0, edge], **({"total": True} if total else {})}
        cells = dict(zip([f"0-{edge - 1}", f"{edge}+"], numbers)) | ({"all": 50} if total else {})
        table = pd.DataFrame({"age": [*cells], "people": [*cells.values()], "records": [*cells.values()]})
        tables[name] = ResultsTable.model_validate({"title": "t", "layout": "bins", "dimensions": {"age": dimension}}), table
    done = protect(tables, [], POLICY)
    assert not (pd.concat(done.tables.values())["status"] == "withheld").any()


def test_a_number_that_left_before_in_parts_may_be_withheld_with_the_range_that_follows(monkeypatch):
    """Otherwise no pattern is safe: too few people of one band, whose total with another follows from what left before."""
    counts = [7, 3, 10, 399, 4, 124, 5, 203, 22, 278]
    fine = pd.DataFrame([(age, sex) for age in WIDER for sex in "FM"], columns=["age", "sex"]).assign(people=counts)
    wide = fine.assign(age=fine["age"].map(WIDER)).groupby(["age", "sex"], as_index=False)["people"].sum()
    fine, wide = laid_out(fine), laid_out(wide)
    first = protect({"a.t": (declared(FINE), fine)}, [], POLICY).tables["a.t"]
    before = Earlier("0" * 64, "data", {"a.t": first}, {"a.t": fine})
    done = protect({"a.t": (declared(FINE), fine), "b.t": (declared(COARSE), wide)}, [before], POLICY)
    pd.testing.assert_frame_equal(done.tables["a.t"].drop(columns=["lower", "upper"]), first.drop(columns=["lower", "upper"]))
    assert done.record["audit"]["told_before"]
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[protect.__module__], "without_known", lambda system, threshold: (system, 0))
        with pytest.raises(Refused, match="so the likely reason: b"):
            protect({"a.t": (declared(FINE), fine), "b.t": (declared(COARSE), wide)}, [before], POLICY)
    shown = done.tables["b.t"].query("statistic == 'people'").merge(wide, on=["age", "sex"])
    assert ((shown["lower"] <= shown["people"]) & (shown["people"] <= shown["upper"])).all()

