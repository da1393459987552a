"""Deaths of a group against those expected, where only their total may leave a site: expectations come from days lived."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.methods.checks import normal_quantile
from shared_code.model.units import DAYS_A_YEAR
from shared_code.pooling.groups import FITTED, TOO_MUCH

REFERENCE, OTHERS = "standardised mortality ratio", "mortality ratio to people without"
SUMS = "all observed over all expected deaths"
ENDS = ("estimate", "lower", "upper", "bound_lower", "bound_upper")


def against_expected(cells: pd.DataFrame, settings: dict[str, Any], scopes: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """Compare the deaths of a group with those that its days lived would bring at two kinds of rates.

    cells     deaths of the group (layout `events`), one total a site
    settings  group, of, others, by (sex), age, rates as in `mortality_ratio`; lived: days of the group by sex and age (layout
              `moments`); others_in: deaths and days of everybody else by sex and age (layout `events`)
    Reference rates are the same at every site; the rates of people without are those of all sites of the scope together, nobody
    of the group among them (methods, section 7: an internal reference excludes the group). A site whose days are withheld is
    left out; withheld and rounded deaths are fitted within their ranges.
    """
    sex, age, group = settings["by"], settings["age"], settings["group"]
    lived = settings["lived"]["cells"]
    years = lived[lived["statistic"] == "sum"].pivot(index="site", columns=[sex, age], values="value") / DAYS_A_YEAR
    years = years.dropna()
    order = {label: at for at, label in enumerate(sorted({str(c[1]) for c in years.columns}, key=_first))}
    reference = np.array([settings["rates"][s][order[a]] for s, a in years.columns])
    deaths = cells[(cells[group] == settings["of"]) & (cells["statistic"] == "events")].set_index("site")
    beside = settings["others_in"]["cells"]
    for scope, members in scopes.items():
        sites = [s for s in members if s in years.index and s in deaths.index]
        if not sites:
            continue
        low, high = (deaths.loc[sites, side].to_numpy(float) for side in ("lower", "upper"))
        own = years.loc[sites].to_numpy(float)
        base = {"item": "deaths", "group": group, "level": settings["of"], "sex": "both", "scope": scope, "scale": "ratio",
                "sites": sites, "person_years": float(own.sum()), "method": SUMS + (FITTED if (low < high).any() else ""),
                "withheld_share": float((high - low).sum() / high.sum()) if high.sum() else 0.0}  # fmt: skip
        yield _ratio(base | {"measure": REFERENCE, "comparator": "reference rates"}, low, high, own @ reference, 0.0)
        rate, variance = _rates(beside[beside["site"].isin(sites)], years.columns, sex, age)
        expected, total = own @ rate, own.sum(axis=0)
        relative = float(total**2 @ variance / (total @ rate) ** 2) if (total @ rate) > 0 else np.nan
        row = _ratio(base | {"measure": OTHERS, "comparator": settings["others"]}, low, high, expected, relative)
        yield row
        more = {name: 100 * (row[name] - 1) for name in ENDS if name in row}
        yield row | {"measure": "excess deaths", "scale": "%", "se": np.nan} | more


def _first(label: str) -> int:
    return int(label.split("-")[0].rstrip("+"))


def _rates(cells: pd.DataFrame, bands: pd.Index, sex: str, age: str) -> tuple[np.ndarray, np.ndarray]:
    """Give deaths per person-year of everybody else by sex and age over some sites, and their variances."""
    found = []
    for s, a in bands:
        rows = cells[(cells[sex] == s) & (cells[age] == a)]
        rows = rows.pivot(index="site", columns="statistic", values=["lower", "upper", "value"])
        days = rows["value"]["person_days"].to_numpy(float)
        low, high = (rows[side]["events"].to_numpy(float) for side in ("lower", "upper"))
        fit = methods.censored_rate(low, high, days / DAYS_A_YEAR)
        found.append((float(fit.estimate), float(np.nan_to_num(fit.variance))))
    rate, variance = np.array(found).T
    return rate, variance


def _ratio(base: dict[str, Any], low: np.ndarray, high: np.ndarray, expected: np.ndarray, relative: float) -> dict[str, Any]:
    """Fit observed over expected; relative: variance of the logarithm of what is expected."""
    if not np.isfinite(expected).all() or not (expected > 0).all():
        return base | {"reason": TOO_MUCH}
    bounds = {"bound_lower": float(low.sum() / expected.sum()), "bound_upper": float(high.sum() / expected.sum())}
    if (low < high).all() and (low == 0).all():
        return base | bounds | {"reason": TOO_MUCH}
    fit = methods.censored_rate(low, high, expected)
    ratio, lower, upper = (float(v) for v in (fit.estimate, fit.lower, fit.upper))
    if not ratio > 0:
        return base | bounds | {"estimate": ratio, "lower": lower, "upper": upper, "events": ratio * expected.sum()}
    z = normal_quantile(0.95)
    ends = [ratio * float(np.exp(sign * np.hypot(np.log(end / ratio), z * np.sqrt(relative))))
            for sign, end in ((-1, lower), (1, upper))]  # the limits of the count, widened by what is expected being estimated
    deaths = float(np.round(ratio * expected.sum()))
    return base | bounds | {"estimate": ratio, "lower": ends[0], "upper": ends[1], "events": deaths,
                            "se": float(np.sqrt(1 / float(fit.effective) + relative))}  # fmt: skip
