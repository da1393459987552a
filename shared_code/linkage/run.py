"""Link: identifiers come in, and only pseudonym, method and weight band go out.

Everything in between happens in one engine in memory; what does not fit spills, encrypted, into a temporary folder of
the private room that only its owner can read and that is removed at the end, whatever happens.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from shared_code.linkage import assign, deterministic, nhs_number, probabilistic
from shared_code.linkage.comparisons import DOUBTFUL_NUMBER
from shared_code.linkage.normalise import IDENTIFIERS, normalise, soundex_of, with_blocks
from shared_code.linkage.probabilistic import Model
from shared_code.linkage.settings import EXACT_BAND, LINKER_VERSION, METHODS, NO_BAND, Settings, band
from shared_code.model import Problem, Refused, few
from shared_code.sources.pseudonyms import MADE_UP_KEY, pseudonym, read_key

Rows: TypeAlias = pd.DataFrame | pa.Table | Path
Say = Callable[[str], None]
LINK_COLUMNS = ["record_id", "source", "person_id", "link_method", "weight_band", "linker_version"]
KIND = "NHS"  # of pseudonym


@dataclass(frozen=True)
class Linked:
    """Hold what a linkage gives.

    links   one row a record, in LINK_COLUMNS; person_id is missing where it is unlinked. The only part that goes out.
    review  pairs for a person to look at: record_id, source, person_id, probability, weight, reason; private room only.
            None of them is linked but those with the reason "doubtful_number"
    report  counts and settings for data quality: rows, methods, number reasons, vetoes, model, key id; private as well
    model   the trained parameters, to link more records in the same way
    """

    links: pd.DataFrame
    review: pd.DataFrame
    report: dict[str, Any]
    model: Model


def link(records: Rows, index: Rows, settings: Settings, superseded: Rows | None = None, model: Model | None = None,
         say: Say = lambda text: None) -> Linked:  # fmt: skip
    """Link records to the people of an index.

    records     record_id, source and the identifiers: nhs_number, surname, forename, date_of_birth, sex, postcode.
                record_id is a running number of the site's own, never a hospital or NHS number: it goes out again
    index       the identifiers, one row a person; rows without a valid number cannot have a pseudonym and are left out
    superseded  superseded and current: NHS numbers that were merged into others, as index.current_ids gives them
    model       parameters to use instead of training them here
    Tables are data frames, Arrow tables or paths of Parquet files. Raises model.Refused.
    """
    key = settings.key or (MADE_UP_KEY if settings.made_up else read_key())  # before anything is read
    step = "reading"
    try:
        with _engine(settings) as backend:
            people = _land(backend, "people_in", index, "pid", ("nhs_number", *IDENTIFIERS[1:]))
            rows = _land(backend, "records_in", records, "rid", ("record_id", "source", *IDENTIFIERS))
            _check(backend)
            say(f"{rows:,} records, {people:,} people in the index")
            step = "normalising"
            report: dict[str, Any] = {"linker_version": LINKER_VERSION, "records": rows, "people": people,
                                      "key_id": pseudonym(key, "key-id", "")[:8], **_tables(backend, settings)}  # fmt: skip
            step = "deterministic steps"
            merged = _superseded(backend, superseded)
            _deterministic(backend, merged)
            say(f"deterministic steps: {_scalar(backend, 'SELECT count(*) FROM links'):,} linked")
            step = "training"
            model = model or probabilistic.train(backend.con, settings)
            say(f"model: {model.origin}")
            step = "scoring"
            report |= _probabilistic(backend, settings, model)
            say(f"probabilistic step: {_scalar(backend, 'SELECT count(*) FROM likely'):,} linked")
            step = "pseudonyms"
            links, review = _out(backend, key)
    except Refused:
        raise
    except Exception as problem:
        if settings.made_up:
            raise
        kind = type(problem).__name__
    else:
        counts = links["link_method"].value_counts()
        report["methods"] = {name: int(counts.get(name, 0)) for name in METHODS}
        report["model"] = {"origin": model.origin, "m_and_u": model.values}
        return Linked(links, review, report, model)
    # outside the handler, so that no message of an engine, which may show values, hangs on to this one
    raise Refused("The linkage", [Problem(f"step {step}", f"it stopped with {kind}, whose words may show identifiers",
        "", "Check the columns' types, or run the made-up example with the same settings to see the full message")])


@contextmanager
def _engine(settings: Settings) -> Iterator[Any]:
    settings.private.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="linkage-", dir=settings.private))  # mkdtemp: for the owner only
    backend = None
    try:
        connection = duckdb.connect(config={"threads": settings.threads, "memory_limit": settings.memory,
                                            "temp_directory": str(folder), "temp_file_encryption": True})  # fmt: skip
        connection.execute("SET enable_progress_bar = false")
        backend = ibis.duckdb.from_connection(connection)
        yield backend
    finally:
        if backend is not None:
            backend.disconnect()
        shutil.rmtree(folder, ignore_errors=True)


def _land(backend: Any, name: str, rows: Rows, row: str, columns: tuple[str, ...]) -> int:
    """Bring a table in with a running number; returns its rows."""
    table = backend.read_parquet(rows) if isinstance(rows, Path) else backend.create_table(f"{name}_raw", rows, temp=True)
    missing = [c for c in columns if c not in table.columns]
    if missing:
        where = "records" if row == "rid" else "index"
        raise Refused("The linkage", [Problem(f"{where}, columns", f"there is no {few(missing)}", few(columns), "Add it")])
    order = ["source", "record_id"] if row == "rid" else list(columns)  # the order of rows decides nothing
    chosen = table.select(*columns)
    backend.create_table(name, chosen.mutate(**{row: ibis.row_number().over(order_by=[chosen[c] for c in order])}))
    if not isinstance(rows, Path):
        backend.drop_table(f"{name}_raw")
    return _scalar(backend, f"SELECT count(*) FROM {name}")


def _check(backend: Any) -> None:
    """Refuse record identifiers that identify a person or are not unique; counts only, no value is shown."""
    same = _scalar(backend, r"""SELECT count(*) FROM records_in
        WHERE regexp_replace(record_id::VARCHAR, '[ -]', '', 'g') = regexp_replace(nhs_number::VARCHAR, '[ -]', '', 'g')""")
    double = _scalar(backend, "SELECT count(*) - count(DISTINCT (record_id, source)) FROM records_in")
    empty = _scalar(backend, "SELECT count(*) FROM records_in WHERE record_id IS NULL OR source IS NULL")
    mend = "Number the rows of each source and keep the numbers beside the extract"
    found = [(same, "is the NHS number in {} rows, and it goes out"), (double, "is not unique within its source in {} rows"),
             (empty, "or source is missing in {} rows")]  # fmt: skip
    problems = [Problem("records, record_id", words.format(n), "a running number of the site's own", mend)
                for n, words in found if n]  # fmt: skip
    if problems:
        raise Refused("The linkage", problems)


def _tables(backend: Any, settings: Settings) -> dict[str, Any]:
    """Make `r` and `p`, normalised, and drop what was landed; give counts of the NHS numbers' reasons."""
    numbers = nhs_number.report(backend.table("records_in"), rules=settings.rules).execute()
    for name, row in (("people_in", "pid"), ("records_in", "rid")):
        backend.create_table(f"{name}_tidy", normalise(backend.table(name), row, settings))
    people, rows = backend.table("people_in_tidy"), backend.table("records_in_tidy")
    surnames = people.select("surname").union(rows.select("surname"), distinct=True).execute()["surname"]
    codes = backend.create_table("codes", soundex_of(surnames), schema=ibis.schema({"surname": "string", "sound": "string"}))
    without = int(people.nhs_number.isnull().sum().execute())
    backend.create_table("p", with_blocks(people.filter(people.nhs_number.notnull()), codes).order_by("pid"))
    backend.create_table("r", with_blocks(rows, codes).order_by("rid"))
    backend.create_table("ids", backend.table("records_in").select("rid", "record_id", "source"))
    for name in ("people_in", "records_in", "people_in_tidy", "records_in_tidy", "codes"):
        backend.drop_table(name)
    doubled = _scalar(backend, "SELECT count(*) - count(DISTINCT nhs_number) FROM p")
    return {"people_without_valid_number": without, "people_sharing_a_number": doubled,
            "numbers": numbers.to_dict("records")}  # fmt: skip


