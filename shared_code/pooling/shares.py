"""Shares over sites: all of the numerators over all of the denominators, never an average of site percentages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.model import ALL
from shared_code.model.checks import CHECKS, NOT_ASSESSED, Check, verdict
from shared_code.pooling import cautions
from shared_code.pooling.groups import FITTED, NARROW, TOO_MUCH, Part

EVERYONE = "everyone"
PARTS = {"counts": ("people", "cases"), "records": ("rows", "rows_failing")}  # layout -> denominator, numerator
SOUND = {"complete": "complete", "valid": "valid", "linked": "linked"}  # kind of check -> share of rows without the fault
METHOD = "sum of sites, Wilson interval"
DIFFERENCE = "standardised difference"
TYPICAL = "share at a typical site"
FEWEST = 3  # sites from which how much they differ can be told


def shares(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
           ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give the share of cases, or of rows without a fault, per item and level, with Wilson limits.

    settings  item (dimension), and optionally group (dimension that names what is broken out), level (its levels),
              only (dimension -> the one value that is used) and between_sites (true: also the share at a typical site)
    Rows of a check say what the check says of the site: from the released numbers alone, and not assessed where a
    withheld number leaves it open. Implausible rows are given as the share that is implausible.
    """
    whole, part = PARTS[declared.layout]
    for name in [name for name, spec in declared.dimensions.items() if spec.total]:
        cells = cells[cells[name] == ALL]
    for name, value in settings.get("only", {}).items():
        cells = cells[cells[name] == value]
    keys = ["site", *declared.dimensions]
    wide = cells.pivot(index=keys, columns="statistic", values=["value", "status", "lower", "upper"])
    wide.columns = [" ".join(name) for name in wide.columns]
    wide = wide.reset_index()
    item, group, level = settings["item"], settings.get("group"), settings.get("level")
    by = [item, *[name for name in (group, level) if name]]
    for key, rows in wide.groupby(by, sort=False):
        named = dict(zip(by, key, strict=True))
        base = {"item": named[item], "group": named.get(group, level or EVERYONE) if group else (level or EVERYONE),
                "level": named.get(level, "all"), "sex": "both", "scale": "%", "method": METHOD}  # fmt: skip
        check = CHECKS.get(str(named[item]))
        for scope, members in scopes.items():
            mine = rows[rows["site"].isin(members)]
            yield from _of_scope(mine, base | {"scope": scope}, declared, check, whole, part)
            if settings.get("between_sites") and scope == "pooled":
                yield _typical(mine, base | {"scope": scope, "measure": TYPICAL}, whole, part)
    if group and level:
        yield from _differences(wide, item, group, level, whole, part, scopes)


def _of_scope(rows: pd.DataFrame, base: dict[str, Any], declared: ResultsTable, check: Check | None, whole: str, part: str
              ) -> Iterator[dict[str, Any]]:  # fmt: skip
    if rows.empty:
        return
    sound = declared.layout == "records" and (check is None or check.kind in SOUND)
    measure = SOUND.get(check.kind, "implausible") if check else "linked" if sound else "share"
    collected = rows[f"status {part}"] != "not_collected"
    used = rows[collected & (rows[f"upper {whole}"] > 0)]
    if used.empty:
        why = "there are no rows to judge" if collected.any() else "not collected"
        yield base | {"measure": measure, "sites": [], "reason": why,
                      "verdict": NOT_ASSESSED if check and base["scope"] != "pooled" else ""}  # fmt: skip
        return
    n, low, high = _size(used, whole), used[f"lower {part}"].astype(float), used[f"upper {part}"].astype(float)
    high = np.minimum(high, n)
    x = used[f"value {part}"].astype(float).where(used[f"value {part}"].notna(), (low + high) / 2)
    if declared.layout == "records":  # few people affected: their rows are withheld, and the people are counted instead
        few = used[f"value {part}"].isna() & (used["upper people_failing"] < used["lower people"])
        people = _size(used, "people")
        n, low = n.where(~few, people), low.where(~few, used["lower people_failing"].astype(float))
        high = high.where(~few, used["upper people_failing"].astype(float))
        x = x.where(~few, (low + high) / 2)
    fitted = None
    if declared.layout == "counts" and used[f"value {part}"].isna().any():
        unknown = used[f"value {part}"].isna() & (high - low > NARROW * high)
        fitted = Part(list(used["site"]), n.to_numpy(float), x.where(~unknown).to_numpy(float), low.to_numpy(float),
                      high.to_numpy(float))  # fmt: skip
    total, faulty = n.sum(), x.sum()
    count = total - faulty if sound else faulty
    wilson = methods.wilson(min(max(count, 0.0), total), total)
    least, most = low.sum() / total, high.sum() / total
    bounds = (1 - most, 1 - least) if sound else (least, most)
    row = base | {
        "measure": measure, "estimate": 100 * count / total, "lower": 100 * float(wilson.lower),
        "upper": 100 * float(wilson.upper), "people": total, "events": count, "sites": list(used["site"]),
        "bound_lower": 100 * bounds[0], "bound_upper": 100 * bounds[1],
        "withheld_share": float((high.sum() - low.sum()) / high.sum()) if high.sum() else 0.0,
    }  # fmt: skip
    if fitted is not None and fitted.withheld:
        found = fitted.share()
        ends = ("estimate", "lower", "upper", "events")
        row |= dict.fromkeys(ends) | {"reason": TOO_MUCH} if found is None else {
            "estimate": 100 * found.estimate, "lower": 100 * found.lower, "upper": 100 * found.upper,
            "events": float(np.round(found.estimate * total)), "method": METHOD + FITTED}  # fmt: skip
    if check and row["scope"] != "pooled":
        row |= judged(check, used.iloc[0])
    yield row


