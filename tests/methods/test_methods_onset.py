"""Ages at onset against other software, brute force and planted hazards; and the age of equal prevalence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

from shared_code import methods as m
from shared_code.methods.piecewise import split_time


def cohort(seed: int = 5, people: int = 3000):
    """Draw people who come under observation at some age: onset (Weibull) and death (exponential) by age."""
    rng = np.random.default_rng(seed)
    onset = 20 + 55 * rng.weibull(4, people)
    death = 20 + rng.exponential(90, people)
    entry = 20 + 60 * rng.random(people)
    leave = np.minimum(entry + 5, death)
    seen = (onset > entry) & (death > entry)
    entry, leave, onset, death = (x[seen] for x in (entry, leave, onset, death))
    had = onset < leave
    return entry, np.where(had, onset, leave), had, ~had & (death <= leave)


def banded(entry, leave, event, edges):
    cut = split_time(entry, leave, event, edges[:-1])
    bands = len(edges) - 1
    return np.bincount(cut.band, cut.event, bands), np.bincount(cut.band, cut.time, bands)


def test_quantiles_agree_with_kaplan_meier_under_delayed_entry():
    """In fine bands the piecewise-constant curve is the product-limit one of statsmodels."""
    entry, leave, had, _ = cohort()
    edges = np.arange(20, 90.25, 0.25)
    events, time = banded(entry, leave, had, edges)
    km = SurvfuncRight(leave, had.astype(int), entry=entry)
    for q in (0.1, 0.25, 0.5):
        assert m.onset_quantile(edges, events, time, q).estimate == pytest.approx(km.quantile(q), abs=0.3)


def test_ignoring_delayed_entry_makes_onset_too_late():
    """Pitfall: counting people from age 20, before they came under observation, adds days in which no event could be seen."""
    entry, leave, had, _ = cohort(people=30_000)
    edges = np.arange(20, 91)
    right = m.onset_quantile(edges, *banded(entry, leave, had, edges), 0.5).estimate
    wrong = m.onset_quantile(edges, *banded(np.full_like(entry, 20.0), leave, had, edges), 0.1).estimate
    truth = 20 + 55 * np.log(2) ** 0.25
    assert right == pytest.approx(truth, abs=1.2)
    assert wrong > 20 + 55 * (-np.log(0.9)) ** 0.25 + 10


def test_the_mean_age_of_cases_is_not_the_age_at_onset():
    """Pitfall T3.4: two groups ten years apart seem much less apart when only those who had the event are averaged."""
    gaps = {}
    for shift, name in ((0, "late"), (-10, "early")):
        rng = np.random.default_rng(1)
        onset = 70 + shift + rng.normal(0, 12, 40_000)
        age = 30 + 60 * rng.beta(1, 3, 40_000)
        seen = onset > age
        leave = np.minimum(onset, age + 5)[seen]
        had = (onset < age + 5)[seen]
        edges = np.arange(30, 96, 5)
        gaps[name] = (leave[had].mean(), m.onset_quantile(edges, *banded(age[seen], leave, had, edges), 0.5).estimate)
    assert gaps["late"][1] - gaps["early"][1] == pytest.approx(10, abs=1.2)
    assert gaps["late"][0] - gaps["early"][0] < 8


def test_incidence_with_deaths_agrees_with_statsmodels():
    rng = np.random.default_rng(8)
    onset, death = 60 * rng.weibull(3, 4000), rng.exponential(80, 4000)
    until = np.minimum(np.minimum(onset, death), 70)
    status = np.where(until >= 70, 0, np.where(onset < death, 1, 2))
    edges = np.arange(0, 70.5, 0.5)
    cut = split_time(np.zeros(4000), until, status == 1, edges[:-1])
    died = split_time(np.zeros(4000), until, status == 2, edges[:-1])
    bands = len(edges) - 1
    found = m.cumulative_incidence(edges, np.bincount(cut.band, cut.event, bands), np.bincount(died.band, died.event, bands),
                                   np.bincount(cut.band, cut.time, bands)).estimate  # fmt: skip
    other = CumIncidenceRight(until, status)
    for age in (20, 40, 60):
        at = np.searchsorted(other.times, age, side="right") - 1
        assert found[age * 2 - 1] == pytest.approx(other.cinc[0][at], abs=0.004)
    net = m.cumulative_incidence(edges, np.bincount(cut.band, cut.event, bands), np.zeros(bands),
                                 np.bincount(cut.band, cut.time, bands)).estimate  # fmt: skip
    assert net[119] > found[119] + 0.1, "net of death more have had it than live to have it"


def test_variances_of_hazards_widen_the_interval():
    """What is withheld is uncertain beyond sampling; the variances of sampling give the same as none."""
    edges, d, y = [20, 40, 60, 80], np.array([200.0, 900, 1500]), np.array([40000.0, 30000, 15000])
    plain, same = m.onset_quantile(edges, d, y), m.onset_quantile(edges, d, y, variances=d / y**2)
    wide = m.onset_quantile(edges, d, y, variances=4 * d / y**2)
    assert same.se == plain.se and wide.se == pytest.approx(2 * plain.se)
    assert m.years_free(edges, d, y, variances=4 * d / y**2).se == pytest.approx(2 * m.years_free(edges, d, y).se)
    both = m.cumulative_incidence(edges, d, d / 10, y, variances=(d / y**2, d / 10 / y**2))
    assert both.lower == pytest.approx(m.cumulative_incidence(edges, d, d / 10, y).lower)


AGES = np.array([30.0, 45, 55, 65, 75, 85])


def test_equal_prevalence_by_hand():
    """20 % at 65 in the reference; the group has 15 % at 45 and 25 % at 55: half way between, at 50."""
    e = m.equivalent_age(AGES, [0.05, 0.15, 0.25, 0.4, 0.5, 0.6], [1e-4] * 6, [0.02, 0.05, 0.1, 0.2, 0.3, 0.4], [1e-4] * 6, at=65)
    assert e.estimate == pytest.approx(50)
    slack = (e.upper - 50) * 0.01  # the curve rises by 0.01 a year: there it differs by 1.96 standard errors
    share = (e.upper - 45) / 10
    assert slack == pytest.approx(1.96 * np.sqrt(1e-4 * (1 + share**2 + (1 - share) ** 2)), abs=3e-4)


def test_equal_prevalence_covers_what_is_planted():
    """In 600 draws the interval holds the planted age in 93 to 97 %."""
    rng = np.random.default_rng(3)
    p, q, n = 1 / (1 + np.exp(-(AGES - 62) / 9)), 1 / (1 + np.exp(-(AGES - 72) / 9)), 700
    truth = m.equivalent_age(AGES, p, p * (1 - p) / n, q, q * (1 - q) / n, at=65).estimate
    inside = 0
    for _ in range(600):
        a, b = rng.binomial(n, p) / n, rng.binomial(n, q) / n
        e = m.equivalent_age(AGES, a, a * (1 - a) / n, b, b * (1 - b) / n, at=65)
        inside += e.lower <= truth <= e.upper
    assert 0.93 <= inside / 600 <= 0.97


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.01, 0.15), min_size=6, max_size=6), st.integers(45, 75))
def test_a_group_is_as_old_as_itself(rises, at):
    """Against itself a group's equivalent age is the age itself, and within the limits."""
    shares = np.cumsum(rises)
    v = [s * (1 - s) / 500 for s in shares]
    e = m.equivalent_age(AGES, shares, v, shares, v, at=at)
    assert e.estimate == pytest.approx(at, abs=1e-6)
    assert not e.lower > at and not e.upper < at


@pytest.mark.parametrize(("share", "reason"), [(0.5, "already above"), (0.01, "not reached"), (np.nan, "withheld")])
def test_what_cannot_be_told_is_said(share, reason):
    e = m.equivalent_age(AGES, [share] * 6, [1e-4] * 6, [0.02, 0.05, 0.1, 0.2, 0.3, 0.4], [1e-4] * 6, at=65)
    assert np.isnan(e.estimate) and reason in e.reason


def test_an_age_outside_the_bands_is_refused():
    with pytest.raises(ValueError, match="95 lies outside the bands"):
        m.equivalent_age(AGES, [0.1] * 6, [1e-4] * 6, [0.1] * 6, [1e-4] * 6, at=95)
