"""Ratios: how many times as common each item is in one group as in another."""

from __future__ import annotations

import math
import re

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, NothingToDraw, Request, numbers_of, withheld

ROW, LINE = 0.24, 0.155  # inches, of a row and of each further line of a long title
LABEL = 2.35  # inches, widest column of titles
GAP = 0.3  # inches between blocks, with the heading of the next
HEAD = "ratio (95 % interval)"
MUCH = "much is withheld"
TICKS = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20, 50, 100]
WIDEST = 12.0  # an interval that reaches further than this factor beyond all estimates is cut and gets an arrow


def draw(request: Request) -> Drawn:
    """Draw a forest of all items, sorted by the ratio; crude hollow, standardised solid with its interval.

    settings  group and level compared; measure (standardised ratio)
    """
    group, level = request.setting("group"), request.setting("level")
    measure = request.setting("measure", "standardised ratio")
    chosen = request.rows(POOLED, group=group, level=level, measure=measure).copy()
    if chosen["estimate"].notna().sum() == 0:
        raise _why(request, chosen, measure)
    chosen["item_title"] = [request.item(code) for code in chosen["item"]]
    chosen["shown"] = "solid"
    chosen.loc[withheld(chosen, style.PALE_ABOVE), "shown"] = "pale: much is withheld"
    chosen.loc[chosen["estimate"].isna(), "shown"] = "listed without estimate"
    chosen = chosen.sort_values(["estimate", "item_title"], ascending=[False, True], kind="stable")
    there = chosen["estimate"].notna()
    apart = chosen["item"].isin(request.unions)
    crude = _crude(request, chosen[there], group, level, measure)
    blocks = [("", chosen[there & ~apart])] if (there & ~apart).any() else []
    if (there & apart).any():
        blocks.append(("Several conditions at once" if blocks else "", chosen[there & apart]))
    picture, subtitle, notes = _picture(request, blocks, chosen[~there], crude, measure)
    return Drawn(picture, numbers_of([chosen, crude]), _alt(request, chosen, measure), subtitle, notes)


def _why(request: Request, chosen: pd.DataFrame, measure: str) -> NothingToDraw:
    reasons = sorted({reason for reason in chosen["reason"] if reason})
    if reasons:
        return NothingToDraw(f"No item has an estimate: {words.listed(reasons, 3)}.")
    return request.why_empty(f"The results hold no pooled {measure} for this comparison.")


def _crude(request: Request, chosen: pd.DataFrame, group: str, level: str, measure: str) -> pd.DataFrame:
    """Pick the crude ratios that go with standardised ones."""
    other = measure.replace("standardised", "crude")
    rows = request.rows(POOLED, group=group, level=level, measure=other)
    rows = rows[rows["item"].isin(chosen["item"]) & rows["estimate"].notna()].copy()
    if other == measure or rows.empty:
        return rows.iloc[:0].assign(item_title="", shown="")
    return rows.assign(item_title=[request.item(code) for code in rows["item"]], shown="hollow, without interval")


def comparison(request: Request, comparator: str) -> tuple[str, str]:
    """Name the two groups; "1 (most deprived)" is the most deprived."""
    titles = request.levels(request.setting("group"))
    label = request.label(request.setting("group")).lower()
    pair = []
    for code in (request.setting("level"), comparator):
        name = titles.get(code, code)
        inside = re.search(r"\(([^)]+)\)", name)
        pair.append(inside[1] if inside else f"{label} {name}" if name[:1].isdigit() else name)
    return pair[0], pair[1]


