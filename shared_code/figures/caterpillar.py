"""Caterpillar: estimates of the places inside each site, by sex, grouped by site."""

from __future__ import annotations

import math

import pandas as pd

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import Drawn, Request

MEASURE = "estimate of the site"
NAMED = 60  # rows up to which places are named; with more, rows are lower and only sites are named
ROW, ROW_LOW, ROW_LEAST = 0.15, 0.075, 0.008  # inches
TALLEST = 10.0  # inches that the rows may fill before they are lower still
SITE_ROW = 0.22  # least height of a site, so that its name fits
GAP = 0.1


def draw(request: Request) -> Drawn:
    """Draw every place's estimate with its interval; places of one site stay together, in one order for both sexes.

    settings  item
    """
    item = request.setting("item")
    rows = request.rows("sites", item=item, measure=MEASURE)
    rows = rows.assign(item_title=request.item(item), site_title=[request.site(scope) for scope in rows["scope"]])
    if rows["estimate"].notna().sum() == 0:
        reasons = sorted({r for r in rows["reason"] if r})
        raise request.why_empty(f"No place has an estimate{': ' + words.listed(reasons, 3) if reasons else ''}.")
    rows["shown"] = ["counted in the note" if math.isnan(value) else "point and interval" for value in rows["estimate"]]
    rows = rows.sort_values(["site_title", "level", "sex"], kind="stable")
    sexes = [sex for sex in ("F", "M", "both") if sex in set(rows["sex"])]
    picture, subtitle, notes = _picture(request, rows, sexes)
    return Drawn(picture, rows.reset_index(drop=True), _alt(request, rows, sexes), subtitle, notes)


