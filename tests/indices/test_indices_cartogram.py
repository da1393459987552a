"""The cartogram: one hexagon for each ward, near where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from shared_code.config.indicators import FOLDER
from shared_code.indices import read_table
from shared_code.indices.cartogram import hexagons, middles

TABLE = "staffordshire_wards_2017_12"


def test_every_ward_has_its_own_hexagon():
    kept = pd.read_csv(FOLDER / f"{TABLE}.hexagons.csv")
    assert set(kept["place"]) == set(read_table(TABLE).numbers.index) and kept["place"].is_unique
    assert not kept.duplicated(["column", "row"]).any() and kept["row"].min() == kept["column"].min() == 0


def test_the_committed_cartogram_is_what_the_boundaries_give(open_data: Path):
    found = middles(open_data / "geography" / "wards2017_ssot.geojson", "ward17_code")
    pd.testing.assert_frame_equal(hexagons(found), pd.read_csv(FOLDER / f"{TABLE}.hexagons.csv"), check_dtype=False)
    kept = hexagons(found)
    assert spearmanr(found["longitude"], kept["column"]).statistic > 0.95
    assert spearmanr(found["latitude"], -kept["row"]).statistic > 0.95


def test_places_on_a_grid_keep_their_order():
    at = [(x, y) for x in range(5) for y in range(5)]
    grid = pd.DataFrame([{"place": f"{x}{y}", "longitude": x / 100, "latitude": 52 + y / 150} for x, y in at])
    laid = hexagons(grid, room=1.0).set_index("place")
    for y in range(5):
        columns = [laid.loc[f"{x}{y}", "column"] + laid.loc[f"{x}{y}", "row"] % 2 / 2 for x in range(5)]
        assert (np.diff(columns) > 0).all()
