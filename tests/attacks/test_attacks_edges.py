"""The attacks themselves, on numbers whose answer is known by trying everything: they derive no more and no less."""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from itertools import product

import numpy as np
import pandas as pd
import pytest

from shared_code.config.study import ResultsTable
from shared_code.disclosure.attacks import differences, marks, relations, tables
from shared_code.disclosure.attacks import known as known_module
from shared_code.disclosure.attacks.find import find
from shared_code.disclosure.attacks.known import Known
from shared_code.releases.attacks import files
from shared_code.releases.attacks.canaries import START, Finder, layers

INF = math.inf


def cell(name: str) -> tuple[str, str, tuple[str, ...]]:
    return ("a.t", "people", (name,))


def knowing(ranges: dict[str, tuple[float, float]], withheld: str = "") -> Known:
    known = Known(10)
    for name, (low, high) in ranges.items():
        known.add(cell(name), low, high, withheld=name in withheld)
    return known


@pytest.mark.parametrize("seed", range(12))
def test_what_follows_from_equations_is_what_trying_everything_finds(seed):
    """A table of two by two with its margins, some shown, some in a range: each withheld number by itself exact."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 5, (2, 2))
    truth = dict(zip("abcdrsuvt", [*x.ravel(), *x.sum(1), *x.sum(0), x.sum()]))
    ranges = {n: (int(v), int(v)) if rng.random() < 0.4 else (max(v - rng.integers(0, 3), 0), v + rng.integers(0, 4))
              for n, v in truth.items()}  # fmt: skip
    hidden = "".join(n for n, (low, high) in ranges.items() if low < high)
    known = knowing(ranges, hidden)
    for total, parts in {"r": "ab", "s": "cd", "u": "ac", "v": "bd", "t": "rs"}.items():
        known.equal({known.index[cell(total)]: -1.0, **{known.index[cell(p)]: 1.0 for p in parts}})
    possible = [dict(zip("abcd", v)) for v in product(*(range(ranges[n][0], ranges[n][1] + 1) for n in "abcd"))]
    for p in possible:
        p.update(r=p["a"] + p["b"], s=p["c"] + p["d"], u=p["a"] + p["c"], v=p["b"] + p["d"])
        p["t"] = p["r"] + p["s"]
    possible = [p for p in possible if all(ranges[n][0] <= p[n] <= ranges[n][1] for n in truth)]
    known.narrow()
    for name in hidden:
        assert known.between(cell(name)) == (min(p[name] for p in possible), max(p[name] for p in possible)), name
    assert known.solved


def test_equations_that_say_nothing_one_by_one_give_both_ends_together():
    """Three numbers of which each two add up to 7, 9 and 8: no sum alone tells 3, 4 and 5."""
    known = knowing({"a": (0, INF), "b": (0, INF), "c": (0, INF), "x": (7, 7), "y": (9, 9), "z": (8, 8)}, "abc")
    for total, parts in {"x": "ab", "y": "bc", "z": "ac"}.items():
        known.equal({known.index[cell(total)]: -1.0, **{known.index[cell(p)]: 1.0 for p in parts}})
    known.narrow()
    assert [known.between(cell(n)) for n in "abc"] == [(3, 3), (4, 4), (5, 5)]


def test_equations_with_factors_and_open_ends():
    """2 a + b <= 9 with b at least 3; c is told by nothing."""
    known = knowing({"a": (0, INF), "b": (3, 7), "c": (1, INF)}, "abc")
    known.equal({known.index[cell("a")]: 2.0, known.index[cell("b")]: 1.0}, -INF, 9.0)
    known.equal({known.index[cell("b")]: 1.0, known.index[cell("c")]: -1.0}, 1.0, INF)
    known.narrow()
    assert [known.between(cell(n)) for n in "abc"] == [(0, 3), (3, 7), (1, 6)]


def test_an_equation_that_the_ranges_contradict_does_not_hold():
    known = knowing({"a": (10, 20), "b": (21, 30), "c": (20, 25)})
    known.equal({0: 1.0, 1: -1.0})
    assert not known.equations
    known.equal({0: 1.0, 1: -1.0}, -1.0, 0.0)
    known.equal({0: 1.0, 2: -1.0})
    known.equal({1: 1.0, 0: -1.0}, 0.0, 1.0)
    assert len(known.equations) == 3
    known.equal({1: 1.0, 0: -1.0}, -5.0, 0.5)
    known.equal({0: 1.0, 1: 1.0}, 51.0, 60.0)
    assert len(known.equations) == 3 and Known(10).narrow().cells == []


def test_beyond_so_many_programmes_only_single_equations_are_used(monkeypatch):
    """The first part needs two programmes, the second one more: with two, it is left open, and that is said."""
    for most, solved in ((3, True), (2, False)):
        monkeypatch.setattr(known_module, "MOST_SOLVED", most)
        known = knowing({"a": (0, 9), "b": (0, 9), "c": (0, 5), "d": (4, 4)}, "abc")
        known.equal({0: 1.0, 1: 1.0}, 3.0, 3.0)
        known.equal({2: 1.0, 3: 1.0}, 6.0, 8.0)
        known.narrow()
        assert known.solved is solved and known.between(cell("a")) == (0, 3) and known.between(cell("c")) == (2, 4)


def test_what_is_not_given_is_read_as_any_number_of_people():
    known = Known(10)
    known.add(cell("a"), math.nan, math.nan)
    known.add(cell("b"), -3.0, 8.0)
    assert known.between(cell("a")) == (0, INF) and known.between(cell("b")) == (0, 8)


def declared(dimensions: dict, layout: str = "counts", **more) -> ResultsTable:
    return ResultsTable.model_validate({"title": "t", "layout": layout, "dimensions": dimensions, **more})


def released(rows: list[tuple], dimension: str = "d", statistics: tuple[str, ...] = ("people", "cases")) -> pd.DataFrame:
    """Give cells of levels with a range per statistic: a number is shown, a pair is the range of a withheld one."""
    cells = []
    for level, *numbers in rows:
        for statistic, said in zip(statistics, numbers):
            low, high = said if isinstance(said, tuple) else (said, said)
            status = "withheld" if isinstance(said, tuple) else "ok"
            cells.append({dimension: level, "statistic": statistic, "value": np.nan if status == "withheld" else low,
                          "status": status, "lower": low, "upper": high})  # fmt: skip
    return pd.DataFrame(cells)


def found_in(attack, said: ResultsTable, cells: pd.DataFrame) -> Known:
    together = {"a.t": (said, cells)}
    known = Known.of(together, 10)
    attack(known, together)
    return known.narrow()


def test_those_without_may_be_nobody():
    said = declared({"d": {"values": {"a": "", "b": ""}}})
    known = found_in(tables.complements, said, released([("a", 50, 50), ("b", 60, 57)]))
    assert known.between(("a.t", "people without", ("a",))) == (0, 0)
    assert known.between(("a.t", "people without", ("b",))) == (3, 3)
    assert {(w.statistic, w.levels, w.lower) for w in find({"a.t": (said, released([("a", 50, 50), ("b", 60, 57)]))}, 10)} == {
        ("people without", ("b",), 3), ("people without", ("all",), 3)}  # fmt: skip


def test_nobody_may_be_between_two_bands():
    said = declared({"d": {"bands": [18, 40, 65], "kind": "nested"}}, "bins")
    labels = list(said.dimensions["d"].levels())
    known = found_in(tables.nested, said, released([(labels[0], 70, 90), (labels[1], 70, 90), (labels[2], 66, 80)],
                                                   statistics=("people", "records")))  # fmt: skip
    ring = {levels[0]: known.between((t, s, levels)) for t, s, levels in known.cells if s == "people of d"}
    assert list(ring.values()) == [(0, 0), (4, 4)] and len(ring) == 2


def test_groups_may_be_the_same():
    said = declared({"d": {"values": {"x": "", "y": "", "z": ""}, "within": {"x": ["y"]},
                           "formed": {"z": {"at_least": 1, "of": ["x", "y"]}}}})  # fmt: skip
    known = found_in(relations.groups, said, released([("x", 500, 40), ("y", 500, 40), ("z", 500, 40)]))
    between = {levels[0]: known.between((t, s, levels)) for t, s, levels in known.cells if s == "cases of d"}
    assert between["y but not x"] == (0, 0) and between["more than one of z"] == (40, 40) and between["z but not x"] == (0, 0)


def test_groups_in_groups_are_of_the_same_other_levels():
    """Young women of one group are subtracted from young women of the other, not from all women."""
    said = declared({"flag": {"values": {"x": "", "y": ""}, "within": {"x": ["y"]}}, "sex": {"values": {"F": "", "M": ""}},
                     "age": {"values": {"young": "", "old": ""}}})  # fmt: skip
    numbers = {("F", "young"): (40, 43), ("F", "old"): (50, 50), ("M", "young"): (60, 90), ("M", "old"): (70, 71)}
    cells = pd.concat(released([("x", 500, small), ("y", 500, large)], "flag").assign(sex=sex, age=age)
                      for (sex, age), (small, large) in numbers.items())  # fmt: skip
    known = found_in(relations.groups, said, cells)
    between = {levels[1:]: known.between((t, s, levels)) for t, s, levels in known.cells if s == "cases of flag"}
    assert between == {key: (large - small, large - small) for key, (small, large) in numbers.items()}


def test_margins_need_every_part():
    said = declared({"d": {"values": {"a": "", "b": "", "c": ""}, "total": True}}, "bins")
    rows = [("a", (1, 19), 90), ("b", 40, 90), ("c", 30, 90), ("all", 75, 270)]
    known = found_in(tables.margins, said, released(rows, statistics=("people", "records")))
    assert known.between(("a.t", "people", ("a",))) == (5, 5)
    known = found_in(tables.margins, said, released(rows[:2] + rows[3:], statistics=("people", "records")))
    assert known.between(("a.t", "people", ("a",))) == (1, 19)
    without = declared({"d": {"values": {"a": "", "b": ""}}}, "bins")
    known = found_in(tables.margins, without, released(rows[:2], statistics=("people", "records")))
    assert known.between(("a.t", "people", ("all",))) == (41, 59)


def test_a_table_without_dimensions_is_read_too():
    cells = released([("x", 50, (1, 19))]).drop(columns="d")
    known = Known.of({"a.t": (ResultsTable.model_construct(dimensions={}, layout="counts"), cells)}, 10)
    assert known.cells == [("a.t", "people", ()), ("a.t", "cases", ())] and known.withheld == [False, True]


@pytest.mark.parametrize(("low", "high", "told"), [
    (1, 9, True), (0, 9, True), (1, 10, False), (1, 19, False), (0, 0, False), (0, 1, True), (0, 0.5, True),
])  # fmt: skip
def test_marks_that_say_small(low, high, told):
    said = declared({"d": {"values": {"a": ""}}})
    assert bool([*marks.told_apart({"a.t": (said, released([("a", 500, (low, high))]))}, 10)]) is told
    assert not [*marks.told_apart({"a.t": (said, released([("a", 500, low)]))}, 10)]


@pytest.mark.parametrize(("change", "told"), [
    ((1, 1), True), ((0, 0), False), ((0, 3), False), ((1, 8), True), ((1, 9), False), ((2, 9), True), ((2, 10), False),
    ((-1, -1), True), ((-8, -1), True), ((-9, -1), False), ((-9, -2), True), ((-10, -3), False), ((-3, 0), False),
    ((-1, 1), False),
])  # fmt: skip
def test_changes_that_give_few_people_away(change, told):
    assert differences.gives_away(change, 10) is told


def test_pieces_of_a_picture():
    """Texts, times and camera data are told by name; what the picture shows is not."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    parts = [(b"IHDR", b"\0" * 13), (b"tEXt", b"Author\0Ada"), (b"iTXt", b"Title\0x"), (b"zTXt", b"Source\0x"),
             (b"tIME", b"\0" * 7), (b"eXIf", b"MM"), (b"IDAT", b"tEXt"), (b"IEND", b"")]  # fmt: skip
    picture = files.PNG + b"".join(chunk(*p) for p in parts)
    assert files.picture_notes(picture) == ["Author", "Title", "Source", "tIME", "eXIf"]
    assert files.picture_notes(files.PNG) == [] and files.picture_notes(files.PNG + chunk(b"tIME", b"")[:8]) == ["tIME"]
    assert files.inside("a.png", picture)[0] == "the note 'Author' in the picture"


