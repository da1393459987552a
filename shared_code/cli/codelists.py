"""The verbs of codelists: load other makers' files, check, say what differs, and count what a list finds at a site."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer
import yaml

from shared_code.config import Policy, Site, codelist_tools, codelists, rooms
from shared_code.config.private import kept_private
from shared_code.model import Problem, Refused, did_you_mean, few

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
Reference = Annotated[str, typer.Argument(help="a codelist: NAME/VERSION in config/codelists, or a file")]
CLUSTERS = codelists.FOLDER / "clusters.yaml"


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="your copy of the NHS primary care domain refsets, or a CSV of OpenCodelists")],
    target: Annotated[str, typer.Argument(help="the list to write: NAME/VERSION")],
    add_to: Annotated[str, typer.Option(help="a list whose other entries (ICD-10) are kept: NAME/VERSION")] = "",
    cluster: Annotated[list[str] | None, typer.Option(help="CLUSTER=condition, as often as needed; else clusters.yaml")] = None,
    condition: Annotated[str, typer.Option(help="the condition that the codes mean (OpenCodelists)")] = "",
    title: Annotated[str, typer.Option(help="its name in reports")] = "",
    code_system: Annotated[str, typer.Option(help="SCT or ICD10 (OpenCodelists)")] = "SCT",
    minimum_age: Annotated[int, typer.Option(help="youngest age at which a new condition is counted")] = 0,
) -> None:
    """Make a codelist of this project from a file of codes. Nothing is overwritten."""
    name, _, version = target.partition("/")
    where = codelists.FOLDER / f"{target}.csv"
    if not (name and version) or "/" in version:
        wrong = f"{target!r} names no codelist"
        raise Refused(target, [Problem("NAME/VERSION", wrong, "for example long_term_conditions/2026-11-pcd")])
    if where.exists():
        wrong = "there is such a file already, and it is never overwritten"
        raise Refused(target, [Problem(str(where), wrong, "", "Name a new version")])
    base = codelists.load(add_to) if add_to else None
    kept = codelist_tools.entries_of(codelists.FOLDER / f"{add_to}.csv") if add_to else []
    _, names = codelist_tools.rows_of(file)
    if codelist_tools.is_refset_file(names) and not condition:
        chosen = _clusters(cluster, base)
        loaded = codelist_tools.from_primary_care_refsets(file, chosen, minimum_age)
    elif condition:
        words = title or (base.titles.get(condition, "") if base else "") or condition
        loaded = codelist_tools.from_opencodelists(file, condition, words, code_system, minimum_age)
    else:
        wrong = "nothing says which condition these codes mean"
        raise Refused(str(file), [Problem("--condition", wrong, "", "Add --condition NAME")])
    partial = where.with_suffix(".partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        partial.write_text(codelist_tools.as_csv(codelist_tools.added_to(kept, loaded), version), "utf-8", newline="\n")
        made = codelists.read(partial)
        partial.replace(where)
    finally:
        partial.unlink(missing_ok=True)
    typer.echo(f"Wrote {where}: {_summary(made)}\n{codelists.LICENCE}")


@app.command()
def check(reference: Annotated[str | None, typer.Argument(help="NAME/VERSION or a file; all unless named")] = None) -> None:
    """Say what a codelist holds, or list every line that is wrong."""
    found = [reference] if reference else [f"{p.parent.name}/{p.stem}" for p in sorted(codelists.FOLDER.glob("*/*.csv"))]
    problems: list[Problem] = []
    for one in found:
        try:
            typer.echo(f"{one}: {_summary(_read(one))}")
        except Refused as refused:
            problems += refused.problems
    typer.echo(codelists.LICENCE)
    if problems:
        raise Refused(few(found), problems)


@app.command()
def diff(old: Reference, new: Reference) -> None:
    """Say in plain English what differs between two lists: two versions, or the files of two sites."""
    before, after = _read(old), _read(new)
    said = codelist_tools.differences(before, after)
    if before.version != after.version:
        typer.echo(f"Edition {after.version}, before {before.version}.")
    typer.echo("\n".join(said) if said else "Both lists mean the same.")


@app.command()
def use(
    site: Annotated[str, typer.Argument(help="name of the site; its tables must be prepared")],
    reference: Reference,
    beside: Annotated[str, typer.Option(help="another list, to see whom it finds in addition")] = "",
) -> None:
    """Count how many people each code of a list finds at a site, and warn of a list that misses most."""
    from shared_code.measures.code_use import code_use
    from shared_code.measures.prepared import Prepared

    settings, codelist = Site.read(site), _read(reference)
    settings.in_force(dt.date.today())
    prepared = Prepared(rooms.prepared(site))
    if not prepared.has("condition_event"):
        mend = f"Run cohortium prepare {site}" if "condition_event" in settings.tables else "Map the table condition_event"
        raise Refused(site, [Problem(str(rooms.prepared(site)), "there is no prepared table condition_event", "", mend)])
    found = code_use(prepared, codelist, _read(beside) if beside else None)
    policy = Policy().stricter(settings.disclosure)
    typer.echo(f"{reference} at {settings.title}: people with a code of it, whenever recorded. "
               f"Fewer than {policy.smallest_shown} are withheld, others rounded to {policy.rounding}.")  # fmt: skip
    typer.echo("\n".join(found.told(policy)))
    if not found.warned:
        typer.echo("No sign of a list that misses most.")
    name, exact = f"codelists/{codelist.name}-{codelist.version}.csv", found.codes.to_csv(index=False, lineterminator="\n")
    record = kept_private(rooms.PRIVATE / site, name, exact)
    typer.echo(f"Every code with its exact number is in {record}, which stays at the site.")


def _clusters(chosen: list[str] | None, base: codelists.Codelist | None) -> dict[str, tuple[str, str]]:
    """Say which cluster means which condition: as the options say, else as the shipped list of clusters says."""
    if chosen:
        pairs = [text.partition("=")[::2] for text in chosen]
        wrong = [text for text, (_, condition) in zip(chosen, pairs) if not condition]
        if wrong:
            told = f"{few(wrong)} names no condition"
            raise Refused("--cluster", [Problem("--cluster", told, "CLUSTER=condition, as AST_COD=asthma")])
    else:
        known = yaml.safe_load(rooms.from_root(CLUSTERS).read_text("utf-8"))
        pairs = [(name, condition) for name, condition in known.items() if not base or condition in base.titles]
    return {name: (condition, (base.titles.get(condition) if base else None) or condition) for name, condition in pairs}


def _read(reference: str) -> codelists.Codelist:
    """Read NAME/VERSION, or a file wherever it lies."""
    path = Path(reference)
    if path.suffix == ".csv" or path.is_file():
        if not path.is_file():
            near = did_you_mean(reference, [p.as_posix() for p in codelists.FOLDER.glob("*/*.csv")])
            raise Refused(reference, [Problem(reference, f"there is no such file{near}")])
        return codelists.read(path)
    return codelists.load(reference)


def _summary(codelist: codelists.Codelist) -> str:
    systems = [system for system, _ in codelist.rules]
    words = {"ICD10": "ICD-10", "SCT": "SNOMED CT"}
    numbers = [f"{systems.count(system):,} {word}" for system, word in words.items() if system in systems]
    ends = f", {len(codelist.resolving):,} that end a condition" if codelist.resolving else ""
    return f"edition {codelist.version}, {len(codelist.titles)} conditions, codes: {', '.join(numbers) or 'none'}{ends}."
