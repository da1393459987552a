"""Federated fits against the same model fitted to the stacked people by another library, and what happens when it cannot."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.methods.federated import Question, Specification, advance, begin, fit, questions
from shared_code.methods.glm import FAMILIES, Step, derivatives

steady = settings(deadline=None, database=None, derandomize=True, max_examples=30)
TERMS = ("intercept", "x", "b", "c")
OWN = frozenset({"intercept"})
Ask = Callable[[str, Question], Step | str]


class People:
    """Made-up people at several sites, with a number, two traits, and outcomes of every family."""

    def __init__(self, seed: int = 1, n: int = 1500, sites: int = 3, effect: float = 0.5):
        chance = np.random.default_rng(seed)
        self.names = [f"s{i}" for i in range(sites)]
        self.site = chance.integers(0, sites, n)
        traits = np.column_stack([chance.normal(size=n), chance.random(n) < 0.4, chance.random(n) < 0.3])
        self.columns = np.column_stack([np.ones(n), traits])
        self.time = chance.uniform(0.2, 3, n)
        self.practice = self.site * 100 + chance.integers(0, 12, n)
        eta = -1 + 0.3 * self.site + effect * traits[:, 0] + 0.4 * traits[:, 1] - 0.3 * traits[:, 2]
        rate = self.time * np.exp(eta)
        self.outcome = {
            "linear": eta + chance.normal(size=n), "logistic": (chance.random(n) < 1 / (1 + np.exp(-eta))) * 1.0,
            "poisson": chance.poisson(rate) * 1.0,
            "modified_poisson": (chance.random(n) < 0.3 * np.exp(0.2 * traits[:, 1])) * 1.0,
            "negative_binomial": chance.negative_binomial(1.4, 1.4 / (1.4 + rate)) * 1.0,
        }  # fmt: skip

    def offset(self, family: str) -> np.ndarray | None:
        return np.log(self.time) if family in ("poisson", "negative_binomial") else None

    def stacked(self) -> np.ndarray:
        """An intercept for every site, then the terms, as one table of everybody."""
        return np.column_stack([np.eye(len(self.names))[self.site], self.columns[:, 1:]])

    def ask(self, family: str, clusters: bool = False) -> Ask:
        def answer(site: str, question: Question) -> Step:
            here = self.site == self.names.index(site)
            offset = self.offset(family)
            return derivatives(
                family, self.columns[here], self.outcome[family][here], question.beta,
                offset=None if offset is None else offset[here], log_dispersion=question.log_dispersion,
                meat=question.spread, clusters=self.practice[here] if clusters else None,
            )  # fmt: skip
        return answer


def spec_of(family: str, **more: Any) -> Specification:
    offset = family in ("poisson", "negative_binomial")
    return Specification(family, TERMS, own=OWN, binary=frozenset({"b", "c"}), offset=offset, **more)


def stacked_fit(people: People, family: str, **more: Any) -> Any:
    y, columns, offset = people.outcome[family], people.stacked(), people.offset(family)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if family == "linear":
            return sm.OLS(y, columns).fit(**more)
        if family == "negative_binomial":
            start = sm.NegativeBinomial(y, columns, offset=offset).fit(disp=0, method="bfgs", maxiter=2000, gtol=1e-8)
            return sm.NegativeBinomial(y, columns, offset=offset).fit(
                start_params=start.params, disp=0, method="newton", maxiter=50, tol=1e-15, **more)  # fmt: skip
        kind = sm.families.Binomial() if family == "logistic" else sm.families.Poisson()
        return sm.GLM(y, columns, family=kind, offset=offset).fit(tol=1e-15, **more)


def same(result: Any, expected: Any, tolerance: float = 1e-8) -> None:
    estimates = np.array([c.estimate for key, c in result.coefficients.items() if key[0] != "dispersion"])
    errors = np.array([c.se for key, c in result.coefficients.items() if key[0] != "dispersion"])
    k = len(estimates)
    np.testing.assert_allclose(estimates, np.asarray(expected.params)[:k], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(errors, np.asarray(expected.bse)[:k], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("robust", ["", "people", "clusters"])
def test_it_equals_the_fit_to_the_stacked_people(family: str, robust: str):
    people = People()
    result = fit(spec_of(family, robust=robust), people.names, people.ask(family, robust == "clusters"))
    how = {"": {}, "people": {"cov_type": "HC0"},
           "clusters": {"cov_type": "cluster", "cov_kwds": {"groups": people.practice}}}[robust]  # fmt: skip
    expected = stacked_fit(people, family, **how)
    assert result.settled and result.rounds <= 12 and result.people == 1500
    same(result, expected)
    if family == "negative_binomial":
        assert result.dispersion == pytest.approx(expected.params[-1], rel=1e-8)
        assert result.log_likelihood == pytest.approx(expected.llf, abs=1e-8)
    if family == "linear":
        assert result.dispersion == pytest.approx(expected.scale, rel=1e-10)


@steady
@given(st.integers(0, 10**6), st.sampled_from(["linear", "logistic", "poisson", "modified_poisson"]), st.integers(1, 5),
       st.integers(80, 400), st.booleans())  # fmt: skip
def test_any_design_equals_the_stacked_fit(seed: int, family: str, sites: int, n: int, shared: bool):
    people = People(seed, n * sites, sites)
    own = frozenset() if shared else OWN
    spec = replace(spec_of(family), own=own)
    result = fit(spec, people.names, people.ask(family))
    columns = people.columns if shared else people.stacked()
    y, offset = people.outcome[family], people.offset(family)
    kind = {"linear": sm.families.Gaussian(), "logistic": sm.families.Binomial()}.get(family, sm.families.Poisson())
    expected = sm.GLM(y, columns, family=kind, offset=offset).fit(tol=1e-15)
    assert result.settled, result.words
    same(result, expected)


def test_the_order_of_the_sites_changes_no_bit():
    people = People(5, 900, 4)
    results = [fit(spec_of("logistic"), names, people.ask("logistic")) for names in (people.names, people.names[::-1])]
    assert [c.estimate for c in results[0].coefficients.values()] == [c.estimate for c in results[1].coefficients.values()]


def test_ridge_is_the_penalised_maximum():
    """Against statsmodels' penalised fit, and against the condition that its slope is zero."""
    people = People(2, 600)
    spec = spec_of("logistic", ridge=20.0)
    result = fit(spec, people.names, people.ask("logistic"))
    beta = np.array([c.estimate for c in result.coefficients.values()])
    columns, y = people.stacked(), people.outcome["logistic"]
    slope = columns.T @ (y - 1 / (1 + np.exp(-columns @ beta))) - np.r_[0, 0, 0, 20 * beta[3:]]
    assert np.abs(slope).max() < 1e-8
    model = sm.GLM(y, columns, family=sm.families.Binomial())
    other = model.fit_regularized(alpha=np.r_[0, 0, 0, 20.0, 20, 20] / 600, L1_wt=0.0, maxiter=5000, cnvrg_tol=1e-14)
    np.testing.assert_allclose(beta, other.params, atol=1e-4)  # its descent ends early


