"""Models of counts over sites against brute-force integrals, SciPy's distributions and planted truth; what fails says why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats
from scipy.special import expit

from shared_code import methods as m

steady = settings(deadline=None, database=None, derandomize=True, max_examples=5)
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def brute(mu, tau, pmf):
    """Integrate one site's probability over its own effect, on a fine even grid."""
    effect = mu + tau * np.linspace(-9, 9, 6_001)
    return np.log(integrate.simpson(pmf(effect) * stats.norm.pdf(effect, mu, tau), x=effect))


@steady
@given(seeds)
def test_normal_models_are_at_the_top_of_the_integrated_likelihood(rng):
    k = rng.integers(3, 7)
    effects = rng.normal(-2, 0.8, k)
    n, t = rng.integers(5, 3000, k), rng.uniform(10, 3000, k)
    x, y = rng.binomial(n, expit(effects)), rng.poisson(t * np.exp(effects - 1))
    if x.sum() in (0, n.sum()) or y.sum() == 0:
        return
    for found, pmfs in (
        (m.binomial_normal(x, n), [lambda e, i=i: stats.binom.pmf(x[i], n[i], expit(e)) for i in range(k)]),
        (m.poisson_normal(y, t), [lambda e, i=i: stats.poisson.pmf(y[i], t[i] * np.exp(e)) for i in range(k)]),
    ):
        def height(mu, tau, pmfs=pmfs):
            return sum(brute(mu, max(tau, 1e-7), pmf) for pmf in pmfs)

        tau = np.sqrt(found.tau2)
        top = height(found.estimate, tau)
        assert found.log_likelihood == pytest.approx(top, abs=1e-6)
        for mu, other in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)):
            assert top >= height(found.estimate + mu, max(tau + other, 0)) - 1e-7


@steady
@given(seeds)
def test_beta_binomials_are_at_the_top_of_scipys_likelihood(rng):
    k = rng.integers(4, 9)
    n, m_ = rng.integers(5, 400, (2, k))
    p = rng.beta(2, 12, k)
    a, b = rng.binomial(n, np.clip(2 * p, 0, 0.9)), rng.binomial(m_, p)
    if 0 in (a.sum(), b.sum()) or a.sum() == n.sum():
        return
    single, both = m.beta_binomial(b, m_), m.beta_binomial_ratio(a, n, b, m_)

    def height(eta, log_gamma, x, size):
        total = np.exp(-log_gamma)  # (1 - rho) / rho
        return stats.betabinom.logpmf(x, size, expit(eta) * total, expit(-eta) * total).sum()

    def top(f, start):
        return -optimize.minimize(lambda p: -f(p), start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12,
                                                                                         "maxiter": 4000}).fun  # fmt: skip

    assert single.log_likelihood >= top(lambda p: height(p[0], p[1], b, m_), [single.estimate, -3.0]) - 1e-6
    together = top(lambda p: height(p[0], p[2], b, m_) + height(p[0] + p[1], p[2], a, n), [-2.0, both.estimate, -3.0])
    assert both.log_likelihood >= together - 1e-6
    if single.rho > 1e-4:
        reached = height(single.estimate, np.log(single.rho / (1 - single.rho)), b, m_)
        assert single.log_likelihood == pytest.approx(reached, abs=1e-7)


def test_sites_that_do_not_differ_have_one_rate_and_a_correlation_of_0():
    y, t = np.array([20, 40, 60]), np.array([1000.0, 2000, 3000])
    found = m.poisson_normal(y, t)
    assert found.tau2 == 0 and found.estimate == pytest.approx(np.log(0.02)) and found.se == pytest.approx(120**-0.5, rel=1e-6)
    proportion = m.beta_binomial(y, [1000, 2000, 3000])
    assert proportion.rho == 0 and proportion.se == pytest.approx((120 * 0.98) ** -0.5, rel=1e-5)


