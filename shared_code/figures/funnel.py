"""Funnel: the share at every site against its size, with limits within which chance alone would keep it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, Request
from shared_code.methods import funnel_limits

HEIGHT = 2.9  # inches
LEVELS = ((0.95, "--", "95 %"), (0.998, "-", "99.8 %"))


def draw(request: Request) -> Drawn:
    """Draw one dot per site and control limits (95 % and 99.8 %) around the value of all sites together.

    settings  item, measure (the first there is of it). Many sites outside say that sites differ in more than chance.
    """
    item = request.setting("item")
    rows = request.rows(item=item)
    measure = request.setting("measure") or (rows["measure"].iloc[0] if len(rows) else "")
    rows = rows[(rows["measure"] == measure) & (rows["group"] == "everyone")]
    rows = rows.assign(item_title=request.item(item), site_title=[request.site(scope) for scope in rows["scope"]])
    whole = rows[(rows["scope"] == POOLED) & rows["estimate"].notna()]
    sites = rows[(rows["scope"] != POOLED) & rows["estimate"].notna()].reset_index(drop=True)
    if whole.empty or sites.empty:
        raise request.why_empty("Too few sites have released it.")
    average = float(whole["estimate"].iloc[0]) / 100
    limits = funnel_limits(sites["people"].to_numpy(float), average, confidence=0.998)
    outside = (sites["estimate"] / 100 < np.asarray(limits.lower)) | (sites["estimate"] / 100 > np.asarray(limits.upper))
    sites = sites.assign(shown=np.where(outside, "outside the 99.8 % limits", "inside"))
    numbers = pd.concat([whole.assign(shown="line"), sites], ignore_index=True)
    return Drawn(_picture(request, whole.iloc[0], sites), numbers, _alt(request, whole.iloc[0], sites),
                 _subtitle(request, whole), _notes(request, sites))  # fmt: skip


def _picture(request: Request, whole: pd.Series, sites: pd.DataFrame):
    keys = [Key("interval", "one site, with 95 % interval"), Key("line", "all sites together", style.INK),
            Key("dashes", "95 %", style.LIGHT), Key("line", "99.8 % limits", style.LIGHT)]  # fmt: skip
    page = Page(request.figure.caption, _subtitle(request, whole.to_frame().T), HEIGHT + 0.5, _notes(request, sites), keys)
    left = style.MARGIN + 0.5
    axes = page.axes(left, 0.05, style.WIDTH - left - style.MARGIN, HEIGHT)
    low, high = float(sites["people"].min()), float(sites["people"].max())
    first, last = 0.6 * low, 1.25 * high
    size = np.linspace(first, last, 120)
    average = float(whole["estimate"]) / 100
    axes.axhline(100 * average, color=style.INK, linewidth=0.9)
    spans = [sites["estimate"], sites["lower"], sites["upper"]]
    for confidence, dash, _ in LEVELS:
        limits = funnel_limits(size, average, confidence=confidence)
        for side in (limits.lower, limits.upper):
            axes.plot(size, 100 * np.asarray(side), color=style.LIGHT, linewidth=0.9, linestyle=dash)
            spans.append(pd.Series(100 * np.asarray(side)))
    values = pd.concat(spans).dropna()
    room = 0.08 * (float(values.max() - values.min()) or 1)
    axes.set(xlim=(first, last), ylim=(max(0, values.min() - room), min(100 + room / 4, values.max() + room)))
    axes.grid(axis="y")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    page.text(style.MARGIN, 0.0, "%", size=style.SMALL, color=style.QUIET)
    axes.set_xlabel("rows at the site")
    for row in sites.itertuples():
        out = row.shown.startswith("outside")
        colour = style.VERMILION if out else style.POOLED
        axes.plot([row.people] * 2, [row.lower, row.upper], color=colour, linewidth=1.4)
        axes.plot([row.people], [row.estimate], marker="s" if out else "o", color=colour, markersize=5)
    _name(axes, sites, (last - first) * 0.12, values.max() - values.min())
    return page.figure


def _name(axes: Axes, sites: pd.DataFrame, near: float, height: float) -> None:
    """Name the sites beside their dots, dots that lie together in one line."""
    waiting = sites.sort_values("estimate").to_dict("records")
    while waiting:
        one = waiting[0]
        close = [row for row in waiting if abs(row["people"] - one["people"]) <= near
                 and abs(row["estimate"] - one["estimate"]) <= 0.06 * height]  # fmt: skip
        waiting = [row for row in waiting if row not in close]
        names = words.listed(sorted(row["site_title"] for row in close), 5)
        middle = float(np.mean([row["estimate"] for row in close]))
        left = max(row["people"] for row in close) < np.mean(axes.get_xlim())
        axes.annotate(names, (one["people"], middle), xytext=(8 if left else -8, 0), textcoords="offset points",
                      ha="left" if left else "right", va="center", size=style.SMALL, color=style.QUIET)  # fmt: skip


def _subtitle(request: Request, whole: pd.DataFrame) -> str:
    inside, _ = request.who(whole)
    return words.sentence(f"{inside} together: {words.interval(whole.iloc[0].to_dict())}")


def _notes(request: Request, sites: pd.DataFrame) -> list[str]:
    out = sites.loc[sites["shown"].str.startswith("outside"), "site_title"]
    said = f"Outside the 99.8 % limits: {words.listed(list(out))}." if len(out) else "No site lies outside the 99.8 % limits."
    _, without = request.who(sites)
    return [" ".join(n for n in (said, without) if n)]


def _alt(request: Request, whole: pd.Series, sites: pd.DataFrame) -> str:
    _, without = request.who(sites)
    said = [f"{row.site_title} {words.interval(row._asdict())}" for row in sites.sort_values("estimate").itertuples()]
    what = f"{request.figure.caption.rstrip('.')}: all sites together {words.interval(whole.to_dict())}"
    return words.description([what, *_notes(request, sites)[:1], "; ".join(said), without])
