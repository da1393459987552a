"""What the commands for federated regressions are made of: open the rounds, draft a step, send it, say what is next."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from shared_code.cli.stages import expected_sites
from shared_code.config import Site, Study, rooms
from shared_code.model import Problem, Refused, few


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
    titles = {name: site.title for name, site in (expected or expected_sites(rounds.study)).items()}
    write_fit(rounds, fit, titles, target, rounds.without_each(state))
    left = "".join(f" Without {site}: {why}." for site, why in fit.left_out.items())
    if not fit.settled:
        return f"The fit ended without an answer after {fit.rounds} rounds: {fit.words}.{left}"
    return (f"Fitted over {len(fit.sites)} sites in {fit.rounds} rounds, {fit.people:,} people: {target.as_posix()}.{left}")
