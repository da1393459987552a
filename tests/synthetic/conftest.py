"""Extracts of all demonstration sites, made once."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from demonstration_sites import PEOPLE, SITES, Made, read_site

from shared_code.sources.prepare import prepare
from shared_code.synthetic import make_extract


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
