"""Damaged, missing and misnamed files are refused in one line, and nothing is half-written."""

from __future__ import annotations

import gzip
import sqlite3

import pandas as pd
import pyreadstat
import pytest

from shared_code.sources import readers

FRAME = pd.DataFrame({"id": [f"{n:05d}" for n in range(500)], "value": [float(n % 7) for n in range(500)]})


def damaged(name: str, folder) -> bytes:
    """Give the first two thirds of a good file."""
    path = folder / f"good-{name}"
    match name.rpartition(".")[2]:
        case "sav":
            pyreadstat.write_sav(FRAME, path)
        case "zsav":
            pyreadstat.write_sav(FRAME, path, compress=True)
        case "dta":
            pyreadstat.write_dta(FRAME, path)
        case "xpt":
            pyreadstat.write_xport(FRAME, path)
        case "parquet":
            FRAME.to_parquet(path)
        case "xlsx":
            FRAME.to_excel(path, index=False)
        case "gz":
            path.write_bytes(gzip.compress(FRAME.to_csv(index=False).encode()))
        case "sqlite":
            with sqlite3.connect(path) as database:
                FRAME.to_sql("t", database, index=False)
            database.close()
    content = path.read_bytes()
    return content[: len(content) * 2 // 3 + 1]


NAMES = ["a.sav", "a.zsav", "a.dta", "a.xpt", "a.parquet", "a.xlsx", "a.csv.gz", "a.sqlite"]


@pytest.mark.parametrize("chunk", [200_000, 100])
@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_file(extract, refused, monkeypatch, name, chunk):
    monkeypatch.setattr(readers, "CHUNK", chunk)
    path = extract.write(name, damaged(name, extract.folder))
    message = refused(path, **({"table": "t"} if name.endswith("sqlite") else {}))
    assert message.startswith(str(path))
    assert "Export it again" in message


@pytest.mark.parametrize("name", [*NAMES, "a.sas7bdat", "a.duckdb"])
def test_a_text_file_with_another_ending(extract, refused, name):
    path = extract.write(name, "id,sex\n1,2\n" * 20)
    assert "cannot be read" in refused(path, **({"table": "t"} if "sqlite" in name or "duckdb" in name else {}))


@pytest.mark.parametrize("name", NAMES[:6])
def test_an_empty_file(extract, refused, name):
    assert "cannot be read" in refused(extract.write(name, b""))


def test_an_empty_text_file(extract, refused):
    assert "the file is empty" in refused(extract.write("a.csv", b""))


@pytest.mark.parametrize("line", ["3", "3,4,5,6"])
def test_a_line_with_another_number_of_fields(extract, refused, line):
    text = "id,name,sex\n" + "1,Ann Surname,2\n" * 3000 + f"{line}\n" + "1,Ann,2\n"
    message = refused(extract.write("a.csv", text))
    assert f"line 3002 has {len(line.split(','))} fields, not 3" in message
    assert "Surname" not in message


def test_a_quote_that_never_closes(extract, refused):
    message = refused(extract.write("a.csv", 'id,name\n1,"Ann Surname\n2,Bea\n'))
    assert "is not CSV" in message
    assert "Surname" not in message


@pytest.mark.parametrize("rows", [1, 5000])
def test_the_wrong_encoding(extract, refused, rows):
    content = "id,town\n" + "1,York\n" * rows + "2,Besançon\n"
    path = extract.write("a.csv", content.encode("cp1252"))
    assert "its characters are not in the encoding named. Set encoding:" in refused(path)
    assert "not in the encoding named" in refused(path, encoding="ascii")


def test_a_column_named_twice(extract, refused):
    assert "the first line names a column twice: sex" in refused(extract.write("a.csv", "id,sex,sex\n1,2,3\n"))


def test_a_missing_file_suggests_the_near_name(extract, refused):
    extract.write("patients.csv", "id\n1\n")
    message = refused(extract.folder / "patient.csv")
    assert "the file is not there. Allowed: patients.csv. Put it there, or correct file:" in message
    assert "(did you mean patients.csv?)" in message


def test_a_kind_of_file_that_cannot_be_read(extract, refused):
    assert "files ending in .pdf cannot be read. Allowed: .sav" in refused(extract.write("a.pdf", "x"))
    assert "files ending in nothing cannot be read" in refused(extract.write("a", "x"))


def test_a_table_or_sheet_that_is_not_there(extract, refused):
    with sqlite3.connect(extract.folder / "a.sqlite") as database:
        FRAME.to_sql("patients", database, index=False)
    database.close()
    FRAME.to_excel(extract.folder / "a.xlsx", sheet_name="Patients", index=False)
    message = refused(extract.folder / "a.sqlite", table="patient")
    assert "there is no table 'patient' in it (did you mean patients?). Allowed: patients." in message
    assert "no table of it is named. Allowed: patients. Correct table:" in refused(extract.folder / "a.sqlite")
    message = refused(extract.folder / "a.xlsx", sheet="patients")
    assert "there is no sheet 'patients' in it (did you mean Patients?)" in message


def test_public_files_are_read_or_refused_in_one_line(extract, shared, landed, refused):
    """Real files of other programs' tests: strange character sets, deleted rows, corrupt headers."""
    folder = shared / "data" / "statfiles"
    suffixes = (".sav", ".zsav", ".dta", ".xpt", ".por", ".sas7bdat")
    read = 0
    for path in sorted(p for p in folder.rglob("*") if p.suffix in suffixes and p.stat().st_size < 200_000):
        try:
            landed(path)
            read += 1
        except readers.Refused as reason:
            assert len(reason.problems) == 1
            assert "\n" not in str(reason.problems[0])
    assert read > 60
