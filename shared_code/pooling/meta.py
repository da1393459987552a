"""Meta-analysis of what sites estimated themselves: for estimates and likelihood profiles, which do not add up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import CubicHermiteSpline
from scipy.special import expit

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.methods.bayes import PRIOR_SD, PRIOR_TAU
from shared_code.methods.checks import normal_quantile
from shared_code.pooling import cautions
from shared_code.pooling.gather import WHY_EMPTY
from shared_code.pooling.many_outcomes import adjusted, e_values
from shared_code.pooling.moderators import SiteEffects, across_sites
from shared_code.pooling.results import APART, BAYES, COMMON, OWN, RANDOM, WITHOUT_ONE

POOLED = "pooled"
FEW_TO_TELL = 6  # below it tau2 is often estimated as 0: a fit with a prior stands beside it (METHODS 10.2)
FLAT = 1e-9  # a profile that moves less says nothing: the site has no events
FEW_EVENTS = 10  # below it a site's normal approximation is doubtful (METHODS 10.3)
# how a study writes the scale of an estimate -> what turns it into the number shown
SCALES: dict[str, Any] = {"log": np.exp, "logit": lambda x: 100 * expit(x), "identity": lambda x: x}
METHOD = {
    "reml": "random effects, REML, Hartung-Knapp with floor", "single": "one site, nothing pooled",
    "common": "common effect of two sites, inverse variance",
}  # fmt: skip


def meta_analysis(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                  ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Average estimates of sites that do not share people, and say how much sites differ.

    settings  item (dimension that names the term), unit, and scale: log (shown as a ratio), logit (shown in per cent) or
              identity (default); prior: sd of the mean effect and tau (scale of the half-normal of how much sites differ), or
              item -> these two. On the scales log and logit it is 2 and 0.5 where nothing is said; cumulative, kinds,
              moderators, small_sites: see moderators.across_sites; primary (the item that the study is about: the p values
              of the others are adjusted for how many they are, and its ratio has an E-value)
    Yields, per item and combination of the other dimensions, the estimate of every site with its weight, the random-effects
    average (REML, Hartung-Knapp with floor) with prediction interval, tau2 and its limits, Q, I2 and H2, the common effect,
    and the average without each site in turn (scope loso:<name>). Two sites give a common effect, their difference and no
    tau2. Up to five sites have a Bayesian average beside it. Each average says whether the sites agree. A site whose
    estimate is withheld or could not be computed is named in sites_excluded, never counted as 0.
    """
    rows = adjusted(_every_effect(cells, declared, settings, scopes), settings.get("primary"), RANDOM)
    yield from rows
    yield from e_values(rows, settings.get("primary"), RANDOM)


def _every_effect(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                  ) -> Iterator[dict[str, Any]]:  # fmt: skip
    keys = ["site", *declared.dimensions]
    wide = cells.pivot(index=keys, columns="statistic", values="value").reset_index()
    status = cells[cells["statistic"] == "estimate"].set_index(keys)["status"]
    others = [name for name, d in declared.dimensions.items() if name != settings["item"] and not d.local]
    wide = wide[[site in _members(scopes) for site in wide["site"]]]
    for key, part in wide.groupby([settings["item"], *others], sort=True, dropna=False):
        levels = dict(zip([settings["item"], *others], key if isinstance(key, tuple) else (key,), strict=True))
        base = _base(levels, settings) | {"scale": settings["unit"]}
        part = part.sort_values("site").reset_index(drop=True)
        good = part["estimate"].notna() & (part["se"] > 0)
        excluded = {row["site"]: WHY_EMPTY.get(status[tuple(row[k] for k in keys)], "no estimate with a standard error")
                    for row in part[~good].to_dict("records")}  # fmt: skip
        for site, why in excluded.items():
            yield base | {"measure": OWN, "scope": f"site:{site}", "sites": [site], "reason": why}
        if good.any():
            prior = _prior(settings, str(levels[settings["item"]]))
            scale, together = settings.get("scale", "identity"), POOLED in scopes
            yield from average_of_sites(base, part[good], excluded, scale, together, prior)
            if together:
                sites = SiteEffects([*part.loc[good, "site"]], *part.loc[good, ["estimate", "se", "people"]].to_numpy(float).T)
                yield from across_sites(base, sites, scale, SCALES[scale], settings)


def _prior(settings: dict[str, Any], item: str) -> tuple[float, float] | None:
    """Give the prior of an item: standard deviation of the mean effect, and scale of tau; None where there is none."""
    usual = {"sd": PRIOR_SD, "tau": PRIOR_TAU} if settings.get("scale", "identity") != "identity" else {}
    said = settings.get("prior") or usual
    said = said if "sd" in said else said.get(item, {})
    return (float(said["sd"]), float(said["tau"])) if said else None


