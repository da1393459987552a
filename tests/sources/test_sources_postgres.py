"""PostgreSQL: a real server, started for these tests: tables are read from it, and measures run inside it."""

from __future__ import annotations

import datetime as dt
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from shared_code.config import Site
from shared_code.measures import Prepared
from shared_code.measures.cohort import registered
from shared_code.measures.tally import count_cases
from shared_code.model import TABLES
from shared_code.sources import databases, readers
from shared_code.sources.joining import land_table
from shared_code.sources.postgresql import copied_chunks
from shared_code.sources.prepare import prepare

ROOT = Path(__file__).parents[2]
ARROW = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "date": pa.date32(), "boolean": pa.bool_(),
         "timestamp": pa.timestamp("us")}  # fmt: skip


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Run a server with a database of its own on a free port of this machine."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (pip install 'psycopg[binary]')")
    spec = importlib.util.spec_from_file_location("benchmark_postgres", ROOT / "benchmarks" / "postgres.py")
    postgres = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(postgres)
    place = postgres.programs()
    if place is None:
        pytest.skip("there is no PostgreSQL server here, and none can be installed (apt-get install postgresql)")
    with postgres.server(place) as url:
        yield url


@pytest.fixture
def sql(address, monkeypatch):
    """Run statements on the server, whose address is in the environment."""
    import sqlalchemy

    monkeypatch.setenv("SITE_DB", address)
    engine = sqlalchemy.create_engine(address.replace("postgresql:", "postgresql+psycopg:"))

    def run(*statements: str) -> Any:
        with engine.begin() as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement)
            return result.fetchall() if result.returns_rows else None

    yield run
    engine.dispose()


@pytest.fixture
def read(extract, tmp_path):
    from shared_code.config.columns import TableMap
    from shared_code.sources.mapping import as_code

    def land(table: str) -> pd.DataFrame:
        connection = ibis.duckdb.connect()
        settings = TableMap(columns={}, database={"url_env": "SITE_DB"}, table=table)
        found = land_table(connection.con, settings, extract.folder, tmp_path / "landed")
        connection.raw_sql(f"CREATE TEMP VIEW found AS {found.sql}")
        view = connection.table("found")
        codes = view.select(**{name: as_code(view[name]) for name in view.columns}).execute().astype(object)
        return codes.where(codes.notna(), None)

    land.place = tmp_path / "landed"
    return land


def test_every_type_arrives_as_a_person_would_write_it(sql, read):
    sql("DROP TABLE IF EXISTS kinds",
        "CREATE TABLE kinds (a text, b char(3), c bigint, d numeric(12,3), e double precision, f date, g timestamp, "
        "h timestamptz, i boolean, j uuid, k integer[], l jsonb, m time, n smallint)",
        "INSERT INTO kinds VALUES ('007', 'x', 4611686018427387905, 1.500, 2.0, '2020-02-29', '2020-02-29', "
        "'2020-07-01 12:30+01', true, '00000000-0000-0000-0000-000000000001', '{1,2}', '{\"a\": 1}', '10:30', 3)",
        "INSERT INTO kinds (a) VALUES (NULL)")  # fmt: skip
    found = read("kinds")
    assert found.iloc[0].tolist() == [
        "007", "x", "4611686018427387905", "1.5", "2", "2020-02-29", "2020-02-29", "2020-07-01 12:30:00", "true",
        "00000000-0000-0000-0000-000000000001", "[1, 2]", '{"a": 1}', "10:30:00", "3",
    ]  # fmt: skip
    assert found.iloc[1].tolist() == [None] * 14


def test_common_types_are_copied_out_and_arrive_the_same(sql, read, monkeypatch):
    """Texts with quotes, lines, commas, empty texts and nothing; numbers without needless decimals; an early date."""
    columns = "a text, b varchar(9), c bigint, d numeric(12,3), e double precision, f date, g timestamp, i boolean, j uuid, "
    columns += "n real"
    sql("DROP TABLE IF EXISTS common", f"CREATE TABLE common ({columns})",
        "INSERT INTO common VALUES ('a \"b\", c\n2', 'NULL', -4611686018427387905, 1.500, 'NaN', '0999-02-28', "
        "'2020-02-29 12:30:01.5', false, '00000000-0000-0000-0000-000000000001', 0.1)",
        "INSERT INTO common (a, d, e, n) VALUES ('', 'NaN', 'Infinity', 1e20)",
        "INSERT INTO common (c) VALUES (NULL)")  # fmt: skip
    used = []
    monkeypatch.setattr(databases, "copied_chunks", lambda *asked: used.append(copied_chunks(*asked)) or used[-1])
    found = read("common")
    assert used[0] is not None
    assert found.iloc[0].tolist() == [
        'a "b", c\n2', "NULL", "-4611686018427387905", "1.5", None, "0999-02-28", "2020-02-29 12:30:01.5", "false",
        "00000000-0000-0000-0000-000000000001", "0.1"]  # fmt: skip
    assert found.iloc[1].tolist() == [None] * 9 + ["1e+20"]
    assert found.iloc[2].tolist() == [None] * 10
    monkeypatch.setattr(databases, "copied_chunks", lambda *asked: None)  # row by row
    shutil.rmtree(read.place)
    by_row = read("common")
    assert by_row.drop(columns="n").equals(found.drop(columns="n"))
    used.clear()
    monkeypatch.setattr(databases, "copied_chunks", lambda *asked: used.append(copied_chunks(*asked)) or used[-1])
    sql("DROP TABLE IF EXISTS others", "CREATE TABLE others (k integer[], l jsonb, m time)",
        "INSERT INTO others VALUES ('{1,2}', '{\"a\": 1}', '10:30')")  # fmt: skip
    assert read("others").iloc[0].tolist() == ["[1, 2]", '{"a": 1}', "10:30:00"] and used == [None]  # never by COPY


