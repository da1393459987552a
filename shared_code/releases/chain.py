"""A record that only grows: hash-chained JSON lines, and the files they speak of, named by their digest.

    ledger.jsonl   one line per entry; each holds the hash of the line before it
    head.json      how many entries there are, and the hash of the last: a tail that was cut off is noticed
    files/         what the entries name, each file under its own SHA-256

A line is written after its files and before the head, each whole or not at all. So a machine that stops in between leaves
at most one line that the head does not know yet, and that line counts: a ledger may remember too much, never too little.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared_code.config.digests import of_json
from shared_code.model import Problem, Refused
from shared_code.releases.package import digest

LINES, HEAD, FILES = "ledger.jsonl", "head.json", "files"
FIRST = "0" * 64  # stands where the first entry would name the one before it


@dataclass(frozen=True)
class Chain:
    """Give access to one such record.

    folder  where it lies; made for its owner only     mend  what to do when it is damaged, in words
    """

    folder: Path
    mend: str

    def entries(self) -> list[dict[str, Any]]:
        """Read every entry, oldest first, and check every byte of the record.

        Raises model.Refused, naming everything that is damaged, cut off or missing.
        """
        problems: list[Problem] = []
        lines = self._lines(problems)
        head = self._head(problems)
        if head is not None and not problems:
            self._compare_with_head(lines, head, problems)
        for line in lines:
            problems += self._faulty_files(line)
        if problems:
            raise Refused(f"The ledger {self.folder}", problems)
        return [line["content"] for line in lines]

    def append(self, content: Mapping[str, Any], files: Mapping[str, bytes] | None = None) -> None:
        """Add an entry and the files it speaks of; `files` of the entry says name -> SHA-256.

        Raises model.Refused, and adds nothing, when the record is damaged.
        """
        files = files or {}
        with alone(self.folder.parent):
            self.entries()
            lines = self._lines([])
            for body in files.values():
                self._write(Path(FILES) / digest(body), body)
            listed = {name: digest(body) for name, body in sorted(files.items())}
            entry = {"number": len(lines) + 1, "previous": lines[-1]["hash"] if lines else FIRST,
                     "content": {**content, "files": listed}}  # fmt: skip
            lines.append({**entry, "hash": of_json(entry)})
            self._write(Path(LINES), "".join(_as_line(line) for line in lines).encode())
            self._write(Path(HEAD), json.dumps({"entries": len(lines), "last": lines[-1]["hash"]}).encode())

    def last(self) -> str:
        """Give the hash of the last entry, or 64 zeros."""
        lines = self._lines([])
        return lines[-1]["hash"] if lines else FIRST

    def file(self, sha256: str) -> bytes:
        """Give a file that an entry names (its bytes were checked by `entries`)."""
        return (self.folder / FILES / sha256).read_bytes()

    def intact_entries(self) -> list[dict[str, Any]]:
        """Give the entries that are whole by themselves, whatever is wrong with the rest: material to rebuild from."""
        lines = self._lines([])
        return [line["content"] for line in lines if not [*self._faulty_files(line)]]

    def _problem(self, name: str, wrong: str) -> Problem:
        return Problem(f"{self.folder.as_posix()}/{name}", wrong, "a ledger exactly as Cohortium wrote it", self.mend)

    def _lines(self, problems: list[Problem]) -> list[dict[str, Any]]:
        """Read the lines that are whole by themselves; say what is wrong with the others and with their order."""
        path = self.folder / LINES
        if not path.is_file():
            if self.folder.is_dir() and ((self.folder / HEAD).exists() or (self.folder / FILES).exists()):
                problems.append(self._problem(LINES, "it is not there, though the rest of the ledger is"))
            return []
        lines: list[dict[str, Any]] = []
        previous = FIRST
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            problems.append(self._problem(LINES, "its last line is cut off"))
        for number, text in enumerate(content.splitlines(keepends=True), 1):
            try:
                line = json.loads(text)
                entry = {key: line[key] for key in ("number", "previous", "content")}
                expected = {**entry, "hash": of_json(entry)}  # nothing beside what the hash covers
                whole = line == expected and _as_line(line).encode() == text and isinstance(line["content"], dict)
            except (ValueError, KeyError, TypeError, RecursionError):
                whole = False
            if not whole:
                problems.append(self._problem(LINES, f"line {number} is damaged or was changed"))
                continue
            if (line["number"], line["previous"]) != (number, previous):
                problems.append(self._problem(LINES, f"line {number} does not follow the line before it: a line was removed"))
            previous = line["hash"]
            lines.append(line)
        return lines

    def _head(self, problems: list[Problem]) -> dict[str, Any] | None:
        path = self.folder / HEAD
        if not path.is_file():
            return {"entries": 0, "last": FIRST}
        try:
            head = json.loads(path.read_bytes())
            return {"entries": int(head["entries"]), "last": str(head["last"])}
        except (ValueError, KeyError, TypeError, RecursionError):
            problems.append(self._problem(HEAD, "it is damaged"))
            return None

    def _compare_with_head(self, lines: list[dict[str, Any]], head: dict[str, Any], problems: list[Problem]) -> None:
        known = head["entries"]
        if len(lines) < known:
            wrong = f"it holds {len(lines)} entries, but {known} were written: the last ones were cut off"
            problems.append(self._problem(LINES, wrong))
        elif len(lines) > known + 1:
            problems.append(self._problem(HEAD, f"it knows {known} of {len(lines)} entries: it is missing or an old copy"))
        elif known < 0 or (lines[known - 1]["hash"] if known else FIRST) != head["last"]:
            problems.append(self._problem(HEAD, "it names another last entry than the ledger has"))

    def _faulty_files(self, line: dict[str, Any]) -> Iterator[Problem]:
        for name, sha256 in line["content"].get("files", {}).items():
            path = self.folder / FILES / sha256
            if not path.is_file():
                yield self._problem(f"{FILES}/{sha256}", f"it is missing ({name} of entry {line['number']})")
            elif digest(path.read_bytes()) != sha256:
                yield self._problem(f"{FILES}/{sha256}", f"it is damaged ({name} of entry {line['number']})")

    def _write(self, name: Path, content: bytes) -> None:
        """Write a file for its owner only, whole or not at all."""
        target = self.folder / name
        for folder in (self.folder, target.parent):
            folder.mkdir(parents=True, exist_ok=True)
            if os.name == "posix":
                folder.chmod(0o700)
        partial = target.with_name(target.name + ".partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time write what a folder holds (where the system can lock files)."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _as_line(line: Mapping[str, Any]) -> str:
    return json.dumps(line, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"
