"""Commands for federated regressions: what the coordinating team asks, what a site answers, round by round."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import typer

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
    rounds = rounds_of(Study.read(study), analysis, model)
    taking_part = [name.strip() for name in sites.split(",")] if sites else list(expected_sites(rounds.study))
    rounds.start(taking_part)
    typer.echo(where_it_stands(rounds))


@app.command()
def step(site: SiteName, request: RequestFile, study: StudyFile = PROTOCOL) -> None:
    """Answer a request at a site: compute the step, check it, and write it as a draft that two people approve."""
    from shared_code.regression.requests import Request

    read, settings, asked = Study.read(study), Site.read(site), Request.read(request)
    draft = draft_step(settings, read, asked)
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
    typer.echo(f"Wrote {send_step(settings, read, Request.read(request), private_key(site_signer(settings, read))).as_posix()}. "
               "No program carries it: a person does.")  # fmt: skip


@app.command()
def receive(analysis: Analysis, model: ModelName, files: list[Path],
            key: Annotated[str, typer.Option(help="name of your key, for encrypted packages")] = "",
            study: StudyFile = PROTOCOL) -> None:  # fmt: skip
    """Take answers in: each is checked in quarantine and moves to the inbox whole or not at all."""
    from shared_code.pooling.step_packages import take_in_step

    rounds = rounds_of(Study.read(study), analysis, model)
    for file in files:
        site, number = take_in_step(file, rounds, rooms.quarantine(), decrypter(key))
        typer.echo(f"Received the answer of {site} to round {number}.")
    typer.echo(where_it_stands(rounds))


@app.command("next")
def next_round(
    analysis: Analysis, model: ModelName,
    without: Annotated[str, typer.Option(help="a site that will not answer this round")] = "",
    why: Annotated[str, typer.Option(help="why it will not; it is published with the result")] = "",
    study: StudyFile = PROTOCOL,
) -> None:  # fmt: skip
    """Write the requests of the next round or, when nothing changes any more, the fitted model."""
    rounds = rounds_of(Study.read(study), analysis, model)
    if without:
        if not why.strip():
            raise Refused("The fit", [Problem(without, "no reason is given", "", "Say why: --why '…'")])
        rounds.go_on_without(rounds.state(), without, why.strip())
    typer.echo(where_it_stands(rounds))


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


def rounds_of(study: Study, analysis: str, model: str, expected: dict[str, Site] | None = None) -> Any:
    """Open the rounds of a model (raises model.Refused when the study declares none of this name).

    expected  site -> settings of every site that takes part, where they are read already
    """
    from shared_code.pooling.rounds import Rounds
    from shared_code.pooling.step_packages import signature_check

    known = [f"{stem} {name}" for stem, entry in study.analyses.items() for name in entry.models]
    if f"{analysis} {model}" not in known:
        raise Refused("The model", [Problem(f"{analysis} {model}", "the study declares no such model", few(known) or "none")])
    name = f"{analysis}.{model}"
    check = signature_check(study, expected or expected_sites(study), dt.date.today())
    return Rounds(study, analysis, model, rooms.requests(study.study, name), rooms.steps_received(study.study, name), check)


def draft_step(site: Site, study: Study, request: Any, table: Any = None) -> Path:
    """Compute and check one step and write its draft (raises model.Refused, and writes nothing)."""
    from shared_code.releases.steps import answer

    site.in_force(dt.date.today())
    site.takes_part(study)
    draft = rooms.step_draft(site.site, study.study, request.name, request.round)
    answer(site, study, request, rooms.results(site.site, study.study), draft, rooms.ledger(site.site), table)
    return draft


def send_step(site: Site, study: Study, request: Any, key: Any) -> Path:
    """Sign an approved step for its site, remember it, and put it into the outbox."""
    from shared_code.releases import approve as approving
    from shared_code.releases import encryption, package
    from shared_code.releases.steps import remember

    draft = rooms.step_draft(site.site, study.study, request.name, request.round)
    register = rooms.step_sent(site.site, study.study, request.name)
    ready = approving.signed(site, study, draft, register, key, dt.date.today())
    if ready.package.manifest.get("request_digest") != request.digest:
        mend = "Run cohortium model step with this request, and approve again"
        raise Refused("The step", [Problem(draft.as_posix(), "it answers another request", "", mend)])
    remember(rooms.ledger(site.site), request, ready.package.digest, ready.package.files)
    approving.remember(register, ready)
    target, content = rooms.step_outgoing(site.site, study.study, request.name, request.round), ready.content
    if study.coordinator_key:
        target = target.with_name(target.name + encryption.SUFFIX)
        content = encryption.encrypt(content, study.coordinator_key)
    package.put(target, content)
    return target


def where_it_stands(rounds: Any, expected: dict[str, Site] | None = None) -> str:
    """Write whatever is next, and say what it is."""
    from shared_code.pooling.step_packages import write_fit

    state = rounds.state()
    written = rounds.ask(state)
    if written:
        folder = next(iter(written.values())).parent.as_posix()
        return f"Round {state.round + 1}: requests in {folder}; waiting for {few(rounds.waiting(state), 12)}."
    fit = rounds.result(state)
    target = rooms.fitted(rounds.study.study, f"{rounds.stem}.{rounds.name}")
    write_fit(rounds, fit, {name: site.title for name, site in (expected or expected_sites(rounds.study)).items()}, target)
    left = "".join(f" Without {site}: {why}." for site, why in fit.left_out.items())
    if not fit.settled:
        return f"The fit ended without an answer after {fit.rounds} rounds: {fit.words}.{left}"
    return (f"Fitted over {len(fit.sites)} sites in {fit.rounds} rounds, {fit.people:,} people: {target.as_posix()}.{left}")


def register(main: typer.Typer) -> None:
    """Add these commands to the command line."""
    main.add_typer(app, name="model")
