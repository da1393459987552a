"""Measure what each analysis of the study costs as a step of the workflow, beside its own code in a process already warm.

    python benchmarks/analysis_overhead.py demo_ashvale [--repeats 3] [--out FILE.json]

To be called in a checkout whose demonstration has run. In turn, so that whatever else the machine does falls on both alike:
the step (`cohortium analyse`, as the workflow calls it), and the code of its notebook in a child of this process, which has
imported everything. What is left between the two is the overhead: starting, reading the protocol, the kernel, the notebook.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from one_process import run_cells

from shared_code import disclosure, figures, measures, methods  # noqa: F401 (what notebooks import is warm)
from shared_code.config import Site, Study, rooms

STUDY = "config/study.yaml"


def measure(site: str, repeats: int = 3) -> dict[str, Any]:
    """Return the median seconds of each analysis that ran at a site: {stem: {'step': …, 'code': …}}."""
    study, able = Study.read(Path(STUDY)), Site.read(site)
    done = sorted(path.name for path in rooms.results(site, study.study).iterdir())
    done = [stem for stem in done if stem in study.analyses and able.can_run(study.analyses[stem])]
    found = {}
    for stem in done:
        runs: dict[str, list[float]] = {"step": [], "code": []}
        for _ in range(repeats):
            start = time.perf_counter()
            command = [sys.executable, "-m", "shared_code.cli", "analyse", site, stem, "--study", STUDY]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            runs["step"].append(time.perf_counter() - start)
            runs["code"].append(_in_child(stem, site))
        found[stem] = {way: statistics.median(times) for way, times in runs.items()}
    return found


def _in_child(stem: str, site: str) -> float:
    """Run a notebook's cells in a fork of this process; gives their seconds."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_run, args=(stem, site, theirs))
    child.start()
    seconds = float(ours.recv())
    child.join()
    return seconds


def _run(stem: str, site: str, answer: Any) -> None:
    with tempfile.TemporaryDirectory() as results, open(os.devnull, "w") as nothing:
        sys.stdout = nothing
        parameters = {"study": STUDY, "prepared": str(rooms.prepared(site)), "results": f"{results}/{stem}"}
        start = time.perf_counter()
        run_cells(Path("notebooks") / f"{stem}.ipynb", Path(results) / "not_written.ipynb", parameters, Path())
        answer.send(time.perf_counter() - start)


def main(arguments: list[str] | None = None) -> None:
    """Print a line per analysis and the sum; write the measurements only where asked to."""
    parser = argparse.ArgumentParser(description="Measure the overhead of every analysis as a step of the workflow.")
    parser.add_argument("site")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    options = parser.parse_args(arguments)
    measured = measure(options.site, options.repeats)
    total = {way: sum(found[way] for found in measured.values()) for way in ("step", "code")}
    print(f"{'analysis':<30}{'step':>8}{'code':>8}{'overhead':>10}{'of step':>9}")
    for stem, found in [*measured.items(), ("all", total)]:
        left = found["step"] - found["code"]
        print(f"{stem:<30}{found['step']:>8.2f}{found['code']:>8.2f}{left:>10.2f}{left / found['step']:>9.0%}")
    if options.out:
        options.out.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