@steady
@given(seeds)
def test_the_conditional_rate_ratio_and_its_limits_are_those_of_brute_force(rng):
    k = rng.integers(1, 6)
    s, t = rng.uniform(50, 900, (2, k))
    a, b = rng.poisson(s * 0.004), rng.poisson(t * 0.008)
    if a.sum() == 0 or b.sum() == 0:
        return

    def height(theta):
        return stats.binom.logpmf(a, a + b, expit(theta + np.log(s / t))).sum()

    theta = np.linspace(-8, 8, 80_001)
    heights = sum(stats.binom.logpmf(a[i], a[i] + b[i], expit(theta + np.log(s[i] / t[i]))) for i in range(k))
    inside = theta[2 * (heights.max() - heights) <= stats.chi2.ppf(0.95, 1)]
    found = m.rate_ratio(a, s, b, t)
    np.testing.assert_allclose(np.log([found.estimate, found.lower, found.upper]),
                               [theta[heights.argmax()], inside.min(), inside.max()], atol=4e-4)  # fmt: skip


def test_a_group_without_events_has_one_limit_that_is_exact():
    none = m.rate_ratio([0, 0], [100, 200], [3, 4], [100, 200])
    assert none.estimate == 0 and none.lower == 0 and np.isfinite(none.upper)
    p = none.upper / (1 + none.upper)  # where 7 binomial zeros lose 1.92 of the log-likelihood
    assert -2 * 7 * np.log(1 - p) == pytest.approx(stats.chi2.ppf(0.95, 1))
    flipped = m.rate_ratio([3, 4], [100, 200], [0, 0], [100, 200])
    assert np.isinf(flipped.estimate) and flipped.lower == pytest.approx(1 / none.upper) and np.isinf(flipped.upper)
    assert m.rate_ratio([0], [1], [0], [1]).reason == "no site has events"


def test_double_zero_sites_change_no_ratio_and_every_difference():
    a, s, b, t = np.array([[1, 4, 0], [400, 900, 500], [5, 9, 0], [410, 880, 480]], dtype=float)
    for measure in ("risk_ratio", "odds_ratio", "rate_ratio"):
        with_, without = (m.mantel_haenszel(a[:n], s[:n], b[:n], t[:n], measure) for n in (3, 2))
        np.testing.assert_allclose([with_.estimate, with_.se_log], [without.estimate, without.se_log])
    assert m.poisson_normal_ratio(a, s, b, t).sites == 2
    with_, without = (m.mantel_haenszel(a[:n], s[:n], b[:n], t[:n], "rate_difference").estimate for n in (3, 2))
    assert abs(with_) < abs(without)


def test_nothing_is_ever_added_to_a_zero_and_withheld_counts_are_not_zeros():
    assert m.mantel_haenszel([0, 0], [10, 10], [3, 1], [10, 10]).reason == "no site has events to compare in both groups"
    assert m.mantel_haenszel([np.nan, 1], [10, 10], [3, 1], [10, 10]).reason == "a site's count is withheld"
    assert "infinite there" in m.comparison([0], [10], [3], [10]).reason[0]
    with pytest.raises(ValueError, match="withheld or missing"):
        m.poisson_normal([np.nan, 1.0], [10, 10])


@pytest.mark.parametrize(
    "fail",
    [
        lambda: m.poisson_normal([0, 0, 0], [10, 20, 30]),
        lambda: m.binomial_normal([10, 20], [10, 20]),
        lambda: m.poisson_normal_ratio([0, 0], [10, 20], [1, 2], [10, 20]),
        lambda: m.beta_binomial([0, 0], [10, 20]),
        lambda: m.beta_binomial_ratio([0, 0], [10, 20], [1, 2], [10, 20]),
        lambda: m.binomial_normal_ratio([0, 0], [10, 20], [1, 2], [10, 20]),
    ],
)
def test_a_model_without_a_maximum_is_an_error_with_a_reason(fail):
    with pytest.raises(m.ConvergenceError, match="no events"):
        fail()


