"""A release after a release: from the first package through the ledger to the second, nobody is given away between them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config import Policy, Site, Study
from shared_code.disclosure import Earlier
from shared_code.disclosure.attacks.differences import gives_away, over_time
from shared_code.model import Refused
from shared_code.releases import beside, ledger, package
from shared_code.releases.cells import from_csv
from shared_code.releases.release import release

COUNTS = {"title": "t", "layout": "counts", "sets": [["sex"], []],
          "dimensions": {"sex": {"values": {"F": "f", "M": "m"}, "total": True}}}  # fmt: skip
STUDY = Study.model_validate({
    "study": "tiny", "title": "t", "summary": "s", "coordinator": "c", "index_date": "2024-01-01",
    "period": {"start": "2020-01-01", "end": "2024-01-01"}, "disclosure": {"threshold": 10, "rounding": 5},
    "analyses": {"illness": {"title": "t", "question": "q", "pooled": [], "results": {"ill": COUNTS}}},
})  # fmt: skip
SITE = Site.model_validate({"site": "north", "title": "North", "controller": "x", "studies": ["tiny"],
                            "extract_date": "2024-02-01"})  # fmt: skip
DECLARED = STUDY.analyses["illness"].results["ill"]


class Room:
    """A site's private room, in which releases are made and remembered."""

    def __init__(self, folder: Path):
        self.folder, self.ledger, self.draft = folder, folder / "ledger", folder / "release" / "north.zip"
        (folder / "results" / "illness").mkdir(parents=True)
        (folder / "prepared").mkdir()

    def release(self, women: tuple[int, int], men: tuple[int, int]) -> pd.DataFrame:
        """Make a draft from people and cases, and give the cells that would leave."""
        rows = [("F", *women), ("M", *men), ("all", women[0] + men[0], women[1] + men[1])]
        wide = pd.DataFrame(rows, columns=["sex", "people", "cases"])
        wide.to_parquet(self.folder / "results" / "illness" / "ill.parquet")
        wide.to_parquet(self.folder / "prepared" / "person.parquet")
        (self.folder / "prepared" / "prepared.json").write_text('{"holdings": {}}')
        earlier = ledger.read(self.ledger, "tiny")
        release(SITE, STUDY, self.folder / "results", self.draft, self.folder / "prepared", earlier)
        return self.cells()

    def cells(self) -> pd.DataFrame:
        return from_csv(package.read(self.draft)[1]["tables/illness.ill.csv"])

    def send(self) -> None:
        """Remember the draft as `cohortium send` does."""
        manifest, _, digest = package.read(self.draft)
        known = beside.read(self.draft, digest)
        ledger.append(self.ledger, Earlier(digest, known.data, {"illness.ill": self.cells()}, known.people), manifest)


@pytest.fixture
def room(tmp_path) -> Room:
    return Room(tmp_path)


def test_the_same_numbers_leave_again_as_they_were(room):
    first = room.release((500, 112), (500, 90))
    before = room.draft.read_bytes()
    room.send()
    pd.testing.assert_frame_equal(room.release((500, 112), (500, 90)), first)
    assert room.draft.read_bytes() == before


def test_what_was_released_is_remembered_with_the_counts_behind_it(room):
    room.release((500, 112), (500, 7))
    room.send()
    (one,) = ledger.read(room.ledger, "tiny")
    assert one.people["illness.ill"]["cases"].tolist() == [112, 7, 119]
    assert one.data == ledger.data_digest(room.folder / "prepared")
    pd.testing.assert_frame_equal(one.tables["illness.ill"], room.cells())


def test_reasons_and_counts_stay_beside_the_draft_for_the_owner_alone(room):
    room.release((500, 112), (500, 7))
    digest = package.read(room.draft)[2]
    assert beside.read(room.draft, digest).people["illness.ill"]["cases"].tolist() == [112, 7, 119]
    assert all(not path.stat().st_mode & 0o077 for path in (room.draft.parent / "beside").rglob("*"))
    with pytest.raises(Refused, match="it belongs to another draft"):
        beside.read(room.draft, "0" * 64)
    shutil.rmtree(room.draft.parent / "beside" / "people")
    (room.draft.parent / "beside" / "behind.json").unlink()
    with pytest.raises(Refused, match="are not there, or are damaged"):
        beside.read(room.draft, digest)


steady = settings(deadline=None, database=None, derandomize=True, max_examples=25)
SOME = st.integers(30, 400)


@steady
@given(st.data())
def test_one_person_more_or_less_is_never_told(tmp_path_factory, data):
    """Release, send, refresh by one person, release again: refused, or no reader of both learns of the one."""
    room = Room(tmp_path_factory.mktemp("room"))
    women, men = [(data.draw(SOME) + 400, data.draw(SOME)) for _ in range(2)]
    before = room.release(women, men)
    room.send()
    people, cases = data.draw(st.sampled_from([(1, 0), (-1, 0), (1, 1), (-1, -1), (0, 1), (0, -1)]))
    try:
        after = room.release((women[0] + people, women[1] + cases), men)
    except Refused as refused:
        assert "earlier release" in str(refused) or "released before" in str(refused)
        pd.testing.assert_frame_equal(room.cells(), before)  # the draft that was made before is untouched
        return
    left = over_time({"a": (DECLARED, before)}, {"a": (DECLARED, after)})
    assert not [cell for cell, change in left.items() if gives_away(change, Policy().threshold)]
