"""The verb of a team that cannot run the code: a workbook to fill, and the site file that reads it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer
import yaml

from shared_code.config import Study, rooms
from shared_code.config.site import SITES
from shared_code.model import Problem, Refused


def template(
    name: Annotated[str, typer.Argument(help="name of the site: small letters, digits and _")],
    study: Annotated[Path, typer.Option("--study", help="the protocol")] = Path("config/study.yaml"),
) -> None:
    """Write a workbook to fill by hand, and the site file that reads it, for a team that cannot run the code."""
    from shared_code.sources.template import fillable, published_entries, sheet_names, write_template

    protocol = Study.read(study)
    folder = rooms.extract(name)
    workbook, target = folder / f"{protocol.study}.xlsx", SITES / f"{name}.yaml"
    for path in (workbook, target):
        if path.exists():
            wrong = "it is there already, and is never overwritten"
            raise Refused(str(path), [Problem(str(path), wrong, "", "Move it away, or choose another name")])
    sheets = write_template(protocol, workbook)
    entries = published_entries(protocol, workbook.name, sheet_names(list(fillable(protocol))))
    content = {
        "site": name, "title": name.replace("_", " ").title(), "controller": "YOUR ORGANISATION",
        "studies": [protocol.study], "folder": folder.as_posix(), "extract_date": dt.date.today(),
        "notes": "Filled in by hand; the code was not run at this site.", "published": entries,
    }  # fmt: skip
    head = f"# {name}: a site of tables filled in by hand ({workbook.as_posix()}). Correct title, controller and extract_date.\n"
    text = head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=125)
    target.write_text(text, "utf-8", newline="\n")
    typer.echo(
        f"Wrote {workbook} ({len(sheets)} sheet{'s' if len(sheets) != 1 else ''} to fill) and {target}. "
        f"When it is filled: cohortium tables {name} --study {study.as_posix()}"
    )
