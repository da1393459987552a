"""Standard population, standardised values, and what happens when a band is empty, withheld or too small."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code import methods as m

steady = settings(deadline=None, database=None, derandomize=True, max_examples=50)
WEIGHTS = [3.0, 2.0, 1.0]
CASES = np.array([10.0, 20.0, 30.0])
PEOPLE = np.array([200.0, 200.0, 100.0])


def test_the_standard_population_is_100_000_people():
    assert sum(m.ESP2013) == 100_000 and len(m.ESP2013) == 19
    assert m.standard_weights(range(0, 91, 5)).tolist() == list(m.ESP2013)


def test_under_fives_keep_their_own_split():
    assert m.standard_weights([0, 1, 5])[:2].tolist() == [1000, 4000]
    assert m.standard_weights([0, 3, 5])[:2].tolist() == [3000, 2000]


def test_adults_are_cut_in_proportion_to_width():
    adults = m.standard_weights([18, 40, 55, 65, 75])
    assert adults.tolist() == [2200 + 6000 + 6000 + 6500 + 7000, 21000, 12500, 10500, 9000]
    assert m.standard_weights([18, 20], upper=25, normalised=True).tolist() == [2200 / 8200, 6000 / 8200]


@steady
@given(st.lists(st.integers(0, 90), min_size=1, max_size=12, unique=True))
def test_weights_of_any_bands_add_up_to_those_of_single_years(ages):
    edges = sorted(ages)
    single = m.standard_weights(range(91))
    expected = [single[a:b].sum() for a, b in zip(edges, [*edges[1:], 91], strict=True)]
    np.testing.assert_allclose(m.standard_weights(edges), expected, rtol=1e-12)
    np.testing.assert_allclose(m.standard_weights(edges, normalised=True).sum(), 1, rtol=1e-12)
    np.testing.assert_allclose(2 * m.standard_weights(edges, sexes=2), m.standard_weights(edges), rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 95], {}), "outside 0 to 90"),
        (([5, 5], {}), "do not rise"),
        (([20, 60], {"upper": 60}), "do not rise"),
        (([], {}), "not a list of ages"),
        (([0], {"sexes": 3}), "sexes is 3"),
    ],
)
def test_impossible_bands_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        m.standard_weights(arguments[0], **arguments[1])


@pytest.mark.parametrize(
    ("band", "cases", "people", "reason"),
    [
        (1, np.nan, 200.0, "a band is withheld"),
        (1, 20.0, np.nan, "a band is withheld"),
        (1, 0.0, 0.0, "a band has nobody in it: merge bands, in every group compared"),
    ],
)
def test_an_area_with_an_unusable_band_is_not_given_and_others_are(band, cases, people, reason):
    x, n = CASES.copy(), PEOPLE.copy()
    x[band], n[band] = cases, people
    proportion = m.standardised_proportion([x, CASES], [n, PEOPLE], WEIGHTS)
    rate = m.dobson_rate([x, CASES], [n, PEOPLE], WEIGHTS)
    for result in (proportion, rate):
        assert result.reason.tolist() == [reason, ""]
        for values in (result.estimate, result.lower, result.upper, result.se):
            assert np.isnan(values).tolist() == [True, False]
    alone = m.standardised_proportion(CASES, PEOPLE, WEIGHTS)
    assert alone.estimate == proportion.estimate[1] and alone.reason == ""
    ratio = m.standardised_ratio(alone, proportion)
    assert ratio.reason.tolist() == ["the second value is not given", ""] and np.isnan(ratio.upper[0])


def test_fewer_than_ten_is_not_given():
    assert m.standardised_proportion([3, 3, 3], PEOPLE, WEIGHTS).reason == "fewer than 10 in all bands together"
    assert m.standardised_proportion([3, 3, 4], PEOPLE, WEIGHTS).reason == ""
    assert np.isnan(m.dobson_rate([3, 3, 3], PEOPLE, WEIGHTS).estimate)
    assert np.isfinite(m.dobson_rate([3, 3, 4], PEOPLE, WEIGHTS).estimate)


def test_a_band_of_weight_0_does_not_count():
    result = m.standardised_proportion([*CASES, np.nan, 0], [*PEOPLE, 5, 0], [*WEIGHTS, 0, 0])
    assert result.estimate == m.standardised_proportion(CASES, PEOPLE, WEIGHTS).estimate


def test_given_proportions_and_variances_replace_counts():
    p, var = CASES / PEOPLE, CASES / PEOPLE * (1 - CASES / PEOPLE) / PEOPLE
    counted = m.standardised_proportion(CASES, PEOPLE, WEIGHTS)
    given_only = m.standardised_proportion(weights=WEIGHTS, proportions=p, variances=var)
    wider = m.standardised_proportion(CASES, PEOPLE, WEIGHTS, proportions=p, variances=4 * var)
    for name in ("estimate", "lower", "upper", "se"):
        np.testing.assert_allclose(getattr(counted, name), getattr(given_only, name), rtol=1e-12)
    assert wider.estimate == counted.estimate and wider.se == pytest.approx(2 * counted.se)
    with pytest.raises(ValueError, match="no values"):
        m.standardised_proportion(weights=WEIGHTS, proportions=p)
    with pytest.raises(ValueError, match="no weights"):
        m.standardised_proportion(CASES, PEOPLE)


def test_an_exactly_known_fit_changes_nothing_and_a_withheld_count_widens():
    sites = np.array([CASES, [3, 40, 25]]), np.array([PEOPLE, PEOPLE])
    pooled = m.standardised_proportion(sites[0].sum(axis=0), sites[1].sum(axis=0), WEIGHTS)
    people = sites[1].sum(axis=0)
    for lower, same in ((sites[0], True), (np.where(sites[0] < 10, 1, sites[0]), False)):
        upper = np.where(lower == sites[0], sites[0], 9)
        fit = m.censored_proportion(lower, upper, sites[1])
        result = m.standardised_proportion(
            fit.estimate * people, people, WEIGHTS, proportions=fit.estimate, variances=fit.variance
        )
        assert np.isclose(result.estimate, pooled.estimate, rtol=1e-12) == same
        assert np.isclose(result.se, pooled.se, rtol=1e-12) == same


def test_everybody_a_case_still_has_a_lower_limit():
    result = m.standardised_proportion(PEOPLE, PEOPLE, WEIGHTS)
    everybody = m.wilson(500, 500)
    np.testing.assert_allclose([result.estimate, result.lower, result.upper], [1, everybody.lower, 1], rtol=1e-12)
    assert result.upper <= 1


def test_rates_with_fitted_variances_match_poisson_ones():
    poisson = m.dobson_rate(CASES, PEOPLE, WEIGHTS, 1000)
    fitted = m.dobson_rate(CASES, PEOPLE, WEIGHTS, 1000, variances=CASES / PEOPLE**2)
    assert (poisson.lower, poisson.upper, poisson.se) == (fitted.lower, fitted.upper, fitted.se)
    with pytest.raises(ValueError, match="both squares and variances"):
        m.dobson_rate(CASES, PEOPLE, WEIGHTS, squares=CASES, variances=CASES)
    with pytest.raises(ValueError, match="sum of squares"):
        m.dobson_rate(CASES, PEOPLE, WEIGHTS, squares=CASES - 1)


def test_standardise_weighs_and_refuses():
    result = m.standardise([[1.0, 3.0], [np.nan, 3.0]], [[0.1, 0.1], [0.1, 0.1]], [1, 1])
    assert result.estimate[0] == 2 and np.isnan(result.estimate[1])
    for weights in ([0, 0], [-1, 2], [1, 1, 1], [np.nan, 1]):
        with pytest.raises(ValueError, match="standardise:"):
            m.standardise([1.0, 3.0], [0.1, 0.1], weights)


def test_ratios_say_why_they_are_not_given():
    assert m.indirect_ratio([3, np.nan, 4], [2.0, 1.0, 0.0]).reason.tolist() == [
        "", "a count is withheld", "nothing is expected",
    ]  # fmt: skip
    assert m.indirect_ratio(0, 4.0).estimate == 0 and m.indirect_ratio(0, 4.0).upper > 0
    none = m.mantel_haenszel_ratio([0, 0], [10, 10], [1, 2], [10, 10])
    assert np.isnan(none.estimate) and none.reason == "no stratum has cases to compare in both groups"


def test_an_empty_stratum_carries_no_information_on_a_ratio():
    full = m.mantel_haenszel_ratio([10, 30], [100, 100], [8, 25], [160, 150])
    padded = m.mantel_haenszel_ratio([10, 30, 0, 7], [100, 100, 0, 9], [8, 25, 5, 0], [160, 150, 50, 0])
    assert (full.estimate, full.lower, full.upper) == (padded.estimate, padded.lower, padded.upper)
    turned = m.mantel_haenszel_ratio([8, 25], [160, 150], [10, 30], [100, 100])
    np.testing.assert_allclose([1 / turned.estimate, 1 / turned.upper], [full.estimate, full.lower], rtol=1e-12)


def test_quantiles_in_open_withheld_or_empty_bins_are_not_given():
    assert np.isnan(m.quantile_from_bins([0, 1, 3], [5, 5, 90], 0.5))
    assert m.quantile_from_bins([0, 1, 3], [5, 5, 90], 0.1) == 3
    assert np.isnan(m.quantile_from_bins([0, 1, 3], [[0, 0], [np.nan, 5]], 0.5)).all()
    assert m.quantile_from_bins([0, 1, 3, 8], [0, 10, 0], [0, 1]).tolist() == [1, 3]
    for edges, counts, q in (([0, 1], [1, 2, 3], 0.5), ([0, 0, 1], [1, 2], 0.5), ([0, 1, 2], [1, 2], 50)):
        with pytest.raises(ValueError, match="quantile_from_bins:"):
            m.quantile_from_bins(edges, counts, q)


@steady
@given(st.lists(st.integers(0, 50), min_size=3, max_size=8).filter(any), st.floats(0, 1))
def test_the_share_below_a_quantile_is_its_probability(counts, q):
    edges = np.arange(len(counts) + 1.0) ** 2
    value = m.quantile_from_bins(edges, counts, q)
    share = np.interp(value, edges, np.concatenate([[0], np.cumsum(counts)])) / sum(counts)
    assert share == pytest.approx(q, abs=1e-9)
