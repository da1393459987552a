"""Extracts: the asked number of people, the same bytes every time, readable in every shape."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyreadstat
import pytest

from shared_code.config import Site
from shared_code.synthetic import make_extract, places

ROOT = Path(__file__).resolve().parents[2]
SITES = sorted(path.stem for path in (ROOT / "config" / "sites").glob("demo_*.yaml"))


def read_site(name: str) -> Site:
    return Site.read(name, ROOT / "config" / "sites")


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def rows_in(path: Path) -> dict[str, int]:
    """Count the rows of one delivered file, by the reader of its kind alone."""
    suffix = path.suffix
    if suffix == ".sqlite":
        with sqlite3.connect(path) as database:
            names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {n: database.execute(f"SELECT count(*) FROM {n}").fetchone()[0] for n in names}
    if suffix in (".csv", ".gz"):
        opener = gzip.open if suffix == ".gz" else open
        with opener(path, "rt", encoding="cp1252", newline="") as file:
            rows = list(csv.reader(file, delimiter=";"))
        assert len({len(row) for row in rows}) == 1
        return {path.name: len(rows) - 1}
    reader = {".sav": pyreadstat.read_sav, ".dta": pyreadstat.read_dta, ".xpt": pyreadstat.read_xport}[suffix]
    return {path.name: len(reader(str(path))[0])}


def test_every_file_reads_with_the_rows_the_truth_names(made):
    found = {}
    for path in made.folder.iterdir():
        if path.name != "truth.json":
            found |= rows_in(path)
    expected = made.truth["rows"]
    for name, settings in made.site.tables.items():
        rows = found[settings.table or settings.file]
        if (settings.rows and name == "area_population") or settings.where:  # women and men side by side, or a third row for both
            assert rows * 2 == expected[name] or rows * 2 == expected[name] * 3
        else:
            assert rows == expected[name]


def test_the_site_file_explains_every_value(made):
    assert set(made.tables) == set(made.truth["rows"])
    for name, table in made.tables.items():
        left_out = sum(counts["unlinked"] for counts in made.unlinked.get(name, {}).values())
        assert len(table) + left_out == made.truth["rows"][name]
        assert left_out == 0 or made.site.demonstration.hospital
    assert len(made.tables["person"]) == made.people
    assert set(made.tables["person"]["sex"]) >= {"F", "M"}
    assert made.tables["person"]["birth_month"].map(lambda day: day.day).eq(1).all()


@pytest.mark.parametrize("people", [500, 20_000])
def test_the_number_of_people_is_exact(tmp_path, people):
    site = read_site(SITES[0])
    make_extract(site, people, tmp_path / "extract")
    assert rows_in(tmp_path / "extract" / site.tables["person"].file).popitem()[1] == people
    assert [p.name for p in tmp_path.iterdir()] == ["extract"], "nothing half-made is left beside it"


def test_bytes_depend_on_seed_and_people_alone(tmp_path):
    """Another process, another hash seed, another second of the clock: the same bytes."""
    code = (
        "import sys; from pathlib import Path; from shared_code.config import Site\n"
        "from shared_code.synthetic import make_extract\n"
        "for name in sys.argv[2:]: make_extract(Site.read(name), 500, Path(sys.argv[1]) / name)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "PYTHONPATH": str(ROOT)}
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-c", code, str(other), *SITES], check=True, cwd=ROOT, env=environment)
    for name in SITES:
        site = read_site(name)
        make_extract(site, 500, tmp_path / name)
        assert digests(tmp_path / name) == digests(other / name)
        changed = site.demonstration.model_copy(update={"seed": site.demonstration.seed + 1})
        make_extract(site.model_copy(update={"demonstration": changed}), 500, tmp_path / name)
        assert not set(digests(tmp_path / name).values()) & set(digests(other / name).values())


def test_headers_carry_the_date_of_the_extract(made):
    for path in made.folder.iterdir():
        if path.suffix in (".sav", ".dta", ".xpt"):
            reader = {".sav": pyreadstat.read_sav, ".dta": pyreadstat.read_dta, ".xpt": pyreadstat.read_xport}
            _, meta = reader[path.suffix](str(path), metadataonly=True)
            assert meta.creation_time.date() == made.site.extract_date, path.name


@pytest.mark.parametrize("name", SITES)
def test_geography_at_twenty_thousand(name):
    made = places.make_places(read_site(name), 20_000)
    assert set(made.imd10) == set(range(1, 11))
    expected = np.bincount(made.ward, made.weight) * 20_000 * 0.94 * 0.49 * 5  # person-years of men
    assert (expected < 5000).sum() == 1, "one ward is too small for a life table, and no other"
    assert len(set(made.lsoa21)) == len(made.lsoa21) and len(set(made.ward_name)) == len(made.ward_name)


@pytest.mark.parametrize("people", [500, 1_000, 3_000, 100_000, 1_000_000])
def test_wards_grow_in_number_then_in_size(people):
    made = places.make_places(read_site(SITES[0]), people)
    assert 2 <= len(made.ward_cd) <= places.MOST_WARDS
    assert set(made.ward) == set(range(len(made.ward_cd)))
    assert set(made.imd10) <= set(range(1, 11))


def test_what_cannot_be_made_is_refused(tmp_path):
    site = read_site(SITES[0])
    with pytest.raises(ValueError, match="at least 500"):
        make_extract(site, 499, tmp_path / "x")
    with pytest.raises(ValueError, match="no demonstration settings"):
        make_extract(site.model_copy(update={"demonstration": None}), 500, tmp_path / "x")
    dated = site.demonstration.model_copy(update={"recorded_dates": True, "shape": "csv"})
    with pytest.raises(ValueError, match="only spss does"):
        make_extract(site.model_copy(update={"demonstration": dated}), 500, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_other_dates_can_be_asked_for(tmp_path):
    site = read_site(SITES[0])
    make_extract(site, 500, tmp_path / "x", index_date=dt.date(2024, 7, 1), period_start=dt.date(2021, 7, 1))
    truth = json.loads((tmp_path / "x" / "truth.json").read_text(encoding="utf-8"))
    assert truth["period"] == ["2021-07-01", "2024-07-01"]
