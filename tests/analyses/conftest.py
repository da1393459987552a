"""The demonstration's sites, made small: their notebooks run, what they may release, and what pooling makes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest

from shared_code import disclosure
from shared_code.config import Site, Study
from shared_code.config.plan import Plan
from shared_code.linkage.site import link_site
from shared_code.measures import Prepared
from shared_code.pooling.decision import OTHER_TABLES
from shared_code.pooling.pool import METHODS, POOLED
from shared_code.pooling.results import results_table
from shared_code.sources.prepare import prepare
from shared_code.synthetic import make_extract

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Made:
    """Hold one made-up site: its truth and its prepared tables."""

    site: Site
    folder: Path

    @cached_property
    def truth(self) -> dict[str, Any]:
        return json.loads((self.folder / "extract" / "truth.json").read_text("utf-8"))

    @property
    def prepared(self) -> Prepared:
        return Prepared(self.folder / "prepared")

    def run(self, stem: str, notebooks: Path = ROOT / "notebooks", study: Path | None = None) -> dict[str, pd.DataFrame]:
        """Run a notebook's cells on the prepared tables; gives the results tables it saved."""
        space: dict[str, Any] = {}
        for cell in nbformat.read(notebooks / f"{stem}.ipynb", 4).cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, f"{stem}: {cell['id']}", "exec"), space)
            if cell["id"] == "parameters":
                space |= {"prepared": str(self.folder / "prepared"), "results": str(self.folder / "results" / stem)}
                space |= {"study": str(study)} if study else {}
        folder = self.folder / "results" / stem
        return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


@dataclass
class Demonstration:
    """Hold several sites, and pool one analysis over them without a package in between."""

    study: Study
    sites: list[Made]
    protected: bool = True
    notebooks: Path = ROOT / "notebooks"
    protocol: Path | None = None
    _run: dict[str, dict[str, dict[str, pd.DataFrame]]] = field(default_factory=dict)

    def tables(self, stem: str) -> dict[str, dict[str, pd.DataFrame]]:
        """Give the results tables of every site that can run an analysis: site -> table -> frame."""
        if stem not in self._run:
            able = [made for made in self.sites if made.site.can_run(self.study.analyses[stem])]
            self._run[stem] = {made.site.site: made.run(stem, self.notebooks, self.protocol) for made in able}
        return self._run[stem]

    def cells(self, stem: str) -> dict[str, pd.DataFrame]:
        """Give what the sites may release, all sites under each other: table -> cells."""
        parts: dict[str, list[pd.DataFrame]] = {}
        for site, tables in self.tables(stem).items():
            declared = {f"{stem}.{name}": (self.study.analyses[stem].results[name], t) for name, t in tables.items()}
            policy = self.study.disclosure if self.protected else self.study.disclosure.model_copy(
                update={"threshold": 1, "rounding": 1})  # fmt: skip
            for name, table in disclosure.protect(declared, ledger=[], policy=policy).tables.items():
                parts.setdefault(name.partition(".")[2], []).append(table.assign(site=site))
        return {name: pd.concat(found, ignore_index=True) for name, found in parts.items()}

    def pool(self, stem: str, **changes: Any) -> pd.DataFrame:
        """Compute everything an analysis declares, over all sites and of each; `changes` replace settings of its steps."""
        cells, rows = self.cells(stem), []
        for step in self.study.analyses[stem].pooled:
            names = sorted(cells[step.table]["site"].unique())
            scopes = {POOLED: names, **{f"site:{name}": [name] for name in names}}
            settings = step.settings | {name: value for name, value in changes.items() if name in step.settings}
            for other in OTHER_TABLES:
                if isinstance(settings.get(other), dict):
                    settings[other] = {**settings[other], "cells": cells[settings[other]["table"]]}
            for row in METHODS[step.method](cells[step.table], Plan(self.study, stem).results(step.table), settings, scopes):
                rows.append(row | {"analysis": stem, "sites": "; ".join(row["sites"]), "n_sites": len(row["sites"])})
        return results_table(rows)


@pytest.fixture(scope="session")
def made_site(tmp_path_factory: pytest.TempPathFactory):
    """Make a demonstration site of some size, once."""
    kept: dict[tuple[str, int], Made] = {}

    def make(name: str, people: int) -> Made:
        if (name, people) not in kept:
            site, room = Site.read(name, ROOT / "config" / "sites"), tmp_path_factory.mktemp(f"{name}-{people}")
            make_extract(site, people, room / "extract")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("COHORTIUM_KEY", bytes(range(32)).hex())
                if site.linkage:
                    link_site(site, room / "extract", room)
                prepare(site, room / "extract", room / "prepared")
            kept[name, people] = Made(site, room)
        return kept[name, people]

    return make


@pytest.fixture(scope="session")
def demonstration(made_site):
    """Make several sites of some size; notebooks run in the project's folder."""

    def make(people: int, *names: str, protected: bool = True) -> Demonstration:
        study = Study.read(ROOT / "config" / "study.yaml")
        chosen = names or sorted(path.stem for path in (ROOT / "config" / "sites").glob("demo_*.yaml"))
        return Demonstration(study, [made_site(name, people) for name in chosen], protected)

    return make
