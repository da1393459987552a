"""The plan partners sign: ten headings, nothing that the entry does not say, and deviations that cannot be overlooked."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from shared_code.cli import app
from shared_code.config import Study, codelists, digests, sites_of
from shared_code.config.specification import Deviation
from shared_code.pooling.pool import departures
from shared_code.reporting import plan_page

ROOT = Path(__file__).resolve().parents[2]
STUDY = Study.read(ROOT / "config" / "study.yaml")
STATED = [stem for stem, entry in STUDY.analyses.items() if entry.plan]
LATE = Deviation(date="2026-05-02", what="The year before was added", why="Easter fell in March", effect="Two months change")


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_the_first_questions_and_those_of_this_chapter_state_their_plan():
    assert {"data_quality", "long_term_conditions", "life_expectancy", "core20plus5_profile", "locality_funding",
            "shielded_people"} <= set(STATED)  # fmt: skip
    assert set(plan_page.missing_words(STUDY)) == set(STUDY.analyses) - set(STATED)


@pytest.mark.parametrize("stem", list(STUDY.analyses))
def test_the_page_has_every_heading_and_the_digest_that_releases_carry(stem):
    text = plan_page.plan_markdown(STUDY, stem, sites_of("demonstration"))
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [*plan_page.HEADINGS, "Deviations", "Signatures"]
    assert digests.plan(STUDY, stem) in text
    assert ("*Not stated.*" in text) == (STUDY.analyses[stem].plan is None)
    assert all(site.title in text for site in sites_of("demonstration"))


def test_the_record_for_machines_fixes_codelists_bands_and_look_backs():
    record = plan_page.plan_record(STUDY, "core20plus5_profile")
    digest = codelists.load("core20plus5/2026-11").digest
    assert record["codelists"]["groups"] == {"version": "core20plus5/2026-11", "digest": digest}
    assert record["stated"]["look_backs"] == {"year": 365} and record["index_date"] == "2026-04-01"
    conditions = plan_page.plan_record(STUDY, "long_term_conditions")["results"]["conditions"]
    declared = STUDY.analyses["long_term_conditions"].results["conditions"]
    assert conditions["dimensions"]["age"]["bands"] == declared.dimensions["age"].bands
    assert json.loads(json.dumps(record)) == record


def changed(stem: str, **plan: object) -> Study:
    entry = STUDY.analyses[stem]
    other = entry.model_copy(update={"plan": entry.plan.model_copy(update=plan)})
    return STUDY.model_copy(update={"analyses": {**STUDY.analyses, stem: other}})


def test_words_leave_the_digest_alone_and_numbers_do_not():
    stem, before = "core20plus5_profile", digests.plan(STUDY, "core20plus5_profile")
    assert digests.plan(changed(stem, rationale="Another sentence altogether."), stem) == before
    for number in ({"look_backs": {"year": 366}}, {"covariates": ["age"]}, {"seeds": {"draw": 1}}):
        assert digests.plan(changed(stem, **number), stem) != before


def test_a_deviation_shows_in_the_plan_and_in_the_report(tmp_path):
    stem = "shielded_people"
    entry = STUDY.analyses[stem].model_copy(update={"deviations": [LATE]})
    study = STUDY.model_copy(update={"analyses": {**STUDY.analyses, stem: entry}})
    site = sites_of("demonstration")[0]
    own = site.model_copy(update={"deviations": {stem: [LATE.model_copy(update={"what": "Remote contacts are not coded"})]}})
    text = plan_page.plan_markdown(study, stem, [own])
    assert "The year before was added" in text and "Remote contacts are not coded" in text and own.title in text
    assert digests.plan(study, stem) == digests.plan(STUDY, stem)
    listed = departures(study, {own.site: own})
    assert listed["site"].tolist() == ["", own.title] and set(listed["analysis"]) == {stem}

    from shared_code.reporting.page import Report
    from shared_code.reporting.stage import study_record

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "study.json").write_text(json.dumps(study_record(study)), "utf-8")
    listed.to_csv(tmp_path / "data" / "deviations.csv", index=False)
    pd.DataFrame(columns=["analysis", "scope", "stratum"]).to_csv(tmp_path / "data" / "results.csv", index=False)
    report = Report(tmp_path)
    assert "Remote contacts are not coded" in report.deviations() and "No deviation" in report.deviations("life_expectancy")
    assert [line.count("Departs from its plan") for line in report.deviated(stem)] == [1, 1]


def test_the_command_writes_html_that_needs_nothing_else(tmp_path):
    target = tmp_path / "plan.html"
    done = CliRunner().invoke(app, ["plan", "locality_funding", "--out", str(target)])
    assert done.exit_code == 0 and str(target) in done.output
    page = target.read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>") and "http" not in page and "<table>" in page
    assert digests.plan(STUDY, "locality_funding") in page


def test_what_cannot_be_planned_is_said(message_of, tmp_path):
    from shared_code.cli.planning import plan

    assert "there is no analysis 'nothing'" in message_of(plan, "nothing", ROOT / "config" / "study.yaml", None)
    assert "not a form of a plan" in message_of(plan, "locality_funding", ROOT / "config" / "study.yaml", tmp_path / "x.pdf")
    with pytest.raises(ValueError):
        Deviation(date="2026-05-02", what="", why="Easter fell in March", effect="Two months change")
