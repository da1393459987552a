"""The command line: one verb per stage, plain sentences, no tracebacks for mistakes a person can mend."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from shared_code.cli import codelists, indices, ledger, linking, models, onboarding, releasing
from shared_code.cli.attack import attack
from shared_code.cli.case_list import case_list
from shared_code.cli.new_analysis import new_analysis
from shared_code.cli.planning import plan
from shared_code.cli.template import template
from shared_code.config import Study
from shared_code.model import Refused

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
                  help="Cohortium: the same analysis at several teams, on data that never leave them.")  # fmt: skip
SiteName = Annotated[str, typer.Argument(help="name of the site, as in config/sites/NAME.yaml")]
StudyFile = Annotated[Path, typer.Option("--study", help="the protocol")]
PROTOCOL = Path("config/study.yaml")


def _say(text: str) -> None:
    typer.echo(text)


@app.command("extract-demo")
def extract_demo(site: SiteName, people: int = 20_000, study: StudyFile = PROTOCOL) -> None:
    """Make up the extract of a demonstration site."""
    from shared_code.cli import stages

    _say(stages.extract_demo(site, people, Study.read(study)))


@app.command()
def prepare(site: SiteName) -> None:
    """Turn a site's extract into prepared tables, or list everything that is wrong with it."""
    from shared_code.cli import stages

    _say(stages.prepare(site, _say))


@app.command()
def analyse(site: SiteName, analysis: str, study: StudyFile = PROTOCOL) -> None:
    """Run one analysis (a notebook) at a site."""
    from shared_code.cli import stages

    _say(stages.analyse(site, analysis, study, Study.read(study)))


@app.command()
def release(site: SiteName, study: StudyFile = PROTOCOL) -> None:
    """Protect all results of a site together and write a draft of its package, for people to approve."""
    from shared_code.cli import stages

    _say(stages.release(site, Study.read(study)))


@app.command("carry-demo")
def carry_demo(site: SiteName, study: StudyFile = PROTOCOL) -> None:
    """Play the person who carries the package of a demonstration site to the inbox."""
    from shared_code.cli import stages

    _say(stages.carry_demo(site, Study.read(study)))


@app.command()
def tables(site: SiteName, study: StudyFile) -> None:
    """Write a draft package of tables a team has already published, where it cannot run the code."""
    from shared_code.cli import stages

    _say(stages.tables(site, Study.read(study)))


@app.command()
def pool(study: StudyFile = PROTOCOL) -> None:
    """Pool whatever releases are in the inbox."""
    from shared_code.cli import stages

    _say(stages.pool(Study.read(study)))


@app.command()
def draw(study: StudyFile = PROTOCOL) -> None:
    """Draw the figures of the pooled results."""
    from shared_code.cli import reporting

    _say(reporting.draw(Study.read(study)))


@app.command()
def report(study: StudyFile = PROTOCOL) -> None:
    """Write the report of the pooled results."""
    from shared_code.cli import reporting

    _say(reporting.report(Study.read(study)))


@app.command()
def review(site: SiteName, study: StudyFile = PROTOCOL) -> None:
    """Write the page on which a site sees everything that would leave it, before it approves anything."""
    from shared_code.cli import reporting

    _say(reporting.review(site, Study.read(study)))


@app.command()
def purge(site: SiteName) -> None:
    """Remove everything person-level that was derived at a site, and say what remains."""
    from shared_code.cli.purge import purge as purge_site

    _say(purge_site(site))


@app.command()
def stage() -> None:
    """Put the demonstration's numbers beside the pages in reports/, so that `quarto render reports` works."""
    from shared_code.cli import reporting

    _say(reporting.stage_pages())


@app.command()
def quote(
    study: StudyFile = Path("config/study_published.yaml"), analysis: str = "hospital_use",
    page: Path = Path("reports/_published_list.qmd"),
) -> None:  # fmt: skip
    """Put the tables of a study of published tables into a page of another study, after its report was made."""
    from shared_code.cli import reporting

    _say(reporting.quote(Study.read(study), analysis, page))


@app.command()
def readme() -> None:
    """Put the demonstration's table and figure into the README."""
    from shared_code.cli import reporting

    _say(reporting.readme())


@app.command()
def generate(check: Annotated[bool, typer.Option(help="only say whether the files are up to date")] = False) -> None:
    """Write the files made from declarations: the data dictionary, the empty site file, environment.yml, navigation."""
    from shared_code.cli import generated

    stale = generated.write(check)
    _say("Everything is up to date." if not stale else f"{'Out of date' if check else 'Wrote'}: {', '.join(stale)}.")
    if check and stale:
        raise typer.Exit(1)


app.add_typer(ledger.app, name="ledger")
app.command("attack")(attack)
app.command("case-list")(case_list)
app.command("link")(linking.link)
app.command("new-site")(onboarding.new_site)
app.command("new-analysis")(new_analysis)
app.command("check")(onboarding.check)
app.command("template")(template)
app.add_typer(indices.app, name="index", help="Indices of places: tables of indicators from open data, bounds, scores.")
app.command("plan")(plan)
app.add_typer(codelists.app, name="codelist", help="Codelists: load, check, compare, and see what they find.")
releasing.register(app)
models.register(app)


def main() -> None:
    """Run a command; a problem a person can mend is shown in words and ends with code 1."""
    from shared_code.execution.errors import NotebookError

    try:
        app()
    except (Refused, NotebookError) as problem:
        print(problem, file=sys.stderr)
        raise SystemExit(1) from None
