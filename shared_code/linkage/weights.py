"""Match weights in bits, and the parameters published in the methods specification, section 12.5.

weight = log2(m/u) where a field agrees, log2((1-m)/(1-u)) where it disagrees, 0 where it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from typing import Any

import numpy as np

M = {"nhs_number": 0.98, "date_of_birth": 0.97, "surname": 0.93, "forename": 0.90, "postcode": 0.80, "sex": 0.995}
U = {"nhs_number": 1e-7, "date_of_birth": 1 / 30_000, "surname": 0.003, "forename": 0.008, "postcode": 2e-5, "sex": 0.5}
PRIOR = 1 / 20_000  # share of matching pairs among all pairs in the published example


def prior_weight(share: float) -> float:
    """Turn the share of matching pairs into bits.

    >>> round(prior_weight(1 / 20_000), 3)
    -14.288
    """
    return log2(share / (1 - share))


def field_weight(agrees: bool | None, m: float, u: float) -> float:
    """Give the bits of one field; None: missing, which says nothing.

    >>> [round(field_weight(a, 0.93, 0.003), 3) for a in (True, False, None)]
    [8.276, -3.832, 0.0]
    """
    if agrees is None:
        return 0.0
    return log2(m / u) if agrees else log2((1 - m) / (1 - u))


def pair_weight(agreement: Mapping[str, bool | None], share: float = PRIOR) -> float:
    """Add up prior and fields with the published parameters; fields not named are missing."""
    return prior_weight(share) + sum(field_weight(agreement.get(name), M[name], U[name]) for name in M)


def posterior(weight: Any) -> Any:
    """Turn bits into the probability of a match: 1 / (1 + 2^-weight).

    >>> round(float(posterior(14.302)), 5)
    0.99995
    """
    return 1 / (1 + np.exp2(-np.asarray(weight, dtype=float)))
