"""The verb of a practice's case-finding list: made inside the practice's boundary, for its own clinicians."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from shared_code.config import Site, rooms
from shared_code.config.plan import open_plan
from shared_code.model import Problem, Refused

OBJECTION = "objection"  # name of the list (table list_flag) of people who do not want to be listed


def case_list(
    site: Annotated[str, typer.Argument(help="name of the site")],
    practice: Annotated[str, typer.Argument(help="ODS code of the practice")],
    key: Annotated[str, typer.Option("--key", help="public age key of the practice: age1…")],
    by: Annotated[str, typer.Option("--by", help="the clinician who asks")],
    legal_basis: Annotated[str, typer.Option("--legal-basis", help="on what ground")],
    analysis: Annotated[str, typer.Option("--analysis", help="analysis whose declared prediction is used")],
    model: Annotated[str, typer.Option("--model", help="its model")],
    purpose: Annotated[str, typer.Option("--purpose", help="direct_care")] = "direct_care",
    from_risk: Annotated[int, typer.Option("--from-risk", help="risk in per cent from which people are listed")] = 20,
    most: Annotated[int | None, typer.Option("--most", help="people on the list at most")] = None,
    study: Annotated[Path, typer.Option("--study", help="the protocol")] = Path("config/study.yaml"),
) -> None:
    """Write the list of a practice's people at high risk, encrypted to the practice, logged, never released."""
    from shared_code import measures, regression
    from shared_code.releases.case_lists import MOST, write_case_list

    plan = open_plan(study, analysis)
    Site.read(site)
    tables = measures.open_prepared(rooms.prepared(site))
    today = tables.extract_date
    if today is None:
        mend = f"Write extract_date in config/sites/{site}.yaml and prepare again"
        raise Refused(site, [Problem("extract_date", "it is not known of which day the tables are", "a date", mend)])
    if not tables.has("list_flag"):
        wrong = "the site has no table of lists, so nobody knows who objected"
        raise Refused(site, [Problem("list_flag", wrong, f"rows with list: {OBJECTION}", "Map the objections first")])
    if not tables.has("admission"):
        raise Refused(site, [Problem("admission", "the site has no hospital spells", "", "The risk cannot be predicted here")])
    people = measures.admission_risk(tables, plan.codelist(), today, palliative=plan.codelist("palliative"), outcome=False)
    known = regression.model_frame(plan.entry.models[model], people)
    if known is None:
        lacking = Problem("person_address", "the site has no areas of residence", "", "The risk cannot be predicted here")
        raise Refused(site, [lacking])
    risk = regression.predicted(plan.entry.models[model], plan.parameter("coefficients"), known)
    chosen = people.loc[known.index].assign(risk=risk).sort_values(["risk", "person_id"], ascending=[False, True])
    chosen = chosen[chosen["risk"] >= from_risk / 100]
    chosen["reason"] = [f"predicted risk of emergency admission {100 * r:.0f} %" for r in chosen["risk"]]
    flags = tables.list_flag
    objected = set(flags.filter(flags.list == OBJECTION, flags.removed.isnull()).select("person_id").execute()["person_id"])
    path = write_case_list(site, practice, key, chosen, by=by, purpose=purpose, legal_basis=legal_basis, today=dt.date.today(),
                           most=MOST if most is None else most, objections=frozenset(objected))  # fmt: skip
    typer.echo(f"Wrote {path}. Only the practice's key opens it; it expires and is no part of any release. The log names you.")
