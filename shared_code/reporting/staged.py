"""What was staged beside a report page: results, sites, and the record of the pooling."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.pooling.results import TEXT

DATA, STUDY = "data", "study.json"


class Staged:
    """Give the numbers of one study as they lie beside a page; `Report` makes sentences and tables of them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.study: dict[str, Any] = json.loads((folder / DATA / STUDY).read_text("utf-8"))

    @cached_property
    def results(self) -> pd.DataFrame:
        """Give the tidy results table (shared_code/pooling/results.py says what each column is)."""
        kinds = dict.fromkeys(TEXT, str)
        frame = pd.read_csv(self.folder / DATA / "results.csv", dtype=kinds, keep_default_na=False, na_values={})
        for name in set(frame.columns) - TEXT:
            frame[name] = pd.to_numeric(frame[name].replace("", None)).astype(float)
        return frame

    @cached_property
    def sites(self) -> pd.DataFrame:
        """Give who is in what, and why not."""
        return pd.read_csv(self.folder / DATA / "sites.csv", dtype=str, keep_default_na=False)

    @cached_property
    def record(self) -> dict[str, Any]:
        """Give the record of the pooling: digests of protocol, code, environment and releases."""
        return json.loads((self.folder / DATA / "pooled.json").read_text("utf-8"))

    def made_up(self) -> str:
        """Say which sites are made up, in words; nothing where none is."""
        releases = list(self.record["releases"].values())
        titles = [r["title"] for r in releases if r["made_up_data"]]
        if titles and len(titles) == len(releases):
            return ("The places and people of this study are made up. "
                    "The numbers show how the method works and say nothing about anyone.")  # fmt: skip
        return f"Some of the places and their people are made up: {', '.join(titles)}." if titles else ""

    def entry(self, stem: str) -> dict[str, Any]:
        return self.study["analyses"][stem]

    def title_of(self, stem: str, item: str) -> str:
        """Give the title of a condition, service or term."""
        return self.entry(stem)["labels"].get(item, item)

    def rows(self, stem: str, **where: str) -> pd.DataFrame:
        """Select results of an analysis; pooled and about everyone unless `scope` or `stratum` say otherwise."""
        chosen = self.results[self.results["analysis"] == stem]
        for column, value in {"scope": "pooled", "stratum": "", **where}.items():
            chosen = chosen[chosen[column] == value]
        return chosen
