"""Synthea: gzipped CSV of made-up patients with SNOMED CT codes, counted again with pandas alone."""

from __future__ import annotations

import pandas as pd
import pytest

ON = pd.Timestamp("2023-01-01")
CODES = {  # as translated in the site file
    "hypertension": [59621000], "diabetes": [44054006], "coronary_heart_disease": [414545008, 399211009],
    "chronic_kidney_disease": [433144002, 431857002], "asthma": [233678006, 195967001], "heart_failure": [84114007],
    "atrial_fibrillation": [49436004], "stroke_tia": [230690007], "rheumatoid_arthritis": [69896004],
    "depression": [370143000, 36923009],
}  # fmt: skip


@pytest.fixture(scope="module")
def synthea(run_site):
    return run_site("synthea", "synthea_csv", "2023-01-01")


@pytest.fixture(scope="module")
def people(shared) -> pd.DataFrame:
    """Everyone born and alive on 1 January 2023, straight from the files: sex, age in years, conditions."""
    folder = shared / "data" / "persons" / "synthea_csv"
    patients = pd.read_csv(folder / "patients.csv.gz", parse_dates=["BIRTHDATE", "DEATHDATE"])
    conditions = pd.read_csv(folder / "conditions.csv.gz", parse_dates=["START"])
    born, died = patients["BIRTHDATE"], patients["DEATHDATE"]
    patients = patients[(born <= ON) & ~(died <= ON)]
    born = patients["BIRTHDATE"]
    before_birthday = (born.dt.month * 100 + 15) > (ON.month * 100 + ON.day)  # born on the 15th of the month, as assumed
    people = pd.DataFrame({"sex": patients["GENDER"], "age": ON.year - born.dt.year - before_birthday}, index=patients["Id"])
    people.index, people["sex"], people["age"] = patients["Id"], patients["GENDER"].to_numpy(), (
        ON.year - born.dt.year - before_birthday).to_numpy()  # fmt: skip
    for name, codes in CODES.items():
        found = conditions[conditions["CODE"].isin(codes) & (conditions["START"] <= ON)]["PATIENT"]
        people[name] = people.index.isin(found)
    return people[people["age"] >= 0]


@pytest.mark.parametrize("condition", sorted(CODES))
def test_people_and_cases_by_sex_and_age(synthea, people, by_hand, condition):
    expected = by_hand(people, condition)
    if condition in ("depression", "chronic_kidney_disease"):  # counted from 18
        expected = expected.drop(index="0-17", level="age")
    pd.testing.assert_frame_equal(synthea.counted(condition), expected)


def test_some_people_have_hypertension_and_several_conditions(synthea, people, by_hand):
    assert synthea.counted("hypertension")["cases"].sum() == people["hypertension"].sum() > 10
    number = people[list(CODES)].sum(axis=1)
    for least, name in ((2, "two_or_more"), (4, "four_or_more")):
        pd.testing.assert_frame_equal(synthea.counted(name), by_hand(people.assign(several=number >= least), "several"))


def test_the_dead_are_not_counted_and_nobody_is_lost(synthea, people, shared):
    patients = pd.read_csv(shared / "data" / "persons" / "synthea_csv" / "patients.csv.gz")
    assert len(synthea.prepared["person"]) == len(patients)
    assert len(synthea.prepared["death"]) == patients["DEATHDATE"].notna().sum()
    assert synthea.counted("hypertension")["people"].sum() == len(people) < len(patients)


def test_every_event_of_the_file_is_one_event(synthea, shared):
    conditions = pd.read_csv(shared / "data" / "persons" / "synthea_csv" / "conditions.csv.gz")
    wanted = [code for codes in CODES.values() for code in codes]
    assert len(synthea.prepared["condition_event"]) == conditions["CODE"].isin(wanted).sum()


def test_names_and_numbers_of_people_are_nowhere(synthea, shared):
    patients = pd.read_csv(shared / "data" / "persons" / "synthea_csv" / "patients.csv.gz")
    written = b"".join(p.read_bytes() for p in synthea.room.rglob("*") if p.is_file())
    for column in ("Id", "SSN", "LAST"):
        for value in patients[column].dropna().astype(str).head(30):
            assert value.encode() not in written
