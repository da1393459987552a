"""What a run leaves behind: on success, on failure, when killed; the same warm and cold."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from shared_code.execution import NotebookFailed, run_notebook

TABLE = """
import numpy as np, pandas as pd
frame = pd.DataFrame({'band': np.arange(60) % 4, 'rate': np.sqrt(np.arange(60.0))})
print(list({'b', 'a', 'c'}))
frame.groupby('band').agg(['sum', 'mean'])
"""
MIXED = (
    "import sys\nprint('to stdout'); print('to stderr', file=sys.stderr); object()",
    TABLE,
    "import seaborn as sns\nsns.barplot(frame, x='band', y='rate', errorbar=None)",
    "import matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\naxes.plot([1, 3, 2])\nplt.show()\nprint('after')",
)


def test_values_arrive_with_their_types(study: Any, tmp_path: Path, way: dict[str, str]) -> None:
    given = {"site": "007", "year": 7, "share": 0.5, "strict": True, "none": None, "bands": [0, "18"], "by": {"a": 1.0}}
    cell = "\n".join(f"{name} = 'default'" for name in given)
    source = study.notebook("types", f"print({{n: globals()[n] for n in {list(given)}}})", parameters=cell)
    assert study.run(source, tmp_path / "out.ipynb", given, **way) == (0, "")
    assert study.printed(tmp_path / "out.ipynb").strip() == str(given)


def test_cold_warm_and_repeated_runs_are_byte_identical(study: Any, tmp_path: Path) -> None:
    source = study.notebook("mixed", *MIXED)
    ways = {"warm": "0", "cold": "1", "again": "0", "cold-again": "1"}
    for name, cold in ways.items():
        assert study.run(source, tmp_path / f"{name}.ipynb", COHORTIUM_COLD=cold) == (0, "")
    first, *others = [(tmp_path / f"{name}.ipynb").read_bytes() for name in ways]
    assert all(other == first for other in others)
    for secret in (str(tmp_path), str(study.root), "T00:", "start_time", "duration"):
        assert secret.encode() not in first
    nbformat.validate(nbformat.reads(first.decode(), as_version=4))


def test_figures_are_drawn_into_the_executed_notebook(study: Any, tmp_path: Path, way: dict[str, str]) -> None:
    study.run(study.notebook("figures", *MIXED), tmp_path / "out.ipynb", **way)
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    drawn = [c.id for c in cells if c.cell_type == "code" for o in c.outputs if "image/png" in o.get("data", {})]
    assert drawn == ["step-3", "step-4"]


def test_root_is_the_working_directory_and_importable(study: Any, tmp_path: Path, way: dict[str, str]) -> None:
    (study.root / "beside.py").write_text("here = 'yes'\n")
    source = study.notebook(
        "place", "import os, beside, shared_code\nprint(os.getcwd(), beside.here, os.environ['MY'])"
    )
    assert study.run(source, tmp_path / "out.ipynb", MY="own", **way) == (0, "")
    assert study.printed(tmp_path / "out.ipynb").split() == [str(study.root), "yes", "own"]


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_executed_notebooks_are_for_their_owner_only(study: Any, tmp_path: Path, way: dict[str, str]) -> None:
    study.run(study.notebook("good", "1"), tmp_path / "good.ipynb", **way)
    study.run(study.notebook("bad", "1 / 0"), tmp_path / "bad.ipynb", **way)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir() if path.is_file()}
    assert modes == {"good.ipynb": 0o600, "bad.failed.ipynb": 0o600}


def test_a_failure_removes_the_old_target_and_keeps_what_ran(study: Any, tmp_path: Path, way: dict[str, str]) -> None:
    source, target = (
        study.notebook("fails", "print('so far')", "raise KeyError('no such band')", "3"),
        tmp_path / "f.ipynb",
    )
    target.write_text("an older result")
    code, said = study.run(source, target, **way)
    assert code == 1
    assert said.splitlines()[0] == "notebooks/fails.ipynb, cell 'step-2': KeyError: 'no such band'"
    assert len(said.splitlines()) == 2
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["f.failed.ipynb"]
    assert study.printed(tmp_path / "f.failed.ipynb") == "so far\n"
    study.notebook("fails", "1")
    assert study.run(source, target, **way) == (0, "")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["f.ipynb"]


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "cell 'step-1': the kernel ended in the middle"),
        ("raise SystemExit(0)", "cell 'step-1': SystemExit: 0"),
    ],
)
def test_an_end_in_the_middle_is_a_failure(
    study: Any, tmp_path: Path, way: dict[str, str], cell: str, says: str
) -> None:
    code, said = study.run(study.notebook("ends", cell, "2"), tmp_path / "out.ipynb", **way)
    assert (code, says in said) == (1, True), said
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGKILL"])
def test_a_killed_run_ends_its_kernel_and_leaves_nothing(
    study: Any, tmp_path: Path, way: dict[str, str], eventually: Any, number: str
) -> None:
    mark = tmp_path / "pid"
    source = study.notebook(
        "sleeps",
        "import os, pathlib, time",
        f"pathlib.Path({str(mark)!r}).write_text(str(os.getpid()))\ntime.sleep(60)",
    )
    process = study.start(source, tmp_path / "out.ipynb", **way)
    assert eventually(lambda: mark.exists() and mark.read_text())
    process.send_signal(getattr(signal, number))
    _, said = process.communicate(timeout=20)
    assert process.returncode == {"SIGTERM": 143, "SIGINT": 130, "SIGKILL": -9}[number]
    assert said == "" or number == "SIGKILL"  # a cold kernel whose parent has gone remarks on it
    assert eventually(lambda: not running(int(mark.read_text())))
    assert [path.name for path in tmp_path.iterdir() if path.suffix] == []


def test_as_a_function(study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHORTIUM_WARM_SECONDS", "8")
    source = study.notebook("function", "print(site, year)")
    run_notebook(source, tmp_path / "out.ipynb", {"site": "demo_c"}, study.root, allow_defaults=["year"])
    assert study.printed(tmp_path / "out.ipynb") == "demo_c 2024\n"
    with pytest.raises(NotebookFailed, match=r"cell 'step-1': ZeroDivisionError"):
        run_notebook(study.notebook("function", "1 / 0"), tmp_path / "out.ipynb", study.given, study.root)


def test_the_command_line_starts_without_the_libraries(study: Any) -> None:
    import subprocess

    code = "import sys, shared_code.execution.__main__, shared_code.execution.warm as w; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=study.root, capture_output=True, text=True, check=True)
    assert not {"pandas", "numpy", "nbformat", "papermill", "zmq"} & set(loaded.stdout.split())


def running(pid: int) -> bool:
    """Return whether a process runs (one that ended and was not yet collected does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
