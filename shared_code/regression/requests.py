"""A request: what the coordinating team asks one site in one round, as a small file that a person carries to it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared_code.config import digests
from shared_code.config.study import Study
from shared_code.methods.federated import Question
from shared_code.model import Problem, Refused, few

FORM: Literal["cohortium-request/1"] = "cohortium-request/1"
LARGEST = 2**20  # bytes


class Request(BaseModel):
    """One round of one model, for one site. `model_digest` says which plan, columns and notebook are meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: Literal["cohortium-request/1"] = FORM
    study: str
    analysis: str
    model: str
    model_digest: str = Field(pattern="^[0-9a-f]{64}$")
    site: str
    round: int = Field(ge=1, le=12)
    beta: list[float]
    log_dispersion: float | None = None
    spread: bool = False

    @property
    def digest(self) -> str:
        """Give the SHA-256 of its content; the answer names it."""
        return digests.of_json(self.model_dump(mode="json"))

    @property
    def name(self) -> str:
        """Name the model among all of a study."""
        return f"{self.analysis}.{self.model}"

    def write(self, path: Path) -> None:
        """Write it, whole or not at all; numbers keep every digit."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(json.dumps(self.model_dump(mode="json"), indent=1) + "\n", "utf-8")
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Request:
        """Read a request (raises model.Refused when it is none)."""
        try:
            if path.stat().st_size > LARGEST:
                raise ValueError("it is far larger than any request")
            return cls.model_validate(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, ValidationError) as error:
            reason = str(error).splitlines()[0] if not isinstance(error, ValidationError) else error.errors()[0]["msg"]
            mend = "Ask the coordinating team for it again"
            raise Refused(f"The request {path}", [Problem(str(path), f"it cannot be read ({reason})", FORM, mend)]) from None


def ask(study: Study, stem: str, name: str, site: str, question: Question, model_digest: str) -> Request:
    """Write down a question of a fit for one site."""
    return Request(study=study.study, analysis=stem, model=name, model_digest=model_digest, site=site, round=question.round + 1,
                   beta=list(question.beta), log_dispersion=question.log_dispersion, spread=question.spread)  # fmt: skip


def problems_of(request: Request, study: Study, site: str) -> list[Problem]:
    """Find why a site may not answer a request: another study, site, model or plan, or numbers that do not fit."""
    where = f"round {request.round} of {request.name}"
    mend = "Ask the coordinating team for a request for this site, made from the same version of the study"
    if (request.study, request.site) != (study.study, site):
        wrong = f"it is for {request.site} in the study {request.study}"
        return [Problem(where, wrong, f"{site}, {study.study}", mend)]
    entry = study.analyses.get(request.analysis)
    model = entry.models.get(request.model) if entry else None
    if model is None:
        known = [f"{stem}.{name}" for stem, one in study.analyses.items() for name in one.models]
        return [Problem(where, "the study declares no such model", few(known) or "none", mend)]
    problems: list[Problem] = []
    expected: Any = digests.model(study, request.analysis, request.model)
    if request.model_digest != expected:
        wrong = "it is about another version of the model than this site's study declares"
        problems.append(Problem(where, wrong, f"model {expected[:12]}, not {request.model_digest[:12]}", mend))
    if request.round > model.rounds:
        problems.append(Problem(where, "it is a round too many", f"{model.rounds} rounds", "Declare more, or merge levels"))
    dispersion = model.family == "negative_binomial"
    numbers = [*request.beta, *([request.log_dispersion] if request.log_dispersion is not None else [])]
    fit = len(request.beta) == len(model.columns) and dispersion == (request.log_dispersion is not None)
    if not fit or not all(map(math.isfinite, numbers)):
        problems.append(Problem(where, "its coefficients do not fit the model", f"{len(model.columns)} numbers", mend))
    if request.spread and not model.robust:
        problems.append(Problem(where, "it asks for a robust variance that the model does not declare", "", mend))
    return problems
