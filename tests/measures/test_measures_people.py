"""Who is counted, and as what. Each table below is a rule of the methods specification, section 0."""

from __future__ import annotations

import datetime as dt

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.measures import alive_and_registered, area_of_residence, band, completed_years, ethnicity5, registered

ON = dt.date(2024, 4, 1)


def test_who_is_registered_on_the_first_of_april(tables, expect):
    """Intervals are half-open: the first day counts, the last does not. Only permanent registration counts."""
    prepared = tables(
        person="""
            who        birth_month  sex
            before     1980-05      F
            first_day  1980-05      F
            day_after  1980-05      F
            last_day   1980-05      F
            left       1980-05      F
            temporary  1980-05      F
            other      1980-05      F
            moved      1980-05      F
            twice      1980-05      F
            nowhere    1980-05      F""",
        gp_registration="""
            who        practice_code  reg_start   reg_end     reg_type
            before     P1             2010-01-01  .           GMS
            first_day  P1             2024-04-01  .           GMS
            day_after  P1             2024-04-02  .           GMS
            last_day   P1             2010-01-01  2024-04-02  GMS
            left       P1             2010-01-01  2024-04-01  GMS
            temporary  P1             2010-01-01  .           temp
            other      P1             2010-01-01  .           other
            moved      P1             2010-01-01  2024-04-01  GMS
            moved      P2             2024-04-01  .           GMS
            twice      P1             2010-01-01  .           GMS
            twice      P2             2015-01-01  .           GMS""",
    )
    expect(
        alive_and_registered(prepared, ON),
        """
        who
        before
        first_day
        last_day
        moved
        twice""",
    )


def test_a_death_closes_a_registration_that_nobody_closed(tables, expect):
    prepared = tables(
        person="""
            who        birth_month  sex
            alive      1930-05      F
            ghost      1930-05      F
            that_day   1930-05      F
            day_after  1930-05      F""",
        gp_registration="""
            who        practice_code  reg_start   reg_type
            alive      P1             2010-01-01  GMS
            ghost      P1             2010-01-01  GMS
            that_day   P1             2010-01-01  GMS
            day_after  P1             2010-01-01  GMS""",
        death="""
            who        death_date  reg_date
            ghost      2019-12-31  2024-05-01
            that_day   2024-04-01  2024-04-03
            day_after  2024-04-02  2024-04-03""",
    )
    expect(
        alive_and_registered(prepared, ON),
        """
        who
        alive
        day_after""",
    )


WITH_AN_AGE = ["today", "newborn", "eleven", "twelve", "month", "earlier", "chinese", "other", "african", "not_stated",
               "not_known", "missing", "unclear", "unknown"]  # fmt: skip


def test_age_sex_and_ethnic_group(tables, expect):
    """Age in completed years, birth assumed on the 15th. Chinese (R) is Other in the 2001 census; unknown is its own."""
    prepared = tables(
        person="""
            who          birth_month  sex  ethnicity16
            today        2024-04      F    A
            newborn      2024-03      F    C
            eleven       2012-05      M    D
            twelve       2012-03      M    G
            month        1984-04      F    H
            earlier      1984-03      F    L
            chinese      1980-01      M    R
            other        1980-01      M    S
            african      1980-01      F    N
            not_stated   1980-01      F    Z
            not_known    1980-01      F    99
            missing      1980-01      F    .
            unclear      1980-01      I    A
            unknown      1980-01      U    A""",
        gp_registration="who practice_code reg_start reg_type\n"
        + "\n".join(f"{who} P1 2000-01-01 GMS" for who in WITH_AN_AGE),
    )
    expect(
        registered(prepared, ON),
        """
        who         sex  age  ethnicity
        newborn     F    0    White
        eleven      M    11   Mixed
        twelve      M    12   Mixed
        month       F    39   Asian
        earlier     F    40   Asian
        chinese     M    44   Other
        other       M    44   Other
        african     F    44   Black
        not_stated  F    44   Unknown
        not_known   F    44   Unknown
        missing     F    44   Unknown""",
    )


AREAS = """
    lsoa21     ward_vintage  ward_cd    ward_name  locality  imd_version  imd10
    E01000001  2024-05       E05000001  Mill       North     IoD2025      1
    E01000002  2024-05       E05000001  Mill       North     IoD2025      2
    E01000003  2024-05       E05000002  Moor       South     IoD2025      3
    E01000010  2024-05       E05000002  Moor       South     IoD2025      10"""


def everybody(*names: str) -> dict[str, str]:
    person = ["who birth_month sex", *(f"{who} 1980-01 F" for who in names)]
    registration = ["who practice_code reg_start reg_type", *(f"{who} P1 2000-01-01 GMS" for who in names)]
    return {"person": "\n".join(person), "gp_registration": "\n".join(registration)}


