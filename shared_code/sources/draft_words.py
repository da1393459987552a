"""Words by which a draft recognises tables, columns and codes. Adding a word here makes every draft better."""

from __future__ import annotations

import re

# Words in names of files and of tables of a database, most telling first.
TABLE_WORDS = {
    "person": "person people patient patients master demographics pmi mpi demog",
    "person_address": "address addresses residence residences adr addr",
    "gp_registration": "registration registrations gpreg gplist register list",
    "condition_event": "diagnosis diagnoses diag condition conditions problem problems coded",
    "death": "death deaths mortality died mort",
    "measurement": "measurement measurements vitals observation observations lab labs results",
    "list_flag": "shielded shielding spl flag flags",
    "programme": "programme programmes intervention",
    "admission": "admission admissions apc inpatient inpatients spell spells episodes",
    "ed_attendance": "attendance attendances ae ed ecds emergency",
    "outpatient": "outpatient outpatients op appointment appointments",
    "gp_encounter": "encounter encounters consultation consultations appointment",
    "mh_contact": "mental mhsds mh contact contacts",
    "asc_event": "social asc carecontact",
    "area_lookup": "area areas geography lookup lsoa small geog",
    "area_population": "population populations mye estimate estimates mid",
    "ward_indicator": "indicator indicators",
    "source_receipt": "receipt receipts",
    "unit_cost": "cost costs tariff",
    "reference_rate": "rate rates reference",
}

# Names of columns: phrases of words; a short one must be a word by itself. "" holds for every table.
COLUMN_WORDS: dict[str, dict[str, str]] = {
    "": {
        "person_id": "person id; person identifier; pseudonym; pseudonymised; pseudo id; pseudoid; pseudo hesid; pid; patient; "
                     "patient id; pat no; patno; nhs number; id; seqn; local number; chi; client; client id; client no; "
                     "client number; client ref; client reference; service user; service user id; person ref; person no; "
                     "mosaic id; swift id; liquidlogic id; carefirst id",
        "lsoa21": "lsoa21; lsoa 21; lsoa 2021; lsoa; lsoa21cd; lsoa11; small area",
        "lsoa11": "lsoa11; lsoa 11; lsoa11cd; lsoa 2011",
        "provider": "provider; procode; procode3; provider code; trust; org code; site code",
        "sex": "sex; gender; sexcd; sex cd", "source": "source; src; setting; origin; where; recorded in",
        "date": "date; on", "status": "status; state",
    },
    "person": {
        "birth_month": "birth; dob; date of birth; month of birth; birthmth; birth month; birthdate; mydob; born; dob m; dob ymd",
        "ethnicity16": "ethnic; ethnicity; ethnic group; ethnic category; ethniccd; ethnos; ethnic cat; race",
        "carehome_flag": "care home; carehome; in care home; care home resident", "homeless_flag": "homeless",
        "language": "language; main language", "ethnicity_source": "ethnicity source", "ethnicity_date": "ethnicity date",
    },
    "person_address": {
        "start": "start; from; from date; moved in; date from; fromdt; adr from; begin; from ymd",
        "end": "end; to; moved out; until; date to; todt; adr to; until ymd; finish",
    },
    "gp_registration": {
        "practice_code": "practice; practice code; gp practice; gppractice; ods code; gpprac; surgery",
        "reg_start": "registered; date registered; reg start; reg from; regstdt; begin; start; registration date; from; "
                     "begin ymd",
        "reg_end": "deregistered; date deregistered; reg end; reg to; regenddt; end; until; to; left; end ymd",
        "reg_type": "registration type; reg type; regtype; type; kind; list type",
    },
    "condition_event": {
        "event_id": "event id; eventid; record; record number; recno; diagnosis id; row id",
        "code": "code; diagnosis code; diagcode; diag code; diag; term; snomed; icd10; icd; readcode; concept",
        "code_system": "coding; code system; codesys; terminology; scheme; vocabulary; terminology of code; system",
        "event_date": "event date; date; date of diagnosis; diagdt; diagdate; diagnosis date; "
                      "dx date; recorded; onset; recorded on; start",
        "status": "status; certainty; statuscd; verification; status of condition",
        "diag_position": "position; diagnosis order", "recorded_date": "recorded date; date recorded; entered",
        "parent_id": "spell; encounter; attendance",
    },
    "death": {
        "death_date": "died; date of death; dod; death date; deathdate; died ymd; death",
        "reg_date": "registered; date of registration; dor; registration date; reg date; registered ymd",
        "underlying_icd10": "underlying cause; cause; underlying; cause of death; underlying cause icd10",
        "place": "place; place of death", "lsoa21": "lsoa; usual residence; lsoa 2021; residence",
    },
    "measurement": {
        "meas_id": "measurement id; observation id; id", "concept": "concept; test; measure; observation", "date": "date",
        "value": "value; result; reading", "unit": "unit; units", "declined": "declined; refused",
    },
    "admission": {
        "spell_id": "spell id; spell; spell number; epikey; admission id", "admi_date": "admission date; admidate; admitted",
        "disch_date": "discharge date; disdate; discharged", "admimeth": "admission method; admimeth; method of admission",
        "class_pat": "patient class; classpat; patient classification",
        "primary_icd10": "primary diagnosis; diag 4 01; diagnosis",
        "los_days": "length of stay; los; speldur", "discharge_method": "discharge method; dismeth",
        "discharge_dest": "discharge destination; disdest", "cost": "cost; tariff",
    },
    "ed_attendance": {
        "att_id": "attendance id; aekey; attendance number", "arrival": "arrival; arrived; arrivaldate; arrival date; "
                                                                     "arrival time",
        "departure": "departure; departed; left", "dept_type": "department type; aedepttype; dept type",
        "att_category": "attendance category; aeattendcat", "arrival_mode": "arrival mode; aearrivalmode",
        "outcome": "outcome; disposal; aeattenddisp", "acuity": "acuity; triage",
    },
    "outpatient": {
        "appt_id": "appointment id; attendkey; appt id", "appt_date": "appointment date; apptdate; appt date",
        "tfc": "treatment function; tretspef; specialty", "attended": "attended; attendance; dna",
        "first_followup": "first or follow up; first attendance; firstatt", "mode": "mode; medium",
    },
    "area_lookup": {
        "ward_vintage": "ward edition; edition; ward vintage; vintage",
        "ward_cd": "ward code; ward; wd24cd; ward cd; wardcode; ward 2024 code",
        "ward_name": "ward name; wardname; wd24nm; ward label; ward 2024 name; ward",
        "lad_cd": "district code; lad; lad cd; local authority code",
        "locality": "locality; neighbourhood; district; pcn; place; town",
        "imd_version": "imd version; imdver; imd edition; index edition",
        "imd10": "imd decile; imddec; deprivation decile; imd10; imd dec; decile", "imd_rank": "imd rank; deprivation rank; rank",
        "rural_urban": "rural; urban; rural urban", "weight": "weight; share",
    },
    "area_population": {
        "area_cd": "lsoa; lsoa code; lsoa21cd; area; area code; lsoa 2021 code", "year": "year; mid year",
        "age": "age; single year of age", "population": "population; pop; people; residents; persons; count",
        "sex": "sex; sex of residents; gender; sexcd; sex of",
    },
}  # fmt: skip

