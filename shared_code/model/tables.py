"""The common data model, declared once.

Everything that must agree about the prepared tables is made from these declarations: validation (`validation.py`), the
data dictionary page and the machine-readable schema (`dictionary.py`, `schema.py`), the empty site template and the
made-up data. Source: Cohortium methods specification, section 0.2. A table is one row per fact.
"""

from __future__ import annotations

from shared_code.model.care import CARE
from shared_code.model.columns import SENSITIVITIES, TYPES, Column, Table
from shared_code.model.people import ETHNICITY5, ETHNICITY16, PEOPLE, SEX, UNKNOWN
from shared_code.model.places import PLACES

TABLES: dict[str, Table] = {table.name: table for table in (*PEOPLE, *CARE, *PLACES)}

__all__ = ["ETHNICITY5", "ETHNICITY16", "SENSITIVITIES", "SEX", "TABLES", "TYPES", "UNKNOWN", "Column", "Table"]
