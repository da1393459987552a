"""What single relations say about each number, and what its neighbours leave it: against plain loops and hand computations."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from shared_code.disclosure.audit import _without
from shared_code.disclosure.bounds import Contradiction, activity, propagate
from shared_code.disclosure.evidence import moves
from tests.disclosure.systems import INF, drawn, ends


@pytest.mark.parametrize("seed", range(12))
def test_the_ends_of_rows(seed):
    s = drawn(seed)
    expected = np.array([ends(row, s.low, s.high) for row in s.a])
    assert np.array_equal(np.column_stack(activity(s.matrix, s.low, s.high)), expected)
    rows = np.repeat(np.arange(len(s.a)), np.diff(s.matrix.indptr))
    at = np.arange(s.matrix.nnz)[::2]
    expected = [ends(s.a[rows[k]], s.low, s.high, s.matrix.indices[k]) for k in at]
    assert np.column_stack(_without(s.matrix, s.low, s.high, at, rows)).tolist() == [list(e) for e in expected]


def plainly_propagated(s: SimpleNamespace) -> tuple[np.ndarray, np.ndarray]:
    low, high = s.low.copy(), s.high.copy()
    for _ in range(200):
        before = low.copy(), high.copy()
        for i, j in zip(*s.a.nonzero()):
            a, (least, most) = s.a[i, j], ends(s.a[i], *before, without=j)
            one, other = (s.row_lower[i] - most) / a, (s.row_upper[i] - least) / a
            low[j], high[j] = max(low[j], min(one, other)), min(high[j], max(one, other))
        for j in np.flatnonzero(s.whole):
            low[j], high[j] = np.ceil(low[j] - 1e-6), np.floor(high[j] + 1e-6)
        if np.allclose(before[0], low) and np.allclose(before[1], high):
            break
    return low, high


@pytest.mark.parametrize("seed", range(20))
def test_bounds_are_propagated_as_far_as_single_rows_say(seed):
    s = drawn(seed)
    low, high = propagate(s.matrix, s.row_lower, s.row_upper, s.low, s.high, s.whole)
    plain = plainly_propagated(s)
    assert np.allclose(low, plain[0], atol=1e-4) and np.allclose(high, plain[1], atol=1e-4)
    assert (low <= s.truth).all() and (s.truth <= high).all()


def test_bounds_that_halve_are_followed_until_they_stand():
    """x <= y / 2 and y <= x: half each time; a range of a million is down to a thousandth in sixty rounds."""
    matrix = sparse.csr_matrix([[2.0, -1.0], [1.0, -1.0]])
    low, high = propagate(
        matrix, np.array([-INF, 0.0]), np.zeros(2), np.zeros(2), np.array([1e6, 1e6]), np.zeros(2, bool)
    )
    assert (low == 0).all() and (high < 1e-2).all()


@pytest.mark.parametrize(("first", "every"), [((-7, -5), (-7, -5)), ((-10, -8), (-10, -8))])
def test_bounds_go_on_from_row_to_row(first, every):
    """Also where only one end moves, below zero: each of five equal numbers is known as the first is."""
    chain = sparse.csr_matrix(np.eye(4, 5) - np.eye(4, 5, 1))
    low, high = np.full(5, -10.0), np.full(5, -5.0)
    low[0], high[0] = first
    found = propagate(chain, np.zeros(4), np.zeros(4), low, high, np.zeros(5, bool))
    assert np.column_stack(found).tolist() == [list(map(float, every))] * 5


@pytest.mark.parametrize(
    ("gap", "size", "refused"), [(0.5, 1.0, True), (1e-7, 1.0, False), (0.5, 1e6, False), (5.0, 1e6, True)]
)
def test_ranges_that_cross_are_a_contradiction(gap, size, refused):
    """A millionth of a number is no contradiction; anything more is."""
    row = sparse.csr_matrix([[1.0]])
    arguments = row, np.array([size + gap]), np.array([INF]), np.array([0.0]), np.array([size]), np.zeros(1, bool)
    if refused:
        with pytest.raises(Contradiction):
            propagate(*arguments)
    else:
        low, high = propagate(*arguments)
        assert low == high == size


def plain_moves(s: SimpleNamespace) -> tuple[np.ndarray, np.ndarray]:
    """Say how far each number can move while numbers that stand in no other relation make up for it."""
    known, a = ~np.isnan(s.truth), np.where(s.kept[:, None], s.a, 0.0)
    x = np.nan_to_num(s.truth)
    free = known & ((a != 0).sum(axis=0) == 1)
    up, down = s.high - x, x - s.low
    moved = []
    for j in range(s.size):
        room = {1: up[j], -1: down[j]}
        for i in np.flatnonzero(a[:, j]):
            complete, total = known[a[i] != 0].all(), a[i] @ x
            for way in (1, -1):
                raises = way * a[i, j] > 0
                others = sum(abs(a[i, k]) * (down[k] if (a[i, k] > 0) == raises else up[k])
                             for k in np.flatnonzero(a[i]) if k != j and free[k])  # fmt: skip
                slack = (s.row_upper[i] - total if raises else total - s.row_lower[i]) if complete else 0.0
                room[way] = min(room[way], (others + slack) / abs(a[i, j]))
        if s.whole[j]:
            room = {way: np.floor(far + 1e-6) for way, far in room.items()}
        moved.append((x[j] - room[-1], x[j] + room[1]) if known[j] else (INF, -INF))
    return tuple(np.array(moved).T)


@pytest.mark.parametrize("seed", range(30))
def test_what_neighbours_make_up_for(seed):
    s = drawn(seed)
    if seed % 3 == 0:
        s.truth[seed % s.size] = np.nan
    found = moves(s, s.low, s.high, s.kept, s.whole)
    assert np.allclose(found, plain_moves(s), atol=1e-5)
    for j, side in product(range(s.size), (0, 1)):  # and each end is certainly possible
        value = found[side][j]
        if np.isfinite(value) and not np.isnan(s.truth).any():
            bounds = [
                (v, v) if k == j else (low, high)
                for k, (v, low, high) in enumerate(zip([value] * s.size, s.low, s.high))
            ]
            limits = np.concatenate([s.row_upper, -s.row_lower])
            rows, finite = np.vstack([s.a, -s.a]), np.isfinite(limits) & np.tile(s.kept, 2)
            assert linprog(np.zeros(s.size), rows[finite], limits[finite], bounds=bounds).status == 0


def test_an_end_is_endless_where_nothing_holds_it_back():
    s = SimpleNamespace(matrix=sparse.csr_matrix([[1.0, 1.0, 0.0]]), row_lower=np.array([7.0]), row_upper=np.array([7.0]),
                        truth=np.array([3.0, 4.0, 2.0]), size=3)  # fmt: skip
    least, most = moves(s, np.array([-INF, 0, 0]), np.array([INF, INF, 2e13]), np.array([True]), np.zeros(3, bool))
    assert least.tolist() == [-INF, 0.0, 0.0] and most.tolist() == [7.0, INF, INF]
    near = moves(s, np.array([0.0, 0, 0]), np.array([7.0, 7, 1e11]), np.array([True]), np.zeros(3, bool))
    assert near[1].tolist() == [7.0, 7.0, 1e11]
