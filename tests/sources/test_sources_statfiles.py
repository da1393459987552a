"""Statistical files of other programs' tests, and the guard: read as a whole, or refused in one line."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import duckdb
import pandas as pd
import pyreadstat
import pytest

from shared_code.model import Refused
from shared_code.sources import guarded, readers
from shared_code.sources.outcomes import outcomes, table

PAGE = Path(__file__).parents[2] / "docs" / "file-formats.md"
FRAME = pd.DataFrame({"id": [f"{n:05d}" for n in range(300)], "value": [float(n % 7) for n in range(300)]})


@pytest.fixture
def reading_process(monkeypatch):
    """Have the reading process do something else than reading."""

    def behave(code: str) -> None:
        guarded._end()
        program = f"import os, shared_code.sources.reading_process as r\ndef answer(request):\n    {code}\n"
        program += "r.answer = answer\nr.main()"
        monkeypatch.setattr(guarded, "COMMAND", [sys.executable, "-c", program])

    yield behave
    guarded._end()


def test_the_page_says_what_becomes_of_every_public_file(shared):
    """Written by: python -m shared_code.sources.outcomes ../shared/data/statfiles, below the heading of the page."""
    made = table(shared / "data" / "statfiles")
    assert made.startswith("111 files: 108 read, 3 refused.")
    written = PAGE.read_text("utf-8")
    assert made in written, f"{PAGE.name} is out of date: put the new table there"


def test_the_file_that_was_made_to_loop_is_refused_at_once(shared, message_of, tmp_path):
    path = shared / "data" / "statfiles" / "parso" / "bugs" / "sas_infinite_loop.sas7bdat"
    start = time.monotonic()
    assert "the file cannot be read" in message_of(readers.land, path, tmp_path, None)
    assert time.monotonic() - start < 10


def test_values_agree_with_the_same_table_in_other_formats(shared, landed):
    """One table, saved by SPSS, Stata and SAS: the same codes from every file."""
    folder = shared / "data" / "statfiles" / "pyreadstat" / "basic"
    names = ["sample.sav", "sample.zsav", "sample.por", "sample.dta", "sample.sas7bdat"]
    tables = [landed(folder / name).rename(columns=str.lower) for name in names]
    for name, other in zip(names[1:], tables[1:]):
        pd.testing.assert_frame_equal(tables[0][["mychar", "mynum"]], other[["mychar", "mynum"]], obj=name)
    assert tables[0]["mydate"].tolist()[:2] == tables[2]["mydate"].tolist()[:2] == ["2018-05-06", "1880-05-06"]
    assert tables[0]["dtime"].tolist()[0] == "2018-05-06 10:10:10"


def test_every_date_format_of_sas_is_one_day(shared, landed):
    """The file holds one moment in 67 formats (its own documentation: 14 March 2017, 15:36:56.546)."""
    found = landed(shared / "data" / "statfiles" / "parso" / "date_formats.sas7bdat").iloc[0]
    assert found["tod"].startswith("15:36:56.546")
    assert {name: value for name, value in found.drop("tod").items() if not value.startswith("2017-03-14")} == {}


def test_a_character_set_that_is_named_by_hand(shared, landed):
    found = landed(shared / "data" / "statfiles" / "parso" / "charset_acro.sas7bdat", encoding="iso-8859-2")
    assert found.shape == (150, 5)
    assert found["Species"].iloc[0].endswith("setosa")


def test_outcomes_of_a_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    FRAME.to_csv(tmp_path / "sub" / "a.csv", index=False)
    (tmp_path / "b.pdf").write_text("x")
    found = list(outcomes(tmp_path))
    assert [(o.file, o.read, o.rows, o.columns) for o in found] == [("b.pdf", False, 0, 0), ("sub/a.csv", True, 300, 2)]
    assert str(found[0]).startswith("| b.pdf | refused |  |  | files ending in .pdf cannot be read.")


# The guard


def test_a_file_that_takes_too_long(extract, refused, reading_process, monkeypatch):
    reading_process("while True: pass")
    monkeypatch.setenv("COHORTIUM_READ_SECONDS", "2")
    start = time.monotonic()
    message = refused(extract.write("a.sav", b"x"))
    assert "the file cannot be read (took longer than 2 s). Export it again, or in another form; for a slow disk set" in message
    assert time.monotonic() - start < 20
    assert guarded._waiting is None  # the process is gone


def test_a_file_that_crashes_its_reader(extract, refused, reading_process):
    reading_process("os.abort()")
    assert "the file cannot be read (it makes its reader crash)" in refused(extract.write("a.sav", b"x"))
    assert "it makes its reader crash" in refused(extract.write("b.sav", b"x"))  # the next file finds a reader again


def test_a_crash_halfway_leaves_nothing(extract, refused, reading_process):
    reading_process("open(request['target'] + '.partial0', 'w').write('half'); os.abort()")
    assert "crash" in refused(extract.write("a.sav", b"x"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process limit its memory")
def test_a_file_that_takes_too_much_memory(extract, refused, reading_process, monkeypatch):
    take = "try:\n        return {'peak': len(bytearray(2**31))}\n"
    reading_process(take + "    except MemoryError:\n        return {'memory': True}")
    monkeypatch.setenv("COHORTIUM_READ_MEMORY_MB", "100")
    assert "the file cannot be read (needs more than 100 MB of memory)" in refused(extract.write("a.sav", b"x"))


@pytest.mark.parametrize("name", ["COHORTIUM_READ_SECONDS", "COHORTIUM_READ_MEMORY_MB"])
@pytest.mark.parametrize("value", ["many", "0", "-1"])
def test_a_limit_that_is_no_number(extract, message_of, monkeypatch, tmp_path, name, value):
    monkeypatch.setenv(name, value)
    path = extract.write("a.sav", b"x")
    assert f"environment variable {name}: '{value}' is not a positive number" in message_of(readers.land, path, tmp_path, None)


def test_the_time_allowed_grows_with_the_file(tmp_path):
    small, large = tmp_path / "a.sav", tmp_path / "b.sav"
    small.write_bytes(b"")
    with large.open("wb") as file:
        file.truncate(100 * 2**20)
    assert guarded.seconds_allowed(small, ".sav") == 30
    assert guarded.seconds_allowed(large, ".sav") == 330


def test_the_reading_process_knows_no_secrets(extract, reading_process, monkeypatch, message_of, tmp_path):
    monkeypatch.setenv("COHORTIUM_KEY", "00")
    reading_process("return {'failed': str([k for k in os.environ if k.startswith('COHORTIUM_')]), 'unicode': False}")
    assert "cannot be read ([])" in message_of(readers.land, extract.write("a.sav", b"x"), tmp_path, None)


def test_one_process_serves_many_files(extract, landed):
    path = extract.folder / "a.sav"
    pyreadstat.write_sav(FRAME, path)
    landed(path)
    first = guarded._waiting
    pyreadstat.write_sav(FRAME[:5], path)
    assert len(landed(path)) == 5
    assert guarded._waiting is first
    assert os.getpid() == first.owner


# Damage


KINDS = {"sav": pyreadstat.write_sav, "zsav": lambda f, p: pyreadstat.write_sav(f, p, compress=True),
         "dta": pyreadstat.write_dta, "xpt": pyreadstat.write_xport}  # fmt: skip


@pytest.mark.parametrize("suffix", [*KINDS, "por", "sas7bdat"])
def test_damaged_files_are_never_read_in_part(extract, tmp_path, request, suffix):
    """Cut a file anywhere: it is refused, or all of its rows are there. Change bytes: it is refused or read."""
    whole = extract.folder / f"whole.{suffix}"
    if suffix in KINDS:
        KINDS[suffix](FRAME, whole)
    else:
        folder = request.getfixturevalue("shared") / "data" / "statfiles"
        name = "pyreadstat/basic/sample.por" if suffix == "por" else "parso/data_page_with_deleted.sas7bdat"
        whole.write_bytes((folder / name).read_bytes())
    content, chance = whole.read_bytes(), random.Random(suffix)

    def rows(data: bytes, name: str) -> int | None:
        path = extract.write(f"{name}.{suffix}", data)
        try:
            with duckdb.connect() as connection:
                landed = readers.land(path, tmp_path / "landed", connection)
                return connection.execute(f"SELECT count(*) FROM ({landed.sql})").fetchone()[0]
        except Refused as refused:
            assert len(refused.problems) == 1
            assert "\n" not in str(refused.problems[0])
            return None

    expected = rows(content, "good")
    cuts = sorted({chance.randrange(len(content)) for _ in range(10)} | {len(content) * 9 // 10})
    found = {cut: rows(content[:cut], f"cut{cut}") for cut in cuts}
    assert {value for value in found.values() if value is not None} <= {expected}
    assert None in found.values()
    for i in range(10):
        damaged = bytearray(content)
        for _ in range(20):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        rows(bytes(damaged), f"changed{i}")
