"""Rank caterpillar: every place's rank on an index with its interval, each group of places by itself beside all."""

from __future__ import annotations

import pandas as pd

from shared_code.figures import style, words
from shared_code.figures.index_numbers import IndexNumbers, read_index
from shared_code.figures.page import Key, Page
from shared_code.figures.request import Drawn, NothingToDraw, Request

NAMED = 70  # places up to which each is named
ROW, ROW_LOW = 0.13, 0.034  # inches
EVERYWHERE = "all"


def draw(request: Request) -> Drawn:
    """Draw all places in the order of their median rank, then each group by itself; 1 is the highest score.

    settings  index
    """
    numbers = read_index(request)
    rows = numbers.of(numbers.words["index"])
    rows = rows[rows["rank"].notna()].sort_values(["rank", "place"], kind="stable").reset_index(drop=True)
    if rows.empty:
        raise NothingToDraw("No ward has a score.")
    return Drawn(_picture(request, numbers, rows), rows, _alt(request, numbers, rows), _subtitle(numbers), _notes(numbers, rows))


def _panels(numbers: IndexNumbers, rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame, tuple[str, str, str]]]:
    panels = [("All together", rows, ("rank", "rank_lower", "rank_upper"))]
    for name, title in numbers.words["groups"].items():
        mine = rows[rows["group"] == name].sort_values(["rank_in_group", "place"], kind="stable")
        if 1 < len(mine) < len(rows):
            panels.append((f"{title} by itself", mine, ("rank_in_group", "group_rank_lower", "group_rank_upper")))
    return panels


def _picture(request: Request, numbers: IndexNumbers, rows: pd.DataFrame):
    groups = {name: style.SERIES[at % len(style.SERIES)] for at, name in enumerate(dict.fromkeys(_colour_by(numbers, rows)))}
    titles = numbers.words["groups"]
    keys = [Key("interval", str(titles.get(name, name)), colour, marker) for name, (colour, marker) in groups.items()]
    panels = _panels(numbers, rows)
    named = max(len(mine) for _, mine, _ in panels) <= NAMED
    step = ROW if named else ROW_LOW
    wide = 1.55 if named else 0.0
    width = (style.WIDTH - 2 * style.MARGIN - 0.45 * (len(panels) - 1)) / len(panels) - wide
    height = max(len(mine) for _, mine, _ in panels) * step
    page = Page(request.figure.caption, _subtitle(numbers), height + 0.85, _notes(numbers, rows), keys)
    for at, (title, mine, (middle, low, high)) in enumerate(panels):
        left = style.MARGIN + wide + at * (width + wide + 0.45)
        tall = len(mine) * step
        page.text(left, 0.1, f"{title}: {len(mine)} wards", weight="bold", size=style.SMALL)
        axes = page.axes(left, 0.3, width, tall)
        axes.set(xlim=(0, len(mine) + 1), ylim=(len(mine) - 0.5, -0.5), yticks=[])
        axes.grid(axis="x")
        axes.locator_params(axis="x", nbins=5, integer=True)
        axes.set_xlabel("rank (1 = highest score)", labelpad=3)
        for row, one in enumerate(mine.itertuples()):
            colour, marker = groups[_colour_of(numbers, one)]
            ends, thick = [getattr(one, low), getattr(one, high)], 1.3 if named else 0.7
            axes.plot(ends, [row, row], color=colour, linewidth=thick, alpha=0.55)
            axes.plot([getattr(one, middle)], [row], marker=marker, markersize=4 if named else 1.8, color=colour)
            if named:
                name = style.cut(str(one.name), wide - 0.1, 7.0)
                page.text(left - 0.07, 0.3 + (row + 0.5) * step, name, ha="right", size=7.0, color=style.QUIET)
    return page.figure


def _colour_of(numbers: IndexNumbers, one: object) -> str:
    return str(one.group if numbers.words["groups"] else one.district)  # type: ignore[attr-defined]


def _colour_by(numbers: IndexNumbers, rows: pd.DataFrame) -> list[str]:
    known = list(numbers.words["groups"])
    return known or sorted(set(rows["district"]))


def _subtitle(numbers: IndexNumbers) -> str:
    draws = f"{numbers.words['draws']:,} draws"
    return words.sentence(f"{numbers.kind}; {numbers.places()}; median rank and 95 % interval of {draws}")


def _notes(numbers: IndexNumbers, rows: pd.DataFrame) -> list[str]:
    certain = len(numbers.words["with_error"])
    all_items = len(numbers.words["indicators"])
    which = "every indicator" if certain == all_items else f"{certain} of {all_items} indicators (the others came without one)"
    width = f"The median interval spans {numbers.words['median_rank_width']:.0f} ranks"
    wider = numbers.words["median_rank_width_without_one"]
    many = len(numbers.words["components"]) > 2
    width += f", and {wider:.0f} where a component is left out at random as well." if many else "."
    said = [f"Drawn: the sampling error of {which}, gaps, and weights. {width}"]
    grouped = int(rows["grouped"].sum())
    if grouped:
        said.append(f"{words.many(grouped, 'ward')} should be given a group and no rank: the interval spans more than a quarter "
                    "of the table.")  # fmt: skip
    if numbers.words["not_scored"]:
        said.append(f"{words.many(numbers.words['not_scored'], 'ward')} without a score: too much of it is withheld or missing.")
    return [" ".join(said)]


def _alt(request: Request, numbers: IndexNumbers, rows: pd.DataFrame) -> str:
    first, last = rows.iloc[0], rows.iloc[-1]
    ends = "; ".join(f"{what} is {one['name']}, {one['district']} (score {one['score']:.0f}, rank {one['rank']:.0f}, "
                     f"{one['rank_lower']:.0f} to {one['rank_upper']:.0f})"
                     for what, one in (("highest", first), ("lowest", last)))  # fmt: skip
    means = "; ".join(f"median rank of {title}: {rows.loc[rows['group'] == name, 'rank'].median():.0f}"
                      for name, title in numbers.words["groups"].items())  # fmt: skip
    what = f"{request.figure.caption.rstrip('.')}. {numbers.kind}"
    width = f"The median interval spans {numbers.words['median_rank_width']:.0f} of {len(rows)} ranks"
    return words.description([what, ends, means, width])
