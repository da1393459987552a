"""Reconciliation: contradictions that were planted are found and told; tables that were counted honestly never are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared_code.config import Policy, Study
from shared_code.config.agreement import Agreement, at_places
from shared_code.config.results import ResultsTable
from shared_code.disclosure import protect
from shared_code.model import LAYOUTS
from shared_code.pooling.pool import pool
from shared_code.pooling.reconcile import changed, contradictions

SEX = {"values": {"F": "", "M": ""}}
AREA = {"values": {"1": "", "2": "", "Unknown": ""}, "total": True}
ILL = ResultsTable.model_validate({"title": "t", "layout": "counts", "sets": [[], ["area"], ["town"]], "dimensions": {
    "condition": {"values": {"asthma": "", "stroke": ""}}, "sex": SEX, "area": AREA,
    "town": {"local": True, "total": True}}})  # fmt: skip
DEATHS = ResultsTable.model_validate({"title": "t", "layout": "events", "once": True, "sets": [[], ["area"]],
                                      "dimensions": {"sex": SEX, "area": AREA}})  # fmt: skip
OLDER = ResultsTable.model_validate({"title": "t", "layout": "counts", "dimensions": {
    "sex": SEX, "age": {"bands": [18, 65], "kind": "nested"}}})  # fmt: skip
NAMES = {"ill": ILL, "deaths": DEATHS, "older": OLDER}
SAME = [
    Agreement.model_validate({"title": "The people behind every condition", "over": "condition", "each": ["sex"],
                              "numbers": [{"table": "a.ill", "statistic": "people"}]}),
    Agreement.model_validate({"title": "Adults are some of all people", "relation": "at_most", "each": ["sex"], "numbers": [
        {"table": "a.older", "statistic": "people", "where": {"age": "18+"}},
        {"table": "a.ill", "statistic": "people", "where": {"condition": "asthma"}}]}),
]  # fmt: skip


def counted(people: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Count made-up people honestly: columns sex, area, town, age, asthma, stroke, died, days."""
    ill, deaths = [], []
    for group in ([], ["area"], ["town"]):
        levels = [["F", "M"], *([["1", "2", "Unknown"]] if group == ["area"] else [["Ash", "Elm"]] if group else [])]
        for key in product(*levels):
            named = dict(zip(["sex", *group], key, strict=True))
            own = people[np.all([people[n] == v for n, v in named.items()], axis=0)]
            base = {"area": "all", "town": "all", **named}
            for condition in ("asthma", "stroke"):
                ill.append({**base, "condition": condition, "people": len(own), "cases": int(own[condition].sum())})
            if group != ["town"]:
                died = int(own["died"].sum())
                deaths.append({"sex": named["sex"], "area": named.get("area", "all"), "people": died, "events": died,
                               "person_days": float(own["days"].sum()), "events_squared": died})  # fmt: skip
    older = [{"sex": sex, "age": f"{edge}+", "people": int(((people["sex"] == sex) & (people["age"] >= edge)).sum()),
              "cases": int(((people["sex"] == sex) & (people["age"] >= edge)) @ people["asthma"])}
             for sex, edge in product("FM", (18, 65))]  # fmt: skip
    return {"ill": pd.DataFrame(ill), "deaths": pd.DataFrame(deaths), "older": pd.DataFrame(older)}


def released(tables: dict[str, pd.DataFrame], threshold: int = 1, rounding: int = 1) -> dict[str, pd.DataFrame]:
    policy = Policy(threshold=threshold, rounding=rounding)
    return protect({name: (NAMES[name], table) for name, table in tables.items()}, [], policy).tables


def found(cells: dict[str, pd.DataFrame], agreements: list[Agreement] = SAME) -> list[Any]:
    return contradictions("ashby", {("a", name): (NAMES[name], table) for name, table in cells.items()}, agreements)


def people(seed: int = 1, number: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "sex": rng.choice(["F", "M"], number), "area": rng.choice(["1", "2", "Unknown"], number, p=[0.5, 0.4, 0.1]),
        "town": rng.choice(["Ash", "Elm"], number), "age": rng.integers(0, 100, number),
        "asthma": (rng.random(number) < 0.2).astype(int), "stroke": (rng.random(number) < 0.1).astype(int),
        "died": (rng.random(number) < 0.1).astype(int), "days": rng.integers(0, 366, number) / 3,
    })  # fmt: skip


