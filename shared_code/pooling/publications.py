"""The coordinating team's own ledger: what was published, and from which releases.

It lies in private/coordination/<study>/ledger/, not in public/: that folder can be made again at any time, a record of what
people have already read cannot. It holds published numbers and digests, nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared_code.model import Problem, Refused
from shared_code.releases.chain import Chain
from shared_code.releases.package import digest

RESULTS, RECORD = "results.csv", "pooled.json"
MEND = ("Nothing is pooled until it is mended. Restore the folder from a backup. If there is none, set it aside under another "
        "name and pool again: what is published now becomes the first entry; say in the report that earlier ones are "
        "lost")  # fmt: skip


def chain(folder: Path) -> Chain:
    """Open the ledger of publications of one study."""
    return Chain(folder, MEND)


def publish(folder: Path, results: Path, before: Path) -> bool:
    """Note what is about to be published; gives False when exactly this was published last.

    folder   private/coordination/<study>/ledger
    results  folder with the pooled tables that are about to be published
    before   folder with those that are published now, if there is one
    Raises model.Refused, and notes nothing, when the ledger is damaged, cut off, or does not know what is published now.
    """
    entries = chain(folder).entries() if folder.exists() else []
    if (before / RESULTS).is_file() and not any(_same(entry, before) for entry in entries):
        if entries:
            wrong = f"it does not know what is published in {before.as_posix()}: it is an old copy"
            raise Refused(f"The ledger {folder}", [Problem(folder.as_posix(), wrong, "every publication", MEND)])
        _append(folder, before)  # pooled before there was a ledger
        entries = chain(folder).entries()
    if entries and _same(entries[-1], results):
        return False
    _append(folder, results)
    return True


def history(folder: Path) -> list[dict[str, Any]]:
    """List the publications, oldest first: number, digest of the results, and the releases they were pooled from."""
    entries = chain(folder).entries() if folder.exists() else []
    return [{"number": number, "results": entry["files"][RESULTS], "releases": entry["releases"]}
            for number, entry in enumerate(entries, 1)]  # fmt: skip


def _same(entry: dict[str, Any], results: Path) -> bool:
    return entry["files"][RESULTS] == digest((results / RESULTS).read_bytes()) and entry["releases"] == _releases(results)


def _releases(results: Path) -> dict[str, str]:
    record = json.loads((results / RECORD).read_text("utf-8"))
    return {site: release["package"] for site, release in sorted(record["releases"].items())}


def _append(folder: Path, results: Path) -> None:
    record = json.loads((results / RECORD).read_text("utf-8"))
    said = {"kind": "publication", "study": record["study"], "protocol": record["protocol_digest"], "code": record["code_digest"],
            "releases": _releases(results)}  # fmt: skip
    chain(folder).append(said, {name: (results / name).read_bytes() for name in (RESULTS, RECORD)})
