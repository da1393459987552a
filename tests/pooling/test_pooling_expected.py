"""Recorded against expected cases: against a sum by hand, against simulated registers, and what cannot be said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shared_code import methods
from shared_code.config import Study
from shared_code.config.study import ResultsTable
from shared_code.pooling.expected import recorded_expected

CONFIG = Path(__file__).parents[2] / "config"
DECLARED = ResultsTable.model_validate({
    "title": "x", "layout": "counts", "sets": [["group", "sex", "age"]], "dimensions": {
        "item": {"label": "Item", "values": {"found": "Found", "other": "Other"}},
        "group": {"label": "Group", "values": {"a": "A", "b": "B"}, "total": True},
        "sex": {"label": "Sex", "values": {"F": "Female", "M": "Male"}, "total": True},
        "age": {"label": "Age", "bands": [18, 65], "total": True},
    },
})  # fmt: skip
RATES = {"F": [0.1, 0.6], "M": [0.2, 0.5]}
SETTINGS = {"item": "item", "of": "found", "group": "group", "by": "sex", "age": "age", "rates": RATES}
ORDER = [(g, s, a) for g in "ab" for s in "FM" for a in ("18-64", "65+")]


def released(people: np.ndarray, cases: np.ndarray, site: str) -> pd.DataFrame:
    table = pd.DataFrame(ORDER, columns=["group", "sex", "age"])
    return table.assign(item="found", people=people, cases=cases, site=site)


def cells(*tables: pd.DataFrame, hide: tuple = ()) -> pd.DataFrame:
    """Write tables as released cells; `hide`: (site, group, sex, age, statistic) that are withheld, as 1 to 10."""
    rows = []
    for table in tables:
        for one in table.to_dict("records"):
            for statistic in ("people", "cases"):
                where = (one["site"], one["group"], one["sex"], one["age"], statistic)
                gone = where in hide
                value = float("nan") if gone else float(one[statistic])
                named = {k: one[k] for k in ("site", "item", "group", "sex", "age")}
                rows.append({**named, "statistic": statistic, "value": value,
                             "lower": 1.0 if gone else value, "upper": 10.0 if gone else value,
                             "status": "withheld" if gone else "ok"})  # fmt: skip
    return pd.DataFrame(rows)


def results(table: pd.DataFrame, *sites: str) -> pd.DataFrame:
    scopes = {"pooled": list(sites), **{f"site:{s}": [s] for s in sites}}
    return pd.DataFrame(recorded_expected(table, DECLARED, SETTINGS, scopes)).set_index(["scope", "level", "measure"])


PEOPLE = np.array([1000, 200, 800, 150, 2000, 900, 2100, 700])
CASES = np.array([80, 90, 120, 60, 150, 500, 400, 330])


def test_the_ratio_is_all_recorded_over_all_expected_by_hand():
    one, two = released(PEOPLE, CASES, "s"), released(PEOPLE // 2, CASES // 3, "t")
    found = results(cells(one, two), "s", "t")
    expected = 1000 * 0.1 + 200 * 0.6 + 800 * 0.2 + 150 * 0.5 + 500 * 0.1 + 100 * 0.6 + 400 * 0.2 + 75 * 0.5
    recorded = 80 + 90 + 120 + 60 + 26 + 30 + 40 + 20
    row = found.loc["pooled", "a", "recorded over expected"]
    assert row["estimate"] == pytest.approx(recorded / expected)
    limits = methods.poisson_interval(recorded)
    assert (row["lower"], row["upper"]) == pytest.approx((limits.lower / expected, limits.upper / expected))
    assert found.loc["pooled", "a", "expected and not recorded"]["estimate"] == pytest.approx(expected - recorded)
    average = np.mean([found.loc[f"site:{s}", "a", "recorded over expected"]["estimate"] for s in "st"])
    assert row["estimate"] != pytest.approx(average, rel=1e-3), "an average of the sites' ratios is something else"


def test_people_who_are_younger_are_expected_to_have_fewer():
    """The pitfall: a crude share makes a younger group look as if its illness were not found."""
    young = np.array([5000, 100, 5000, 100, 1000, 2000, 1000, 2000])
    rates = np.tile([0.1, 0.6, 0.2, 0.5], 2)
    found = results(cells(released(young, np.round(0.7 * young * rates).astype(int), "s")), "s")
    crude = [0.7 * young[k : k + 4] @ rates[:4] / young[k : k + 4].sum() for k in (0, 4)]
    assert crude[0] < 0.5 * crude[1]
    for level in ("a", "b", "all"):
        assert found.loc["pooled", level, "recorded over expected"]["estimate"] == pytest.approx(0.7, abs=0.005)


def test_two_ratios_to_expectation_are_never_set_against_each_other():
    """Pitfall: two groups alike at every age and sex have different ratios, for each is with the expectation of its own people.

    The excess is among the young, and one group is younger. Standardised directly the two are equal; the results hold no
    comparison of the ratios, nor does any figure of the study show them beside each other.
    """
    people = np.array([8000, 500, 8000, 500, 1000, 4000, 1000, 4000])
    shares = np.tile([0.2, 0.6, 0.4, 0.5], 2)  # twice the given rates below 65, and equal to them above
    table = released(people, (people * shares).astype(int), "s")
    found = results(cells(table), "s")
    ratios = [found.loc["pooled", level, "recorded over expected"]["estimate"] for level in "ab"]
    assert ratios[0] / ratios[1] > 1.3, "or nobody would be misled"
    weights = people[:4] + people[4:]
    direct = [np.average(part["cases"] / part["people"], weights=weights) for _, part in table.groupby("group")]
    assert direct[0] == pytest.approx(direct[1])
    assert set(found["comparator"].dropna()) == {"given rates"}
    assert set(found.index.get_level_values("measure")) == {"recorded over expected", "expected and not recorded"}
    for study in (Study.read(path) for path in sorted(CONFIG.glob("study*.yaml"))):
        drawn = [figure for entry in study.analyses.values() for figure in entry.figures.values()]
        assert not [f for f in drawn if "recorded over expected" in str(f.model_extra)]
    page = (CONFIG.parent / "reports" / "core20plus5_profile.qmd").read_text("utf-8")
    assert "the lines are not compared with each other" in page


def test_a_withheld_number_is_neither_nought_nor_forgotten():
    one, two = released(PEOPLE, CASES, "s"), released(PEOPLE // 2, CASES // 3, "t")
    cases_gone = results(cells(one, two, hide=(("t", "a", "M", "65+", "cases"),)), "s", "t")
    row, whole = cases_gone.loc["pooled", "a", "recorded over expected"], results(cells(one, two), "s", "t")
    assert row["bound_lower"] < row["estimate"] < row["bound_upper"] and row["withheld_share"] > 0
    assert row["bound_lower"] > 0.9 * whole.loc["pooled", "a", "recorded over expected"]["estimate"]
    people_gone = results(cells(one, two, hide=(("t", "a", "M", "65+", "people"),)), "s", "t")
    assert people_gone.loc["pooled", "a", "recorded over expected"]["sites"] == ["s"]
    assert people_gone.loc["pooled", "b", "recorded over expected"]["sites"] == ["s", "t"]
    assert people_gone.loc["site:t", "a", "recorded over expected"]["reason"] == "too much is withheld"
    assert people_gone.loc["pooled", "all", "recorded over expected"]["sites"] == ["s"]


def test_where_much_is_withheld_only_bounds_are_given():
    few = np.full(8, 100)
    hidden = tuple(("s", "a", s, a, "cases") for s in "FM" for a in ("18-64", "65+"))
    row = results(cells(released(few, few // 12, "s"), hide=hidden), "s").loc["pooled", "a", "recorded over expected"]
    assert row["reason"] == "too much is withheld" and np.isnan(row["estimate"]) and row["bound_lower"] < row["bound_upper"]
    one_cell = released(PEOPLE, np.array([80, 8, 120, 60, 150, 500, 400, 330]), "s")
    row = results(cells(one_cell, hide=(("s", "a", "F", "65+", "cases"),)), "s").loc["pooled", "a", "recorded over expected"]
    assert row["estimate"] * 455 == pytest.approx(80 + 5.5 + 120 + 60)  # 455 are expected; the middle of 1 to 10


def test_limits_cover_a_planted_ratio():
    rng, inside, truth = np.random.default_rng(5), 0, 0.65
    people, rates = np.full(8, 300), np.tile([0.02, 0.05, 0.03, 0.04], 2)
    wide = SETTINGS | {"rates": {"F": [0.02, 0.05], "M": [0.03, 0.04]}}
    for _ in range(200):
        table = cells(released(people, rng.binomial(people, truth * rates), "s"))
        rows = pd.DataFrame(recorded_expected(table, DECLARED, wide, {"pooled": ["s"]}))
        row = rows[(rows["level"] == "all") & (rows["measure"] == "recorded over expected")].iloc[0]
        inside += row["lower"] <= truth <= row["upper"]
    assert 183 <= inside <= 199  # 95 %, slightly more for a share than for events


@pytest.mark.parametrize("rates, said", [
    ({"F": [0.1, 0.2]}, "one rate for each sex"), ({"F": [0.1], "M": [0.1]}, "one rate for each sex"),
    ({"F": [0.1, 20], "M": [0.1, 0.2]}, "no share of people"),
])  # fmt: skip
def test_rates_that_do_not_fit_are_refused_when_the_protocol_is_read(rates, said):
    from shared_code.config.steps import step_faults

    dimensions = {name: spec.model_dump() for name, spec in DECLARED.dimensions.items()}
    step = {"method": "recorded_expected", "table": "x", **SETTINGS, "rates": rates}
    assert [said in str(fault) for fault in step_faults(("pooled",), step, dimensions)] == [True]
    assert not list(step_faults(("pooled",), step | {"rates": RATES}, dimensions))
