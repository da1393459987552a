"""The decision rule of pooling: what a study asks for and what its sites send decide the method, never taste.

A step of `pooled:` names a target; the layout of its table leads to the method. First what adds up, then likelihoods, then
averages of estimates; what none of them can give is an error that says what sites would have to send.
Source: methods, 10.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared_code.config.strict import Fault, mapping, unknown
from shared_code.model import LAYOUTS, few

# target -> layout of its table -> method
TARGETS: dict[str, dict[str, str]] = {
    "proportion": {"counts": "shares", "records": "shares"},
    "standardised proportion": {"counts": "prevalence"},
    "life expectancy": {"events": "life_expectancy"},
    "change": {"events": "change"},
    "mean": {"moments": "means"},
    "quantile": {"bins": "quantiles"},
    "rows by month": {"bins": "months"},
    "ratio to the population": {"events": "list_ratio"},
    "effect": {"profile": "profile", "estimates": "meta_analysis", "moments": "difference_in_differences"},
    "change against trend": {"events": "against_trend"},
    "effect of a policy": {"events": "policy_change"},
    "effect of a policy in groups": {"events": "policy_groups"},
    "gap between groups": {"counts": "gaps"},
    "shares of places": {"counts": "place_shares"},
    "recorded against expected": {"counts": "recorded_expected"},
    "allocation of money": {"counts": "allocation"},
    "places": {"estimates": "gather"},
    "balance": {"estimates": "balance"},
    "joint test": {"estimates": "joint_test"},
    "change without any effect": {"bins": "regression_to_mean"},
    "smallest effect to be seen": {"bins": "power"},
    "benefit and cost": {"moments": "benefit_cost"},
    "rate of events": {"events": "event_rates"},
    "mortality ratio": {"events": "mortality_ratio"},
    "performance of a prediction": {"moments": "risk_performance"},
    "age at a first event": {"events": "attained_age"},
    "age of equal prevalence": {"counts": "equivalent_age"},
}
# layout -> why its numbers are pooled the way they are
WHY = {
    **dict.fromkeys(("counts", "events", "moments", "bins", "records"),
                    "sums add up: the number is computed once from the sums of all sites, as if their people lay in one table"),
    "profile": "likelihoods of sites add up, also of sites without events; nothing is assumed to be normal",
    "estimates": "estimates with standard errors do not add up: they are averaged, and how much sites differ is shown",
    "step": "one model is fitted over all sites by adding derivatives of their likelihoods, as if their people lay in one table",
}  # fmt: skip
LISTED = "estimates of places inside sites are listed, not pooled: each was computed where its people are"
# (target, layout) -> why this pair cannot be met
WRONG = {
    ("life expectancy", "estimates"): "an average of the sites' life expectancies is not the life expectancy of their people",
    ("quantile", "estimates"): "medians of sites do not average to the median of their people",
    ("mean", "estimates"): "a mean of site means says nothing of the spread between people",
    ("mean", "bins"): "what lies inside a bin is not known",
    ("proportion", "estimates"): "averages of site percentages are not the percentage of their people",
    ("standardised proportion", "estimates"): "averages of standardised values leave out how many people are behind them",
    ("effect", "counts"): "one effect over sites is fitted as a model over their people, declared under models:",
}  # fmt: skip


def method_of(target: str, layout: str) -> str:
    """Give the method that pools a target from tables of a layout; empty where there is none.

    >>> method_of("effect", "estimates"), method_of("quantile", "bins"), method_of("quantile", "estimates")
    ('meta_analysis', 'quantiles', '')
    """
    return TARGETS.get(target, {}).get(layout, "")


def why(method: str, layout: str) -> str:
    """Say why a method is used for a layout.

    >>> why("gather", "estimates").split(":")[0]
    'estimates of places inside sites are listed, not pooled'
    """
    return LISTED if method == "gather" else WHY[layout]


def with_method(content: Any) -> Any:
    """Give an analysis as written with the method of every step that names a target; the rest stays as it is."""
    steps = content.get("pooled") if isinstance(content, dict) else None
    if not isinstance(steps, list):
        return content
    filled = []
    for step in steps:
        if isinstance(step, dict) and step.get("target") and "method" not in step:
            target = str(step["target"])
            # where it cannot be met, `target_faults` says so; any other method keeps further messages quiet
            method = method_of(target, _layout(content, step)) or next(iter(TARGETS.get(target, {"": "shares"}).values()))
            step = {**step, "method": method}
        filled.append(step)
    return {**content, "pooled": filled}


def target_faults(where: tuple[str, ...], step: dict[str, Any], content: dict[str, Any]) -> Iterator[Fault]:
    """Find a target that is not known, cannot be met from its table, or does not fit the method that is named beside it."""
    layout, target, method = _layout(content, step), step.get("target") or None, str(step.get("method", ""))
    if target is None:
        fits = {name for kinds in TARGETS.values() for name, of in kinds.items() if of == method}
        if fits and layout in LAYOUTS and layout not in fits:
            yield Fault((*where, "table"), f"{method} does not pool tables of the layout {layout}", few(sorted(fits)))
        return
    if target not in TARGETS:
        yield from unknown((*where, "target"), [target], TARGETS, "a target")
        return
    kinds = TARGETS[target]
    if layout in LAYOUTS and layout not in kinds:
        reason = WRONG.get((target, layout), "it cannot be computed from that")
        yield Fault((*where, "target"), f"{target} cannot be had from a table of the layout {layout}: {reason}",
                    f"let sites send {' or '.join(f'the layout {name}' for name in kinds)}")  # fmt: skip
    elif layout in LAYOUTS and method != kinds[layout]:
        yield Fault((*where, "method"), f"{target} from {layout} is pooled by {kinds[layout]}, not by {method}",
                    "leave method away, the target decides")  # fmt: skip
    profiles = mapping(step, "profiles")
    if profiles:
        table = str(profiles.get("table", ""))
        other = mapping(content, "results", table) or getattr(mapping(content, "results").get(table), "__dict__", {})
        if other.get("layout") != "profile":
            tables = [name for name, t in mapping(content, "results").items() if mapping(t).get("layout") == "profile"]
            yield Fault((*where, "profiles", "table"), f"{table!r} is not a table of likelihood profiles", few(tables))
        elif profiles.get("point") not in mapping(other.get("dimensions")):
            yield Fault((*where, "profiles", "point"), f"{profiles.get('point')!r} is not a dimension of {table}",
                        few(mapping(other.get("dimensions"))))  # fmt: skip


def _layout(content: Any, step: Any) -> str:
    results = content.get("results") if isinstance(content, dict) else None
    table = results.get(step.get("table")) if isinstance(results, dict) else None
    return str(table.get("layout", "") if isinstance(table, dict) else getattr(table, "layout", ""))
