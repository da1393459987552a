"""Curves: an estimate along an ordered dimension such as age, one line per group, with bands of 95 % intervals."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, Request, numbers_of

HEIGHT, EDGE = 3.2, 0.55  # inches: of the axes, and left of them
EVERYONE = "everyone"
MOST = len(style.SERIES)  # lines in one figure
DASHES = ["-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2))]


def draw(request: Request) -> Drawn:
    """Draw a line per level of a group, or per measure, all sites together.

    settings  along (the dimension whose levels are the horizontal axis), measure and group, levels (at most 4; all ranked ones),
              or measures (at most 4, of everyone);
              item (one item), lowest (values below are not shown, and a note says so),
              same (a place on the axis: an arrow shows where the first line is as high as the last is there)
    """
    along, group, measures = request.setting("along"), request.setting("group", EVERYONE), request.setting("measures", [])
    line = "measure" if measures else "level"
    titles = {name: words.sentence(name).rstrip(".") for name in measures} or request.ranked(group)
    levels = (request.setting("levels") or list(titles))[:MOST]
    rows = request.strata
    rows = rows[(rows["scope"] == POOLED) & (rows["group"] == group) & rows["stratum"].str.startswith(f"{along}=")]
    rows = rows[rows["measure"].isin(measures or [request.setting("measure")])]
    if request.setting("item"):
        rows = rows[rows["item"] == request.setting("item")]
    rows = rows[rows[line].isin(levels)]
    if rows["estimate"].notna().sum() == 0:
        raise request.why_empty(f"The results hold no pooled {request.setting('measure') or words.listed(measures)}.")
    rows = rows.assign(at=[position(text.partition("=")[2]) for text in rows["stratum"]], shown="line with band")
    rows = rows.sort_values([line, "at"], key=lambda c: c.map(levels.index) if c.name == line else c)
    rows = rows[rows["estimate"].notna()]
    inside, without = request.who(rows)
    subtitle = words.sentence(f"{rows['scale'].iloc[0]}, with 95 % intervals; {inside}")
    present = [level for level in levels if level in set(rows[line])]
    keys = [Key("band", titles[level], *style.SERIES[levels.index(level)]) for level in present]
    gone = [titles[level] for level in levels if level not in present]
    lowest = request.setting("lowest")
    cut = lowest is not None and rows["estimate"].min() < lowest
    hidden = f"Values below {words.number(lowest, '')} are not shown." if cut else ""
    notes = [" ".join(n for n in (without, f"Without results: {words.listed(gone)}." if gone else "", hidden) if n)]
    page = Page(request.figure.caption, subtitle, HEIGHT + 0.62, notes, keys)
    axes = page.axes(style.MARGIN + EDGE, 0.12, style.WIDTH - 2 * style.MARGIN - EDGE - 0.1, HEIGHT)
    _axes(axes, rows, lowest)
    for level in present:
        mine, (colour, marker) = rows[rows[line] == level], style.SERIES[levels.index(level)]
        axes.fill_between(mine["at"], mine["lower"], mine["upper"], color=colour, alpha=0.16, linewidth=0, zorder=2)
        axes.plot(mine["at"], mine["estimate"], color=colour, linewidth=1.8, linestyle=DASHES[levels.index(level)],
                  marker=marker, markersize=4.5, zorder=4)  # fmt: skip
    said = _arrow(axes, rows.assign(level=rows[line]), present, request.setting("same"), titles)
    page.text(style.MARGIN + EDGE + (style.WIDTH - 2 * style.MARGIN - EDGE) / 2, 0.12 + HEIGHT + 0.4, request.label(along),
              ha="center", size=style.SMALL, color=style.QUIET)  # fmt: skip
    alt = _alt(request, rows.assign(level=rows[line]), present, titles, inside, without, said)
    return Drawn(page.figure, numbers_of([rows.drop(columns="at")]), alt, subtitle, notes)


def position(level: str) -> float:
    """Give the place of a level on the axis: a number itself, the middle of a band, an open band a little above its start.

    >>> position("65"), position("60-69"), position("80+")
    (65.0, 65.0, 85.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:-(\d+)|(\+))?", level)
    if not found:
        raise ValueError(f"{level!r} is neither a number nor a band")
    low = float(found[1])
    return (low + float(found[2]) + 1) / 2 if found[2] else low + 5 if found[3] else low


def _axes(axes: Axes, rows: pd.DataFrame, lowest: float | None = None) -> None:
    low, high = rows["at"].min(), rows["at"].max()
    room = 0.03 * (high - low or 1)
    top = float(rows[["estimate", "upper"]].max().max())
    least = min(0.0, float(rows["estimate"].min()))
    least = least if lowest is None else max(least, lowest)
    axes.set(xlim=(low - room, high + room), ylim=(1.06 * least, 1.06 * (top or 1)))
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _arrow(axes: Axes, rows: pd.DataFrame, present: list[str], same: float | None, titles: dict[str, str]) -> str:
    """Show where the first line is as high as the last one is at a place; gives it in words."""
    if same is None or len(present) < 2:
        return ""
    first, last = (rows[rows["level"] == level] for level in (present[0], present[-1]))
    height = float(np.interp(same, last["at"], last["estimate"]))
    values = np.maximum.accumulate(first["estimate"].to_numpy())
    if not values[0] <= height <= values[-1]:
        return ""
    there = float(np.interp(height, values, first["at"]))
    axes.annotate("", (there, height), (same, height), arrowprops={"arrowstyle": "->", "color": style.INK, "linewidth": 1.1})
    return (f"{titles[present[0]]} is as high at {words.number(there, 'years')} "
            f"as {titles[present[-1]]} is at {words.number(same, 'years')}")  # fmt: skip


def _alt(request: Request, rows: pd.DataFrame, present: list[str], titles: dict[str, str], inside: str, without: str, said: str
         ) -> str:  # fmt: skip
    of = "measure" if request.setting("measures") else f"level of {request.label(request.setting('group'))}"
    what = f"{request.figure.caption.rstrip('.')}: one line per {of} ({inside})"
    ends = []
    for level in present:
        mine = rows[rows["level"] == level]
        first, last = mine.iloc[0].to_dict(), mine.iloc[-1].to_dict()
        ends.append(f"{titles[level]}: {words.interval(first)} at {first['at']:g}, {words.interval(last)} at {last['at']:g}")
    return words.description([what, said, "; ".join(ends[:2]), without])
