"""Formats: what a site may hand over, in how many pieces, and what the values mean when they arrive."""

from __future__ import annotations

import datetime as dt
import gzip
import sqlite3
import struct

import duckdb
import numpy as np
import pandas as pd
import pyreadstat
import pytest
from pydantic import ValidationError

from shared_code.config.columns import TableMap
from shared_code.sources import readers
from shared_code.sources.describing import catalogue_labels, describe
from shared_code.sources.moments import kind_of
from shared_code.sources.transport import LIBRARY

FRAME = pd.DataFrame({"id": ["a", "b", "c"], "n": [1.0, 2.5, np.nan]})
ROWS = [["a", "1"], ["b", "2.5"], ["c", None]]


def rows(frame: pd.DataFrame) -> list[list]:
    return frame.to_numpy().tolist()


# Several files, compressed files


def test_several_files_with_the_same_columns_make_one_table(extract, table):
    extract.write("activity_2019.csv", "id,n\na,1\n")
    extract.write("activity_2020.csv", "n,id\n2.5,b\n,c\n")
    assert table(files=["activity_2019.csv", "activity_2020.csv"])[1] == ROWS
    assert table(file="activity_*.csv")[1] == ROWS
    assert table(file="activity_20[12]?.csv")[1] == ROWS


def test_files_of_several_kinds_agree_in_their_codes(extract, table):
    pyreadstat.write_sav(FRAME[:1], extract.folder / "old.sav", missing_ranges={"n": [9]})
    extract.write("new.csv", "id,n\nb,2.5\nc,\n")
    found, made = table(files=["old.sav", "new.csv"])
    assert made == ROWS
    assert found.user_missing == {"n": [("9", "9")]}


def test_files_that_do_not_fit_together_are_refused(extract, table, message_of):
    extract.write("a.csv", "id,n,sex\na,1,2\n")
    extract.write("b.csv", "id,n\na,1\n")
    message = message_of(table, file="?.csv")
    assert "b.csv: there is no column sex, which a.csv has. Allowed: the same columns in every file" in message
    assert "no file fits this pattern. Allowed: a.csv, b.csv" in message_of(table, file="c*.csv")


def test_every_unreadable_file_is_named(extract, table, problems_of):
    for name in ("a.csv", "b.csv", "c.csv"):
        extract.write(name, "id,n\n1,2,3\n" if name != "b.csv" else "id,n\n1,2\n")
    assert [problem.where.rpartition("/")[2] for problem in problems_of(table, file="*.csv")] == ["a.csv", "c.csv"]


@pytest.mark.parametrize("suffix", ["sav", "dta", "xpt", "parquet", "xlsx", "csv", "sqlite", "duckdb"])
def test_compressed_files(extract, landed, suffix):
    path = extract.folder / f"a.{suffix}"
    options = {"table": "t"} if suffix in ("sqlite", "duckdb") else {}
    match suffix:
        case "sqlite":
            with sqlite3.connect(path) as database:
                FRAME.to_sql("t", database, index=False)
            database.close()
        case "duckdb":
            with duckdb.connect(str(path)) as database:
                database.execute("CREATE TABLE t (id VARCHAR, n DOUBLE)")
                database.executemany("INSERT INTO t VALUES (?, ?)", [("a", 1.0), ("b", 2.5), ("c", None)])
        case "csv":
            FRAME.to_csv(path, index=False)
        case "xlsx":
            FRAME.to_excel(path, index=False)
        case "parquet":
            FRAME.to_parquet(path)
        case _:
            getattr(pyreadstat, {"sav": "write_sav", "dta": "write_dta", "xpt": "write_xport"}[suffix])(FRAME, path)
    packed = extract.write(f"a.{suffix}.gz", gzip.compress(path.read_bytes()))
    assert [["1" if v == "1.0" else v for v in row] for row in rows(landed(packed, **options))] == ROWS


def test_a_compressed_file_that_is_cut_off(extract, refused):
    pyreadstat.write_sav(FRAME, extract.folder / "a.sav")
    packed = gzip.compress((extract.folder / "a.sav").read_bytes())
    assert "cannot be read" in refused(extract.write("a.sav.gz", packed[:-20]))


@pytest.mark.parametrize(
    ("delimiter", "encoding"),
    [("|", "utf-16"), ("\t", "cp1252"), (";", "utf-8-sig"), ("||", "utf-8"), ("^", "cp850")],
)
def test_any_delimiter_and_encoding(extract, landed, delimiter, encoding):
    text = delimiter.join(["id", "Größe"]) + "\n" + delimiter.join(["007", "é"]) + "\n"
    found = landed(extract.write("a.txt", text.encode(encoding)), delimiter=delimiter, encoding=encoding)
    assert found.to_dict("list") == {"id": ["007"], "Größe": ["é"]}


