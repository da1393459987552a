"""The verb attack: try to work out what packages withhold, as anybody could who reads them and the protocol."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer


def attack(
    packages: Annotated[list[Path], typer.Argument(help="packages; those of one site in the order they were sent")],
    study: Annotated[Path, typer.Option("--study", help="the protocol")] = Path("config/study.yaml"),
) -> None:
    """Attack packages and count their weaknesses; no number that was worked out is ever shown."""
    from shared_code.config import Study
    from shared_code.releases.attacks.packages import attack_packages

    found = attack_packages(Study.read(study), packages)
    for path, one in found.items():
        typer.echo(f"{path}: {len(one.weaknesses)} weaknesses." if one.weaknesses else f"{path}: no weakness found.")
        for what, number in Counter(one.weaknesses).most_common():
            typer.echo(f"  {number:,} x {what}")
        for what, number in Counter(one.referred).most_common():
            typer.echo(f"  for the reviewer, {number:,} x {what}")
    if any(one.weaknesses for one in found.values()):
        raise typer.Exit(1)
