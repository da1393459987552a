"""Memory: a file of any length needs no more than a bound that can be set. COHORTIUM_SLOW_TESTS=1 tries 5 million rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

FLOOR = 250  # MB that Python and its libraries take before a row is read (measured: 130 to 190)
PROGRAM = """
import json, re, resource, sys, time
from pathlib import Path
import duckdb
from shared_code.sources import guarded, readers
start = time.monotonic()
with duckdb.connect() as connection:
    landed = readers.land(Path(sys.argv[1]), Path(sys.argv[2]), connection)
    seconds = time.monotonic() - start
guarded._end()  # counts the reading process among the children
own = re.search(r"VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1]  # getrusage counts what came before exec
peak = [int(own) // 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024]
print(json.dumps({"seconds": seconds, "peak": peak}))
"""
ROWS = [1_500_000] + ([5_000_000] if os.environ.get("COHORTIUM_SLOW_TESTS") else [])
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory in other ways")


def land_apart(path: Path, place: Path, memory: int) -> dict:
    """Land a file in a fresh process; give its seconds, and the peak of it and of the reading process (MB)."""
    environment = {**os.environ, "COHORTIUM_READ_MEMORY_MB": str(memory)}
    command = [sys.executable, "-c", PROGRAM, str(path), str(place)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def parquet_rows(place: Path) -> int:
    import pyarrow.parquet as pq

    (path,) = place.glob("*.parquet")
    return pq.read_metadata(path).num_rows


def numbers(rows: int) -> pd.DataFrame:
    chance = np.random.default_rng(3)
    return pd.DataFrame({
        "id": np.arange(rows, dtype=float), "sex": chance.integers(1, 3, rows).astype(float),
        "age": chance.integers(0, 1200, rows).astype(float), "weight": chance.normal(70, 10, rows),
    })  # fmt: skip


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("memory", [128])
def test_an_spss_file(tmp_path, rows, memory):
    pyreadstat.write_sav(numbers(rows), tmp_path / "a.sav")
    found = land_apart(tmp_path / "a.sav", tmp_path / "landed", memory)
    print(rows, found)
    assert parquet_rows(tmp_path / "landed") == rows
    assert max(found["peak"]) < memory + FLOOR


@pytest.mark.parametrize("rows", ROWS)
def test_a_text_file(tmp_path, rows):
    memory = 256
    lines = "".join(f"{n:010d},{n % 2 + 1},{n % 1200},{n % 97}.5,E0100{n % 10000:04d}\n" for n in range(10_000))
    with (tmp_path / "a.csv").open("w") as file:
        file.write("id,sex,age,weight,area\n")
        for _ in range(rows // 10_000):
            file.write(lines)
    found = land_apart(tmp_path / "a.csv", tmp_path / "landed", memory)
    print(rows, found)
    assert parquet_rows(tmp_path / "landed") == rows
    assert max(found["peak"]) < memory + FLOOR


def test_a_wide_file_is_read_in_shorter_chunks(tmp_path):
    """200,000 rows at once would need about 1.6 GB here."""
    rows, memory = 20_000, 128
    frame = pd.DataFrame({f"t{i}": [f"{i}" * 40] * rows for i in range(60)})
    frame["t0"] = frame["t0"] * 10
    pyreadstat.write_sav(frame, tmp_path / "a.sav", row_compress=True)
    found = land_apart(tmp_path / "a.sav", tmp_path / "landed", memory)
    assert parquet_rows(tmp_path / "landed") == rows
    assert max(found["peak"]) < memory + FLOOR


def test_hundreds_of_columns_of_text_in_little_memory(extract, landed, refused, monkeypatch):
    """The fast reader holds a buffer for every column; where they do not fit, another one reads row by row."""
    monkeypatch.setenv("COHORTIUM_READ_MEMORY_MB", "40")
    names = [f"c{i}" for i in range(300)]
    rows = [[f"{n}-{i}" if i % 7 else "" for i in range(300)] for n in range(500)]
    text = "\n".join(",".join(row) for row in [names, *rows]) + "\n"
    message = refused(extract.write("b.csv", text + "1,2\n"))
    assert "line 502 has 2 fields, not 300. Allowed: 300 fields in every line" in message
    found = landed(extract.write("a.csv", text))
    assert found.fillna("").to_numpy().tolist() == rows
