"""What is handed on cannot be changed on the way, and what is written is the same everywhere."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib
import io
import json
import pkgutil
import stat
import zipfile
from pathlib import Path

import pytest
from pydantic import BaseModel

import shared_code.disclosure
import shared_code.releases
from shared_code.releases import approve, encryption, json_form, package
from shared_code.releases import signatures as sig
from shared_code.releases.manifest import Manifest, wrong_with

GROWING = {"Audit", "Points", "System", "Known", "Draft", "Cohort", "Settling"}  # what a search or an attack works on


def classes():
    for room in (shared_code.disclosure, shared_code.releases):
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            module = importlib.import_module(found.name)
            yield from (one for one in vars(module).values() if isinstance(one, type) and one.__module__ == found.name)


def test_records_are_frozen():
    found = {one for one in classes() if dataclasses.is_dataclass(one)}
    assert {one.__name__ for one in found if not one.__dataclass_params__.frozen} <= GROWING and len(found) > 20


def test_statements_are_frozen_and_taken_at_their_word():
    for one in (sig.Statement, sig.Approval, sig.Sending, sig.Signatures):
        assert one.model_config["frozen"] and one.model_config["strict"] and one.model_config["extra"] == "forbid"
    assert issubclass(sig.Sending, BaseModel) and Manifest.model_config["strict"]
    said = {"study": "s", "site": "n", "site_title": "N", "made_up_data": "yes"}
    assert "made_up_data" in wrong_with(said).partition("kind")[0]


def test_json_is_written_in_one_way_only():
    assert json_form.compact({"b": [1, 2.5], "a": "é"}) == '{"a":"é","b":[1,2.5]}'.encode()
    assert json_form.written({"b": [1], "a": "é"}) == '{\n  "a": "é",\n  "b": [\n    1\n  ]\n}\n'.encode()
    for write in (json_form.compact, json_form.written):
        with pytest.raises(ValueError, match="JSON compliant"):
            write({"a": float("nan")})


@pytest.mark.parametrize(("deep", "message"), [(39, ""), (40, ""), (41, "nested without end"), (200_000, "nested without end")])
def test_json_is_forty_levels_deep_at_most(deep, message):
    content = b"[" * deep + b"]" * deep
    if message:
        with pytest.raises(ValueError, match=message):
            json_form.read(content)
    else:
        assert json_form.written(json_form.read(content)).count(b"[") == deep
    inner = b'{"a":' * (deep - 1) + b"{}" + b"}" * (deep - 1)
    with pytest.raises(ValueError, match=message) if message else pytest.MonkeyPatch.context():
        json_form.read(inner)


def test_json_says_which_key_occurs_twice_and_where_it_breaks():
    with pytest.raises(ValueError, match="the key 'b' occurs twice"):
        json_form.read(b'{"a": 1, "b": 2, "c": 3, "b": 4}')
    with pytest.raises(ValueError, match="line 2"):
        json_form.read(b'{"a": 1,\n !}')
    for wrong, said in ((b"\xef\xbb\xbf{}", "byte order mark"), (b"\xff{}", "not UTF-8"), (b'"\\ud800"', "half a character"),
                        (b"[1e999]", r"not finite \(1e999\)"), (b"[-Infinity]", r"not finite \(-Infinity\)")):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            json_form.read(wrong)


def test_entries_of_a_package_have_a_fixed_time_and_no_owner():
    content, _ = package.as_bytes({"study": "s"}, {"tables/b.t.csv": b"x", "tables/a.t.csv": b"y"})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
    assert [e.filename for e in entries] == ["manifest.json", "tables/a.t.csv", "tables/b.t.csv"]
    for entry in entries:
        assert (entry.date_time, entry.create_system, entry.external_attr, entry.compress_type) == (
            (1980, 1, 1, 0, 0, 0), 3, 0o644 << 16, zipfile.ZIP_STORED)  # fmt: skip


def entry(name: str, size: int = 1, **more) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.file_size = size
    for key, value in more.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize(("entries", "message"), [
    ([entry("a.csv", 60), entry("b.csv", 40)], ""), ([entry("a.csv", 60), entry("b.csv", 41)], "zip bomb"),
    ([entry(f"t{i}.csv", 0) for i in range(2000)], ""), ([entry(f"t{i}.csv", 0) for i in range(2001)], "2,001 files"),
    ([entry("a.csv"), entry("b.csv"), entry("a.csv")], "a.csv is in it twice"), ([entry("a..csv")], "no release holds"),
    ([entry("A.csv")], "no release holds"), ([entry("a/b/c.csv")], "no release holds"), ([entry(".a")], "no release holds"),
    ([entry("a.csv", external_attr=0o120777 << 16)], "is a link"), ([entry("a.csv", external_attr=0o100644 << 16)], ""),
    ([entry("a.csv", flag_bits=0x1)], "password"), ([entry("a.csv", flag_bits=0x9)], "password"),
    ([entry("a.csv", flag_bits=0x8)], ""),
    ([entry("a.csv", compress_type=zipfile.ZIP_DEFLATED)], "stored uncompressed"),
])  # fmt: skip
def test_what_an_archive_may_hold(entries, message):
    if message:
        with pytest.raises(package._Unfit, match=message):
            package._check_entries(entries, 100)
    else:
        package._check_entries(entries, 100)


@pytest.mark.parametrize(("size", "message"), [(99, ""), (100, ""), (101, "far larger")])
def test_how_long_a_package_may_be(tmp_path, monkeypatch, size, message):
    monkeypatch.setattr(package, "LARGEST", 100)
    path = tmp_path / "a.zip"
    path.write_bytes(b"x" * size)
    if message:
        with pytest.raises(ValueError, match=message):
            package._bytes_of(path)
    else:
        assert len(package._bytes_of(path)) == size


def test_half_a_gigabyte_is_the_most(tmp_path):
    """Larger files are not read; one of three megabytes is nothing unusual."""
    path = tmp_path / "a.zip"
    with path.open("wb") as file:
        file.truncate(2**29 + 1)
    with pytest.raises(ValueError, match="far larger"):
        package._bytes_of(path)
    package.write(path, {"study": "s"}, {"tables/a.t.csv": b"x" * 3_000_000})
    assert len(package.opened(path).files["tables/a.t.csv"]) == 3_000_000
    with pytest.raises(ValueError, match="not a file"):
        package._bytes_of(tmp_path)
    with pytest.raises(ValueError, match="not a file"):
        package._bytes_of(tmp_path / "none.zip")


DAY = dt.date(2026, 11, 25)
CONTENT = "ab" * 32


@pytest.fixture
def signed(signing):
    """Sign some content on chosen days; gives the faults found on another."""

    def make(today: dt.date = DAY, approved: str = "2026-11-25", sent: str = "2026-11-25", expires: str = "2026-12-31", **said):
        about = {"content": CONTENT, "study": "tiny", "site": "north", "reason": "looked at it"}
        approvals = [sig.make(sig.Approval, signing.key(name), role=role, name=name, date=approved, **about)
                     for role, name in (("analyst", "ada"), ("reviewer", "rosa"))]  # fmt: skip
        more = {**about, "role": "site", "name": "north", "number": 1, "supersedes": "", "date": sent, "expires": expires,
                "approvals": sig.digest_of(approvals)} | said  # fmt: skip
        content = {"form": sig.FORM, "approvals": approvals, "sent": sig.make(sig.Sending, signing.key("north"), **more)}
        people = {name: sig.Person.model_validate(one) for name, one in signing.settings("north")["people"].items()}
        signers = sig.Signers(people, (signing.public("north"),), ("analyst", "reviewer"))
        return sig.faults(sig.read(content), CONTENT, "tiny", "north", signers, today)

    return make


@pytest.mark.parametrize(("days", "message"), [
    ({}, ""), ({"today": dt.date(2026, 12, 31)}, ""), ({"today": dt.date(2027, 1, 1)}, "it expired on 2026-12-31"),
    ({"sent": "2026-11-26"}, ""), ({"sent": "2026-11-27", "approved": "2026-11-25"}, "which is to come"),
    ({"approved": "2026-11-26"}, "approved after it was sent"), ({"approved": "2026-11-24"}, ""),
    ({"sent": "yesterday"}, "does not say when"), ({"expires": "20261231"}, "does not say when"),
    ({"approved": "once"}, "has no date"),
])  # fmt: skip
def test_the_days_of_a_package(signed, days, message):
    found = signed(**days)
    assert [message in fault for fault in found] == [True] * (2 if message == "has no date" else bool(message)), found


@pytest.mark.parametrize("said", [{"number": 0}, {"reason": ""}, {"reason": "x" * 501}, {"supersedes": "ab"}])
def test_what_a_statement_must_say(signed, said):
    with pytest.raises(ValueError, match=rf"^1 validation error for Sending\n{next(iter(said))}\n"):
        signed(**said)
    assert signed(reason="x" * 500, number=2, supersedes=CONTENT) == []


@pytest.mark.parametrize(("sent", "content", "expected"), [
    ([], "a", (1, "")), (["a"], "a", (1, "")), (["a"], "b", (2, "a")), (["a", "b"], "b", (2, "a")), (["a", "b"], "c", (3, "b")),
    (["a", "b"], "a", (3, "b")), (["a", "b", "a"], "a", (3, "b")), (["b", "b", "a", "a"], "a", (4, "b")),
])  # fmt: skip
def test_numbers_rise_with_every_new_content(tmp_path, sent, content, expected):
    register = tmp_path / "sent.jsonl"
    if sent:
        register.write_text("".join(json.dumps({"number": n, "content": c, "file": "f"}) + "\n" for n, c in enumerate(sent, 1)))
    assert approve._number(register, content) == expected


def test_a_file_is_written_whole_in_place_of_what_lay_there(tmp_path):
    target, elsewhere = tmp_path / "deep" / "er" / "a.zip", tmp_path / "elsewhere"
    package.put(target, b"one")
    elsewhere.write_bytes(b"safe")
    target.with_name("a.zip.partial").symlink_to(elsewhere)
    package.put(target, b"two")
    assert (target.read_bytes(), elsewhere.read_bytes()) == (b"two", b"safe")
    assert [path.name for path in target.parent.iterdir()] == ["a.zip"]
    assert stat.S_ISREG(Path(target).lstat().st_mode)


def test_one_key_is_one_person_whatever_the_names(signing):
    """Two people of the settings who share a key are one person to the signatures."""
    about = {"content": CONTENT, "study": "tiny", "site": "north", "date": "2026-11-25", "reason": "looked at it"}
    people = {name: {"roles": [role], "key": signing.public("ada")} for name, role in (("ada", "analyst"), ("eve", "reviewer"))}
    signers = sig.Signers({name: sig.Person.model_validate(one) for name, one in people.items()}, (), ("analyst", "reviewer"))
    given = [sig.Approval.model_validate(sig.make(sig.Approval, signing.key("ada"), role=role, name=name, **about))
             for role, name in (("analyst", "ada"), ("reviewer", "eve"))]  # fmt: skip
    assert "one person approved it twice" in sig.faults_of_approvals(given, CONTENT, "tiny", "north", signers)[0]


def test_what_is_wrong_with_signatures_is_said_in_words():
    with pytest.raises(ValueError, match=r"^its signatures cannot be read \(form: field required\)$"):
        sig.read({"approvals": []})
    for wrong, said in ((b"[1]", "no mapping"), (b"{}", "no mapping"), (b"{", "not JSON")):
        with pytest.raises(ValueError, match=f"its signatures cannot be read: .*{said}"):
            package._signatures(wrong)
    assert package._signatures(None) == {} and package._signatures(b'{"a": 1}') == {"a": 1}


def test_only_the_order_of_keys_may_differ():
    listed = package.digest(json_form.written({"a": 1, "b": [2, 3]}))
    assert package._same_json("x.json", b'{"b": [2, 3], "a": 1}', listed)
    for name, content in (("x.csv", b'{"b": [2, 3], "a": 1}'), ("x.json", b'{"b": [3, 2], "a": 1}'), ("x.json", b"{")):
        assert not package._same_json(name, content, listed)


def test_tables_of_a_package_are_its_csv_files():
    names = ("tables/a.t.csv", "tables/a.t.schema.json", "disclosure/a.t.csv")
    assert list(package.Package({}, dict.fromkeys(names, b""), {}, "", "").tables) == ["tables/a.t.csv"]


def test_a_reader_that_fails_without_a_word_is_named(monkeypatch):
    def fails(*_):
        raise EOFError

    monkeypatch.setattr(zipfile, "ZipFile", fails)
    with pytest.raises(ValueError, match=r"\(EOFError\)$"):
        package._unzipped(b"")
    with pytest.raises(package._Unfit, match=f"named '{'A' * 60}'$"):
        package._check_entries([entry("A" * 61)], 100)
    with pytest.raises(ValueError, match=r"not finite \(1e9999999999\)$"):
        json_form.read(b"[1e99999999999]")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o601])
def test_a_key_that_others_can_reach_opens_nothing(tmp_path, message_of, mode):
    encryption.make("north", tmp_path)
    locked = encryption.encrypt(b"x", (tmp_path / "north.age").read_text().split("public key: ")[1].split()[0])
    assert encryption.decrypt(locked, "north", tmp_path) == b"x"
    (tmp_path / "north.age").chmod(mode)
    assert "other people of this machine can read it" in message_of(encryption.decrypt, locked, "north", tmp_path)
