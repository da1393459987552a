"""Change: each site's change between two months, all sites together, and where another site would lie."""

from __future__ import annotations

import math
import re

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from shared_code.figures import style, words
from shared_code.figures.absent import why_absent
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, Drawn, NothingToDraw, Request, numbers_of

SUM, AVERAGE, ANOTHER, TAU2 = ("change", "average change", "change expected in another site",
                               "difference between sites (tau2)")  # fmt: skip
SUMMARY = {SUM: "All sites together", AVERAGE: "Average of the sites", ANOTHER: "Another site"}
ROW = 0.19  # inches
MOST_ROWS = 260  # rows of sites over all panels, above which only the summaries are drawn


def draw(request: Request) -> Drawn:
    """Draw one panel per item, with sites below each other and the summaries under them.

    settings  items (all)
    """
    rows = request.rows(measure=[SUM, AVERAGE, ANOTHER, TAU2])
    wanted = request.setting("items") or [i for i in request.item_titles if i in set(rows["item"])]
    rows = rows[rows["item"].isin(wanted)]
    rows = rows.assign(item_title=[request.item(code) for code in rows["item"]])
    if rows.loc[rows["measure"] == SUM, "estimate"].notna().sum() == 0:
        raise request.why_empty("The results hold no change for these items.")
    pairs = list(rows[["level", "comparator"]].drop_duplicates().itertuples(index=False, name=None))
    if len(pairs) > 1:
        compared = [f"{words.month(a)} with {words.month(b)}" for a, b in pairs]
        raise NothingToDraw(f"The results compare more than one pair of months: {words.listed(compared)}")
    items = [item for item in wanted if item in set(rows["item"])]
    sites = sorted(request.site_titles, key=request.site)
    absent = why_absent(request, rows[rows["measure"] == SUM], items, sites, pairs[0])
    single = len(items) * len(sites) <= MOST_ROWS
    if not single:
        rows, absent, sites = rows[rows["scope"] == POOLED], absent.iloc[:0], []
    shown = {AVERAGE: "diamond, hollow", ANOTHER: "thin bar", TAU2: "in words"}
    rows = rows.assign(shown=[shown.get(m, "diamond" if s == POOLED else "light point")
                              for m, s in zip(rows["measure"], rows["scope"])])  # fmt: skip
    picture, subtitle, notes = _picture(request, rows, absent, items, sites, pairs[0], single)
    alt = _alt(request, rows, absent, items, pairs[0])
    return Drawn(picture, numbers_of([rows, absent.assign(shown="listed in words")]), alt, subtitle, notes)


def tau_words(row: pd.Series) -> str:
    """Put tau2, a variance of logarithms, into words.

    >>> tau_words(pd.Series({"estimate": 0.01, "lower": 0.0025, "upper": 0.04}))
    'Sites typically lie 11 % to either side of their average (5 to 22 %; tau2 0.010).'
    """
    if math.isnan(row["estimate"]):
        return ""
    value, low, high = (_percent(row[name]) for name in ("estimate", "lower", "upper"))
    if row["estimate"] < 1e-5:
        most = "" if math.isnan(row["upper"]) else f"; it could be up to {high} %"
        return f"No difference between sites beyond chance was found (tau2 0{most})."
    known = not (math.isnan(row["lower"]) or math.isnan(row["upper"]))
    limits = f"{low} to {high} %; " if known else ""
    return f"Sites typically lie {value} % to either side of their average ({limits}tau2 {row['estimate']:.3f})."


def _percent(tau2: float) -> str:
    """Turn a variance of logarithms into the percentage by which a typical site differs from the average."""
    return "" if math.isnan(tau2) else f"{100 * math.expm1(math.sqrt(max(tau2, 0))):.0f}"


