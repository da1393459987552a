"""What is said of what a site holds: no small number, no date of one record, and no run after the agreement's end."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pytest

from shared_code.config import Site, Study
from shared_code.model import Refused
from shared_code.pooling.catalogue import catalogue
from shared_code.sources.holdings import holdings

ROOT = Path(__file__).parents[2]


def events(dates: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"event_id": [str(i) for i in range(len(dates))], "event_date": pd.to_datetime(dates).date})


def test_rare_rows_and_rare_months_are_not_told(tmp_path: Path):
    dates = ["1931-05-02"] * 9 + ["2019-03-07"] * 10 + ["2021-08-01"] * 12 + ["2026-04-19"] * 3
    events(dates).to_parquet(tmp_path / "condition_event.parquet")
    events(["2020-01-01"] * 9).rename(columns={"event_date": "death_date"}).to_parquet(tmp_path / "death.parquet")
    held = holdings(tmp_path)
    assert held["condition_event"] == {"rows": 35, "first_month": "2019-03", "last_month": "2021-08"}
    assert held["death"] == {"rows": None, "first_month": None, "last_month": None}


@pytest.mark.parametrize("rows, told", [(0, 0), (1, None), (9, None), (10, 10), (12, 10), (13, 15), (17, 15), (18, 20)])
def test_rows_are_rounded_half_up(tmp_path: Path, rows: int, told: int | None):
    events(["2020-01-01"] * rows).to_parquet(tmp_path / "condition_event.parquet")
    assert holdings(tmp_path)["condition_event"]["rows"] == told


def test_a_table_about_places_or_birth_has_no_period(tmp_path: Path):
    pd.DataFrame({"person_id": ["a"] * 20, "birth_month": pd.to_datetime(["1950-01-01"] * 20).date,
                  "ethnicity_date": pd.to_datetime([None] * 20)}).to_parquet(tmp_path / "person.parquet")  # fmt: skip
    assert holdings(tmp_path)["person"] == {"rows": 20, "first_month": None, "last_month": None}


def test_the_catalogue_is_linked_data_with_governance():
    study = Study.read(ROOT / "config" / "study.yaml")
    manifest = {
        "site_title": "Place", "controller": "Board", "extract_date": "2026-04-20", "limits": "No deaths.",
        "kind": "person-level run", "made_up_data": True,
        "governance": {"legal_basis": "Article 6(1)(e)", "dpia": "D-12", "agreement_expires": "2027-03-31"},
        "holdings": {"person": {"rows": 20_000, "first_month": None, "last_month": None},
                     "death": {"rows": None, "first_month": "2021-04", "last_month": "2026-03"}},
    }  # fmt: skip
    made = json.loads(json.dumps(catalogue(study, {"demo_place": manifest})))
    assert made["@type"] == "dcat:Catalog" and made["@context"]["dcat"] == "http://www.w3.org/ns/dcat#"
    dataset = made["dcat:dataset"][0]
    assert dataset["dct:publisher"]["foaf:name"] == "Board"
    assert dataset["cohortium:agreementExpires"] == "2027-03-31"
    parts = {p["dct:title"]: p for p in dataset["dct:hasPart"]}
    assert parts["death"]["cohortium:rows"] is None
    assert parts["death"]["dct:temporal"]["dcat:startDate"] == "2021-04"


def test_a_run_after_the_agreements_end_is_refused():
    site = Site.read("demo_ashvale", ROOT / "config" / "sites")
    site.in_force(dt.date(2036, 3, 31))
    with pytest.raises(Refused, match="the agreement ended on 2036-03-31"):
        site.in_force(dt.date(2036, 4, 1))
