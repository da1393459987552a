"""Digests that say what was run: plan, code, environment, data."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from shared_code.config import codelists, indicators, indices
from shared_code.config.indices import Index
from shared_code.config.study import Study

ROOT = Path(__file__).resolve().parents[2]


def of_json(content: Any) -> str:
    """Digest any JSON content independently of the order of keys.

    >>> of_json({"a": 1, "b": 2}) == of_json({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def of_file(path: Path) -> str:
    """Digest the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _text(path: Path) -> str:
    """Digest a text file the same on every system: line ends do not count."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def plan(study: Study, stem: str, root: Path = ROOT) -> str:
    """Digest everything that defines one analysis: period, index date, entry, codelists, notebook.

    Words of titles, labels, captions and of the plan and the way the report draws it do not count: they change no number.
    """
    entry = study.analysis(stem)
    words = {"title", "question", "figures", "findings", "pooled", "indices", "plan", "deviations",
             "months_not_judged"}  # fmt: skip
    content = entry.model_dump(mode="json", exclude=words)
    if entry.plan and entry.plan.numbers:
        content["plan"] = entry.plan.numbers
    for table in content["results"].values():
        del table["title"]
        for dimension in table["dimensions"].values():
            del dimension["label"], dimension["overlapping"]  # nor what only checks of released numbers read
            dimension["values"] = list(dimension["values"])  # the codes; their labels are words
    for declared in content["models"].values():
        del declared["title"]
        for term in declared["terms"].values():
            del term["label"]
            term["values"] = list(term["values"])
    lists = {
        value: codelists.load(value, root / codelists.FOLDER).digest
        for value in entry.parameters.values()
        if isinstance(value, str) and (root / codelists.FOLDER / f"{value}.csv").is_file()
    }
    notebook = root / "notebooks" / f"{stem}.ipynb"
    return of_json({
        "study": study.study, "index_date": study.index_date, "period": study.period.model_dump(mode="json"),
        "entry": content, "codelists": lists, "notebook": _text(notebook) if notebook.is_file() else None,
    })  # fmt: skip


def signed(study: Study, stem: str, root: Path = ROOT) -> str:
    """Digest what partners sign: the whole entry with words and pooling, the indices it shows, and the rules of the study.

    Unit costs, quantiles, scenarios, reference rates, the primary outcome, the base of an index: nothing that stands in the
    plan can be changed unseen after it was signed. Deviations are outside, since they are recorded later. `plan` is in it, and
    alone decides which releases fit together, so that a mended word does not make every site release again.
    """
    whole, entry = study.model_dump(mode="json", exclude={"analyses", "people", "coordinator_key"}), study.analysis(stem)
    files = sorted({path for name in entry.indices for path in _of_index(name, root)})
    return of_json({
        "plan": plan(study, stem, root), "study": whole, "entry": entry.model_dump(mode="json", exclude={"deviations"}),
        "indices": {path.relative_to(root).as_posix(): _text(path) for path in files},
    })  # fmt: skip


def _of_index(name: str, root: Path) -> list[Path]:
    """List the declaration of an index, that of its indicators and of those of its base, and their tables."""
    declared, tables = (root / "config" / folder.name for folder in (indices.FOLDER, indicators.FOLDER))
    index = Index.read(name, declared)
    beside = [path for table in (index.table, index.base) if table for path in tables.glob(f"{table}.*")]
    return [declared / f"{name}.yaml", *beside]


def model(study: Study, stem: str, name: str, root: Path = ROOT) -> str:
    """Digest one model: its plan (with every declaration and the notebook that makes its columns) and its name."""
    return of_json({"plan": plan(study, stem, root), "model": name})


def protocol(study: Study, root: Path = ROOT) -> str:
    """Digest a whole protocol: all its plans and its disclosure rules."""
    plans = {stem: plan(study, stem, root) for stem in study.analyses}
    return of_json({"plans": plans, "disclosure": study.disclosure.model_dump(mode="json")})


def code_files(root: Path = ROOT) -> list[Path]:
    """List the files of the shared code, in order."""
    return sorted((root / "shared_code").rglob("*.py"))


def code(root: Path = ROOT) -> str:
    """Digest the shared code."""
    return of_json({p.relative_to(root).as_posix(): _text(p) for p in code_files(root)})


def environment(root: Path = ROOT) -> str:
    """Digest the lock file: which version of every package was asked for."""
    return _text(root / "requirements.lock")
