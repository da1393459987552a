"""Databases on a server, with SQLite as the stand-in: addresses, drivers, messages. PostgreSQL has tests of its own."""

from __future__ import annotations

import sqlite3
import sys

import pytest

from shared_code.sources import databases, readers


@pytest.fixture
def server(extract, monkeypatch):
    path = extract.folder / "server.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE person (id TEXT, big INTEGER, x)")
        database.executemany("INSERT INTO person VALUES (?, ?, ?)", [("007", 2**62 + 1, 1.0), ("b", None, "NK"), ("c", 3, 2.5)])
    database.close()
    monkeypatch.setenv("SITE_DB", f"sqlite:///{path}")
    return {"database": {"url_env": "SITE_DB"}, "table": "person"}


def test_a_table_through_sqlalchemy(table, server, monkeypatch):
    monkeypatch.setattr(readers, "CHUNK", 1)
    assert table(**server)[1] == [["007", "4611686018427387905", "1"], ["b", None, "NK"], ["c", "3", "2.5"]]
    assert table(**{**server, "table": "main.person"})[1][0][0] == "007"


def test_a_table_that_the_server_lacks(table, server, message_of):
    message = message_of(table, **{**server, "table": "persn"})
    assert "database SITE_DB: there is no table 'persn' in it (did you mean person?). Allowed: person. Correct table:" in message


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (None, "the environment variable SITE_DB is not set. Allowed: the address. Set it before the run"),
        ("not an address: s3cret", "it does not hold the address of a database. Allowed: postgresql://"),
        ("oops://user:s3cret@host/db", "oops is no kind of database known here"),
        ("postgresql://user:s3cret@127.0.0.1:1/db", "the database cannot be read (connection"),
    ],
)
def test_an_address_that_leads_nowhere(table, server, monkeypatch, message_of, address, words):
    monkeypatch.delenv("SITE_DB") if address is None else monkeypatch.setenv("SITE_DB", address)
    if address and address.startswith("postgresql"):
        pytest.importorskip("psycopg")
    message = message_of(table, **server)
    assert words in message
    assert "s3cret" not in message


def test_sql_server_without_its_driver(table, server, monkeypatch, message_of):
    """The package, or the library it needs, is missing; or the driver that the address names is."""
    monkeypatch.setenv("SITE_DB", "mssql://user:s3cret@host/db?driver=ODBC+Driver+18+for+SQL+Server")
    monkeypatch.setitem(sys.modules, "pyodbc", None)
    message = message_of(table, **server)
    assert "this machine lacks what reads mssql" in message
    assert "pip install pyodbc, and from Microsoft the ODBC Driver 18 for SQL Server" in message
    error = RuntimeError("('01000', \"[unixODBC][Driver Manager]Can't open lib 'ODBC Driver 18 for SQL Server'\")")
    import sqlalchemy

    assert "is not installed here" in databases._reason(error, sqlalchemy.create_engine("sqlite://"))[0]


@pytest.mark.parametrize("written", ["mssql://u@h/d", "mssql+pyodbc://u@h/d?driver=X", "postgresql://u@h/d", "postgresql+psycopg://u@h/d"])
def test_an_address_gets_the_driver_of_this_project(monkeypatch, written):
    import sqlalchemy

    seen = []
    monkeypatch.setattr(sqlalchemy, "create_engine", lambda url: seen.append(url.drivername))
    monkeypatch.setenv("SITE_DB", written)
    databases._engine("SITE_DB", "database SITE_DB")
    assert seen == ["mssql+pyodbc" if written.startswith("mssql") else "postgresql+psycopg"]


