"""Extracts of all demonstration sites, made once, with what their site files make of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from shared_code.config import Site
from shared_code.linkage.site import link_site
from shared_code.sources.prepare import prepare
from shared_code.synthetic import make_extract

SITES = Path(__file__).resolve().parents[2] / "config" / "sites"
PEOPLE = 2000


@dataclass
class Made:
    """Hold an extract, its truth, and the prepared tables the site file makes of it.

    unlinked  table -> source -> rows, and unlinked: rows of people that no link leads to, which are left out
    """

    site: Site
    people: int
    folder: Path
    truth: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    unlinked: dict[str, dict[str, dict[str, int]]]


@pytest.fixture(scope="session", params=sorted(path.stem for path in SITES.glob("demo_*.yaml")))
def made(request, tmp_path_factory) -> Made:
    site = Site.read(request.param, SITES)
    room = tmp_path_factory.mktemp(site.site)
    make_extract(site, PEOPLE, room / "extract")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COHORTIUM_KEY", bytes(range(32)).hex())
        if site.linkage:
            link_site(site, room / "extract", room)
        prepare(site, room / "extract", room / "prepared")
    unlinked = json.loads((room / "prepared" / "prepared.json").read_text(encoding="utf-8"))["unlinked"]
    tables = {name: pd.read_parquet(room / "prepared" / f"{name}.parquet") for name in site.tables}
    truth = json.loads((room / "extract" / "truth.json").read_text(encoding="utf-8"))
    return Made(site, PEOPLE, room / "extract", truth, tables, unlinked)
