"""The study protocol: period, disclosure rules, and one entry per analysis."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared_code.config.reading import read_yaml, refuse_if_invalid
from shared_code.model import ALL, LAYOUTS, TABLES, band_labels, did_you_mean, few

STEM = r"[a-z][a-z0-9_]*"


class Strict(BaseModel):
    """Refuse keys nobody declared: a misspelt setting must never be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Period(Strict):
    """Half-open interval [start, end)."""

    start: dt.date
    end: dt.date

    @model_validator(mode="after")
    def _ordered(self) -> Period:
        if self.end <= self.start:
            raise ValueError(f"the period ends ({self.end}) before it starts ({self.start})")
        return self


class Policy(Strict):
    """Disclosure rules. A site may be stricter than the study, never looser.

    threshold  counts of 1 to threshold - 1 people are withheld; 1 switches withholding off (tests only)
    rounding   released counts are rounded half up to a multiple of this; 1 = not rounded
    """

    rule_set: Literal["NET10"] = "NET10"
    threshold: int = Field(10, ge=1)
    rounding: int = Field(5, ge=1)

    def stricter(self, site: Policy | None) -> Policy:
        """Take the stricter of the study's and the site's rules, setting by setting."""
        if site is None:
            return self
        return Policy(threshold=max(self.threshold, site.threshold), rounding=max(self.rounding, site.rounding))


class Dimension(Strict):
    """One dimension of a results table; exactly one of values, bands, codelist, months or local.

    values    code -> label
    bands     lower edges, for example ages [0, 18, 65]; `kind` exclusive or nested
    codelist  the items of that parameter's codelist (plus `values`, for unions such as multimorbidity)
    months    first and last month, "YYYY-MM"
    local     the site's own names (localities, wards): never pooled over sites
    total     may also hold "all", where the dimension is not broken out
    """

    label: str = ""
    values: dict[str, str] = {}
    bands: list[int] = []
    kind: Literal["exclusive", "nested"] = "exclusive"
    codelist: str = ""
    months: list[str] = []
    local: bool = False
    total: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Dimension:
        kinds = [bool(self.bands), bool(self.codelist), bool(self.months), self.local]
        if sum(kinds) > 1 or (not any(kinds) and not self.values):
            raise ValueError("give exactly one of values, bands, codelist, months or local")
        if self.bands and any(b <= a for a, b in zip(self.bands, self.bands[1:])):
            raise ValueError(f"bands must rise: {self.bands}")
        return self

    def levels(self, codelist_items: dict[str, str] | None = None) -> dict[str, str] | None:
        """Give the allowed codes and their labels, without the total; None where any text is allowed."""
        if self.local:
            return None
        if self.bands:
            return {label: label for label in band_labels(self.bands, self.kind)}
        if self.months:
            return {m: m for m in months_between(*self.months)}
        return {**(codelist_items or {}), **self.values}


class ResultsTable(Strict):
    """A declared results table: layout, dimensions, and which of the `total` dimensions are broken out together."""

    title: str
    layout: str
    dimensions: dict[str, Dimension]
    sets: list[list[str]] = [[]]
    once: bool = False  # events layout: an event can happen to a person only once (a death)

    @model_validator(mode="after")
    def _consistent(self) -> ResultsTable:
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout {self.layout!r} is not one of {few(LAYOUTS)}{did_you_mean(self.layout, LAYOUTS)}")
        totals = {name for name, d in self.dimensions.items() if d.total}
        for group in self.sets:
            for name in group:
                if name not in totals:
                    raise ValueError(f"sets names {name!r}, which is not a dimension with total: true")
        return self

    @property
    def always(self) -> list[str]:
        """Give the dimensions that every row breaks out."""
        return [name for name, d in self.dimensions.items() if not d.total]


class Step(BaseModel):
    """One thing that pooling computes: a method of the closed list, a results table, and the method's settings."""

    model_config = ConfigDict(extra="allow", frozen=True)
    method: Literal["prevalence", "life_expectancy", "gather", "change"]
    table: str

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Figure(BaseModel):
    """One figure of the report page: a kind of the closed list and its settings."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: Literal["ratios", "gradient", "caterpillar", "trend", "change"]
    caption: str

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Finding(Strict):
    """One sentence of the leaders' summary, and the one result it speaks of.

    text   words with {estimate}, {interval}, {sites} where the numbers go
    where  column of the results table -> value; exactly one pooled result must fit
    """

    text: str
    where: dict[str, str]
    decimals: int = 1


class Analysis(Strict):
    """One question: notebook, results tables and report page share its stem."""

    title: str
    question: str
    needs: list[str] = []
    uses: list[str] = []
    tables_only: bool = False
    parameters: dict[str, Any] = {}
    results: dict[str, ResultsTable]
    pooled: list[Step]
    figures: dict[str, Figure] = {}
    findings: list[Finding] = []

    @model_validator(mode="after")
    def _known(self) -> Analysis:
        for name in [*self.needs, *self.uses]:
            if name not in TABLES:
                raise ValueError(f"{name!r} is not a table of the data model{did_you_mean(name, TABLES)}")
        for step in self.pooled:
            if step.table not in self.results:
                raise ValueError(f"pooled names table {step.table!r}, which results does not declare")
        return self

    def items(self, dimension: Dimension, codelists: Any) -> dict[str, str] | None:
        """Give the levels of a dimension of this analysis, reading its codelist where it has one."""
        if not dimension.codelist:
            return dimension.levels()
        return dimension.levels(codelists.load(self.parameters[dimension.codelist]).titles)


class Study(Strict):
    """A whole protocol. `study` names its rooms; `digest` (config.digests) identifies its content."""

    study: str = Field(pattern=f"^{STEM}$")
    title: str
    summary: str
    coordinator: str
    index_date: dt.date
    period: Period
    disclosure: Policy
    fewest_sites: int = Field(2, ge=1)
    analyses: dict[str, Analysis]

    @classmethod
    def read(cls, path: Path | str) -> Study:
        """Read a protocol file; every problem in it is reported at once (raises model.Refused)."""
        return refuse_if_invalid(cls, read_yaml(Path(path)), Path(path))

    def analysis(self, stem: str) -> Analysis:
        if stem not in self.analyses:
            raise KeyError(f"{stem!r} is not an analysis of study {self.study}{did_you_mean(stem, self.analyses)}")
        return self.analyses[stem]


def months_between(first: str, last: str) -> list[str]:
    """List the months from first to last.

    >>> months_between("2019-11", "2020-02")
    ['2019-11', '2019-12', '2020-01', '2020-02']
    """
    year, month = (int(p) for p in first.split("-"))
    months = []
    while f"{year:04d}-{month:02d}" <= last:
        months.append(f"{year:04d}-{month:02d}")
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return months


__all__ = ["ALL", "Analysis", "Dimension", "Figure", "Policy", "ResultsTable", "Step", "Study", "months_between"]