def test_the_published_example(known):
    answer = known("T6.1")
    rows = np.array(answer.inputs["rows"], dtype=float)
    terms = ("intercept", "age75_84", "age85p", "frail_mod", "frail_sev", "prior_em")

    def ask(site: str, question: Question) -> Step:
        r = rows[rows[:, 0] == int(site)]
        x = np.column_stack([np.ones(len(r)), r[:, 1] == 1, r[:, 1] == 2, r[:, 2] == 1, r[:, 2] == 2, r[:, 3]])
        counts = np.r_[r[:, 5], r[:, 4] - r[:, 5]]
        return derivatives("logistic", np.vstack([x, x]), np.repeat([1.0, 0], len(r)), question.beta, counts=counts)

    result = fit(Specification("logistic", terms, own=OWN), ["0", "1", "2"], ask)
    answer.agrees([c.estimate for c in result.coefficients.values()], "beta")
    answer.agrees([c.se for c in result.coefficients.values()], "se")
    answer.agrees(result.log_likelihood, "loglik_grouped_no_binom_const")
    assert result.rounds <= answer.expected["iterations_from_zero"] and result.people == 39748


# What cannot be fitted as asked


def without(people: People, condition: np.ndarray, family: str, value: float) -> People:
    people.outcome[family] = np.where(condition, value, people.outcome[family])
    return people


