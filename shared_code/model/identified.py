"""A record with identifiers: what linkage reads. It is never a prepared table, and nothing of it leaves the linkage step."""

from __future__ import annotations

from shared_code.model.columns import ODS, Column, Table, coded, day, small_area
from shared_code.model.people import ETHNICITY16, SEX

SOURCES = {
    "GP": "general practice", "PDS": "trace by the national demographic service", "APC": "admitted patient care",
    "ECDS": "emergency department", "MH": "mental health services", "ASC": "adult social care",
}  # fmt: skip


def _identifier(name: str, meaning: str) -> Column:
    return Column(name, "text", meaning, sensitivity="identifier")


IDENTIFIED = Table("identified", "one record with identifiers", (
    Column("record", "text", "the source's own number of the record, by which its other tables name it", key=True,
           sensitivity="identifier"),
    _identifier("nhs_number", "NHS number, as typed"),
    _identifier("surname", "family name"),
    _identifier("forename", "given name"),
    Column("date_of_birth", "date", "full date of birth", sensitivity="identifier"),
    coded("sex", "sex", SEX, sensitivity="quasi-identifier"),
    _identifier("postcode", "postcode of residence"),
    coded("ethnicity16", "ethnic group, 16+1 categories", ETHNICITY16, sensitivity="quasi-identifier"),
    small_area("lsoa21"),
    Column("imd10", "integer", "national decile of deprivation (1 = most deprived)", lowest=1, highest=10,
           sensitivity="quasi-identifier"),
    Column("homeless_flag", "boolean", "recorded as homeless or of no fixed abode"),
    day("seen_on", "day the person was last seen by the source, or of the event"),
    Column("provider", "text", "organisation that gave the care (ODS code)", pattern=ODS, sensitivity="reference"),
    Column("practice_code", "text", "practice of registration (ODS code)", pattern=ODS, sensitivity="quasi-identifier"),
    day("death_date", "date of death, where the source knows one"),
))  # fmt: skip
