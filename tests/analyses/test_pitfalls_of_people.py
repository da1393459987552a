"""Pitfalls that methods, sections 3, 4 and 6 name, and that declarations, lists of codes or a page can walk into."""

from __future__ import annotations

import datetime as dt
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
import yaml

from shared_code.config import Study, codelists, digests
from shared_code.config.plan import Plan
from shared_code.config.study import Analysis, ResultsTable
from shared_code.pooling.prevalence import prevalence

ROOT = Path(__file__).resolve().parents[2]
STUDY = Study.read(ROOT / "config" / "study.yaml")
RISK = STUDY.analyses["emergency_admission_risk"]


def page(stem: str) -> str:
    return " ".join((ROOT / "reports" / f"{stem}.qmd").read_text("utf-8").split())


# Section 3

MIXED = ResultsTable.model_validate({
    "title": "x", "layout": "counts", "dimensions": {
        "condition": {"label": "Condition", "values": {"ill": "Ill"}},
        "group": {"label": "Group", "values": {"women_mostly": "A", "men_mostly": "B"}},
        "sex": {"label": "Sex", "values": {"F": "Female", "M": "Male"}},
        "age": {"label": "Age", "bands": [0, 65]},
    },
})  # fmt: skip


def test_persons_are_standardised_by_sex_too_for_a_sex_mix_looks_like_a_difference():
    """Equal prevalence at every age and sex, women and men 4 to 1 and 1 to 4: by age alone one group is half as ill again."""
    rows = []
    for group, share in (("women_mostly", 0.8), ("men_mostly", 0.2)):
        for sex, part, risks in (("F", share, (0.05, 0.10)), ("M", 1 - share, (0.10, 0.20))):
            for age, risk, people in zip(("0-64", "65+"), risks, (20_000 * part, 4_000 * part), strict=True):
                for statistic, value in (("people", round(people)), ("cases", round(people * risk))):
                    rows.append({"site": "s", "condition": "ill", "group": group, "sex": sex, "age": age, "statistic": statistic,
                                 "value": value, "lower": value, "upper": value, "status": "ok"})  # fmt: skip
    settings = {"item": "condition", "standardise": ["sex", "age"], "groups": {"group": "men_mostly"}, "local_groups": []}
    found = pd.DataFrame(prevalence(pd.DataFrame(rows), MIXED, settings | {"slope": None}, {"pooled": ["s"]}))
    ratio = found[(found["measure"] == "standardised ratio") & (found["level"] == "women_mostly")]
    assert ratio["estimate"].tolist() == pytest.approx([1.0] * len(ratio)) and len(ratio)
    together = pd.DataFrame(rows).pivot_table("value", ["group", "age"], "statistic", "sum")
    by_age = (together["cases"] / together["people"]).unstack()  # what standardising by age alone would weigh
    assert (by_age.loc["men_mostly"] / by_age.loc["women_mostly"] > 1.4).all()


def test_every_standardised_table_that_holds_women_and_men_is_standardised_by_sex():
    steps = [(stem, step) for stem, entry in STUDY.analyses.items() for step in entry.pooled
             if step.method == "prevalence" and "sex" in entry.results[step.table].dimensions]  # fmt: skip
    assert steps, "or nothing is tested"
    assert not [stem for stem, step in steps if "sex" not in step.settings["standardise"]]


def test_one_disease_of_the_vessels_is_not_two_conditions():
    """Stroke and TIA are one condition of the list; no code of heart, brain or leg vessels means two of them."""
    listed = codelists.load("long_term_conditions/2026-11")
    vessels = {"stroke_tia", "coronary_heart_disease", "peripheral_artery_disease"}
    assert vessels <= set(listed.titles)
    codes = [f"{letter}{number:02d}{last}" for letter in "GI" for number in range(100) for last in ("", *range(10))]
    meant = {code: listed.conditions_of("ICD10", code) & vessels for code in codes}
    assert {name for found in meant.values() for name in found} == vessels, "or nothing is tested"
    assert not {code: found for code, found in meant.items() if len(found) > 1}
    assert not [(a, b) for a, b in combinations(listed.titles, 2) if listed.titles[a].lower() == listed.titles[b].lower()]
    assert listed.conditions_of("ICD10", "I64") == listed.conditions_of("ICD10", "G459") == {"stroke_tia"}


