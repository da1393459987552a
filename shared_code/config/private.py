"""What may name people or values of few of them: folders and files for their owner only (on Windows, the folder's own rights)."""

from __future__ import annotations

import os
from pathlib import Path

POSIX = os.name == "posix"


def for_owner_only(folder: Path) -> Path:
    """Close a folder to everyone but its owner, making it where it lacks; gives the folder.

    >>> import tempfile
    >>> folder = for_owner_only(Path(tempfile.mkdtemp()) / "private")
    >>> oct(folder.stat().st_mode & 0o777) if POSIX else "0o700"
    '0o700'
    """
    folder.mkdir(parents=True, exist_ok=True)
    if POSIX:
        folder.chmod(0o700)
    return folder


def kept_private(room: Path, file: str, text: str) -> Path:
    """Write a text into a site's private room, readable by its owner from its first byte on; gives where it is.

    room  the site's room, which is closed to others        file  path below it, as `logs/check.txt`
    """
    path = for_owner_only(room) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, "utf-8", newline="\n")
    return path
