"""How certain ranks are, and who a place should be compared with."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import Floats, require
from shared_code.methods.composite import ranks

LOWEST = 0.20  # share of places that "the lowest fifth" means
WIDE = 0.25  # of the table: with wider intervals groups are published, not ranks
PEERS = 15


class Ranks(NamedTuple):
    """Hold ranks with their 95 % intervals (1 = highest score), the chance of the lowest fifth, and whether to group.

    >>> rank_intervals([[3.0, 2.0, 1.0], [3.0, 1.0, 2.0]]).median.tolist()
    [1.0, 2.5, 2.5]
    """

    median: Any
    lower: Any
    upper: Any
    lowest: Any
    grouped: Any


def rank_intervals(scores: ArrayLike, confidence: float = 0.95) -> Ranks:
    """Rank places in every draw, and give each one's median rank, its interval and its chance of the lowest fifth.

    scores: (draws, places), more is better. A place whose interval spans more than a quarter of the table is `grouped`:
    publish a group for it, not a rank. Method: Goldstein and Spiegelhalter 1996; METHODS 5. Raises ValueError for gaps.

    >>> r = rank_intervals(np.random.default_rng(1).normal([30, 20, 10, 0, -30], 1, (500, 5)))
    >>> r.median.tolist(), r.lowest.tolist()
    ([1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 0.0, 0.0, 0.0, 1.0])
    """
    s = np.asarray(scores, dtype=float)
    require(s.ndim == 2 and np.isfinite(s).all(), "rank_intervals", "a draw is missing", "(draws, places) of numbers",
            "Leave places without a score out")
    each = ranks(s)
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(each, [tail, 1 - tail], axis=0, method="closest_observation")
    places = s.shape[1]
    lowest = (each > places * (1 - LOWEST)).mean(axis=0)
    return Ranks(np.median(each, axis=0), lower, upper, lowest, upper - lower > WIDE * places)


def nearest_peers(context: ArrayLike, number: int = PEERS) -> np.ndarray:
    """List for each place the places most like it, by distance between standardised context; never itself.

    context: (places, characteristics), what is not in the index. Result: (places, number), nearest first; equal distances
    in the order of the places. Raises ValueError for gaps, or fewer places than peers are asked for.

    >>> nearest_peers([[0.0], [1.0], [10.0], [11.5]], 1).ravel().tolist()
    [1, 0, 3, 2]
    """
    x = np.asarray(context, dtype=float)
    require(np.isfinite(x), "nearest_peers", "the context has gaps", "A number for every place", "Complete the context")
    require(0 < number < len(x), "nearest_peers", f"{number} peers among {len(x)} places", "Fewer than the places",
            "Ask for fewer peers")
    sd = x.std(axis=0, ddof=1)
    z = np.divide(x - x.mean(axis=0), sd, out=np.zeros_like(x), where=sd > 0)
    distance = ((z[:, None] - z[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance, axis=1, kind="stable")[:, :number]


def against_peers(scores: ArrayLike, draws: ArrayLike, peers: np.ndarray, confidence: float = 0.95) -> tuple[Floats, Any]:
    """Compare each place with the median of its peers: 1 a relative strength, -1 a weakness, 0 neither.

    scores: (places,); draws: (draws, places); peers: (places, number). It counts when the difference exceeds both the
    peers' standard deviation and half the standard deviation of all places, and its interval excludes 0.
    Result: median of the peers and the flags. Method: METHODS 5.

    >>> s = np.array([90.0, 50, 51, 49, 50])
    >>> peers = np.array([[1, 2, 3], [2, 3, 4], [1, 3, 4], [1, 2, 4], [1, 2, 3]])
    >>> against_peers(s, np.repeat(s[None], 20, axis=0), peers)[1].tolist()
    [1, 0, 0, 0, 0]
    """
    s, d = np.asarray(scores, dtype=float), np.asarray(draws, dtype=float)
    median = np.median(s[peers], axis=1)
    least = np.maximum(s[peers].std(axis=1, ddof=1), 0.5 * s.std(ddof=1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(d - np.median(d[:, peers], axis=2), [tail, 1 - tail], axis=0)
    difference = s - median
    flags = np.where((difference > least) & (low > 0), 1, np.where((difference < -least) & (high < 0), -1, 0))
    return median, flags
