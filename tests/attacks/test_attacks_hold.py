"""Whatever the attacks work out of a release is true: every range they leave holds the number that was counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect
from shared_code.disclosure.attacks.find import LINEAR, find
from shared_code.disclosure.attacks.known import Known

CORE = {"label": "Area", "values": {"core20": "", "rest": ""}, "total": True}
NEEDS = {"values": {"plus": "", "minority": "", "homeless": ""},
         "formed": {"plus": {"at_least": 1, "of": ["minority", "homeless"]}}}  # fmt: skip
CARE = {"values": {"flu": "", "checks": ""}}  # two kinds of care, for people who overlap
DECLARED = {
    "a.care": ResultsTable.model_validate({"title": "t", "layout": "counts", "sets": [["core"], []],
                                           "dimensions": {"care": CARE, "core": CORE}}),
    "b.needs": ResultsTable.model_validate({"title": "t", "layout": "counts", "sets": [["core"], []],
                                            "dimensions": {"need": NEEDS, "core": CORE}}),
}  # fmt: skip


def counted(people: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Count both tables: of whom care is asked and who had it; everybody, and who has a need."""
    care, needs = [], []
    for core in ("core20", "rest", "all"):
        here = people[(people["core"] == core) | (core == "all")]
        care += [(item, core, int(here[item].sum()), int((here[item] & here[f"had_{item}"]).sum())) for item in CARE["values"]]
        needs += [(need, core, len(here), int(here[need].sum())) for need in NEEDS["values"]]
    return {"a.care": pd.DataFrame(care, columns=["care", "core", "people", "cases"]),
            "b.needs": pd.DataFrame(needs, columns=["need", "core", "people", "cases"])}  # fmt: skip


def assert_true(declared: dict[str, ResultsTable], tables: dict[str, pd.DataFrame]) -> None:
    """Protect the tables, attack what leaves, and compare every range that is left with what was counted."""
    done = protect({name: (declared[name], table) for name, table in tables.items()}, [], Policy(threshold=10, rounding=5))
    released = {name: (declared[name], cells) for name, cells in done.tables.items()}
    known = Known.of(released, 10)
    for attack in LINEAR.values():
        attack(known, released)
    known.narrow()
    for name, table in tables.items():
        for row in table.to_dict("records"):
            levels = tuple(row[dimension] for dimension in declared[name].dimensions)
            for statistic in ("people", "cases"):
                low, high = known.between((name, statistic, levels))
                assert low <= row[statistic] <= high, (name, statistic, levels, low, high, row[statistic])


@settings(deadline=None, database=None, derandomize=True, max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_every_range_holds_the_truth(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 400))
    share = dict(zip(("flu", "had_flu", "checks", "had_checks", "minority", "homeless"), rng.choice([0.02, 0.1, 0.4, 0.9], 6)))
    people = pd.DataFrame({name: rng.random(n) < p for name, p in share.items()})
    people["plus"] = people["minority"] | people["homeless"]
    people["core"] = np.where(rng.random(n) < 0.3, "core20", "rest")
    tables = counted(people)
    assert_true(DECLARED, tables)


def test_what_is_worked_out_of_two_tables_is_not_taken_for_the_same():
    """Care of people who overlap, and needs of everybody: neither table adds up to the people of the other."""
    declared = {"a.care": DECLARED["a.care"], "a.needs": DECLARED["b.needs"]}
    care = [("flu", 40, 21), ("checks", 3, 2)]
    needs = [("plus", 130, 60), ("minority", 130, 50), ("homeless", 130, 40)]
    tables = {}
    for name, item, rows in (("a.care", "care", care), ("a.needs", "need", needs)):
        both = [(one, core, people, cases) for one, people, cases in rows for core in ("core20", "rest")]
        both += [(one, "all", 2 * people, 2 * cases) for one, people, cases in rows]
        tables[name] = pd.DataFrame(both, columns=[item, "core", "people", "cases"])
    assert_true(declared, tables)


def test_the_people_among_whom_groups_are_counted_are_no_weakness():
    """As many beside a group as beside one inside it: their difference is nobody, whatever rounding leaves open."""
    needs = [(need, core, people, cases * people // 100) for need, cases in (("plus", 60), ("minority", 45), ("homeless", 30))
             for core, people in (("core20", 300), ("rest", 500), ("all", 800))]  # fmt: skip
    table = pd.DataFrame(needs, columns=["need", "core", "people", "cases"])
    released = protect({"b.needs": (DECLARED["b.needs"], table)}, [], Policy(threshold=10, rounding=5)).tables["b.needs"]
    assert (released["status"] != "withheld").all()
    assert find({"b.needs": (DECLARED["b.needs"], released)}, 10) == []


CONDITIONS = {"values": {"asthma": "", "copd": "", "dementia": "", "stroke": ""}, "codelist": "c"}
BEHIND = ResultsTable.model_validate({"title": "t", "layout": "counts", "sets": [["group", "age"], ["group"]], "dimensions": {
    "condition": CONDITIONS,
    "group": {"label": "Group", "values": {"a": "", "b": "", "c": "", "d": ""}, "total": True},
    "age": {"label": "Age", "bands": [0, 18, 40, 65], "total": True}}})  # fmt: skip
ADULTS = {"dementia", "stroke"}  # not counted among children: their total is another


@settings(deadline=None, database=None, derandomize=True, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_one_denominator_behind_every_condition_of_a_band_gives_nothing_away(seed):
    """The people of a group and an age are the same for all conditions, although the people of a group are not."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(100, 600))
    age = rng.choice(["0-17", "18-39", "40-64", "65+"], n, p=[0.3, 0.3, 0.25, 0.15])
    group = rng.choice(["a", "b", "c", "d"], n, p=[0.7, 0.2, 0.06, 0.04])
    rows = []
    for condition in CONDITIONS["values"]:
        has = rng.random(n) < rng.choice([0.03, 0.1, 0.3])
        here = age != "0-17" if condition in ADULTS else np.ones(n, bool)
        for g in ("a", "b", "c", "d"):
            rows.append((condition, g, "all", int((here & (group == g)).sum()), int((has & here & (group == g)).sum())))
            for band in sorted(set(age[here])):
                inside = (group == g) & (age == band)
                rows.append((condition, g, band, int(inside.sum()), int((has & inside).sum())))
    table = pd.DataFrame(rows, columns=["condition", "group", "age", "people", "cases"])
    done = protect({"a.conditions": (BEHIND, table)}, [], Policy(threshold=10, rounding=5))
    assert not find({"a.conditions": (BEHIND, done.tables["a.conditions"])}, 10)
    assert_true({"a.conditions": BEHIND}, {"a.conditions": table})