@pytest.mark.parametrize("family", ["logistic", "poisson", "negative_binomial"])
def test_a_level_without_events_is_infinite_and_the_rest_is_as_without_its_people(family: str):
    people = People(3)
    people = without(people, people.columns[:, 3] == 1, family, 0.0)
    result = fit(spec_of(family), people.names, people.ask(family))
    assert result.settled and result["c"].estimate == -np.inf and "nobody who has it" in result["c"].reason
    rest = People(3)
    kept = people.columns[:, 3] == 0
    rest.columns, rest.site, rest.time = people.columns[kept][:, :3], people.site[kept], people.time[kept]
    rest.outcome = {family: people.outcome[family][kept]}
    expected = stacked_fit(rest, family)
    ours = [c.estimate for (term, _), c in result.coefficients.items() if term not in ("c", "dispersion")]
    np.testing.assert_allclose(ours, expected.params[:5], atol=2e-8)


def test_a_level_in_which_everyone_has_the_event():
    people = People(3)
    people = without(people, people.columns[:, 2] == 1, "logistic", 1.0)
    assert fit(spec_of("logistic"), people.names, people.ask("logistic"))["b"].estimate == np.inf


def test_separation_by_a_number_ends_with_its_name_and_ridge_mends_it():
    people = People(4)
    people.outcome["logistic"] = (people.columns[:, 1] > 0.3) * 1.0
    result = fit(spec_of("logistic", rounds=20), people.names, people.ask("logistic"))
    assert not result.settled and np.isnan(result["x"].estimate)
    assert "x" in result.words and "ridge" in result.words
    mended = fit(spec_of("logistic", ridge=1.0), people.names, people.ask("logistic"))
    assert mended.settled and 1 < mended["x"].estimate < 20


def test_a_level_that_a_site_lacks_is_a_zero_column_there():
    people = People(6)
    people.columns[people.site == 1, 3] = 0.0
    result = fit(spec_of("logistic"), people.names, people.ask("logistic"))
    same(result, stacked_fit(people, "logistic"))


def test_a_level_that_nobody_has_and_a_term_said_twice_are_left_out_with_the_reason():
    people = People(6)
    people.columns[:, 3] = 0.0
    result = fit(spec_of("logistic"), people.names, people.ask("logistic"))
    assert result.settled and result["c"].reason == "nobody at any site has it"
    people.columns[:, 3] = people.columns[:, 2]
    twice = fit(spec_of("logistic"), people.names, people.ask("logistic"))
    assert "cannot be told apart" in twice["c"].reason
    assert twice["b"].estimate == pytest.approx(result["b"].estimate, abs=1e-12)


@pytest.mark.parametrize("family", ["logistic", "poisson", "negative_binomial"])
def test_a_site_without_events_is_left_out_and_named(family: str):
    people = People(7)
    people = without(people, people.site == 2, family, 0.0)
    result = fit(spec_of(family), people.names, people.ask(family))
    assert result.sites == ("s0", "s1") and "no events" in result.left_out["s2"]
    others = People(7)
    here = others.site != 2
    expected = fit(spec_of(family), ["s0", "s1"], others.ask(family))
    assert result["x"].estimate == expected["x"].estimate and result.people == here.sum()


@pytest.mark.parametrize("leaves", [1, 2, 4, 6, 7])
def test_a_site_that_drops_out_leaves_the_fit_of_the_others(leaves: int):
    people = People(8)
    ask = people.ask("logistic")

    def answer(site: str, question: Question) -> Step | str:
        return "the site withdrew" if site == "s1" and question.round + 1 >= leaves else ask(site, question)

    result = fit(spec_of("logistic", robust="people", rounds=16), people.names, answer)
    expected = fit(spec_of("logistic", robust="people"), ["s0", "s2"], ask)
    if leaves <= expected.rounds + 1 and "s1" in result.left_out:
        assert "the site withdrew (round" in result.left_out["s1"]
        for key, coefficient in expected.coefficients.items():
            assert result[key].estimate == pytest.approx(coefficient.estimate, abs=1e-8)
            assert result[key].se == pytest.approx(coefficient.se, abs=1e-8)
    else:
        assert leaves == 7 and not result.left_out


