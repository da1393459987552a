"""The simulation of coverage and the comparison with R write what they promise, in a small run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def test_coverage_writes_a_table_and_a_picture_and_keeps_what_it_does_not_repeat(tmp_path):
    out = tmp_path / "coverage.json"
    for k in ("3", "2"):
        subprocess.run([sys.executable, ROOT / "benchmarks" / "coverage.py", "--studies", "40", "--slow-studies", "2",
                        "--sites", k, "--out", out], check=True, capture_output=True, cwd=ROOT)  # fmt: skip
    rows = json.loads(out.read_text("utf-8"))["rows"]
    assert {row["k"] for row in rows} == {2, 3}
    wilson = [row for row in rows if row["interval"] == "proportion, Wilson"]
    assert len(wilson) == 4 and all(0.8 <= row["coverage"] <= 1 for row in wilson)
    zero = next(row for row in rows if row["interval"] == "withheld counts as 0" and row["events"] == "rare" and row["k"] == 3)
    assert zero["coverage"] < 0.5
    table = out.with_suffix(".md").read_text("utf-8")
    assert "| 2 sites | 3 sites |" in table and "Poisson-normal" in table
    assert "<svg" in out.with_suffix(".svg").read_text("utf-8")


def test_beside_r_measures_ours_where_r_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    beside_r = __import__("beside_r")
    monkeypatch.setattr(beside_r.shutil, "which", lambda name: None)
    out = tmp_path / "beside_r.json"
    assert beside_r.main(["--areas", "50", "--analyses", "5", "--repeats", "1", "--out", str(out)]) == 0
    assert [row["other"] for row in json.loads(out.read_text("utf-8"))["rows"]] == [None, None]
    assert "not installed" in out.with_suffix(".md").read_text("utf-8")


def test_numbers_that_differ_from_rs_are_refused(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    beside_r = __import__("beside_r")
    rates = beside_r.m.dobson_rate(np.full((1, 19), 5.0), np.full((1, 19), 1e3), beside_r.m.ESP2013)
    same = np.column_stack([rates.estimate, rates.lower, rates.upper])
    assert beside_r.differences(rates, None, {"rates": same}) == ""
    assert "nothing is written" in beside_r.differences(rates, None, {"rates": same * 1.001})