def test_plans_and_pages_say_that_recorded_is_not_present():
    """Under-diagnosis makes groups look equal, visits make them look ill: data cannot tell, so page and plan must say it."""
    for stem, words in (("long_term_conditions", "Recorded is not the same as present."),
                        ("onset_of_multimorbidity", "The day of a record is not the day an illness began.")):  # fmt: skip
        assert words in STUDY.analyses[stem].plan.limitations
    assert "A condition is dated when it is recorded" in page("onset_of_multimorbidity")


# Section 4


def test_an_attendance_that_ends_in_admission_is_paid_for_once():
    """Attendances hold those that end in admission, so an admission may cost only what it costs beyond its attendance."""
    entry = STUDY.analyses["high_intensity_users"]
    (step,) = (s for s in entry.pooled if s.method == "benefit_cost")
    priced = set(step.settings["unit_costs"])
    assert {"ed_attendance", "ed_admission"} <= priced, "or nothing is tested"
    cannot_change = {"eye_appointment"}
    assert priced == set(entry.parameters["outcomes"]) - cannot_change, "what rises costs too: every outcome has a price"
    assert not [name for name in priced if "spell" in name or name == "admission"], "the stay would be paid for twice"
    assert "beyond its attendance" in page("high_intensity_users")


# Section 6


def test_the_prediction_is_tried_on_a_year_after_the_one_it_was_made_for():
    """Tried on the people it was fitted to it would look better than it is (optimism)."""
    plan = Plan(STUDY, "emergency_admission_risk")
    made, tried = plan.day("developed_on"), plan.day("tested_on")
    assert tried >= made + dt.timedelta(days=365), "the outcome of the development must be over"
    assert tried + dt.timedelta(days=365) <= plan.period.end, "and the year it is tried on must be in the data"
    assert set(plan.parameter("coefficients")) == set(RISK.models["admission"].columns), "nothing is left to be fitted there"


def test_a_prediction_is_never_judged_by_its_ranking_alone():
    """A high area under the curve says nothing of a wrong level, nor of what acting on it brings."""
    words = page("emergency_admission_risk")
    told = {finding.where["measure"] for finding in RISK.findings}
    drawn = {name for figure in RISK.figures.values() for name in (figure.model_extra or {}).get("measures", [])}
    items = {(figure.model_extra or {}).get("item") for figure in RISK.figures.values()}
    assert "area under the curve within sites" in told and "observed over expected" in told
    assert "net benefit" in drawn and {"auc", "slope", "elsewhere"} <= items
    assert words.index("Is it worth acting on?") < words.index("emergency_admission_risk.ranking")


def test_the_risk_from_which_one_acts_is_part_of_what_sites_agreed_to():
    """Chosen on the results it would suit them by chance: it is a parameter, and another one is another plan."""
    content = yaml.safe_load((ROOT / "config" / "study.yaml").read_text("utf-8"))
    entry = content["analyses"]["emergency_admission_risk"]
    assert entry["pooled"][0]["act_at"] in RISK.results["performance"].dimensions["band"].bands
    entry["pooled"][0]["act_at"] = 30
    assert [(f.keys, "chosen on the results" in f.wrong) for f in Analysis.faults(entry)] == [(("pooled", "0", "act_at"), True)]
    entry["parameters"]["act_at"] = 30
    assert not list(Analysis.faults(entry))
    before, after = (digests.plan(s, "emergency_admission_risk") for s in (STUDY, Study.model_validate(content)))
    assert before != after


def test_risk_is_said_not_to_be_benefit_nor_need():
    words = page("emergency_admission_risk")
    for said in ("Risk is not benefit", "has a lower one later by itself", "look less at risk than they are"):
        assert said in words
    limits = " ".join(RISK.plan.limitations)
    for said in ("need not gain from an offer", "Coding depth looks like frailty", "less than they need are scored too low"):
        assert said in limits


def test_groups_that_may_be_overlooked_are_reported_by_themselves():
    """Deprived groups (less use than need) and care homes: never only inside an average."""
    (step,) = RISK.pooled
    assert {"deprivation", "ethnic", "care_home", "sex"} <= set(step.settings["groups"])
    sets = [set(group) for group in RISK.results["performance"].sets]
    assert {"deprivation"} in sets and {"care_home"} in sets
    assert {"flagged", "deprivation"} in sets and {"flagged", "ethnic"} in sets
    words = page("emergency_admission_risk")
    assert 'report.levels("emergency_admission_risk", "observed over expected", "risk", "care_home"' in words
    for group in ("deprivation", "ethnic", "sex"):
        assert f'report.fairness("emergency_admission_risk", "{group}")' in words
