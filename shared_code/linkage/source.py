"""What the linkage of one source of records gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from shared_code.config.linkage import Identified
from shared_code.linkage.run import Linked


@dataclass
class Source:
    """Hold what the linkage of one source gave.

    facts    one row a record: row, record, identity, valid_number, with_identifier, person_id, link_method, weight_band and
             the strata; those in `of_index` are not known by the source and are those of the person it was linked to
    numbers  its NHS numbers by reason and issue range
    linked   what `run.link` gave; None for the index itself
    hidden   the gold standard: one row a record (one a person's identity, where a source has many records of a person):
             right, wrong, missed, and the strata
    """

    name: str
    settings: Identified
    facts: pd.DataFrame
    numbers: list[dict[str, Any]]
    linked: Linked | None = None
    hidden: pd.DataFrame | None = None
    of_index: tuple[str, ...] = ()
