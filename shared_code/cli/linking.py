"""The verb link: records with identifiers become people, before a site's tables are prepared."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import typer

from shared_code.cli import stages
from shared_code.config import Site, rooms
from shared_code.model import Refused


def link(name: Annotated[str, typer.Argument(help="name of the site, as in config/sites/NAME.yaml")]) -> None:
    """Link a site's records with identifiers to its people; names and numbers stay behind, pseudonyms go on."""
    typer.echo(link_records(name, typer.echo))


def link_records(name: str, say: Any) -> str:
    """Link the records of a site, and say how it went: counts only."""
    import pandas as pd

    from shared_code.linkage.site import link_site
    from shared_code.reporting.linkage import linkage_page

    site = Site.read(name)
    site.in_force(dt.date.today())
    stages._owner_only(name)
    try:
        report = link_site(site, folder_of(site), rooms.PRIVATE / name, say)
    except Refused as refused:
        raise refused.without_values(stages._kept_private(name, "problems.txt", str(refused))) from None
    page = rooms.linkage(name) / "linkage.html"
    counts = pd.read_parquet(rooms.linkage(name) / "linkage.parquet")
    page.write_text(linkage_page(site.title, report, counts, site.made_up), "utf-8")
    told = [_told(source, found) for source, found in report["sources"].items()]
    register = f"{report['index']['people']:,} people in the index (version {report['version']})"
    return "\n".join([f"Linked the records of {site.title}: {register}.", *told,
                      f"How it went, and who is missed: {page}. It stays here."])  # fmt: skip


def link_if_needed(site: Site, say: Any) -> None:
    """Link before tables are prepared, where the site asks for it and the links are not those of its settings and files."""
    from shared_code.linkage.keep import up_to_date

    if site.linkage is not None and not up_to_date(site, folder_of(site), rooms.linkage(site.site)):
        say(link_records(site.site, say))


def folder_of(site: Site) -> Path:
    return Path(site.folder) if site.folder else rooms.extract(site.site)


def _told(name: str, found: dict[str, Any]) -> str:
    steps = ", ".join(f"{method} {number:,}" for method, number in found["methods"].items() if method != "U")
    quality = found["quality"]
    measured = "" if quality is None or quality["recall"] is None else (
        f"; without a number {100 * quality['recall']:.1f} % are found ({100 * quality['recall_lower']:.1f} to "
        f"{100 * quality['recall_upper']:.1f}, of {quality['hidden']:,}), and "
        f"{100 * quality['precision']:.2f} % of those found are right")  # fmt: skip
    return f"  {name}: {found['linked']:,} of {found['records']:,} records linked ({steps}){measured}."