def test_an_empty_table_has_its_columns(sql, read):
    sql("CREATE TABLE IF NOT EXISTS nobody (id text, dob date)")
    assert read("nobody").columns.tolist() == ["id", "dob"]


def test_a_part_of_a_table_or_view(sql, address, tmp_path):
    sql("CREATE OR REPLACE VIEW numbers AS SELECT g AS id FROM generate_series(1, 10000) g")
    first = databases.land_server_table("SITE_DB", "numbers", tmp_path / "a.parquet", 1000, 2**28, 500)
    assert first.of == 10000
    ids = pd.read_parquet(tmp_path / "a.parquet")["id"]
    assert 400 < len(ids) < 600
    assert ids.max() > 9000
    databases.land_server_table("SITE_DB", "numbers", tmp_path / "b.parquet", 1000, 2**28, 500)
    assert pd.read_parquet(tmp_path / "b.parquet")["id"].tolist() == ids.tolist()
    assert databases.land_server_table("SITE_DB", "numbers", tmp_path / "c.parquet", 1000, 2**28, 10000).of is None


def test_schemas_views_and_names_with_capitals(sql, read, message_of):
    sql("DROP SCHEMA IF EXISTS \"Care\" CASCADE", 'CREATE SCHEMA "Care"', 'CREATE TABLE "Care"."Person" (id text)',
        "INSERT INTO \"Care\".\"Person\" VALUES ('a')", 'CREATE VIEW "Care".seen AS SELECT id FROM "Care"."Person"',
        'CREATE MATERIALIZED VIEW "Care".kept AS SELECT id FROM "Care"."Person"')  # fmt: skip
    for table in ("Care.Person", "Care.seen", "Care.kept"):
        assert read(table)["id"].tolist() == ["a"]
    message = message_of(read, "Care.person")
    assert "there is no table 'Care.person' in it (did you mean Care.Person?). Allowed: Care.Person, Care.kept" in message


def test_rows_come_in_chunks_through_a_cursor_on_the_server(sql, read, monkeypatch, tmp_path, message_of):
    """The server computes row by row as it is asked: what fails at the end fails after chunks were written."""
    monkeypatch.setattr(readers, "CHUNK", 1000)
    sql("CREATE OR REPLACE VIEW many AS SELECT g AS id, 12 / (g - 5001) AS x FROM generate_series(1, 5000) g")
    assert len(read("many")) == 5000
    sql("CREATE OR REPLACE VIEW many AS SELECT g AS id, 12 / (g - 4999) AS x FROM generate_series(1, 5000) g")
    shutil.rmtree(tmp_path / "landed")
    assert "the database cannot be read (division by zero)" in message_of(read, "many")
    assert list((tmp_path / "landed").iterdir()) == []


def test_reading_cannot_write(sql, read, message_of):
    sql("CREATE TABLE IF NOT EXISTS written (n integer)", "CREATE OR REPLACE FUNCTION write_it() RETURNS integer LANGUAGE sql AS "
        "'INSERT INTO written VALUES (1) RETURNING n'", "CREATE OR REPLACE VIEW writes AS SELECT write_it() AS n")  # fmt: skip
    assert "read-only transaction" in message_of(read, "writes")
    assert sql("SELECT count(*) FROM written") == [(0,)]


@pytest.mark.parametrize("change", [("s3cret", "wrong"), ("/postgres", "/none")])
def test_a_server_that_says_no(sql, address, read, monkeypatch, message_of, change):
    monkeypatch.setenv("SITE_DB", address.replace(*change))
    message = message_of(read, "kinds")
    assert "database SITE_DB: the database cannot be read (" in message
    assert "s3cret" not in message
    assert "%2F" not in message


