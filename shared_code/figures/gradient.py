"""Gradient: an estimate by ranked level, most deprived first, with the fitted difference between the two ends."""

from __future__ import annotations

import math
import re

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, Request, numbers_of, withheld

PANEL = 2.3  # inches, height of the axes
SLOPE = "slope index"
SITE_SHARE = 0.1  # a single site is shown where no more than this share may be withheld
FEWEST_DOTS = 4  # "more than a few": fewer dots in a panel are left out
PREFERRED = ["standardised prevalence", "life expectancy"]


def draw(request: Request) -> Drawn:
    """Draw one panel per item and sex: points with intervals, the slope in words, single sites as light dots.

    settings  group (ranked dimension), items; measure (the standardised prevalence or the life expectancy)
    """
    group, items = request.setting("group"), request.setting("items")
    levels = request.ranked(group)
    measure = _measure(request, group, items)
    rows = request.rows(group=group, item=items, measure=measure, level=list(levels))
    pooled = _titled(request, rows[rows["scope"] == POOLED])
    if pooled["estimate"].notna().sum() == 0:
        reasons = sorted({r for r in pooled["reason"] if r})
        raise request.why_empty(f"No level has a pooled estimate{': ' + words.listed(reasons, 3) if reasons else ''}.")
    slopes = _titled(request, request.rows(POOLED, group=group, item=items, measure=SLOPE))
    panels = [(item, sex) for item in items for sex in ("F", "M", "both")
              if ((pooled["item"] == item) & (pooled["sex"] == sex)).any()]  # fmt: skip
    dots, hidden = _dots(_titled(request, rows[rows["scope"] != POOLED]), panels)
    pooled["shown"] = [_how(row) for _, row in pooled.iterrows()]
    slopes, dots = slopes.assign(shown="in words"), dots.assign(shown="light dot")
    missing = [item for item in items if item not in set(pooled["item"])]
    picture, subtitle, notes = _picture(request, panels, levels, pooled, slopes, dots, hidden, missing)
    alt = _alt(request, panels, levels, pooled, slopes)
    return Drawn(picture, numbers_of([pooled, slopes, dots]), alt, subtitle, notes)


def _measure(request: Request, group: str, items: list[str]) -> str:
    if request.setting("measure"):
        return request.setting("measure")
    found = list(dict.fromkeys(request.rows(POOLED, group=group, item=items)["measure"]))
    return next((m for m in [*PREFERRED, *found] if m in found and m != SLOPE), PREFERRED[0])


