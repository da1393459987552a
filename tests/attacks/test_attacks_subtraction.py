"""What is left when numbers are subtracted: ranges by hand, and when a range is too narrow (methods specification 11.4, 11.7)."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import pandas as pd
import pytest

from shared_code.config.study import Dimension, ResultsTable
from shared_code.disclosure.attacks import differences, tables
from shared_code.disclosure.attacks.find import Weakness, find, too_narrow
from shared_code.disclosure.attacks.known import Known

T = 10
INF = math.inf


def test_a_range_is_too_narrow_when_few_numbers_are_left_or_only_small_ones():
    """Every range up to 25, and what it says: all small and not just nobody, or fewer than ten numbers where one is withheld."""
    for low in range(26):
        for high in range(low, 26):
            numbers = range(low, high + 1)
            small = all(n < T for n in numbers) and any(numbers)
            assert too_narrow(low, high, T, False) == small
            assert too_narrow(low, high, T, True) == (any(numbers) and (small or len(numbers) < T))


@pytest.mark.parametrize(("low", "high", "threshold"), [(3, 3, 1), (0, 0, T), (5, 4, T)])
def test_nothing_is_too_narrow_where_nothing_is_withheld_or_known(low, high, threshold):
    assert not too_narrow(low, high, threshold, True)


def test_a_threshold_of_three_withholds_one_and_two():
    assert too_narrow(1, 2, 3, True) and too_narrow(2, 2, 3, False) and not too_narrow(2, 3, 3, False)
    assert too_narrow(1, 1, 2, False)  # whatever the smallest number asked for


@pytest.mark.parametrize(("piece", "lower", "nobody"), [(True, 0, True), (True, 1, False), (False, 0, False), (True, -1, True)])
def test_only_a_piece_may_be_nobody(piece, lower, nobody):
    weakness = Weakness("a", "t", "people", (), lower, 5, piece)
    assert weakness.may_be_nobody == nobody and not Weakness("a", "t", "people", (), lower, 5).piece
    with pytest.raises(FrozenInstanceError):
        weakness.lower = 3  # what was found stays as it was found


def cells(rows: list[tuple], *dimensions: str) -> pd.DataFrame:
    """Give cells: levels, statistic, lower, upper (equal ends: shown; else withheld)."""
    made = pd.DataFrame(rows, columns=[*dimensions, "statistic", "lower", "upper"]).astype({"lower": float, "upper": float})
    shown = made["lower"] == made["upper"]
    return made.assign(value=made["lower"].where(shown), status=shown.map({True: "ok", False: "withheld"}))


def table(layout: str = "counts", **dimensions: list[str]) -> ResultsTable:
    spec = {d: {"values": {v: v for v in levels if v != "all"}, "total": "all" in levels} for d, levels in dimensions.items()}
    return ResultsTable.model_validate({"title": "t", "layout": layout, "dimensions": spec})


def test_what_is_found_says_whether_it_is_a_number_of_the_table():
    """Withheld: 60 of 64 less 40. Without the attribute: 64 less 61, whom no table holds."""
    sex = table(sex=["F", "M", "all"])
    rows = [("F", "people", 40, 40), ("M", "people", 0, INF), ("all", "people", 44, 44),
            ("F", "cases", 37, 37), ("M", "cases", 0, INF), ("all", "cases", 37, INF)]  # fmt: skip
    found = {(w.statistic, w.levels): (w.lower, w.upper, w.piece) for w in find({"a.t": (sex, cells(rows, "sex"))}, T)
             if w.attack == "tables together"}  # fmt: skip
    assert found["people", ("M",)] == (4, 4, False)
    assert found["people without", ("F",)] == (3, 3, True)
    assert ("people", ("F",)) not in found and ("cases", ("F",)) not in found  # they are shown


# --- one release less another ---

def test_changes_between_two_releases_are_differences_of_ranges():
    sex = table("events", sex=["F", "M"])
    before = cells([("F", "people", 100, 100), ("M", "people", 50, 59), ("F", "events", 130, 130), ("F", "person_days", 7, 7)],
                   "sex")  # fmt: skip
    now = cells([("F", "people", 103, 103), ("M", "people", 58, 62), ("F", "events", 128, 132), ("F", "person_days", 9, 9),
                 ("M", "events", 1, 1)], "sex")  # fmt: skip
    changes = differences.over_time({"a.t": (sex, before)}, {"a.t": (sex, now), "a.new": (sex, now)})
    assert changes == {("a.t", "people", ("F",)): (3, 3), ("a.t", "people", ("M",)): (58 - 59, 62 - 50),
                       ("a.t", "events", ("F",)): (-2, 2)}  # fmt: skip


def test_a_change_gives_away_when_it_is_of_few_and_nearly_known():
    """Every range of changes up to 14 either way: it holds none but 1 to 9 (or -1 to -9), and fewer than nine of them."""
    for low in range(-14, 15):
        for high in range(low, 15):
            numbers = range(low, high + 1)
            few = all(0 < n < T for n in numbers) or all(-T < n < 0 for n in numbers)
            assert differences.gives_away((low, high), T) == (few and len(numbers) < T - 1), (low, high)


def knowing(**ranges: tuple[float, float]) -> tuple[Known, dict]:
    known, named = Known(T), {}
    for name, (low, high) in ranges.items():
        named[name] = ("a.t", "people", (name,))
        known.add(named[name], low, high)
    return known, named


def test_a_part_from_somewhere_else_leaves_the_rest_of_a_whole():
    known, at = knowing(whole=(100, 104), part=(93, 96))
    rest = ("b.t", "people", ("rest",))
    assert differences.of_two(known, at["whole"], at["part"], rest) == (4, 11)
    assert known.implicit[known.index[rest]] and not known.withheld[known.index[rest]]


def test_a_rest_that_is_known_already_is_narrowed_and_not_added_again():
    known, at = knowing(whole=(100, 104), part=(93, 96), rest=(5, 40))
    known.withheld[known.index[at["rest"]]] = True
    assert differences.of_two(known, at["whole"], at["part"], at["rest"]) == (5, 11) and len(known.cells) == 3


def test_nobody_may_be_left_of_a_whole():
    known, at = knowing(whole=(95, 95), part=(93, 95))
    assert differences.of_two(known, at["whole"], at["part"], ("b.t", "people", ("rest",))) == (0, 2)


@pytest.mark.parametrize(("either", "both"), [((150, 152), (28, 30)), ((178, 185), (0, 2))])
def test_two_flags_and_either_tell_those_with_both(either, both):
    """80 and 100 less those with either; both flags stand in what is said of them."""
    known, at = knowing(one=(80, 80), other=(100, 100), either=either)
    assert differences.overlap(known, at["one"], at["other"], at["either"]) == both
    assert known.cells[-1] == ("a.t", "people with both", ("one", "other")) and known.implicit[-1]


def test_a_partner_learns_what_the_others_have():
    pooled = {"a": (57.0, 61.0), "b": (12.0, 12.0), "c": (1.0, 2.0)}
    assert differences.partner(pooled, {"a": 50, "b": 13, "d": 4}) == {"a": (7, 11), "b": (0, -1)}


def test_pooled_ranges_are_sums_over_sites():
    sites = [cells([("F", "x", "people", 5, 9), ("M", "x", "people", 1, 1), ("F", "x", "cases", 2, 2)], "sex", "area"),
             cells([("F", "x", "people", 20, 20), ("F", "y", "people", 3, 3)], "sex", "area")]  # fmt: skip
    assert differences.pooled_ranges(sites) == {"F/x/people": (25, 29), "M/x/people": (1, 1), "F/x/cases": (2, 2),
                                                "F/y/people": (3, 3)}  # fmt: skip


# --- the same people in several places ---

def seen(attack, **released: tuple[ResultsTable, pd.DataFrame]) -> Known:
    named = {name.replace("_", "."): one for name, one in released.items()}
    known = Known.of(named, T)
    attack(known, named)
    return known


def equations(known: Known) -> list[tuple[dict[str, float], float, float]]:
    """Give the equations with each number by its table and levels."""
    def name(i: int) -> str:
        table, statistic, levels = known.cells[i]
        return "/".join([table, statistic, *levels])

    return [({name(i): times for i, times in left.items()}, low, high) for left, low, high in known.equations]


SEX = table(sex=["F", "M", "all"])


def people(*rows: tuple) -> pd.DataFrame:
    return cells([(*levels, "people", *numbers) for *levels, numbers in rows], "sex")


def test_what_two_tables_of_an_analysis_say_of_the_same_levels_is_one_number():
    one, other = people(("F", (40, 40)), ("M", (0, INF))), people(("F", (0, INF)), ("M", (30, 30)))
    known = seen(tables.linked, a_t=(SEX, one), a_u=(SEX, other), b_t=(SEX, other))
    assert equations(known) == [({f"a.t/people/{s}": 1.0, f"a.u/people/{s}": -1.0}, 0, 0) for s in "FM"]
    known.narrow()
    assert known.between(("a.t", "people", ("M",))) == (30, 30) and known.between(("b.t", "people", ("F",))) == (0, INF)


def test_three_tables_are_linked_two_by_two():
    one = people(("F", (40, 40)))
    assert len(seen(tables.linked, a_t=(SEX, one), a_u=(SEX, one), a_v=(SEX, one)).equations) == 3


def test_tables_that_differ_in_one_number_are_linked_in_none():
    one, other = people(("F", (40, 40)), ("M", (0, INF))), people(("F", (41, 45)), ("M", (30, 30)))
    assert seen(tables.linked, a_t=(SEX, one), a_u=(SEX, other)).equations == []
    assert seen(tables.linked, a_t=(SEX, other), a_u=(SEX, one)).equations == []
    touching = people(("F", (40, 45)), ("M", (30, 30)))
    assert len(seen(tables.linked, a_t=(SEX, one), a_u=(SEX, touching)).equations) == 2
    assert len(seen(tables.linked, a_t=(SEX, touching), a_u=(SEX, one)).equations) == 2


def test_a_total_is_that_of_a_table_without_the_dimension():
    """All of both sexes in an area are the people of the area; the women are not."""
    area = table(area=["x", "y"])
    both = ResultsTable.model_validate({"title": "t", "layout": "counts", "dimensions": {
        "sex": {"values": {"F": ""}, "total": True}, "area": {"values": {"x": "", "y": ""}}}})  # fmt: skip
    fine = cells([("F", "x", "people", 40, 40), ("all", "x", "people", 0, INF)], "sex", "area")
    known = seen(tables.linked, a_t=(both, fine), a_u=(area, cells([("x", "people", 70, 70)], "area")))
    assert equations(known) == [({"a.t/people/all/x": 1.0, "a.u/people/x": -1.0}, 0, 0)]


def test_people_without_are_linked_through_those_they_are_the_rest_of():
    """What was worked out has no range by which a reader would see that two are not the same."""
    one = cells([("F", "people", 40, 40), ("F", "cases", 20, 20)], "sex")
    known = seen(tables.complements, a_t=(SEX, one), a_u=(SEX, one))
    before = len(known.equations)
    tables.linked(known, {"a.t": (SEX, one), "a.u": (SEX, one)})
    assert [sorted(left) for left, _, _ in equations(known)[before:]] == [
        ["a.t/people/F", "a.u/people/F"], ["a.t/cases/F", "a.u/cases/F"]]  # fmt: skip


def test_totals_that_no_table_shows_are_one_only_where_something_says_so():
    """Two tables by different groups, neither with a total: who is in each is not known to be the same."""
    sex, area = table("bins", sex=["F", "M"]), table("bins", area=["x", "y"])
    one, other = people(("F", (40, 40)), ("M", (1, 19))), cells([("x", "people", 50, 50), ("y", "people", 3, 3)], "area")
    known = seen(tables.margins, a_t=(sex, one), a_u=(area, other))
    assert known.between(("a.t", "people", ("all",))) == (41, 59) and known.implicit[known.index["a.t", "people", ("all",)]]
    before = len(known.equations)
    tables.linked(known, {"a.t": (sex, one), "a.u": (area, other)})
    assert len(known.equations) == before
    total = people(("all", (53, 53)))
    whole = SEX.model_copy(update={"layout": "bins"})
    known = seen(tables.margins, a_t=(sex, one), a_v=(whole, total))
    tables.linked(known, {"a.t": (sex, one), "a.v": (whole, total)})
    known.narrow()
    assert known.between(("a.t", "people", ("M",))) == (13, 13)  # the total of another table is 53


@pytest.mark.parametrize(("layout", "more", "adds_up"), [
    ("counts", {}, True), ("bins", {}, True), ("events", {}, False), ("events", {"once": True}, True)])  # fmt: skip
def test_only_groups_of_different_people_add_up(layout, more, adds_up):
    """Who had an event as a child and one as an adult is in both bands; who died is in one."""
    said = SEX.model_copy(update={"layout": layout, **more})
    known = seen(tables.margins, a_t=(said, people(("F", (40, 40)), ("M", (0, INF)), ("all", (44, 44)))))
    assert bool(known.equations) == adds_up


@pytest.mark.parametrize("spec", [{"codelist": "c", "total": True}, {"bands": [18, 65], "kind": "nested", "total": True}])
def test_items_and_nested_bands_do_not_add_up(spec):
    said = ResultsTable.model_validate({"title": "t", "layout": "counts", "dimensions": {"sex": spec}})
    shown = people(("18+", (40, 40)), ("65+", (0, INF)), ("all", (44, 44)))
    assert seen(tables.margins, a_t=(said, shown)).equations == []


def test_a_total_needs_two_parts_and_all_of_them_and_is_not_made_up_where_it_is_declared():
    places = SEX.model_copy(update={"dimensions": {"sex": Dimension(local=True, total=True)}})
    assert seen(tables.margins, a_t=(places, people(("x", (40, 40)), ("all", (44, 44))))).equations == []
    assert len(seen(tables.margins, a_t=(places, people(("x", (40, 40)), ("y", (0, 9)), ("all", (44, 44))))).equations) == 1
    known = seen(tables.margins, a_t=(SEX, people(("F", (40, 40)), ("M", (0, INF)))))  # its total is nowhere
    assert known.equations == [] and len(known.cells) == 2


ITEMS = ResultsTable.model_validate({"title": "t", "layout": "counts", "dimensions": {
    "item": {"codelist": "c"}, "sex": {"values": {"F": "", "M": ""}, "total": True}}})  # fmt: skip


def beside(*rows: tuple) -> pd.DataFrame:
    """Give the people beside each item: item, sex, lowest and highest; three cases each."""
    return cells([one for i, s, *n in rows for one in ((i, s, "people", *n), (i, s, "cases", 3, 3))], "item", "sex")


def test_the_people_beside_every_item_are_the_same():
    shown = beside(("a", "F", 40, 40), ("b", "F", 0, INF), ("c", "F", 38, 44), ("a", "M", 30, 30), ("b", "M", 0, INF))
    known = seen(tables.denominators, a_t=(ITEMS, shown))
    pairs = [[f"a.t/people/{i}/{s}", f"a.t/people/{j}/{s}"] for i, j, s in ("abF", "acF", "bcF", "abM")]
    assert [sorted(left) for left, _, _ in equations(known)] == pairs
    assert all(sorted(left.values()) == [-1.0, 1.0] for left, _, _ in known.equations)
    known.narrow()
    assert known.between(("a.t", "people", ("b", "M"))) == (30, 30)


def test_items_that_differ_for_one_sex_have_people_of_their_own_for_both():
    shown = beside(("a", "F", 40, 40), ("b", "F", 41, 41), ("a", "M", 0, INF), ("b", "M", 30, 30),
                   ("a", "all", 70, 70), ("b", "all", 70, 70))  # fmt: skip
    known = seen(tables.denominators, a_t=(ITEMS, shown))
    assert [sorted(left) for left, _, _ in equations(known)] == [["a.t/people/a/all", "a.t/people/b/all"]]


def test_denominators_are_of_counts_by_items_of_a_codelist():
    shown = beside(("a", "F", 40, 40), ("b", "F", 0, INF))
    other = ITEMS.model_copy(update={"layout": "bins"})
    assert seen(tables.denominators, a_t=(other, shown)).equations == []
    plain = table(item=["a", "b"], sex=["F", "M", "all"])
    assert seen(tables.denominators, a_t=(plain, shown)).equations == []
    twice = seen(tables.denominators, a_t=(ITEMS, shown), b_t=(ITEMS, shown))
    assert len(twice.equations) == 2  # each table by itself


def test_a_ring_needs_both_bands():
    said = SEX.model_copy(update={"layout": "bins", "dimensions": {"sex": Dimension(bands=[18, 40, 65], kind="nested")}})
    known = seen(tables.nested, a_t=(said, people(("18+", (90, 90)), ("65+", (40, 40)))))
    assert known.equations == []
    known = seen(tables.nested, a_t=(said, people(("18+", (90, 90)), ("40+", (85, 85)), ("65+", (40, 40)))))
    assert known.implicit == [False] * 3 + [True] * 2 and [c[2] for c in known.cells[3:]] == [("18-39",), ("40-64",)]