def test_a_file_is_read_once_for_several_tables(extract, tmp_path, monkeypatch):
    pyreadstat.write_sav(FRAME, extract.folder / "a.sav", missing_ranges={"n": [9]})
    with duckdb.connect() as connection:
        first = readers.land(extract.folder / "a.sav", tmp_path / "landed", connection)
        monkeypatch.setattr(readers.guarded, "ask", None)
        assert readers.land(extract.folder / "a.sav", tmp_path / "landed", connection) == first
    assert first.user_missing == {"n": [(9.0, 9.0)]}


# Missing for a reason


def test_tagged_missings_of_stata(landed, shared):
    folder = shared / "data" / "statfiles" / "haven" / "stata"
    for name in ("double", "int"):
        assert landed(folder / f"tagged-na-{name}.dta")["x"].tolist()[-4:] == ["5", ".a", ".h", ".z"]


def test_tagged_missings_are_empty_unless_the_site_file_explains_them(extract):
    frame = pd.DataFrame({"id": list("abcd"), "dob": ["1980-01-01"] * 4, "sex": [1, 2, "a", "b"], "home": [1.0, 0.0, "b", "c"]})
    path = extract.folder / "people.dta"
    pyreadstat.write_dta(frame, path, missing_user_values={"sex": ["a", "b"], "home": ["b", "c"]})
    extract.people(columns={"sex": {"from": "sex", "values": {1: "M", 2: "F", ".a": "U", ".b": "I"}},
                            "carehome_flag": {"from": "home", "values": {1: True, 0: False}}})  # fmt: skip
    extract.tables["person"]["file"] = "people.dta"
    person = extract.prepare()["person"]
    assert sorted(person["sex"].dropna()) == ["F", "I", "M", "U"]
    assert person["carehome_flag"].notna().sum() == 2


def test_tags_that_appear_in_a_later_chunk(extract, landed, monkeypatch):
    monkeypatch.setattr(readers, "CHUNK", 3)
    frame = pd.DataFrame({"x": [1.0, 2.5, 3.0, 4.0, "a", 6.0, 7.0], "y": [1.0] * 5 + ["b", 2.0]}, dtype=object)
    pyreadstat.write_dta(frame, extract.folder / "a.dta", missing_user_values={"x": ["a"], "y": ["b"]})
    found = landed(extract.folder / "a.dta")
    assert found["x"].tolist() == ["1", "2.5", "3", "4", ".a", "6", "7"]
    assert found["y"].tolist() == ["1"] * 5 + [".b", "2"]


def test_tagged_missings_of_sas_in_both_of_its_formats(extract, landed, shared):
    found = landed(shared / "data" / "statfiles" / "haven" / "sas" / "tagged-na.sas7bdat")
    assert set(found["x"]) >= {".A", ".H", ".Z"}
    pyreadstat.write_xport(pd.DataFrame({"x": [1.0, 2.0, np.nan, 3.0]}), extract.folder / "a.xpt", file_format_version=5)
    content = bytearray((extract.folder / "a.xpt").read_bytes())
    start = content.index(struct.pack(">Q", 0x4110 << 48))  # 1.0 as SAS writes it
    content[start + 8 : start + 16] = b"A" + bytes(7)
    content[start + 24 : start + 32] = b"_" + bytes(7)
    assert landed(extract.write("b.xpt", bytes(content)))["x"].tolist() == ["1", ".A", None, "._"]


# Dates


@pytest.mark.parametrize(
    ("program", "form", "kind"),
    [
        ("SPSS", "ADATE10", "DATE"), ("SPSS", "MOYR8", "DATE"), ("SPSS", "DATETIME20.2", "MOMENT"), ("SPSS", "TIME8", "TIME"),
        ("SPSS", "F8.2", ""), ("SPSS", "MONTH3", ""), ("SAS", "DATE9", "DATE"), ("SAS", "DATE", "DATE"),
        ("SAS", "YYMMDD10", "DATE"), ("SAS", "DDMMYYP10", "DATE"), ("SAS", "E8601DA10", "DATE"), ("SAS", "NLDATE20", "DATE"),
        ("SAS", "E8601DT26.6", "MOMENT"), ("SAS", "NLDATM40", "MOMENT"), ("SAS", "DTDATE9", "MOMENT"), ("SAS", "BEST12", ""),
        ("SAS", "$CHAR10", ""), ("SAS", "", ""), ("Stata", "%td", "DATE"), ("Stata", "%d", "DATE"), ("Stata", "%tdD_m_Y", "DATE"),
        ("Stata", "%tc", "MOMENT"), ("Stata", "%tm", "PERIOD"), ("Stata", "%ty", ""), ("Stata", "%tcHH:MM", "TIME"),
        ("Stata", "%9.0g", ""), ("Stata", "%12s", ""),
    ],
)  # fmt: skip
def test_formats_that_make_a_number_a_date(program, form, kind):
    assert kind_of(program, form) == kind


