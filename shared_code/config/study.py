"""The study protocol: period, disclosure rules, and one entry per analysis."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared_code.config.agreement import Agreement, Contradictions, agreement_faults
from shared_code.config.models import Model
from shared_code.config.people import Person, shared_keys
from shared_code.config.policy import Policy
from shared_code.config.reading import read_yaml, refuse_if_invalid
from shared_code.config.results import Dimension, ResultsTable, months_between
from shared_code.config.specification import Deviation, Specification
from shared_code.config.steps import beforehand_faults, step_faults
from shared_code.config.strict import STEM, Fault, Strict, key_of, mapping, sequence, unknown
from shared_code.config.targets import target_faults, with_method
from shared_code.model import ALL, TABLES, Problem, Refused, did_you_mean
from shared_code.model.checks import CHECKS, FEEDS

QUALITY = "data_quality"  # the analysis that measures what the others ask of the data


class Period(Strict):
    """Half-open interval [start, end)."""

    start: dt.date
    end: dt.date

    @model_validator(mode="after")
    def _ordered(self) -> Period:
        if self.end <= self.start:
            raise ValueError(f"the period ends ({self.end}) before it starts ({self.start})")
        return self


class Step(BaseModel):
    """One thing that pooling computes, from one results table: the target leads to the method (config/targets.py).

    A study that names a method of the closed list instead of a target gets that one, if it fits the table.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    method: Literal["prevalence", "life_expectancy", "gather", "change", "shares", "months", "list_ratio", "quantiles", "means",
                    "meta_analysis", "profile", "attained_age", "equivalent_age", "gaps", "place_shares", "recorded_expected",
                    "allocation", "against_trend", "policy_change", "policy_groups", "difference_in_differences",
                    "regression_to_mean", "power", "balance", "benefit_cost", "joint_test", "risk_performance",
                    "event_rates", "mortality_ratio"]  # fmt: skip
    table: str
    target: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Figure(BaseModel):
    """One figure of the report page: a kind of the closed list and its settings."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: Literal["ratios", "gradient", "caterpillar", "trend", "change", "heat_map", "strata", "flow", "funnel",
                  "forest", "leave_one_out", "cumulative", "heterogeneity", "availability", "coefficients", "curves",
                  "pairs", "lever", "ward_map", "rank_caterpillar", "scorecards", "beside_context", "intervals",
                  "event_study", "run_chart", "together", "calibration"]  # fmt: skip
    caption: str

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class But(Strict):
    """What must be read with a finding, where another pooled result lies below or above a value.

    where   column of the results table -> value    unless  what is then not known, where that result is not given
    say     a sentence; {estimate} and {interval} of that result
    """

    where: dict[str, str]
    below: float | None = None
    above: float | None = None
    say: str
    unless: str
    decimals: int = 0

    @classmethod
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find a sentence that would always, or never, be said."""
        if (content.get("below") is None) == (content.get("above") is None):
            yield Fault(("below",), "the sentence has no value to be said below or above", "below: or above:, one of them")


class Finding(Strict):
    """One sentence of the leaders' summary, and the one result it speaks of.

    text   words with {estimate}, {interval}, {sites} where the numbers go; {more_or_fewer} writes a difference without its sign
    where  column of the results table -> value; exactly one pooled result must fit
    but    what must be read with it, where it holds
    """

    text: str
    where: dict[str, str]
    decimals: int = 1
    but: list[But] = []


class Least(Strict):
    """The least quality in one check that an analysis can live with; a site below it is left out, and named.

    fewer_faults_than  share of faulty rows (for months: of months) that must not be reached
    not_assessed       whether a site in which the check could not be judged is left out (the default) or may stay
    """

    fewer_faults_than: float = Field(gt=0, le=1)
    not_assessed: Literal["leave out", "may stay"] = "leave out"


class IndexShown(Strict):
    """A composite index (config/indices/) that pooling computes and the page shows.

    table  results table whose estimates of places are its indicators; empty: its own table of open data
    item, place  dimensions of that table that name the indicator and the place
    shares  items that are cases over people: one that a site withheld lies within the range of its cases, and is drawn there
    draws  how often it is drawn, where fewer than the index asks for are enough
    """

    table: str = ""
    item: str = ""
    place: str = ""
    shares: list[str] = []
    draws: int | None = Field(None, ge=100)


