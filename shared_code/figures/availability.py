"""Availability: which site is in which measure, and why it is not where it is not."""

from __future__ import annotations

import pandas as pd

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, SITE, Drawn, Request, names_in

IN, OUT, NEVER = "in it", "sent, but not in it", "did not send it"
ROW = 0.2  # inches
WIDEST = 0.34  # inches of a column


def draw(request: Request) -> Drawn:
    """Draw one row per item and one column per site: full where the site is in a pooled estimate of it.

    A ring: the site released something about it that is not in the pooled estimate (withheld, or not computable); a cross:
    it sent nothing about it. Everyone's estimate counts, not single groups.
    """
    rows = request.rows()
    rows = rows[rows["item"].isin([*request.item_titles])]
    if rows.empty:
        raise request.why_empty("No site has sent anything of this analysis.")
    sites = sorted(request.site_titles, key=request.site)
    items = [code for code in request.item_titles if code in set(rows["item"])]
    states = [{"item": item, "item_title": request.item(item), "site": site, "site_title": request.site(site),
               **_state(rows[rows["item"] == item], request, site)} for item in items for site in sites]  # fmt: skip
    table = pd.DataFrame(states)
    wide = min(max(style.width_of(request.item(item)) for item in items), 2.2)
    left = style.MARGIN + wide + 0.15
    step = min(WIDEST, (style.WIDTH - left - style.MARGIN) / len(sites))
    small = 7.5 if step < 0.2 else style.SMALL
    names = [style.cut(request.site(site), 1.4, small) for site in sites]
    head = max(style.width_of(name, small) for name in names) + 0.1
    counts = table["state"].value_counts()
    subtitle = words.sentence(f"{words.many(len(items), 'measure')} by {words.many(len(sites), 'site')}: "
                              f"{counts.get(IN, 0)} of {len(table)} in")  # fmt: skip
    notes = _notes(request, table, sites)
    keys = [Key("point", IN), Key("point", OUT, filled=False), Key("point", NEVER, style.LIGHT, "x")]
    page = Page(request.figure.caption, subtitle, head + len(items) * ROW + 0.1, notes, keys)
    axes = page.axes(left, head, step * len(sites), len(items) * ROW)
    axes.set(xlim=(-0.5, len(sites) - 0.5), ylim=(len(items) - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines["bottom"].set_visible(False)
    for n, name in enumerate(names):
        at = left + (n + 0.5) * step
        page.text(at, head - 0.07, name, rotation=90, ha="center", va="bottom", size=small, color=style.QUIET)
    size = 6.0 if step >= 0.17 else 4.2
    marks = {IN: ("o", style.POOLED, style.POOLED), OUT: ("o", "white", style.POOLED), NEVER: ("x", style.LIGHT, style.LIGHT)}
    for n, item in enumerate(items):
        if n % 2 == 0:
            page.block(head + n * ROW, ROW)
        page.text(style.MARGIN, head + (n + 0.5) * ROW, style.cut(request.item(item), wide))
        own = table[table["item"] == item].reset_index(drop=True)
        for state, (marker, face, edge) in marks.items():
            at = [i for i, found in enumerate(own["state"]) if found == state]
            axes.plot(at, [n] * len(at), marker, markersize=size, markerfacecolor=face, markeredgecolor=edge, clip_on=False)
    return Drawn(page.figure, table, _alt(request, table, sites, items), subtitle, notes)


def _state(rows: pd.DataFrame, request: Request, site: str) -> dict[str, str]:
    pooled = rows[(rows["scope"] == POOLED) & rows["estimate"].notna()]
    if any(site in names_in(cell) for cell in pooled["sites"]):
        return {"state": IN, "reason": ""}
    own = rows[rows["scope"] == SITE + site]
    who = request.sites[request.sites["site"] == site]
    if len(own):
        reasons = sorted({r for r in own["reason"] if r})
        return {"state": OUT, "reason": words.listed(reasons, 2) or "the pooled estimate is not given"}
    state = {"missing": "no release", "not run": "not run"}.get(who["state"].iloc[0], "") if len(who) else ""
    return {"state": NEVER, "reason": (who["reason"].iloc[0] if len(who) else "") or state or "not released"}


def _notes(request: Request, table: pd.DataFrame, sites: list[str]) -> list[str]:
    notes = []
    for site in sites:
        own = table[table["site"] == site]
        if (own["state"] == IN).any():
            continue
        notes.append(words.sentence(f"{request.site(site)} is in no measure: {own['reason'].iloc[0]}"))
    return notes[:4] + ([f"{len(notes) - 4} more sites are in no measure."] if len(notes) > 4 else [])


def _alt(request: Request, table: pd.DataFrame, sites: list[str], items: list[str]) -> str:
    per_item = table.assign(inside=table["state"] == IN).groupby("item", sort=False)["inside"].sum()
    most, least = per_item.max(), per_item.min()
    said = [f"{request.figure.caption.rstrip('.')}: {words.many(len(items), 'measure')} by {words.many(len(sites), 'site')}; "
            f"{(table['state'] == IN).sum()} of {len(table)} combinations are in"]  # fmt: skip
    if most == least:
        said.append(f"every measure has {words.many(most, 'site')}")
    else:
        fewest = [request.item(code) for code in per_item.index[per_item == least]]
        said.append(f"fewest sites in {words.listed(fewest, 3)} ({least}), most {most}")
    nowhere = [request.site(s) for s in sites if not (table.loc[table["site"] == s, "state"] == IN).any()]
    return words.description([*said, f"in no measure: {words.listed(nowhere)}" if nowhere else ""])