def test_dates_and_times_of_every_program(extract, landed):
    moment = dt.datetime(2020, 2, 29, 13, 5, 7)
    frame = pd.DataFrame({"day": [moment.date(), dt.date(1584, 1, 2)], "at": [moment, dt.datetime(2020, 1, 1)],
                          "time": [moment.time(), dt.time(0, 0)]})  # fmt: skip
    expected = [["2020-02-29", "2020-02-29 13:05:07", "13:05:07"], ["1584-01-02", "2020-01-01", "00:00:00"]]
    for name, write in (("a.sav", pyreadstat.write_sav), ("a.dta", pyreadstat.write_dta), ("a.xpt", pyreadstat.write_xport)):
        write(frame, extract.folder / name)
        assert rows(landed(extract.folder / name)) == expected, name


def test_months_quarters_and_weeks_of_stata_are_their_first_day(extract, landed):
    periods = {"m": [0.0, 721.0, -1.0], "q": [0.0, 241.0, -1.0], "h": [0.0, 121.0, -1.0], "w": [0.0, 53.0, -1.0]}
    frame = pd.DataFrame({**periods, "y": [1960.0] * 3})
    formats = {name: f"%t{name}" for name in frame}
    pyreadstat.write_dta(frame, extract.folder / "a.dta", variable_format=formats)
    found = landed(extract.folder / "a.dta")
    assert found["m"].tolist() == ["1960-01-01", "2020-02-01", "1959-12-01"]
    assert found["q"].tolist() == ["1960-01-01", "2020-04-01", "1959-10-01"]
    assert found["h"].tolist() == ["1960-01-01", "2020-07-01", "1959-07-01"]
    assert found["w"].tolist() == ["1960-01-01", "1961-01-08", "1959-12-24"]
    assert found["y"].tolist() == ["1960"] * 3


def test_a_number_that_is_no_date_stays_a_number_that_must_be_explained(extract, landed):
    frame = pd.DataFrame({"d": [13600000000.0, 9.9e15, np.nan], "e": [13600000000.0, 99.0, 1.0]})
    formats = {"d": "DATE11", "e": "DATE11"}
    pyreadstat.write_sav(frame, extract.folder / "a.sav", variable_format=formats, missing_ranges={"e": [99]})
    found = landed(extract.folder / "a.sav")
    assert found["d"].tolist() == ["2013-10-01", "9900000000000000", None]
    assert found["e"].tolist() == ["2013-10-01", None, "1582-10-14"]  # a date that is declared missing is none


# SAS transport files


def test_a_transport_file_with_several_tables(extract, landed, refused):
    for name, frame in (("one", FRAME), ("two", pd.DataFrame({"m": [7.0, 8.0]}))):
        pyreadstat.write_xport(frame, extract.folder / f"{name}.xpt", file_format_version=5, table_name=name.upper())
    one, two = ((extract.folder / f"{name}.xpt").read_bytes() for name in ("one", "two"))
    path = extract.write("both.xpt", one + two[LIBRARY:])
    assert "it holds several tables. Allowed: ONE, TWO. Name one of them in table:" in refused(path)
    assert "there is no table 'tow' in it" in refused(path, table="tow")
    assert rows(landed(path, table="one")) == ROWS
    assert rows(landed(path, table="TWO")) == [["7"], ["8"]]


@pytest.mark.parametrize("version", [5, 8])
@pytest.mark.parametrize("count", [0, 1, 3, 7, 100])
def test_transport_files_in_chunks(extract, landed, monkeypatch, version, count):
    monkeypatch.setattr(readers, "CHUNK", 3)
    frame = pd.DataFrame({"c": [chr(97 + i % 26) for i in range(count)], "n": np.arange(count, dtype=float)})
    pyreadstat.write_xport(frame, extract.folder / "a.xpt", file_format_version=version)
    assert rows(landed(extract.folder / "a.xpt")) == [[c, str(int(n))] for c, n in zip(frame["c"], frame["n"])]


