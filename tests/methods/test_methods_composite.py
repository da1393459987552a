"""Composite indices: known answers, other libraries, brute force, and what must not change the result."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import gmean, skew
from statsmodels.multivariate.pca import PCA

from shared_code import methods as m
from shared_code.methods.composite import SKEWED


def worked(answer):
    """Do steps 3 to 10 of METHODS 5 on the data of T5.1."""
    x, sign, best, worst = (np.array(answer.inputs[k], dtype=float) for k in ("X", "direction", "utopia", "dystopia"))
    turned = m.toward_better(x, best, worst, sign)
    mean, sd = turned.mean(axis=0), turned.std(axis=0, ddof=1)
    z, zu, zd = (m.standardised_by(v, mean, sd) for v in (turned, best * sign, worst * sign))
    structure = m.scale_structure(np.corrcoef(z.T))
    return turned, structure, m.component_score(z, structure.weights, zu, zd)


def test_t5_1_component(known):
    answer = known("T5.1")
    _, structure, component = worked(answer)
    answer.agrees(structure.alpha, "alpha")
    answer.agrees(structure.adequacy, "KMO")
    answer.agrees(structure.eigenvalue, "eig1")
    answer.agrees(structure.loadings, "loadings")
    answer.agrees(structure.weights, "weights")
    answer.agrees(component.best, "c_utopia")
    answer.agrees(component.worst, "c_dystopia")
    answer.agrees(component.score, "score")
    assert not component.clipped.any()


def test_t5_1_sums_of_two_sites_give_what_one_table_gives(known):
    turned, structure, _ = worked(known("T5.1"))
    sums = [(len(part), part.sum(axis=0), part.T @ part) for part in (turned[:3], turned[3:], turned[:0])]
    mean, sd, correlation = m.correlation_from_sums(*(sum(s) for s in zip(*sums, strict=True)))
    np.testing.assert_allclose(mean, turned.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(sd, turned.std(axis=0, ddof=1), rtol=1e-9)
    np.testing.assert_allclose(m.scale_structure(correlation).weights, structure.weights, rtol=1e-9)


def test_t5_2_shrinkage(known):
    answer = known("T5.2")
    found = m.empirical_bayes(answer.inputs["obs"], answer.inputs["exp"])
    answer.agrees(found.mean, "m")
    answer.agrees(found.between, "A")
    answer.agrees(found.estimate, "eb")


def test_t5_1_a_year_standardised_by_itself_hides_progress(known):
    answer = known("T5.1")
    x, sign, best, worst = (np.array(answer.inputs[k], dtype=float) for k in ("X", "direction", "utopia", "dystopia"))
    later = x + sign * 0.1 * x.std(axis=0, ddof=1) * 2  # every ward improves in everything
    turned, structure, before = worked(answer)
    mean, sd = turned.mean(axis=0), turned.std(axis=0, ddof=1)
    zu, zd = (m.standardised_by(v * sign, mean, sd) for v in (best, worst))
    after = m.component_score(m.standardised_by(later * sign, mean, sd), structure.weights, zu, zd)
    assert (after.score > before.score).all()
    alone = [(v * sign - (v * sign).min(axis=0)) / np.ptp(v * sign, axis=0) for v in (x, later)]
    np.testing.assert_allclose(alone[0], alone[1], atol=1e-12)  # min-max of each year sees no change at all


def test_adequacy_is_that_of_partial_correlations_by_regression():
    """Kaiser's measure by brute force: regress each pair on all others and correlate what is left."""
    mixing = np.array([[1, 0.6, 0.3, 0], [0, 1, 0.4, 0.2], [0, 0, 1, 0.5], [0, 0, 0, 1]])
    x = np.random.default_rng(5).normal(size=(60, 4)) @ mixing
    r = np.corrcoef(x.T)
    partial = np.zeros((4, 4))
    for i, j in itertools.permutations(range(4), 2):
        rest = np.column_stack([np.ones(60), np.delete(x, [i, j], axis=1)])
        left = [x[:, k] - rest @ np.linalg.lstsq(rest, x[:, k], rcond=None)[0] for k in (i, j)]
        partial[i, j] = np.corrcoef(left)[0, 1]
    off = ~np.eye(4, dtype=bool)
    expected = (r[off] ** 2).sum() / ((r[off] ** 2).sum() + (partial[off] ** 2).sum())
    found = m.scale_structure(r)
    assert found.adequacy == pytest.approx(expected, rel=1e-9)
    each = [(r[i][off[i]] ** 2).sum() / ((r[i][off[i]] ** 2).sum() + (partial[i][off[i]] ** 2).sum()) for i in range(4)]
    np.testing.assert_allclose(found.adequacy_of_items, each, rtol=1e-9)


