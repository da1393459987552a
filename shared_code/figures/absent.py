"""Why a site has no change of its own: not collected, withheld, nothing happened, or no release."""

from __future__ import annotations

import pandas as pd

from shared_code.figures.request import SITE, Request
from shared_code.model import ALL

NOT_COLLECTED, WITHHELD = "not collected", "withheld"
NO_DATA, NO_EVENTS = "no data for a month", "no events in a month"


def why_absent(request: Request, changes: pd.DataFrame, items: list[str], sites: list[str], months: tuple[str, str]
               ) -> pd.DataFrame:  # fmt: skip
    """List every site and item without a change, with the reason, as rows like those of the results."""
    there = changes[changes["estimate"].notna()]
    found = set(zip(there["item"], there["scope"]))
    state = dict(zip(request.sites["site"], request.sites["state"]))
    cells = _cells(request)
    rows = []
    for item in items:
        for site in sites:
            if (item, SITE + site) in found:
                continue
            reason = {"missing": "no release", "not run": "not run"}.get(state[site]) or _reason(
                request, cells, item, site, months
            )
            rows.append({"analysis": request.plan.stem, "measure": "change", "item": item, "level": months[0],
                         "comparator": months[1], "scope": SITE + site, "reason": reason,
                         "item_title": request.item(item)})  # fmt: skip
    columns = [*changes.columns]
    return pd.DataFrame(rows, columns=columns) if rows else changes.iloc[:0]


def _cells(request: Request) -> pd.DataFrame | None:
    """Read the released events of the table that changes are computed from; None where they are not kept."""
    for step in request.plan.entry.pooled:
        path = request.cells / f"{request.plan.stem}.{step.table}.csv"
        if step.method == "change" and path.is_file():
            cells = pd.read_csv(path, dtype=str, keep_default_na=False)
            totals = [n for n, d in request.plan.results(step.table).dimensions.items() if d.total and n in cells]
            whole = (cells[totals] == ALL).all(axis=1)  # not broken out further
            events = cells[whole & (cells["statistic"] == "events")]
            return events.rename(columns={step.settings["item"]: "its item", step.settings["along"]: "its month"})
    return None


def _reason(request: Request, cells: pd.DataFrame | None, item: str, site: str, months: tuple[str, str]) -> str:
    if cells is None:
        rated = request.rows("sites", item=item, measure="monthly rate")
        return "no estimate" if rated.loc[rated["scope"] == SITE + site, "estimate"].notna().any() else NOT_COLLECTED
    mine = cells[(cells["site"] == site) & (cells["its item"] == item)]
    if mine["status"].isin(["not_collected", "not_applicable"]).all():  # also where the site released no such cell
        return NOT_COLLECTED
    mine = mine[mine["its month"].isin(months)]
    if set(mine["its month"]) != set(months) or (mine["status"] == "not_collected").any():
        return NO_DATA
    return WITHHELD if (mine["status"] == "withheld").any() else NO_EVENTS
