"""The rounds of a federated regression at the coordinating team: requests out, answers in, and the same state every time.

Nothing but what was asked and what arrived is kept; where a fit stands is worked out again from that:

    <folder>/fit.json                 which sites were asked at the start
    <folder>/round-01/<site>.json     the request to a site
    <folder>/round-01/without.json    sites that will not answer, and why
    inbox/<study>/models/<analysis>.<model>/round-01/<site>.zip    the answer of a site
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from shared_code.config import digests
from shared_code.config.models import Model
from shared_code.config.rooms import round_name
from shared_code.config.study import Policy, Study
from shared_code.methods.federated import Fit, State, advance, begin, conclude, questions
from shared_code.methods.federated_left_out import WithoutOne, without_each_site
from shared_code.methods.glm import Step
from shared_code.model import Problem, Refused, few
from shared_code.regression.requests import Request, ask
from shared_code.regression.steps import read_step, specification, step_declaration
from shared_code.releases import package
from shared_code.releases.cells import check_cells, from_csv, small_counts, to_csv
from shared_code.releases.manifest import wrong_with

Verify = Callable[[Path], None]  # checks the signatures of a package (raises model.Refused)


@dataclass(frozen=True)
class Rounds:
    """Give the rounds of one model.

    folder  private/coordination/<study>/models/<analysis>.<model>: what the coordinating team asked
    inbox   inbox/<study>/models/<analysis>.<model>: what arrived
    verify  checks the signatures of a package that arrived
    """

    study: Study
    stem: str
    name: str
    folder: Path
    inbox: Path
    verify: Verify | None = None

    @property
    def model(self) -> Model:
        return self.study.analysis(self.stem).models[self.name]

    @cached_property
    def model_digest(self) -> str:
        return digests.model(self.study, self.stem, self.name)

    @cached_property
    def plan_digest(self) -> str:
        return digests.plan(self.study, self.stem)

    def start(self, sites: list[str]) -> int:
        """Begin a fit with these sites and write the first requests; gives how many (raises model.Refused if one began)."""
        path = self.folder / "fit.json"
        if path.exists():
            mend = f"Go on with it, or move {self.folder.as_posix()} away to begin anew"
            raise Refused(self._where, [Problem(str(path), "this fit has begun", "", mend)])
        if len(sites) < self.study.fewest_sites:
            wrong = f"{len(sites)} sites would take part"
            raise Refused(self._where, [Problem(self._where, wrong, f"at least {self.study.fewest_sites}")])
        said = {"sites": sorted(sites), "model_digest": self.model_digest}
        self._put(path, said)
        return len(self.ask(self.state()))

    def state(self) -> State:
        """Work out where the fit stands, from every round whose answers are complete.

        Raises model.Refused for an answer that is damaged, not to this request, or not from a site that was asked.
        """
        begun = self._begun()
        spec = specification(self.model, self.study.fewest_sites)
        state = begin(spec, begun["sites"])
        while asked := questions(spec, state):
            without = self.without(state.round)
            here = self.inbox / round_name(state.round + 1)
            waiting = [s for s in asked if s not in without and not (here / f"{s}.zip").is_file()]
            if waiting:
                return state
            answers: dict[str, Step | str] = dict(without)
            problems: list[Problem] = []
            for site, question in asked.items():
                if site not in without:
                    request = ask(self.study, self.stem, self.name, site, question, self.model_digest)
                    try:
                        answers[site] = self._answer(here / f"{site}.zip", request)
                    except Refused as refused:
                        problems += refused.problems
            if problems:
                raise Refused(f"The answers to {self._where}", problems)
            state = advance(spec, state, answers)
        return state

    def ask(self, state: State) -> dict[str, Path]:
        """Write the requests of the round a fit stands at: site -> file."""
        spec = specification(self.model, self.study.fewest_sites)
        written = {}
        for site, question in questions(spec, state).items():
            path = self.folder / round_name(state.round + 1) / f"{site}.json"
            ask(self.study, self.stem, self.name, site, question, self.model_digest).write(path)
            written[site] = path
        return written

    def waiting(self, state: State) -> list[str]:
        """List the sites whose answer to the current round has not arrived."""
        spec = specification(self.model, self.study.fewest_sites)
        here, without = self.inbox / round_name(state.round + 1), self.without(state.round)
        return [s for s in questions(spec, state) if s not in without and not (here / f"{s}.zip").is_file()]

    def go_on_without(self, state: State, site: str, why: str) -> None:
        """Note that a site will not answer this round, and why; the fit goes on as if it had never taken part."""
        waiting = self.waiting(state)
        if site not in waiting:
            raise Refused(self._where, [Problem(site, "its answer is not waited for", few(waiting) or "nobody's")])
        path = self.folder / round_name(state.round + 1) / "without.json"
        self._put(path, {**self.without(state.round), site: why})

    def answer_path(self, site: str, number: int) -> Path:
        """Name the file of a site's answer to a round, which counts from 1."""
        return self.inbox / round_name(number) / f"{site}.zip"

    def check_answer(self, path: Path) -> tuple[str, int]:
        """Check a package from anywhere against the current round; gives its site and round (raises model.Refused)."""
        state = self.state()
        site = str(package.read(path)[0].get("site"))
        asked = questions(specification(self.model, self.study.fewest_sites), state)
        if site not in asked:
            raise Refused(self._where, [Problem(str(path), f"{site} is not asked in this round", few(asked) or "nobody is")])
        self._answer(path, ask(self.study, self.stem, self.name, site, asked[site], self.model_digest))
        return site, state.round + 1

    def without(self, number: int) -> dict[str, str]:
        """Give the sites that will not answer a round, and why."""
        path = self.folder / round_name(number + 1) / "without.json"
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}

    def result(self, state: State) -> Fit:
        """Read the result of a fit that has ended."""
        return conclude(specification(self.model, self.study.fewest_sites), state)

    def without_each(self, state: State) -> dict[str, WithoutOne]:
        """Fit a settled model without each of its sites, and try it there; asks nobody anything further."""
        return without_each_site(specification(self.model, self.study.fewest_sites), state)

    @cached_property
    def _read(self) -> dict[tuple[str, str], Step | str]:
        return {}

    def _answer(self, path: Path, request: Request) -> Step | str:
        """Read one answer; bytes that were found good for a request before are not checked again."""
        known = (digests.of_file(path), request.digest)
        if known not in self._read:
            self._read[known] = self._checked(path, request)
        return self._read[known]

    def _checked(self, path: Path, request: Request) -> Step | str:
        """Check one answer, which must be to exactly this request and be what a site may send."""
        if self.verify:
            self.verify(path)
        manifest, files, _ = package.read(path)
        wrong = wrong_with(manifest)
        if not wrong and (manifest["site"], manifest["study"]) != (request.site, request.study):
            wrong = f"it is of {manifest['site']} in {manifest['study']}"
        if not wrong and manifest.get("request_digest") != request.digest:
            wrong = "it answers another request than the one of this round"
        if not wrong and manifest["plans"] != {self.stem: self.plan_digest}:
            wrong = "it was made from another plan"
        rules = Policy(**manifest["disclosure"]["rules"]) if not wrong else self.study.disclosure
        if not wrong and self.study.disclosure.stricter(rules) != rules:
            wrong = "its disclosure rules are looser than the study's"
        file = f"tables/{request.name}.csv"
        if not wrong and [name for name in files if name.startswith("tables/") and name.endswith(".csv")] != [file]:
            wrong = "it does not hold exactly the table of this step"
        if wrong:
            mend = "Ask the site to answer this request, and remove the file"
            raise Refused(self._where, [Problem(str(path), wrong, "", mend)])
        declared = step_declaration(self.model)
        cells = from_csv(files[file])
        problems = check_cells(cells, declared, {d: s.levels() for d, s in declared.dimensions.items()}, str(path))
        if not problems and (to_csv(cells) != files[file] or small_counts(cells, "step", self.study.disclosure)):
            problems = [Problem(str(path), "its numbers are not written as a release writes them")]
        if problems:
            raise Refused(self._where, problems)
        return read_step(self.model, cells)

    def _begun(self) -> dict[str, Any]:
        path = self.folder / "fit.json"
        mend = f"Begin it: cohortium model-start {self.stem} {self.name}"
        if not path.is_file():
            raise Refused(self._where, [Problem(str(path), "this fit has not begun", "", mend)])
        begun: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if begun["model_digest"] != self.model_digest:
            wrong = "the model has changed since this fit began"
            raise Refused(self._where, [Problem(str(path), wrong, "", f"Move {self.folder.as_posix()} away, and begin anew")])
        return begun

    @property
    def _where(self) -> str:
        return f"the model {self.name} of {self.stem}"

    def _put(self, path: Path, content: Mapping[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        partial.replace(path)
