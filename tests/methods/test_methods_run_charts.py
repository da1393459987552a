"""Run charts: a textbook's example, chance left alone, and a change that is found."""

from __future__ import annotations

import numpy as np
import pytest

from shared_code import methods

# Montgomery, Introduction to Statistical Quality Control: cans of orange juice, 30 samples of 50, nonconforming cans
CANS = [12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11, 20, 18, 24, 15, 9, 12, 7, 13, 9, 6]


def test_the_textbook_has_two_samples_beyond_its_limits():
    chart = methods.p_chart(CANS, 50)
    assert (chart.centre, chart.lower[0], chart.upper[0]) == pytest.approx((0.2313, 0.0524, 0.4102), abs=5e-4)
    assert (np.flatnonzero(chart.beyond) + 1).tolist() == [15, 23]


def test_a_steady_share_is_left_alone_and_a_change_is_found():
    rng = np.random.default_rng(4)
    n = rng.integers(400, 800, (500, 12))
    steady = [methods.p_chart(row, size) for row, size in zip(rng.binomial(n, 0.12), n)]
    assert np.mean([chart.beyond.any() or chart.shifted.any() for chart in steady]) < 0.10
    p = np.where(np.arange(12) < 6, 0.10, 0.17)
    changed = [methods.p_chart(row, size) for row, size in zip(rng.binomial(n, p), n)]
    assert np.mean([chart.beyond.any() or chart.shifted.any() for chart in changed]) > 0.5


def test_a_run_counts_from_the_eighth_point_and_a_gap_interrupts_it():
    people = np.full(16, 100.0)
    seven = np.array([20.0] * 7 + [10.0] * 9)
    assert methods.p_chart(seven, people).shifted.tolist() == [False] * 7 + [True] * 9
    cases = np.array([20.0] * 8 + [10.0] * 8)
    assert methods.p_chart(cases, people).shifted.all()
    cases[3] = np.nan
    chart = methods.p_chart(cases, people)
    assert not chart.shifted[:8].any() and chart.shifted[8:].all() and np.isnan(chart.lower[3]) and not chart.beyond[3]


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="more cases than people"):
        methods.p_chart([5], [4])
    with pytest.raises(ValueError, match="no point with people"):
        methods.p_chart([np.nan, 0], [10, 0])
