"""The common data model, declared once.

Everything that must agree about the prepared tables is made from these declarations: validation
(`validation.py`), the data dictionary page (`dictionary.py`), the empty site template and the made-up data.
Source: Cohortium methods specification, section 0.2. A table is one row per fact.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TYPES = {
    "text": "characters",
    "integer": "whole number",
    "number": "decimal number",
    "date": "calendar date, YYYY-MM-DD",
    "boolean": "true or false",
}


@dataclass(frozen=True)
class Column:
    """Declare one column: its type, what it means, and which values it may hold.

    values   code -> meaning; empty means any value of the type
    pattern  regular expression (RE2) that a text value must match as a whole
    key      part of the table's key; a key column is never missing and the key is unique
    required a value must be present in every row
    lowest, highest  limits of a number
    month    a date that is the first day of its month, because nothing finer may be kept
    private  it identifies a person or a record: a message never shows its values
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
    private: bool = False

    @property
    def never_missing(self) -> bool:
        return self.key or self.required


@dataclass(frozen=True)
class Table:
    """Declare one prepared table: what a row is, and its columns.

    refers_to  column -> table whose rows it points at (the column has the same name there)
    one_value  columns that hold one and the same value in every row: editions that must never be mixed
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    refers_to: dict[str, str] = field(default_factory=dict)
    one_value: tuple[str, ...] = ()

    @property
    def key(self) -> list[str]:
        return [c.name for c in self.columns if c.key]

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)

    @property
    def column_names(self) -> list[str]:
        return [c.name for c in self.columns]


SEX = {"F": "female", "M": "male", "I": "indeterminate", "U": "unknown"}

# Census-2001 letters. Chinese (R) counts as Other in this grouping; one mapping, here, and nowhere else.
ETHNICITY16 = {
    "A": "White British", "B": "White Irish", "C": "any other White background",
    "D": "White and Black Caribbean", "E": "White and Black African", "F": "White and Asian",
    "G": "any other mixed background", "H": "Indian", "J": "Pakistani", "K": "Bangladeshi",
    "L": "any other Asian background", "M": "Caribbean", "N": "African", "P": "any other Black background",
    "R": "Chinese", "S": "any other ethnic group", "Z": "not stated", "99": "not known",
}  # fmt: skip
ETHNICITY5 = {
    "White": "ABC", "Mixed": "DEFG", "Asian": "HJKL", "Black": "MNP", "Other": "RS",
}  # fmt: skip
UNKNOWN = "Unknown"

PERSON_ID = Column("person_id", "text", "keyed pseudonym of the person, 64 hexadecimal digits",
                   pattern="[0-9a-f]{64}", required=True, private=True)  # fmt: skip
LSOA21 = r"[EW]01[0-9]{6}"
WARD = r"[EW]05[0-9]{6}"


def _person_key() -> Column:
    return Column("person_id", "text", PERSON_ID.meaning, pattern=PERSON_ID.pattern, key=True, private=True)


PERSON = Table("person", "one person", (
    _person_key(),
    Column("birth_month", "date", "first day of the month of birth (never the full date)", required=True, month=True),
    Column("sex", "text", "sex as registered", values=SEX, required=True),
    Column("ethnicity16", "text", "ethnic group, 16+1 categories (missing: not known)", values=ETHNICITY16),
    Column("carehome_flag", "boolean", "lives in a care home"),
))  # fmt: skip

PERSON_ADDRESS = Table("person_address", "one person at one address from a date on", (
    _person_key(),
    Column("start", "date", "first day at the address", key=True),
    Column("end", "date", "first day no longer there; missing while current"),
    Column("lsoa21", "text", "small area of residence (LSOA, 2021 edition)", pattern=LSOA21),
), {"person_id": "person"})  # fmt: skip

GP_REGISTRATION = Table("gp_registration", "one registration of a person with a practice", (
    _person_key(),
    Column("practice_code", "text", "practice (ODS code)", key=True),
    Column("reg_start", "date", "first day registered", key=True),
    Column("reg_end", "date", "first day no longer registered; missing while current"),
    Column("reg_type", "text", "kind of registration; only GMS counts as registered",
           values={"GMS": "permanent", "temp": "temporary", "other": "any other kind"}, required=True),
), {"person_id": "person"})  # fmt: skip

CONDITION_EVENT = Table("condition_event", "one diagnosis code recorded for a person", (
    Column("event_id", "text", "identifier of the record", key=True, private=True),
    PERSON_ID,
    Column("code", "text", "diagnosis code: digits of SNOMED CT, or ICD-10 in capitals without the dot", required=True,
           pattern="[0-9]{6,18}|[A-Z][0-9]{2}[0-9A-Z]{0,4}"),
    Column("code_system", "text", "terminology of the code",
           values={"SCT": "SNOMED CT", "ICD10": "ICD-10"}, required=True),
    Column("event_date", "date", "date the condition was diagnosed or treated", required=True),
    Column("source", "text", "where it was recorded", values={
        "GP": "general practice", "APC": "admitted patient care", "OP": "outpatients",
        "ECDS": "emergency department", "MH": "mental health services", "survey": "asked in a survey"}, required=True),
    Column("status", "text", "what the record says of the condition", values={
        "active": "present", "resolved": "ended", "family": "in the family only", "history": "in the past"}),
), {"person_id": "person"})  # fmt: skip

DEATH = Table("death", "one person who died", (
    _person_key(),
    Column("death_date", "date", "date of death", required=True),
    Column("reg_date", "date", "date the death was registered", required=True),
    Column("underlying_icd10", "text", "underlying cause of death, ICD-10 without the dot",
           pattern="[A-Z][0-9]{2}[0-9X]?"),
    Column("lsoa21", "text", "small area of usual residence at death (LSOA, 2021 edition)", pattern=LSOA21),
), {"person_id": "person"})  # fmt: skip

AREA_LOOKUP = Table("area_lookup", "one small area (LSOA)", (
    Column("lsoa21", "text", "small area (LSOA, 2021 edition)", pattern=LSOA21, key=True),
    Column("ward_vintage", "text", "edition of the ward codes, YYYY-MM", pattern="[0-9]{4}-[0-9]{2}", key=True),
    Column("ward_cd", "text", "ward code of that edition", pattern=WARD, required=True),
    Column("ward_name", "text", "ward name"),
    Column("locality", "text", "the site's own name for the neighbourhood or district", required=True),
    Column("imd_version", "text", "edition of the deprivation index", required=True,
           values={"IoD2019": "English Indices 2019 (LSOA 2011)", "IoD2025": "English Indices 2025 (LSOA 2021)"}),
    Column("imd10", "integer", "national decile of deprivation, 1 = most deprived", required=True,
           lowest=1, highest=10),
), one_value=("imd_version",))  # fmt: skip

AREA_POPULATION = Table("area_population", "people of one age and sex living in an area in one year", (
    Column("area_cd", "text", "small area (LSOA, 2021 edition)", pattern=LSOA21, key=True),
    Column("year", "integer", "year of the mid-year estimate", key=True, lowest=1990, highest=2100),
    Column("sex", "text", "sex", values={"F": "female", "M": "male"}, key=True),
    Column("age", "integer", "completed years; 90 = 90 and over", key=True, lowest=0, highest=90),
    Column("population", "number", "people", required=True, lowest=0),
))  # fmt: skip

TABLES: dict[str, Table] = {
    t.name: t
    for t in (PERSON, PERSON_ADDRESS, GP_REGISTRATION, CONDITION_EVENT, DEATH, AREA_LOOKUP, AREA_POPULATION)
}
