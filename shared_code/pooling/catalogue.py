"""The catalogue: what each site holds, from the records in its release, in a form machines read too (DCAT)."""

from __future__ import annotations

from typing import Any

from shared_code.config.study import Study
from shared_code.model import TABLES

CONTEXT = {
    "dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/", "foaf": "http://xmlns.com/foaf/0.1/",
    "xsd": "http://www.w3.org/2001/XMLSchema#", "cohortium": "urn:cohortium:",
}  # fmt: skip


def catalogue(study: Study, manifests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Describe every site of a study as a DCAT catalogue (JSON-LD): one dataset per site, one part per table.

    Counts below ten rows and the dates of single records never leave a site, so they are not in it.
    """
    return {
        "@context": CONTEXT, "@type": "dcat:Catalog", "dct:title": f"What the sites of {study.title} hold",
        "dct:publisher": {"@type": "foaf:Agent", "foaf:name": study.coordinator},
        "dcat:dataset": [_dataset(site, manifest) for site, manifest in sorted(manifests.items())],
    }  # fmt: skip


def _dataset(site: str, manifest: dict[str, Any]) -> dict[str, Any]:
    governance = manifest.get("governance") or {}
    described = {
        "@id": f"urn:cohortium:site:{site}", "@type": "dcat:Dataset", "dct:title": manifest["site_title"],
        "dct:publisher": {"@type": "foaf:Agent", "foaf:name": manifest.get("controller", "")},
        "dct:issued": {"@value": manifest["extract_date"], "@type": "xsd:date"},
        "dct:accessRights": "Person-level data never leave the site; only checked totals are released.",
        "dct:description": manifest.get("limits", ""),
        "cohortium:kind": manifest["kind"], "cohortium:madeUp": manifest["made_up_data"],
        "cohortium:legalBasis": governance.get("legal_basis", ""), "cohortium:dpia": governance.get("dpia", ""),
        "cohortium:agreementExpires": governance.get("agreement_expires", ""),
        "dct:hasPart": [_part(site, name, held) for name, held in manifest.get("holdings", {}).items()],
    }  # fmt: skip
    return described


def _part(site: str, name: str, held: dict[str, Any]) -> dict[str, Any]:
    part = {
        "@id": f"urn:cohortium:site:{site}:{name}", "@type": "dcat:Dataset", "dct:title": name,
        "dct:description": f"A row is {TABLES[name].row}." if name in TABLES else "",
        "dct:conformsTo": "cohortium-data-model", "cohortium:rows": held["rows"],
    }  # fmt: skip
    if held.get("first_month"):
        part["dct:temporal"] = {"@type": "dct:PeriodOfTime", "dcat:startDate": held["first_month"],
                                "dcat:endDate": held["last_month"]}  # fmt: skip
    return part
