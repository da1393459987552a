"""What must be known before one relies on an average: whether its interval holds what it promises, and whether sites agree.

How often each interval holds the truth was simulated (benchmarks/coverage.md); where 95 % is not reached, or is overshot,
the result says so in its column `caution`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from shared_code.methods import common_effect
from shared_code.methods.checks import normal_quantile

AVERAGE, COMMON, ELSEWHERE = "average", "common effect", "prediction"  # what an interval is about
HELD = (44, 65)  # per cent of studies in which these held it, 2 to 40 different sites (benchmarks/coverage.json; tested)
FEW_SITES = 10  # below it a prediction interval can hold too few or too many of other sites
WIDE_SITES = 5  # up to it limits by Hartung and Knapp with the floor hold the truth more often than they need
LEVEL = 0.05  # of the test whether sites differ
ALIKE, DIFFER, CONTRADICT = "alike", "differ", "contradict each other"


def caution(kind: str, sites: int, q: float = float("nan"), few: int = 0, fewest: int = 10) -> str:
    """Say where the interval of an average does not hold what 95 % promises; empty where it does.

    kind   AVERAGE (random effects), COMMON (one effect, inverse variance or added likelihoods) or ELSEWHERE (prediction)
    sites  number of sites     q  Cochran's Q     few  sites that rest on fewer than `fewest` people with the event

    >>> caution(AVERAGE, 3)
    'with 3 sites the limits are wider than 95 % asks for, and how much sites differ is hardly known'
    >>> caution(AVERAGE, 40)
    ''
    """
    said = []
    if few:
        said.append(f"{few} of {sites} sites have fewer than {fewest} events, so that estimates are not normal: use profiles")
    if kind == COMMON and sites >= 2 and p_of_q(q, sites) < LEVEL:
        said.append("sites differ by more than chance, and then limits that suppose one effect hold the truth far too seldom "
                    f"(in {HELD[0]} to {HELD[1]} % of studies)")  # fmt: skip
    if kind == AVERAGE and 3 <= sites <= WIDE_SITES:
        said.append(f"with {sites} sites the limits are wider than 95 % asks for, and how much sites differ is hardly known")
    if kind == AVERAGE and sites == 2:
        said.append("two sites: this supposes that they share one effect, and says nothing of how much sites differ")
    if kind == ELSEWHERE and 3 <= sites < FEW_SITES:
        said.append(f"with fewer than {FEW_SITES} sites the prediction interval is rough")
    return "; ".join(said)


def p_of_q(q: float, sites: int) -> float:
    """Give the chance of so large a Q if all sites shared one effect.

    >>> round(p_of_q(13.2, 2), 5)
    0.00028
    """
    return float(chdtrc(sites - 1, q)) if sites >= 2 and np.isfinite(q) else float("nan")


@dataclass(frozen=True)
class Agreement:
    """Hold whether sites agree: verdict (alike, differ, contradict each other), Q, its p, and which sites contradict."""

    verdict: str
    q: float
    p: float
    pair: tuple[str, str] = ("", "")

    @property
    def words(self) -> str:
        """Say it in one clause."""
        if not self.verdict:
            return ""
        chance = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}" if self.p < 0.1 else f"p = {self.p:.2f}"
        said = {ALIKE: "do not differ beyond chance", DIFFER: "differ by more than chance"}.get(self.verdict, self.verdict)
        return f"the sites {said} (Q {self.q:.1f}, {chance})"


def agreement(names: Sequence[str], estimates: np.ndarray, variances: np.ndarray) -> Agreement:
    """Say whether the effects of sites agree, on the scale of the analysis, where 0 is no effect.

    They contradict each other where they differ by more than chance (Q) and two of them, on different sides of no effect,
    differ by more than the 95 % limits of their difference. Source: Cochran 1954 (Q); METHODS 10.2.

    >>> found = agreement(["a", "b"], np.array([0.31, -1.10]), np.array([0.2274, 0.315]) ** 2)
    >>> found.verdict, round(found.q, 2), found.pair
    ('contradict each other', 13.17, ('b', 'a'))
    """
    k = len(names)
    if k < 2:
        return Agreement("", float("nan"), float("nan"))
    mean = common_effect(estimates, variances).estimate
    q = float(np.sum((estimates - mean) ** 2 / variances))
    p = p_of_q(q, k)
    if not p < LEVEL:
        return Agreement(ALIKE, q, p)
    apart = (estimates[None, :] - estimates[:, None]) / np.sqrt(variances[None, :] + variances[:, None])
    opposite = (estimates[:, None] < 0) & (estimates[None, :] > 0)
    apart = np.where(opposite, apart, -np.inf)
    low, high = np.unravel_index(int(np.argmax(apart)), apart.shape)
    if apart[low, high] > normal_quantile(0.95):
        return Agreement(CONTRADICT, q, p, (names[int(low)], names[int(high)]))
    return Agreement(DIFFER, q, p)
