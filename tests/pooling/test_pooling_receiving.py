"""Receiving: each named attack is refused for its own reason; what is good moves to the inbox whole."""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile

import pytest

from shared_code.pooling.inbox import receive
from shared_code.pooling.receiving import take_in
from shared_code.pooling.register import Register
from shared_code.releases import encryption, json_form, package

TABLE = "tables/illness.ill.csv"


@pytest.fixture(scope="module")
def sent(tmp_path_factory, network_of, counted, draw_people):
    """A network whose site s1 has a package ready to send; tests receive it into inboxes of their own."""
    net = network_of(tmp_path_factory.mktemp("receiving"), threshold=10, rounding=5)
    people = draw_people(24, 1)
    net.send("s1", ill=counted(people))
    net.good = (net.inbox / "s1.zip").read_bytes()
    net.found = package.parsed(net.good)
    return net


@pytest.fixture
def receiving(sent, tmp_path):
    """Receive any bytes, in an inbox of this test's own."""

    def of(content: bytes, **more):
        post = tmp_path / "post" / "s1.zip"
        post.parent.mkdir(exist_ok=True)
        post.write_bytes(content)
        return take_in(post, sent.study, sent.expected, tmp_path / "inbox", tmp_path / "quarantine", dt.date.today(), **more)

    return of


def sealed(sent, **changed: bytes) -> bytes:
    files = {name: body for name, body in {**sent.found.files, **changed}.items() if body is not None}
    return sent.signing.sealed(sent.found.manifest, files)


