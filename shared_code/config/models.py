"""Models: regressions that are fitted over the sites together, declared in the study entry of an analysis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from shared_code.config.strict import STEM, Fault, Strict, mapping, unknown
from shared_code.model import band_labels

INTERCEPT = "intercept"
TABLE_COLUMNS = ("outcome", "exposure", "clusters", "person")  # of a model table, besides its terms


class Number(Strict):
    """A term that enters as a number: (value - centre) / scale, and how far it lies above each knot.

    The constants are the same at every site, so they are declared, never computed there.
    """

    centre: float = 0.0
    scale: float = Field(1.0, gt=0)
    knots: list[float] = []


class Term(Strict):
    """One term of a model; exactly one of values, bands or number.

    values     code -> label; the same list at every site, so that a level nobody has there is a column of zeros
    bands      lower edges, as in a results table
    number     the value itself, centred and scaled
    reference  the level that the others are compared with (the first one)
    """

    label: str = ""
    values: dict[str, str] = {}
    bands: list[int] = []
    number: Number | None = None
    reference: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Term:
        if sum([bool(self.values), bool(self.bands), self.number is not None]) != 1:
            raise ValueError("give exactly one of values, bands or number")
        if self.bands and any(b <= a for a, b in zip(self.bands, self.bands[1:])):
            raise ValueError(f"bands must rise: {self.bands}")
        if self.reference and self.reference not in self.levels:
            raise ValueError(f"the reference {self.reference!r} is not one of its levels: {', '.join(self.levels)}")
        if self.number is None and len(self.levels) < 2:
            raise ValueError("a term needs two levels or more")
        return self

    @property
    def levels(self) -> dict[str, str]:
        """Give codes and labels of its levels, the reference first; none where it is a number."""
        named = {label: label for label in band_labels(self.bands)} if self.bands else self.values
        first = self.reference or next(iter(named), "")
        return {**({first: named[first]} if first in named else {}), **named}


class Model(Strict):
    """One regression. Every site computes the same columns in the same order; only sums leave.

    family    linear, logistic, poisson, modified_poisson (risk ratios; robust variance) or negative_binomial
    exposure  whether the model table has person-time in a column `exposure`; its logarithm is the offset
    baseline  a term (bands of time) of which every site has its own rates, for survival as person-time; no intercept then
    site_intercepts  every site has its own intercept; without them differences between sites go into the coefficients
    ridge     penalty on coefficients that are no intercepts, as on the columns stand (numbers are scaled)
    robust    variance from people, or from clusters (whole numbers in the column `clusters`), instead of the model's
    rounds    most rounds a site answers
    """

    title: str
    family: Literal["linear", "logistic", "poisson", "modified_poisson", "negative_binomial"]
    terms: dict[str, Term]
    exposure: bool = False
    baseline: str = ""
    site_intercepts: bool = True
    ridge: float = Field(0.0, ge=0)
    robust: Literal["", "people", "clusters"] = ""
    rounds: int = Field(12, ge=2, le=12)

    @classmethod
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find terms that cannot be named so, and a baseline that is no term."""
        terms = mapping(content, "terms")
        for name in terms:
            if not re.fullmatch(STEM, str(name)) or name in (INTERCEPT, *TABLE_COLUMNS):
                yield Fault(("terms", str(name)), f"a term cannot be named {name!r}", "small letters, digits and _")
        yield from unknown(("baseline",), [content["baseline"]] if content.get("baseline") else [], terms, "a term")

    @model_validator(mode="after")
    def _fits(self) -> Model:
        if not self.terms:
            raise ValueError("a model needs at least one term")
        if self.exposure and self.family in ("linear", "logistic"):
            raise ValueError(f"a {self.family} model knows no exposure")
        if self.family == "modified_poisson" and not self.robust:
            raise ValueError("modified_poisson needs robust: people or clusters, its own variance is wrong")
        if self.baseline and (self.family != "poisson" or self.terms[self.baseline].number is not None):
            raise ValueError("a baseline is a term with levels in a poisson model")
        return self

    @property
    def columns(self) -> list[str]:
        """Name the columns of the design, in order: the intercept, then each level but the reference, or the number."""
        names = [] if self.baseline else [INTERCEPT]
        for term, spec in self.terms.items():
            if spec.number is not None:
                names += [term, *[f"{term} above {knot:g}" for knot in spec.number.knots]]
            else:
                levels = list(spec.levels) if term == self.baseline else list(spec.levels)[1:]
                names += [f"{term}={level}" for level in levels]
        return names

    @property
    def own(self) -> list[str]:
        """Name the columns of which every site has its own coefficient."""
        if self.baseline:
            return [f"{self.baseline}={level}" for level in self.terms[self.baseline].levels]
        return [INTERCEPT] if self.site_intercepts else []

    @property
    def zero_or_one(self) -> list[str]:
        """Name the columns that are 0 or 1 for everyone, the intercept left out."""
        return [name for name in self.columns if "=" in name]
