"""Life expectancy against a plain loop, its refusals, and effective deaths."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code import methods as m

steady = settings(deadline=None, database=None, derandomize=True, max_examples=50)
EDGES = [0, 1, 15, 45, 65, 85]
DEATHS = np.array([4, 2, 12, 60, 150, 180.0])
PERSON_YEARS = np.array([1000, 14000, 30000, 20000, 12000, 1500.0])


def chiang_by_hand(deaths, person_years, edges):
    """Follow the formulas of METHODS 2 one band at a time."""
    last = len(edges) - 1
    a = [0.1 if i == 0 and edges[:2] == [0, 1] else 0.5 for i in range(last)]
    n = [edges[i + 1] - edges[i] for i in range(last)]
    rate = [d / p for d, p in zip(deaths, person_years, strict=True)]
    q = [min(1.0, n[i] * rate[i] / (1 + n[i] * (1 - a[i]) * rate[i])) for i in range(last)]
    alive = [100_000.0]
    for dying in q:
        alive.append(alive[-1] * (1 - dying))
    lived = [n[i] * (alive[i + 1] + a[i] * (alive[i] - alive[i + 1])) for i in range(last)] + [alive[-1] / rate[-1]]
    e = [sum(lived[i:]) / alive[i] for i in range(last + 1)]
    s2 = [q[i] ** 2 * (1 - q[i]) / deaths[i] if deaths[i] else 0.0 for i in range(last)]
    final = alive[-1] ** 2 / (deaths[-1] * rate[-1] ** 2)
    se = []
    for x in range(last + 1):
        closed = sum(alive[i] ** 2 * ((1 - a[i]) * n[i] + e[i + 1]) ** 2 * s2[i] for i in range(x, last))
        se.append(math.sqrt((closed + final) / alive[x] ** 2))
    return e, se


@pytest.mark.parametrize(
    "edges", [EDGES, [0, 1, 5, *range(15, 86, 10)], [0, *range(5, 91, 5)], [20, 40, 65], [0, 1, *range(5, 91, 5)]]
)
@steady
@given(seed=st.integers(0, 2**32 - 1))
def test_any_declared_bands_follow_the_formulas(edges, seed):
    rng = np.random.default_rng(seed)
    person_years = rng.uniform(3000, 9000, len(edges))
    deaths = rng.poisson(person_years * np.geomspace(0.0005, 0.15, len(edges)))
    deaths[-1] += 1
    result = m.life_expectancy(deaths, person_years, edges)
    e, se = chiang_by_hand(deaths.tolist(), person_years.tolist(), edges)
    np.testing.assert_allclose(result.estimate, e, rtol=1e-12)
    np.testing.assert_allclose(result.se, se, rtol=1e-12)


def with_band(values, band, value):
    changed = values.copy()
    changed[band] = value
    return changed


@pytest.mark.parametrize(
    ("deaths", "person_years", "reason"),
    [
        (DEATHS / 20, PERSON_YEARS * 5000 / PERSON_YEARS.sum(), "5,000 person-years or fewer"),
        (DEATHS, with_band(PERSON_YEARS, 1, 0), "a band has no person-years"),
        (with_band(DEATHS, -1, 0), PERSON_YEARS, "no deaths in the open last band"),
        (with_band(DEATHS, 0, 1001), PERSON_YEARS, "a band has more deaths than person-years"),
        (with_band(DEATHS, 2, np.nan), PERSON_YEARS, "a band is withheld"),
        (DEATHS, with_band(PERSON_YEARS, 2, np.nan), "a band is withheld"),
    ],
)
def test_what_is_not_computed_says_why_and_leaves_other_areas_alone(deaths, person_years, reason):
    result = m.life_expectancy([DEATHS, deaths], [PERSON_YEARS, person_years], EDGES)
    alone = m.life_expectancy(DEATHS, PERSON_YEARS, EDGES)
    assert result.reason.tolist() == ["", reason]
    for name in ("estimate", "lower", "upper", "se"):
        assert np.isnan(getattr(result, name)[1]).all()
        np.testing.assert_array_equal(getattr(result, name)[0], getattr(alone, name))
    assert not result.too_wide[1].any()
    difference = m.gap(m.life_expectancy(deaths, person_years, EDGES), alone)
    assert np.isnan(difference.estimate).all() and difference.reason == "the first life expectancy is not given"


def test_effective_deaths_widen_the_interval_only():
    plain = m.life_expectancy(DEATHS, PERSON_YEARS, EDGES)
    fewer = m.life_expectancy(DEATHS, PERSON_YEARS, EDGES, effective_deaths=DEATHS / 4)
    np.testing.assert_array_equal(plain.estimate, fewer.estimate)
    np.testing.assert_allclose(fewer.se, 2 * plain.se, rtol=1e-12)
    with pytest.raises(ValueError, match="effective deaths"):
        m.life_expectancy(DEATHS, PERSON_YEARS, EDGES, effective_deaths=with_band(DEATHS, 1, np.nan))


def test_a_band_without_deaths_adds_no_variance_and_an_unreached_age_is_nan():
    none = m.life_expectancy(with_band(DEATHS, 1, 0), PERSON_YEARS, EDGES, effective_deaths=with_band(DEATHS, 1, np.nan))
    assert none.reason == "" and np.isfinite(none.se).all()
    all_die = m.life_expectancy(with_band(DEATHS, 4, 8000), with_band(PERSON_YEARS, 4, 8000), EDGES)
    assert np.isnan(all_die.estimate[-1]) and np.isfinite(all_die.estimate[:-1]).all()
    assert np.isfinite(all_die.se[:-1]).all()


def test_a_wide_interval_is_marked():
    assert not m.life_expectancy(DEATHS, PERSON_YEARS, EDGES).too_wide.any()
    assert m.life_expectancy(DEATHS, PERSON_YEARS, EDGES, effective_deaths=DEATHS / 1000).too_wide[0]


def test_leading_axes_of_any_shape():
    deaths, person_years = np.tile(DEATHS, (2, 3, 1)), np.tile(PERSON_YEARS, (2, 3, 1))
    result = m.life_expectancy(deaths, person_years, EDGES)
    assert result.estimate.shape == (2, 3, 6) and result.reason.shape == (2, 3)
    assert m.gap(result, result).estimate.max() == 0


@pytest.mark.parametrize(
    ("edges", "message"), [([0, 1, 15], "do not fit"), ([0, 1, 15, 15, 65, 85], "do not rise"), ([85], "do not fit")]
)
def test_bands_must_fit(edges, message):
    with pytest.raises(ValueError, match=message):
        m.life_expectancy(DEATHS, PERSON_YEARS, edges)


def test_a_gap_needs_the_same_bands():
    with pytest.raises(ValueError, match="age bands differ"):
        m.gap(
            m.life_expectancy(DEATHS, PERSON_YEARS, EDGES), m.life_expectancy(DEATHS, PERSON_YEARS, [0, 1, 15, 45, 65, 80])
        )
