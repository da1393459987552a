"""The minimum quality of an analysis: what a site's checks found, and which analyses cannot run on it.

Needs no tables, and loads nothing that is slow to load: every step of the workflow asks first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared_code.config.study import QUALITY, Study
from shared_code.model.checks import CHECKS, NOT_ASSESSED, Check
from shared_code.model.words import lower_first

FILE = "quality.json"  # in the results of the analysis data_quality
TOLD_FROM = 100  # rows from which a share may be told outside the site, in whole per cent


@dataclass(frozen=True)
class Finding:
    """Hold what one check found at a site.

    share    faulty rows of all rows judged (for months: of months; list: distance from 1; drift: PSI); nan: not assessed
    faulty, rows   the numbers behind it; people: distinct people affected. They stay at the site
    """

    check: str
    verdict: str
    share: float = math.nan
    faulty: float = math.nan
    rows: float = math.nan
    people: float = math.nan
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give plain values; a number that is not there is nothing."""
        return {name: v if isinstance(v, str) else None if math.isnan(v) else float(v) for name, v in asdict(self).items()}


def missed(study: Study, results: Path, stem: str) -> list[str]:
    """Say which of its minimum quality an analysis misses at a site, in words that may leave; empty when it may run.

    results  folder of the site's results, in which data_quality has run. Where it has not, that is the reason.
    """
    if not study.analysis(stem).minimum_quality:
        return []
    path = results / QUALITY / FILE
    if not path.is_file():
        return ["the quality of the data was not measured"]
    known = json.loads(path.read_text("utf-8"))["checks"]
    return below_minimum(study, {name: _finding(known.get(name), name) for name in CHECKS}).get(stem, [])


def _finding(known: dict[str, Any] | None, name: str) -> Finding:
    if known is None:
        return Finding(name, "not assessed", reason="the record of quality is older than this check")
    return Finding(**{key: float("nan") if value is None else value for key, value in known.items()})


def below_minimum(study: Study, found: Mapping[str, Finding]) -> dict[str, list[str]]:
    """Say for each analysis which of its minimum quality a site misses: stem -> reasons, in words that may leave the site.

    A share is told in whole per cent, and only where it rests on many rows and on 10 people or more.
    """
    missed: dict[str, list[str]] = {}
    for stem, entry in study.analyses.items():
        for name, least in entry.minimum_quality.items():
            finding, title = found[name], lower_first(CHECKS[name].title)
            asked = f"fewer than {100 * least.fewer_faults_than:.0f} % asked for"
            if finding.verdict == NOT_ASSESSED:
                if least.not_assessed == "leave out":
                    missed.setdefault(stem, []).append(f"{title}: not assessed ({finding.reason})")
            elif finding.share >= least.fewer_faults_than:
                told = _may_be_told(finding, CHECKS[name], study.disclosure.threshold)
                missed.setdefault(stem, []).append(f"{title}: {f'{100 * finding.share:.0f} %, ' if told else ''}{asked}")
    return missed


def _may_be_told(finding: Finding, check: Check, threshold: int) -> bool:
    if check.kind in ("received", "national"):
        return True  # months and areas, not people
    some = finding.people if check.kind in ("complete", "valid", "plausible", "linked") else finding.faulty
    return bool(finding.rows >= TOLD_FROM and some >= threshold and finding.rows - finding.faulty >= threshold)