def change(cells: pd.DataFrame, by: float, statistic: str, **where: str) -> pd.DataFrame:
    """Move one released number and its range."""
    chosen = (cells["statistic"] == statistic) & np.all([cells[n] == v for n, v in where.items()], axis=0)
    assert chosen.sum() == 1
    changed = cells.copy()
    changed.loc[chosen, ["value", "lower", "upper"]] += by
    return changed


PLANTED = [
    ("ill", 40, "cases", {"condition": "stroke", "sex": "F", "area": "all", "town": "all"}, "broken out by area", "stroke"),
    ("ill", 300, "cases", {"condition": "asthma", "sex": "F", "area": "1", "town": "all"}, "of which it is a part", "asthma"),
    ("ill", 50, "people", {"condition": "stroke", "sex": "M", "area": "2", "town": "all"}, "broken out by area", "stroke"),
    ("ill", -60, "people", {"condition": "stroke", "sex": "M", "area": "all", "town": "all"}, "people behind every", ""),
    ("deaths", 40000, "person_days", {"sex": "M", "area": "all"}, "broken out by area", ""),
    ("deaths", 900, "events", {"sex": "F", "area": "1"}, "of which it is a part", ""),
    ("older", 1000, "people", {"sex": "F", "age": "18+"}, "Adults are some of all people", ""),
    ("older", 1000, "people", {"sex": "F", "age": "65+"}, "for age 18+, which holds it", ""),
]


@pytest.mark.parametrize(("table", "by", "statistic", "where", "words", "item"), PLANTED)
@pytest.mark.parametrize("rules", [(1, 1), (10, 5)])
def test_a_planted_contradiction_is_told_by_site_table_and_cell(table, by, statistic, where, words, item, rules):
    cells = released(counted(people()), *rules)
    assert found(cells) == []
    one = {**cells, table: change(cells[table], by, statistic, **where)}
    said = found(one)
    assert said and all(c.site == "ashby" for c in said)
    hit = [c for c in said if words in c.words and f"a.{table}" in c.table]
    assert hit and (not item or hit[0].item == item), [str(c) for c in said]
    assert all(level in hit[0].cell for name, level in where.items() if name == "sex")


def test_a_contradiction_that_only_all_relations_together_show_is_found():
    """Two withheld parts of one total are 1 to 9 each, and another table says that together they are 60."""
    two = {"area": {"values": {"1": "", "2": ""}, "total": True}, "ethnicity": {"values": {"A": "", "B": ""}, "total": True}}
    declared = ResultsTable.model_validate({"title": "t", "layout": "counts", "sets": [["area"], ["ethnicity"]],
                                            "dimensions": two})  # fmt: skip
    rows = [("1", "all", 100, 100), ("2", "all", 1, 9), ("all", "A", 1, 9), ("all", "B", 160, 160)]
    cells = pd.DataFrame([{"area": a, "ethnicity": e, "statistic": s, "value": lo if lo == hi else np.nan,
                           "status": "ok" if lo == hi else "withheld", "lower": lo, "upper": hi}
                          for a, e, lo, hi in rows for s in ("people", "cases")])  # fmt: skip
    same = Agreement.model_validate({"title": "All people", "numbers": [
        {"table": "a.x", "statistic": "people", "where": {"area": ["1", "2"]}},
        {"table": "a.x", "statistic": "people", "where": {"ethnicity": ["A", "B"]}}]})  # fmt: skip
    said = contradictions("ashby", {("a", "x"): (declared, cells)}, [same])
    assert [c.words for c in said] == ["All people: 101 to 109 in one place, 161 to 169 in another"]
    rest = Agreement.model_validate({"title": "B and those without it", "numbers": [
        {"table": "a.x", "statistic": "people", "where": {"ethnicity": "B"}},
        [{"table": "a.x", "statistic": "people", "where": {"area": ["1", "2"]}},
         {"table": "a.x", "statistic": "people", "where": {"ethnicity": "A"}, "times": -1}]]})  # fmt: skip
    assert len(contradictions("ashby", {("a", "x"): (declared, cells)}, [rest])) == 1
    # alone each of these can hold; together they cannot: area 2 is ethnicity A, and is at the same time above it by 5
    other = cells["ethnicity"] != "B"
    eased = cells.assign(lower=cells["lower"].where(other, 99), upper=cells["upper"].where(other, 103))
    more = Agreement.model_validate({"title": "Area 2 is ethnicity A", "numbers": [
        {"table": "a.x", "statistic": "people", "where": {"area": "2"}},
        {"table": "a.x", "statistic": "people", "where": {"ethnicity": "A"}}]})  # fmt: skip
    fixed = eased.assign(lower=eased["lower"].where(other, 106), upper=eased["upper"].where(other, 108))
    assert contradictions("ashby", {("a", "x"): (declared, eased)}, [same, more]) == []
    for one in (same, more):
        assert contradictions("ashby", {("a", "x"): (declared, fixed)}, [one]) == []
    said = contradictions("ashby", {("a", "x"): (declared, fixed)}, [same, more])
    assert len(said) == 1 and "with the other numbers that were released, it misses by at least" in said[0].words


