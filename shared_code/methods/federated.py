"""Fit one regression over sites that only ever send sums: the coordinating side, one round at a time.

A fit is a state. `questions` says what to ask every site, `advance` takes the answers and gives the next state, and
`conclude` reads the result from a state that has ended. Nothing here knows how questions and answers travel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from shared_code.methods import federated_algebra as algebra
from shared_code.methods.federated_results import Fit, conclude
from shared_code.methods.federated_special import (
    estimable,
    first_look,
    gradient_of_alpha,
    out_of_rounds,
    run_away,
    running_away,
    start,
    without_silent,
)
from shared_code.methods.federated_state import DONE, ITERATE, SPREAD, STOPPED, TOO_FAR, Question, Specification, State
from shared_code.methods.glm import DISPERSION, Step

CLOSE = 1e-9  # a Newton step this small, relative to the coefficient, is the last: the error after it is its square
FARTHEST = 5.0  # no coefficient moves farther in one round, linear models apart


def begin(spec: Specification, sites: list[str]) -> State:
    """Start a fit at zero coefficients.

    >>> begin(Specification("logistic", ("intercept",)), ["b", "a"]).sites
    ('a', 'b')
    """
    ordered = tuple(sorted(sites))
    point = dict.fromkeys(algebra.keys_of(spec, ordered), 0.0)
    return State(ordered, point | ({(DISPERSION, ""): -14.0} if spec.with_dispersion else {}))  # first as if Poisson


def questions(spec: Specification, state: State) -> dict[str, Question]:
    """Say what every site is asked in this round; empty when the fit has ended."""
    if state.phase in (DONE, STOPPED):
        return {}
    asked = {}
    for site in state.sites:
        values = tuple(state.point[algebra.key_of(spec, term, site)] for term in spec.terms)
        log_dispersion = state.point[DISPERSION, ""] if spec.with_dispersion else None
        asked[site] = Question(state.round, values, log_dispersion, state.phase == SPREAD)
    return asked


def fit(spec: Specification, sites: list[str], ask: Callable[[str, Question], Step | str]) -> Fit:
    """Fit a model by asking sites in turn until nothing changes.

    ask: gives a site's answer to a question, or in words why there is none (the site then drops out).
    Method: Newton's method with step halving (METHODS 10.6; Wu et al. 2012). The coefficients equal those of the model
    fitted to the stacked people. Raises nothing for separation, drop-outs or a lack of rounds: the result says so.

    >>> from shared_code.methods.glm import derivatives
    >>> people = {"a": ([0, 0, 1, 1, 1], [0, 1, 0, 1, 1]), "b": ([0, 0, 1, 0, 1], [0, 0, 1, 1, 0])}
    >>> def ask(site, question):
    ...     exposed, ill = people[site]
    ...     columns = np.column_stack([np.ones(5), exposed])
    ...     return derivatives("logistic", columns, ill, question.beta)
    >>> result = fit(Specification("logistic", ("intercept", "exposed"), own=frozenset({"intercept"})), ["a", "b"], ask)
    >>> print(f"{result['exposed'].estimate:.4f} ({result['exposed'].se:.4f}), {result.rounds} rounds")
    0.6931 (1.3229), 5 rounds
    """
    state = begin(spec, sites)
    while asked := questions(spec, state):
        state = advance(spec, state, {site: ask(site, question) for site, question in asked.items()})
    return conclude(spec, state)


def advance(spec: Specification, state: State, answers: Mapping[str, Step | str]) -> State:
    """Take the answers of one round and give the next state.

    answers: site -> its answer, or why there is none; a site that is not among them gave none.
    An answer that begins with TOO_FAR (the site's disclosure rules object to these coefficients only) halves the step.
    A site without an answer drops out: the fit goes on with the others from where it is, and ends as if the site had
    never taken part. A site with no events (or nothing else) has nothing to say beyond its own intercept and is left out.
    """
    state = replace(state, round=state.round + 1, answers={})
    if state.best and any(isinstance(a, str) and a.startswith(TOO_FAR) for a in answers.values()):
        asked_nearer = {"round": state.round, "sites": len(state.sites), "asked_nearer": True}
        return _half_way(spec, replace(state, history=(*state.history, asked_nearer)), {})
    state = without_silent(spec, state, answers)
    given = {site: answer for site in state.sites if isinstance(answer := answers[site], Step)}
    if state.phase == STOPPED:
        return state
    if state.round == 1:
        state = first_look(spec, state, given)
        if state.phase == STOPPED:
            return state
        given = {site: given[site] for site in state.sites}
        if near := start(spec, state, given):
            return replace(state, point=state.point | near, history=({"round": 1, "sites": len(state.sites)},))
    loglik = algebra.penalised(spec, state.point, {s: a.log_likelihood for s, a in given.items()})
    before = algebra.penalised(spec, state.best, {s: state.best_loglik[s] for s in state.sites}) if state.best else -math.inf
    seen = {"round": state.round, "log_likelihood": loglik, "sites": len(state.sites)}
    if loglik < before - 1e-9 * (1 + abs(before)):
        return _half_way(spec, replace(state, history=(*state.history, seen | {"halved": True})), given)

    gradient, hessian, keys = algebra.assemble(spec, state, given)
    state, keep = estimable(spec, state, hessian, keys)
    moving_alpha = spec.with_dispersion and bool(keep) and keys[keep[-1]][0] == DISPERSION
    try:
        step = algebra.newton_step(gradient[keep], hessian[np.ix_(keep, keep)], moving_alpha)
    except np.linalg.LinAlgError:
        words = "the terms separate those with the event from those without, or nearly so: merge levels, or add ridge"
        return replace(state, phase=STOPPED, words=words)
    largest = float(np.abs(step).max(initial=0.0))
    if spec.family != "linear" and largest > FARTHEST:
        step = step * (FARTHEST / largest)
    moves = dict(zip([keys[i] for i in keep], step.tolist()))
    seen |= {"largest_step": largest, "gradient": float(np.abs(gradient[keep]).max(initial=0.0))}
    state = replace(state, history=(*state.history, seen), best=state.point, answers=dict(given), steps=(*state.steps, moves),
                    best_loglik={s: a.log_likelihood for s, a in given.items()})  # fmt: skip
    close = all(abs(move) <= CLOSE * max(1.0, abs(state.point[key])) for key, move in moves.items())
    if close and state.phase == SPREAD:
        return replace(state, phase=DONE)
    runaway = [] if close else running_away(spec, state)
    if runaway:
        return run_away(spec, state, runaway)
    if close and moves and gradient_of_alpha(spec, state, gradient, keys) > 0:  # the counts do spread more than Poisson
        fixed = {key: value for key, value in state.fixed.items() if key[0] != DISPERSION}
        return replace(state, fixed=fixed, point=state.point | {(DISPERSION, ""): -5.0}, best={}, best_loglik={}, steps=())
    moved = {key: value + moves.get(key, 0.0) for key, value in state.point.items()}
    if close and spec.robust:
        out = state.round >= spec.rounds
        words = f"no round was left of {spec.rounds} to ask for the robust variance" if out else ""
        return replace(state, phase=STOPPED if out else SPREAD, words=words, point=moved)
    if close:
        return replace(state, phase=DONE, best=moved)
    if state.round >= spec.rounds:
        return out_of_rounds(spec, state, given)
    return replace(state, phase=ITERATE, point=moved)


def _half_way(spec: Specification, state: State, given: dict[str, Step]) -> State:
    """Ask about the middle between the best coefficients so far and those asked last."""
    if state.round >= spec.rounds:
        return out_of_rounds(spec, state, given)
    half = {key: (state.best.get(key, value) + value) / 2 for key, value in state.point.items()}
    return replace(state, point=half, phase=ITERATE)


__all__ = ["Fit", "Question", "Specification", "State", "advance", "begin", "conclude", "fit", "questions"]
