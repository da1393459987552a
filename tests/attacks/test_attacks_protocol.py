"""What a reader of the protocol adds to the tables: agreements and groups inside groups, equation by equation."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from shared_code.config.agreement import Agreement
from shared_code.config.study import ResultsTable
from shared_code.disclosure.attacks import relations
from shared_code.disclosure.attacks.known import Known

INF = math.inf


def counts(**dimensions: Any) -> ResultsTable:
    spec = {d: levels if isinstance(levels, dict) else {"values": {v: v for v in levels if v != "all"}, "total": "all" in levels}
            for d, levels in dimensions.items()}  # fmt: skip
    return ResultsTable.model_validate({"title": "t", "layout": "counts", "dimensions": spec})


def cells(declared: ResultsTable, *rows: tuple) -> pd.DataFrame:
    """Give cells: levels, statistic, number (withheld where it is None)."""
    made = pd.DataFrame(rows, columns=[*declared.dimensions, "statistic", "value"]).astype({"value": float})
    hidden = made["value"].isna()
    return made.assign(status=hidden.map({False: "ok", True: "withheld"}), lower=made["value"].fillna(0),
                       upper=made["value"].fillna(INF))  # fmt: skip


def read(released: dict, *agreements: dict) -> list[tuple[dict[str, float], float, float]]:
    """Give the equations that agreements add, each number by its table and levels."""
    known = Known.of(released, 10)
    said = [Agreement.model_validate({"title": "t", **one}) for one in agreements]
    return named(relations.agreed(known, released, said))


def named(known: Known) -> list[tuple[dict[str, float], float, float]]:
    def name(i: int) -> str:
        table, _, levels = known.cells[i]
        return "/".join([table[0], *levels])

    return [({name(i): times for i, times in left.items()}, low, high) for left, low, high in known.equations]


SEX = counts(sex=["F", "M", "all"])
WARD = counts(ward=["p", "q"], sex=["F", "M", "all"])
RELEASED = {
    "a.t": (SEX, cells(SEX, ("F", "people", 60), ("M", "people", None), ("all", "people", 100))),
    "b.t": (WARD, cells(WARD, *[(w, s, "people", None) for w in "pq" for s in ("F", "M", "all")])),
}


def number(table: str, **more: Any) -> dict:
    return {"table": table, "statistic": "people", **more}


def test_totals_agree_where_nothing_else_is_said():
    (found,) = read(RELEASED, {"numbers": [number("a.t"), number("b.t")]})
    assert found == ({"a/all": 1.0, "b/p/all": -1.0, "b/q/all": -1.0}, 0, 0)


def test_levels_agree_one_by_one():
    found = read(RELEASED, {"numbers": [number("b.t"), number("a.t")], "each": ["sex"]})
    assert sorted(found, key=str) == [({f"b/p/{s}": 1.0, f"b/q/{s}": 1.0, f"a/{s}": -1.0}, 0, 0) for s in "FM"]


@pytest.mark.parametrize("where", [{"sex": "M", "ward": ["q"]}, {"sex": ["M"], "ward": "q"}])
def test_only_what_is_named_agrees(where):
    found = read(RELEASED, {"numbers": [number("a.t", where={"sex": "M"}), number("b.t", where=where)]})
    assert found == [({"a/M": 1.0, "b/q/M": -1.0}, 0, 0)]


def test_what_is_at_most_another_has_no_lower_end():
    (found,) = read(RELEASED, {"numbers": [number("a.t", where={"sex": "F"}), number("a.t")], "relation": "at_most"})
    assert found == ({"a/F": 1.0, "a/all": -1.0}, -INF, 0)


def test_numbers_are_added_and_counted_as_often_as_is_said():
    women, men = number("a.t", where={"sex": "F"}, times=-1), number("a.t", where={"sex": "M"})
    assert read(RELEASED, {"numbers": [[number("a.t"), women], men]}) == [({"a/all": 1.0, "a/F": -1.0, "a/M": -1.0}, 0, 0)]
    twice = read(RELEASED, {"numbers": [[number("a.t"), number("a.t")], number("b.t")]})
    assert twice == [({"a/all": 2.0, "b/p/all": -1.0, "b/q/all": -1.0}, 0, 0)]


@pytest.mark.parametrize("numbers", [[number("a.t"), number("z.t")], [[number("a.t"), number("z.t")], number("b.t")]])
def test_tables_that_were_not_released_tell_nothing(numbers):
    assert read(RELEASED, {"numbers": numbers}) == []


def test_numbers_that_are_not_among_the_cells_tell_nothing():
    """The table has no row of cases, nor one of the men in the ward s."""
    assert read(RELEASED, {"numbers": [number("a.t", statistic="cases"), number("b.t")]}) == []
    assert read(RELEASED, {"numbers": [number("a.t"), number("b.t", where={"ward": "s"})]}) == []


def test_the_wards_of_a_locality_are_added_up_where_each_is_there():
    areas = counts(area=["north", "south"])
    places = {"a.t": (areas, cells(areas, ("north", "people", 90), ("south", "people", 70))), "b.t": RELEASED["b.t"]}
    lie = {"p": "north", "q": "north"}

    def of(levels: dict[str, str]) -> list:
        inside = {"area": {"dimension": "ward", "levels": levels}}
        return read(places, {"numbers": [number("b.t", inside=inside), number("a.t")], "each": ["area"]})

    assert of(lie) == [({"b/p/all": 1.0, "b/q/all": 1.0, "a/north": -1.0}, 0, 0)]
    assert of({**lie, "r": "north"}) == []  # a third ward has no row
    assert of({"p": "north"}) == [({"b/p/all": 1.0, "a/north": -1.0}, 0, 0)]
    both = of({"p": "north", "q": "south"})
    assert sorted(both, key=str) == [({"b/p/all": 1.0, "a/north": -1.0}, 0, 0), ({"b/q/all": 1.0, "a/south": -1.0}, 0, 0)]


# --- groups ---

def grouped(numbers: dict[str, float | None], people: float = 500, **said: Any) -> Known:
    """Attack a table of flags, each with so many cases, the people being shown; -1 where the table has no row."""
    declared = counts(flag={"values": dict.fromkeys(numbers, ""), **said})
    rows = [row for level, n in numbers.items() if n != -1 for row in ((level, "people", people), (level, "cases", n))]
    released = {"a.t": (declared, cells(declared, *rows))}
    known = Known.of(released, 10)
    return relations.groups(known, released)


def test_a_group_less_one_inside_it_is_a_group_of_cases_only():
    known = grouped({"two": 65, "four": 61, "other": 9}, within={"four": ["two"]})
    assert named(known) == [({"a/two": 1.0, "a/four": -1.0, "a/two but not four": -1.0}, 0, 0)]
    assert known.cells[-1] == ("a.t", "cases of flag", ("two but not four",)) and known.implicit[-1]
    known.narrow()
    assert known.between(known.cells[-1]) == (4, 4)


@pytest.mark.parametrize("numbers", [{"two": 65, "four": -1}, {"two": -1, "four": 61}, {"two": 5, "four": 61}])
def test_a_group_that_is_not_there_or_too_small_holds_nothing(numbers):
    assert grouped({**numbers, "other": 9}, within={"four": ["two"]}).equations == []


@pytest.mark.parametrize("lacking", ["a", "any"])
def test_a_union_without_a_part_is_no_sum(lacking):
    known = grouped({"a": 30, "b": 20, "any": 40, lacking: -1}, formed={"any": {"at_least": 1, "of": ["a", "b"]}})
    assert not [left for left, _, _ in named(known) if len(left) > 3] and len(known.equations) == (1 if lacking == "a" else 0)


@pytest.mark.parametrize(("at_least", "inside", "twice"), [
    (1, ["any but not a", "any but not b"], True), (2, ["a but not any", "b but not any"], False)])  # fmt: skip
def test_a_union_holds_its_parts_and_what_all_share_lies_in_each(at_least, inside, twice):
    known = grouped({"a": 30, "b": 20, "any": 25}, formed={"any": {"at_least": at_least, "of": ["a", "b"]}})
    new = [levels[0] for _, statistic, levels in known.cells if statistic == "cases of flag"]
    assert sorted(new) == sorted([*inside, *(["more than one of any"] if twice else [])])
    assert (({"a/a": 1.0, "a/b": 1.0, "a/any": -1.0, "a/more than one of any": -1.0}, 0, 0) in named(known)) == twice


def test_two_of_three_are_in_no_one_group_and_hold_none():
    some = {"at_least": 2, "of": ["a", "b", "c"]}
    assert grouped({"a": 30, "b": 20, "c": 9, "some": 25}, formed={"some": some}).equations == []