def blocks(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Order the places within each site by their estimate, taken over the sexes; places without any are left out."""
    found: dict[str, list[str]] = {}
    middle = rows.groupby("sex")["estimate"].transform("mean")
    rows = rows.assign(compared=rows["estimate"] - middle)  # a place with one sex only is not moved by that
    for site, part in rows[rows["estimate"].notna()].groupby("site_title", sort=True):
        found[str(site)] = list(part.groupby("level")["compared"].mean().sort_values(kind="stable").index)
    return found


def _picture(request: Request, rows: pd.DataFrame, sexes: list[str]):
    places = blocks(rows)
    count = sum(len(names) for names in places.values())
    named = count <= NAMED
    step = ROW if named else max(ROW_LEAST, min(ROW_LOW, TALLEST / count))
    small = math.sqrt(step / ROW_LOW) if not named else 1.0
    tall = {site: max(len(names) * step, SITE_ROW) + GAP for site, names in places.items()}
    height = sum(tall.values())
    site_wide = min(max(style.width_of(site, weight="bold") for site in places), 1.6)
    place_wide = max(style.width_of(n, 7.0) for names in places.values() for n in names) if named else 0.0
    place_wide = min(place_wide, 1.6)
    left = style.MARGIN + site_wide + 0.18 + (place_wide + 0.1 if named else 0)
    width = (style.WIDTH - left - style.MARGIN - 0.2 * (len(sexes) - 1)) / len(sexes)
    far = height > 6  # the scale is repeated at the top
    top = 0.45 if far else 0.25
    subtitle, notes = _lines(request, rows, places)
    keys = [Key("interval", f"one {request.label(rows['group'].iloc[0]).lower()}, with 95 % interval", style.QUIET)]
    page = Page(request.figure.caption, subtitle, top + height + 0.48, notes, keys)
    known = rows[rows["estimate"].notna()]
    low, high = known[["estimate", "lower"]].min().min(), known[["estimate", "upper"]].max().max()
    room = 0.03 * ((high - low) or 1)
    at = 0.0
    panels = []
    for number, sex in enumerate(sexes):
        axes = page.axes(left + number * (width + 0.2), top, width, height)
        axes.set(xlim=(low - room, high + room), ylim=(height, 0), yticks=[])
        axes.grid(axis="x")
        axes.locator_params(axis="x", nbins=6)
        if far:
            axes.tick_params(axis="x", top=True, labeltop=True, length=0)
        page.text(left + number * (width + 0.2), 0.13, request.sex(sex), weight="bold")
        axes.set_xlabel(words.unit(rows["scale"].iloc[0]).strip(), labelpad=3)
        panels.append((sex, axes))
    for number, (site, names) in enumerate(places.items()):
        if number % 2 == 0:
            page.block(top + at, tall[site])
        colour, marker = style.SERIES[number % len(style.SERIES)]
        middle = at + tall[site] / 2
        lines = style.wrap(site, site_wide + 0.01, weight="bold")
        if len(lines) * 0.165 > tall[site]:
            lines = [style.cut(site, site_wide, weight="bold")]
        for line, text in enumerate(style.cut(line, site_wide + 0.02, weight="bold") for line in lines):
            page.text(style.MARGIN, top + middle + 0.165 * (line - (len(lines) - 1) / 2), text, weight="bold")
        first = middle - len(names) * step / 2 + step / 2
        for row, name in enumerate(names):
            y = first + row * step
            if named:
                place = style.cut(name, place_wide + 0.01, 7.0)
                page.text(left - 0.1, top + y, place, ha="right", size=7.0, color=style.QUIET)
            for sex, axes in panels:
                mine = known[(known["site_title"] == site) & (known["level"] == name) & (known["sex"] == sex)]
                for _, one in mine.iterrows():
                    axes.plot([one["lower"], one["upper"]], [y, y], color=colour, linewidth=1.3 if named else 0.8 * small,
                              alpha=0.65 if small > 0.6 else 0.4)  # fmt: skip
                    axes.plot([one["estimate"]], [y], marker=marker, markersize=4.4 if named else 2.8 * small,
                              color=colour, markeredgewidth=0 if small < 1 else None)
        at += tall[site]
    return page.figure, subtitle, notes


def _lines(request: Request, rows: pd.DataFrame, places: dict[str, list[str]]) -> tuple[str, list[str]]:
    inside, without = request.who(rows)
    noun = request.label(rows["group"].iloc[0]).lower()
    count = sum(len(names) for names in places.values())
    subtitle = f"{words.many(count, noun)} in {inside}, computed inside each site"
    if count > NAMED:
        subtitle += f"; each line is one {noun}"
    empty = rows[rows["estimate"].isna()]
    notes = []
    for reason, part in empty.groupby("reason", sort=True):
        per_sex = [f"{len(one)} {request.sex(str(sex)).lower()}" for sex, one in part.groupby("sex", sort=True)]
        places_in = part.drop_duplicates(["scope", "level"])
        what = f"{words.many(len(places_in), noun)} without an estimate ({words.listed(per_sex)})"
        notes.append(words.sentence(f"{what} \u2013 {reason or 'no reason is recorded'}"))
    order = f"Within a site, {noun}s stand in the order of their estimates; the intervals show how uncertain that is."
    notes.append(f"{order} {without}")
    return words.sentence(subtitle), notes


def _alt(request: Request, rows: pd.DataFrame, sexes: list[str]) -> str:
    inside, without = request.who(rows)
    known = rows[rows["estimate"].notna()]
    said = []
    for sex in sexes:
        mine = known[known["sex"] == sex]
        if len(mine):
            low, high = mine.loc[mine["estimate"].idxmin()], mine.loc[mine["estimate"].idxmax()]
            said.append(f"{request.sex(sex)}: from {words.interval(low.to_dict())} to {words.interval(high.to_dict())}")
    noun = request.label(rows["group"].iloc[0]).lower()
    places = known.drop_duplicates(["scope", "level"])
    count = words.many(len(places), noun)
    what = f"{request.figure.caption.rstrip('.')}: {count} of {inside}, each with its 95 % interval"
    empty = rows["estimate"].isna().sum()
    gone = f"{words.many(empty, 'estimate')} cannot be given" if empty else ""
    return words.description([what, "; ".join(said), gone, without])
