"""Pseudonyms: the published answer, keys that are none, and what a made-up site may do without."""

from __future__ import annotations

import json

import pytest

from shared_code.sources.pseudonyms import pseudonym, read_key

GOOD = bytes(range(32)).hex()


def test_known_answers(shared):
    """T12.1 of the methods specification."""
    assert pseudonym(bytes(range(32)), "NHS", "9434765919") == (
        "3b25b93553c5a2acb7330f83648e7ca460768fce2fe19e5bbe029684324be15f"
    )
    assert pseudonym(b"\xff" * 32, "NHS", "9434765919") == "b3bc0fb8492899e72e37fbd49bc1e7ab9dc8d3aebb7e890972d3c1726bfb601e"
    text = json.dumps(json.loads((shared / "methods" / "known_answers.json").read_text(encoding="utf-8"))["T12.1"])
    assert pseudonym(bytes(range(32)), "NHS", "9434765919") in text


def test_sites_with_one_key_do_not_share_pseudonyms():
    assert len({pseudonym(bytes(range(32)), kind, "1") for kind in ("north", "south")}) == 2


BAD = [
    ("", "neither COHORTIUM_KEY nor COHORTIUM_KEY_FILE is set"),
    ("my password", "it is not hexadecimal. Allowed: 64 digits 0-9 a-f"),
    (GOOD[:-2], "the key has 31 bytes or no variety. Allowed: 32 random bytes"),
    ("ab" * 32, "the key has 32 bytes or no variety"),
]


@pytest.mark.parametrize(("text", "words"), BAD)
def test_keys_that_are_none(monkeypatch, message_of, text, words):
    monkeypatch.setenv("COHORTIUM_KEY", text)
    message = message_of(read_key)
    assert words in message
    assert "secrets.token_hex(32)" in message
    assert not text or text not in message


def test_a_key_in_a_file(monkeypatch, message_of, tmp_path):
    monkeypatch.delenv("COHORTIUM_KEY")
    monkeypatch.setenv("COHORTIUM_KEY_FILE", str(tmp_path / "key"))
    assert "the file it names is not there" in message_of(read_key)
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbf" + GOOD.upper().encode() + b"\r\n")
    assert read_key() == bytes(range(32))
    (tmp_path / "key").write_bytes(b"\xff\xfe" + GOOD.encode())
    assert "COHORTIUM_KEY_FILE: it is not hexadecimal" in message_of(read_key)


def test_a_made_up_site_needs_no_key_and_a_real_one_does(extract, monkeypatch, message_of):
    monkeypatch.delenv("COHORTIUM_KEY")
    extract.people("a,1980-01-01,1")
    made_up = {"seed": 1, "shape": "csv", "deprivation": [0.1] * 10, "ethnicity": {"A": 1}, "wards": ["W"]}
    found = extract.prepare(site="demo_north", demonstration=made_up)["person"]["person_id"].tolist()
    written = next(extract.folder.parent.rglob("demonstration_key.txt")).read_text("utf-8")
    assert "a demonstration key" in written and "protects nobody" in written
    assert found == [pseudonym(bytes.fromhex(written.splitlines()[-1]), "demo_north", "a")]
    assert "identifiers are never stored without a key" in message_of(extract.prepare)


def test_identifiers_that_are_all_missing(extract, message_of):
    extract.people(",1980-01-01,1")
    assert "person.columns.person_id: 1 rows are missing a value" in message_of(extract.prepare)


@pytest.mark.parametrize("working_copy", [True, False])
def test_a_key_file_in_a_working_copy_is_refused(monkeypatch, message_of, tmp_path, working_copy):
    """The project itself, or any other folder under version control: a key there is one push from being public."""
    monkeypatch.delenv("COHORTIUM_KEY")
    project = tmp_path / "project"
    (project / "private" / "north").mkdir(parents=True)
    (project / (".git" if working_copy else "config")).mkdir()
    key = project / "private" / "north" / "key"
    key.write_text(GOOD, "utf-8")
    monkeypatch.setenv("COHORTIUM_KEY_FILE", str(key))
    monkeypatch.chdir(tmp_path / "project" if not working_copy else tmp_path.parent)
    message = message_of(read_key)
    assert "the key file lies inside the project, or inside another folder under version control" in message
    assert GOOD not in message
    (tmp_path / "key").write_text(GOOD, "utf-8")
    monkeypatch.setenv("COHORTIUM_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.chdir(project)
    assert read_key() == bytes(range(32))
    link = tmp_path / "link"  # a link that leads inside helps nobody
    link.symlink_to(key)
    monkeypatch.setenv("COHORTIUM_KEY_FILE", str(link))
    assert "lies inside the project" in message_of(read_key)
