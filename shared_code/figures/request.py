"""What a figure is asked to show: its settings, the results of its analysis, and the titles of everything in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Picture

from shared_code.config.plan import Plan
from shared_code.config.study import Dimension, Figure
from shared_code.figures.words import listed
from shared_code.model import UNKNOWN, Problem, Refused
from shared_code.pooling.risk_performance import TITLES

POOLED = "pooled"
SITE = "site:"
NUMBERS = ["estimate", "lower", "upper", "se", "people", "events", "person_years", "bound_lower", "bound_upper",
           "withheld_share", "n_sites"]  # fmt: skip
SPREAD = ["df", "weight", "pi_lo", "pi_hi", "tau2", "tau2_lo", "tau2_hi", "q", "i2", "h2"]  # of meta-analyses
TEXTS = ["analysis", "measure", "item", "group", "level", "stratum", "sex", "scope", "scale", "comparator", "method", "sites",
         "sites_without", "reason", "releases"]  # fmt: skip
SITE_COLUMNS = ["site", "title", "analysis", "state", "reason"]
PREDICTION = "performance of a prediction"  # a target whose results have items of their own
SEX_TITLES = {"F": "Female", "M": "Male", "both": "Everyone"}


class NothingToDraw(Exception):
    """Say why a figure would be empty."""


@dataclass(frozen=True)
class Drawn:
    """Hold a figure: the picture, the numbers in it, its description, and the lines that go with it."""

    picture: Picture
    numbers: pd.DataFrame
    alt: str
    subtitle: str = ""
    notes: list[str] = field(default_factory=list)
    nothing: str = ""


@dataclass(frozen=True)
class Request:
    """Ask for one figure of one analysis.

    results  rows of the analysis     sites  who is in the analysis, and why not
    cells    folder of the released cells, one file per table     strata  results about some people only, by `stratum`
    """

    plan: Plan
    name: str
    figure: Figure
    results: pd.DataFrame
    sites: pd.DataFrame
    cells: Path
    strata: pd.DataFrame = field(default_factory=pd.DataFrame)

    def setting(self, name: str, default: Any = None) -> Any:
        return self.figure.settings.get(name, default)

    def dimension(self, name: str) -> tuple[str, Dimension] | None:
        """Find a dimension in the tables that are pooled: the table's name and the dimension."""
        for step in self.plan.entry.pooled:
            dimensions = self.plan.results(step.table).dimensions
            if name in dimensions:
                return step.table, dimensions[name]
        return None

    def levels(self, name: str) -> dict[str, str]:
        """Give codes and labels of a dimension, in declared order; none for a site's own names."""
        found = self.dimension(name)
        return (self.plan.levels(found[0], name) or {}) if found else {}

    def ranked(self, name: str) -> dict[str, str]:
        """Give the levels without "unknown"."""
        return {code: label for code, label in self.levels(name).items() if code != UNKNOWN}

    def label(self, name: str) -> str:
        """Give the title of a dimension."""
        found = self.dimension(name)
        return (found[1].label if found else "") or name.replace("_", " ")

    @cached_property
    def item_titles(self) -> dict[str, str]:
        """Give the title of every item the analysis declares."""
        titles: dict[str, str] = {}
        for step in self.plan.entry.pooled:
            if "item" in step.settings:
                titles |= self.plan.levels(step.table, step.settings["item"]) or {}
            if PREDICTION in (step.method, step.target):
                titles |= {name: title.capitalize() for name, title in TITLES.items()}
            for age in step.settings.get("ages", []):
                titles.setdefault(f"e{age}", f"Life expectancy at {'birth' if age == 0 else f'age {age}'}")
        slope = "Calibration slope at the site left out"
        return titles | {f"{name}_slope": f"{slope}: {model.title}" for name, model in self.plan.entry.models.items()}

    @cached_property
    def unions(self) -> set[str]:
        """Give the items that are made of others: values declared besides those of a codelist."""
        steps = [step for step in self.plan.entry.pooled if "item" in step.settings]
        items = [self.plan.results(step.table).dimensions[step.settings["item"]] for step in steps]
        return {code for dimension in items if dimension.codelist for code in dimension.values}

    def item(self, code: str) -> str:
        """Title an item; an item the plan does not declare is an error, never shown as a bare code."""
        if code not in self.item_titles:
            wrong = f"the results hold an item that analysis {self.plan.stem} does not declare: {code!r}"
            raise Refused("The results", [Problem("results.csv, item", wrong, listed([*self.item_titles]),
                                                  "Pool again with this study.yaml")])  # fmt: skip
        return self.item_titles[code]

    def sex(self, code: str) -> str:
        return self.levels("sex").get(code, SEX_TITLES.get(code, code))

    @cached_property
    def site_titles(self) -> dict[str, str]:
        return dict(zip(self.sites["site"], self.sites["title"]))

    def site(self, code: str) -> str:
        """Title a site; takes `name` or a scope `site:name`."""
        name = code.removeprefix(SITE)
        return self.site_titles.get(name) or re.sub("_", " ", name).capitalize()

    def rows(self, scope: str = "", **where: Any) -> pd.DataFrame:
        """Pick rows by column; `scope` is "pooled" or "sites"."""
        chosen = pd.Series(True, index=self.results.index)
        if scope:
            chosen &= (self.results["scope"] == POOLED) == (scope == POOLED)
        for column, value in where.items():
            chosen &= self.results[column].isin([value] if isinstance(value, str) else list(value))
        return self.results[chosen]

    def who(self, rows: pd.DataFrame) -> tuple[str, str]:
        """Say how many sites are in some rows, and which of the study's are not, with the reason."""
        names = sorted({name for cell in rows["sites"] for name in names_in(cell)})
        without = [site for site in self.site_titles if site not in names]
        reasons = dict(zip(self.sites["site"], self.sites["reason"]))
        parts = [f"{self.site(s)} ({reasons[s]})" if reasons.get(s) else self.site(s) for s in without]
        inside = f"{len(names)} of {len(names) + len(without)} sites" if without else f"all {len(names)} sites"
        return inside, f"Not in it: {listed(parts)}." if parts else ""

    def fewer(self, rows: pd.DataFrame) -> str:
        """Say when some of the rows have fewer sites in them than others."""
        counts = rows.loc[rows["estimate"].notna(), "n_sites"].dropna()
        if counts.empty or counts.min() == counts.max():
            return ""
        return f"Single numbers are from {counts.min():.0f} to {counts.max():.0f} sites."

    def why_empty(self, default: str) -> NothingToDraw:
        """Give the reason for an empty figure: nobody sent the analysis, or the given reason."""
        inside = (self.sites["state"] == "in").sum()
        if len(self.sites) and not inside:
            reasons = sorted({r for r in self.sites["reason"] if r})
            return NothingToDraw(f"No site is in this analysis{': ' + listed(reasons, 3) if reasons else ''}.")
        return NothingToDraw(default)