def _titled(request: Request, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(item_title=[request.item(code) for code in rows["item"]])


def _how(row: pd.Series) -> str:
    if math.isnan(row["estimate"]):
        return "cross: no estimate"
    return "pale: much is withheld" if (row["withheld_share"] or 0) > style.PALE_ABOVE else "solid"


def _dots(sites: pd.DataFrame, panels: list[tuple[str, str]]) -> tuple[pd.DataFrame, bool]:
    """Pick the single sites of which little is withheld, where there are more than a few; say whether any are not."""
    usable = sites[sites["estimate"].notna() & ~withheld(sites, SITE_SHARE)]
    counts = {panel: ((usable["item"] == panel[0]) & (usable["sex"] == panel[1])).sum() for panel in panels}
    enough = [counts.get((item, sex), 0) >= FEWEST_DOTS for item, sex in zip(usable["item"], usable["sex"])]
    kept = usable[pd.Series(enough, index=usable.index, dtype=bool)]
    return kept, len(kept) < sites["estimate"].notna().sum()


def ends(levels: dict[str, str]) -> tuple[str, str]:
    """Name the two ends of a ranked dimension.

    >>> ends({"1": "1 (most deprived)", "2": "2", "3": "3 (least deprived)"})
    ('most deprived', 'least deprived')
    """
    first, last = (list(levels.values())[at] for at in (0, -1))
    inside = [re.search(r"\(([^)]+)\)", label) for label in (first, last)]
    return (inside[0][1] if inside[0] else first), (inside[1][1] if inside[1] else last)


def slope_words(row: pd.Series, levels: dict[str, str]) -> str:
    """Put a slope index (last level minus first level) into words."""
    first, last = ends(levels)
    low, high = row["lower"], row["upper"]
    value = {"scale": row["scale"], "estimate": abs(row["estimate"])}
    if low > 0 or high < 0:
        value |= {"lower": min(abs(low), abs(high)), "upper": max(abs(low), abs(high))}
        which = f"higher at the {last} end" if low > 0 else f"higher at the {first} end"
    else:
        value |= {"estimate": row["estimate"], "lower": low, "upper": high}
        which = f"{last} minus {first} end"
    said = words.interval(value).replace(" ", "\u00a0")  # stays on one line
    return f"Fitted difference between the two ends: {said}, {which}"


def _picture(request: Request, panels: list, levels: dict[str, str], pooled: pd.DataFrame, slopes: pd.DataFrame,
             dots: pd.DataFrame, hidden: bool, missing: list[str]):  # fmt: skip
    columns = min(len(panels), 2 if len(panels) <= 4 else 3)
    gap, edge = 0.25, 0.42
    width = (style.WIDTH - 2 * style.MARGIN - gap * (columns - 1)) / columns
    heads = [_heading(request, panel, panels, slopes, levels, width) for panel in panels]
    head = 0.2 + 0.15 * max(len(lines) for _, lines in heads) + 0.31
    below = 0.42
    rows = -(-len(panels) // columns)
    inside, without = request.who(pooled)
    subtitle = _subtitle(request, pooled, inside)
    gone = [request.item(code) for code in missing]
    notes = [without, request.fewer(pooled), f"Without results: {words.listed(gone)}." if gone else "",
             _unshown(dots, hidden), _empty(request, pooled, levels)]  # fmt: skip
    notes = [" ".join(n for n in notes if n)]
    page = Page(request.figure.caption, subtitle, rows * (head + PANEL + below + 0.1), notes, _keys(pooled, dots))
    spans = _spans(pooled, dots, panels)
    for number, panel in enumerate(panels):
        left = style.MARGIN + (number % columns) * (width + gap)
        top = (number // columns) * (head + PANEL + below + 0.1)
        title, lines = heads[number]
        page.text(left, top + 0.08, title, weight="bold")
        for at, line in enumerate(lines):
            page.text(left, top + 0.26 + 0.15 * at, line, size=style.SMALL, color=style.QUIET)
        axes = page.axes(left + edge, top + head, width - edge, PANEL)
        mine = (pooled["item"] == panel[0]) & (pooled["sex"] == panel[1])
        scale = pooled.loc[mine, "scale"].iloc[0]
        page.text(left + edge - 0.05, top + head - 0.15, scale, ha="right", size=style.SMALL, color=style.QUIET)
        axes.set(xlim=(-0.5, len(levels) - 0.5), ylim=spans[panel[0]])
        _points(axes, pooled[mine], dots, panel, list(levels))
        _level_axis(page, axes, request.label(request.setting("group")), levels, left + edge, width - edge,
                    top + head + PANEL)  # fmt: skip
    return page.figure, subtitle, notes


def panel_title(request: Request, panel: tuple[str, str], panels: list[tuple[str, str]]) -> str:
    """Title a panel: the item, the sex, or both where there are several of each."""
    item, sex = panel
    if sex == "both":
        return request.item(item)
    several = len({i for i, _ in panels}) > 1
    return f"{request.item(item)}, {request.sex(sex).lower()}" if several else request.sex(sex)


def _heading(request: Request, panel: tuple[str, str], panels: list, slopes: pd.DataFrame, levels: dict[str, str],
             width: float) -> tuple[str, list[str]]:  # fmt: skip
    item, sex = panel
    text = style.cut(panel_title(request, panel, panels), width, style.TEXT, "bold")
    mine = slopes[(slopes["item"] == item) & (slopes["sex"] == sex) & slopes["estimate"].notna()]
    said = [slope_words(row, levels) for _, row in mine.iterrows()]
    return text, style.wrap(said[0] if said else "No slope is given: a level has no estimate", width, style.SMALL)


def _subtitle(request: Request, pooled: pd.DataFrame, inside: str) -> str:
    one = pooled.groupby(["item", "sex"])[["people", "events", "person_years"]].sum(min_count=1)
    parts = [f"{inside} together"]
    if one["people"].notna().any():
        parts.append(words.many(one["people"].max(), "person", "people"))
    elif one["events"].notna().any():
        by_sex = one.groupby("sex").max().sum()
        parts.append(f"{by_sex['events']:,.0f} deaths in {by_sex['person_years']:,.0f} person-years")
    return words.sentence("; ".join(parts))


def _unshown(dots: pd.DataFrame, hidden: bool) -> str:
    if not hidden:
        return ""
    share = f"no more than {SITE_SHARE * 100:.0f} %"
    if len(dots):
        return f"Single sites are shown only where {share} of their numbers may be withheld."
    return f"Single sites are not shown: too few of their estimates have {share} withheld."


def _empty(request: Request, pooled: pd.DataFrame, levels: dict[str, str]) -> str:
    empty = pooled[pooled["estimate"].isna()]
    if empty.empty:
        return ""
    reasons = sorted({reason or "no reason is recorded" for reason in empty["reason"]})
    return f"× no estimate for {words.many(len(empty), 'level')}: {words.listed(reasons, 3)}."


def _keys(pooled: pd.DataFrame, dots: pd.DataFrame) -> list[Key]:
    both = set(pooled["sex"]) == {"both"}
    colour = style.POOLED if both else style.QUIET
    keys = [Key("interval", "all sites together, with 95 % interval", colour)]
    if (pooled["shown"] == "pale: much is withheld").any():
        events = "cases" if pooled["people"].notna().any() else "deaths"
        label = f"pale: more than half of the {events} may lie in withheld numbers"
        keys.append(Key("interval", label, style.PALE[style.POOLED] if both else "#c9c9c9"))
    if len(dots):
        keys.append(Key("point", "one site", style.LIGHT, filled=False))
    return keys


def _spans(pooled: pd.DataFrame, dots: pd.DataFrame, panels: list) -> dict[str, tuple[float, float]]:
    """Choose one vertical range per item, so that the sexes can be compared; shares start at zero."""
    spans = {}
    for item in {item for item, _ in panels}:
        mine, single = (frame[frame["item"] == item] for frame in (pooled, dots))
        values = pd.concat([mine["estimate"], mine["lower"], mine["upper"], single["estimate"]]).dropna()
        if values.empty:  # every number of this item is withheld: an empty panel
            spans[item] = (0.0, 1.0)
            continue
        low, high = float(values.min()), float(values.max())
        room = 0.12 * ((high - low) or abs(high) or 1)
        spans[item] = (0.0 if mine["scale"].iloc[0] == "%" else low - room, high + room)
    return spans


def _points(axes: Axes, mine: pd.DataFrame, dots: pd.DataFrame, panel: tuple[str, str], levels: list[str]) -> None:
    colour, marker = style.SEXES[panel[1]]
    axes.grid(axis="y")
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "\u2212")))
    single = dots[(dots["item"] == panel[0]) & (dots["sex"] == panel[1])]
    for level, rows in single.groupby("level"):
        at = levels.index(str(level)) + 0.32
        axes.plot([at] * len(rows), rows["estimate"], linestyle="", marker="o", markersize=3.4,
                  markerfacecolor="none", markeredgecolor=style.LIGHT, markeredgewidth=0.8, zorder=2)  # fmt: skip
    low, high = axes.get_ylim()
    for _, row in mine.iterrows():
        at = levels.index(row["level"])
        if math.isnan(row["estimate"]):
            axes.plot([at], [low + 0.03 * (high - low)], marker="x", color=style.QUIET, markersize=6)
            continue
        ink = style.PALE[colour] if row["shown"].startswith("pale") else colour
        axes.plot([at, at], [row["lower"], row["upper"]], color=ink, linewidth=1.6, zorder=3)
        axes.plot([at], [row["estimate"]], marker=marker, markersize=6.5, color=ink, zorder=4)
    known = mine[mine["estimate"].notna()]
    for level in (levels[0], levels[-1]):
        for _, row in known[known["level"] == level].iterrows():
            top = row["upper"] if not math.isnan(row["upper"]) else row["estimate"]
            axes.annotate(words.number(row["estimate"], row["scale"]), (levels.index(level), top), xytext=(0, 3),
                          textcoords="offset points", ha="center", va="bottom", size=style.SMALL)  # fmt: skip


