"""Meta-analysis against statsmodels and brute force, and its answers for one and two sites."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from shared_code import methods as m

steady = settings(deadline=None, database=None, derandomize=True, max_examples=60)
Y, V = np.array([-0.35, -0.1, -0.52, 0.2]), np.array([0.02, 0.015, 0.04, 0.03])


@st.composite
def site_estimates(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    k = draw(st.integers(3, 9))
    v = rng.uniform(0.005, 0.3, k)
    return rng.normal(0, np.sqrt(v + draw(st.sampled_from([0.0, 0.01, 0.3, 2.0])))), v


@steady
@given(site_estimates())
def test_common_effect_and_moment_estimators_agree_with_statsmodels(data):
    y, v = data
    for ours, theirs in (("dl", "chi2"), ("pm", "iterated")):
        with np.errstate(invalid="ignore"):  # statsmodels lets tau2 fall below 0
            oracle = combine_effects(y, v, method_re=theirs, use_t=False, atol=1e-12, maxiter=1000)
        common, result = m.common_effect(y, v), m.random_effects(y, v, ours, knapp_hartung=False)
        np.testing.assert_allclose([common.estimate, common.se], [oracle.mean_effect_fe, oracle.sd_eff_w_fe], rtol=1e-9)
        np.testing.assert_allclose(result.q, oracle.q, rtol=1e-9)
        if oracle.tau2 <= 0:  # its iteration also stops there although Q is above k - 1; the next test has the definition
            continue
        np.testing.assert_allclose(result.tau2, oracle.tau2, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose([result.estimate, result.se], [oracle.mean_effect_re, oracle.sd_eff_w_re], rtol=1e-5)
        floorless = m.random_effects(y, v, ours, floor=False)
        np.testing.assert_allclose(floorless.se, oracle.sd_eff_w_re_hksj, rtol=1e-5)


@steady
@given(site_estimates())
def test_moment_estimators_satisfy_their_equations_or_are_0(data):
    y, v = data
    k = y.size
    common, dl, pm = m.common_effect(y, v), m.random_effects(y, v, "dl"), m.random_effects(y, v, "pm")
    for result in (dl, pm):
        if result.q <= k - 1:
            assert result.tau2 == 0 and result.i2_percent == 0 and result.estimate == common.estimate
        else:
            assert result.tau2 > 0
    if pm.tau2 > 0:
        assert ((y - pm.estimate) ** 2 / (v + pm.tau2)).sum() == pytest.approx(k - 1, rel=1e-9)
    if dl.tau2 > 0:
        expected_q = k - 1 + dl.tau2 * ((1 / v).sum() - (1 / v**2).sum() / (1 / v).sum())
        assert dl.q == pytest.approx(expected_q, rel=1e-9)


def restricted_likelihood(tau2, y, v):
    w = 1 / (v + np.asarray(tau2)[..., None])
    mean = (w * y).sum(axis=-1, keepdims=True) / w.sum(axis=-1, keepdims=True)
    return (np.log(w).sum(axis=-1) - np.log(w.sum(axis=-1)) - (w * (y - mean) ** 2).sum(axis=-1)) / 2


@steady
@given(site_estimates())
def test_reml_is_the_highest_point_of_its_likelihood(data):
    y, v = data
    tau2 = m.random_effects(y, v).tau2
    others = np.concatenate([[0.0], np.geomspace(1e-8, 1e3, 4000)])
    assert restricted_likelihood(tau2, y, v) >= restricted_likelihood(others, y, v).max() - 1e-10
    if tau2 > 0:  # 1e-10 on the score, on the scale of the variances
        w = 1 / (v + tau2)
        mean = (w * y).sum() / w.sum()
        score = (w**2 * (y - mean) ** 2).sum() - w.sum() + (w**2).sum() / w.sum()
        assert abs(score) < 1e-10 * w.sum()


@steady
@given(site_estimates())
def test_q_profile_limits_invert_the_q_test(data):
    y, v = data
    result = m.random_effects(y, v)
    for limit, probability in ((result.tau2_lower, 0.975), (result.tau2_upper, 0.025)):
        if limit > 0:
            w = 1 / (v + limit)
            q = (w * (y - (w * y).sum() / w.sum()) ** 2).sum()
            assert q == pytest.approx(stats.chi2.ppf(probability, y.size - 1), rel=1e-9)
    assert 0 <= result.tau2_lower <= result.tau2_upper


@steady
@given(site_estimates(), st.floats(0.01, 100), st.floats(-5, 5))
def test_shifting_and_scaling_the_estimates_shifts_and_scales_the_answer(data, scale, shift):
    y, v = data
    assume(m.random_effects(y, v).tau2 > 1e-6)
    first, second = m.random_effects(y, v), m.random_effects(shift + scale * y, scale**2 * v)
    np.testing.assert_allclose(second.tau2, scale**2 * first.tau2, rtol=1e-6)
    np.testing.assert_allclose(second.estimate, shift + scale * first.estimate, rtol=1e-7, atol=1e-7 * scale)


def test_near_identical_sites_do_not_look_certain():
    y, v = [-0.20, -0.21, -0.19], [0.02] * 3
    assert m.random_effects(y, v, floor=False).se == pytest.approx(0.0058, abs=5e-5)
    assert m.random_effects(y, v).se == pytest.approx(0.0816, abs=5e-5)


def test_one_site_is_its_own_estimate_and_says_so():
    result = m.random_effects([0.3], [0.04])
    assert (result.estimate, result.se, result.sites, result.method) == (0.3, 0.2, 1, "single")
    assert result.upper == 0.3 + 0.2 * stats.norm.ppf(0.975) and "one site" in result.reason
    assert np.isnan([result.tau2, result.tau2_upper, result.prediction_lower, result.hts_upper, result.i2_percent]).all()


def test_two_sites_make_no_claim_about_tau2():
    result, common = m.random_effects([0.0, 2.0], [0.04, 0.01]), m.common_effect([0.0, 2.0], [0.04, 0.01])
    assert (result.estimate, result.se) == (common.estimate, common.se)
    assert np.isnan([result.tau2, result.prediction_upper]).all() and "no claim" in result.reason
    np.testing.assert_allclose(result.weights, [0.2, 0.8])


def test_leaving_one_out_finds_the_site_on_which_the_answer_hangs():
    y, v = np.array([-0.3, -0.32, -0.29, -0.31, 1.5]), np.full(5, 0.01)
    result = m.leave_one_out(y, v)
    assert result.flagged.tolist() == [False, False, False, False, True]
    assert result.sign_changes[4] and result.significance_changes[4]
    np.testing.assert_allclose(result.estimate[4], m.random_effects(y[:4], v[:4]).estimate)
    with pytest.raises(ValueError, match="fewer than two sites"):
        m.leave_one_out([0.1], [0.1])


def test_an_unfinished_iteration_names_itself():
    with pytest.raises(m.ConvergenceError) as caught:
        m.random_effects(Y, V, max_iterations=1)
    assert "1 iterations" in caught.value.reason


@pytest.mark.parametrize(
    ("y", "v", "message"),
    [
        ([0.1, np.nan, 0.2], [0.1, 0.1, 0.1], "not finite at position 1"),
        ([0.1, 0.2], [0.1, 0.0], "variance is not above 0"),
        ([0.1, 0.2], [0.1], "of shape"),
        ([], [], "at least one"),
    ],
)
def test_unusable_estimates_are_refused(y, v, message):
    with pytest.raises(ValueError, match=message):
        m.random_effects(y, v)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="reml, ml, dl or pm"):
        m.random_effects(Y, V, "fixed")