def names_in(cell: str) -> list[str]:
    """Split a list of sites as results.csv holds it.

    >>> names_in("a; b")
    ['a', 'b']
    """
    return [name for name in str(cell).split("; ") if name]


def withheld(rows: pd.DataFrame, above: float) -> pd.Series:
    """Say which rows have more withheld than a share; unknown counts as none."""
    return rows["withheld_share"].fillna(0) > above


def numbers_of(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Stack what was drawn; columns in the order of results.csv, then the figure's own."""
    frames = [part for part in parts if len(part)]
    if not frames:
        return pd.DataFrame(columns=[*TEXTS])
    return pd.concat(frames, ignore_index=True)


def read_results(pooled: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read results.csv and sites.csv of a folder (raises model.Refused when one is missing or not of this form)."""
    problems = [
        Problem(str(pooled / name), "there is no such file", "the folder that pooling wrote", "Pool the study first")
        for name in ("results.csv", "sites.csv") if not (pooled / name).is_file()
    ]  # fmt: skip
    if problems:
        raise Refused("The pooled results", problems)
    frames = []
    for name, needed in (("results.csv", [*TEXTS, *NUMBERS]), ("sites.csv", SITE_COLUMNS)):
        try:
            frame = pd.read_csv(pooled / name, dtype=str, keep_default_na=False)
        except pd.errors.EmptyDataError:
            frame = pd.DataFrame()
        lacking = [column for column in needed if column not in frame.columns]
        if lacking:
            wrong = f"columns are missing: {listed(lacking)}"
            raise Refused("The pooled results", [Problem(str(pooled / name), wrong, "", "Pool the study again")])
        frames.append(frame)
    for column in [*NUMBERS, *SPREAD]:
        frames[0][column] = pd.to_numeric(frames[0][column]) if column in frames[0] else float("nan")
    return frames[0], frames[1]
