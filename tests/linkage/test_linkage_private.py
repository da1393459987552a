"""What goes out, what stays, and what is refused: keys, canaries, temporary files."""

from __future__ import annotations

import json
import logging
import os
import pickle
import re
import stat

import pandas as pd
import pytest

from shared_code.linkage import probabilistic, run
from shared_code.linkage.run import LINK_COLUMNS, link
from shared_code.linkage.settings import LINKER_VERSION, Settings
from shared_code.model import Refused
from shared_code.sources.pseudonyms import pseudonym

KEY = bytes(range(32))
INDEX = """
9434765919 Zzcanary Quellbird 1980-05-17 F ZE10AA
9876543210 Zzcanary Otterbird 1955-03-04 M ZE10AB
"""
RECORDS = """
9434765919 Zzcanary Quellbird 1980-05-17 F ZE10AA
- Zzcanary Otterbird 1955-03-04 M ZE10AB
- Zzcanari Otterbird 1955-03-04 M ZE10AB
- Zzcanary - 1980-05-17 F ZE10AA
"""
CANARIES = ["canar", "quellbird", "otterbird", "9434765919", "9876543210", "ze10a", "1980-05-17", "1955-03-04", KEY.hex()]


@pytest.fixture()
def real(tmp_path, monkeypatch) -> Settings:
    monkeypatch.setenv("COHORTIUM_KEY", KEY.hex())
    return Settings(tmp_path / "private")


def test_known_pseudonym(records, table, real):
    """T12.1: the person of the published number gets the published pseudonym."""
    found = link(records(RECORDS), table(INDEX), real).links
    assert found["person_id"].iloc[0] == "3b25b93553c5a2acb7330f83648e7ca460768fce2fe19e5bbe029684324be15f"
    assert found["person_id"].dropna().str.fullmatch("[0-9a-f]{64}").all()


def test_other_keys_give_other_pseudonyms(records, table, real, monkeypatch):
    one = link(records(RECORDS), table(INDEX), real)
    monkeypatch.setenv("COHORTIUM_KEY", bytes(range(1, 33)).hex())
    other = link(records(RECORDS), table(INDEX), real)
    assert not set(one.links["person_id"].dropna()) & set(other.links["person_id"].dropna())
    assert one.report["key_id"] != other.report["key_id"]


@pytest.mark.parametrize(("key", "words"), [
    ("", "identifiers are never stored without a key"), (KEY.hex()[:-2], "31 bytes"), ("00" * 32, "no variety"),
    ("secret", "not hexadecimal"),
])  # fmt: skip
def test_no_linkage_without_a_key(key, words, records, table, tmp_path, monkeypatch, message_of):
    monkeypatch.setenv("COHORTIUM_KEY", key)
    monkeypatch.delenv("COHORTIUM_KEY_FILE", raising=False)
    assert words in message_of(link, records(RECORDS), table(INDEX), Settings(tmp_path / "private"))
    assert not (tmp_path / "private").exists()  # refused before anything is read


def test_only_pseudonym_method_and_band_go_out(records, table, real, caplog, capfd):
    """Nothing that identifies a person is in any result, message, log or on the screen, at the finest level of logging."""
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    found = link(records(RECORDS), table(INDEX), real, say=said.append)
    assert list(found.links.columns) == LINK_COLUMNS
    assert found.links["linker_version"].unique().tolist() == [LINKER_VERSION]
    screen = capfd.readouterr()
    shown = "\n".join([found.links.to_csv(), found.review.to_csv(), json.dumps(found.report, default=str), *said,
                       caplog.text, screen.out, screen.err, repr(found), str(pickle.dumps(found))]).lower()  # fmt: skip
    assert [c for c in CANARIES if c in shown] == []
    assert found.links["link_method"].value_counts().to_dict().get("U", 0) < 4


def test_training_says_nothing_either(example, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    found = link(example.made.records.head(6000), example.made.people.head(6000), example.settings)
    screen = capfd.readouterr()
    shown = caplog.text + screen.out + screen.err + json.dumps(found.report, default=str)
    assert found.model.origin == "trained"
    names = set(example.made.people["surname"]) | set(example.made.people["nhs_number"])
    assert not {n for n in names if len(n) > 6} & set(re.findall("[A-Z]+|[0-9]+", shown))


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_temporary_files_are_for_the_owner_and_go(records, table, real):
    seen: list[int] = []

    def look(text: str) -> None:
        seen.extend(stat.S_IMODE(p.stat().st_mode) for p in real.private.iterdir())

    link(records(RECORDS), table(INDEX), real, say=look)
    assert seen and set(seen) == {0o700}
    assert list(real.private.iterdir()) == []


def test_a_failure_shows_no_value_and_leaves_no_file(records, table, real, monkeypatch):
    rows = records(RECORDS)
    rows.loc[0, "date_of_birth"] = "1980-canary"  # the engine's message would quote it
    with pytest.raises(Refused) as refused:
        link(rows, table(INDEX), real)
    assert "canary" not in str(refused.value)
    assert "step normalising: it stopped with ConversionException" in str(refused.value)
    assert refused.value.__context__ is None and refused.value.__cause__ is None
    assert list(real.private.iterdir()) == []

    def broken(*_):
        raise RuntimeError("9434765919")

    monkeypatch.setattr(probabilistic, "score", broken)
    with pytest.raises(Refused, match="step scoring") as refused:
        link(records(RECORDS), table(INDEX), real)
    assert "9434765919" not in str(refused.value)
    assert list(real.private.iterdir()) == []


def test_record_ids_must_not_identify(records, table, real, problems_of):
    rows = records(RECORDS)
    rows["record_id"] = ["943 476 5919", "2", "2", None]
    messages = [str(p) for p in problems_of(link, rows, table(INDEX), real)]
    assert len(messages) == 3
    assert not [c for c in CANARIES if c in " ".join(messages).lower()]
    assert "is the NHS number in 1 rows" in messages[0]


def test_columns_that_are_missing(records, table, real, message_of):
    assert "index, columns: there is no sex" in message_of(link, records(RECORDS), table(INDEX).drop(columns="sex"), real)
    assert "records, columns: there is no source" in message_of(link, records(RECORDS).drop(columns="source"), table(INDEX), real)


def test_parquet_files_and_arrow_tables_do_as_well(records, table, real, tmp_path):
    import pyarrow as pa

    expected = link(records(RECORDS), table(INDEX), real).links
    records(RECORDS).to_parquet(tmp_path / "records.parquet")
    pd.testing.assert_frame_equal(link(tmp_path / "records.parquet", pa.Table.from_pandas(table(INDEX)), real).links, expected)


def test_people_without_a_valid_number_have_no_pseudonym(records, table, real):
    found = link(records(RECORDS), table(f"{INDEX}\n- Zzcanary Third 1970-01-02 F ZE10AA"), real)
    assert found.report["people_without_valid_number"] == 1


def test_every_record_comes_out_once(example):
    links = example.linked.links
    assert len(links) == len(example.made.records)
    assert not links.duplicated(["record_id", "source"]).any()
    assert (links["person_id"].isna() == (links["link_method"] == "U")).all()
    assert sum(example.linked.report["methods"].values()) == len(links)
    one = example.made.records.merge(links[links["link_method"] == "D2"], on=["record_id", "source"]).iloc[0]
    who = example.made.people.merge(pd.DataFrame([one]), on=["surname", "forename", "date_of_birth", "sex", "postcode"])
    assert one["person_id"] == pseudonym(run.MADE_UP_KEY, "NHS", who["nhs_number_x"].iloc[0])
