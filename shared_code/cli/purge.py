"""Purge: remove everything person-level that was derived at a site, and say what remains."""

from __future__ import annotations

import shutil

from shared_code.config import Site, rooms
from shared_code.model import Problem, Refused


def purge(name: str) -> str:
    """Remove what is in the site's private room (prepared tables, results, executed notebooks, logs) and name what is left.

    The ledger of releases stays: without it nothing could be released again. The extract is the site's own and is never
    touched; packages hold no person and are only named.
    """
    site = Site.read(name)
    room, ledger = rooms.PRIVATE / name, rooms.ledger(name)
    doomed = [path for path in sorted(room.iterdir()) if path != ledger] if room.is_dir() else []
    removed = sum(1 for path in room.rglob("*") if path.is_file() and ledger not in path.parents)
    for path in doomed:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    stuck = [path for path in doomed if path.exists()]
    if stuck:
        mend = "Close what uses them, or ask for the right to remove them, then purge again"
        raise Refused(f"The purge of {site.title}", [Problem(p.as_posix(), "it could not be removed", "", mend) for p in stuck])
    kept = sum(1 for path in ledger.rglob("*") if path.is_file())
    if room.is_dir() and not kept:
        shutil.rmtree(room, ignore_errors=True)
    but = ", except the ledger" if kept else ""
    left = [f"Removed {removed} files of {site.title}: everything in {room}{but}."]
    if kept:
        left.append(f"The ledger remains: {ledger} ({kept} files: what was released, and the counts behind it, no person). "
                    "The next release is compared with it; without it nothing can be released again.")  # fmt: skip
    extract = site.extract_folder
    files = sum(1 for path in extract.rglob("*") if path.is_file()) if extract.is_dir() else 0
    left.append(f"The extract remains: {files} files in {extract}. It is yours; Cohortium does not remove it." if files else
                f"There is no extract in {extract}.")  # fmt: skip
    packages = sorted(p for outbox in (rooms.OUTBOX, rooms.INBOX) for p in outbox.glob(f"*/{name}.zip"))
    if packages:
        left.append(f"Packages remain (totals, no person): {', '.join(p.as_posix() for p in packages)}.")
    left.append("Copies you made elsewhere, backups and the memory of your shell are not known to Cohortium.")
    return "\n".join(left)
