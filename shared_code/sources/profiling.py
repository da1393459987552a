"""Profiles: what the columns of an extract look like, as far as a draft may know it.

Only shares, forms and values of at least `FLOOR` rows are kept. No value is kept of a column whose name says that it
holds a name, an address or free text, of one with many different values, or of a date.
"""

from __future__ import annotations

import codecs
import gzip
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ibis
import ibis.expr.types as ir

from shared_code.sources.codes import as_code
from shared_code.sources.draft_words import NOTHING, PERSONAL
from shared_code.sources.holdings import FLOOR
from shared_code.sources.landing import Landed
from shared_code.sources.readers import land

ROWS_READ = 200_000  # of each file; enough to see its forms
MOST_CODES = 60  # a column with more different values is no list of codes
FORMS = {
    "hex64": "[0-9a-f]{64}", "lsoa": "[EW]01[0-9]{6}", "ward": "[EW]05[0-9]{6}", "district": "[EW]0[6789][0-9]{6}",
    "practice": "[A-Za-z][0-9]{5}", "organisation": "[A-Z0-9]{3,6}", "icd10": r"[A-Za-z][0-9]{2}[.]?[0-9A-Za-z]{0,4}[†*+-]?",
    "snomed": "[0-9]{6,18}", "number": r"-?[0-9]+([.][0-9]+)?", "edition": "[0-9]{4}-[0-9]{2}",
    "%Y-%m-%d": r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T].*)?", "%d/%m/%Y": "(0?[1-9]|[12][0-9]|3[01])/[0-9]{1,2}/[0-9]{4}",
    "%m/%d/%Y": "(0?[1-9]|1[0-2])/[0-9]{1,2}/[0-9]{4}", "%Y%m%d": "(18|19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])",
    "%d-%m-%Y": "(0?[1-9]|[12][0-9]|3[01])-[0-9]{1,2}-[0-9]{4}", "%d.%m.%Y": "(0?[1-9]|[12][0-9]|3[01])[.][0-9]{1,2}[.][0-9]{4}",
    "%d-%b-%Y": "[0-9]{1,2}-[A-Za-z]{3}-[0-9]{4}", "%d%b%Y": "[0-9]{1,2}[A-Za-z]{3}[0-9]{4}",
}  # fmt: skip
DATES = [name for name in FORMS if name.startswith("%")]


@dataclass
class ColumnProfile:
    """Hold what is known of one column: shares of its filled rows that have a form, and its frequent codes."""

    name: str
    label: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)  # code -> rows, where the column is a list of codes
    rare: int = 0  # different values of fewer rows, in such a column
    nothing: list[str] = field(default_factory=list)  # codes such as NULL that are no value
    declared: list[str] = field(default_factory=list)  # codes that the file itself declares as no value
    filled: float = 0.0
    unique: bool = False
    lowest: float | None = None
    highest: float | None = None

    def share(self, *forms: str) -> float:
        return max((self.shares.get(form, 0.0) for form in forms), default=0.0)

    @property
    def date_form(self) -> str:
        """The form that (nearly) all of its dates have; empty where it holds none."""
        best = max(DATES, key=lambda form: self.shares.get(form, 0.0))
        return best if self.shares.get(best, 0.0) > 0.9 else ""


@dataclass
class FileProfile:
    """Hold one file, or one table of a database, with the settings it is read by."""

    file: str
    table: str = ""
    delimiter: str = ","
    encoding: str = "utf-8"
    rows: int = 0
    columns: list[ColumnProfile] = field(default_factory=list)


def profile(path: Path, place: Path, connection: Any) -> list[FileProfile]:
    """Look at one file; at every table, if it is a database (raises model.Refused where it cannot be read)."""
    found = []
    for table in _tables(path):
        seen = FileProfile(path.name, table)
        if path.with_suffix("").suffix.lower() in (".csv", ".txt") or path.suffix.lower() in (".csv", ".txt", ".dat"):
            seen.encoding = _encoding(path)
            seen.delimiter = _delimiter(path, seen.encoding)
        landed = land(path, place, connection.con, table=table, delimiter=seen.delimiter, encoding=seen.encoding)
        view = f"profiled_{len(connection.list_tables())}"
        connection.raw_sql(f"CREATE TEMP VIEW {view} AS SELECT * FROM ({landed.sql}) LIMIT {ROWS_READ}")
        rows = connection.table(view)
        seen.rows = int(connection.con.execute(f"SELECT count(*) FROM ({landed.sql})").fetchone()[0])
        seen.columns = [_column(rows, name, landed) for name in landed.columns]
        found.append(seen)
    return found


