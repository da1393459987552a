"""A plan: one analysis of one study, as a notebook sees it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared_code.config import codelists, rooms
from shared_code.config.study import Analysis, Period, ResultsTable, Study


@dataclass(frozen=True)
class Plan:
    """Give a notebook what the protocol says, and nothing else.

    >>> open_plan("config/study.yaml", "life_expectancy").period.start.isoformat()
    '2021-04-01'
    """

    study: Study
    stem: str

    @property
    def entry(self) -> Analysis:
        return self.study.analysis(self.stem)

    @property
    def index_date(self) -> dt.date:
        return self.study.index_date

    @property
    def period(self) -> Period:
        return self.study.period

    def results(self, name: str) -> ResultsTable:
        """Give the declaration of a results table."""
        return self.entry.results[name]

    def parameter(self, name: str) -> Any:
        """Give a parameter of the entry."""
        return self.entry.parameters[name]

    def day(self, name: str) -> dt.date:
        """Give a parameter of the entry that is a date, "YYYY-MM-DD"."""
        return dt.date.fromisoformat(str(self.entry.parameters[name]))

    def codelist(self, name: str = "codelist") -> codelists.Codelist:
        """Read the codelist that a parameter names."""
        return codelists.load(self.parameter(name))

    def days_before(self, days: int) -> dt.date:
        """Give the day so many days before the index date: a look-back is [that day, index date)."""
        return self.index_date - dt.timedelta(days=days)

    def dates(self, name: str) -> list[dt.date]:
        """Give a parameter that is a date, or a list of dates, as a list."""
        value = self.parameter(name)
        return [dt.date.fromisoformat(str(day)) for day in (value if isinstance(value, list) else [value])]

    def levels(self, table: str, dimension: str) -> dict[str, str] | None:
        """Give the codes and labels of a dimension, or None where a site uses names of its own."""
        return self.entry.items(self.results(table).dimensions[dimension], codelists)


def open_plan(study: str | Path, stem: str) -> Plan:
    """Read the protocol and pick one analysis (raises model.Refused for a faulty protocol)."""
    plan = Plan(Study.read(rooms.from_root(study)), stem)
    plan.study.analysis(stem)
    return plan
