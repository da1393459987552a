"""A study folder with its own copy of the code under test, small notebooks, and the command line run in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

PACKAGE = Path(__file__).resolve().parents[2] / "shared_code"
IDLE_SECONDS = 8


class Study:
    """A folder whose shared code is nothing but the runner, so that work elsewhere does not change what is warm."""

    parameters = "site = 'demo_a'  # which site\nyear = 2024  # calendar year"
    given = {"site": "demo_b", "year": 2023}

    def __init__(self, root: Path) -> None:
        self.root = root
        package = root / "shared_code"
        if not package.exists():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(PACKAGE / "execution", package / "execution", ignore=ignored)
            (package / "__init__.py").write_text('"""Shared code."""\n')

    def notebook(self, name: str, *sources: str, parameters: str = parameters) -> Path:
        """Store notebooks/<name>.ipynb: the parameters cell, then cells 'step-1', 'step-2', …"""
        first = new_code_cell(parameters, id="parameters", metadata={"tags": ["parameters"]})
        steps = [new_code_cell(source, id=f"step-{number}") for number, source in enumerate(sources, 1)]
        path = self.root / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=[first, *steps]), path)
        return path

    def start(self, source: Path, target: Path, given: dict[str, Any] = given, **more: str) -> subprocess.Popen[str]:
        """Start the command line in this folder: warm unless told otherwise."""
        arguments = [sys.executable, "-m", "shared_code.execution", str(source), str(target)]
        own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "COHORTIUM_COLD")}
        return subprocess.Popen(
            [*arguments, "--json", json.dumps(given)],
            cwd=self.root,
            env={"COHORTIUM_WARM_SECONDS": str(IDLE_SECONDS), **own, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, source: Path, target: Path, given: dict[str, Any] = given, **more: str) -> tuple[int, str]:
        """Run a notebook by the command line; return exit code and standard error."""
        with self.start(source, target, given, **more) as process:
            _, said = process.communicate(timeout=90)
        return process.returncode, said

    @staticmethod
    def printed(path: Path, cell: str = "step-1") -> str:
        """Return what a cell of an executed notebook printed."""
        cells = nbformat.read(path, as_version=4).cells
        return "".join(o.text for c in cells if c.id == cell for o in c.outputs if o.output_type == "stream")


def wait_until(true: Any, seconds: float = 15) -> bool:
    """Return whether something became true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study folder that most tests share, and with it the warm server."""
    return Study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def fresh_study(tmp_path: Path) -> Study:
    """A study folder of a test's own."""
    return Study(tmp_path / "study")


@pytest.fixture
def eventually() -> Any:
    """The function that waits until something is true."""
    return wait_until


@pytest.fixture(params=["warm", "cold"])
def way(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment variables of each way to get a kernel."""
    return {"COHORTIUM_COLD": "1" if request.param == "cold" else "0"}
