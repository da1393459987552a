"""The record of quality at a site: quality.json beside the results, and whether an analysis may run on these data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.config.minimum_quality import FILE, Finding, below_minimum
from shared_code.config.study import QUALITY, Study
from shared_code.measures.prepared import Prepared
from shared_code.model.checks import CHECKS, LOOK, NOT_ASSESSED, PASS, STOP
from shared_code.quality.judge import judge

WORDS, NOT_RUN = "quality.txt", "not_run.json"
TABLES = ("faults", "months", "registered", "cohort", "linked")
LEAVING = ("national", "drift")  # kinds whose verdict no released table can show: the word leaves with the release


def write_quality(study: Study, folder: Path, prepared: Path, earlier: Mapping[str, pd.DataFrame] | None = None
                  ) -> dict[str, Any]:  # fmt: skip
    """Judge a site by what the analysis data_quality saved; write quality.json, and quality.txt in words, beside it.

    folder  results/data_quality     earlier  released cells of cohort and months in the site's last release of other data
    Returns the content of quality.json.
    """
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    found = judge(tables, Prepared(prepared), study.period, earlier)
    content = {
        "study": study.study, "checks": {name: finding.as_json() for name, finding in found.items()},
        "below_minimum": below_minimum(study, found),
    }  # fmt: skip
    partial = folder / f"{FILE}.partial"
    partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    partial.replace(folder / FILE)
    (folder / WORDS).write_text(in_words(found) + "\n", "utf-8")
    return content


def in_words(found: Mapping[str, Finding]) -> str:
    """Write the checks that ask for a stop or a look, one a line, with their numbers; and what was not assessed."""
    lines = []
    for say in (STOP, LOOK):
        for name, finding in found.items():
            if finding.verdict == say:
                check = CHECKS[name]
                limit = check.stop if say == STOP else check.look
                why = f" ({finding.reason})" if finding.reason else ""
                rows = f" ({finding.faulty:,.0f} of {finding.rows:,.0f})" if finding.rows == finding.rows else ""
                lines.append(f"{say.upper()}: {check.title}: {_shown(name, finding.share)}{rows}, "
                             f"more than {_shown(name, limit)}{why}.")  # fmt: skip
    passed = sum(finding.verdict == PASS for finding in found.values())
    rest = sum(finding.verdict == NOT_ASSESSED for finding in found.values())
    return "\n".join([*lines, f"{passed} checks pass; {rest} were not assessed, which is not a pass ({FILE} says why)."])


def _shown(name: str, share: float) -> str:
    """Write a share as its check is told: a stability index as a number, everything else in per cent."""
    return f"{share:.2f}" if CHECKS[name].index else f"{100 * share:.1f} %"


def write_not_run(results: Path, notebook: Path, stem: str, reasons: list[str]) -> None:
    """Leave in place of results and of the executed notebook why an analysis did not run."""
    results.mkdir(parents=True)
    content = {"analysis": stem, "below_minimum": reasons}
    (results / NOT_RUN).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    said = f"# {stem} did not run\n\nThe data of this site are below the minimum quality it declares:\n\n"
    cell = {"cell_type": "markdown", "id": "not-run", "metadata": {}, "source": said + "\n".join(f"- {r}" for r in reasons)}
    page = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    notebook.parent.mkdir(parents=True, exist_ok=True)
    notebook.write_text(json.dumps(page, indent=1, ensure_ascii=False) + "\n", "utf-8")


def leaving(results: Path) -> dict[str, str]:
    """Give the verdicts that leave with the release because no released table can show them: check -> word."""
    path = results / QUALITY / FILE
    known = json.loads(path.read_text("utf-8"))["checks"] if path.is_file() else {}
    return {name: known[name]["verdict"] for name in known if name in CHECKS and CHECKS[name].kind in LEAVING}


__all__ = ["NOT_RUN", "WORDS", "in_words", "leaving", "write_not_run", "write_quality"]
