"""A release as a file: a canonical zip whose every byte is determined by its content.

Entries are stored in order, uncompressed and with a fixed time, so the same content gives the same bytes anywhere, and
a package that differs from the canonical form of its own content in a single byte is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from shared_code.model import Problem, Refused

SCHEMA = "cohortium-release/1"
MANIFEST = "manifest.json"
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
LARGEST = 512 * 1024 * 1024  # bytes; a release holds sums, not people


def digest(content: bytes) -> str:
    """Give the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def canonical(files: dict[str, bytes]) -> bytes:
    """Give the one zip file that holds these files.

    >>> canonical({"b": b"2", "a": b"1"}) == canonical({"a": b"1", "b": b"2"})
    True
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, FIXED_TIME)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def write(target: Path, manifest: dict[str, Any], tables: dict[str, bytes]) -> str:
    """Write a package, whole or not at all, and give its digest.

    manifest  what is said about the release; `files` is filled in here
    tables    path inside the package -> content
    """
    listed = {name: {"sha256": digest(content), "bytes": len(content)} for name, content in sorted(tables.items())}
    complete = {"schema": SCHEMA, **manifest, "files": listed}
    content = canonical({**tables, MANIFEST: _manifest_bytes(complete)})
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(content)
    partial.replace(target)
    return digest(content)


def read(path: Path) -> tuple[dict[str, Any], dict[str, bytes], str]:
    """Read a package and check every byte of it: (manifest, files, digest).

    Raises model.Refused when it is damaged, was changed, or is not a release.
    """

    def refuse(wrong: str) -> Refused:
        mend = "Ask the site to send it again, and remove this file from the inbox"
        return Refused(f"The release {path}", [Problem(str(path), wrong, "a release exactly as the site wrote it", mend)])

    if not path.is_file():
        raise refuse("it is not a file")
    if path.stat().st_size > LARGEST:
        raise refuse("the file is far larger than any release")
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise refuse("it was changed after the site wrote it (releases are stored uncompressed)")
            if sum(entry.file_size for entry in entries) > LARGEST:
                raise refuse("its content is far larger than any release")
            files = {entry.filename: archive.read(entry) for entry in entries}
    except Refused:
        raise
    except Exception as error:  # a damaged archive may fail in any part of the reader
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise refuse(f"it is damaged, or was changed after the site wrote it ({reason})") from None
    written = files.pop(MANIFEST, b"")
    try:
        manifest = json.loads(written)
        listed = {name: entry["sha256"] for name, entry in manifest["files"].items()}
        schema = manifest["schema"]
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        raise refuse("it holds no readable manifest") from None
    if schema != SCHEMA:
        raise refuse(f"its form is {schema!r}, not {SCHEMA!r}")
    changed = [name for name, data in files.items() if listed.get(name) != digest(data)]
    if changed or set(listed) != set(files):
        raise refuse(f"it was changed after the site wrote it ({', '.join(changed) or 'files added or removed'})")
    if canonical({**files, MANIFEST: written}) != content or _manifest_bytes(manifest) != written:
        raise refuse("it was changed after the site wrote it (the archive is not in canonical form)")
    return manifest, files, digest(content)


def _manifest_bytes(manifest: dict[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
