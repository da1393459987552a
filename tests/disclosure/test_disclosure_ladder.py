"""Coarser bands: declared, tried before anything leaves, shown to the site, and agreed by the coordinating team."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from shared_code.config import Policy, Site, Study
from shared_code.config.study import ResultsTable
from shared_code.disclosure.ladder import climb, finest_rung, rungs_of
from shared_code.pooling.ladders import common_rungs
from shared_code.releases import beside, package
from shared_code.releases.release import release
from shared_code.reporting.review import Draft, review_page

AGES = ["0-19", "20-39", "40-59", "60-79", "80+"]
ILL = {"title": "People ill", "layout": "counts", "ladder": {"age": [[0, 40, 80], [0, 40]]},
       "dimensions": {"age": {"bands": [0, 20, 40, 60, 80]}, "sex": {"values": {"F": "f", "M": "m"}}}}  # fmt: skip
STUDY = Study.model_validate({
    "study": "tiny", "title": "t", "summary": "s", "coordinator": "the coordinating team", "index_date": "2024-01-01",
    "period": {"start": "2020-01-01", "end": "2024-01-01"}, "disclosure": {"threshold": 10, "rounding": 5},
    "analyses": {"illness": {"title": "Illness", "question": "q", "pooled": [], "results": {"ill": ILL}}},
})  # fmt: skip
SITE = Site.model_validate({"site": "north", "title": "North", "controller": "x", "studies": ["tiny"],
                            "extract_date": "2024-02-01"})  # fmt: skip
RUNGS = ["0-19, 20-39, 40-59, 60-79, 80+", "0-39, 40-79, 80+", "0-39, 40+"]


def table(*cases: int) -> pd.DataFrame:
    return pd.DataFrame([(a, s, 200, n) for s in "FM" for a, n in zip(AGES, cases)], columns=["age", "sex", "people", "cases"])


@pytest.mark.parametrize(("wrong", "what"), [
    ({"age": [[0, 33]]}, "not made of"), ({"age": [[0, 40], [0, 20]]}, "not made of"), ({"age": [[20, 40]]}, "not made of"),
    ({"age": [[]]}, "not made of"), ({"age": [[0, 20, 40, 60, 80]]}, "not made of"), ({"sex": [[0, 40]]}, "no dimension"),
    ({"ages": [[0, 40]]}, "no dimension"), ({"age": [[40, 0]]}, "not made of"),
])  # fmt: skip
def test_a_ladder_that_leads_nowhere_is_refused(wrong, what):
    with pytest.raises(ValidationError, match=what):
        ResultsTable.model_validate({**ILL, "ladder": wrong})


def test_a_ladder_needs_numbers_that_add_up():
    with pytest.raises(ValidationError, match="adds up over people"):
        ResultsTable.model_validate({**ILL, "layout": "bins"})


def test_rungs_are_named_by_their_bands():
    declared = STUDY.analyses["illness"].results["ill"]
    assert [*rungs_of(declared, "age")] == RUNGS
    (counted,) = climb("illness.ill", declared, table(2, 9, 30, 40, 8), Policy())
    shares = [outcome["share"] for outcome in counted["rungs"].values()]
    assert shares[0] > shares[1] > shares[2] == 0
    assert finest_rung(counted) == RUNGS[2]
    (safe,) = climb("illness.ill", declared, table(20, 20, 30, 40, 20), Policy())
    assert finest_rung(safe) == RUNGS[0]


def test_a_release_tells_the_rung_and_no_more(tmp_path: Path):
    (tmp_path / "results" / "illness").mkdir(parents=True)
    table(2, 9, 30, 40, 8).to_parquet(tmp_path / "results" / "illness" / "ill.parquet")
    draft = tmp_path / "draft" / "north.zip"
    release(SITE, STUDY, tmp_path / "results", draft)
    manifest, files, digest = package.read(draft)
    assert manifest["finest_rungs"] == [{"table": "illness.ill", "dimension": "age", "rung": RUNGS[2]}]
    assert not any(b"rungs\":{" in content.replace(b" ", b"") for content in files.values())
    known = beside.read(draft, digest)
    assert [*known.climbed[0]["rungs"]] == RUNGS
    page = review_page(SITE, STUDY, Draft(b"", digest, manifest, files, known.reasons, climbed=known.climbed))
    assert f"<strong>{RUNGS[2]}</strong>" in page and f"<td>{RUNGS[0]}</td>" in page
    assert "Would coarser bands" not in review_page(SITE, STUDY, Draft(b"", digest, manifest, files, known.reasons))


def test_the_coarsest_that_any_site_needs_suits_all():
    def told(rung: str) -> dict:
        return {"finest_rungs": [{"table": "illness.ill", "dimension": "age", "rung": rung}]}

    found = common_rungs(STUDY, {"a": told(RUNGS[0]), "b": told(RUNGS[1]), "c": {}, "d": told("made up")})
    assert found.to_dict("records") == [{"analysis": "illness", "table": "ill", "dimension": "age", "declared": RUNGS[0],
                                         "common": RUNGS[1], "sites": "a; b", "held_back_by": "b"}]  # fmt: skip
    assert common_rungs(STUDY, {"a": told(RUNGS[0])})["held_back_by"].tolist() == [""]
    assert common_rungs(STUDY, {"a": {}}).empty