def _picture(request: Request, blocks: list, empty: pd.DataFrame, crude: pd.DataFrame, measure: str):
    shown = pd.concat([rows for _, rows in blocks])
    pale = withheld(shown, style.PALE_ABOVE)
    numbers_wide = max(style.width_of(_numbers(row), style.SMALL) for _, row in shown.iterrows())
    right = numbers_wide + (style.width_of(MUCH, style.SMALL) + 0.15 if pale.any() else 0)
    titles = [*shown["item_title"], *empty["item_title"]]
    names = max(style.width_of(title) for title in titles)
    left = min(names, LABEL) + style.MARGIN + 0.12
    width = style.WIDTH - left - right - style.MARGIN - 0.15
    top, tall = 0.2, sum(_height(title) for title in shown["item_title"]) + GAP * (len(blocks) - 1) + 0.06
    below = 0.42 + (0.3 + ROW * len(empty) if len(empty) else 0)
    first, other = comparison(request, shown["comparator"].iloc[0])
    subtitle, notes = _lines(request, shown, measure, first, other)
    kind = "standardised, with 95 % interval" if "standardised" in measure else f"{measure}, with 95 % interval"
    keys = [Key("interval", kind)]
    if len(crude):
        keys.append(Key("point", "crude", style.QUIET, filled=False))
    if pale.any():
        keys.append(Key("interval", "pale: more than half of the cases may lie in withheld numbers", style.PALE[style.POOLED]))
    page = Page(request.figure.caption, subtitle, top + tall + below, notes, keys)
    axes = page.axes(left, top, width, tall)
    low, high = _range(shown, crude)
    axes.set(xscale="log", xlim=(low, high), ylim=(tall, 0), yticks=[])
    _scale(axes, low, high, width)
    page.text(style.WIDTH - style.MARGIN - (right - numbers_wide), top - 0.1, HEAD, ha="right", size=style.SMALL,
              color=style.QUIET)  # fmt: skip
    at, stripe = 0.03, 0
    for heading, rows in blocks:
        if heading:
            page.text(style.MARGIN, top + at + GAP - 0.1, heading, weight="bold", size=style.SMALL, color=style.QUIET)
            at += GAP
        for _, row in rows.iterrows():
            deep = _height(row["item_title"])
            if stripe % 2 == 0:
                page.block(top + at, deep)
            stripe += 1
            middle = at + deep / 2
            _row(page, axes, row, middle, top, left, right - numbers_wide, crude, (low, high))
            at += deep
    axis = style.cut(f"times as common: {first} compared with {other}", style.WIDTH - 2 * style.MARGIN, style.SMALL)
    half = style.width_of(axis, style.SMALL) / 2
    centre = max(min(left + width / 2, style.WIDTH - style.MARGIN - half), style.MARGIN + half)
    page.text(centre, top + tall + 0.31, axis, ha="center", size=style.SMALL, color=style.QUIET)
    one = left + width * math.log(1 / low) / math.log(high / low)
    taken = right - numbers_wide + max(numbers_wide, style.width_of(HEAD, style.SMALL))
    free = style.WIDTH - style.MARGIN - taken - one
    if style.width_of("more common", style.SMALL) + 0.12 < free:
        page.text(one - 0.06, top - 0.1, "less common", ha="right", size=style.SMALL, color=style.QUIET)
        page.text(one + 0.06, top - 0.1, "more common", size=style.SMALL, color=style.QUIET)
    _without(page, empty, top + tall + 0.58)
    return page.figure, subtitle, notes


def _numbers(row: pd.Series) -> str:
    return words.interval(row.to_dict())


def _height(title: str) -> float:
    return ROW + LINE * (len(style.wrap(title, LABEL)) - 1)


def _row(page: Page, axes: Axes, row: pd.Series, middle: float, top: float, left: float, far: float,
         crude: pd.DataFrame, limits: tuple[float, float]) -> None:  # fmt: skip
    pale = row["shown"].startswith("pale")
    colour = style.PALE[style.POOLED] if pale else style.POOLED
    lines = style.wrap(row["item_title"], LABEL)
    for number, line in enumerate(lines):
        shift = LINE * (number - (len(lines) - 1) / 2)
        page.text(style.MARGIN, top + middle + shift, style.cut(line, LABEL))
    if not math.isnan(row["lower"]):
        ends = [max(row["lower"], limits[0]), min(row["upper"], limits[1])]
        axes.plot(ends, [middle, middle], color=colour, linewidth=1.6, zorder=2)
        for end, true, marker in ((ends[0], row["lower"], "<"), (ends[1], row["upper"], ">")):
            if end != true:
                axes.plot([end], [middle], marker=marker, color=colour, markersize=5, clip_on=False)
    for value in crude.loc[crude["item"] == row["item"], "estimate"]:
        axes.plot([value], [middle], marker="o", markersize=6.6, markerfacecolor="white", markeredgewidth=1,
                  markeredgecolor=style.LIGHT if pale else style.QUIET, zorder=3)  # fmt: skip
    axes.plot([row["estimate"]], [middle], marker="o", markersize=5, color=colour, zorder=4)
    ink = style.QUIET if pale else style.INK
    page.text(style.WIDTH - style.MARGIN - far, top + middle, _numbers(row), ha="right", size=style.SMALL, color=ink)
    if pale:
        page.text(style.WIDTH - style.MARGIN, top + middle, MUCH, ha="right", size=style.SMALL, color=style.QUIET,
                  style="italic")  # fmt: skip


