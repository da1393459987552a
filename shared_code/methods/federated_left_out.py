"""A federated fit without each of its sites in turn, from what the sites answered last: nobody is asked again.

At the fitted coefficients every site has sent its gradient and Hessian. Without one site the sum of the others' gradients is
no longer zero, and one Newton step from there leads to their own fit, up to terms of the second order in how far it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shared_code.methods import federated_algebra as algebra
from shared_code.methods.checks import normal_quantile
from shared_code.methods.federated_algebra import Key
from shared_code.methods.federated_results import Fit, conclude
from shared_code.methods.federated_special import estimable
from shared_code.methods.federated_state import DONE, Specification, State
from shared_code.methods.glm import Step
from shared_code.methods.results import Estimate

# Move of a coefficient times its move in standard errors. What one step is off by grows with it: in simulated logistic models
# 0.25 to 0.3 of it, in standard errors; farther than this one step could be off by a tenth of a standard error.
FAR = 0.3
TOO_FEW = "too few sites would be left"
TOO_FAR_FOR_ONE = "the others' fit lies too far away for one step: fit the model again without the site"


@dataclass(frozen=True, eq=False)
class WithoutOne:
    """Hold the fit to all sites but one, and how its predictions do there.

    fit     as of the other sites; not settled, with the reason in `words`, where there is none
    slope   calibration slope at the site that was left out: 1 where the others' coefficients hold there, below 1 where they
            are too strong; the site keeps its own level (intercept)
    events  there
    """

    fit: Fit
    slope: Estimate
    events: float


def without_each_site(spec: Specification, state: State) -> dict[str, WithoutOne]:
    """Fit a settled model without each site in turn, and try each fit on the site that was left out.

    Gives site -> WithoutOne; nothing where the fit did not settle. Method: one Newton step from the fit to all sites, with
    the gradients and Hessians of the other sites (exact for linear models; elsewhere off by less than a tenth of a standard
    error, else there is no answer); the slope by one step in the plane of the site's intercept and the others' linear
    predictor. METHODS 6, internal-external validation; Steyerberg & Harrell 2016. Standard errors are those of the others'
    sums at the fit to all sites.

    >>> from shared_code.methods.federated import advance, begin, questions
    >>> from shared_code.methods.glm import derivatives
    >>> def ask(site):
    ...     y = {"a": [1.0, 2.0, 3.0, 4.0], "b": [1.0, 2.0, 3.0, 5.0], "c": [2.0, 3.0, 5.0, 6.0]}[site]
    ...     columns = np.column_stack([np.ones(4), [0, 0, 1, 1]])
    ...     return lambda question: derivatives("linear", columns, y, question.beta)
    >>> spec = Specification("linear", ("intercept", "x"), own=frozenset({"intercept"}))
    >>> state = begin(spec, ["a", "b", "c"])
    >>> while asked := questions(spec, state):
    ...     state = advance(spec, state, {site: ask(site)(question) for site, question in asked.items()})
    >>> round(without_each_site(spec, state)["c"].fit["x"].estimate, 6)  # of a and b: 2 and 2.5
    2.25
    """
    if state.phase != DONE or set(state.answers) != set(state.sites):
        return {}
    return {site: _without(spec, state, site) for site in state.sites}


def _without(spec: Specification, state: State, site: str) -> WithoutOne:
    others = tuple(s for s in state.sites if s != site)
    given, events = {s: state.answers[s] for s in others}, state.answers[site].events
    keys = set(algebra.keys_of(spec, others))
    kept = {key: value for key, value in state.point.items() if key in keys}
    fixed = {key: value for key, value in state.fixed.items() if key in keys}
    rest = replace(state, sites=others, answers=given, point=kept, fixed=fixed, looked_at=(),
                   left_out=state.left_out | {site: "left out in turn"})  # fmt: skip
    if len(others) < max(1, spec.fewest):
        return _nothing(spec, rest, TOO_FEW, events)
    gradient, hessian, names = algebra.assemble(spec, rest, given)
    rest, keep = estimable(spec, rest, hessian, names)
    try:
        step = algebra.newton_step(gradient[keep], hessian[np.ix_(keep, keep)])
    except np.linalg.LinAlgError:
        return _nothing(spec, rest, "without it the terms cannot be told apart", events)
    errors = np.sqrt(np.diag(algebra.inverse(hessian[np.ix_(keep, keep)])))
    if spec.family != "linear" and (step**2 / errors).max(initial=0.0) > FAR:
        return _nothing(spec, rest, TOO_FAR_FOR_ONE, events)
    moved = rest.point | {names[i]: rest.point[names[i]] + float(move) for i, move in zip(keep, step, strict=True)}
    first = others[0]  # the others' log-likelihood at their own fit: higher by half of what the step gains
    gained = replace(given[first], log_likelihood=given[first].log_likelihood + 0.5 * float(gradient[keep] @ step))
    fit = conclude(spec, replace(rest, best=moved, answers=given | {first: gained}))
    return WithoutOne(fit, _slope(spec, state, site, moved), events)


def _slope(spec: Specification, state: State, site: str, moved: Mapping[Key, float]) -> Estimate:
    """Regress the outcome at a site on the linear predictor of the others' fit, from the site's gradient and Hessian."""
    answer: Step = state.answers[site]
    common = [i for i, term in enumerate(spec.terms) if term not in spec.own and term != "intercept"]
    free = [i for i, term in enumerate(spec.terms) if i not in common]
    here = np.array([state.point[algebra.key_of(spec, term, site)] for term in spec.terms])
    there = np.array([moved.get((spec.terms[i], ""), 0.0) for i in common])
    size = len(spec.terms)  # the dispersion, where there is one, stays as it is
    apart = np.zeros(size)
    apart[common] = there - here[common]
    plane = np.zeros((size, len(free) + 1))
    plane[free, range(len(free))] = 1.0
    plane[common, -1] = there
    hessian = answer.hessian[:size, :size]
    used = [j for j in range(plane.shape[1]) if plane[:, j] @ hessian @ plane[:, j] > 0]
    if plane.shape[1] - 1 not in used:
        return _none("nothing is predicted there")
    plane = plane[:, used]
    inside = plane.T @ hessian @ plane
    try:
        turned = np.linalg.solve(inside, plane.T @ (answer.gradient[:size] - hessian @ apart))
        se = float(np.sqrt(np.linalg.inv(inside)[-1, -1]))
    except np.linalg.LinAlgError:
        return _none("level and slope cannot be told apart there")
    if spec.family == "linear":
        se *= float(np.sqrt(-2 * answer.log_likelihood / max(answer.people - len(used), 1)))
    slope, half = 1.0 + float(turned[-1]), normal_quantile(0.95) * se
    return Estimate(slope, slope - half, slope + half, se, "")


def _nothing(spec: Specification, state: State, why: str, events: float) -> WithoutOne:
    stopped: Any = replace(state, phase="stopped", words=why, fixed={})
    return WithoutOne(conclude(spec, stopped), _none(why), events)


def _none(why: str) -> Estimate:
    return Estimate(np.nan, np.nan, np.nan, np.nan, why)
