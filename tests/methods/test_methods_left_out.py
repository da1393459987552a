"""A federated fit without each site in turn, against fits in which that site never took part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from shared_code.methods.federated import Specification, advance, begin, fit, questions
from shared_code.methods.federated_left_out import FAR, without_each_site
from shared_code.methods.glm import derivatives

TERMS = ("intercept", "x", "b")
SITES = ("a", "b", "c", "d", "e")
MODELS = {"linear": sm.families.Gaussian(), "logistic": sm.families.Binomial(), "poisson": sm.families.Poisson()}


def people(family: str, seed: int, size: int = 3000, other: float = 0.0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Draw sites of different levels; in the last one the first coefficient is larger by `other`."""
    chance, drawn = np.random.default_rng(seed), {}
    for number, site in enumerate(SITES):
        columns = np.column_stack([np.ones(size), chance.normal(size=size), chance.random(size) < 0.3])
        eta = columns @ [-1.5 + 0.2 * number, 0.5 + other * (site == SITES[-1]), 0.8]
        drawn_as = {"linear": eta + chance.normal(size=size), "logistic": chance.random(size) < 1 / (1 + np.exp(-eta)),
                    "poisson": chance.poisson(np.exp(eta))}  # fmt: skip
        drawn[site] = columns, drawn_as[family].astype(float)
    return drawn


def settled(spec: Specification, drawn: dict) -> tuple:
    def ask(site, question):
        columns, y = drawn[site]
        return derivatives(spec.family, columns, y, question.beta, meat=question.spread)

    state = begin(spec, list(drawn))
    while asked := questions(spec, state):
        state = advance(spec, state, {site: ask(site, question) for site, question in asked.items()})
    return state, ask


@pytest.mark.parametrize("robust", ["", "people"])
@pytest.mark.parametrize("family", list(MODELS))
def test_it_equals_the_fit_in_which_the_site_never_took_part(family, robust):
    spec = Specification(family, TERMS, own=frozenset({"intercept"}), robust=robust)
    drawn = people(family, 1)
    state, ask = settled(spec, drawn)
    found = without_each_site(spec, state)
    assert tuple(found) == SITES
    for site, one in found.items():
        never = fit(spec, [s for s in SITES if s != site], ask)
        assert one.fit.settled and one.fit.sites == never.sites and one.fit.people == never.people
        for term in TERMS[1:]:
            exact, near = never[term], one.fit[term]
            assert abs(near.estimate - exact.estimate) < (1e-6 if family == "linear" else 0.02) * exact.se
            assert near.se == pytest.approx(exact.se, rel=1e-6 if family == "linear" and not robust else 0.03)
    moved = [abs(one.fit[t].estimate - state.best[t, ""]) / one.fit[t].se for one in found.values() for t in TERMS[1:]]
    assert max(moved) > 0.3, "or nothing is tested: the fit to all sites would do"


@pytest.mark.parametrize("family", list(MODELS))
def test_the_slope_at_the_site_is_that_of_a_regression_on_the_others_predictor(family):
    spec = Specification(family, TERMS, own=frozenset({"intercept"}))
    drawn = people(family, 2, other=0.1 if family == "poisson" else 0.25)
    state, _ = settled(spec, drawn)
    for site, one in without_each_site(spec, state).items():
        columns, y = drawn[site]
        predictor = columns[:, 1:] @ [one.fit[t].estimate for t in TERMS[1:]]
        exact = sm.GLM(y, sm.add_constant(predictor), family=MODELS[family]).fit()
        assert one.slope.estimate == pytest.approx(exact.params[1], abs=0.25 * exact.bse[1] + 1e-9)
        assert one.slope.se == pytest.approx(exact.bse[1], rel=0.1)
    last = without_each_site(spec, state)["e"].slope
    assert last.lower > 1, "coefficients that are stronger there show as a slope above 1"


def test_what_cannot_be_told_without_a_site_says_why():
    spec = Specification("logistic", TERMS, own=frozenset({"intercept"}), binary=frozenset({"b"}))
    drawn = people("logistic", 3)
    for site in SITES[1:]:  # nobody has it but at the first site
        drawn[site][0][:, 2] = 0
    state, _ = settled(spec, drawn)
    found = without_each_site(spec, state)
    assert np.isnan(found["a"].fit["b"].estimate) and "nobody at any site has it" in found["a"].fit["b"].reason
    assert np.isfinite(found["a"].fit["x"].estimate) and np.isfinite(found["b"].fit["b"].estimate)
    few = without_each_site(replace(spec, fewest=5), state)
    assert all(not one.fit.settled and "too few sites" in one.fit.words for one in few.values())
    assert all(np.isnan(one.fit["x"].estimate) and one.fit["x"].reason for one in few.values())
    assert without_each_site(spec, begin(spec, list(SITES))) == {}


def test_a_site_that_decides_everything_is_not_left_out_by_one_step():
    """Where the others' fit is far away, one step would not reach it, and says so instead of a wrong number."""
    spec = Specification("logistic", TERMS, own=frozenset({"intercept"}))
    state, ask = settled(spec, people("logistic", 4, size=800, other=3.0))
    far = without_each_site(spec, state)["e"]
    never = fit(spec, list(SITES[:-1]), ask)
    assert (never["x"].estimate - state.best["x", ""]) ** 2 / never["x"].se > FAR
    assert not far.fit.settled and "fit the model again" in far.fit.words and np.isnan(far.slope.estimate)
    for other in (0.2, 0.4, 0.6):  # up to the limit it is near
        state, ask = settled(spec, people("logistic", 4, size=800, other=other))
        one, never = without_each_site(spec, state)["e"].fit, fit(spec, list(SITES[:-1]), ask)
        assert abs(one["x"].estimate - never["x"].estimate) < 0.1 * never["x"].se
