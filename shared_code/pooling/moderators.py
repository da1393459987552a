"""Why sites differ: the average as sites join, by kinds of site, along what describes them, and small sites against large."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from shared_code import methods
from shared_code.pooling.results import GROUP, GROUPS_DIFFER, JOINED, MODERATOR, SMALL_SITES

APART_ON = {"log": "ratio of the effects", "logit": "difference of the logits", "identity": ""}  # '': the unit of the effect


def across_sites(base: dict[str, Any], names: list[str], y: Any, se: Any, people: Any, scale: str, shown: Callable[[Any], Any],
                 settings: dict[str, Any]) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give what the study declares about differences between sites, for one effect.

    base      what all rows share; its scale is the unit of the effect
    names     the sites with an estimate; y, se, people: shape (sites,), estimates on the scale of the analysis
    settings  `cumulative`: people (those with most behind their estimate first) or a list of sites in order of joining
              `kinds`: name -> {title, sites: {site: kind}}; each kind is averaged by itself, and the kinds are compared
              `moderators`: name -> {title, sites: {site: number}}; all together in one regression of the sites' effects
              `small_sites`: true for Egger's regression
    A site of which nothing is said is left out and named. What too few sites cannot tell gives a row with the reason.
    Methods: METHODS 10.2.
    """
    at = {name: i for i, name in enumerate(names)}
    turned = np.exp if scale == "log" else (lambda x: x)
    apart = base | {"scale": APART_ON[scale] or base["scale"], "scope": "pooled"}
    if settings.get("cumulative"):
        yield from _joining(base, names, y, se, people, shown, settings["cumulative"])
    for name, one in (settings.get("kinds") or {}).items():
        said = {site: str(kind) for site, kind in one["sites"].items() if site in at}
        chosen = [at[site] for site in said]
        yield from _kinds(base, apart, name, one["title"], names, y, se, chosen, [*said.values()], shown, turned)
    if settings.get("moderators"):
        yield from _regressed(apart, settings["moderators"], names, y, se, turned)
    if settings.get("small_sites"):
        yield from _small_sites(apart, names, y, se)


def _joining(base: dict[str, Any], names: list[str], y: Any, se: Any, people: Any, shown: Callable[[Any], Any], order: Any
             ) -> Iterator[dict[str, Any]]:  # fmt: skip
    if order == "people":
        places = sorted(range(len(names)), key=lambda i: (-people[i] if np.isfinite(people[i]) else 0, names[i]))
    else:
        places = [names.index(site) for site in order if site in names]
    if not places:
        return
    found = methods.cumulative(y[places], se[places] ** 2)
    for n in range(len(places)):
        inside = [names[i] for i in places[: n + 1]]
        yield base | {
            "measure": JOINED, "scope": f"joined:{inside[-1]}",
            "estimate": shown(found.estimate[n]), "lower": shown(found.lower[n]), "upper": shown(found.upper[n]),
            "se": found.se[n], "tau2": found.tau2[n], "sites": inside, "events": float(np.nansum(people[places[: n + 1]])),
            "method": "one site, nothing pooled" if n == 0 else "common effect" if n == 1 else "as the pooled estimate",
        }  # fmt: skip


