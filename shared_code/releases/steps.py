"""A site's answer to one round of a federated regression: through the same door as every other release."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code import disclosure
from shared_code.config.plan import Plan
from shared_code.config.site import Site
from shared_code.config.study import Study
from shared_code.disclosure.rules_models import step_faults
from shared_code.measures.saving import check_table
from shared_code.model import Problem, Refused
from shared_code.regression.requests import Request, problems_of
from shared_code.regression.steps import step_declaration, step_table
from shared_code.regression.tables import ModelTable, open_model
from shared_code.releases import ledger, package
from shared_code.releases.cells import to_csv
from shared_code.releases.release import describe

TABLES = "tables/"
STEP = "step"  # kind of the entries in a site's ledger


def answer(site: Site, study: Study, request: Request, results: Path, target: Path, record: Path,
           table: ModelTable | None = None) -> dict[str, Any]:  # fmt: skip
    """Compute one step, protect it, and write it as a package; gives the manifest.

    results  folder with one folder per analysis, in which the notebook saved the model table
    target   the package     record  private/<site>/ledger, where every step that left is remembered
    table    the model table, where it is open already
    Raises model.Refused, and writes nothing, when the request is not for this site and this version of the study, was
    answered otherwise before, or when a disclosure rule forbids the step; the reason says which, and what to do.
    """
    where = f"Round {request.round} of {request.name} at {site.title} ({site.site})"
    problems = problems_of(request, study, site.site)
    if problems:
        raise Refused(where, problems)
    plan = Plan(study, request.analysis)
    table = table or open_model(plan, results / request.analysis, request.model)
    requests = count_requests(record, study, request)
    wide = step_table(table, request.beta, request.log_dispersion, request.spread, requests)
    declared = step_declaration(table.model)
    problems = check_table(declared, {d: s.levels() for d, s in declared.dimensions.items()}, request.name, wide, True)
    policy = study.disclosure.stricter(site.disclosure)
    problems += [Problem(request.name, reason, "", mend) for reason, mend in step_faults(wide, policy)]
    if problems:
        raise Refused(where, problems)
    cells = dict(disclosure.protect({request.name: (declared, wide)}, ledger=[], policy=policy).tables)
    if (cells[request.name]["status"] == "withheld").any():
        raise Refused(where, [Problem(request.name, "its numbers are withheld", "", "Merge levels, for all sites")])
    manifest = describe(site, study, policy, cells) | {
        "kind": "model step", "request": request.model_dump(mode="json"), "request_digest": request.digest,
    }  # fmt: skip
    files = {f"{TABLES}{request.name}.csv": to_csv(cells[request.name])}
    manifest["package_digest"] = package.write(target, manifest, files)
    return manifest


def count_requests(record: Path, study: Study, request: Request) -> int:
    """Count the rounds that have left about the people of an analysis, this one included; a repeated one counts once."""
    entries = _steps(record)
    answered = {e["request"] for e in entries if (e["study"], e["analysis"]) == (study.study, request.analysis)}
    return len(answered | {request.digest})


def remember(record: Path, request: Request, digest: str, files: dict[str, bytes], people: pd.DataFrame | None = None) -> None:
    """Put a step into the site's ledger, before it can leave; the same package is remembered once."""
    if any(entry["package"] == digest for entry in _steps(record)):
        return
    kept = {ledger.CELLS + name.removeprefix(TABLES).removesuffix(".csv"): body for name, body in files.items()
            if name.startswith(TABLES)}  # fmt: skip
    if people is not None:
        buffer = io.BytesIO()
        people.to_parquet(buffer, index=False)
        kept[ledger.PEOPLE + request.name] = buffer.getvalue()
    said = {"kind": STEP, "package": digest, "study": request.study, "analysis": request.analysis, "model": request.model,
            "model_digest": request.model_digest, "round": request.round, "request": request.digest}  # fmt: skip
    ledger.chain(record).append(said, kept)


def _steps(record: Path) -> list[dict[str, Any]]:
    if not (record / "ledger.jsonl").is_file():
        return []
    entries = ledger.chain(record).entries()
    starts = [number for number, entry in enumerate(entries) if entry["kind"] == ledger.START]
    return [entry for entry in entries[starts[-1] + 1 if starts else 0 :] if entry["kind"] == STEP]
