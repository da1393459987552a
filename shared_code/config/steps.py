"""Settings of the steps that pooling computes: which a method knows, and which of them name dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared_code.config.strict import Fault, mapping, sequence, unknown
from shared_code.model import did_you_mean, few

# method -> settings it needs, settings it may have
METHODS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "prevalence": (("item", "standardise", "groups"), ("local_groups", "slope")),
    "life_expectancy": (("group", "by", "age", "ages"), ()),
    "gather": (("item", "unit"), ()),
    "change": (("item", "along", "at", "against"), ()),
    "meta_analysis": (("item", "unit"), ("scale", "prior", "profiles", "cumulative", "kinds", "moderators", "small_sites",
                                        "primary")),
    "profile": (("point",), ("item",)),
    "against_trend": (("item", "along", "at", "until"), ()),
    "policy_change": (("item", "along", "group", "fixed", "rolling", "comparator", "months"), ()),
    "policy_groups": (("item", "along", "group", "rolling", "comparator", "at"), ()),
    "gaps": (("item", "group", "compare", "against"), ("slope",)),
    "recorded_expected": (("item", "of", "group", "by", "age", "rates"), ()),
    "place_shares": (("item", "place"), ()),
    "allocation": (("item", "place", "need", "total", "weights", "weight", "announced"),
                   ("floor", "last_year", "growth", "published")),
    "shares": (("item",), ("group", "level", "only", "between_sites")),
    "months": (("item", "along"), ()),
    "list_ratio": (("place", "by"), ()),
    "quantiles": (("item", "along", "at"), ()),
    "means": (("item", "unit"), ("group",)),
    "difference_in_differences": (("item", "arm", "treated", "control", "quantity", "beside"), ("primary",)),
    "regression_to_mean": (("along", "least"), ()),
    "power": (("along", "least", "started"), ()),
    "balance": (("item", "group"), ("judged",)),
    "joint_test": (("item", "df"), ()),
    "benefit_cost": (("item", "arm", "treated", "quantity", "beside", "effects", "unit_costs", "service", "scenarios"),
                     ("part_of",)),
    "attained_age": (("item", "event", "competing", "age", "until", "quantiles", "groups"), ("within",)),
    "event_rates": (("item", "group", "compare", "against"), ()),
    "mortality_ratio": (("group", "of", "others", "by", "age", "until", "rates"), ("lived", "others_in")),
    "risk_performance": (("item", "band", "groups", "act_at", "reduction"), ("capacity", "flagged")),
    "equivalent_age": (("item", "age", "until", "at", "groups"), ()),
}
BEFOREHAND = {"risk_performance": ("act_at",)}  # settings that are parameters too, to which every release is bound
SCALES = ("identity", "log", "logit")  # on which sites estimate; a log is shown as a ratio, a logit in per cent
DIMENSIONS = ("item", "standardise", "groups", "local_groups", "slope", "group", "by", "age", "along", "point", "level",
              "only", "place", "arm", "quantity", "beside", "band", "flagged")  # fmt: skip


def step_faults(where: tuple[str, ...], step: dict[str, Any], dimensions: dict[str, Any]) -> Iterator[Fault]:
    """Find settings of one step that its method does not know or lacks, and names that are not dimensions.

    step  as written; its method may be unknown (another message says so)    dimensions  of its table; empty if unknown
    """
    if step.get("method") not in METHODS:
        return
    needed, optional = METHODS[step["method"]]
    known = ["target", "method", "table", *needed, *optional]
    for name in step:
        if name not in known:
            yield Fault((*where, str(name)), f"the key {name!r} is not known{did_you_mean(str(name), known)}", few(known, 12))
    for name in needed:
        if name not in step:
            yield Fault((*where, name), "this key is missing")
    if step.get("scale") is not None:
        yield from unknown((*where, "scale"), [step["scale"]], SCALES, "a scale")
    if not dimensions:
        return
    for name in DIMENSIONS:
        named = step.get(name)
        if named is not None and not (step["method"] == "mortality_ratio" and name in ("by", "age")) \
                and not (step["method"] == "gaps" and name == "slope"):
            listed = [named] if isinstance(named, str) else list(named) if isinstance(named, dict) else sequence(named)
            yield from unknown((*where, name), listed, dimensions, "a dimension of this table")
    for group, level in mapping(step, "groups").items():
        levels = mapping(dimensions, group, "values")
        yield from unknown((*where, "groups", str(group)), [level] if levels else [], levels, f"a level of {group}")
    for group, inside in mapping(step, "within").items():
        yield from unknown((*where, "within"), [group], mapping(step, "groups"), "one of the groups")
        yield from unknown((*where, "within", str(group)), sequence(inside), dimensions, "a dimension of this table")
    if step["method"] == "gaps":
        levels = mapping(dimensions, str(step.get("group")), "values")
        for name in ("compare", "against"):
            named = step.get(name)
            yield from unknown((*where, name), sequence(named) or [named] if levels and named is not None else [], levels,
                               "a level of the group")  # fmt: skip
    if "primary" in step:
        levels = mapping(dimensions, str(step.get("item")), "values")
        yield from unknown((*where, "primary"), [step["primary"]] if levels else [], levels, "an outcome")
    if step["method"] == "recorded_expected":
        yield from _rates_faults(where, step, dimensions)
    if step["method"] == "meta_analysis":
        yield from _sites_faults(where, step)
    if step["method"] == "allocation":
        yield from _allocation_faults(where, step, dimensions)


def beforehand_faults(where: tuple[str, ...], step: dict[str, Any], parameters: dict[str, Any]) -> Iterator[Fault]:
    """Find settings that could be chosen once results are seen: they must be parameters, which change every release's plan."""
    for name in BEFOREHAND.get(str(step.get("method")), ()):
        if name in step and step[name] != parameters.get(name):
            wrong = f"{step[name]!r} is not the parameter {name!r} of the analysis, so it could be chosen on the results"
            yield Fault((*where, name), wrong, f"{name}: the same value, under parameters")