def test_large_and_small_counts_are_equally_exact():
    """A site of a million and one of three: quadrature around a common middle would miss the first."""
    y, t = np.array([52_000, 3, 900]), np.array([1e6, 40.0, 2e4])
    found = m.poisson_normal(y, t)
    near = m.random_effects(np.log(y / t)[[0, 2]], 1 / y[[0, 2]])
    assert abs(found.estimate - near.estimate) < 0.3 and np.isfinite(found.se)
    pmfs = [lambda e, i=i: stats.poisson.pmf(y[i], t[i] * np.exp(e)) for i in range(3)]
    reached = sum(brute(found.estimate, np.sqrt(found.tau2), pmf) for pmf in pmfs)
    assert found.log_likelihood == pytest.approx(reached, abs=1e-4)


@steady
@given(seeds)
def test_the_bayesian_analysis_is_the_two_dimensional_integral(rng):
    y, v = rng.normal(0, 0.5, 4), rng.uniform(0.01, 0.3, 4)
    mu, tau = np.linspace(-6, 6, 801)[:, None], (np.arange(500)[None, :] + 0.5) / 150
    log = stats.norm.logpdf(mu, 0, 2) + stats.norm.logpdf(tau, 0, 0.5)
    log = log + sum(stats.norm.logpdf(yi, mu, np.sqrt(vi + tau**2)) for yi, vi in zip(y, v, strict=True))
    density = np.exp(log - log.max())
    over_mu, over_tau = (density.sum(axis=a) / density.sum() for a in (1, 0))
    found = m.bayesian_random_effects(y, v)
    np.testing.assert_allclose(
        [found.lower, found.estimate, found.upper],
        np.interp([0.025, 0.5, 0.975], np.cumsum(over_mu) - over_mu / 2, mu[:, 0]), atol=6e-3)  # fmt: skip
    np.testing.assert_allclose([found.tau_lower, found.tau, found.tau_upper],
                               np.interp([0.025, 0.5, 0.975], np.cumsum(over_tau), tau[0] + 1 / 300), atol=6e-3)  # fmt: skip
    assert found.prediction_lower < found.lower and found.prediction_upper > found.upper


def test_many_analyses_at_once_are_the_same_as_one_by_one():
    rng = np.random.default_rng(3)
    y, v = rng.normal(0, 0.4, (40, 7)), rng.uniform(0.01, 0.2, (40, 7))
    absent = rng.random((40, 7)) < 0.4
    y[absent] = v[absent] = np.nan
    for method in ("reml", "ml", "dl", "pm"):
        together = m.random_effects(y, v, method)
        for i in range(40):
            there = ~absent[i]
            if not there.any():
                assert together.reason[i] == "no site gave an estimate" and np.isnan(together.estimate[i])
                continue
            alone = m.random_effects(y[i, there], v[i, there], method)
            for name in ("estimate", "lower", "upper", "tau2", "tau2_upper", "prediction_lower", "i2_percent", "h2"):
                np.testing.assert_allclose(getattr(together, name)[i], getattr(alone, name), rtol=1e-10, atol=1e-14)
            assert (together.method[i], together.sites[i], together.reason[i]) == (alone.method, alone.sites, alone.reason)
            np.testing.assert_allclose(together.weights[i], np.where(there, together.weights[i], 0))


def test_subgroups_are_analyses_of_their_own_and_regression_needs_enough_sites():
    rng = np.random.default_rng(5)
    y, v, groups = rng.normal(0, 0.3, 8), rng.uniform(0.01, 0.1, 8), list("aabbbbab")
    names, found = m.subgroups(y, v, groups)
    assert names == ["a", "b"]
    for at, name in enumerate(names):
        chosen = [g == name for g in groups]
        assert found.estimate[at] == pytest.approx(m.random_effects(y[chosen], v[chosen]).estimate, rel=1e-12)
    with pytest.raises(ValueError, match="At least two sites more"):
        m.meta_regression(y[:3], v[:3], [1, 2, 3])
    with pytest.raises(ValueError, match="same thing twice"):
        m.meta_regression(y, v, np.ones(8))
    with pytest.raises(ValueError, match="moderator is missing"):
        m.meta_regression(y, v, [1, 2, 3, 4, 5, 6, 7, np.nan])
