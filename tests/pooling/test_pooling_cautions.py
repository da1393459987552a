"""Cautions follow the simulated coverage: where an interval does not hold what it promises, the result says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from shared_code.pooling.cautions import AVERAGE, COMMON, CONTRADICT, ELSEWHERE, HELD, agreement, caution

ROWS = json.loads((Path(__file__).parents[2] / "benchmarks" / "coverage.json").read_text("utf-8"))["rows"]
KINDS = {"REML, Hartung-Knapp with floor": AVERAGE, "prediction interval": ELSEWHERE}


def chance(row: dict) -> float:
    """Three standard errors of a simulated share that should be 95 %."""
    return 3 * (0.95 * 0.05 / row["studies"]) ** 0.5


@pytest.mark.parametrize("row", [r for r in ROWS if r["interval"] in KINDS and r["events"] == "common" and r["given"] > 0.5],
                         ids=lambda r: f"{r['interval']} {r['sites']} {r['k']}")  # fmt: skip
def test_where_coverage_misses_its_claim_there_is_a_caution(row):
    misses = row["coverage"] < 0.93 - chance(row) / 3 or row["coverage"] > 0.97 + chance(row)
    if misses:
        assert caution(KINDS[row["interval"]], row["k"])
    if row["k"] == 40:
        assert not misses and not caution(KINDS[row["interval"]], 40)


@pytest.mark.parametrize("k", [2, 3, 5, 10, 40])
def test_a_common_effect_is_cautioned_where_sites_differ_and_only_there(k):
    far, near = stats.chi2.isf(0.01, k - 1), stats.chi2.isf(0.5, k - 1)
    assert "{} to {} %".format(*HELD) in caution(COMMON, k, far) and caution(COMMON, k, near) == ""


def test_the_words_name_what_was_simulated():
    held = [100 * r["coverage"] for r in ROWS if (r["interval"], r["events"], r["sites"])
            == ("common effect, inverse variance", "common", "different")]  # fmt: skip
    assert len(held) == 5 and (round(min(held)), round(max(held))) == HELD


def test_few_events_and_two_sites_are_named():
    assert "2 of 12 sites have fewer than 10 events" in caution(AVERAGE, 12, few=2)
    assert "share one effect" in caution(AVERAGE, 2) and caution(AVERAGE, 1) == ""


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.05, 1)), min_size=2, max_size=6))
def test_the_verdict_follows_q_and_the_pair_furthest_apart(drawn):
    y, v = (np.array(x) for x in zip(*drawn, strict=True))
    names = [f"s{i}" for i in range(len(y))]
    found = agreement(names, y, v)
    q = float(np.sum((y - np.average(y, weights=1 / v)) ** 2 / v))
    np.testing.assert_allclose([found.q, found.p], [q, stats.chi2.sf(q, len(y) - 1)], rtol=1e-6, atol=1e-12)
    pairs = [(names[i], names[j]) for i in range(len(y)) for j in range(len(y))
             if y[i] < 0 < y[j] and (y[j] - y[i]) / (v[i] + v[j]) ** 0.5 > stats.norm.isf(0.025)]  # fmt: skip
    expected = "alike" if found.p >= 0.05 else CONTRADICT if pairs else "differ"
    assert found.verdict == expected and (found.pair in pairs) == (expected == CONTRADICT)
