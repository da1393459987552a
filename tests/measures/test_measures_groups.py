"""Groups and shares, drawn as small tables: who counts, who does not, and why."""

from __future__ import annotations

import datetime as dt

import pytest

from shared_code import measures
from shared_code.config.codelists import Codelist
from shared_code.measures.cohort import wards_inside
from shared_code.model import Refused

ON, YEAR_AGO = dt.date(2024, 4, 1), dt.date(2023, 4, 2)  # 365 days
LIST = Codelist("x", "1", {"flu": "Flu", "birth": "Birth", "booked": "Booked"}, {}, {
    ("SCT", "1001"): [("flu", True)], ("SCT", "1002"): [("birth", True)], ("SCT", "1003"): [("booked", True)],
}, "")  # fmt: skip


@pytest.fixture
def placed(tables):
    return tables(
        person="""
            who    birth_month  sex
            Ann    1960-05      F
            Ben    1960-05      M
            Cleo   1940-05      F
            Dan    1990-05      M""",
        gp_registration="""
            who    practice_code  reg_start   reg_type
            Ann    A81001         2000-01-01  GMS
            Ben    A81001         2000-01-01  GMS
            Cleo   A81001         2000-01-01  GMS
            Dan    A81001         2000-01-01  GMS""",
        person_address="""
            who    start       lsoa21
            Ann    2000-01-01  E01000001
            Ben    2000-01-01  E01000002
            Cleo   2000-01-01  E01000003
            Dan    2000-01-01  E01999999""",
        area_lookup="""
            lsoa21     ward_vintage  ward_cd    locality  imd_version  imd10
            E01000001  2024-05       E05000001  North     IoD2025      1
            E01000002  2024-05       E05000001  North     IoD2025      2
            E01000003  2024-05       E05000002  South     IoD2025      3""",
    )


def test_core20_is_the_two_most_deprived_tenths_of_the_country_and_unknown_stays_unknown(placed, expect):
    people = measures.with_core20(measures.registered(placed, ON))
    expect(people, """
        who    decile   core20   locality
        Ann    1        core20   North
        Ben    2        core20   North
        Cleo   3        rest     South
        Dan    Unknown  Unknown  Unknown""")
    expect(measures.with_core20(measures.registered(placed, ON), 1), """
        who    core20
        Ann    core20
        Ben    rest
        Cleo   rest
        Dan    Unknown""")


def test_a_local_fifth_is_not_core20(placed):
    """The pitfall: the most deprived fifth of these four people would be one of them; two live in Core20."""
    people = measures.with_core20(measures.registered(placed, ON)).execute()
    assert (people["core20"] == "core20").sum() == 2
    by_ward = people.assign(d=people["decile"].replace("Unknown", None).astype(float)).groupby("ward")["d"].transform("mean")
    assert (by_ward <= 2).sum() == 2  # and a ward's average may agree only by chance: North has a mean of 1.5
    assert (by_ward <= 1).sum() == 0, "a most deprived tenth hidden by its ward's average"


def test_a_look_back_holds_its_first_day_and_not_its_last(tables, expect):
    prepared = tables(condition_event="""
        who    event_id  code  code_system  event_date  status
        Ann    1         1001  SCT          2023-04-02  active
        Ben    2         1001  SCT          2023-04-01  active
        Cleo   3         1001  SCT          2024-04-01  active
        Dan    4         1001  SCT          2024-03-31  family
        Eve    5         1001  SCT          2024-03-31  .
        Eve    6         1001  SCT          2023-12-01  history""")
    found = measures.codes_recorded(prepared, LIST, YEAR_AGO, ON)
    expect(found.mutate(first=found.first.cast("string"), latest=found.latest.cast("string")), """
        who  condition  first       latest
        Ann  flu        2023-04-02  2023-04-02
        Eve  flu        2023-12-01  2024-03-31""")
    assert measures.codes_recorded(prepared, LIST, None, dt.date(2000, 1, 1)).execute().empty
    ever = measures.codes_recorded(prepared, LIST, None, ON)
    expect(measures.with_code(ever, "flu"), "who\n" + "\n".join(["Ann", "Ben", "Eve"]))