@st.composite
def populations(draw: Any) -> pd.DataFrame:
    number = draw(st.integers(0, 80))
    columns = {"sex": st.sampled_from("FM"), "area": st.sampled_from(["1", "2", "Unknown"]),
               "town": st.sampled_from(["Ash", "Elm"]), "age": st.integers(0, 99),
               "days": st.integers(0, 1000).map(lambda n: n / 7)}  # fmt: skip
    yes = {name: st.integers(0, 1) for name in ("asthma", "stroke", "died")}
    drawn = {name: draw(st.lists(of, min_size=number, max_size=number)) for name, of in {**columns, **yes}.items()}
    return pd.DataFrame(drawn).astype(dict.fromkeys(yes, int))


@settings(max_examples=25, deadline=None)
@given(populations(), st.sampled_from([(1, 1), (5, 5), (10, 5), (10, 10)]))
def test_what_was_counted_honestly_is_never_flagged(made, rules):
    assert found(released(counted(made), *rules)) == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_verdict_is_that_of_brute_force_on_small_tables(data):
    """Two areas, their total and a second total: whole numbers in the ranges that fit exist, or a contradiction is told."""
    ranges = [sorted(data.draw(st.tuples(st.integers(0, 6), st.integers(0, 6)))) for _ in range(4)]
    declared = ResultsTable.model_validate({"title": "t", "layout": "bins", "sets": [[], ["area"]], "dimensions": {
        "area": {"values": {"1": "", "2": "", "Unknown": ""}, "total": True}}})  # fmt: skip
    rows = [{"area": area, "statistic": statistic, "value": np.nan, "status": "withheld", "lower": low, "upper": high}
            for area, (low, high) in zip(["1", "2", "Unknown", "all"], ranges, strict=True)
            for statistic, low, high in (("people", 0, high), ("records", low, high))]  # fmt: skip
    fits = any(a + b + c == t for a, b, c, t in product(*(range(low, high + 1) for low, high in ranges)))
    assert fits == (contradictions("x", {("a", "bins"): (declared, pd.DataFrame(rows))}) == [])


def test_levels_that_overlap_and_distinct_people_need_not_add_up():
    rows = [("1", 60, 80), ("2", 70, 90), ("all", 100, 170)]
    for layout, parts in (("events", {}), ("counts", {"overlapping": True})):
        statistics = LAYOUTS[layout].statistics
        declared = ResultsTable.model_validate({"title": "t", "layout": layout, "sets": [[], ["area"]], "dimensions": {
            "area": {"values": {"1": "", "2": ""}, "total": True, **parts}}})  # fmt: skip
        cells = [{"area": a, "statistic": s, "value": v, "status": "ok", "lower": v, "upper": v}
                 for a, people, events in rows for s, v in zip(statistics, (people, events, 1e4 if a == "all" else 1e3, 9e4))
                 if layout == "events" or s == "people"]  # fmt: skip
        cells += [{"area": a, "statistic": "cases", "value": 1.0, "status": "ok", "lower": 1, "upper": 1}
                  for a, _, _ in rows if layout == "counts"]  # fmt: skip
        assert contradictions("x", {("a", "t"): (declared, pd.DataFrame(cells))}) == []
        worse = pd.DataFrame(cells)
        worse.loc[(worse["area"] == "all") & (worse["statistic"] == "people"), ["value", "lower", "upper"]] = 65.0
        (said,) = contradictions("x", {("a", "t"): (declared, worse)})
        assert said.words == "it is 70, but not broken out by area it is 65"


