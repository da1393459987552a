"""The rooms: where generated files live. Their names are the policy."""

from __future__ import annotations

import os
from pathlib import Path

DATA, PRIVATE, OUTBOX, INBOX, PUBLIC = (Path(name) for name in ("data", "private", "outbox", "inbox", "public"))
DEMONSTRATION = "demo_"  # only sites so named have a rule that carries their release


def extract(site: str) -> Path:
    """Where a site's extract lies."""
    return DATA / site


def prepared(site: str) -> Path:
    """Folder of the prepared tables."""
    return PRIVATE / site / "prepared"


def linkage(site: str) -> Path:
    """Folder of what linkage makes: links, the person master index, counts; no identifier is in it."""
    return PRIVATE / site / "linkage"


def results(site: str, study: str) -> Path:
    """Folder of the unprotected results tables."""
    return PRIVATE / site / study / "results"


def notebook(site: str, study: str, stem: str) -> Path:
    """The executed notebook of one analysis."""
    return PRIVATE / site / study / "notebooks" / f"{stem}.ipynb"


def review(site: str, study: str) -> Path:
    """The page on which a site sees everything that would leave it, before anybody approves it."""
    return PRIVATE / site / study / "review.html"


def ledger(site: str) -> Path:
    """Folder of what a site remembers of everything it ever released; it never leaves and is never purged."""
    return PRIVATE / site / "ledger"


def publications(study: str) -> Path:
    """Folder of what the coordinating team remembers of everything it published."""
    return PRIVATE / "coordination" / study / "ledger"


def draft(site: str, study: str) -> Path:
    """The package as it would leave: what people look at and approve."""
    return PRIVATE / site / study / "release" / f"{site}.zip"


def outgoing(site: str, study: str) -> Path:
    """The package a site may send: approved and signed."""
    return OUTBOX / study / f"{site}.zip"


def sent(site: str, study: str) -> Path:
    """The record of everything a site has sent in a study."""
    return OUTBOX / study / f"{site}.sent.jsonl"


def incoming(site: str, study: str) -> Path:
    """A package that the coordinating team received and accepted."""
    return INBOX / study / f"{site}.zip"


def quarantine() -> Path:
    """Where a package lies while it is checked, and stays when it is refused."""
    return INBOX / "_quarantine"


def step_draft(site: str, study: str, model: str, number: int) -> Path:
    """One step of a federated regression as it would leave; `model` is named analysis.model."""
    return PRIVATE / site / study / "models" / model / round_name(number) / f"{site}.zip"


def step_outgoing(site: str, study: str, model: str, number: int) -> Path:
    """One step that a site may send: approved and signed."""
    return OUTBOX / study / "models" / model / round_name(number) / f"{site}.zip"


def step_sent(site: str, study: str, model: str) -> Path:
    """The record of the steps a site has sent about a model."""
    return OUTBOX / study / "models" / model / f"{site}.sent.jsonl"


def steps_received(study: str, model: str) -> Path:
    """Folder of the steps that the coordinating team received, by round."""
    return INBOX / study / "models" / model


def requests(study: str, model: str) -> Path:
    """Folder of what the coordinating team asks the sites, by round; a person carries each request to its site."""
    return PRIVATE / "coordination" / study / "models" / model


def fitted(study: str, model: str) -> Path:
    """The table of a fitted model."""
    return models(study) / f"{model}.csv"


def models(study: str) -> Path:
    """Folder of the fitted models."""
    return PUBLIC / study / "models"


def round_name(number: int) -> str:
    """Name the folder of a round.

    >>> round_name(3)
    'round-03'
    """
    return f"round-{number:02d}"


def pooled(study: str) -> Path:
    """Folder of the pooled tables."""
    return PUBLIC / study / "pooled"


def figures(study: str) -> Path:
    """Folder of the figures."""
    return PUBLIC / study / "figures"


def plans(study: str) -> Path:
    """Folder of the plans that partners sign, as they were when the report was written."""
    return PUBLIC / study / "plans"


def report(study: str) -> Path:
    """Folder of the published report."""
    return PUBLIC / study / "report"


def open_data() -> Path | None:
    """Folder of open data, where there is one: that of COHORTIUM_OPEN_DATA, else data/open."""
    named = os.environ.get("COHORTIUM_OPEN_DATA", "")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / DATA / "open"
    return folder if folder.is_dir() else None


def from_root(path: str | Path) -> Path:
    """Find a path of the project also where Jupyter has started a kernel in the folder notebooks/."""
    path = Path(path)
    return path if path.is_absolute() or Path.cwd().name != "notebooks" else Path("..") / path
