"""The European Standard Population 2013 and weights for any bands cut from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import Floats, require

# European Standard Population 2013, people per 100,000 in 0-4, 5-9, ..., 85-89, 90+.
# Source: Eurostat, Revision of the European Standard Population, 2013 edition (ISBN 978-92-79-31094-2), both sexes.
ESP2013: tuple[int, ...] = (
    5000, 5500, 5500, 5500, 6000, 6000, 6500, 7000, 7000, 7000,
    7000, 6500, 6000, 5500, 5000, 4000, 2500, 1500, 1000,
)  # fmt: skip
ESP2013_INFANTS = 1000  # of the 5,000 aged 0-4; the other 4,000 are 1-4 (same source)
OPEN_AGE = 90  # the last band of the source has no upper limit, so nothing can be cut above this age

_AGES = np.array([0, 1, *range(5, OPEN_AGE + 1, 5)], dtype=float)
_BELOW = np.array([0, ESP2013_INFANTS, *np.cumsum(ESP2013[:-1])], dtype=float)  # people younger than each age


def standard_weights(
    edges: ArrayLike, *, upper: float | None = None, sexes: int = 1, normalised: bool = False
) -> Floats:
    """Give the standard population of each age band, cut in proportion to width where an edge falls inside a band.

    edges: lower age edges in years, rising, 0 to 90; the last band is open unless `upper` (age in years) closes it.
    Starting above 0 restricts the standard to those ages: 18-19 gets 2/5 of 15-19. Under 5 the source is kept:
    1,000 at age 0 and 4,000 at 1-4. Result: shape (bands,), people per 100,000, or shares of 1 if `normalised`.
    sexes=2: the weight of one sex in a table of both, W/2. Method: Eurostat 2013.
    Raises ValueError for edges that do not rise or lie outside 0 to 90.

    >>> standard_weights([0, 1, 5, 65]).tolist()
    [1000.0, 4000.0, 75500.0, 19500.0]
    >>> standard_weights([18, 20, 40], upper=60).tolist()
    [2200.0, 25500.0, 27500.0]
    """
    at = np.asarray(edges, dtype=float)
    require(at.ndim == 1 and at.size > 0, "standard_weights", "the edges are not a list of ages",
            "Give lower age edges such as [0, 18, 65]", "Check the bands of this dimension")
    ends = at if upper is None else np.append(at, float(upper))
    require(np.diff(ends) > 0, "standard_weights", "the edges do not rise", "Each edge is above the one before",
            "Sort the bands, and put `upper` above the last edge")
    require((ends >= 0) & (ends <= OPEN_AGE), "standard_weights", f"an edge lies outside 0 to {OPEN_AGE}",
            f"The standard population has one open band from {OPEN_AGE}", f"End the bands at {OPEN_AGE} or below")
    require(sexes in (1, 2), "standard_weights", f"sexes is {sexes}",
            "It is 1 (one table per sex, or sexes not told apart) or 2 (age by sex)", "Correct the argument")
    below = np.interp(ends, _AGES, _BELOW)
    if upper is None:
        below = np.append(below, float(sum(ESP2013)))
    weights = np.diff(below) / sexes
    return weights / weights.sum() if normalised else weights