def _typical(rows: pd.DataFrame, base: dict[str, Any], whole: str, part: str) -> dict[str, Any]:
    """Give the share at a typical site and where another site's would lie: logits that are normal over sites, from counts.

    The sum answers for the people of these sites; this says how much sites differ. Source: METHODS 10.4.
    """
    counts = rows[[f"value {part}", f"value {whole}"]].astype(float)
    known = rows[counts.notna().all(axis=1) & (counts[f"value {whole}"] > 0)]
    x, n = (counts.loc[known.index, f"value {name}"].to_numpy(float) for name in (part, whole))
    row = base | {"sites": list(known["site"]), "people": n.sum(), "events": np.minimum(x, n).sum()}
    if len(known) < FEWEST:
        return row | {"reason": f"fewer than {FEWEST} sites released both numbers"}
    try:
        found = methods.binomial_normal(np.minimum(x, n), n)
    except (methods.ConvergenceError, ValueError) as error:
        return row | {"reason": str(error)}
    ends = {"estimate": found.estimate, "lower": found.lower, "upper": found.upper, "pi_lo": found.prediction_lower,
            "pi_hi": found.prediction_upper}  # fmt: skip
    said = (cautions.caution(kind, len(known)) for kind in (cautions.AVERAGE, cautions.ELSEWHERE))
    return row | {name: 100 * float(expit(value)) for name, value in ends.items()} | {
        "tau2": found.tau2, "df": found.df, "se": found.se, "caution": "; ".join(c for c in said if c),
        "method": "binomial-normal model of the counts in one stage, Student's limits"}  # fmt: skip


def _size(used: pd.DataFrame, whole: str) -> pd.Series:
    """Give the denominators: as released, or the lower end of the range where it is withheld."""
    value = used[f"value {whole}"].astype(float)
    return value.where(value.notna(), used[f"lower {whole}"].astype(float))


def judged(check: Check, row: pd.Series) -> dict[str, str]:
    """Say what a check says of one site, from its released rows; where a withheld number leaves it open, not assessed.

    Where faulty rows are withheld because few people have them, the people affected are judged instead of the rows.
    """
    n = float(np.nanmax([row["value rows"] or np.nan, row["lower rows"]]))
    shown = row["value rows_failing"]
    if shown is not None and not pd.isna(shown):
        return {"verdict": verdict(check, float(shown) / n)}
    people = float(np.nanmax([row["value people"] or np.nan, row["lower people"]]))
    ends = float(row["lower rows_failing"]) / n, float(row["upper people_failing"]) / people
    least, most = sorted(min(1.0, end) for end in ends)
    if verdict(check, least) == verdict(check, most):
        return {"verdict": verdict(check, most)}
    return {"verdict": NOT_ASSESSED, "reason": f"withheld: {100 * least:.1f} to {100 * most:.1f} % have the fault"}


def _differences(wide: pd.DataFrame, item: str, group: str, level: str, whole: str, part: str,
                 scopes: dict[str, list[str]]) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Compare who is linked with who is not: standardised difference of the share of each level.

    (p1 - p0) / sqrt((p1 (1 - p1) + p0 (1 - p0)) / 2); above 0.1 the linked are a selection. Source: methods, 1 and 4.
    """
    for (name, stratum), rows in wide.groupby([item, group], sort=False):
        for scope, members in scopes.items():
            mine = rows[rows["site"].isin(members)]
            n, x = _size(mine, whole), mine[f"value {part}"].astype(float)
            known = x.notna()
            sums = pd.DataFrame({"level": mine[level], "site": mine["site"], "not": x, "linked": n - x})[known]
            both = sums.groupby("level")[["linked", "not"]].sum()
            totals = both.sum()
            if len(both) < 2 or not totals["linked"] or not totals["not"]:
                continue
            p1, p0 = both["linked"] / totals["linked"], both["not"] / totals["not"]
            spread = np.sqrt((p1 * (1 - p1) + p0 * (1 - p0)) / 2)
            for at in both.index:
                yield {"measure": DIFFERENCE, "item": name, "group": stratum, "level": at, "sex": "both", "scope": scope,
                       "scale": "standard deviations", "people": totals.sum(), "sites": sorted(set(sums["site"])),
                       "estimate": (p1[at] - p0[at]) / spread[at] if spread[at] > 0 else 0.0,
                       "method": "linked against not linked, all sites summed"}  # fmt: skip
