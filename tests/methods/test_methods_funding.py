"""Shares of money: known answers, what always holds, and the mistakes that are easily made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq

from shared_code import methods as m

STOKE = slice(8, 12)


def test_t9_1_the_published_sum_reconciles_both_ways(known):
    """4 x 250 + 200 = 1,200 and 8 x 100 + 200 = 1,000 (thousand pounds); by purpose: 1,800 to localities, 400 beside."""
    answer = known("T9.1")
    given_in = answer.inputs
    stoke, county, beside = (round(1e6 * given_in[k]) for k in ("stoke", "staffs", "vcse"))
    by_place = [round(1e6 * given_in["per_stoke_locality"])] * answer.expected["n_stoke_localities"]
    by_place += [round(1e6 * given_in["per_staffs_locality"])] * answer.expected["n_staffs_localities"]
    total = round(1e6 * given_in["total"])
    assert stoke + county == total == sum(by_place) + beside
    assert beside % 2 == 0 and sum(by_place[:4]) + beside // 2 == stoke and sum(by_place[4:]) + beside // 2 == county
    assert answer.expected["vcse_inside_total"]


def test_t9_2_blend_implied_weight_and_pace_of_change(known):
    answer = known("T9.2")
    n, c, total = np.array(answer.inputs["pop"]), np.array(answer.inputs["core20"]), answer.inputs["F"]
    people, need = n[STOKE].sum() / n.sum(), c[STOKE].sum() / c.sum()
    answer.agrees(people, "stoke_pop_share")
    answer.agrees(need, "stoke_core20_share")
    blend = m.implied_blend(1.0 / 1.8, people, need)
    answer.agrees(blend, "w_implied_by_1.0_of_1.8")
    answer.agrees(m.allocate(total, n, c, 0.5), "alloc_w0.5")
    paced = m.pace_of_change(m.allocate(total, n, c, 0.7), 1.7e6 * n / n.sum(), 0.0, 0.15, total)
    answer.agrees(paced.amounts, "poc_w0.7_base1.7m_0_to_15pct")
    answer.agrees(paced.scale, "poc_scale")
    assert round(m.weight_of_blend(blend, n, c), 1) == 29.8
    split = m.allocate(total, n, c, blend)
    assert split[STOKE].sum() == pytest.approx(1e6)
    # per head and per person in need say opposite things, which is why both are shown
    heads = [1e6 / n[STOKE].sum(), 0.8e6 / n[:8].sum()]
    needs = [1e6 / c[STOKE].sum(), 0.8e6 / c[:8].sum()]
    assert [round(v, 2) for v in heads] == [3.88, 0.91] and [round(v, 2) for v in needs] == [7.46, 9.52]


def test_equal_amounts_inside_a_tier_are_not_shared_by_need(known):
    answer = known("T9.2")
    n, c = np.array(answer.inputs["pop"]), np.array(answer.inputs["core20"])
    per_need = 250_000 / c[STOKE]
    assert per_need.max() / per_need.min() > 1.1
    assert not np.allclose(m.allocate(1e6, n[STOKE], c[STOKE], 1.0), 250_000, rtol=0.01)


places = st.integers(1, 12).flatmap(lambda k: st.tuples(
    st.lists(st.integers(1, 200_000), min_size=k, max_size=k), st.lists(st.floats(0, 1), min_size=k, max_size=k),
    st.lists(st.integers(1, 500_000), min_size=k, max_size=k)))  # fmt: skip


@given(places, st.floats(0, 1), st.integers(0, 10_000_000))
def test_shares_add_up_and_whole_pounds_do_to_the_pound(drawn, blend, total):
    n = np.array(drawn[0], float)
    c = np.floor(n * np.array(drawn[1]))
    assume(c.sum() > 0)
    shared = m.allocate(total, n, c, blend)
    assert shared.sum() == pytest.approx(total, abs=1e-6)
    pounds = m.whole_pounds(shared)
    assert pounds.sum() == total and (np.abs(pounds - shared) < 1 + 1e-6).all()
    if blend < 1:  # the same thing said as weighted capitation
        weight = m.weight_of_blend(blend, n, c)
        extra = (weight - 1) * c.sum()  # and back again
        assert extra / (extra + n.sum()) == pytest.approx(blend, abs=1e-9)
        heads = (n - c) + weight * c
        np.testing.assert_allclose(shared, total * heads / heads.sum(), rtol=1e-6, atol=1e-6)


@given(places, st.floats(0.3, 1.0))
def test_a_floor_keeps_the_sum_and_nobody_is_below(drawn, share):
    amounts = np.array(drawn[2], float)
    least = share * amounts.mean()
    raised = m.with_floor(amounts, least)
    assert raised.sum() == pytest.approx(amounts.sum())
    assert (raised >= least * (1 - 1e-9)).all()
    above = raised > least * (1 + 1e-9)  # those above the floor keep their proportions
    if above.sum() > 1:
        np.testing.assert_allclose((raised / amounts)[above], (raised / amounts)[above][0], rtol=1e-9)
    again = m.with_floor(raised, least)
    np.testing.assert_allclose(again, raised, rtol=1e-9)


@given(places, st.floats(-0.3, 0.1), st.floats(0.11, 0.6), st.floats(0.02, 0.98))
def test_pace_of_change_spends_the_sum_within_the_bounds_and_agrees_with_a_root_finder(drawn, low, high, at):
    target, base = np.array(drawn[0], float), np.array(drawn[2], float)
    floor, ceiling = base * (1 + low), base * (1 + high)
    total = floor.sum() + at * (ceiling.sum() - floor.sum())
    paced = m.pace_of_change(target, base, low, high, total)
    assert paced.amounts.sum() == pytest.approx(total, rel=1e-9)
    assert (paced.amounts >= floor * (1 - 1e-12)).all() and (paced.amounts <= ceiling * (1 + 1e-12)).all()
    top = float((ceiling / target).max()) + 1
    root = brentq(lambda s: np.clip(s * target, floor, ceiling).sum() - total, 0, top, xtol=1e-14)
    np.testing.assert_allclose(np.clip(root * target, floor, ceiling), paced.amounts, rtol=1e-6)


def test_years_to_target_are_counted_by_hand():
    # halves from 70 and 30, at most 20 % up and 10 % down a year: 64 and 36, 57.6 and 42.4, 51.84 and 48.16 (within 5 %)
    assert m.years_to_target([50, 50], [70, 30], -0.1, 0.2).tolist() == [3.0, 3.0]
    assert m.years_to_target([50, 50], [52, 48], -0.1, 0.2).tolist() == [0.0, 0.0]
    assert np.isnan(m.years_to_target([50, 50], [70, 30], 0.0, 0.0, most=5)).all()


@pytest.mark.parametrize("call, says", [
    (lambda: m.pace_of_change([1, 1], [100, 100], 0, 0.05, 300), "spends 200.00 to 210.00, and 300.00 is to be spent"),
    (lambda: m.with_floor([10, 10], 11), "2 places at 11 need more than 20"),
    (lambda: m.allocate(100, [10, 10], [11, 0]), "more people in need than people at position 0"),
    (lambda: m.allocate(100, [10, 10], [0, 0]), "nobody is in need anywhere"),
    (lambda: m.allocate(100, [10, np.nan], [1, 1]), "a number is withheld at position 1"),
    (lambda: m.implied_blend(0.5, 0.3, 0.3), "there is no principle to find"),
    (lambda: m.whole_pounds([0.3, 0.3]), "add up to 0.6000"),
])  # fmt: skip
def test_what_cannot_be_done_is_said(call, says):
    with pytest.raises(ValueError, match=says.replace(".", r"\.")):
        call()


def test_rounding_each_by_itself_would_lose_pounds():
    """The pitfall: three equal thirds of 100 pounds, rounded, are 99."""
    shared = m.allocate(100, [1, 1, 1], [1, 1, 1])
    assert np.round(shared).sum() == 99 and m.whole_pounds(shared).sum() == 100


def test_a_floor_undoes_weighting_by_need():
    """The pitfall: with a high floor the allocation hardly depends on need any more."""
    n, c = np.array([100.0, 100.0, 100.0]), np.array([10.0, 20.0, 60.0])
    needy = m.allocate(900, n, c, 1.0)
    assert needy[2] / needy[0] == pytest.approx(6)
    assert m.with_floor(needy, 290)[2] / 290 < 1.11
