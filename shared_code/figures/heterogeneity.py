"""Heterogeneity: how much sites differ in each measure, as the spread of their own effects with its interval."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from shared_code.figures import style, words
from shared_code.figures.forest import RANDOM
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, Request

ROW = 0.24  # inches


def draw(request: Request) -> Drawn:
    """Draw tau, the standard deviation between sites, with its interval for every item; I2 and the sites stand beside it."""
    rows = request.rows(measure=RANDOM)
    rows = rows[(rows["scope"] == POOLED) & rows["tau2"].notna()]
    if rows.empty:
        raise request.why_empty("No estimate has three sites or more, so nothing can be said of how much they differ.")
    rows = rows.assign(item_title=[request.item(code) for code in rows["item"]])
    for name in ("tau2", "tau2_lo", "tau2_hi"):
        rows[name.replace("tau2", "tau")] = np.sqrt(rows[name])
    rows = rows.sort_values(["tau", "item_title"], ascending=[False, True]).reset_index(drop=True)
    titles = [_title(request, row) for row in rows.to_dict("records")]
    texts = [_text(row) for row in rows.to_dict("records")]
    wide = min(max(style.width_of(t) for t in titles), 2.0)
    text_wide = max(style.width_of(t) for t in [*texts, "tau (95 %), I2, sites"])
    height = len(rows) * ROW + 0.1
    inside, without = request.who(rows)
    subtitle = words.sentence(f"standard deviation between sites (tau), on the scale of the analysis; {inside}")
    notes = ["tau is what is left after the chance error of each site. I2 is the share of the scatter that is not chance: it "
             "grows with the size of the sites, and says nothing of how large the differences are.", without]  # fmt: skip
    page = Page(request.figure.caption, subtitle, 0.28 + height + 0.48, notes, [Key("interval", "tau, with 95 % interval")])
    left = style.MARGIN + wide + 0.12
    width = style.WIDTH - left - text_wide - 0.2 - style.MARGIN
    axes = page.axes(left, 0.28, width, height)
    top = float(np.nanmax([*rows["tau_hi"].clip(upper=6 * max(rows["tau"].max(), 0.05)), 0.05]))
    axes.set(ylim=(len(rows) - 0.5 + 0.1 / ROW, -0.5), yticks=[], xlim=(0, 1.04 * top))
    axes.locator_params(axis="x", nbins=5)
    axes.grid(axis="x")
    axes.set_xlabel("tau", labelpad=3)
    page.text(style.WIDTH - style.MARGIN, 0.13, "tau (95 %), I2, sites", ha="right", size=style.SMALL, color=style.QUIET)
    for n, row in enumerate(rows.to_dict("records")):
        y = 0.28 + (n + 0.5) * ROW
        page.text(style.MARGIN, y, style.cut(titles[n], wide))
        page.text(style.WIDTH - style.MARGIN, y, texts[n], ha="right")
        axes.plot([row["tau_lo"], min(row["tau_hi"], 1.04 * top)], [n, n], color=style.POOLED, linewidth=1.4)
        axes.plot([row["tau"]], [n], "o", color=style.POOLED, markersize=5, clip_on=False)
    first, last = rows.iloc[0], rows.iloc[-1]
    alt = [f"{request.figure.caption.rstrip('.')}: spread between sites of {words.many(len(rows), 'measure')}",
           f"largest {titles[0]}: tau {_text(first.to_dict())}",
           f"smallest {titles[-1]}: tau {_text(last.to_dict())}" if len(rows) > 1 else "", without]  # fmt: skip
    return Drawn(page.figure, rows, words.description(alt), subtitle, notes)


def _title(request: Request, row: dict) -> str:
    parts = [row["item_title"]]
    if row["level"] not in ("all", ""):
        parts.append(request.levels(row["group"]).get(row["level"], row["level"]))
    if row["sex"] != "both":
        parts.append(request.sex(row["sex"]))
    return ", ".join(parts)


def _text(row: dict) -> str:
    i2 = "" if pd.isna(row["i2"]) else f", {row['i2']:.0f} %"
    high = f"{row['tau_hi']:.2f}" if math.isfinite(row["tau_hi"]) else "no limit"
    return f"{row['tau']:.2f} ({row['tau_lo']:.2f} to {high}){i2}, {row['n_sites']:.0f}"
