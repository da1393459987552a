"""A record that only grows, line by line: what each line says, and every way in which it can be cut or mended by hand."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from shared_code.config.digests import of_json
from shared_code.model import Refused
from shared_code.releases.chain import FIRST, Chain


def grown(tmp_path: Path, number: int) -> Chain:
    chain = Chain(tmp_path / "record", "Ask somebody")
    for n in range(1, number + 1):
        chain.append({"said": n}, {"body": str(n).encode()})
    return chain


def lines(chain: Chain) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (chain.folder / "ledger.jsonl").read_text("utf-8").splitlines()]


def rewrite(chain: Chain, entries: list[dict[str, Any]], head: dict[str, Any] | None = None) -> None:
    """Write lines as Cohortium writes them, and a head that knows them unless another is given."""
    text = "".join(json.dumps(line, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n" for line in entries)
    (chain.folder / "ledger.jsonl").write_text(text, "utf-8")
    head = head or {"entries": len(entries), "last": entries[-1]["hash"] if entries else FIRST}
    (chain.folder / "head.json").write_text(json.dumps(head), "utf-8")


def wrong(chain: Chain) -> list[str]:
    try:
        chain.entries()
    except Refused as refused:
        return [problem.wrong for problem in refused.problems]
    return []


def test_every_line_names_the_one_before(tmp_path):
    chain = grown(tmp_path, 3)
    written = lines(chain)
    assert [line["number"] for line in written] == [1, 2, 3]
    assert [line["previous"] for line in written] == ["0" * 64, written[0]["hash"], written[1]["hash"]]
    assert all(line["hash"] == of_json({k: line[k] for k in ("number", "previous", "content")}) for line in written)
    digest = hashlib.sha256(b"2").hexdigest()
    assert written[1]["content"] == {"said": 2, "files": {"body": digest}} and chain.file(digest) == b"2"
    assert json.loads((chain.folder / "head.json").read_bytes()) == {"entries": 3, "last": written[2]["hash"]} == {
        "entries": 3, "last": chain.last()}  # fmt: skip
    assert [entry["said"] for entry in chain.entries()] == [1, 2, 3]


def test_a_line_is_written_in_one_way_only(tmp_path):
    """Keys in order, no spaces, letters as they are: so that every byte of it can be checked."""
    chain = Chain(tmp_path / "record", "")
    chain.append({"said": "für Zoë", "by": "A"})
    before = (chain.folder / "ledger.jsonl").read_bytes()
    assert "für Zoë".encode() in before and before.index(b'"by"') < before.index(b'"said"') < before.index(b'"hash"')
    rewrite(chain, lines(chain))
    assert (chain.folder / "ledger.jsonl").read_bytes() == before and wrong(chain) == []


def test_nothing_is_an_empty_record(tmp_path):
    chain = Chain(tmp_path / "record", "")
    assert chain.entries() == [] == chain.intact_entries() and chain.last() == "0" * 64
    chain.folder.mkdir()
    assert chain.entries() == []


@pytest.mark.parametrize("left", ["head.json", "files"])
def test_a_record_whose_lines_are_gone_is_not_empty(tmp_path, left):
    chain = Chain(tmp_path / "record", "")
    (chain.folder / left).mkdir(parents=True)
    assert "it is not there, though the rest of the ledger is" in wrong(chain)


@pytest.mark.parametrize(("kept", "known", "words"), [
    ((1, 2, 3), 3, ""), ((1, 2, 3), 2, ""),  # the machine stopped between line and head
    ((1, 2, 3), 1, "it knows 1 of 3 entries"), ((1, 2, 3), 0, "it knows 0 of 3 entries"),
    ((1, 2), 3, "it holds 2 entries, but 3 were written"), ((1,), 0, ""), ((), 1, "it holds 0 entries, but 1 were written"),
    ((2, 3), 2, "line 1 does not follow"), ((1, 3), 2, "line 2 does not follow"), ((2, 1, 3), 3, "line 1 does not follow"),
])  # fmt: skip
def test_lines_and_head_must_fit(tmp_path, kept, known, words):
    chain = grown(tmp_path, 3)
    every = lines(chain)
    rewrite(chain, [every[n - 1] for n in kept], {"entries": known, "last": every[known - 1]["hash"] if known else FIRST})
    found = wrong(chain)
    assert (words == "" and found == []) or (words and words in found[0]), found


def test_a_head_that_names_another_entry_or_fewer_than_none_is_noticed(tmp_path):
    chain = grown(tmp_path, 2)
    every = lines(chain)
    first, second = (line["hash"] for line in every)
    for known, last in ((2, first), (2, FIRST), (1, second)):
        rewrite(chain, every, {"entries": known, "last": last})
        assert wrong(chain) == ["it names another last entry than the ledger has"]
    rewrite(chain, [], {"entries": 0, "last": every[0]["hash"]})
    assert wrong(chain) == ["it names another last entry than the ledger has"]
    rewrite(chain, [], {"entries": -1, "last": FIRST})
    assert wrong(chain) == ["it names another last entry than the ledger has"]


def test_a_line_that_is_not_written_as_it_should_be_is_damaged(tmp_path):
    """A hash that does not fit, a content that is no mapping, other spaces."""
    chain = grown(tmp_path, 1)
    (only,) = lines(chain)
    entry = {"number": 1, "previous": FIRST, "content": ["said"]}
    for line in ({**only, "hash": "0" * 64}, {**entry, "hash": of_json(entry)}):
        rewrite(chain, [line], {"entries": 1, "last": line["hash"]})
        assert wrong(chain)[0] == "line 1 is damaged or was changed"
    path = chain.folder / "ledger.jsonl"
    path.write_text(json.dumps(only) + "\n", "utf-8")  # with spaces
    assert wrong(chain)[0] == "line 1 is damaged or was changed"


def test_every_damaged_line_and_file_is_named(tmp_path):
    chain = grown(tmp_path, 3)
    every = lines(chain)
    rewrite(chain, [{**every[0], "hash": "x"}, every[1], {**every[2], "hash": "x"}])
    (chain.folder / "files" / hashlib.sha256(b"2").hexdigest()).write_bytes(b"3")
    found = wrong(chain)
    assert [w for w in found if "damaged or was changed" in w] == [f"line {n} is damaged or was changed" for n in (1, 3)]
    assert "it is damaged (body of entry 2)" in found and chain.intact_entries() == []


def test_entries_that_are_whole_by_themselves_can_be_kept(tmp_path):
    chain = grown(tmp_path, 3)
    every = lines(chain)
    rewrite(chain, [every[0], {**every[1], "hash": "x"}, every[2]])
    assert [entry["said"] for entry in chain.intact_entries()] == [1, 3]
    (chain.folder / "files" / hashlib.sha256(b"3").hexdigest()).unlink()
    assert [entry["said"] for entry in chain.intact_entries()] == [1]


def test_nothing_is_added_to_a_damaged_record(tmp_path):
    chain = grown(tmp_path, 2)
    rewrite(chain, lines(chain)[1:])
    before = (chain.folder / "ledger.jsonl").read_bytes()
    with pytest.raises(Refused):
        chain.append({"said": 3})
    assert (chain.folder / "ledger.jsonl").read_bytes() == before


def test_entries_without_files_and_with_several(tmp_path):
    chain = Chain(tmp_path / "record", "")
    chain.append({"said": 1})
    chain.append({"said": 2}, {"b": b"2", "a": b"1"})
    assert chain.entries()[0] == {"said": 1, "files": {}} and [*chain.entries()[1]["files"]] == ["a", "b"]


def test_files_and_folders_are_for_their_owner_and_nothing_half_written_stays(tmp_path):
    chain = grown(tmp_path, 1)
    (chain.folder / "head.json.partial").write_text("left by a machine that stopped")
    chain.append({"said": 2})
    for path in [chain.folder, *chain.folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert not [*chain.folder.rglob("*.partial")] and len(chain.entries()) == 2


def test_nothing_stands_beside_what_the_hash_covers(tmp_path):
    chain = grown(tmp_path, 2)
    first, second = lines(chain)
    rewrite(chain, [first, {**second, "note": "never mind"}])
    assert wrong(chain) == ["line 2 is damaged or was changed"]
