"""Use Quarto where it is installed, and the built-in renderer where it is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from .page import prepare
from .problems import Problems, RenderingError
from .project import Project, load_project
from .site import USED, render_site, undeclared
from .swap import check_output, swap_in

# The last lines of Quarto's report hold the error.
LINES_SHOWN = 25


@lru_cache(maxsize=4)
def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def quarto_available() -> bool:
    """Say whether a working Quarto is on the PATH."""
    program = shutil.which("quarto")
    return bool(program and _version(program))


def render(
    project: Path,
    output: Path,
    parameters: dict[str, Any] | None = None,
    log: Callable[[str], None] = print,
    renderer: str = "auto",
) -> str:
    """Render a website project and say by what: "Quarto 1.9.2" or "the built-in renderer".

    `renderer` is "auto", "quarto" or "built-in". Pages end with a line that names the renderer. Raise RenderingError.

    Example: render(Path("reports"), Path("public/reports"), {"year": 2024})
    """
    project, output = Path(project), Path(output)
    if renderer not in ("auto", "quarto", "built-in"):
        raise RenderingError(f"renderer is {renderer!r}. Allowed are auto, quarto and built-in. Write one of them.")
    if renderer == "quarto" and not quarto_available():
        raise RenderingError("Quarto was asked for and is not on the PATH. Install it, or use the built-in renderer.")
    if renderer == "built-in" or not quarto_available():
        render_site(project, output, parameters, log=log)
        return USED
    return _with_quarto(project, output, parameters or {}, log)


def _with_quarto(project: Path, output: Path, parameters: dict[str, Any], log: Callable[[str], None]) -> str:
    program = shutil.which("quarto") or "quarto"
    used = f"Quarto {_version(program)}"
    check_output(project, output)
    _check_parameters(project, parameters)
    output.parent.mkdir(parents=True, exist_ok=True)
    environment = {"QUARTO_PYTHON": sys.executable, "SOURCE_DATE_EPOCH": "0", "PYTHONHASHSEED": "0", **os.environ}
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as scratch:
        new = Path(scratch) / "site"
        # Quarto reads this path from the project's folder.
        command = [program, "render", str(project), "--output-dir", os.path.relpath(new.resolve(), project.resolve())]
        if parameters:
            # A file keeps the types: with -P, the text "007" would become the number 7.
            values = Path(scratch) / "parameters.yml"
            values.write_text(yaml.safe_dump(parameters, allow_unicode=True), encoding="utf-8")
            command += ["--execute-params", str(values.resolve())]
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode or not any(new.rglob("*.html")):
            last = [line for line in done.stdout.splitlines() if line.strip()][-LINES_SHOWN:]
            raise RenderingError([f"{project.name}: {used} could not render it:", *last])
        for line in done.stdout.splitlines():
            if "WARN" in line:
                log(f"warning: {line.strip()}")
        for page in sorted(new.rglob("*.html")):
            _sign(page, used)
        swap_in(new, output)
    return used


def _check_parameters(project: Path, parameters: dict[str, Any]) -> None:
    """Stop at parameters that no page declares, which Quarto would pass over."""
    try:
        site = load_project(project)
    except RenderingError:
        # Outside the built-in subset: Quarto decides, with whatever pages there are.
        names = sorted(path.relative_to(project).as_posix() for path in project.rglob("*.qmd"))
        site = Project(project, project.name, {}, names)
    problems = Problems(f"{project.name}/_quarto.yml")
    undeclared([prepare(site, name, {}) for name in site.pages], parameters, problems)
    problems.stop_if_any()


def _sign(page: Path, used: str) -> None:
    """Add the line that names the renderer at the end of a page made by Quarto."""
    text = page.read_text(encoding="utf-8")
    head, end, tail = text.rpartition("</body>")
    if end:
        line = f'<footer class="rendered-by" style="padding:1rem;text-align:center">Rendered by {used}</footer>\n'
        page.write_text(head + line + end + tail, encoding="utf-8")
