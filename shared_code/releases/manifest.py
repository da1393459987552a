"""The manifest of a release: what a receiver may rely on being there, and of which kind."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from shared_code.config.study import Policy


class Rules(BaseModel):
    """Disclosure rules the site applied, and how many cells of each table have which status."""

    rules: Policy
    tables: dict[str, dict[str, int]]


class Manifest(BaseModel):
    """What every manifest says; it may say more."""

    model_config = ConfigDict(extra="allow", strict=True)

    study: str
    site: str
    site_title: str
    made_up_data: bool
    kind: str
    extract_date: str
    plans: dict[str, str]
    disclosure: Rules
    not_run: dict[str, str]
    not_collected: dict[str, str]
    places: dict[str, dict[str, dict[str, str]]] = {}  # which wards lie in which locality: areas, nobody's data
    code_version: str
    code_digest: str


def wrong_with(manifest: dict[str, Any]) -> str:
    """Say in one line what a manifest lacks; empty when a receiver can use it.

    >>> wrong_with({"study": "tiny"}).partition(",")[0]
    'its manifest cannot be used (site: field required'
    """
    try:
        dt.date.fromisoformat(Manifest.model_validate(manifest).extract_date)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, e['loc']))}: {e['msg'][0].lower()}{e['msg'][1:]}" for e in error.errors()]
        return f"its manifest cannot be used ({', '.join(found[:3])})"
    except ValueError:
        return f"its manifest cannot be used (extract_date: {manifest['extract_date']!r} is not a date)"
    return ""
