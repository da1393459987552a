"""Counts in ranges with known totals: equal to brute force in small cases, unbiased where zero-filling and dropping fail."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from shared_code import methods
from shared_code.methods.completion import Totals, completed_proportions, completed_rates, information
from shared_code.methods.exponential_families import POISSON


def test_without_totals_it_is_the_censored_likelihood():
    n = np.array([[21000, 900], [14500, 400], [1900, 700]])
    low, high = np.array([[140, 1], [88, 12], [1, 0]]), np.array([[140, 9], [88, 12], [9, 0]])
    mine, other = completed_proportions(n, low, high), methods.censored_proportion(low, high, n)
    np.testing.assert_allclose(mine.estimate, other.estimate, rtol=1e-4)
    p = mine.estimate
    variance = (p * (1 - p)) ** 2 / information(mine, n)
    np.testing.assert_allclose(variance, other.variance, rtol=1e-3)


def test_exact_counts_are_left_alone():
    fit = completed_rates([[100.0, 50.0]], [[3, 0]], [[3, 0]], [Totals([0, 0], [[3]], [[3]])])
    assert fit.expected.tolist() == [[3, 0]] and fit.missing.tolist() == [0, 0]
    np.testing.assert_allclose(fit.estimate, [0.03, 0])


def test_a_known_total_leaves_nothing_unknown_of_the_last_cell():
    fit = completed_rates([[100.0, 100.0]], [[4, 1]], [[4, 9]], [Totals([0, 0], [[11]], [[11]])])
    assert fit.expected[0, 1] == pytest.approx(7, abs=1e-3)
    assert fit.missing[1] < 0.02


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.5, 6.0), min_size=3, max_size=3), st.integers(6, 15))
def test_expected_counts_are_near_the_exact_conditional_means(means, total):
    """Brute force over all tables that fit: cells 1..9, the given total."""
    exact = np.zeros(3)
    weight = 0.0
    for cells in product(range(1, 10), repeat=3):
        if sum(cells) == total:
            w = np.prod(poisson.pmf(cells, means))
            exact += w * np.array(cells)
            weight += w
    exact /= weight
    # one site whose rates are pinned by an enormous second site, so that only the expectation step is compared
    size = 1e9
    low = np.vstack([[1, 1, 1], np.round(np.array(means) * size)])
    high = np.vstack([[9, 9, 9], np.round(np.array(means) * size)])
    fit = completed_rates(np.vstack([np.ones(3), np.full(3, size)]), low, high,
                          [Totals([0, 0, 0], [[total], [np.nan]], [[total], [np.nan]])])  # fmt: skip
    assert fit.expected[0].sum() == pytest.approx(total, abs=0.01)
    np.testing.assert_allclose(fit.expected[0], exact, atol=0.45)  # the tilted counts are an approximation


def test_a_total_alone_says_nothing_about_how_its_cells_share_it():
    fit = completed_rates([[100.0, 100.0]], [[0, 0]], [[50, 50]], [Totals([0, 0], [[50]], [[50]])])
    np.testing.assert_allclose(fit.expected, [[25, 25]], atol=0.01)
    assert (fit.missing > 0.95 * 25).all()


def simulate(rng: np.random.Generator, rate: np.ndarray, size: np.ndarray, threshold: int = 10) -> dict[str, np.ndarray]:
    """Sites by levels; counts below the threshold are withheld, totals over the levels are exact."""
    x = rng.poisson(rate * size)
    small = (x > 0) & (x < threshold)
    low, high = np.where(small, 1, x), np.where(small, threshold - 1, x)
    total = x.sum(axis=1, keepdims=True)
    shown = (total == 0) | (total >= threshold)
    known = Totals(np.zeros(x.shape[1], int), np.where(shown, total, np.nan), np.where(shown, total, np.nan))
    fit = completed_rates(size, low, high, [known])
    with_totals = fit.estimate
    z = (np.log(fit.estimate) - np.log(rate)) * np.sqrt(information(fit, size, POISSON))
    zero = np.where(small, 0, x).sum(axis=0) / size.sum(axis=0)
    dropped = np.full(len(rate), np.where(small, 0, x).sum() / np.where(small, 0, size).sum())
    return {"truth": rate, "completed": with_totals, "zero": zero, "dropped": dropped, "z": z}


def test_sparse_tables_are_estimated_without_bias_where_zero_filling_and_dropping_fail():
    """Five sites, ten levels with 1 to 20 events expected in each: most cells are withheld."""
    rng = np.random.default_rng(7)
    rate = np.linspace(2, 12, 10) / 1000
    size = rng.uniform(500, 1500, (5, 1)) * np.ones(10)
    runs = [simulate(rng, rate, size) for _ in range(150)]
    bias = {name: np.mean([r[name].sum() / r["truth"].sum() - 1 for r in runs]) for name in ("completed", "zero", "dropped")}
    steep = np.mean([np.polyfit(rate, r["completed"], 1)[0] for r in runs])
    assert abs(bias["completed"]) < 0.02, bias
    assert bias["zero"] < -0.2 and bias["dropped"] > 0.1, bias
    assert steep == pytest.approx(1, abs=0.12)
    z = np.concatenate([r["z"] for r in runs])
    assert 0.93 <= np.mean(np.abs(z) < 1.96) <= 0.985, np.mean(np.abs(z) < 1.96)


def test_a_range_upside_down_is_refused():
    with pytest.raises(ValueError, match="upside down"):
        completed_rates([[1.0]], [[5]], [[3]])
