"""Are two groups comparable? Balance over sites with a verdict, and tests of independent sites added up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtr

from shared_code.config.study import ResultsTable
from shared_code.methods.checks import normal_quantile
from shared_code.pooling.before_after import EVERYONE, POOLED

BALANCED = 0.1  # standardised difference below which a covariate is balanced (methods, section 4)
FAR_APART, BY_CHANCE = "covariates that differ by 0.1 or more", "as many by chance alone"


def balance(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
            ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give standardised differences of covariates by site, and over sites their mean by people.

    settings  item (dimension of covariates), group (dimension before or after matching), judged (its level that must be
              balanced, where one is)
    Balance is met where no covariate differs by 0.1 or more at that level. Beside it stands how many would by chance alone if
    the groups were alike: the sum over covariates of the chance that a difference with its standard error is so large.
    """
    item, group = settings["item"], settings["group"]
    after: dict[str, list[dict[str, Any]]] = {scope: [] for scope in scopes}
    wide = cells.pivot(index=["site", item, group], columns="statistic", values="value").reset_index()
    for (name, sample), rows in wide.groupby([item, group], sort=False):
        for scope, members in scopes.items():
            mine = rows[rows["site"].isin(members)].dropna(subset=["estimate", "se", "people"])
            if mine.empty:
                continue
            share = (mine["people"] / mine["people"].sum()).to_numpy(float)
            d, se = float(share @ mine["estimate"]), float(np.sqrt(share**2 @ mine["se"].to_numpy(float) ** 2))
            half = normal_quantile(0.95) * se
            row = {"measure": "standardised difference", "item": str(name), "group": group, "level": str(sample), "sex": "both",
                   "scope": scope, "scale": "standard deviations", "estimate": d, "lower": d - half, "upper": d + half, "se": se,
                   "people": float(mine["people"].sum()), "sites": [str(s) for s in mine["site"]],
                   "method": "mean of sites by people" if scope == POOLED else "computed inside the site"}  # fmt: skip
            yield row
            if sample == settings.get("judged"):
                after[scope].append(row)
    for rows_of in after.values():
        if rows_of:
            yield from _verdict(rows_of)


def _verdict(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Say whether balance is met over the covariates of one scope, and how far chance alone would go."""
    d, se = (np.array([row[name] for row in rows]) for name in ("estimate", "se"))
    far = int((np.abs(d) >= BALANCED).sum())
    chance = float((2 * ndtr(-BALANCED / np.maximum(se, 1e-12))).sum())
    sites = list(dict.fromkeys(site for row in rows for site in row["sites"]))
    base = {name: rows[0][name] for name in ("group", "level", "sex", "scope")} | {
        "item": "", "scale": "covariates", "sites": sites, "people": max(row["people"] for row in rows),
        "method": f"of {len(rows)} covariates"}  # fmt: skip
    yield base | {"measure": FAR_APART, "estimate": float(far), "verdict": "not met" if far else "met"}
    yield base | {"measure": BY_CHANCE, "estimate": chance}


def joint_test(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
               ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Add the chi-squares of independent sites and their degrees of freedom; gives the p value.

    settings  item (dimension of tests; the estimates are chi-squares), df (degrees of freedom of each site's test: one number,
              or test -> number)
    """
    item = settings["item"]
    given = cells[(cells["statistic"] == "estimate") & cells["value"].notna()]
    for name, rows in given.groupby(item, sort=True):
        df = settings["df"][str(name)] if isinstance(settings["df"], dict) else settings["df"]
        for scope, members in scopes.items():
            mine = rows[rows["site"].isin(members)]
            if len(mine):
                total, freedom = float(mine["value"].astype(float).sum()), df * len(mine)
                yield {"measure": "p of all together", "item": str(name), **EVERYONE, "scope": scope, "scale": "p",
                       "estimate": float(chdtrc(freedom, total)), "df": freedom, "q": total,
                       "sites": [str(s) for s in mine["site"]], "method": "chi-squares of sites added"}  # fmt: skip
