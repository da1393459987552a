"""What data quality is compared with: the site's last release of other data, from its ledger."""

from __future__ import annotations

import pandas as pd

from shared_code.config import Study, rooms
from shared_code.config.study import QUALITY
from shared_code.releases import ledger

COMPARED = ("cohort", "months")  # tables of the analysis data_quality


def quality_before(name: str, study: Study) -> dict[str, pd.DataFrame] | None:
    """Give the released cells of cohort and months from the site's last release of another extract; None where there is none.

    A release of the same extract is passed over: running again must give the same verdicts.
    """
    folder = rooms.ledger(name)
    if not (folder / "ledger.jsonl").is_file():
        return None
    extract = extract_date(name)
    entries = ledger.since_start(ledger.chain(folder).entries())
    dates = {entry["package"]: entry["extract_date"] for entry in entries}
    past = [e.tables for e in ledger.read(folder, study.study) if f"{QUALITY}.cohort" in e.tables and dates[e.digest] < extract]
    return {name: past[-1][f"{QUALITY}.{name}"] for name in COMPARED if f"{QUALITY}.{name}" in past[-1]} if past else None


def extract_date(name: str) -> str:
    """Give the day of the extract behind the prepared tables."""
    from shared_code.measures.prepared import Prepared

    day = Prepared(rooms.prepared(name)).extract_date
    return day.isoformat() if day else ""
