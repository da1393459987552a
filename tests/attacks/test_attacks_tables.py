"""Attacks on tables: each plants a secret, takes it from a release made by hand, and must not get it from ours."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

from shared_code.disclosure.attacks import Known, find
from shared_code.disclosure.attacks.find import LINEAR, too_narrow

T = 10
LONDON = ["1", "2", "3", "all"]


def counts(dimensions: list[str], rows: list[tuple]) -> pd.DataFrame:
    """Rows of levels, people and cases."""
    return pd.DataFrame(rows, columns=[*dimensions, "people", "cases"])


def with_totals(dimensions: dict[str, list[str]], cases: dict[tuple, int], people: int = 500) -> pd.DataFrame:
    """Fill a table of cases with every total that its dimensions have; each cell has the same number of people."""
    rows = []
    names = list(dimensions)
    for levels in itertools.product(*dimensions.values()):
        inside = [key for key in cases if all(a in ("all", b) for a, b in zip(levels, key))]
        rows.append((*levels, people * len(inside), sum(cases[key] for key in inside)))
    return counts(names, rows)


# name | tables: dimensions -> wide table | where the secret is: table, statistic, levels | the secret
def a_margin():
    cases = {("1",): 4, ("2",): 60, ("3",): 80}
    return {"a.t": ({"area": LONDON}, with_totals({"area": LONDON}, cases))}, ("a.t", "cases", ("1",)), 4


def two_margins():
    """T11.1: two small numbers in different rows and columns."""
    numbers = [[4, 36, 60], [22, 51, 17], [31, 6, 48], [15, 44, 29]]
    both = {"row": ["1", "2", "3", "4", "all"], "column": ["1", "2", "3", "all"]}
    cases = {(str(r + 1), str(c + 1)): n for r, row in enumerate(numbers) for c, n in enumerate(row)}
    return {"a.t": (both, with_totals(both, cases))}, ("a.t", "cases", ("3", "2")), 6


def three_margins():
    dims = {"sex": ["F", "M", "all"], "age": ["old", "young", "all"], "area": ["1", "2", "all"]}
    cases = {key: 40 + 3 * i for i, key in enumerate(itertools.product("FM", ("old", "young"), "12"))}
    return {"a.t": (dims, with_totals(dims, cases | {("F", "old", "1"): 3}))}, ("a.t", "cases", ("F", "old", "1")), 3


def two_in_a_line():
    """Both are withheld, and their sum is small: 1 + 1."""
    cases = {("1",): 1, ("2",): 1, ("3",): 60}
    return {"a.t": ({"area": LONDON}, with_totals({"area": LONDON}, cases))}, ("a.t", "cases", ("1",)), 1


def a_line_of_ones():
    area = [*(str(i) for i in range(1, 8)), "all"]
    cases = {(str(i),): 1 for i in range(1, 7)} | {("7",): 90}
    return {"a.t": ({"area": area}, with_totals({"area": area}, cases))}, ("a.t", "cases", ("1",)), 1


def a_rectangle():
    """Two small numbers in one row, each alone in its column."""
    dims = {"sex": ["F", "M", "all"], "area": LONDON}
    cases = {("F", "1"): 3, ("F", "2"): 5, ("F", "3"): 70, ("M", "1"): 40, ("M", "2"): 50, ("M", "3"): 60}
    return {"a.t": (dims, with_totals(dims, cases))}, ("a.t", "cases", ("F", "1")), 3


def the_unknown_group():
    """All known groups are shown, and so is the total: the rest is who did not say."""
    group = ["White", "Asian", "Unknown", "all"]
    cases = {("White",): 70, ("Asian",): 30, ("Unknown",): 2}
    return {"a.t": ({"ethnicity": group}, with_totals({"ethnicity": group}, cases))}, ("a.t", "cases", ("Unknown",)), 2


def those_without():
    """Nearly everybody has it: the few without are as few as a small count."""
    return {"a.t": ({"sex": ["F", "M"]}, counts(["sex"], [("F", 900, 895), ("M", 800, 300)]))}, \
        ("a.t", "people without", ("F",)), 5  # fmt: skip


def those_without_in_the_total():
    cases = {("1",): 496, ("2",): 499, ("3",): 497}
    return {"a.t": ({"area": LONDON}, with_totals({"area": LONDON}, cases))}, ("a.t", "people without", ("all",)), 8


def a_small_group_of_people():
    rows = [("1", 4, 1), ("2", 300, 40), ("3", 500, 60), ("all", 804, 101)]
    return {"a.t": ({"area": LONDON}, counts(["area"], rows))}, ("a.t", "people", ("1",)), 4


def between_two_bands():
    """18+ minus 65+ are those between."""
    age = {"age": {"bands": [18, 65], "kind": "nested"}}
    return {"a.t": (age, counts(["age"], [("18+", 500, 203), ("65+", 400, 200)]))}, ("a.t", "cases of age", ("18-64",)), 3


def people_between_two_bands():
    age = {"age": {"bands": [18, 65, 80], "kind": "nested"}}
    rows = [("18+", 507, 100), ("65+", 500, 60), ("80+", 200, 30)]
    return {"a.t": (age, counts(["age"], rows))}, ("a.t", "people of age", ("18-64",)), 7


def two_tables():
    """One table shows the total of the area, the other the men in it: the women are withheld in vain."""
    dims = {"area": ["1", "2"], "sex": ["F", "M"]}
    rows = [("1", "F", 400, 4), ("1", "M", 400, 30), ("2", "F", 400, 50), ("2", "M", 400, 60)]
    return {"a.areas": ({"area": ["1", "2"]}, counts(["area"], [("1", 800, 34), ("2", 800, 110)])),
            "a.t": (dims, counts([*dims], rows))}, ("a.t", "cases", ("1", "F")), 4  # fmt: skip


def wards_of_a_district():
    """Every ward but one is shown, and the district in another table."""
    ward = {"ward": ["A", "B", "C", "D"]}
    rows = [("A", 700, 6), ("B", 700, 40), ("C", 700, 50), ("D", 700, 30)]
    district = counts(["sex"], [("F", 1500, 66), ("M", 1300, 60), ("all", 2800, 126)])
    return {"a.district": ({"sex": ["F", "M", "all"]}, district),
            "a.t": (ward, counts(["ward"], rows))}, ("a.t", "cases", ("A",)), 6  # fmt: skip


def bands_of_two_tables():
    """Two classifications of one age: edges that differ by little cut out a small group."""
    one = {"age": {"values": {"0-64": "0-64", "65+": "65+"}, "total": True}}
    two = {"sex": ["F", "M"], "age": {"values": {"0-64": "0-64", "65+": "65+"}}}
    rows = [("F", "0-64", 400, 5), ("M", "0-64", 400, 50), ("F", "65+", 300, 40), ("M", "65+", 300, 44)]
    return {"a.ages": (one, counts(["age"], [("0-64", 800, 55), ("65+", 600, 84), ("all", 1400, 139)])),
            "a.t": (two, counts(["sex", "age"], rows))}, ("a.t", "cases", ("F", "0-64")), 5  # fmt: skip


def a_singleton():
    cases = {("1",): 1, ("2",): 99, ("3",): 50}
    return {"a.t": ({"area": LONDON}, with_totals({"area": LONDON}, cases))}, ("a.t", "cases", ("1",)), 1


CASES = [a_margin, two_margins, three_margins, two_in_a_line, a_line_of_ones, a_rectangle, the_unknown_group, those_without,
         those_without_in_the_total, a_small_group_of_people, between_two_bands, people_between_two_bands, two_tables,
         wards_of_a_district, bands_of_two_tables, a_singleton]  # fmt: skip


def attacked(released, cell) -> tuple[float, float]:
    known = Known.of(released, T)
    for attack in LINEAR.values():
        attack(known, released)
    return known.narrow().between(cell)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_a_table(case, declare, release_by_hand, release_ours):
    tables, cell, secret = case()
    tables = {name: (declare(dimensions), wide) for name, (dimensions, wide) in tables.items()}
    low, high = attacked(release_by_hand(tables), cell)
    assert low <= secret <= high and high < T, "the attack must work on what was made by hand"
    assert find(release_by_hand(tables), T)

    low, high = attacked(release_ours(tables), cell)
    assert low <= secret <= high
    assert not too_narrow(low, high, T, withheld=True)
    assert find(release_ours(tables), T) == []


def test_a_release_without_small_numbers_has_no_weakness(declare, release_by_hand):
    cases = {("1",): 40, ("2",): 60, ("3",): 80}
    tables = {"a.t": (declare({"area": LONDON}), with_totals({"area": LONDON}, cases))}
    assert find(release_by_hand(tables), T) == []


def test_the_published_intervals_of_the_example_are_found(declare):
    """T11.1 with the cheapest second numbers withheld: [0, 35] and [2, 37]."""
    tables, _, _ = two_margins()
    dimensions, wide = tables["a.t"]
    cells = wide.melt(list(dimensions), value_vars="cases", var_name="statistic").assign(status="ok")
    cells = cells.assign(lower=cells["value"].astype(float), upper=cells["value"].astype(float))
    hidden = [("1", "1"), ("3", "2"), ("1", "2"), ("3", "1")]
    marked = [key in hidden for key in zip(cells["row"], cells["column"])]
    cells.loc[marked, ["status", "lower", "upper"]] = ["withheld", 0, float("inf")]
    released = {"a.t": (declare(dimensions), cells)}
    assert attacked(released, ("a.t", "cases", ("1", "1"))) == (0, 35)
    assert attacked(released, ("a.t", "cases", ("3", "2"))) == (2, 37)


def test_totals_rounded_from_true_totals_give_away_what_they_add_up_to(declare):
    """T11.2: numbers rounded one by one, totals as well; the one withheld lies between 4 and 7."""
    numbers = [[6, 36, 60], [22, 51, 17], [31, 44, 48]]
    rows = []
    totals = {**{(r, 3): sum(numbers[r]) for r in range(3)}, **{(3, c): sum(row[c] for row in numbers) for c in range(3)},
              (3, 3): sum(map(sum, numbers))}  # fmt: skip
    for r, c in itertools.product(range(4), range(4)):
        true = totals[r, c] if (r, c) in totals else numbers[r][c]
        shown = 5 * ((2 * true + 5) // 10)
        hidden = true < 8
        rows.append((str(r + 1) if r < 3 else "all", str(c + 1) if c < 3 else "all", "cases", None if hidden else shown,
                     "withheld" if hidden else "rounded", 1 if hidden else shown - 2, 7 if hidden else shown + 2))  # fmt: skip
    cells = pd.DataFrame(rows, columns=["row", "column", "statistic", "value", "status", "lower", "upper"])
    declared = declare({"row": ["1", "2", "3", "all"], "column": ["1", "2", "3", "all"]})
    low, high = attacked({"a.t": (declared, cells)}, ("a.t", "cases", ("1", "1")))
    assert (low, high) == (4, 7)


def test_tables_of_different_people_are_not_taken_for_one(declare, release_by_hand):
    """Both are broken out by sex, and one counts others than the other: no number follows from putting them together."""
    both = {"a.one": (declare({"sex": ["F", "M"]}), counts(["sex"], [("F", 900, 0), ("M", 900, 0)])),
            "a.two": (declare({"sex": ["F", "M"], "age": ["old", "young"]}),
                      counts(["sex", "age"], [("F", "old", 400, 80), ("F", "young", 400, 90), ("M", "old", 300, 70),
                                              ("M", "young", 300, 60)]))}  # fmt: skip
    assert find(release_by_hand(both), T) == []
