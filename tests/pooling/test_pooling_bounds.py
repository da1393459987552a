"""Bounds of a pooled prevalence: they hold the truth whatever is withheld, and totals make them narrower."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect
from shared_code.pooling.prevalence import prevalence

AGES = ["0-49", "50-69", "70+"]
DECLARED = ResultsTable.model_validate({
    "title": "T", "layout": "counts",
    "dimensions": {"item": {"values": {"x": "X"}}, "group": {"values": {"a": "A", "b": "B"}, "total": True},
                   "sex": {"values": {"F": "F", "M": "M"}, "total": True}, "age": {"bands": [0, 50, 70], "total": True}},
    "sets": [["group", "sex", "age"], ["group"], ["sex", "age"], []],
})  # fmt: skip
SETTINGS = {"item": "item", "standardise": ["sex", "age"], "groups": {"group": "a"}}
WEIGHTS = methods.standard_weights([0, 50, 70])


def site(rng: np.random.Generator) -> pd.DataFrame:
    """Make up one site with every margin; many of its numbers of cases are small."""
    rows = []
    for group, sex, age in itertools.product("ab", "FM", AGES):
        people = int(rng.integers(60, 900))
        cases = int(rng.binomial(people, 0.03))
        rows.append({"item": "x", "group": group, "sex": sex, "age": age, "people": people, "cases": cases})
    finest = pd.DataFrame(rows)
    parts = [finest]
    for kept in (["group"], ["sex", "age"], []):
        by = finest.groupby(["item", *kept], as_index=False)[["people", "cases"]].sum()
        parts.append(by.assign(**{d: "all" for d in ("group", "sex", "age") if d not in kept}))
    return pd.concat(parts, ignore_index=True)


def released(sites: dict[str, pd.DataFrame], with_totals: bool) -> pd.DataFrame:
    parts = []
    for name, table in sites.items():
        cells = protect({"a.t": (DECLARED, table)}, [], Policy(threshold=10, rounding=5)).tables["a.t"]
        parts.append(cells.assign(site=name))
    every = pd.concat(parts, ignore_index=True)
    total = (every["group"] == "all") | (every["sex"] == "all")
    return every if with_totals else every[~(total & (every["sex"] == "all"))].reset_index(drop=True)


def truth(sites: dict[str, pd.DataFrame], level: str) -> tuple[float, float]:
    """Give the crude and the standardised prevalence in % of a group, from all people."""
    every = pd.concat(sites.values())
    own = every[(every["group"] == level) & (every["sex"] != "all")].groupby(["sex", "age"])[["people", "cases"]].sum()
    rates = (own["cases"] / own["people"]).unstack()[AGES].mean().to_numpy()  # the sexes count alike
    return 100 * own["cases"].sum() / own["people"].sum(), 100 * float(np.average(rates, weights=WEIGHTS))


def test_bounds_hold_the_truth_and_totals_narrow_them():
    narrower = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        sites = {name: site(rng) for name in ("one", "two")}
        found = []
        for with_totals in (True, False):
            cells = released(sites, with_totals)
            table = pd.DataFrame(prevalence(cells, DECLARED, SETTINGS, {"pooled": ["one", "two"]}))
            found.append(table[table["group"] == "group"].set_index(["measure", "level"])[["bound_lower", "bound_upper"]])
        for level in "ab":
            for measure, true in zip(("crude prevalence", "standardised prevalence"), truth(sites, level)):
                (low, high), (wide_low, wide_high) = (f.loc[(measure, level)] for f in found)
                assert low - 1e-9 <= true <= high + 1e-9, (seed, measure, level)
                assert wide_low - 1e-9 <= low and high <= wide_high + 1e-9
                narrower += (high - low) < 0.8 * (wide_high - wide_low)
    assert narrower >= 6  # of 24: where much is withheld, the totals say how much it holds together
