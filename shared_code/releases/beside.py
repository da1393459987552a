"""What stays beside a draft in the private room: why cells are withheld, and the counts behind them.

The review page reads the reasons; the ledger takes the counts when the package is sent.

    private/<site>/<study>/release/beside/behind.json               its draft, and the digest of the prepared tables
    private/<site>/<study>/release/beside/reasons/<table>.parquet   why each withheld number is withheld
    private/<site>/<study>/release/beside/people/<table>.parquet    the table before protection
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.model import Problem, Refused

FOLDER, RECORD = "beside", "behind.json"


@dataclass(frozen=True)
class Beside:
    """Hold what the site alone knows of a draft; see forms.Protected and forms.Earlier.

    earlier  digests of the releases it was compared with        audit  what disclosure control says of its own outcome
    climbed  what each rung of the declared ladders of bands would withhold (ladder.dry_count)
    models   title of a model -> what was checked of it -> outcome (model_checks)
    """

    data: str
    people: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    reasons: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    earlier: tuple[str, ...] = ()
    audit: Mapping[str, Any] = field(default_factory=dict)
    climbed: tuple[Mapping[str, Any], ...] = ()
    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def write(draft: Path, digest: str, known: Beside) -> None:
    """Write it next to a draft, in place of what lay there, for its owner only.

    draft  path of the draft package, in the private room       digest  of its content
    """
    folder = draft.with_name(FOLDER)
    partial = folder.with_name(f"{FOLDER}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for kind, tables in (("people", known.people), ("reasons", known.reasons)):
        (partial / kind).mkdir(parents=True, mode=0o700)
        for name, table in tables.items():
            table.reset_index(drop=True).to_parquet(partial / kind / f"{name}.parquet", index=False)
    said = {"draft": digest, "data": known.data, "earlier": known.earlier, "audit": known.audit, "climbed": known.climbed,
            "models": known.models}  # fmt: skip
    (partial / RECORD).write_text(json.dumps(said) + "\n", "utf-8")
    if os.name == "posix":
        partial.chmod(0o700)
        for path in partial.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)


def read(draft: Path, digest: str) -> Beside:
    """Read what lies next to a draft (raises model.Refused when it is not there, or belongs to another draft)."""
    folder = draft.with_name(FOLDER)
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        tables = {kind: {path.stem: pd.read_parquet(path) for path in sorted((folder / kind).glob("*.parquet"))}
                  for kind in ("people", "reasons")}  # fmt: skip
        if record["draft"] != digest:
            raise Refused(str(draft), [Problem(folder.as_posix(), "it belongs to another draft", "", "Run release again")])
        return Beside(record["data"], tables["people"], tables["reasons"], tuple(record["earlier"]),
                      record["audit"], tuple(record.get("climbed", ())), record.get("models", {}))  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        wrong = "the counts behind the draft are not there, or are damaged"
        raise Refused(str(draft), [Problem(folder.as_posix(), wrong, "", "Run release again")]) from None
