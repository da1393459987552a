"""Policies: what is withheld of how events repeat makes limits wider or leaves them out, and averages say whether sites agree."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from shared_code import methods
from shared_code.pooling.policy import AGAINST, NAIVE, policy_change

MONTHS = [f"{year}-{month:02d}" for year in (2022, 2023, 2024) for month in range(1, 13)]
SETTINGS = {"item": "service", "along": "month", "group": "cohort", "fixed": "listed", "rolling": "rule", "comparator": "others",
            "months": ["2024-04", "2024-05"]}  # fmt: skip
DECLARED = SimpleNamespace(dimensions={
    "service": SimpleNamespace(), "cohort": SimpleNamespace(), "month": SimpleNamespace(levels=lambda: dict.fromkeys(MONTHS, "")),
})  # fmt: skip


def released(fall: dict[str, float]) -> pd.DataFrame:
    """Make the months of three groups at sites; during the policy the ruled group has `fall` times its events."""
    rows = []
    for site, ratio in fall.items():
        for cohort in ("listed", "rule", "others"):
            for month in MONTHS:
                events = 400.0 * (ratio if cohort != "others" and "2024-04" <= month <= "2024-05" else 1.0)
                for statistic, value in (("events", events), ("person_days", 30_000.0), ("events_squared", 3 * events)):
                    rows.append({"site": site, "service": "visits", "cohort": cohort, "month": month, "statistic": statistic,
                                 "value": value, "status": "ok", "lower": value, "upper": value})  # fmt: skip
    return pd.DataFrame(rows)


def withhold(cells: pd.DataFrame, most: float, site: str = "a") -> pd.DataFrame:
    gone = (cells["site"] == site) & (cells["statistic"] == "events_squared")
    cells = cells.copy()
    cells.loc[gone, ["value", "status", "lower", "upper"]] = [np.nan, "withheld", 0.0, most]
    return cells


def found(cells: pd.DataFrame, measure: str) -> dict:
    sites = sorted(cells["site"].unique())
    rows = policy_change(cells, DECLARED, SETTINGS, {"pooled": sites})
    (row,) = [r for r in rows if r["measure"] == measure and r.get("group") == "cohort"]
    return row


@pytest.mark.parametrize("measure", [NAIVE, AGAINST])
def test_withheld_squares_never_make_limits_narrower(measure):
    """A person counted once an event is the least that squares can be: to take that would promise too much."""
    cells = released({"a": 0.5})
    known = found(cells, measure)
    ranged = found(withhold(cells, 2000.0), measure)
    assert ranged["estimate"] == pytest.approx(known["estimate"])
    assert ranged["lower"] < known["lower"] < known["upper"] < ranged["upper"]
    unknown = found(withhold(cells, np.inf), measure)
    assert unknown["estimate"] == pytest.approx(known["estimate"]) and np.isnan([unknown["lower"], unknown["se"]]).all()
    assert "no limits" in unknown["caution"] and known["caution"] == ""


def test_the_average_over_sites_is_a_meta_analysis_like_any_other():
    cells = released({"a": 0.5, "b": 0.55, "c": 1.9, "d": 0.5})
    row = found(withhold(cells, np.inf, "d"), "ratio of ratios, average over sites")
    assert row["sites"] == ["a", "b", "c"] and "d (no limits" in row["sites_excluded"]
    y = np.log([0.5, 0.55, 1.9])
    each = [methods.ratio_of_rates([800 * r, 800, 800, 800], [1] * 4, [2400 * r, 2400, 2400, 2400]) for r in (0.5, 0.55, 1.9)]
    expected = methods.random_effects(y, [one.se_log**2 for one in each])
    assert row["estimate"] == pytest.approx(np.exp(expected.estimate)) and row["tau2_hi"] == pytest.approx(expected.tau2_upper)
    assert "contradict each other" in row["agreement"] and "REML" in row["method"] and "with 3 sites" in row["caution"]
    assert row["events"] == pytest.approx(800 * (0.5 + 0.55 + 1.9)) and row["i2"] == pytest.approx(expected.i2_percent)
