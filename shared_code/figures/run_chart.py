"""Run charts: a share in stretches of time one after the other, with the limits of chance around its centre."""

from __future__ import annotations

import numpy as np
import pandas as pd

from shared_code import methods
from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, Request, numbers_of

MEASURE = "share"


def draw(request: Request) -> Drawn:
    """Draw the pooled share of every stretch, the centre, and limits that a steady share would hardly ever leave.

    settings  along (dimension of stretches, in order), item. A stretch without an estimate is a gap.
    """
    along, item = request.setting("along"), request.setting("item")
    levels = request.levels(along)
    rows = request.rows(scope=POOLED, measure=MEASURE, item=item, group=along)
    if rows["estimate"].notna().sum() == 0:
        raise request.why_empty("No stretch of time has an estimate.")
    rows = rows.set_index("level").reindex(list(levels)).rename_axis("level").reset_index()
    people, share = rows["people"].to_numpy(float), rows["estimate"].to_numpy(float) / 100
    chart = methods.p_chart(share * people, people)
    rows = rows.assign(centre=100 * chart.centre, limit_lower=100 * chart.lower, limit_upper=100 * chart.upper,
                       beyond_limits=chart.beyond, in_a_long_run=chart.shifted, level_title=list(levels.values()))  # fmt: skip
    known = rows[rows["estimate"].notna()]
    inside, without = request.who(known)
    signals = known[known["beyond_limits"] | known["in_a_long_run"]]
    said = _said(known, signals)
    notes = [said, without, request.fewer(known), "A gap is a stretch of time without a value." if len(known) < len(rows) else ""]
    keys = [Key("point", "share of people"), Key("dashes", "centre and limits of chance (three sigma)", style.QUIET),
            *([Key("point", "more than chance", style.VERMILION, "D")] if len(signals) else [])]  # fmt: skip
    page = _page(request, rows, chart, words.sentence(inside), [note for note in notes if note], keys)
    ends = [known.iloc[0], known.iloc[-1]]
    told = [f"{row['level_title']} {words.interval(row.to_dict())}" for row in ends]
    centre = words.number(100 * chart.centre, "%")
    what = f"{request.figure.caption.rstrip('.')}: {words.many(len(known), 'point')}, centre {centre} %"
    alt = words.description([what, f"first {told[0]}, last {told[1]}", said, without])
    drawn = numbers_of([rows.drop(columns="level_title")])
    return Drawn(page.figure, drawn, alt, words.sentence(inside), [note for note in notes if note])


def _said(known: pd.DataFrame, signals: pd.DataFrame) -> str:
    if signals.empty:
        return "No point lies outside the limits and no eight in a row on one side of the centre: nothing but chance is seen."
    beyond = list(known.loc[known["beyond_limits"], "level_title"])
    told = [f"Outside the limits: {words.listed(beyond)}." if beyond else "",
            "Eight or more in a row lie on one side of the centre." if known["in_a_long_run"].any() else ""]  # fmt: skip
    return " ".join(part for part in told if part)


def _page(request: Request, rows: pd.DataFrame, chart: methods.RunChart, subtitle: str, notes: list[str], keys: list[Key]
          ) -> Page:  # fmt: skip
    page = Page(request.figure.caption, subtitle, 2.55, notes, keys)
    axes = page.axes(style.MARGIN + 0.45, 0.0, style.WIDTH - 2 * style.MARGIN - 0.5, 2.2)
    at = np.arange(len(rows))
    share = rows["estimate"].to_numpy(float)
    axes.plot(at, share, color=style.POOLED, linewidth=1.4)
    for limit in (rows["limit_lower"], rows["limit_upper"]):
        axes.step(at, limit, where="mid", color=style.QUIET, linewidth=0.9, linestyle="--")
    axes.axhline(100 * chart.centre, color=style.QUIET, linewidth=0.9, linestyle="--")
    odd = (rows["beyond_limits"] | rows["in_a_long_run"]).to_numpy(bool)
    axes.plot(at[~odd], share[~odd], "o", color=style.POOLED, markersize=5)
    axes.plot(at[odd], share[odd], "D", color=style.VERMILION, markersize=5.5)
    top = np.nanmax([share, rows["limit_upper"].to_numpy(float)])
    axes.set(ylim=(0, 1.08 * top), xlim=(-0.5, len(rows) - 0.5))
    width = (style.WIDTH - 2 * style.MARGIN - 0.5) / len(rows)
    widest = max(style.width_of(title, style.SMALL) for title in rows["level_title"])
    every = max(1, int(np.ceil((widest + 0.08) / width)))
    axes.set_xticks(at[::every], list(rows["level_title"])[::every])
    axes.set_ylabel("% of people", labelpad=3)
    axes.grid(axis="y")
    return page
