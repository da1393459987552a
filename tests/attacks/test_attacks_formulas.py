"""Attacks that undo a formula: what was computed from few people tells of them, unless it is computed from what left."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from shared_code.config.study import Policy
from shared_code.disclosure import Earlier, protect
from shared_code.disclosure.attacks import formulas
from shared_code.model import LAYOUTS

POLICY = Policy(threshold=10, rounding=5)


def protected(declared, wide: pd.DataFrame) -> pd.DataFrame:
    """Give our cells, with levels and statistic as index."""
    cells = protect({"a.t": (declared, wide)}, [], POLICY).tables["a.t"]
    return cells.set_index([*declared.dimensions, "statistic"])


def test_an_exact_percentage_is_its_numerator(declare):
    """4.8 % of 83 can only be 4."""
    assert formulas.percentage(4.8, 1, (83, 83)) == [4]
    cells = protected(declare({"sex": ["F", "M"]}), pd.DataFrame({"sex": ["F", "M"], "people": [83, 90], "cases": [4, 45]}))
    assert cells.loc[("F", "cases"), "status"] == "withheld"
    shown, of = cells.loc[("M", "cases")], cells.loc[("M", "people")]
    percent = round(100 * shown["value"] / of["value"], 1)
    assert len(formulas.percentage(percent, 1, (of["lower"], of["upper"]))) > 1  # and only of rounded numbers at that


@pytest.mark.parametrize("secret", [1, 2, 5, 9])
def test_percentages_with_many_decimals(secret, declare):
    people = 137
    assert formulas.percentage(round(100 * secret / people, 3), 3, (people, people)) == [secret]
    wide = pd.DataFrame({"sex": ["F", "M"], "people": [people, 200], "cases": [secret, 50]})
    cells = protected(declare({"sex": ["F", "M"]}), wide)
    assert cells.loc[("F", "cases"), "status"] == "withheld" and cells.loc[("F", "people"), "value"] == 135


def test_one_number_in_two_roundings(declare):
    """To 5, and a week later to 8: what both leave is narrower than either, unless the second is held against the first."""
    assert formulas.both_roundings([(98, 102), (96, 103), (99, 103)]) == (99, 102)
    wide = pd.DataFrame({"sex": ["F", "M"], "people": [500, 600], "cases": [99, 45]})
    declared = declare({"sex": ["F", "M"]})
    first = protect({"a.t": (declared, wide)}, [], POLICY).tables["a.t"]
    earlier = Earlier("0" * 64, "same people", {"a.t": first}, {"a.t": wide})
    try:
        second = protect({"a.t": (declared, wide)}, [earlier], POLICY.model_copy(update={"rounding": 8})).tables["a.t"]
    except ValueError as refused:
        assert "released before" in str(refused)
        return
    for old, new in zip(first.to_dict("records"), second.to_dict("records")):
        low, high = formulas.both_roundings([(old["lower"], old["upper"]), (new["lower"], new["upper"])])
        assert (low, high) == (old["lower"], old["upper"]) or high - low >= 4


def test_a_total_of_rounded_parts(declare):
    """Totals added up from rounded cells (OpenSAFELY) give the rounded value of a withheld part; ours leaves a range."""
    cases = {"F": 6, "M": 121, "X": 64}
    to_five = {level: 5 * ((2 * n + 5) // 10) for level, n in cases.items()}
    assert sum(to_five.values()) - to_five["M"] - to_five["X"] == to_five["F"] == 5  # so 3 to 7
    wide = pd.DataFrame([(s, 900, n) for s, n in cases.items()] + [("all", 2700, 191)], columns=["sex", "people", "cases"])
    declared = declare({"sex": ["F", "M", "X", "all"]}, sets=[["sex"], []])
    cells = protect({"a.t": (declared, wide)}, [], Policy(rule_set="OPENSAFELY")).tables["a.t"].set_index(["sex", "statistic"])
    of_cases = cells.xs("cases", level="statistic")
    total, others = of_cases.loc["all"], of_cases.drop(index=["all", "F"])
    low, high = total["lower"] - others["upper"].sum(), total["upper"] - others["lower"].sum()
    assert of_cases.loc["F", "status"] == "withheld" and max(low, of_cases.loc["F", "lower"]) <= 1 and high >= 8


def test_a_curve_with_every_step():
    """A Kaplan-Meier curve to six decimals, one step per death."""
    at_risk, deaths = [97, 83, 61], [1, 2, 1]
    survival = list(itertools.accumulate((1 - d / n for d, n in zip(deaths, at_risk)), lambda a, b: a * b))
    assert formulas.curve([round(s, 6) for s in survival], 6) == list(zip(deaths, at_risk))
    assert "survival" not in LAYOUTS and "curve" not in LAYOUTS  # curves leave as events in fixed intervals, or not at all


def test_a_curve_as_estimates_tells_no_step(declare):
    """Hidden among estimates, each step has too few people behind it, and two decimals besides."""
    at_risk, deaths = [97, 83, 61], [1, 2, 1]
    survival = list(itertools.accumulate((1 - d / n for d, n in zip(deaths, at_risk)), lambda a, b: a * b))
    wide = pd.DataFrame({"day": ["1", "2", "3"], "estimate": survival, "se": 0.01, "people": deaths, "person_days": 1e5})
    cells = protected(declare({"day": ["1", "2", "3"]}, "estimates"), wide)
    assert (cells.xs("estimate", level="statistic")["status"] == "withheld").all()


def somebody_in_every_bin(values: np.ndarray, edges: list[float], people: pd.DataFrame) -> bool:
    """Say whether every released range holds the number of people that are really in its bin."""
    number = np.histogram(values, edges)[0]
    return all(row["lower"] <= n <= row["upper"] for n, (_, row) in zip(number, people.loc[_labels(edges)].iterrows()))


def _labels(edges: list[float]) -> list[str]:
    return [f"{a}-{b - 1}" if np.isfinite(b) else f"{a}+" for a, b in itertools.pairwise(edges)]


@pytest.mark.parametrize("what", ["median", "min", "max", "90th percentile"])
def test_somebody_s_value(what, declare):
    rng = np.random.default_rng(1)
    values = rng.lognormal(3, 1, 401)
    raw = {"median": np.median(values), "min": values.min(), "max": values.max(),
           "90th percentile": np.quantile(values, 0.9, method="inverted_cdf")}[what]  # fmt: skip
    assert formulas.somebody(raw, values) == 1
    assert not {"median", "min", "max", "quantile"} & {s for layout in LAYOUTS.values() for s in layout.statistics}
    bins = {"cost": {"bands": [0, 10, 20, 40, 80, 160]}}
    edges = [0, 10, 20, 40, 80, 160, np.inf]
    number = np.histogram(values, edges)[0]
    declared = declare(bins, "bins")
    wide = pd.DataFrame({"cost": declared.dimensions["cost"].levels().values(), "people": number, "records": number})
    cells = protected(declared, wide)
    of_people = cells.xs("people", level="statistic")
    shown = of_people[of_people["status"].isin(["ok", "rounded"])]
    assert {"20-39", "40-79"} <= set(shown.index) and "160+" not in set(shown.index)  # bins of many leave, those of few do not
    assert (shown["lower"] >= 10).all()  # a quantile read from bins is between ten people at least
    assert somebody_in_every_bin(values, edges, of_people)


def test_two_people_s_values_from_mean_and_variance(declare):
    values = np.array([41.5, 7.25])
    assert formulas.two_values(values.mean(), values.var(ddof=1)) == pytest.approx((7.25, 41.5))
    wide = pd.DataFrame({"sex": ["F", "M"], "people": [2, 50], "sum": [48.75, 900.0], "sum_squares": [1774.8, 2e4],
                         "sum_products": np.nan, "largest": [41.5, 40.0], "second_largest": [7.25, 39.0]})  # fmt: skip
    cells = protected(declare({"sex": ["F", "M"]}, "moments"), wide)
    assert (cells.loc[[("F", "sum"), ("F", "sum_squares"), ("F", "people")], "status"] == "withheld").all()


def test_the_largest_contribution(declare):
    """One patient has 880 of 1,000 bed days; who has the second most subtracts their own."""
    low, high = formulas.largest(1000.0, 60.0)
    assert low <= 880 <= high <= 880 * 1.1
    wide = pd.DataFrame({"sex": ["F", "M"], "people": [20, 50], "sum": [1000.0, 900.0], "sum_squares": [8e5, 2e4],
                         "sum_products": np.nan, "largest": [880.0, 40.0], "second_largest": [60.0, 39.0]})  # fmt: skip
    cells = protected(declare({"sex": ["F", "M"]}, "moments"), wide)
    assert cells.loc[("F", "sum"), "status"] == "withheld" and cells.loc[("M", "sum"), "status"] == "rounded"


def test_a_term_that_marks_one_group(declare):
    """A saturated logistic model is a table in disguise: coefficient and standard error give events and people."""
    d, n = 3, 8
    y, x = np.r_[np.ones(d), np.zeros(n - d)], np.ones((n, 1))
    fit = sm.GLM(y, x, family=sm.families.Binomial()).fit()
    assert formulas.one_hot(fit.params[0], fit.bse[0]) == pytest.approx((d, n), abs=1e-4)
    wide = pd.DataFrame({"term": ["group"], "estimate": fit.params, "se": fit.bse, "people": [d], "person_days": [1e5]})
    cells = protected(declare({"term": ["group", "other"]}, "estimates"), wide)
    assert (cells.xs("estimate", level="statistic")["status"] == "withheld").all()
    assert (cells.xs("se", level="statistic")["status"] == "withheld").all()


def test_a_gradient_of_one_person(declare):
    """At coefficients of zero, the derivative by a term that one person has is their outcome minus one half."""
    outcome, off = formulas.gradient(1 - 0.5)
    assert (outcome, off) == (1, 0)
    cells = protected(declare({"term": ["one", "all"], "by": ["one", "all"]}, "step"), _step())
    told = cells[cells.index.get_level_values("statistic").isin(["gradient", "hessian", "meat"])]
    assert not told["status"].isin(["ok", "rounded"]).any()


def _step() -> pd.DataFrame:
    statistics = dict.fromkeys(LAYOUTS["step"].columns, np.nan)
    return pd.DataFrame([
        {"term": "all", "by": "all", **statistics, "log_likelihood": -70.0, "people": 100, "events": 40, "clusters": 100,
         "fewest": 1, "effective": 100.0, "cases": 40, "patterns": 1, "requests": 1},
        {"term": "one", "by": "all", **statistics, "gradient": 0.5, "fewest": 1, "effective": 1.0},
        {"term": "one", "by": "one", **statistics, "hessian": 0.25, "meat": 0.25, "fewest": 1, "effective": 1.0},
    ])  # fmt: skip


def test_a_profile_of_few_people(declare):
    """A log-likelihood on a grid determines events and people of the group it belongs to."""
    grid = {b: 3 * b - 8 * math.log1p(math.exp(b)) for b in (-1.0, -0.5, 0.0, 0.5, 1.0)}
    assert formulas.profile(grid) == [(3, 8)]
    points = [str(b) for b in grid]
    statistics = dict.fromkeys(LAYOUTS["profile"].columns, np.nan)
    wide = pd.DataFrame([{"point": p, **statistics, "log_likelihood": v, "people": 8, "events": 3, "fewest": 3}
                         for p, v in zip(points, grid.values())])  # fmt: skip
    cells = protected(declare({"point": points}, "profile"), wide)
    told = cells[cells.index.get_level_values("statistic").isin(["log_likelihood", "gradient"])]
    assert not told["status"].isin(["ok", "rounded"]).any()
