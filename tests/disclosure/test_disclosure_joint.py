"""Joint protection: what anyone can compute from all tables together, against known answers and by trying every table."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect
from shared_code.disclosure.audit import audit
from shared_code.disclosure.build import build
from shared_code.disclosure.rules import GUARDS
from shared_code.disclosure.system import IMPLICIT

KNOWN = Path(__file__).parents[2].parent / "shared" / "methods" / "known_answers.json"
steady = settings(deadline=None, database=None, derandomize=True, max_examples=25)
EXACT = Policy(threshold=10, rounding=1)


def grid(layout: str = "bins", rows: int = 4, columns: int = 3) -> ResultsTable:
    """Declare a two-way table with both margins."""
    return ResultsTable.model_validate({
        "title": "t", "layout": layout, "sets": [[], ["r"], ["c"], ["r", "c"]],
        "dimensions": {"r": {"values": {f"r{i}": "" for i in range(rows)}, "total": True},
                       "c": {"values": {f"c{j}": "" for j in range(columns)}, "total": True}},
    })  # fmt: skip


def with_margins(table: list[list[int]]) -> pd.DataFrame:
    """Lay a two-way table out with its margins, one person per record."""
    x = np.array(table)
    rows = [(f"r{i}", f"c{j}", x[i, j]) for i, j in product(range(x.shape[0]), range(x.shape[1]))]
    rows += [(f"r{i}", "all", s) for i, s in enumerate(x.sum(axis=1))]
    rows += [("all", f"c{j}", s) for j, s in enumerate(x.sum(axis=0))]
    frame = pd.DataFrame([*rows, ("all", "all", x.sum())], columns=["r", "c", "people"])
    return frame.assign(records=frame["people"])


def system_of(table: list[list[int]], policy: Policy = EXACT):
    declared, frame = grid(rows=len(table), columns=len(table[0])), with_margins(table)
    system = build({"t": (declared, frame)}, {"t": GUARDS["bins"](frame, declared, policy)}, policy)
    at = {(r, c): system.cells["t", "people"][i] for i, (r, c) in enumerate(zip(frame["r"], frame["c"]))}
    return system, at


def intervals(system, at: dict, hidden: list[tuple[int, int]], upper: float = np.inf) -> dict[tuple[int, int], list[int]]:
    """Give the exact interval of each hidden cell: ask for more than there is, so that nothing settles early."""
    withheld = np.zeros(system.size, bool)
    places = {cell: at[f"r{cell[0]}", f"c{cell[1]}"] for cell in hidden}
    withheld[list(places.values())] = True
    withheld = system.closed(withheld)
    low, high = system.bounds(withheld)
    low[withheld], high[withheld] = (0, np.inf) if np.isinf(upper) else (1, upper)
    system.need_width[:] = np.where(withheld, 1e6, 0)
    found = {f.unknown: [int(f.lower), int(f.upper)] for f in audit(system, withheld, low, high).findings}
    return {cell: found[unknown] for cell, unknown in places.items()}


@pytest.mark.skipif(not KNOWN.is_file(), reason="the known answers are not beside the project")
def test_known_intervals_of_outsiders():
    """T11.1 of the methods specification: primaries alone are computed exactly; the cheapest pattern protects them."""
    given_ = json.loads(KNOWN.read_text("utf-8"))["T11.1"]
    table, expected = given_["inputs"]["table"], given_["expected"]
    as_keys = {tuple(map(int, k.split(","))): v for k, v in expected["primary_only_intervals"].items()}
    assert intervals(*system_of(table), hidden=list(as_keys)) == as_keys
    pattern = [tuple(c) for c in given_["inputs"]["primary"]] + [tuple(c) for c in expected["min_loss_secondary"]]
    naive = intervals(*system_of(table), hidden=pattern)
    assert {f"{r},{c}": naive[r, c] for r, c in as_keys} == expected["intervals_naive_attacker"]
    cells = protect({"a.t": (grid(), with_margins(table))}, [], EXACT).tables["a.t"]
    found = cells[(cells["status"] == "withheld") & (cells["statistic"] == "people")]
    assert {(int(r[1]), int(c[1])) for r, c in zip(found["r"], found["c"])} == set(pattern)


def solutions(table: list[list[int]], shown: pd.DataFrame) -> dict[tuple[str, str], tuple[int, int]]:
    """Try every inner table that fits all that is published, ranges included, and give the ends of each cell."""
    ranges = {(r.r, r.c): (int(r.lower), int(r.upper) if np.isfinite(r.upper) else 300) for r in shown.itertuples()}
    m, n = len(table), len(table[0])
    row_choices = []
    for i in range(m):
        spans = [range(ranges[f"r{i}", f"c{j}"][0], ranges[f"r{i}", f"c{j}"][1] + 1) for j in range(n)]
        low, high = ranges[f"r{i}", "all"]
        row_choices.append([row for row in product(*spans) if low <= sum(row) <= high])
    ends: dict[tuple[str, str], tuple[int, int]] = {}
    for rows in product(*row_choices):
        columns = [sum(row[j] for row in rows) for j in range(n)]
        total = sum(columns)
        if not all(ranges["all", f"c{j}"][0] <= columns[j] <= ranges["all", f"c{j}"][1] for j in range(n)):
            continue
        if not ranges["all", "all"][0] <= total <= ranges["all", "all"][1]:
            continue
        values = {(f"r{i}", f"c{j}"): rows[i][j] for i in range(m) for j in range(n)}
        values |= {(f"r{i}", "all"): sum(rows[i]) for i in range(m)} | {("all", f"c{j}"): columns[j] for j in range(n)}
        for cell, value in {**values, ("all", "all"): total}.items():
            low, high = ends.get(cell, (value, value))
            ends[cell] = min(low, value), max(high, value)
    return ends


@steady
@given(st.lists(st.lists(st.integers(0, 7), min_size=2, max_size=3), min_size=2, max_size=2).filter(
    lambda rows: len({len(r) for r in rows}) == 1))  # fmt: skip
def test_no_small_number_can_be_computed_from_a_small_table(table):
    """Every table that fits what is published, tried out: each withheld number stays uncertain, as the policy asks."""
    policy = Policy(threshold=3, rounding=1)
    declared = grid(rows=len(table), columns=len(table[0]))
    cells = protect({"a.t": (declared, with_margins(table))}, [], policy).tables["a.t"]
    people = cells[cells["statistic"] == "people"]
    ends = solutions(table, people)
    for cell in people[people["status"] == "withheld"].itertuples():
        low, high = ends[cell.r, cell.c]
        assert high - low >= policy.threshold - 1 and high >= policy.threshold, (cell, low, high)
        assert cell.lower <= low and high <= cell.upper


def test_a_cut_between_cases_and_others():
    """A denominator and its cases give the others away: hiding the cases hides both."""
    declared = ResultsTable.model_validate({"title": "t", "layout": "counts", "dimensions": {"place": {"local": True}}})
    table = pd.DataFrame({"place": ["A"], "people": [40], "cases": [33]})
    cells = protect({"a.t": (declared, table)}, [], EXACT).tables["a.t"].set_index("statistic")
    assert cells.loc["cases", "status"] == "withheld"
    assert 40 - cells.loc["cases", "lower"] >= 10
    assert cells.loc["cases", "upper"] - cells.loc["cases", "lower"] >= 9


def test_pieces_between_nested_bands_are_numbers_of_people():
    """104 adults, 100 of them 65 and over: four people of 18 to 64 could be computed."""
    declared = ResultsTable.model_validate({
        "title": "t", "layout": "bins", "dimensions": {"age": {"bands": [18, 65], "kind": "nested"}},
    })  # fmt: skip
    table = pd.DataFrame({"age": ["18+", "65+"], "people": [104, 100], "records": [104, 100]})
    cells = protect({"a.t": (declared, table)}, [], EXACT).tables["a.t"]
    assert (cells["status"] == "withheld").any()
    assert (protect({"a.t": (declared, table.assign(people=[110, 100], records=[110, 100]))}, [], EXACT)
            .tables["a.t"]["status"] == "ok").all()  # fmt: skip


def test_one_denominator_beside_every_condition_is_one_unknown():
    declared = ResultsTable.model_validate({
        "title": "t", "layout": "counts",
        "dimensions": {"condition": {"values": {"a": "A", "b": "B"}}, "sex": {"values": {"F": "f", "M": "m"}}},
    })  # fmt: skip
    table = pd.DataFrame([(c, s, n, 20) for c in "ab" for s, n in (("F", 50), ("M", 60))],
                         columns=["condition", "sex", "people", "cases"])  # fmt: skip
    system = build({"t": (declared, table)}, {"t": GUARDS["counts"](table, declared, EXACT)}, EXACT)
    people = system.cells["t", "people"]
    assert people[0] == people[2] and people[1] == people[3] and people[0] != people[1]
    assert (system.kind[np.setdiff1d(np.arange(system.size), np.concatenate(list(system.cells.values())))] == IMPLICIT).all()
