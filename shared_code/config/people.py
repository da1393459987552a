"""Who may sign for a site: people with their roles and public keys, as settings files list them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from shared_code.config.strict import Fault, Strict, mapping

ANALYST, REVIEWER, TYPIST = "analyst", "reviewer", "typist"
KEY_FORM = "ed25519:"
APPROVALS = (ANALYST, REVIEWER)  # what the results of person-level data need, from two different people
APPROVALS_OF_PUBLISHED = (TYPIST,)  # what tables need that anybody can read already


def key_bytes(text: str) -> bytes:
    """Give the 32 bytes of a public key written as text (raises ValueError).

    >>> len(key_bytes("ed25519:" + "A" * 43 + "="))
    32
    """
    try:
        raw = base64.b64decode(text.removeprefix(KEY_FORM), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not text.startswith(KEY_FORM) or len(raw) != 32 or KEY_FORM + base64.b64encode(raw).decode() != text:
        raise ValueError(f"a public key is written {KEY_FORM} and 44 characters, as `cohortium keys show NAME` prints it")
    return raw


class Person(Strict):
    """Somebody who may approve releases.

    roles  analyst (made the results), reviewer (looked at them), typist (typed tables that were published already)
    key    public key, as `cohortium keys new` prints it
    """

    roles: list[Literal["analyst", "reviewer", "typist"]] = Field(min_length=1)
    key: str

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, text: str) -> str:
        key_bytes(text)
        return text


def shared_keys(content: dict[str, Any]) -> Iterator[Fault]:
    """Find two signers with one key: then two signatures would prove one person only."""
    seen: dict[str, str] = {}
    if isinstance(site_key := content.get("site_key"), str) and site_key:
        seen[site_key] = "the site"
    for name, person in mapping(content, "people").items():
        key = person.key if isinstance(person, Person) else mapping(person).get("key")
        if isinstance(key, str) and seen.setdefault(key, name) != name:
            yield Fault(("people", str(name), "key"), f"it is also the key of {seen[key]}", "a key of their own for everybody")


def borrowed_keys(site: Any, others: Iterable[Any]) -> list[str]:
    """List who signs for a real site with a key of a made-up one: everybody can make those keys."""
    known = {key for other in others if other.made_up for key in _keys_of(other).values()}
    return [] if site.made_up else [who for who, key in _keys_of(site).items() if key in known]


def _keys_of(site: Any) -> dict[str, str]:
    keys = {f"people.{name}.key": person.key for name, person in site.people.items()}
    return keys | ({"site_key": site.site_key} if site.site_key else {})


def only_public(site: Any, study: Any) -> bool:
    """Tell whether a release of a site can hold only numbers that anybody can read already.

    The site maps no table of persons, and the study withholds nothing (a threshold of 1), which it may do only for tables
    that were published. Asked of the settings, never of a package.
    """
    return bool(site.published) and not site.tables and study.disclosure.threshold == 1


def who_may_sign(site: Any, study: Any) -> tuple[Mapping[str, Person], tuple[str, ...]]:
    """Give the people who may approve for a site, and the keys that stand for the site itself.

    A site of published tables that has no people of its own is typed by people of the coordinating team, whom the study
    lists; their keys then stand for the site too.
    """
    if only_public(site, study) and not site.people:
        return study.people, tuple(person.key for person in study.people.values() if TYPIST in person.roles)
    return site.people, (site.site_key,) if site.site_key else ()


def approvals_needed(site: Any, study: Any) -> tuple[str, ...]:
    """Give the roles that must approve a release of a site: two people, unless every number in it is public already."""
    return APPROVALS_OF_PUBLISHED if only_public(site, study) else APPROVALS
