"""Release: all results tables of a site, protected together, become one draft that people then look at and approve."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from shared_code import disclosure
from shared_code.config import digests
from shared_code.config.agreement import at_places
from shared_code.config.minimum_quality import missed
from shared_code.config.plan import Plan
from shared_code.config.site import PublishedTable, Site
from shared_code.config.study import Policy, Study
from shared_code.disclosure import Earlier
from shared_code.disclosure.ladder import climb, finest_rung
from shared_code.measures.cohort import wards_inside
from shared_code.measures.matched_controls import FROZEN
from shared_code.measures.prepared import Prepared
from shared_code.measures.saving import check_results
from shared_code.model import Problem, Refused, few
from shared_code.quality import record
from shared_code.releases import beside, ledger, package
from shared_code.releases.contents import contents
from shared_code.releases.model_checks import checks_of


def release(site: Site, study: Study, results: Path, target: Path, prepared: Path | None = None,
            earlier: Sequence[Earlier] = ()) -> dict[str, Any]:  # fmt: skip
    """Protect everything the site has run and write the draft package, unsigned, and beside it what the site alone knows.

    Gives the manifest.

    results   folder with one folder of Parquet tables per analysis
    prepared  folder of the prepared tables, whose record says what the site holds
    earlier   what the site released before, from its ledger
    Raises model.Refused, and writes nothing, when a table is missing, does not fit its declaration, or cannot be released
    after what left before.
    """
    problems: list[Problem] = []
    unprotected = {}
    below = {stem: why for stem in analyses_run(site, study) if (why := missed(study, results, stem))}
    for stem in [stem for stem in analyses_run(site, study) if stem not in below]:
        for name, declared in study.analyses[stem].results.items():
            path = results / stem / f"{name}.parquet"
            if not path.is_file():
                problems.append(Problem(str(path), "the results table is not there", "", f"Run analyse for {stem}"))
                continue
            table = pd.read_parquet(path)
            problems += check_results(Plan(study, stem), name, table, complete=True)
            unprotected[f"{stem}.{name}"] = (declared, table)
    if problems:
        raise Refused(f"The release of {site.title} ({site.site})", problems)
    policy = study.disclosure.stricter(site.disclosure)
    places = wards_inside(Prepared(prepared)) if prepared is not None else {}
    done = disclosure.protect(unprotected, ledger=earlier, policy=policy, agreements=at_places(study.agree, places))
    climbed = [counted for name, (declared, table) in unprotected.items() for counted in climb(name, declared, table, policy)]
    protected = dict(done.tables)
    manifest = describe(site, study, policy, protected, below) | {"quality": record.leaving(results)}
    if climbed:  # of the dry counts only this leaves
        manifest["finest_rungs"] = [{"table": c["table"], "dimension": c["dimension"], "rung": finest_rung(c)} for c in climbed]
    if places:
        manifest["places"] = places
    if frozen := frozen_of(results, unprotected):
        manifest["frozen"] = frozen
    if prepared is not None:
        manifest["holdings"] = json.loads((prepared / "prepared.json").read_text("utf-8"))["holdings"]
    files = contents(study, manifest, protected, policy, done.record)
    digest = package.write(target, manifest, files)
    data = ledger.data_digest(prepared) if prepared is not None else ""
    people = {name: table for name, (_, table) in unprotected.items()}
    beside.write(target, digest, beside.Beside(data, people, done.reasons, tuple(one.digest for one in earlier),
                                               done.record.get("audit", {}), tuple(climbed),
                                               checks_of(study, results, sorted(manifest["plans"]), policy)))  # fmt: skip
    return {**manifest, "package_digest": digest}


def frozen_of(results: Path, tables: Iterable[str]) -> dict[str, dict[str, str]]:
    """Give the digests of what analyses froze before they counted outcomes: analysis -> name -> SHA-256.

    Raises model.Refused where anything but digests stands there: a manifest is no place for numbers.
    """
    found = {}
    for stem in sorted({name.split(".")[0] for name in tables}):
        path = results / stem / FROZEN
        if path.is_file():
            content = json.loads(path.read_text("utf-8"))
            pairs = content.items() if isinstance(content, dict) else [("", "")]
            if not all(re.fullmatch("[a-z_]{1,40}", k) and re.fullmatch("[0-9a-f]{64}", str(v)) for k, v in pairs):
                mend = "Write it with measures.save_frozen"
                raise Refused("The release", [Problem(str(path), "it holds something else than digests", "", mend)])
            found[stem] = content
    return found


def analyses_run(site: Site, study: Study) -> list[str]:
    """List the analyses a site has the tables for, in the order of the study."""
    return [stem for stem, entry in study.analyses.items() if site.can_run(entry)]


def describe(site: Site, study: Study, policy: Policy, protected: dict[str, pd.DataFrame],
             below: Mapping[str, list[str]] = MappingProxyType({})) -> dict[str, Any]:  # fmt: skip
    """Say what is in a release: who, which plan, which code, what was withheld, and what was not run and why.

    below  analyses left out because the site's data miss the minimum quality they declare: stem -> reasons
    """
    included = {name.split(".")[0] for name in protected}
    not_run = {}
    for stem, entry in study.analyses.items():
        if stem not in included:
            lacking = site.lacks(entry)
            named = few([_in_words(need) for need in lacking])
            not_run[stem] = f"the site has no {named}" if lacking else "not part of this release"
        if stem in below:
            not_run[stem] = f"below the minimum quality: {'; '.join(below[stem])}"
    published = [entry for entry in site.published if f"{entry.analysis}.{entry.results}" in protected]
    return {
        "study": study.study, "site": site.site, "site_title": site.title, "made_up_data": site.made_up,
        "extract_date": site.extract_date.isoformat(), "period": study.period.model_dump(mode="json"),
        "index_date": study.index_date.isoformat(),
        "kind": "published tables" if published else "person-level run",
        "plans": {stem: digests.plan(study, stem) for stem in sorted(included)},
        "protocol_digest": digests.protocol(study), "code_digest": digests.code(),
        "code_version": code_version(), "environment_digest": digests.environment(),
        "disclosure": {"rules": policy.model_dump(mode="json"),
                       "tables": {name: disclosure.summary(frame) for name, frame in sorted(protected.items())}},
        "controller": site.controller, "limits": site.notes,
        "governance": site.governance.model_dump(mode="json") if site.governance else {},
        "not_run": not_run, "below_minimum": sorted(below),
        "not_collected": not_collected(site, study, published),
    }  # fmt: skip


def _in_words(need: str) -> str:
    table, _, column = need.partition(".")
    return f"column {column} in {table}" if column else f"table {table}"


def not_collected(site: Site, study: Study, published: list[PublishedTable]) -> dict[str, str]:
    """Say what the site's numbers lack although its analyses are in: what -> why, in words for the report."""
    if not published:
        lacks_areas = not {"person_address", "area_lookup"} <= set(site.tables)
        return {"deprivation, locality": "the site has no addresses"} if lacks_areas else {}
    reasons: dict[str, str] = {}
    for entry in published:
        for dimension, levels in entry.not_collected.items():
            labels = Plan(study, entry.analysis).levels(entry.results, dimension) or {}
            reasons |= {labels.get(level, level): why for level, why in levels.items()}
    return reasons


def code_version() -> str:
    """Name the commit of this checkout, or the package version where there is no git."""
    try:
        shown = subprocess.run(["git", "rev-parse", "HEAD"], cwd=digests.ROOT, capture_output=True, text=True, check=True)
        return shown.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        from importlib.metadata import version

        return version("cohortium")



