"""The register of an inbox: what was accepted, in order, so that an old package cannot come back as a new one.

    inbox/<study>/received.jsonl    one line per accepted package; each names the digest of the line before it
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared_code.model import Problem, Refused
from shared_code.releases import json_form
from shared_code.releases.chain import alone
from shared_code.releases.package import digest, put
from shared_code.releases.signatures import Sending

FILE = "received.jsonl"
FIRST = "0" * 64
KEYS = {"site", "number", "content", "supersedes", "sent", "expires", "received", "previous"}


class Register:
    """Give access to the register of one inbox."""

    def __init__(self, folder: Path):
        self.path = folder / FILE

    def entries(self) -> list[dict[str, Any]]:
        """Read every entry, oldest first (raises model.Refused when a line was changed or removed)."""
        previous, found = FIRST, []
        lines = self.path.read_bytes().splitlines() if self.path.is_file() else []
        for number, line in enumerate(lines, 1):
            try:
                entry = json_form.read(line)
                whole = set(entry) == KEYS and entry["previous"] == previous and json_form.compact(entry) == line
            except (ValueError, TypeError):
                whole = False
            if not whole:
                wrong = f"line {number} is damaged, was changed, or does not follow the line before it"
                mend = "Restore it from a copy, or set the inbox aside and receive every package again"
                raise Refused(str(self.path), [Problem(str(self.path), wrong, "", mend)])
            found.append(entry)
            previous = digest(line)
        return found

    def latest(self, site: str) -> dict[str, Any] | None:
        """Give the entry of the release of a site that counts now."""
        own = [entry for entry in self.entries() if entry["site"] == site]
        return own[-1] if own else None

    def replay(self, sent: Sending) -> str:
        """Say, in words, why a package is an old one that came back; empty when it is new, or the one that counts."""
        own = [entry for entry in self.entries() if entry["site"] == sent.site]
        if not own or (own[-1]["number"], own[-1]["content"]) == (sent.number, sent.content):
            return ""
        if sent.number <= own[-1]["number"]:
            latest = own[-1]["number"]
            seen = any(entry["content"] == sent.content for entry in own)
            return (f"it is release {sent.number} of {sent.site}, and release {latest} was received on {own[-1]['received']}"
                    f"{': an old package came back' if seen else ': two releases cannot have one number'}")  # fmt: skip
        return ""

    def add(self, sent: Sending, today: dt.date) -> None:
        """Note an accepted package; the one that counts already is not noted again (raises model.Refused for a replay)."""
        with alone(self.path.parent):
            self._add(sent, today)

    def _add(self, sent: Sending, today: dt.date) -> None:
        replayed = self.replay(sent)
        if replayed:
            raise Refused(str(self.path), [Problem(sent.site, replayed, "", "Keep the newer one")])
        entries = self.entries()
        latest = self.latest(sent.site)
        if latest and (latest["number"], latest["content"]) == (sent.number, sent.content):
            return
        previous = digest(json_form.compact(entries[-1])) if entries else FIRST
        line = json_form.compact({
            "site": sent.site, "number": sent.number, "content": sent.content, "supersedes": sent.supersedes,
            "sent": sent.date, "expires": sent.expires, "received": today.isoformat(), "previous": previous,
        })  # fmt: skip
        put(self.path, b"".join(json_form.compact(entry) + b"\n" for entry in entries) + line + b"\n")

    def faults_of(self, inbox: Mapping[str, Sending]) -> list[Problem]:
        """Compare what lies in an inbox with the register: each site's package must be the one accepted last."""
        problems = []
        for site, sent in inbox.items():
            where, latest = str(self.path.with_name(f"{site}.zip")), self.latest(site)
            if latest is None:
                mend = "Take it in: cohortium receive FILE"
                problems.append(Problem(where, "it was put here by hand; nobody checked whether it is an old one", "", mend))
            elif (latest["number"], latest["content"]) != (sent.number, sent.content):
                wrong = f"it is not release {latest['number']}, which was received on {latest['received']}"
                problems.append(Problem(where, wrong, "", "Receive the package again that counts"))
        return problems