def test_a_second_release_of_the_same_extract_cannot_say_something_else():
    cells = released(counted(people()))
    later = change(cells["ill"], 3, "cases", condition="asthma", sex="F", area="1", town="all")

    def release(table: pd.DataFrame, extract: str, plan: str = "p", number: int = 1) -> Any:
        return SimpleNamespace(tables={("a", "ill"): table}, sent=SimpleNamespace(number=number),
                               manifest={"extract_date": extract, "plans": {"a": plan}})  # fmt: skip

    now = release(later, "2024-02-01", number=2)
    tables = {("a", "ill"): (ILL, later)}
    (said,) = changed("ashby", now, release(cells["ill"], "2024-02-01"), tables)
    assert "in release 1 of the same extract" in said.words and "condition asthma, sex F, area 1" in said.cell
    assert not list(changed("ashby", now, release(cells["ill"], "2024-01-01"), tables))  # other data
    assert not list(changed("ashby", now, release(cells["ill"], "2024-02-01", "q"), tables))  # another plan
    larger = release(cells["ill"], "2024-02-01")
    larger.manifest["holdings"] = {"person": {"rows": 700}}
    assert not list(changed("ashby", now, larger, tables))  # more rows were extracted
    rounded = released(counted(people()), 10, 5)["ill"]
    assert not list(changed("ashby", release(rounded, "2024-02-01"), release(cells["ill"], "2024-02-01"),
                            {("a", "ill"): (ILL, rounded)}))  # fmt: skip


@pytest.fixture
def contradictory(network, draw_people, counted) -> Iterator[Any]:
    """Three sites; at one the stroke cases by area are more than there are in all."""
    made, drawn = network("illness"), draw_people(5, 3)
    for number, name in enumerate(["aber", "bree", "cove"]):
        ill = counted(drawn[drawn["site"] == number])
        if name == "bree":
            there = (ill["item"] == "stroke") & (ill["area"] == "2") & (ill["sex"] == "F") & (ill["age"] == "0-39")
            assert there.sum() == 1
            ill.loc[there, ["people", "cases"]] += 900
        made.send(name, ill=ill)
    yield made


def test_the_pool_footnotes_what_a_contradiction_touches(contradictory):
    results = contradictory.pool()
    said = contradictory.read("contradictions.csv")
    assert set(said["site"]) == {"bree"} and set(said["table"]) == {"illness.ill"} and "area" in said["words"].iloc[0]
    noted = results[results["footnotes"].astype(str) != ""]
    assert set(noted["item"]) == {"stroke"} and noted["sites"].str.contains("bree").all()
    clean = results[(results["item"] == "stroke") & ~results["sites"].str.contains("bree")]
    assert len(clean) and (clean["footnotes"].astype(str) == "").all()


def test_the_pool_refuses_where_the_study_says_so(contradictory, problems_of):
    before = contradictory.target / "results.csv"
    contradictory.pool()
    kept = before.read_bytes()
    contradictory.study = contradictory.study.model_copy(update={"contradictions": "refuse"})
    problems = problems_of(pool, contradictory.study, contradictory.inbox, contradictory.target, contradictory.expected)
    assert all("bree, illness.ill" in str(p) and "item stroke" in str(p) for p in problems) and before.read_bytes() == kept


def test_a_release_that_is_superseded_is_kept_and_compared(network, draw_people, counted):
    made, drawn = network("illness"), draw_people(7, 2)
    for number, name in enumerate(["aber", "bree"]):
        made.send(name, ill=counted(drawn[drawn["site"] == number]))
    more = pd.concat([drawn[drawn["site"] == 1], drawn[drawn["site"] == 1].head(30)])
    made.send("bree", ill=counted(more))  # the same extract date, other numbers
    made.pool()
    said = made.read("contradictions.csv")
    assert len(said) and said["words"].str.contains("in release 1 of the same extract").all() and set(said["site"]) == {"bree"}


