"""Sending: from an approved draft to the outbox, after the checks that the coordinating team will make."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from shared_code.config import Site, Study, rooms
from shared_code.disclosure import Earlier
from shared_code.model import Problem, Refused
from shared_code.pooling.inbox import accept
from shared_code.releases import approve, beside, encryption, keys, ledger, package
from shared_code.releases.cells import from_csv

PLAYED = {"analyst": "made up; shows how an analyst approves", "reviewer": "made up; shows how a reviewer approves"}


def send(site: Site, study: Study, key: Any, days: int = approve.VALID_DAYS) -> str:
    """Sign an approved draft for its site and write it to the outbox, whole or not at all.

    Raises model.Refused, and writes nothing to the outbox, when an approval is missing or void, or when the package would be
    refused by the coordinating team.
    """
    site.takes_part(study)
    today, draft = dt.date.today(), rooms.draft(site.site, study.study)
    register = rooms.sent(site.site, study.study)
    ready = approve.signed(site, study, draft, register, key, today, days)
    signed = draft.with_name("signed.zip")
    package.put(signed, ready.content)
    try:
        accept(study, signed, {site.site: site}, today)
    finally:
        signed.unlink()
    target, content = rooms.outgoing(site.site, study.study), ready.content
    if study.coordinator_key:
        target, content = target.with_name(target.name + encryption.SUFFIX), encryption.encrypt(content, study.coordinator_key)
    _remember(site, draft, ready)
    approve.remember(register, ready)
    package.put(target, content)
    return (f"Wrote {target.as_posix()}: release {ready.sent.number} of {site.title}, {ready.package.digest[:12]}, good until "
            f"{ready.sent.expires}. No program carries it: a person does.")  # fmt: skip


def _remember(site: Site, draft: Path, ready: approve.Ready) -> None:
    """Put the release into the site's ledger before it can leave; without its ledger nothing leaves."""
    found = ready.package
    # behind published tables there is nothing that only the site knows
    known = beside.read(draft, found.digest) if site.tables else beside.Beside("")
    left = [one.digest for one in ledger.read(rooms.ledger(site.site), found.manifest["study"])]
    if site.tables and found.digest not in left and (*known.earlier,) != (*left,):
        wrong = "another release of this site left after this draft was made, and it was not compared with it"
        raise Refused(str(draft), [Problem(str(draft), wrong, "", f"Run release again: python3 run.py release {site.site}")])
    tables = {path.removeprefix(package.TABLES).removesuffix(".csv"): from_csv(body) for path, body in found.tables.items()}
    ledger.append(rooms.ledger(site.site), Earlier(found.digest, known.data, tables, known.people), found.manifest)


def approve_demo(name: str, study: Study) -> str:
    """Play two people who approve the release of a demonstration site, and the site that sends it."""
    site = Site.read(name)
    if not name.startswith(rooms.DEMONSTRATION) or not site.made_up:
        wrong = f"{name} is a real site: people approve its release"
        mend = f"cohortium approve {name} --by NAME --reason '…', twice; then cohortium send {name}"
        raise Refused(name, [Problem(name, wrong, "sites whose name begins with demo_", mend)])
    draft, today = rooms.draft(name, study.study), dt.date.today()
    for role, reason in PLAYED.items():
        approve.approve(site, study, draft, role, role, reason, keys.demonstration(name, role), today)
    return send(site, study, keys.demonstration(name, "site"))
