"""Deaths by the day they were registered, people lived by the middle of the year. Methods specification, section 2."""

from __future__ import annotations

import datetime as dt

import pytest

from shared_code.config.study import Period
from shared_code.measures import as_events, deaths_and_person_years, require_located_deaths
from shared_code.measures.mortality import mid_years

PERIOD = Period(start="2021-04-01", end="2023-04-01")  # holds the mid-years 2021 and 2022
AREAS = """
    lsoa21     ward_vintage  ward_cd    ward_name  locality  imd_version  imd10
    E01000001  2024-05       E05000001  Mill       North     IoD2025      1
    E01000002  2024-05       E05000001  Mill       North     IoD2025      2
    E01000003  2024-05       E05000002  .          South     IoD2025      2"""
POPULATION = """
    area_cd    year  sex  age  population
    E01000001  2020  F    0    1000
    E01000001  2021  F    0    10
    E01000001  2022  F    0    12
    E01000001  2023  F    0    1000
    E01000001  2021  F    64   7.5
    E01000002  2022  F    65   3
    E01000002  2022  M    90   4
    E01000003  2022  M    90   5
    E01999999  2022  M    90   999"""


@pytest.fixture
def prepared(tables):
    return tables(
        area_lookup=AREAS,
        area_population=POPULATION,
        person="""
            who        birth_month  sex
            before     1950-01      F
            first_day  1950-01      F
            last_day   1950-01      F
            after      1950-01      F
            late       1950-01      F
            newborn    2022-03      F
            impossible 2022-03      F
            birthday   1957-06      M
            day_before 1957-06      M
            elsewhere  1950-01      M
            nowhere    1950-01      M
            unclear    1950-01      I""",
        death="""
            who        death_date  reg_date    lsoa21
            before     2021-03-20  2021-03-31  E01000001
            first_day  2021-03-20  2021-04-01  E01000001
            last_day   2023-03-20  2023-03-31  E01000002
            after      2023-03-20  2023-04-01  E01000002
            late       2005-01-20  2022-01-01  E01000001
            newborn    2022-03-04  2022-03-09  E01000001
            impossible 2022-02-20  2022-03-09  E01000001
            birthday   2022-06-15  2022-06-20  E01000003
            day_before 2022-06-14  2022-06-20  E01000003
            elsewhere  2022-06-15  2022-06-20  E01999999
            nowhere    2022-06-15  2022-06-20  .
            unclear    2022-06-15  2022-06-20  E01000001""",
    )


def test_deaths_count_by_registration_and_person_years_by_mid_year(prepared, expect):
    """A death of 2005 registered in the period counts, at the age of 2005. Whoever dies in the month of birth is 0."""
    found = deaths_and_person_years(prepared, PERIOD, "ward_cd", [0, 1, 65])
    assert len(found) == 2 * 2 * 3  # every ward, sex and band
    expect(
        found[(found["deaths"] > 0) | (found["person_years"] > 0)],
        """
        ward_cd    sex  age   deaths  person_years
        E05000001  F    0     1       22
        E05000001  F    1-64  1       7.5
        E05000001  F    65+   2       3
        E05000001  M    65+   0       4
        E05000002  M    1-64  1       0
        E05000002  M    65+   1       5""",
    )


def test_areas_can_be_deciles_or_wards_with_their_names(prepared):
    deciles = deaths_and_person_years(prepared, PERIOD, "imd10", [0, 65])
    assert set(deciles["imd10"]) == {"1", "2"}
    assert deciles.groupby("imd10")["person_years"].sum().to_dict() == {"1": 29.5, "2": 12.0}
    assert set(deaths_and_person_years(prepared, PERIOD, "ward", [0, 65])["ward"]) == {"Mill E05000001", "E05000002"}


def test_an_area_in_two_editions_of_wards_is_counted_once(tables, prepared):
    expected = deaths_and_person_years(prepared, PERIOD, "ward_cd", [0, 1, 65])
    older = [line.replace("2024-05", "2019-12").replace("E0500000", "E0510000") for line in AREAS.splitlines()[2:]]
    again = tables(area_lookup="\n".join([AREAS, *older]), area_population=POPULATION,
                   person="who birth_month sex\nnobody 1950-01 F", death="who death_date reg_date")  # fmt: skip
    found = deaths_and_person_years(again, PERIOD, "ward_cd", [0, 1, 65])
    assert found["person_years"].tolist() == expected["person_years"].tolist()


def test_a_mid_year_without_population_is_refused(prepared, message_of):
    """Four years of people under five years of deaths would make everybody die sooner."""
    period = Period(start="2021-04-01", end="2026-04-01")
    message = message_of(deaths_and_person_years, prepared, period, "ward_cd", [0, 65])
    assert "the population of 2024, 2025 is not there" in message
    assert "Allowed: 2021, 2022, 2023, 2024, 2025" in message


@pytest.mark.parametrize(
    ("start", "end", "years"),
    [
        ("2021-04-01", "2026-04-01", 5), ("2021-06-30", "2021-07-01", 1), ("2021-07-01", "2022-06-30", 0),
        ("2021-07-01", "2022-07-01", 1), ("2021-01-01", "2022-01-01", 1),
    ],
)  # fmt: skip
def test_how_many_middles_of_a_year_lie_in_a_period(start, end, years):
    assert len(mid_years(Period(start=start, end=end))) == years


def test_a_person_dies_once(prepared, expect):
    events = as_events(deaths_and_person_years(prepared, PERIOD, "imd10", [0, 65]))
    expect(
        events[(events["imd10"] == "1") & (events["sex"] == "F")],
        """
        age   people  events  events_squared  person_days
        0-64  2       2       2               10774.9
        65+   1       1       1               0""",
    )


def deaths_located(tables, places: list[str]):
    people = "\n".join(f"p{i} 1950-01 {'I' if place == 'sexless' else 'F'}" for i, place in enumerate(places))
    where = {"sexless": "E01000001", "none": "."}
    deaths = "\n".join(f"p{i} 2022-01-05 2022-01-06 {where.get(p, p)}" for i, p in enumerate(places))
    return tables(area_lookup=AREAS, person=f"who birth_month sex\n{people}",
                  death=f"who death_date reg_date lsoa21\n{deaths}")  # fmt: skip


@pytest.mark.parametrize("elsewhere", ["none", "E01999999", "sexless"])
def test_deaths_that_lead_nowhere_are_refused_and_a_few_are_not(tables, message_of, elsewhere):
    """A column left out must not look like a place where nobody dies."""
    require_located_deaths(deaths_located(tables, ["E01000001"] * 9 + [elsewhere]), PERIOD)
    refused = message_of(require_located_deaths, deaths_located(tables, ["E01000001"] * 8 + [elsewhere] * 2), PERIOD)
    assert "fewer than 90% of the deaths have a known person, sex and small area" in refused


def test_a_period_without_any_death_is_refused(tables, message_of):
    prepared = deaths_located(tables, ["E01000001"])
    later = PERIOD.model_copy(update={"start": dt.date(2030, 1, 1), "end": dt.date(2031, 1, 1)})
    assert "no death was registered in the period" in message_of(require_located_deaths, prepared, later)
