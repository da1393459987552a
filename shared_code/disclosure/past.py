"""Earlier releases: what has left once cannot be taken back, and may be subtracted from what leaves now.

Three things follow from the ledger. A number that changed by fewer people than the threshold keeps its earlier value,
with a range wide enough to hold the new one (`hold`): a refreshed extract then tells nobody that one person joined. The
earlier tables enter the linear system, as facts about the same unknowns where the numbers are the same, and otherwise as
unknowns of their own, with the differences between the two as numbers of people that must be protected (`build`). And
what was withheld before is the first choice to be withheld again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure.forms import Earlier
from shared_code.disclosure.rounding import withhold
from shared_code.disclosure.rules import Frames
from shared_code.disclosure.system import DAYS, LINEAR, PEOPLE, SUM, UNIT

HELD = "it differs from an earlier release by fewer people than the threshold"
# Statistics that few people can change by much: the people behind them say how many changed.
BY_PEOPLE = {"events": ("events", "events_squared"), "bins": ("records",), "records": ("rows", "rows_failing"),
             "moments": ("sum", "sum_squares", "sum_products")}  # fmt: skip
WHO = {"rows": "people", "rows_failing": "people_failing"}


@dataclass(frozen=True)
class Past:
    """Hold one table of an earlier release beside the table it is compared with, row by row of the latter.

    truth    wide table before protection, nan where the site no longer knows it
    shown    statistic -> value, status, lower, upper that were released; nan where the row was not
    """

    name: str
    declared: ResultsTable
    truth: pd.DataFrame
    shown: Mapping[str, pd.DataFrame]


def past_tables(tables: Mapping[str, tuple[ResultsTable, pd.DataFrame]], ledger: Sequence[Earlier]) -> list[Past]:
    """Lay every earlier table out along the rows of the table it speaks of, oldest release first.

    Earlier tables belong to a current one of the same name, or else of the same dimensions and statistics.
    """
    found = []
    for earlier in ledger:
        for old, cells in earlier.tables.items():
            for name in _matching(old, cells, tables):
                declared, table = tables[name]
                found.append(_aligned(name, declared, table, cells, earlier.people.get(old)))
    return found


def _matching(old: str, cells: pd.DataFrame, tables: Mapping[str, tuple[ResultsTable, pd.DataFrame]]) -> list[str]:
    same_form = [
        name for name, (declared, _) in tables.items()
        if declared.layout in LINEAR and set(declared.dimensions) < set(cells.columns)
        and set(cells["statistic"]) >= set(LINEAR[declared.layout].units)
    ]  # fmt: skip
    return [old] if old in same_form else [n for n in same_form if not set(cells.columns) - set(tables[n][0].dimensions) - {
        "statistic", "value", "status", "lower", "upper"}]  # fmt: skip


def _aligned(name: str, declared: ResultsTable, table: pd.DataFrame, cells: pd.DataFrame, people: pd.DataFrame | None) -> Past:
    dimensions = list(declared.dimensions)
    units = list(LINEAR[declared.layout].units)
    index = _joined(table, dimensions)
    shown = {}
    for statistic in units:
        rows = cells[cells["statistic"] == statistic]
        rows = rows.set_axis(_joined(rows, dimensions))[["value", "status", "lower", "upper"]]
        shown[statistic] = rows.reindex(index).reset_index(drop=True)
    if people is None or not set(dimensions) <= set(people.columns):
        truth = pd.DataFrame(np.nan, range(len(table)), units)
    else:
        known = people.set_axis(_joined(people, dimensions)).reindex(columns=units)
        truth = known.reindex(index).reset_index(drop=True).astype(float)
    return Past(name, declared, pd.concat([table[dimensions].reset_index(drop=True), truth], axis=1), shown)


def _joined(table: pd.DataFrame, dimensions: list[str]) -> pd.Index:
    """Name every row by its levels."""
    return pd.Index(["\x1f".join(levels) for levels in table[dimensions].astype(str).itertuples(index=False)])


def hold(name: str, declared: ResultsTable, table: pd.DataFrame, frames: Frames, past: Sequence[Past], policy: Policy) -> Frames:
    """Let numbers that changed by fewer people than the threshold keep the value they had; withhold what cannot.

    frames  what the rule of the layout says of every row of the table
    """
    if policy.threshold == 1 or declared.layout not in LINEAR:
        return frames
    frames = dict(frames)
    for statistic, kind in LINEAR[declared.layout].units.items():
        cells = frames[statistic].copy()
        for column in ("value", "lower", "upper"):
            cells[column] = cells[column].astype(float)
        for before in [p for p in past if p.name == name]:
            _hold_one(cells, declared, table, statistic, kind, before, policy)
        frames[statistic] = cells
    return frames


def _hold_one(cells: pd.DataFrame, declared: ResultsTable, table: pd.DataFrame, statistic: str, kind: int, past: Past,
              policy: Policy) -> None:  # fmt: skip
    """Change the cells that one earlier release would give away."""
    t, unit = policy.threshold, UNIT.get(kind, 0.0)
    now, then, old = table[statistic].to_numpy(float), past.truth[statistic].to_numpy(float), past.shown[statistic]
    old_lower, old_upper = old["lower"].to_numpy(float), old["upper"].to_numpy(float)
    shown_now = cells["status"].isin(["ok", "rounded"]).to_numpy()
    known = shown_now & ~np.isnan(old_lower) & ~np.isnan(now)
    change = np.where(np.isnan(then), np.where((old_lower <= now) & (now <= old_upper), 0.0, np.inf), now - then)
    # the same number in another rounding would be known better than in either: it keeps its first form
    wider = (cells["lower"].to_numpy() <= old_lower) & (old_upper <= cells["upper"].to_numpy())
    same = known & (change == 0) & ~wider & ~np.isnan(old["value"].to_numpy(float))
    for column in ("value", "status", "lower", "upper"):
        cells.loc[same, column] = old[column].to_numpy()[same]
    few = (change != 0) & (np.abs(change) < t * unit)
    who = WHO.get(statistic, "people")
    if statistic in BY_PEOPLE.get(declared.layout, ()):
        moved = np.abs(table[who].to_numpy(float) - past.truth[who].to_numpy(float))
        few |= (change != 0) & ~(moved >= t)
    unknown = np.isinf(change) & (np.abs(now - old["value"].to_numpy(float)) < 2 * t * unit)
    gap_low, gap_high = cells["lower"].to_numpy() - old_upper, cells["upper"].to_numpy() - old_lower
    narrow = (gap_high - gap_low < (t - 1) * unit) if kind != SUM else np.ones(len(cells), bool)
    at = known & (few | unknown) & narrow
    if not at.any():
        return
    step = old_upper - old_lower
    room = np.full(len(cells), (t - 1) * unit) if kind != SUM else 2 * (t - 1) * step / max(policy.rounding, 1)
    floor = float(t) if kind == PEOPLE else (0.0 if kind == DAYS or statistic == "sum_squares" else -np.inf)
    lower, upper = np.maximum(old_lower - room, floor), old_upper + room
    fits = at & ~np.isnan(old["value"].to_numpy(float)) & (lower <= now) & (now <= upper) & (old["value"].to_numpy(float) != 0)
    cells.loc[fits, "value"] = old["value"].to_numpy(float)[fits]
    cells.loc[fits, "status"] = "rounded"
    cells.loc[fits, "lower"], cells.loc[fits, "upper"] = lower[fits], upper[fits]
    rest = at & ~fits
    withhold(cells, rest)
    cells.loc[rest, "reason"] = HELD
