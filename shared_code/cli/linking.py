"""The verb link: records with identifiers become people, before a site's tables are prepared."""

from __future__ import annotations

from typing import Annotated

import typer

from shared_code.cli import stages


def link(name: Annotated[str, typer.Argument(help="name of the site, as in config/sites/NAME.yaml")]) -> None:
    """Link a site's records with identifiers to its people; names and numbers stay behind, pseudonyms go on."""
    typer.echo(stages.link(name, typer.echo))