def _level_axis(page: Page, axes: Axes, label: str, levels: dict[str, str], left: float, width: float,
                bottom: float) -> None:  # fmt: skip
    """Write the levels below a panel; what stands in brackets goes to a second line at the two ends."""
    first, last = ends(levels)
    short = [re.sub(r"\s*\([^)]*\)", "", text) for text in levels.values()]
    slot = width / len(levels) - 0.04
    if any(style.width_of(text, style.SMALL) > slot for text in short):
        short = [str(at) for at in range(1, len(levels) + 1)]
    axes.set_xticks(range(len(levels)), short)
    page.text(left, bottom + 0.3, f"{first}", size=style.SMALL, color=style.QUIET)
    page.text(left + width, bottom + 0.3, f"{last}", ha="right", size=style.SMALL, color=style.QUIET)
    middle = label.lower()
    free = width - sum(style.width_of(text, style.SMALL) for text in (first, last)) - 0.2
    if style.width_of(middle, style.SMALL) <= free:
        shift = (style.width_of(first, style.SMALL) - style.width_of(last, style.SMALL)) / 2
        page.text(left + width / 2 + shift, bottom + 0.3, middle, ha="center", size=style.SMALL, color=style.QUIET)


def _alt(request: Request, panels: list, levels: dict[str, str], pooled: pd.DataFrame, slopes: pd.DataFrame) -> str:
    inside, without = request.who(pooled)
    first, last = ends(levels)
    what = f"{request.figure.caption.rstrip('.')}, as points with 95 % intervals from {first} to {last} ({inside})"
    said: list[str] = []
    gaps: list[str] = []
    for item, sex in panels:
        mine = pooled[(pooled["item"] == item) & (pooled["sex"] == sex) & pooled["estimate"].notna()]
        if mine.empty:
            continue
        low, high = mine.loc[mine["estimate"].idxmin()], mine.loc[mine["estimate"].idxmax()]
        name = panel_title(request, (item, sex), panels)
        said.append(f"{name}: lowest {words.interval(low.to_dict())} at level {levels[low['level']]}, highest "
                    f"{words.interval(high.to_dict())} at level {levels[high['level']]}")  # fmt: skip
        slope = slopes[(slopes["item"] == item) & (slopes["sex"] == sex) & slopes["estimate"].notna()]
        gaps += [words.interval(row.to_dict()) for _, row in slope.iterrows()]
    gap = f"fitted difference, {last} minus {first} end: {words.listed(gaps, 4)}" if gaps else ""
    return words.description([what, "; ".join(said[:2]), gap, without])