def rezipped(sent, change) -> bytes:
    """Write the same files with one thing changed about the archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sent.good)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            entry = zipfile.ZipInfo(name, package.FIXED_TIME)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            if name == TABLE:
                change(entry)
            new.writestr(entry, old.read(name))
    return buffer.getvalue()


def edited(sent, old: bytes, new: bytes) -> bytes:
    assert old in sent.found.files[TABLE]
    return sealed(sent, **{TABLE: sent.found.files[TABLE].replace(old, new, 1)})


def manifest(sent, **changed) -> bytes:
    return sent.signing.sealed({**sent.found.manifest, **changed}, sent.found.files)


def signed(sent, **said) -> bytes:
    signatures = sent.signing.signatures("s1", "tiny", sent.found.digest, **said)
    return package.as_bytes(sent.found.manifest, sent.found.files, signatures)[0]


def by_a_stranger(sent) -> bytes:
    """Everything is signed consistently, by somebody whom the settings do not know."""
    sent.signing.key, known = lambda name: known(f"stranger {name}"), sent.signing.key
    try:
        return sent.signing.sealed(sent.found.manifest, sent.found.files)
    finally:
        del sent.signing.key


def link(entry: zipfile.ZipInfo) -> None:
    entry.external_attr = 0o120777 << 16


def squeezed(entry: zipfile.ZipInfo) -> None:
    entry.compress_type = zipfile.ZIP_DEFLATED


def bomb(sent) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b" " * 50_000_000)
    return buffer.getvalue()


def says_more_than_it_holds(sent) -> bytes:
    """An entry that claims to be stored and to be gigantic."""
    content = bytearray(sent.good)
    place = content.rindex(b"PK\x01\x02")
    content[place + 20 : place + 28] = b"\xff\xff\xff\x7f" * 2
    return bytes(content)


# name of the attack | the package | words of the reason
ATTACKS = {
    "tampered": (lambda s: s.good.replace(b",rounded,", b",roundeD,", 1), "it is damaged, or was changed after"),
    "truncated": (lambda s: s.good[:-100], "it is damaged, or was changed after the site wrote it"),
    "expired": (lambda s: signed(s, expires="2020-01-01"), "it expired on 2020-01-01"),
    "from the future": (lambda s: signed(s, date="2999-01-01", expires="2999-01-02"), "sent on 2999-01-01, which is to come"),
    "another study": (lambda s: manifest(s, study="other"), "it belongs to the study 'other'"),
    "another plan": (lambda s: manifest(s, plans={"illness": "0" * 64}), "ran another plan of illness"),
    "unknown site": (lambda s: manifest(s, site="s9"), "'s9' takes no part in this study"),
    "unknown signer": (by_a_stranger, "signed with a key that is not the site_key of s1"),
    "nobody signed": (lambda s: package.as_bytes(s.found.manifest, s.found.files)[0], "nobody has signed it"),
    "path traversal": (lambda s: sealed(s, **{"../../outside.csv": b"x"}), "no release holds a file named '../../outside.csv'"),
    "absolute path": (lambda s: sealed(s, **{"/tmp/outside.csv": b"x"}), "no release holds a file named '/tmp/outside.csv'"),
    "link": (lambda s: rezipped(s, link), f"'{TABLE}' is a link"),
    "zip bomb": (bomb, "releases are stored uncompressed"),
    "zip bomb that lies": (says_more_than_it_holds, "it says it holds more than it is long: a zip bomb"),
    "squeezed": (lambda s: rezipped(s, squeezed), "releases are stored uncompressed"),
    "extra file": (lambda s: sealed(s, **{"tables/illness.more.csv": b"x\n"}), "it holds a file nobody declared"),
    "missing file": (lambda s: sealed(s, **{TABLE: None}), "the table illness.ill is missing"),
    "extra column": (lambda s: edited(s, b",statistic,", b",secret,statistic,"), "it is not a table of cells"),
    "another column": (lambda s: edited(s, b",statistic,", b",name,"), "its columns are item, sex, age, area, town, name"),
    "wrong encoding": (lambda s: sealed(s, **{TABLE: s.found.files[TABLE].decode().encode("utf-16")}), "not a table of cells"),
    "not finite": (lambda s: edited(s, b"people,", b"people,nan"), "it is not a table of cells"),
    "infinite": (lambda s: edited(s, b"people,", b"people,1e99"), "a value is not a finite number"),
    "formula": (lambda s: edited(s, b"\nasthma,", b"\n=asthma,"), "a spreadsheet would execute '=asthma'"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_each_attack_is_refused_for_its_reason_and_writes_nothing(sent, receiving, message_of, tmp_path, attack):
    make, words = ATTACKS[attack]
    message = message_of(receiving, make(sent))
    assert message.startswith("s1.zip") and words in message
    assert {path.name for path in tmp_path.iterdir()} == {"post", "quarantine"}
    assert not list(tmp_path.rglob("outside.csv"))
    kept, reason = sorted((tmp_path / "quarantine").iterdir())
    assert kept.suffix == ".package" and words in reason.read_text("utf-8")


def test_a_file_twice_in_the_archive(sent, receiving, message_of):
    buffer = io.BytesIO(sent.good)
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(TABLE, b"x")
    assert f"{TABLE} is in it twice" in message_of(receiving, buffer.getvalue())


def test_a_good_package_moves_to_the_inbox_whole(sent, receiving, tmp_path):
    done = receiving(sent.good)
    assert (done.site, done.sent.number, done.digest) == ("s1", 1, sent.found.digest)
    assert (tmp_path / "inbox" / "s1.zip").read_bytes() == sent.good
    assert list((tmp_path / "quarantine").iterdir()) == []
    assert list(receive(sent.study, tmp_path / "inbox", sent.expected).releases) == ["s1"]
    assert receiving(sent.good).digest == done.digest, "the same package again changes nothing"
    assert len(Register(tmp_path / "inbox").entries()) == 1


def test_reordered_json_keys_are_accepted(sent, receiving):
    with zipfile.ZipFile(io.BytesIO(sent.good)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}

    def reordered(content):
        if isinstance(content, dict):
            return {key: reordered(content[key]) for key in reversed(content)}
        return [reordered(one) for one in content] if isinstance(content, list) else content

    described = [name for name in files if name.endswith(".json")]
    other = files | {name: json.dumps(reordered(json.loads(files[name]))).encode() for name in described}
    assert len(described) == 5 and all(other[name] != files[name] for name in described)
    assert receiving(package.canonical(other)).digest == sent.found.digest


def test_an_old_package_does_not_come_back(sent, receiving, message_of, tmp_path):
    receiving(sent.good)
    newer = sent.signing.sealed({**sent.found.manifest, "limits": "another content"}, sent.found.files, number=2)
    receiving(newer)
    message = message_of(receiving, sent.good)
    assert "it is release 1 of s1, and release 2 was received on" in message and "an old package came back" in message
    assert (tmp_path / "inbox" / "s1.zip").read_bytes() == newer
    twin = sent.signing.sealed({**sent.found.manifest, "limits": "a third content"}, sent.found.files, number=2)
    assert "two releases cannot have one number" in message_of(receiving, twin)


def test_pooling_checks_again_what_lies_in_the_inbox(sent, receiving, message_of, tmp_path):
    receiving(sent.good)
    receiving(sent.signing.sealed({**sent.found.manifest, "limits": "x"}, sent.found.files, number=2))
    inbox = tmp_path / "inbox"
    (inbox / "s1.zip").write_bytes(sent.good)
    assert "it is not release 2, which was received on" in message_of(receive, sent.study, inbox, sent.expected)
    (inbox / "received.jsonl").unlink()
    assert "it was put here by hand" in message_of(receive, sent.study, inbox, sent.expected)
    last = dt.date.fromisoformat(package.parsed((inbox / "s1.zip").read_bytes()).signatures["sent"]["expires"])
    assert "it expired on" not in message_of(receive, sent.study, inbox, sent.expected, last)
    assert "it expired on" in message_of(receive, sent.study, inbox, sent.expected, last + dt.timedelta(days=1))
    later = dt.date.today() + dt.timedelta(days=4000)
    assert "it expired on" in message_of(receive, sent.study, inbox, sent.expected, later)


@pytest.mark.parametrize("change", ["a line changed", "a line removed", "not JSON"])
def test_a_changed_register_stops_everything(sent, receiving, message_of, tmp_path, change):
    receiving(sent.good)
    receiving(sent.signing.sealed({**sent.found.manifest, "limits": "x"}, sent.found.files, number=2))
    path = tmp_path / "inbox" / "received.jsonl"
    first, second = path.read_bytes().splitlines()
    lines = {"a line changed": [first.replace(b'"number":1', b'"number":0'), second], "a line removed": [second],
             "not JSON": [first, b"{"]}[change]  # fmt: skip
    path.write_bytes(b"\n".join(lines) + b"\n")
    message = message_of(receiving, sent.good)
    assert "is damaged, was changed, or does not follow the line before it" in message


def test_an_encrypted_package_needs_the_key(sent, receiving, message_of, tmp_path):
    public = encryption.make("team", tmp_path / "keys")
    locked = encryption.encrypt(sent.good, public)
    assert "it is encrypted. Name the key that opens it" in message_of(receiving, locked)
    done = receiving(locked, decrypt=lambda content: encryption.decrypt(content, "team", tmp_path / "keys"))
    assert done.digest == sent.found.digest
    assert (tmp_path / "inbox" / "s1.zip").read_bytes() == sent.good


def test_what_is_no_ordinary_file(sent, message_of, tmp_path):
    (tmp_path / "real.zip").write_bytes(sent.good)
    (tmp_path / "link.zip").symlink_to(tmp_path / "real.zip")
    for name, words in (("link.zip", "it is a link"), ("nothing.zip", "there is no such file"), (".", "it is not a file")):
        assert words in message_of(take_in, tmp_path / name, sent.study, sent.expected, tmp_path / "inbox", tmp_path / "q",
                                   dt.date.today())  # fmt: skip
    assert not (tmp_path / "inbox").exists() and not (tmp_path / "q").exists()


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1e999}', "[" * 100_000, '"\\ud800"', "\ufeff{}", "{"])
def test_json_with_two_meanings_is_not_read(text):
    with pytest.raises(ValueError, match=r"it |occurs twice"):
        json_form.read(text.encode())
