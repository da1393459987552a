"""How well predicted risks fit and rank people, over sites: from sums by band of risk, which add up."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.methods.checks import normal_quantile
from shared_code.model import ALL, UNKNOWN
from shared_code.pooling.meta import POOLED, average_of_sites
from shared_code.pooling.risk_bands import FLAGGED, PPV, SENSITIVITY, at_capacity, by_band

EVERYONE = "everyone"
RISK, CASES = "risk", "risk_of_cases"
OFF, SLOPES = 0.2, (0.8, 1.2)  # a site whose intercept or slope lies outside needs its own recalibration (methods, 6)
TITLES = {"auc": "area under the curve", "slope": "calibration slope", "citl": "calibration in the large",
          "elsewhere": "observed over expected after learning the level from the other sites"}  # fmt: skip
SHOWN = {"auc": ("%", "logit"), "elsewhere": ("ratio", "log")}


def risk_performance(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
                     ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Compute calibration, discrimination, decision curve, capacity and fairness of declared predictions.

    settings  item (dimension of the sums: risk and risk_of_cases), band (dimension of bands of risk in per cent), groups
              (dimensions among which fairness is judged), act_at (per cent of risk from which somebody would be offered
              something), reduction (assumed relative reduction of the event by the offer), and optionally capacity (per cent of
              the people who can be offered something, several), flagged (a dimension, no and yes: from act_at on; groups are then
              broken out by it and not by all bands)
    A site with a withheld number of a cell is left out of what is made of it, and named. Per site also what is to be done
    before the predictions are used there (verdict); over sites averages with prediction intervals: how it would do elsewhere.
    Internal-external validation: each site is left out, the level of the predictions (the intercept) is learnt from all others,
    and what then happens at the site is set against what is expected (item elsewhere).
    """
    wide = cells.pivot(index=["site", *declared.dimensions], columns="statistic", values="value").reset_index()
    own: dict[str, list[tuple[str, float, float, float]]] = {name: [] for name in TITLES}
    for scope, members in scopes.items():
        sums = _Sums(wide[wide["site"].isin(members)], declared, settings)
        base = {"item": RISK, "group": EVERYONE, "level": EVERYONE, "sex": "both", "scope": scope,
                "method": "sums of sites by band of predicted risk"}  # fmt: skip
        yield from _calibration(base, sums, settings)
        bands = sums.bands()
        if bands is None:
            yield base | {"measure": TITLES["auc"], "reason": "a band of risk is withheld", "sites": members}
            continue
        n, p, y, inside = bands
        whole = base | {"people": n.sum(), "events": y.sum(), "sites": inside}
        yield from _ranking(whole, sums, n, y, own if scope != POOLED else None)
        yield from _recalibration(whole, n, p, y, own if scope != POOLED else None)
        yield from by_band(whole, sums.labels, sums.edges, n, p, y)
        yield from _decisions(whole, sums.edges, n, y, settings)
        yield from at_capacity(whole, n, y, settings.get("capacity", []))
        yield from _fair(whole, sums, settings)
    if POOLED in scopes:
        own["elsewhere"] = list(_elsewhere(_Sums(wide[wide["site"].isin(scopes[POOLED])], declared, settings)))
    for name, found in own.items():
        if found:
            part = pd.DataFrame(found, columns=["site", "estimate", "se", "people"]).sort_values("site", ignore_index=True)
            shown, scale = SHOWN.get(name, ("coefficient", "identity"))
            row = {"item": name, "group": EVERYONE, "level": "all", "sex": "both", "scale": shown}
            yield from average_of_sites(row, part, {}, scale, POOLED in scopes, None)


