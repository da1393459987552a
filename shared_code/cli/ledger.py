"""The verbs of the ledger: check says whether it is whole, rebuild writes it again from the packages that were sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared_code.config import Site, Study, rooms

app = typer.Typer(no_args_is_help=True, help="The ledger of everything a site has released.")
SiteName = Annotated[str, typer.Argument(help="name of the site, as in config/sites/NAME.yaml")]


@app.command()
def check(site: SiteName) -> None:
    """Say what a site's ledger remembers, or what is damaged and how to mend it."""
    from shared_code.cli.stages import sent_of
    from shared_code.releases import ledger

    found = Site.read(site)
    folder = rooms.ledger(site)
    ledger.read(folder, "", sent_of(site))
    entries = ledger.since_start(ledger.chain(folder).entries())
    if not entries:
        typer.echo(f"The ledger of {found.title} is empty: it has released nothing yet.")
        return
    releases = "release" if len(entries) == 1 else "releases"
    typer.echo(f"The ledger of {found.title} is whole: {len(entries)} {releases}, last entry {ledger.chain(folder).last()[:12]}.")
    for number, entry in enumerate(entries, 1):
        tables = sum(1 for name in entry["files"] if name.startswith(ledger.CELLS))
        known = "with" if any(name.startswith(ledger.PEOPLE) for name in entry["files"]) else "without"
        typer.echo(f"  {number}. study {entry['study']}, extract of {entry['extract_date']}, {tables} tables, "
                   f"{known} the counts behind them, package {entry['package'][:12]}")  # fmt: skip


@app.command()
def rebuild(
    site: SiteName,
    packages: Annotated[list[Path], typer.Argument(help="every package that was sent, the oldest first")],
) -> None:
    """Write a damaged or lost ledger again from the packages that were sent; the old one is set aside."""
    from shared_code.releases import ledger

    title = Site.read(site).title
    known, counted = ledger.rebuild(rooms.ledger(site), site, packages)
    typer.echo(f"The ledger of {title} knows {known} releases again; for {counted} of them also the counts behind them.")
    if counted < known:
        typer.echo("Of the others only what left is known, so the next release is compared with that alone.")


@app.command()
def publications(study: Annotated[Path, typer.Option("--study", help="the protocol")] = Path("config/study.yaml")) -> None:
    """Say what the coordinating team has published so far, and from which releases."""
    from shared_code.pooling.publications import history

    read = Study.read(study)
    found = history(rooms.publications(read.study))
    typer.echo(f"Published from {read.study} so far: {len(found)} {'time' if len(found) == 1 else 'times'}.")
    for one in found:
        releases = ", ".join(f"{site} {digest[:12]}" for site, digest in one["releases"].items())
        typer.echo(f"  {one['number']}. results {one['results'][:12]}, from the releases of {releases}")
