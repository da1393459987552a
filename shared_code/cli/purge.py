"""Purge: remove everything person-level that was derived at a site, and say what remains."""

from __future__ import annotations

import shutil
from pathlib import Path

from shared_code.config import Site, rooms


def purge(name: str) -> str:
    """Remove the site's private room (prepared tables, results, executed notebooks, logs) and name what is left.

    The extract is the site's own and is never touched; packages hold no person and are only named.
    """
    site = Site.read(name)
    room = rooms.PRIVATE / name
    removed = sum(1 for path in room.rglob("*") if path.is_file())
    shutil.rmtree(room, ignore_errors=True)
    left = [f"Removed {removed} files of {site.title}: everything in {room}."]
    extract = Path(site.folder) if site.folder else rooms.extract(name)
    files = sum(1 for path in extract.rglob("*") if path.is_file()) if extract.is_dir() else 0
    left.append(f"The extract remains: {files} files in {extract}. It is yours; Cohortium does not remove it." if files else
                f"There is no extract in {extract}.")  # fmt: skip
    packages = sorted(p for outbox in (rooms.OUTBOX, rooms.INBOX) for p in outbox.glob(f"*/{name}.zip"))
    if packages:
        left.append(f"Packages remain (totals, no person): {', '.join(p.as_posix() for p in packages)}.")
    left.append("Copies you made elsewhere, backups and the memory of your shell are not known to Cohortium.")
    return "\n".join(left)
