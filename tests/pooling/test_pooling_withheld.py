"""Withheld and rounded numbers: the truth lies within the bounds, and withheld is never nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

ESP = {"0-39": 0.47, "40-64": 0.335, "65+": 0.195}


def truth(people: pd.DataFrame, item: str) -> tuple[float, float]:
    """Crude and standardised percentages, from the rows of all people."""
    rates = people.groupby(["sex", "age"])[item].mean()
    weights = rates.index.get_level_values("age").map(ESP).to_numpy() / people["sex"].nunique()
    return 100 * people[item].mean(), 100 * float((weights * rates).sum())


@pytest.mark.parametrize(("threshold", "rounding"), [(10, 5), (10, 1), (15, 10), (3, 3)])
@pytest.mark.parametrize("seed", [11, 12])
def test_the_truth_lies_within_the_bounds(network, counted, draw_people, seed, threshold, rounding):
    people = draw_people(seed, 3, number=6000)
    net = network(threshold=threshold, rounding=rounding)
    for site in range(3):
        net.send(f"s{site}", ill=counted(people[people["site"] == site]))
    results = net.pool()
    results = results[results["measure"].isin(["crude prevalence", "standardised prevalence"])]
    checked = given = 0
    for row in results[results["scope"] == "pooled"].to_dict("records"):
        own = people if row["level"] == "everyone" else people[people[row["group"]] == row["level"]]
        true = truth(own, row["item"])[row["measure"] == "standardised prevalence"]
        assert row["bound_lower"] - 1e-7 <= true <= row["bound_upper"] + 1e-7, row  # results keep ten digits
        checked += 1
        if np.isnan(row["estimate"]):
            assert row["reason"] == "too much is withheld" and row["withheld_share"] > 0.8, row
            continue
        given += 1
        assert row["bound_lower"] - 1e-7 <= row["estimate"] <= row["bound_upper"] + 1e-7, row
    assert given > 6
    assert checked == 2 * 2 * (1 + 6 + 2)  # measures, items, everyone and areas and sexes
    if threshold >= 10:
        assert (results["withheld_share"] > 0).any()


def test_bounds_of_everything_known_are_the_estimate(network, counted, draw_people, one):
    people = draw_people(14, 2)
    net = network()
    for site in range(2):
        net.send(f"s{site}", ill=counted(people[people["site"] == site]))
    results = net.pool()
    for measure in ("crude prevalence", "standardised prevalence"):
        row = one(results, scope="pooled", measure=measure, level="everyone", item="asthma")
        np.testing.assert_allclose([row["bound_lower"], row["bound_upper"]], row["estimate"], rtol=1e-9)
        assert row["withheld_share"] == 0


def one_cell(people: int, cases: int) -> pd.DataFrame:
    """All people of a site are women under 40; every other cell is a true zero."""
    cells = itertools.product(["asthma", "stroke"], "FM", ["0-39", "40-64", "65+"])
    table = pd.DataFrame(cells, columns=["item", "sex", "age"]).assign(area="all", town="all", people=0, cases=0)
    here = (table["sex"] == "F") & (table["age"] == "0-39")
    table.loc[here, "people"] = people
    table.loc[here & (table["item"] == "asthma"), "cases"] = cases
    return table


LAST = 19  # a withheld number of few people is published as 1 to twice the threshold - 1
SITES = {"a": (21_000, 140), "b": (14_500, 88), "c": (1_900, 7)}


@pytest.fixture
def pooled_cell(network, one) -> pd.Series:
    net = network(threshold=10, rounding=1)
    for name, (people, cases) in SITES.items():
        net.send(name, ill=one_cell(people, cases))
    return one(net.pool(), scope="pooled", measure="crude prevalence", level="everyone", item="asthma")


def test_a_withheld_number_is_neither_zero_nor_left_out(pooled_cell):
    """The case of T10.4 of the methods specification on the whole way, with the range that a release gives."""
    people = sum(n for n, _ in SITES.values())
    as_zero, without = 100 * 228 / people, 100 * 228 / (people - 1900)

    def surprise(p: float) -> float:
        known = sum(stats.binom.logpmf(x, n, p) for n, x in list(SITES.values())[:2])
        low, high = stats.binom.cdf([0, LAST], 1900, p)
        return -known - np.log(high - low)

    best = optimize.minimize_scalar(surprise, bounds=(0.001, 0.02), method="bounded", options={"xatol": 1e-12}).x
    np.testing.assert_allclose(pooled_cell["estimate"], 100 * best, rtol=1e-6)
    assert as_zero + 0.02 < pooled_cell["estimate"] < without
    assert pooled_cell["sites"] == "a; b; c"


def test_its_bounds_and_share_say_how_much_is_not_known(pooled_cell):
    people = sum(n for n, _ in SITES.values())
    np.testing.assert_allclose(pooled_cell["bound_lower"], 100 * (228 + 1) / people, rtol=1e-9)
    np.testing.assert_allclose(pooled_cell["bound_upper"], 100 * (228 + LAST) / people, rtol=1e-9)
    np.testing.assert_allclose(pooled_cell["withheld_share"], (LAST - 1) / (228 + LAST), rtol=1e-9)
    assert pooled_cell["lower"] < pooled_cell["bound_lower"]  # chance is another matter than what is withheld


def test_withheld_people_are_in_the_bounds_though_not_in_the_estimate(network, one):
    net = network(threshold=10, rounding=1)
    net.send("a", ill=one_cell(1000, 100))
    net.send("b", ill=one_cell(1000, 120))
    net.send("c", ill=one_cell(9, 9))
    row = one(net.pool(), scope="pooled", measure="crude prevalence", level="everyone", item="asthma")
    assert row["estimate"] == pytest.approx(11.0)
    assert row["bound_upper"] == pytest.approx(100 * (220 + LAST) / (2000 + LAST))
    assert row["bound_lower"] == pytest.approx(100 * 220 / (2000 + LAST))
    assert row["sites"] == "a; b"


def test_bounds_hold_every_number_at_its_worst(network, one):
    """200 of 2,000 rounded to 5: at least 198 of 2,002, at most 202 of 1,998."""
    net = network(threshold=10, rounding=5)
    for name in "ab":
        net.send(name, ill=one_cell(2000, 200))
    row = one(net.pool(), scope="pooled", measure="crude prevalence", level="everyone", item="asthma")
    np.testing.assert_allclose([row["bound_lower"], row["bound_upper"]], [19800 / 2002, 20200 / 1998], rtol=1e-9)


def test_a_true_zero_counts_as_zero(network, one):
    net = network(threshold=10, rounding=1)
    net.send("a", ill=one_cell(2000, 200))
    net.send("b", ill=one_cell(2000, 0))
    row = one(net.pool(), scope="pooled", measure="crude prevalence", level="everyone", item="asthma")
    assert row["estimate"] == pytest.approx(5.0)
    assert row["sites"] == "a; b"


def test_everything_withheld_gives_no_estimate_but_a_reason(network, one):
    net = network(threshold=10, rounding=1)
    net.send("a", ill=one_cell(12, 6))
    net.send("b", ill=one_cell(15, 8))
    results = net.pool()
    row = one(results, scope="pooled", item="asthma", measure="standardised prevalence", level="everyone")
    assert np.isnan(row["estimate"])
    assert row["reason"]


def deaths(rate: float, years: float) -> pd.DataFrame:
    cells = itertools.product(list("123"), list("FM"), ["0-39", "40-64", "65+"])
    table = pd.DataFrame(cells, columns=["decile", "sex", "age"])
    number = np.round(rate * years * table["age"].map({"0-39": 0.02, "40-64": 0.2, "65+": 2}))
    return table.assign(people=number, events=number, events_squared=number, person_days=years * 365.25)


WARD = pd.DataFrame({"ward": ["W", "V", "U"], "sex": ["F", "F", "F"], "term": ["e0"] * 3, "estimate": [80.0, 70.0, np.nan],
                     "se": [1.0, 2.0, np.nan], "people": [50, 3, 20], "person_days": [1e7, 1e7, 1e6]})  # fmt: skip


def test_life_expectancy_lies_between_its_bounds_and_withheld_deaths_are_deaths(network, one):
    """At one site few die under 40, so these deaths are withheld; the truth is known here."""
    sites = {"a": deaths(0.03, 9000), "b": deaths(0.03, 8000), "c": deaths(0.02, 8000)}
    exact, guarded = network("life"), network("life", threshold=10, rounding=5)
    for name, table in sites.items():
        for net in (exact, guarded):
            net.send(name, deciles=table, wards=WARD)
    truth, found = exact.pool(), guarded.pool()
    which = {"scope": "pooled", "measure": "life expectancy", "item": "e0", "level": "1", "sex": "F"}
    row, true = one(found, **which), one(truth, **which)
    assert row["bound_lower"] <= true["estimate"] <= row["bound_upper"]
    assert row["bound_lower"] < row["estimate"] < row["bound_upper"]
    assert row["withheld_share"] > 0
    assert true["bound_lower"] == true["estimate"] == true["bound_upper"]


def test_wards_are_listed_with_the_reason_where_there_is_no_number(network, one):
    net = network("life", threshold=10, rounding=5)
    for name in ("a", "b"):
        net.send(name, deciles=deaths(0.03, 9000), wards=WARD)
    results = net.pool()
    rows = {level: one(results, measure="estimate of the site", scope="site:a", level=level) for level in "WVU"}
    assert rows["W"]["estimate"] == 80.0
    np.testing.assert_allclose([rows["W"]["lower"], rows["W"]["upper"]], [80 - 1.959964, 80 + 1.959964], rtol=1e-6)
    assert np.isnan(rows["V"]["estimate"])
    assert rows["V"]["reason"] == "withheld: fewer people than the threshold"
    assert "could not compute it" in rows["U"]["reason"]
    assert not ((results["measure"] == "estimate of the site") & (results["scope"] == "pooled")).any()
