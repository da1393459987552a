"""Public person-level files through their site file and the shared notebook, as a site would run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from shared_code.config import Site
from shared_code.execution import run_notebook
from shared_code.sources.prepare import prepare

ROOT = Path(__file__).resolve().parents[2]
STEM = "long_term_conditions"


class Run:
    """What one site's files became: prepared tables, and the results table of the notebook."""

    def __init__(self, name: str, extract: Path, room: Path, index_date: str) -> None:
        prepare(Site.read(name, ROOT / "config" / "sites"), extract, room / "prepared")
        text = (ROOT / "config" / "study.yaml").read_text(encoding="utf-8")
        line = next(line for line in text.splitlines() if line.startswith("index_date:"))
        (room / "study.yaml").write_text(text.replace(line, f"index_date: {index_date}"), encoding="utf-8")
        parameters = {"study": str(room / "study.yaml"), "prepared": str(room / "prepared"), "results": str(room / "results")}
        run_notebook(ROOT / "notebooks" / f"{STEM}.ipynb", room / f"{STEM}.ipynb", parameters, ROOT)
        self.room = room
        self.prepared = {path.stem: pd.read_parquet(path) for path in (room / "prepared").glob("*.parquet")}
        self.results = pd.read_parquet(room / "results" / "conditions.parquet")

    def counted(self, condition: str) -> pd.DataFrame:
        """Give people and cases by sex and age band, of everyone."""
        everyone = (self.results[["deprivation", "ethnicity", "locality"]] == "all").all(axis=1) & (
            self.results[["sex", "age"]] != "all").all(axis=1)
        rows = self.results[everyone & (self.results["condition"] == condition)]
        return rows.set_index(["sex", "age"])[["people", "cases"]].sort_index()


@pytest.fixture(scope="session")
def run_site(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, str], Run]:
    """Prepare a site from its public files and run the notebook on them."""

    def run(name: str, folder: str, index_date: str) -> Run:
        extract = shared / "data" / "persons" / folder
        if not extract.is_dir():
            pytest.skip(f"the public files of {name} are not in ../shared")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COHORTIUM_KEY", bytes(range(32)).hex())
            patch.setenv("COHORTIUM_COLD", "1")
            patch.chdir(ROOT)
            return Run(name, extract, tmp_path_factory.mktemp(name), index_date)

    return run


@pytest.fixture(scope="session")
def by_hand() -> Callable[..., pd.DataFrame]:
    """Count people and cases by sex and age band with pandas alone; `people` has sex, age and the case as a truth value."""

    def count(people: pd.DataFrame, case: str) -> pd.DataFrame:
        edges, labels = [0, 18, 40, 55, 65, 75, 85, 200], ["0-17", "18-39", "40-54", "55-64", "65-74", "75-84", "85+"]
        banded = people.assign(age=pd.cut(people["age"], edges, right=False, labels=labels).astype(str))
        grid = pd.MultiIndex.from_product([["F", "M"], labels], names=["sex", "age"])
        sums = banded.groupby(["sex", "age"])[case].agg(people="size", cases="sum").reindex(grid, fill_value=0)
        return sums.astype("int64").sort_index()

    return count
