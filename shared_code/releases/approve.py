"""Approving and sending: two people look at the same bytes and sign, then the package may go to the outbox.

    private/<site>/<study>/release/<site>.zip       the draft: what would leave
    private/<site>/<study>/release/approvals.json   who approved it
    outbox/<study>/<site>.sent.jsonl                what was sent: number, digests, dates; it outlives the private room
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared_code.config.people import approvals_needed, who_may_sign
from shared_code.config.site import Site
from shared_code.config.study import Study
from shared_code.model import Problem, Refused, few
from shared_code.releases import json_form, package
from shared_code.releases import signatures as sig
from shared_code.releases.signatures import Approval, Sending, Signers

APPROVALS = "approvals.json"
VALID_DAYS = 366  # a package is good for a year, unless the site's agreement ends before


def signers_of(site: Site, study: Study) -> Signers:
    """Give who may sign for a site in a study, from settings files alone."""
    people, site_keys = who_may_sign(site, study)
    return Signers(people, site_keys, approvals_needed(site, study))


def approve(site: Site, study: Study, draft: Path, name: str, role: str, reason: str, key: Any, today: dt.date
            ) -> tuple[package.Package, list[str]]:  # fmt: skip
    """Sign a draft as one person, in one role, for a reason; the approval is bound to its exact content.

    Gives the package and the roles that still have to approve it.
    Raises model.Refused when the person may not approve in this role, approved it in another one, gives no reason, or
    the draft is damaged.
    """
    found, signers = package.opened(draft), signers_of(site, study)
    where = f"{name}, {role}"
    wrong: list[str] = []
    if not reason.strip():
        wrong.append("no reason is given")
    if role not in signers.roles:
        wrong.append(f"no {role} approves releases of {site.site}; the roles are {few(signers.roles)}")
    earlier = [one for one in read_approvals(draft) if one.content == found.digest and one.role != role]
    for one in earlier:
        if one.name == name:
            wrong.append(f"{name} approved it as {one.role} already: a second person must look at it")
    if wrong:
        raise _refused(site, where, wrong)
    said = sig.make(Approval, key, content=found.digest, study=study.study, site=site.site, role=role, name=name,
                date=today.isoformat(), reason=reason.strip())  # fmt: skip
    mine = Approval.model_validate(said)
    wrong = sig.faults_of_approval(mine, found.digest, study.study, site.site, signers)
    wrong += [f"{one.name} approved it with this key already: a second person must, with a key of their own"
              for one in earlier if one.key == mine.key]  # fmt: skip
    if wrong:
        raise _refused(site, where, wrong)
    kept = sorted([*earlier, mine], key=lambda one: one.role)
    package.put(draft.with_name(APPROVALS), json_form.written([one.model_dump() for one in kept]))
    return found, [role for role in signers.roles if role not in {one.role for one in kept}]


def read_approvals(draft: Path) -> list[Approval]:
    """Read the approvals beside a draft (raises model.Refused when the file is damaged)."""
    path = draft.with_name(APPROVALS)
    try:
        return [Approval.model_validate(one) for one in json_form.read(path.read_bytes())] if path.is_file() else []
    except (ValueError, TypeError, ValidationError):
        problem = Problem(str(path), "it is damaged or was changed", "", "Remove it, and approve again")
        raise Refused(str(path), [problem]) from None


@dataclass(frozen=True)
class Ready:
    """Hold a package that may leave: its bytes, and what was signed about it."""

    content: bytes
    package: package.Package
    sent: Sending


def signed(site: Site, study: Study, draft: Path, register: Path, key: Any, today: dt.date, days: int = VALID_DAYS) -> Ready:
    """Check both approvals against the exact bytes of the draft, and sign for the site; nothing is written.

    register  record of what was sent before; the number of this release follows from it
    Raises model.Refused when an approval is missing, was given for other content, or comes from somebody who may not.
    """
    found, signers = package.opened(draft), signers_of(site, study)
    approvals = read_approvals(draft)
    standing = [one for one in approvals if one.content == found.digest]
    wrong = sig.faults_of_approvals(standing, found.digest, study.study, site.site, signers)
    void = [one.name for one in approvals if one.content != found.digest]
    if void:
        wrong = [f"the draft changed after {few(void)} approved it; approvals of other content are void", *wrong]
    if wrong:
        raise _refused(site, str(draft), wrong)
    content, _ = package.as_bytes(found.manifest, found.files)
    if content != draft.read_bytes():
        raise _refused(site, str(draft), ["it is not written as a release writes it"])
    number, supersedes = _number(register, found.digest)
    expires = today + dt.timedelta(days=days)
    if site.governance:
        expires = min(expires, site.governance.agreement_expires)
    said = [one.model_dump() for one in standing]
    sent = sig.make(Sending, key, content=found.digest, study=study.study, site=site.site, role=sig.SITE, name=site.site,
                date=today.isoformat(), reason="sent by the site", number=number, supersedes=supersedes,
                expires=expires.isoformat(), approvals=sig.digest_of(said))  # fmt: skip
    if sent["key"] not in signers.site_keys:
        raise _refused(site, "site_key", ["the key on this machine is not the one that the settings hold"])
    whole, _ = package.as_bytes(found.manifest, found.files, {"form": sig.FORM, "approvals": said, "sent": sent})
    return Ready(whole, found, Sending.model_validate(sent))


def remember(register: Path, ready: Ready) -> None:
    """Note what is sent; done before the package can leave. The number of the next release comes from here."""
    entry = ready.sent.model_dump(include={"number", "content", "supersedes", "date", "expires"})
    line = {**entry, "file": package.digest(ready.content)}
    before = register.read_bytes() if register.is_file() else b""
    package.put(register, before + json_form.compact(line) + b"\n")


def sent_before(register: Path) -> list[dict[str, Any]]:
    """List what was sent before, oldest first (raises model.Refused when the record is damaged)."""
    try:
        lines = register.read_text("utf-8").splitlines() if register.is_file() else []
        entries = [json.loads(line) for line in lines]
        return [{"number": int(e["number"]), "content": str(e["content"]), "file": str(e["file"])} for e in entries]
    except (ValueError, KeyError, TypeError):
        problem = Problem(str(register), "it is damaged", "", "Mend it from the packages that were sent")
        raise Refused(str(register), [problem]) from None


def _number(register: Path, content: str) -> tuple[int, str]:
    """Give the number of a release and what it supersedes; the same content sent again keeps its number."""
    before = sent_before(register)
    others = [e for e in before if e["content"] != content]
    if before and before[-1]["content"] == content:
        return before[-1]["number"], others[-1]["content"] if others else ""
    return (max(e["number"] for e in before) + 1, before[-1]["content"]) if before else (1, "")


def _refused(site: Site, where: str, wrong: list[str]) -> Refused:
    mend = "docs/site.md, section 3, says who may approve and how"
    return Refused(f"The approval of the release of {site.title} ({site.site})", [Problem(where, w, "", mend) for w in wrong])
