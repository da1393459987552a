"""Measure what running an analysis as a notebook costs, beside running the same code in a process already warm.

    python benchmarks/notebook_overhead.py [--repeats 5] [--out FILE.json]

Three ways in turn, so that whatever else the machine does falls on all of them alike:
(a) in process: the code is executed in this process, which has imported everything;
(b) warm: the command line of `shared_code.execution`, the kernel forked from its warm server (started beforehand);
(c) cold: papermill's own command, an ordinary kernel.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PARAMETERS = "rows = 5000  # how many people"
CODE = """
import numpy as np
import pandas as pd
import seaborn as sns
import matplotlib.pyplot as plt
rng = np.random.default_rng(1)
people = pd.DataFrame({
    'band': rng.integers(0, 18, rows), 'sex': rng.choice(['female', 'male'], rows), 'years': rng.gamma(2.0, 3.0, rows),
})
table = people.groupby(['band', 'sex'], observed=True)['years'].agg(['count', 'sum', 'mean']).reset_index()
figure, axes = plt.subplots(figsize=(6, 4))
sns.lineplot(table, x='band', y='mean', hue='sex', ax=axes)
"""
LAST = "display(figure)"


def measure(repeats: int = 5) -> dict[str, Any]:
    """Return the seconds of each run and the median of each way: {'in process': {'median': …, 'runs': […]}, …}.

    Raises CalledProcessError when a run fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = _notebook(folder / "overhead.ipynb")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        given = json.dumps({"rows": 5000})
        arguments = [sys.executable, "-m", "shared_code.execution", str(source), str(folder / "warm.ipynb")]
        warm = [*arguments, "--json", given, "--root", str(folder)]
        cold = [sys.executable, "-m", "papermill", str(source), str(folder / "cold.ipynb"), "-k", "python3"]
        cold += ["--no-progress-bar", "-y", given]
        ways: dict[str, Callable[[], object]] = {
            "in process": _in_process,
            "warm": lambda: _command(warm, environment),
            "cold": lambda: _command(cold, environment),
        }
        for once in ways.values():  # caches of files and fonts, and the warm server
            once()
        runs: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(repeats):
            for way, run in ways.items():
                start = time.perf_counter()
                run()
                runs[way].append(time.perf_counter() - start)
    return {way: {"median": statistics.median(times), "runs": times} for way, times in runs.items()}


def main(arguments: list[str] | None = None) -> None:
    """Print the medians and their ratios as a small table; write the measurements only where asked to."""
    parser = argparse.ArgumentParser(description="Measure the overhead of running an analysis as a notebook.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    options = parser.parse_args(arguments)
    measured = measure(options.repeats)
    floor = measured["in process"]["median"]
    print(f"{'way':<12}{'seconds':>9}{'least':>9}{'most':>9}{'overhead':>10}{'ratio':>8}")
    for way, found in measured.items():
        median, runs = found["median"], found["runs"]
        spread = f"{median:>9.2f}{min(runs):>9.2f}{max(runs):>9.2f}"
        print(f"{way:<12}{spread}{median - floor:>10.2f}{median / floor:>8.1f}")
    print(f"cold / warm: {measured['cold']['median'] / measured['warm']['median']:.1f}")
    if options.out:
        options.out.write_text(json.dumps(measured, indent=1) + "\n")


def _in_process() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    names: dict[str, Any] = {}
    exec(compile(f"{PARAMETERS}\n{CODE}", "analysis", "exec"), names)
    with contextlib.closing(io.BytesIO()) as picture:
        names["figure"].savefig(picture, bbox_inches="tight")  # as the notebook does to show it
    names["plt"].close("all")


def _command(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _notebook(path: Path) -> Path:
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    cells = [
        new_code_cell(PARAMETERS, id="parameters", metadata={"tags": ["parameters"]}),
        new_code_cell(f"{CODE}plt.close(figure)", id="count"),
        new_code_cell(LAST, id="figure"),
    ]
    nbformat.write(new_notebook(cells=cells, metadata={"language_info": {"name": "python"}}), path)
    return path


if __name__ == "__main__":
    main()
