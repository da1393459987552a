"""The verbs of a site that joins: new-site drafts its settings, check says what they and the extract allow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared_code.config import Site, Study, rooms
from shared_code.config.private import for_owner_only, kept_private
from shared_code.config.site import SITES
from shared_code.config.strict import STEM
from shared_code.model import Problem, Refused

STUDIES = Path("config")


def new_site(
    name: Annotated[str, typer.Argument(help="name of the site: small letters, digits and _")],
    files: Annotated[list[Path], typer.Argument(help="the files of its extract")],
) -> None:
    """Write a first config/sites/NAME.yaml from the files of an extract, with questions where you must decide."""
    import re

    from shared_code.sources.drafting import draft_site

    target = SITES / f"{name}.yaml"
    if not re.fullmatch(STEM, name):
        raise Refused(name, [Problem("NAME", f"{name!r} cannot name a site", "small letters, digits and _", "Choose another")])
    if target.exists():
        wrong = "there is such a file already, and it is never overwritten"
        raise Refused(str(target), [Problem(str(target), wrong, "", "Choose another name, or move the file away")])
    text = draft_site(name, files)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8", newline="\n")
    questions = text.count("# ?")
    typer.echo(f"Wrote {target}: {questions} questions (# ?) to answer. Then: cohortium check {name}")


def check(
    name: Annotated[str, typer.Argument(help="name of the site, as in config/sites/NAME.yaml")],
    study: Annotated[list[Path] | None, typer.Option("--study", help="a protocol; all in config/ unless named")] = None,
) -> None:
    """Say in plain English what fits, what is missing or wrong, and which analyses can run."""
    from shared_code.sources.checking import check_site

    site = Site.read(name)
    studies = [Study.read(path) for path in study or sorted(STUDIES.glob("study*.yaml"))]
    room = for_owner_only(rooms.PRIVATE / name)
    findings = check_site(site, studies, site.extract_folder, room)
    typer.echo("\n".join(findings.lines()).rstrip())
    if any(problem.told for problem in findings.wrong):
        record = kept_private(room, "logs/check.txt", "\n".join(findings.lines(private=True)) + "\n")
        typer.echo(f"\nRare values are named in {record}, which stays at the site.")
    if not findings.good:
        raise typer.Exit(1)
