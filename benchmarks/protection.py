"""Measure protection and audit against the number of cells, and what is lost beside another program.

    .venv/bin/python benchmarks/protection.py [--cells 1000 5000] [--tables 20] [--acro PYTHON] [--out FILE]

First: made-up tables of conditions by area, sex and age with totals over areas, rounded to 5, of growing size: seconds to
protect a release and to audit it by itself. Second: small two-way tables without rounding, protected by ours and by Tau-Argus
(pytauargus, optimal suppression): cells withheld besides the small ones, and the people in them. Third, with --acro and the
Python of an environment that has it: what ACRO blanks in such tables, and how many of these numbers anyone can compute
from the rest and the totals, which pass by themselves.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure.audit import audit
from shared_code.disclosure.build import build
from shared_code.disclosure.points import Points
from shared_code.disclosure.ranges import first_look, publish
from shared_code.disclosure.rules import GUARDS
from shared_code.disclosure.search import choose

AGES = [0, 18, 40, 55, 65, 75, 85]


def table_of(cells: int, seed: int) -> tuple[ResultsTable, pd.DataFrame]:
    """Make up a table of about so many published numbers of cases, with totals over areas and ages."""
    rng = np.random.default_rng(seed)
    areas, conditions = 10, max(1, round(cells / (11 * 2 * 8)))
    labels = ["0-17", "18-39", "40-54", "55-64", "65-74", "75-84", "85+"]
    declared = ResultsTable.model_validate({
        "title": "t", "layout": "counts", "sets": [[], ["area"], ["age"], ["area", "age"]],
        "dimensions": {"condition": {"values": {f"c{i}": "" for i in range(conditions)}},
                       "area": {"values": {str(i): "" for i in range(areas)}, "total": True},
                       "sex": {"values": {"F": "", "M": ""}}, "age": {"bands": AGES, "total": True}},
    })  # fmt: skip
    people = rng.integers(150, 4000, (areas, 2, 7))
    rates = np.clip(rng.lognormal(-3.2, 1.0, conditions)[:, None] * np.linspace(0.2, 2.5, 7)[None, :], 0, 0.8)
    rows = []
    for c in range(conditions):
        cases = rng.binomial(people, rates[c][None, None, :])
        for s in range(2):
            for a, g in product([*range(areas), None], [*range(7), None]):
                area, age = slice(None) if a is None else a, slice(None) if g is None else g
                n, x = people[area, s][..., age].sum(), cases[area, s][..., age].sum()
                rows.append((f"c{c}", "all" if a is None else str(a), "FM"[s], "all" if g is None else labels[g], n, x))
    return declared, pd.DataFrame(rows, columns=["condition", "area", "sex", "age", "people", "cases"])


def measured(cells: int, policy: Policy) -> dict[str, Any]:
    """Time the steps of protecting one table."""
    declared, table = table_of(cells, seed=cells)
    clock = [time.process_time()]
    frames = {"t": GUARDS["counts"](table, declared, policy)}
    system = build({"t": (declared, table)}, frames, policy)
    clock.append(time.process_time())
    points = Points(system)
    look = first_look(system, policy, points)
    pattern = choose(system, np.isin(look.components, look.components[[f.unknown for f in look.findings]]), points)
    clock.append(time.process_time())
    ranges = publish(system, pattern.withheld, policy, look, points)
    clock.append(time.process_time())
    done = audit(system, pattern.withheld, ranges.lower, ranges.upper)
    clock.append(time.process_time())
    cases = system.cells["t", "cases"]
    steps = np.round(np.diff(clock), 2).tolist()
    return {"published": len(table), "small": int(system.primary[cases].sum()), "withheld": int(pattern.withheld[cases].sum()),
            "build": steps[0], "choose": steps[1], "ranges": steps[2], "audit": steps[3], "programmes": done.programmes,
            "safe": done.safe}  # fmt: skip


def beside_tau_argus(tables: int) -> dict[str, Any]:
    """Protect the same small tables by both, and add up what each loses besides the small numbers."""
    try:
        from pytauargus import protect as tau
    except ImportError as missing:
        return {"left out": str(missing)}
    import tempfile

    policy, rng = Policy(threshold=5, rounding=1), np.random.default_rng(3)
    ours, theirs, failed = [0, 0], [0, 0], 0
    for _ in range(tables):
        x = rng.integers(1, 40, (4, 4))
        declared = ResultsTable.model_validate({
            "title": "t", "layout": "bins", "sets": [[], ["r"], ["c"], ["r", "c"]],
            "dimensions": {n: {"values": {f"{n}{i}": "" for i in range(4)}, "total": True} for n in "rc"},
        })  # fmt: skip
        keys = [("r" + str(i), "c" + str(j), x[i, j]) for i, j in product(range(4), range(4))]
        keys += [(f"r{i}", "all", x[i].sum()) for i in range(4)] + [("all", f"c{i}", x[:, i].sum()) for i in range(4)]
        frame = pd.DataFrame([*keys, ("all", "all", x.sum())], columns=["r", "c", "people"]).assign(records=lambda t: t["people"])
        system = build({"t": (declared, frame)}, {"t": GUARDS["bins"](frame, declared, policy)}, policy)
        extra = choose(system).withheld & ~system.primary
        at = system.cells["t", "people"]
        micro = pd.DataFrame([(f"r{i}", f"c{j}", 1.0) for i, j in product(range(4), range(4)) for _ in range(x[i, j])],
                             columns=["r", "c", "n"])  # fmt: skip
        try:
            with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # it leaves logs where it runs
                found = tau(micro, ["r", "c"], response="n", safety_rules="FREQ(5,100)", suppress="OPT(1)", workdir=folder)
                inside = found.tables[0].dataframe()
        except Exception as problem:  # another program's faults are counted, not ours
            failed += 1
            last = f"{type(problem).__name__}: {problem}"[:200]
            continue
        secondary = inside[inside["status"].astype(str).str.upper().str.startswith("M")]
        ours[0] += int(extra[at].sum())
        ours[1] += int(system.truth[at][extra[at]].sum())
        theirs[0] += len(secondary)
        theirs[1] += int(secondary[next(c for c in inside.columns if c.lower() in ("response", "n", "value"))].sum())
    result = {"tables": tables - failed, "ours": ours, "tau_argus": theirs, "failed": failed}
    return result | ({"last failure": last} if failed else {})


def two_way(x: np.ndarray, policy: Policy) -> tuple[Any, np.ndarray]:
    """Lay a two-way table out with its margins, and give its system and the unknown of each inner cell, row by row."""
    m, n = x.shape
    declared = ResultsTable.model_validate({
        "title": "t", "layout": "bins", "sets": [[], ["r"], ["c"], ["r", "c"]],
        "dimensions": {name: {"values": {f"{name}{i}": "" for i in range(size)}, "total": True}
                       for name, size in (("r", m), ("c", n))},
    })  # fmt: skip
    keys = [(f"r{i}", f"c{j}", x[i, j]) for i, j in product(range(m), range(n))]
    keys += [(f"r{i}", "all", x[i].sum()) for i in range(m)] + [("all", f"c{j}", x[:, j].sum()) for j in range(n)]
    frame = pd.DataFrame([*keys, ("all", "all", x.sum())], columns=["r", "c", "people"]).assign(records=lambda t: t["people"])
    system = build({"t": (declared, frame)}, {"t": GUARDS["bins"](frame, declared, policy)}, policy)
    return system, system.cells["t", "people"][: m * n]


def beside_acro(tables: int, python: str) -> dict[str, Any]:
    """Compare with ACRO: cells blanked, those of them that can be computed exactly, and seconds."""
    policy, rng = Policy(threshold=10, rounding=1), np.random.default_rng(5)
    made = [rng.integers(3, 60, (4, 4)) for _ in range(tables)]
    asked = json.dumps([x.tolist() for x in made])
    script = Path(__file__).with_name("acro_tables.py")
    run = subprocess.run([python, str(script), "10"], input=asked, capture_output=True, text=True)
    if run.returncode:
        return {"left out": run.stderr.strip().splitlines()[-1][:200]}
    theirs = json.loads(run.stdout.splitlines()[-1])
    clock, ours, small = time.process_time(), {"withheld": 0, "unsafe": 0, "exact": 0}, 0
    patterns = []
    for x in made:
        system, at = two_way(x, policy)
        patterns.append((system, at, choose(system).withheld))
    seconds = time.process_time() - clock
    other = {"withheld": 0, "unsafe": 0, "exact": 0}
    for (system, at, pattern), blank in zip(patterns, theirs["blanked"]):
        small += int(system.primary[at].sum())
        blanked = np.zeros(system.size, bool)
        blanked[at[np.array(blank).ravel()]] = True
        for count, withheld in ((ours, pattern), (other, system.closed(blanked))):
            found = audit(system, withheld, *system.bounds(withheld))
            bad = [f for f in found.findings if f.unknown in at]
            count["withheld"] += int(withheld[at].sum())
            count["unsafe"] += len(bad)
            count["exact"] += sum(f.lower == f.upper for f in bad)
    return {"tables": tables, "cells": 16 * tables, "small": small, "ours": ours | {"seconds": round(seconds, 2)},
            "acro": other | {"seconds": round(theirs["seconds"], 2), "version": theirs["version"]}}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="*", default=[1000, 5000])
    parser.add_argument("--tables", type=int, default=20)
    parser.add_argument("--acro", default="", help="Python of an environment with ACRO")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    result = {"sizes": [], "tau_argus": beside_tau_argus(chosen.tables) if chosen.tables else {}}
    print(json.dumps(result["tau_argus"]), flush=True)
    if chosen.acro:
        result["acro"] = beside_acro(chosen.tables, chosen.acro)
        print(json.dumps(result["acro"]), flush=True)
    for cells in chosen.cells:
        result["sizes"].append(measured(cells, Policy()))
        print(json.dumps(result["sizes"][-1]), flush=True)
    if chosen.out:
        chosen.out.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
