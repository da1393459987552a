"""Pooling sums of sites equals one analysis of everybody: written out again here, from the rows of all people."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

Z = stats.norm.ppf(0.975)
ESP_BELOW = {"0-39": 47_000, "40-64": 33_500, "65+": 19_500}  # European Standard Population 2013
NUMBERS = ["estimate", "lower", "upper", "se", "people", "events", "person_years", "bound_lower", "bound_upper"]


def wilson(x: float, n: float) -> tuple[float, float, float]:
    p = x / n
    half = Z * np.sqrt(Z**2 + 4 * x * (1 - p))
    return p, (2 * x + Z**2 - half) / (2 * (n + Z**2)), (2 * x + Z**2 + half) / (2 * (n + Z**2))


def standardised(people: pd.DataFrame, item: str) -> tuple[float, float, float, float]:
    """Weighted mean of the proportions by sex and age, with the interval of the effective sample size."""
    sexes = people["sex"].nunique()
    p = people.groupby(["sex", "age"])[item].mean()
    n = people.groupby(["sex", "age"])[item].size()
    w = p.index.get_level_values("age").map(ESP_BELOW).to_numpy() / 100_000 / sexes
    value, variance = float((w * p).sum()), float((w**2 * p * (1 - p) / n).sum())
    size = value * (1 - value) / variance
    return *wilson(value * size, size), np.sqrt(variance)


def slope(populations: list[float], values: list[float], errors: list[float]) -> tuple[float, float]:
    """Least squares of root-a times y on root-a and root-a times rank."""
    a = np.array(populations) / sum(populations)
    rank = np.cumsum(a) - a / 2
    x = np.column_stack([np.sqrt(a), rank * np.sqrt(a)])
    to_coefficients = np.linalg.inv(x.T @ x) @ x.T @ np.diag(np.sqrt(a))
    return float((to_coefficients @ values)[1]), float(np.sqrt((to_coefficients[1] ** 2 * np.square(errors)).sum()))


def close(row: pd.Series, expected: tuple, scale: float = 1.0) -> None:
    np.testing.assert_allclose(row[["estimate", "lower", "upper"]].astype(float), np.array(expected[:3]) * scale, rtol=1e-8)


@pytest.mark.parametrize(("seed", "sites", "empty"), [(1, 1, None), (2, 2, 1), (3, 3, None), (4, 4, 2), (5, 5, None)])
def test_prevalence(network, counted, draw_people, one, seed, sites, empty):
    """People split at random over one to five sites, one of them empty; the last site lacks areas."""
    people = draw_people(seed, sites, empty=empty)
    net = network()
    net.study = net.study.model_copy(update={"fewest_sites": 1})
    lacks = sites - 1 if sites > 1 and empty != sites - 1 else None
    for site in range(sites):
        net.send(f"s{site}", ill=counted(people[people["site"] == site], areas=site != lacks))
    results = net.pool()
    with_areas = people[people["site"] != lacks]
    for item in ("asthma", "stroke"):
        pooled = {"scope": "pooled", "item": item}
        close(one(results, **pooled, measure="crude prevalence", level="everyone"), wilson(people[item].sum(), len(people)), 100)
        close(one(results, **pooled, measure="standardised prevalence", level="everyone"), standardised(people, item), 100)
        for sex in ("F", "M"):
            own = people[people["sex"] == sex]
            close(one(results, **pooled, measure="standardised prevalence", group="sex", level=sex), standardised(own, item), 100)
        values = {}
        for area in "12345":
            own = with_areas[with_areas["area"] == area]
            values[area] = standardised(own, item)
            row = one(results, **pooled, measure="standardised prevalence", group="area", level=area)
            close(row, values[area], 100)
            assert row["people"] == len(own)
            assert row["events"] == own[item].sum()
            crude = wilson(own[item].sum(), len(own))
            close(one(results, **pooled, measure="crude prevalence", group="area", level=area), crude, 100)
        for area in "1234":
            row = one(results, **pooled, measure="standardised ratio", group="area", level=area)
            ratio = values[area][0] / values["5"][0]
            error = np.hypot(values[area][3] / values[area][0], values["5"][3] / values["5"][0])
            close(row, (ratio, ratio * np.exp(-Z * error), ratio * np.exp(Z * error)))
            assert row["comparator"] == "5"
        size = [int((with_areas["area"] == area).sum()) for area in "12345"]
        line, error = slope(size, [v[0] for v in values.values()], [v[3] for v in values.values()])
        row = one(results, **pooled, measure="slope index", group="area")
        close(row, (line, line - Z * error, line + Z * error), 100)


def chiang(deaths: np.ndarray, years: np.ndarray, widths: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Life table, interval by interval, as in a textbook: expectations and standard errors at the start of each."""
    rate = deaths / years
    alive, lived, variance_q = [100_000.0], [], []
    for m, d, n in zip(rate[:-1], deaths[:-1], widths):
        q = n * m / (1 + n * 0.5 * m)
        variance_q.append(q**2 * (1 - q) / d if d else 0.0)
        alive.append(alive[-1] * (1 - q))
        lived.append(n * (alive[-1] + 0.5 * (alive[-2] - alive[-1])))
    lived.append(alive[-1] / rate[-1])
    expectation = np.array([sum(lived[i:]) / alive[i] for i in range(len(alive))])
    errors = []
    for x in range(len(alive)):
        total = alive[-1] ** 2 / (deaths[-1] * rate[-1] ** 2)
        for i in range(x, len(alive) - 1):
            total += alive[i] ** 2 * (0.5 * widths[i] + expectation[i + 1]) ** 2 * variance_q[i]
        errors.append(np.sqrt(total) / alive[x])
    return expectation, np.array(errors)


