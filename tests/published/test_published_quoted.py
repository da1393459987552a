"""The page on shielded people quotes the five real tables: what it shows is computed, and its words are true of it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from shared_code.config import Study
from shared_code.reporting.page import Report
from shared_code.reporting.quoted import quoted_part
from shared_code.reporting.stage import study_record

ROOT = Path(__file__).resolve().parents[2]
QUOTED, PAGE = ROOT / "reports" / "_published_list.qmd", ROOT / "reports" / "shielded_people.qmd"
SERVICES = {"admissions_emergency": "emergency admissions", "admissions_electives": "planned admissions",
            "AE_attendance": "attendances at A&E", "outpatient_attendance": "outpatient"}  # fmt: skip


@pytest.fixture
def report(pooled: Path, study: Study, tmp_path: Path) -> Report:
    shutil.copytree(pooled, tmp_path / "data")
    (tmp_path / "data" / "study.json").write_text(json.dumps(study_record(study)), "utf-8")
    return Report(tmp_path)


def test_the_tables_on_the_page_are_those_that_pooling_gives(report: Report):
    assert QUOTED.read_text("utf-8") == quoted_part(report, "hospital_use"), "pool the published study, then: cohortium quote"


def test_the_page_shows_every_service_site_and_group(report: Report, study: Study, sites: dict[str, Any]):
    text = QUOTED.read_text("utf-8")
    levels = study.analyses["hospital_use"].results["monthly"].dimensions["service"].values
    assert all(label in text for label in levels.values())
    assert all(site.title in text for site in sites.values())
    assert all(name in text for name in ("Age", "Sex", "Deprivation", "70+", "Female", "1 (most deprived)"))
    assert "{{< include _published_list.qmd >}}" in PAGE.read_text("utf-8")


def test_the_words_of_the_page_are_true_of_the_tables(results: pd.DataFrame):
    """Every number in the paragraph about real places is looked up; a typed number that no table gives would fail."""
    words = re.search(r"## The same in five real places\n\n(.*?)\n\n", PAGE.read_text("utf-8"), re.DOTALL)[1]
    words = " ".join(words.split())
    found = {abs(float(number)) for number in re.findall(r"\d+\.\d+", words)}
    pooled = results[results["scope"] == "pooled"]
    pooled = pooled.drop_duplicates(["item", "measure"]).set_index(["item", "measure"])["estimate"].sort_index()
    told = {name: [round(abs(float(pooled[name, m])), 1) for m in ("change from a year before", "change against trend")]
            for name in SERVICES}  # fmt: skip
    allowed = {number for pair in told.values() for number in pair}
    allowed.add(round(float(pooled["admissions_emergency", "trend"]), 1))
    assert found and found <= allowed, found - allowed
    assert set(told["admissions_emergency"]) <= found and "emergency admissions" in words.lower()


@pytest.mark.parametrize("service", list(SERVICES))
def test_where_use_had_been_rising_the_naive_change_understates(results: pd.DataFrame, service: str):
    pooled = results[(results["scope"] == "pooled") & (results["item"] == service)]
    pooled = pooled.drop_duplicates("measure").set_index("measure")["estimate"]
    rising = pooled["trend"] > 5
    assert (pooled["change against trend"] < pooled["change from a year before"] - 2) == rising
