"""Run commands and measure them: wall time, and peak memory where the system tells it (standard library only).

The measuring process must stay small. On Linux a command's peak counts the memory of the process that started it, so
whatever needs pandas runs in a process of its own.
"""

from __future__ import annotations

import compileall
import datetime as dt
import importlib.metadata
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent
PARTS = ["Snakefile", "config", "notebooks", "shared_code", "profiles", "reports", "requirements.lock",
         "requirements-test.lock", "pyproject.toml"]  # fmt: skip
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.egg-info", "_site", ".quarto")
PACKAGES = ["pandas", "numpy", "pyarrow", "duckdb", "ibis-framework", "pyreadstat", "snakemake", "papermill"]
LINUX = sys.platform == "linux"
LINES_SHOWN = 15  # of what a command said before it failed


class Failed(Exception):
    """A command that was to be measured ended with an error, or did something else than it should."""


@dataclass(frozen=True)
class Run:
    """One measured run: seconds of wall time, peak memory in MB and seconds of processor time (None: not measured).

    said  what the command wrote to its output
    """

    seconds: float
    peak_mb: float | None
    cpu_seconds: float | None
    said: str


def run(command: list[Any], folder: Path, **environment: str) -> Run:
    """Run a command in a folder to its end; raises Failed when it ends with an error.

    Peak memory is that of the largest process among the command and those it started and waited for.
    """
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                   env=_environment(folder) | environment)  # fmt: skip
        try:
            peak, cpu = _wait(process)
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
        seconds = time.perf_counter() - start
        output.seek(0)
        said = output.read().decode("utf-8", "replace")
    if process.returncode:
        last = "\n".join(said.splitlines()[-LINES_SHOWN:])
        shown = " ".join(Path(word).name if Path(word).is_absolute() else word for word in words)
        raise Failed(f"{shown}\nended with code {process.returncode}:\n{last}")
    return Run(seconds, peak, cpu, said)


def _wait(process: subprocess.Popen[bytes]) -> tuple[float | None, float | None]:
    """Wait for the end; give peak memory and processor time, where the system tells them in known units."""
    if not LINUX:
        process.wait()
        return None, None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def _environment(folder: Path) -> dict[str, str]:
    """Give the environment: this Python first, and the shared code of the copy that the command runs in."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(folder), "PYTHONUTF8": "1"}


def copy_of_project(folder: Path, sites: list[str] | None = None) -> Path:
    """Copy the project into a new folder, compiled as an installed environment is; optionally with these sites only."""
    folder.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=NOT_COPIED)
        else:
            shutil.copyfile(source, folder / part)
    for path in (folder / "config" / "sites").glob("demo_*.yaml"):
        if sites is not None and path.stem not in sites:
            path.unlink()
    compileall.compile_dir(folder / "shared_code", quiet=1)
    return folder


def median(runs: list[Run]) -> dict[str, Any]:
    """Give the median of the seconds and of the peaks, and every run (processor time tells what a busy machine did)."""
    peaks = [run.peak_mb for run in runs if run.peak_mb is not None]
    cpu = [run.cpu_seconds for run in runs if run.cpu_seconds is not None]
    return {
        "cpu_seconds": statistics.median(cpu) if cpu else None,
        "seconds": statistics.median(run.seconds for run in runs),
        "peak_mb": statistics.median(peaks) if peaks else None,
        "runs": [round(run.seconds, 4) for run in runs],
        "peaks": [round(peak, 1) for peak in peaks],
        "cpu": [round(seconds, 2) for seconds in cpu],
    }


def one_after_another(runs: Iterable[Run]) -> Run:
    """Add up the times of runs that follow one another; their peak is the highest."""
    runs = list(runs)
    peaks = [run.peak_mb for run in runs if run.peak_mb is not None]
    cpu = [run.cpu_seconds for run in runs if run.cpu_seconds is not None]
    return Run(sum(run.seconds for run in runs), max(peaks) if peaks else None, sum(cpu) if cpu else None, "")


def machine() -> dict[str, Any]:
    """Say on what is measured, and how busy it is at the start."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    return {
        "cores": cores, "memory_gib": memory, "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(), "date": dt.date.today().isoformat(),
        "load_at_start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }  # fmt: skip
