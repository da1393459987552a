"""Name the two ways in which a notebook run ends without a result."""

from __future__ import annotations

from pathlib import Path


class NotebookError(Exception):
    """The run gave no result; the message is meant to be shown as it is, without a traceback."""


class NotebookRefused(NotebookError):
    """The notebook was not started: it, or what it was given, is not in order. Lists every problem found."""


class NotebookFailed(NotebookError):
    """The notebook was started and did not reach its end."""


def name_of(path: Path, root: Path) -> str:
    """Return how messages name a file: relative to the root where it lies below it, else its bare name.

    >>> name_of(Path("/study/notebooks/a.ipynb"), Path("/study"))
    'notebooks/a.ipynb'
    """
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.name


def failed_path(target: Path) -> Path:
    """Return where a notebook that failed is kept: beside its target."""
    return target.with_name(f"{target.stem}.failed.ipynb")
