"""Findings: what a check of a site found, in sentences."""

from __future__ import annotations

from dataclasses import dataclass, field

import ibis.expr.types as ir

from shared_code.model import Problem
from shared_code.sources.drafting import BLANK


@dataclass
class Findings:
    """Hold what a check found, as sentences in four groups. `wrong` keeps problems, some with values to be kept private."""

    fits: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    wrong: list[Problem] = field(default_factory=list)
    analyses: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.wrong and not any(BLANK in line for line in self.missing)

    def lines(self, private: bool = False) -> list[str]:
        """Write the findings; rare values of the extract are named in the private form only."""
        wrong = [str(p if private else p.without_values()) for p in self.wrong]
        groups = {"What fits": self.fits, "What is missing": self.missing or ["nothing"],
                  "What is wrong": wrong or ["nothing was found"], "Which analyses can run": self.analyses}  # fmt: skip
        return [line for title, found in groups.items() for line in (f"{title}:", *(f"  - {f}" for f in found), "") if found]


@dataclass
class Seen:
    """Hold a table that could be read: its rows with all columns of the data model, before any pseudonym."""

    rows: ir.Table
    count: int
    plain: bool  # identifiers are taken as they are
    linked: frozenset[str] = frozenset()  # sources whose links give the person
    of: int | None = None  # rows of the source, where only a part was looked at


def rounded(number: int) -> str:
    """Write a number of rows to two figures; a check may be shown around, the exact number need not be."""
    if number < 100:
        return "fewer than 100" if number else "no"
    size = 10 ** (len(str(number)) - 2)
    return f"about {(number + size // 2) // size * size:,}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"
