"""Check a run, and have it done: by the warm server where there can be one, else here with an ordinary kernel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from shared_code.execution.checks import check_notebook
from shared_code.execution.errors import NotebookRefused, failed_path, name_of
from shared_code.execution.place import shared_environment, warm_possible


def run_notebook(
    source: Path, target: Path, parameters: Mapping[str, Any], root: Path, allow_defaults: Iterable[str] = ()
) -> None:
    """Run a stored notebook with parameters and store the executed one at target.

    source: a notebook without outputs, with one cell tagged 'parameters'. target: lies in a private folder; readable
    by its owner only, and there only if the notebook reached its end. parameters: a value for every name assigned in
    that cell, handed over with its type kept. root: the working directory of the notebook, importable in it.
    allow_defaults: names that may keep the value that the notebook gives them.

    Raises NotebookRefused, listing every problem, before anything runs, and NotebookFailed when a cell raised an error
    (the notebook is then kept as '<stem>.failed.ipynb' beside the target). Whatever was at target before is removed.
    """
    source, target, root = (Path(os.path.abspath(path)) for path in (source, target, root))
    parameters = dict(parameters)
    where = name_of(source, root)
    if source == target or (target.exists() and source.exists() and target.samefile(source)):
        raise NotebookRefused(
            f"{where}: source and target are the same file. Allowed: a target in a private folder. Name another target."
        )
    kept = failed_path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # an older result must never be taken for the one asked for now
        kept.unlink(missing_ok=True)
    except OSError as error:
        raise NotebookRefused(
            f"{name_of(target, root)}: it cannot be written ({error.strerror}). Allowed: a file in a folder of yours. "
            "Name another target."
        ) from None
    job = {
        "text": _checked(source, parameters, root, tuple(allow_defaults), where),
        "name": where,
        "target": str(target),
        "kept": name_of(kept, root),
        "parameters": parameters,
        "root": str(root),
    }
    if warm_possible(root, os.environ):
        from shared_code.execution.warm import submit

        if submit(job, shared_environment(root, os.environ)):
            return
    from shared_code.execution.runner import execute_cold

    execute_cold(job)


def _checked(
    source: Path, parameters: Mapping[str, Any], root: Path, allow_defaults: tuple[str, ...], where: str
) -> str:
    problems = []
    if not root.is_dir():
        problems.append(f"{root.name}: the root is not a folder. Allowed: the folder of the study. Name that folder.")
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problems.append(f"{where}: the notebook cannot be read ({reason}). Allowed: a .ipynb file. Name another file.")
    else:
        problems += check_notebook(text, parameters, allow_defaults, where)
    if problems:
        raise NotebookRefused("\n".join(problems))
    return text
