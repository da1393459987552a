"""Pooled numbers: a partner knows its own, and may subtract them from what is published (methods specification 11.7)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure.build import build
from shared_code.disclosure.ranges import publish
from shared_code.disclosure.rules import GUARDS
from shared_code.disclosure.search import choose
from shared_code.disclosure.system import LINEAR
from shared_code.model import LAYOUTS

FEW_SITES = "fewer sites than a pooled number needs"
PARTNER = "a site that subtracts its own number would learn of a few people at the others"


def partner_reasons(values: Mapping[str, np.ndarray], policy: Policy) -> np.ndarray:
    """Say, per cell, why the sum over sites may not be published; "" where it may.

    values  site -> its number of people in each cell, nan where it has none; shape (cells,)
    A cell needs `fewest_contributing` sites that contribute. For every site (every pair where two may collude) what
    the others have together must be 0 or reach the threshold.

    >>> own, others = np.array([50, 30, 3]), np.array([4, 2, 6])
    >>> sites = {"a": own, "b": others, "c": np.array([3, 1, 3])}
    >>> [bool(reason) for reason in partner_reasons(sites, Policy(threshold=10))]
    [True, True, True]
    """
    sites = sorted(values)
    numbers = np.array([np.asarray(values[site], float) for site in sites])
    known = np.nan_to_num(numbers)
    total, contributing = known.sum(axis=0), (known > 0).sum(axis=0)
    reasons = np.full(total.shape, "", dtype=object)
    t = policy.threshold
    if t == 1:
        return reasons
    for size in range(1, policy.colluding + 1):
        for group in combinations(range(len(sites)), size):
            rest = total - known[list(group)].sum(axis=0)
            reasons[(rest > 0) & (rest < t)] = PARTNER
    reasons[(contributing < policy.fewest_contributing) & (total > 0)] = FEW_SITES
    return reasons


def protect_pooled(declared: ResultsTable, sites: Mapping[str, pd.DataFrame], policy: Policy) -> pd.DataFrame:
    """Choose which cells of a pooled table may be published.

    declared  of a layout whose numbers add up
    sites     site -> wide table with the same rows: the numbers of people that the site released, or that it alone knows
    Gives the dimensions, `statistic`, `value`, `withheld` and `reason`, a row per cell and statistic: first the rule of
    the partner, cell by cell, then whatever else would let a withheld cell be computed from the pooled table.
    Raises ValueError for tables that do not have the same rows, or a layout whose numbers do not add up, and
    search.NoPattern when no choice protects the withheld cells.
    """
    if declared.layout not in LINEAR:
        raise ValueError(f"the numbers of the layout {declared.layout} do not add up over sites")
    dimensions = list(declared.dimensions)
    ordered = {site: table.sort_values(dimensions, ignore_index=True) for site, table in sites.items()}
    first = next(iter(ordered.values()))
    if any(not table[dimensions].equals(first[dimensions]) for table in ordered.values()):
        raise ValueError("the tables of the sites must have the same rows")
    policy = policy.model_copy(update={"threshold": policy.smallest_shown})
    statistics = list(LINEAR[declared.layout].units)
    pooled = first[dimensions].copy()
    for statistic in statistics:
        pooled[statistic] = sum(table[statistic].fillna(0) for table in ordered.values())
    for name in LAYOUTS[declared.layout].inside:
        pooled[name] = np.max([table[name].to_numpy(float) for table in ordered.values()], axis=0)
    frames = GUARDS[declared.layout](pooled, declared, policy)
    people = {s: partner_reasons({site: t[s].to_numpy(float) for site, t in ordered.items()}, policy)
              for s in LAYOUTS[declared.layout].people if s in statistics}  # fmt: skip
    rest = {part: partner_reasons({site: (t[whole] - t[part]).to_numpy(float) for site, t in ordered.items()}, policy)
            for part, whole in LINEAR[declared.layout].parts.items()}  # fmt: skip
    for statistic in statistics:
        found = people.get(statistic, people["people"])
        others = rest.get(statistic, np.full(len(pooled), "", object))
        reason = np.where(frames[statistic]["reason"] != "", frames[statistic]["reason"], np.where(found != "", found, others))
        frames[statistic] = frames[statistic].assign(reason=reason)
    system = build({"pooled": (declared, pooled)}, {"pooled": frames}, policy)
    pattern = choose(system)
    publish(system, pattern.withheld, policy)  # raises unless what stays hidden is safe
    parts = []
    for statistic in statistics:
        at = system.cells["pooled", statistic]
        hidden = (at >= 0) & pattern.withheld[at]
        reason = np.where(hidden & (frames[statistic]["reason"] == ""), "withheld so that another number cannot be computed",
                          frames[statistic]["reason"])  # fmt: skip
        value = pooled[statistic].where(~hidden)
        parts.append(pooled[dimensions].assign(statistic=statistic, value=value, withheld=hidden, reason=reason))
    return pd.concat(parts, ignore_index=True).sort_values([*dimensions, "statistic"], ignore_index=True)
