"""The slope index against weighted least squares and against simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code import methods as m

steady = settings(deadline=None, database=None, derandomize=True, max_examples=60)


@st.composite
def groups(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    k = draw(st.integers(2, 12))
    return rng.uniform(100, 9000, k), rng.uniform(50, 90, k), rng.uniform(0.1, 3, k)


@steady
@given(groups())
def test_the_line_is_weighted_least_squares(data):
    population, values, se = data
    share = population / population.sum()
    rank = np.cumsum(share) - share / 2
    line = sm.WLS(values, sm.add_constant(rank, has_constant="add"), weights=share).fit()
    result = m.slope_index(population, values, se)
    np.testing.assert_allclose([result.first, result.estimate], line.params, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(result.last, line.params.sum(), rtol=1e-7)
    coefficients = line.model.pinv_wexog * np.sqrt(share)  # the parameters as a linear map of the values
    np.testing.assert_allclose(result.se, np.sqrt((coefficients[1] ** 2 * se**2).sum()), rtol=1e-7)


def test_the_limits_are_those_that_simulation_finds():
    rng = np.random.default_rng(20260101)
    population, values, se = [5000, 7000, 6000, 8000], np.array([75.0, 78.0, 80.0, 83.0]), np.array([1.0, 0.8, 1.2, 0.9])
    result = m.slope_index(population, values, se)
    draws = m.slope_index(population, rng.normal(values, se, (40_000, 4)), se)
    # Monte-Carlo tolerance: four standard errors of a 2.5 % quantile of 40,000 draws
    np.testing.assert_allclose(np.quantile(draws.estimate, [0.025, 0.975]), [result.lower, result.upper], atol=0.12)
    np.testing.assert_allclose(
        np.quantile(draws.ratio, [0.025, 0.975]), [result.ratio_lower, result.ratio_upper], atol=0.002
    )


@steady
@given(groups())
def test_turning_the_ranking_turns_the_sign(data):
    forward, backward = m.slope_index(*data), m.slope_index(*(v[::-1] for v in data))
    np.testing.assert_allclose([forward.estimate, forward.lower], [-backward.estimate, -backward.upper], atol=1e-8)


@steady
@given(groups(), st.integers(0, 12))
def test_a_group_without_people_changes_nothing(data, at):
    padded = [np.insert(v, min(at, len(v)), x) for v, x in zip(data, (0.0, np.nan, np.nan), strict=True)]
    np.testing.assert_allclose(m.slope_index(*padded).estimate, m.slope_index(*data).estimate, rtol=1e-9, atol=1e-9)


def test_a_missing_group_is_not_given_and_a_negative_end_has_no_ratio():
    result = m.slope_index([1, 1, 1], [[1.0, 2.0, np.nan], [1.0, 2.0, 3.0], [-5.0, 0.0, 5.0]], 0.1)
    assert result.reason.tolist() == ["a group is not given", "", ""]
    assert np.isnan(result.estimate).tolist() == [True, False, False]
    assert np.isnan(result.ratio).tolist() == [True, False, True]
    with pytest.raises(ValueError, match="no error, or two"):
        m.slope_index([5, 5], [1.0, 2.0])


def test_one_area_with_a_single_group_does_not_stop_the_others():
    result = m.slope_index([[5, 0, 0], [5, 5, 5]], [1.0, 2.0, 3.0], [0.1, 0.1, 0.1])
    assert result.reason.tolist() == ["fewer than two groups have people", ""]
    assert np.isnan([result.estimate[0], result.se[0], result.ratio[0]]).all() and result.estimate[1] == pytest.approx(3)
    zero = m.slope_index([5, 5, 5], [0.0, 2.0, 3.0], [0.1, 0.1, 0.1], transform="log")
    assert np.isnan(zero.estimate) and zero.reason == "a group is not given"
