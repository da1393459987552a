"""What sites hold, and under which authority they take part: tables made from the catalogue."""

from __future__ import annotations

import json

import pandas as pd

from shared_code.reporting.staged import DATA, Staged
from shared_code.reporting.words import number, pipe_table


def holdings(report: Staged) -> str:
    """Tabulate what each site holds, table by table."""
    held = json.loads((report.folder / DATA / "catalogue.jsonld").read_text("utf-8"))
    table = [{
        "Site": dataset["dct:title"], "Table": part["dct:title"],
        "What a row is": part["dct:description"].removeprefix("A row is ").rstrip("."),
        "Rows": "fewer than 10" if part["cohortium:rows"] is None else number(part["cohortium:rows"], 0),
        **{word: part.get("dct:temporal", {}).get(f"dcat:{key}Date", {}).get("@value", "")
           for word, key in (("From", "start"), ("To", "end"))},
    } for dataset in held["dcat:dataset"] for part in dataset["dct:hasPart"]]  # fmt: skip
    if not table:
        return "The sites of this study sent tables that were already published, and hold nothing else for it."
    return pipe_table(pd.DataFrame(table), right=("Rows",))


def governance(report: Staged) -> str:
    """Tabulate under which authority each site takes part, how its data were judged, and the limits it names itself."""
    held = json.loads((report.folder / DATA / "catalogue.jsonld").read_text("utf-8"))
    table = [{
        "Site": dataset["dct:title"], "Controller": dataset["dct:publisher"]["foaf:name"],
        "Legal basis": dataset["cohortium:legalBasis"] or "not stated",
        "Impact assessment": dataset["cohortium:dpia"] or "not stated",
        "Agreement until": dataset["cohortium:agreementExpires"] or "not stated",
        "Quality": dataset["cohortium:quality"], "Known limits": dataset["dct:description"],
    } for dataset in held["dcat:dataset"]]  # fmt: skip
    return pipe_table(pd.DataFrame(table))
