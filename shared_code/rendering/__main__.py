"""Render from the command line: python -m shared_code.rendering PROJECT OUTPUT [-P name:value ...]."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from .problems import RenderingError
from .quarto import render
from .site import render_page


def parameter(text: str) -> tuple[str, Any]:
    """Read `name:value`; a value with leading zeros stays text.

    >>> parameter("code:007"), parameter("year:2024")
    (('code', '007'), ('year', 2024))
    """
    name, mark, value = text.partition(":")
    if not mark or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"'{text}' is not name:value, such as year:2024")
    read = yaml.safe_load(value) if value.strip() else ""
    is_plain_number = not isinstance(read, (int, float)) or isinstance(read, bool) or str(read) == value.strip()
    return name, read if is_plain_number else value.strip()


def main(arguments: list[str] | None = None) -> int:
    """Render a project (or one page) and say by what; show problems without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m shared_code.rendering", description=__doc__)
    parser.add_argument("project", type=Path, help="folder with _quarto.yml, or one .qmd page")
    parser.add_argument("output", type=Path, help="folder for the site, or one .html file")
    parser.add_argument(
        "-P",
        dest="parameters",
        metavar="name:value",
        type=parameter,
        action="append",
        default=[],
        help="override a parameter of the pages; quote text, as in code:'\"7\"'",
    )
    parser.add_argument("--renderer", choices=["auto", "quarto", "built-in"], default="auto")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.project.suffix == ".qmd":
            render_page(chosen.project, chosen.output, dict(chosen.parameters))
            used = "the built-in renderer"
        else:
            used = render(chosen.project, chosen.output, dict(chosen.parameters), renderer=chosen.renderer)
    except RenderingError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{chosen.output}: rendered by {used}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
