"""Ward scorecards: one bar per component, with the median of wards like it and what differs from them for certain."""

from __future__ import annotations

import math

import pandas as pd

from shared_code.figures import style, words
from shared_code.figures.index_numbers import IndexNumbers, read_index
from shared_code.figures.page import Key, Page
from shared_code.figures.request import Drawn, NothingToDraw, Request

ROW, HEAD, GAP, FOOT = 0.155, 0.52, 0.2, 0.3  # inches
COLOURS = {1: style.GREEN, -1: style.VERMILION, 0: "#9aa3a8"}
MEANINGS = {1: "+ stronger than wards like it", 0: "no clear difference", -1: "\u2212 weaker"}
SIGNS = {1: "+", 0: "", -1: "\u2212"}


def draw(request: Request) -> Drawn:
    """Draw the scorecards of some wards: those named, or the lowest, a middle and the highest of every group.

    settings  index, places (codes of wards; optional)
    """
    numbers = read_index(request)
    total = numbers.of(numbers.words["index"])
    total = total[total["score"].notna()]
    codes = [str(code) for code in request.setting("places", [])] or _typical(total)
    chosen = [code for code in codes if code in set(total["place"])]
    if not chosen:
        raise NothingToDraw("None of the wards asked for has a score.")
    components = list(numbers.words["components"])
    rows = numbers.table[numbers.table["item"].isin(components) & numbers.table["place"].isin(chosen)]
    rows = rows.assign(item_title=[numbers.title(i) for i in rows["item"]])
    return Drawn(_picture(request, numbers, total, rows, chosen, components), rows.reset_index(drop=True),
                 _alt(request, numbers, total, rows, chosen), _subtitle(numbers), _notes(numbers))  # fmt: skip


def _typical(total: pd.DataFrame) -> list[str]:
    """Choose wards by their place in the order alone: the lowest, the middle and the highest of every group."""
    codes: list[str] = []
    for _, part in total.sort_values(["rank", "place"], kind="stable").groupby("group", sort=True):
        order = list(part["place"])
        codes += [order[0], order[len(order) // 2], order[-1]]
    return list(dict.fromkeys(codes))[:6]


def _picture(request: Request, numbers: IndexNumbers, total: pd.DataFrame, rows: pd.DataFrame, chosen: list[str],
             components: list[str]):  # fmt: skip
    keys = [*(Key("bar", MEANINGS[flag], COLOURS[flag]) for flag in (1, 0, -1)),
            Key("point", "median of wards like it", style.INK, "|"), Key("line", "95 % interval", style.INK)]  # fmt: skip
    titles = {c: numbers.title(c) for c in components}
    wide = max(style.width_of(t, style.SMALL) for t in titles.values()) + 0.1
    inner = style.WIDTH - 2 * style.MARGIN
    width = (inner - wide - 2 * GAP) / 3
    tall = ROW * len(components)
    lines = math.ceil(len(chosen) / 3)
    page = Page(request.figure.caption, _subtitle(numbers), lines * (HEAD + tall + FOOT), _notes(numbers), keys)
    for number, code in enumerate(chosen):
        line, column = divmod(number, 3)
        top = line * (HEAD + tall + FOOT)
        left = style.MARGIN + wide + column * (width + GAP)
        whole = total[total["place"] == code].iloc[0]
        page.text(left, top + 0.1, style.cut(whole["name"], width, style.SMALL, "bold"), weight="bold", size=style.SMALL)
        page.text(left, top + 0.24, style.cut(whole["district"], width, 7.0), size=7.0, color=style.QUIET)
        under = f"{whole['score']:.0f}; rank {whole['rank']:.0f} ({whole['rank_lower']:.0f} to {whole['rank_upper']:.0f})"
        page.text(left, top + 0.37, under, size=7.0, color=style.QUIET)
        axes = page.axes(left, top + HEAD, width, tall)
        axes.set(xlim=(0, 100), ylim=(len(components) - 0.5, -0.5), yticks=[], xticks=[0, 50, 100])
        axes.grid(axis="x")
        mine = rows[rows["place"] == code].set_index("item")
        for at, component in enumerate(components):
            one = mine.loc[component]
            if column == 0:
                y = top + HEAD + (at + 0.5) * ROW
                page.text(left - 0.07, y, titles[component], ha="right", size=style.SMALL, color=style.QUIET)
            if pd.isna(one["score"]):
                continue
            flag = int(one["against_peers"]) if pd.notna(one["against_peers"]) else 0
            axes.barh(at, one["score"], height=0.68, color=COLOURS[flag], linewidth=0)
            axes.text(1.5, at, SIGNS[flag], color="white", weight="bold", size=7.0, va="center_baseline")
            axes.plot([one["lower"], one["upper"]], [at, at], color=style.INK, linewidth=0.8)
            if pd.notna(one["peer_median"]):
                axes.plot([one["peer_median"]] * 2, [at - 0.42, at + 0.42], color=style.INK, linewidth=1.6)
    return page.figure


def _subtitle(numbers: IndexNumbers) -> str:
    scale = "scores from 0 (as the worst wards of England) to 100 (as the best)"
    return words.sentence(f"{numbers.kind}; {scale}; the number is the index")


def _notes(numbers: IndexNumbers) -> list[str]:
    context = words.listed([words.lower_first(c) for c in numbers.words["context"]], 8)
    return [f"Wards like it: the {numbers.words['peers']} nearest in {context}. Stronger or weaker: by more than these wards "
            "differ among themselves, and more than chance."]  # fmt: skip


def _alt(request: Request, numbers: IndexNumbers, total: pd.DataFrame, rows: pd.DataFrame, chosen: list[str]) -> str:
    said = []
    for code in chosen:
        whole = total[total["place"] == code].iloc[0]
        mine = rows[(rows["place"] == code) & rows["score"].notna()].sort_values("score", kind="stable")
        low, high = mine.iloc[0], mine.iloc[-1]
        ends = (f"lowest {words.lower_first(low['item_title'])} {low['score']:.0f}, "
                f"highest {words.lower_first(high['item_title'])} {high['score']:.0f}")  # fmt: skip
        said.append(f"{whole['name']} {whole['score']:.0f} (rank {whole['rank']:.0f}): {ends}")
    return words.description([f"{request.figure.caption.rstrip('.')}. {numbers.kind}", "; ".join(said)])
