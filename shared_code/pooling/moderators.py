"""Why sites differ: the average as sites join, by kinds of site, along what describes them, and small sites against large."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from shared_code import methods
from shared_code.pooling.results import GROUP, GROUPS_DIFFER, JOINED, MODERATOR, SMALL_SITES

APART_ON = {"log": "ratio of the effects", "logit": "difference of the logits", "identity": ""}  # '': the unit of the effect
HOW_MANY = ("", "one site, nothing pooled", "common effect of two sites, inverse variance")  # by the number of sites
MORE = "random effects, REML, Hartung-Knapp with floor"


class SiteEffects(NamedTuple):
    """Hold the effects of sites on the scale of the analysis, their standard errors, and the people behind them.

    >>> SiteEffects(["a", "b"], np.array([0.1, 0.3]), np.array([0.1, 0.2]), np.array([50, 20])).only(["b"]).y
    array([0.3])
    """

    names: list[str]
    y: Any
    se: Any
    people: Any

    def only(self, names: Sequence[str]) -> SiteEffects:
        """Take some sites, in the order given."""
        at = [self.names.index(name) for name in names]
        return SiteEffects([*names], self.y[at], self.se[at], self.people[at])


def across_sites(base: dict[str, Any], sites: SiteEffects, scale: str, shown: Callable[[Any], Any], settings: dict[str, Any]
                 ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give what the study declares about differences between sites, for one effect.

    base      what all rows share; its scale is the unit of the effect
    sites     those with an estimate    shown  turns the scale of the analysis into the number shown
    settings  `cumulative`: people (those with most behind their estimate first) or a list of sites in order of joining
              `kinds`: name -> {title, sites: {site: kind}}; each kind is averaged by itself, and the kinds are compared
              `moderators`: name -> {title, sites: {site: number}}; all together in one regression of the sites' effects
              `small_sites`: true for Egger's regression
    A site of which nothing is said is left out and named. What too few sites cannot tell gives a row with the reason.
    Methods: METHODS 10.2.
    """
    apart = base | {"scale": APART_ON[scale] or base["scale"], "scope": "pooled"}
    turned = np.exp if scale == "log" else (lambda x: x)  # of a difference
    if settings.get("cumulative"):
        yield from _joining(base, sites, shown, settings["cumulative"])
    for name, one in (settings.get("kinds") or {}).items():
        yield from _kinds(base, apart, sites, name, one, shown, turned)
    if settings.get("moderators"):
        yield from _regressed(apart, sites, settings["moderators"], turned)
    if settings.get("small_sites"):
        yield from _small_sites(apart, sites)


def _joining(base: dict[str, Any], sites: SiteEffects, shown: Callable[[Any], Any], order: Any) -> Iterator[dict[str, Any]]:
    if order == "people":
        behind = dict(zip(sites.names, np.nan_to_num(sites.people)))
        order = sorted(sites.names, key=lambda name: (-behind[name], name))
    joined = sites.only([name for name in order if name in sites.names])
    if not joined.names:
        return
    found = methods.cumulative(joined.y, joined.se**2)
    for n in range(len(joined.names)):
        inside = joined.names[: n + 1]
        yield base | {
            "measure": JOINED, "scope": f"joined:{inside[-1]}",
            "estimate": shown(found.estimate[n]), "lower": shown(found.lower[n]), "upper": shown(found.upper[n]),
            "se": found.se[n], "tau2": found.tau2[n], "sites": inside, "events": float(np.nansum(joined.people[: n + 1])),
            "method": _how(len(inside)),
        }  # fmt: skip


def _how(sites: int) -> str:
    return HOW_MANY[sites] if sites < len(HOW_MANY) else MORE


