"""The catalogue: what each site holds, from the records in its release, in a form machines read too (DCAT)."""

from __future__ import annotations

from typing import Any

from shared_code.config.study import Study
from shared_code.model import TABLES

CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/", "foaf": "http://xmlns.com/foaf/0.1/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#", "xsd": "http://www.w3.org/2001/XMLSchema#", "cohortium": "urn:cohortium:",
}  # fmt: skip
RIGHTS = "Person-level data never leave the site; only checked totals are released."
NONE_STATED, NOT_ASSESSED = "none stated", "not assessed"


def catalogue(study: Study, manifests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Describe every site of a study as a DCAT catalogue (JSON-LD): one dataset per site, one part per table.

    Counts below ten rows and the dates of single records never leave a site, so they are not in it.
    """
    return {
        "@context": CONTEXT, "@id": f"urn:cohortium:study:{study.study}", "@type": "dcat:Catalog",
        "dct:title": f"What the sites of {study.title} hold", "dct:description": study.summary or study.title,
        "dct:publisher": _agent(study.coordinator),
        "dcat:dataset": [_dataset(site, manifest) for site, manifest in sorted(manifests.items())],
    }  # fmt: skip


def _agent(name: str) -> dict[str, str]:
    return {"@type": "foaf:Agent", "foaf:name": name or NONE_STATED}


def _dataset(site: str, manifest: dict[str, Any]) -> dict[str, Any]:
    governance = manifest.get("governance") or {}
    described = {
        "@id": f"urn:cohortium:site:{site}", "@type": "dcat:Dataset", "dct:title": manifest["site_title"],
        "dct:publisher": _agent(manifest.get("controller", "")),
        "dct:issued": {"@value": manifest["extract_date"], "@type": "xsd:date"},
        "dct:accessRights": {"@type": "dct:RightsStatement", "rdfs:label": RIGHTS},
        "dct:description": manifest.get("limits") or NONE_STATED,
        "cohortium:kind": manifest["kind"], "cohortium:madeUp": manifest["made_up_data"],
        "cohortium:legalBasis": governance.get("legal_basis", ""), "cohortium:dpia": governance.get("dpia", ""),
        "cohortium:agreementExpires": governance.get("agreement_expires", ""),
        "cohortium:quality": quality(manifest),
        "dct:hasPart": [_part(site, name, held) for name, held in manifest.get("holdings", {}).items()],
    }  # fmt: skip
    return described


def quality(manifest: dict[str, Any]) -> str:
    """Say in one line how a site's data were judged: the word of every check, or that nobody has judged them.

    >>> quality({"quality": {"drift": "good", "national": "poor"}}), quality({})
    ('national: poor; good: drift', 'not assessed')
    """
    given = manifest.get("quality")
    if not isinstance(given, dict) or not given:
        return NOT_ASSESSED
    told = {check: said.get("verdict") if isinstance(said, dict) else said for check, said in given.items()}
    words = {str(check).replace("_", " "): str(word) for check, word in told.items()}
    good = [check for check, word in words.items() if word == "good"]
    others = [f"{check}: {word}" for check, word in words.items() if word != "good"]
    return "; ".join([*others, *([f"good: {', '.join(good)}"] if good else [])])


def _part(site: str, name: str, held: dict[str, Any]) -> dict[str, Any]:
    part = {
        "@id": f"urn:cohortium:site:{site}:{name}", "@type": "dcat:Dataset", "dct:title": name,
        "dct:description": f"A row is {TABLES[name].row}." if name in TABLES else NONE_STATED,
        "dct:conformsTo": {"@id": "urn:cohortium:data-model"}, "cohortium:rows": held["rows"],
    }  # fmt: skip
    if held.get("first_month"):
        part["dct:temporal"] = {"@type": "dct:PeriodOfTime", "dcat:startDate": _month(held["first_month"]),
                                "dcat:endDate": _month(held["last_month"])}  # fmt: skip
    return part


def _month(month: str) -> dict[str, str]:
    return {"@value": month, "@type": "xsd:gYearMonth"}
