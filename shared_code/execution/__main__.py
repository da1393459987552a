"""Run one notebook from the command line.

python -m shared_code.execution SOURCE TARGET --parameters FILE.json [--root FOLDER] [--allow-default NAME ...]
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from shared_code.execution import NotebookError, NotebookRefused, run_notebook


def main(arguments: list[str] | None = None) -> int:
    """Run the notebook that the arguments name; return 0, or 1 after one short message on stderr."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        parameters = _parameters(options)
        run_notebook(options.source, options.target, parameters, options.root, allow_defaults=options.allow_default)
    except NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _stop(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shared_code.execution", description="Run one shared notebook.")
    parser.add_argument("source", type=Path, help="the stored notebook")
    parser.add_argument("target", type=Path, help="where the executed notebook goes (a private folder)")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--parameters", type=Path, metavar="FILE.json", help="a file with one JSON object")
    given.add_argument("--json", metavar="TEXT", help="the JSON object itself")
    parser.add_argument("--root", type=Path, default=Path(), help="working directory of the notebook (default: here)")
    parser.add_argument("--allow-default", action="append", default=[], metavar="NAME", help="may be left out")
    return parser


def _parameters(options: argparse.Namespace) -> dict[str, Any]:
    where = "--json" if options.parameters is None else options.parameters.name
    try:
        text = options.json or "{}" if options.parameters is None else options.parameters.read_text(encoding="utf-8")
        parameters = json.loads(text, object_pairs_hook=_once)
        if not isinstance(parameters, dict):
            raise ValueError("it is not an object")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise NotebookRefused(
            f"{where}: the parameters cannot be read ({reason}). Allowed: one JSON object, each name once. Correct it."
        ) from None
    return parameters


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"'{name}' stands there twice")
    return dict(pairs)


if __name__ == "__main__":
    sys.exit(main())
