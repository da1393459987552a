"""The verbs of composite indices: make a table of indicators from open data, say its bounds, compute an index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared_code.config import rooms
from shared_code.config.indicators import FOLDER, IndicatorTable
from shared_code.config.indices import Index
from shared_code.model import Problem, Refused

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
Data = Annotated[Path | None, typer.Option(help="folder of the open data; else COHORTIUM_OPEN_DATA, or data/open")]
TableName = Annotated[str, typer.Argument(help="a table: NAME in config/indicators")]


@app.command()
def table(name: TableName, data: Data = None) -> None:
    """Compute a table of indicators from open data and write it beside its declaration."""
    from shared_code.indices import chosen, compute, write_table

    declared = IndicatorTable.read(name)
    found = chosen(declared, compute(declared, _folder(data)))
    target = FOLDER / f"{name}.csv"
    write_table(found, target)
    what = f"{len(declared.indicators)} indicators of {len(found):,} places ({declared.places.edition})"
    typer.echo(f"Wrote {target.name}: {what}.")


@app.command()
def bounds(name: TableName, data: Data = None) -> None:
    """Show the low and high end of every indicator over all places of the country, for best and worst of an index."""
    from shared_code.indices import bounds_of, compute

    declared = IndicatorTable.read(name)
    typer.echo(bounds_of(declared, compute(declared, _folder(data))).to_string())


@app.command()
def hexagons(
    name: TableName,
    boundaries: Annotated[Path, typer.Argument(help="GeoJSON of the places")],
    code: Annotated[str, typer.Option(help="property that holds their code")],
) -> None:
    """Lay the places of a table out as a cartogram of hexagons, and write it beside its declaration."""
    from shared_code.indices.cartogram import hexagons as laid_out
    from shared_code.indices.cartogram import middles

    target = FOLDER / f"{name}.hexagons.csv"
    laid_out(middles(boundaries, code)).to_csv(target, index=False, lineterminator="\n")
    typer.echo(f"Wrote {target.name}.")


@app.command()
def editions(
    name: Annotated[str, typer.Argument(help="a change of edition: NAME in config/editions")],
    to: Annotated[Path, typer.Option(help="part of a page to write")] = Path("reports/_core20_editions.qmd"),
    data: Data = None,
) -> None:
    """Say who moves into and out of need when a newer index takes the place of an older one, and what it does to money."""
    from shared_code.config.editions import Editions
    from shared_code.indices.editions import two_editions
    from shared_code.reporting.editions import editions_part

    declared = Editions.read(name)
    to.write_text(editions_part(declared, two_editions(declared, _folder(data))), "utf-8", newline="\n")
    typer.echo(f"Wrote {to}: {declared.title}.")


@app.command()
def score(
    name: Annotated[str, typer.Argument(help="an index: NAME in config/indices")],
    to: Annotated[Path, typer.Option(help="folder to write into")],
    data: Data = None,
) -> None:
    """Compute an index from its table (from open data, where the table is not kept here) and write it as tables."""
    from shared_code.indices import area_table, chosen, compute, read_table, write_index

    index = Index.read(name)
    if index.table == "released":
        wrong = "its indicators are what sites release"
        raise Refused(name, [Problem(f"config/indices/{name}.yaml", wrong, "", "Pool the study; the index is computed with it")])
    declared = IndicatorTable.read(index.table)
    kept = (FOLDER / f"{index.table}.csv").is_file()
    found = read_table(index.table) if kept else area_table(declared, chosen(declared, compute(declared, _folder(data))))
    files = write_index(index, found, to, declared)
    typer.echo(f"Wrote {len(files)} files of {index.title}, {len(found.numbers):,} places, into {to}.")


def _folder(data: Path | None) -> Path:
    folder = data or rooms.open_data()
    if folder is None or not folder.is_dir():
        raise Refused("The open data", [Problem(str(folder or "--data"), "there is no such folder", "", "Name it with --data")])
    return folder
