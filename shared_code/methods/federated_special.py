"""What can go wrong in a federated fit, and the defined answer to each: sites that leave, terms nobody can estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from shared_code.methods import federated_algebra as algebra
from shared_code.methods.checks import Floats
from shared_code.methods.federated_algebra import INFINITE, Key
from shared_code.methods.federated_state import ITERATE, STOPPED, Specification, State
from shared_code.methods.glm import DISPERSION, Step

WHOLE = 0.25  # events are whole numbers: nearer than this to 0 is none
NO_ALPHA = -20.0  # log of an alpha that is nothing
FEWEST_STEPS = 3  # so many steps in a row that do not shrink mean that a coefficient runs away


def without_silent(spec: Specification, state: State, answers: Mapping[str, Step | str]) -> State:
    """Drop the sites that gave no answer, and end the fit if too few are left."""
    silent = {}
    for site in state.sites:
        answer = answers.get(site, "no answer")
        if isinstance(answer, str):
            silent[site] = f"{answer} (round {state.round})"
    return _drop(spec, state, silent)


def _drop(spec: Specification, state: State, why: dict[str, str]) -> State:
    if not why:
        return state
    sites = tuple(site for site in state.sites if site not in why)
    kept = set(algebra.keys_of(spec, sites))
    state = replace(
        state, sites=sites, left_out=state.left_out | why, phase=ITERATE,
        point={k: v for k, v in state.point.items() if k in kept}, best={k: v for k, v in state.best.items() if k in kept},
        steps=tuple({k: v for k, v in step.items() if k in kept} for step in state.steps),
        fixed={k: v for k, v in state.fixed.items() if k in kept},
    )  # fmt: skip
    if len(sites) < max(1, spec.fewest):
        words = f"{len(sites)} of {len(sites) + len(state.left_out)} sites are left, fewer than {max(1, spec.fewest)}"
        return replace(state, phase=STOPPED, words=words)
    return state


def first_look(spec: Specification, state: State, given: dict[str, Step]) -> State:
    """Leave out sites with nothing to say, fix coefficients that are infinite, and find a start near the answer."""
    if spec.family == "linear":
        return state
    binomial = spec.family == "logistic"
    if "intercept" in spec.own:
        mute = {site: "it has no events: whatever the coefficients, its own intercept is minus infinity"
                for site, answer in given.items() if answer.events == 0}  # fmt: skip
        if binomial:
            mute |= {site: "everyone there has the event: its own intercept is infinity, whatever the coefficients"
                     for site, answer in given.items() if answer.events == answer.people}  # fmt: skip
        state = _drop(spec, state, mute)
        given = {site: given[site] for site in state.sites}
        if state.phase == STOPPED:
            return state
    return _fix_empty(spec, state, given)


def _fix_empty(spec: Specification, state: State, given: dict[str, Step]) -> State:
    """Fix coefficients of 0/1 columns in which nobody, or in a logistic model everybody, has the event.

    The first round is asked at zero, where the expected events of a column follow from the Hessian; a logistic model
    with an offset is not looked at, and one with ridge has no infinite coefficients.
    """
    if spec.ridge or (spec.family == "logistic" and spec.offset):
        return state
    gradient, hessian, keys = algebra.assemble(spec, state, given)
    fixed = dict(state.fixed)
    for i, (term, site) in enumerate(keys):
        if term not in spec.binary or term == "intercept" or hessian[i, i] == 0:
            continue
        expected = hessian[i, i] * (2.0 if spec.family == "logistic" else 1.0)
        events, everybody = expected + gradient[i], 2 * expected
        if abs(events) < WHOLE:
            fixed[term, site] = (-INFINITE, "nobody who has it has the event: the estimate is minus infinity")
        elif spec.family == "logistic" and abs(everybody - events) < WHOLE:
            fixed[term, site] = (INFINITE, "everybody who has it has the event: the estimate is infinity")
    return replace(state, fixed=fixed, point=state.point | {key: value for key, (value, _) in fixed.items()})


def start(spec: Specification, state: State, given: dict[str, Step]) -> dict[Key, float]:
    """Give log rates of events as a start for models of counts: from zero, Newton's method would need many rounds."""
    if spec.family in ("linear", "logistic"):
        return {}
    gradient, hessian, keys = algebra.assemble(replace(spec, ridge=0.0), state, given)
    baseline = ["intercept"] if "intercept" in spec.terms else [t for t in spec.terms if t in spec.own and t in spec.binary]
    start = {}
    for i, key in enumerate(keys):
        if key[0] in baseline and key not in state.fixed and hessian[i, i] > 0 and gradient[i] + hessian[i, i] > WHOLE:
            start[key] = math.log((gradient[i] + hessian[i, i]) / hessian[i, i])
    return start | ({(DISPERSION, ""): -1.0} if spec.with_dispersion else {})


def estimable(spec: Specification, state: State, hessian: Floats, keys: list[Key]) -> tuple[State, list[int]]:
    """Find the coefficients that the sites' data can tell; the others are fixed, with the reason.

    Looked at once for a set of sites: later the weights of a model that separates would hide columns.
    """
    candidates = [i for i, key in enumerate(keys) if key not in state.fixed]
    if state.looked_at == state.sites:
        return state, candidates
    reasons = algebra.not_estimable(hessian[np.ix_(candidates, candidates)], [keys[i] for i in candidates])
    fixed = state.fixed | {key: (state.point[key], why) for key, why in reasons.items()}
    return replace(state, fixed=fixed, looked_at=state.sites), [i for i in candidates if keys[i] not in reasons]


def running_away(spec: Specification, state: State) -> list[Key]:
    """Find coefficients that grow by about the same in every round: their estimates are infinite (separation)."""
    if spec.family == "linear" or len(state.steps) < FEWEST_STEPS:
        return []
    last = state.steps[-FEWEST_STEPS:]
    found = []
    for key, move in last[-1].items():
        moves = [step.get(key, 0.0) for step in last]
        steady = all(abs(m) > 0.5 and m * move > 0 for m in moves) and abs(move) > 0.6 * abs(moves[0])
        far = -state.point[key] > 3 if key[0] == DISPERSION else abs(state.point[key]) > 8 and not spec.ridge
        if steady and far:
            found.append(key)
    return found


def run_away(spec: Specification, state: State, found: list[Key]) -> State:
    """Take an alpha that falls for ever as 0, and go on; end the fit where terms separate those with the event."""
    if (DISPERSION, "") in found:
        why = "the counts spread no more than a Poisson model says: alpha is 0"
        fixed = state.fixed | {(DISPERSION, ""): (NO_ALPHA, why)}
        return replace(state, phase=ITERATE, fixed=fixed, point=state.point | {(DISPERSION, ""): NO_ALPHA},
                       best={}, best_loglik={}, steps=())  # fmt: skip
    names = ", ".join(sorted({term for term, _ in found}))
    words = (f"{names}: together they separate those with the event from those without, so the estimates are infinite; "
             "merge levels, or add ridge")  # fmt: skip
    return replace(state, phase=STOPPED, words=words)


def gradient_of_alpha(spec: Specification, state: State, gradient: Floats, keys: list[Key]) -> float:
    """Give the slope by the dispersion where alpha was taken as 0, else 0."""
    key = (DISPERSION, "")
    return float(gradient[keys.index(key)]) if spec.with_dispersion and key in state.fixed else 0.0


def out_of_rounds(spec: Specification, state: State, given: dict[str, Step]) -> State:
    words = f"it did not settle in {spec.rounds} rounds: merge levels, add ridge, or use a one-round method"
    return replace(state, phase=STOPPED, words=words, answers=dict(given))