def test_too_few_sites_or_rounds_end_the_fit_in_words():
    people = People(8)
    result = fit(spec_of("logistic", fewest=3), people.names, lambda s, q: "no data" if s == "s0" else
                 people.ask("logistic")(s, q))  # fmt: skip
    assert not result.settled and result.words == "2 of 3 sites are left, fewer than 3"
    short = fit(spec_of("logistic", rounds=3), people.names, people.ask("logistic"))
    assert not short.settled and "3 rounds" in short.words and np.isnan(short["x"].estimate)


def test_counts_without_extra_spread_become_a_poisson_model():
    people = People(9)
    mean = np.exp(-1 + 0.4 * people.columns[:, 1]) * people.time
    people.outcome["negative_binomial"] = np.floor(mean + 0.5)  # less spread than chance
    result = fit(spec_of("negative_binomial", rounds=20), people.names, people.ask("negative_binomial"))
    people.outcome["poisson"] = people.outcome["negative_binomial"]
    expected = stacked_fit(people, "poisson")
    assert result.settled and result.dispersion == 0 and "Poisson" in result["dispersion"].reason
    same(result, expected, 1e-6)


def test_a_wild_step_is_halved():
    """A far start: the log-likelihood falls, and half the way is asked for."""
    people = People(10)
    spec = spec_of("logistic")
    state = begin(spec, people.names)
    ask = people.ask("logistic")
    state = advance(spec, state, {s: ask(s, q) for s, q in questions(spec, state).items()})
    wild = replace(state, point={key: value + 30.0 for key, value in state.point.items()})
    halved = advance(spec, wild, {s: ask(s, q) for s, q in questions(spec, wild).items()})
    key = ("x", "")
    assert halved.history[-1]["halved"] and halved.point[key] == pytest.approx((wild.best[key] + wild.point[key]) / 2)


def test_recalibration_at_a_third_site(known):
    """Calibration in the large and slope of a model made at two sites, by rounds with an offset and with one term."""
    answer, rows = known("T6.2"), np.array(known("T6.1").inputs["rows"], dtype=float)
    x = np.column_stack([np.ones(len(rows)), rows[:, 1] == 1, rows[:, 1] == 2, rows[:, 2] == 1, rows[:, 2] == 2, rows[:, 3]])

    def ask_at(sites: tuple[str, ...], columns: np.ndarray, offset: np.ndarray | None = None) -> Ask:
        def ask(site: str, question: Question) -> Step:
            here = rows[:, 0] == int(site)
            events, others = rows[here, 5], rows[here, 4] - rows[here, 5]
            shift = None if offset is None else np.tile(offset[here], 2)
            both, y = np.vstack([columns[here]] * 2), np.repeat([1.0, 0.0], here.sum())
            return derivatives("logistic", both, y, question.beta, offset=shift, counts=np.r_[events, others])
        return ask

    terms = ("intercept", "a1", "a2", "f1", "f2", "e")
    made = fit(Specification("logistic", terms), ["0", "1"], ask_at(("0", "1"), x))
    score = x @ np.array([made[term].estimate for term in terms])
    one = fit(Specification("logistic", ("intercept",), offset=True), ["2"], ask_at(("2",), x[:, :1], score))
    answer.agrees(one["intercept"].estimate, "citl")
    answer.agrees(one["intercept"].se, "citl_se")
    two = fit(Specification("logistic", ("intercept", "lp")), ["2"], ask_at(("2",), np.column_stack([x[:, 0], score])))
    answer.agrees(two["lp"].estimate, "slope")
    answer.agrees(two["lp"].se, "slope_se")


def test_a_site_that_asks_for_a_smaller_step_stays_in():
    people, spec = People(11), spec_of("logistic", rounds=12)
    ask, refused = people.ask("logistic"), []

    def careful(site: str, question: Question) -> Step | str:
        if site == "s1" and question.round == 2:
            refused.append(question.beta)
            return "at these coefficients a few people make up most of the sums of x"
        return ask(site, question)

    result, expected = fit(spec, people.names, careful), fit(spec, people.names, ask)
    assert len(refused) == 1 and not result.left_out and result.rounds > expected.rounds
    for key, coefficient in expected.coefficients.items():
        assert result[key].estimate == pytest.approx(coefficient.estimate, abs=1e-9)
    for_ever = fit(spec, people.names, lambda s, q: "at these coefficients no" if q.round else ask(s, q))
    assert not for_ever.settled and for_ever.rounds == 12