def average_of_sites(base: dict[str, Any], part: pd.DataFrame, excluded: dict[str, str], scale: str, pool: bool,
                     prior: tuple[float, float] | None) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give the rows of one effect: every site's own, their common and random-effects averages, and each site left out.

    base  what all rows share     part  site, estimate, se, people, events     excluded  site -> why it is not in it
    """
    shown, names = SCALES[scale], list(part["site"])
    y, se = part["estimate"].to_numpy(float), part["se"].to_numpy(float)
    found = methods.random_effects(y, se**2)
    half = normal_quantile(0.95) * se
    people = part["people"].to_numpy(float)
    for i, site in enumerate(names):
        yield base | {
            "measure": OWN, "scope": f"site:{site}", "estimate": shown(y[i]), "se": se[i], "lower": shown(y[i] - half[i]),
            "upper": shown(y[i] + half[i]), "events": people[i], "weight": found.weights[i] if pool else np.nan,
            "method": "computed inside the site", "sites": [site],
        }  # fmt: skip
    if not pool:
        return
    k, few = len(names), int(sum(people < FEW_EVENTS))
    agree = cautions.agreement(names, y, se**2)

    together = {"scope": POOLED, "sites": names, "events": float(np.nansum(people)), "agreement": agree.words,
                "sites_excluded": "; ".join(f"{site} ({why})" for site, why in excluded.items())}  # fmt: skip
    yield base | together | {"measure": RANDOM} | as_random_effects(found, shown, k, agree.q, few)
    if k < 2:
        return
    common = methods.common_effect(y, se**2)
    yield base | together | {
        "measure": COMMON, "estimate": shown(common.estimate), "lower": shown(common.lower), "upper": shown(common.upper),
        "se": common.se, "q": agree.q, "method": "common effect, inverse variance",
        "caution": cautions.caution(cautions.COMMON, k, agree.q, few, FEW_EVENTS),
    }  # fmt: skip
    if prior and k < FEW_TO_TELL:
        bayes = methods.bayesian_random_effects(y, se**2, *prior)
        yield base | together | {
            "measure": BAYES, "method": f"random effects, prior half-normal({prior[1]:g}) on tau, normal({prior[0]:g}) on mean",
            "estimate": shown(bayes.estimate), "lower": shown(bayes.lower), "upper": shown(bayes.upper),
            "tau2": bayes.tau**2, "tau2_lo": bayes.tau_lower**2, "tau2_hi": bayes.tau_upper**2,
            "pi_lo": shown(bayes.prediction_lower), "pi_hi": shown(bayes.prediction_upper),
        }  # fmt: skip
    if k == 2:
        far, wide = y[0] - y[1], normal_quantile(0.95) * np.hypot(*se)
        turned = np.exp if scale == "log" else float
        yield base | together | {
            "measure": APART, "estimate": turned(far), "lower": turned(far - wide), "upper": turned(far + wide),
            "se": float(np.hypot(*se)), "comparator": names[1], "method": f"{names[0]} against {names[1]}",
            **({"scale": "difference of the logits"} if scale == "logit" else {}),
        }  # fmt: skip
    if len(names) < 3:
        return
    one_out = methods.leave_one_out(y, se**2)
    for i, site in enumerate(names):
        flags = {"sign": one_out.sign_changes, "significance": one_out.significance_changes, "size": one_out.moves}
        changes = ", ".join(name for name, flag in flags.items() if flag[i])
        yield base | {
            "measure": WITHOUT_ONE, "scope": f"loso:{site}", "estimate": shown(one_out.estimate[i]),
            "lower": shown(one_out.lower[i]), "upper": shown(one_out.upper[i]), "se": one_out.se[i], "tau2": one_out.tau2[i],
            "method": "as the pooled estimate" + (f"; hangs on this site: {changes} changes without it" if changes else ""),
            "sites": [name for name in names if name != site],
        }  # fmt: skip


def as_random_effects(found: Any, shown: Any, sites: int, q: float, few: int = 0) -> dict[str, Any]:
    """Write a random-effects average down: estimate and limits, how much sites differ, the method, and what to beware of.

    found  of methods.random_effects     shown  turns the scale of the analysis into the number shown
    few    sites that rest on fewer than FEW_EVENTS people with the event
    """
    kinds = [cautions.COMMON] if sites == 2 else []
    said = [cautions.caution(kind, sites, q, few, FEW_EVENTS) for kind in (*kinds, cautions.AVERAGE)]
    said.append(cautions.caution(cautions.ELSEWHERE, sites))
    return {
        "estimate": shown(found.estimate), "lower": shown(found.lower), "upper": shown(found.upper),
        "se": found.se, "df": found.df, "tau2": found.tau2, "tau2_lo": found.tau2_lower, "tau2_hi": found.tau2_upper,
        "pi_lo": shown(found.prediction_lower), "pi_hi": shown(found.prediction_upper), "q": q, "i2": found.i2_percent,
        "h2": found.h2, "method": METHOD[str(found.method)], "caution": "; ".join(dict.fromkeys(c for c in said if c)),
    }  # fmt: skip


def profile(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
            ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Add likelihood profiles of sites, for effects of rare events; sites without events stay in.

    settings  point (dimension of the agreed log ratios) and, where there is one, item
    Yields the common ratio of each site and of all together with likelihood limits, and beside it the random-effects ratio
    and the Bayesian one (half-normal prior on tau), which say how much the answer hangs on sites being alike.
    """
    point, item = settings["point"], settings.get("item")
    others = [name for name, d in declared.dimensions.items() if name not in (point, item) and not d.local]
    by = [*([item] if item else []), *others]
    wide = cells.pivot(index=["site", *by, point], columns="statistic", values="value").reset_index()
    wide = wide.assign(_at=wide[point].astype(float))
    wide = wide[[site in _members(scopes) for site in wide["site"]]]
    for key, part in wide.groupby(by, sort=True) if by else [((), wide)]:
        levels = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        base = _base(levels, settings) | {"scale": "ratio"}
        points = np.sort(part["_at"].unique())
        curves, excluded, events = {}, {}, {}
        for site, own in part.groupby("site", sort=True):
            own = own.sort_values("_at")
            values = own[["log_likelihood", "gradient"]].to_numpy(float).T
            if values.shape[1] == len(points) and np.isfinite(values).all():
                curves[str(site)], events[str(site)] = values, float(own["events"].iloc[0])
            else:
                excluded[str(site)] = "its profile is withheld"
        for site, values in curves.items():
            found = methods.pool_profiles(points, values[:1], values[1:])
            yield base | _ratio(found) | {"measure": OWN, "scope": f"site:{site}", "events": events[site], "sites": [site],
                                          "method": "likelihood profile"}  # fmt: skip
        if POOLED in scopes and curves:
            yield from _profiles(base, points, curves, excluded, events)


