"""One change to a published table, one message that says what, where and what to do."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

Refusal = Callable[..., str]
CELL = {"region": "Leeds", "service_type": "admissions_emergency", "year_month": "2020-04", "breakdown": "age",
        "strata": "70+"}  # fmt: skip
HERE = "service admissions_emergency, month 2020-04, age 70+"


def row(table: pd.DataFrame) -> int:
    (found,) = table.index[(table[list(CELL)] == pd.Series(CELL)).all(axis=1)]
    return int(found)


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("number_events", "1", "people exceeds events in 1 cell ("),
        ("number_patients", "999999", "people exceeds list_size in 1 cell ("),
        ("number_patients", "0", "there are events but no people in 1 cell ("),
        ("number_events", "-700", "events is negative in 1 cell ("),
        ("number_patients", "12.5", "people is not a whole number in 1 cell ("),
        ("total_patients", "25442.5", "list_size is not a whole number in 1 cell ("),
        ("number_events", "<5", "events holds '<5' in 1 cell ("),
        ("number_patients", "*", "people holds '*' in 1 cell ("),
        ("number_events", "", "events holds '' in 1 cell ("),
        ("number_events", "nan", "events holds 'nan' in 1 cell ("),
    ],
)
def test_a_value_that_cannot_be(
    column: str, text: str, message: str, published: pd.DataFrame, refusal: Refusal
) -> None:
    table = published.copy()
    table.loc[row(table), column] = text
    said = refusal(table)
    assert message in said
    assert HERE in said
    assert "ndl3_hospital_care_use.csv" in said


def test_one_wrong_digit_is_found(published: pd.DataFrame, refusal: Refusal) -> None:
    table = published.copy()
    at = row(table)
    events = table.loc[at, "number_events"]
    table.loc[at, "number_events"] = "0" + events[1:]
    assert int(table.loc[at, "number_events"]) < int(table.loc[at, "number_patients"])
    people = table.loc[at, "number_patients"]
    assert f"people exceeds events in 1 cell ({HERE}): {people} and 0{events[1:]}" in refusal(table)


@pytest.mark.parametrize(
    ("column", "text", "key"),
    [
        ("service_type", "maternity", "dimensions.service: service_type holds 'maternity' (1 rows), not explained"),
        ("strata", "75+", "dimensions.age: strata holds '75+' (1 rows), not explained"),
        ("year_month", "2020-08", "dimensions.month: year_month holds '2020-08' (1 rows), not explained"),
        ("breakdown", "ethnicity", "breakdown: breakdown holds 'ethnicity' (1 rows), not explained"),
    ],
)
def test_a_code_nobody_explained(column: str, text: str, key: str, published: pd.DataFrame, refusal: Refusal) -> None:
    table = published.copy()
    table.loc[row(table), column] = text
    assert f"config/sites/ndl_leeds.yaml, published.0.{key}" in refusal(table)


def test_a_dropped_month_is_missed(published: pd.DataFrame, refusal: Refusal) -> None:
    said = refusal(published[published["year_month"] != "2019-05"])
    assert "2019-05 is missing in 48 cells (service " in said  # four services, each in 12 groups
    assert said.count("is missing in") == 1


def test_a_single_dropped_row_is_missed(published: pd.DataFrame, refusal: Refusal) -> None:
    said = refusal(published.drop(index=row(published)))
    assert "2020-04 is missing in 1 cell (service admissions_emergency, age 70+)" in said


def test_a_duplicated_row_is_found(published: pd.DataFrame, refusal: Refusal) -> None:
    table = pd.concat([published, published.loc[[row(published)]]])
    assert f"1 cell ({HERE}) more than once" in refusal(table)


def test_a_lacking_service_must_be_declared(published: pd.DataFrame, refusal: Refusal) -> None:
    said = refusal(published[published["service_type"] != "AE_attendance"])
    assert "there is no row with service AE_attendance" in said
    assert "not_collected.service.AE_attendance" in said


def test_a_service_declared_as_lacking_must_lack(published: pd.DataFrame, refusal: Refusal) -> None:
    table = published.copy()
    leeds = table[(table["region"] == "Leeds") & (table["service_type"] == "AE_attendance")].assign(region="Wales")
    book = pd.concat([table, leeds])
    said = refusal(book, "ndl_wales", file="ndl3_hospital_care_use.csv", sheet="")
    assert "service AE_attendance is there, though not_collected says that it is not" in said


def test_all_problems_are_shown_together(published: pd.DataFrame, refusal: Refusal) -> None:
    table = published[~((published["region"] == "Leeds") & (published["year_month"] == "2018-07"))].copy()
    table.loc[row(table), "number_events"] = "1"
    table = pd.concat([table, table.query("region == 'Leeds' and year_month == '2019-01'").tail(1)])
    said = refusal(table)
    assert "cannot be used: 3 problems" in said
    for message in ("people exceeds events", "2018-07 is missing in 48 cells", "more than once"):
        assert message in said


def test_other_regions_do_not_disturb_a_site(published: pd.DataFrame, refusal: Refusal) -> None:
    table = published.copy()
    table.loc[table["region"] == "Grampian", "number_events"] = "unreadable"
    table.loc[row(table), "number_events"] = "1"
    assert "cannot be used: 1 problem." in refusal(table)


def test_a_column_that_is_not_there(published: pd.DataFrame, refusal: Refusal) -> None:
    said = refusal(published.rename(columns={"number_events": "number_of_events"}))
    assert "the file has no column 'number_events' (did you mean number_of_events?)" in said


def test_a_region_that_is_not_there(published: pd.DataFrame, refusal: Refusal) -> None:
    said = refusal(published.assign(region="Elsewhere"))
    assert "config/sites/ndl_leeds.yaml, published.0.where: no row of ndl3_hospital_care_use.csv is this site's" in said
