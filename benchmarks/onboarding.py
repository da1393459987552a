"""The section on onboarding: `cohortium prepare` of a large extract in every shape, beside a bare read of the same bytes.

    .venv/bin/python benchmarks/onboarding.py [--shapes csv parquet] [--people N] [--events N] [--check] [--out FILE.json]

By itself it measures the named shapes only and puts their rows in the place of the earlier ones in the results, so that a
long measurement can be made in pieces. `prepare` reads the bytes, copies them as they are, maps every column, replaces
identifiers by keyed pseudonyms, looks for codes nobody explained, repeated keys and rows about unknown people, and writes
the prepared tables in order. The bare read does nothing with what it reads.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import postgres
from measuring import HERE, Failed, copy_of_project, median, run

SHAPES = {"csv": "DuckDB", "parquet": "DuckDB", "spss": "pyreadstat, in chunks", "postgresql": "COPY, through psycopg"}
ENDINGS = {"csv": "csv", "parquet": "parquet", "spss": "sav"}
EVENTS_A_PERSON = 20
QUANTITIES = ("seconds", "cpu_seconds", "peak_mb")  # on a busy machine processor time says more than the clock
KEY = bytes(range(32)).hex()
SITE = """\
site: {site}
title: A large place
controller: Nobody (made up)
studies: [demonstration]
folder: extract
extract_date: 2026-04-20
tables:
  person:
    {people}
    columns:
      person_id: {{from: patient, pseudonymise: true}}
      birth_month: {{from: dob, first_of_month: true}}
      sex: {{from: sex, values: {{1: M, 2: F}}}}
      ethnicity16: {{from: ethnic}}
  gp_registration:
    {people}
    columns:
      person_id: {{from: patient, pseudonymise: true}}
      practice_code: {{from: practice}}
      reg_start: {{from: registered}}
      reg_type: {{constant: GMS}}
  condition_event:
    {events}
    columns:
      event_id: {{from: event}}
      person_id: {{from: patient, pseudonymise: true}}
      code: {{from: code, icd10: true}}
      code_system: {{from: coding, values: {{1: SCT, 2: ICD10}}}}
      event_date: {{from: day}}
      source: {{from: place, values: {{1: GP, 2: APC}}}}
"""


def measure(folder: Path, shape: str, people: int, events: int, repeats: int, with_check: bool, say: Callable[[str], None]
            ) -> list[dict[str, Any]]:  # fmt: skip
    """Measure one shape; raises Failed where both did not read the same rows."""
    with database(shape) as address:
        copy = copy_of_project(folder / f"onboarding-{shape}", sites=[])
        extract = copy / "extract"
        extract.mkdir()
        site = f"large_{shape}"
        lines = {name: f"database: {{url_env: COHORTIUM_DB_URL}}\n    table: {name}" if shape == "postgresql" else
                 f"file: {name}.{ENDINGS[shape]}" for name in ("people", "events")}  # fmt: skip
        (copy / "config" / "sites" / f"{site}.yaml").write_text(SITE.format(site=site, **lines), "utf-8")
        around = {"COHORTIUM_KEY": KEY, "COHORTIUM_DB_URL": address}
        say(f"Onboarding, {shape}: making up {people:,} people and {events:,} events")
        made = run([sys.executable, HERE / "big_extract.py", shape, extract, people, events], copy, **around)
        size = sum(path.stat().st_size for path in extract.iterdir()) / 1e6
        say(f"    made in {made.seconds:.0f} s" + (f", {size:,.0f} MB" if size else ""))
        load, ours, bare, checks = os.getloadavg()[0] if hasattr(os, "getloadavg") else None, [], [], []
        for _ in range(repeats):
            bare.append(run([sys.executable, HERE / "plain_read.py", shape, extract], copy, **around))
            say(f"    {SHAPES[shape]}: {bare[-1].seconds:.1f} s, {bare[-1].peak_mb or 0:,.0f} MB")
            ours.append(run([sys.executable, "-m", "shared_code.cli", "prepare", site], copy, **around))
            say(f"    prepare: {ours[-1].seconds:.1f} s, {ours[-1].peak_mb or 0:,.0f} MB")
            if with_check:
                checks.append(run([sys.executable, "-m", "shared_code.cli", "check", site], copy, **around))
                say(f"    check: {checks[-1].seconds:.1f} s, {checks[-1].peak_mb or 0:,.0f} MB")
            prepared = json.loads((copy / "private" / site / "prepared" / "prepared.json").read_text("utf-8"))["rows"]
            read = [int(line) for line in bare[-1].said.split()]
            if [prepared["person"], prepared["condition_event"]] != read or read != [people, events]:
                raise Failed(f"{shape}: {read} rows were read and {prepared} prepared: the comparison is void.")
        shutil.rmtree(copy)
    section = f"Onboarding {people:,} people and {events:,} events"
    noted = {"load": None if load is None else round(load, 1), "date": dt.date.today().isoformat(), "megabytes": round(size)}
    mine, other = median(ours), median(bare)
    rows = [_row(section, f"prepare, from {shape}", mine, SHAPES[shape], other, quantity) for quantity in QUANTITIES]
    if checks:
        rows += [_row(section, f"check, from {shape}", median(checks), "", None, quantity) for quantity in QUANTITIES]
    return [row | noted for row in rows]


def _row(section: str, what: str, ours: dict[str, Any], compared_with: str, other: dict[str, Any] | None, quantity: str
         ) -> dict[str, Any]:  # fmt: skip
    from sections import row

    return row(section, what, ours, compared_with, other, quantity)


@contextmanager
def database(shape: str) -> Iterator[str]:
    """Run a PostgreSQL server where the shape is one; gives its address."""
    if shape != "postgresql":
        yield ""
        return
    place = postgres.programs()
    if place is None:
        raise Failed("there is no PostgreSQL server here, and none can be installed (apt-get install postgresql)")
    with postgres.server(place) as address:
        yield address


def main(arguments: list[str] | None = None) -> int:
    """Measure the named shapes and put them into the results; return 0, or 1 after a message."""
    import run as whole

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, help="twenty a person, unless said")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="measure `cohortium check` as well")
    parser.add_argument("--out", type=Path, default=HERE / "results.json", metavar="FILE.json")
    chosen = parser.parse_args(arguments)
    events = chosen.events or EVENTS_A_PERSON * chosen.people
    return whole.by_themselves(chosen.out, *(
        lambda folder, say, shape=shape: measure(folder, shape, chosen.people, events, chosen.repeats, chosen.check, say)
        for shape in chosen.shapes))  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
