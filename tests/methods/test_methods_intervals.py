"""Intervals stay where they must, and rounding agrees with exact decimal arithmetic."""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from shared_code import methods as m
from shared_code.methods.checks import normal_quantile, student_quantile

steady = settings(deadline=None, database=None, derandomize=True)
Z = stats.norm.ppf(0.975)


@st.composite
def cases_of_people(draw):
    people = draw(st.integers(1, 10**9))
    return draw(st.integers(0, people)), people


@steady
@given(cases_of_people(), st.sampled_from([0.5, 0.8, 0.95, 0.998]))
def test_wilson_lies_in_0_to_1_and_contains_the_proportion(pair, confidence):
    result = m.wilson(*pair, confidence=confidence)
    assert 0 <= result.lower <= result.estimate <= result.upper <= 1
    assert result.lower < result.upper
    assert result.estimate == pair[0] / pair[1]


@steady
@given(cases_of_people())
def test_wilson_agrees_with_statsmodels_and_mirrors(pair):
    cases, people = pair
    result, mirrored = m.wilson(cases, people), m.wilson(people - cases, people)
    np.testing.assert_allclose(
        [result.lower, result.upper], proportion_confint(cases, people, method="wilson"), rtol=1e-6, atol=1e-12
    )
    np.testing.assert_allclose(result.lower, 1 - mirrored.upper, rtol=1e-6, atol=1e-12)


@steady
@given(st.floats(1e-20, 1e-9), st.floats(1, 1000))
def test_wilson_holds_for_almost_no_effective_cases(cases, people):
    few, many = m.wilson(cases, people), m.wilson(people - cases, people)
    assert 0 <= few.lower <= few.estimate <= few.upper and many.lower <= many.estimate <= many.upper <= 1


def test_nobody_and_withheld_give_nan_and_nothing_else():
    result = m.wilson([0, np.nan, 3], [0, 10, np.nan])
    for values in (result.estimate, result.lower, result.upper):
        assert np.isnan(values).all()


@pytest.mark.parametrize(("cases", "people"), [(5, 4), (-1, 4), ([1, 9], [3, 3])])
def test_impossible_counts_are_refused(cases, people):
    with pytest.raises(ValueError, match=r"wilson: .*\. .*\. .*\."):
        m.wilson(cases, people)


@steady
@given(st.floats(0, 1e7, allow_subnormal=False), st.sampled_from([0.9, 0.95, 0.998]))
def test_poisson_limits_against_the_chi_square_distribution(events, confidence):
    result = m.poisson_interval(events, confidence)
    tail = (1 - confidence) / 2
    lower = stats.chi2.ppf(tail, 2 * events) / 2 if events > 0 else 0.0
    upper = stats.chi2.ppf(1 - tail, 2 * events + 2) / 2
    exact = events < 10
    np.testing.assert_allclose(result.lower, lower, rtol=1e-8 if exact else 1e-3, atol=1e-12)
    np.testing.assert_allclose(result.upper, upper, rtol=1e-8 if exact else 1e-3)
    assert result.lower <= events <= result.upper


def test_poisson_limits_change_method_at_ten_events():
    exact = [stats.chi2.ppf(0.025, 18) / 2, stats.chi2.ppf(0.975, 20) / 2]
    byar = [10 * (1 - 1 / 90 - Z / (3 * 10**0.5)) ** 3, 11 * (1 - 1 / 99 + Z / (3 * 11**0.5)) ** 3]
    result = m.poisson_interval([9, 10])
    np.testing.assert_allclose([result.lower, result.upper], np.transpose([exact, byar]), rtol=1e-12)


def test_poisson_is_vectorised_and_keeps_withheld_as_nan():
    result = m.poisson_interval([[0, 9, 10], [np.nan, 1000, 3]])
    assert result.lower.shape == (2, 3)
    assert np.isnan(result.upper[1, 0]) and np.isfinite(np.delete(result.upper.ravel(), 3)).all()
    assert result.upper[0, 1] == m.poisson_interval(9).upper


@steady
@given(cases_of_people(), cases_of_people())
def test_newcombe_turns_round_with_its_groups(first, second):
    forward, backward = m.newcombe_difference(*first, *second), m.newcombe_difference(*second, *first)
    assert -1 <= forward.lower <= forward.estimate <= forward.upper <= 1
    assert (forward.lower, forward.upper) == (-backward.upper, -backward.lower)


def test_newcombe_agrees_with_statsmodels():
    ours = m.newcombe_difference(56, 70, 48, 80)
    theirs = confint_proportions_2indep(56, 70, 48, 80, compare="diff", method="newcomb")
    np.testing.assert_allclose([ours.lower, ours.upper], theirs, rtol=1e-10)


@steady
@given(st.integers(-(10**9), 10**9), st.integers(1, 1000))
def test_whole_numbers_round_half_up_as_decimals_do(value, base):
    halves_up = ((Decimal(value) / base) + Decimal("0.5")).to_integral_value(ROUND_FLOOR)
    assert m.round_half_up(value, base) == int(halves_up) * base
    assert m.round_half_up(float(value), base) == int(halves_up) * base


@steady
@given(st.floats(0, 1e9, allow_nan=False), st.sampled_from([1, 2, 5, 6, 10, 100]))
def test_fractions_round_half_up_as_decimals_do(value, base):
    exact = (Decimal(value) / base).quantize(Decimal(1), ROUND_HALF_UP) * base
    assert m.round_half_up(value, base) == float(exact)


def test_rounding_keeps_types_and_nan():
    assert m.round_half_up(np.array([3, 7]), 5).dtype.kind == "i"
    assert np.isnan(m.round_half_up([np.nan, 2.5], 1)).tolist() == [True, False]
    assert m.round_half_up(np.array([2, 3], dtype=np.uint8), 5).tolist() == [0, 5]
    assert m.round_midpoint(np.array([1, 7], dtype=np.uint8)).tolist() == [3, 9]
    assert [m.round_half_up(v, 1) for v in (0.5, 1.5, 2.5)] == [1, 2, 3]  # Python's round gives 0, 2, 2


@pytest.mark.parametrize("base", [0, -5])
def test_a_base_must_be_above_zero(base):
    for rounding in (m.round_half_up, m.round_midpoint):
        with pytest.raises(ValueError, match="base"):
            rounding(3, base)


def test_midpoints_are_of_whole_counts():
    with pytest.raises(ValueError, match="not whole"):
        m.round_midpoint(2.5)
    assert np.isnan(m.round_midpoint([np.nan, 4.0])[0])


def test_quantiles_are_those_of_scipy():
    for confidence in (0.5, 0.9, 0.95, 0.998):
        assert normal_quantile(confidence) == stats.norm.ppf(0.5 + confidence / 2)
        np.testing.assert_allclose(student_quantile(confidence, 3), stats.t.ppf(0.5 + confidence / 2, 3), rtol=1e-12)
    with pytest.raises(ValueError, match="confidence level"):
        normal_quantile(95)