def test_what_an_older_version_wrote_is_replaced_and_what_was_never_received_is_refused(
    network, draw_people, counted, problems_of
):
    made, drawn = network("illness"), draw_people(9, 2)
    tables = [counted(drawn[drawn["site"] == number]) for number in (0, 1)]
    made.send("aber", ill=tables[0])
    (made.inbox / "aber.zip").write_bytes(b"a package of a form that nobody reads any more")
    made.send("aber", ill=tables[1])
    made.send("bree", ill=tables[1])
    folder = made.inbox / "superseded"
    assert not folder.exists() and len(made.pool())
    folder.mkdir()
    (folder / "aber.000000000000.zip").write_bytes((made.inbox / "bree.zip").read_bytes())
    (problem,) = problems_of(made.pool)
    assert "it is not what was received then" in str(problem)


def test_wards_that_do_not_add_up_to_their_locality_are_told():
    """Only with what the site says of its areas; a district of which a ward is missing is compared with nothing."""
    wards = ResultsTable.model_validate({"title": "t", "layout": "counts", "dimensions": {"ward": {"local": True}}})
    towns = ResultsTable.model_validate({"title": "t", "layout": "counts", "dimensions": {"town": {"local": True}}})
    declared = {"wards": wards, "towns": towns}
    made = {"wards": pd.DataFrame({"ward": ["a", "b", "c"], "people": [100, 90, 80], "cases": [20, 30, 40]}),
            "towns": pd.DataFrame({"town": ["Ash", "Elm"], "people": [190, 80], "cases": [50, 40]})}  # fmt: skip
    cells = protect({n: (declared[n], made[n]) for n in made}, [], Policy(threshold=1, rounding=1)).tables
    said = Agreement.model_validate({"title": "Wards in towns", "each": ["town"], "numbers": [
        {"table": "a.wards", "statistic": "cases", "inside": {"town": {"dimension": "ward"}}},
        {"table": "a.towns", "statistic": "cases"}]})  # fmt: skip

    def told(cells, **towns):
        agreements = at_places([said], {"ward": {"town": towns}} if towns else {})
        return contradictions("ashby", {("a", n): (declared[n], cells[n]) for n in cells}, agreements)

    wrong = {**cells, "towns": change(cells["towns"], 3, "cases", town="Ash")}
    assert told(cells, a="Ash", b="Ash", c="Elm") == [] == told(wrong) == told(wrong, c="Elm")
    assert told(wrong, a="Ash", b="Ash", d="Ash", c="Elm") == []
    (one,) = told(wrong, a="Ash", b="Ash", c="Elm")
    assert "Wards in towns" in one.words


@pytest.mark.parametrize(
    ("agree", "words"),
    [
        ({"title": "t", "numbers": [{"table": "illness.il", "statistic": "people"}], "over": "item"}, "mean illness.ill?"),
        ({"title": "t", "numbers": [{"table": "illness.ill", "statistic": "persons"}], "over": "item"}, "not a statistic"),
        ({"title": "t", "numbers": [{"table": "illness.ill", "statistic": "people"}]}, "one number agrees with nothing"),
        ({"title": "t", "numbers": [{"table": "illness.ill", "statistic": "people", "where": {"sex": "X"}}], "over": "item"},
         "'X' is not a level of sex"),
        ({"title": "t", "numbers": [{"table": "illness.ill", "statistic": "people"}], "over": "cond"}, "not a dimension"),
    ],
)  # fmt: skip
def test_agreements_of_what_is_not_declared_are_refused(network, agree, words):
    written = network("illness").study.model_dump(mode="json")
    with pytest.raises(ValidationError) as error:
        Study.model_validate({**written, "agree": [agree]})
    assert words in str(error.value)


@pytest.mark.parametrize(("inside", "words"), [
    ({"city": {"dimension": "sex"}}, "not a dimension that each names"),
    ({"town": {"dimension": "ward"}}, "not a dimension of illness.ill"),
    ({"town": {"dimension": "sex", "levels": {"F": "Ash"}}}, "a study does not say which places lie in which"),
])  # fmt: skip
def test_places_inside_others_are_declared_by_their_dimensions_alone(network, inside, words):
    written = network("illness").study.model_dump(mode="json")
    numbers = [{"table": "illness.ill", "statistic": "people", "inside": inside}]
    with pytest.raises(ValidationError) as error:
        Study.model_validate({**written, "agree": [{"title": "t", "each": ["town"], "over": "item", "numbers": numbers}]})
    assert words in str(error.value)
