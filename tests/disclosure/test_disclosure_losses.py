"""What protection loses: nothing on safe tables, near the optimum on small ones, less on coarser bands; never loosened."""

from __future__ import annotations

import os
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect
from shared_code.disclosure.build import build
from shared_code.disclosure.ladder import coarser, dry_count
from shared_code.disclosure.record import common_rung
from shared_code.disclosure.rules import GUARDS
from shared_code.disclosure.search import NoPattern, choose, outsider
from shared_code.disclosure.system import IMPLICIT

TABLES = int(os.environ.get("COHORTIUM_TABLES", "30"))
steady = settings(deadline=None, database=None, derandomize=True, max_examples=TABLES)
EXACT = Policy(threshold=10, rounding=1)


def system_of(table: list[list[int]]):
    """Give the system of a two-way table with both margins, and the unknown of each cell."""
    m, n = len(table), len(table[0])
    declared = ResultsTable.model_validate({
        "title": "t", "layout": "bins", "sets": [[], ["r"], ["c"], ["r", "c"]],
        "dimensions": {"r": {"values": {f"r{i}": "" for i in range(m)}, "total": True},
                       "c": {"values": {f"c{j}": "" for j in range(n)}, "total": True}},
    })  # fmt: skip
    x = np.array(table)
    cells = {(f"r{i}", f"c{j}"): x[i, j] for i, j in product(range(m), range(n))}
    cells |= {(f"r{i}", "all"): x[i].sum() for i in range(m)} | {("all", f"c{j}"): x[:, j].sum() for j in range(n)}
    cells |= {("all", "all"): x.sum()}
    frame = pd.DataFrame([(*key, value, value) for key, value in cells.items()], columns=["r", "c", "people", "records"])
    system = build({"t": (declared, frame)}, {"t": GUARDS["bins"](frame, declared, EXACT)}, EXACT)
    return system, dict(zip(cells, system.cells["t", "people"]))


POLICIES = st.builds(
    Policy, rule_set=st.sampled_from(["NET10", "HES", "OPENSAFELY", "MID6"]), threshold=st.just(1) | st.integers(3, 25),
    rounding=st.sampled_from([1, 2, 5, 6, 10]), dominance=st.floats(0.5, 1), p_percent=st.floats(0, 30),
    fewest_contributing=st.integers(1, 5), colluding=st.integers(1, 2), first_class=st.integers(1, 2),
)  # fmt: skip


@st.composite
def partly_set(draw) -> Policy:
    """A site's file: some settings only."""
    full = draw(POLICIES).model_dump()
    names = draw(st.sets(st.sampled_from(sorted(full))))
    return Policy.model_validate({name: full[name] for name in names})


@settings(deadline=None, database=None, derandomize=True, max_examples=300)
@given(POLICIES, partly_set())
def test_neither_the_study_nor_a_site_can_loosen_the_other(study, site):
    """What is in force is at least as strict as both, in every setting that either has set."""
    both = study.stricter(site)
    for name in ("threshold", "rounding", "p_percent", "fewest_contributing", "colluding", "first_class"):
        assert getattr(both, name) >= getattr(study, name)
        if name in site.model_fields_set:
            assert getattr(both, name) >= getattr(site, name)
    assert both.dominance <= study.dominance
    assert "dominance" not in site.model_fields_set or both.dominance <= site.dominance
    assert both.stricter(site) == both == study.stricter(site)
    assert both.smallest_shown >= max(study.threshold, both.threshold)


def test_named_rule_sets():
    assert (Policy(rule_set="HES").threshold, Policy(rule_set="OPENSAFELY").threshold) == (8, 8)
    assert (Policy(rule_set="MID6").rounding, Policy(rule_set="MID6").round_to) == (6, "midpoint")
    assert Policy(rule_set="HES", threshold=12).threshold == 12
    assert Policy(threshold=5).stricter(Policy(rule_set="HES")).threshold == 8


def test_midpoints():
    """T11.3: 0, 1, 6, 7, 12, 13, 100 become 0, 3, 3, 9, 9, 15, 99; the range is the group of six."""
    declared = ResultsTable.model_validate({"title": "t", "layout": "bins", "dimensions": {"place": {"local": True}}})
    true = [0, 1, 6, 7, 12, 13, 100]
    table = pd.DataFrame({"place": [f"P{i}" for i in range(7)], "people": true, "records": true})
    cells = protect({"a.t": (declared, table)}, [], Policy(rule_set="MID6")).tables["a.t"].query("statistic == 'people'")
    assert cells["value"].tolist() == [0, 3, 3, 9, 9, 15, 99]
    assert (cells["lower"] <= true).all() and (true <= cells["upper"]).all()
    assert cells.iloc[1][["lower", "upper"]].tolist() == [1, 6]


