"""Commands for federated regressions: what the coordinating team asks, what a site answers, round by round."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from shared_code.cli import model_steps
from shared_code.cli.releasing import decrypter, private_key, site_signer
from shared_code.cli.stages import expected_sites
from shared_code.config import Site, Study, rooms
from shared_code.model import Problem, Refused, few

app = typer.Typer(no_args_is_help=True, help="Fit one regression over all sites, round by round; only sums leave a site.")
Analysis = Annotated[str, typer.Argument(help="name of the analysis")]
ModelName = Annotated[str, typer.Argument(help="name of the model, as under models: of the analysis")]
SiteName = Annotated[str, typer.Argument(help="name of the site, as in config/sites/NAME.yaml")]
RequestFile = Annotated[Path, typer.Argument(help="the request that the coordinating team sent")]
StudyFile = Annotated[Path, typer.Option("--study", help="the protocol")]
PROTOCOL = Path("config/study.yaml")


@app.command()
def start(analysis: Analysis, model: ModelName, sites: Annotated[str, typer.Option(help="names, with commas; all")] = "",
          study: StudyFile = PROTOCOL) -> None:  # fmt: skip
    """Begin a fit: write the first request for every site."""
    rounds = model_steps.rounds_of(Study.read(study), analysis, model)
    taking_part = [name.strip() for name in sites.split(",")] if sites else list(expected_sites(rounds.study))
    rounds.start(taking_part)
    typer.echo(model_steps.where_it_stands(rounds))


@app.command()
def step(site: SiteName, request: RequestFile, study: StudyFile = PROTOCOL) -> None:
    """Answer a request at a site: compute the step, check it, and write it as a draft that two people approve."""
    from shared_code.regression.requests import Request

    read, settings, asked = Study.read(study), Site.read(site), Request.read(request)
    draft = model_steps.draft_step(settings, read, asked)
    typer.echo(f"Wrote {draft.as_posix()}: round {asked.round} of {asked.name}. People approve it next: "
               f"cohortium model approve {site} {request.as_posix()} --by NAME --reason '…'")  # fmt: skip


@app.command()
def approve(
    site: SiteName, request: RequestFile,
    by: Annotated[str, typer.Option("--by", help="who approves, as listed under people: in the site file")],
    reason: Annotated[str, typer.Option(help="why it may leave, in a sentence; it is sent along")],
    role: Annotated[str, typer.Option(help="analyst or reviewer; needed only by those who have both")] = "",
    study: StudyFile = PROTOCOL,
) -> None:  # fmt: skip
    """Approve a step, with your own key. Two different people must: an analyst and a reviewer."""
    from shared_code.regression.requests import Request
    from shared_code.releases import approve as approving

    read, settings, asked = Study.read(study), Site.read(site), Request.read(request)
    person = approving.signers_of(settings, read).people.get(by)
    if person is None:
        raise Refused("The approval", [Problem(by, "may not approve releases of this site", "those under people: in its file")])
    if not role and len(person.roles) > 1:
        raise Refused("The approval", [Problem(by, "has several roles", few(person.roles), "Say in which one: --role")])
    draft = rooms.step_draft(site, read.study, asked.name, asked.round)
    _, lacking = approving.approve(settings, read, draft, by, role or person.roles[0], reason, private_key(by), dt.date.today())
    after = f"It still needs the approval of: {few(lacking)}." if lacking else f"Next: cohortium model send {site} {request}"
    typer.echo(f"{by} approved round {asked.round} of {asked.name}. {after}")


@app.command()
def send(site: SiteName, request: RequestFile, study: StudyFile = PROTOCOL) -> None:
    """Check the approvals of a step, sign for the site, remember it in the ledger, and put it into the outbox."""
    from shared_code.regression.requests import Request

    read, settings = Study.read(study), Site.read(site)
    sent = model_steps.send_step(settings, read, Request.read(request), private_key(site_signer(settings, read)))
    typer.echo(f"Wrote {sent.as_posix()}. No program carries it: a person does.")


@app.command()
def receive(analysis: Analysis, model: ModelName, files: list[Path],
            key: Annotated[str, typer.Option(help="name of your key, for encrypted packages")] = "",
            study: StudyFile = PROTOCOL) -> None:  # fmt: skip
    """Take answers in: each is checked in quarantine and moves to the inbox whole or not at all."""
    from shared_code.pooling.step_packages import take_in_step

    rounds = model_steps.rounds_of(Study.read(study), analysis, model)
    for file in files:
        site, number = take_in_step(file, rounds, rooms.quarantine(), decrypter(key))
        typer.echo(f"Received the answer of {site} to round {number}.")
    typer.echo(model_steps.where_it_stands(rounds))


@app.command("next")
def next_round(
    analysis: Analysis, model: ModelName,
    without: Annotated[str, typer.Option(help="a site that will not answer this round")] = "",
    why: Annotated[str, typer.Option(help="why it will not; it is published with the result")] = "",
    study: StudyFile = PROTOCOL,
) -> None:  # fmt: skip
    """Write the requests of the next round or, when nothing changes any more, the fitted model."""
    rounds = model_steps.rounds_of(Study.read(study), analysis, model)
    if without:
        if not why.strip():
            raise Refused("The fit", [Problem(without, "no reason is given", "", "Say why: --why '…'")])
        rounds.go_on_without(rounds.state(), without, why.strip())
    typer.echo(model_steps.where_it_stands(rounds))


@app.command()
def demo(analysis: Annotated[str, typer.Argument(help="name of the analysis; without one, every model is fitted")] = "",
         model: Annotated[str, typer.Argument(help="name of the model, as under models: of the analysis")] = "",
         study: StudyFile = PROTOCOL) -> None:  # fmt: skip
    """Play all rounds with the demonstration sites: every step is checked, approved, signed, remembered and carried."""
    from shared_code.cli.models_demo import play

    read = Study.read(study)
    every = [(stem, name) for stem, entry in read.analyses.items() for name in entry.models]
    for stem, name in [(analysis, model)] if analysis or model else every:
        for line in play(read, stem, name):
            typer.echo(line)


def register(main: typer.Typer) -> None:
    """Add these commands to the command line."""
    main.add_typer(app, name="model")
