"""Regressions from one release, against the exact fit; survival as counts, against a Cox model of another library."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.methods.checks import ConvergenceError
from shared_code.methods.federated import Question, Specification, fit
from shared_code.methods.glm import Step, derivatives
from shared_code.methods.one_shot import answers_from_patterns, average, loss, one_step, surrogate
from shared_code.methods.piecewise import baseline, split_time

steady = settings(deadline=None, database=None, derandomize=True, max_examples=60)


def made_up(seed: int, n: int, rate: float, sites: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """People of sites that differ a little in their mix: site, columns (intercept and four traits), outcome."""
    chance = np.random.default_rng(seed)
    site = chance.integers(0, sites, n)
    x = np.column_stack([np.ones(n), *[chance.random(n) < 0.3 + 0.05 * site for _ in range(4)]]) * 1.0
    eta = np.log(rate / (1 - rate)) + x[:, 1:] @ [0.5, -0.4, 0.3, 0.2]
    return site, x, (chance.random(n) < 1 / (1 + np.exp(-eta))) * 1.0


def test_counts_by_pattern_give_the_fit_on_people():
    site, x, y = made_up(1, 4000, 0.2)
    terms = ("intercept", "a", "b", "c", "d")
    spec = Specification("logistic", terms, own=frozenset({"intercept"}))
    patterns = np.unique(x, axis=0)

    def from_people(name: str, question: Question) -> Step:
        here = site == int(name)
        return derivatives("logistic", x[here], y[here], question.beta)

    def from_patterns(name: str, question: Question) -> Step:
        here = site == int(name)
        which = [(x[here] == pattern).all(axis=1) for pattern in patterns]
        people, events = np.array([w.sum() for w in which]), np.array([y[here][w].sum() for w in which])
        return answers_from_patterns("logistic", patterns, people, events)(question.beta)

    names = [str(s) for s in range(5)]
    exact, counted = fit(spec, names, from_people), fit(spec, names, from_patterns)
    for key, coefficient in exact.coefficients.items():
        assert counted[key].estimate == pytest.approx(coefficient.estimate, abs=1e-10)
        assert counted[key].se == pytest.approx(coefficient.se, abs=1e-10)


def test_rates_by_pattern_give_the_fit_on_people():
    chance = np.random.default_rng(2)
    x = np.column_stack([np.ones(3000), chance.random(3000) < 0.5]) * 1.0
    time = chance.uniform(0.1, 2, 3000)
    y = chance.poisson(time * np.exp(-1 + 0.5 * x[:, 1])) * 1.0
    which = [x[:, 1] == level for level in (0, 1)]
    answer = answers_from_patterns("poisson", [[1, 0], [1, 1]], [w.sum() for w in which], [y[w].sum() for w in which],
                                   [time[w].sum() for w in which])  # fmt: skip
    direct = derivatives("poisson", x, y, [-1.0, 0.5], offset=np.log(time))
    np.testing.assert_allclose(answer([-1.0, 0.5]).gradient, direct.gradient, atol=1e-8)
    np.testing.assert_allclose(answer([-1.0, 0.5]).hessian, direct.hessian, atol=1e-8)


def test_the_average_is_exact_for_a_linear_model_of_known_variance():
    chance = np.random.default_rng(3)
    x, y = np.column_stack([np.ones(900), chance.normal(size=(900, 2))]), chance.normal(size=900)
    parts = np.array_split(np.arange(900), 3)
    fits = [np.linalg.solve(x[i].T @ x[i], x[i].T @ y[i]) for i in parts]
    pooled, covariance = average(fits, [np.linalg.inv(x[i].T @ x[i]) for i in parts])
    np.testing.assert_allclose(pooled.estimate, np.linalg.lstsq(x, y, rcond=None)[0], atol=1e-12)
    np.testing.assert_allclose(covariance, np.linalg.inv(x.T @ x), atol=1e-12)


def test_a_site_without_a_term_still_tells_the_others():
    one = np.array([[1.0, 2.0], [3.0, np.nan]]), np.array([np.diag([1.0, 1.0]), np.diag([1.0, np.nan])])
    pooled, _ = average(*one)
    np.testing.assert_allclose(pooled.estimate, [2.0, 2.0])
    np.testing.assert_allclose(pooled.se, [0.5**0.5, 1.0])
    with pytest.raises(ValueError, match="no site has an estimate"):
        average([[1.0, np.nan]], [np.eye(2)])


# largest distance from the exact fit, in its standard errors: of the average; of a surrogate and of one Newton step from
# the lead site's own fit (everybody releases once); of the same two from the average (everybody releases twice)
@pytest.mark.parametrize(("n", "rate", "most"), [
    (20_000, 0.2, (0.1, 1.3, 0.1, 0.1, 0.005)), (50_000, 0.01, (0.5, 2.5, 0.4, 0.4, 0.02)),
    (5000, 0.03, (0.7, 3.0, 1.4, 0.6, 0.03)),
])  # fmt: skip
def test_the_loss_of_one_round_is_measured(n: int, rate: float, most: tuple[float, ...]):
    site, x, y = made_up(4, n, rate)
    exact = sm.GLM(y, x, family=sm.families.Binomial()).fit(tol=1e-14)
    alone = [sm.GLM(y[site == s], x[site == s], family=sm.families.Binomial()).fit() for s in range(5)]
    pooled, _ = average([a.params for a in alone], [a.cov_params() for a in alone])

    def at(name: str, beta: np.ndarray) -> Step:
        return derivatives("logistic", x[site == int(name)], y[site == int(name)], beta)

    def once_more(start: np.ndarray) -> list[np.ndarray]:
        answers = {str(s): at(str(s), start) for s in range(5)}
        others = {s: answer for s, answer in answers.items() if s != "0"}
        return [surrogate(lambda beta: at("0", beta), start, others), one_step(start, answers)[0]]

    estimates = [pooled.estimate, *once_more(alone[0].params), *once_more(pooled.estimate)]
    measured = [loss(estimate, exact.params, exact.bse)["largest"] for estimate in estimates]
    assert all(m <= limit for m, limit in zip(measured, most)), np.round(measured, 3)
    own = loss(alone[0].params, exact.params, exact.bse)["largest"]
    assert max(measured) < own, "what everybody says should bring the lead site's own fit nearer to the exact one"
    assert measured[4] < measured[0] / 5, "a second release takes most of the loss away"


def test_a_lead_site_too_small_is_said():
    x, y = np.array([[1.0, 0], [1, 1], [1, 1], [1, 0]]), np.array([0.0, 1, 1, 0])
    with pytest.raises(ConvergenceError, match="too small"):
        surrogate(lambda b: derivatives("logistic", x, y, b), [0.0, 0.0], {})


# Survival


@steady
@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0.01, 60), st.booleans()), min_size=1, max_size=20),
       st.lists(st.floats(0.5, 100), min_size=0, max_size=6, unique=True))  # fmt: skip
def test_pieces_hold_all_time_and_all_events(people: list[tuple[float, float, bool]], cuts: list[float]):
    entry, length, event = (np.array(part, dtype=float) for part in zip(*people))
    edges = np.array([0.0, *sorted(cuts)])
    pieces = split_time(entry, entry + length, event, edges)
    assert (pieces.time > 0).all()
    np.testing.assert_allclose(np.bincount(pieces.row, pieces.time, len(entry)), entry + length - entry, atol=1e-9)
    np.testing.assert_array_equal(np.bincount(pieces.row, pieces.event, len(entry)), event)


def survival(seed: int = 5, n: int = 1500) -> tuple[np.ndarray, ...]:
    chance = np.random.default_rng(seed)
    site, x = chance.integers(0, 3, n), np.column_stack([chance.normal(size=n), chance.random(n) < 0.4])
    died = chance.exponential(1 / (0.02 * np.exp(0.4 * site + x @ [0.5, 0.7])))
    left = chance.uniform(5, 40, n)
    return site, x, np.minimum(died, left), (died <= left) * 1.0


def poisson_fit(site: np.ndarray, x: np.ndarray, time: np.ndarray, event: np.ndarray, edges: np.ndarray):
    pieces = split_time(np.zeros(len(time)), time, event, edges)
    bands = [f"time_{i}" for i in range(len(edges))]
    columns = np.column_stack([baseline(pieces.band, len(edges)), x[pieces.row]])

    def ask(name: str, question: Question) -> Step:
        here = site[pieces.row] == int(name)
        return derivatives("poisson", columns[here], pieces.event[here], question.beta, offset=np.log(pieces.time[here]))

    spec = Specification("poisson", (*bands, "x", "b"), own=frozenset(bands), binary=frozenset({*bands, "b"}), offset=True)
    return fit(spec, ["0", "1", "2"], ask)


def test_with_an_edge_at_every_exit_it_is_the_stratified_cox_model():
    site, x, time, event = survival()
    time = np.ceil(time)
    ours = poisson_fit(site, x, time, event, np.arange(0.0, time.max()))
    cox = sm.PHReg(time, x, status=event, strata=site, ties="breslow").fit()
    assert ours.settled, ours.words
    np.testing.assert_allclose([ours["x"].estimate, ours["b"].estimate], cox.params, atol=1e-6)
    np.testing.assert_allclose([ours["x"].se, ours["b"].se], cox.bse, rtol=1e-5)


def test_eight_bands_are_near_the_stratified_cox_model():
    site, x, time, event = survival()
    ours = poisson_fit(site, x, time, event, np.arange(0.0, 40, 5))
    cox = sm.PHReg(time, x, status=event, strata=site, ties="breslow").fit()
    distance = loss([ours["x"].estimate, ours["b"].estimate], cox.params, cox.bse)["largest"]
    assert ours.settled and distance < 0.1


def test_dates_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="leaves before entering"):
        split_time([5.0], [5.0], [0], [0.0])
    with pytest.raises(ValueError, match="before the first edge"):
        split_time([5.0], [8.0], [0], [6.0])
