"""The plan partners sign: ten headings, nothing that the entry does not say, and deviations that cannot be overlooked."""

from __future__ import annotations

import json
import shutil
from inspect import signature
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from shared_code import methods
from shared_code.cli import app
from shared_code.config import Study, codelists, digests, sites_of
from shared_code.config.indices import Index
from shared_code.config.specification import Deviation
from shared_code.pooling.pool import departures
from shared_code.reporting import plan_page

ROOT = Path(__file__).resolve().parents[2]
STUDY = Study.read(ROOT / "config" / "study.yaml")
LATE = Deviation(date="2026-05-02", what="The year before was added", why="Easter fell in March", effect="Two months change")


def test_every_question_of_the_study_states_its_plan():
    assert plan_page.missing_words(STUDY) == []
    entry = STUDY.analyses["life_expectancy"].model_copy(update={"plan": None})
    study = STUDY.model_copy(update={"analyses": {**STUDY.analyses, "life_expectancy": entry}})
    assert plan_page.missing_words(study) == ["life_expectancy"]
    assert "*Not stated.*" in plan_page.plan_markdown(study, "life_expectancy")


def test_what_a_plan_states_in_numbers_is_what_is_computed():
    """The words partners sign are beside the numbers they describe, and both are read here."""
    entries = STUDY.analyses
    rule, matching = (entries["high_intensity_users"].parameters[name] for name in ("rule", "matching"))
    stated = entries["high_intensity_users"].plan
    drawn = signature(methods.benefit_cost).parameters["seed"].default
    assert stated.seeds == {"matching": matching["seed"], "benefit_and_cost": drawn}
    assert list(stated.look_backs.values()) == [rule["window"], rule["recent"], rule["look_back"], rule["registered"]]
    assert set(entries["high_intensity_users"].parameters["outcomes"]) < set(stated.outcomes)
    ward = entries["social_progress_index"]
    assert ward.plan.seeds == {name: Index.read(name).seed for name in ward.indices}
    assert set(ward.parameters["terms"]) < set(ward.plan.outcomes)
    assert entries["onset_of_multimorbidity"].plan.look_backs == {
        "registered before entry": entries["onset_of_multimorbidity"].parameters["wash_in"]}  # fmt: skip
    risk = entries["emergency_admission_risk"]
    assert set(risk.plan.covariates) == set(risk.models["admission"].terms)
    ill = entries["severe_mental_illness_care"]
    lasts = ill.parameters["lasts"]
    assert ill.plan.look_backs == {"checks": 365, "high blood pressure": 365 + 91, "last check": lasts}
    assert len(ill.parameters["checks"]) == 6 and ill.parameters["ages"] == [18, 75]


def test_settings_are_written_as_words_and_not_as_a_programming_language():
    for stem in STUDY.analyses:
        text = plan_page.plan_markdown(STUDY, stem)
        assert not [line for line in text.splitlines() if "{'" in line or "['" in line]
    text = plan_page.plan_markdown(STUDY, "high_intensity_users")
    assert "- **rule**: programme: high_intensity_service; least: 7; window: 365" in text and "days, [day − 365, day)" in text


@pytest.mark.parametrize("stem", list(STUDY.analyses))
def test_the_page_has_every_heading_and_the_digest_that_releases_carry(stem):
    text = plan_page.plan_markdown(STUDY, stem, sites_of("demonstration"))
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [*plan_page.HEADINGS, "Deviations", "Signatures"]
    assert digests.plan(STUDY, stem) in text and f"`{digests.signed(STUDY, stem)}`" in text
    assert f"We agree to run this plan (digest `{digests.signed(STUDY, stem)[:16]}…`)" in text
    assert "*Not stated.*" not in text
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


def signed(**changes: object) -> str:
    stem = "high_intensity_users"
    entry = STUDY.analyses[stem].model_copy(update=changes)
    return digests.signed(STUDY.model_copy(update={"analyses": {**STUDY.analyses, stem: entry}}), stem)


