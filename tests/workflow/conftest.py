"""One real run of the whole study, in a copy of the checkout, shared by the tests of the workflow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PEOPLE = 20_000
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.egg-info")
PARTS = ["Snakefile", "config", "notebooks", "shared_code", "profiles", "reports", "requirements.lock",
         "requirements-test.lock", "pyproject.toml"]  # fmt: skip


class Checkout:
    """A copy of the project in which a test may change what it likes."""

    def __init__(self, folder: Path):
        self.folder = folder

    def snakemake(self, *arguments: str, people: int = PEOPLE, **config: object) -> subprocess.CompletedProcess[str]:
        """Run Snakemake here, with the shared code of the copy."""
        settings = [f"people={people}", *(f"{key}={value}" for key, value in config.items())]
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--config", *settings]
        environment = {**os.environ, "PYTHONPATH": str(self.folder),
                       "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}  # fmt: skip
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment,
                              stdin=subprocess.DEVNULL)  # fmt: skip

    def cohortium(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line here."""
        command = [sys.executable, "-m", "shared_code.cli", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment,
                              stdin=subprocess.DEVNULL)  # fmt: skip


def copy_of_project(folder: Path) -> Checkout:
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=NOT_COPIED)
        else:
            shutil.copyfile(source, folder / part)
    for path in (folder / "config" / "sites").glob("*.yaml"):
        if not path.name.startswith(("demo_", "_")):
            path.unlink()  # whoever runs the tests may have sites of their own
    return Checkout(folder)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy in which nothing has run yet."""
    return copy_of_project(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy in which the whole demonstration has run."""
    copy = copy_of_project(tmp_path_factory.mktemp("demonstration"))
    done = copy.snakemake()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return copy
