"""What the review page says of models: counted again by hand, and refused where the rules for a step refuse it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from shared_code.config import Policy, Site, Study
from shared_code.config.plan import Plan
from shared_code.regression.tables import save_model
from shared_code.releases import beside, package
from shared_code.releases.model_checks import model_checks
from shared_code.releases.release import release
from shared_code.reporting.review import Draft, review_page
from tests.regression.conftest import declared, people_at

RULES = Policy(threshold=10, rounding=5)
FEWEST = "fewest people in a level or a pair of levels, with or without the outcome"


def test_every_number_is_counted_again(table_of):
    people = people_at(3)
    found = model_checks(table_of(people), RULES)
    cases = int(people["outcome"].sum())
    assert found["people and parameters"] == "20,000 and 6"  # the rest of people, and 2 + 2 + 1 levels
    assert found["residual degrees of freedom"] == "19,994 (at least 10)"
    assert found["people per parameter"] == "3,333 (at least 10)"
    both = f"{cases / 6:,.1f} and {(20_000 - cases) / 6:,.1f} (at least 10)"
    assert found["people with the outcome, and without it, per parameter"] == both
    terms = ["age", "frailty", "admitted"]
    by_hand = [people.groupby([one, other, "outcome"] if one != other else [one, "outcome"]).size().min()
               for one in terms for other in terms]  # fmt: skip
    assert found[FEWEST] == f"{min(by_hand)} (none, or at least 10)"
    assert found["steps of this model"] == "may leave"


def test_a_small_level_is_refused_in_the_words_of_the_step(table_of):
    people = people_at(3, 3000)
    people.loc[people.index[people["frailty"] == "severe"][4:], "frailty"] = "fit"
    found = model_checks(table_of(people), RULES)
    assert found["steps of this model"].startswith("are refused: groups of 1 to 9 people")
    assert "merge levels" in found["steps of this model"]
    assert int(found[FEWEST].split(" ")[0]) < 10


def test_a_small_site_has_too_many_parameters(table_of):
    found = model_checks(table_of(people_at(3, 45)), RULES)
    assert "parameters are too many for its people" in found["steps of this model"]


def test_the_review_page_shows_them_and_the_package_does_not(tmp_path: Path):
    counts = {"title": "t", "layout": "counts", "dimensions": {"sex": {"values": {"F": "f", "M": "m"}}}}
    model = declared().model_dump(mode="json", exclude_defaults=True)
    study = Study.model_validate({
        "study": "tiny", "title": "t", "summary": "s", "coordinator": "c", "index_date": "2024-01-01",
        "period": {"start": "2020-01-01", "end": "2024-01-01"}, "disclosure": {"threshold": 10, "rounding": 5},
        "analyses": {"risk": {"title": "t", "question": "q", "pooled": [], "results": {"ill": counts},
                              "models": {"emergency": model}}},
    })  # fmt: skip
    site = Site.model_validate({"site": "north", "title": "N", "controller": "x", "studies": ["tiny"],
                                "extract_date": "2024-02-01"})  # fmt: skip
    folder = tmp_path / "results" / "risk"
    folder.mkdir(parents=True)
    pd.DataFrame({"sex": ["F", "M"], "people": [100, 130], "cases": [40, 30]}).to_parquet(folder / "ill.parquet")
    save_model(Plan(study, "risk"), folder, "emergency", people_at(3, 3000))
    release(site, study, tmp_path / "results", tmp_path / "draft" / "north.zip")
    manifest, files, digest = package.read(tmp_path / "draft" / "north.zip")
    known = beside.read(tmp_path / "draft" / "north.zip", digest)
    page = review_page(site, study, Draft(b"", digest, manifest, files, models=known.models))
    assert "Model: Emergency admission" in page and "2,994 (at least 10)" in page
    assert "2,994" not in str(manifest) and not any(b"2994" in content or b"2,994" in content for content in files.values())