def test_where_people_live(tables, expect):
    """The latest address counts, even one whose area is not known; quintile 1 holds the national deciles 1 and 2."""
    prepared = tables(
        **everybody("stays", "moved", "moves_later", "abroad", "elsewhere", "nowhere"),
        person_address="""
            who          start       end         lsoa21
            stays        2010-01-01  .           E01000002
            moved        2010-01-01  2020-01-01  E01000001
            moved        2024-04-01  .           E01000003
            moves_later  2010-01-01  .           E01000010
            moves_later  2024-04-02  .           E01000001
            abroad       2010-01-01  .           E01000001
            abroad       2023-01-01  .           .
            elsewhere    2010-01-01  .           E01999999""",
        area_lookup=AREAS,
    )
    expect(
        registered(prepared, ON),
        """
        who          deprivation  decile   locality  ward
        stays        1            2        North     E05000001
        moved        2            3        South     E05000002
        moves_later  5            10       South     E05000002
        abroad       Unknown      Unknown  Unknown   Unknown
        elsewhere    Unknown      Unknown  Unknown   Unknown
        nowhere      Unknown      Unknown  Unknown   Unknown""",
    )


def test_an_area_in_two_editions_of_wards_is_one_area(tables, expect):
    """Each small area counts once, with the wards of the latest edition; nobody is counted twice."""
    older = AREAS.strip("\n").splitlines()
    older = "\n".join(line.replace("2024-05", "2021-05").replace("E0500000", "E0510000") for line in older[1:])
    prepared = tables(
        **everybody("stays"),
        person_address="""
            who    start       lsoa21
            stays  2010-01-01  E01000002""",
        area_lookup=f"{AREAS}\n{older}",
    )
    expect(
        area_of_residence(prepared, ON),
        """
        who    lsoa21     ward_cd    locality  imd10
        stays  E01000002  E05000001  North     2""",
    )
    assert registered(prepared, ON).count().execute() == 1


def test_a_site_without_addresses_has_no_areas(tables):
    people = registered(tables(**everybody("anna")), ON)
    assert people.columns == ("person_id", "sex", "age", "ethnicity")


def test_bands_are_half_open(tables, expect):
    ages = ibis.memtable({"age": [-1, 0, 17, 18, 64, 65, 120]})
    expect(
        ages.mutate(band=band(ages.age, [0, 18, 65])),
        """
        age  band
        -1   .
        0    0-17
        17   0-17
        18   18-64
        64   18-64
        65   65+
        120  65+""",
    )


@settings(deadline=None, database=None, derandomize=True, max_examples=15)
@given(st.lists(st.tuples(st.dates(dt.date(1900, 1, 1), dt.date(2023, 12, 31)), st.dates(dt.date(2024, 1, 1))), min_size=1))
def test_completed_years_equal_birthdays_counted_one_by_one(pairs):
    """Of somebody born on the 15th of the month, on a fixed day and on a day of their own."""

    def birthdays(born: dt.date, on: dt.date) -> int:
        return sum((year, born.month, 15) <= (on.year, on.month, on.day) for year in range(born.year + 1, on.year + 1))

    frame = pd.DataFrame({"born": [b.replace(day=1) for b, _ in pairs], "on": [on for _, on in pairs]})
    table = ibis.memtable(frame, schema=ibis.schema({"born": "date", "on": "date"}))
    fixed = pairs[0][1]
    found = table.mutate(own=completed_years(table.born, table["on"]), fixed=completed_years(table.born, fixed)).execute()
    assert found["own"].tolist() == [birthdays(b, on) for b, on in pairs]
    assert found["fixed"].tolist() == [birthdays(b, fixed) for b, _ in pairs]


def test_every_ethnic_category_has_a_group():
    letters = [*"ABCDEFGHJKLMNPRSZ", "99", "?", None]
    table = ibis.memtable(pd.DataFrame({"letter": letters}), schema=ibis.schema({"letter": "string"}))
    groups = table.mutate(group=ethnicity5(table.letter)).execute()["group"].tolist()
    assert groups == ["White"] * 3 + ["Mixed"] * 4 + ["Asian"] * 4 + ["Black"] * 3 + ["Other"] * 2 + ["Unknown"] * 4


def test_tables_that_are_not_there_are_named(tables):
    prepared = tables(**everybody("anna"))
    assert prepared.has("person")
    assert not prepared.has("death")
    with pytest.raises(AttributeError, match="the site has no table death"):
        prepared.death  # noqa: B018
    with pytest.raises(AttributeError, match="'deaths' is not a table of the data model"):
        prepared.deaths  # noqa: B018
