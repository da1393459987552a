"""The row of the layout `moments`: what the sums of one value a person let out, and what its disclosure rules must see."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def moments_of(values: ArrayLike) -> dict[str, Any]:
    """Give number, sum, sum of squares, and the two largest of the values of people; nobody gives zeros.

    values  shape (people,), not negative     sum_products is missing: it needs a second value

    >>> {name: float(value) for name, value in moments_of([1, 4, 2]).items() if name != "sum_products"}
    {'people': 3.0, 'sum': 7.0, 'sum_squares': 21.0, 'largest': 4.0, 'second_largest': 2.0}
    """
    falling = np.sort(np.asarray(values, dtype=float))[::-1]
    return {"people": len(falling), "sum": falling.sum(), "sum_squares": np.square(falling).sum(), "sum_products": np.nan,
            "largest": falling[:1].sum(), "second_largest": falling[1:2].sum()}  # fmt: skip
