"""Evidence without a solver: how far a number could move while its neighbours make up for it.

The site's own numbers are one solution of the system. From there, a number may move as long as, in each of its
relations, numbers that stand in no other relation can take up the difference. This settles most withheld numbers of
tables whose parts add up to totals in one way.
"""

from __future__ import annotations

import numpy as np

from shared_code.disclosure.bounds import EPS
from shared_code.disclosure.system import System

PLENTY = 1e12


def moves(system: System, low: np.ndarray, high: np.ndarray, kept: np.ndarray, whole: np.ndarray
          ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Give, for each unknown, a least and a largest value that is certainly possible.

    low, high  bounds of the unknowns; kept  rows that matter; whole  unknowns that move by whole numbers
    """
    matrix = system.matrix
    x = np.nan_to_num(system.truth)
    known = ~np.isnan(system.truth)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    entry = kept[rows]
    rows, columns, a = rows[entry], matrix.indices[entry], matrix.data[entry]
    n = matrix.shape[0]
    free = (np.bincount(columns, minlength=system.size) == 1) & known
    above, below = np.clip(high - x, 0, PLENTY), np.clip(x - low, 0, PLENTY)
    size, raises = np.abs(a), a > 0
    rise = np.where(free[columns], size * np.where(raises, above[columns], below[columns]), 0.0)
    fall = np.where(free[columns], size * np.where(raises, below[columns], above[columns]), 0.0)
    complete = np.bincount(rows, ~known[columns], n) == 0
    total = np.bincount(rows, a * x[columns], n)
    slack_up = np.where(complete, np.clip(system.row_upper - total, 0, PLENTY), 0.0)
    slack_down = np.where(complete, np.clip(total - system.row_lower, 0, PLENTY), 0.0)
    can_rise, can_fall = np.bincount(rows, rise, n), np.bincount(rows, fall, n)
    # to raise its row, a number needs the others to fall, or the row to have room above; and the other way round
    room_up = np.clip((can_fall[rows] - fall + slack_up[rows]) / size, 0, PLENTY)
    room_down = np.clip((can_rise[rows] - rise + slack_down[rows]) / size, 0, PLENTY)
    up, down = above.copy(), below.copy()
    np.minimum.at(up, columns, np.where(raises, room_up, room_down))
    np.minimum.at(down, columns, np.where(raises, room_down, room_up))
    up, down = np.where(whole, np.floor(up + EPS), up), np.where(whole, np.floor(down + EPS), down)
    most, least = np.where(up >= PLENTY, np.inf, x + up), np.where(down >= PLENTY, -np.inf, x - down)
    return np.where(known, least, np.inf), np.where(known, most, -np.inf)
