"""A clean site raises nothing; every planted fault is caught, and by the check that is meant for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shared_code.config.minimum_quality import below_minimum


def test_a_clean_site_raises_nothing(clean, findings):
    found = findings(clean, everything=True)
    assert {k: (f.verdict, f.share) for k, f in found.items() if f.verdict in ("look", "stop")} == {}
    passed = {k for k, f in found.items() if f.verdict == "pass"}
    assert {"national:area_lookup.imd10", "received:admission", "received:condition_event", "received:death",
            "plausible:male_maternity", "plausible:overlapping_spells", "listed:area_population"} <= passed  # fmt: skip


def with_rows(table: pd.DataFrame, chosen: pd.Series, **values) -> pd.DataFrame:
    changed = table.copy()
    for name, value in values.items():
        changed.loc[chosen, name] = value
    return changed


def some(table: pd.DataFrame, share: float, seed: int = 3) -> pd.Series:
    return pd.Series(np.random.Generator(np.random.PCG64(seed)).random(len(table)) < share, index=table.index)


def a_month_without_a_feed(t):
    spells = t["admission"]
    return t | {"admission": spells[spells["admi_date"].dt.strftime("%Y-%m") != "2023-09"]}


def a_month_without_one_of_two_sources(t):
    events = t["condition_event"]
    gone = (events["source"] == "GP") & (events["event_date"].dt.strftime("%Y-%m") == "2024-02")
    return t | {"condition_event": events[~gone]}


def a_duplicated_file(t):
    again = t["admission"].assign(spell_id=lambda d: "x" + d["spell_id"])
    return t | {"admission": pd.concat([t["admission"], again], ignore_index=True)}


def a_month_delivered_twice(t):
    spells = t["admission"]
    again = spells[spells["admi_date"].dt.strftime("%Y-%m") == "2023-09"].assign(spell_id=lambda d: "x" + d["spell_id"])
    return t | {"admission": pd.concat([spells, again], ignore_index=True)}


def dates_shifted_into_the_future(t):
    later = t["admission"].assign(**{c: t["admission"][c] + pd.Timedelta(days=60) for c in ("admi_date", "disch_date")})
    return t | {"admission": later}


def dates_shifted_back(t):
    earlier = t["admission"].assign(**{c: t["admission"][c] - pd.Timedelta(days=91) for c in ("admi_date", "disch_date")})
    return t | {"admission": earlier[~earlier["person_id"].isin(_infants(t))]}


def _infants(t):
    return t["person"].loc[t["person"]["birth_month"] >= "2020-06-01", "person_id"]


def local_deciles(t):
    return t | {"area_lookup": t["area_lookup"].assign(imd10=[1 + n // 4 for n in range(40)])}


def local_fifths(t):
    return t | {"area_lookup": t["area_lookup"].assign(imd10=[2 * (1 + n // 8) for n in range(40)])}


def deciles_that_are_not_those_of_the_rank(t):
    rank = (np.arange(40) * 400 + 100).astype(int)  # the most deprived half of England
    return t | {"area_lookup": t["area_lookup"].assign(imd_rank=rank, imd10=[1 + n // 4 for n in range(40)])}


def events_after_death(t):
    events = t["condition_event"].merge(t["death"][["person_id", "death_date"]], how="left")
    late = events["death_date"].notna() & (events["source"] == "GP") & (events["death_date"] < "2026-01-01")
    events["event_date"] = events["event_date"].mask(late, events["death_date"] + pd.Timedelta(days=30))
    events["recorded_date"] = events["recorded_date"].mask(late, events["event_date"])
    return t | {"condition_event": events.drop(columns="death_date")}


def events_before_birth(t):
    who = t["person"]["person_id"].iloc[:60]
    person = with_rows(t["person"], t["person"]["person_id"].isin(who), birth_month=pd.Timestamp("2026-03-01"))
    return t | {"person": person}


def male_maternity(t):
    mothers = t["admission"].loc[t["admission"]["admimeth"] == "31", "person_id"]
    chosen = t["person"]["person_id"].isin(mothers) & some(t["person"], 0.3)
    return t | {"person": with_rows(t["person"], chosen, sex="M")}


def implausible_ages(t):
    chosen = some(t["person"], 0.03) & ~t["person"]["person_id"].isin(t["death"]["person_id"])
    return t | {"person": with_rows(t["person"], chosen, birth_month=pd.Timestamp("1900-01-01"))}


def snomed_rounded_by_a_spreadsheet(t):
    events = t["condition_event"]
    chosen = (events["code_system"] == "SCT") & some(events, 0.2)
    return t | {"condition_event": events.assign(code=events["code"].mask(chosen, events["code"].str[:-2] + "00"))}


def icd10_cut_off(t):
    return t | {"admission": with_rows(t["admission"], some(t["admission"], 0.2), primary_icd10="E1")}


def practices_by_name(t):
    return t | {"gp_registration": t["gp_registration"].assign(practice_code="HILL")}


def areas_of_another_country(t):
    return t | {"death": with_rows(t["death"], some(t["death"], 0.3), lsoa21="S01006506")}


def ethnicity_lost(t):
    return t | {"person": with_rows(t["person"], some(t["person"], 0.4), ethnicity16=None)}


def ethnicity_not_stated(t):
    return t | {"person": with_rows(t["person"], some(t["person"], 0.25), ethnicity16="99")}


def discharged_before_admission(t):
    earlier = t["admission"]["disch_date"].mask(some(t["admission"], 0.05), t["admission"]["admi_date"] - pd.Timedelta(days=3))
    return t | {"admission": t["admission"].assign(disch_date=earlier)}


def in_two_hospitals_at_once(t):
    again = t["admission"][some(t["admission"], 0.1)]
    again = again[again["disch_date"] > again["admi_date"] + pd.Timedelta(days=1)]
    again = again.assign(spell_id="y" + again["spell_id"], provider="RYY", admi_date=again["admi_date"] + pd.Timedelta(days=1))
    return t | {"admission": pd.concat([t["admission"], again], ignore_index=True)}


def ghosts(t):
    dead = t["gp_registration"]["person_id"].isin(t["death"]["person_id"])
    return t | {"gp_registration": with_rows(t["gp_registration"], dead, reg_end=pd.NaT)}


def a_practice_is_missing(t):
    lost = t["gp_registration"]["practice_code"] == "A81001"
    return t | {"gp_registration": t["gp_registration"][~lost | some(t["gp_registration"], 0.6)]}


def recorded_before_they_happened(t):
    events = t["condition_event"]
    chosen = some(events, 0.2) & events["recorded_date"].notna()
    early = events["recorded_date"].mask(chosen, events["event_date"] - pd.Timedelta(days=40))
    return t | {"condition_event": events.assign(recorded_date=early)}


PLANTED = [
    (a_month_without_a_feed, {"received:admission": "look"}),
    (a_month_without_one_of_two_sources, {"received:condition_event": "look"}),
    (a_duplicated_file, {"plausible:twice.admission": "stop"}),
    (a_month_delivered_twice, {"plausible:twice.admission": "look", "received:admission": "look"}),
    (dates_shifted_into_the_future, {"plausible:after_extract.admission": "stop", "plausible:after_death.admission": "look",
                                     "received:admission": "look"}),
    (dates_shifted_back, {"received:admission": "look"}),
    (local_deciles, {"national:area_lookup.imd10": "stop"}),
    (local_fifths, {"national:area_lookup.imd10": "stop"}),
    (deciles_that_are_not_those_of_the_rank, {"national:area_lookup.imd10": "stop"}),
    (events_after_death, {"plausible:after_death.condition_event": "stop"}),
    (events_before_birth, {"plausible:before_birth.admission": "stop", "plausible:before_birth.condition_event": "stop",
                           "plausible:before_birth.death": "stop"}),
    (male_maternity, {"plausible:male_maternity": "stop"}),
    (implausible_ages, {"plausible:age_over_110": "stop"}),
    (snomed_rounded_by_a_spreadsheet, {"valid:condition_event.snomed": "stop"}),
    (icd10_cut_off, {"valid:admission.primary_icd10": "stop"}),
    (practices_by_name, {"valid:gp_registration.practice_code": "stop"}),
    (areas_of_another_country, {"valid:death.lsoa21": "stop"}),
    (ethnicity_lost, {"complete:person.ethnicity16": "look"}),
    (ethnicity_not_stated, {"valid:person.ethnicity16": "look"}),
    (discharged_before_admission, {"plausible:discharge_before_admission": "stop"}),
    (in_two_hospitals_at_once, {"plausible:overlapping_spells": "stop"}),
    (ghosts, {"plausible:open_after_death": "stop"}),
    (a_practice_is_missing, {"listed:area_population": "look"}),
    (recorded_before_they_happened, {"plausible:recorded_before_event": "stop"}),
]  # fmt: skip


EXPECTED = {fault.__name__: expected for fault, expected in PLANTED}
# Faults that do not touch each other are planted together, to run fewer analyses; each must still raise its own checks.
TOGETHER = [
    [a_month_without_a_feed, snomed_rounded_by_a_spreadsheet, practices_by_name, implausible_ages, areas_of_another_country],
    [a_duplicated_file, ethnicity_lost, local_deciles],
    [a_month_delivered_twice, ethnicity_not_stated, local_fifths, recorded_before_they_happened],
    [dates_shifted_into_the_future, a_month_without_one_of_two_sources],
    [dates_shifted_back, deciles_that_are_not_those_of_the_rank, ghosts],
    [events_after_death, male_maternity, discharged_before_admission],
    [events_before_birth],
    [in_two_hospitals_at_once, icd10_cut_off, a_practice_is_missing],
]


@pytest.mark.parametrize("planted", TOGETHER, ids=[" ".join(f.__name__ for f in faults) for faults in TOGETHER])
def test_planted_faults_are_caught_by_their_checks_and_by_no_other(planted, clean, findings):
    tables, expected = clean, {}
    for fault in planted:
        tables, expected = fault(tables), expected | EXPECTED[fault.__name__]
    found = findings(tables)
    assert {name: f.verdict for name, f in found.items()} == expected, {n: (f.share, f.reason) for n, f in found.items()}


def test_every_fault_is_planted():
    assert sorted(f.__name__ for faults in TOGETHER for f in faults) == sorted(EXPECTED)


def test_what_is_not_there_is_not_assessed_and_never_passes(clean, findings):
    few = {name: clean[name] for name in ("person", "gp_registration")}
    found = findings(few, everything=True)
    passed = {name for name, f in found.items() if f.verdict == "pass"}
    assert passed == {"complete:person.ethnicity16", "complete:person.carehome_flag", "valid:person.ethnicity16",
                      "valid:gp_registration.practice_code", "plausible:age_over_110"}  # fmt: skip
    empty = {**few, "admission": clean["admission"].iloc[:0], "death": clean["death"].iloc[:0]}
    found = findings(empty, everything=True)
    assert (found["received:admission"].verdict, found["received:admission"].share) == ("stop", 1.0)
    for name in ("received:outpatient", "plausible:male_maternity", "plausible:twice.admission", "valid:admission.provider"):
        assert (found[name].verdict, np.isnan(found[name].share)) == ("not assessed", True)
        assert found[name].reason


def test_a_site_below_the_minimum_of_an_analysis_is_told_why(clean, findings, study):
    assert below_minimum(study, findings(clean, everything=True)) == {}
    found = findings(snomed_rounded_by_a_spreadsheet(areas_of_another_country(clean)), everything=True)
    missed = below_minimum(study, found)
    why = ["SNOMED CT codes that fail their check digit (Verhoeff): 21 %, fewer than 5 % asked for"]
    asking = {stem for stem, entry in study.analyses.items() if "valid:condition_event.snomed" in entry.minimum_quality}
    assert "long_term_conditions" in asking and missed == dict.fromkeys(asking, why)
