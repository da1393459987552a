"""The person master index: who is believed, what is merged, and that nothing is overwritten."""

from __future__ import annotations

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.linkage.index import FIRST, LAST, PRECEDENCE, add_merges, as_of, build, current_ids, revise

COLUMNS = ["person_id", "source", "seen_on", "sex", "practice_code"]


def indexed(rows: list[tuple], merges: list[tuple] = ()) -> pd.DataFrame:
    """Build an index from sightings in COLUMNS."""
    frame = pd.DataFrame(rows, columns=COLUMNS).astype("string").assign(seen_on=lambda t: pd.to_datetime(t["seen_on"]))
    merged = None if not merges else ibis.memtable(pd.DataFrame(merges, columns=["superseded", "current"], dtype="string"))
    return build(ibis.memtable(frame), merged, attributes=("sex", "practice_code")).execute().set_index("person_id")


# what was seen of one person (source, day, sex, practice)                              believed
CASES = [
    ([("GP", "2020-01-01", "F", "A"), ("APC", "2024-01-01", "M", "B")],                 ("F", "A", 1)),  # GP before APC
    ([("ASC", "2024-01-01", "M", "B"), ("MH", "2020-01-01", "F", "A")],                 ("F", "A", 1)),  # MH before ASC
    ([("PDS", "2020-01-01", "F", "A"), ("PDS", "2021-01-01", "M", "B")],                ("M", "B", 1)),  # later
    ([("GP", "2020-01-01", None, "A"), ("ECDS", "2019-01-01", "F", None)],              ("F", "A", 0)),  # known before missing
    ([("APC", "2020-01-01", "M", "B"), ("APC", "2020-01-01", "F", "A")],                ("F", "A", 1)),  # smallest, to be sure
    ([("other", "2024-01-01", "M", "B"), ("ASC", "2020-01-01", "F", "A")],              ("F", "A", 1)),  # unknown sources last
]  # fmt: skip


@pytest.mark.parametrize(("seen", "believed"), CASES)
def test_precedence_then_recency(seen, believed):
    got = indexed([("a", *row) for row in seen]).loc["a"]
    assert (got["sex"], got["practice_code"], got["conflicts_sex"]) == believed


def test_first_and_last_seen_in_every_source():
    got = indexed([("a", "GP", "2020-01-01", "F", "A"), ("a", "GP", "2022-01-01", "F", "A"), ("a", "MH", "2021-01-01", "F", None),
                   ("b", "MH", "2021-06-01", None, None)])  # fmt: skip
    assert str(got.loc["a", "first_seen_gp"])[:10] == "2020-01-01"
    assert str(got.loc["a", "last_seen_gp"])[:10] == "2022-01-01"
    assert pd.isna(got.loc["b", "first_seen_gp"])
    assert got["on_spine"].to_dict() == {"a": True, "b": False}
    assert {f"last_seen_{s.lower()}" for s in PRECEDENCE} <= set(got.columns)
    assert pd.isna(got.loc["b", "sex"]) and got.loc["b", "conflicts_sex"] == 0


def test_merged_people_are_one_row():
    got = indexed([("old", "APC", "2019-01-01", "M", "B"), ("new", "GP", "2024-01-01", "F", "A")], [("old", "new")])
    assert got.index.tolist() == ["new"]
    assert got.loc["new", ["sex", "conflicts_sex", "merged_ids"]].tolist() == ["F", 1, 1]
    assert str(got.loc["new", "first_seen_apc"])[:10] == "2019-01-01"


@settings(max_examples=15, deadline=None)
@given(st.permutations([("a", s, f"202{d}-01-01", x, p) for s, d, x, p in [
    ("GP", 0, "F", "A"), ("GP", 0, "M", "B"), ("APC", 3, "M", "C"), ("MH", 1, None, "D")]]))  # fmt: skip
def test_the_order_of_rows_changes_nothing(rows):
    assert indexed(rows).loc["a", ["sex", "practice_code", "conflicts_sex"]].tolist() == ["F", "A", 1]


def merges(*pairs: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["superseded", "current"])


def test_merges_are_followed_to_the_end_and_kept_by_version():
    history = add_merges(None, merges(("a", "b")), 1)
    history = add_merges(history, merges(("b", "c")), 2)
    history = add_merges(history, merges(("a", "d"), ("b", "c")), 3)
    assert dict(current_ids(history, 1).values.tolist()) == {"a": "b"}
    assert dict(current_ids(history, 2).values.tolist()) == {"a": "c", "b": "c"}
    assert dict(current_ids(history).values.tolist()) == {"a": "d", "b": "c"}
    assert len(history) == 3  # a repeated merge is no new row


def test_merges_that_cannot_be(message_of):
    assert "lead back to themselves" in message_of(add_merges, None, merges(("a", "b"), ("b", "a")), 1)
    assert "1 ids are merged into two at once" in message_of(add_merges, None, merges(("a", "b"), ("a", "c")), 1)
    history = add_merges(None, merges(("a", "b")), 5)
    assert "use the next number" in message_of(add_merges, history, merges(("c", "b")), 5)


def test_nothing_is_overwritten():
    def people(**sex) -> pd.DataFrame:
        return pd.DataFrame({"person_id": list(sex), "sex": list(sex.values())})

    one = revise(None, people(a="F", b="M"), 1)
    two = revise(one, people(a="F", b="F", c="M"), 2)
    three = revise(two, people(a="F", b="M"), 3)
    assert len(revise(two, people(a="F", b="F", c="M"), 3)) == len(two)  # nothing new
    for version, state in ((1, people(a="F", b="M")), (2, people(a="F", b="F", c="M")), (3, people(a="F", b="M"))):
        got = as_of(three, version).sort_values("person_id", ignore_index=True)
        pd.testing.assert_frame_equal(got, state)
    assert three[["person_id", "sex", FIRST]].values.tolist() == [
        ["a", "F", 1], ["b", "M", 1], ["b", "F", 2], ["b", "M", 3], ["c", "M", 2]]  # fmt: skip
    assert three[LAST].isna().sum() == 2


def test_a_version_is_never_used_twice(message_of):
    one = revise(None, pd.DataFrame({"person_id": ["a"]}), 2)
    assert "it is 2" in message_of(revise, one, pd.DataFrame({"person_id": ["a"]}), 2)
