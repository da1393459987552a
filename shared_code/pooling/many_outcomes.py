"""Several outcomes at once: one is what the study is about, and the p values of the others allow for how many they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtr

from shared_code import methods

E_VALUE, E_LIMIT = "E-value", "E-value of the limit nearer to 1"


def adjusted(rows: Iterable[dict[str, Any]], primary: str | None, measure: str, scope: str = "pooled") -> list[dict[str, Any]]:
    """Give the effects on every outcome but the primary one a p value adjusted for how many they are (Holm 1979).

    rows     of the results table, kept in their order     primary  the outcome that the study is about; None: nothing is adjusted
    measure  the one that is adjusted; estimates of the same group, level and stratum belong together
    """
    rows, families = list(rows), {}  # type: ignore[var-annotated]
    for row in rows if primary is not None else ():
        se = row.get("se")
        if row["measure"] == measure and row["scope"] == scope and row["item"] != primary and se is not None and se > 0:
            families.setdefault((row["group"], row["level"], row.get("stratum", "")), []).append(row)
    for family in families.values():
        allow_for_many(family)
    return rows


def allow_for_many(family: list[dict[str, Any]]) -> None:
    """Give the rows of one family, each with an estimate and se, p values adjusted for how many they are (Holm 1979).

    Ratios and changes in % are tested on the logarithm; Student's distribution where a row has degrees of freedom.
    """
    for row, value in zip(family, methods.holm([_p(row) for row in family]), strict=True):
        row["p_adjusted"] = float(value)


def e_values(rows: list[dict[str, Any]], primary: str | None, measure: str, scope: str = "pooled") -> Iterator[dict[str, Any]]:
    """Say of every ratio of the primary outcome how strong unrecorded confounding would have to be to explain it away."""
    kept = ("item", "group", "level", "sex", "scope", "scale", "people", "events", "sites", "sites_excluded")
    for row in rows:
        ends = [float(row.get(name) or np.nan) for name in ("estimate", "lower", "upper")]
        if row["measure"] == measure and row["scope"] == scope and row["item"] == primary and row["scale"] == "ratio" \
                and np.isfinite(ends).all():  # fmt: skip
            base = {name: row[name] for name in kept if name in row} | {"method": "VanderWeele and Ding 2017"}
            whole, limit = methods.e_value(ends[0], ends[1], ends[2])
            yield base | {"measure": E_VALUE, "estimate": whole}
            yield base | {"measure": E_LIMIT, "estimate": limit}


def _p(row: dict[str, Any]) -> float:
    match row["scale"]:
        case "ratio":
            effect = np.log(row["estimate"])
        case "% change":
            effect = np.log1p(row["estimate"] / 100)
        case _:
            effect = row["estimate"]
    far, df = -abs(effect / row["se"]), row.get("df")
    return float(2 * (ndtr(far) if df is None or not np.isfinite(df) else stdtr(df, far)))
