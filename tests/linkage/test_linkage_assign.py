"""From weights to links: thresholds, one person a record, one record of a source a person, and the cap on clusters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from shared_code.linkage.assign import assign, one_person_probability, share_of_matches
from shared_code.linkage.settings import Settings, band

SHARE = 0.5  # odds 1, so that a weight is the pair's own bits
NOBODY = pd.DataFrame({"rid": pd.Series(dtype="int64"), "pid": pd.Series(dtype="int64")})
SURE, LIKELY, DOUBTFUL = 12.0, 5.0, 1.0  # probabilities 0.9998, 0.97, 0.67
BASE = Settings(None, made_up=True)


def decide(pairs: list[tuple[int, int, float]], sources: dict[int, str] | None = None, taken=NOBODY, settings=BASE):
    rows = pd.DataFrame(pairs, columns=["rid", "pid", "weight"])
    rids = sorted({*rows["rid"], *taken["rid"]})
    source = pd.Series([(sources or {}).get(r, "APC") for r in rids], index=rids)
    links, review = assign(rows, source, taken, SHARE, settings)
    return set(zip(links["rid"], links["pid"])), dict(zip(zip(review["rid"], review["pid"]), review["reason"]))


def test_thresholds():
    links, review = decide([(1, 1, SURE), (2, 2, LIKELY), (3, 3, DOUBTFUL)])
    assert links == {(1, 1)}
    assert review == {(2, 2): "clerical"}


def test_the_accepting_threshold_is_a_setting():
    links, _ = decide([(1, 1, SURE), (2, 2, LIKELY)], settings=replace(BASE, accept=0.95))
    assert links == {(1, 1), (2, 2)}
    assert decide([(1, 1, SURE)], settings=replace(BASE, accept=0.9999))[0] == set()


def test_a_record_that_two_people_match_is_linked_to_neither():
    links, review = decide([(1, 1, SURE), (1, 2, SURE)])
    assert links == set()
    assert review == {(1, 1): "ambiguous", (1, 2): "ambiguous"}


def test_a_clear_better_match_wins():
    assert decide([(1, 1, 30.0), (1, 2, SURE)])[0] == {(1, 1)}


def test_one_record_of_a_source_a_person():
    links, review = decide([(1, 7, 15.0), (2, 7, SURE)])
    assert links == {(1, 7)}
    assert review == {(2, 7): "person_taken"}
    assert decide([(1, 7, 15.0), (2, 7, SURE)], {1: "APC", 2: "ECDS"})[0] == {(1, 7), (2, 7)}
    assert decide([(1, 7, 15.0), (2, 7, SURE)], settings=replace(BASE, one_to_one=False))[0] == {(1, 7), (2, 7)}


def test_equal_records_both_go_to_review():
    links, review = decide([(1, 7, SURE), (2, 7, SURE)])
    assert links == set()
    assert review == {(1, 7): "person_taken", (2, 7): "person_taken"}


def test_people_linked_by_an_earlier_step_are_taken():
    taken = pd.DataFrame({"rid": [9], "pid": [7]})
    assert decide([(1, 7, SURE)], taken=taken) == (set(), {(1, 7): "person_taken"})
    assert decide([(1, 7, SURE)], {9: "GP"}, taken)[0] == {(1, 7)}


def test_clusters_above_the_cap_are_reviewed():
    chain = [(1, 1, 30.0), (1, 2, SURE), (2, 2, 30.0), (2, 3, SURE), (3, 3, 30.0)]
    assert decide(chain[:3])[0] == {(1, 1), (2, 2)}  # two records, two people
    links, review = decide(chain)
    assert links == set()
    assert set(review.values()) == {"large_cluster"}
    assert decide(chain, settings=replace(BASE, cluster_cap=6))[0] == {(1, 1), (2, 2), (3, 3)}


def test_no_pairs():
    links, review = assign(pd.DataFrame({"rid": [], "pid": [], "weight": []}), pd.Series(dtype=object), NOBODY, SHARE, BASE)
    assert links.empty and review.empty and "reason" in review


@pytest.mark.parametrize(("probability", "name"), [(1.0, "0.999+"), (0.99, "0.990-0.999"), (0.96, "0.950-0.990"),
                                                   (0.8, "0.800-0.950"), (0.1, "none")])  # fmt: skip
def test_bands(probability, name):
    assert band(probability) == name


def test_the_share_of_matches_is_found():
    rng = np.random.default_rng(5)
    matches, people = 700, 5000
    weight = np.concatenate([rng.normal(28, 4, matches), rng.normal(-2, 4, 3000)])
    pairs = pd.DataFrame({"rid": np.concatenate([np.arange(matches), rng.integers(0, 1000, 3000)]),
                          "pid": rng.integers(0, people, len(weight)), "weight": weight})  # fmt: skip
    assert share_of_matches(pairs, 1000, people) * 1000 * people == pytest.approx(matches, rel=0.03)


@hypothesis_settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.tuples(st.integers(0, 8), st.integers(0, 8)), st.floats(-5, 40), min_size=1, max_size=30),
       st.randoms(use_true_random=False))
def test_rules_that_always_hold(weights, random):
    """A record has one person, a person one record of the source, and the order of rows changes nothing."""
    pairs = [(r, p, w) for (r, p), w in weights.items()]
    links, review = decide(pairs)
    assert len({r for r, _ in links}) == len(links) == len({p for _, p in links})
    assert not links & set(review)
    random.shuffle(pairs)
    assert decide(pairs) == (links, review)
    frame = pd.DataFrame(pairs, columns=["rid", "pid", "weight"])
    total = frame.assign(p=one_person_probability(frame, SHARE)).groupby("rid")["p"].sum()
    assert (total <= 1 + 1e-12).all()