def test_the_first_component_is_that_of_another_library_and_alpha_that_of_its_definition():
    x = np.random.default_rng(3).normal(size=(204, 5)) + np.random.default_rng(4).normal(size=(204, 1)) * 1.5
    found = m.scale_structure(np.corrcoef(x.T))
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    pca = PCA(x, ncomp=5, standardize=True)
    np.testing.assert_allclose(found.share, pca.eigenvals[0] / pca.eigenvals.sum(), rtol=1e-9)
    first = np.asarray(pca.eigenvecs)[:, 0]
    np.testing.assert_allclose(found.weights, first / first.sum(), rtol=1e-7)
    alpha = 5 / 4 * (1 - z.var(axis=0).sum() / z.sum(axis=1).var())  # Cronbach 1951, on standardised items
    assert found.alpha == pytest.approx(alpha, rel=1e-9)


def test_an_item_that_points_the_wrong_way_stops_and_is_not_turned():
    found = m.scale_structure([[1, 0.7, -0.5], [0.7, 1, -0.4], [-0.5, -0.4, 1]])
    assert found.reason == "a loading is negative" and np.isnan(found.weights).all()
    assert (found.loadings < 0).sum() == 1
    with pytest.raises(ValueError, match="points the wrong way"):
        m.component_score(np.zeros((2, 3)), found.weights, np.ones(3), -np.ones(3))


matrices = arrays(float, st.tuples(st.integers(12, 40), st.integers(3, 5)), elements=st.integers(-50, 50).map(float))


@given(matrices, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_order_unit_and_origin_do_not_matter(x, seed):
    rng = np.random.default_rng(seed)
    x = x + rng.normal(0, 1, x.shape) + 20 * rng.normal(size=(len(x), 1))
    sign = rng.choice([-1.0, 1.0], x.shape[1])
    x *= sign
    best, worst = x.mean(axis=0) + sign * 400, x.mean(axis=0) - sign * 400

    def scored(values, sign, best, worst):
        turned = m.toward_better(values, best, worst, sign)
        mean, sd = turned.mean(axis=0), turned.std(axis=0, ddof=1)
        structure = m.scale_structure(np.corrcoef(turned.T))
        if structure.reason:
            return None
        z, zu, zd = (m.standardised_by(v, mean, sd) for v in (turned, best * sign, worst * sign))
        return m.component_score(z, structure.weights, zu, zd).score

    base = scored(x, sign, best, worst)
    if base is None:
        return
    rows, items = rng.permutation(len(x)), rng.permutation(x.shape[1])
    moved = scored(x[rows][:, items], sign[items], best[items], worst[items])
    np.testing.assert_allclose(moved, base[rows], rtol=1e-7, atol=1e-7)
    unit, origin = rng.uniform(0.5, 3, x.shape[1]), rng.uniform(-9, 9, x.shape[1])
    changed = scored(x * unit + origin, sign, best * unit + origin, worst * unit + origin)
    np.testing.assert_allclose(changed, base, rtol=1e-6, atol=1e-6)
    inverted = scored(-x, -sign, -best, -worst)  # reverse coding done twice is no change
    np.testing.assert_allclose(inverted, base, rtol=1e-9, atol=1e-9)


@given(arrays(float, (8, 3), elements=st.floats(-10, 10)), st.integers(0, 7), st.integers(0, 2), st.floats(0, 5))
@settings(max_examples=60, deadline=None)
def test_doing_better_never_scores_lower_and_scores_stay_in_range(z, row, item, more):
    best, worst, w = np.full(3, 4.0), np.full(3, -4.0), np.array([0.5, 0.3, 0.2])
    before = m.component_score(z, w, best, worst).score
    z2 = z.copy()
    z2[row, item] += more
    after = m.component_score(z2, w, best, worst).score
    assert (before >= 0).all() and (before <= 100).all() and after[row] >= before[row] - 1e-9


def test_the_bounds_themselves_score_0_and_100_and_beyond_them_is_clipped_and_counted():
    best, worst, w = np.array([2.0, 1.0]), np.array([-3.0, -1.0]), np.array([0.7, 0.3])
    found = m.component_score(np.array([best, worst, best + 1, worst - 1]), w, best, worst)
    np.testing.assert_allclose(found.score, [100, 0, 100, 0], atol=1e-9)
    assert found.clipped.tolist()[2:] == [True, True]


def test_beyond_the_best_bound_nothing_is_earned():
    one = m.toward_better([[99.0], [100.0], [130.0]], [100], [0], [1])
    assert one.ravel().tolist() == [99, 100, 100]
    assert m.toward_better([[-3.0]], [0], [50], [-1]).ravel().tolist() == [0]
    with pytest.raises(ValueError, match="not better than the worst"):
        m.toward_better([[1.0]], [0], [50], [1])


def test_averages_with_a_power():
    scores = np.array([[80.0, 60, 40], [10, 90, 50]])
    np.testing.assert_allclose(m.power_mean(scores, power=0), gmean(scores, axis=1))
    np.testing.assert_allclose(m.power_mean(scores, power=1), scores.mean(axis=1))
    np.testing.assert_allclose(m.power_mean(scores, power=0.5), np.sqrt(scores).mean(axis=1) ** 2)
    assert [round(float(m.power_mean([80, 60, 40], power=p)), 2) for p in (1, 0, 0.5)] == [60.0, 57.69, 58.85]
    assert m.power_mean([0.0, 100.0], power=0) == 0


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0.5, 40)), min_size=3, max_size=30))
@settings(max_examples=80, deadline=None)
def test_shrinkage_draws_towards_the_average_and_more_so_the_smaller_the_area(pairs):
    observed, expected = np.array(pairs, dtype=float).T
    found = m.empirical_bayes(observed, expected)
    raw = observed / expected
    assert np.all(np.abs(found.estimate - found.mean) <= np.abs(raw - found.mean) + 1e-9)
    twice = m.empirical_bayes(np.r_[observed, np.nan], np.r_[expected, 5.0])
    np.testing.assert_allclose(twice.estimate[:-1], found.estimate)
    assert np.isnan(twice.estimate[-1])


