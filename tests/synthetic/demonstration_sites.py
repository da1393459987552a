"""The demonstration sites, as the tests use them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.config import Site

ROOT = Path(__file__).resolve().parents[2]
SITES = sorted(path.stem for path in (ROOT / "config" / "sites").glob("demo_*.yaml"))
PEOPLE = 2000


def read_site(name: str) -> Site:
    return Site.read(name, ROOT / "config" / "sites")


@dataclass
class Made:
    """Hold an extract, its truth, and the prepared tables the site file makes of it."""

    site: Site
    folder: Path
    truth: dict[str, Any]
    tables: dict[str, pd.DataFrame]
