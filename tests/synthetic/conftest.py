"""Extracts of all demonstration sites, made once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from shared_code.config import Site
from shared_code.sources.prepare import prepare
from shared_code.synthetic import make_extract

ROOT = Path(__file__).resolve().parents[2]
SITES = sorted(path.stem for path in (ROOT / "config" / "sites").glob("demo_*.yaml"))
PEOPLE = 4000


def read_site(name: str) -> Site:
    return Site.read(name, ROOT / "config" / "sites")


@dataclass
class Made:
    """Hold an extract, its truth, and the prepared tables the site file makes of it."""

    site: Site
    folder: Path
    truth: dict[str, Any]
    tables: dict[str, pd.DataFrame]


@pytest.fixture(scope="session", params=SITES)
def made(request, tmp_path_factory) -> Made:
    site = read_site(request.param)
    room = tmp_path_factory.mktemp(site.site)
    make_extract(site, PEOPLE, room / "extract")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COHORTIUM_KEY", bytes(range(32)).hex())
        prepare(site, room / "extract", room / "prepared")
    tables = {name: pd.read_parquet(room / "prepared" / f"{name}.parquet") for name in site.tables}
    truth = json.loads((room / "extract" / "truth.json").read_text(encoding="utf-8"))
    return Made(site, room / "extract", truth, tables)