def _profiles(base: dict[str, Any], points: Any, curves: dict[str, Any], excluded: dict[str, str], events: dict[str, float]
              ) -> Iterator[dict[str, Any]]:  # fmt: skip
    y, g = (np.array([values[row] for values in curves.values()]) for row in (0, 1))
    together = base | {"scope": POOLED, "sites": [*curves], "events": float(np.nansum([*events.values()])),
                       "sites_excluded": "; ".join(f"{site} ({why})" for site, why in excluded.items())}  # fmt: skip
    common = methods.pool_profiles(points, y, g)
    yield together | _ratio(common) | {"measure": COMMON, "method": "likelihood profiles added, likelihood limits",
                                       "caution": _apart(points, y, g, common.estimate)}  # fmt: skip
    if len(curves) < 3 or not np.isfinite(common.estimate):
        return
    try:
        found = methods.random_effects_of_profiles(points, y, g)
    except (methods.ConvergenceError, ValueError) as error:
        yield together | {"measure": RANDOM, "method": "likelihood profiles, normal effects", "reason": str(error)}
    else:
        yield together | _ratio(found) | {"measure": RANDOM, "method": f"{found.method}, t limits", "df": found.df,
                                          "tau2": found.tau2, "pi_lo": np.exp(found.prediction_lower),
                                          "pi_hi": np.exp(found.prediction_upper)}  # fmt: skip
    bayes = methods.bayesian_profiles(points, y, g)
    yield together | _ratio(bayes) | {
        "measure": BAYES, "method": f"likelihood profiles, prior half-normal({PRIOR_TAU:g}) on tau, normal({PRIOR_SD:g}) on mean",
        "tau2": bayes.tau**2, "tau2_lo": bayes.tau_lower**2, "tau2_hi": bayes.tau_upper**2,
        "pi_lo": np.exp(bayes.prediction_lower), "pi_hi": np.exp(bayes.prediction_upper),
    }  # fmt: skip


def _apart(points: Any, y: Any, g: Any, at: float) -> str:
    """Say whether the profiles of the sites lie further apart than chance allows: likelihood ratio against one effect."""
    if not np.isfinite(at):
        return ""
    informed = np.ptp(y, axis=1) > FLAT
    inside = np.clip(at, points[0], points[-1])
    lost = [CubicHermiteSpline(points, *curve)(inside) - curve[0].max() for curve in zip(y[informed], g[informed])]
    return cautions.caution(cautions.COMMON, int(informed.sum()), -2 * float(np.sum(lost)))


def _ratio(found: Any) -> dict[str, Any]:
    """Show a result on the log scale as a ratio; an estimate that is not finite is not shown, its finite limit is."""
    with np.errstate(over="ignore"):
        values = {name: float(np.exp(getattr(found, name))) for name in ("estimate", "lower", "upper")}
    if not np.isfinite(found.estimate):
        values["estimate"] = float("nan")
    if not np.isfinite(values["upper"]):
        values["upper"] = float("nan")
    return {**values, "se": found.se, "reason": found.reason}


def _base(levels: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Name an estimate: its item, its sex, the first other dimension as group and level, the rest as stratum."""
    rest = [(name, level) for name, level in levels.items() if name not in (settings.get("item"), "sex")]
    group, level = rest[0] if rest else ("everyone", "all")
    return {"item": levels.get(settings.get("item", ""), ""), "sex": levels.get("sex", "both"), "group": group, "level": level,
            "stratum": "; ".join(f"{name}={value}" for name, value in rest[1:])}  # fmt: skip


def _members(scopes: dict[str, list[str]]) -> set[str]:
    return {site for members in scopes.values() for site in members}
