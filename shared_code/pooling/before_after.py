"""Before and after with controls over sites: exactly from sums, what falls by itself, and what it is worth."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.methods.benefit_cost import DRAWS
from shared_code.model.units import DAYS_A_YEAR
from shared_code.pooling.many_outcomes import adjusted

POOLED, SUMS = "pooled", "effect from sums"
FOUR = ("before", "days_before", "after", "days_after")
EXACT = "sums of sites, each site with its own arms and periods, robust to people"
ROUNDED = "; from rounded sums: the bounds tell what rounding leaves open"
EVERYONE = {"group": "everyone", "level": "all", "sex": "both"}


def difference_in_differences(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any],
                              scopes: dict[str, list[str]]) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Fit one difference-in-differences ratio to the sums of all sites, as if their people lay in one table.

    settings  item (dimension of outcomes), arm (dimension), treated and control (its levels), quantity and beside (dimensions
              of the four sums and of their products), primary (the outcome that the study is about, where there is one: the p
              values of the others are adjusted for how many they are)
    The layout is `moments`: sum of a quantity, sum_products of two. Where sums are rounded, bounds hold the ratio at their
    least and most favourable ends. A site with a withheld or empty sum is left out and named.
    """
    yield from adjusted(_differences(cells, settings, scopes), settings.get("primary"), SUMS)


