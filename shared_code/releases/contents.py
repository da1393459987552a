"""What lies in a package beside its tables: a schema and a disclosure record per table, and a description (RO-Crate).

    tables/<analysis>.<table>.csv           the released cells
    tables/<analysis>.<table>.schema.json   their columns and allowed values (Frictionless table schema)
    disclosure/<analysis>.<table>.json      which rules were applied to them, and with which outcome
    ro-crate-metadata.json                  what the package is, for machines (RO-Crate 1.1)

A receiver compares schemas and description with what it finds in the package, and never relies on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from shared_code.config.plan import Plan
from shared_code.config.study import Policy, Study
from shared_code.model import ALL, LAYOUTS, STATUSES
from shared_code.releases import json_form
from shared_code.releases.cells import NUMBERS, neutral, to_csv
from shared_code.releases.package import MANIFEST, TABLES, digest

DISCLOSURE, CRATE = "disclosure/", "ro-crate-metadata.json"
CRATE_FORM = "https://w3id.org/ro/crate/1.1"
SCHEMA_FORM = "https://specs.frictionlessdata.io/schemas/table-schema.json"


def contents(study: Study, manifest: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], policy: Policy,
             record: Mapping[str, Any]) -> dict[str, bytes]:  # fmt: skip
    """Give every file of a package but the manifest: path inside it -> content.

    tables  analysis.table -> cells        record  what disclosure control says it did, per table
    """
    files: dict[str, bytes] = {}
    for name, frame in tables.items():
        files[f"{TABLES}{name}.csv"] = to_csv(frame)
        files[f"{TABLES}{name}.schema.json"] = json_form.written(table_schema(study, name))
        files[f"{DISCLOSURE}{name}.json"] = json_form.written(disclosure_record(study, name, frame, policy, record))
    return {**files, CRATE: json_form.written(crate(manifest, files))}


def names(study: Study, plans: Mapping[str, str]) -> set[str]:
    """List the files a package of these analyses must hold, and no others."""
    tables = [f"{stem}.{table}" for stem in plans for table in study.analyses[stem].results]
    return {CRATE, *(f"{TABLES}{t}.csv" for t in tables), *(f"{TABLES}{t}.schema.json" for t in tables),
            *(f"{DISCLOSURE}{t}.json" for t in tables)}  # fmt: skip


def table_schema(study: Study, name: str) -> dict[str, Any]:
    """Describe a released table as a Frictionless table schema; every label stands there as it stands in the CSV."""
    stem, _, table = name.partition(".")
    plan = Plan(study, stem)
    declared = plan.results(table)
    layout = LAYOUTS[declared.layout]
    fields = []
    for dimension, spec in declared.dimensions.items():
        levels = plan.levels(table, dimension)
        allowed = None if levels is None else [neutral(str(level)) for level in [*levels, *([ALL] if spec.total else [])]]
        fields.append({"name": dimension, "type": "string", "title": spec.label or dimension,
                       "constraints": {"required": True, **({"enum": allowed} if allowed else {})}})  # fmt: skip
    meanings = "; ".join(f"{statistic}: {meaning}" for statistic, meaning in layout.statistics.items())
    fields.append({"name": "statistic", "type": "string", "description": meanings,
                   "constraints": {"required": True, "enum": list(layout.statistics)}})  # fmt: skip
    fields.append({"name": "value", "type": "number", "description": "empty where it is not given; never 0 for that"})
    fields.append({"name": "status", "type": "string", "description": "; ".join(f"{k}: {v}" for k, v in STATUSES.items()),
                   "constraints": {"required": True, "enum": list(STATUSES)}})  # fmt: skip
    fields += [{"name": side, "type": "number", "description": f"{word} end of the range the true value lies in"}
               for side, word in (("lower", "lower"), ("upper", "upper"))]  # fmt: skip
    return {"$schema": SCHEMA_FORM, "title": declared.title, "fields": fields, "missingValues": [""],
            "primaryKey": [*declared.dimensions, "statistic"]}  # fmt: skip


def disclosure_record(study: Study, name: str, cells: pd.DataFrame, policy: Policy, record: Mapping[str, Any]) -> dict[str, Any]:
    """Say which rules were applied to one table and with which outcome, for machines."""
    stem, _, table = name.partition(".")
    counts = cells["status"].value_counts()
    people = cells["statistic"].isin(LAYOUTS[study.analyses[stem].results[table].layout].people)
    shown = cells.loc[people & (cells["value"] > 0), "value"]
    return {
        "table": name, "rules": policy.model_dump(mode="json"), "numbers": len(cells),
        "outcome": {str(status): int(number) for status, number in sorted(counts.items())},
        "smallest_number_of_people_shown": float(shown.min()) if len(shown) else None,
        "record": record.get("tables", {}).get(name, {}),
    }  # fmt: skip


def crate(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """Describe a package as an RO-Crate 1.1: its files, whose they are, and what made them.

    The date is that of the extract: nothing in the content may depend on when it was made.
    """
    controller, software = {"@id": "#controller"}, {"@id": "#cohortium"}
    parts = [{
        "@id": name, "@type": "File", "name": name, "contentSize": str(len(body)), "identifier": f"sha256:{digest(body)}",
        "description": _meaning(name), "encodingFormat": "text/csv" if name.endswith(".csv") else "application/json",
    } for name, body in sorted(files.items()) if name != CRATE]  # fmt: skip
    parts.append({"@id": "manifest.json", "@type": "File", "name": "manifest.json", "encodingFormat": "application/json",
                  "description": "What the release is: study, site, plans, rules, and the digest of every file"})  # fmt: skip
    root = {
        "@id": "./", "@type": "Dataset", "name": f"Release of {manifest['site_title']} in the study {manifest['study']}",
        "description": "Checked totals, no row about a person. Withheld numbers are empty and carry the range they lie in.",
        "datePublished": manifest["extract_date"], "license": {"@id": "#terms"}, "author": controller, "publisher": controller,
        "creator": software, "temporalCoverage": f"{manifest['period']['start']}/{manifest['period']['end']}",
        "hasPart": [{"@id": part["@id"]} for part in parts],
    }  # fmt: skip
    others = [
        {"@id": CRATE, "@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": {"@id": CRATE_FORM}},
        {"@id": "#controller", "@type": "Organization", "name": manifest["controller"]},
        {"@id": "#terms", "@type": "CreativeWork", "name": "Terms of the study",
         "description": "For the coordinating team of the study, under the agreement with the site"},
        {"@id": "#cohortium", "@type": "SoftwareApplication", "name": "Cohortium", "version": manifest["code_version"],
         "softwareVersion": manifest["code_version"], "identifier": manifest["code_digest"]},
    ]  # fmt: skip
    return {"@context": f"{CRATE_FORM}/context", "@graph": [root, *parts, *others]}


def _meaning(name: str) -> str:
    if name.endswith(".csv"):
        return f"Released numbers: {', '.join(NUMBERS)} and status of each cell"
    return "Columns and allowed values of the table" if name.startswith(TABLES) else "Disclosure rules applied, and their outcome"


def faults(name: str, content: bytes, columns: list[str], files: Mapping[str, bytes]) -> str:
    """Say what is wrong with a file beside the tables; empty when it fits (columns: those that the plan declares)."""
    try:
        found = json_form.read(content)
        if name == CRATE:
            said = {one["@id"] for one in found["@graph"] if one["@type"] == "File"}
            return "" if said == {*files, MANIFEST} - {CRATE} else "it describes other files than the package holds"
        if name.startswith(DISCLOSURE):
            return "" if found["table"] == name.removeprefix(DISCLOSURE).removesuffix(".json") else "it is that of another table"
        said = [field["name"] for field in found["fields"]]
        return "" if said == columns else "it describes other columns than the plan declares"
    except ValueError as error:
        return str(error)
    except (KeyError, TypeError):
        return "it lacks what such a file must say"
