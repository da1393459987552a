"""The page that lists what notebooks and report pages can call, made from docstrings."""

from __future__ import annotations

import inspect
from typing import Any

from shared_code import measures, methods, quality
from shared_code.model.checks import CHECKS, KINDS, VERDICTS, Check
from shared_code.reporting import Report


def functions_page() -> str:
    """Write one line per function: its name, its arguments, and the first sentence of its docstring."""
    parts = [
        "# What you can call\n", "Made from docstrings by `cohortium generate`; `help(name)` in Python tells the rest.\n",
        "## In notebooks: what a site counts (`from shared_code import measures`)\n", *_lines(measures, measures.__all__),
        "\n## In notebooks: quality of the data (`from shared_code import quality`)\n", *_lines(quality, quality.__all__),
        "\n## In notebooks: statistics on sums (`from shared_code import methods`)\n", *_lines(methods, methods.__all__),
        "\n## On report pages (`report = open_report()`)\n",
        *_lines(Report, [n for n, f in inspect.getmembers(Report, inspect.isfunction) if not n.startswith("_")]),
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def checks_page() -> str:
    """Write the guide to data quality: every check, and from which share of faults it says look or stop."""
    lines = [
        "# The checks of data quality\n", "Made from `shared_code/model/checks.py` by `cohortium generate`.\n",
        *[f"- **{word}**: {meaning}" for word, meaning in VERDICTS.items()],
        "\nA check counts faulty rows among the rows it can judge (for months: months of a source; for the list: the distance of",
        "the ratio from 1; for drift by a characteristic: the population stability index, which is no percentage). Its name is",
        "what `minimum_quality` asks for.\n",
    ]  # fmt: skip
    for kind, title in KINDS.items():
        lines += [f"\n## {title}\n", "| check | counts | look above | stop above |", "|---|---|---:|---:|"]
        lines += [f"| `{c.name}` | {c.title} | {_limit(c.look, c)} | {_limit(c.stop, c)} |"
                  for c in CHECKS.values() if c.kind == kind]  # fmt: skip
    return "\n".join(lines) + "\n"


def _limit(share: float, check: Check) -> str:
    return f"{share:g}" if check.kind == "listed" or check.index else f"{100 * share:g} %"


def _lines(home: Any, names: list[str]) -> list[str]:
    lines = []
    for name in names:
        function = getattr(home, name)
        if inspect.isfunction(function):
            arguments = [p for p in inspect.signature(function).parameters if p != "self"]
            first = (inspect.getdoc(function) or "").split("\n")[0]
            lines.append(f"- `{name}({', '.join(arguments)})`: {first}")
    return lines
