"""Who stands behind a package: approvals of people, and the site's own signature when it sends.

Every statement is signed by one key over its canonical JSON (sorted keys, no spaces, UTF-8; RFC 8032). It names the
digest of the content, so a single changed byte voids it; and the site's statement covers the approvals too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared_code.config.people import Person
from shared_code.model import Problem, few
from shared_code.releases import json_form, keys
from shared_code.releases.package import digest

FORM = "cohortium-signatures/1"
SITE = "site"
ARTICLES = {"analyst": "an analyst", "reviewer": "a reviewer", "typist": "a typist"}


class Statement(BaseModel):
    """What one signature says: this content, of this study and site, approved in this role, on this day, because."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    content: str = Field(pattern="^[0-9a-f]{64}$")
    study: str
    site: str
    role: str
    name: str
    date: str
    reason: str = Field(min_length=1, max_length=500)
    key: str
    signature: str

    def signed_bytes(self) -> bytes:
        """Give what the signature is under: everything but itself."""
        return json_form.compact(self.model_dump(exclude={"signature"}))

    @property
    def fits(self) -> bool:
        """Tell whether the signature is that of the key it names, under exactly this."""
        return keys.fits(self.key, self.signature, self.signed_bytes())


class Approval(Statement):
    """The statement of a person."""


class Sending(Statement):
    """The statement of the site: the number of the release, which one it replaces, until when it may be used.

    number      rises with every new content a site sends in a study
    supersedes  digest of the content it replaces, or empty
    expires     last day on which it may be taken in and pooled
    approvals   digest of the approvals, so that none can be exchanged afterwards
    """

    number: int = Field(ge=1)
    supersedes: str = Field(pattern="^([0-9a-f]{64})?$")
    expires: str
    approvals: str


class Signatures(BaseModel):
    """Everything that signatures.json holds."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    form: str = Field(pattern=f"^{FORM}$")
    approvals: list[Approval]
    sent: Sending


def make(kind: type[Statement], key: Any, **said: Any) -> dict[str, Any]:
    """Sign a statement; gives it as it is written."""
    unsigned = kind.model_construct(**said, key=keys.public_text(key), signature="")
    signature = keys.sign(key, unsigned.signed_bytes())
    return kind.model_validate({**said, "key": unsigned.key, "signature": signature}).model_dump()


def digest_of(approvals: Sequence[Mapping[str, Any]]) -> str:
    """Give the digest of some approvals."""
    return digest(json_form.compact(list(approvals)))


@dataclass(frozen=True)
class Signers:
    """Hold who may sign for a site: people by name, the site's keys, and which roles must approve."""

    people: Mapping[str, Person]
    site_keys: tuple[str, ...]
    roles: tuple[str, ...]


def faults_of_approval(one: Statement, content: str, study: str, site: str, signers: Signers) -> list[str]:
    """Say what is wrong with one approval, in words; empty when it stands."""
    who = f"the approval of {one.name} ({one.role})"
    person = signers.people.get(one.name)
    if (one.study, one.site) != (study, site):
        return [f"{who} is for {one.site} in {one.study}"]
    if one.content != content:
        return [f"{who} is for other content: it was given before the package was changed"]
    if person is None:
        return [f"{who} counts for nothing: the settings of {site} list no such person"]
    if one.role not in person.roles:
        return [f"{who} counts for nothing: {one.name} is {few(person.roles)}, not {one.role}"]
    if one.key != person.key:
        return [f"{who} is signed with another key than the settings of {site} list"]
    if not one.fits:
        return [f"{who} was not made with that key, or was changed"]
    return [] if _day(one.date) else [f"{who} has no date"]


def faults_of_approvals(approvals: Sequence[Statement], content: str, study: str, site: str, signers: Signers) -> list[str]:
    """Say what is wrong with the approvals together: missing, twice, or two by one person."""
    found = [fault for one in approvals for fault in faults_of_approval(one, content, study, site, signers)]
    if found:
        return found
    given = sorted(one.role for one in approvals)
    if given != sorted(signers.roles):
        lacking = [role for role in signers.roles if role not in given]
        if lacking:
            return [f"it lacks the approval of {' and of '.join(ARTICLES.get(role, role) for role in lacking)}"]
        return [f"it has {len(given)} approvals ({few(given)}), not those of {few(signers.roles)}"]
    if len({one.name for one in approvals}) < len(approvals) or len({one.key for one in approvals}) < len(approvals):
        return ["one person approved it twice: two different people must, each with their own key"]
    return []


def read(content: Mapping[str, Any]) -> Signatures:
    """Read signatures.json (raises ValueError, in words)."""
    if not content:
        raise ValueError("nobody has signed it")
    try:
        return Signatures.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"its signatures cannot be read ({where}: {first['msg'][0].lower()}{first['msg'][1:]})") from None


def faults(signed: Signatures, content: str, study: str, site: str, signers: Signers, today: dt.date) -> list[str]:
    """Say, in words, everything that is wrong with the signatures of a package; empty when all stand."""
    sent = signed.sent
    if not signers.site_keys:
        return [f"nobody can tell whether {site} sent it: the settings of {site} hold no site_key"]
    if (sent.study, sent.site, sent.role, sent.name) != (study, site, SITE, site):
        return [f"the signature of the site is that of {sent.name} for {sent.site} in {sent.study}"]
    if sent.key not in signers.site_keys:
        return [f"it is signed with a key that is not the site_key of {site}"]
    if not sent.fits:
        return [f"the signature of {site} was not made with its key, or was changed"]
    if sent.content != content:
        return [f"the signature of {site} is under other content: it was changed after the site signed it"]
    if sent.approvals != digest_of([one.model_dump() for one in signed.approvals]):
        return ["its approvals are not those that the site sent"]
    found = faults_of_approvals(signed.approvals, content, study, site, signers)
    created, expires = _day(sent.date), _day(sent.expires)
    if not created or not expires:
        found.append("it does not say when it was sent and until when it may be used")
    elif today > expires:
        found.append(f"it expired on {expires}")
    elif created > today + dt.timedelta(days=1):  # a day of grace for time zones
        found.append(f"it says that it was sent on {created}, which is to come")
    elif any(_day(one.date) > created for one in signed.approvals if _day(one.date)):
        found.append("it was approved after it was sent")
    return found


def as_problems(found: Sequence[str], where: str) -> list[Problem]:
    """Turn faults into problems that say what to do."""
    mend = "Ask the site to approve and send it again, and remove this file"
    return [Problem(where, wrong, "", mend) for wrong in found]


def _day(text: str) -> dt.date | None:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None
