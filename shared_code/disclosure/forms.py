"""What goes into and comes out of disclosure control, besides the results tables themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Earlier:
    """Hold one earlier release of the same site, as its ledger remembers it.

    digest   SHA-256 of the package that left
    data     digest of the prepared tables behind it: equal digests mean the very same people
    tables   name -> the cells that left: dimensions, statistic, value, status, lower, upper
    people   name -> what the site alone knows: the wide table before protection (people counts), to compare with
    """

    digest: str
    data: str
    tables: Mapping[str, pd.DataFrame]
    people: Mapping[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class Protected:
    """Hold what may leave, and what is said about it.

    tables   name -> cells: dimensions, statistic, value, status, lower, upper
    record   which rules were applied and with which outcome, per table and over all (JSON); it leaves with the release
             and so holds no number that the tables withhold
    reasons  name -> per cell, why it is withheld: for the people who review at the site; it never leaves
    """

    tables: Mapping[str, pd.DataFrame]
    record: Mapping[str, Any] = field(default_factory=dict)
    reasons: Mapping[str, pd.DataFrame] = field(default_factory=dict)