def _range(shown: pd.DataFrame, crude: pd.DataFrame) -> tuple[float, float]:
    points = [*shown["estimate"], *crude["estimate"], 1.0]
    points = [p for p in points if p > 0 and math.isfinite(p)]
    low, high = min(points), max(points)
    lower = [v for v in shown["lower"] if v > 0 and math.isfinite(v)]
    upper = [v for v in shown["upper"] if math.isfinite(v)]
    low = max(min([low, *lower]), low / WIDEST)
    high = min(max([high, *upper]), high * WIDEST)
    return min(low / 1.08, 0.8), max(high * 1.08, 1.25)


def _scale(axes: Axes, low: float, high: float, width: float) -> None:
    """Choose ticks that do not touch, and mark 1."""
    inches = width / math.log(high / low)
    kept: list[float] = []
    for tick in sorted((t for t in TICKS if low <= t <= high), key=lambda t: (t != 1, t not in (0.5, 2), t)):
        if all(abs(math.log(tick / k)) * inches > 0.27 for k in kept):
            kept.append(tick)
    kept.sort()
    axes.xaxis.set_major_locator(FixedLocator(kept))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(kept, [f"{tick:g}" for tick in kept])
    axes.grid(axis="x")
    axes.axvline(1, color=style.QUIET, linewidth=1, zorder=1)


def _without(page: Page, empty: pd.DataFrame, at: float) -> None:
    if empty.empty:
        return
    page.text(style.MARGIN, at, "No estimate", weight="bold", size=style.SMALL, color=style.QUIET)
    for number, (_, row) in enumerate(empty.iterrows(), 1):
        line = f"{row['item_title']}: {row['reason'] or 'no reason is recorded'}"
        line = style.cut(line, style.WIDTH - 2 * style.MARGIN, style.SMALL)
        page.text(style.MARGIN, at + ROW * number - 0.04, line, size=style.SMALL, color=style.QUIET)


def _standardised_for(request: Request) -> str:
    """Say for what the values are standardised, without the group that is compared."""
    for step in request.plan.entry.pooled:
        names = [n for n in step.settings.get("standardise", []) if n != request.setting("group")]
        if names:
            return " and ".join(request.label(name).lower() for name in sorted(names))
    return ""


def _lines(request: Request, shown: pd.DataFrame, measure: str, first: str, other: str) -> tuple[str, list[str]]:
    inside, without = request.who(shown)
    people = shown["people"].dropna()
    parts = [f"{inside} together"]
    if len(people):
        parts.append(f"{words.many(people.max(), 'person', 'people')} ({first})")
    factors = _standardised_for(request) if "standardised" in measure else ""
    if factors:
        parts.append(f"standardised for {factors}")
    notes = ["2 means twice as common, 0.5 half as common.", without, request.fewer(shown)]
    return words.sentence("; ".join(parts)), [" ".join(n for n in notes if n)]


def _alt(request: Request, chosen: pd.DataFrame, measure: str) -> str:
    shown = chosen[chosen["estimate"].notna()]
    first, other = comparison(request, shown["comparator"].iloc[0])
    solid = shown[~withheld(shown, style.PALE_ABOVE)]
    extremes = solid if len(solid) else shown
    top, last = extremes.iloc[0], extremes.iloc[-1]
    inside, without = request.who(shown)
    what = f"How many times as common {words.many(len(shown), 'item')} {'is' if len(shown) == 1 else 'are'}, {first} "
    what += f"compared with {other} ({measure}, {inside})"
    ends = f"largest: {words.lower_first(top['item_title'])}, {_numbers(top)}"
    if len(extremes) > 1:
        ends += f"; smallest: {words.lower_first(last['item_title'])}, {_numbers(last)}"
    if 0 < len(solid) < len(shown):
        ends += f", leaving out {len(shown) - len(solid)} of which much is withheld"
    empty = chosen[chosen["estimate"].isna()]
    none = f"without an estimate: {words.listed([words.lower_first(t) for t in empty['item_title']], 4)}"
    return words.description([what, ends, without, none if len(empty) else ""])
