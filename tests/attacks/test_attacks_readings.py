"""What formulas give away, against counting: every fraction is tried, in exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from shared_code.disclosure.attacks import formulas


@pytest.mark.parametrize(("percent", "decimals", "people"), [
    ("4.8", 1, (83, 83)), ("4.8", 1, (20000, 20000)), ("50", 0, (200, 200)), ("50", 0, (1, 60)), ("0", 0, (300, 300)),
    ("0", 1, (1, 40)), ("100", 0, (1, 1)), ("100", 1, (3, 9)), ("12.5", 2, (0, 64)), ("33.3", 1, (17, 17)), ("7", 0, (0, 0)),
])  # fmt: skip
def test_numerators_of_a_percentage_are_all_that_round_to_it(percent, decimals, people):
    half = Fraction(1, 2 * 10**decimals)
    by_trying = {x for n in range(max(1, people[0]), people[1] + 1) for x in range(n + 3)
                 if abs(Fraction(100 * x, n) - Fraction(percent)) <= half}  # fmt: skip
    assert formulas.percentage(float(percent), decimals, people) == sorted(by_trying)


def test_the_ends_of_a_known_number_of_people_need_not_be_whole():
    """Between 9.5 and 11.2 people there are 10 or 11."""
    assert formulas.percentage(50, 0, (9.5, 11.2)) == formulas.percentage(50, 0, (10, 11)) == [5]


def steps_by_trying(survival: list[str], decimals: int, most: int) -> list[tuple[int, int]]:
    """Read a curve by trying every number of deaths among every number at risk."""
    half, steps, before = Fraction(1, 2 * 10**decimals), [], Fraction(1)
    for after in map(Fraction, survival):
        low, high = (after - half) / (before + half), (after + half) / (before - half)
        fits = [(d, n) for n in range(1, most + 1) for d in range(1, n + 1) if low <= 1 - Fraction(d, n) <= high]
        steps.append(fits[0] if len({Fraction(d, n) for d, n in fits}) == 1 else (-1, -1))
        before = after
    return steps


@pytest.mark.parametrize(("survival", "decimals", "most"), [
    (["0.9091", "0.8182", "0.5455"], 4, 40),
    (["0.9500"], 4, 200),
    (["0.9500"], 4, 20),  # one of twenty, the most that is looked at
    (["0.5"], 3, 3),
    (["0.0"], 2, 40),  # all die
    (["1.0"], 2, 50),  # nobody dies: no step
    (["0.9"], 1, 60),  # many fractions fit one decimal
    (["0.667", "0.333"], 3, 12),
    (["0.964", "0.914"], 3, 30),  # both values lie at the end of what rounds to them
    (["0.9677", "0.9032", "0.8710"], 4, 31),
])  # fmt: skip
def test_the_steps_of_a_curve(survival, decimals, most):
    expected = steps_by_trying(survival, decimals, most)
    assert formulas.curve([float(s) for s in survival], decimals, most) == expected


def test_some_curves_are_read_and_others_are_not():
    """The table above holds both, so it says something."""
    assert steps_by_trying(["0.9500"], 4, 20) == [(1, 20)] and steps_by_trying(["0.9500"], 4, 19) == [(-1, -1)]
    assert steps_by_trying(["0.0"], 2, 40) == [(1, 1)] and steps_by_trying(["1.0"], 2, 50) == [(-1, -1)]


def test_two_people_from_their_mean_and_variance():
    """3 and 11: the mean is 7, the variance (16 + 16) / 1."""
    assert formulas.two_values(7.0, 32.0) == pytest.approx((3.0, 11.0))


def test_a_sum_less_the_second_largest():
    assert formulas.largest(10.0, 0.25) == (0.25, 9.75)
    assert formulas.largest(10.0, -2.0) == (0.0, 12.0)  # a contribution below nothing bounds the largest by nothing


@pytest.mark.parametrize(("events", "people"), [(1, 2), (3, 8), (9, 10), (2, 40)])
def test_log_odds_and_their_error_give_events_and_people(events, people):
    without = people - events
    estimate, se = math.log(events / without), math.sqrt(1 / events + 1 / without)
    assert formulas.one_hot(estimate, se) == pytest.approx((events, people))


@pytest.mark.parametrize(("difference", "outcome", "off"), [(0.5, 1, 0.0), (-0.5, 0, 0.0), (0.7, 1, 0.2), (-0.4, 0, 0.1)])
def test_the_derivative_by_one_person_s_term(difference, outcome, off):
    assert formulas.gradient(difference) == (outcome, pytest.approx(off))


@pytest.mark.parametrize(("events", "people"), [(0, 1), (1, 1), (2, 5), (5, 5), (0, 5), (3, 4)])
def test_a_grid_of_likelihoods_gives_events_and_people(events, people):
    grid = {b: 7.0 + events * b - people * math.log(1 + math.exp(b)) for b in (1.0, -1.0, 0.5)}  # up to a constant
    assert formulas.profile(grid, most=5) == [(events, people)]
    assert formulas.profile(grid, most=people - 1) == []


def test_how_many_people_have_a_published_value():
    assert formulas.somebody(3.5, [1, 3.5, 3.5, 3.6]) == 2 and formulas.somebody(3.0, [1, 3.5]) == 0
