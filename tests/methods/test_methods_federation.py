"""Summing what sites send equals one analysis of everybody; the order of sites and empty sites change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code import methods as m

steady = settings(deadline=None, database=None, derandomize=True, max_examples=40)
EDGES = [0, 1, 15, 45, 65, 85]
BANDS = len(EDGES)


@st.composite
def populations(draw):
    """Draw people with age, follow-up, events and a site each; some of the 1 to 6 sites may be empty."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sites, size = draw(st.integers(1, 6)), draw(st.integers(200, 2000))
    age = np.concatenate([np.array(EDGES), rng.uniform(0, 100, size)])  # every band has somebody
    return {
        "site": rng.choice(rng.choice(sites, draw(st.integers(1, sites)), replace=False), age.size),
        "band": np.searchsorted(EDGES, age, side="right") - 1,
        "case": rng.random(age.size) < 0.05 + age / 150,
        "years": rng.uniform(5, 20, age.size),
        "events": rng.poisson(0.2 + age / 60),
        "sites": sites,
    }


def by_band(people, chosen, values):
    return np.bincount(people["band"][chosen], values[chosen].astype(float), BANDS)


def summed_over_sites(people, values):
    return sum(by_band(people, people["site"] == site, values) for site in range(people["sites"]))


def same(a, b):
    for name in ("estimate", "lower", "upper", "se"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-8)


@steady
@given(populations())
def test_federated_sums_equal_the_central_analysis(people):
    everyone = np.ones(people["band"].size)
    anybody = everyone.astype(bool)

    def both(values):
        return summed_over_sites(people, values), by_band(people, anybody, values)

    (n, n_all), (x, x_all), (t, t_all) = both(everyone), both(people["case"]), both(people["years"])
    (y, y_all), (y2, y2_all) = both(people["events"]), both(people["events"] ** 2)
    weights = m.standard_weights(EDGES)
    same(m.standardised_proportion(x, n, weights), m.standardised_proportion(x_all, n_all, weights))
    same(m.dobson_rate(y, t, weights, squares=y2), m.dobson_rate(y_all, t_all, weights, squares=y2_all))
    central = m.life_expectancy(x_all, t_all, EDGES, fewest_person_years=0)
    same(m.life_expectancy(x, t, EDGES, fewest_person_years=0), central)
    np.testing.assert_allclose(
        m.quantile_from_bins([*EDGES, 100], n, [0.1, 0.5, 0.9]),
        m.quantile_from_bins([*EDGES, 100], n_all, [0.1, 0.5, 0.9]),
        rtol=1e-8,
    )


@steady
@given(populations())
def test_the_central_standardised_proportion_is_the_mean_of_reweighted_people(people):
    n = by_band(people, people["band"] >= 0, np.ones(people["band"].size))
    x = by_band(people, people["band"] >= 0, people["case"])
    weights = m.standard_weights(EDGES, normalised=True)
    weight = (weights / n)[people["band"]]
    result = m.standardised_proportion(x, n, weights)
    np.testing.assert_allclose(result.estimate, np.average(people["case"], weights=weight), rtol=1e-12)


@steady
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_life_expectancy_of_merged_areas_comes_from_summed_bands(seed, areas):
    rng = np.random.default_rng(seed)
    person_years = rng.uniform(2000, 9000, (areas, BANDS))
    deaths = rng.poisson(person_years * [0.004, 0.0005, 0.002, 0.006, 0.02, 0.12]) + 1.0
    merged = m.life_expectancy(deaths.sum(axis=0), person_years.sum(axis=0), EDGES)
    # Person by person: the merged rate of a band is the mean of area rates weighted by person-years.
    rate = np.average(deaths / person_years, axis=0, weights=person_years)
    same(merged, m.life_expectancy(rate * person_years.sum(axis=0), person_years.sum(axis=0), EDGES))
    # Areas that differ in size only merge to the same expectancy, known better.
    sizes = rng.integers(1, 5, areas)[:, None]
    alike = m.life_expectancy((sizes * deaths[0]).sum(axis=0), (sizes * person_years[0]).sum(axis=0), EDGES)
    each = m.life_expectancy(deaths, person_years, EDGES)
    np.testing.assert_allclose(alike.estimate, each.estimate[0], rtol=1e-10)
    np.testing.assert_allclose(alike.se * np.sqrt(sizes.sum()), each.se[0], rtol=1e-10)
    one_by_one = [m.life_expectancy(d, p, EDGES) for d, p in zip(deaths, person_years, strict=True)]
    np.testing.assert_array_equal(each.estimate, [e.estimate for e in one_by_one])
    np.testing.assert_array_equal(each.se, [e.se for e in one_by_one])


@st.composite
def site_counts(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sites, cells = draw(st.integers(1, 6)), 7
    exposure = np.floor(rng.uniform(50, 4000, (sites, cells)))
    count = rng.poisson(exposure * np.exp(rng.normal(-4, 1, cells))).clip(max=exposure)
    low, high = np.where((count > 0) & (count < 10), 1, count), np.where((count > 0) & (count < 10), 9, count)
    return low, high, exposure, rng.permutation(sites)


@steady
@given(site_counts(), st.booleans())
@pytest.mark.parametrize("fit", [m.censored_rate, m.censored_proportion])
def test_censored_fits_ignore_the_order_of_sites_and_empty_sites(fit, counts, missing):
    low, high, exposure, order = counts
    as_given = fit(low, high, exposure)
    shuffled = fit(low[order], high[order], exposure[order])
    nobody = np.full((1, low.shape[1]), np.nan if missing else 0.0)
    with_empty = fit(*(np.concatenate([nobody, v, nobody]) for v in (low, high, exposure)))
    for name in ("estimate", "lower", "upper", "variance", "effective", "sites"):
        np.testing.assert_array_equal(getattr(as_given, name), getattr(shuffled, name))
        np.testing.assert_array_equal(getattr(as_given, name), getattr(with_empty, name))


@steady
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2)), min_size=1, max_size=6), st.randoms(use_true_random=False))
@pytest.mark.parametrize("method", ["reml", "dl", "pm"])
def test_meta_analysis_ignores_the_order_of_sites(method, sites, random):
    order = list(range(len(sites)))
    random.shuffle(order)
    y, v = np.array(sites).T
    first, second = m.random_effects(y, v, method), m.random_effects(y[order], v[order], method)
    for name in ("estimate", "se", "lower", "upper", "tau2", "tau2_upper", "q", "prediction_lower"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(first.weights[order], second.weights)