@pytest.mark.parametrize(("name", "content", "told"), [
    ("a.pdf", b"%PDF-1.4 /Producer (x) /Author (y) /Pages", 2),
    ("a.ipynb", b'{"cells": [{"outputs": []}, {"outputs": [1]}, {}]}', 1),
    ("a.log", b"", 1), ("a.txt", b"", 1), ("a.csv", b"x,10/02/1950", 1), ("a.csv", b"x,40/02/1950,10/13/1950", 0),
    ("a.csv", b"SW1A 2AA", 1), ("a.csv", b"SW1A 2CA", 0), ("a.csv", b"1.9434765919", 0), ("a.csv", b"x 9434765919", 1),
    ("a.csv", b"10/02/1850", 0),
])  # fmt: skip
def test_what_a_file_tells(name, content, told):
    assert len(files.inside(name, content)) == told
    if name.endswith("ipynb"):
        assert files.inside(name, content) == ["the output of cell 2"]


def test_numbers_in_a_drawing():
    svg = "<svg><text>1,234 of 56.5</text><text x='9'>7.<tspan>8</tspan>tail 3</text><text>v2 1234</text></svg>"
    assert files.drawn_numbers(svg, []) == [3.0, 7.0, 8.0, 56.5, 1234.0]
    assert files.drawn_numbers(svg, [1234, 56.5, 3, 8.0000001]) == [7.0]


