"""The verb of the plan: the page that partners sign before anything is run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared_code.config import Study, rooms, sites_of
from shared_code.model import Problem, Refused

FORMS = (".html", ".md", ".json")


def plan(
    analysis: Annotated[str, typer.Argument(help="the analysis, as in the protocol")],
    study: Annotated[Path, typer.Option("--study", help="the protocol")] = Path("config/study.yaml"),
    out: Annotated[Path | None, typer.Option(help="file to write: .html, .md or .json")] = None,
) -> None:
    """Write the statistical analysis plan of an analysis, made from its entry, for partners to read and sign."""
    from shared_code.reporting.plan_page import write_plan

    protocol = Study.read(study)
    if analysis not in protocol.analyses:
        wrong = f"there is no analysis {analysis!r}"
        raise Refused(analysis, [Problem(f"{study}, analyses", wrong, ", ".join(protocol.analyses))])
    target = out or rooms.plans(protocol.study) / f"{analysis}.html"
    if target.suffix not in FORMS:
        wrong = f"{target.suffix or 'no ending'} is not a form of a plan"
        raise Refused(str(target), [Problem("--out", wrong, ", ".join(FORMS))])
    write_plan(protocol, analysis, sites_of(protocol.study), target)
    lacking = " Its words are not stated yet: add plan: to the entry before anybody signs."
    typer.echo(f"Wrote {target}.{'' if protocol.analyses[analysis].plan else lacking}")
