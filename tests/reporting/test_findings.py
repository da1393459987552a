"""A sentence of the summary, and what must be read with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shared_code.config import Study
from shared_code.model import Refused
from shared_code.pooling.results import results_table
from shared_code.reporting.page import Report
from shared_code.reporting.stage import study_record

STEM = "high_intensity_users"
STUDY = Study.read(Path("config/study.yaml"))
EFFECT = {"measure": "pooled estimate", "item": "ed_attendance", "group": "estimator", "level": "primary"}


def row(estimate=np.nan, lower=np.nan, upper=np.nan, scope="pooled", **more):
    base = {"analysis": STEM, "group": "everyone", "level": "all", "sex": "both", "scope": scope, "estimate": estimate,
            "bound_lower": lower, "bound_upper": upper, "sites": "a; b", "n_sites": 2}  # fmt: skip
    return base | more


@pytest.fixture
def report(tmp_path):
    def make(*rows):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "study.json").write_text(json.dumps(study_record(STUDY)), "utf-8")
        results_table([*rows]).to_csv(tmp_path / "data" / "results.csv", index=False)
        pd.DataFrame({"site": ["a", "b"], "title": ["Ashvale", "Brook"]}).to_csv(tmp_path / "data" / "sites.csv", index=False)
        departed = pd.DataFrame(columns=["analysis", "site", "date", "what", "why", "effect"])
        departed.to_csv(tmp_path / "data" / "deviations.csv", index=False)
        return Report(tmp_path)

    return make


@pytest.mark.parametrize(("share", "said"), [
    ((65.3,), "This is about matched people, 65 % of those who started the service"),
    ((94.0,), None),
    ((np.nan, 62.0, 71.0), "This is about matched people, between 62 and 71 % of those"),
    ((np.nan, 85.0, 95.0), "This is about matched people, between 85 and 95 % of those"),  # withheld: it may be
    ((np.nan,), "Not given, so that it may matter here: how many of those who started the service were matched."),
])  # fmt: skip
def test_the_finding_is_about_matched_people_when_a_tenth_is_not(report, share, said):
    """Methods section 4, step 5: above 10 per cent unmatched the estimand is that of the matched: it is said."""
    lines = report(row(0.72, measure="pooled estimate", **{k: v for k, v in EFFECT.items() if k != "measure"}),
                   row(*share, measure="share", item="matched"))  # fmt: skip
    words = lines.findings(STEM, 1)
    assert words.startswith("- People in the service who could be matched attended emergency departments **0.72** times")
    assert (said in words) if said else "This is about" not in words
    assert lines.in_short().count("This is about") == (said is not None and "about matched" in said)  # the leaders read it too


def test_a_share_that_no_release_holds_is_not_taken_for_a_good_one(report):
    words = report(row(0.72, measure="pooled estimate", **{k: v for k, v in EFFECT.items() if k != "measure"})).findings(STEM, 1)
    assert "Not given, so that it may matter here" in words


@pytest.mark.parametrize(("p", "far", "parted", "unbalanced"), [(0.014, 0.0, True, False), (0.41, 3.0, False, True)])
def test_what_makes_the_groups_unlike_stands_with_the_effect(report, p, far, parted, unbalanced):
    words = report(row(0.72, measure="pooled estimate", **{k: v for k, v in EFFECT.items() if k != "measure"}),
                   row(97.0, measure="share", item="matched"), row(p, measure="p of all together", item="earlier"),
                   row(far, measure="covariates that differ by 0.1 or more", item="", group="sample", level="after"),
                   ).findings(STEM, 1)  # fmt: skip
    assert ("before anybody was referred (p = 0.014)" in words) == parted
    assert ("After matching, 3 of the covariates still differ" in words) == unbalanced
    assert "Not given" not in words


def test_a_sentence_with_no_value_to_compare_with_is_refused(tmp_path):
    text = Path("config/study.yaml").read_text("utf-8")
    (tmp_path / "study.yaml").write_text(text.replace("            below: 90\n", ""), "utf-8")
    with pytest.raises(Refused, match="below"):
        Study.read(tmp_path / "study.yaml")


def test_what_sites_withhold_is_shown_with_the_range_it_lies_in(report):
    """Few die: the page says what each number can be, and does not promise bounds that are not there."""
    found = report(row(np.nan, 1.3, 13.3, "site:a", measure="share", item="treated"),
                   row(0.0, 0.0, 0.0, "site:a", measure="share", item="control"),
                   row(1.0, 0.6, 1.4, "pooled", measure="share", item="control"))  # fmt: skip
    table = found.at_sites(STEM, "share", ["treated", "control"])
    assert "| Ashvale | withheld: 1.3 to 13.3 | 0.0 |" in table and "Brook" not in table
