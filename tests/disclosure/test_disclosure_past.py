"""Earlier releases: a refreshed extract in which one person joined, left or changed tells nothing of that person."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import Earlier, protect
from shared_code.disclosure.search import NoPattern
from shared_code.model import Refused

REFRESHES = int(os.environ.get("COHORTIUM_REFRESHES", "500"))
AT_ONCE = 50  # refreshes that are protected together, each of its own place
many = settings(deadline=None, database=None, derandomize=True, max_examples=max(1, REFRESHES // AT_ONCE))
POLICY = Policy(threshold=10, rounding=5)
DECLARED = ResultsTable.model_validate({
    "title": "t", "layout": "counts", "sets": [[], ["area"]],
    "dimensions": {"area": {"values": {"1": "a", "2": "b", "3": "c"}, "total": True}, "sex": {"values": {"F": "f", "M": "m"}}},
})  # fmt: skip


def wide(cells: list[tuple[str, str, int, int]]) -> pd.DataFrame:
    """Give the table of parts with its totals over areas."""
    parts = pd.DataFrame(cells, columns=["area", "sex", "people", "cases"])
    totals = parts.groupby("sex", as_index=False)[["people", "cases"]].sum().assign(area="all")
    return pd.concat([parts, totals], ignore_index=True)[["area", "sex", "people", "cases"]]


def ledger_of(table: pd.DataFrame, released: pd.DataFrame, number: int = 0) -> Earlier:
    return Earlier(f"{number:064x}", f"data{number}", {"a.t": released}, {"a.t": table})


PLACES = [f"p{i:02}" for i in range(AT_ONCE)]
REFRESHED = ResultsTable.model_validate({
    "title": "t", "layout": "counts", "sets": [[], ["area"]],
    "dimensions": {"place": {"values": dict.fromkeys(PLACES, "")}, **DECLARED.model_dump(exclude_unset=True)["dimensions"]},
})  # fmt: skip


def with_totals(parts: pd.DataFrame) -> pd.DataFrame:
    totals = parts.groupby(["place", "sex"], as_index=False)[["people", "cases"]].sum().assign(area="all")
    return pd.concat([parts, totals], ignore_index=True)[["place", "area", "sex", "people", "cases"]]


def refreshed(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give tables of many places, and the same after one person of each joined, left, or fell ill."""
    rng = np.random.default_rng(seed)
    parts = pd.DataFrame([(p, a, s) for p in PLACES for a in "123" for s in "FM"], columns=["place", "area", "sex"])
    people = np.where(rng.random(len(parts)) < 0.5, rng.integers(0, 61, len(parts)), rng.integers(100, 3001, len(parts)))
    before = parts.assign(people=people, cases=np.minimum(people, rng.integers(0, 61, len(parts))))
    after = before.copy()
    at = np.arange(AT_ONCE) * 6 + rng.integers(0, 6, AT_ONCE)
    moved = np.maximum(0, people[at] + rng.integers(-1, 2, AT_ONCE))
    ill = np.clip(before["cases"].to_numpy()[at] + rng.integers(-1, 2, AT_ONCE), 0, moved)
    after.loc[at, "people"], after.loc[at, "cases"] = moved, ill
    return with_totals(before), with_totals(after)


@many
@given(st.integers(0, 2**32 - 1))
def test_one_person_more_or_less_tells_nothing_exact(seed):
    """The change of every number of people between two releases stays open: no interval is narrow and few."""
    refused = [tables for tables in halved(*refreshed(seed)) if not looked_at(*tables)]
    assert len(refused) <= AT_ONCE / 10, "a refusal tells nothing, but should be rare"


