"""The cells of one table as a reader looks at them: a row per cell, what is withheld in words, why, and what changed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from shared_code.config.plan import Plan
from shared_code.model import ALL, LAYOUTS
from shared_code.reporting.words import number

MOST_ROWS = 50_000  # rows shown of one table; the file itself is always complete
WORDS = {"withheld": "withheld", "not_collected": "not collected", "not_applicable": "none"}
NOT_RECORDED = "the reason is not recorded in this draft"
SAME, CHANGED, NEW, GONE = "same", "changed", "new", "gone"


@dataclass(frozen=True)
class TableView:
    """Hold one table as the page shows it.

    statuses  status -> numbers      reasons  reason -> numbers withheld for it      changes  kind -> numbers, against the
    last release (empty when there is none)      rows  a list of texts per cell, as in `headers`
    """

    name: str
    analysis: str
    title: str
    layout: str
    headers: list[str]
    numeric: list[bool]
    rows: list[list[str]]
    cells: int
    statuses: dict[str, int]
    reasons: dict[str, int]
    changes: dict[str, int] = field(default_factory=dict)
    smallest: float = math.nan
    narrowest: float = math.nan

    @property
    def withheld(self) -> int:
        return self.statuses.get("withheld", 0)

    @property
    def cut(self) -> bool:
        return len(self.rows) > MOST_ROWS


def table_view(plan: Plan, table: str, cells: pd.DataFrame, reasons: pd.DataFrame | None, last: pd.DataFrame | None) -> TableView:
    """Lay out one table of a draft.

    cells    as they would leave       reasons  dimensions, statistic and reason of what is withheld (the site's own)
    last     the cells of the last release, or None
    """
    declared, layout = plan.results(table), LAYOUTS[plan.results(table).layout]
    dimensions, statistics = list(declared.dimensions), list(layout.statistics)
    keys = [*dimensions, "statistic"]
    long = cells.copy()
    long["shown"] = [_shown(*one) for one in zip(long["value"], long["status"], long["lower"], long["upper"])]
    long["why"] = _why(long, keys, reasons)
    changes: Counter[str] = Counter()
    long["change"] = ""
    if last is not None and list(last.columns) == list(cells.columns):
        long["change"], changes = _changes(long, keys, last)
    wide = {what: long.pivot(index=dimensions, columns="statistic", values=what) for what in ("shown", "why", "change")}
    labels = {d: {ALL: "all", **(plan.levels(table, d) or {})} for d in dimensions}
    order = {d: {level: place for place, level in enumerate(labels[d])} for d in dimensions}
    index = wide["shown"].index.to_frame(index=False)
    ranked = index.apply(lambda column: column.map(lambda level: order[column.name].get(level, len(order[column.name]))))
    by = [*dimensions, *(f"_{d}" for d in dimensions)]  # in the declared order; a site's own names by the alphabet
    places = ranked.assign(**{f"_{d}": index[d] for d in dimensions}).sort_values(by).index
    rows = []
    for place in places:
        row = [labels[d].get(index.at[place, d], str(index.at[place, d])) for d in dimensions]
        row += [wide["shown"].at[wide["shown"].index[place], s] for s in statistics]
        row.append("; ".join(dict.fromkeys(w for w in wide["why"].iloc[place][statistics] if w)))
        if changes:
            row.append("; ".join(f"{s.replace('_', ' ')} {w}" for s, w in wide["change"].iloc[place][statistics].items() if w))
        rows.append(row)
    people = long["statistic"].isin(layout.people) & (long["value"] > 0)
    hidden = long[(long["status"] == "withheld") & long["statistic"].isin(layout.people)]
    return TableView(
        f"{plan.stem}.{table}", plan.entry.title, declared.title, declared.layout,
        [*(declared.dimensions[d].label or d for d in dimensions), *(s.replace("_", " ").capitalize() for s in statistics),
         "Why withheld", *(["Since last release"] if changes else [])],
        [*[False] * len(dimensions), *[True] * len(statistics), False, *([False] if changes else [])],
        rows, len(cells), {str(s): int(n) for s, n in cells["status"].value_counts().items()},
        dict(Counter(w for w in long["why"] if w).most_common()), dict(changes),
        float(long.loc[people, "value"].min()) if people.any() else math.nan,
        float((hidden["upper"] - hidden["lower"]).min()) if len(hidden) else math.nan,
    )  # fmt: skip


def _shown(value: float, status: str, lower: float, upper: float) -> str:
    if status not in WORDS:
        return number(value, 0 if float(value).is_integer() else 2)
    if status != "withheld" or math.isnan(lower):
        return WORDS[status]
    return f"withheld ({number(lower, 0)} {'or more' if math.isinf(upper) else f'to {number(upper, 0)}'})"


def _why(long: pd.DataFrame, keys: list[str], reasons: pd.DataFrame | None) -> list[str]:
    withheld = long["status"] == "withheld"
    if reasons is None or not {*keys, "reason"} <= {*reasons.columns}:
        return [NOT_RECORDED if w else "" for w in withheld]
    given = reasons[[*keys, "reason"]].astype(str).drop_duplicates(keys)
    found = long[keys].merge(given, on=keys, how="left")["reason"].fillna("")
    return [(reason or NOT_RECORDED) if w else "" for reason, w in zip(found, withheld)]


def _changes(long: pd.DataFrame, keys: list[str], last: pd.DataFrame) -> tuple[list[str], Counter[str]]:
    """Say per number what it was in the last release, and count the kinds of change."""
    before = last.assign(before=[_shown(*one) for one in zip(last["value"], last["status"], last["lower"], last["upper"])])
    both = long[[*keys, "shown"]].merge(before[[*keys, "before"]], on=keys, how="outer", indicator="where")
    inside, equal = both["where"] == "both", both["shown"] == both["before"]
    kinds = {SAME: inside & equal, CHANGED: inside & ~equal, NEW: both["where"] == "left_only",
             GONE: both["where"] == "right_only"}  # fmt: skip
    counts = Counter({kind: int(which.sum()) for kind, which in kinds.items()})
    found = long[keys].merge(before[[*keys, "before"]], on=keys, how="left")["before"]
    said = ["new" if not isinstance(b, str) else "" if b == now else f"{b} → {now}" for b, now in zip(found, long["shown"])]
    return said, counts


def as_data(view: TableView) -> dict[str, Any]:
    """Give what the page's own script needs to filter and sort a table."""
    return {"headers": view.headers, "numeric": view.numeric, "rows": view.rows[:MOST_ROWS]}
