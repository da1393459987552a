"""Pairs: a share in two groups, item by item, as two marks with intervals, and what was aimed at."""

from __future__ import annotations

import pandas as pd
from matplotlib.ticker import MaxNLocator

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, Request, numbers_of

ROW = 0.42  # inches
LEFT = 2.55


def draw(request: Request) -> Drawn:
    """Draw two marks an item: the group that is compared (filled) and the one it is compared with (hollow).

    settings  table (one that is pooled as gaps), targets (item -> per cent that is aimed at)
    """
    step = next(s for s in request.plan.entry.pooled if s.table == request.setting("table") and s.method == "gaps")
    group, pair = step.settings["group"], (step.settings["compare"], step.settings["against"])
    items = request.plan.levels(step.table, step.settings["item"]) or {}
    labels = request.plan.levels(step.table, group) or {}
    rows = request.rows(POOLED, measure="share", group=group, item=list(items), level=list(pair))
    differences = request.rows(POOLED, measure="difference", group=group, item=list(items))
    shown = [item for item in items if rows.loc[rows["item"] == item, "estimate"].notna().any()]
    if not shown:
        raise request.why_empty("No item has a pooled share.")
    rows = rows[rows["item"].isin(shown)].assign(item_title=[request.item(i) for i in rows.loc[rows["item"].isin(shown), "item"]])
    inside, without = request.who(rows)
    subtitle = words.sentence(f"% of the people it concerns; {inside}")
    empty = [request.item(item) for item in items if item not in shown]
    notes = [" ".join(n for n in (without, f"Not given: {words.listed(empty)}." if empty else "") if n)]
    targets = {item: float(v) for item, v in (request.setting("targets") or {}).items() if item in shown}
    picture = _picture(request, rows, differences, shown, pair, labels, targets, subtitle, notes)
    return Drawn(picture, numbers_of([rows, differences[differences["item"].isin(shown)]]),
                 _alt(request, rows, shown, pair, labels, inside), subtitle, notes)  # fmt: skip


def _picture(request: Request, rows: pd.DataFrame, differences: pd.DataFrame, shown: list[str], pair: tuple[str, str],
             labels: dict[str, str], targets: dict[str, float], subtitle: str, notes: list[str]):  # fmt: skip
    looks = {pair[0]: (style.VERMILION, "o", True), pair[1]: (style.BLUE, "s", False)}
    keys = [Key("interval", f"{labels.get(level, level)}, with 95 % interval", colour, marker, filled)
            for level, (colour, marker, filled) in looks.items()]  # fmt: skip
    if targets:
        keys.append(Key("point", "aimed at", style.INK, "|"))
    height = ROW * len(shown)
    page = Page(request.figure.caption, subtitle, height + 0.45, notes, keys)
    axes = page.axes(LEFT, 0, style.WIDTH - LEFT - style.MARGIN - 1.35, height)
    most = float(pd.concat([rows["upper"], rows["estimate"], pd.Series([*targets.values()], dtype=float)]).max())
    axes.set(xlim=(0, min(100, 1.05 * most)), ylim=(height, 0), yticks=[])
    axes.grid(axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.set_xlabel("%")
    for number, item in enumerate(shown):
        middle = ROW * (number + 0.5)
        for line, text in enumerate(lines := style.wrap(request.item(item), LEFT - style.MARGIN - 0.15, style.SMALL)[:2]):
            page.text(LEFT - 0.1, middle + 0.14 * (line - (len(lines) - 1) / 2), text, ha="right", size=style.SMALL)
        for level, at in zip(pair, (middle - 0.07, middle + 0.07)):
            colour, marker, filled = looks[level]
            for row in rows[(rows["item"] == item) & (rows["level"] == level) & rows["estimate"].notna()].itertuples():
                axes.plot([row.lower, row.upper], [at, at], color=colour, linewidth=1.4)
                axes.plot([row.estimate], [at], marker=marker, markersize=5.5, color=colour, linestyle="",
                          markerfacecolor=colour if filled else "white", markeredgewidth=1.1)  # fmt: skip
        if item in targets:
            axes.plot([targets[item]], [middle], marker="|", markersize=15, color=style.INK, markeredgewidth=1.4)
        for row in differences[(differences["item"] == item) & differences["estimate"].notna()].itertuples():
            text = f"{words.number(row.estimate, '')} ({words.number(row.lower, '')} to {words.number(row.upper, '')})"
            page.text(style.WIDTH - style.MARGIN, middle, text, ha="right", size=style.SMALL)
    page.text(style.WIDTH - style.MARGIN, height + 0.14, "difference,", ha="right", size=style.SMALL, color=style.QUIET)
    page.text(style.WIDTH - style.MARGIN, height + 0.29, "percentage points", ha="right", size=style.SMALL, color=style.QUIET)
    return page.figure


def _alt(request: Request, rows: pd.DataFrame, shown: list[str], pair: tuple[str, str], labels: dict[str, str], inside: str
         ) -> str:  # fmt: skip
    said = []
    for item in shown:
        mine = rows[(rows["item"] == item) & rows["estimate"].notna()].set_index("level")
        parts = [f"{words.number(mine.loc[level, 'estimate'], '')} % in {labels.get(level, level)}"
                 for level in pair if level in mine.index]  # fmt: skip
        said.append(f"{request.item(item)}: {' and '.join(parts)}")
    return words.description([f"{request.figure.caption.rstrip('.')}, two marks an item ({inside})", *said])
