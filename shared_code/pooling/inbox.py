"""Receiving: which releases are in the inbox, whether they can be trusted, and who is missing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.config import digests
from shared_code.config.plan import Plan
from shared_code.config.site import Site
from shared_code.config.study import Policy, Study
from shared_code.model import CELL_COLUMNS, Problem, Refused
from shared_code.pooling.register import Register
from shared_code.releases import contents, package, signatures
from shared_code.releases.approve import signers_of
from shared_code.releases.cells import check_cells, from_csv, small_counts, to_csv
from shared_code.releases.manifest import wrong_with
from shared_code.releases.signatures import Sending


@dataclass(frozen=True)
class Received:
    """Hold one accepted release: its manifest, its tables by (analysis, table), its digest, and what its site signed."""

    manifest: dict[str, Any]
    tables: dict[tuple[str, str], pd.DataFrame]
    digest: str
    sent: Sending

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


def receive(study: Study, folder: Path, expected: Mapping[str, Site], today: dt.date | None = None) -> Inbox:
    """Read and check everything in the inbox of a study.

    folder    inbox/<study>          expected  site -> settings of every site that takes part: its title and signers
    today     the day on which packages must not have expired (today)
    Raises model.Refused, naming every faulty package: damaged or changed, not signed by those who may, expired, of
    another study or plan, of a site that takes no part, with tables that do not fit their declaration, or not the one
    that was received last. Nothing is pooled until they are gone.
    """
    problems: list[Problem] = []
    releases: dict[str, Received] = {}
    arrived = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in [path for path in arrived if path.suffix.lower() == ".zip"]:
        try:
            received = accept(study, path, expected, today)
        except Refused as refused:
            problems += refused.problems
            continue
        if path.stem != received.site:
            problems.append(Problem(str(path), f"it is the release of {received.site!r}", f"{received.site}.zip", "Rename it"))
            continue
        if received.site in releases:
            problems.append(Problem(str(path), f"it is a second release of {received.site!r}", "one", "Remove the older one"))
        releases[received.site] = received
    if not problems:
        problems = Register(folder).faults_of({site: r.sent for site, r in releases.items()})
    if problems:
        raise Refused(f"The inbox {folder}", problems)
    if not releases:
        mend = "Take in each site's package: cohortium receive FILE"
        raise Refused(f"The inbox {folder}", [Problem(str(folder), "no release has arrived", "", mend)])
    ordered = {site: releases[site] for site in sorted(releases)}
    return Inbox(ordered, {site: one.title for site, one in expected.items() if site not in releases})


def accept(study: Study, path: Path, expected: Mapping[str, Site], today: dt.date | None = None) -> Received:
    """Check one package as the coordinating team does, whatever it is called and wherever it lies.

    Raises model.Refused with every reason. Reads the file only; writes nothing.
    """
    found = package.opened(path)
    manifest, where = found.manifest, str(path)
    wrong = wrong_with(manifest)
    if wrong:
        raise Refused(where, [Problem(where, wrong, "", "Ask the site to release it again")])
    site, problems = manifest["site"], []
    if manifest["study"] != study.study:
        problem = Problem(where, f"it belongs to the study {manifest['study']!r}", study.study, "Move it there")
        raise Refused(where, [problem])
    if site not in expected:
        problem = Problem(where, f"{site!r} takes no part in this study", ", ".join(expected))
        raise Refused(where, [problem])
    sent = _signed(study, expected[site], found, where, today or dt.date.today())
    problems += _other_rules(study, manifest, where) + _other_plans(study, manifest, where)
    if problems:
        raise Refused(where, problems)
    tables: dict[tuple[str, str], pd.DataFrame] = {}
    wanted = contents.names(study, manifest["plans"])
    problems += [Problem(where, f"it holds a file nobody declared: {name}") for name in sorted({*found.files} - wanted)]
    for stem in manifest["plans"]:
        for table, declared in study.analyses[stem].results.items():
            name = f"{package.TABLES}{stem}.{table}.csv"
            if name not in found.files:
                problems.append(Problem(where, f"the table {stem}.{table} is missing", "", "Release it again"))
                continue
            columns = [*declared.dimensions, *CELL_COLUMNS]
            beside = [f"{package.TABLES}{stem}.{table}.schema.json", f"{contents.DISCLOSURE}{stem}.{table}.json"]
            problems += _beside(found.files, beside, columns, where)
            cells, faulty = _cells(study, stem, table, found.files[name], f"{where}, {name}")
            problems += faulty
            if cells is not None:
                tables[stem, table] = cells
    problems = problems or _beside(found.files, [contents.CRATE], [], where)
    if problems:
        raise Refused(where, problems)
    return Received(manifest, tables, found.digest, sent)


def _signed(study: Study, site: Site, found: package.Package, where: str, today: dt.date) -> Sending:
    """Check every signature of a package against the settings of its site (raises model.Refused)."""
    try:
        signed = signatures.read(found.signatures)
    except ValueError as error:
        raise Refused(where, signatures.as_problems([str(error)], where)) from None
    wrong = signatures.faults(signed, found.digest, study.study, site.site, signers_of(site, study), today)
    if wrong:
        raise Refused(where, signatures.as_problems(wrong, where))
    return signed.sent


def _other_rules(study: Study, manifest: dict[str, Any], where: str) -> list[Problem]:
    rules = Policy(**manifest["disclosure"]["rules"])
    if study.disclosure.stricter(rules) == rules:
        return []
    applied = f"threshold {rules.threshold}, rounding {rules.rounding}"
    least = f"threshold {study.disclosure.threshold}, rounding {study.disclosure.rounding}, or stricter"
    mend = "Delete this file, and ask the site to release again under the study's rules"
    return [Problem(where, f"its disclosure rules are looser than the study's ({applied})", least, mend)]


def _other_plans(study: Study, manifest: dict[str, Any], where: str) -> list[Problem]:
    problems = []
    for stem, sent in manifest["plans"].items():
        if stem not in study.analyses:
            problems.append(Problem(where, f"it holds an analysis {stem!r} that the study does not have"))
        elif sent != digests.plan(study, stem):
            wrong = f"{manifest['site']} ran another plan of {stem} than this study's"
            mend = "Both must use the same version of the study, its codelists and its notebooks; then release again"
            problems.append(Problem(where, wrong, f"plan {digests.plan(study, stem)[:12]}, not {sent[:12]}", mend))
    return problems


def _beside(files: dict[str, bytes], wanted: list[str], columns: list[str], where: str) -> list[Problem]:
    """Check the files beside a table: its schema, its disclosure record, the description of the package."""
    problems = []
    for name in wanted:
        wrong = contents.faults(name, files[name], columns, files) if name in files else "it is missing"
        if wrong:
            problems.append(Problem(f"{where}, {name}", wrong, "", "Release it again"))
    return problems


def _cells(study: Study, stem: str, table: str, content: bytes, where: str) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Read one table and compare it with its declaration."""
    try:
        cells = from_csv(content)
        canonical = to_csv(cells) == content
    except (ValueError, KeyError, AttributeError, OverflowError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return None, [Problem(where, f"it is not a table of cells ({reason})")]
    found = _faults(study, stem, table, cells, where)
    if not found and not canonical:
        found = [Problem(where, "its numbers are not written as a release writes them")]
    return cells, found


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
