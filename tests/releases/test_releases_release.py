"""Release: everything a site has run, protected together, or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from shared_code.config import Policy, Site, Study, digests
from shared_code.releases import package
from shared_code.releases.attacks.packages import attack_packages
from shared_code.releases.cells import from_csv
from shared_code.releases.release import release

COUNTS = {"title": "t", "layout": "counts", "dimensions": {"sex": {"values": {"F": "f", "M": "m"}}}}
ENTRY = {"title": "t", "question": "q", "pooled": [], "results": {"ill": COUNTS}}
STUDY = Study.model_validate({
    "study": "tiny", "title": "t", "summary": "s", "coordinator": "c", "index_date": "2024-01-01",
    "period": {"start": "2020-01-01", "end": "2024-01-01"}, "disclosure": {"threshold": 10, "rounding": 5},
    "analyses": {"illness": ENTRY, "deaths": {**ENTRY, "needs": ["person", "death"]}},
})  # fmt: skip


def site(**more) -> Site:
    return Site.model_validate({"site": "north", "title": "The north", "controller": "x", "studies": ["tiny"],
                                "extract_date": "2024-02-01", **more})  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "results" / "illness").mkdir(parents=True)
    table = pd.DataFrame({"sex": ["F", "M"], "people": [100, 13], "cases": [40, 0]})
    table.to_parquet(tmp_path / "results" / "illness" / "ill.parquet")
    return tmp_path / "results"


def test_a_release_says_what_it_is(results, tmp_path):
    manifest = release(site(), STUDY, results, tmp_path / "north.zip")
    read, files, digest = package.read(tmp_path / "north.zip")
    assert list(files) == ["tables/illness.ill.csv"]
    assert manifest["package_digest"] == digest
    assert read["plans"] == {"illness": digests.plan(STUDY, "illness")}
    assert read["not_run"] == {"deaths": "the site has no table person, table death"}
    assert read["disclosure"]["tables"] == {"illness.ill": {"cells": 4, "ok": 1, "rounded": 3}}
    assert (read["site"], read["made_up_data"], read["kind"]) == ("north", False, "person-level run")
    assert read["not_collected"] == {"deprivation, locality": "the site has no addresses"}
    cells = from_csv(files["tables/illness.ill.csv"])
    assert cells["value"].tolist() == [40, 100, 0, 15]


def test_a_stricter_site_withholds_more_and_a_looser_one_does_not_withhold_less(results, tmp_path):
    def people(**rules) -> list:
        release(site(disclosure=rules) if rules else site(), STUDY, results, tmp_path / "north.zip")
        manifest, files, _ = package.read(tmp_path / "north.zip")
        cells = from_csv(files["tables/illness.ill.csv"])
        applied = Policy(**manifest["disclosure"]["rules"])
        return [*cells[cells["statistic"] == "people"]["value"].fillna(-1), applied.threshold, applied.rounding]

    assert people() == [100, 15, 10, 5]
    assert people(threshold=15) == [100, -1, 15, 5]
    assert people(threshold=3, rounding=1) == [100, 15, 10, 5]


def test_nothing_a_release_says_depends_on_when_it_was_made(results, tmp_path):
    for name in ("a.zip", "b.zip"):
        release(site(), STUDY, results, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_no_true_number_below_the_threshold_is_in_the_package(results, tmp_path):
    pd.DataFrame({"sex": ["F", "M"], "people": [7919, 104], "cases": [7, 97]}).to_parquet(results / "illness" / "ill.parquet")
    release(site(), STUDY, results, tmp_path / "north.zip")
    manifest, files, _ = package.read(tmp_path / "north.zip")
    text = b"".join(files.values()).decode() + json.dumps(manifest["disclosure"])
    assert "7919" not in text and "104" not in text and "97" not in text
    cells = from_csv(files["tables/illness.ill.csv"])
    assert cells.set_index(["sex", "statistic"])["status"].to_dict() == {
        ("F", "cases"): "withheld", ("F", "people"): "rounded", ("M", "cases"): "withheld", ("M", "people"): "rounded",
    }  # fmt: skip


def test_a_table_that_is_missing_or_does_not_fit_stops_everything(results, tmp_path, problems_of):
    both = STUDY.model_copy(update={"analyses": {**STUDY.analyses, "deaths": STUDY.analyses["illness"]}})
    pd.DataFrame({"sex": ["F", "X"], "people": [1, 2], "cases": [2, 0]}).to_parquet(results / "illness" / "ill.parquet")
    text = "\n".join(map(str, problems_of(release, site(), both, results, tmp_path / "north.zip")))
    assert "ill.parquet: the results table is not there. Run analyse for deaths" in text
    assert "illness.ill: sex holds X" in text
    assert "cases exceeds people" in text
    assert not (tmp_path / "north.zip").exists()


def test_a_table_with_gaps_is_not_released(results, tmp_path, message_of):
    table = pd.DataFrame({"sex": ["F", "M"], "people": [100, 50], "cases": [None, 1]})
    table.to_parquet(results / "illness" / "ill.parquet")
    assert "cases is empty in some cells" in message_of(release, site(), STUDY, results, tmp_path / "north.zip")


def test_a_ward_cannot_be_worked_out_from_its_locality(results, tmp_path):
    """The site's areas say which wards a locality is made of; so does the package, and an outsider needs no package for it."""
    counts = {"title": "t", "layout": "counts", "sets": [["ward"], ["locality"]], "dimensions": {
        "ward": {"local": True, "total": True}, "locality": {"local": True, "total": True}}}  # fmt: skip
    agree = [{"title": "wards", "each": ["locality"], "numbers": [
        {"table": "illness.ill", "statistic": "cases", "inside": {"locality": {"dimension": "ward"}}},
        {"table": "illness.ill", "statistic": "cases"}]}]  # fmt: skip
    study = Study.model_validate({**STUDY.model_dump(mode="json"), "analyses": {"illness": {**ENTRY, "results": {"ill": counts}}},
                                  "agree": agree})  # fmt: skip
    wards, localities = ["Ash E05000001", "Elm E05000002", "Fir E05000003"], ["North", "South"]
    pd.DataFrame({"ward": [*wards, "all", "all"], "locality": ["all"] * 3 + localities, "people": [500, 400, 300, 900, 300],
                  "cases": [100, 4, 120, 104, 120]}).to_parquet(results / "illness" / "ill.parquet")  # fmt: skip
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    (prepared / "prepared.json").write_text('{"holdings": {}}', "utf-8")
    pd.DataFrame({"lsoa21": ["E01000001", "E01000002", "E01000003"], "ward_vintage": "2024-05", "lad_cd": None,
                  "ward_cd": [w[4:] for w in wards], "ward_name": [w[:3] for w in wards], "locality": ["North", "North", "South"],
                  }).to_parquet(prepared / "area_lookup.parquet")  # fmt: skip
    manifest = release(site(), study, results, tmp_path / "north.zip", prepared)
    assert manifest["places"] == {"ward": {"locality": dict(zip(wards, ["North", "North", "South"]))}}
    cells = from_csv(package.read(tmp_path / "north.zip")[1]["tables/illness.ill.csv"]).query("statistic == 'cases'")
    hidden = cells[cells["status"] == "withheld"]
    assert len(hidden) == 2 and "Elm E05000002" in set(hidden["ward"]) and "South" not in set(hidden["locality"])
    assert not attack_packages(study, [tmp_path / "north.zip"])[tmp_path / "north.zip"].weaknesses
    release(site(), study, results, tmp_path / "without.zip")  # without its areas the two are not related
    cells = from_csv(package.read(tmp_path / "without.zip")[1]["tables/illness.ill.csv"]).query("statistic == 'cases'")
    assert (cells["status"] == "withheld").sum() == 1