class Analysis(Strict):
    """One question: notebook, results tables and report page share its stem.

    months_not_judged  table of events -> why its empty months need no line `received:` in minimum_quality
    """

    title: str
    question: str
    needs: list[str] = []
    uses: list[str] = []
    tables_only: bool = False
    minimum_quality: dict[str, Least] = {}
    months_not_judged: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    results: dict[str, ResultsTable]
    models: dict[str, Model] = {}
    pooled: list[Step]
    indices: dict[str, IndexShown] = {}
    figures: dict[str, Figure] = {}
    findings: list[Finding] = []
    plan: Specification | None = None
    deviations: list[Deviation] = []

    @model_validator(mode="before")
    @classmethod
    def _targets(cls, content: Any) -> Any:
        return with_method(content)

    @classmethod
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find names of tables, codelists, results and pooling settings that lead nowhere."""
        content = with_method(content)
        for key in ("needs", "uses"):
            needs = [str(need) for need in sequence(content.get(key))]
            yield from unknown((key,), [need.partition(".")[0] for need in needs], TABLES, "a table of the data model")
            for table, _, column in (need.partition(".") for need in needs):
                if column and table in TABLES:
                    yield from unknown((key,), [column], TABLES[table].column_names, f"a column of {table}")
        yield from unknown(("minimum_quality",), mapping(content, "minimum_quality"), CHECKS, "a check of data quality")
        excused = mapping(content, "months_not_judged")
        yield from unknown(("months_not_judged",), excused, FEEDS, "a table whose months are judged")
        results, parameters = mapping(content, "results"), mapping(content, "parameters")
        for kind, name in [*(("results", name) for name in results), *(("models", name) for name in mapping(content, "models"))]:
            if not re.fullmatch(STEM, str(name)):
                yield Fault((kind, str(name)), f"{name!r} cannot be the name of a file", "small letters, digits and _")
        for name, table in results.items():
            for dimension, spec in mapping(table, "dimensions").items():
                named = [spec["codelist"]] if mapping(spec).get("codelist") else []
                keys = ("results", str(name), "dimensions", str(dimension), "codelist")
                yield from unknown(keys, named, parameters, "a parameter of this analysis")
        for name, shown in mapping(content, "indices").items():
            table = str(key_of(shown, "table") or "")
            named = [table] if table else []
            yield from unknown(("indices", str(name), "table"), named, results, "a results table of this analysis")
            for key in ("item", "place"):
                dimension = str(key_of(shown, key) or "")
                if table in results:
                    known = mapping(results, table, "dimensions")
                    yield from unknown(("indices", str(name), key), [dimension], known, f"a dimension of {table}")
            items = mapping(results, table, "dimensions", str(key_of(shown, "item") or ""), "values")
            shares = [str(item) for item in sequence(key_of(shown, "shares"))] if items else []
            yield from unknown(("indices", str(name), "shares"), shares, items, "a value of its item")
        for number, step in enumerate(sequence(content.get("pooled"))):
            if mapping(step).get("table") is not None:
                table = str(step["table"])
                yield from unknown(("pooled", str(number), "table"), [table], results, "a results table of this analysis")
                wrong = list(target_faults(("pooled", str(number)), mapping(step), content))
                yield from wrong or step_faults(("pooled", str(number)), mapping(step), mapping(results, table, "dimensions"))
                yield from beforehand_faults(("pooled", str(number)), mapping(step), parameters)

    def unjudged_months(self) -> list[str]:
        """List the tables of events it counts whose empty months would read as nobody: neither judged nor explained."""
        tables = dict.fromkeys(name.partition(".")[0] for name in [*self.needs, *self.uses])
        judged = {name.partition(":")[2] for name in self.minimum_quality if name.startswith("received:")}
        return [table for table in tables if table in FEEDS and table not in judged | set(self.months_not_judged)]

    def items(self, dimension: Dimension, codelists: Any) -> dict[str, str] | None:
        """Give the levels of a dimension of this analysis, reading its codelist where it has one."""
        if not dimension.codelist:
            return dimension.levels()
        return dimension.levels(codelists.load(self.parameters[dimension.codelist]).titles)


class Study(Strict):
    """A whole protocol. `study` names its rooms; `digest` (config.digests) identifies its content.

    agree            numbers of different tables that must agree at every site
    contradictions   what becomes of a site whose numbers contradict each other: nothing is pooled (refuse), or what it is in
                     carries a footnote
    people           people of the coordinating team who type tables that others have published
    coordinator_key  age public key; where it is given, packages leave a site encrypted to it
    """

    study: str = Field(pattern=f"^{STEM}$")
    title: str
    summary: str
    coordinator: str
    index_date: dt.date
    period: Period
    disclosure: Policy
    fewest_sites: int = Field(2, ge=1)
    analyses: dict[str, Analysis]
    agree: list[Agreement] = []
    contradictions: Contradictions = "footnote"
    people: dict[str, Person] = {}
    coordinator_key: str = Field("", pattern="^(age1[0-9a-z]{58})?$")

    @classmethod
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find analyses whose name cannot be the name of a file."""
        yield from shared_keys(content)
        yield from agreement_faults(content)
        for stem in mapping(content, "analyses"):
            if not re.fullmatch(STEM, str(stem)):
                yield Fault(("analyses", str(stem)), f"{stem!r} cannot be the name of a file", "small letters, digits and _")
        for stem, entry in mapping(content, "analyses").items():
            asks = getattr(entry, "minimum_quality", None) or mapping(entry, "minimum_quality")
            if asks and QUALITY not in mapping(content, "analyses"):
                wrong = f"it asks for a minimum of data quality, which the analysis {QUALITY} measures and the study lacks"
                yield Fault(("analyses", str(stem), "minimum_quality"), wrong, f"an entry {QUALITY}")

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


__all__ = ["ALL", "Analysis", "Dimension", "Figure", "Policy", "ResultsTable", "Step", "Study", "months_between"]
