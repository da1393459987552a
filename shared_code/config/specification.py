"""The plan of an analysis before it is run: what the entry says in words, and what follows from the rest of it.

The words stand under `plan:` of an entry; everything else (codelists with versions, bands, tables, methods) is read off the
entry itself, so that the page partners sign cannot say something else than what is run.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import Field

from shared_code.config.strict import Strict


class Deviation(Strict):
    """One departure from a plan, recorded when it was decided: when, what, why, and what it may change."""

    date: dt.date
    what: str = Field(min_length=5)
    why: str = Field(min_length=5)
    effect: str = Field(min_length=5)


class Specification(Strict):
    """What a plan says in words and numbers.

    rationale, design, population   a sentence each       outcomes, exposures   name -> definition
    look_backs   name -> days before a day (the index date, or the day the name says)
    covariates   what is adjusted for
    seeds        step -> seed, where chance is used       missing      what happens to missing values
    limitations  what it cannot say                       impact       who will use it, for what
    """

    rationale: str = Field(min_length=10)
    design: str = Field(min_length=5)
    population: str = Field(min_length=5)
    outcomes: dict[str, str] = Field(min_length=1)
    exposures: dict[str, str] = {}
    look_backs: dict[str, int] = {}
    covariates: list[str] = []
    seeds: dict[str, int] = {}
    missing: str = Field(min_length=5)
    limitations: list[str] = Field(min_length=1)
    impact: str = Field(min_length=5)

    @property
    def numbers(self) -> dict[str, Any]:
        """Give what changes a number: it is part of the plan digest; the words are not."""
        found = {"look_backs": self.look_backs, "covariates": self.covariates, "seeds": self.seeds}
        return {name: value for name, value in found.items() if value}
