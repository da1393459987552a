"""Fits to counts known only between limits: against brute force, in the tails, at the edges, and over repetitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import binom, poisson

from shared_code import methods as m
from shared_code.methods.exponential_families import BINOMIAL, POISSON, truncated_moments

steady = settings(deadline=None, database=None, derandomize=True, max_examples=50)


def log_likelihood(value, lower, upper, size, proportion):
    total = 0.0
    for low, high, n in zip(lower, upper, size, strict=True):
        if n > 0:
            j = np.arange(low, high + 1)
            total += logsumexp(binom.logpmf(j, n, value) if proportion else poisson.logpmf(j, n * value))
    return total


@st.composite
def small_cells(draw):
    """Draw one site with an exact count and up to 4 with interval or exact ones, away from the edges."""
    size = draw(st.lists(st.integers(20, 3000), min_size=2, max_size=5))
    limits = [(draw(st.integers(1, 18)),) * 2]
    for n in size[1:]:
        low = draw(st.integers(1, 15))
        limits.append((low, min(n - 1, low + draw(st.sampled_from([0, 0, 4, 8, 60])))))
    lower, upper = np.array(limits).T
    return lower, upper, np.array(size)


@steady
@given(small_cells())
@pytest.mark.parametrize("proportion", [False, True])
def test_the_fit_is_where_brute_force_finds_it(proportion, cell):
    lower, upper, size = cell
    fit = (m.censored_proportion if proportion else m.censored_rate)(lower, upper, size)
    centre = float(fit.estimate)
    span = (lower.sum() / size.sum() * 0.9, min(upper.sum() / size.sum() * 1.1, 1 - 1e-9))
    found = minimize_scalar(
        lambda r: -log_likelihood(r, lower, upper, size, proportion), bounds=span, method="bounded",
        options={"xatol": 1e-12},
    )  # fmt: skip
    top = log_likelihood(centre, lower, upper, size, proportion)
    assert top >= -found.fun - 1e-9
    np.testing.assert_allclose(centre, found.x, rtol=1e-5)
    h = 0.02 * fit.se
    right, left = (log_likelihood(r, lower, upper, size, proportion) for r in (centre + h, centre - h))
    assert -(h**2) / (right - 2 * top + left) == pytest.approx(fit.variance, rel=5e-3)
    unit = fit.estimate * (1 - fit.estimate) if proportion else fit.estimate**2
    assert fit.effective == pytest.approx(unit / fit.variance, rel=1e-9)


@steady
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(500, 9000)), min_size=1, max_size=6))
def test_exact_counts_give_the_pooled_value_exactly(sites):
    x, n = np.array(sites, dtype=float).T
    rate, proportion = m.censored_rate(x, x, n), m.censored_proportion(x, x, n)
    assert rate.estimate == x.sum() / n.sum() and rate.effective == x.sum()
    assert rate.variance == pytest.approx(x.sum() / n.sum() ** 2, rel=1e-12)
    assert proportion.estimate == x.sum() / n.sum() and proportion.effective == n.sum()
    p = proportion.estimate
    assert proportion.variance == pytest.approx(p * (1 - p) / n.sum(), rel=1e-12)
    limits, wilson = m.poisson_interval(x.sum()), m.wilson(x.sum(), n.sum())
    np.testing.assert_allclose([rate.lower, rate.upper], np.array([limits.lower, limits.upper]) / n.sum(), rtol=1e-12)
    np.testing.assert_allclose([proportion.lower, proportion.upper], [wilson.lower, wilson.upper], rtol=1e-9, atol=1e-12)
    assert not rate.at_edge and rate.iterations == 0 and rate.converged


@steady
@given(small_cells())
def test_the_fit_lies_between_the_bounds_and_knows_less_than_exact_counts(cell):
    lower, upper, size = cell
    edges = m.bounds(lower, upper, size)
    rate, proportion = m.censored_rate(lower, upper, size), m.censored_proportion(lower, upper, size)
    for fit in (rate, proportion):
        assert edges.lower - 1e-12 <= fit.estimate <= edges.upper + 1e-12
        assert fit.lower < fit.estimate < fit.upper
    assert rate.effective <= rate.estimate * size.sum() * (1 + 1e-9)
    assert proportion.effective <= size.sum() * (1 + 1e-9)


@pytest.mark.parametrize(
    ("family", "x", "size", "lower", "upper"),
    [
        (POISSON, -20.0, 1.0, 300, 400),  # probabilities below the smallest number
        (POISSON, 9.0, 1.0, 1, 9),
        (POISSON, 5.0, 1.0, 100, 200),
        (POISSON, 2.0, 30.0, 0, 100000),
        (POISSON, 8.0, 10.0, 29000, 30500),
        (BINOMIAL, -15.0, 900.0, 300, 900),
        (BINOMIAL, 12.0, 900.0, 1, 9),
        (BINOMIAL, 0.3, 5000.0, 0, 5000),
    ],
)
def test_truncated_moments_hold_in_the_tails(family, x, size, lower, upper):
    mean, variance = truncated_moments(
        family, np.array([x]), np.array([size]), np.array([float(lower)]), np.array([float(upper)])
    )
    j = np.arange(lower, upper + 1)
    log_p = poisson.logpmf(j, size * np.exp(x)) if family is POISSON else binom.logpmf(j, size, 1 / (1 + np.exp(-x)))
    p = np.exp(log_p - logsumexp(log_p))
    p /= p.sum()
    np.testing.assert_allclose(mean[0], (j * p).sum(), rtol=1e-8)
    np.testing.assert_allclose(variance[0], ((j - (j * p).sum()) ** 2 * p).sum(), rtol=1e-6, atol=1e-12)


def test_sites_that_disagree_wildly_still_converge():
    fit = m.censored_rate([0, 100], [0, 200], [1e6, 1.0])
    score = -fit.estimate * (1e6 + 1) + 100  # almost surely the second count is its lower limit
    assert abs(score) < 0.1 and fit.converged
    assert m.censored_proportion([0, 99], [0, 100], [10**6, 100]).estimate == pytest.approx(99 / (10**6 + 100), rel=1e-4)


def test_upper_limits_may_be_large_or_missing():
    known, wide = m.censored_rate([50, 1], [50, 9], [1000, 90]), m.censored_rate([50, 1], [50, 10**6], [1000, 90])
    endless = m.censored_rate([50, 1], [50, np.inf], [1000, 90])
    np.testing.assert_allclose(wide.estimate, endless.estimate, rtol=1e-10)
    assert known.effective > endless.effective > 50 * 0.99
    np.testing.assert_allclose(
        m.censored_proportion([50, 1], [50, 10**6], [1000, 90]).estimate,
        m.censored_proportion([50, 1], [50, 90], [1000, 90]).estimate,
    )


def test_cells_at_an_edge():
    zero = m.censored_rate([[0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 7, 0]], [[100, 100, np.nan], [50, 50, np.nan]])
    np.testing.assert_array_equal(zero.estimate, [0, 0, np.nan])
    np.testing.assert_array_equal(zero.variance, [0, np.nan, np.nan])
    np.testing.assert_array_equal(zero.effective, [0, np.nan, np.nan])
    assert zero.at_edge.tolist() == [False, True, False] and zero.sites.tolist() == [2, 2, 0]
    assert zero.converged.tolist() == [True, True, False]
    assert zero.upper[0] == m.poisson_interval(0).upper / 150 and zero.upper[1] == m.poisson_interval(7).upper / 150
    part = m.censored_proportion([[0, 3, 5, 0]], [[4, 9, 5, 0]], [[20, 9, 5, 30]])
    assert part.estimate.tolist() == [0, 1, 1, 0] and part.at_edge.tolist() == [True, True, False, False]
    assert part.lower[1] == m.wilson(3, 9).lower and part.upper[0] == m.wilson(4, 20).upper
    assert part.effective[2:].tolist() == [5, 30] and np.isnan(part.effective[:2]).all()


def test_cells_that_say_nothing_are_named():
    with pytest.raises(m.ConvergenceError, match=r"no count in the cell has an upper limit in cell \(1, 0\)") as caught:
        m.censored_rate([[[5, 5], [3, 5]]], [[[5, 5], [np.inf, 5]]], np.ones((1, 2, 2)))
    assert caught.value.cells == ((1, 0),)
    with pytest.raises(m.ConvergenceError, match=r"nobody to everybody in cell \(1,\)"):
        m.censored_proportion([[3, 0]], [[9, 30]], [[50, 30]])
    with pytest.raises(m.ConvergenceError, match=r"too far apart in cell \(0,\)"):
        m.censored_rate([[1]], [[10**6]], [[10.0]])
    with pytest.raises(m.ConvergenceError, match="too far apart in this cell"):
        m.censored_proportion([1], [59], [60])
    with pytest.raises(m.ConvergenceError, match="after 2 iterations") as caught:
        m.censored_rate([[4, 140], [1, 1]], [[4, 140], [9, 9]], np.full((2, 2), 1e3), max_iterations=2)
    assert (0,) in caught.value.cells


@pytest.mark.parametrize(
    ("lower", "upper", "size", "message"),
    [
        ([5], [4], [10], "above its upper limit"),
        ([np.nan], [4], [10], "limit is missing"),
        ([1], [np.nan], [10], "limit is missing"),
        ([0.5], [4], [10], "not whole"),
        ([1], [4], [-1], "below zero"),
        ([1], [4], [0], "without exposure"),
        (1, 4, 10, "no axis of sites"),
    ],
)
@pytest.mark.parametrize("fit", [m.censored_rate, m.censored_proportion, m.bounds])
def test_unusable_limits_are_refused(fit, lower, upper, size, message):
    with pytest.raises(ValueError, match=message):
        fit(lower, upper, size)


def test_more_cases_than_people_are_refused():
    with pytest.raises(ValueError, match="exceed the people"):
        m.censored_proportion([12], [15], [10])


def test_bounds_say_how_much_is_uncertain():
    result = m.bounds([[10, 1], [5, 0]], [[10, 9], [5, 0]], [[100, 20], [50, np.nan]])
    np.testing.assert_allclose(result.lower, [0.1, 0.05])
    np.testing.assert_allclose(result.upper, [0.1, 0.45])
    np.testing.assert_array_equal(result.uncertain_share, [0, 1])


def test_thousands_of_cells_equal_one_at_a_time():
    rng = np.random.default_rng(7)
    exposure = np.floor(rng.uniform(20, 5000, (4, 3000)))
    exposure[rng.random(exposure.shape) < 0.1] = np.nan
    count = rng.poisson(np.nan_to_num(exposure) * np.exp(rng.normal(-5, 1, 3000)))
    few = (count > 0) & (count < 10)
    lower, upper = np.where(few, 1, count), np.where(few, 9, count)
    together = m.censored_rate(lower, upper, exposure)
    for cell in range(0, 3000, 150):
        alone = m.censored_rate(lower[:, cell], upper[:, cell], exposure[:, cell])
        for name in ("estimate", "variance", "upper"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(together, name)[cell])


def test_the_interval_covers_and_substitutes_are_biased():
    """Repeat 8,000 federations of six sites of which about half withhold a count of 1 to 9."""
    rng = np.random.default_rng(20260102)
    exposure = np.array([4000, 3000, 1500, 900, 800, 700.0])[:, None] * np.ones(8000)
    true_rate = 0.006
    count = rng.poisson(true_rate * exposure)
    few = (count > 0) & (count < 10)
    fit = m.censored_rate(np.where(few, 1, count), np.where(few, 9, count), exposure)
    assert 0.4 < few.mean() < 0.7
    covered = np.mean((fit.lower <= true_rate) & (true_rate <= fit.upper))
    assert 0.94 <= covered <= 0.965  # Monte-Carlo standard error 0.0024
    ratio = fit.estimate.mean() / true_rate
    assert abs(ratio - 1) < 0.01
    assert np.where(few, 0, count).sum() / exposure.sum() < 0.85 * true_rate
    assert np.var(fit.estimate) == pytest.approx(fit.variance.mean(), rel=0.06)
