"""Imputed counts meet their limits and totals, agree with the likelihood, and are unbiased where shortcuts are not."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from shared_code import methods as m
from shared_code.methods.completion import Totals


def test_draws_keep_what_is_known_and_repeat_with_the_seed():
    lower, upper = np.array([[40, 1, 0], [60, 1, 12.0]]), np.array([[40, 9, 0], [60, 9, 12.0]])
    size = np.array([[1e4, 1e3, 10], [1e4, 1e3, np.nan]])
    first, again = (m.imputed_counts(lower, upper, size, people=False, seed=3) for _ in range(2))
    other = m.imputed_counts(lower, upper, size, people=False, seed=4)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first[:, 0, 0] == 40).all() and np.isnan(first[:, 1, 2]).all()
    assert first[:, :, 1].min() >= 1 and first[:, :, 1].max() <= 9 and first.shape == (50, 2, 3)


def test_drawn_counts_with_a_total_follow_the_exact_joint_distribution():
    """Three withheld counts of 1 to 9 that sum to 12, against an enumeration of all triples."""
    size = np.array([[1000.0, 2000.0, 3000.0], [50_000.0, 50_000.0, 50_000.0]])
    lower, upper = np.array([[1, 1, 1], [100, 100, 100.0]]), np.array([[9, 9, 9], [100, 100, 100.0]])
    totals = Totals(of=[0, 0, 0], lower=[[12], [300]], upper=[[12], [300]])
    counts = m.imputed_counts(lower, upper, size, people=False, totals=totals, draws=4000)[:, 0]
    assert (counts.sum(axis=1) == 12).all()
    weights = {}
    for triple in product(range(1, 10), repeat=3):
        if sum(triple) == 12:
            weights[triple] = np.prod(stats.poisson.pmf(triple, 0.002 * size[0]))
    expected = np.average(list(weights), axis=0, weights=list(weights.values()))
    np.testing.assert_allclose(counts.mean(axis=0), expected, atol=0.1)  # Monte-Carlo error 0.03
    with pytest.raises(ValueError, match="cannot meet their total"):
        m.imputed_counts(lower, upper, size, people=False, totals=Totals(of=[0, 0, 0], lower=[[2], [0]], upper=[[2], [999]]))


def test_rubins_rules():
    rng = np.random.default_rng(1)
    y, v = rng.normal(0, 0.3, 20), rng.uniform(0.01, 0.02, 20)
    found = m.combined(y, v)
    between = y.var(ddof=1) * 21 / 20
    assert found.se**2 == pytest.approx(v.mean() + between) and found.missing_share == pytest.approx(between / found.se**2)
    df = 19 * (1 + v.mean() / between) ** 2
    assert found.upper - found.estimate == pytest.approx(stats.t.ppf(0.975, df) * found.se)
    same = m.combined([0.4, 0.4], [0.04, 0.04])
    assert same.se == pytest.approx(0.2) and same.missing_share == 0


def test_imputation_agrees_with_the_likelihood():
    lower, upper = np.array([[140], [88], [1], [1.0]]), np.array([[140], [88], [9], [9.0]])
    size = np.array([[21000], [14500], [1900], [900.0]])
    likelihood, imputed = m.censored_rate(lower, upper, size), m.imputed_rate(lower, upper, size, draws=400)
    assert np.exp(imputed.estimate[0]) == pytest.approx(likelihood.estimate[0], rel=0.005)
    assert imputed.se[0] == pytest.approx(likelihood.se[0] / likelihood.estimate[0], rel=0.03)
    p, q = m.censored_proportion(lower, upper, size), m.imputed_proportion(lower, upper, size, draws=400)
    assert 1 / (1 + np.exp(-q.estimate[0])) == pytest.approx(p.estimate[0], rel=0.005)


def test_truth_is_met_where_filling_with_0_and_dropping_fail():
    """Two large sites and four small ones whose counts are often withheld (1 to 9); 3,000 planted rates."""
    rng = np.random.default_rng(20261125)
    size = np.array([3000.0, 2000, 900, 700, 600, 500])[:, None] * np.ones(3000)
    truth = 0.008
    x = rng.poisson(size * truth)
    withheld = (x >= 1) & (x <= 9)
    lower, upper = np.where(withheld, 1, x), np.where(withheld, 9, x)
    likelihood = m.censored_rate(lower, upper, size)
    imputed = m.imputed_rate(lower[:, :400], upper[:, :400], size[:, :400], draws=20)
    zero = np.where(withheld, 0, x).sum(axis=0) / size.sum(axis=0)
    kept = np.where(withheld, 0.0, size)
    dropped = np.where(withheld, 0, x).sum(axis=0) / kept.sum(axis=0)
    values = {"likelihood": likelihood.estimate, "imputed": np.exp(imputed.estimate), "zero": zero, "dropped": dropped}
    bias = {name: np.mean(value) / truth - 1 for name, value in values.items()}
    assert abs(bias["likelihood"]) < 0.01 and abs(bias["imputed"]) < 0.03, bias
    assert bias["zero"] < -0.2 and bias["dropped"] > 0.02, bias
    covered = (likelihood.lower <= truth) & (truth <= likelihood.upper)
    assert 0.93 < covered.mean() < 0.97
    inside = (np.exp(imputed.lower) <= truth) & (truth <= np.exp(imputed.upper))
    assert 0.92 < inside.mean() < 0.98
