"""Lever: what every place would get as the weight of need goes from 0 to 1, on paper: no slider, every position at once."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import SITE, Drawn, Request, numbers_of

MEASURE = "allocation, weight of need "
HEAD, BELOW, GAP, EDGE = 0.42, 0.45, 0.3, 0.42  # inches
MOST_NAMED = 12  # sites; with more, panels are small and lines are not named
COLUMNS, HIGH = {False: 2, True: 4}, {False: 1.75, True: 0.8}  # whether sites are many -> panels in a row, height of one
DASHES = ["-", "--", ":", "-."]


def draw(request: Request) -> Drawn:
    """Draw one panel a site: a line a place, pounds against the weight of need, with the proposed and the announced weight."""
    lines = request.results[request.results["measure"].str.startswith(MEASURE) & request.results["estimate"].notna()]
    if lines.empty:
        reasons = [r for r in request.results.loc[request.results["measure"] == "allocation, proposed", "reason"] if r]
        raise request.why_empty(f"No allocation is given: {reasons[0]}." if reasons else "The results hold no allocation.")
    lines = lines.assign(weight=[float(re.sub(f"^{MEASURE}", "", m)) for m in lines["measure"]])
    proposed = request.rows(measure="allocation, proposed")
    announced = request.rows(measure="announced")
    implied = request.rows("pooled", measure="implied weight of need")
    picture, subtitle, notes = _picture(request, lines, proposed, announced, implied)
    return Drawn(picture, numbers_of([lines, proposed, announced, implied]), _alt(request, lines, implied), subtitle, notes)


def _picture(request: Request, lines: pd.DataFrame, proposed: pd.DataFrame, announced: pd.DataFrame, implied: pd.DataFrame):
    sites = list(dict.fromkeys(lines["scope"]))
    weight = _proposed_weight(request)
    total = lines.groupby("weight")["estimate"].sum().iloc[0]
    subtitle = words.sentence(f"{total:,.0f} pounds over {words.many(len(lines['level'].unique()), 'place')} of "
                              f"{words.many(len(sites), 'site')}; 0: by heads, 1: by people in need")  # fmt: skip
    split = float(implied["estimate"].iloc[0]) if len(implied) and 0 <= implied["estimate"].iloc[0] <= 1 else np.nan
    many = len(sites) > MOST_NAMED
    columns, high = COLUMNS[many], HIGH[many]
    keys = [Key("line", "one place" + ("" if many else ", named at its right end"), style.INK),
            Key("dashes", f"proposed weight, {weight:g}", style.LIGHT)]  # fmt: skip
    if np.isfinite(split):
        keys.append(Key("dashes", f"weight nearest to the announced split, {split:.2f}", style.VERMILION))
    rows = -(-len(sites) // columns)
    step = HEAD + high + (0.25 if many else BELOW)
    page = Page(request.figure.caption, subtitle, rows * step + (0.2 if many else 0), _notes(request, announced, many), keys)
    width = (style.WIDTH - 2 * style.MARGIN - GAP * (columns - 1)) / columns
    top = 1.08 * float(lines["estimate"].max())
    for number, scope in enumerate(sites):
        left, at = style.MARGIN + number % columns * (width + GAP), number // columns * step
        mine = lines[lines["scope"] == scope]
        names = list(dict.fromkeys(mine["level"]))
        right = 0.05 if many else max(style.width_of(name, style.SMALL) for name in names) + 0.1
        given = announced.loc[announced["scope"] == scope, "estimate"]
        said = f": {given.iloc[0]:,.0f} announced" if len(given) and not many else ""
        head = request.site(scope.removeprefix(SITE)) + said
        page.text(left, at + 0.1, style.cut(head, width, weight="bold"), weight="bold")
        page.text(left, at + 0.28, "thousand pounds", size=style.SMALL, color=style.QUIET)
        axes = page.axes(left + EDGE, at + HEAD, width - EDGE - right, high)
        axes.set(xlim=(0, 1), ylim=(0, top))
        axes.grid(axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(2 if many else 5))
        axes.yaxis.set_major_locator(MaxNLocator(2 if many else 4, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:,.10g}"))
        if not many or number + columns >= len(sites):
            axes.set_xlabel("weight of need")
        axes.axvline(weight, color=style.LIGHT, linewidth=1, linestyle="--")
        if np.isfinite(split):
            axes.axvline(split, color=style.VERMILION, linewidth=1, linestyle="--")
        ends = _lines(axes, mine, names)
        if not many:
            _name(page, ends, high, top, left + width - right + 0.05, at + HEAD)
    return page.figure, subtitle, _notes(request, announced, many)


def _lines(axes: Axes, mine: pd.DataFrame, names: list[str]) -> dict[str, float]:
    """Draw a line a place; gives where each ends."""
    ends = {}
    for number, name in enumerate(names):
        line = mine[mine["level"] == name].sort_values("weight")
        axes.plot(line["weight"], line["estimate"], color=style.INK, linewidth=1.3, linestyle=DASHES[number % len(DASHES)])
        ends[name] = float(line["estimate"].iloc[-1])
    return ends


def _name(page: Page, ends: dict[str, float], high: float, top: float, right: float, above: float) -> None:
    """Name the lines at their ends; names keep apart, from the lowest line up."""
    lowest = high + 0.1
    for name in sorted(ends, key=ends.__getitem__):
        y = min(high * (1 - ends[name] / top), lowest - 0.145)
        page.text(right, above + y, name, size=style.SMALL)
        lowest = y


def _proposed_weight(request: Request) -> float:
    return float(next(s for s in request.plan.entry.pooled if s.method == "allocation").settings["weight"])


def _notes(request: Request, announced: pd.DataFrame, many: bool) -> list[str]:
    together = announced["estimate"].sum()
    unnamed = ["Places are not named here, because sites are many; the table of the figure names all."] if many else []
    if not len(announced):
        return unnamed
    return [*unnamed, f"Announced for the sites together: {together:,.0f} pounds. A line that rises has a larger share of people "
            "in need than of people."]  # fmt: skip


def _alt(request: Request, lines: pd.DataFrame, implied: pd.DataFrame) -> str:
    ends = lines.pivot_table(index=["scope", "level"], columns="weight", values="estimate")
    change = (ends.iloc[:, -1] - ends.iloc[:, 0]).sort_values()
    said = [f"{place[1]} goes from {ends.loc[place].iloc[0]:,.0f} to {ends.loc[place].iloc[-1]:,.0f} pounds"
            for place in (change.index[-1], change.index[0])]  # fmt: skip
    weight = [f"The announced split is nearest to a weight of {row.estimate:.2f}" for row in implied.itertuples()]
    what = f"{request.figure.caption.rstrip('.')}: one line a place from weight 0 to 1, one panel a site"
    return words.description([what, f"largest gain: {said[0]}; largest loss: {said[1]}", *weight])
