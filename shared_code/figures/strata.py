"""Strata: a share of all sites together by the levels of several groups, as dots with intervals."""

from __future__ import annotations

import pandas as pd
from matplotlib.ticker import MaxNLocator

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, Request

MEASURE = "linked"
ROW = 0.19  # inches
FAR = 0.1  # standardised difference from which the linked are a selection


def draw(request: Request) -> Drawn:
    """Draw one dot per level of each group, for all sites together; the value of everyone is a line.

    settings  measure (linked), item (the first there is)
    """
    rows = request.rows(POOLED, measure=request.setting("measure") or MEASURE)
    item = request.setting("item") or (rows["item"].iloc[0] if len(rows) else "")
    rows = rows[(rows["item"] == item) & rows["estimate"].notna()].reset_index(drop=True)
    if rows.empty:
        raise request.why_empty("Records were linked at too few sites, or their linkage was not recorded.")
    groups = {code: label for code, label in request.levels("stratum").items() if code in set(rows["group"])}
    levels = request.levels("level")
    order = {(g, v): at for at, (g, v) in enumerate((g, v) for g in groups for v in levels)}
    rows = rows.assign(item_title=request.item(item), level_title=[levels.get(v, v) for v in rows["level"]])
    rows = rows.sort_values(by="level", key=lambda _: [order.get(k, 999) for k in zip(rows["group"], rows["level"])])
    return Drawn(_picture(request, rows, groups), rows.reset_index(drop=True), _alt(request, rows, groups),
                 _subtitle(request, rows), _notes(request, rows, item))  # fmt: skip


def _picture(request: Request, rows: pd.DataFrame, groups: dict[str, str]):
    everyone = rows[rows["group"] == "everyone"]
    blocks = [(label, rows[rows["group"] == code]) for code, label in groups.items()]
    height = sum(0.24 + ROW * len(part) for _, part in blocks)
    left = style.MARGIN + 1.7
    item = rows["item"].iloc[0]
    keys = [Key("interval", "all sites together, with 95 % interval")]
    page = Page(request.figure.caption, _subtitle(request, rows), height + 0.4, _notes(request, rows, item), keys)
    axes = page.axes(left, 0.0, style.WIDTH - left - style.MARGIN - 0.5, height)
    low = min(rows["lower"].min(), rows["estimate"].min())
    room = max(0.05 * (100 - low), 0.2)
    axes.set(xlim=(max(0, low - room), min(100, rows["upper"].max() + room)), ylim=(height, 0), yticks=[])
    axes.grid(axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("%")
    if len(everyone):
        axes.axvline(float(everyone["estimate"].iloc[0]), color=style.LIGHT, linewidth=0.8)
    at = 0.0
    for label, part in blocks:
        page.text(style.MARGIN, at + 0.12, label, weight="bold")
        at += 0.24
        for row in part.itertuples():
            y = at + ROW / 2
            page.text(left - 0.1, y, style.cut(row.level_title, 1.5, style.SMALL), ha="right", size=style.SMALL)
            axes.plot([row.lower, row.upper], [y, y], color=style.POOLED, linewidth=1.5)
            axes.plot([row.estimate], [y], marker="o", color=style.POOLED, markersize=4.8)
            at += ROW
    return page.figure


def _subtitle(request: Request, rows: pd.DataFrame) -> str:
    inside, _ = request.who(rows)
    whole = rows[rows["group"] == "everyone"]
    said = f"; {words.interval(whole.iloc[0].to_dict())} of all records" if len(whole) else ""
    return words.sentence(f"{inside}{said}")


def _notes(request: Request, rows: pd.DataFrame, item: str) -> list[str]:
    differences = request.rows(POOLED, measure="standardised difference", item=item)
    far = differences[differences["estimate"].abs() > FAR]
    levels = request.levels("level")
    named = [f"{levels.get(r.level, r.level)} ({r.estimate:+.2f})" for r in far.itertuples()]
    warn = f"The linked are a selection (standardised difference above {FAR:g}): {words.listed(named)}." if named else ""
    _, without = request.who(rows)
    return [" ".join(n for n in (warn, without) if n)]


def _alt(request: Request, rows: pd.DataFrame, groups: dict[str, str]) -> str:
    inside, without = request.who(rows)
    low, high = rows.loc[rows["estimate"].idxmin()], rows.loc[rows["estimate"].idxmax()]
    said = (f"lowest {words.interval(low.to_dict())} for {low['level_title']}, "
            f"highest {words.interval(high.to_dict())} for {high['level_title']}")  # fmt: skip
    return words.description([f"{request.figure.caption.rstrip('.')} ({inside})", said, without])