@pytest.mark.parametrize("version", [5, 8])
def test_a_transport_file_cut_at_a_record_is_refused(extract, refused, version):
    frame = pd.DataFrame({"c": ["x" * 90] * 40})
    pyreadstat.write_xport(frame, extract.folder / "a.xpt", file_format_version=version)
    content = (extract.folder / "a.xpt").read_bytes()
    assert "cannot be read" in refused(extract.write("b.xpt", content[:-80]))


# What a file says about itself


def test_describe_tells_labels_types_and_missing_codes(extract):
    frame = pd.DataFrame({"sex": [1.0, 2.0, 9.0], "age": [30.0, -7.0, 5.0], "town": ["York", "", "Hull"],
                          "seen": [dt.date(2020, 1, 1)] * 3})  # fmt: skip
    pyreadstat.write_sav(frame, extract.folder / "a.sav", column_labels=["Sex at birth", "", "", "Seen on"],
                         variable_value_labels={"sex": {1: "male", 2: "female"}},
                         missing_ranges={"sex": [9], "age": [{"lo": -9, "hi": -1}]})  # fmt: skip
    found = describe(extract.folder / "a.sav")
    assert found.rows == 3
    assert [c.name for c in found.columns] == ["sex", "age", "town", "seen"]
    assert [c.type for c in found.columns] == ["number", "number", "text", "date"]
    sex = found.column("sex")
    assert (sex.label, sex.labels, sex.missing, sex.format) == ("Sex at birth", {"1": "male", "2": "female"}, ("9",), "F8.2")
    assert found.column("age").missing == ("-9 to -1",)


def test_describe_of_other_files(extract, shared):
    extract.write("a.csv", "id,n\n1,2\n3,4\n")
    assert [(c.name, c.type) for c in describe(extract.folder / "a.csv").columns] == [("id", "text"), ("n", "text")]
    folder = shared / "data" / "statfiles" / "haven"
    labels = describe(folder / "stata" / "tagged-na-int.dta").column("x")
    assert (labels.labels, labels.missing) == ({".a": "apple", ".z": ".zebra"}, (".a", ".h", ".z"))


def test_a_sas_catalogue_gives_the_labels(shared, extract, message_of):
    folder = shared / "data" / "statfiles" / "haven" / "sas"
    found = describe(folder / "hadley.sas7bdat", catalogue=folder / "formats.sas7bcat")
    assert found.column("gender").labels == {"f": "Female", "m": "Male"}
    assert found.column("workshop").labels == {"1": "R", "2": "SAS"}
    assert describe(folder / "hadley.sas7bdat").column("gender").labels == {}
    tagged = describe(folder / "tagged-na.sas7bdat", catalogue=folder / "tagged-na.sas7bcat").column("x")
    assert tagged.labels == {".A": "Apple", ".Z": "Zebra"}
    assert catalogue_labels(folder / "formats.sas7bcat")["WORKSHOP"] == {"1.0": "R", "2.0": "SAS"}
    wrong = extract.write("wrong.sas7bcat", b"no catalogue" * 100)
    assert "the catalogue cannot be read" in message_of(describe, folder / "hadley.sas7bdat", catalogue=wrong)


def test_a_workbook_row_by_row(extract, landed, message_of, tmp_path):
    pd.DataFrame([["id", None, "n", None], ["a", "x", 1, None], [None] * 4, ["b", None, 2.5, None]]).to_excel(
        extract.folder / "a.xlsx", header=False, index=False)  # fmt: skip
    found = landed(extract.folder / "a.xlsx")
    assert found.to_dict("list") == {"id": ["a", "b"], "column2": ["x", None], "n": ["1", "2.5"]}
    pd.DataFrame([["id", None], ["a", "secret"]]).to_excel(extract.folder / "b.xlsx", header=False, index=False)
    message = message_of(readers.land, extract.folder / "b.xlsx", tmp_path / "landed", None)
    assert "row 2 has a cell to the right of the last column that has a name" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "this key is missing"),
        ({"file": "a.csv", "files": ["b.csv"]}, "file is there already"),
        ({"database": {"url_env": "SITE_DB"}}, "this key is missing"),
        ({"database": {"url_env": "postgresql://u:s3cret@h/d"}, "table": "t"}, "url_env names an environment variable"),
        ({"database": {"url": "postgresql://u:s3cret@h/d"}, "table": "t"}, "url_env"),
    ],
)
def test_a_table_has_one_source(settings, words):
    with pytest.raises(ValidationError) as error:
        TableMap(columns={}, **settings)
    assert words in str(error.value)
