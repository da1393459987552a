"""A release as a file: a canonical zip whose every byte is determined by its content.

Entries are stored in order, uncompressed and with a fixed time, so the same content gives the same bytes anywhere, and
a package that differs from the canonical form of its own content in a single byte is refused. Two entries are special:

    manifest.json     what is said about the release, and the SHA-256 of every other file
    signatures.json   who stands behind it and when; beside the content, so dates and names do not change its digest

The digest of a package is that of the manifest's content (and so of every file), however its JSON keys are ordered.
Nothing is ever unpacked: files are read into memory, by name.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared_code.model import Problem, Refused
from shared_code.releases import json_form

SCHEMA = "cohortium-release/2"
MANIFEST, SIGNATURES = "manifest.json", "signatures.json"
TABLES = "tables/"
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
LARGEST = 512 * 1024 * 1024  # bytes; a release holds sums, not people
MOST_FILES = 2_000
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*)?")  # at most one folder; nothing that leads elsewhere
LINK = 0o120000


@dataclass(frozen=True)
class Package:
    """Hold one package whose bytes fit each other.

    files       name -> content, without the manifest and the signatures
    signatures  content of signatures.json; empty for a draft that nobody has signed
    digest      SHA-256 of the content (manifest and files, whatever the signatures)
    file_digest SHA-256 of the file as it lies there
    """

    manifest: dict[str, Any]
    files: dict[str, bytes]
    signatures: dict[str, Any]
    digest: str
    file_digest: str

    @property
    def tables(self) -> dict[str, bytes]:
        """Give the results tables alone: path inside the package -> CSV."""
        return {name: body for name, body in self.files.items() if name.startswith(TABLES) and name.endswith(".csv")}


def digest(content: bytes) -> str:
    """Give the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def content_digest(manifest: Mapping[str, Any]) -> str:
    """Give the digest of a release from its manifest, which names the digest of every file in it."""
    return digest(json_form.written(manifest))


def canonical(files: Mapping[str, bytes]) -> bytes:
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


def as_bytes(manifest: Mapping[str, Any], files: Mapping[str, bytes], signatures: Mapping[str, Any] | None = None
             ) -> tuple[bytes, str]:  # fmt: skip
    """Give a package as bytes, and its digest.

    manifest  what is said about the release; `schema` and `files` are filled in here
    files     path inside the package -> content
    """
    listed = {name: {"sha256": digest(content), "bytes": len(content)} for name, content in sorted(files.items())}
    complete = {**manifest, "schema": SCHEMA, "files": listed}
    whole = {**files, MANIFEST: json_form.written(complete)}
    if signatures:
        whole[SIGNATURES] = json_form.written(signatures)
    return canonical(whole), content_digest(complete)


def write(target: Path, manifest: Mapping[str, Any], files: Mapping[str, bytes],
          signatures: Mapping[str, Any] | None = None) -> str:  # fmt: skip
    """Write a package, whole or not at all, and give its digest."""
    content, found = as_bytes(manifest, files, signatures)
    put(target, content)
    return found


def put(target: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)  # never through a link that somebody left there
    partial.write_bytes(content)
    partial.replace(target)


def read(path: Path) -> tuple[dict[str, Any], dict[str, bytes], str]:
    """Read a package and check every byte of it: (manifest, results tables as CSV, digest of its content).

    Raises model.Refused when it is damaged, was changed, or is not a release. Says nothing about who signed it.
    """
    found = opened(path)
    return found.manifest, found.tables, found.digest


def opened(path: Path) -> Package:
    """Read a whole package and check every byte of it (raises model.Refused, as `read` does)."""
    try:
        return parsed(_bytes_of(path))
    except ValueError as error:
        mend = "Ask the site to send it again, and remove this file from the inbox"
        problem = Problem(str(path), str(error), "a release exactly as the site wrote it", mend)
        raise Refused(f"The release {path}", [problem]) from None


