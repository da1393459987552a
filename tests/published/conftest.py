"""The published tables of the five teams, and everything made from them once per run."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from shared_code.config import Site, Study, sites_of
from shared_code.config.people import Person
from shared_code.model import Refused
from shared_code.pooling.pool import pool
from shared_code.pooling.receiving import take_in
from shared_code.releases.published import release_published

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
CSV, WORKBOOK = "ndl3_hospital_care_use.csv", "ndl_output3_cev_hospital_use.xlsx"


@pytest.fixture(scope="session")
def ndl() -> Path:
    """The folder of the published files."""
    folder = SHARED / "data" / "ndl"
    if not (folder / CSV).is_file() or not (folder / WORKBOOK).is_file():
        pytest.skip("the published tables lie outside the repository, in ../shared/data/ndl")
    return folder


@pytest.fixture(scope="session")
def known() -> dict[str, Any]:
    """Answers computed independently of this package."""
    path = SHARED / "methods" / "known_answers.json"
    if not path.is_file():
        pytest.skip("the known answers lie outside the repository, in ../shared/methods/known_answers.json")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def study(signing: Any) -> Study:
    """The protocol, with somebody who types the tables of the five teams."""
    read = Study.read(ROOT / "config" / "study_published.yaml")
    typist = Person(roles=["typist"], key=signing.public("tess"))
    return read.model_copy(update={"people": {"tess": typist}})


@pytest.fixture(scope="session")
def sites(ndl: Path) -> dict[str, Site]:
    """The five site files, reading from where the published files lie here."""
    found = sites_of("shielded_published", ROOT / "config" / "sites")
    return {site.site: site.model_copy(update={"folder": str(ndl)}) for site in found}


@pytest.fixture(scope="session")
def expected(sites: dict[str, Site]) -> dict[str, Site]:
    return sites


@pytest.fixture(scope="session")
def outbox(sites: dict[str, Site], study: Study, signing: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The five packages, approved and signed by who typed them."""
    folder = tmp_path_factory.mktemp("outbox")
    for name, site in sites.items():
        draft = tmp_path_factory.mktemp("drafts") / f"{name}.zip"
        release_published(site, study, draft)
        signing.send(site, study, draft, folder / f"{name}.zip")
    return folder


@pytest.fixture(scope="session")
def received(outbox: Path, study: Study, sites: dict[str, Site], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inbox after the five packages were taken in."""
    folder = tmp_path_factory.mktemp("received")
    for path in sorted(outbox.glob("*.zip")):
        take_in(path, study, sites, folder / "inbox", folder / "quarantine", dt.date.today())
    return folder / "inbox"


@pytest.fixture(scope="session")
def pooled(received: Path, study: Study, expected: dict[str, Site], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the coordinating team makes of the five packages."""
    folder = tmp_path_factory.mktemp("coordination")
    shutil.copytree(received, folder / "inbox")
    pool(study, folder / "inbox", folder / "pooled", expected)
    return folder / "pooled"


@pytest.fixture(scope="session")
def all_results(pooled: Path) -> pd.DataFrame:
    return pd.read_csv(pooled / "results.csv", keep_default_na=False, na_values=[""])


@pytest.fixture(scope="session")
def results(all_results: pd.DataFrame) -> pd.DataFrame:
    """The results about everyone."""
    return all_results[all_results["stratum"].isna()].drop(columns="stratum")


@pytest.fixture(scope="session")
def strata(all_results: pd.DataFrame) -> pd.DataFrame:
    """The results about one group of people each."""
    return all_results[all_results["stratum"].notna()]


@pytest.fixture(scope="session")
def published(ndl: Path) -> pd.DataFrame:
    """The published table as it is, without any code of this project: every value as text."""
    return pd.read_csv(ndl / CSV, dtype=str, keep_default_na=False)


@pytest.fixture
def refusal(sites: dict[str, Site], study: Study, tmp_path: Path) -> Callable[..., str]:
    """Release a site from a table that somebody changed, and give the message it is refused with."""

    def release(table: pd.DataFrame, name: str = "ndl_leeds", **changes: Any) -> str:
        table.to_csv(tmp_path / CSV, index=False)
        target = tmp_path / f"{name}.zip"
        entries = [entry.model_copy(update=changes) for entry in sites[name].published]
        site = sites[name].model_copy(update={"folder": str(tmp_path), "published": entries})
        with pytest.raises(Refused) as refused:
            release_published(site, study, target)
        assert not target.exists()
        return str(refused.value)

    return release
