"""Checks of inputs and small numerical helpers that every method uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

Floats = NDArray[np.float64]


class ConvergenceError(RuntimeError):
    """An iteration that did not reach its answer; `reason` says why, `cells` where.

    >>> ConvergenceError("the likelihood is flat", cells=((0, 3),)).cells
    ((0, 3),)
    """

    def __init__(self, reason: str, cells: Sequence[tuple[int, ...]] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cells = tuple(cells)


def require(ok: ArrayLike, where: str, wrong: str, allowed: str, remedy: str) -> None:
    """Stop unless every element is true, naming the first position that is not.

    Raises ValueError in the form *where: what is wrong. what is allowed. what to do*.

    >>> require([True, False], "wilson", "cases exceed people", "Cases lie between 0 and people", "Check the join")
    Traceback (most recent call last):
    ...
    ValueError: wilson: cases exceed people at position 1. Cases lie between 0 and people. Check the join.
    """
    good = np.asarray(ok, dtype=bool)
    if good.all():
        return
    place = ""
    if good.ndim:
        first = tuple(int(i) for i in np.argwhere(~good)[0])
        place = f" at position {first[0] if len(first) == 1 else first}"
    raise ValueError(f"{where}: {wrong}{place}. {allowed}. {remedy}.")


def require_not_negative(where: str, **values: Floats) -> None:
    """Stop on a value below zero in any named array; nan (withheld) passes.

    >>> require_not_negative("wilson", cases=np.array([3.0, np.nan]))
    """
    for name, value in values.items():
        require(~(value < 0), where, f"{name} is below zero", "Counts and person-time are 0 or more",
                "Check the sign of this column")


def normal_quantile(confidence: float) -> float:
    """Give the two-sided normal quantile z of a confidence level (0.95 gives 1.959964, not 1.96).

    `scipy.special.ndtri` is what `scipy.stats.norm.ppf` calls; importing it alone keeps a notebook quick to start.

    >>> round(normal_quantile(0.95), 6)
    1.959964
    """
    return float(ndtri(_upper_probability(confidence)))


def student_quantile(confidence: float, df: float) -> float:
    """Give the two-sided Student quantile t of a confidence level.

    >>> round(student_quantile(0.95, 2), 6)
    4.302653
    """
    return float(stdtrit(df, _upper_probability(confidence)))


def _upper_probability(confidence: float) -> float:
    require(0 < confidence < 1, "confidence", f"{confidence} is not a confidence level",
            "It is a number between 0 and 1", "Write 0.95 for 95 %")
    return 0.5 + confidence / 2


def plain(value: Any) -> Any:
    """Turn a zero-dimensional array into a scalar and leave other arrays alone.

    >>> plain(np.array(2.5)) + 1
    np.float64(3.5)
    """
    return np.asarray(value)[()]


def reasons(shape: tuple[int, ...], *rules: tuple[ArrayLike, str]) -> Any:
    """Say why each result is not given: the first rule that holds, or an empty text.

    `shape`: shape of the answer; each rule is (condition that broadcasts to it, text).

    >>> reasons((2,), ([True, False], "fewer than 10 events"))
    array(['fewer than 10 events', ''], dtype='<U20')
    """
    conditions = [np.broadcast_to(np.asarray(condition, dtype=bool), shape) for condition, _ in rules]
    return plain(np.select(conditions, [text for _, text in rules], default=""))
