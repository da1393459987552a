"""A cartogram of hexagons: every place one hexagon of the same size, near where it lies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from shared_code.methods.checks import Floats

KM_PER_DEGREE = 111.2  # of latitude


def middles(boundaries: Path, code: str) -> pd.DataFrame:
    """Read the middle of the largest part of every place from a GeoJSON file: place, longitude, latitude (degrees)."""
    rows = []
    for feature in json.loads(boundaries.read_text("utf-8"))["features"]:
        shape = feature["geometry"]
        polygons = shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
        _, x, y = max(_middle(np.asarray(p[0], dtype=float)) for p in polygons)
        rows.append({"place": feature["properties"][code], "longitude": x, "latitude": y})
    return pd.DataFrame(rows).sort_values("place", ignore_index=True)


def _middle(ring: Floats) -> tuple[float, float, float]:
    x, y = (ring - ring[0]).T
    cross = x[:-1] * y[1:] - x[1:] * y[:-1]
    area = cross.sum() / 2
    if abs(area) < 1e-15:
        return 0.0, *ring.mean(axis=0)
    moved = np.array([((v[:-1] + v[1:]) * cross).sum() / (6 * area) for v in (x, y)])
    return float(abs(area)), *(moved + ring[0])


def hexagons(places: pd.DataFrame, room: float = 1.35) -> pd.DataFrame:
    """Give every place its own hexagon so that all together move as little as possible.

    places  place, longitude, latitude    room  hexagons for every place: more keep the outline, fewer leave fewer gaps
    Columns place, column, row: hexagons of odd rows stand half a hexagon to the right; row 0 is the northernmost.
    Method: the assignment with the least sum of squared distances, after drawing crowded places apart by their ranks.
    """
    x = places["longitude"].to_numpy() * np.cos(np.radians(places["latitude"].mean())) * KM_PER_DEGREE
    y = -places["latitude"].to_numpy() * KM_PER_DEGREE
    spread = [(v - v.min()) / np.ptp(v) for v in (x, y)]
    ranked = [np.argsort(np.argsort(v, kind="stable"), kind="stable") / (len(v) - 1) for v in (x, y)]
    shape = np.ptp(x), np.ptp(y)
    points = np.column_stack([(0.5 * s + 0.5 * r) * size for s, r, size in zip(spread, ranked, shape)])
    width = np.sqrt(shape[0] * shape[1] / (room * len(points)) * 2 / np.sqrt(3))  # of a hexagon
    columns, rows = int(np.ceil(shape[0] / width)) + 1, int(np.ceil(shape[1] / (width * np.sqrt(3) / 2))) + 1
    grid = np.array([(c, r) for r in range(rows) for c in range(columns)])
    centres = np.column_stack([(grid[:, 0] + grid[:, 1] % 2 / 2) * width, grid[:, 1] * width * np.sqrt(3) / 2])
    cost = ((points[:, None] - centres[None]) ** 2).sum(axis=-1)
    _, chosen = linear_sum_assignment(cost)
    found = grid[chosen]
    return pd.DataFrame({"place": places["place"], "column": found[:, 0] - found[:, 0].min(),
                         "row": found[:, 1] - found[:, 1].min() // 2 * 2})  # fmt: skip
