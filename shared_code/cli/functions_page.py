"""The page that lists what notebooks and report pages can call, made from docstrings."""

from __future__ import annotations

import inspect
from typing import Any

from shared_code import measures, methods
from shared_code.reporting import Report


def functions_page() -> str:
    """Write one line per function: its name, its arguments, and the first sentence of its docstring."""
    parts = [
        "# What you can call\n", "Made from docstrings by `cohortium generate`; `help(name)` in Python tells the rest.\n",
        "## In notebooks: what a site counts (`from shared_code import measures`)\n", *_lines(measures, measures.__all__),
        "\n## In notebooks: statistics on sums (`from shared_code import methods`)\n", *_lines(methods, methods.__all__),
        "\n## On report pages (`report = open_report()`)\n",
        *_lines(Report, [n for n, f in vars(Report).items() if inspect.isfunction(f) and not n.startswith("_")]),
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _lines(home: Any, names: list[str]) -> list[str]:
    lines = []
    for name in names:
        function = getattr(home, name)
        if inspect.isfunction(function):
            arguments = [p for p in inspect.signature(function).parameters if p != "self"]
            first = (inspect.getdoc(function) or "").split("\n")[0]
            lines.append(f"- `{name}({', '.join(arguments)})`: {first}")
    return lines
