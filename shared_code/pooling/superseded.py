"""Releases that a newer one of the same site has replaced: kept beside the inbox, so that the two can be compared.

    inbox/<study>/superseded/<site>.<digest>.zip
"""

from __future__ import annotations

from pathlib import Path

from shared_code.config.study import Study
from shared_code.model import Problem, Refused
from shared_code.pooling.inbox import Inbox, Received
from shared_code.pooling.register import Register
from shared_code.releases import package
from shared_code.releases.cells import from_csv

FOLDER = "superseded"
DIGITS = 12  # of the digest, in the name of the file


def set_aside(current: Path, replacement: bytes) -> None:
    """Keep the package that is about to be replaced; nothing happens where there is none, or the same one again.

    One that cannot be read, because an older version of this program wrote it, could not be compared and is not kept.
    """
    if not current.is_file() or current.read_bytes() == replacement:
        return
    try:
        content = package.opened(current).digest
    except Refused:
        return
    package.put(current.parent / FOLDER / f"{current.stem}.{content[:DIGITS]}.zip", current.read_bytes())


def superseded(study: Study, folder: Path, inbox: Inbox) -> dict[str, list[Received]]:
    """Read the earlier releases of the sites in an inbox, oldest first: site -> releases.

    folder  inbox/<study>
    Raises model.Refused when one is not what was received then.
    """
    entries = Register(folder).entries()
    found: dict[str, list[Received]] = {}
    problems = []
    for path in sorted((folder / FOLDER).glob("*.zip")):
        site = path.name.partition(".")[0]
        known = {entry["content"]: int(entry["number"]) for entry in entries if entry["site"] == site}
        try:
            opened = package.opened(path)
        except Refused as refused:  # only what could be read was set aside
            problems += refused.problems
            continue
        if opened.digest not in known:
            problems.append(Problem(str(path), "it is not what was received then", "", "Remove it"))
            continue
        now = inbox.releases.get(site)
        if now is None or opened.digest == now.digest:
            continue
        tables = {}
        for stem in opened.manifest["plans"]:
            for name in study.analyses[stem].results if stem in study.analyses else ():
                content = opened.files.get(f"{package.TABLES}{stem}.{name}.csv")
                if content is not None:
                    tables[stem, name] = from_csv(content)
        sent = now.sent.model_copy(update={"number": known[opened.digest], "content": opened.digest})
        found.setdefault(site, []).append(Received(opened.manifest, tables, opened.digest, sent))
    if problems:
        raise Refused(f"The earlier releases in {folder / FOLDER}", problems)
    return {site: sorted(own, key=lambda one: one.sent.number) for site, own in found.items()}
