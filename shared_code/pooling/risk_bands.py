"""What bands of predicted risk say: predicted beside observed risk, and what is found among the few at the highest risk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from shared_code import methods

PREDICTED, OBSERVED, IN_BAND = "predicted in the band", "observed in the band", "people in the band"
FLAGGED, SENSITIVITY, PPV = "flagged", "sensitivity", "admitted of those flagged"
AT_RANDOM = "a band is divided as if its people were taken at random"


def by_band(base: dict[str, Any], labels: Sequence[str], edges: Sequence[float], n: np.ndarray, p: np.ndarray, y: np.ndarray
            ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give, band by band of predicted risk, the mean predicted risk, the share with the outcome (Wilson), and how many are in it.

    labels, edges: names and lower edges of the bands, lowest first. n, p, y: people, sum of risks and cases of each, shape
    (bands,). All in per cent. Sums and people are rounded for release; a mean that would lie outside its band is put at its end.
    """
    for label, low, high, people, total, cases in zip(labels, edges, [*edges[1:], 100], n, p, y, strict=True):
        row = base | {"stratum": f"band={label}", "scale": "%", "people": float(people), "events": float(cases)}
        yield row | {"measure": IN_BAND, "estimate": 100 * float(people / n.sum())}
        if people > 0:
            yield row | {"measure": PREDICTED, "estimate": float(np.clip(100 * total / people, low, high))}
            yield row | {"measure": OBSERVED} | _share(cases, people)


def at_capacity(base: dict[str, Any], n: np.ndarray, y: np.ndarray, capacity: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Give what is found where only some per cent of the people, those at the highest risk, can be offered something.

    n, y: people and cases by band, lowest first, shape (bands,). capacity: per cent of all people.
    Between the edges of the bands, people of a band count as if taken at random (a straight line between two points of the
    capacity curve). The prediction ranks people inside a band too, so that in truth at least as many are found on average.
    """
    flagged, found = (np.concatenate([[0.0], np.cumsum(side[::-1])]) for side in (n, y))
    for most in capacity:
        people = most / 100 * n.sum()
        cases = float(np.interp(people, flagged, found))
        row = base | {"stratum": f"capacity={most:g}", "people": float(people), "events": cases, "scale": "%",
                      "method": f"{base['method']}; {AT_RANDOM}"}  # fmt: skip
        if people > 0 and y.sum() > 0:
            yield row | {"measure": SENSITIVITY} | _share(cases, float(y.sum()))
            yield row | {"measure": PPV} | _share(cases, float(people))


def _share(part: float, of: float) -> dict[str, Any]:
    limits = methods.wilson(min(part, of), of)
    return {"estimate": 100 * float(limits.estimate), "lower": 100 * float(limits.lower), "upper": 100 * float(limits.upper)}
