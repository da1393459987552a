"""Flow: from all people to the cohort, step by step, all sites together."""

from __future__ import annotations

import pandas as pd

from shared_code.figures import style, words
from shared_code.figures.page import Page
from shared_code.figures.request import POOLED, Drawn, Request

MEASURE = "share"
ROW = 0.46  # inches


def draw(request: Request) -> Drawn:
    """Draw a bar of who is left after each step, and beside it who leaves at it.

    The items of the dimension `step`, in declared order; the last one is the cohort.
    """
    steps = request.levels("step")
    rows = request.rows(POOLED, measure=MEASURE, item=list(steps))
    if rows["estimate"].notna().sum() == 0:
        raise request.why_empty("The results hold no way to the cohort.")
    rows = rows.assign(item_title=[request.item(code) for code in rows["item"]])
    rows = rows.set_index("item").reindex([s for s in steps if s in set(rows["item"])]).reset_index()
    everybody = float(rows["people"].max())
    left = [everybody]
    for events in rows["events"].fillna(0).iloc[:-1]:
        left.append(left[-1] - float(events))
    rows = rows.assign(left=left)
    return Drawn(_picture(request, rows, everybody), rows, _alt(request, rows), _subtitle(request, rows), _notes(request, rows))


def _picture(request: Request, rows: pd.DataFrame, everybody: float):
    page = Page(request.figure.caption, _subtitle(request, rows), ROW * len(rows) + 0.05, _notes(request, rows))
    text, wide = 3.5, style.WIDTH - 2 * style.MARGIN - 3.5
    axes = page.axes(style.MARGIN + text, 0, wide, ROW * len(rows))
    axes.set(xlim=(0, everybody), ylim=(ROW * len(rows), 0), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    last = len(rows) - 1
    for at, row in enumerate(rows.itertuples()):
        middle = ROW * (at + 0.5)
        value = row.left if at < last else row.events
        axes.barh([middle], [value], height=0.2, color=style.POOLED if at == last else style.PALE[style.POOLED])
        name = "All people" if at == 0 else "Left" if at < last else row.item_title
        page.text(style.MARGIN, middle - 0.06, name, weight="bold" if at in (0, last) else "normal")
        page.text(style.MARGIN + text - 0.1, middle - 0.06, f"{value:,.0f}", ha="right")
        if at < last:
            out = f"\u2192 {row.item_title.lower()}: {row.events:,.0f}"
            page.text(style.MARGIN + 0.1, middle + 0.1, style.cut(out, text - 0.2, style.SMALL), size=style.SMALL,
                      color=style.QUIET)  # fmt: skip
    return page.figure


def _subtitle(request: Request, rows: pd.DataFrame) -> str:
    inside, _ = request.who(rows)
    cohort = rows.iloc[-1]
    return words.sentence(f"{inside} together; {words.interval(cohort.to_dict())} of everybody in the data is in the cohort")


def _notes(request: Request, rows: pd.DataFrame) -> list[str]:
    _, without = request.who(rows)
    return [" ".join(n for n in ("Numbers are rounded, so parts may not add up exactly.", request.fewer(rows), without) if n)]


def _alt(request: Request, rows: pd.DataFrame) -> str:
    inside, without = request.who(rows)
    said = [f"{row.item_title}: {row.events:,.0f}" for row in rows.itertuples() if row.events == row.events]
    what = f"{request.figure.caption.rstrip('.')}: of {rows['people'].max():,.0f} people ({inside})"
    return words.description([what, "; ".join(said), without])