def test_all_checks_are_of_one_person_and_declined_is_not_done(tables, expect):
    prepared = tables(measurement="""
        who    meas_id  concept  date        declined
        Ann    1        bp       2023-05-01  false
        Ann    2        bmi      2024-03-31  false
        Ben    3        bp       2023-05-01  false
        Ben    4        bmi      2023-06-01  true
        Cleo   5        bp       2023-05-01  false
        Cleo   6        bmi      2022-06-01  false
        Dan    7        bp       2023-05-01  false
        Dan    8        bp       2023-06-01  false
        Eve    9        bmi      2023-06-01  false""")
    expect(measures.checked(prepared, ["bp", "bmi"], YEAR_AGO, ON), "who\nAnn")


def test_treated_to_target_reads_the_latest_pressure_by_age(tables, expect):
    prepared = tables(
        person="""
            who   birth_month
            Ann   1960-05
            Ben   1960-05
            Cleo  1940-05
            Dan   1960-05
            Eve   1960-05
            Fay   1960-05""",
        measurement="""
            who    meas_id  concept  date        value    declined
            Ann    1        bp       2023-05-01  170/95   false
            Ann    2        bp       2023-06-01  139/89   false
            Ben    3        bp       2023-05-01  130/80   false
            Ben    4        bp       2023-06-01  140/80   false
            Cleo   5        bp       2023-05-01  148/85   false
            Dan    6        bp       2022-05-01  120/70   false
            Eve    7        bp       2023-05-01  high     false
            Fay    8        bp       2023-05-01  120/90   false""",
    )
    people = prepared.person.mutate(age=measures.completed_years(prepared.person.birth_month, ON))
    expect(measures.treated_to_target(prepared, people, YEAR_AGO, ON), """
        who
        Ann
        Cleo""")


def test_booking_early_asks_for_the_first_contact_of_this_pregnancy(tables, expect):
    prepared = tables(condition_event="""
        who    event_id  code  code_system  event_date
        Ann    1         1002  SCT          2024-01-31
        Ann    2         1003  SCT          2023-06-01
        Ann    3         1003  SCT          2024-01-01
        Ben    4         1002  SCT          2024-01-31
        Ben    5         1003  SCT          2023-09-01
        Cleo   6         1002  SCT          2024-01-31
        Cleo   7         1003  SCT          2021-06-01
        Dora   8         1003  SCT          2020-03-01
        Dora   9         1002  SCT          2020-10-01
        Dora   10        1003  SCT          2023-06-01
        Dora   11        1002  SCT          2024-01-31
        Eve    12        1003  SCT          2020-03-01
        Eve    13        1003  SCT          2023-10-01
        Eve    14        1002  SCT          2024-01-31""")
    births = measures.codes_recorded(prepared, LIST, YEAR_AGO, ON)
    births = births.filter(births.condition == "birth").select("person_id", day="latest")
    # Dora had been pregnant before, and came in time for both; Eve came in time for the first and late for this one
    expect(measures.soon_enough(prepared, LIST, "booked", births, 210, 300), "who\nAnn\nDora")


def test_a_union_counts_each_person_once(tables, expect):
    prepared = tables(person="""
        who   birth_month  sex
        Ann   1960-05      F
        Ben   1960-05      M
        Cleo  1960-05      F
        Dan   1960-05      M""")
    everyone = prepared.person

    def people(*names: str):
        return everyone.filter(everyone.person_id.isin(names))

    parts = {"carer": people("Ann", "Ben"), "homeless": people("Ben", "Cleo")}
    grouped = measures.together(parts, {"either": ["carer", "homeless"]})
    expect(grouped, """
        who   item
        Ann   carer
        Ben   carer
        Ben   homeless
        Cleo  homeless
        Ann   either
        Ben   either
        Cleo  either""")
    counted = measures.count_shares(
        everyone, measures.together(dict.fromkeys([*parts, "either"], everyone)), grouped, "item",
        {"item": dict.fromkeys([*parts, "either"], ""), "sex": {"F": "", "M": ""}}, [[], ["sex"]],
    )  # fmt: skip
    expect(counted, """
        item      sex  people  cases
        carer     all  4       2
        homeless  all  4       2
        either    all  4       3
        carer     F    2       1
        carer     M    2       1
        homeless  F    2       1
        homeless  M    2       1
        either    F    2       2
        either    M    2       1""")
    # the pitfall: adding the groups up counts Ben twice
    assert counted[(counted["sex"] == "all") & (counted["item"] != "either")]["cases"].sum() == 4


