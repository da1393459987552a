"""What is said about the protection of a release: the record that leaves with it, and the reasons that stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure.forms import Earlier
from shared_code.model import LAYOUTS

RULES = {
    "counts": "people, cases and people without it: none, or the threshold and more",
    "events": "distinct people with an event: none, or the threshold and more; enough person-time",
    "estimates": "distinct people with the event behind it; enough person-time",
    "moments": "distinct people; no one or two people make up most of a sum (n, k and p % rules)",
    "bins": "distinct people in each bin",
    "profile": "the counts behind the curve", "step": "the tables that the sums of a model tell",
    "records": "distinct people with and without a fault",
}  # fmt: skip


def record(released: Mapping[str, pd.DataFrame], declared: Mapping[str, ResultsTable], policy: Policy, ledger: Sequence[Earlier],
           outcome: Mapping[str, Any]) -> dict[str, Any]:  # fmt: skip
    """Describe the outcome, from nothing but what is released: numbers that the tables withhold are not in it.

    outcome  how the pattern was found and audited
    """
    tables = {name: _of_table(cells, declared[name], policy) for name, cells in sorted(released.items())}
    return {
        "rule_set": policy.rule_set, "parameters": policy.model_dump(mode="json", exclude={"rule_set"}),
        "tables": tables, "withheld": sum(t["withheld"] for t in tables.values()),
        "cells": sum(t["cells"] for t in tables.values()),
        "audit": {
            "safe": True, "attacker": "reads every released table, total and earlier release together",
            "method": "bound propagation, then linear programming (whole numbers where small)", "solver": "HiGHS",
            "asks": f"every interval at least {max(policy.threshold - 1, 0)} wide and reaching {policy.threshold}",
            **outcome,
        },
        "earlier_releases": [earlier.digest for earlier in ledger],
    }  # fmt: skip


def _of_table(cells: pd.DataFrame, declared: ResultsTable, policy: Policy) -> dict[str, Any]:
    status = cells["status"].value_counts()
    counted = cells["statistic"].isin(LAYOUTS[declared.layout].people)
    return {
        "layout": declared.layout, "rules": RULES.get(declared.layout, "the rule of its layout"),
        "rounding": policy.rounding, "cells": len(cells), "withheld": int(status.get("withheld", 0)),
        "withheld_share_at_most": _share(cells[counted]),
    }  # fmt: skip


def _share(cells: pd.DataFrame) -> float | None:
    """Give the largest share of the counted people that can be withheld, from the published ranges alone."""
    lower, upper = cells["lower"].fillna(0).to_numpy(float), cells["upper"].fillna(0).to_numpy(float)
    hidden = (cells["status"] == "withheld").to_numpy()
    if not len(cells) or np.isinf(upper[hidden]).any():
        return None
    most, rest = upper[hidden].sum(), lower[~hidden].sum()
    return float(np.ceil(1000 * most / (most + rest)) / 1000) if most else 0.0


def common_rung(records: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict[str, float]]:
    """Say which rung of a ladder of bands loses least when all sites release it.

    records  site -> record of a dry count (`dry_count`)
    Gives the rung with the smallest share of withheld cells at the site that loses most, and that share for every rung
    that all sites counted; the finest wins a tie. Raises ValueError when they have no rung in common.

    >>> north = {"rungs": {"five years": {"share": 0.30}, "ten years": {"share": 0.02}}}
    >>> south = {"rungs": {"five years": {"share": 0.01}, "ten years": {"share": 0.01}}}
    >>> common_rung({"north": north, "south": south})
    ('ten years', {'five years': 0.3, 'ten years': 0.02})
    """
    first = next(iter(records.values()))["rungs"]
    common = [name for name in first if all(name in r["rungs"] for r in records.values())]
    if not common:
        raise ValueError("the sites counted no rung in common")
    worst = {name: max(r["rungs"][name]["share"] for r in records.values()) for name in common}
    return min(common, key=lambda name: worst[name]), worst