def _bytes_of(path: Path) -> bytes:
    """Read an ordinary file that is not too large (raises ValueError)."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("it is not a file")
            content = file.read(LARGEST + 1) if status.st_size <= LARGEST else b""
    except OSError:
        raise ValueError("it is not a file") from None
    if status.st_size > LARGEST or len(content) > LARGEST:
        raise ValueError("the file is far larger than any release")
    return content


def parsed(content: bytes) -> Package:
    """Take a package apart and check every byte of it (raises ValueError, in words)."""
    files = _unzipped(content)
    found, written = dict(files), files.get(MANIFEST, b"")
    try:
        manifest = json_form.read(found.pop(MANIFEST, b""))
        listed = {name: entry["sha256"] for name, entry in manifest["files"].items()}
        sizes = {name: entry["bytes"] for name, entry in manifest["files"].items()}
        schema = manifest["schema"]
    except (KeyError, TypeError, AttributeError):
        raise ValueError("it holds no readable manifest") from None
    except ValueError as error:
        what = f": {error}" if written else ""
        raise ValueError(f"it holds no readable manifest{what}") from None
    if schema != SCHEMA:
        raise ValueError(f"its form is {schema!r}, not {SCHEMA!r}")
    signatures = _signatures(found.pop(SIGNATURES, None))
    changed = [n for n, body in found.items() if (listed.get(n), sizes.get(n)) != (digest(body), len(body))]
    changed = [name for name in changed if not _same_json(name, found[name], listed.get(name))]
    if changed or set(listed) != set(found):
        raise ValueError(f"it was changed after the site wrote it ({', '.join(changed) or 'files added or removed'})")
    if canonical(files) != content:
        raise ValueError("it was changed after the site wrote it (the archive is not in canonical form)")
    return Package(manifest, found, signatures, content_digest(manifest), digest(content))


def _signatures(content: bytes | None) -> dict[str, Any]:
    if content is None:
        return {}
    try:
        found = json_form.read(content)
    except ValueError as error:
        raise ValueError(f"its signatures cannot be read: {error}") from None
    if not isinstance(found, dict) or not found:
        raise ValueError("its signatures cannot be read: they are no mapping")
    return found


def _same_json(name: str, content: bytes, listed: Any) -> bool:
    """Tell whether a JSON file says what the site wrote, only with its keys in another order."""
    if not name.endswith(".json"):
        return False
    try:
        return digest(json_form.written(json_form.read(content))) == listed
    except ValueError:
        return False


def _unzipped(content: bytes) -> dict[str, bytes]:
    """Read every entry of an archive into memory; nothing is unpacked (raises ValueError, in words)."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(content))
            return {entry.filename: archive.read(entry) for entry in entries}
    except _Unfit as unfit:
        raise ValueError(str(unfit)) from None
    except Exception as error:  # a damaged archive may fail in any part of the reader
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"it is damaged, or was changed after the site wrote it ({reason})") from None


class _Unfit(Exception):
    """An archive that no site wrote."""


def _check_entries(entries: list[zipfile.ZipInfo], length: int) -> None:
    names = [entry.filename for entry in entries]
    if len(names) > MOST_FILES:
        raise _Unfit(f"it holds {len(names):,} files, more than any release")
    for entry in entries:
        shown = ascii(entry.filename[:60])
        if not NAME.fullmatch(entry.filename) or ".." in entry.filename:
            raise _Unfit(f"it was changed after the site wrote it: no release holds a file named {shown}")
        if stat.S_IFMT(entry.external_attr >> 16) == LINK:
            raise _Unfit(f"it was changed after the site wrote it: {shown} is a link")
        if entry.flag_bits & 0x1:
            raise _Unfit(f"it was changed after the site wrote it: {shown} is locked with a password")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _Unfit(f"it was changed after the site wrote it: {twice} is in it twice")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise _Unfit("it was changed after the site wrote it (releases are stored uncompressed)")
    if sum(entry.file_size for entry in entries) > length:
        raise _Unfit("it says it holds more than it is long: a zip bomb")