def halved(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Give the tables of all places together; where that is refused, of half of them, down to each by itself."""
    places = sorted(before["place"].unique())
    if len(places) == 1 or released(before, after) is not None:
        yield before, after
        return
    for some in (places[: len(places) // 2], places[len(places) // 2 :]):
        yield from halved(*(t[t["place"].isin(some)].reset_index(drop=True) for t in (before, after)))


def released(before: pd.DataFrame, after: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    first = protect({"a.t": (REFRESHED, before)}, [], POLICY).tables["a.t"]
    try:
        return first, protect({"a.t": (REFRESHED, after)}, [ledger_of(before, first)], POLICY).tables["a.t"]
    except Refused:
        return None


def looked_at(before: pd.DataFrame, after: pd.DataFrame) -> bool:
    """Look at every change that an outsider can work out; False where the second release was refused."""
    found = released(before, after)
    if found is None:
        return False
    first, second = found
    keys = ["place", "area", "sex"]
    truth = [t.melt(keys, ["people", "cases"], "statistic", "true") for t in (before, after)]
    both = first.merge(second, on=[*keys, "statistic"], suffixes=("_old", ""))
    both = both.merge(truth[0].merge(truth[1], on=[*keys, "statistic"], suffixes=("_old", "")), on=[*keys, "statistic"])
    assert len(both) == len(before) * 2
    change = both["true"] - both["true_old"]
    low, high = both["lower"] - both["upper_old"], both["upper"] - both["lower_old"]
    assert ((low <= change) & (change <= high)).all()
    assert ((both["lower"] <= both["true"]) & (both["true"] <= both["upper"])).all()
    told = both[(change != 0) & (high - low < POLICY.threshold - 1)]
    assert told.empty, told
    return True


def test_the_same_numbers_again_give_the_same_bytes():
    table = wide([("1", "F", 300, 40), ("2", "F", 200, 4), ("3", "F", 100, 30),
                  ("1", "M", 50, 12), ("2", "M", 9, 1), ("3", "M", 70, 20)])  # fmt: skip
    first = protect({"a.t": (DECLARED, table)}, [], POLICY).tables["a.t"]
    again = protect({"a.t": (DECLARED, table)}, [ledger_of(table, first)], POLICY).tables["a.t"]
    pd.testing.assert_frame_equal(first, again)


def test_beside_a_new_table_what_was_withheld_is_withheld_again_and_nothing_is_searched_anew(monkeypatch):
    """What else could have protected the same numbers is never tried, so a new table takes no longer than its own search."""
    table = wide([("1", "F", 300, 40), ("2", "F", 200, 4), ("3", "F", 100, 30),
                  ("1", "M", 50, 12), ("2", "M", 9, 1), ("3", "M", 70, 20)])  # fmt: skip
    other = wide([("1", "F", 900, 400), ("2", "F", 800, 300), ("1", "M", 700, 200), ("2", "M", 600, 100)])
    first = protect({"a.t": (DECLARED, table)}, [], POLICY).tables["a.t"]
    module, begun = sys.modules[protect.__module__], []
    choose = module.choose

    def noted(system, suspects, points, begin, ask):
        begun.append((system, begin, found := choose(system, suspects, points, begin, ask)))
        return found

    monkeypatch.setattr(module, "choose", noted)
    second = protect({"a.t": (DECLARED, table), "b.t": (DECLARED, other)}, [ledger_of(table, first)], POLICY).tables
    system, begin, found = begun[-1]
    assert begin is system.again and begin.any() and (found.withheld == system.closed(begin | system.primary)).all()
    pd.testing.assert_frame_equal(first, second["a.t"])
    assert set(second["b.t"]["status"]) == {"rounded"}


def test_what_was_withheld_is_not_withheld_again_where_that_leads_to_no_pattern(monkeypatch):
    """Then the search begins from the small numbers alone, as in a first release."""
    table = wide([("1", "F", 300, 40), ("2", "F", 200, 4), ("3", "F", 100, 30)])
    first = protect({"a.t": (DECLARED, table)}, [], POLICY).tables["a.t"]
    module, tried = sys.modules[protect.__module__], []
    choose = module.choose

    def refusing(system, suspects, points, begin, ask):
        tried.append(begin is not None)
        if begin is not None:
            raise NoPattern([0])
        return choose(system, suspects, points, begin, ask)

    monkeypatch.setattr(module, "choose", refusing)
    again = protect({"a.t": (DECLARED, table)}, [ledger_of(table, first)], POLICY).tables["a.t"]
    assert tried == [True, False]
    pd.testing.assert_frame_equal(first, again)


def test_a_change_of_many_is_shown_and_of_few_is_held():
    """37 to 38 cases: the earlier number is kept, with a range that says so. 37 to 60: the new number is shown."""
    before = wide([("1", "F", 300, 37), ("2", "F", 200, 40), ("3", "F", 100, 30)])
    first = protect({"a.t": (DECLARED, before)}, [], POLICY).tables["a.t"]
    after = wide([("1", "F", 300, 38), ("2", "F", 200, 63), ("3", "F", 100, 30)])
    second = protect({"a.t": (DECLARED, after)}, [ledger_of(before, first)], POLICY).tables["a.t"]
    cell = second[second["statistic"] == "cases"].set_index("area")
    assert cell.loc["1", ["value", "status", "lower", "upper"]].tolist() == [35, "rounded", 24, 46]
    assert cell.loc["2", "value"] == 65


def test_what_changed_slightly_since_an_exact_release_cannot_be_subtracted():
    """Without rounding, unchanged parts and a held total would give a small change away in the sum: it stays open."""
    exact = Policy(threshold=5, rounding=1)
    before = wide([("1", "F", 300, 40), ("2", "F", 200, 50), ("3", "F", 100, 30)])
    first = protect({"a.t": (DECLARED, before)}, [], exact).tables["a.t"]
    after = wide([("1", "F", 300, 42), ("2", "F", 200, 50), ("3", "F", 100, 30)])
    second = protect({"a.t": (DECLARED, after)}, [ledger_of(before, first)], exact).tables["a.t"]
    cases = second[second["statistic"] == "cases"].set_index("area")
    assert cases.loc["1", "upper"] - cases.loc["1", "lower"] >= 4
    assert cases.loc["all", "upper"] - cases.loc["all", "lower"] >= 4
    assert not (cases["value"].isin([42, 122])).any()


def test_reasons_stay_and_the_record_holds_no_small_number():
    table = wide([("1", "F", 300, 40), ("2", "F", 200, 4), ("3", "F", 100, 30)])
    done = protect({"a.t": (DECLARED, table)}, [], POLICY)
    assert "fewer cases than the threshold" in set(done.reasons["a.t"]["reason"])
    assert "reason" not in done.tables["a.t"]
    numbers = [n for n in _numbers(done.record["tables"]["a.t"]) if not 0 <= n < 1]
    assert done.record["audit"]["safe"] is True and done.record["tables"]["a.t"]["withheld"] == (
        done.tables["a.t"]["status"] == "withheld").sum()  # fmt: skip
    assert 4 not in [n for n in numbers if n != done.record["tables"]["a.t"]["withheld"]]


def _numbers(content) -> list[float]:
    if isinstance(content, dict):
        return [n for v in content.values() for n in _numbers(v)]
    return [content] if isinstance(content, int | float) and not isinstance(content, bool) else []


def test_a_ledger_without_counts_is_taken_at_its_word():
    """A rebuilt ledger knows the cells only: numbers near the earlier ones are held."""
    before = wide([("1", "F", 300, 37), ("2", "F", 200, 40), ("3", "F", 100, 30)])
    first = protect({"a.t": (DECLARED, before)}, [], POLICY).tables["a.t"]
    after = wide([("1", "F", 300, 38), ("2", "F", 200, 40), ("3", "F", 100, 30)])
    earlier = Earlier("0" * 64, "", {"a.t": first}, {})
    second = protect({"a.t": (DECLARED, after)}, [earlier], POLICY).tables["a.t"]
    cases = second[second["statistic"] == "cases"].set_index("area")
    assert cases.loc["1", "value"] in (35, 40)
    assert np.isfinite(cases["lower"]).all()
    with pytest.raises(AssertionError):  # the comparison itself can fail
        pd.testing.assert_frame_equal(first, second.assign(value=second["value"] + 1))
