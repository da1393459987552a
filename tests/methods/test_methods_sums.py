"""Means, rates, hazards, predictions and funnels against brute force, other libraries and planted truth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from shared_code import methods as m

steady = settings(deadline=None, database=None, derandomize=True, max_examples=40)
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@steady
@given(seeds)
def test_sums_over_sites_give_the_mean_sd_and_correlation_of_everybody(rng):
    sites = [rng.normal(rng.normal(0, 5), 3, (2, rng.integers(1, 40))) for _ in range(rng.integers(1, 6))]
    everybody = np.concatenate(sites, axis=1)
    if everybody.shape[1] < 4:
        return
    n = sum(s.shape[1] for s in sites)
    a, b, aa, bb, ab = (sum(f(s) for s in sites) for f in (
        lambda s: s[0].sum(), lambda s: s[1].sum(), lambda s: (s[0] ** 2).sum(), lambda s: (s[1] ** 2).sum(),
        lambda s: s.prod(axis=0).sum()))  # fmt: skip
    result, oracle = m.mean(n, a, aa, 0.9), stats.ttest_1samp(everybody[0], 0).confidence_interval(0.9)
    np.testing.assert_allclose(result.sd, everybody[0].std(ddof=1), rtol=1e-9)
    np.testing.assert_allclose([result.lower, result.upper], oracle, rtol=1e-8, atol=1e-10)
    r, theirs = m.correlation(n, a, b, aa, bb, ab), stats.pearsonr(*everybody)
    np.testing.assert_allclose(r.estimate, theirs.statistic, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose([r.lower, r.upper], theirs.confidence_interval(0.95), rtol=1e-7, atol=1e-9)


def test_what_a_mean_cannot_give_says_why():
    result = m.mean([0, 1, 5, np.nan, 3], [0, 2.0, 20, 4, 30], [0, 4.0, 90, 4, 200])
    assert result.reason.tolist() == [
        "nobody has a value", "one person: no spread", "", "a sum is withheld",
        "the sum of squares is smaller than the mean allows"]  # fmt: skip
    assert result.estimate[1] == 2 and np.isnan(result.lower[[0, 1, 3, 4]]).all()
    assert np.isnan(m.correlation(5, 10, 10, 20, 30, 20).estimate)  # everybody has the same value of the first


@steady
@given(seeds)
def test_the_robust_rate_is_the_cluster_robust_poisson_model(rng):
    years = rng.uniform(0.2, 1, 60)
    y = rng.poisson(rng.gamma(0.5, 4, 60) * years)
    if y.sum() == 0:
        return
    value = y.sum() / years.sum()
    robust = np.sqrt(((y - value * years) ** 2).sum()) / y.sum()  # sandwich of a Poisson model with an intercept
    result = m.rate(y.sum(), years.sum(), 100, (y**2).sum(), products=(y * years).sum(), time_squares=(years**2).sum())
    np.testing.assert_allclose([result.estimate, result.se_log], [100 * value, robust], rtol=1e-9)
    np.testing.assert_allclose(np.log(result.upper / result.estimate), stats.norm.ppf(0.975) * robust, rtol=1e-9)


def test_rates_without_events_person_time_or_release_say_why():
    once = m.rate([0, 3, np.nan, 0], [100.0, 0.0, 10.0, 0.0], 1000)
    assert once.reason.tolist() == ["", "there is no person-time", "a count is withheld", "there is no person-time"]
    assert once.lower[0] == 0 and once.upper[0] == pytest.approx(10 * stats.chi2.ppf(0.975, 2) / 2)
    repeated = m.rate([0, 4], [100.0, 100.0], 1000, squares=[0, 10])
    assert repeated.estimate.tolist() == [0, 40] and np.isnan(repeated.upper).tolist() == [True, False]
    assert "cluster is unknown" in repeated.reason[0]
    with pytest.raises(ValueError, match="below the events"):
        m.rate(4, 10, squares=3)


EDGES = np.array([20.0, 40, 60, 75, 90])


@steady
@given(seeds, st.sampled_from([0.1, 0.25, 0.5]))
def test_onset_is_where_the_survival_curve_is_and_its_error_is_that_of_the_delta_method(rng, q):
    d, y = rng.integers(5, 400, 4).astype(float), rng.uniform(2e3, 2e4, 4)

    def age(hazard):
        def free(t):
            return np.exp(-(hazard * np.clip(t - EDGES[:-1], 0, np.diff(EDGES))).sum()) - (1 - q)

        return optimize.brentq(free, 20, 90, xtol=1e-11) if free(90.0) < 0 else np.nan

    result = m.onset_quantile(EDGES, d, y, q, delta=True)
    expected = age(d / y)
    if np.isnan(expected):
        assert np.isnan(result.estimate) and "have had it by 90" in result.reason
        return
    gradient = [(age(d / y + h) - age(d / y - h)) / 2e-7 for h in 1e-7 * np.eye(4)]
    variance = (np.array(gradient) ** 2 * d / y**2).sum()
    np.testing.assert_allclose(result.estimate, expected, rtol=1e-9)
    if not np.isnan(variance):
        np.testing.assert_allclose(result.se, np.sqrt(variance), rtol=1e-4)
    assert m.onset_quantile(EDGES, d, y, q).se >= result.se * (1 - 1e-12)


def test_onset_does_not_need_bands_after_it_and_stops_before_an_open_one():
    d, y = np.array([100.0, 900, np.nan, 3]), np.array([40000.0, 30000, np.nan, 10])
    assert m.onset_quantile(EDGES, d, y, 0.25).reason == ""
    assert m.onset_quantile(EDGES, d, y, 0.9).reason == "a band is withheld"
    assert "by 75" in m.onset_quantile(EDGES[:-1], [1, 1, 1, 500], [1e4] * 4, 0.5).reason  # the last band is open


@steady
@given(seeds)
def test_years_free_and_incidence_are_their_integrals(rng):
    d, other, y = rng.integers(0, 300, 4), rng.integers(0, 300, 4), rng.uniform(2e3, 2e4, 4)
    width = np.diff(EDGES)

    def survival(t, hazard):
        return np.exp(-(hazard * np.clip(t - EDGES[:-1], 0, width)).sum())

    area = sum(integrate.quad(survival, a, b, (d / y,), epsabs=1e-11)[0] for a, b in pairwise(EDGES))
    free = m.years_free(EDGES, d, y)
    np.testing.assert_allclose(free.estimate, area, rtol=1e-9)
    step = 1e-6
    gradient = [(m.years_free(EDGES, d + step * e, y).estimate - free.estimate) / step for e in np.eye(4)]
    np.testing.assert_allclose(free.se, np.sqrt((np.array(gradient) ** 2 * d).sum()), rtol=1e-3, atol=1e-9)
    found = m.cumulative_incidence(EDGES, d, other, y)
    both = (d + other) / y
    expected = np.cumsum([
        integrate.quad(lambda t, h=h: h * survival(t, both), a, b, epsabs=1e-13)[0]
        for h, a, b in zip(d / y, EDGES, EDGES[1:], strict=False)
    ])  # fmt: skip
    np.testing.assert_allclose(found.estimate, expected, rtol=1e-8, atol=1e-12)
    shown = ~np.isnan(found.upper)
    assert (found.lower[shown] <= found.estimate[shown]).all() and (found.estimate[shown] <= found.upper[shown]).all()


def test_incidence_limits_hold_the_truth_as_often_as_they_claim():
    rng = np.random.default_rng(20261125)
    hazard, competing, years = np.array([0.002, 0.01, 0.03, 0.05]), np.array([0.001, 0.004, 0.02, 0.08]), 3000.0
    truth = m.cumulative_incidence(EDGES, hazard, competing, np.ones(4)).estimate
    d, other = (rng.poisson(h * years, (4000, 4)) for h in (hazard, competing))
    found = m.cumulative_incidence(EDGES, d, other, years)
    inside = ((found.lower <= truth) & (truth <= found.upper)).mean(axis=0)
    assert ((inside > 0.93) & (inside < 0.97)).all()  # Monte-Carlo error 0.0035


def area_over_pairs(label, score):
    wins = score[label == 1][:, None] - score[label == 0][None, :]
    return np.mean(np.sign(wins) / 2 + 0.5)


@steady
@given(seeds)
def test_the_area_under_the_curve_is_that_of_people_and_its_error_delongs(rng):
    events, others = rng.integers(1, 9, 6), rng.integers(1, 9, 6)
    score = np.repeat(np.tile(np.arange(6), 2), np.concatenate([events, others]))
    label = np.repeat([1, 0], [events.sum(), others.sum()])
    result = m.auc_from_bins(events, others)
    np.testing.assert_allclose(result.estimate, area_over_pairs(label, score), rtol=1e-12)
    wins = np.sign(score[label == 1][:, None] - score[label == 0][None, :]) / 2 + 0.5
    delong = wins.mean(axis=1).var(ddof=1) / events.sum() + wins.mean(axis=0).var(ddof=1) / others.sum()
    np.testing.assert_allclose(result.se, np.sqrt(delong), rtol=1e-10)
    # Undoing the ties moves the area by no more than the bound
    finer = score + rng.random(score.size) * 0.999
    assert abs(area_over_pairs(label, finer) - result.estimate) <= result.error_bound + 1e-12


def test_funnel_limits_and_positions_are_the_two_sides_of_one_test():
    people = np.array([10, 50, 400, 3000])
    for confidence, step in ((0.95, 1), (0.998, 2)):
        limits = m.funnel_limits(people, 0.3, "proportion", confidence)
        for edge, sign in ((limits.lower, -1), (limits.upper, 1)):
            inside = m.funnel_position(edge * people - sign * 1e-6, people, 0.3)
            outside = m.funnel_position(np.clip(edge * people + sign * 1e-6, 0, people), people, 0.3)
            real = (edge > 0) & (edge < 1)  # a limit beyond 0 or 1 cannot be crossed
            assert (np.abs(inside) < step)[real].all() and (sign * outside >= step)[real].all()
    assert np.isnan(m.funnel_position([np.nan, 0], [10, 0], 0.3)).all()


def test_a_recalibration_without_events_or_without_spread_is_an_error():
    with pytest.raises(m.ConvergenceError, match="nobody or everybody"):
        m.recalibration([-1.0, 0.0], [10, 10], [0, 0])
    with pytest.raises(m.ConvergenceError, match="do not vary enough"):
        m.recalibration([0.3, 0.3], [10, 10], [4, 5])


def test_a_trend_that_was_planted_is_found():
    rng = np.random.default_rng(7)
    month = np.arange(60)
    mean = 800 * np.exp(0.05 * month / 12) * (1 + 0.2 * np.sin(month * np.pi / 6))
    found = [m.trend_and_season(rng.poisson(mean[:48]), ahead=12) for _ in range(300)]
    inside = np.mean([(f.lower <= mean[48:]) & (mean[48:] <= f.upper) for f in found])
    assert 0.93 < inside < 0.985  # the dispersion never goes below 1, so the limits are a little wide
    assert np.mean([f.percent_a_year for f in found]) == pytest.approx(100 * np.expm1(0.05), abs=0.1)
