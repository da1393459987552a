"""Keyed pseudonyms: HMAC-SHA-256 of a local identifier, with a key that never enters the project."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from shared_code.config.columns import ColumnMap
from shared_code.config.site import Site
from shared_code.model import Problem, Refused

KEY_FILE, KEY = "COHORTIUM_KEY_FILE", "COHORTIUM_KEY"
KEY_BYTES = 32
BATCH = 100_000  # pseudonyms made at a time
MADE_UP_KEY = hashlib.sha256(b"made-up people need no secret").digest()  # for made-up people without a room of their own
DEMONSTRATION_KEY = """\
# The pseudonym key of made-up people: a demonstration key. It is made from the seed in the site's settings, so anybody can
# make it again and it protects nobody. A real key is random, is kept outside the project, and no program here writes it.
"""


def read_key() -> bytes:
    """Read the site's secret key: 64 hexadecimal digits in COHORTIUM_KEY, or in the file that COHORTIUM_KEY_FILE names.

    Raises model.Refused when there is none, when it is short, or when all its bytes are equal.
    """
    text, where = os.environ.get(KEY, ""), KEY
    if not text and os.environ.get(KEY_FILE):
        where = KEY_FILE
        path = Path(os.environ[KEY_FILE])
        if not path.is_file():
            raise Refused("The pseudonym key", [Problem(where, "the file it names is not there", "", "Correct it")])
        _outside_the_project(path)
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    mend = 'Make one with python3 -c "import secrets; print(secrets.token_hex(32))" and keep it outside the project'
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        raise Refused("The pseudonym key", [Problem(where, "it is not hexadecimal", "64 digits 0-9 a-f", mend)]) from None
    if not key:
        wrong = f"neither {KEY} nor {KEY_FILE} is set, and identifiers are never stored without a key"
        raise Refused("The pseudonym key", [Problem(KEY, wrong, "64 hexadecimal digits", mend)])
    if len(key) < KEY_BYTES or len(set(key)) == 1:
        wrong = f"the key has {len(key)} bytes or no variety"
        raise Refused("The pseudonym key", [Problem(where, wrong, f"{KEY_BYTES} random bytes", mend)])
    return key


def _outside_the_project(path: Path) -> None:
    """Refuse a key file that lies in the project or in any other working copy, from where it could be published."""
    place = path.resolve()
    inside = [folder for folder in (Path.cwd().resolve(), *place.parents)
              if place.is_relative_to(folder) and (folder == Path.cwd().resolve() or (folder / ".git").exists())]  # fmt: skip
    if inside:
        wrong = "the key file lies inside the project, or inside another folder under version control"
        raise Refused("The pseudonym key", [Problem(KEY_FILE, wrong, "a place outside", "Move it there, and make a new key "
                                                    "if anybody may have had a copy")])  # fmt: skip


def key_of(seed: int | None, room: Path) -> bytes:
    """Give the key of a site: that of the environment, or for made-up people (a seed is given) a demonstration key.

    room  the site's private room, in which the demonstration key is written down, saying what it is
    """
    if seed is None:
        return read_key()
    path = room / "demonstration_key.txt"
    key = hashlib.sha256(f"demonstration key of made-up people, seed {seed}".encode()).digest()
    text = f"{DEMONSTRATION_KEY}{key.hex()}\n"
    if not path.is_file() or path.read_text("utf-8") != text:
        room.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        if os.name == "posix":
            path.chmod(0o600)
    return key


def pseudonym(key: bytes, kind: str, identifier: str) -> str:
    """Make the pseudonym of one identifier.

    >>> pseudonym(bytes(range(32)), "NHS", "9434765919")[:16]
    '3b25b93553c5a2ac'
    """
    return hmac.new(key, f"fphp|v1|{kind}|{identifier}".encode(), hashlib.sha256).hexdigest()


def replace(connection: Any, rows: ir.Table, column: str, kind: str, key: bytes) -> ir.Table:
    """Replace an identifier column by its pseudonyms; the identifiers themselves are never written.

    Those made for one table are kept in memory for the next ones, as long as the connection lasts.
    """
    fingerprint = hashlib.sha256(hmac.new(key, f"table of {kind}".encode(), hashlib.sha256).digest()).hexdigest()[:16]
    table = f"known_pseudonyms_{fingerprint}"
    connection.raw_sql(f"CREATE TEMP TABLE IF NOT EXISTS {table} (_identifier VARCHAR, _pseudonym VARCHAR)")
    known = connection.table(table)
    asked = rows.select(_identifier=rows[column].cast("string")).distinct().filter(lambda t: t["_identifier"].notnull())
    new = asked.anti_join(known, "_identifier").to_pyarrow()["_identifier"].combine_chunks()
    begun = hmac.new(key, f"fphp|v1|{kind}|".encode(), hashlib.sha256)
    for start in range(0, len(new), BATCH):
        identifiers = new.slice(start, BATCH)
        made = pa.array([_continued(begun, text) for text in identifiers.to_pylist()], pa.string())
        connection.con.register("new_pseudonyms", pa.table([identifiers, made], ["_identifier", "_pseudonym"]))
        connection.con.execute(f"INSERT INTO {table} SELECT * FROM new_pseudonyms")
        connection.con.unregister("new_pseudonyms")
    joined = rows.left_join(known, rows[column] == known["_identifier"])
    return joined.drop(column, "_identifier").rename({column: "_pseudonym"})


def _continued(begun: hmac.HMAC, identifier: str) -> str:
    """End a pseudonym whose fixed beginning is computed already: twice as fast as from the start."""
    made = begun.copy()
    made.update(identifier.encode())
    return made.hexdigest()


def record_pseudonym(key: bytes, site: str, source: str, record: str) -> str:
    """Make the pseudonym of a record's own number, so that the number itself is never stored beside a person."""
    return pseudonym(key, f"{site}|{source}", record)


