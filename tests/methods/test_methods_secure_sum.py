"""Sums of hidden parts: the total is exact, the parts look like noise, and a missing site is noticed."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.methods.federated import Specification, begin, questions
from shared_code.methods.glm import derivatives
from shared_code.methods.secure_sum import SCALE, Blinded, blind, reveal

steady = settings(deadline=None, database=None, derandomize=True, max_examples=60)


def sent_by(parts: dict[str, dict[str, float]], run: str = "run 1", **more: int) -> list[Blinded]:
    shared = {pair: f"key of {pair}".encode().ljust(16, b".") for pair in combinations(sorted(parts), 2)}
    keys = {s: {(a if b == s else b): key for (a, b), key in shared.items() if s in (a, b)} for s in parts}
    return [blind(values, site, keys[site], run, **more) for site, values in parts.items()]


def test_the_published_example(known):
    answer = known("T11.5")
    values = answer.inputs["values"]
    sent = sent_by({f"s{i}": {"n": v} for i, v in enumerate(values)}, modulus=answer.inputs["pairwise_masks_mod"], scale=1)
    answer.agrees(reveal(sent, modulus=answer.inputs["pairwise_masks_mod"], scale=1)["n"], "sum_revealed")
    assert not {one.values["n"] for one in sent} & set(values)


@steady
@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2), min_size=3, max_size=7))
def test_the_total_is_that_of_the_parts(rows: list[list[float]]):
    parts = {f"s{i}": {"a": row[0], "b": row[1]} for i, row in enumerate(rows)}
    total = reveal(sent_by(parts))
    for j, cell in enumerate("ab"):
        assert total[cell] == pytest.approx(sum(row[j] for row in rows), abs=len(rows) / SCALE)


def test_a_step_survives_it():
    """The gradient of a federated regression, added up so, is that of the stacked people to ten decimals."""
    chance = np.random.default_rng(1)
    columns, y = np.column_stack([np.ones(900), chance.normal(size=900)]), (chance.random(900) < 0.3) * 1.0
    parts = np.array_split(np.arange(900), 3)
    spec = Specification("logistic", ("intercept", "x"))
    asked = questions(spec, begin(spec, ["s0", "s1", "s2"]))
    steps = {s: derivatives("logistic", columns[i], y[i], asked[s].beta) for s, i in zip(asked, parts)}
    total = reveal(sent_by({s: {str(j): g for j, g in enumerate(step.gradient)} for s, step in steps.items()}))
    np.testing.assert_allclose(list(total.values()), columns.T @ (y - 0.5), atol=1e-9)


def test_one_number_never_looks_the_same_in_two_runs_or_cells():
    sent = [one.values for run in ("1", "2") for one in sent_by({s: {"a": 7.0, "b": 7.0} for s in "xyz"}, run)]
    assert len({value for values in sent for value in values.values()}) == 12


@pytest.mark.parametrize("fault", ["missing", "twice", "run", "cells"])
def test_what_would_give_noise_is_refused(fault):
    sent = sent_by({s: {"a": 1.0} for s in "wxyz"})
    other = sent_by({s: {"b" if fault == "cells" else "a": 1.0} for s in "wxyz"}, "run 2" if fault == "run" else "run 1")
    wrong = {"missing": sent[:3], "twice": [*sent, sent[0]], "run": [*sent[:3], other[3]], "cells": [*sent[:3], other[3]]}
    with pytest.raises(ValueError, match="reveal"):
        reveal(wrong[fault])


@pytest.mark.parametrize(("values", "keys"), [
    ({"a": 1.0}, {"x": b"k" * 16}), ({"a": 1.0}, {"x": b"k" * 16, "y": b"k"}), ({"a": 1e12}, {"x": b"k" * 16, "y": b"l" * 16}),
    ({"a": float("nan")}, {"x": b"k" * 16, "y": b"l" * 16}),
])  # fmt: skip
def test_too_few_partners_short_keys_and_large_numbers_are_refused(values, keys):
    with pytest.raises(ValueError, match="blind"):
        blind(values, "w", keys, "run")
