"""Receiving: which releases are in the inbox, whether they can be trusted, and who is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.config import digests
from shared_code.config.plan import Plan
from shared_code.config.study import Policy, Study
from shared_code.model import Problem, Refused
from shared_code.releases import package
from shared_code.releases.cells import check_cells, from_csv, small_counts, to_csv
from shared_code.releases.manifest import wrong_with


@dataclass(frozen=True)
class Received:
    """Hold one accepted release: its manifest, its tables by (analysis, table), and the digest of the package."""

    manifest: dict[str, Any]
    tables: dict[tuple[str, str], pd.DataFrame]
    digest: str

    @property
    def site(self) -> str:
        return self.manifest["site"]


@dataclass(frozen=True)
class Inbox:
    """Hold every accepted release of a study, and the sites that were expected and sent none."""

    releases: dict[str, Received]
    missing: dict[str, str] = field(default_factory=dict)

    def sites_with(self, stem: str, table: str) -> list[str]:
        """List the sites whose release holds a table, in order."""
        return [site for site, received in self.releases.items() if (stem, table) in received.tables]

    def stacked(self, stem: str, table: str) -> pd.DataFrame:
        """Put the cells of a table of all sites under each other, with a column `site`."""
        parts = [self.releases[s].tables[stem, table].assign(site=s) for s in self.sites_with(stem, table)]
        return pd.concat(parts, ignore_index=True)


def receive(study: Study, folder: Path, expected: dict[str, str]) -> Inbox:
    """Read and check everything in the inbox of a study.

    folder    inbox/<study>          expected  site -> title of every site that takes part
    Raises model.Refused, naming every faulty package: damaged or changed, of another study, of another plan, of a
    site that takes no part, or with tables that do not fit their declaration. Nothing is pooled until they are gone.
    """
    problems: list[Problem] = []
    releases: dict[str, Received] = {}
    arrived = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in [path for path in arrived if path.suffix.lower() == ".zip"]:
        try:
            received = _accept(study, path, expected)
        except Refused as refused:
            problems += refused.problems
            continue
        if received.site in releases:
            problems.append(Problem(str(path), f"it is a second release of {received.site!r}", "one", "Remove the older one"))
        releases[received.site] = received
    if problems:
        raise Refused(f"The inbox {folder}", problems)
    if not releases:
        mend = "Carry each site's package from its outbox to this folder"
        raise Refused(f"The inbox {folder}", [Problem(str(folder), "no release has arrived", "", mend)])
    ordered = {site: releases[site] for site in sorted(releases)}
    return Inbox(ordered, {site: title for site, title in expected.items() if site not in releases})


def _accept(study: Study, path: Path, expected: Iterable[str]) -> Received:
    manifest, files, digest = package.read(path)
    where = str(path)
    wrong = wrong_with(manifest)
    if wrong:
        raise Refused(where, [Problem(where, wrong, "", "Ask the site to release it again")])
    site, problems = manifest["site"], []
    if manifest["study"] != study.study:
        problem = Problem(where, f"it belongs to the study {manifest['study']!r}", study.study, "Move it there")
        raise Refused(where, [problem])
    if site not in expected:
        problems.append(Problem(where, f"{site!r} takes no part in this study", ", ".join(expected)))
    if path.stem != site:
        problems.append(Problem(where, f"it is the release of {site!r}", f"{site}.zip", "Rename it"))
    rules = Policy(**manifest["disclosure"]["rules"])
    if study.disclosure.stricter(rules) != rules:
        applied = f"threshold {rules.threshold}, rounding {rules.rounding}"
        least = f"threshold {study.disclosure.threshold}, rounding {study.disclosure.rounding}, or stricter"
        mend = "Delete this file, and ask the site to release again under the study's rules"
        problems.append(Problem(where, f"its disclosure rules are looser than the study's ({applied})", least, mend))
    plans = manifest["plans"]
    for stem, sent in plans.items():
        if stem not in study.analyses:
            problems.append(Problem(where, f"it holds an analysis {stem!r} that the study does not have"))
        elif sent != digests.plan(study, stem):
            wrong = f"{site} ran another plan of {stem} than this study's"
            mend = "Both must use the same version of the study, its codelists and its notebooks; then release again"
            problems.append(Problem(where, wrong, f"plan {digests.plan(study, stem)[:12]}, not {sent[:12]}", mend))
    if problems:
        raise Refused(where, problems)
    tables = {}
    declared_files = {f"tables/{stem}.{table}.csv": (stem, table) for stem in plans for table in study.analyses[stem].results}
    for name, content in files.items():
        if name not in declared_files:
            problems.append(Problem(where, f"it holds a file nobody declared: {name}"))
            continue
        stem, table = declared_files[name]
        try:
            cells = from_csv(content)
            canonical = to_csv(cells) == content
        except (ValueError, KeyError, AttributeError, OverflowError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            problems.append(Problem(f"{where}, {name}", f"it is not a table of cells ({reason})"))
            continue
        found = _faults(study, stem, table, cells, f"{where}, {name}")
        if not found and not canonical:
            found = [Problem(f"{where}, {name}", "its numbers are not written as a release writes them")]
        problems += found
        tables[stem, table] = cells
    for stem in plans:
        for table in study.analyses[stem].results:
            if (stem, table) not in tables and not problems:
                problems.append(Problem(where, f"the table {stem}.{table} is missing", "", "Release it again"))
    if problems:
        raise Refused(where, problems)
    return Received(manifest, tables, digest)


def _faults(study: Study, stem: str, table: str, cells: pd.DataFrame, where: str) -> list[Problem]:
    """Compare one released table with its declaration and with the study's disclosure rules."""
    plan = Plan(study, stem)
    declared = plan.results(table)
    levels = {d: plan.levels(table, d) for d in declared.dimensions}
    problems = check_cells(cells, declared, levels, where)
    small = 0 if problems else small_counts(cells, declared.layout, study.disclosure)
    if small:
        wrong = f"{small} numbers of people are shown that are smaller than the threshold"
        mend = "Delete this file at once, and tell the site"
        problems.append(Problem(where, wrong, f"0, or {study.disclosure.threshold} and more", mend))
    return problems
