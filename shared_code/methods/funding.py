"""Sharing out a sum of money over places by stated principles: by heads, by need, with a floor, at a pace, to the pound."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from shared_code.methods.checks import Floats, plain, require, require_not_negative

MOST_YEARS = 50  # that are looked ahead for a place to reach its target
NEAR = 0.05  # distance from target within which a place counts as having reached it


class Paced(NamedTuple):
    """Hold amounts that moved towards their targets within bounds, and the scale of the targets that makes them add up."""

    amounts: Floats
    scale: float


def allocate(total: float, people: ArrayLike, in_need: ArrayLike, blend: ArrayLike = 0.0) -> Floats:
    """Share a sum out: part by people, part by people in need.

    total: pounds. people, in_need: shape (places,). blend: weight of need, 0 (by heads) to 1 (by need); shape (...).
    Result: pounds, shape (..., places): F [(1 - w) N_i / N + w C_i / C]. Each row adds up to the total before rounding.
    Method: METHODS 9, models 1 to 3. Raises ValueError for negative numbers, more people in need than people, nobody
    in need anywhere, or a weight outside 0 to 1.

    >>> allocate(1000, [600, 400], [30, 70], [0, 0.5, 1])
    array([[600., 400.],
           [450., 550.],
           [300., 700.]])
    """
    n, c = _places("allocate", people, in_need)
    require(np.isfinite(total) and total >= 0, "allocate", f"the sum is {total}", "0 or more pounds", "Correct the sum")
    w = np.asarray(blend, dtype=float)[..., None]
    require((w >= 0) & (w <= 1), "allocate", "a weight lies outside 0 to 1", "0 by heads, 1 by need", "Correct the weight")
    return total * ((1 - w) * n / n.sum() + w * c / c.sum())


def weight_of_blend(blend: ArrayLike, people: ArrayLike, in_need: ArrayLike) -> Any:
    """Turn a blend into the weight of a person in need: L = 1 + w N / ((1 - w) C), infinite at w = 1.

    Weighted capitation and the blend are one family: w = (L - 1) C / ((L - 1) C + N) (METHODS 9).

    >>> weight_of_blend([0, 1 / 6, 1], [600, 400], [30, 70]).round(6)
    array([ 1.,  3., inf])
    """
    n, c = _places("weight_of_blend", people, in_need)
    w = np.asarray(blend, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return plain(np.where(w == 1, np.inf, 1 + w * n.sum() / ((1 - w) * c.sum())))


def implied_blend(share: float, share_of_people: float, share_of_need: float) -> float:
    """Say which weight of need an announced split stands for: w = (s - s_N) / (s_C - s_N).

    share: share of the money that one group of places gets; share_of_people, share_of_need: its shares of people and of
    people in need. Below 0 the split gives it less than its heads, above 1 more than its need: no mix of the two does.
    Raises ValueError where the two shares are equal (every weight gives the same split) or a share lies outside 0 to 1.

    >>> round(implied_blend(1.0 / 1.8, 0.22771403, 0.61467890), 4)
    0.8472
    """
    shares = np.array([share, share_of_people, share_of_need], dtype=float)
    require((shares >= 0) & (shares <= 1), "implied_blend", "a share lies outside 0 to 1", "Shares of a whole", "Divide first")
    require(abs(share_of_need - share_of_people) > 1e-12, "implied_blend", "the shares of people and of need are equal",
            "Two different shares", "Every weight gives this split: there is no principle to find")  # fmt: skip
    return float((share - share_of_people) / (share_of_need - share_of_people))


def with_floor(amounts: ArrayLike, least: float) -> Floats:
    """Raise every place to a least amount; the others give in proportion, again and again until none is below.

    Shape (places,); the sum stays. A floor undoes weighting by need without saying so: show both.
    Raises ValueError where the sum is too small for the floor.

    >>> with_floor([10, 40, 50], 20)
    array([20.        , 35.55555556, 44.44444444])
    """
    a = np.asarray(amounts, dtype=float)
    require_not_negative("with_floor", amounts=a, least=np.asarray(least, float))
    require(least * a.size <= a.sum() * (1 + 1e-12), "with_floor", f"{a.size} places at {least:g} need more than {a.sum():g}",
            "A floor that the sum can pay", "Lower the floor")  # fmt: skip
    fixed = np.zeros(a.shape, dtype=bool)
    while True:
        rest = a[~fixed].sum()
        scale = (a.sum() - least * fixed.sum()) / rest if rest > 0 else 0.0
        found = np.where(fixed, least, a * scale)
        below = ~fixed & (found < least * (1 - 1e-12))
        if not below.any():
            return found
        fixed |= below


def pace_of_change(target: ArrayLike, base: ArrayLike, lowest: float, highest: float, total: float) -> Paced:
    """Move every place towards its target, but no faster than bounds of growth allow, and spend the sum exactly.

    target, base: pounds, shape (places,): what the model gives, and last year's. lowest, highest: bounds of growth, such
    as 0 and 0.15. Finds the scale s with sum of clip(s A_i, B_i (1 + lowest), B_i (1 + highest)) = total, exactly,
    between the kinks of this line. Method: METHODS 9, model 7. Raises ValueError where the bounds cannot spend the sum.

    >>> paced = pace_of_change([30, 70], [60, 40], 0.0, 0.5, 110)
    >>> paced.amounts.round(6), round(paced.scale, 6)
    (array([60., 50.]), 0.714286)
    """
    where = "pace_of_change"
    a, b = np.asarray(target, dtype=float), np.asarray(base, dtype=float)
    require(a.shape == b.shape and a.ndim == 1, where, f"shapes {a.shape} and {b.shape}", "One number per place in both",
            "Give both for the same places")  # fmt: skip
    require_not_negative(where, target=a, base=b)
    require(-1 <= lowest <= highest, where, f"growth from {lowest} to {highest}", "From -1, the lower bound first", "Turn them")
    low, high = b * (1 + lowest), b * (1 + highest)
    reachable = (low.sum(), np.where(a > 0, high, low).sum())
    close = 1e-9 * max(total, 1.0)
    require(reachable[0] - close <= total <= reachable[1] + close, where,
            f"growth of {100 * lowest:g} to {100 * highest:g} % spends {reachable[0]:,.2f} to {reachable[1]:,.2f}, "
            f"and {total:,.2f} is to be spent", "Bounds around the sum", "Widen the bounds, or change the sum")  # fmt: skip
    some = a > 0
    kinks = np.unique(np.concatenate([[0.0], low[some] / a[some], high[some] / a[some]]))
    spent = np.array([np.clip(s * a, low, high).sum() for s in kinks])
    at = int(np.clip(np.searchsorted(spent, total), 1, len(kinks) - 1)) if len(kinks) > 1 else 0
    if at == 0:
        scale = float(kinks[0])
    else:
        rise = spent[at] - spent[at - 1]
        share = np.clip((total - spent[at - 1]) / rise, 0, 1) if rise > 0 else 1.0
        scale = float(kinks[at - 1] + share * (kinks[at] - kinks[at - 1]))
    return Paced(np.clip(scale * a, low, high), scale)


def distance_from_target(amounts: ArrayLike, target: ArrayLike) -> Any:
    """Give the distance from target, amount / target - 1 (0.05: five per cent above); nan where the target is 0.

    >>> distance_from_target([105, 90], [100, 100]).round(6)
    array([ 0.05, -0.1 ])
    """
    a, t = np.asarray(amounts, dtype=float), np.asarray(target, dtype=float)
    return plain(np.divide(a, t, out=np.full(np.broadcast(a, t).shape, np.nan), where=t > 0) - 1)


def years_to_target(target: ArrayLike, base: ArrayLike, lowest: float, highest: float, growth: float = 0.0, most: int = MOST_YEARS
                    ) -> Floats:  # fmt: skip
    """Count the years until every place stays within 5 % of its target, if the sum grows steadily and the bounds stay.

    growth: yearly growth of the sum that is shared out (last year's sum is that of `base`). Result: years, shape
    (places,); nan where `most` years do not suffice. Raises ValueError where the bounds cannot spend a year's sum.

    >>> years_to_target([50, 50], [70, 30], -0.1, 0.2)
    array([3., 3.])
    """
    t, held = np.asarray(target, dtype=float), np.asarray(base, dtype=float)
    share, total = t / t.sum(), held.sum()
    far = np.abs(distance_from_target(held, share * total)) > NEAR
    arrived = np.where(far, np.nan, 0.0)
    for year in range(1, most + 1):
        if not np.isnan(arrived).any():
            break
        total *= 1 + growth
        held = pace_of_change(share * total, held, lowest, highest, total).amounts
        near = np.abs(distance_from_target(held, share * total)) <= NEAR
        arrived = np.where(near & np.isnan(arrived), year, np.where(near, arrived, np.nan))
    return arrived


def whole_pounds(amounts: ArrayLike) -> Any:
    """Round amounts to whole pounds so that they add up to their sum exactly: the largest remainders get the odd pounds.

    Shape (places,), whole numbers; equal remainders: the first place first. Rounding each by itself loses or makes pounds.
    Raises ValueError where the sum is not a whole number of pounds.

    >>> whole_pounds([33.4, 33.3, 33.3])
    array([34, 33, 33])
    """
    a = np.asarray(amounts, dtype=float)
    require_not_negative("whole_pounds", amounts=a)
    total = round(float(a.sum()))
    require(abs(a.sum() - total) < 1e-6 * max(1.0, total), "whole_pounds", f"the amounts add up to {a.sum():.4f}",
            "A whole number of pounds", "Share out a whole number of pounds")  # fmt: skip
    down = np.floor(a + 1e-9).astype(np.int64)
    odd = total - int(down.sum())
    order = np.argsort(-(a - down).round(9), kind="stable")
    down[order[:odd]] += 1
    return down


def _places(where: str, people: ArrayLike, in_need: ArrayLike) -> tuple[Floats, Floats]:
    n, c = np.asarray(people, dtype=float), np.asarray(in_need, dtype=float)
    require(n.shape == c.shape and n.ndim == 1 and n.size > 0, where, f"shapes {n.shape} and {c.shape}",
            "One number per place in both", "Give both for the same places")  # fmt: skip
    require(np.isfinite(n) & np.isfinite(c), where, "a number is withheld", "Every place has both", "Leave the place out")
    require_not_negative(where, people=n, in_need=c)
    require(c <= n, where, "more people in need than people", "People in need are among the people", "Swap the two")
    require(c.sum() > 0 and n.sum() > 0, where, "nobody is in need anywhere", "Somebody somewhere", "Share out by heads")
    return n, c
