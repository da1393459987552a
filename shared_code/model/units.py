"""Units that several layers share."""

from __future__ import annotations

DAYS_A_YEAR = 365.25  # person-years are days / 365.25 (methods specification 0.1)