def _superseded(backend: Any, superseded: Rows | None) -> ir.Table | None:
    if superseded is None:
        return None
    table = backend.read_parquet(superseded) if isinstance(superseded, Path) else backend.create_table("merges", superseded)
    return table.select(nhs_number=nhs_number.digits_of(table.superseded.cast("string")),
                        current=nhs_number.digits_of(table.current.cast("string")))  # fmt: skip


def _deterministic(backend: Any, merged: ir.Table | None) -> None:
    """Make `links` (rid, pid, link_method) and `left_over`."""
    steps = iter(("by_d1", "by_d2", "by_d3"))
    found, left = deterministic.link(backend.table("r"), backend.table("p"), merged,
                                     lambda links: backend.create_table(next(steps), links))  # fmt: skip
    backend.create_table("links", found)
    backend.create_table("left_over", left)
    sides = ", ".join(f"{t}.{c} AS {c}_{s}" for t, s in (("r", "l"), ("p", "r")) for c in ("surname", "forename", "birth", "sex"))
    backend.con.execute(f"""CREATE TABLE doubtful AS SELECT rid, pid FROM (SELECT rid, pid, {sides}
        FROM links JOIN r USING (rid) JOIN p USING (pid) WHERE link_method = 'D1') WHERE {DOUBTFUL_NUMBER}""")


