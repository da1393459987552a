"""Databases: a table or view of SQLite, DuckDB, or of a server through SQLAlchemy (PostgreSQL, SQL Server, …).

A server's address, with the password in it, stands in an environment variable that the site file names; no message ever
shows it. Tables are read through a cursor on the server, a chunk at a time, in a transaction that cannot write.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pyarrow as pa

from shared_code.model import Problem, Refused, did_you_mean, few
from shared_code.sources.landing import Landed, chunks_of, clear, land_chunks, named, quoted
from shared_code.sources.postgresql import copied_chunks

# What a kind of server needs beyond SQLAlchemy: the driver this project uses, and how it is installed.
DRIVERS = {"postgresql": ("psycopg", "pip install 'psycopg[binary]>=3.2'"),
           "mssql": ("pyodbc", "pip install pyodbc, and from Microsoft the ODBC Driver 18 for SQL Server"),
           "mysql": ("pymysql", "pip install pymysql"), "oracle": ("oracledb", "pip install oracledb")}  # fmt: skip
ROWS_FETCHED = 5000  # that the driver holds at a time
EXAMPLE = "postgresql://user:password@host/database"


def sqlite_chunks(path: Path, table: str, size: int, memory: int) -> Iterator[pa.Table]:
    """Read a table or view of an SQLite file in chunks."""
    with closing(sqlite3.connect(f"file:{quote(path.as_posix())}?mode=ro", uri=True)) as database:
        kinds = database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
        known_table(str(path), table, [row[0] for row in kinds])
        cursor = database.execute(f"SELECT * FROM {named(table)}")
        yield from chunks_of(iter(cursor), [entry[0] for entry in cursor.description], size, memory)


def scan_duckdb(path: Path, connection: Any, table: str, shown: Path | None = None) -> Landed:
    """Attach a DuckDB file and give the scan of one of its tables or views (schema.table, or table)."""
    alias = f"extract_{hashlib.sha256(path.as_posix().encode()).hexdigest()[:12]}"
    connection.execute(f"ATTACH IF NOT EXISTS {quoted(path)} AS {alias} (READ_ONLY)")
    sql = ("SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = $1 UNION ALL "
           "SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = $1 AND NOT internal")  # fmt: skip
    found = connection.execute(sql, [alias]).fetchall()
    present = {f"{schema}.{name}".removeprefix("main."): (schema, name) for schema, name in found}
    known_table(str(shown or path), table.removeprefix("main."), list(present))
    schema, name = present[table.removeprefix("main.")]
    read = f"SELECT * FROM {alias}.{named(schema)}.{named(name)}"
    return Landed(read, [row[0] for row in connection.execute(f"DESCRIBE {read}").fetchall()])


def copy_duckdb(path: Path, shown: Path, target: Path, table: str) -> None:
    """Copy one table of a DuckDB file into Parquet, where the file itself will not stay."""
    with duckdb.connect() as connection:
        landed = scan_duckdb(path, connection, table, shown)
        try:
            connection.execute(f"COPY ({landed.sql}) TO {quoted(target.with_name(target.name + '.partial'))} (FORMAT parquet)")
            target.with_name(target.name + ".partial").replace(target)
        finally:
            clear(target)


def known_table(where: str, table: str, present: list[str]) -> None:
    """Refuse a table that is not there (raises model.Refused)."""
    if table not in present:
        wrong = f"there is no table {table!r} in it{did_you_mean(table, present)}" if table else "no table of it is named"
        raise Refused(where, [Problem(where, wrong, few(present), "Correct table: in the site's settings")])


def land_server_table(url_env: str, table: str, target: Path, size: int, memory: int, most: int | None = None) -> Landed:
    """Copy one table or view of a server into Parquet (raises model.Refused in one line).

    url_env  name of the environment variable that holds the address      table  table, or schema.table
    most     rows that are copied, if not all (a look at a table: see landing.Landed.of)
    """
    where = f"database {url_env}"
    engine = _engine(url_env, where)
    try:
        facts: dict[str, Any] = {}
        return land_chunks(_server_chunks(engine, table, size, memory, where, most, facts), target, facts)
    except Refused:
        raise
    except Exception as error:  # every driver has errors of its own
        raise Refused(where, [Problem(where, *_reason(error, engine))]) from None
    finally:
        engine.dispose()


def _engine(url_env: str, where: str) -> Any:
    address = os.environ.get(url_env, "").strip()
    if not address:
        mend = f"Set it before the run, for example export {url_env}='{EXAMPLE}'; never write it into a site file"
        raise Refused(where, [Problem(where, f"the environment variable {url_env} is not set", "the address", mend)])
    try:
        import sqlalchemy
    except ImportError:
        raise Refused(where, [Problem(where, "the package SQLAlchemy is missing", "", "pip install sqlalchemy")]) from None
    try:
        url = sqlalchemy.make_url(address)
    except Exception:  # the error would show the address
        mend = f"Correct the variable {url_env}"
        raise Refused(where, [Problem(where, "it does not hold the address of a database", EXAMPLE, mend)]) from None
    kind = url.get_backend_name()
    driver, install = DRIVERS.get(kind, ("", "see the list of dialects of SQLAlchemy"))
    if driver and "+" not in url.drivername:
        url = url.set(drivername=f"{kind}+{driver}")
    try:
        return sqlalchemy.create_engine(url)
    except ImportError as error:  # the package is missing, or a library it needs
        wrong = f"this machine lacks what reads {kind} ({str(error).splitlines()[0]})"
        raise Refused(where, [Problem(where, wrong, "", f"Install it: {install}")]) from None
    except Exception:
        kinds = f"{few(DRIVERS)} or another that SQLAlchemy knows"
        raise Refused(where, [Problem(where, f"{kind} is no kind of database known here", kinds)]) from None


def _server_chunks(engine: Any, table: str, size: int, memory: int, where: str, most: int | None, facts: dict[str, Any]
                   ) -> Iterator[pa.Table]:  # fmt: skip
    import sqlalchemy

    schema, _, name = table.rpartition(".")
    options: dict[str, Any] = {"stream_results": True, "max_row_buffer": min(size, ROWS_FETCHED)}
    if engine.dialect.name == "postgresql":
        options["postgresql_readonly"] = True
    with engine.connect().execution_options(**options) as connection:
        inspector = sqlalchemy.inspect(connection)
        known = {*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)}
        if engine.dialect.name == "postgresql":
            known |= set(inspector.get_materialized_view_names(schema or None))
        known_table(where, table, sorted(f"{schema}.{found}" if schema else found for found in known))
        source = sqlalchemy.table(name, schema=schema or None)
        number = sqlalchemy.select(sqlalchemy.func.count()).select_from(source)
        there = int(connection.execute(number).scalar_one()) if most else 0
        most, facts["of"] = (most, there) if most and there > most else (None, None)
        if engine.driver == "psycopg":
            quote = engine.dialect.identifier_preparer.quote_identifier
            asked = ".".join(quote(part) for part in (schema, name) if part)
            copied = copied_chunks(connection.connection.driver_connection, asked, most / there if most else None, memory)
            if copied is not None:
                yield from copied
                return
        rows = sqlalchemy.select(sqlalchemy.text("*")).select_from(source)
        result = connection.execute(rows.limit(most) if most else rows)
        yield from chunks_of(iter(result), list(result.keys()), size, memory)


def _reason(error: Exception, engine: Any) -> tuple[str, str, str]:
    """Say in one line why a server cannot be read, without its address."""
    text = str(getattr(error, "orig", None) or error).strip()
    secrets = [engine.url.password, engine.url.render_as_string(hide_password=False)]
    for secret in filter(None, secrets):
        text = text.replace(str(secret), "***")
    if "Can't open lib" in text or "IM002" in text or "Data source name not found" in text:
        return "the ODBC driver that the address names is not installed here", "", f"Install it: {DRIVERS['mssql'][1]}"
    first = text.splitlines()[0].rstrip(".") if text else type(error).__name__
    return f"the database cannot be read ({first})", "", "Ask its keeper, or take the extract as files"
