"""Case-finding lists: only for the practice, encrypted, logged, limited, and never part of a release."""

from __future__ import annotations

import datetime as dt
import io
import zipfile

import pandas as pd
import pyrage
import pytest

from shared_code.model import Refused
from shared_code.releases.case_lists import folder_of, log_of, write_case_list
from shared_code.releases.release import release

TODAY = dt.date(2026, 5, 4)
IDENTITY = pyrage.x25519.Identity.generate()
KEY = str(IDENTITY.to_public())
ASKED = {"by": "Dr Example", "purpose": "direct_care", "legal_basis": "direct care, duty of confidence", "today": TODAY}


@pytest.fixture
def people() -> pd.DataFrame:
    return pd.DataFrame({"person_id": ["a" * 64, "b" * 64, "c" * 64, "d" * 64], "practice": ["Z1", "Z11001", "Z11001", "Z11001"],
                         "reason": ["risk 50 %", "risk 40 %", "risk 35 %", "risk 30 %"]})  # fmt: skip


@pytest.fixture(autouse=True)
def in_a_room(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def opened(path) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(pyrage.decrypt(path.read_bytes(), [IDENTITY])))


def test_the_list_holds_who_why_and_until_when_of_this_practice_only(people):
    path = write_case_list("s", "Z11001", KEY, people, **ASKED, objections=frozenset({"c" * 64}))
    found = opened(path)
    assert list(found) == ["person_id", "reason", "expires"]
    assert list(found["person_id"]) == ["b" * 64, "d" * 64] and set(found["expires"]) == {"2026-06-01"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_only_the_practice_can_open_it(people):
    path = write_case_list("s", "Z11001", KEY, people, **ASKED)
    assert b"b" * 64 not in path.read_bytes()
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(path.read_bytes(), [pyrage.x25519.Identity.generate()])


def test_every_list_is_logged_without_names(people):
    for _ in range(2):
        write_case_list("s", "Z11001", KEY, people, **ASKED)
    first, second = log_of("s").entries()
    assert (first["by"], first["purpose"], first["people"], first["practice"]) == ("Dr Example", "direct_care", 3, "Z11001")
    assert first["list"] != second["list"]
    assert "b" * 64 not in (folder_of("s") / "log" / "ledger.jsonl").read_text()


def test_the_log_says_how_many_of_the_practice_objected(people):
    write_case_list("s", "Z11001", KEY, people, **ASKED, objections=frozenset({"a" * 64, "c" * 64, "d" * 64}))
    (only,) = log_of("s").entries()
    assert (only["people"], only["objected"]) == (1, 2)  # the third who objected is at another practice


def test_a_changed_log_stops_further_lists(people):
    write_case_list("s", "Z11001", KEY, people, **ASKED)
    path = folder_of("s") / "log" / "ledger.jsonl"
    path.write_text(path.read_text().replace("Dr Example", "Dr Another"))
    with pytest.raises(Refused):
        write_case_list("s", "Z11001", KEY, people, **ASKED)
    assert len(list(folder_of("s").rglob("*.age"))) == 1


@pytest.mark.parametrize(("change", "words"), [
    ({"purpose": "evaluation"}, "no purpose for which people may be named"), ({"by": ""}, "it is not said"),
    ({"legal_basis": " "}, "it is not said"), ({"most": 2}, "3 people are more than a list may hold"),
    ({"objections": frozenset("bcd"[i] * 64 for i in range(3))}, "nobody of this practice"),
])  # fmt: skip
def test_what_is_missing_or_too_much_writes_nothing(people, message_of, change, words):
    assert words in message_of(lambda: write_case_list("s", "Z11001", KEY, people, **ASKED | change))
    assert not folder_of("s").exists()


def test_all_that_is_wrong_is_said_at_once(people, problems_of):
    found = problems_of(lambda: write_case_list("s", "z", "secret", people, **ASKED | {"by": ""}))
    assert len(found) == 4


def test_a_release_never_holds_it(people, tmp_path, signing):
    """Even with lists lying in the private room, a release holds its declared tables and nothing of the lists."""
    from shared_code.config import Site, Study

    write_case_list("demo_s", "Z11001", KEY, people, **ASKED)
    study = Study.model_validate({
        "study": "tiny", "title": "t", "summary": "s", "coordinator": "c", "index_date": "2024-01-01",
        "period": {"start": "2020-01-01", "end": "2024-01-01"}, "disclosure": {},
        "analyses": {"ill": {"title": "t", "question": "q", "results": {"ill": {"title": "t", "layout": "counts", "dimensions": {
            "item": {"values": {"x": "X"}}}}}, "pooled": [{"target": "proportion", "table": "ill", "item": "item"}]}},
    })  # fmt: skip
    about = {"site": "demo_s", "title": "S", "controller": "x", "studies": ["tiny"], "extract_date": "2024-02-01"}
    site = Site.model_validate({**about, **signing.settings("demo_s")})
    folder = tmp_path / "private" / "demo_s" / "tiny" / "results"
    (folder / "ill").mkdir(parents=True)
    pd.DataFrame({"item": ["x"], "people": [500], "cases": [100]}).to_parquet(folder / "ill" / "ill.parquet")
    draft = tmp_path / "draft.zip"
    release(site, study, folder, draft)
    with zipfile.ZipFile(draft) as package:
        content = b"".join(package.read(name) for name in package.namelist())
        assert not [name for name in package.namelist() if "case" in name or name.endswith(".age")]
    for person in people["person_id"]:
        assert person.encode() not in content
    assert KEY.encode() not in content
