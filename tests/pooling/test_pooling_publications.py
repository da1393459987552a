"""The coordinating team remembers what it published, from which releases, and notices when it has forgotten."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from shared_code.pooling.publications import history, publish


@pytest.fixture
def pooled(tmp_path):
    """Give a function: estimate -> a folder of pooled results."""

    def make(estimate: str, *sites: str) -> Path:
        folder = tmp_path / f"pooled-{estimate}-{len(sites)}"
        folder.mkdir(exist_ok=True)
        (folder / "results.csv").write_text(f"estimate\n{estimate}\n")
        record = {"study": "tiny", "protocol_digest": "p", "code_digest": "c",
                  "releases": {site: {"package": site * 64} for site in sites}}  # fmt: skip
        (folder / "pooled.json").write_text(json.dumps(record))
        return folder

    return make


def test_every_publication_is_remembered_with_its_releases(pooled, tmp_path):
    ledger, nothing = tmp_path / "ledger", tmp_path / "nothing"
    assert publish(ledger, pooled("1", "a", "b"), nothing) is True
    assert publish(ledger, pooled("1", "a", "b"), pooled("1", "a", "b")) is False  # pooled again, the same
    assert publish(ledger, pooled("2", "a", "b", "c"), pooled("1", "a", "b")) is True
    assert [sorted(p["releases"]) for p in history(ledger)] == [["a", "b"], ["a", "b", "c"]]
    assert [p["number"] for p in history(ledger)] == [1, 2]


def test_what_was_published_before_there_was_a_ledger_comes_first(pooled, tmp_path):
    publish(tmp_path / "ledger", pooled("2", "a", "b"), pooled("1", "a", "b"))
    assert len(history(tmp_path / "ledger")) == 2


def test_an_old_copy_of_the_ledger_stops_pooling(pooled, tmp_path, message_of):
    ledger, nothing = tmp_path / "ledger", tmp_path / "nothing"
    publish(ledger, pooled("1", "a", "b"), nothing)
    shutil.copytree(ledger, tmp_path / "old")
    publish(ledger, pooled("2", "a", "b"), pooled("1", "a", "b"))
    message = message_of(publish, tmp_path / "old", pooled("3", "a", "b"), pooled("2", "a", "b"))
    assert "it does not know what is published" in message and "Restore the folder from a backup" in message


def test_a_damaged_ledger_stops_pooling(pooled, tmp_path, message_of):
    ledger = tmp_path / "ledger"
    publish(ledger, pooled("1", "a", "b"), tmp_path / "nothing")
    path = ledger / "ledger.jsonl"
    path.write_text(path.read_text().replace("tiny", "tony"))
    assert "line 1 is damaged" in message_of(publish, ledger, pooled("2", "a", "b"), tmp_path / "nothing")
