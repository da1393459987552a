"""Trend: a monthly rate of all sites together with its interval, single sites as thin lines, one panel per item."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from shared_code.config.study import months_between
from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, Request, numbers_of

MEASURE = "monthly rate"
PANEL = 1.45  # inches, height of the axes; a single panel is taller
SITE_LINE, MANY_LINES, FEW = "#bdbdbd", "#d6d6d6", 12  # lighter where there are more than a few sites
TOO_HIGH = 2.0  # values of single sites above this multiple of everything pooled are cut off, and counted


def draw(request: Request) -> Drawn:
    """Draw one small panel per item. A month without a value is a gap, never a straight line across it.

    settings  items (all), mark (a month to point out)
    """
    rows = request.rows(measure=MEASURE)
    wanted = request.setting("items") or [i for i in request.item_titles if i in set(rows["item"])]
    rows = rows[rows["item"].isin(wanted)]
    rows = rows.assign(item_title=[request.item(code) for code in rows["item"]])
    pooled = rows[rows["scope"] == POOLED]
    items = [item for item in wanted if pooled.loc[pooled["item"] == item, "estimate"].notna().any()]
    if not items:
        raise request.why_empty("The results hold no pooled monthly rate for these items.")
    rows = rows[rows["item"].isin(items)]
    shown = np.where(rows["scope"] == POOLED, "thick line with band", "thin line")
    rows = rows.assign(shown=np.where(rows["estimate"].isna(), "gap", shown))
    rows["at"] = [items.index(item) for item in rows["item"]]
    rows["kind"] = (rows["scope"] != POOLED).astype(int)
    rows = rows.sort_values(["at", "kind", "scope", "level"], kind="stable").drop(columns=["at", "kind"])
    gone = [request.item(item) for item in wanted if item not in items]
    picture, subtitle, notes = _picture(request, rows, items, gone)
    return Drawn(picture, numbers_of([rows]), _alt(request, rows, items), subtitle, notes)


def _picture(request: Request, rows: pd.DataFrame, items: list[str], gone: list[str]):
    months = months_between(rows["level"].min(), rows["level"].max())
    columns = {1: 1, 2: 2, 4: 2}.get(len(items), 3)
    high = 2.6 if columns == 1 else PANEL
    gap, edge, below = 0.22, 0.4, 0.4
    width = (style.WIDTH - 2 * style.MARGIN - gap * (columns - 1)) / columns
    titles = {item: style.wrap(request.item(item), width, weight="bold") for item in items}
    head = 0.45 + 0.165 * max(len(lines) for lines in titles.values())
    step = head + high + below
    pooled = rows[rows["scope"] == POOLED]
    inside, without = request.who(pooled)
    scale = pooled["scale"].iloc[0]
    subtitle = words.sentence(f"{scale}; {inside}; {words.month(months[0])} to {words.month(months[-1])}")
    tops = {item: _top(rows[rows["item"] == item]) for item in items}
    over = sum((rows.loc[(rows["item"] == item) & (rows["scope"] != POOLED), "estimate"] > top).sum()
               for item, top in tops.items())  # fmt: skip
    notes = [without, f"Without results: {words.listed(gone)}." if gone else "", _changing(pooled),
             f"{words.many(over, 'value')} of single sites lie above the panels." if over else "",
             "A gap is a month without a value." if _gaps(rows, months) else ""]  # fmt: skip
    notes = [" ".join(note for note in notes if note)]
    sites = int((rows["scope"] != POOLED).any())
    keys = [Key("band", "all sites together, with 95 % interval"), *([Key("line", "one site", SITE_LINE)] * sites)]
    page = Page(request.figure.caption, subtitle, -(-len(items) // columns) * step, notes, keys)
    for number, item in enumerate(items):
        left = style.MARGIN + (number % columns) * (width + gap)
        top = (number // columns) * step
        mine = rows[rows["item"] == item]
        for line, text in enumerate(titles[item]):
            page.text(left, top + 0.08 + 0.165 * line, style.cut(text, width, weight="bold"), weight="bold")
        page.text(left, top + head - 0.37, style.cut(_who(request, mine, scale), width, style.SMALL), size=style.SMALL,
                  color=style.QUIET)  # fmt: skip
        axes = page.axes(left + edge, top + head, width - edge, high)
        axes.set(xlim=(-0.6, len(months) - 0.4), ylim=(0, tops[item]))
        _lines(axes, mine, months)
        _month_axis(axes, months, width - edge)
        mark = request.setting("mark")
        if mark in months:
            _mark(page, axes, months.index(mark), len(months), words.month(mark), left + edge, top + head, width - edge)
    return page.figure, subtitle, notes


def _who(request: Request, mine: pd.DataFrame, scale: str) -> str:
    counts = mine.loc[(mine["scope"] == POOLED) & mine["estimate"].notna(), "n_sites"]
    low, high = int(counts.min()), int(counts.max())
    return f"{scale}; {words.many(high, 'site') if low == high else f'{low} to {high} sites'}"


def _changing(pooled: pd.DataFrame) -> str:
    known = pooled[pooled["estimate"].notna()]
    changing = (known.groupby("item")["n_sites"].nunique() > 1).any()
    return "Where the number of sites changes from month to month, so does who is in the line." if changing else ""


def _top(mine: pd.DataFrame) -> float:
    pooled = mine["scope"] == POOLED
    most = float(mine.loc[pooled, ["estimate", "upper"]].max().max())
    sites = mine.loc[~pooled, "estimate"].dropna()
    inside = sites[sites <= TOO_HIGH * most]
    return 1.06 * (max([most, *inside]) or 1.0)


def _gaps(rows: pd.DataFrame, months: list[str]) -> bool:
    known = rows[rows["estimate"].notna()]
    return bool((known.groupby(["item", "scope"])["level"].nunique() < len(months)).any())


def _lines(axes: Axes, mine: pd.DataFrame, months: list[str]) -> None:
    axes.grid(axis="y")
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    at = range(len(months))
    thin = (SITE_LINE, 0.7) if mine["scope"].nunique() <= FEW else (MANY_LINES, 0.5)
    for scope, part in mine.groupby("scope", sort=True):
        wide = part.set_index("level")[["estimate", "lower", "upper"]].reindex(months)
        values = wide["estimate"].to_numpy(float)
        pooled = scope == POOLED
        colour, width = (style.POOLED, 1.9) if pooled else thin
        if pooled:
            axes.fill_between(at, wide["lower"], wide["upper"], color=colour, alpha=0.22, linewidth=0, zorder=3)
        axes.plot(at, values, color=colour, linewidth=width, zorder=4 if pooled else 2, solid_joinstyle="round")
        alone = [i for i in at if not math.isnan(values[i])
                 and all(math.isnan(values[j]) for j in (i - 1, i + 1) if 0 <= j < len(months))]  # fmt: skip
        if alone:  # a month between two gaps has no line through it
            axes.plot(alone, values[alone], linestyle="", marker="o", markersize=3.6 if pooled else 2, color=colour)


def _month_axis(axes: Axes, months: list[str], width: float) -> None:
    """Write years under Januaries, or months where there are few."""
    januaries = [at for at, month in enumerate(months) if month.endswith("-01")]
    if len(januaries) >= 2:
        every = max(1, math.ceil(0.42 * len(januaries) / width))
        ticks = {at: months[at][:4] for at in januaries[::every]}
    else:
        every = max(1, math.ceil(len(months) * 0.62 / width))
        ticks = {at: f"{words.month(months[at])[:3]} {months[at][2:4]}" for at in range(0, len(months), every)}
    axes.set_xticks(list(ticks), list(ticks.values()))


def _mark(page: Page, axes: Axes, at: int, count: int, label: str, left: float, top: float, width: float) -> None:
    axes.axvline(at, color=style.QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    half = style.width_of(label, style.SMALL) / 2
    x = left + width * (at + 0.6) / count
    page.text(min(max(x, left + half), left + width - half), top - 0.1, label, ha="center", size=style.SMALL,
              color=style.QUIET)  # fmt: skip


def _alt(request: Request, rows: pd.DataFrame, items: list[str]) -> str:
    pooled = rows[(rows["scope"] == POOLED) & rows["estimate"].notna()]
    inside, without = request.who(pooled)
    span = f"{words.month(pooled['level'].min())} to {words.month(pooled['level'].max())}"
    what = f"{request.figure.caption.rstrip('.')}: monthly lines of {words.many(len(items), 'item')}, {span} ({inside})"
    said = []
    for item in items:
        mine = pooled[pooled["item"] == item]
        low, high = mine.loc[mine["estimate"].idxmin()], mine.loc[mine["estimate"].idxmax()]
        said.append(f"{request.item(item)}: lowest {number(low)} in {words.month(low['level'])}, "
                    f"highest {number(high)} in {words.month(high['level'])}")  # fmt: skip
    unit = f"numbers are {pooled['scale'].iloc[0]}, with 95 % intervals"
    for count in (len(said), 3, 2, 1):
        text = words.description([what, "; ".join(said[:count]), without, unit])
        if said[0] in text:
            return text
    return text


def number(row: pd.Series) -> str:
    """Write a rate with its interval, without its unit."""
    return words.number(row["estimate"], row["scale"]) + words.limits(row.to_dict())
