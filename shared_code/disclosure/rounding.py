"""How a number that may be shown is shown: exact or rounded half up, with the range that its true value lies in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from shared_code.config.study import Policy
from shared_code.methods.intervals import round_half_up, round_midpoint
from shared_code.model.units import DAYS_A_YEAR

EMPTY = ["value", "lower", "upper"]


def exact(values: np.ndarray, hidden: np.ndarray) -> pd.DataFrame:
    """Show numbers as they are; where hidden they are withheld, without a range."""
    cells = pd.DataFrame({"value": values, "status": "ok", "lower": values, "upper": values})
    return withhold(cells, hidden)


def withhold(cells: pd.DataFrame, hidden: np.ndarray) -> pd.DataFrame:
    """Empty the hidden cells and say that they are withheld."""
    cells.loc[hidden, "status"] = "withheld"
    cells.loc[hidden, EMPTY] = np.nan
    return cells


def to_decimals(values: np.ndarray, hidden: np.ndarray, digits: int) -> pd.DataFrame:
    """Round half up to so many decimals; the true value lies within half a step of the last one."""
    scale = 10**digits
    cells = exact(round_half_up(values * scale) / scale, hidden)
    cells.loc[~hidden, "status"] = "rounded"
    cells["lower"], cells["upper"] = cells["lower"] - 0.5 / scale, cells["upper"] + 0.5 / scale
    return cells


def rounded(values: np.ndarray, hidden: np.ndarray, policy: Policy) -> pd.DataFrame:
    """Round counts and give the range of whole numbers that are shown as the value and pass the threshold."""
    if policy.rounding == 1:
        return exact(values, hidden)
    base, whole = policy.rounding, np.nan_to_num(values)
    if policy.round_to == "midpoint":
        shown = round_midpoint(whole, base)
        lower, upper = shown - base + base // 2 + 1, shown + base // 2
    else:
        shown = round_half_up(whole, base)
        lower, upper = np.ceil(shown - base / 2), np.ceil(shown + base / 2) - 1
    nobody = values == 0
    cells = pd.DataFrame({
        "value": np.where(np.isnan(values), np.nan, shown), "status": np.where(nobody, "ok", "rounded"),
        "lower": np.where(nobody, 0, np.maximum(lower, policy.threshold)), "upper": np.where(nobody, 0, upper),
    })  # fmt: skip
    cells.loc[np.isnan(values), ["lower", "upper"]] = np.nan
    return withhold(cells, hidden)


def rounded_days(days: np.ndarray, hidden: np.ndarray, policy: Policy) -> pd.DataFrame:
    """Round person-time to as many person-years as counts are rounded to people.

    Exact days would undo the rounding of people: when one person joins, they tell for how long.
    """
    if policy.rounding == 1:
        return exact(days, hidden)
    step = policy.rounding * DAYS_A_YEAR
    shown = np.where(np.isnan(days), np.nan, round_half_up(np.nan_to_num(days), step))
    nothing = days == 0
    cells = pd.DataFrame({
        "value": shown, "status": np.where(nothing, "ok", "rounded"),
        "lower": np.where(nothing, 0, np.maximum(shown - step / 2, 0)), "upper": np.where(nothing, 0, shown + step / 2),
    })  # fmt: skip
    return withhold(cells, hidden)


def rounded_sums(sums: np.ndarray, people: np.ndarray, hidden: np.ndarray, policy: Policy) -> pd.DataFrame:
    """Round sums over people to about as many average contributions as counts are rounded to people.

    The step is the next of 1, 2, 5, 10, 20, … (times a power of ten) above rounding x |sum| / people.
    """
    if policy.rounding == 1:
        return exact(sums, hidden)
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = policy.rounding * np.abs(sums) / people
    usable = np.isfinite(wanted) & (wanted > 0)
    wanted = np.where(usable, wanted, np.nan)
    power = 10.0 ** np.floor(np.log10(wanted))
    times = wanted / power
    step = power * np.select([times <= 1, times <= 2, times <= 5], [1.0, 2.0, 5.0], 10.0)
    shown = np.where(usable, np.floor(sums / step + 0.5) * step, sums)
    half = np.where(usable, step / 2, 0.0)
    status = np.where(usable, "rounded", "ok")
    cells = pd.DataFrame({"value": shown, "status": status, "lower": shown - half, "upper": shown + half})
    return withhold(cells, hidden)