def _differences(cells: pd.DataFrame, settings: dict[str, Any], scopes: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    for name, part in cells.groupby(settings["item"], sort=True):
        found = {str(site): _sums(own, settings) for site, own in part.groupby("site", sort=True)}
        good = {site: s for site, s in found.items() if s is not None}
        for scope, members in scopes.items():
            mine = [good[site] for site in members if site in good]
            excluded = [site for site in members if site in found and site not in good]
            base = {"item": str(name), **EVERYONE, "scope": scope, "scale": "ratio", "measure": SUMS,
                    "sites": [site for site in members if site in good],
                    "sites_excluded": "; ".join(f"{site} (a sum is withheld or empty)" for site in excluded)}  # fmt: skip
            if not mine:
                if excluded:
                    yield base | {"reason": "a sum is withheld or empty at every site"}
                continue
            totals, low, high = (np.array([s[k] for s in mine]) for k in (0, 1, 2))
            products, people = np.array([s[3] for s in mine]), np.array([s[4] for s in mine])
            ratio = methods.common_difference(totals, products, people)
            best, worst = (_at_ends(a, b) for a, b in ((low, high), (high, low)))
            rounded = bool((high > low).any())
            yield base | {
                "estimate": ratio.estimate, "lower": ratio.lower, "upper": ratio.upper, "se": ratio.se_log,
                "bound_lower": best, "bound_upper": worst, "people": float(people.sum()),
                "events": float(totals[..., [0, 2]].sum()), "person_years": float(totals[..., [1, 3]].sum() / DAYS_A_YEAR),
                "method": EXACT + (ROUNDED if rounded else ""),
            }  # fmt: skip


def _sums(own: pd.DataFrame, settings: dict[str, Any]) -> tuple[Any, ...] | None:
    """Give totals (2, 4), their ends, products (2, 4, 4) and people (2,) of a site; None where one is missing or empty."""
    arm, a, b = settings["arm"], settings["quantity"], settings["beside"]
    keyed = own.set_index([arm, a, b, "statistic"])[["value", "lower", "upper"]].astype(float)
    totals, products, people = np.full((3, 2, 4), np.nan), np.full((2, 4, 4), np.nan), np.full(2, np.nan)
    try:
        for i, level in enumerate((settings["treated"], settings["control"])):
            people[i] = keyed.loc[(level, FOUR[0], FOUR[0], "people"), "value"]
            for j, first in enumerate(FOUR):
                totals[:, i, j] = keyed.loc[(level, first, first, "sum")]
                for k in range(j, 4):
                    products[i, j, k] = products[i, k, j] = keyed.loc[(level, first, FOUR[k], "sum_products"), "value"]
    except KeyError:
        return None
    whole = np.isfinite(totals).all() and np.isfinite(products).all() and np.isfinite(people).all()
    return (*totals, products, people) if whole and (totals[1] > 0).all() else None


def _at_ends(low: np.ndarray, high: np.ndarray) -> float:
    """Give the ratio where the treated fell most (low, high) or least (high, low) that the ranges allow."""
    ends = low.copy()
    ends[:, 0, [0, 3]], ends[:, 0, [1, 2]] = high[:, 0, [0, 3]], low[:, 0, [1, 2]]
    ends[:, 1, [0, 3]], ends[:, 1, [1, 2]] = low[:, 1, [0, 3]], high[:, 1, [1, 2]]
    return float(methods.common_difference(ends, np.zeros((*ends.shape, 4)), np.full(ends.shape[:2], 2)).estimate)


def regression_to_mean(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                       ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Say how far the counts of people chosen for a high one fall if nothing changes, from how many people had how many.

    settings  along (dimension whose bins are counts), least (lowest count for which people are chosen)
    Bins from the first withheld one on count as one open bin. Rates of people are gamma distributed and stable, so crises
    that pass make the true fall larger.
    """
    for scope, members in scopes.items():
        bins = summed_bins(cells, declared, settings["along"], members)
        if bins is None:
            continue
        edges, counts, sites = bins
        found = methods.fall_from_counts(edges, counts, settings["least"])
        base = {"item": "", **EVERYONE, "scope": scope, "people": float(counts.sum()), "sites": sites,
                "reason": found.reason,
                "method": "gamma-Poisson fitted to the sums of sites; stable rates, so a lower bound of the fall"}  # fmt: skip
        ends = {name: getattr(found, name) for name in ("estimate", "lower", "upper", "se")}
        yield base | {"measure": "change without any effect", "scale": "%", **{k: 100 * v for k, v in ends.items()}}
        yield base | {"measure": "ratio without any effect", "scale": "ratio", **{k: 1 + v for k, v in ends.items() if k != "se"}}


def summed_bins(cells: pd.DataFrame, declared: ResultsTable, along: str, members: list[str]
                ) -> tuple[list[int], np.ndarray, list[str]] | None:  # fmt: skip
    """Add up the people in bins of counts over some sites: lower edges, people, sites; None where no site sent any.

    Bins from the first withheld one on become one open bin.
    """
    edges, labels = declared.dimensions[along].bands, list(declared.dimensions[along].levels() or {})
    mine = cells[(cells["statistic"] == "people") & cells["site"].isin(members)]
    if mine.empty:
        return None
    wide = mine.pivot(index="site", columns=along, values="value").reindex(columns=labels).astype(float)
    ends = mine.pivot(index="site", columns=along, values="upper").reindex(columns=labels).astype(float)
    shown = wide.notna().all(axis=0).to_numpy()
    last = int(np.argmin(shown)) if not shown.all() else len(labels)
    counts = wide.sum(axis=0).to_numpy()
    if last < len(labels):
        middle = wide.fillna(ends / 2).sum(axis=0).to_numpy()
        counts = np.append(counts[:last], middle[last:].sum())
    return edges[: len(counts)], counts, [str(s) for s in wide.index]


def benefit_cost(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                 ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Set the value of events avoided against the cost of a service, with everything uncertain drawn many times.

    settings  item, arm, treated, quantity, beside (dimensions and levels as in difference_in_differences), effects (table,
              and its dimension -> level that chooses the estimate of each outcome), unit_costs (outcome -> cost in pounds of
              one event and cv), part_of (outcome -> the outcome whose events hold its own), service (per_person for the
              same months, set_up, cv), scenarios (name -> later, shrink, marginal, correlated, without_set_up)
    Effects are the random-effects averages over sites, or the site's own. Effects on an outcome and on a part of it are drawn
    together: the part is the whole times the share of it, whose effects are independent, so their correlation is the standard
    error of the whole over that of the part; `correlated` sets another, 1 is the most there can be. Outcomes without an
    estimate are left out and named; all sums are over the same sites. Made from released numbers by the coordinating team;
    savings are the value of capacity, not cash.
    """
    item, arm, a, b = (settings[k] for k in ("item", "arm", "quantity", "beside"))
    effects = settings["effects"]["cells"]
    for name, level in settings["effects"]["where"].items():
        effects = effects[effects[name] == level]
    effects = effects.pivot(index=["site", item], columns="statistic", values="value").reset_index()
    after = cells[(cells[arm] == settings["treated"]) & (cells[a] == "after") & (cells[b] == "after")]
    after = after.pivot(index=["site", item], columns="statistic", values="value").reset_index()
    for scope, members in scopes.items():
        released = {name: _sites_with(effects, after, item, name, members) for name in settings["unit_costs"]}
        usable = [name for name, own in released.items() if own]
        inside = sorted(set.intersection(*(released[name] for name in usable))) if usable else []  # one set for all sums
        of = [(name, *_worth(effects, after, item, name, inside)) for name in usable]
        known = [one for one in of if one[1] is not None]
        kept = {one[0] for one in known}
        base = {"item": "", "sex": "both", "scope": scope, "sites": inside, "scale": "GBP",
                "sites_excluded": "; ".join(f"{s}: an estimate or a sum is withheld" for s in members if s not in inside),
                "caution": _without([name for name in released if name not in kept])}  # fmt: skip
        if not known:
            yield base | EVERYONE | {"measure": "benefit-cost ratio", "scale": "ratio", "reason": "no outcome has an estimate"}
            continue
        names = [one[0] for one in known]
        y, d, se, people = (np.array([one[k] for one in known]) for k in (1, 2, 3, 4))
        costs = [settings["unit_costs"][name] for name in names]
        treated = float(people.max())
        for title, scenario in settings["scenarios"].items():
            scenario = dict(scenario or {})
            together = _together(names, se, settings.get("part_of", {}), scenario.pop("correlated", None))
            plain = not scenario and "correlated" not in (settings["scenarios"][title] or {})
            scenario = scenario | {"correlation": together}
            found = yield from _scenario(base, title, scenario, (y, d, se), costs, settings["service"], treated)
            if plain and scope == POOLED:
                titles = (declared.dimensions[item].levels() or {}) if declared is not None else {}
                yield from _inputs(base, [titles.get(name, name) for name in names], treated, found)


def _together(names: list[str], se: np.ndarray, part_of: dict[str, str], correlated: float | None) -> np.ndarray:
    """Give the correlations of log ratios: of a part and its whole, otherwise none."""
    found = np.eye(len(names))
    for part, whole in part_of.items():
        if part in names and whole in names:
            i, j = names.index(part), names.index(whole)
            found[i, j] = found[j, i] = min(1.0, se[j] / se[i]) if correlated is None else correlated
    return found


def _sites_with(effects: pd.DataFrame, after: pd.DataFrame, item: str, name: str, members: list[str]) -> set[str]:
    own = effects[(effects[item] == name) & effects["site"].isin(members)].dropna(subset=["estimate", "se"])
    seen = after[(after[item] == name) & after["site"].isin(members)].dropna(subset=["sum", "people"])
    return set(own["site"]) & set(seen["site"])


def _worth(effects: pd.DataFrame, after: pd.DataFrame, item: str, name: str, members: list[str]) -> tuple[Any, ...]:
    own, seen = (table[(table[item] == name) & table["site"].isin(members)] for table in (effects, after))
    if own.empty:
        return None, None, None, None
    found = methods.random_effects(own["estimate"].to_numpy(float), own["se"].to_numpy(float) ** 2)
    return float(seen["sum"].sum()), float(found.estimate), float(found.se), float(seen["people"].sum())


def _scenario(base: dict[str, Any], title: str, scenario: dict[str, Any], of: tuple[Any, Any, Any], costs: list[dict[str, float]],
              service: dict[str, float], treated: float) -> Generator[dict[str, Any], None, methods.BenefitCost]:  # fmt: skip
    set_up = 0.0 if scenario.pop("without_set_up", False) else service.get("set_up", 0.0)
    periods = 2.0 if "later" in scenario else 1.0  # months 7 to 12 cost as much as the first six
    cost = treated * service["per_person"] * periods + set_up
    unit, cv = (np.array([c[k] for c in costs], dtype=float) for k in ("cost", "cv"))
    found = methods.benefit_cost(*of, unit, cv, cost, service.get("cv", 0.0) * cost, **scenario)
    how = f"{scenario.get('draws', DRAWS):,} draws of effects, unit costs and the cost of the service"
    row = base | {"group": "scenario", "level": title, "people": treated, "method": how}
    yield row | {"measure": "benefit-cost ratio", "scale": "ratio", "estimate": found.median, "lower": found.lower,
                 "upper": found.upper}  # fmt: skip
    yield row | {"measure": "net benefit", "estimate": found.net, "lower": found.net_lower, "upper": found.net_upper}
    yield row | {"measure": "value of events avoided", "estimate": found.saving}
    yield row | {"measure": "cost of the service", "estimate": found.cost}
    yield row | {"measure": "chance that it pays", "scale": "%", "estimate": 100 * found.p_pays}
    return found


def _inputs(base: dict[str, Any], titles: list[str], treated: float, found: methods.BenefitCost) -> Iterator[dict[str, Any]]:
    """Give the ratio at the ends of one input after the other, the one it hangs on most first."""
    inputs = [f"{what}: {title}" for title in titles for what in ("effect", "price")] + ["cost of the service"]
    for at in np.argsort(-np.ptp(found.swing, axis=1), kind="stable"):
        low, high = sorted(found.swing[at])
        yield base | {"group": "input", "level": inputs[at], "people": treated, "measure": "benefit-cost ratio over one input",
                      "scale": "ratio", "estimate": found.deterministic, "lower": low, "upper": high,
                      "method": "one input at the 2.5th and 97.5th percentile of its draws, the others as estimated"}  # fmt: skip


def _without(names: list[str]) -> str:
    return f"without {', '.join(names)}: no estimate was released" if names else ""