def _picture(request: Request, rows: pd.DataFrame, absent: pd.DataFrame, items: list[str], sites: list[str],
             months: tuple[str, str], single: bool):  # fmt: skip
    columns = {1: 1, 2: 2, 4: 2}.get(len(items), 3)
    names = [request.site(site) for site in sites]
    label = max([style.width_of(n, style.SMALL, "bold") for n in SUMMARY.values()]
                + [min(style.width_of(n, style.SMALL), 1.8) for n in names])  # fmt: skip
    left, gap = style.MARGIN + label + 0.12, 0.2
    numbers = style.width_of("−100 % (−100 to −100)", style.SMALL) + 0.1 if columns == 1 else 0.0
    width = (style.WIDTH - left - style.MARGIN - numbers - gap * (columns - 1)) / columns
    heads = {item: _heading(rows[rows["item"] == item], width) for item in items}
    tall = ROW * (len(sites) + len(SUMMARY)) + 0.12
    low, high = _range(rows)
    inside, without = request.who(rows[rows["scope"] == POOLED])
    subtitle = words.sentence(f"{words.month(months[0])} compared with {words.month(months[1])}; {inside}")
    cut = (rows["lower"] < low) | (rows["upper"] > high)
    notes = [without, "Single sites are left out because they are many; results.csv has them." * (not single),
             "An arrow means that the interval goes on." if cut[rows["measure"] != TAU2].any() else "",
             "Another site: where the change of a site that is not in it is expected to lie."]  # fmt: skip
    notes = [" ".join(n for n in notes if n)]
    keys = [Key("interval", "all sites together (sum)", marker="D"),
            Key("interval", "average of the sites", style.VERMILION, "D", filled=False),
            Key("bar", "expected in another site", style.PALE[style.VERMILION])]  # fmt: skip
    keys += [Key("interval", "one site, with 95 % interval", style.LIGHT)] * single
    blocks = [items[at : at + columns] for at in range(0, len(items), columns)]
    titles = {item: style.wrap(request.item(item), width, weight="bold") for item in items}
    head = [0.165 * max(len(titles[item]) for item in block) + 0.15 * max(len(heads[item]) for item in block) + 0.12
            for block in blocks]  # fmt: skip
    page = Page(request.figure.caption, subtitle, sum(h + tall + 0.5 for h in head), notes, keys)
    at = 0.0
    for block, above in zip(blocks, head):
        top = at + above
        for number in range(0, len(sites), 2):
            page.block(top + 0.03 + ROW * number, ROW)
        for number, name in enumerate([style.cut(n, label, style.SMALL) for n in names]):
            page.text(style.MARGIN, top + 0.03 + ROW * (number + 0.5), name, size=style.SMALL)
        for number, name in enumerate(SUMMARY.values(), len(sites)):
            page.text(style.MARGIN, top + 0.09 + ROW * (number + 0.5), name, size=style.SMALL, weight="bold")
        for number, item in enumerate(block):
            x = left + number * (width + gap)
            for line, text in enumerate(titles[item]):
                page.text(x, at + 0.08 + 0.165 * line, style.cut(text, width, weight="bold"), weight="bold")
            under = at + 0.085 + 0.165 * max(len(titles[i]) for i in block)
            for line, text in enumerate(heads[item]):
                page.text(x, under + 0.15 * line, text, size=style.SMALL, color=style.QUIET)
            axes = page.axes(x, top, width, tall)
            axes.set(xlim=(low, high), ylim=(tall, 0), yticks=[])
            _scale(axes)
            edge = style.WIDTH - style.MARGIN if numbers else None
            _panel(page, axes, rows[rows["item"] == item], absent[absent["item"] == item], sites, x, top, width, edge)
        at = top + tall + 0.5
    return page.figure, subtitle, notes


def _heading(mine: pd.DataFrame, width: float) -> list[str]:
    """Give the pooled change and the difference between sites, in lines that fit a panel."""
    total = mine[(mine["measure"] == SUM) & (mine["scope"] == POOLED)]
    said = "no pooled change" if total.empty else words.interval(total.iloc[0].to_dict()).replace(" ", "\u00a0")
    count = "" if total.empty else f", {words.many(total.iloc[0]['n_sites'], 'site')}".replace(" s", "\u00a0s")
    between = [tau_words(row) for _, row in mine[mine["measure"] == TAU2].iterrows()]
    between = [re.sub(r"(\d) to (\d)", "\\1\u00a0to\u00a0\\2", text) for text in between]  # stays on one line
    return [*style.wrap(said + count, width, style.SMALL),
            *(line for text in between if text for line in style.wrap(text, width, style.SMALL))]  # fmt: skip


def _range(rows: pd.DataFrame) -> tuple[float, float]:
    """Choose one range for all panels: every estimate, and intervals as far as twice that."""
    mine = rows[rows["measure"] != TAU2]
    values = [*mine["estimate"].dropna(), 0.0]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    lower, upper = mine["lower"].min(), mine["upper"].max()
    low = max(low if math.isnan(lower) else min(lower, low), low - span, -100.0)
    high = min(high if math.isnan(upper) else max(upper, high), high + span)
    room = 0.06 * (high - low)
    return low - room, high + room


def _scale(axes: Axes) -> None:
    axes.grid(axis="x")
    axes.axvline(0, color=style.QUIET, linewidth=1, zorder=1)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:+,.10g}".replace("-", "\u2212") if v else "0"))
    axes.set_xlabel("% change", labelpad=2)


