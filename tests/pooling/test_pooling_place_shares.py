"""Shares of places: a place that is withheld does not take away the shares of all others, and its own lies in its bounds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect
from shared_code.pooling.place_shares import place_shares
from shared_code.reporting.words import estimate_or_bounds

SETTINGS = {"item": "need", "place": "place"}


def declared(total: bool) -> ResultsTable:
    return ResultsTable.model_validate({
        "title": "T", "layout": "counts",
        "dimensions": {"need": {"values": {"x": "X"}}, "place": {"local": True} | ({"total": True} if total else {})},
    } | ({"sets": [[], ["place"]]} if total else {}))  # fmt: skip


def table(places: dict[str, tuple[int, int]], total: bool) -> pd.DataFrame:
    rows = [{"need": "x", "place": place, "people": n, "cases": c} for place, (n, c) in places.items()]
    if total:
        rows.append({"need": "x", "place": "all", **{k: sum(row[k] for row in rows) for k in ("people", "cases")}})
    return pd.DataFrame(rows)


def shares(sites: dict[str, dict[str, tuple[int, int]]], total: bool = True) -> pd.DataFrame:
    parts = [protect({"a.t": (declared(total), table(places, total))}, [], Policy(threshold=10, rounding=5)).tables["a.t"]
             .assign(site=name) for name, places in sites.items()]  # fmt: skip
    scopes = {f"site:{name}": [name] for name in sites}
    rows = place_shares(pd.concat(parts, ignore_index=True), declared(total), SETTINGS, scopes)
    return pd.DataFrame([{"reason": "", **row} for row in rows]).set_index(["measure", "level"])


SITES = {"a": {"A1": (4000, 1500), "A2": (5000, 900)}, "b": {"B1": (4000, 3995), "B2": (3000, 1200), "B3": (5000, 0)}}


def test_one_withheld_place_leaves_the_others_their_shares():
    """All but five people of a place are cases: it and another are withheld, and the released total still is the whole."""
    found = shares(SITES)
    every = found.loc["share of all sites"]
    assert np.isnan(every.loc["B2", "estimate"]) and every.loc["B2", "reason"] == "a number of a place is withheld"
    whole = 1500 + 900 + 3995 + 1200
    for level, cases in (("A1", 1500), ("A2", 900), ("B3", 0)):
        row = every.loc[level]
        assert row["estimate"] == pytest.approx(100 * cases / whole, abs=0.1)
        assert row["lower"] <= row["estimate"] <= row["upper"] and row["bound_lower"] <= 100 * cases / whole <= row["bound_upper"]
        assert row["sites"] == ["a", "b"]
    assert every.loc["B2", "bound_lower"] <= 100 * 1200 / whole <= every.loc["B2", "bound_upper"] < 60
    own = found.loc["share of the site"]
    assert own.loc["B3", "estimate"] == 0 and own.loc["A1", "estimate"] == pytest.approx(62.5)


def test_without_a_total_bounds_are_given_and_no_share_of_an_unknown_whole():
    sites = {"a": SITES["a"], "b": {"B1": (40, 6), "B2": (3000, 2000)}}
    found = shares(sites, total=False).loc["share of all sites"]
    assert found["bound_lower"].notna().all() and found["bound_upper"].notna().all()
    assert "between" in estimate_or_bounds(found.loc["B1"])


@pytest.mark.parametrize("total", [True, False])
def test_bounds_hold_the_truth_whatever_is_withheld(total):
    rng, withheld = np.random.default_rng(20), 0
    for _ in range(8):
        sites = {}
        for site in "abc":
            people = rng.integers(30, 4000, size=rng.integers(2, 5))
            cases = rng.binomial(people, rng.choice([0.0, 0.004, 0.2, 0.999], size=len(people)))
            sites[site] = {f"{site}{i}": (int(n), int(c)) for i, (n, c) in enumerate(zip(people, cases, strict=True))}
        found, truth = shares(sites, total), {place: c for places in sites.values() for place, (_, c) in places.items()}
        for places in sites.values():
            own = sum(c for _, c in places.values())
            for measure, whole in (("share of all sites", sum(truth.values())), ("share of the site", own)):
                for place, (_, cases) in places.items():
                    row = found.loc[(measure, place)] if (measure, place) in found.index else None
                    if row is None or not whole or row["reason"] == "there is nobody":
                        continue
                    withheld += bool(np.isnan(row["estimate"]))
                    assert row["bound_lower"] - 1e-9 <= 100 * cases / whole <= row["bound_upper"] + 1e-9, (measure, place, sites)
    assert withheld > 5, "or nothing was tried"
