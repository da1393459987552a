"""Months, lists, lags and depth over sites, and what every check says of every site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.methods.checks import normal_quantile
from shared_code.model import ALL
from shared_code.model.checks import CHECKS, FEEDS, KINDS, LOOK, NOT_ASSESSED, PASS, WORDS, Check, verdict
from shared_code.model.units import DAYS_A_YEAR
from shared_code.pooling.shares import SOUND
from shared_code.quality import list_ratios, unusual
from shared_code.quality.judge import month_shares
from shared_code.quality.months import WINDOW, judged

Z = normal_quantile(0.95)
LIST = "listed:area_population"


def months(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
           ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give the rows of each source in each month at each site, in % of the twelve months around it, and what looks wrong.

    settings  item (dimension of sources), along (the month dimension)
    Sites are not summed: a feed that fails at one site is not made good by another. A withheld month counts as few rows.
    """
    rows = _middle(cells[cells["statistic"] == "records"])
    rows = rows.rename(columns={settings["item"]: "source", settings["along"]: "month"})
    for scope, (site, *others) in scopes.items():
        if others or scope == "pooled":
            continue
        mine = rows[rows["site"] == site]
        for source, part in mine.groupby("source", sort=True):
            yield from _of_source(str(source), part.sort_values("month"), site, scope, settings["along"])
        for table in [t for t in FEEDS if any(str(s).partition(".")[0] == t for s in mine["source"])]:
            check = CHECKS[f"received:{table}"]
            flagged, whole, where = month_shares(mine.rename(columns={"number": "records"}), table)
            share = flagged / whole if whole else np.nan
            named = "; ".join(f"{source}: {', '.join(found)}" for source, found in where.items() if found)
            yield {"measure": "months that are empty or unusual", "item": check.name, "group": "everyone", "level": "all",
                   "sex": "both", "scope": scope, "scale": "%", "estimate": 100 * share, "events": flagged, "people": whole,
                   "sites": [site], "verdict": verdict(check, share), "method": "a month against the twelve around it",
                   "reason": named if whole else "too few rows a month to judge by"}  # fmt: skip


