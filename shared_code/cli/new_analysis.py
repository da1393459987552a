"""The verb of a new question: a notebook, an entry and a page that run as they stand, to be changed from there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from shared_code.config import Study, rooms
from shared_code.config.strict import STEM
from shared_code.model import Problem, Refused

TEMPLATE = Path("notebooks/_template")
PROTOCOL = Path("config/study.yaml")


def new_analysis(
    stem: Annotated[str, typer.Argument(help="name of the analysis: small letters, digits and _")],
    title: Annotated[str, typer.Option(help="title on the page; made from the name unless given")] = "",
    study: Annotated[Path, typer.Option("--study", help="the protocol")] = PROTOCOL,
) -> None:
    """Write a notebook, an entry of the protocol and a report page for a new question; they run as they stand."""
    protocol = Study.read(study)
    notebook, page = Path(f"notebooks/{stem}.ipynb"), Path(f"reports/{stem}.qmd")
    problems = [Problem(str(path), "it is there already, and is never overwritten", "", "Choose another name")
                for path in (notebook, page) if path.exists()]  # fmt: skip
    if not re.fullmatch(STEM, stem):
        problems = [Problem("STEM", f"{stem!r} cannot name an analysis", "small letters, digits and _", "Choose another")]
    elif stem in protocol.analyses:
        problems.append(Problem(str(study), f"there is an analysis {stem} already", "", "Choose another name"))
    if problems:
        raise Refused(stem, problems)
    title = title or stem.replace("_", " ").capitalize()
    parts = ("entry.yaml", "notebook.ipynb", "page.qmd")
    entry, cells, words = (_filled(part, stem, title, protocol.study, study) for part in parts)
    before = study.read_text("utf-8")
    study.write_text(with_entry(before, entry, str(study)), "utf-8", newline="\n")
    try:
        Study.read(study)
    except Refused:  # nothing is left half-written
        study.write_text(before, "utf-8", newline="\n")
        raise
    for path, text in ((notebook, cells), (page, words)):
        path.write_text(text, "utf-8", newline="\n")
    if study == PROTOCOL:
        from shared_code.cli import generated

        Path("reports/_quarto.yml").write_text(generated.menu(study), "utf-8", newline="\n")
    typer.echo(f"Wrote {notebook}, {page}, and the entry {stem} at the end of {study}. They run as they stand; change what is "
               "marked # <- in the entry, then the notebook and the page (docs/adding-an-analysis.md).")  # fmt: skip


def _filled(name: str, stem: str, title: str, study: str, file: Path) -> str:
    text = rooms.from_root(TEMPLATE / name).read_text("utf-8").replace("STEM", stem)
    text = text.replace("config/study.yaml", file.as_posix()).replace("/demonstration/results/", f"/{study}/results/")
    quoted = json.dumps(title, ensure_ascii=False)  # as both YAML and JSON read it
    return text.replace("TITLE", quoted[1:-1] if name.endswith(".ipynb") else quoted)


def with_entry(protocol: str, entry: str, where: str = "the protocol") -> str:
    """Put an entry behind the last analysis of a protocol, whose other lines stay as they are.

    >>> print(with_entry("study: a\\nanalyses:\\n  one:\\n    title: One\\nafter: 1\\n", "  two:\\n    title: Two\\n"))
    study: a
    analyses:
      one:
        title: One
      two:
        title: Two
    after: 1
    <BLANKLINE>
    """
    lines = protocol.rstrip("\n").split("\n")
    begins = [number for number, line in enumerate(lines) if re.match(r"analyses:\s*(#.*)?$", line)]
    if not begins:
        mend = "Write it so, with one entry below the other, and call this again"
        raise Refused(where, [Problem(where, "there is no line 'analyses:'", "", mend)])
    after = next((n for n in range(begins[0] + 1, len(lines)) if re.match(r"[A-Za-z]", lines[n])), len(lines))
    return "\n".join([*lines[:after], *entry.rstrip("\n").split("\n"), *lines[after:]]) + "\n"