def test_a_site_is_prepared_from_a_server(sql, extract):
    sql("DROP TABLE IF EXISTS people", "CREATE TABLE people (id text, dob date, sex smallint)",
        "INSERT INTO people VALUES ('a', '1980-01-17', 1), ('b', '1990-05-02', 2)")  # fmt: skip
    columns = {"person_id": {"from": "id", "pseudonymise": True}, "birth_month": {"from": "dob"},
               "sex": {"from": "sex", "values": {1: "M", 2: "F"}}}  # fmt: skip
    site = Site.model_validate({
        "site": "north", "title": "The north", "controller": "Trust", "studies": [], "extract_date": "2024-02-01",
        "tables": {"person": {"database": {"url_env": "SITE_DB"}, "table": "public.people", "columns": columns}},
    })  # fmt: skip
    prepare(site, extract.folder, extract.target)
    person = pd.read_parquet(extract.target / "person.parquet").sort_values("sex")
    assert person["sex"].tolist() == ["F", "M"]
    assert pd.to_datetime(person["birth_month"]).dt.date.tolist() == [dt.date(1990, 5, 1), dt.date(1980, 1, 1)]


# Measures inside the server


def made_up(people: int = 400) -> dict[str, pa.Table]:
    """Make small prepared tables by chance: the same everywhere."""
    chance = np.random.default_rng(7)
    ids = [f"p{n}" for n in range(people)]

    def days(first: str, number: int, size: int) -> list[dt.date]:
        return [dt.date.fromisoformat(first) + dt.timedelta(int(n)) for n in chance.integers(0, number, size)]

    def some(values: list, size: int) -> list:
        return [values[i] for i in chance.integers(0, len(values), size)]

    areas = [f"E0100000{n}" for n in range(6)]
    frames = {
        "person": {"person_id": ids, "birth_month": [d.replace(day=1) for d in days("1925-01-01", 33000, people)],
                   "sex": some(["F", "M", "U"], people), "ethnicity16": some(["A", "H", "Z", None], people)},
        "gp_registration": {"person_id": ids, "reg_start": days("2000-01-01", 8000, people), "reg_type": ["GMS"] * people,
                            "reg_end": some([None, None, dt.date(2019, 3, 1), dt.date(2022, 6, 1)], people)},
        "death": {"person_id": ids[:60], "death_date": days("2018-01-01", 2000, 60)},
        "person_address": {"person_id": ids + ids[:100], "lsoa21": some([*areas, None], people + 100),
                           "start": days("2001-01-01", 7000, people + 100)},
        "area_lookup": {"lsoa21": areas, "ward_cd": some(["W1", "W2"], 6), "locality": some(["East", "West"], 6),
                        "imd10": [1, 3, 5, 7, 9, None], "ward_vintage": ["2023"] * 6},
        "condition_event": {"person_id": some(ids, 600), "event_date": days("2005-01-01", 6000, 600)},
    }  # fmt: skip
    tables = {}
    for name, columns in frames.items():
        rows = len(next(iter(columns.values())))
        model = TABLES[name]
        assert set(columns) <= set(model.column_names), name
        tables[name] = pa.table({c.name: pa.array(columns.get(c.name, [None] * rows), ARROW[c.type]) for c in model.columns})
    return tables


def test_measures_give_the_same_inside_postgresql_as_in_duckdb(address):
    """The same Ibis expressions: who is registered, and people and cases over every set of dimensions."""
    from sqlalchemy import make_url

    url, tables = make_url(address), made_up()
    server = ibis.postgres.connect(host=url.host, port=url.port, user=url.username, password=url.password, database=url.database)
    here = ibis.duckdb.connect()
    results = []
    for connection in (server, here):
        for name, table in tables.items():
            connection.create_table(name, table, overwrite=True)
        prepared = Prepared(connection=connection)
        people = registered(prepared, dt.date(2020, 1, 1))
        found = people.execute().sort_values("person_id", ignore_index=True)
        events = prepared.condition_event
        before = events.filter(events.event_date <= ibis.date(2020, 1, 1))
        cases = before.select("person_id", condition=ibis.literal("any")).distinct()
        levels = {"condition": {"any": "Any"}, "sex": {"F": "Female", "M": "Male"}, "age": {"0-39": "", "40-64": "", "65+": ""},
                  "deprivation": None, "ethnicity": None, "locality": None}  # fmt: skip
        sets = [[], ["deprivation"], ["ethnicity"], ["locality", "deprivation"]]
        tally = count_cases(people, cases, "condition", levels, sets, {"age": [0, 40, 65]}, {})
        results.append((found, tally.sort_values(list(levels), ignore_index=True)))
    server.disconnect()
    (people_there, tally_there), (people_here, tally_here) = results
    assert len(people_here) > 100
    assert tally_here["cases"].sum() > 100
    pd.testing.assert_frame_equal(people_there, people_here, check_dtype=False)
    pd.testing.assert_frame_equal(tally_there, tally_here, check_dtype=False)
