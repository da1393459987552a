"""Play every part of a federated regression for the demonstration sites: the people, the sites, the carrier, the team."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from typing import Any

from shared_code.cli import model_steps
from shared_code.cli.sending import PLAYED
from shared_code.cli.stages import expected_sites
from shared_code.config import Site, Study, rooms
from shared_code.config.plan import Plan
from shared_code.model import Problem, Refused
from shared_code.pooling.step_packages import take_in_step
from shared_code.regression.requests import Request
from shared_code.regression.tables import open_model
from shared_code.releases import approve, keys


def play(study: Study, stem: str, name: str) -> Iterator[str]:
    """Fit a model over the demonstration sites, every step through every door; gives what happened, line by line.

    A site whose disclosure rules forbid a step, or that has not run the analysis, is left out with the reason, as a real
    one would be. What was asked and answered before is removed: people made up anew would answer otherwise.
    """
    everyone = expected_sites(study)
    sites = {n: s for n, s in everyone.items() if n.startswith(rooms.DEMONSTRATION) and s.made_up}
    if not sites:
        raise Refused(study.title, [Problem(study.study, "it has no demonstration sites", "sites named demo_…")])
    for folder in (rooms.requests(study.study, f"{stem}.{name}"), rooms.steps_received(study.study, f"{stem}.{name}")):
        shutil.rmtree(folder, ignore_errors=True)
    rounds = model_steps.rounds_of(study, stem, name, everyone)
    rounds.start(list(sites))
    tables: dict[str, Any] = {}
    while requests := rounds.ask(state := rounds.state()):
        for site, path in requests.items():
            try:
                if site not in tables:
                    tables[site] = open_model(Plan(study, stem), rooms.results(site, study.study) / stem, name)
                _answer(sites[site], study, Request.read(path), tables[site], rounds)
            except Refused as refused:
                why = "; ".join(dict.fromkeys(problem.wrong for problem in refused.problems))
                rounds.go_on_without(rounds.state(), site, why)
                yield f"Round {state.round + 1}: {sites[site].title} does not answer: {refused.problems[0]}"
        yield f"Round {state.round + 1} is complete."
    yield model_steps.where_it_stands(rounds, everyone)


def _answer(site: Site, study: Study, request: Request, table: Any, rounds: Any) -> None:
    """Play one site in one round: compute, two approvals, sign, remember, carry, receive."""
    draft = model_steps.draft_step(site, study, request, table)
    for role, reason in PLAYED.items():
        approve.approve(site, study, draft, role, role, reason, keys.demonstration(site.site, role), dt.date.today())
    sent = model_steps.send_step(site, study, request, keys.demonstration(site.site, "site"))
    take_in_step(sent, rounds, rooms.quarantine())
