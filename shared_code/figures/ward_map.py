"""Ward map: scores of an index and some of its parts, on boundaries where they are at hand, else on a cartogram of hexagons."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize

from shared_code.config import rooms
from shared_code.config.indicators import FOLDER
from shared_code.config.indices import Index
from shared_code.figures import style, words
from shared_code.figures.index_numbers import SCORES, IndexNumbers, read_index
from shared_code.figures.page import Page
from shared_code.figures.request import Drawn, NothingToDraw, Request

COLUMNS = 2
HEAD, GAP, SCALE = 0.28, 0.25, 0.55  # inches
GROUND = "#d9d9d9"  # places without a score

Shapes = dict[str, list[np.ndarray]]


def draw(request: Request) -> Drawn:
    """Draw one map per item, all on one scale of colours.

    settings  index, items (of the index), boundaries (GeoJSON in the folder of open data; optional), hexagons (the table beside
              which the cartogram of these places lies, where it is another than the index's own)
    """
    numbers = read_index(request)
    items = list(request.setting("items", [numbers.words["index"]]))
    rows = numbers.table[numbers.table["item"].isin(items)]
    rows = rows.assign(item_title=[numbers.title(i) for i in rows["item"]]).reset_index(drop=True)
    places = list(dict.fromkeys(rows["place"]))
    shapes, real = shapes_of(request, numbers, places)
    if not shapes:
        raise NothingToDraw("There are neither boundaries nor hexagons of these wards.")
    return Drawn(_picture(request, numbers, rows, items, shapes, real), rows, _alt(request, numbers, rows, items, real),
                 _subtitle(numbers, real), _notes(real))  # fmt: skip


def shapes_of(request: Request, numbers: IndexNumbers, places: list[str]) -> tuple[Shapes, bool]:
    """Give the outline of every place and whether they are real boundaries; nothing where some place has none."""
    named, data = request.setting("boundaries", ""), rooms.open_data()
    if named and data is not None and (data / named).is_file():
        found = boundaries(data / named)
        if set(places) <= set(found):  # boundaries of another edition lack some of the codes
            return {place: found[place] for place in places}, True
    table = request.setting("hexagons") or Index.read(numbers.words["index"]).table
    path = FOLDER / f"{table}.hexagons.csv"
    if not path.is_file():
        return {}, False
    hexes = pd.read_csv(path).set_index("place")
    if not set(places) <= set(hexes.index):
        return {}, False
    angle = np.radians(np.arange(30, 390, 60))
    corner = np.column_stack([np.cos(angle), np.sin(angle)]) / math.sqrt(3)
    middle = {p: (h["column"] + h["row"] % 2 / 2, -h["row"] * math.sqrt(3) / 2) for p, h in hexes.loc[places].iterrows()}
    return {str(place): [corner + at] for place, at in middle.items()}, False


def boundaries(path: Path) -> Shapes:
    """Read outlines by code from GeoJSON, scaled so that a kilometre is as long to the east as to the north."""
    features = json.loads(path.read_text("utf-8"))["features"]
    found: Shapes = {}
    for feature in features:
        properties: dict[str, Any] = feature["properties"]
        code = next(str(v) for k, v in properties.items() if k.endswith("_code") and k.startswith("ward"))
        shape = feature["geometry"]
        polygons = shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
        found[code] = [np.asarray(polygon[0], dtype=float) for polygon in polygons]
    latitude = np.mean([ring[:, 1].mean() for rings in found.values() for ring in rings])
    shrink = np.array([math.cos(math.radians(float(latitude))), 1.0])
    return {code: [ring * shrink for ring in rings] for code, rings in found.items()}


def _picture(request: Request, numbers: IndexNumbers, rows: pd.DataFrame, items: list[str], shapes: Shapes, real: bool):
    corners = np.concatenate([ring for rings in shapes.values() for ring in rings])
    (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
    columns = min(COLUMNS, len(items))
    width = (style.WIDTH - 2 * style.MARGIN - GAP * (columns - 1)) / columns
    width = min(width, 4.6)
    tall = width * (top - bottom) / (right - left)
    lines = math.ceil(len(items) / columns)
    body = SCALE + lines * (HEAD + tall + 0.1)
    page = Page(request.figure.caption, _subtitle(numbers, real), body, _notes(real))
    scale = Normalize(0, 100)
    bar = page.axes(style.MARGIN + 0.3, 0.05, 2.6, 0.13)
    bar.imshow(np.linspace(0, 1, 200)[None], aspect="auto", cmap=SCORES, extent=(0, 100, 0, 1))
    bar.set(yticks=[], xticks=[0, 50, 100])
    bar.set_xticklabels(["0 (worst)", "50", "100 (best)"])
    for number, item in enumerate(items):
        line, column = divmod(number, columns)
        x, y = style.MARGIN + column * (width + GAP), SCALE + line * (HEAD + tall + 0.1)
        page.text(x, y + 0.1, numbers.title(item), weight="bold", size=style.SMALL)
        axes = page.axes(x, y + HEAD, width, tall)
        axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
        axes.set_frame_on(False)
        axes.set_aspect("equal")
        score = rows[rows["item"] == item].set_index("place")["score"]
        colour = {place: GROUND if pd.isna(score[place]) else SCORES(scale(score[place])) for place in shapes}
        edge, thick = ("#8a8a8a", 0.25) if real else ("#ffffff", 0.6)
        axes.add_collection(PolyCollection(
            [ring for rings in shapes.values() for ring in rings], edgecolors=edge, linewidths=thick,
            facecolors=[colour[place] for place, rings in shapes.items() for _ in rings],
        ))  # fmt: skip
    return page.figure


def _subtitle(numbers: IndexNumbers, real: bool) -> str:
    shown = "boundaries" if real else "one hexagon for each ward, near where it lies"
    return words.sentence(f"{numbers.kind}; {numbers.places()}; {shown}")


def _notes(real: bool) -> list[str]:
    if real:
        return ["Large wards catch the eye although few people may live there. Contains OS data © Crown copyright; "
                "boundaries of 2013 and 2021 for the codes of this edition."]  # fmt: skip
    return ["Every ward has a hexagon of the same size, however large it is; wards that touch do not always touch here."]


def _alt(request: Request, numbers: IndexNumbers, rows: pd.DataFrame, items: list[str], real: bool) -> str:
    said = []
    for item in items:
        mine = rows[(rows["item"] == item) & rows["score"].notna()].sort_values(["score", "place"], kind="stable")
        low, high = mine.iloc[0], mine.iloc[-1]
        said.append(f"{numbers.title(item)}: from {low['score']:.0f} ({low['name']}, {low['district']}) to {high['score']:.0f} "
                    f"({high['name']}, {high['district']}), median {mine['score'].median():.0f}")  # fmt: skip
    kind = "Map" if real else "Cartogram"
    return words.description([f"{kind} of {numbers.places()}. {numbers.kind}", *said])
