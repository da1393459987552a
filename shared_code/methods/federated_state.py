"""The state of a federated fit: what is fitted, what is asked, and where the iteration stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared_code.methods.federated_algebra import Key
from shared_code.methods.glm import Step

TOO_FAR = "at these coefficients"  # an answer that begins so asks for a smaller step, not to be left out
ITERATE, SPREAD, DONE, STOPPED = "iterate", "spread", "done", "stopped"


@dataclass(frozen=True)
class Specification:
    """Say which model is fitted.

    family   linear, logistic, poisson, modified_poisson or negative_binomial
    terms    names of the columns, the intercept among them, in the same order at every site
    own      terms of which every site has its own coefficient (the intercept; the baseline of each period)
    binary   terms that are 0 or 1 for everyone
    offset   whether the sites add an offset of their own
    ridge    penalty: half of ridge times the sum of squared coefficients that are no site's own and no intercept
    robust   "" (from the model), "people", or "clusters"
    rounds   most rounds asked, the one for the robust variance included
    fewest   fewer sites than this end the fit
    """

    family: str
    terms: tuple[str, ...]
    own: frozenset[str] = frozenset()
    binary: frozenset[str] = frozenset()
    offset: bool = False
    ridge: float = 0.0
    robust: str = ""
    rounds: int = 12
    fewest: int = 1

    @property
    def with_dispersion(self) -> bool:
        """Tell whether the last parameter is the log of the negative binomial's alpha."""
        return self.family == "negative_binomial"


@dataclass(frozen=True)
class Question:
    """Hold what one site is asked: its coefficients in the order of the terms, and whether to give the spread."""

    round: int
    beta: tuple[float, ...]
    log_dispersion: float | None
    spread: bool


@dataclass(frozen=True)
class State:
    """Hold where a fit stands. `point` are the coefficients that the current round asks about."""

    sites: tuple[str, ...]
    point: dict[Key, float]
    round: int = 0
    phase: str = ITERATE
    words: str = ""
    best: dict[Key, float] = field(default_factory=dict)
    best_loglik: dict[str, float] = field(default_factory=dict)
    steps: tuple[dict[Key, float], ...] = ()
    fixed: dict[Key, tuple[float, str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    looked_at: tuple[str, ...] = ()
    history: tuple[dict[str, Any], ...] = ()
    answers: dict[str, Step] = field(default_factory=dict)
