"""Two different people approve exact bytes, or nothing leaves."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from shared_code.config import Site, sites_of
from shared_code.config.digests import ROOT
from shared_code.releases import approve, keys, package
from shared_code.releases import signatures as sig

TODAY = dt.date(2026, 11, 25)


@pytest.fixture
def say(tiny, north, signing):
    """Let somebody approve."""

    def approving(draft: Path, name: str, role: str, reason: str = "looked at every table", key: str = "", site: Site = north):
        return approve.approve(site, tiny, draft, name, role, reason, signing.key(key or name), TODAY)

    return approving


@pytest.fixture
def sign(tiny, north, signing, tmp_path):
    """Let the site sign what was approved."""

    def signing_for(draft: Path, key: str = "north", site: Site = north, **more):
        return approve.signed(site, tiny, draft, tmp_path / "sent.jsonl", signing.key(key), TODAY, **more)

    return signing_for


def test_an_analyst_and_a_reviewer_approve_and_the_site_signs(draft, say, sign):
    path = draft()
    _, lacking = say(path, "ada", "analyst", reason="the numbers are those of the protocol")
    assert lacking == ["reviewer"]
    _, lacking = say(path, "rosa", "reviewer")
    assert lacking == []
    ready = sign(path)
    found = package.parsed(ready.content)
    assert found.digest == package.opened(path).digest
    said = [(one["name"], one["role"], one["date"], one["reason"]) for one in found.signatures["approvals"]]
    assert said == [("ada", "analyst", "2026-11-25", "the numbers are those of the protocol"),
                    ("rosa", "reviewer", "2026-11-25", "looked at every table")]  # fmt: skip
    sent = found.signatures["sent"]
    assert (sent["number"], sent["supersedes"], sent["date"], sent["expires"]) == (1, "", "2026-11-25", "2027-11-26")


@pytest.mark.parametrize("change", ["another number", "one byte"])
def test_any_change_voids_the_approvals(draft, say, sign, message_of, problems_of, change):
    path = draft()
    say(path, "ada", "analyst")
    say(path, "rosa", "reviewer")
    if change == "another number":
        draft(cases=45)
        told = [str(p) for p in problems_of(sign, path)]
        assert "the draft changed after ada, rosa approved it" in told[0]
        assert "it lacks the approval of an analyst and of a reviewer" in told[1]
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))
        assert "it is damaged, or was changed" in message_of(sign, path)


def test_one_approval_is_not_enough(draft, say, sign, message_of):
    path = draft()
    assert "it lacks the approval of an analyst and of a reviewer" in message_of(sign, path)
    say(path, "rosa", "reviewer")
    assert "it lacks the approval of an analyst" in message_of(sign, path)


def test_nobody_approves_twice(draft, say, message_of):
    path = draft()
    say(path, "ada", "analyst")
    assert "ada approved it as analyst already: a second person must look at it" in message_of(say, path, "ada", "reviewer")


def test_one_key_under_two_names_is_one_person(draft, say, signing, north, message_of):
    """The settings refuse two names for one key; whoever gets around that is refused here."""
    rosa = north.people["rosa"].model_copy(update={"key": signing.public("ada")})
    twins = north.model_copy(update={"people": {**north.people, "rosa": rosa}})
    path = draft()
    say(path, "ada", "analyst")
    message = message_of(say, path, "rosa", "reviewer", key="ada", site=twins)
    assert "ada approved it with this key already: a second person must, with a key of their own" in message


def test_two_names_for_one_key_are_refused_in_the_settings(north):
    content = north.model_dump(mode="json")
    content["people"]["rosa"]["key"] = content["people"]["ada"]["key"]
    with pytest.raises(ValueError, match="it is also the key of ada"):
        Site.model_validate(content)
    content["people"]["rosa"]["key"] = content["site_key"]
    with pytest.raises(ValueError, match="it is also the key of the site"):
        Site.model_validate(content)


def test_a_real_site_cannot_use_the_keys_that_everybody_can_make(north, tmp_path, message_of):
    everybody = keys.public_text(keys.demonstration("demo_ashvale", "reviewer"))
    demo = (ROOT / "config" / "sites" / "demo_ashvale.yaml").read_text("utf-8")
    (tmp_path / "demo_ashvale.yaml").write_text(demo, "utf-8")
    real = {**json.loads(north.model_dump_json(exclude_defaults=True)), "studies": ["demonstration"]}
    (tmp_path / "north.yaml").write_text(json.dumps(real), "utf-8")
    assert [site.site for site in sites_of("demonstration", tmp_path)] == ["demo_ashvale", "north"]
    real["people"]["rosa"]["key"] = everybody
    (tmp_path / "north.yaml").write_text(json.dumps(real), "utf-8")
    message = message_of(sites_of, "demonstration", tmp_path)
    assert "people.rosa.key: it is a key of a made-up site, which everybody can make" in message


# who, in which role, with whose key | words of the one message
NOT_ALLOWED = [
    (("eve", "reviewer", "eve"), "the settings of north list no such person"),
    (("rosa", "analyst", "rosa"), "rosa is reviewer, not analyst"),
    (("rosa", "reviewer", "ada"), "is signed with another key than the settings of north list"),
    (("rosa", "typist", "rosa"), "no typist approves releases of north; the roles are analyst, reviewer"),
]


@pytest.mark.parametrize(("who", "words"), NOT_ALLOWED)
def test_who_may_not_approve(draft, say, problems_of, who, words):
    name, role, key = who
    assert words in str(problems_of(say, draft(), name, role, key=key)[0])


def test_a_reason_must_be_given(draft, say, message_of):
    assert "no reason is given" in message_of(say, draft(), "ada", "analyst", reason="  ")


def test_only_the_key_of_the_site_sends(draft, say, sign, message_of):
    path = draft()
    say(path, "ada", "analyst")
    say(path, "rosa", "reviewer")
    assert "the key on this machine is not the one that the settings hold" in message_of(sign, path, key="south")


def test_an_approval_written_by_hand_is_refused(draft, say, sign, message_of):
    path = draft()
    say(path, "ada", "analyst")
    say(path, "rosa", "reviewer")
    record = path.with_name(approve.APPROVALS)
    approvals = json.loads(record.read_bytes())
    approvals[1]["reason"] = "because"
    record.write_text(json.dumps(approvals))
    assert "the approval of rosa (reviewer) was not made with that key, or was changed" in message_of(sign, path)
    record.write_text("[{}]")
    assert "it is damaged or was changed" in message_of(sign, path)


def test_the_number_rises_with_every_content_and_names_what_it_replaces(draft, tiny, north, signing, tmp_path):
    target = tmp_path / "outbox" / "north.zip"
    first = signing.send(north, tiny, draft(), target)
    again = signing.send(north, tiny, draft(), target)
    second = signing.send(north, tiny, draft(cases=45), target)
    back = signing.send(north, tiny, draft(), target)
    said = [(p.signatures["sent"]["number"], p.signatures["sent"]["supersedes"]) for p in (first, again, second, back)]
    assert said == [(1, ""), (1, ""), (2, first.digest), (3, second.digest)]


def test_a_package_expires_with_the_agreement_at_the_latest(draft, say, sign, north):
    path = draft()
    say(path, "ada", "analyst")
    say(path, "rosa", "reviewer")
    governed = Site.model_validate({**north.model_dump(mode="json", exclude={"governance"}),
                                    "governance": {"legal_basis": "x", "agreement_expires": "2026-12-31"}})  # fmt: skip
    assert sign(path, site=governed).sent.expires == "2026-12-31"
    assert sign(path, site=governed, days=7).sent.expires == "2026-12-02"


def test_the_signature_is_under_the_words_it_seems_to_be_under(signing):
    said = sig.make(sig.Approval, signing.key("ada"), content="0" * 64, study="tiny", site="north", role="analyst", name="ada",
                    date="2026-11-25", reason="ü")  # fmt: skip
    good = sig.Approval.model_validate(said)
    assert good.fits and json.loads(good.signed_bytes()) == {k: v for k, v in said.items() if k != "signature"}
    for key in sorted(set(said) - {"key", "signature"}):
        other = "1" * 64 if key == "content" else said[key] + "x"
        assert not sig.Approval.model_validate({**said, key: other}).fits, key