def _column(rows: ir.Table, name: str, landed: Landed) -> ColumnProfile:
    described = getattr(landed, "described", {}).get(name, {})
    seen = ColumnProfile(name, str(described.get("label") or ""))
    if PERSONAL.search(name) or PERSONAL.search(seen.label):
        return seen
    written = as_code(rows[name])
    counts = rows.select(code=written).filter(lambda t: t.code.lower().isin(sorted(NOTHING)))
    counts = counts.group_by("code").agg(n=lambda t: t.count()).filter(lambda t: t.n >= FLOOR)
    seen.nothing = sorted(counts.execute()["code"])
    code = ibis.ifelse(written.lower().isin(sorted(NOTHING)), ibis.null("string"), written)
    form = {f"f{i}": code.re_search(f"^(?:{pattern})$").sum().fill_null(0) for i, pattern in enumerate(FORMS.values())}
    number = code.try_cast("float64")
    facts = rows.aggregate(n=code.count(), distinct=code.nunique(), rows=rows.count(), low=number.min(), high=number.max(),
                           **form).execute().iloc[0]  # fmt: skip
    filled = int(facts["n"])
    if not filled:
        return seen
    seen.filled, seen.unique = filled / int(facts["rows"]), int(facts["distinct"]) == filled
    seen.shares = {kind: int(facts[f"f{i}"]) / filled for i, kind in enumerate(FORMS)}
    if seen.share("number") > 0.95:
        seen.lowest, seen.highest = float(facts["low"]), float(facts["high"])
    if int(facts["distinct"]) <= MOST_CODES and not seen.date_form:
        tally = rows.select(code=code).filter(lambda t: t.code.notnull()).group_by("code").agg(n=lambda t: t.count()).execute()
        frequent = tally[tally["n"] >= FLOOR].sort_values(["n", "code"], ascending=[False, True])
        seen.codes = {str(c): int(n) for c, n in zip(frequent["code"], frequent["n"])}
        seen.rare = len(tally) - len(frequent)
        labels = {as_written(c): str(label) for c, label in (described.get("labels") or {}).items()}
        seen.declared = [c for c in seen.codes if _declared(c, landed.user_missing.get(name, []))]
        seen.labels = {c: labels[c] for c in seen.codes if c in labels}
    return seen


def _declared(code: str, ranges: list[tuple[float | str, float | str]]) -> bool:
    """Tell whether a code lies in what a file declares as missing."""
    for low, high in ranges:
        try:
            if isinstance(low, str):
                if code == low.strip():
                    return True
            elif float(low) <= float(code) <= float(high):
                return True
        except ValueError:
            continue
    return False


def as_written(code: Any) -> str:
    """Write a code of a list of labels as it is written in the data: 1.0 is 1."""
    text = str(code).strip()
    return text[:-2] if text.endswith(".0") else text


def _tables(path: Path) -> list[str]:
    if path.suffix.lower() in (".sqlite", ".db"):
        with closing(sqlite3.connect(f"file:{quote(path.resolve().as_posix())}?mode=ro", uri=True)) as database:
            query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
            return [row[0] for row in database.execute(query)]
    if path.suffix.lower() == ".duckdb":
        import duckdb

        with duckdb.connect(str(path), read_only=True) as base:
            return sorted(row[0] for row in base.execute("SELECT table_name FROM information_schema.tables").fetchall())
    return [""]


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def _encoding(path: Path) -> str:
    """Tell UTF-8 from the characters of Western Windows."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with _open(path) as file:
            while block := file.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _delimiter(path: Path, encoding: str) -> str:
    with _open(path) as file:
        first = file.readline().decode(encoding, "replace")
    return max(",;\t|", key=first.count)
