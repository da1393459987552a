"""The exact edges of single rules: a value on the edge, one before it, one after."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.study import Dimension, Policy
from shared_code.disclosure.agreements import _of_levels
from shared_code.disclosure.attacks.find import too_narrow
from shared_code.disclosure.attacks.formulas import profile
from shared_code.disclosure.rounding import rounded_sums
from shared_code.disclosure.rules_models import _small


@settings(deadline=None, database=None, derandomize=True, max_examples=300)
@given(st.floats(0.01, 1e7), st.integers(1, 5000), st.sampled_from([2, 5, 10]))
def test_the_step_of_a_sum_is_the_next_of_1_2_5_10(total, people, rounding):
    """As many average contributions as counts are rounded to, or the next step above."""
    cells = rounded_sums(np.array([total]), np.array([float(people)]), np.array([False]), Policy(rounding=rounding)).iloc[0]
    step, wanted = cells["upper"] - cells["lower"], rounding * total / people
    steps = [times * 10.0**power for power in range(-8, 9) for times in (1, 2, 5)]
    assert step == pytest.approx(min(s for s in steps if s >= wanted * (1 - 1e-9)), rel=1e-6)
    assert cells["lower"] <= total * (1 + 1e-9) and total * (1 - 1e-9) <= cells["upper"]


def test_nobody_is_not_a_small_number_and_the_threshold_is_not_either():
    assert _small(np.array([0, 1, 9, 10, 11]), Policy(threshold=10, rounding=1)).tolist() == [False, True, True, False, False]


@pytest.mark.parametrize(("parts", "expected"), [({"core10": 3}, 0), ({"core20": 4}, 0), ({"core10": 3, "core20": 4}, 1)])
def test_a_level_within_another_is_compared_only_where_both_are(parts, expected):
    spec = Dimension.model_validate({"label": "Need", "values": {"core10": "", "core20": ""}, "within": {"core10": ["core20"]}})
    rows = list(_of_levels(spec, parts, SimpleNamespace(whole={})))
    assert len(rows) == expected and all(row == {4: 1.0, 3: -1.0} for row in rows)


@pytest.mark.parametrize(("lower", "upper", "withheld", "narrow"), [
    (0, 9, False, True), (0, 10, False, False), (0, 0, True, False), (1, 9, True, True), (1, 10, True, False),
    (2, 10, True, True), (5, 4, True, False), (0, 9, True, True),
])  # fmt: skip
def test_a_range_that_gives_few_people_away(lower, upper, withheld, narrow):
    assert too_narrow(lower, upper, 10, withheld) is narrow
    assert not too_narrow(lower, upper, 1, withheld)


@pytest.mark.parametrize(("events", "people"), [(4, 4), (0, 3), (2, 7)])
def test_a_profile_of_a_few_people_gives_their_number_away(events, people):
    """All of them with the event, nobody with it, and some."""
    grid = {b: events * b - people * np.log1p(np.exp(b)) + 3.0 for b in np.linspace(-2, 2, 9)}
    assert profile(grid) == [(events, people)]