@pytest.mark.parametrize(("entry", "told"), [
    ({}, []), ({"date_time": (1981, 1, 1, 0, 0, 0)}, ["when"]), ({"date_time": (1980, 1, 1, 0, 0, 2)}, ["when"]),
    ({"comment": b"x"}, ["comment"]), ({"extra": b"\x99\x99\x00\x00"}, ["comment"]), ({"filename": "notes/a.md"}, ["not a file"]),
])  # fmt: skip
def test_what_an_archive_tells(entry, told):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        made = zipfile.ZipInfo("tables/a.t.csv", (1980, 1, 1, 0, 0, 0))
        for name, value in entry.items():
            setattr(made, name, value)
        archive.writestr(made, b"x")
    found = files.archive(buffer.getvalue())
    assert len(found) == len(told) and all(word in line for word, line in zip(told, found))


def test_canaries_are_found_at_every_place():
    """Each of several values: the first and the last in order, shorter and longer ones with the same start, at either end."""
    values = [b"aaaaaa", b"aaaaaaz", b"mmmmmm1", b"zzzzzz", b"zzzzzz99"]
    finder = Finder(values)
    for value in values:
        for before, after in ((b"", b""), (b"x", b""), (b"", b"y"), (b"xxxxxxx", b"yyyyyyy")):
            assert finder.found_in(before + value + after) == {v for v in values if v in before + value + after} >= {value}
    assert finder.found_in(b"aaaaab zzzzzy mmmmmm mmmmmm2") == set() and Finder([b"qqqqqq"]).found_in(b"qqqqq") == set()
    with pytest.raises(ValueError, match="6 bytes or more"):
        Finder([b"short"])
    assert START == 6 and Finder([b"abcdef"]).found_in(b"abcdef") == {b"abcdef"}


def test_layers_are_three_deep():
    def zipped(content: bytes) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a", content)
        return buffer.getvalue()

    deep = [b"secret value"]
    for _ in range(4):
        deep.append(zipped(deep[-1]))
    for levels in range(5):
        assert (b"secret value" in [*layers(deep[levels])]) is (levels <= 3)
