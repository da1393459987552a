"""Weights in bits and expectation maximisation: the published numbers."""

from __future__ import annotations

import numpy as np
import pytest

from shared_code.linkage import em, weights
from shared_code.linkage.comparisons import comparisons


def test_em_recovers_the_mixture(known):
    """T12.3."""
    answer = known("T12.3")
    start, expected = answer["inputs"]["start"], answer["expected"]
    found = em.fit(answer["inputs"]["pattern_counts"], start["lambda"], start["m"], start["u"])
    assert found.share == pytest.approx(expected["lambda"], rel=answer["rtol"])
    assert found.m == pytest.approx(expected["m"], rel=answer["rtol"])
    assert found.u == pytest.approx(expected["u"], rel=answer["rtol"])


def test_em_with_u_fixed_keeps_it(known):
    answer = known("T12.3")
    u = answer["expected"]["u"]
    found = em.fit(answer["inputs"]["pattern_counts"], 0.1, [0.8] * 3, u, fixed_u=True)
    assert found.u.tolist() == u
    assert found.m == pytest.approx([0.95, 0.90, 0.85], rel=1e-3)


def test_em_ignores_what_is_missing():
    """A field that is missing everywhere but in a few pairs is estimated from those."""
    rng = np.random.default_rng(3)
    counts: dict[str, float] = {}
    for share, probability in ((0.1, (0.95, 0.9, 0.9)), (0.9, (0.02, 0.05, 0.03))):
        agree = rng.random((round(200_000 * share), 3)) < probability
        for row, lost in zip(agree, rng.random(len(agree)) < 0.5):
            pattern = "".join("1" if a else "0" for a in row[:2]) + ("-" if lost else "01"[int(row[2])])
            counts[pattern] = counts.get(pattern, 0) + 1
    found = em.fit(counts, 0.2, [0.8] * 3, [0.1] * 3)
    assert found.share == pytest.approx(0.1, rel=0.03)
    assert found.m[2] == pytest.approx(0.9, rel=0.02)


# field            agrees   disagrees (bits), methods specification, section 12.5
WEIGHTS = [
    ("nhs_number",    23.224, -5.644),
    ("date_of_birth", 14.829, -5.059),
    ("surname",        8.276, -3.832),
    ("forename",       6.814, -3.310),
    ("postcode",      15.288, -2.322),
    ("sex",            0.993, -6.644),
]  # fmt: skip


@pytest.mark.parametrize(("field", "agrees", "disagrees"), WEIGHTS)
def test_published_weights(field, agrees, disagrees):
    m, u = weights.M[field], weights.U[field]
    assert weights.field_weight(True, m, u) == pytest.approx(agrees, abs=6e-4)
    assert weights.field_weight(False, m, u) == pytest.approx(disagrees, abs=6e-4)


def test_published_examples():
    moved = weights.pair_weight({"date_of_birth": True, "surname": True, "forename": True, "sex": True, "postcode": False})
    assert moved == pytest.approx(14.302, abs=6e-4)
    assert weights.posterior(moved) == pytest.approx(0.99995, abs=5e-6)
    # same birthday and home, everything else but sex differs: naive independence would accept it, the veto does not
    naive = weights.pair_weight({"date_of_birth": True, "postcode": True, "sex": True, "forename": False, "surname": False})
    assert weights.posterior(naive) == pytest.approx(0.9988, abs=5e-5)


def test_levels_start_from_the_published_parameters():
    for comparison in comparisons():
        best = comparison.levels[0]
        assert (best.m, best.u) == (weights.M[comparison.name], weights.U[comparison.name])
        assert sum(level.m for level in comparison.levels) == pytest.approx(1, abs=1e-6)
        assert sum(level.u for level in comparison.levels) == pytest.approx(1, abs=1e-6)