def _sites_faults(where: tuple[str, ...], step: dict[str, Any]) -> Iterator[Fault]:
    """Find what is said of sites in a way that cannot be used: no order, no title, a moderator that is no number."""
    order = step.get("cumulative", "people")
    if order != "people" and not (isinstance(order, list) and order and all(isinstance(site, str) for site in order)):
        yield Fault((*where, "cumulative"), f"{order!r} is no order of sites", "people, or a list of sites")
    elif order != "people" and len(set(order)) < len(order):
        yield Fault((*where, "cumulative"), "a site is named twice", "each site once")
    if not isinstance(step.get("small_sites", False), bool):
        yield Fault((*where, "small_sites"), f"{step['small_sites']!r} is neither true nor false")
    for setting, kind, words in (("kinds", str, "a word"), ("moderators", int | float, "a number")):
        for name, one in mapping(step, setting).items():
            place = (*where, setting, str(name))
            said = mapping(one, "sites")
            if not said or not isinstance(one.get("title"), str) or set(one) != {"title", "sites"}:
                wrong = "it does not say what it is, and which site is what"
                yield Fault(place, wrong, "title: WORDS, sites: {SITE: VALUE, ...}")
            for site, value in said.items():
                if not isinstance(value, kind) or isinstance(value, bool):
                    yield Fault((*place, "sites", str(site)), f"{value!r} is not {words}", words)


def _rates_faults(where: tuple[str, ...], step: dict[str, Any], dimensions: dict[str, Any]) -> Iterator[Fault]:
    """Find rates that do not cover every sex and band of age, or are no shares."""
    sexes = mapping(dimensions, str(step.get("by")), "values")
    bands = sequence((dimensions.get(str(step.get("age"))) or {}).get("bands"))
    items = mapping(dimensions, str(step.get("item")), "values")
    yield from unknown((*where, "of"), [step.get("of")], items, "a level of the item")
    rates = mapping(step, "rates")
    if set(rates) != set(sexes) or any(len(sequence(rates[s])) != len(bands) for s in rates):
        yield Fault((*where, "rates"), "they do not give one rate for each sex and band of age",
                    f"{few(sexes)}: {len(bands)} rates each")  # fmt: skip
    elif not all(isinstance(r, int | float) and 0 <= r <= 1 for s in rates for r in rates[s]):
        yield Fault((*where, "rates"), "a rate is no share of people", "numbers from 0 to 1")


def _allocation_faults(where: tuple[str, ...], step: dict[str, Any], dimensions: dict[str, Any]) -> Iterator[Fault]:
    """Find sums of money that cannot be shared out as the settings say."""
    needs = mapping(dimensions, str(step.get("item")), "values")
    yield from unknown((*where, "need"), [step["need"]] if needs and "need" in step else [], needs, "a definition of need")
    total, announced = step.get("total"), mapping(step, "announced")
    if not isinstance(total, int) or isinstance(total, bool) or total <= 0:
        yield Fault((*where, "total"), f"{total!r} is no sum of money", "whole pounds, above 0")
    elif announced and sum(announced.values()) != total:
        yield Fault((*where, "announced"), f"the announced amounts add up to {sum(announced.values()):,}, not to {total:,}",
                    "amounts that add up to the total")  # fmt: skip
    weights = [*sequence(step.get("weights")), step.get("weight")]
    if not all(isinstance(w, int | float) and 0 <= w <= 1 for w in weights):
        yield Fault((*where, "weights"), f"weights of need are {weights}", "numbers from 0 (by heads) to 1 (by need)")
    if ("growth" in step) != ("last_year" in step):
        yield Fault((*where, "growth"), "a pace of change needs growth and last_year", "both, or neither")
