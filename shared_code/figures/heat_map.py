"""Heat map: rows of each source in each month at every site, against the months around them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import Drawn, Request

MEASURE = "rows of a month"
LOW, HIGH = 0.0, 200.0  # % of what is usual
COLOURS = LinearSegmentedColormap.from_list("received", [style.VERMILION, "#f7f7f7", style.BLUE])
ROW = 0.2  # inches
MOST_ROWS = 60  # with more, every site has one row: in each month the source that is furthest from usual


def draw(request: Request) -> Drawn:
    """Draw one row per site and source, one cell per month; a cross marks a month that is empty or unusual.

    White is as many rows as usual. A source of which too few rows arrive to judge is hatched in grey.
    """
    rows = request.rows(measure=MEASURE)
    rows = rows[rows["scope"] != "pooled"]
    if rows.empty:
        raise request.why_empty("No site has sent the months of any source.")
    rows = rows.assign(item_title=[request.item(code) for code in rows["item"]],
                       site_title=[request.site(scope) for scope in rows["scope"]])  # fmt: skip
    rows = rows.sort_values(["site_title", "item", "level"], kind="stable").reset_index(drop=True)
    return Drawn(_picture(request, rows), rows, _alt(request, rows), _subtitle(request, rows), _notes(request, rows))


def _lines(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(zip(rows["site_title"], rows["item_title"])))


def _picture(request: Request, rows: pd.DataFrame):
    lines, months = _lines(rows), sorted(rows["level"].unique())
    sites = list(dict.fromkeys(site for site, _ in lines))
    brief = len(lines) > MOST_ROWS
    blocks = [("", [(site, site) for site in sites])] if brief else [(site, [x for x in lines if x[0] == site]) for site in sites]
    wide = min(2.3, max(style.width_of(line[1], style.SMALL) for _, mine in blocks for line in mine))
    left = style.MARGIN + wide + 0.1
    keys = [Key("bar", "fewer rows than usual", style.VERMILION), Key("bar", "more than usual", style.BLUE),
            Key("point", "empty or unusual", style.INK, marker="x"),
            Key("bar", "too few to judge, or withheld", "#cccccc")]  # fmt: skip
    head = 0.0 if brief else 0.24
    height = ROW * sum(len(mine) for _, mine in blocks) + head * len(blocks)
    page = Page(request.figure.caption, _subtitle(request, rows), height + 0.35, _notes(request, rows), keys)
    at = 0.0
    for site, mine in blocks:
        page.text(style.MARGIN, at + 0.12, site, weight="bold")
        at += head
        axes = page.axes(left, at, style.WIDTH - left - style.MARGIN, ROW * len(mine))
        grid = np.full((len(mine), len(months)), np.nan)
        for number, line in enumerate(mine):
            page.text(left - 0.08, at + ROW * (number + 0.5), style.cut(line[1], wide, style.SMALL), ha="right",
                      size=style.SMALL, color=style.QUIET)  # fmt: skip
            own = rows[rows["site_title"] == line[0]]
            grid[number], odd = _row(own if brief else own[own["item_title"] == line[1]], months)
            crosses = np.flatnonzero(odd)
            axes.plot(crosses, [number] * len(crosses), linestyle="", marker="x", color=style.INK, markersize=5)
        picture = COLOURS.with_extremes(bad="#cccccc")
        axes.imshow(grid, aspect="auto", cmap=picture, vmin=LOW, vmax=HIGH, interpolation="nearest")
        axes.set(yticks=[], xlim=(-0.5, len(months) - 0.5), ylim=(len(mine) - 0.5, -0.5))
        last = site == blocks[-1][0]
        ends = ("-01", "-07") if len(months) <= 36 else ("-01",)
        every = [i for i, month in enumerate(months) if month.endswith(ends)] or [0]
        axes.set_xticks(every if last else [], [months[i] for i in every] if last else [], rotation=0)
        at += ROW * len(mine)
    return page.figure


def _row(part: pd.DataFrame, months: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Give per month the value furthest from usual of those that can be judged, and whether any looks odd."""
    known = (part["verdict"] != "not assessed") & ~(part["withheld_share"] > 0)
    values = part["estimate"].where(known).astype(float)
    order = (values - (LOW + HIGH) / 2).abs().fillna(-1).sort_values(kind="stable").index
    furthest = values.loc[order].groupby(part.loc[order, "level"]).last().reindex(months)  # `last` passes over what is missing
    odd = (part["verdict"] == "look").groupby(part["level"]).any().reindex(months, fill_value=False)
    return furthest.to_numpy(float), odd.to_numpy(bool)


def _subtitle(request: Request, rows: pd.DataFrame) -> str:
    inside, _ = request.who(rows)
    span = f"{words.month(rows['level'].min())} to {words.month(rows['level'].max())}"
    return words.sentence(f"{inside}; {span}; each month against the twelve around it")


def _notes(request: Request, rows: pd.DataFrame) -> list[str]:
    _, without = request.who(rows)
    odd = rows[rows["verdict"] == "look"]
    look = "looks" if len(odd) == 1 else "look"
    found = f"{words.many(len(odd), 'month')} of a source {look} like a failed or repeated delivery." if len(odd) else (
        "No month of any source looks like a failed or repeated delivery.")  # fmt: skip
    brief = "With so many sites each has one row: in every month the source that is furthest from usual."
    return [" ".join(n for n in (found, brief if len(_lines(rows)) > MOST_ROWS else "", without) if n)]


def _alt(request: Request, rows: pd.DataFrame) -> str:
    odd = rows[rows["verdict"] == "look"]
    named = [f"{r.site_title}, {r.item_title}, {words.month(r.level)}: "
             f"{'empty' if not r.events else f'{r.estimate:.0f} % of usual' if not math.isnan(r.estimate) else 'unusual'}"
             for r in odd.head(6).itertuples()]  # fmt: skip
    _, without = request.who(rows)
    what = f"{request.figure.caption.rstrip('.')}: {words.many(len(_lines(rows)), 'row')} of sites and sources"
    return words.description([what, *_notes(request, rows)[:1], "; ".join(named), without])
