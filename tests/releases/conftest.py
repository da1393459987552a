"""A small study and a site that has run it, with a draft of its release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from shared_code.config import Site, Study
from shared_code.releases.release import release

COUNTS = {"title": "People who are ill", "layout": "counts", "sets": [[], ["place"]], "dimensions": {
    "sex": {"label": "Sex", "values": {"F": "female", "M": "male"}}, "place": {"local": True, "total": True}}}  # fmt: skip
PROTOCOL = {
    "study": "tiny", "title": "t", "summary": "s", "coordinator": "c", "index_date": "2024-01-01",
    "period": {"start": "2020-01-01", "end": "2024-01-01"}, "disclosure": {"threshold": 10, "rounding": 5},
    "analyses": {"illness": {"title": "t", "question": "q", "pooled": [], "results": {"ill": COUNTS}}},
}  # fmt: skip
PEOPLE = {"sex": ["F", "M", "F", "M"], "place": ["=1+1", "=1+1", "all", "all"], "people": [100, 90, 100, 90],
          "cases": [40, 30, 40, 30]}  # fmt: skip


@pytest.fixture(scope="session")
def tiny() -> Study:
    return Study.model_validate(PROTOCOL)


@pytest.fixture(scope="session")
def north(signing: Any) -> Site:
    return Site.model_validate({"site": "north", "title": "The north", "controller": "The northern board", "studies": ["tiny"],
                                "extract_date": "2024-02-01", **signing.settings("north")})  # fmt: skip


@pytest.fixture
def draft(tiny: Study, north: Site, tmp_path: Path) -> Callable[..., Path]:
    """Write the draft of the release; other numbers of cases make another content."""

    def write(cases: int = 40, name: str = "draft") -> Path:
        folder = tmp_path / name
        (folder / "results" / "illness").mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(PEOPLE)
        table.loc[[0, 2], "cases"] = cases
        table.to_parquet(folder / "results" / "illness" / "ill.parquet")
        release(north, tiny, folder / "results", folder / "north.zip")
        return folder / "north.zip"

    return write
