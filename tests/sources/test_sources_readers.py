"""Readers: whatever the form of the file, the codes arrive as they were written."""

from __future__ import annotations

import datetime as dt
import gzip
import sqlite3

import duckdb
import numpy as np
import pandas as pd
import pyreadstat
import pytest

from shared_code.config.columns import FixedColumn
from shared_code.sources import readers

PEOPLE = pd.DataFrame({
    "id": ["007", "N 12", "x'y"],
    "sex": [1.0, 2.0, np.nan],
    "weight": [61.5, 70.0, 0.1],
    "seen": [dt.date(2020, 2, 29), None, dt.date(1890, 1, 1)],
})  # fmt: skip
CODES = [["007", "1", "61.5", "2020-02-29"], ["N 12", "2", "70", None], ["x'y", None, "0.1", "1890-01-01"]]


def rows(frame: pd.DataFrame) -> list[list]:
    return frame.to_numpy().tolist()


@pytest.mark.parametrize("suffix", ["sav", "zsav", "dta", "xpt"])
def test_statistical_files(extract, landed, suffix):
    path = extract.folder / f"people.{suffix}"
    if suffix in ("sav", "zsav"):
        labels = {"sex": {1.0: "male", 2.0: "female"}}
        pyreadstat.write_sav(PEOPLE, path, variable_value_labels=labels, compress=suffix == "zsav")
    else:
        write = {"dta": pyreadstat.write_dta, "xpt": pyreadstat.write_xport}[suffix]
        write(PEOPLE, path)
    assert rows(landed(path)) == CODES


def test_a_sas_file(landed, shared):
    folder = shared / "data" / "statfiles" / "pyreadstat" / "basic"
    found = landed(folder / "sample.sas7bdat")
    expected, _ = pyreadstat.read_sas7bdat(folder / "sample.sas7bdat")
    assert list(found.columns) == list(expected.columns)
    assert found.iloc[0].tolist()[:2] == ["a", "1.1"]
    assert len(found) == len(expected)


def test_missing_codes_that_an_spss_file_declares_are_told(extract):
    frame = pd.DataFrame({"age": [30.0, -7.0, 99.0], "area": ["W1", "NK", "W2"]})
    path = extract.folder / "declared.sav"
    pyreadstat.write_sav(frame, path, missing_ranges={"age": [99, {"lo": -9, "hi": -1}], "area": ["NK"]})
    with duckdb.connect() as connection:
        found = readers.land(path, extract.folder / "landed", connection)
    assert sorted(found.user_missing["age"]) == [(-9.0, -1.0), (99.0, 99.0)]
    assert found.user_missing["area"] == [("NK", "NK")]


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("a.csv", "id,sex\n007,1\nN 12,2\n", {}),
        ("a.csv", "id,sex\r\n007,1\r\nN 12,2\r\n", {}),
        ("a.csv", '\ufeff"id","sex"\n"007",1\n"N 12",2', {}),
        ("a.txt", "id;sex\n007;1\nN 12;2\n", {"delimiter": ";"}),
        ("a.dat", "id|sex\n007|1\nN 12|2\n", {"delimiter": "|"}),
        ("a.tsv", "id\tsex\n007\t1\nN 12\t2\n", {}),
        ("a.csv.gz", "id,sex\n007,1\nN 12,2\n", {}),
        ("A.CSV.GZ", "id,sex\n007,1\nN 12,2\n", {}),
    ],
)
def test_delimited_files(extract, landed, name, text, options):
    content = gzip.compress(text.encode()) if name.lower().endswith(".gz") else text.encode()
    found = landed(extract.write(name, content), **options)
    assert list(found.columns) == ["id", "sex"]
    assert rows(found) == [["007", "1"], ["N 12", "2"]]


def test_delimited_values_are_not_interpreted(extract, landed):
    text = 'id,code,note\n1,NA,"a, ""b"""\n02,null,\n#3,1e5,"two\nlines"\n'
    assert rows(landed(extract.write("a.csv", text))) == [
        ["1", "NA", 'a, "b"'], ["02", "null", None], ["#3", "1e5", "two\nlines"],
    ]  # fmt: skip


def test_windows_characters_and_semicolons(extract, landed):
    content = "Größe;Ort\n1,80;Besançon\n".encode("cp1252")
    found = landed(extract.write("a.csv", content), delimiter=";", encoding="cp1252")
    assert found.to_dict("list") == {"Größe": ["1,80"], "Ort": ["Besançon"]}
    found = landed(extract.write("b.csv.gz", gzip.compress(content)), delimiter=";", encoding="cp1252")
    assert found.to_dict("list") == {"Größe": ["1,80"], "Ort": ["Besançon"]}


def test_a_file_with_a_header_only_has_no_rows(extract, landed):
    assert rows(landed(extract.write("a.csv", "id,sex\n"))) == []


def test_a_workbook_with_words_that_look_like_nothing(extract, landed):
    cells = [["id", "sex", "flag", "on"], ["007", 1, True, dt.datetime(2020, 1, 2)], ["NA", 2.5, None, None], [None] * 4]
    frame = pd.DataFrame(cells[1:3], columns=cells[0])
    with pd.ExcelWriter(extract.folder / "book.xlsx") as book:
        pd.DataFrame({"other": [1]}).to_excel(book, sheet_name="Notes", index=False)
        frame.to_excel(book, sheet_name="People", index=False)
    found = landed(extract.folder / "book.xlsx", sheet="People")
    assert rows(found) == [["007", "1", "true", "2020-01-02"], ["NA", "2.5", None, None]]
    assert rows(landed(extract.folder / "book.xlsx")) == [["1"]]


