"""The record that leaves with a release, and what several sites' records say together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import Earlier, protect
from shared_code.disclosure.build import build
from shared_code.disclosure.protect import COMPLEMENTARY, FOLLOWS, _begun, _refused
from shared_code.disclosure.record import common_rung, record
from shared_code.disclosure.rules import GUARDS
from shared_code.disclosure.search import NoPattern
from tests.disclosure.systems import system

COUNTS = ResultsTable.model_validate({"title": "t", "layout": "counts", "dimensions": {"d": {"values": {"x": "", "y": ""}}}})
CELLS = pd.DataFrame([
    ("x", "people", 100, "ok", 100, 100), ("x", "cases", np.nan, "withheld", 1, 19),
    ("y", "people", 80, "rounded", 78, 82), ("y", "cases", 50, "ok", 50, 50),
    ("z", "cases", np.nan, "not_collected", np.nan, np.nan),
], columns=["d", "statistic", "value", "status", "lower", "upper"])  # fmt: skip


def test_a_record_counts_what_is_withheld_table_by_table_and_over_all():
    """Of five cells one is withheld in each table: at most 19 of 19 + 228 people, rounded up."""
    policy = Policy(threshold=10, rounding=5)
    said = record({"b.t": CELLS, "a.t": CELLS}, {"a.t": COUNTS, "b.t": COUNTS}, policy, [], {"found": "x"})
    assert [*said["tables"]] == ["a.t", "b.t"] and (said["cells"], said["withheld"]) == (10, 2)
    table = said["tables"]["a.t"]
    assert (table["cells"], table["withheld"], table["rounding"], table["layout"]) == (5, 1, 5, "counts")
    assert table["withheld_share_at_most"] == pytest.approx(0.077) and 0.076 < 19 / (19 + 100 + 78 + 50) < 0.077
    assert said["audit"]["safe"] is True and said["audit"]["found"] == "x" and said["rule_set"] == "NET10"
    assert said["audit"]["asks"] == "every interval at least 9 wide and reaching 10"


def test_the_share_is_not_given_without_a_range_and_is_nothing_where_nothing_is_withheld():
    def of(cells: pd.DataFrame) -> float | None:
        return record({"t": cells}, {"t": COUNTS}, Policy(), [], {})["tables"]["t"]["withheld_share_at_most"]

    assert of(CELLS.assign(upper=CELLS["upper"].where(CELLS["status"] != "withheld", np.inf))) is None
    assert of(CELLS[CELLS["status"] == "ok"]) == 0.0 and of(CELLS.iloc[:0]) is None
    half = CELLS.iloc[[0, 1]].assign(lower=[100, 1], upper=[100, 100])
    assert of(half) == 0.5  # of 200 people at most 100


def test_a_threshold_of_one_asks_for_intervals_of_no_width():
    said = record({}, {}, Policy(threshold=1, rounding=1), [Earlier("d" * 64, "", {})], {})
    assert said["audit"]["asks"] == "every interval at least 0 wide and reaching 1"
    assert said["earlier_releases"] == ["d" * 64] and (said["cells"], said["withheld"]) == (0, 0)


def counted(**shares: float) -> dict:
    return {"rungs": {rung: {"share": share} for rung, share in shares.items()}}


def test_the_rung_that_loses_least_where_most_is_lost():
    north, south = counted(fine=0.30, middle=0.05, coarse=0.04), counted(coarse=0.10, fine=0.0, middle=0.05, other=0.0)
    assert common_rung({"north": north, "south": south}) == ("middle", {"fine": 0.30, "middle": 0.05, "coarse": 0.10})
    assert common_rung({"north": counted(fine=0.1, coarse=0.1)})[0] == "fine"  # the finest wins a tie
    with pytest.raises(ValueError, match="no rung in common"):
        common_rung({"north": counted(fine=0.1), "south": counted(coarse=0.1)})


# --- cells as they leave ---

def test_every_cell_of_every_statistic_leaves_in_order_and_says_why_it_is_withheld():
    wide = pd.DataFrame([("y", 50, 20), ("x", 200, 4)], columns=["d", "people", "cases"])
    done = protect({"a.t": (COUNTS, wide)}, [], Policy(threshold=10, rounding=1))
    cells = done.tables["a.t"]
    assert cells[["d", "statistic"]].to_numpy().tolist() == [["x", "cases"], ["x", "people"], ["y", "cases"], ["y", "people"]]
    assert cells["status"].tolist() == ["withheld", "ok", "ok", "ok"] and cells["value"].tolist()[1:] == [200, 20, 50]
    assert np.isnan(cells["value"][0]) and (cells["lower"][0], cells["upper"][0]) == (1, 19)
    (why,) = done.reasons["a.t"].to_dict("records")
    assert why == {"d": "x", "statistic": "cases", "reason": "fewer cases than the threshold"}
    assert done.record["tables"]["a.t"]["withheld"] == 1 and "told_before" not in done.record["audit"]


def test_events_are_withheld_together_and_days_keep_a_range():
    """Four people had an event: their events go with them, and their days stay."""
    said = ResultsTable.model_validate({"title": "t", "layout": "events", "dimensions": {"d": {"values": {"x": "", "y": ""}}}})
    wide = pd.DataFrame([("x", 4, 7, np.nan, 9e4), ("y", 40, 70, np.nan, 8e4)],
                        columns=["d", "people", "events", "events_squared", "person_days"])  # fmt: skip
    cells = protect({"a.t": (said, wide)}, [], Policy(threshold=10, rounding=1)).tables["a.t"].set_index(["d", "statistic"])
    x, y = cells.loc["x"], cells.loc["y"]
    assert x["status"][["events", "people", "person_days"]].tolist() == ["withheld", "withheld", "ok"]
    assert x["status"]["events_squared"] == "not_collected"
    assert (y["status"][["events", "people", "person_days"]] == "ok").all()
    assert x.loc[["events", "people"], "lower"].tolist() == [1, 1] and x.loc["people", "upper"] == 19


def test_sums_are_withheld_without_a_range():
    said = ResultsTable.model_validate({"title": "t", "layout": "moments", "dimensions": {"d": {"values": {"x": "", "y": ""}}}})
    wide = pd.DataFrame([("x", 4, 70, 900, np.nan, 30, 20), ("y", 40, 700, 9000, np.nan, 30, 20)], columns=[
        "d", "people", "sum", "sum_squares", "sum_products", "largest", "second_largest"])  # fmt: skip
    cells = protect({"a.t": (said, wide)}, [], Policy(threshold=10, rounding=1)).tables["a.t"].set_index(["d", "statistic"])
    assert cells.loc[("x", "people"), ["lower", "upper"]].tolist() == [1, 19]
    assert cells.loc["x"].loc[["sum", "sum_squares"], ["value", "lower", "upper"]].isna().all().all()
    assert cells.loc["x"].loc["sum_products", "status"] == "not_collected"
    assert cells.loc["y"].loc[["sum", "sum_squares"], "value"].tolist() == [700, 9000]


def test_estimates_of_few_are_withheld_with_all_that_stands_beside_them():
    said = ResultsTable.model_validate({"title": "t", "layout": "estimates", "dimensions": {"d": {"values": {"x": "", "y": ""}}}})
    wide = pd.DataFrame([("x", 0.514, 0.1, 4, 9e4), ("y", 0.514, 0.1, 40, 8e4)],
                        columns=["d", "estimate", "se", "people", "person_days"])  # fmt: skip
    done = protect({"a.t": (said, wide)}, [], Policy(threshold=10, rounding=1))
    cells = done.tables["a.t"].set_index(["d", "statistic"])
    assert (cells.loc["x"].loc[["estimate", "people", "se"], "status"] == "withheld").all()
    assert cells.loc["x"].loc[["estimate", "se"], ["value", "lower", "upper"]].isna().all().all()
    assert cells.loc["y"].loc["estimate", ["value", "status"]].tolist() == [0.51, "rounded"]
    assert not cells.loc["y", "status"].eq("withheld").any()


def test_an_estimate_goes_with_its_people_where_they_protect_another():
    """Four women of 44 people: the men or all of them are withheld as well, and so is whatever was estimated from them."""
    said = ResultsTable.model_validate({"title": "t", "layout": "estimates", "dimensions": {
        "d": {"values": {"F": "", "M": ""}, "total": True}}})  # fmt: skip
    wide = pd.DataFrame([("F", 0.5, 0.1, 4, 9e4), ("M", 0.6, 0.1, 40, 8e4), ("all", 0.55, 0.1, 44, 17e4)],
                        columns=["d", "estimate", "se", "people", "person_days"])  # fmt: skip
    done = protect({"a.t": (said, wide)}, [], Policy(threshold=10, rounding=1))
    status = done.tables["a.t"].pivot(index="d", columns="statistic", values="status")
    hidden = status[status["people"] == "withheld"]
    assert len(hidden) == 2 and (hidden[["estimate", "se"]] == "withheld").all().all()
    assert (status.drop(index=hidden.index) != "withheld").all().all()
    why = done.reasons["a.t"].set_index(["d", "statistic"])["reason"].drop(index="F", level="d")
    assert why.xs("people", level="statistic").tolist() == [COMPLEMENTARY]
    assert set(why.drop(index="people", level="statistic")) == {FOLLOWS}


def test_a_layout_without_a_rule_does_not_leave(monkeypatch):
    monkeypatch.delitem(GUARDS, "counts")
    with pytest.raises(ValueError, match=r"a\.t: the layout counts has no disclosure rule"):
        protect({"a.t": (COUNTS, pd.DataFrame(columns=["d", "people", "cases"]))}, [], Policy())


# --- what is said where nothing protects ---

def unprotected(unknown: int, before: set[str]) -> list:
    made = system([[1.0, 1.0, 1.0]], [4.0, 50.0, 60.0])
    made.cells.update({("a.t", "people"): np.array([0, 1]), ("b.t", "people"): np.array([2, -1])})
    tables = dict.fromkeys(["a.t", "b.t"], (COUNTS, CELLS))
    return _refused(made, tables, NoPattern([unknown]), before).problems


def test_a_refusal_names_the_table_and_what_is_new_beside_earlier_releases():
    (first,) = unprotected(1, set())
    assert (first.where, "New beside" in first.mend) == ("a.t", False) and first.wrong.startswith("people: withholding further")
    (second,) = unprotected(2, {"a.t"})
    assert second.where == "b.t" and second.mend.endswith("New beside what left before, and so the likely reason: b.t")
    assert "New beside" not in unprotected(0, {"a.t", "b.t"})[0].mend


def test_a_difference_that_no_table_shows_is_named_as_such():
    (only,) = unprotected(99, {"a.t"})
    assert only.where == "a.t, b.t" and only.wrong == "the difference to an earlier release would show a few people"


def test_the_easier_system_is_searched_first_and_gives_what_it_needs():
    """Four women of 50 with stroke: theirs and one more number of stroke, and none of the people behind all conditions."""
    said = ResultsTable.model_validate({"title": "t", "layout": "counts", "dimensions": {
        "item": {"codelist": "c"}, "sex": {"values": {"F": "", "M": ""}, "total": True}}})  # fmt: skip
    rows = [("a", "F", 300, 90), ("a", "M", 200, 80), ("b", "F", 300, 4), ("b", "M", 200, 46),
            ("a", "all", 500, 170), ("b", "all", 500, 50), ("g", "all", 510, 70)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["item", "sex", "people", "cases"])
    policy = Policy(threshold=10, rounding=1)
    frames = {"t": GUARDS["counts"](frame, said, policy)}
    plain, easier = (build({"t": (said, frame)}, frames, policy, apart=apart) for apart in (False, True))
    assert easier.size > plain.size
    found = _begun(easier, plain, policy)
    assert found.sum() == 2 and found[plain.cells["t", "cases"][[2]]].all()
    assert set(np.flatnonzero(found)) <= set(plain.cells["t", "cases"][[2, 3, 5]].tolist())