def _probabilistic(backend: Any, settings: Settings, model: Model) -> dict[str, Any]:
    """Make `likely` (rid, pid, band) and `review`."""
    vetoes = probabilistic.score(backend.con, "left_over", settings, model)
    pairs = backend.con.execute("SELECT rid, pid, weight FROM pairs ORDER BY rid, pid").df()
    left, people = (_scalar(backend, f"SELECT count(*) FROM {name}") for name in ("left_over", "p"))
    share = assign.share_of_matches(pairs, max(left, 1), max(people, 1))
    source = backend.con.execute("SELECT rid, source FROM ids WHERE rid IN (SELECT rid FROM pairs) OR rid IN "
                                 "(SELECT rid FROM links WHERE pid IN (SELECT pid FROM pairs))").df()
    taken = backend.con.execute("SELECT rid, pid FROM links WHERE pid IN (SELECT pid FROM pairs)").df()
    links, review = assign.assign(pairs, source.set_index("rid")["source"], taken, share, settings)
    likely = links.assign(weight_band=[band(p) for p in links["probability"]])[["rid", "pid", "weight_band"]]
    backend.create_table("likely", likely, schema=ibis.schema({"rid": "int64", "pid": "int64", "weight_band": "string"}))
    doubtful = backend.con.execute("SELECT rid, pid, 'doubtful_number' AS reason FROM doubtful ORDER BY rid").df()
    review = pd.concat([review, doubtful.reindex(columns=review.columns)], ignore_index=True) if len(doubtful) else review
    backend.create_table("review", review, schema=ibis.schema({
        "rid": "int64", "pid": "int64", "probability": "float64", "weight": "float64", "reason": "string"}))  # fmt: skip
    return {"left_for_probabilistic": left, "pairs_scored": len(pairs), "share_of_matches": share, "vetoed": vetoes,
            "review": {str(k): int(v) for k, v in review["reason"].value_counts().sort_index().items()}}  # fmt: skip


def _out(backend: Any, key: bytes) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Replace people by pseudonyms; NHS numbers are read here for the last time."""
    needed = backend.con.execute("""SELECT pid, nhs_number FROM p WHERE pid IN (SELECT pid FROM links UNION ALL
        SELECT pid FROM likely UNION ALL SELECT pid FROM review) ORDER BY pid""").fetch_arrow_table()
    names = [pseudonym(key, KIND, number) for number in needed["nhs_number"].to_pylist()]
    backend.con.register("pseudonyms", pa.table({"pid": needed["pid"], "person_id": pa.array(names, pa.string())}))
    del needed, names
    categories = "link_method::VARCHAR AS link_method, weight_band, '" + LINKER_VERSION + "' AS linker_version"
    links = backend.con.execute(f"""SELECT record_id, source, person_id, {categories} FROM (
        SELECT ids.record_id, ids.source, s.person_id, coalesce(l.link_method, 'U') AS link_method,
            coalesce(l.weight_band, '{NO_BAND}') AS weight_band
        FROM ids LEFT JOIN (SELECT rid, pid, link_method, '{EXACT_BAND}' AS weight_band FROM links
                            UNION ALL SELECT rid, pid, 'P', weight_band FROM likely) l USING (rid)
        LEFT JOIN pseudonyms s USING (pid)) ORDER BY source, record_id""").df()
    for column in ("source", "link_method", "weight_band", "linker_version"):
        links[column] = links[column].astype("category")
    review = backend.con.execute("""SELECT record_id, source, person_id, probability, weight, reason FROM review
        JOIN ids USING (rid) JOIN pseudonyms USING (pid) ORDER BY source, record_id, person_id""").df()
    return links[LINK_COLUMNS], review


def _scalar(backend: Any, query: str) -> int:
    return int(backend.con.execute(query).fetchone()[0])
