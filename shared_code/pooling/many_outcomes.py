"""Several outcomes at once: one is what the study is about, and the p values of the others allow for how many they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtr

from shared_code import methods


def adjusted(rows: Iterable[dict[str, Any]], primary: str | None, measure: str, scope: str = "pooled") -> list[dict[str, Any]]:
    """Give the effects on every outcome but the primary one a p value adjusted for how many they are (Holm 1979).

    rows     of the results table, kept in their order     primary  the outcome that the study is about; None: nothing is adjusted
    measure  the one that is adjusted; estimates of the same group, level and stratum belong together
    Ratios are tested on the logarithm; Student's distribution where a row has degrees of freedom.
    """
    rows, families = list(rows), {}  # type: ignore[var-annotated]
    for row in rows if primary is not None else ():
        se = row.get("se")
        if row["measure"] == measure and row["scope"] == scope and row["item"] != primary and se is not None and se > 0:
            families.setdefault((row["group"], row["level"], row.get("stratum", "")), []).append(row)
    for family in families.values():
        for row, value in zip(family, methods.holm([_p(row) for row in family]), strict=True):
            row["p_adjusted"] = float(value)
    return rows


def _p(row: dict[str, Any]) -> float:
    effect = np.log(row["estimate"]) if row["scale"] == "ratio" else row["estimate"]
    far, df = -abs(effect / row["se"]), row.get("df")
    return float(2 * (ndtr(far) if df is None or not np.isfinite(df) else stdtr(df, far)))