def _panel(page: Page, axes: Axes, mine: pd.DataFrame, absent: pd.DataFrame, sites: list[str], left: float, top: float,
           width: float, edge: float | None) -> None:  # fmt: skip
    changes = mine[mine["measure"] == SUM].set_index("scope")
    reasons = dict(zip(absent["scope"], absent["reason"]))
    for number, site in enumerate(sites):
        y = 0.03 + ROW * (number + 0.5)
        scope = f"site:{site}"
        if scope in changes.index and not math.isnan(changes.loc[scope, "estimate"]):
            _mark(axes, changes.loc[scope], y, style.LIGHT, "o", 4.2, 1.1)
            _number(page, changes.loc[scope], edge, top + y)
        else:
            text = style.cut(reasons.get(scope, "no estimate"), width - 0.1, style.SMALL)
            _words(page, left + width / 2, top + y, text, style.BAND if number % 2 == 0 else "white")
    axes.plot(axes.get_xlim(), [0.06 + ROW * len(sites)] * 2, color=style.LIGHT, linewidth=0.7)
    for number, measure in enumerate(SUMMARY, len(sites)):
        y = 0.09 + ROW * (number + 0.5)
        found = mine[(mine["measure"] == measure) & (mine["scope"] == POOLED)]
        if found.empty or math.isnan(found.iloc[0]["estimate"]):
            why = (found.iloc[0]["reason"] if len(found) else "") or "needs more sites"
            _words(page, left + width / 2, top + y, style.cut(why, width - 0.1, style.SMALL), "white")
            continue
        row = found.iloc[0]
        if measure == ANOTHER:
            _mark(axes, row, y, style.PALE[style.VERMILION], "", 0, 3.5)
        else:
            colour = style.POOLED if measure == SUM else style.VERMILION
            _mark(axes, row, y, colour, "D", 6, 1.8, filled=measure == SUM)
        _number(page, row, edge, top + y)


def _words(page: Page, centre: float, at: float, text: str, ground: str) -> None:
    """Write a reason in the place of an estimate, on the colour of its row so that no grid line crosses it."""
    page.text(centre, at, text, ha="center", size=style.SMALL, color=style.QUIET, style="italic",
              bbox={"facecolor": ground, "linewidth": 0, "pad": 1})  # fmt: skip


def _number(page: Page, row: pd.Series, edge: float | None, at: float) -> None:
    if edge is not None:
        page.text(edge, at, words.interval(row.to_dict()), ha="right", size=style.SMALL)


def _mark(axes: Axes, row: pd.Series, y: float, colour: str, marker: str, size: float, width: float,
          filled: bool = True) -> None:  # fmt: skip
    low, high = axes.get_xlim()
    if not math.isnan(row["lower"]):
        ends = (max(row["lower"], low), min(row["upper"], high))
        axes.plot(ends, [y, y], color=colour, linewidth=width, zorder=2)
        for end, true, arrow in ((ends[0], row["lower"], "<"), (ends[1], row["upper"], ">")):
            if end != true:
                axes.plot([end], [y], marker=arrow, markersize=5, color=colour, clip_on=False)
    if marker:
        axes.plot([row["estimate"]], [y], marker=marker, markersize=size, markeredgecolor=colour, markeredgewidth=1.2,
                  markerfacecolor=colour if filled else "white", zorder=4)  # fmt: skip


def _alt(request: Request, rows: pd.DataFrame, absent: pd.DataFrame, items: list[str], months: tuple[str, str]) -> str:
    total = rows[(rows["scope"] == POOLED) & (rows["measure"] == SUM) & rows["estimate"].notna()]
    inside, without = request.who(rows[rows["scope"] == POOLED])
    span = f"{words.month(months[0])} compared with {words.month(months[1])}"
    what = f"{request.figure.caption.rstrip('.')}: {words.many(len(items), 'item')}, {span} ({inside})"
    ordered = [row.to_dict() for _, row in total.sort_values("estimate").iterrows()]
    said = [f"{request.item(row['item'])} {words.interval(row)}" for row in ordered]
    ends = f"All sites together: {said[0]}" + (f" to {said[-1]}" if len(said) > 1 else "") if said else ""
    lone = rows[(rows["measure"] == SUM) & rows["estimate"].notna() & (rows["scope"] != POOLED)]
    single = ""
    if len(lone):
        low, high = lone.loc[lone["estimate"].idxmin()], lone.loc[lone["estimate"].idxmax()]
        single = "Single sites: from " + " to ".join(
            f"{words.interval(r.to_dict())} ({request.site(r['scope'])}, {words.lower_first(request.item(r['item']))})"
            for r in (low, high)
        )
    counted = absent["reason"].value_counts().sort_index()
    listed = [f"{reason} {words.many(n, 'time')}" for reason, n in counted.items()]
    missing = f"Without a change of their own, sites by items: {words.listed(listed, 3)}" if listed else ""
    return words.description([what, ends, single, without, missing])