def test_shrinkage_recovers_the_planted_spread_and_beats_the_raw_rates():
    rng = np.random.default_rng(8)
    truth = rng.normal(1.2, 0.3, 2000).clip(0.1)
    expected = rng.uniform(3, 30, 2000)
    observed = rng.poisson(truth * expected)
    found = m.empirical_bayes(observed, expected)
    assert found.between == pytest.approx(truth.var(), rel=0.15)
    assert np.mean((found.estimate - truth) ** 2) < 0.7 * np.mean((observed / expected - truth) ** 2)
    covered = np.abs(found.estimate - truth) < 1.96 * found.se
    assert 0.93 < covered.mean() < 0.97


def test_rank_intervals_are_those_of_sorting_every_draw():
    draws = np.random.default_rng(2).normal(np.arange(10), 2, (400, 10))
    found = m.rank_intervals(draws)
    each = np.array([np.argsort(np.argsort(-row)) + 1 for row in draws])
    np.testing.assert_array_equal(found.median, np.median(each, axis=0))
    assert np.all(found.lower <= found.median) and np.all(found.median <= found.upper)
    np.testing.assert_allclose(found.lowest, (each > 8).mean(axis=0))
    assert found.lowest.sum() == pytest.approx(2)  # two of ten places are the lowest fifth, in every draw
    certain = m.rank_intervals(np.repeat(np.arange(10.0)[None], 5, axis=0))
    assert (certain.lower == certain.upper).all() and not certain.grouped.any()
    assert m.rank_intervals(np.random.default_rng(3).normal(size=(200, 10))).grouped.all()


def test_peers_are_the_nearest_by_brute_force():
    x = np.random.default_rng(6).normal(size=(30, 3)) * [1, 100, 0.01]
    z = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    found = m.nearest_peers(x, 5)
    for i in range(30):
        others = sorted((float(((z[i] - z[j]) ** 2).sum()), j) for j in range(30) if j != i)
        assert found[i].tolist() == [j for _, j in others[:5]]


def test_a_strength_needs_a_difference_that_is_certain_and_large():
    scores = np.array([80.0, 50, 51, 49, 50, 52])
    peers = m.nearest_peers(np.arange(6.0)[:, None], 4)
    certain = np.repeat(scores[None], 50, axis=0)
    noisy = certain + np.random.default_rng(1).normal(0, 40, certain.shape)
    assert m.against_peers(scores, certain, peers)[1].tolist() == [1, 0, 0, 0, 0, 0]
    assert m.against_peers(scores, noisy, peers)[1].tolist() == [0] * 6
    assert m.against_peers(100 - scores, 100 - certain, peers)[1][0] == -1


def test_missing_values_are_imputed_near_the_truth_and_withheld_ones_only_within_their_range():
    rng = np.random.default_rng(9)
    x = rng.normal(size=(200, 3)) + 3 * rng.normal(size=(200, 1))
    context = rng.normal(size=(200, 2))
    gaps = x.copy()
    gone = rng.choice(200, 18, replace=False)
    gaps[gone, 1] = np.nan
    drawn = m.imputed_areas(gaps, context, np.random.default_rng(1), 400)
    error = drawn[:, gone, 1].mean(axis=0) - x[gone, 1]
    assert np.sqrt((error**2).mean()) < 0.6 * x[:, 1].std()
    assert drawn[:, gone, 1].std(axis=0).mean() == pytest.approx(error.std(), rel=0.5)
    kept = np.delete(np.arange(200), gone)
    assert (drawn[:, kept] == gaps[kept]).all()
    limits = np.full((200, 3, 2), np.nan)
    limits[gone[0], 1] = (0.0, 0.01)
    ranged = m.imputed_areas(gaps, context, np.random.default_rng(1), 50, limits)
    assert ((ranged[:, gone[0], 1] >= 0) & (ranged[:, gone[0], 1] <= 0.01)).all()


