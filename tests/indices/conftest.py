"""Open data where they lie, and small tables of made-up places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shared_code.config.indices import Index
from shared_code.indices import AreaTable


@pytest.fixture(scope="session")
def open_data(shared: Path) -> Path:
    folder = shared / "data"
    if not (folder / "geography" / "lsoa11_ward17_lad21.csv.gz").is_file():
        pytest.skip("the open data lie outside the repository, in ../shared/data")
    return folder


def settings(**changes: Any) -> dict[str, Any]:
    """Give a small index: two dimensions, two components, four indicators that more is worse in."""
    item = {"more_is": "worse", "best": 0, "worst": 100}
    return {
        "index": "small", "title": "Small index", "table": "places", "edition": "ward 2017-12",
        "dimensions": {"home": {"title": "Home", "components": {"damp": {"title": "Damp"}}},
                       "life": {"title": "Life", "components": {"health": {"title": "Health"}}}},
        "indicators": {"mould": item | {"component": "damp"}, "cold": item | {"component": "damp"},
                       "illness": item | {"component": "health"}, "deaths": item | {"component": "health"}},
        "context": ["age"], "peers": 3, "draws": 200,
    } | changes  # fmt: skip


@pytest.fixture
def small() -> Index:
    return Index.model_validate(settings())


@pytest.fixture
def places() -> AreaTable:
    return made_up_places(60)


def made_up_places(number: int, seed: int = 1) -> AreaTable:
    """Make places whose four indicators follow one hidden hardship."""
    rng = np.random.default_rng(seed)
    hardship = rng.normal(0, 1, number)
    frame = pd.DataFrame({name: 40 + 8 * hardship + rng.normal(0, 4, number) for name in ("mould", "cold", "illness", "deaths")},
                         index=[f"E05{n:06d}" for n in range(number)])  # fmt: skip
    frame["age"] = rng.normal(40, 5, number)
    frame["name"], frame["district"] = frame.index, "Somewhere"
    return AreaTable(frame, "ward 2017-12", "places")
