"""The ledger remembers everything, and whatever happened to its files, it never remembers less without saying so."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.disclosure import Earlier
from shared_code.model import Refused
from shared_code.releases import ledger, package
from shared_code.releases.cells import to_csv

MANIFEST = {"study": "tiny", "site": "north", "extract_date": "2024-02-01", "plans": {},
            "disclosure": {"rules": {"threshold": 10}, "tables": {}}}  # fmt: skip


def cells(value: int) -> pd.DataFrame:
    return pd.DataFrame({"sex": ["F"], "statistic": ["people"], "value": [float(value)], "status": ["ok"],
                         "lower": [float(value)], "upper": [float(value)]})  # fmt: skip


def earlier(number: int, people: bool = True) -> Earlier:
    counts = pd.DataFrame({"sex": ["F"], "people": [number], "cases": [number // 2]})
    return Earlier(f"{number:064x}", f"data{number}", {"a.t": cells(number)}, {"a.t": counts} if people else {})


def written(folder: Path, *numbers: int) -> Path:
    for number in numbers:
        ledger.append(folder, earlier(number), MANIFEST)
    return folder


def test_what_was_released_is_remembered_in_order_and_to_the_digit(tmp_path):
    folder = written(tmp_path / "ledger", 112, 113)
    read = ledger.read(folder, "tiny")
    assert [(r.digest, r.data) for r in read] == [(f"{112:064x}", "data112"), (f"{113:064x}", "data113")]
    for number, release in zip((112, 113), read):
        pd.testing.assert_frame_equal(release.tables["a.t"], cells(number))
        pd.testing.assert_frame_equal(release.people["a.t"], earlier(number).people["a.t"])


def test_nothing_released_yet_is_an_empty_ledger(tmp_path):
    assert ledger.read(tmp_path / "ledger", "tiny") == []


def test_the_same_package_is_remembered_once(tmp_path):
    folder = written(tmp_path / "ledger", 112)
    before = (folder / "ledger.jsonl").read_bytes()
    assert ledger.append(folder, earlier(112), MANIFEST) is False
    assert (folder / "ledger.jsonl").read_bytes() == before


def test_a_table_of_another_study_keeps_its_own_name(tmp_path):
    folder = written(tmp_path / "ledger", 112)
    assert list(ledger.read(folder, "other")[0].tables) == ["tiny:a.t"]


@pytest.mark.skipif(os.name != "posix", reason="owners and groups are a POSIX matter")
def test_it_is_for_its_owner_only(tmp_path):
    old = os.umask(0)
    try:
        folder = written(tmp_path / "ledger", 112)
    finally:
        os.umask(old)
    for path in [folder, *folder.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


# what happens to the files | words of the message
DAMAGE = [
    (lambda f: edit(f, "ledger.jsonl", lambda b: b[:-9]), "its last line is cut off"),
    (lambda f: edit(f, "ledger.jsonl", lambda b: b"".join(b.splitlines(True)[:-1])), "it holds 2 entries, but 3 were written"),
    (lambda f: edit(f, "ledger.jsonl", lambda b: b"".join(b.splitlines(True)[1:])), "line 1 does not follow the line before"),
    (lambda f: edit(f, "ledger.jsonl", lambda b: b.replace(b"2024-02-01", b"2024-03-01", 1)), "line 1 is damaged or was changed"),
    (lambda f: edit(f, "ledger.jsonl", lambda b: b"\x00" * len(b)), "damaged"),
    (lambda f: (f / "ledger.jsonl").unlink(), "it is not there, though the rest of the ledger is"),
    (lambda f: (f / "head.json").unlink(), "it knows 0 of 3 entries"),
    (lambda f: (f / "head.json").write_text("{"), "head.json: it is damaged"),
    (lambda f: edit(f, "head.json", lambda b: json.dumps({**json.loads(b), "last": "0"}).encode()), "names another last entry"),
    (lambda f: next((f / "files").iterdir()).unlink(), "it is missing ("),
    (lambda f: edit(f, f"files/{min(p.name for p in (f / 'files').iterdir())}", lambda b: b + b" "), "it is damaged ("),
    (lambda f: shutil.rmtree(f), "it does not know 3 of the packages that have left"),
]  # fmt: skip


def edit(folder: Path, name: str, change) -> None:
    (folder / name).write_bytes(change((folder / name).read_bytes()))


@pytest.mark.parametrize(("damage", "words"), DAMAGE)
def test_damage_stops_the_release_and_says_how_to_recover(tmp_path, damage, words):
    folder = written(tmp_path / "ledger", 112, 113, 114)
    sent = [f"{n:064x}" for n in (112, 113, 114)]
    assert len(ledger.read(folder, "tiny", sent)) == 3
    damage(folder)
    with pytest.raises(Refused) as refused:
        ledger.read(folder, "tiny", sent)
    assert words in str(refused.value)
    assert "Restore the folder from a backup" in str(refused.value)
    assert "cohortium ledger rebuild SITE PACKAGE" in str(refused.value)


def test_an_old_copy_of_the_whole_ledger_is_noticed_by_what_has_left(tmp_path):
    folder = written(tmp_path / "ledger", 112)
    shutil.copytree(folder, tmp_path / "backup")
    written(folder, 113)
    with pytest.raises(Refused, match="does not know 1 of the packages"):
        ledger.read(tmp_path / "backup", "tiny", [f"{n:064x}" for n in (112, 113)])


def test_a_machine_that_stops_between_line_and_head_loses_nothing(tmp_path):
    folder = written(tmp_path / "ledger", 112)
    head = (folder / "head.json").read_bytes()
    written(folder, 113)
    (folder / "head.json").write_bytes(head)
    assert len(ledger.read(folder, "tiny")) == 2
    written(folder, 114)
    assert len(ledger.read(folder, "tiny")) == 3


steady = settings(deadline=None, database=None, derandomize=True, max_examples=60)


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("three") / "ledger", 112, 113, 114)


@steady
@given(st.data())
def test_whatever_happens_to_a_byte_nothing_is_forgotten_silently(three, tmp_path_factory, data):
    """Change, cut or repeat any part of any file: the ledger refuses, or remembers exactly the same."""
    copy = tmp_path_factory.mktemp("hurt") / "ledger"
    shutil.copytree(three, copy)
    path = data.draw(st.sampled_from(sorted(p for p in copy.rglob("*") if p.is_file())))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "insert", "swap lines"]))
    if how == "flip":
        changed = content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))]) + content[at + 1 :]
    elif how == "cut":
        changed = content[:at]
    elif how == "insert":
        changed = content[:at] + data.draw(st.binary(min_size=1, max_size=8)) + content[at:]
    else:
        changed = b"".join(reversed(content.splitlines(True)))
    path.write_bytes(changed)
    intact = ledger.read(three, "tiny")
    try:
        read = ledger.read(copy, "tiny", [r.digest for r in intact])
    except Refused:
        return
    assert [r.digest for r in read] == [r.digest for r in intact]
    for one, other in zip(read, intact):
        pd.testing.assert_frame_equal(one.tables["a.t"], other.tables["a.t"])
        pd.testing.assert_frame_equal(one.people["a.t"], other.people["a.t"])


def test_a_demonstration_begins_again_but_still_knows_what_left(tmp_path):
    folder = written(tmp_path / "ledger", 112)
    ledger.start_anew(folder, "other people")
    ledger.start_anew(folder, "other people")  # nothing in between: nothing to begin again
    assert ledger.read(folder, "tiny", [f"{112:064x}"]) == []
    ledger.start_anew(tmp_path / "lost", "other people, and the room was emptied", [f"{111:064x}"])
    assert ledger.read(tmp_path / "lost", "tiny", [f"{111:064x}"]) == []
    written(folder, 113)
    assert [r.data for r in ledger.read(folder, "tiny", [f"{112:064x}", f"{113:064x}"])] == ["data113"]
    assert len((folder / "ledger.jsonl").read_text().splitlines()) == 3


@pytest.fixture
def packages(tmp_path) -> list[Path]:
    paths = []
    for value in (112, 113):
        paths.append(tmp_path / f"{value}.zip")
        package.write(paths[-1], MANIFEST, {"tables/a.t.csv": to_csv(cells(value))})
    return paths


def test_it_is_rebuilt_from_the_packages_and_keeps_the_counts_it_can(tmp_path, packages):
    folder = tmp_path / "ledger"
    sent = [package.read(path)[2] for path in packages]
    for digest, number in zip(sent, (112, 113)):
        ledger.append(folder, Earlier(digest, "d", {"a.t": cells(number)}, earlier(number).people), MANIFEST)
    edit(folder, "ledger.jsonl", lambda b: b"x" + b)  # the first line is lost, the second is whole
    assert ledger.rebuild(folder, "north", packages) == (2, 1)
    first, second = ledger.read(folder, "tiny", sent)
    assert (first.data, dict(first.people)) == ("", {})
    pd.testing.assert_frame_equal(first.tables["a.t"], cells(112))
    assert second.data == "d" and list(second.people) == ["a.t"]
    assert (tmp_path / "ledger.damaged-1" / "ledger.jsonl").read_bytes().startswith(b"x")


def test_it_is_rebuilt_from_the_packages_that_are_named_and_no_others(tmp_path, packages):
    folder = tmp_path / "ledger"
    sent = [package.read(path)[2] for path in packages]
    for digest, number in zip(sent, (112, 113)):
        ledger.append(folder, Earlier(digest, "d", {"a.t": cells(number)}, earlier(number).people), MANIFEST)
    assert ledger.rebuild(folder, "north", packages[1:]) == (1, 1)
    (only,) = ledger.read(folder, "tiny", sent[1:])
    assert only.data == "d" and list(only.people) == ["a.t"]


def test_it_is_not_rebuilt_from_packages_of_others(tmp_path, packages, message_of):
    message = message_of(ledger.rebuild, tmp_path / "ledger", "south", packages[:1])
    assert "it is a package of 'north'. Allowed: south" in message
    assert not (tmp_path / "ledger").exists()


def test_two_copies_of_the_same_tables_have_one_digest(tmp_path):
    for name, rows in (("a", [1, 2]), ("b", [1, 2]), ("c", [1, 3])):
        (tmp_path / name).mkdir()
        pd.DataFrame({"x": rows}).to_parquet(tmp_path / name / "person.parquet")
        (tmp_path / name / "prepared.json").write_text(name)
    a, b, c = (ledger.data_digest(tmp_path / name) for name in "abc")
    assert a == b != c
