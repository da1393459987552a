"""Make up one large extract: people, and coded events in random order, as a council or trust would deliver them.

    python benchmarks/big_extract.py csv|parquet|spss|postgresql FOLDER PEOPLE EVENTS

Two files (people, events) in FOLDER, or two tables in the database whose address is in COHORTIUM_DB_URL. Chance decides
everything, from a fixed seed, so every shape holds the same rows; a chunk at a time, but SPSS files at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

CHUNK = 1_000_000
PRACTICES = [f"M{n:05d}" for n in range(83000, 83120)]
SNOMED = ["13645005", "58214004", "13746004", "69322001", "110359009", "399957001", "35489007", "52448006", "73211009",
          "84757009", "84114007", "414545008", "709044004", "38341003", "230690007", "266257000", "195967001", "69896004",
          "49436004", "34486009", "363346000"]  # fmt: skip
ICD10 = ["J44.1", "F20.0", "F32.9", "E11.9", "G40.9", "I50.0", "I21.9", "N18.3", "I10X", "I63.9", "J45.9", "M06.9", "I48X",
         "C50.9", "Z51.1", "R07.4", "S72.0", "K52.9"]  # fmt: skip
FIRST, LAST = pd.Timestamp("1996-04-01"), pd.Timestamp("2026-04-01")


def people(number: int) -> Iterator[pd.DataFrame]:
    """Make people: a number, a date of birth, sex as a code, an ethnic category, a practice and since when."""
    for start in range(0, number, CHUNK):
        size, chance = min(CHUNK, number - start), np.random.default_rng([1, start])
        born = pd.Timestamp("1930-01-01") + pd.to_timedelta(chance.integers(0, 34_000, size), "D")
        yield pd.DataFrame({
            "patient": np.arange(start + 1, start + size + 1), "dob": born, "sex": chance.integers(1, 3, size),
            "ethnic": np.array(list("ABCDEFGHJKLMNPRSZ"), object)[chance.integers(0, 17, size)],
            "practice": np.array(PRACTICES, object)[chance.integers(0, len(PRACTICES), size)],
            "registered": FIRST + pd.to_timedelta(chance.integers(0, 9_000, size), "D"),
        })  # fmt: skip


def events(number: int, of: int) -> Iterator[pd.DataFrame]:
    """Make coded events: two in three from general practice in SNOMED CT, the others from hospital in ICD-10."""
    codes = np.array([*SNOMED, *ICD10], object)
    days = (LAST - FIRST).days
    for start in range(0, number, CHUNK):
        size, chance = min(CHUNK, number - start), np.random.default_rng([2, start])
        hospital = chance.random(size) < 1 / 3
        code = np.where(hospital, len(SNOMED) + chance.integers(0, len(ICD10), size), chance.integers(0, len(SNOMED), size))
        yield pd.DataFrame({
            "event": np.arange(start + 1, start + size + 1), "patient": chance.integers(1, of + 1, size), "code": codes[code],
            "coding": np.where(hospital, 2, 1), "day": FIRST + pd.to_timedelta(chance.integers(0, days, size), "D"),
            "place": np.where(hospital, 2, 1),
        })  # fmt: skip


def arrow(frame: pd.DataFrame) -> pa.Table:
    """Type the chunk; days are days."""
    dates = {name: frame[name].dt.date for name in frame if frame[name].dtype.kind == "M"}
    table = pa.Table.from_pandas(frame.drop(columns=list(dates)), preserve_index=False)
    for name in dates:
        table = table.append_column(name, pa.array(frame[name]).cast(pa.date32()))
    return table.select(list(frame.columns))


def write_csv(chunks: Iterator[pd.DataFrame], path: Path) -> None:
    import pyarrow.csv as pc

    with path.open("wb") as file:
        for i, frame in enumerate(chunks):
            pc.write_csv(arrow(frame), file, pc.WriteOptions(include_header=not i, quoting_style="needed"))


def write_parquet(chunks: Iterator[pd.DataFrame], path: Path) -> None:
    import pyarrow.parquet as pq

    first = arrow(next(chunks))
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for frame in chunks:
            writer.write_table(arrow(frame))


def write_spss(chunks: Iterator[pd.DataFrame], path: Path) -> None:
    import pyreadstat

    frame = pd.concat(list(chunks), ignore_index=True)
    dates = [name for name in frame if frame[name].dtype.kind == "M"]
    pyreadstat.write_sav(frame, path, variable_format=dict.fromkeys(dates, "DATE11"))


def write_postgresql(chunks: Iterator[pd.DataFrame], table: str, url: str) -> None:
    import io

    import psycopg
    import pyarrow.csv as pc

    kinds = {pa.int64(): "bigint", pa.string(): "text", pa.large_string(): "text", pa.date32(): "date"}
    with psycopg.connect(url) as connection:
        for i, frame in enumerate(chunks):
            rows = arrow(frame)
            if not i:
                connection.execute(f"CREATE TABLE {table} ({', '.join(f'{f.name} {kinds[f.type]}' for f in rows.schema)})")
            out = io.BytesIO()
            pc.write_csv(rows, out, pc.WriteOptions(include_header=False, quoting_style="needed"))
            with connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv)") as copy:
                copy.write(out.getvalue())


def main(shape: str, folder: str, number: str, facts: str) -> None:
    chunks = {"people": people(int(number)), "events": events(int(facts), int(number))}
    writers = {"csv": (write_csv, "csv"), "parquet": (write_parquet, "parquet"), "spss": (write_spss, "sav")}
    for name, made in chunks.items():
        if shape == "postgresql":
            write_postgresql(made, name, os.environ["COHORTIUM_DB_URL"])
        else:
            write, ending = writers[shape]
            write(made, Path(folder) / f"{name}.{ending}")


if __name__ == "__main__":
    main(*sys.argv[1:])
