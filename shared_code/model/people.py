"""Tables about people: who they are, where they live and are registered, what they have, when they died."""

from __future__ import annotations

from shared_code.model.columns import ICD10, ODS, Column, Table, coded, day, person_id, record_id, small_area

SEX = {"F": "female", "M": "male", "I": "indeterminate", "U": "unknown"}

# Census-2001 letters. Chinese (R) counts as Other in this grouping; one mapping, here, and nowhere else.
ETHNICITY16 = {
    "A": "White British", "B": "White Irish", "C": "any other White background",
    "D": "White and Black Caribbean", "E": "White and Black African", "F": "White and Asian",
    "G": "any other mixed background", "H": "Indian", "J": "Pakistani", "K": "Bangladeshi",
    "L": "any other Asian background", "M": "Caribbean", "N": "African", "P": "any other Black background",
    "R": "Chinese", "S": "any other ethnic group", "Z": "not stated", "99": "not known",
}  # fmt: skip
ETHNICITY5 = {"White": "ABC", "Mixed": "DEFG", "Asian": "HJKL", "Black": "MNP", "Other": "RS"}
UNKNOWN = "Unknown"
RECORDED_IN = {
    "GP": "general practice", "APC": "admitted patient care", "OP": "outpatients", "ECDS": "emergency department",
    "MH": "mental health services", "survey": "asked in a survey",
}  # fmt: skip
QUASI = "quasi-identifier"

PERSON = Table("person", "one person", (
    person_id(key=True),
    Column("birth_month", "date", "first day of the month of birth (never the full date)", required=True, month=True,
           sensitivity=QUASI),
    coded("sex", "sex as registered", SEX, required=True, sensitivity=QUASI),
    coded("ethnicity16", "ethnic group, 16+1 categories (missing: not known)", ETHNICITY16, sensitivity=QUASI),
    coded("ethnicity_source", "where the ethnic group was recorded",
          {k: RECORDED_IN[k] for k in ("GP", "APC", "ECDS", "OP")} | {"other": "elsewhere"}, sensitivity=QUASI),
    day("ethnicity_date", "date the ethnic group was recorded"),
    Column("language", "text", "main spoken language (ISO 639 code)", pattern="[a-z]{2,3}", sensitivity=QUASI),
    Column("carehome_flag", "boolean", "lives in a care home", sensitivity=QUASI),
    Column("homeless_flag", "boolean", "recorded as homeless"),
), when="ethnicity_date")  # fmt: skip

PERSON_ADDRESS = Table("person_address", "one person at one address from a date on", (
    person_id(key=True),
    day("start", "first day at the address", key=True),
    day("end", "first day no longer there; missing while current"),
    small_area("lsoa11"),
    small_area("lsoa21"),
    Column("source", "text", "where the address was recorded", sensitivity="reference"),
), {"person_id": "person"})  # fmt: skip

GP_REGISTRATION = Table("gp_registration", "one registration of a person with a practice", (
    person_id(key=True),
    Column("practice_code", "text", "practice (ODS code)", key=True, pattern=ODS, sensitivity=QUASI),
    day("reg_start", "first day registered", key=True),
    day("reg_end", "first day no longer registered; missing while current"),
    coded("reg_type", "kind of registration; only GMS counts as registered",
          {"GMS": "permanent", "temp": "temporary", "other": "any other kind"}, required=True, sensitivity="reference"),
), {"person_id": "person"})  # fmt: skip

CONDITION_EVENT = Table("condition_event", "one diagnosis code recorded for a person", (
    record_id("event_id", "record"),
    person_id(),
    Column("code", "text", "diagnosis code: digits of SNOMED CT, or ICD-10 in capitals without the dot", required=True,
           pattern=f"[0-9]{{6,18}}|{ICD10}"),
    coded("code_system", "terminology of the code", {"SCT": "SNOMED CT", "ICD10": "ICD-10"}, required=True,
          sensitivity="reference"),
    day("event_date", "date the condition was diagnosed or treated", required=True),
    day("recorded_date", "date the record was made, where it differs"),
    coded("source", "where it was recorded", RECORDED_IN, required=True, sensitivity="reference"),
    Column("diag_position", "integer", "position among the diagnoses of a spell or attendance, 1 = primary", lowest=1,
           highest=99),
    Column("parent_id", "text", "spell or attendance it was recorded in", sensitivity="identifier"),
    coded("status", "what the record says of the condition", {
        "active": "present", "resolved": "ended", "family": "in the family only", "history": "in the past"}),
), {"person_id": "person"})  # fmt: skip

DEATH = Table("death", "one person who died", (
    person_id(key=True),
    day("death_date", "date of death", required=True),
    day("reg_date", "date the death was registered", required=True),
    Column("underlying_icd10", "text", "underlying cause of death, ICD-10 without the dot",
           pattern="[A-Z][0-9]{2}[0-9X]?"),
    coded("place", "place of death", {"home": "own home", "hospital": "hospital", "care_home": "care home",
          "hospice": "hospice", "other": "anywhere else"}),
    small_area("lsoa21", "usual residence at death"),
), {"person_id": "person"})  # fmt: skip

MEASUREMENT = Table("measurement", "one measurement or check recorded for a person", (
    record_id("meas_id", "measurement"),
    person_id(),
    coded("concept", "what was measured", {
        "bp": "blood pressure", "bmi": "body mass index or weight", "lipids": "blood lipids",
        "hba1c_glucose": "HbA1c or glucose", "alcohol": "alcohol use", "smoking": "smoking status"}, required=True),
    day("date", "date of the measurement", required=True),
    Column("value", "text", "the value as recorded"),
    Column("unit", "text", "unit of the value (UCUM)", sensitivity="reference"),
    Column("declined", "boolean", "the person declined the check", required=True),
), {"person_id": "person"})  # fmt: skip

LIST_FLAG = Table("list_flag", "one person put on a list", (
    person_id(key=True),
    Column("list", "text", "the list, for example SPL (shielded patient list)", key=True),
    day("added", "date added", key=True),
    day("removed", "date taken off; missing while on it"),
    coded("route", "how the person was put on the list", {
        "national": "national rule", "gp_hospital": "practice or hospital", "risk_model": "risk model"}),
    Column("reason", "text", "reason given"),
), {"person_id": "person"})  # fmt: skip

PROGRAMME = Table("programme", "one person in one programme", (
    person_id(key=True),
    Column("programme_id", "text", "the programme", key=True),
    day("eligible_date", "date the person became eligible"),
    day("referral_date", "date referred", required=True),
    day("start_date", "date started; missing if never"),
    day("end_date", "date ended; missing while in it"),
    coded("status", "how it stands", {"offered": "offered", "declined": "declined", "active": "in it",
          "completed": "completed", "left": "left before the end"}),
), {"person_id": "person"})  # fmt: skip

PEOPLE = (PERSON, PERSON_ADDRESS, GP_REGISTRATION, CONDITION_EVENT, DEATH, MEASUREMENT, LIST_FLAG, PROGRAMME)