def test_parquet_files(extract, landed):
    frame = PEOPLE.assign(big=[1.5e300, np.inf, 2.0**53], yes=[True, None, False])
    frame.to_parquet(extract.folder / "a.parquet")
    found = landed(extract.folder / "a.parquet")
    assert rows(found[PEOPLE.columns]) == CODES
    assert found["yes"].tolist() == ["true", None, "false"]
    assert found["big"].tolist() == ["1.5e+300", None, "9007199254740992"]


def test_databases(extract, landed):
    with sqlite3.connect(extract.folder / "a b?.sqlite") as database:
        database.execute("CREATE TABLE person (id TEXT, sex INTEGER, weight REAL)")
        database.executemany("INSERT INTO person VALUES (?, ?, ?)", [("007", 1, 61.5), ("N 12", None, 70.0), ("x", "NK", 1)])
        database.execute("CREATE VIEW men AS SELECT id FROM person WHERE sex = 1")
    database.close()
    with duckdb.connect(str(extract.folder / "b.duckdb")) as database:
        database.execute("CREATE TABLE person (id VARCHAR, sex INTEGER, fee DECIMAL(9, 2), seen TIMESTAMP)")
        database.execute("INSERT INTO person VALUES ('007', 1, 1.00, '2020-01-02'), ('x', NULL, 2.50, '2020-01-02 10:30')")
        database.execute("CREATE VIEW men AS SELECT id FROM person WHERE sex = 1")
    path = extract.folder / "a b?.sqlite"
    assert rows(landed(path, table="person")) == [["007", "1", "61.5"], ["N 12", None, "70"], ["x", "NK", "1"]]
    assert rows(landed(path, table="men")) == [["007"]]
    found = rows(landed(extract.folder / "b.duckdb", table="person"))
    assert found == [["007", "1", "1", "2020-01-02"], ["x", None, "2.5", "2020-01-02 10:30:00"]]
    assert rows(landed(extract.folder / "b.duckdb", table="men")) == [["007"]]


def test_fixed_width(extract, landed):
    columns = {"id": FixedColumn(first=1, last=4), "sex": FixedColumn(first=6, last=6), "town": FixedColumn(first=8, last=12)}
    path = extract.write("a.dat", "0007 1 Köln\n  NA .\n   3 2 York\n".encode("latin-1"))
    found = landed(path, fixed_width=columns, encoding="latin-1")
    assert rows(found) == [["0007", "1", "Köln"], ["NA", None, None], ["3", "2", "York"]]


FORMS = ["sav", "dta", "xpt", "sqlite", "fixed"]


@pytest.mark.parametrize("form", FORMS)
def test_more_rows_than_one_chunk_with_columns_empty_at_first(extract, landed, monkeypatch, form):
    """A column that holds nothing, or only numbers, in the first chunk holds text, dates or fractions later."""
    monkeypatch.setattr(readers, "CHUNK", 3)
    frame = pd.DataFrame({
        "n": range(1, 10), "text": [None] * 5 + ["007"] + [None] * 3, "day": [None] * 8 + [dt.date(2020, 2, 29)],
        "number": [np.nan] * 4 + [1.0, 2.5] + [np.nan] * 3, "later": [1.0, 2.0, 3.0, 4.5, np.nan, 5.0, 6.0, 7.0, 8.0],
    })  # fmt: skip
    options = {}
    path = extract.folder / f"long.{form}"
    if form == "sqlite":
        with sqlite3.connect(path) as database:
            frame.assign(day=frame["day"].astype(str).replace("None", None)).to_sql("t", database, index=False)
        database.close()
        options = {"table": "t"}
    elif form == "fixed":
        path = extract.folder / "long.dat"
        texts = frame.astype(object).where(frame.notna(), "")
        path.write_text("".join("".join(f"{v!s:<10}" for v in row) + "\n" for row in texts.to_numpy()))
        columns = {name: FixedColumn(first=10 * i + 1, last=10 * i + 10) for i, name in enumerate(frame)}
        options = {"fixed_width": columns}
    else:
        write = {"sav": pyreadstat.write_sav, "dta": pyreadstat.write_dta, "xpt": pyreadstat.write_xport}[form]
        write(frame, path)
    found = landed(path, **options)
    if form == "fixed":  # a text file knows no numbers: 1.0 stays 1.0
        found = found.apply(lambda c: c.map(lambda v: v.removesuffix(".0") if v else v))
    assert found["n"].tolist() == [str(n) for n in range(1, 10)]
    assert found["text"].tolist() == [None] * 5 + ["007"] + [None] * 3
    assert found["day"].tolist() == [None] * 8 + ["2020-02-29"]
    assert found["number"].tolist() == [None] * 4 + ["1", "2.5"] + [None] * 3
    assert found["later"].tolist() == ["1", "2", "3", "4.5", None, "5", "6", "7", "8"]


def test_a_file_of_exactly_one_chunk(extract, landed, monkeypatch):
    monkeypatch.setattr(readers, "CHUNK", 3)
    pyreadstat.write_sav(PEOPLE, extract.folder / "a.sav")
    assert rows(landed(extract.folder / "a.sav")) == CODES


def test_a_database_column_with_words_among_numbers(extract, landed, monkeypatch):
    """SQLite lets any value into any column: what began as numbers is then read as codes throughout."""
    monkeypatch.setattr(readers, "CHUNK", 2)
    with sqlite3.connect(extract.folder / "a.sqlite") as database:
        database.execute("CREATE TABLE t (code INTEGER)")
        database.executemany("INSERT INTO t VALUES (?)", [(1,), (2,), (None,), ("unknown",), (3.5,), (4,)])
    database.close()
    found = landed(extract.folder / "a.sqlite", table="t")
    assert found["code"].tolist() == ["1", "2", None, "unknown", "3.5", "4"]
