"""Coefficients of a model that was fitted over the sites together: a row per level, under the heading of its term."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from shared_code.config.models import INTERCEPT, Model
from shared_code.figures import style, words
from shared_code.figures.forest import MANY, frame, shown_numbers
from shared_code.figures.page import Key
from shared_code.figures.request import POOLED, Drawn, Request, numbers_of

REFERENCE = "reference"


def draw(request: Request) -> Drawn:
    """Draw the coefficients of one model with their intervals, each level beside the one it is compared with.

    settings  model (as named under models: of the analysis)
    """
    name = str(request.setting("model"))
    model = request.plan.entry.models[name]
    rows = request.rows(item=name, scope=POOLED)
    rows = rows[(rows["target"] == "coefficients") & (rows["group"] != INTERCEPT)].copy() if "target" in rows else rows.iloc[:0]
    if rows["estimate"].notna().sum() == 0:
        raise request.why_empty(f"{model.title}: this model has not been fitted under the present plan (cohortium model --help).")
    lines = list(_lines(model, rows))
    texts = [shown_numbers(line["row"]) if line["row"] else REFERENCE if line["reference"] else "" for line in lines]
    whole, measure = rows.iloc[0], str(rows["measure"].iloc[0])
    inside, without = request.who(rows)
    people = words.many(whole["people"], "person", "people")
    events = f", {words.many(whole['events'], 'event')}" if not math.isnan(whole["events"]) else ""
    subtitle = words.sentence(f"{measure} with 95 % interval; {inside}, {people}{events}")
    own = "; every site has its own intercept, so that people are compared within sites" if model.site_intercepts else ""
    notes = [words.sentence(f"{whole['method']}{own}"), without]
    keys = [Key("interval", f"{measure}, with 95 % interval", style.POOLED), Key("point", REFERENCE, style.LIGHT, "o", False)]
    names = [line["name"] for line in lines]
    page, axes, at = frame(request, names, texts, len(lines), numbers_of([rows]), subtitle, notes, keys)
    for n, line in enumerate(lines):
        at.name(n, line["name"], weight="bold" if line["heading"] else "normal")
        at.value(n, texts[n], "")
        row = line["row"]
        if line["reference"]:
            axes.plot([1.0 if whole["scale"] == "ratio" else 0.0], [n], "o", markerfacecolor="white", color=style.LIGHT)
        elif row and math.isnan(row["estimate"]):
            at.middle(n, row["reason"])
        elif row:
            axes.plot([row["lower"], row["upper"]], [n, n], color=style.POOLED, linewidth=1.4 if len(lines) <= MANY else 1.0)
            axes.plot([row["estimate"]], [n], "o", color=style.POOLED, markersize=4.5)
    titles = [line["title"] for line in lines if line["row"]]
    shown = rows.assign(item_title=model.title, level_title=titles)
    said = [f"{title} {words.interval(row)}" for title, row in zip(titles, shown.to_dict("records"), strict=True)]
    alt = words.description([f"{request.figure.caption.rstrip('.')}: {inside}, {people}{events}", "; ".join(said)])
    return Drawn(page.figure, shown, alt, subtitle, [note for note in notes if note])


def _lines(model: Model, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """List what stands in the rows of the picture: terms, their references, and their levels, as the model declares them."""
    found = {(row["group"], row["level"]): row for row in rows.to_dict("records")}
    lines: list[dict[str, Any]] = []
    left = dict(found)

    def line(name: str, title: str, row: Any = None, heading: bool = False, reference: bool = False) -> None:
        lines.append({"name": name, "title": title, "row": row, "heading": heading, "reference": reference})

    for term, spec in model.terms.items():
        label = spec.label or term.replace("_", " ").capitalize()
        levels = {code: found[term, code] for code in spec.levels if (term, code) in found}
        if levels:
            line(label, label, heading=True)
            for n, (code, text) in enumerate(spec.levels.items()):
                reference = n == 0 and code not in levels
                if reference or code in levels:
                    line(f"   {text or code}", f"{label} {text or code}", levels.get(code), reference=reference)
                left.pop((term, code), None)
        for key in [key for key in left if key[0] == term or key[0].startswith(f"{term} above ")]:
            line(label if key[0] == term else key[0], key[0], left.pop(key))
    for key, row in left.items():  # what belongs to no term, such as the dispersion
        line(key[0].replace("_", " "), key[0], row)
    order = [(line["row"]["group"], line["row"]["level"]) for line in lines if line["row"]]
    rows["_at"] = [order.index((g, level)) for g, level in zip(rows["group"], rows["level"])]
    rows.sort_values("_at", inplace=True)
    rows.drop(columns="_at", inplace=True)
    return lines
