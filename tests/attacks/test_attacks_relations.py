"""Attacks with what the protocol says of groups and of tables: groups in groups, unions, the same people in two analyses.

Each case is tried on numbers withheld one by one, on ours without the relation, and on ours with it: the second shows that the
relation is what protects.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from shared_code.config.agreement import Agreement, at_places
from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect
from shared_code.disclosure.attacks.find import find

T = 10
POLICY = Policy(threshold=T, rounding=1)  # exact, so that nothing but the relation is at work


def counts(dimension: str, levels: list[str], **said: Any) -> ResultsTable:
    spec = {"values": {level: level for level in levels}, **said}
    return ResultsTable.model_validate({"title": "t", "layout": "counts", "dimensions": {dimension: spec}})


def wide(dimension: str, rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[dimension, "people", "cases"])


def weaknesses(tables, seen_as, agreements=()) -> list[str]:
    """Attack cells with the declarations of `seen_as`: who reads the protocol knows its relations whatever we use."""
    return [w.statistic for w in find({n: (seen_as[n], cells) for n, cells in tables.items()}, T, agreements)
            if w.attack == "tables together"]


# what the protocol says | levels | how they are made | numbers of cases, everybody being 5,000
GROUPS = [
    ("a group that holds another", ["two_or_more", "four_or_more"], {"within": {"four_or_more": ["two_or_more"]}}, [303, 300]),
    ("tenths inside fifths inside thirds", ["core10", "core20", "core30"],
     {"within": {"core10": ["core20"], "core20": ["core30"]}}, [800, 804, 2000]),
    ("any of two flags, which few have both of", ["carer", "homeless", "either"],
     {"formed": {"either": {"at_least": 1, "of": ["carer", "homeless"]}}}, [300, 210, 508]),
    ("any of three flags, and few have none but one", ["a", "b", "c", "any"],
     {"formed": {"any": {"at_least": 1, "of": ["a", "b", "c"]}}}, [300, 210, 40, 304]),
    ("all checks, and few lack only one", ["weight", "smoking", "both"],
     {"formed": {"both": {"at_least": 2, "of": ["weight", "smoking"]}}}, [1500, 1203, 1200]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "levels", "said", "cases"), GROUPS, ids=[g[0] for g in GROUPS])
def test_groups_made_of_groups(what, levels, said, cases, release_by_hand):
    known, unknown = counts("flag", levels, **said), counts("flag", levels)
    table = wide("flag", [(level, 5000, n) for level, n in zip(levels, cases)])
    by_hand = {"a.t": release_by_hand({"a.t": (known, table)})["a.t"][1]}
    assert weaknesses(by_hand, {"a.t": known})
    without = protect({"a.t": (unknown, table)}, [], POLICY).tables
    assert weaknesses(without, {"a.t": known})
    ours = protect({"a.t": (known, table)}, [], POLICY).tables
    assert not weaknesses(ours, {"a.t": known})
    assert (ours["a.t"]["status"] == "withheld").sum() <= 2  # and it costs little


def test_a_safe_union_costs_nothing():
    known = counts("flag", ["a", "b", "any"], formed={"any": {"at_least": 1, "of": ["a", "b"]}})
    ours = protect({"a.t": (known, wide("flag", [("a", 5000, 300), ("b", 5000, 210), ("any", 5000, 450)]))}, [], POLICY).tables
    assert not (ours["a.t"]["status"] == "withheld").any()


def agreement(relation: str = "equal", **of: Any) -> Agreement:
    return Agreement.model_validate({"title": "the same people", "relation": relation, "numbers": [
        {"table": "a.t", "statistic": "cases", "where": {"flag": ["smi"]}, **of},
        {"table": "b.t", "statistic": "people", "where": {"care": ["checks"]}}]})  # fmt: skip


def test_the_same_people_in_two_analyses(declare):
    """Four women are withheld, and the men with them; the men are the denominator of another analysis, under another name."""
    one, other = declare({"sex": ["F", "M", "all"]}, sets=[["sex"], []]), counts("care", ["checks of men", "vaccination"])
    tables = {"a.t": (one, wide("sex", [("F", 500, 4), ("M", 500, 30), ("all", 1000, 34)])),
              "b.t": (other, wide("care", [("checks of men", 30, 15), ("vaccination", 400, 100)]))}  # fmt: skip
    said = Agreement.model_validate({"title": "men", "numbers": [
        {"table": "a.t", "statistic": "cases", "where": {"sex": "M"}},
        {"table": "b.t", "statistic": "people", "where": {"care": "checks of men"}}]})  # fmt: skip
    seen = {"a.t": one, "b.t": other}
    assert weaknesses(protect(tables, [], POLICY).tables, seen, [said])
    ours = protect(tables, [], POLICY, [said]).tables
    assert not weaknesses(ours, seen, [said])


def test_parts_of_a_whole_of_another_analysis():
    """Wards add up to what another analysis says of everybody: the one withheld ward is the rest."""
    places, everyone = counts("ward", ["n", "s", "w"]), counts("flag", ["smi", "copd"])
    tables = {"b.t": (places, wide("ward", [("n", 500, 100), ("s", 500, 120), ("w", 500, 4)])),
              "a.t": (everyone, wide("flag", [("smi", 5000, 224), ("copd", 5000, 400)]))}  # fmt: skip
    said = Agreement.model_validate({"title": "wards", "numbers": [
        {"table": "b.t", "statistic": "cases"}, {"table": "a.t", "statistic": "cases", "where": {"flag": "smi"}}]})  # fmt: skip
    seen = {"a.t": everyone, "b.t": places}
    assert weaknesses(protect(tables, [], POLICY).tables, seen, [said])
    ours = protect(tables, [], POLICY, [said]).tables
    assert not weaknesses(ours, seen, [said])
    assert sum(int((cells["status"] == "withheld").sum()) for cells in ours.values()) == 2


def test_nearly_the_same_cohort():
    """Three people more in a cohort that holds the other: the difference is a number of people."""
    one, other = counts("flag", ["smi"]), counts("care", ["checks"])
    tables = {"a.t": (one, wide("flag", [("smi", 5000, 100)])), "b.t": (other, wide("care", [("checks", 103, 40)]))}
    said = [agreement("at_most")]
    ours = protect(tables, [], POLICY, said).tables
    cells = {n: c.set_index("statistic") for n, c in ours.items()}
    low, high = cells["a.t"].loc["cases"], cells["b.t"].loc["people"]
    assert high["upper"] - low["lower"] >= T and high["upper"] - low["lower"] - max(high["lower"] - low["upper"], 0) >= T - 1
    assert (protect(tables, [], POLICY).tables["b.t"]["status"] == "ok").all()


def test_a_relation_that_the_numbers_do_not_fulfil_is_not_used():
    one, other = counts("flag", ["smi"]), counts("care", ["checks"])
    tables = {"a.t": (one, wide("flag", [("smi", 5000, 100)])), "b.t": (other, wide("care", [("checks", 300, 40)]))}
    ours = protect(tables, [], POLICY, [agreement()]).tables
    assert all((cells["status"] == "ok").all() for cells in ours.values())


PLACES = {"ward": {"locality": {"Ash": "North", "Elm": "North", "Fir": "South", "Oak": "South"}}}
IN_LOCALITIES = Agreement.model_validate({"title": "wards and localities", "each": ["locality"], "numbers": [
    {"table": "b.t", "statistic": "cases", "inside": {"locality": {"dimension": "ward"}}},
    {"table": "a.t", "statistic": "cases"}]})  # fmt: skip


def test_wards_of_a_locality():
    """Anyone knows which wards a locality is made of: the locality less the other ward is the ward that is withheld."""
    localities, wards = counts("locality", ["North", "South"]), counts("ward", ["Ash", "Elm", "Fir", "Oak"])
    tables = {"a.t": (localities, wide("locality", [("North", 900, 104), ("South", 900, 219)])),
              "b.t": (wards, wide("ward", [("Ash", 500, 100), ("Elm", 400, 4), ("Fir", 500, 120), ("Oak", 400, 99)]))}
    seen, said = {"a.t": localities, "b.t": wards}, at_places([IN_LOCALITIES], PLACES)
    without = protect(tables, [], POLICY, at_places([IN_LOCALITIES], {})).tables
    assert weaknesses(without, seen, said) and not weaknesses(without, seen)
    ours = protect(tables, [], POLICY, said).tables
    assert not weaknesses(ours, seen, said)
    hidden = pd.concat(ours.values()).query("status == 'withheld' and statistic == 'cases'")
    assert len(hidden) == 2 and not set(hidden["ward"]) & {"Fir", "Oak"} and "South" not in set(hidden["locality"])


@pytest.mark.parametrize("places", [
    {}, {"ward": {}}, {"ward": {"district": {"Ash": "North"}}}, {"parish": {"locality": {"Ash": "North"}}}])  # fmt: skip
def test_what_is_said_of_places_that_a_site_does_not_have_is_left_out(places):
    assert [said.title for said in at_places([IN_LOCALITIES, agreement()], places)] == [agreement().title]


def test_a_locality_of_which_a_ward_is_not_in_the_table_is_not_the_sum_of_the_others():
    """Elm is withheld; 64 less 60 are of Elm and Yew together, so nothing else need be withheld, and no weakness is told."""
    localities, wards = counts("locality", ["North", "South"]), counts("ward", ["Ash", "Elm", "Fir", "Oak"])
    places = {"ward": {"locality": PLACES["ward"]["locality"] | {"Yew": "North"}}}
    tables = {"a.t": (localities, wide("locality", [("North", 900, 64), ("South", 900, 219)])),
              "b.t": (wards, wide("ward", [("Ash", 500, 60), ("Elm", 400, 4), ("Fir", 500, 120), ("Oak", 400, 99)]))}
    said = at_places([IN_LOCALITIES], places)
    ours = protect(tables, [], POLICY, said).tables
    assert pd.concat(ours.values()).query("status == 'withheld'")["ward"].tolist() == ["Elm"]
    assert not weaknesses(ours, {"a.t": localities, "b.t": wards}, said)
