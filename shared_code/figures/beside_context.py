"""Index beside context: every place's score against something that describes it and is not in the index, such as low income."""

from __future__ import annotations

import numpy as np
import pandas as pd

from shared_code.figures import style, words
from shared_code.figures.index_numbers import IndexNumbers, read_index
from shared_code.figures.page import Key, Page
from shared_code.figures.request import Drawn, NothingToDraw, Request

HEIGHT, EDGE = 4.6, 0.55  # inches: of the axes, and left of them
POINTS = 72  # of an inch
LINE = 0.13  # inches: of one name
NAMED = 4  # places named on either side of the line


def draw(request: Request) -> Drawn:
    """Draw scores against a context indicator with the line of least squares, and name those furthest from it.

    settings  index, context (one of the indicators that the index declares as context)
    The distance from the line says where life is better or worse than places as deprived let one expect; it explains nothing.
    """
    numbers, item = read_index(request), request.setting("context")
    titles = {row["item"]: f"{row['title']} ({row['unit']})" if row["unit"] else row["title"]
              for row in numbers.words["context_items"]}  # fmt: skip
    if item not in titles:
        raise NothingToDraw(f"The index has no context {item}: {words.listed(list(titles)) or 'none is declared'}.")
    context = numbers.of(item).set_index("place")["value"]
    rows = numbers.of(numbers.words["index"]).assign(context=lambda t: t["place"].map(context))
    rows = rows[rows["score"].notna() & rows["context"].notna()].sort_values("place", ignore_index=True)
    if len(rows) < 3 or rows["context"].nunique() < 2:
        raise NothingToDraw("Fewer than three wards have both.")
    slope, level = np.polyfit(rows["context"], rows["score"], 1)
    rows["expected"] = level + slope * rows["context"]
    rows["apart"] = rows["score"] - rows["expected"]
    named = rows.loc[[*rows["apart"].nlargest(NAMED).index, *rows["apart"].nsmallest(NAMED).index]]
    rows["named"] = rows.index.isin(named.index)
    share = float(np.corrcoef(rows["context"], rows["score"])[0, 1] ** 2)
    subtitle = words.sentence(f"{numbers.kind}; {numbers.places()}; line of least squares")
    notes = [f"The line accounts for {100 * share:.0f} % of the differences between scores. A ward above it scores higher than "
             "wards with as much of it; why is not said. What is drawn across is not in the index."]  # fmt: skip
    said = _alt(request, numbers, rows, titles[item], share)
    return Drawn(_picture(request, numbers, rows, titles[item], subtitle, notes), rows, said, subtitle, notes)


def _picture(request: Request, numbers: IndexNumbers, rows: pd.DataFrame, title: str, subtitle: str, notes: list[str]):
    groups = numbers.words["groups"] or {"": "Wards"}
    looks = {name: style.SERIES[at % len(style.SERIES)] for at, name in enumerate(groups)}
    page = Page(request.figure.caption, subtitle, HEIGHT + 0.75, notes,
                [Key("point", str(groups[name]), *look) for name, look in looks.items()])  # fmt: skip
    axes = page.axes(style.MARGIN + EDGE, 0.12, style.WIDTH - 2 * style.MARGIN - EDGE - 0.1, HEIGHT)
    for name, (colour, marker) in looks.items():
        mine = rows[rows["group"] == name] if numbers.words["groups"] else rows
        axes.plot(mine["context"], mine["score"], linestyle="", marker=marker, markersize=3.6, color=colour, alpha=0.75)
    ends = np.array([rows["context"].min(), rows["context"].max()])
    line = rows.sort_values("context")
    axes.plot(ends, np.interp(ends, line["context"], line["expected"]), color=style.QUIET, linewidth=1.2)
    for above in (True, False):  # names of the upper ones stand on the right, of the lower ones on the left
        mine = rows[rows["named"] & ((rows["apart"] > 0) == above)].sort_values("score", ascending=False)
        for one, at in zip(mine.itertuples(), _spread(mine["score"].to_numpy(), LINE * np.ptp(axes.get_ylim()) / HEIGHT)):
            down = (at - one.score) / np.ptp(axes.get_ylim()) * HEIGHT * POINTS
            axes.annotate(one.name, (one.context, one.score), xytext=(6 if above else -6, down), textcoords="offset points",
                          fontsize=7.0, ha="left" if above else "right", va="center", color=style.QUIET)  # fmt: skip
    axes.set_xlabel(title, labelpad=3)
    axes.set_ylabel("score", labelpad=3)
    axes.grid(axis="both")
    return page.figure


def _spread(values: np.ndarray, least: float) -> np.ndarray:
    """Move values that are in falling order down until neighbours are so far apart that their names can be read."""
    found = values.astype(float).copy()
    for at in range(1, len(found)):
        found[at] = min(found[at], found[at - 1] - least)
    return found


def _alt(request: Request, numbers: IndexNumbers, rows: pd.DataFrame, title: str, share: float) -> str:
    furthest = (("above", rows.loc[rows["apart"].idxmax()]), ("below", rows.loc[rows["apart"].idxmin()]))
    ends = "; ".join(f"furthest {side} the line {one['name']}, {one['district']} (score {one['score']:.0f}, "
                     f"expected {one['expected']:.0f})" for side, one in furthest)  # fmt: skip
    what = f"{request.figure.caption.rstrip('.')}. {numbers.kind}"
    return words.description([what, f"Across: {title}", f"the line accounts for {100 * share:.0f} % of the differences", ends])
