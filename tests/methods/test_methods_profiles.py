"""Likelihood profiles against the exact likelihood, other models and planted truth: rare events keep their sites."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code import methods as m

steady = settings(deadline=None, database=None, derandomize=True, max_examples=25)
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
POINTS = m.default_points()


def profiles(a, s, b, t, points=POINTS):
    """Stack what every site would send: log-likelihoods and slopes, shape (sites, points)."""
    each = [m.profile_of_rates(*site, points) for site in zip(a, s, b, t, strict=True)]
    return np.array([p.log_likelihood for p in each]), np.array([p.gradient for p in each])


@pytest.mark.parametrize(("low", "high", "number", "name"), [(0.1, 10, 8, "hermite_8pt_bounds_0.1_10"),
                                                             (0.005, 20, 16, "hermite_16pt_bounds_0.005_20")])  # fmt: skip
def test_t10_3_profiles(known, low, high, number, name):
    answer = known("T10.3")
    points = np.linspace(np.log(low), np.log(high), number)
    counts = [answer.inputs[key] for key in ("eT", "tT", "eC", "tC")]
    found = m.pool_profiles(points, *profiles(*counts, points))
    answer.agrees(np.exp([found.estimate, found.lower, found.upper]), name)
    assert found.lower_outside == (low == 0.1) and ("wider points" in found.reason) == (low == 0.1)
    assert found.sites == 4  # the site without events is in


@steady
@given(seeds)
def test_pooled_profiles_are_the_conditional_likelihood_of_all_sites(rng):
    k = rng.integers(1, 9)
    s, t = rng.uniform(100, 900, (2, k))
    a, b = rng.poisson(s * 0.004), rng.poisson(t * 0.006)
    exact = m.rate_ratio(a, s, b, t)
    points = np.linspace(np.log(0.005), np.log(200), 24)
    found = m.pool_profiles(points, *profiles(a, s, b, t, points))
    if a.sum() + b.sum() == 0:
        assert found.reason == exact.reason.replace("has events", "has events to compare")
        return
    with np.errstate(divide="ignore"):
        expected = np.log([exact.estimate, exact.lower, exact.upper])
    shown = np.array([found.estimate, found.lower, found.upper])
    inside = np.isfinite(expected) & (np.abs(expected) < 4)
    np.testing.assert_allclose(shown[inside], expected[inside], atol=0.01)
    assert np.array_equal(np.isinf(shown), np.isinf(expected))
    if 0 in (a.sum(), b.sum()):
        assert "no events in one group" in found.reason


@steady
@given(seeds)
def test_the_order_of_sites_changes_no_bit_and_a_flat_profile_changes_nothing(rng):
    s, t = rng.uniform(100, 900, (2, 6))
    a, b = rng.poisson(s * 0.01), rng.poisson(t * 0.01) + 1
    a[0] += 1
    y, g = profiles(a, s, b, t)
    order = rng.permutation(6)
    first, second = m.pool_profiles(POINTS, y, g), m.pool_profiles(POINTS, y[order], g[order])
    assert (first.estimate, first.lower, first.upper) == (second.estimate, second.lower, second.upper)
    flat = m.pool_profiles(POINTS, np.vstack([y, 0 * y[:1]]), np.vstack([g, 0 * g[:1]]))
    np.testing.assert_allclose([flat.estimate, flat.lower], [first.estimate, first.lower], rtol=1e-12)


def test_hermite_keeps_values_and_slopes_and_is_a_line_outside():
    x = np.array([-1.0, 0.5, 2.0])
    y, g = np.sin(x), np.cos(x)
    value, slope = m.profile_at(x, y, g, x)
    np.testing.assert_allclose([value, slope], [y, g], atol=1e-14)
    value, slope = m.profile_at(x, y, g, [4.0])
    np.testing.assert_allclose([value[0], slope[0]], [y[2] + 2 * g[2], g[2]])
    fine = m.profile_at(np.linspace(0, 3, 31), np.sin(np.linspace(0, 3, 31)), np.cos(np.linspace(0, 3, 31)), [1.234])
    np.testing.assert_allclose(np.ravel(fine), [np.sin(1.234), np.cos(1.234)], atol=1e-5)


def test_random_effects_over_profiles_are_the_one_stage_model_of_the_counts():
    counts = np.array([[3, 1, 9, 16, 7], [410, 820, 950, 1200, 700], [5, 6, 9, 14, 25], [400, 800, 1000, 1100, 650]], float)
    found = m.random_effects_of_profiles(POINTS, *profiles(*counts))
    exact = m.poisson_normal_ratio(*counts)
    np.testing.assert_allclose([found.estimate, found.se, found.tau2, found.lower, found.prediction_upper],
                               [exact.estimate, exact.se, exact.tau2, exact.lower, exact.prediction_upper],
                               rtol=2e-3)  # fmt: skip
    with pytest.raises(m.ConvergenceError, match="beyond the agreed points"):
        m.random_effects_of_profiles(POINTS, *profiles([0, 0], [10, 20], [3, 4], [10, 20]))


def test_bayesian_profiles_are_the_normal_analysis_where_profiles_are_normal():
    y, v = np.array([-0.35, -0.1, -0.52, 0.2]), np.array([0.02, 0.015, 0.04, 0.03])
    points = np.linspace(-3, 3, 61)
    log = -((points - y[:, None]) ** 2) / (2 * v[:, None])
    slope = -(points - y[:, None]) / v[:, None]
    found, exact = m.bayesian_profiles(points, log, slope), m.bayesian_random_effects(y, v)
    for name in ("estimate", "lower", "upper", "se", "tau", "tau_upper", "prediction_lower", "prediction_upper"):
        assert getattr(found, name) == pytest.approx(getattr(exact, name), abs=0.02), name
    nothing = m.bayesian_profiles(POINTS, *profiles([0, 0], [100, 100], [5, 6], [100, 100]))
    assert np.isfinite([nothing.estimate, nothing.lower, nothing.upper]).all() and nothing.upper < 0


def test_missing_points_are_refused():
    y, g = profiles([3], [100], [4], [100])
    y[0, 2] = np.nan
    with pytest.raises(ValueError, match="withheld as a whole"):
        m.pool_profiles(POINTS, y, g)


def test_limits_hold_the_truth_where_normal_approximations_do_not():
    """Fifteen sites with about one event in one group and a quarter of one in the other (250 made-up studies)."""
    rng = np.random.default_rng(20261125)
    k, truth = 15, np.log(0.25)
    s, t = rng.uniform(300, 700, (2, k))
    points = np.linspace(np.log(0.005), np.log(20), 16)
    hit = {"profile": [], "half added": [], "zeros dropped": []}
    estimates = {name: [] for name in hit}
    for _ in range(250):
        level = rng.uniform(0.001, 0.004, k)
        a, b = rng.poisson(level * s * np.exp(truth)), rng.poisson(level * t)
        found = m.pool_profiles(points, *profiles(a, s, b, t, points))
        half = m.common_effect(np.log((a + 0.5) / s) - np.log((b + 0.5) / t), 1 / (a + 0.5) + 1 / (b + 0.5))
        results = {"profile": found, "half added": half}
        good = (a > 0) & (b > 0)
        if good.any():
            logs = np.log(a[good] / s[good] / b[good] * t[good])
            results["zeros dropped"] = m.common_effect(logs, 1 / a[good] + 1 / b[good])
        for name, result in results.items():
            hit[name].append(result.lower <= truth <= result.upper)
            estimates[name].append(result.estimate)
    coverage = {name: np.mean(values) for name, values in hit.items()}
    assert 0.91 < coverage["profile"] < 0.985, coverage  # Monte-Carlo error 0.014
    assert coverage["half added"] < 0.65 and coverage["zeros dropped"] < 0.9, coverage
    assert abs(np.median(estimates["profile"]) - truth) < 0.15
    assert np.median(estimates["half added"]) > truth + 0.4 and np.median(estimates["zeros dropped"]) > truth + 0.4