def _kinds(base: dict[str, Any], apart: dict[str, Any], name: str, title: str, names: list[str], y: Any, se: Any,
           chosen: list[int], kinds: list[str], shown: Callable[[Any], Any], turned: Callable[[Any], Any]
           ) -> Iterator[dict[str, Any]]:  # fmt: skip
    inside = [names[i] for i in chosen]
    unsaid = "; ".join(f"{site} (the study says nothing of its {title})" for site in names if site not in inside)
    if not inside:
        yield apart | {"measure": GROUPS_DIFFER, "stratum": name, "sites": [], "sites_excluded": unsaid,
                       "reason": "no site is of a kind"}  # fmt: skip
        return
    order, found = methods.subgroups(y[chosen], se[chosen] ** 2, kinds)
    for n, kind in enumerate(order):
        own = [site for site, one in zip(inside, kinds, strict=True) if one == kind]
        yield base | {
            "measure": GROUP, "scope": f"kind:{kind}", "stratum": f"{name}={kind}", "estimate": shown(found.estimate[n]),
            "lower": shown(found.lower[n]), "upper": shown(found.upper[n]), "se": found.se[n], "tau2": found.tau2[n],
            "q": found.q[n], "i2": found.i2_percent[n], "sites": own,
            "method": "random effects, REML, Hartung-Knapp with floor, tau2 of its own" if len(own) > 2 else
                      "common effect of two sites" if len(own) == 2 else "one site, nothing pooled",
        }  # fmt: skip
    if len(order) < 2:
        return
    z = np.array([[kind == other for other in order[1:]] for kind in kinds], dtype=float)
    rows = [{"stratum": f"{name}={kind}", "comparator": order[0]} for kind in order[1:]]
    shared = apart | {"measure": GROUPS_DIFFER, "sites_excluded": unsaid}
    yield from _coefficients(shared, rows, y[chosen], se[chosen], z, inside, turned)


def _regressed(apart: dict[str, Any], moderators: dict[str, Any], names: list[str], y: Any, se: Any, turned: Callable[[Any], Any]
               ) -> Iterator[dict[str, Any]]:  # fmt: skip
    inside = [site for site in names if all(site in one["sites"] for one in moderators.values())]
    unsaid = "; ".join(f"{site} (the study gives no {one['title']} of it)" for site in names if site not in inside
                       for one in [next(o for o in moderators.values() if site not in o["sites"])])  # fmt: skip
    chosen = [names.index(site) for site in inside]
    z = np.array([[float(one["sites"][site]) for one in moderators.values()] for site in inside]).reshape(len(inside), -1)
    rows = [{"stratum": name} for name in moderators]
    shared = apart | {"measure": MODERATOR, "sites_excluded": unsaid}
    yield from _coefficients(shared, rows, y[chosen], se[chosen], z, inside, turned)


def _coefficients(base: dict[str, Any], rows: list[dict[str, str]], y: Any, se: Any, z: Any, inside: list[str],
                  turned: Callable[[Any], Any]) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give a row per moderator; where the regression cannot be had, the reason."""
    try:
        found = methods.meta_regression(y, se**2, z)
    except (ValueError, methods.ConvergenceError) as error:
        for row in rows:
            yield base | row | {"sites": inside, "method": "meta-regression", "reason": str(error).splitlines()[0]}
        return
    few = f"{found.warning}: a slope over so few sites describes them and explains nothing" if found.warning else ""
    said = (f"all together F({len(rows)}, {found.df}) = {found.test:.2f}, p = {found.p:.2g}"
            + (f"; they explain {found.r2_percent:.0f} % of the variance between sites" if np.isfinite(found.r2_percent) else ""))
    for n, row in enumerate(rows, start=1):
        yield base | row | {
            "estimate": turned(found.estimate[n]), "lower": turned(found.lower[n]), "upper": turned(found.upper[n]),
            "se": found.se[n], "df": found.df, "tau2": found.tau2, "tau2_lo": found.tau2_lower, "tau2_hi": found.tau2_upper,
            "q": found.q_residual, "i2": found.i2_percent, "h2": found.h2, "agreement": said, "caution": few, "sites": inside,
            "method": "meta-regression, REML, Hartung-Knapp with floor",
        }  # fmt: skip


def _small_sites(apart: dict[str, Any], names: list[str], y: Any, se: Any) -> Iterator[dict[str, Any]]:
    row = apart | {"measure": SMALL_SITES, "scale": "slope on the standard error", "sites": names, "method": "Egger's regression"}
    try:
        found = methods.egger_test(y, se**2)
    except ValueError as error:
        yield row | {"reason": str(error).splitlines()[0]}
        return
    yield row | {"estimate": found.estimate, "lower": found.lower, "upper": found.upper, "se": found.se, "df": len(names) - 2,
                 "agreement": f"p = {methods.egger_p(found, len(names)):.2g}; 0: small and large sites found alike",
                 "caution": found.reason}  # fmt: skip
