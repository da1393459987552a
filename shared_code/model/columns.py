"""What can be declared about a table and a column."""

from __future__ import annotations

from dataclasses import dataclass, field

TYPES = {
    "text": "characters",
    "integer": "whole number",
    "number": "decimal number",
    "date": "calendar date, YYYY-MM-DD",
    "timestamp": "date and time, YYYY-MM-DD HH:MM:SS, local clock",
    "boolean": "true or false",
}
SENSITIVITIES = {
    "identifier": "points at one person or one record: never shown in a message, a log or a release",
    "quasi-identifier": "could single a person out together with other columns: only banded or counted",
    "sensitive": "health, care or death of a person: only counted",
    "reference": "about places, organisations or records, not about a person",
}


@dataclass(frozen=True)
class Column:
    """Declare one column: its type, what it means, and which values it may hold.

    values       code -> meaning; empty means any value of the type
    pattern      regular expression (RE2) that a text value must match as a whole
    key          part of the table's key; a key column is never missing and the key is unique
    required     a value must be present in every row
    lowest, highest  limits of a number
    month        a date that is the first day of its month, because nothing finer may be kept
    sensitivity  one of SENSITIVITIES
    """

    name: str
    type: str
    meaning: str
    values: dict[str, str] = field(default_factory=dict)
    pattern: str = ""
    key: bool = False
    required: bool = False
    lowest: float | None = None
    highest: float | None = None
    month: bool = False
    sensitivity: str = "sensitive"

    @property
    def never_missing(self) -> bool:
        return self.key or self.required

    @property
    def private(self) -> bool:
        """Tell whether a message must never show its values."""
        return self.sensitivity == "identifier"


@dataclass(frozen=True)
class Table:
    """Declare one prepared table: what a row is, and its columns.

    refers_to  column -> table whose rows it points at (the column has the same name there)
    one_value  columns that hold one and the same value in every row: editions that must never be mixed
    when       the date of the fact, where it is not the first required date
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    refers_to: dict[str, str] = field(default_factory=dict)
    one_value: tuple[str, ...] = ()
    when: str = ""

    @property
    def main_date(self) -> str:
        """Name the date of the fact a row holds; empty where a row is not dated."""
        if self.when:
            return self.when
        dates = [c for c in self.columns if c.type in ("date", "timestamp")]
        required = [c.name for c in dates if c.never_missing]
        return required[0] if required and "person_id" in self.column_names else ""

    @property
    def key(self) -> list[str]:
        return [c.name for c in self.columns if c.key]

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)

    @property
    def column_names(self) -> list[str]:
        return [c.name for c in self.columns]


# Columns that several tables share, written once.
ICD10 = "[A-Z][0-9]{2}[0-9A-Z]{0,4}"
LSOA11 = LSOA21 = r"[EW]01[0-9]{6}"
WARD = r"[EW]05[0-9]{6}"
ODS = "[A-Z0-9]{3,6}"


def person_id(key: bool = False) -> Column:
    """Declare the pseudonym of the person."""
    return Column("person_id", "text", "keyed pseudonym of the person, 64 hexadecimal digits", pattern="[0-9a-f]{64}",
                  key=key, required=True, sensitivity="identifier")  # fmt: skip


def record_id(name: str, what: str) -> Column:
    """Declare the identifier of a record."""
    return Column(name, "text", f"identifier of the {what}", key=True, sensitivity="identifier")


def small_area(name: str = "lsoa21", what: str = "residence", key: bool = False) -> Column:
    """Declare a small area (LSOA)."""
    edition = "2011" if name.endswith("11") else "2021"
    return Column(name, "text", f"small area of {what} (LSOA, {edition} edition)", pattern=LSOA21, key=key,
                  sensitivity="reference" if key else "quasi-identifier")  # fmt: skip


def provider() -> Column:
    """Declare the organisation that gave the care."""
    return Column("provider", "text", "organisation that gave the care (ODS code)", pattern=ODS, sensitivity="reference")


def coded(name: str, meaning: str, values: dict[str, str], required: bool = False, sensitivity: str = "sensitive"
          ) -> Column:  # fmt: skip
    """Declare a column of listed codes."""
    return Column(name, "text", meaning, values=values, required=required, sensitivity=sensitivity)


def day(name: str, meaning: str, required: bool = False, key: bool = False) -> Column:
    """Declare a date."""
    return Column(name, "date", meaning, required=required, key=key)
