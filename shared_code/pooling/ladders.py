"""Which coarser bands would cost all sites together least: the coarsest of those that each site found fine enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from shared_code.config.study import Study
from shared_code.disclosure.ladder import rungs_of

COLUMNS = ["analysis", "table", "dimension", "declared", "common", "sites", "held_back_by"]


def common_rungs(study: Study, manifests: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Say for every declared ladder at which rung all sites would withhold next to nothing.

    manifests  site -> manifest of its release, which names the finest rung with next to no loss there (`finest_rungs`)
    Gives a row per ladder that a site has counted: the bands declared, the common ones (the coarsest over sites), who
    counted, and who needs the common ones. What a site names beside the declared rungs is left out.
    """
    rows = []
    for stem, entry in study.analyses.items():
        for name, declared in entry.results.items():
            for dimension in declared.ladder:
                rungs = [*rungs_of(declared, dimension)]
                told = _told(f"{stem}.{name}", dimension, rungs, manifests)
                if told:
                    common = max(told.values())
                    need = [site for site, rung in told.items() if rung == common and common]
                    rows.append((stem, name, dimension, rungs[0], rungs[common], "; ".join(told), "; ".join(need)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _told(table: str, dimension: str, rungs: list[str], manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Give the number of the rung that each site named."""
    return {site: rungs.index(found["rung"]) for site, manifest in manifests.items()
            for found in manifest.get("finest_rungs", [])
            if (found["table"], found["dimension"]) == (table, dimension) and found["rung"] in rungs}  # fmt: skip
