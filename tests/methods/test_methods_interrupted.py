"""Interrupted time series against statsmodels, and against a planted step; ratios of ratios by hand."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from shared_code import methods as m


def series(seed: int = 3, step: float = 0.6, months: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    at = np.arange(months)
    size = 1000.0 + 3 * at
    steps = (at >= months - 6).astype(float)[None, :]
    mean = size * np.exp(-2 + 0.1 * at / 12 + 0.2 * np.sin(2 * np.pi * at / 12) + np.log(step) * steps[0])
    return rng.poisson(mean).astype(float), size, steps


@pytest.mark.parametrize("trend", [True, False])
@pytest.mark.parametrize("first", [1, 3])
def test_it_agrees_with_statsmodels(first, trend):
    y, size, steps = series()
    month = (np.arange(y.size) + first - 1) % 12
    months = [(month == k).astype(float) for k in range(12)]
    x = np.column_stack([*months, *([np.arange(y.size) / 12] if trend else []), steps[0]])
    model = sm.GLM(y, x, family=sm.families.Poisson(), offset=np.log(size))
    hac = model.fit(cov_type="HAC", cov_kwds={"maxlags": 2})
    scaled = model.fit(scale="X2")
    found = m.interrupted_series(y, size, steps, first, trend=trend)
    np.testing.assert_allclose(found.estimate, np.exp(hac.params[-1:]), rtol=1e-9)
    np.testing.assert_allclose(found.se_hac, hac.bse[-1:], rtol=1e-7)
    np.testing.assert_allclose(found.se_scaled, scaled.bse[-1:] / np.sqrt(min(scaled.scale, 1.0)), rtol=1e-7)
    assert found.df == y.size - x.shape[1] and found.dispersion == pytest.approx(scaled.scale)
    if trend:
        assert found.percent_a_year == pytest.approx(100 * np.expm1(hac.params[-2]))


def test_the_planted_step_is_inside_its_interval_about_as_often_as_promised():
    inside = 0
    for seed in range(200):
        y, size, steps = series(seed)
        found = m.interrupted_series(y, size, steps)
        inside += found.lower[0] < 0.6 < found.upper[0]
    assert 183 <= inside <= 200  # 95 % of 200, less 3 standard errors; the larger error makes it cautious


def test_a_series_that_rises_makes_the_change_from_last_year_too_small():
    """The pitfall: the naive change of a rising series understates the fall against its own trend."""
    at = np.arange(30)
    mean = 1000 * np.exp(np.log(1.2) * at / 12)
    y = np.where(at >= 26, 0.6 * mean, mean)
    found = m.interrupted_series(y, np.ones(30), [(at >= 26).astype(float)])
    assert found.estimate[0] == pytest.approx(0.6) and found.percent_a_year == pytest.approx(20)
    naive = y[26:].sum() / y[14:18].sum()
    assert naive == pytest.approx(0.72)


def test_a_step_that_the_season_explains_is_refused():
    with pytest.raises(ValueError, match="a step follows from months and trend"):
        m.interrupted_series([10.0] * 24, [1.0] * 24, [([1.0] + [0.0] * 11) * 2])
    with pytest.raises(ValueError, match="a month is withheld"):
        m.interrupted_series([10.0] * 23 + [np.nan], [1.0] * 24, [[0.0] * 20 + [1.0] * 4])


def test_a_ratio_of_ratios_and_events_that_repeat():
    once = m.ratio_of_rates([50, 100, 90, 100], [10, 10, 10, 10])
    assert once.estimate == pytest.approx(0.5 / 0.9)
    assert once.se_log == pytest.approx(np.sqrt(1 / 50 + 1 / 100 + 1 / 90 + 1 / 100))
    repeated = m.ratio_of_rates([50, 100, 90, 100], [10] * 4, [150, 300, 270, 300])
    assert repeated.se_log == pytest.approx(np.sqrt(3) * once.se_log), "three events a person each: three times the variance"
    assert m.ratio_of_rates([30, 60], [10, 10]).estimate == pytest.approx(0.5)
    with pytest.raises(ValueError, match="no events"):
        m.ratio_of_rates([0, 60], [10, 10])