def _kinds(base: dict[str, Any], apart: dict[str, Any], sites: SiteEffects, name: str, one: dict[str, Any],
           shown: Callable[[Any], Any], turned: Callable[[Any], Any]) -> Iterator[dict[str, Any]]:  # fmt: skip
    chosen, apart = _said(sites, {name: one}, apart | {"measure": GROUPS_DIFFER})
    if not chosen.names:
        yield apart | {"stratum": name, "sites": [], "reason": "no site is of a kind"}
        return
    kinds = [str(one["sites"][site]) for site in chosen.names]
    order, found = methods.subgroups(chosen.y, chosen.se**2, kinds)
    for n, kind in enumerate(order):
        own = [site for site, of in zip(chosen.names, kinds, strict=True) if of == kind]
        yield base | {
            "measure": GROUP, "scope": f"kind:{kind}", "stratum": f"{name}={kind}", "estimate": shown(found.estimate[n]),
            "lower": shown(found.lower[n]), "upper": shown(found.upper[n]), "se": found.se[n], "tau2": found.tau2[n],
            "q": found.q[n], "i2": found.i2_percent[n], "sites": own, "method": _how(len(own)),
        }  # fmt: skip
    if len(order) > 1:
        z = np.array([[kind == other for other in order[1:]] for kind in kinds], dtype=float)
        rows = [{"stratum": f"{name}={kind}", "comparator": order[0]} for kind in order[1:]]
        yield from _coefficients(apart, chosen, rows, z, turned)


def _regressed(apart: dict[str, Any], sites: SiteEffects, moderators: dict[str, Any], turned: Callable[[Any], Any]
               ) -> Iterator[dict[str, Any]]:  # fmt: skip
    chosen, apart = _said(sites, moderators, apart | {"measure": MODERATOR})
    z = np.array([[float(one["sites"][site]) for one in moderators.values()] for site in chosen.names])
    yield from _coefficients(apart, chosen, [{"stratum": name} for name in moderators], z, turned)


def _said(sites: SiteEffects, described: dict[str, Any], base: dict[str, Any]) -> tuple[SiteEffects, dict[str, Any]]:
    """Take the sites of which everything is said; the others are named in what all rows share."""
    lacking = {site: [one["title"] for one in described.values() if site not in one["sites"]] for site in sites.names}
    named = "; ".join(f"{site} (the study says nothing of its {titles[0]})" for site, titles in lacking.items() if titles)
    return sites.only([site for site, titles in lacking.items() if not titles]), base | {"sites_excluded": named}


def _coefficients(base: dict[str, Any], sites: SiteEffects, rows: list[dict[str, str]], z: Any, turned: Callable[[Any], Any]
                  ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give a row per moderator; where the regression cannot be had, the reason."""
    base = base | {"sites": sites.names, "method": "meta-regression, REML, Hartung-Knapp with floor"}
    try:
        found = methods.meta_regression(sites.y, sites.se**2, z.reshape(len(sites.names), -1))
    except (ValueError, methods.ConvergenceError) as error:
        yield from (base | row | {"reason": str(error).splitlines()[0]} for row in rows)
        return
    few = f"{found.warning}: a slope over so few sites describes them and explains nothing" if found.warning else ""
    explained = f"; they explain {found.r2_percent:.0f} % of the variance between sites" if np.isfinite(found.r2_percent) else ""
    said = f"all together F({len(rows)}, {found.df}) = {found.test:.2f}, p = {found.p:.2g}{explained}"
    for n, row in enumerate(rows, start=1):
        yield base | row | {
            "estimate": turned(found.estimate[n]), "lower": turned(found.lower[n]), "upper": turned(found.upper[n]),
            "se": found.se[n], "df": found.df, "tau2": found.tau2, "tau2_lo": found.tau2_lower, "tau2_hi": found.tau2_upper,
            "q": found.q_residual, "i2": found.i2_percent, "h2": found.h2, "agreement": said, "caution": few,
        }  # fmt: skip


def _small_sites(apart: dict[str, Any], sites: SiteEffects) -> Iterator[dict[str, Any]]:
    row = apart | {"measure": SMALL_SITES, "scale": "slope on the standard error", "sites": sites.names,
                   "method": "Egger's regression"}  # fmt: skip
    try:
        found = methods.egger_test(sites.y, sites.se**2)
    except ValueError as error:
        yield row | {"reason": str(error).splitlines()[0]}
        return
    count = len(sites.names)
    yield row | {"estimate": found.estimate, "lower": found.lower, "upper": found.upper, "se": found.se, "df": count - 2,
                 "agreement": f"p = {methods.egger_p(found, count):.2g}; 0: small and large sites found alike",
                 "caution": found.reason}  # fmt: skip