class _Sums:
    """Sums of one scope: of everybody and of cases, by group and band of risk."""

    def __init__(self, wide: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any]):
        self.item, self.band = settings["item"], settings["band"]
        self.edges = list(declared.dimensions[self.band].bands)
        self.labels = list(declared.dimensions[self.band].levels() or {})
        self.totals = [name for name, d in declared.dimensions.items() if d.total]
        self.wide = wide

    def only(self, site: str) -> _Sums:
        """Give the sums of one site."""
        one = copy(self)
        one.wide = self.wide[self.wide["site"] == site]
        return one

    def of(self, broken_out: tuple[str, ...]) -> pd.DataFrame:
        rows = self.wide
        for name in self.totals:
            rows = rows[(rows[name] != ALL) == (name in broken_out)]
        return rows

    def bands(self, group: str = "", level: str = "", flagged: str = ""
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]] | None:  # fmt: skip
        """Give people, sum of risks and cases by band, of the sites that released all of them; None where there is none.

        flagged  a dimension that stands for the bands with two: below the risk from which one acts, and from it on
        """
        by, labels = (flagged, ["no", "yes"]) if flagged else (self.band, self.labels)
        rows = self.of((by, group) if group else (by,))
        rows = rows[rows[group] == level] if group else rows
        parts, inside = [], []
        for site, own in rows.groupby("site", sort=True):
            everyone, cases = (own[own[self.item] == q].set_index(by).reindex(labels) for q in (RISK, CASES))
            values = np.array([everyone["people"], everyone["sum"], cases["people"]], dtype=float)
            if np.isfinite(values).all():
                parts.append(values)
                inside.append(str(site))
        if not parts:
            return None
        n, p, y = np.sum(parts, axis=0)
        return n, p, np.minimum(y, n), inside

    def losses(self, sites: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Give people, outcome and sum of (p - y)^2 of those without and with it in each band; None where one is withheld."""
        rows = self.of((self.band,))
        sums = {}
        for quantity in (RISK, CASES):
            own = rows[(rows[self.item] == quantity) & rows["site"].isin(sites)].set_index(["site", self.band])
            own = own.reindex(pd.MultiIndex.from_product([sites, self.labels]))[["people", "sum", "sum_squares"]]
            if not np.isfinite(own.to_numpy(float)).all():
                return None
            sums[quantity] = own.groupby(level=1, sort=False).sum().to_numpy(float).T
        (n, _, pp), (y, py, ppy) = sums[RISK], sums[CASES]
        people, lost = np.concatenate([n - y, y]), np.concatenate([pp - ppy, y - 2 * py + ppy])
        return np.maximum(people, 0), np.repeat([0.0, 1.0], len(y)), np.maximum(lost, 0)


def _calibration(base: dict[str, Any], sums: _Sums, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Compare observed with expected, everybody's and each group's."""
    for group in ("", *settings["groups"]):
        rows = sums.of((group,) if group else ())
        for level, part in rows.groupby(group, sort=True) if group else [(EVERYONE, rows)]:
            everyone, cases = (part[part[sums.item] == q].set_index("site") for q in (RISK, CASES))
            needed = [everyone[["people", "sum", "sum_squares"]], cases[["people", "sum"]]]
            sites = [s for s in everyone.index if all(s in t.index and np.isfinite(t.loc[s].astype(float)).all() for t in needed)]
            row = base | {"group": group or EVERYONE, "level": str(level), "sites": sites}
            if not sites:
                yield row | {"measure": "observed over expected", "reason": "withheld"}
                continue
            n, p, pp = (float(everyone.loc[sites, c].sum()) for c in ("people", "sum", "sum_squares"))
            y, py = (float(cases.loc[sites, c].sum()) for c in ("people", "sum"))
            found = methods.calibration([n], [p], [y], [pp], [py])
            row |= {"people": n, "events": y}
            yield row | {"measure": "observed over expected", "scale": "ratio", "estimate": found.estimate, "lower": found.lower,
                         "upper": found.upper}  # fmt: skip
            if not group:
                yield from _brier(row, found, sums, sites)


def _brier(row: dict[str, Any], found: Any, sums: _Sums, sites: list[str]) -> Iterator[dict[str, Any]]:
    """Give the Brier score and its scaled form, with limits where all these sites released every band of risk."""
    groups = sums.losses(sites)
    limits = methods.brier_interval(*groups) if groups else None
    for k, (name, scale, times, value) in enumerate((("Brier score", "score", 1.0, found.brier),
                                                      ("scaled Brier score", "%", 100.0, found.scaled_brier))):  # fmt: skip
        own = row | {"measure": name, "scale": scale, "estimate": times * value}
        if limits is None:
            yield own | {"reason": "no limits: a band of risk is withheld"}
            continue
        half = times * (limits[k].upper - limits[k].lower) / 2
        yield own | {"lower": times * value - half, "upper": times * value + half, "se": times * limits[k].se,
                     "method": f"{row['method']}; limits from the outcomes and mean losses in each band"}  # fmt: skip


def _ranking(base: dict[str, Any], sums: _Sums, n: np.ndarray, y: np.ndarray, own: dict[str, list] | None
             ) -> Iterator[dict[str, Any]]:  # fmt: skip
    found = methods.auc_from_bins(y, n - y)
    limits = {end: 100 * float(getattr(found, end)) for end in ("estimate", "lower", "upper")}
    error = f"bins of predicted risk; off by at most {100 * found.error_bound:.1f}"
    yield base | limits | {"measure": TITLES["auc"], "scale": "%", "method": error}
    if own is not None:
        area = float(found.estimate)
        own["auc"].append((base["sites"][0], float(logit(area)), float(found.se) / (area * (1 - area)), base["events"]))
        return
    single = [(b[2], b[0] - b[2]) for site in base["sites"] if (b := sums.only(site).bands())]
    areas = methods.auc_from_bins([a for a, _ in single], [b for _, b in single])
    area, pairs = float(methods.within_sites(areas)), np.atleast_1d(areas.positives * areas.negatives)
    se = float(np.sqrt(np.nansum((pairs * np.atleast_1d(areas.se)) ** 2)) / np.nansum(pairs))
    half = normal_quantile(0.95) * se / (area * (1 - area))
    yield base | {"measure": "area under the curve within sites", "scale": "%", "estimate": 100 * area,
                  "lower": 100 * float(expit(logit(area) - half)), "upper": 100 * float(expit(logit(area) + half)),
                  "method": "areas of sites weighted by their pairs; limits by DeLong from bins, on the logit scale"}  # fmt: skip


def _recalibration(base: dict[str, Any], n: np.ndarray, p: np.ndarray, y: np.ndarray, own: dict[str, list] | None
                   ) -> Iterator[dict[str, Any]]:  # fmt: skip
    filled = n > 0
    mean = _mean(p[filled], n[filled])
    try:
        large, slope = methods.recalibration(logit(mean), n[filled], y[filled])
    except methods.ConvergenceError as error:
        yield base | {"measure": TITLES["slope"], "reason": str(error)}
        return
    steady = abs(large.estimate) <= OFF and SLOPES[0] <= slope.estimate <= SLOPES[1]
    for name, value in (("citl", large), ("slope", slope)):
        yield base | {"measure": TITLES[name], "scale": "coefficient", "estimate": value.estimate, "lower": value.lower,
                      "upper": value.upper, "se": value.se,
                      "verdict": "use as it is" if steady else "recalibrate before use"}  # fmt: skip
        if own is not None:
            own[name].append((base["sites"][0], value.estimate, value.se, base["events"]))


def _elsewhere(sums: _Sums) -> Iterator[tuple[str, float, float, float]]:
    """Leave each site out, learn the intercept from the others, and give log observed over expected there, error, events."""
    own = {site: bands for site in sorted(set(sums.wide["site"])) if (bands := sums.only(str(site)).bands())}
    for site, (n, p, y, _) in own.items():
        others = [np.array(bands[:3]) for name, bands in own.items() if name != site]
        if not others or y.sum() == 0:
            continue
        of_n, of_p, of_y = np.sum(others, axis=0)
        filled, here = of_n > 0, n > 0
        try:
            large, _ = methods.recalibration(logit(_mean(of_p[filled], of_n[filled])), of_n[filled], of_y[filled])
        except methods.ConvergenceError:
            continue
        expected = float(n[here] @ expit(logit(_mean(p[here], n[here])) + large.estimate))
        yield str(site), float(np.log(y.sum() / expected)), float(1 / np.sqrt(y.sum())), float(y.sum())


def _mean(total: np.ndarray, people: np.ndarray) -> np.ndarray:
    return np.clip(total / people, 1e-6, 1 - 1e-6)


def _decisions(base: dict[str, Any], edges: list[int], n: np.ndarray, y: np.ndarray, settings: dict[str, Any]
               ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give, for acting from each edge on: net benefit beside acting on everybody, how many are flagged, and what it finds."""
    for place, edge in enumerate(edges):
        flagged, found = float(n[place:].sum()), float(y[place:].sum())
        where = base | {"stratum": f"band={edge}", "people": flagged, "events": found}
        threshold = edge / 100
        if 0 < threshold < 1:
            every = methods.net_benefit(y.sum(), n.sum() - y.sum(), n.sum(), threshold)
            mine = methods.net_benefit(found, flagged - found, n.sum(), threshold)
            yield where | {"measure": "net benefit", "scale": "per 1,000 people", "estimate": 1000 * float(mine)}
            yield where | {"measure": "net benefit of offering it to everybody", "scale": "per 1,000 people",
                           "estimate": 1000 * float(every)}  # fmt: skip
        shares = {FLAGGED: (flagged, n.sum()), SENSITIVITY: (found, y.sum()), PPV: (found, flagged)}
        for name, (part, of) in shares.items():
            if of > 0:
                limits = methods.wilson(min(part, of), of)
                yield where | {"measure": name, "scale": "%", "estimate": 100 * float(limits.estimate),
                               "lower": 100 * float(limits.lower), "upper": 100 * float(limits.upper)}  # fmt: skip
        if edge == settings["act_at"] and found > 0:
            needed = methods.needed_to_intervene(found, flagged, settings["reduction"])
            yield where | {"stratum": "", "measure": "people offered it per person spared an admission", "scale": "people",
                           "estimate": float(needed.estimate), "lower": float(needed.lower), "upper": float(needed.upper),
                           "method": f"1 / (share admitted x assumed reduction of {settings['reduction']:.0%})"}  # fmt: skip


def _fair(base: dict[str, Any], sums: _Sums, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give sensitivity and the share admitted of those flagged at the chosen risk, group by group."""
    flagged = settings.get("flagged", "")
    place = 1 if flagged else sums.edges.index(settings["act_at"])
    for group in settings["groups"]:
        for level in sorted(set(sums.wide[group]) - {ALL, UNKNOWN}):
            bands = sums.bands(group, level, flagged)
            if bands is None:
                continue
            n, _, y, inside = bands
            row = base | {"group": group, "level": str(level), "sites": inside, "people": n.sum(), "events": y.sum()}
            found = y[place:].sum()
            for name, part, of in ((SENSITIVITY, found, y.sum()), (PPV, found, n[place:].sum())):
                if of > 0:
                    limits = methods.wilson(min(part, of), of)
                    yield row | {"measure": f"{name} from {settings['act_at']} %", "scale": "%",
                                 "estimate": 100 * float(limits.estimate), "lower": 100 * float(limits.lower),
                                 "upper": 100 * float(limits.upper)}  # fmt: skip