SMALL = st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=2, max_size=3)


@steady
@given(st.lists(st.lists(st.integers(10, 400), min_size=3, max_size=3), min_size=2, max_size=5))
def test_safe_tables_lose_nothing(table):
    system, _ = system_of(table)
    assert not choose(system).withheld.any()


@steady
@given(SMALL)
def test_no_cheaper_pattern_exists(table):
    """Every choice of further cells is tried: none that is safe costs less (the aim allows 1.2 times the least)."""
    system, at = system_of(table)
    try:
        pattern = choose(system).withheld
    except NoPattern:
        pattern = None
    start = system.closed(system.primary)
    people = [u for u in at.values() if not start[u] and system.truth[u] > 0]
    cost = {u: system.cost[u] for u in people}
    least = np.inf
    for size in range(min(len(people), 4) + 1):
        for extra in combinations(people, size):
            if sum(cost[u] for u in extra) < least:
                trial = start.copy()
                trial[list(extra)] = True
                if outsider(system, system.closed(trial)).safe:
                    least = sum(cost[u] for u in extra)
    if pattern is None:
        assert np.isinf(least)
        return
    own = sum(system.cost[u] for u in at.values() if pattern[u] and not start[u])
    assert own <= 1.2 * least + 1e-6
    assert outsider(system, pattern).safe
    assert not (pattern & (system.kind != IMPLICIT) & (system.truth == 0)).any() or np.isinf(least)


def test_coarser_bands_lose_less():
    declared = ResultsTable.model_validate({
        "title": "t", "layout": "counts",
        "dimensions": {"age": {"bands": [0, 20, 40, 60, 80]}, "sex": {"values": {"F": "", "M": ""}}},
    })  # fmt: skip
    rows = [(a, s, 200, n) for s in "FM" for a, n in zip(["0-19", "20-39", "40-59", "60-79", "80+"], [2, 6, 30, 40, 8])]
    table = pd.DataFrame(rows, columns=["age", "sex", "people", "cases"])
    ladder = {"20 years": [0, 20, 40, 60, 80], "40 years": [0, 40], "all": [0]}
    north = dry_count("a.t", declared, table, "age", ladder, Policy())
    shares = [r["share"] for r in north["rungs"].values()]
    assert shares[0] > shares[1] >= shares[2] == 0
    south = dry_count("a.t", declared, table.assign(cases=50), "age", ladder, Policy())
    rung, worst = common_rung({"north": north, "south": south})
    assert worst["20 years"] == shares[0] and worst[rung] == min(worst.values())
    _, summed = coarser(declared, table, "age", [0, 40])
    assert summed.groupby("age")["cases"].sum().to_dict() == {"0-39": 16, "40+": 156}
    with pytest.raises(ValueError, match="cannot be added up"):
        coarser(declared, table, "age", [0, 33])


def test_no_more_is_lost_than_with_tau_argus(tmp_path, monkeypatch):
    """The optimal suppression of another program, on the same tables: its pattern is never cheaper for us to lose."""
    tau = pytest.importorskip("pytauargus")
    monkeypatch.chdir(tmp_path)  # it leaves logs where it runs
    rng = np.random.default_rng(4)
    ours = theirs = 0
    for number in range(4):
        x = rng.integers(3, 45, (3, 3))
        system, at = system_of(x.tolist())
        pattern = choose(system).withheld
        ours += sum(int(system.truth[u]) for u in at.values() if pattern[u] and not system.primary[u])
        people = [(f"r{i}", f"c{j}", 1.0) for i, j in product(range(3), range(3)) for _ in range(x[i, j])]
        found = tau.protect(pd.DataFrame(people, columns=["r", "c", "n"]), ["r", "c"], response="n",
                            safety_rules="FREQ(10,100)", suppress="OPT(1)", workdir=tmp_path / str(number))  # fmt: skip
        cells = found.tables[0].dataframe()
        column = next(c for c in cells.columns if c.lower() in ("response", "n", "value"))
        small = cells[(cells[column] > 0) & (cells[column] < 10)]
        assert len(small) == sum(system.primary[u] for u in at.values())
        theirs += int(cells.loc[cells["status"].astype(str).str.upper().str.startswith("M"), column].sum())
    assert 0 < ours <= theirs
