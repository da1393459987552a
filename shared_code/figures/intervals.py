"""Intervals: one row per item or level with its estimate and limits, and ratios along numbered months."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, Request, numbers_of

ROW = 0.24  # inches
TICKS = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 3, 5, 10, 20]
SIGNS = [(style.BLUE, "o", True), (style.VERMILION, "D", False), (style.GREEN, "s", True)]


def draw(request: Request) -> Drawn:
    """Draw pooled estimates with their limits below each other.

    settings  measure (one or several; of a measure without items its words are shown: measure -> words), rows (item or
              level), group (dimension whose levels are the rows, or the series where rows are items; `by` where it is no
              dimension of a table), levels (of the group, where not all are shown), published (words -> a
              published value, without limits), line (where nothing changes)
    """
    measures = request.setting("measure")
    named: dict[str, str] = measures if isinstance(measures, dict) else {}
    rows = request.rows(scope=POOLED, measure=list(measures) if not isinstance(measures, str) else measures)
    if request.setting("items"):
        rows = rows[rows["item"].isin(request.setting("items")) | (rows["item"] == "")]
    group, by = request.setting("group") or request.setting("by"), request.setting("rows", "item")
    if group:
        rows = rows[rows["group"] == group]
    if request.setting("levels"):
        rows = rows[rows["level"].isin(request.setting("levels"))]
    rows = rows[rows["estimate"].notna()].reset_index(drop=True)
    if rows.empty:
        raise request.why_empty("The results hold none of these estimates.")
    series = [*dict.fromkeys(rows["level"])] if group and by == "item" else [""]
    series = series if len(series) > 1 else [""]
    labels = [_label(request, row, by, named) for row in rows.to_dict("records")]
    rows = rows.assign(label=labels, series=rows["level"] if len(series) > 1 else "")
    names = [*dict.fromkeys(labels)]
    published: dict[str, float] = request.setting("published", {})
    inside, without = request.who(rows)
    notes = [without, request.setting("note", "")]
    shown = request.levels(group) if group else {}
    keys = [Key("interval", shown.get(s, s) or "pooled estimate with 95 % interval", c, m, f)
            for s, (c, m, f) in zip(series, SIGNS, strict=False)]  # fmt: skip
    keys += [Key("point", "published, without controls", style.LIGHT, "x")] if published else []
    scale = str(rows["scale"].iloc[0])
    page = _page(request, rows, [*names, *published], published, series, words.sentence(inside), notes, keys, scale)
    said = [words.lower_first(f"{r['label']} {words.interval(r)}") for r in rows.to_dict("records")]
    alt = words.description([f"{request.figure.caption.rstrip('.')}: {words.many(len(names), 'row')}", words.listed(said, 6)])
    return Drawn(page.figure, numbers_of([rows]), alt, words.sentence(inside), [n for n in notes if n])


def _label(request: Request, row: dict[str, Any], by: str, named: dict[str, str]) -> str:
    if by == "level":
        return str(row["level"])
    return request.item(row["item"]) if row["item"] else named.get(row["measure"], row["measure"])


def _page(request: Request, rows: pd.DataFrame, names: list[str], published: dict[str, float], series: list[str],
          subtitle: str, notes: list[str], keys: list[Key], scale: str) -> Page:  # fmt: skip
    single = len(series) == 1
    wide = min(max(style.width_of(n) for n in names), 2.9)
    texts = {r["label"]: words.number(r["estimate"], scale) + words.limits(r) for r in rows.to_dict("records")} if single else {}
    texts |= {n: words.number(v, scale) for n, v in published.items()}
    right = max((style.width_of(t, style.SMALL) for t in texts.values()), default=0) + 0.1
    height = ROW * len(names) + 0.1
    page = Page(request.figure.caption, subtitle, height + 0.5, notes, keys)
    left = style.MARGIN + wide + 0.12
    axes = page.axes(left, 0.0, style.WIDTH - left - style.MARGIN - right, height)
    axes.set(ylim=(len(names) - 0.5 + 0.2, -0.6), yticks=[])
    limits = rows[["estimate", "lower", "upper"]].to_numpy(float).ravel()
    _scale(axes, [*limits[~pd.isna(limits)], *published.values()], scale, request.setting("line"))
    for number, name in enumerate(names):
        if number % 2 == 0:
            page.block(height * (number + 0.1) / (len(names) + 0.3), height / (len(names) + 0.3))
        at = height * (number + 0.6) / (len(names) + 0.3)
        page.text(style.MARGIN, at, style.cut(name, wide))
        if name in texts:
            page.text(style.WIDTH - style.MARGIN, at, texts[name], ha="right", size=style.SMALL)
        if name in published:
            axes.plot([published[name]], [number], "x", color=style.LIGHT, markersize=6)
        for row in rows[rows["label"] == name].to_dict("records"):
            colour, marker, filled = SIGNS[series.index(row["series"])]
            y = number + (0 if single else 0.16 * (2 * series.index(row["series"]) - 1))
            if not math.isnan(row["lower"]):
                axes.plot([row["lower"], row["upper"]], [y, y], color=colour, linewidth=1.3)
            axes.plot([row["estimate"]], [y], marker, color=colour, markerfacecolor=colour if filled else "white", markersize=5)
    return page


def _scale(axes: Any, values: list[float], scale: str, line: float | None) -> None:
    low, high = min(values), max(values)
    line = line if line is not None else (1.0 if scale == "ratio" else 0.0)
    low, high = min(low, line), max(high, line)
    if scale == "ratio" and low > 0:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.1, high * 1.1)
        within = [t for t in TICKS if low / 1.1 <= t <= high * 1.1]
        axes.xaxis.set_major_locator(FixedLocator(_apart(within, math.log(high / low * 1.21))))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        room = 0.05 * ((high - low) or 1.0)
        axes.set_xlim(low - room, high + room)
        axes.locator_params(axis="x", nbins=6)
    axes.axvline(line, color=style.QUIET, linewidth=0.9)
    axes.grid(axis="x")
    axes.set_xlabel(scale, labelpad=3)


def _apart(ticks: list[float], span: float) -> list[float]:
    kept: list[float] = []
    for tick in sorted(ticks, key=lambda t: (t not in (1, 0.5, 2, 0.2, 5, 0.1, 10), abs(math.log(t)))):
        if all(abs(math.log(tick / other)) > span / 8 for other in kept):
            kept.append(tick)
    return sorted(kept)


def event_study(request: Request) -> Drawn:
    """Draw pooled ratios along numbered months before and after a start, against one of them.

    settings  along (dimension of months), against (the month that is 1)
    """
    along = request.setting("along")
    months = [*request.levels(along)]
    rows = request.rows(scope=POOLED, item=months)
    rows = rows[(rows["measure"] == "pooled estimate") & rows["estimate"].notna()]
    if rows.empty:
        raise request.why_empty("No month has an estimate.")
    rows = rows.assign(month=rows["item"].astype(int)).sort_values("month")
    inside, without = request.who(rows)
    against = int(request.setting("against"))
    lacking = [m for m in months if int(m) not in set(rows["month"])]
    notes = [without, f"No pooled estimate in month {words.listed(lacking, 20)}: withheld at too many sites." if lacking else "",
             "Months count from the start; the month that everything is compared with is hollow."]  # fmt: skip
    keys = [Key("interval", "in the service over controls, 95 % interval"), Key("dashes", "start", style.QUIET)]
    page = Page(request.figure.caption, words.sentence(inside), 2.75, notes, keys)
    axes = page.axes(style.MARGIN + 0.45, 0.0, style.WIDTH - 2 * style.MARGIN - 0.5, 2.3)
    for row in rows.to_dict("records"):
        colour = style.BLUE if row["month"] < 0 else style.VERMILION
        axes.plot([row["month"]] * 2, [row["lower"], row["upper"]], color=colour, linewidth=1.4)
        axes.plot([row["month"]], [row["estimate"]], "o" if row["month"] < 0 else "s", color=colour, markersize=5)
    axes.plot([against], [1], "o", color=style.BLUE, markerfacecolor="white", markersize=5)
    axes.axhline(1, color=style.QUIET, linewidth=0.9)
    axes.axvline(-0.5, color=style.QUIET, linewidth=0.9, linestyle="--")
    axes.set_yscale("log")
    low, high = min(rows["lower"].min(), 0.9), max(rows["upper"].max(), 1.1)
    low, high = max(low, 0.1), min(high, 8.0)
    axes.set_ylim(low / 1.05, high * 1.05)
    axes.yaxis.set_major_locator(FixedLocator(_apart([t for t in TICKS if low <= t <= high], math.log(high / low))))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(sorted({int(m) for m in months} | {against}))
    axes.set_xlabel("months from the start", labelpad=3)
    axes.grid(axis="y")
    said = [f"month {r['month']} {words.interval(r)}" for r in rows.to_dict("records")]
    alt = words.description([f"{request.figure.caption.rstrip('.')}: ratio by month", words.listed(said, 20)])
    return Drawn(page.figure, numbers_of([rows.drop(columns="month")]), alt, words.sentence(inside), [n for n in notes if n])
