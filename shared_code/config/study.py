"""The study protocol: period, disclosure rules, and one entry per analysis."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared_code.config.reading import read_yaml, refuse_if_invalid
from shared_code.config.steps import step_faults
from shared_code.config.strict import STEM, Fault, Strict, mapping, sequence, unknown
from shared_code.model import ALL, CELL_COLUMNS, LAYOUTS, TABLES, Problem, Refused, band_labels, did_you_mean, few
from shared_code.model.layouts import point_labels

MONTH = r"[0-9]{4}-(0[1-9]|1[0-2])"
RESERVED = {"site", *CELL_COLUMNS, *(name for layout in LAYOUTS.values() for name in layout.columns)}


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

    @model_validator(mode="after")
    def _protects(self) -> Policy:
        if self.threshold == 2:
            raise ValueError("a threshold of 2 withholds only the count 1, and so tells it; take 3 or more")
        return self

    def stricter(self, site: Policy | None) -> Policy:
        """Take the stricter of the study's and the site's rules, setting by setting; what a site leaves out is the study's."""
        given = site.model_dump(include=site.model_fields_set & {"threshold", "rounding"}) if site else {}
        return self.model_copy(update={name: max(getattr(self, name), value) for name, value in given.items()})

    @property
    def smallest_shown(self) -> int:
        """Give the smallest count of people that may be shown: it is, and is rounded to, the threshold or more.

        >>> Policy(threshold=10, rounding=5).smallest_shown, Policy(threshold=12, rounding=5).smallest_shown
        (10, 13)
        """
        if self.threshold == 1:
            return 1
        multiple = -(-self.threshold // self.rounding) * self.rounding
        return max(self.threshold, multiple - self.rounding // 2)


class Dimension(Strict):
    """One dimension of a results table; exactly one of values, bands, codelist, months, points or local.

    values    code -> label
    bands     lower edges, for example ages [0, 18, 65]; `kind` exclusive or nested
    codelist  the items of that parameter's codelist (plus `values`, for unions such as multimorbidity)
    months    first and last month, "YYYY-MM"
    points    lowest, highest and how many numbers at equal distances, such as the log ratios of a profile
    local     the site's own names (localities, wards): never pooled over sites
    total     may also hold "all", where the dimension is not broken out
    """

    label: str = ""
    values: dict[str, str] = {}
    bands: list[int] = []
    kind: Literal["exclusive", "nested"] = "exclusive"
    codelist: str = ""
    months: list[str] = []
    points: list[float] = []
    local: bool = False
    total: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Dimension:
        kinds = [bool(self.bands), bool(self.codelist), bool(self.months), bool(self.points), self.local]
        if sum(kinds) > 1 or (not any(kinds) and not self.values) or (self.values and not self.codelist and any(kinds)):
            raise ValueError("give exactly one of values, bands, codelist, months, points or local")
        if self.points and (len(self.points) != 3 or self.points[2] not in range(2, 65) or self.points[1] <= self.points[0]):
            raise ValueError(f"points are the lowest, the highest, and how many (2 to 64): {self.points}")
        if ALL in self.values:
            raise ValueError(f"{ALL!r} cannot be a value: it stands for the total")
        if self.months and (len(self.months) != 2 or not all(re.fullmatch(MONTH, m) for m in self.months)
                            or self.months[0] > self.months[1]):  # fmt: skip
            raise ValueError(f"months are the first and the last one, as YYYY-MM: {self.months}")
        if self.kind == "nested" and not self.bands:
            raise ValueError("only bands can be nested")
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
        if self.points:
            return {label: label for label in point_labels(self.points[0], self.points[1], int(self.points[2]))}
        return {**(codelist_items or {}), **self.values}


class ResultsTable(Strict):
    """A declared results table: layout, dimensions, and which of the `total` dimensions are broken out together."""

    title: str
    layout: str
    dimensions: dict[str, Dimension]
    sets: list[list[str]] = [[]]
    once: bool = False  # events layout: an event can happen to a person only once (a death)

    @classmethod
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find an unknown layout, names that dimensions cannot have, and sets of dimensions that have no total."""
        yield from unknown(("layout",), [content["layout"]] if "layout" in content else [], LAYOUTS, "a layout")
        dimensions = mapping(content, "dimensions")
        for name in dimensions:
            if not re.fullmatch(STEM, str(name)) or name in RESERVED:
                wrong = f"a dimension cannot be named {name!r}"
                yield Fault(("dimensions", str(name)), wrong, f"small letters, digits and _, but not {few(sorted(RESERVED), 20)}")
        totals = [str(name) for name, spec in dimensions.items() if getattr(spec, "total", mapping(spec).get("total"))]
        groups = [tuple(sequence(group)) for group in sequence(content.get("sets"))]
        for number, group in enumerate(groups):
            yield from unknown(("sets", str(number)), group, totals, "a dimension with total: true")
            if len(set(group)) < len(group) or {*group} in [{*earlier} for earlier in groups[:number]]:
                yield Fault(("sets", str(number)), f"{list(group)} names the same cells twice")

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

    @classmethod
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find names of tables, codelists, results and pooling settings that lead nowhere."""
        for key in ("needs", "uses"):
            needs = [str(need) for need in sequence(content.get(key))]
            yield from unknown((key,), [need.partition(".")[0] for need in needs], TABLES, "a table of the data model")
            for table, _, column in (need.partition(".") for need in needs):
                if column and table in TABLES:
                    yield from unknown((key,), [column], TABLES[table].column_names, f"a column of {table}")
        results, parameters = mapping(content, "results"), mapping(content, "parameters")
        for name, table in results.items():
            if not re.fullmatch(STEM, str(name)):
                yield Fault(("results", str(name)), f"{name!r} cannot be the name of a file", "small letters, digits and _")
            for dimension, spec in mapping(table, "dimensions").items():
                named = [spec["codelist"]] if mapping(spec).get("codelist") else []
                keys = ("results", str(name), "dimensions", str(dimension), "codelist")
                yield from unknown(keys, named, parameters, "a parameter of this analysis")
        for number, step in enumerate(sequence(content.get("pooled"))):
            if mapping(step).get("table") is not None:
                table = str(step["table"])
                yield from unknown(("pooled", str(number), "table"), [table], results, "a results table of this analysis")
                yield from step_faults(("pooled", str(number)), mapping(step), mapping(results, table, "dimensions"))

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
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find analyses whose name cannot be the name of a file."""
        for stem in mapping(content, "analyses"):
            if not re.fullmatch(STEM, str(stem)):
                yield Fault(("analyses", str(stem)), f"{stem!r} cannot be the name of a file", "small letters, digits and _")

    @classmethod
    def read(cls, path: Path | str) -> Study:
        """Read a protocol file; every problem in it is reported at once (raises model.Refused)."""
        return refuse_if_invalid(cls, read_yaml(Path(path)), Path(path))

    def require_files(self, root: Path = Path(".")) -> None:
        """Refuse a protocol whose analyses lack their notebook or their report page (raises model.Refused)."""
        problems = []
        for stem, entry in self.analyses.items():
            notebook, page = Path("notebooks") / f"{stem}.ipynb", Path("reports") / f"{stem}.qmd"
            wanted = {page: "report page"} if entry.tables_only else {notebook: "notebook", page: "report page"}
            for path, what in wanted.items():
                if not (root / path).is_file():
                    mend = f"Write it (docs/question.md), or remove {stem} from the protocol"
                    problems.append(Problem(f"analyses.{stem}", f"its {what} {path.as_posix()} is not there", "", mend))
        if problems:
            raise Refused(f"The protocol of {self.study}", problems)

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
