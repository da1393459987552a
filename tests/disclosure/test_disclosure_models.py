"""Steps and likelihoods of models: each reason by itself, on its edge and one beside it; they leave whole or not at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure.rules_models import _needed, _term, guard_profile, guard_step, step_faults
from shared_code.model import LAYOUTS

EXACT, FREE = Policy(threshold=10, rounding=1), Policy(threshold=1, rounding=1)
FEW, ROUNDS, GROUPS, PATTERNS, SIZE, EVENTS, LEVERAGE, CLUSTERS = (
    "fewer people than", "more than 40 rounds", "groups of 1 to 9", "so many rounds", "parameters are too many", "for each of",
    "make up most", "clusters",
)  # fmt: skip


def step(terms: int = 2, hessian: float = 5.0, **changed: float) -> pd.DataFrame:
    """Give a step of an intercept and `terms` terms, all large enough; `changed` holds for the row of all people."""
    names = ["all", *[f"x{i}=1" for i in range(terms)]]
    table = pd.DataFrame({
        "term": names, "by": names, "log_likelihood": np.nan, "gradient": 1.5, "hessian": hessian, "meat": np.nan,
        "people": np.nan, "events": np.nan, "clusters": np.nan, "fewest": 10.0, "effective": 10.0, "cases": np.nan,
        "others": np.nan, "patterns": np.nan, "requests": np.nan})  # fmt: skip
    whole = {"log_likelihood": -40.5, "people": 900.0, "events": 300.0, "clusters": 0.0, "cases": 300.0, "others": 600.0,
             "patterns": 0.0, "requests": 1.0} | changed  # fmt: skip
    for name, value in whole.items():
        table.loc[0, name] = value
    return table


def why(table: pd.DataFrame, policy: Policy = EXACT) -> list[str]:
    return [reason for reason, _ in step_faults(table, policy)]


@pytest.mark.parametrize(("table", "expected"), [
    (step(), []), (step(people=9), [FEW]), (step(people=9, requests=99), [FEW]), (step(cases=0), []),
    (step(requests=40), []), (step(requests=41), [ROUNDS]), (step(cases=0, requests=41), []),
    (step(fewest=9), [GROUPS]), (step(fewest=10), []), (step(fewest=1), [GROUPS]), (step(fewest=0), []),
    (step(patterns=9), [PATTERNS]), (step(patterns=10), []), (step(patterns=1), [PATTERNS]), (step(patterns=0), []),
    (step(6, people=60, cases=60, others=60), []), (step(6, people=59, cases=60, others=60), [SIZE]),
    (step(1, people=11, cases=11, others=11), []), (step(1, people=10, cases=10, others=10), [SIZE]),
    (step(6, cases=60, others=600), []), (step(6, cases=59), [EVENTS]), (step(6, others=59), [EVENTS]),
    (step(6, hessian=0.0, cases=1, others=1, people=10), []), (step(0, people=10, cases=1, others=1), []),
    (step(effective=9), [LEVERAGE]), (step(effective=10), []), (step(effective=9, hessian=0), []),
    (step(effective=9, hessian=np.nan), []), (step(effective=9, fewest=9), [GROUPS]),
    (step(clusters=9), [CLUSTERS]), (step(clusters=10), []), (step(clusters=1), [CLUSTERS]), (step(clusters=0), []),
])  # fmt: skip
def test_each_reason_by_itself(table, expected):
    found = why(table)
    assert len(found) == len(expected) and all(said in reason for said, reason in zip(expected, found)), found
    assert [r for r in why(table, FREE) if ROUNDS not in r] == []


def test_pairs_of_terms_count_as_parameters_once():
    """Off the diagonal of the second derivative stands no parameter; in a row of all people neither."""
    table = pd.concat([step(6, cases=60, others=60), step(1).iloc[[1]].assign(term="x1=1", by="x2=1")], ignore_index=True)
    assert why(table) == [] and "7 parameters" in why(step(7, cases=60, others=60))[0]


def test_a_level_that_nobody_has_is_no_parameter():
    """Zeros in the second derivative: of nine terms six are there, and sixty events are ten for each."""
    table = step(9, cases=60, others=60)
    table.loc[7:, "hessian"] = 0.0
    assert why(table) == []
    table.loc[7, "hessian"] = 5.0
    assert len(why(table)) == 1 and "for each of 7 parameters" in why(table)[0]


def test_small_groups_are_named_by_their_terms():
    table = step(3).assign(fewest=9.0)
    table.loc[1, "by"] = "intercept"
    assert "in x0, x1, x2" in why(step(3).assign(fewest=[10.0, 9, 9, 9]))[0]
    assert "in the outcome, x0, x1, x2" in why(table)[0]
    many = step(9)
    many.loc[1:, "fewest"] = 9.0
    assert why(many)[0].endswith("in x0, x1, x2, x3, x4, x5") and "x0, x1, x2, x3, x4, x5 " not in why(many)[0]
    told = step(9).assign(effective=9.0)
    told.loc[0, "effective"] = 10.0
    assert why(told)[0].endswith("sums of x0, x1, x2, x3, x4, x5")
    assert _needed(["age", "age × sex", "arm × sex"]) == ["age", "arm × sex"]
    assert [_term(name) for name in ("age=50-64", "intercept", "sex")] == ["age", "all", "sex"]


DECLARED = ResultsTable.model_validate({"title": "t", "layout": "step", "dimensions": {
    "term": {"values": {"x": ""}, "total": True}, "by": {"values": {"x": ""}, "total": True}}})  # fmt: skip


def test_a_step_leaves_exactly_or_not_at_all():
    shown = guard_step(step(), DECLARED, EXACT)
    assert list(shown) == list(LAYOUTS["step"].statistics)
    assert shown["people"].iloc[0].tolist() == [900, "ok", 900, 900] and shown["gradient"]["value"].tolist() == [1.5] * 3
    assert shown["meat"]["status"].tolist() == ["not_applicable"] * 3 and shown["people"]["status"].iloc[1] == "not_applicable"
    hidden = guard_step(step(fewest=9), DECLARED, EXACT)
    for name, cells in hidden.items():
        assert cells["value"].isna().all() and set(cells["status"]) <= {"withheld", "not_applicable"}
        count = name in ("people", "clusters")
        ends = cells.loc[cells["status"] == "withheld", ["lower", "upper"]].to_numpy()
        assert (ends == [0.0, np.inf]).all() if count else np.isnan(ends).all()
    none = guard_step(step(cases=0), DECLARED, EXACT)  # without an event only that is said
    assert none["people"].iloc[0].tolist() == [900, "ok", 900, 900] and none["events"]["status"].iloc[0] == "ok"
    for name in ("log_likelihood", "gradient", "hessian", "clusters"):
        assert set(none[name]["status"]) == {"not_applicable"} and none[name]["value"].isna().all()
    both = guard_step(step(cases=0, people=9), DECLARED, EXACT)
    assert both["people"]["status"].iloc[0] == "withheld" and both["gradient"]["status"].iloc[0] == "withheld"


@pytest.mark.parametrize("arms", [True, False])
@pytest.mark.parametrize(("people", "fewest", "hidden"), [
    (9, 30, True), (10, 30, False), (1, 30, True), (0, 30, False), (30, 9, True), (30, 10, False), (30, 1, True), (30, 0, False),
])  # fmt: skip
def test_a_curve_leaves_whole_or_not_at_all(arms, people, fewest, hidden):
    dimensions = {"point": {"points": [-1, 1, 3]}} | ({"arm": {"values": {"a": "", "b": ""}}} if arms else {})
    declared = ResultsTable.model_validate({"title": "t", "layout": "profile", "dimensions": dimensions})
    table = pd.DataFrame({"arm": list("aaabbb"), "point": list("123123"), "log_likelihood": [-1.0, np.nan, -2] * 2,
                          "gradient": 0.5, "people": 30.0, "events": 12.0, "fewest": 12.0})  # fmt: skip
    table.loc[1, ["people", "fewest"]] = [people, fewest]
    table = table if arms else table[:3].drop(columns="arm")
    found = guard_profile(table, declared, EXACT)
    rows = np.arange(len(table)) < 3
    for name, cells in found.items():
        assert ((cells["status"] == "withheld") == (rows & hidden)).all()
        ends = cells.loc[rows & hidden, ["lower", "upper"]].to_numpy()
        assert (ends == [0, np.inf]).all() if name in ("people", "events") else np.isnan(ends).all()
        shown = cells[~(rows & hidden)]
        assert ((shown["status"] == "not_applicable") == shown["value"].isna()).all()
        assert shown["value"].equals(shown["lower"]) and shown["value"].equals(shown["upper"])
