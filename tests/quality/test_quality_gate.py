"""The gate, from a site's exact numbers to the pooled report: who misses the minimum is left out, named, and told why."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
import yaml

from shared_code.config import Site, Study
from shared_code.config.minimum_quality import below_minimum, missed
from shared_code.measures.prepared import Prepared
from shared_code.model import Refused
from shared_code.model.checks import CHECKS
from shared_code.pooling.pool import pool
from shared_code.pooling.receiving import take_in
from shared_code.quality import drift, record
from shared_code.quality.judge import Finding, judge
from shared_code.releases.release import release
from shared_code.reporting import quality_words

SITES = ["able", "baker", "charlie"]
SNOMED = "valid:condition_event.snomed"


@pytest.fixture(scope="module")
def gated(study) -> Study:
    """Data quality as the protocol declares it, and one analysis that asks for valid codes."""
    entry = study.analyses["data_quality"].model_dump(mode="json", exclude_defaults=True) | {"needs": [], "uses": []}
    for table in entry["results"].values():
        for dimension in table["dimensions"].values():
            if dimension.get("checks"):
                dimension.pop("values", None)
    illness = {
        "title": "Illness", "question": "Who is ill?", "minimum_quality": {
            SNOMED: {"fewer_faults_than": 0.05}, "linked:records": {"fewer_faults_than": 0.1, "not_assessed": "may stay"}},
        "results": {"ill": {"title": "t", "layout": "counts", "dimensions": {
            "item": {"values": {"asthma": "Asthma"}}, "sex": {"values": {"F": "Female", "M": "Male"}},
            "age": {"bands": [0, 65]}}}},
        "pooled": [{"method": "prevalence", "table": "ill", "item": "item", "standardise": ["sex", "age"], "groups": {}}],
    }  # fmt: skip
    whole = {"study": "tiny", "title": "A small study", "summary": "s", "coordinator": "c", "index_date": "2026-04-01",
             "period": {"start": "2021-04-01", "end": "2026-04-01"}, "disclosure": {"threshold": 1, "rounding": 1},
             "analyses": {"data_quality": entry, "illness": illness}}  # fmt: skip
    return Study.model_validate(yaml.safe_load(json.dumps(whole)))


@pytest.fixture(scope="module")
def measured(clean, stored, tmp_path_factory) -> tuple[Path, dict[str, pd.DataFrame]]:
    return stored(clean, tmp_path_factory.mktemp("a_site") / "private" / "a_site" / "prepared")


@pytest.fixture(scope="module")
def sent(gated, measured, signing: Any, tmp_path_factory) -> Path:
    """Three sites; a fifth of the SNOMED CT codes of the last one fail their check digit."""
    prepared, tables = measured
    folder = tmp_path_factory.mktemp("network")
    sites = {name: Site.model_validate({"site": name, "title": name.title(), "controller": "x", "studies": ["tiny"],
                                        "extract_date": "2026-04-20", **signing.settings(name)}) for name in SITES}  # fmt: skip
    ill = pd.DataFrame([("asthma", s, a, 500, 60) for s in "FM" for a in ("0-64", "65+")],
                       columns=["item", "sex", "age", "people", "cases"])  # fmt: skip
    for name, site in sites.items():
        mine = dict(tables)
        if name == "charlie":
            mine["faults"] = broken(tables["faults"], SNOMED, 0.2)
        save(folder / name / "results" / "data_quality", mine)
        record.write_quality(gated, folder / name / "results" / "data_quality", prepared)
        reasons = missed(gated, folder / name / "results", "illness")
        if reasons:
            record.write_not_run(folder / name / "results" / "illness", folder / name / "illness.ipynb", "illness", reasons)
        else:
            save(folder / name / "results" / "illness", {"ill": ill})
        release(site, gated, folder / name / "results", folder / name / f"{name}.zip")
        package = folder / "outbox" / f"{name}.zip"
        signing.send(site, gated, folder / name / f"{name}.zip", package)
        take_in(package, gated, sites, folder / "inbox", folder / "quarantine", dt.date.today())
    pool(gated, folder / "inbox", folder / "pooled", sites)
    return folder


def broken(faults: pd.DataFrame, check: str, share: float) -> pd.DataFrame:
    one = faults["check"] == check
    worse = faults.copy()
    worse.loc[one, "rows_failing"] = (faults.loc[one, "rows"] * share).round()
    worse.loc[one, "people_failing"] = (faults.loc[one, "people"] * share).round()
    return worse


def save(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    folder.mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")


def test_the_site_below_the_minimum_is_excluded_and_named_with_the_reason(sent):
    who = pd.read_csv(sent / "pooled" / "sites.csv", keep_default_na=False).set_index(["site", "analysis"])
    assert who.loc[("able", "illness"), "state"] == who.loc[("charlie", "data_quality"), "state"] == "in"
    assert who.loc[("charlie", "illness"), "state"] == "excluded"
    assert who.loc[("charlie", "illness"), "reason"] == (
        "below the minimum quality: SNOMED CT codes that fail their check digit (Verhoeff): 20 %, fewer than 5 % asked for")
    results = pd.read_csv(sent / "pooled" / "results.csv", keep_default_na=False)
    pooled = results[(results["analysis"] == "illness") & (results["scope"] == "pooled")]
    assert len(pooled) and (pooled["sites"] == "able; baker").all() and (pooled["sites_without"] == "charlie").all()


def test_an_analysis_that_did_not_run_cannot_be_mistaken_for_one_that_did(sent):
    notebook = nbformat.read(sent / "charlie" / "illness.ipynb", 4)
    nbformat.validate(notebook)
    assert "did not run" in notebook.cells[0].source and "20 %" in notebook.cells[0].source
    assert [p.name for p in (sent / "charlie" / "results" / "illness").iterdir()] == ["not_run.json"]


def test_the_verdicts_of_the_report_are_those_of_the_sites(sent):
    """Computed again from released numbers; where nothing is withheld they cannot differ."""
    told = pd.read_csv(sent / "pooled" / "quality.csv", keep_default_na=False).set_index(["site", "check"])["verdict"]
    for name in SITES:
        own = json.loads((sent / name / "results" / "data_quality" / "quality.json").read_text("utf-8"))["checks"]
        assert told[name].to_dict() == {check: finding["verdict"] for check, finding in own.items()}
    assert told["charlie"][SNOMED] == "stop" and told["able"][SNOMED] == "pass"


def test_the_words_of_the_report_name_what_was_raised(sent):
    told = pd.read_csv(sent / "pooled" / "quality.csv", dtype={"share": float}, keep_default_na=False, na_values={"share": [""]})
    assert quality_words.raised(told) == (
        "- ■ stop: Charlie, SNOMED CT codes that fail their check digit (Verhoeff): 20.0 %.\n")
    assert "| ■ stop (1 of" in quality_words.lights(told) and "○ not assessed" in quality_words.lights(told)


def test_without_a_measurement_nothing_is_let_through(gated, tmp_path):
    assert missed(gated, tmp_path, "illness") == ["the quality of the data was not measured"]
    assert missed(gated, tmp_path, "data_quality") == []


def test_a_check_that_was_not_assessed_leaves_out_unless_it_may_stay(gated, measured, tmp_path):
    prepared, tables = measured
    faults = tables["faults"].copy()
    faults.loc[faults["check"] == SNOMED, ["people", "rows", "people_failing", "rows_failing"]] = 0
    save(tmp_path / "data_quality", tables | {"faults": faults})
    record.write_quality(gated, tmp_path / "data_quality", prepared)
    assert missed(gated, tmp_path, "illness") == [
        "SNOMED CT codes that fail their check digit (Verhoeff): not assessed (there are no rows to judge)"]  # linkage may stay


DEMONSTRATION = Study.read(Path(__file__).parents[2] / "config" / "study.yaml")
COUNTED = sorted((stem, name) for stem, entry in DEMONSTRATION.analyses.items() for name in entry.minimum_quality
                 if name.startswith("received:"))  # fmt: skip


@pytest.mark.parametrize("stem, check", COUNTED)
def test_a_failed_feed_leaves_out_the_analyses_that_count_it_and_only_those(stem, check):
    """A sixth of the months of one source failed, and nothing else: who counts it is left out, whoever does not is not."""
    fine = {name: Finding(name, "pass", 0.0, 0, 60) for name in CHECKS}
    assert below_minimum(DEMONSTRATION, fine) == {}
    missed = below_minimum(DEMONSTRATION, fine | {check: Finding(check, "stop", 10 / 60, 10, 60)})
    assert missed[stem] == [reason for reason in missed[stem] if reason.startswith("months without") and "17 %" in reason]
    assert set(missed) == {other for other, name in COUNTED if name == check}


def test_a_table_that_a_site_lacks_leaves_it_in_what_can_do_without(gated):
    """Needs and uses decide there: the check is not assessed and may stay."""
    nothing = {name: Finding(name, "not assessed", reason="the site has none") for name in CHECKS}
    missed = below_minimum(DEMONSTRATION, nothing)
    assert not [reason for reasons in missed.values() for reason in reasons if reason.startswith("months without")]


def test_a_table_with_nothing_in_it_was_not_received(clean, stored, tmp_path, gated):
    prepared, tables = stored(clean | {"admission": clean["admission"].iloc[:0]}, tmp_path / "private" / "a_site" / "prepared")
    found = judge(tables, Prepared(prepared), gated.period)
    assert (found["received:admission"].verdict, found["received:admission"].share) == ("stop", 1.0)
    assert "no rows" in found["received:admission"].reason and found["received:death"].verdict == "pass"
    assert below_minimum(DEMONSTRATION, found).keys() >= {"shielded_people", "emergency_admission_risk"}


def test_few_people_are_never_told_in_a_reason(gated, measured, tmp_path):
    """A reason leaves the site: a share that rests on fewer people than the threshold is not in it."""
    strict = gated.model_copy(update={"disclosure": gated.disclosure.model_copy(update={"threshold": 10})})
    prepared, tables = measured
    faults = tables["faults"].copy()
    faults.loc[faults["check"] == SNOMED, ["people", "rows", "people_failing", "rows_failing"]] = [40, 110, 7, 22]
    save(tmp_path / "data_quality", tables | {"faults": faults})
    record.write_quality(strict, tmp_path / "data_quality", prepared)
    [reason] = missed(strict, tmp_path, "illness")
    assert reason.endswith("(Verhoeff): fewer than 5 % asked for")


def test_drift_against_the_last_release(measured, gated, tmp_path):
    prepared, tables = measured
    cohort = tables["cohort"]
    before = cohort.melt(["characteristic", "level"], var_name="statistic", value_name="value")
    before = before.assign(lower=before["value"], upper=before["value"])
    assert drift(cohort, before) == pytest.approx(dict.fromkeys(["age", "sex", "ethnicity", "deprivation"], 0), abs=1e-6)
    older = before.copy()
    older.loc[(older["level"] == "F") & (older["statistic"] == "cases"), "value"] *= 2.2
    save(tmp_path / "data_quality", tables)
    checks = record.write_quality(gated, tmp_path / "data_quality", prepared, {"cohort": older})["checks"]
    assert [checks[f"drift:{name}"]["verdict"] for name in ("age", "sex", "ethnicity", "deprivation")] == [
        "pass", "look", "pass", "pass"]  # fmt: skip
    assert record.leaving(tmp_path)["drift:sex"] == "look"


def test_a_minimum_needs_a_study_that_measures(study):
    content = study.model_dump(mode="json", include={"study", "title", "summary", "coordinator", "index_date", "period"})
    least = {"valid:person.shoes": {"fewer_faults_than": 0.1}}
    entry = {"title": "t", "question": "q", "results": {}, "pooled": [], "minimum_quality": least}
    content |= {"disclosure": {}, "analyses": {"a": entry}}
    with pytest.raises((Refused, ValueError)) as refused:
        Study.model_validate(content)
    assert "'valid:person.shoes' is not a check of data quality" in str(refused.value)
    assert "the analysis data_quality measures" in str(refused.value)