def mortality(seed: int, sites: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    cells = pd.MultiIndex.from_product(
        [range(sites), list("123"), list("FM"), ["0-39", "40-64", "65+"]], names=["site", "decile", "sex", "age"]
    ).to_frame(index=False)
    years = rng.uniform(3000, 9000, len(cells)) * (cells["site"] != sites - 1)  # nobody lives at the last site
    rate = cells["age"].map({"0-39": 0.002, "40-64": 0.008, "65+": 0.05})
    deaths = rng.poisson(rate * years)
    return cells.assign(people=deaths, events=deaths, events_squared=deaths, person_days=years * 365.25)


@pytest.mark.parametrize(("seed", "sites"), [(1, 2), (2, 4), (3, 5)])
def test_life_expectancy(network, one, seed, sites):
    table = mortality(seed, sites)
    net = network("life")
    net.study = net.study.model_copy(update={"fewest_sites": 1})
    wards = pd.DataFrame({"ward": ["W"], "sex": ["F"], "term": ["e0"], "estimate": [80.0], "se": [1.0], "people": [50],
                          "person_days": [1e7]})  # fmt: skip
    for site in range(sites):
        net.send(f"s{site}", deciles=table[table["site"] == site].drop(columns="site"), wards=wards)
    results = net.pool()
    summed = table.groupby(["sex", "decile", "age"])[["events", "person_days"]].sum()
    for sex in "FM":
        found: dict[int, list] = {0: [], 65: []}
        for decile in "123":
            own = summed.loc[sex, decile]
            years = own["person_days"].to_numpy() / 365.25
            expectation, errors = chiang(own["events"].to_numpy(float), years, [40, 25])
            for age, at in ((0, 0), (65, 2)):
                row = one(results, scope="pooled", measure="life expectancy", item=f"e{age}", level=decile, sex=sex)
                e, se = expectation[at], errors[at]
                close(row, (e, e - Z * se, e + Z * se))
                assert row["events"] == own["events"].sum()
                found[age].append((years.sum(), e, se))
        for age in (0, 65):
            line, error = slope(*map(list, zip(*found[age])))
            row = one(results, scope="pooled", measure="slope index", item=f"e{age}", sex=sex)
            close(row, (line, line - Z * error, line + Z * error))


def test_the_order_and_names_of_sites_are_irrelevant(network, counted, draw_people):
    people = draw_people(7, 4)
    tables = []
    for order in ([0, 1, 2, 3], [2, 0, 3, 1]):
        net = network(threshold=10, rounding=5)
        for name, site in enumerate(order):
            net.send(f"s{name}", ill=counted(people[people["site"] == site]))
        results = net.pool()
        tables.append(results[results["scope"] == "pooled"].reset_index(drop=True))
    assert len(tables[0])
    pd.testing.assert_frame_equal(tables[0][NUMBERS], tables[1][NUMBERS], check_exact=True)


def test_a_site_with_nobody_changes_nothing(network, counted, draw_people):
    people = draw_people(8, 3)
    tables = []
    for sites in (3, 4):
        net = network(threshold=10, rounding=5)
        for site in range(sites):
            net.send(f"s{site}", ill=counted(people[people["site"] == site]))
        results = net.pool()
        tables.append(results[results["scope"] == "pooled"].reset_index(drop=True))
    pd.testing.assert_frame_equal(tables[0][NUMBERS], tables[1][NUMBERS], check_exact=True)
    assert not tables[1]["sites"].str.contains("s3").any()
    assert tables[1]["sites_without"].str.contains("s3").all()


def test_reading_the_releases_again_gives_the_same_results(network, counted, draw_people):
    people = draw_people(9, 2)
    net = network(threshold=10, rounding=5)
    for site in range(2):
        net.send(f"s{site}", ill=counted(people[people["site"] == site]))
    written = []
    for _ in range(2):
        net.pool()
        written.append({p.relative_to(net.target).as_posix(): p.read_bytes() for p in net.target.rglob("*.csv")})
    assert written[0] == written[1]
    assert set(written[0]) == {
        "results.csv", "sites.csv", "notes.csv", "contradictions.csv", "deviations.csv", "cells/illness.ill.csv"}
