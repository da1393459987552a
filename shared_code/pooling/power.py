"""What a comparison could show at best, said before anybody looks at what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from shared_code import methods
from shared_code.config.study import ResultsTable
from shared_code.pooling.before_after import EVERYONE, summed_bins

CONTROLS = 2  # of each person in the service: up to three are sought, and not everybody finds three
FEWEST = 10  # people in the service below which nothing is simulated
RUNS = 200


def power(cells: pd.DataFrame, declared: ResultsTable, settings: dict[str, Any], scopes: dict[str, list[str]]
          ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Say how small an effect of a service could be seen, from how many started and how often people come at all.

    settings  along (dimension whose bins are counts), least (lowest count for which people are chosen), started (table with the
              number of people in the service who are compared, `statistic` of it, and its dimension -> level that counts)
    Uses nothing that happened after a start: studies of this size without any effect are simulated with the rates fitted to the
    bins; people have stable rates, 6 % are not followed to the end, sites have one effect. Given: the rate ratio that would be
    found with 80 % power (smaller effects are not), and the standard error to expect. Source: methods specification, section 4.
    """
    started = settings["started"]["cells"]
    for name, level in settings["started"]["where"].items():
        started = started[started[name] == level]
    started = started[started["statistic"] == settings["started"]["statistic"]].set_index("site")
    middle = started["value"].astype(float).fillna((started["lower"].astype(float) + started["upper"].astype(float)) / 2)
    for scope, members in scopes.items():
        found = summed_bins(cells, declared, settings["along"], members)
        sites = [s for s in members if s in middle.index]
        if found is None or not sites:
            continue
        edges, counts, _ = found
        treated = round(float(middle[sites].sum()))
        base = {"item": "", **EVERYONE, "scope": scope, "scale": "ratio", "people": float(treated), "sites": sites,
                "withheld_share": float(started.loc[sites, "value"].isna().mean()),
                "method": f"{RUNS} simulated studies without any effect, {CONTROLS} controls each"}  # fmt: skip
        measure = "smallest fall to be seen"
        if treated < FEWEST:
            yield base | {"measure": measure, "reason": f"fewer than {FEWEST} people could be compared"}
            continue
        try:
            rates = methods.fit_gamma_poisson(edges, counts)
        except (methods.ConvergenceError, ValueError) as error:
            yield base | {"measure": measure, "reason": str(error)}
            continue
        simulated = methods.simulated_power(treated, rates, settings["least"], ratio=CONTROLS, runs=RUNS)
        yield base | {"measure": measure, "estimate": simulated.smallest_fall}
        yield base | {"measure": "standard error to expect", "scale": "log ratio", "estimate": simulated.se}
        yield base | {"measure": "fall without any effect, simulated", "scale": "%",
                      "estimate": 100 * simulated.uncontrolled_change}  # fmt: skip

