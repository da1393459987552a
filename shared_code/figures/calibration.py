"""Calibration: what happened against what was predicted, band by band of predicted risk, over how many people are in each."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, Request, numbers_of
from shared_code.pooling.risk_bands import IN_BAND, OBSERVED, PREDICTED

HEIGHT, LOW, GAP, EDGE = 3.1, 0.75, 0.5, 0.62  # inches: upper axes, histogram, between them, and left of them


def draw(request: Request) -> Drawn:
    """Draw observed against predicted risk with limits, the line on which both are equal, and the share of people in each band.

    settings  along (the dimension of the bands), sites (false: without a thin line for every site)
    """
    along = request.setting("along")
    rows = request.strata
    rows = rows[rows["stratum"].str.startswith(f"{along}=") & rows["measure"].isin([IN_BAND, OBSERVED, PREDICTED])]
    rows = rows.assign(band=rows["stratum"].str.removeprefix(f"{along}="))
    every = _points(rows[rows["scope"] == POOLED])
    if every.empty:
        raise request.why_empty("No band of predicted risk has been released by every site.")
    shown = numbers_of([rows[rows["scope"] == POOLED].drop(columns="band")])
    inside, without = request.who(rows[rows["scope"] == POOLED])
    subtitle = words.sentence(f"%, with 95 % intervals; {inside}")
    keys = [Key("interval", "all sites together"), Key("dashes", "predicted and observed are equal", style.QUIET)]
    own = {scope: _points(part) for scope, part in rows[rows["scope"] != POOLED].groupby("scope", sort=True)}
    if request.setting("sites", True) and own:
        keys.append(Key("line", "each site", style.LIGHT))
    notes = [note for note in [without] if note]
    page = Page(request.figure.caption, subtitle, HEIGHT + GAP + LOW + 0.62, notes, keys)
    wide = style.WIDTH - 2 * style.MARGIN - EDGE - 0.1
    upper, lower = (page.axes(style.MARGIN + EDGE, top, wide, high) for top, high in ((0.12, HEIGHT), (0.12 + HEIGHT + GAP, LOW)))
    if request.setting("sites", True):
        for points in own.values():
            upper.plot(points["predicted"], points["observed"], color=style.LIGHT, linewidth=0.8, zorder=2)
    _observed(upper, every, [*own.values()] if request.setting("sites", True) else [])
    _people(lower, every, upper.get_xlim())
    page.text(style.MARGIN, 0.0, "Observed", size=style.SMALL, color=style.QUIET)
    page.text(style.MARGIN, 0.12 + HEIGHT + GAP - 0.14, "% of people", size=style.SMALL, color=style.QUIET)
    middle, under = style.MARGIN + EDGE + wide / 2, 0.12 + HEIGHT + GAP + LOW + 0.38
    page.text(middle, under, request.label(along), ha="center", size=style.SMALL, color=style.QUIET)
    said = [f"{row['band']} %: {row['predicted']:.1f} predicted, {row['observed']:.1f} observed "
            f"({row['lower']:.1f} to {row['upper']:.1f}), {row['share']:.0f} % of people" for row in every.to_dict("records")]
    alt = words.description([f"{request.figure.caption.rstrip('.')} ({inside})", "; ".join(said), without])
    return Drawn(page.figure, shown, alt, subtitle, notes)


def _points(rows: pd.DataFrame) -> pd.DataFrame:
    """Put the three measures of every band side by side, lowest band first."""
    table = {name: rows[rows["measure"] == name].set_index("band") for name in (PREDICTED, OBSERVED, IN_BAND)}
    found = pd.DataFrame({"predicted": table[PREDICTED]["estimate"], "observed": table[OBSERVED]["estimate"],
                          "lower": table[OBSERVED]["lower"], "upper": table[OBSERVED]["upper"],
                          "share": table[IN_BAND]["estimate"]})  # fmt: skip
    found = found.dropna(subset=["predicted", "observed"]).sort_values("predicted")
    return found.rename_axis("band").reset_index()


def _observed(axes: Axes, every: pd.DataFrame, sites: list[pd.DataFrame]) -> None:
    most = max([every[["predicted", "upper"]].max().max(), *(part[["predicted", "observed"]].max().max() for part in sites)])
    limit = 1.06 * float(most)
    axes.plot([0, limit], [0, limit], color=style.QUIET, linestyle="--", linewidth=1, zorder=1)
    axes.vlines(every["predicted"], every["lower"], every["upper"], color=style.POOLED, linewidth=1.5, zorder=4)
    axes.plot(every["predicted"], every["observed"], marker="o", markersize=6, color=style.POOLED, linewidth=1.2, zorder=5)
    axes.set(xlim=(0, limit), ylim=(0, limit))
    axes.grid(axis="y")


def _people(axes: Axes, every: pd.DataFrame, limits: tuple[float, float]) -> None:
    """Draw the share of people in each band over the width of the band; an open one ends where its mean would be the middle."""
    for row in every.to_dict("records"):
        low, high = _ends(row)
        colours: dict[str, Any] = {"color": style.PALE[style.POOLED], "edgecolor": "white", "linewidth": 1}
        axes.bar(low, row["share"], width=high - low, align="edge", **colours)
        words_at: dict[str, Any] = {"ha": "center", "va": "bottom", "size": style.SMALL, "color": style.QUIET}
        axes.text((low + min(high, limits[1])) / 2, row["share"], f"{row['share']:.0f}", **words_at)
    axes.set(xlim=limits, ylim=(0, 1.3 * float(every["share"].max())), yticks=[])


def _ends(row: dict[str, Any]) -> tuple[float, float]:
    """Give the lower and upper end of a band of whole per cents: 10-14 ends where 15 begins.

    >>> _ends({"band": "10-14", "predicted": 12.0}), _ends({"band": "30+", "predicted": 38.0})
    ((10.0, 15.0), (30.0, 46.0))
    """
    found = re.fullmatch(r"(\d+)(?:-(\d+)|\+)", row["band"])
    if not found:
        raise ValueError(f"{row['band']!r} is not a band of risk")
    low = float(found[1])
    return (low, float(found[2]) + 1) if found[2] else (low, max(low + 1, 2 * row["predicted"] - low))