def test_nothing_that_was_signed_can_be_changed_and_only_what_sites_run_makes_them_release_again():
    """Every setting of every pooled step and every declared field: the signed digest changes, whatever it is."""
    stem, before = "high_intensity_users", signed()
    entry, released = STUDY.analyses[stem], digests.plan(STUDY, stem)
    settings = [(at, name) for at, step in enumerate(entry.pooled) for name in step.settings]
    assert {"unit_costs", "scenarios", "primary"} <= {name for _, name in settings}
    digests_of = {before}
    for at, name in settings:
        step = entry.pooled[at].model_copy(update={name: "another"})
        pooled = [*entry.pooled[:at], step, *entry.pooled[at + 1 :]]
        digests_of.add(signed(pooled=pooled))
        other = STUDY.model_copy(update={"analyses": {**STUDY.analyses, stem: entry.model_copy(update={"pooled": pooled})}})
        assert digests.plan(other, stem) == released
    for field, value in {"title": "x", "question": "x", "uses": [], "minimum_quality": {}, "figures": {}, "findings": [],
                         "plan": entry.plan.model_copy(update={"rationale": "Another sentence."})}.items():  # fmt: skip
        assert signed(**{field: value}) not in digests_of
        digests_of.add(signed(**{field: value}))
    assert len(digests_of) == 1 + len(settings) + 7
    assert signed(deviations=[LATE]) == before
    fewer = STUDY.model_copy(update={"fewest_sites": 3})
    assert digests.signed(fewer, stem) != before and digests.signed(STUDY, "life_expectancy") != before


def test_an_index_is_signed_with_its_declaration_and_its_indicators(tmp_path):
    """A bound or a value changed after signing cannot go unseen."""
    stem = "social_progress_index"
    for part in ("config", "notebooks"):
        shutil.copytree(ROOT / part, tmp_path / part)
    before = digests.signed(STUDY, stem, tmp_path)
    assert before == digests.signed(STUDY, stem)
    for name in ("indices/ward_social_progress.yaml", "indices/fuel_poverty_over_time.yaml",
                 "indicators/staffordshire_wards_2017_12.yaml", "indicators/staffordshire_wards_2017_12.csv"):  # fmt: skip
        path = tmp_path / "config" / name
        whole = path.read_text("utf-8")
        path.write_text(whole + "\n", "utf-8")
        assert digests.signed(STUDY, stem, tmp_path) != before, name
        path.write_text(whole, "utf-8")
    assert digests.signed(STUDY, stem, tmp_path) == before


def test_a_deviation_shows_in_the_plan_and_in_the_report(tmp_path):
    stem = "shielded_people"
    none = {name: one.model_copy(update={"deviations": []}) for name, one in STUDY.analyses.items()}
    study = STUDY.model_copy(update={"analyses": {**none, stem: none[stem].model_copy(update={"deviations": [LATE]})}})
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
    assert [line.count("Departs from its plan or its methods") for line in report.deviated(stem)] == [1, 1]


def test_what_is_known_to_depart_from_the_methods_is_recorded():
    """A plan that follows the specification in all but some points names them; each says what it may change."""
    listed = departures(STUDY, {})
    assert set(listed["analysis"]) >= {"social_progress_index", "life_expectancy", "emergency_admission_risk", "shielded_people"}
    for _, one in listed.iterrows():
        assert one["what"] in plan_page.plan_markdown(STUDY, one["analysis"]), one["what"]
    risk = STUDY.analyses["emergency_admission_risk"]
    assert len(risk.models["admission"].terms) == 5 and "five predictors" in risk.deviations[0].what
    bands = STUDY.analyses["long_term_conditions"].results["conditions"].dimensions["age"].bands
    assert len(bands) == 7 and "seven bands" in STUDY.analyses["long_term_conditions"].deviations[0].what
    index, said = Index.read("ward_social_progress"), " ".join(d.what for d in STUDY.analyses["social_progress_index"].deviations)
    few = {spec.title for name, spec in index.components.items() if len(index.items_of(name)) < 3}
    assert few == {"Room to live", "Basic education", "Choice of home", "Advanced education"} and "one or two indicators" in said
    assert STUDY.analyses["social_progress_index"].indices["fuel_poverty_over_time"].draws == 1000 and "1,000 times" in said


def test_the_report_leaves_every_plan_where_partners_find_it(tmp_path, monkeypatch):
    from shared_code.cli import reporting
    from shared_code.config import rooms

    monkeypatch.setattr(reporting, "PAGES", ROOT / "reports")
    monkeypatch.setattr("shared_code.rendering.render", lambda staged, target, parameters: "nobody")
    stems = ["life_expectancy", "locality_funding"]
    study = STUDY.model_copy(update={"analyses": {stem: STUDY.analyses[stem] for stem in stems}})
    monkeypatch.chdir(tmp_path)
    for folder in (rooms.pooled(study.study), rooms.figures(study.study), Path("config") / "sites"):
        folder.mkdir(parents=True)
    old = rooms.plans(study.study) / "gone.html"
    old.parent.mkdir(parents=True)
    old.write_text("of an analysis that is no more", "utf-8")
    assert "rendered by nobody" in reporting.report(study)
    assert sorted(path.stem for path in rooms.plans(study.study).iterdir()) == stems
    page = (rooms.plans(study.study) / "life_expectancy.html").read_text("utf-8")
    assert digests.signed(study, "life_expectancy") in page and "national tenths of deprivation" in page


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
