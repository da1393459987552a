"""Funnel: the share at every site against its size, with limits within which chance alone would keep it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, Request
from shared_code.methods import funnel_limits

HEIGHT = 2.9  # inches
MOST_NAMED = 12  # sites; of more only those outside the limits are named
INSIDE = "inside"
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
    sites = sites.assign(shown=np.where(outside, "outside the 99.8 % limits", INSIDE))
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
    _name(axes, sites)
    return page.figure


def _name(axes: Axes, sites: pd.DataFrame) -> None:
    """Name sites beside their dots where there is room for it; of many sites only those outside the limits."""
    named = sites if len(sites) <= MOST_NAMED else sites[sites["shown"] != INSIDE]
    box, picture = axes.get_position(), axes.figure.get_size_inches()
    wide, high = box.width * picture[0], box.height * picture[1]
    (left, right), (low, top) = axes.get_xlim(), axes.get_ylim()

    def inches(row: dict, what: str) -> tuple[float, float]:
        return (row["people"] - left) / (right - left) * wide, (row[what] - low) / (top - low) * high

    taken = []  # boxes in inches from the lower left corner of the axes: intervals, then names
    for row in sites.to_dict("records"):
        (x, y0), (_, y1) = inches(row, "lower"), inches(row, "upper")
        taken.append((x - 0.03, min(y0, y1), x + 0.03, max(y0, y1)))
    for row in named.sort_values("estimate").to_dict("records"):
        x, y = inches(row, "estimate")
        length = style.width_of(row["site_title"], style.SMALL) + 0.04
        for start in (x + 0.11, x - 0.11 - length):
            for middle in (y, y + 0.15, y - 0.15):
                place = (start, middle - 0.07, start + length, middle + 0.07)
                inside = place[0] >= 0 and place[2] <= wide and place[1] >= 0 and place[3] <= high
                if inside and not any(_cross(place, other) for other in taken):
                    break
            else:
                continue
            break
        else:
            continue  # the note and the table name it
        taken.append(place)
        text = axes.text(left + (start + 0.02) / wide * (right - left), low + middle / high * (top - low), row["site_title"],
                         va="center", size=style.SMALL, color=style.QUIET)  # fmt: skip
        text.set_path_effects([withStroke(linewidth=3, foreground="white")])  # lines pass behind names


def _cross(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _subtitle(request: Request, whole: pd.DataFrame) -> str:
    inside, _ = request.who(whole)
    return words.sentence(f"{inside} together: {words.interval(whole.iloc[0].to_dict())}")


def _notes(request: Request, sites: pd.DataFrame) -> list[str]:
    out = sites.loc[sites["shown"].str.startswith("outside"), "site_title"]
    said = f"Outside the 99.8 % limits: {words.listed(list(out))}." if len(out) else "No site lies outside the 99.8 % limits."
    _, without = request.who(sites)
    few = "" if len(sites) <= MOST_NAMED else "Sites inside them are not named here; the table of the figure names all."
    return [" ".join(n for n in (said, few, without) if n)]


def _alt(request: Request, whole: pd.Series, sites: pd.DataFrame) -> str:
    _, without = request.who(sites)
    said = [f"{row.site_title} {words.interval(row._asdict())}" for row in sites.sort_values("estimate").itertuples()]
    what = f"{request.figure.caption.rstrip('.')}: all sites together {words.interval(whole.to_dict())}"
    return words.description([what, *_notes(request, sites)[:1], "; ".join(said), without])
