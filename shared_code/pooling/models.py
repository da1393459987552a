"""Models that were fitted over the sites in rounds: their coefficients stand among the results, traced to every answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.config import digests
from shared_code.config.study import Study
from shared_code.model import Problem, Refused
from shared_code.pooling.results import TEXT
from shared_code.releases import package

OUTDATED = "the model was declared otherwise when it was fitted"
UNSETTLED = "the fit ended without an answer"


def fitted_models(study: Study, folder: Path) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Read every fitted model of a study: rows for the results, and what is recorded of each (analysis.model -> record).

    folder  public/<study>/models
    A model that was fitted under another plan, or ended without an answer, gives no rows and says so in its record.
    Raises model.Refused when a table is not the one that its fit wrote.
    """
    rows: list[dict[str, Any]] = []
    record: dict[str, dict[str, Any]] = {}
    problems = []
    for stem, entry in study.analyses.items():
        for name in entry.models:
            path = folder / f"{stem}.{name}.csv"
            if not path.is_file():
                continue
            about = _about(path)
            if about.get("table") != package.digest(path.read_bytes()):
                mend = f"Write it again: cohortium model next {stem} {name}"
                problems.append(Problem(path.as_posix(), "it is not the table that its fit wrote", "", mend))
                continue
            outdated = about["model_digest"] != digests.model(study, stem, name)
            why = OUTDATED if outdated else "" if about["settled"] else f"{UNSETTLED}: {about['words']}"
            record[f"{stem}.{name}"] = {key: about[key] for key in ("model_digest", "table", "sites", "answers", "rounds")}
            record[f"{stem}.{name}"]["not_shown"] = why
            if not why:
                rows += _rows(path)
    if problems:
        raise Refused("The fitted models", problems)
    return rows, record


def _about(path: Path) -> Mapping[str, Any]:
    try:
        about: Mapping[str, Any] = json.loads(path.with_suffix(".json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return about if {"table", "model_digest", "sites", "answers", "settled"} <= set(about) else {}


def _rows(path: Path) -> list[dict[str, Any]]:
    frame = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values={})
    for name in set(frame.columns) - TEXT:
        frame[name] = pd.to_numeric(frame[name].replace("", None)).astype(float)
    return frame.to_dict("records")  # type: ignore[return-value]