def test_whom_an_item_does_not_concern_is_in_neither_number(tables, expect):
    prepared = tables(person="""
        who   birth_month  sex
        Ann   1960-05      F
        Ben   1960-05      M""")
    everyone = prepared.person
    ann = everyone.filter(everyone.person_id == "Ann")
    table = measures.count_shares(everyone, measures.together({"flu": ann}), measures.together({"flu": everyone}), "item",
                                  {"item": {"flu": ""}, "sex": {"F": "", "M": ""}}, [[], ["sex"], ["town"]])  # fmt: skip
    expect(table, """
        item  sex  people  cases
        flu   all  1       1
        flu   F    1       1
        flu   M    0       0""")


def test_residents_count_by_their_own_small_area_and_not_by_the_mean_of_the_ward(tables, expect):
    """Five areas of one ward; the two most deprived hold 39.69 % of its people, though the ward's mean decile is 4.4."""
    prepared = tables(
        area_population="""
            area_cd    year  sex  age  population
            E01000001  2025  F    30   1500
            E01000002  2025  F    30   1620
            E01000003  2025  F    30   1710
            E01000004  2025  F    30   1480
            E01000005  2025  F    30   1550
            E01000001  2024  F    30   9999""",
        area_lookup="""
            lsoa21     ward_vintage  ward_cd    locality  imd_version  imd10
            E01000001  2024-05       E05000001  North     IoD2025      1
            E01000002  2024-05       E05000001  North     IoD2025      2
            E01000003  2024-05       E05000001  North     IoD2025      5
            E01000004  2024-05       E05000001  North     IoD2025      6
            E01000005  2024-05       E05000001  North     IoD2025      8""",
    )
    found = measures.residents_in_need(prepared, 2025, {"core20": 2, "core10": 1})
    expect(found, """
        need    locality  people  cases
        core20  North     7860    3120
        core10  North     7860    1500""")
    assert round(100 * 3120 / 7860, 2) == 39.69
    with pytest.raises(Refused, match="no population of 2023"):
        measures.residents_in_need(prepared, 2023, {"core20": 2})


def test_which_wards_lie_in_which_locality(tables):
    """A ward in two localities, and every locality it touches, are left out: their wards do not add up to them."""
    placed = tables(area_lookup="""
        lsoa21     ward_vintage  ward_cd    ward_name  lad_cd     locality  imd_version  imd10
        E01000001  2024-05       E05000001  Ash        E06000001  North     IoD2025      1
        E01000002  2024-05       E05000002  Elm        E06000001  North     IoD2025      2
        E01000003  2024-05       E05000003  Fir        E06000001  South     IoD2025      3
        E01000004  2024-05       E05000004  Oak        E06000002  South     IoD2025      4
        E01000005  2024-05       E05000004  Oak        E06000002  East      IoD2025      4
        E01000006  2024-05       E05000005  Yew        .          West      IoD2025      5
        E01000001  2023-05       E05000009  Old        E06000001  North     IoD2025      1""")
    assert wards_inside(placed) == {"ward": {"locality": {
        "Ash E05000001": "North", "Elm E05000002": "North", "Yew E05000005": "West"}}}  # fmt: skip


def test_a_site_without_areas_knows_of_no_wards(tables):
    assert wards_inside(tables(person="""
        who  birth_month  sex
        Ann  1960-05      F""")) == {}