def _of_source(source: str, part: pd.DataFrame, site: str, scope: str, along: str) -> Iterator[dict[str, Any]]:
    n = part["number"].to_numpy(float)
    flags, known = unusual(n), judged(n)
    for at, (month, number, withheld) in enumerate(zip(part["month"], n, part["withheld"])):
        start = int(np.clip(at - WINDOW // 2, 0, max(0, len(n) - WINDOW)))
        usual = float(np.median(n[start : start + WINDOW]))
        say = NOT_ASSESSED if not known else LOOK if flags[at] else PASS
        yield {"measure": "rows of a month", "item": source, "group": along, "level": month, "sex": "both", "scope": scope,
               "scale": "% of what is usual", "estimate": 100 * number / usual if usual else np.nan, "events": number,
               "sites": [site], "verdict": say, "method": "median of the twelve months around it",
               "withheld_share": 1.0 if withheld else 0.0, "reason": "" if usual else "no rows are usual"}  # fmt: skip


def _middle(rows: pd.DataFrame) -> pd.DataFrame:
    """Give each number as released; a withheld one by the lowest it can be."""
    number = rows["value"].astype(float)
    withheld = rows["status"] == "withheld"
    return rows.assign(number=number.where(~withheld, rows["lower"].astype(float)).fillna(0), withheld=withheld)


def list_ratio(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
               ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give registered people for every person of the estimated population: all together, and by place, sex and age.

    settings  place (local dimension), by (dimensions)
    Interval: exact or Byar, registered people as a count. Cells with a withheld number are in neither sum.
    """
    place = settings["place"]
    keys = ["site", *declared.dimensions]
    wide = cells[cells["statistic"].isin(["people", "person_days"])]
    wide = wide.pivot(index=keys, columns="statistic", values="value").reset_index().rename(columns={place: "district"})
    wide = wide.dropna(subset=["people", "person_days"])
    for scope, members in scopes.items():
        mine = wide[wide["site"].isin(members)]
        whole = mine[mine["district"] == ALL]
        if not whole["person_days"].sum():
            continue
        wanted = [(mine if scope != "pooled" else whole, []), *((whole, [by]) for by in settings["by"])]
        for table, by in wanted:
            for row in list_ratios(table, by).to_dict("records"):
                group, level = (by[0], row[by[0]]) if by else (("everyone", "all") if row["district"] == ALL else
                                                                (place, row["district"]))  # fmt: skip
                base = {"measure": "list ratio", "item": LIST, "group": group, "level": level,
                        "sex": level if group == "sex" else "both", "scope": scope, "scale": "ratio", "estimate": row["ratio"],
                        "lower": row["lower"], "upper": row["upper"], "events": row["people"], "people": row["population"],
                        "person_years": row["person_days"] / DAYS_A_YEAR, "sites": sorted(whole["site"].unique()),
                        "method": "registered residents over the latest mid-year estimate"}  # fmt: skip
                if scope != "pooled" and not by:
                    say = verdict(CHECKS[LIST], abs(row["ratio"] - 1))
                    base["verdict"] = say if row["district"] == ALL or row["flagged"] else PASS
                yield base


def quantiles(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
              ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Read quantiles off the bins of all sites together: median, 90th percentile; never an average of site medians.

    settings  item (dimension), along (dimension whose bands are the bins), at (probabilities)
    Withheld bins are nobody's: a quantile is read off what was released, and bounds say what withheld bins could make it.
    """
    item, along = settings["item"], settings["along"]
    spec = declared.dimensions[along]
    labels = list(spec.levels() or {})
    for name, rows in cells[cells["statistic"] == "records"].groupby(item, sort=True):
        for scope, members in scopes.items():
            mine = rows[rows["site"].isin(members)]
            table = _middle(mine).pivot(index="site", columns=along, values="number").reindex(columns=labels).fillna(0)
            table = table[table.sum(axis=1) > 0]
            counts = table.sum(axis=0).to_numpy(float)
            base = {"item": str(name), "group": "everyone", "level": "all", "sex": "both", "scope": scope, "scale": "days",
                    "people": counts.sum(), "sites": list(table.index), "method": "pooled bins, linear within a bin"}  # fmt: skip
            for q in settings["at"]:
                measure = "median" if q == 0.5 else f"{100 * q:g}th percentile"
                if not counts.sum():
                    yield base | {"measure": measure, "reason": "no records with both dates"}
                    continue
                value = float(methods.quantile_from_bins(spec.bands, counts, q))
                low, high = _order_limits(spec.bands, counts, q)
                why = "" if value == value else "it lies in the last, open bin"
                yield base | {"measure": measure, "estimate": value, "lower": low, "upper": high, "reason": why}


def _order_limits(edges: list[int], counts: np.ndarray, q: float) -> tuple[float, float]:
    """Give limits of a quantile from the binomial order of observations: quantiles at q -/+ z sqrt(q (1 - q) / n)."""
    half = Z * np.sqrt(q * (1 - q) / counts.sum())
    low, high = (float(methods.quantile_from_bins(edges, counts, float(np.clip(p, 0, 1)))) for p in (q - half, q + half))
    return low, high


def means(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
          ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give mean and standard deviation over sites from sums: sum / n, and (squares - sum^2 / n) / (n - 1).

    Limits allow for rounding too: the true sum, and number of people, of a site are anywhere in their ranges.
    settings  item (dimension), unit, and optionally group (dimension that is broken out). Sites whose sums are withheld are
              left out and named.
    """
    item, group = settings["item"], settings.get("group")
    by = [item, *([group] if group else [])]
    cells = cells.assign(width=(cells["upper"].astype(float) - cells["lower"].astype(float)).where(cells["value"].notna()))
    widths = cells.pivot(index=["site", *by], columns="statistic", values="width").add_prefix("width of ")
    wide = cells.pivot(index=["site", *by], columns="statistic", values="value").join(widths).reset_index()
    for (name, *levels), rows in wide.groupby(by, sort=True):
        level = str(levels[0]) if levels and levels[0] != ALL else "all"
        for scope, members in scopes.items():
            mine = rows[rows["site"].isin(members)].dropna(subset=["people", "sum", "sum_squares"])
            mine = mine[mine["people"] > 0]
            told = rows[rows["site"].isin(members)]["people"]
            if level != "all" and len(told) and (told == 0).all():
                continue  # a level in which every site has nobody
            n, total, squares = (float(mine[c].sum()) for c in ("people", "sum", "sum_squares"))
            base = {"item": str(name), "group": "everyone" if level == "all" else group, "level": level, "sex": "both",
                    "scope": scope,
                    "scale": settings["unit"], "people": n, "sites": list(mine["site"]), "method": "sums of sites"}  # fmt: skip
            if n < 2:
                yield base | {"measure": "mean", "reason": "no site has released it"}
                continue
            variance = (squares - total**2 / n) / (n - 1)
            of_sum, of_people = (float((mine[f"width of {c}"] ** 2).sum()) / 12 for c in ("sum", "people"))
            rounded = of_sum + of_people * (total / n) ** 2
            se = float(np.sqrt(max(variance, 0.0) / n + rounded / n**2))
            yield base | {"measure": "mean", "estimate": total / n, "lower": total / n - Z * se, "upper": total / n + Z * se,
                          "se": se}  # fmt: skip
            spread: dict[str, Any] = {"estimate": float(np.sqrt(max(variance, 0.0)))}
            if variance <= 0 < rounded:
                spread = {"reason": "sums are rounded too coarsely to say how people differ"}
            yield base | {"measure": "standard deviation"} | spread


def lights(stem: str, results: pd.DataFrame, manifests: Mapping[str, Mapping[str, Any]], expected: Mapping[str, str]
           ) -> pd.DataFrame:  # fmt: skip
    """Say what every check says of every site: site, title, kind, check, words, verdict, share (%), reason.

    Verdicts come from the released numbers; for what no released table shows (deciles of deprivation, drift) the site's
    release holds the word. Whatever nobody judged is not assessed.
    """
    mine = results[(results["analysis"] == stem) & results["item"].isin(list(CHECKS)) & (results["verdict"] != "")
                   & (results["group"] == "everyone")]  # fmt: skip
    found = {(row["scope"].removeprefix("site:"), row["item"]): row for row in mine.to_dict("records")}
    found |= {(row["scope"].removeprefix("site:"), "linked:records"): row | _linkage(row)
              for row in results[(results["analysis"] == stem) & (results["item"] == "with_identifier")
                                 & (results["group"] == "everyone") & (results["measure"] == "linked")
                                 & (results["scope"] != "pooled")].to_dict("records")}  # fmt: skip
    rows = []
    for site, title in expected.items():
        manifest = manifests.get(site)
        for name, check in CHECKS.items():
            row = found.get((site, name))
            say, reason = (row["verdict"], row["reason"]) if row else (NOT_ASSESSED, "")
            share = _faulty(check, row["estimate"]) if row else np.nan
            if not row and manifest is None:
                reason = "no release yet"
            elif not row and name in manifest.get("quality", {}):
                say = manifest["quality"][name]
            if say == NOT_ASSESSED and not reason:
                reason = _why_not(name, manifest)
            rows.append({"site": site, "title": title, "kind": KINDS[check.kind], "check": name, "words": check.title,
                         "verdict": say, "share": share, "reason": reason})  # fmt: skip
    return pd.DataFrame(rows)


def _faulty(check: Check, estimate: float) -> float:
    """Give the share with the fault, in %, from a result of a check; for the list, the distance from 1."""
    return 100 * abs(estimate - 1) if check.kind == "listed" else 100 - estimate if check.kind in SOUND else estimate


def _linkage(row: Mapping[str, Any]) -> dict[str, Any]:
    share = 1 - row["estimate"] / 100 if row["estimate"] == row["estimate"] else np.nan
    return {"verdict": verdict(CHECKS["linked:records"], share),
            "reason": row["reason"] if share == share else "records were not linked here"}  # fmt: skip


def _why_not(name: str, manifest: Mapping[str, Any]) -> str:
    check = CHECKS[name]
    held = manifest.get("holdings", {check.table: {}, "death": {}})
    needed = [check.table, *(["death"] if "after_death" in name else [])]
    lacking = [WORDS.get(table, table.replace("_", " ")) for table in needed if table not in held]
    if lacking:
        return f"the site has no {lacking[0]}"
    why = {"drift": "no earlier release to compare with", "national": "too few small areas to tell"}
    return why.get(check.kind, "not recorded")


__all__ = ["lights", "list_ratio", "means", "months", "quantiles"]
