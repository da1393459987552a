"""Survival as counts: person-time cut into bands, in which a stratified Cox model becomes a Poisson model that adds up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared_code.methods.checks import Floats, require


class Pieces(NamedTuple):
    """Hold pieces of follow-up: which row of the input, which band, how long, and whether it ended with the event."""

    row: NDArray[np.int64]
    band: NDArray[np.int64]
    time: Floats
    event: Floats


def split_time(entry: ArrayLike, exit: ArrayLike, event: ArrayLike, edges: ArrayLike) -> Pieces:
    """Cut every person's follow-up at the edges of bands of time.

    entry, exit: shape (n,), in the unit of the edges, half-open [entry, exit); event: shape (n,), 1 where the event
    ended it; edges: where bands begin, rising, the first at or before every entry; the last band is open.
    A Poisson model of `event` with offset log(time), one baseline per site and band (own terms of the federated fit)
    and the covariates is the piecewise-exponential form of the Cox model stratified by site; with an edge at every time
    at which somebody leaves it is the Breslow likelihood itself. Method: Holford 1980; Laird & Olivier 1981.
    Raises ValueError for edges that do not rise, an exit not after its entry, or an entry before the first edge.

    >>> split_time([0, 0], [10, 40], [1, 0], [0, 30]).time
    array([10., 30., 10.])
    """
    start, end = np.asarray(entry, dtype=float), np.asarray(exit, dtype=float)
    ended, cuts = np.asarray(event, dtype=float), np.asarray(edges, dtype=float)
    remedy = "Correct the dates, or the edges of the bands"
    require(np.diff(cuts) > 0, "split_time", "the edges do not rise", "Edges rise", remedy)
    require(end > start, "split_time", "somebody leaves before entering", "exit lies after entry", remedy)
    require(start >= cuts[0], "split_time", "somebody enters before the first edge", "The first band holds everyone", remedy)
    first = np.searchsorted(cuts, start, side="right") - 1
    last = np.searchsorted(cuts, end, side="left") - 1  # leaving on an edge is leaving the band before it
    pieces = last - first + 1
    row = np.repeat(np.arange(len(start)), pieces)
    band = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces) + first[row]
    above = np.append(cuts[1:], np.inf)
    time = np.minimum(end[row], above[band]) - np.maximum(start[row], cuts[band])
    return Pieces(row, band, time, ended[row] * (band == last[row]))


def baseline(band: ArrayLike, bands: int) -> Floats:
    """Give one 0/1 column per band: the baseline rates of a site.

    band: shape (n,), from `split_time`; bands: how many there are. Gives shape (n, bands).

    >>> baseline([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    return np.asarray(np.eye(bands)[np.asarray(band, dtype=int)], dtype=float)
