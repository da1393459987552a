"""The part of a page that says who moves into and out of need with a newer index: computed, committed, compared by a test."""

from __future__ import annotations

import pandas as pd

from shared_code.config.editions import Editions
from shared_code.reporting.words import number, pipe_table

HEAD = "<!-- Computed from open data by `cohortium index editions`; never typed. A test compares it with the data. -->"


def editions_part(declared: Editions, found: pd.DataFrame) -> str:
    """Write, as Markdown, who moves and what it does to money; `found` is what indices.editions.two_editions gives."""
    first, second, beside = declared.first.title, declared.second.title, declared.beside.title
    whole = found.iloc[-1]
    people, money = [], []
    for row in found.to_dict("records"):
        share = {side: f"{number(row[side], 0)} ({number(100 * row[side] / row['people'])} %)"
                 for side in ("before", "after", "beside")}  # fmt: skip
        of_all = {side: f"{number(100 * row[side] / whole[side])} %" for side in ("before", "after")}
        change = number(row["pounds_after"] - row["pounds_before"], 0, signed=True)
        people.append({"": row["place"], "People": number(row["people"], 0), f"Core20, {first}": share["before"],
                       f"Core20, {second}": share["after"], "Move in": number(row["into"], 0), "Move out": number(row["out"], 0),
                       beside: share["beside"]})  # fmt: skip
        money.append({"": row["place"], f"Share of all Core20, {first}": of_all["before"], second: of_all["after"],
                      f"Pounds, {first}": number(row["pounds_before"], 0), f"Pounds, {second}": number(row["pounds_after"], 0),
                      "Change": change, f"Pounds, {beside}": number(row["pounds_beside"], 0)})  # fmt: skip
    shared = f"{number(declared.money.pounds, 0)} pounds shared out by a weight of need of {declared.money.weight:g}"
    captions = {f"People by whether they live in Core20 under either index ({declared.title})": people,
                f"What it does to {shared}": money}  # fmt: skip
    parts = [f"{pipe_table(pd.DataFrame(rows), right=tuple(rows[0])[1:])}\n\n: {caption}" for caption, rows in captions.items()]
    counted = [f"{spec.title} ({spec.publisher})" for spec in (declared.people, declared.lookup, declared.shares)]
    ranked = f"{declared.first.source}; {declared.second.source}; both ranked by their published weights"
    return "\n\n".join([HEAD, *parts, f"Sources: {ranked}; {'; '.join(counted)}. {declared.licence}."]) + "\n"