def test_exponential_ranks_are_those_of_the_published_method():
    """Best and worst are 0 and 100; a tenth of the places has more than half of the scale (MHCLG technical report)."""
    n = 32_844
    scores = m.transformed(np.arange(1, n + 1, dtype=float), "exponential_rank")
    assert scores[0] == pytest.approx(100) and scores[-1] < 0.001
    assert scores[n // 10] == pytest.approx(50, abs=0.5)
    assert (np.diff(scores) < 0).all()


def test_the_logarithm_takes_the_skew_out_of_skewed_positive_values():
    x = np.random.default_rng(1).lognormal(0, 1, 500)
    assert skew(x) > SKEWED > abs(skew(m.transformed(x, "log")))
    with pytest.raises(ValueError, match="Use log1p"):
        m.transformed([0.0, 1.0], "log")
    assert m.transformed([0.0, np.e - 1], "log1p").tolist() == [0.0, 1.0]


def withheld_areas(seed: int, areas: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make areas with three shares of people of other ages, the numbers of cases, and which of them a threshold of 10 hides."""
    rng = np.random.default_rng(seed)
    people = rng.integers(110, 900, areas)[:, None] * np.array([0.6, 0.25, 0.85]) * rng.lognormal(0, 0.08, (areas, 3))
    hardship = rng.normal(0, 0.35, areas)[:, None]
    cases = rng.binomial(people.astype(int), np.clip(np.array([0.12, 0.4, 0.08]) * np.exp(hardship), 0, 0.9))
    return 100 * cases / people, cases.astype(float), (cases > 0) & (cases < 10)


def test_a_withheld_share_lies_within_the_range_of_its_cases():
    inside: list[bool] = []
    for seed in range(12):
        truth, cases, hidden = withheld_areas(seed)
        ends = [np.where(hidden, end, np.nan) for end in (1.0, 9.0)]
        shares = np.where(hidden | (cases == 0), np.nan, truth)
        limits = m.limits_of_shares(shares, np.where(hidden, np.nan, cases), *ends)
        bounded = np.isfinite(limits).all(axis=-1)
        something = ~np.isnan(shares).all(axis=1)  # an area of which nothing is known has no limits
        assert (bounded == (hidden & something[:, None])).all()
        inside += list((limits[bounded, 0] <= truth[bounded]) & (truth[bounded] <= limits[bounded, 1]))
    assert len(inside) > 60 and np.mean(inside) >= 0.95


def test_drawn_within_the_range_a_withheld_share_is_nearer_the_truth_than_by_regression():
    """Few cases are no accident: regression on the other indicators makes small wards look like those that were not hidden."""
    apart = {"range": [], "regression": []}
    for seed in range(12):
        truth, cases, hidden = withheld_areas(seed)
        ends = [np.where(hidden, end, np.nan) for end in (1.0, 9.0)]
        shares = np.where(hidden, np.nan, truth)
        limits = m.limits_of_shares(shares, np.where(hidden, np.nan, cases), *ends)
        at = np.isfinite(limits).all(axis=-1)
        for name, ranges in (("range", limits), ("regression", None)):
            drawn = m.imputed_areas(shares, np.zeros((len(shares), 0)), np.random.default_rng(seed), 200, ranges).mean(axis=0)
            apart[name] += list(drawn[at] - truth[at])
    assert len(apart["range"]) > 60
    assert np.sqrt(np.mean(np.square(apart["range"]))) < np.sqrt(np.mean(np.square(apart["regression"])))


def test_limits_are_exact_where_the_people_behind_the_shares_are():
    """Area times item without anything left over: the limits are the range of cases over the people."""
    people = np.outer([100.0, 300, 50], [1.0, 2])
    cases = np.array([[20.0, 60], [90, 30], [np.nan, 40]])
    shares = 100 * cases / people
    low, high = (np.where(np.isnan(cases), end, np.nan) for end in (1.0, 9.0))
    np.testing.assert_allclose(m.limits_of_shares(shares, cases, low, high)[2, 0], [100 * 1 / 50, 100 * 9 / 50])
    nothing = m.limits_of_shares(np.where(people == 50, np.nan, shares)[2:], cases[2:], low[2:], high[2:])
    assert np.isnan(m.limits_of_shares(np.full((1, 2), np.nan), np.full((1, 2), np.nan), [[1.0, 1]], [[9.0, 9]])).all()
    assert nothing.shape == (1, 2, 2)