# Codes and labels, squeezed to small letters and digits -> code of the data model.
CODE_WORDS: dict[str, dict[str, str]] = {
    "sex": {"F": "f female females woman women girl", "M": "m male males man men boy", "I": "i indeterminate other intersex",
            "U": "u x unknown notknown notstated notspecified"},
    "ethnicity16": {  # as the NHS Data Dictionary and systems of councils write the groups of 2001
        "A": "whitebritish british", "B": "whiteirish irish", "C": "whiteanyotherwhitebackground whiteother otherwhite",
        "D": "mixedwhiteandblackcaribbean", "E": "mixedwhiteandblackafrican", "F": "mixedwhiteandasian",
        "G": "mixedanyothermixedbackground mixedother othermixed", "H": "asianindian asianorasianbritishindian",
        "J": "asianpakistani asianorasianbritishpakistani", "K": "asianbangladeshi asianorasianbritishbangladeshi",
        "L": "asianorasianbritishanyotherasianbackground asianother otherasian",
        "M": "blackcaribbean blackorblackbritishcaribbean", "N": "blackafrican blackorblackbritishafrican",
        "P": "blackorblackbritishanyotherblackbackground blackother otherblack",
        "R": "otherethnicgroupschinese asianchinese chinese", "S": "otherethnicgroupsanyotherethnicgroup otherethnicgroup",
        "Z": "refused prefernottosay declined", "99": "unknown",
    },
    "reg_type": {"GMS": "gms g regular permanent permanentgms registered", "temp": "temp t temporary temporaryresident",
                 "other": "other o private"},
    "code_system": {"SCT": "sct snomed snomedct s", "ICD10": "icd10 icd i10 icd10cm"},
    "source": {"GP": "gp gppractice generalpractice primary primarycare", "OP": "op outpatient outpatients",
               "APC": "apc ip hospital hospitalinpatient hospitaladmission inpatient inpatients admittedpatientcare",
               "MH": "mh mentalhealth",
               "ECDS": "ecds ae ed emergency emergencydepartment", "survey": "survey"},
    "status": {"active": "active confirmed current present a", "resolved": "resolved ended r",
               "history": "history past historyof p h", "family": "family fh familyhistory relative f"},
    "arrival_mode": {"ambulance": "ambulance", "other": "other walkin"},
    "imd_version": {"IoD2019": "iod2019 imd2019 2019", "IoD2025": "iod2025 imd2025 2025"},
}  # fmt: skip
YES, NO = {"yes", "y", "true", "t"}, {"no", "n", "false"}
# Numbers whose meaning a national standard fixes (NHS Data Dictionary: person stated gender code).
NUMBERS = {"sex": {"1": "M", "2": "F", "9": "I", "X": "U"}}
NOTHING = {"null", "na", "n/a", "-", "unk", ".", "none", "nan"}  # codes that mean "no value"
NO_ANSWER = {"notasked", "notrecorded", "notapplicable", "notstated", "notknown", "unknown", "missing"}  # labels
TOTALS = {"persons", "all", "both", "total", "bothsexes"}
# Columns that hold personal data in clear: never matched, never looked into.
PERSONAL = re.compile(
    r"surname|forename|first_?name|last_?name|^first$|^last$|middle|maiden|full_?name|^name$|patient_?name|^address|street|"
    r"post_?code|^zip$|phone|mobile|e_?mail|ssn|passport|driver|free_?text|comment|notes?$|narrative|letter", re.IGNORECASE,
)  # fmt: skip


def squeezed(text: object) -> str:
    """Keep small letters and digits only.

    >>> squeezed("Not known"), squeezed("ICD-10")
    ('notknown', 'icd10')
    """
    return re.sub(r"[^a-z0-9]", "", str(text).lower())


def words(name: str) -> list[str]:
    """Split a name into its words.

    >>> words("Sex_at_Registration"), words("dobYmd"), words("LSOA21CD")
    (['sex', 'at', 'registration'], ['dob', 'ymd'], ['lsoa21cd'])
    """
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return [w for w in re.split(r"[^a-z0-9]+", spaced.lower()) if w]
