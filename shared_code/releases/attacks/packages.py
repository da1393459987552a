"""Every attack that needs nothing but packages, one after the other: what is found is counted, never told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared_code.config.agreement import at_places
from shared_code.config.plan import Plan
from shared_code.config.study import Study
from shared_code.disclosure.attacks import differences, find, marks
from shared_code.disclosure.attacks.known import Tables
from shared_code.releases import package
from shared_code.releases.attacks import files
from shared_code.releases.cells import from_csv

TABLES, CSV = "tables/", ".csv"


@dataclass(frozen=True)
class Found:
    """Hold the kinds of weakness of a package, one entry for each place, and what only a reviewer can judge."""

    weaknesses: list[str]
    referred: list[str]


def attack_packages(study: Study, paths: Sequence[Path]) -> dict[Path, Found]:
    """Attack each package by itself, and each later package of a site together with its earlier ones.

    paths   packages; those of one site in the order in which they were sent
    Gives per package what was found, without any number that was worked out. A difference of two shown numbers that is below
    the threshold, and may be nobody, is referred to the reviewer, who can see which it is.
    Raises model.Refused when a package is damaged.
    """
    found: dict[Path, Found] = {}
    before: dict[str, list[Tables]] = {}
    for path in paths:
        manifest, inside, _ = package.read(path)
        threshold = int(manifest["disclosure"]["rules"]["threshold"])
        tables = tables_of(study, inside)
        together = find(tables, threshold, at_places(study.agree, manifest.get("places", {})))
        weak = [f"{w.attack}: a number in {w.table} ({w.statistic})" for w in together if not w.may_be_nobody]
        weak += [f"files: {told}" for told in files.archive(path.read_bytes())]
        weak += [f"order: {told} ({name})" for name, (_, cells) in tables.items() if (told := marks.order(cells))]
        for earlier in before.get(manifest["site"], []):
            changes = differences.over_time(earlier, tables)
            weak += [f"two releases subtracted: a number in {cell[0]} ({cell[1]})"
                     for cell, change in changes.items() if differences.gives_away(change, threshold)]  # fmt: skip
        before.setdefault(manifest["site"], []).append(tables)
        found[path] = Found(weak, [f"a few people or nobody: {w.table} ({w.statistic})" for w in together if w.may_be_nobody])
    return found


def tables_of(study: Study, inside: dict[str, bytes]) -> Tables:
    """Give the tables of a package that the protocol declares: analysis.table -> (declaration, cells)."""
    tables = {}
    for name in sorted(n for n in inside if n.startswith(TABLES) and n.endswith(CSV)):
        stem, _, table = name.removeprefix(TABLES).removesuffix(CSV).partition(".")
        if stem in study.analyses and table in study.analyses[stem].results:
            tables[f"{stem}.{table}"] = (Plan(study, stem).results(table), from_csv(inside[name]))
    return tables
