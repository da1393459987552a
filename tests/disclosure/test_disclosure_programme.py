"""The least and the largest value a number can have under all relations at once: against another solver and by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from shared_code.disclosure.bounds import Contradiction
from shared_code.disclosure.programme import Programme
from tests.disclosure.systems import INF, drawn


@pytest.mark.parametrize("seed", range(12))
def test_one_programme_after_another_gives_each_end(seed):
    """The ends are those of another solver, and what holds them back says how far they move when bounds are moved out."""
    s, rng = drawn(seed, endless=seed % 2 == 0), np.random.default_rng(seed)
    programme = Programme(s.matrix, s.row_lower, s.row_upper, s.low, s.high, s.whole)

    def end(column: int, sign: float, low: np.ndarray, high: np.ndarray) -> float:
        limits, goal = np.concatenate([s.row_upper, -s.row_lower]), np.zeros(s.size)
        goal[column] = sign
        rows, finite = np.vstack([s.a, -s.a]), np.isfinite(limits)
        found = linprog(goal, rows[finite], limits[finite], bounds=np.column_stack([low, high]))
        return sign * found.fun if found.status == 0 else -sign * INF

    for number, (column, sign) in enumerate(product(range(s.size), (1.0, -1.0)), 1):
        found = programme.extreme(column, sign < 0)
        assert programme.solved == number
        assert found.value == pytest.approx(end(column, sign, s.low, s.high), abs=1e-6)
        if not np.isfinite(found.value):
            assert (
                found.whole and not found.at_lower.any() and not found.at_upper.any() and np.isnan(found.solution).all()
            )
            continue
        assert found.solution[column] == found.value
        assert found.whole == (np.abs(found.solution - np.round(found.solution))[s.whole] < 1e-6).all()
        out = rng.random((2, s.size)) * rng.choice([1e-3, 2.0])
        moved = abs(end(column, sign, s.low - out[0], s.high + out[1]) - found.value)
        assert moved <= found.at_lower @ out[0] + found.at_upper @ out[1] + 1e-6  # never further
        assert (found.at_lower >= 0).all() and (found.at_upper >= 0).all()


def test_what_holds_an_end_back():
    """x + y = 10 with y in [2, 9] and z alone in [1, 4]: the ends of x move as those of y do, those of z by themselves."""
    programme = Programme(sparse.csr_matrix([[1.0, 1.0, 0.0]]), np.array([10.0]), np.array([10.0]), np.array([0.0, 2.0, 1.0]),
                          np.array([10.0, 9.0, 4.0]), np.ones(3, bool))  # fmt: skip
    held = {(c, big): programme.extreme(c, big) for c, big in product((0, 2), (True, False))}
    assert {key: e.value for key, e in held.items()} == {(0, True): 8, (0, False): 1, (2, True): 4, (2, False): 1}
    assert [held[0, True].at_lower.tolist(), held[0, True].at_upper.tolist()] == [[0, 1, 0], [0, 0, 0]]
    assert [held[0, False].at_lower.tolist(), held[0, False].at_upper.tolist()] == [[0, 0, 0], [0, 1, 0]]
    assert [held[2, True].at_lower.tolist(), held[2, True].at_upper.tolist()] == [[0, 0, 0], [0, 0, 1]]
    assert [held[2, False].at_lower.tolist(), held[2, False].at_upper.tolist()] == [[0, 0, 1], [0, 0, 0]]
    both = programme.extremes(np.array([0, 2]), np.array([True, False]))
    assert both.tolist() == [8.0, 2.0, 1.0] and programme.solved == 5


def test_ends_in_whole_numbers(capfd):
    """2 x + 2 y = 2 z + 1 has none; of 2 x + y <= 7 with y >= 2 x - 1, the largest whole x is 2, not 2 and a half (or 2 where
    x need not be whole)."""
    a, never = sparse.csr_matrix([[2.0, 1.0], [2.0, -1.0]]), np.array([-INF, -INF])
    programme = Programme(a, never, np.array([7.0, 2.0]), np.zeros(2), np.full(2, 50.0), np.array([True, False]))
    assert programme.extreme(0, True).value == pytest.approx(2.25) and not programme.extreme(0, True).whole
    assert programme.whole_extreme(0, True) == 2.0 and programme.whole_extreme(0, False) == 0.0
    assert programme.extreme(0, True).value == pytest.approx(2.25)  # and fractions count again
    assert capfd.readouterr() == ("", "")  # the solver says nothing
    none, impossible = (Programme(sparse.csr_matrix([[2.0, 2.0]]), np.array([total]), np.array([total]), np.zeros(2), np.ones(2),
                                  np.ones(2, bool)) for total in (1.0, 9.0))  # fmt: skip
    with pytest.raises(Contradiction):
        none.whole_extreme(0, True)
    with pytest.raises(Contradiction):
        impossible.extreme(0, True)
    with pytest.raises(Contradiction):
        impossible.extremes(np.array([0]), np.array([True]))
