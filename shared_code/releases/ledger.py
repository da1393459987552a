"""The ledger of a site: everything it ever released, and the counts behind it that it alone knows.

A new release is compared with it, so that a refreshed extract, a nearly equal cohort or an overlapping flag cannot be
subtracted from what already left. It lies in private/<site>/ledger/ and never leaves; `purge` keeps it.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.config.digests import of_file
from shared_code.disclosure import Earlier
from shared_code.model import Problem, Refused, few
from shared_code.releases import package
from shared_code.releases.cells import from_csv, to_csv
from shared_code.releases.chain import Chain

RELEASE, START = "release", "start"
CELLS, PEOPLE = "cells/", "people/"
MEND = ("Nothing is released until it is mended. Restore the folder from a backup; if there is none, rebuild it from the "
        "packages that were sent: cohortium ledger rebuild SITE PACKAGE …")  # fmt: skip


def chain(folder: Path) -> Chain:
    """Open the record in a folder."""
    return Chain(folder, MEND)


def read(folder: Path, study: str, sent: Iterable[str] = ()) -> list[Earlier]:
    """Read what a site has released so far, oldest first, for comparison with a new release.

    folder  private/<site>/ledger
    study   the study that is being released; a table of another study is named `study:analysis.table`
    sent    SHA-256 of every package that is known to have left (the register in the outbox)
    Raises model.Refused when the ledger is damaged or cut off, or does not know a package that has left.
    """
    entries = chain(folder).entries()
    known = {entry["package"] for entry in entries if entry["kind"] == RELEASE}
    known |= {digest for entry in entries if entry["kind"] == START for digest in entry["before"]}
    unknown = sorted(set(sent) - known)
    if unknown:
        wrong = f"it does not know {len(unknown)} of the packages that have left ({few([d[:12] for d in unknown], 4)})"
        raise Refused(f"The ledger {folder}", [Problem(folder.as_posix(), wrong, "every package that has left", MEND)])
    return [_earlier(folder, entry, study) for entry in since_start(entries)]


def since_start(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the releases of the people the site holds now: those after the last start."""
    starts = [number for number, entry in enumerate(entries) if entry["kind"] == START]
    return [entry for entry in entries[starts[-1] + 1 if starts else 0 :] if entry["kind"] == RELEASE]


def _earlier(folder: Path, entry: Mapping[str, Any], study: str) -> Earlier:
    before = "" if entry["study"] == study else f"{entry['study']}:"
    tables, people = {}, {}
    for name, sha256 in entry["files"].items():
        content = chain(folder).file(sha256)
        if name.startswith(CELLS):
            tables[before + name.removeprefix(CELLS)] = from_csv(content)
        elif name.startswith(PEOPLE):
            people[before + name.removeprefix(PEOPLE)] = pd.read_parquet(io.BytesIO(content))
    return Earlier(entry["package"], entry["data"], tables, people)


def append(folder: Path, release: Earlier, manifest: Mapping[str, Any]) -> bool:
    """Remember a release; done before the package can leave. Gives False when it was remembered already.

    release   the package digest, the digest of the prepared tables, the cells and the counts before protection
    manifest  of the package; study, rules and dates are remembered with it
    Raises model.Refused, and remembers nothing, when the ledger is damaged.
    """
    entries = chain(folder).entries() if folder.exists() else []
    if any(entry["kind"] == RELEASE and entry["package"] == release.digest for entry in since_start(entries)):
        return False
    files = {CELLS + name: to_csv(cells) for name, cells in release.tables.items()}
    files |= {PEOPLE + name: _as_parquet(table) for name, table in release.people.items()}
    said = {"kind": RELEASE, "package": release.digest, "data": release.data, "rules": manifest["disclosure"]["rules"],
            **{key: manifest[key] for key in ("study", "extract_date", "plans")}}  # fmt: skip
    chain(folder).append(said, files)
    return True


def start_anew(folder: Path, why: str, sent: Iterable[str] = ()) -> None:
    """Begin again, for a demonstration site whose people were made up anew: what is remembered speaks of others.

    What was remembered stays in the chain, and packages of the people before are still known to have left.
    """
    entries = chain(folder).entries() if folder.exists() else []
    known = {digest for entry in entries for digest in entry.get("before", [entry.get("package")])}
    if since_start(entries) or {*sent} - known:
        chain(folder).append({"kind": START, "why": why, "before": sorted(known | {*sent})})


def rebuild(folder: Path, site: str, packages: list[Path]) -> tuple[int, int]:
    """Write a damaged or lost ledger again from the packages that were sent, in the order given.

    Entries of the old ledger that are whole are kept for packages that are named; of the others only the cells are known,
    not the counts behind them. The old folder is set aside, never removed.
    Gives how many releases the ledger knows, and for how many of them it has the counts.
    Raises model.Refused when a package is damaged or of another site.
    """
    problems, found = [], {}
    for path in packages:
        try:
            manifest, files, digest = package.read(path)
        except Refused as refused:
            problems += refused.problems
            continue
        if manifest.get("site") != site:
            wrong = f"it is a package of {manifest.get('site')!r}"
            problems.append(Problem(str(path), wrong, site, "Name packages of this site"))
        tables = {name.removeprefix("tables/").removesuffix(".csv"): from_csv(body)
                  for name, body in files.items() if name.startswith("tables/")}  # fmt: skip
        found[digest] = (Earlier(digest, "", tables), manifest)
    if problems:
        raise Refused(f"The packages for the ledger {folder}", problems)
    for entry in chain(folder).intact_entries():
        if entry["kind"] == RELEASE and entry["package"] in found:
            found[entry["package"]] = (_earlier(folder, entry, entry["study"]), found[entry["package"]][1])
    rebuilt = folder.with_name(folder.name + ".rebuilt")
    shutil.rmtree(rebuilt, ignore_errors=True)
    for release, manifest in found.values():
        append(rebuilt, release, manifest)
    if folder.exists():
        aside = next(p for n in range(1, 10_000) if not (p := folder.with_name(f"{folder.name}.damaged-{n}")).exists())
        folder.rename(aside)
    rebuilt.rename(folder)
    return len(found), sum(1 for release, _ in found.values() if release.people)


def data_digest(prepared: Path) -> str:
    """Digest the prepared tables: two equal digests mean the very same people and facts."""
    tables = sorted(prepared.glob("*.parquet"))
    return hashlib.sha256("".join(f"{path.name} {of_file(path)}\n" for path in tables).encode()).hexdigest()


def _as_parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.reset_index(drop=True).to_parquet(buffer, index=False)
    return buffer.getvalue()