@dataclass
class Identifiers:
    """Put pseudonyms in the place of identifiers while the tables of a site are prepared.

    room  the site's private room: links are read from its folder linkage/links
    lost  table -> source -> rows, and of them rows whose record is linked to nobody; these rows are left out
    """

    site: Site
    room: Path
    lost: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)

    @cached_property
    def key(self) -> bytes:
        return key_of(self.site.demonstration.seed if self.site.demonstration else None, self.room)

    def replaced(self, connection: Any, rows: ir.Table, table: str, column: str, mapped: ColumnMap) -> ir.Table:
        """Give rows with the identifiers of a column replaced, as its mapping asks (raises model.Refused)."""
        if not mapped.linked:
            return replace(connection, rows, column, self.site.site, self.key)
        source = mapped.linked
        found = rows.group_by(column).agg(_rows=rows.count()).execute()
        known = found[found[column].notna()]
        names = [record_pseudonym(self.key, self.site.site, source, str(code)) for code in known[column]]
        records = ibis.memtable({"_code": known[column].astype(str).tolist(), "_record": names, "_rows": known["_rows"].tolist()},
                                schema=ibis.schema({"_code": "string", "_record": "string", "_rows": "int64"}))  # fmt: skip
        links = connection.read_parquet(self.links(source)).select("record", "person_id")
        links = links.filter(links.person_id.notnull())
        people = records.join(links, records["_record"] == links["record"]).select("_code", "_rows", _person="person_id")
        kept = int(people["_rows"].sum().fill_null(0).execute())
        told = self.lost.setdefault(table, {}).setdefault(source, {"rows": 0, "unlinked": 0})
        told["rows"] += int(found["_rows"].sum())
        told["unlinked"] += int(found["_rows"].sum()) - kept
        joined = rows.join(people.drop("_rows"), rows[column] == people["_code"])
        return joined.drop(column, "_code").rename({column: "_person"})

    def links(self, source: str) -> Path:
        """Find the links of a source."""
        path = self.room / "linkage" / "links" / f"{source}.parquet"
        if not path.is_file():
            where = f"config/sites/{self.site.site}.yaml, linkage.records.{source}"
            raise Refused("The links", [Problem(where, "its records have not been linked yet", "",
                                                f"Run cohortium link {self.site.site} first")])  # fmt: skip
        return path
