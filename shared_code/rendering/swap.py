"""Put a finished site in the place of the old one, all at once."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from .problems import RenderingError


def check_output(project: Path, output: Path) -> None:
    """Refuse an output folder whose replacement would delete something else. Raise RenderingError."""
    inside, outside = project.resolve(), output.resolve()
    if not project.is_dir():
        raise RenderingError(
            f"{project}: there is no such folder. A project is a folder with _quarto.yml. Correct the path."
        )
    if inside == outside or outside in inside.parents:
        raise RenderingError(f"{output}: the site would replace its own sources. Choose another folder for the output.")
    if not output.exists():
        return
    if not output.is_dir() or (any(output.iterdir()) and not any(output.glob("*.html"))):
        raise RenderingError(
            f"{output}: it holds something that is not a site, and rendering replaces it. An empty, new or "
            "rendered folder is allowed. Choose another folder, or empty this one."
        )


def swap_in(new: Path, output: Path) -> None:
    """Move the folder `new` to `output`; the old folder is removed only after it has made room."""
    if not output.exists():
        shutil.move(new, output)
        return
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-old-", dir=output.parent) as scratch:
        old = Path(scratch) / "site"
        shutil.move(output, old)
        try:
            shutil.move(new, output)
        except OSError:
            shutil.move(old, output)
            raise
