"""Tables about care: admissions, attendances, appointments, contacts and social care."""

from __future__ import annotations

from shared_code.model.columns import ICD10, Column, Table, coded, day, person_id, provider, record_id

ADMISSION_METHOD = {
    "11": "waiting list", "12": "booked", "13": "planned", "21": "emergency, through the emergency department",
    "22": "emergency, through a general practitioner", "23": "emergency, through a bed bureau",
    "24": "emergency, through an outpatient clinic", "25": "emergency, through mental health crisis care",
    "28": "emergency, other means (before 2013)", "2A": "emergency department of another provider",
    "2B": "transfer of an admitted patient in an emergency", "2C": "baby born at home as intended",
    "2D": "other emergency", "31": "maternity, before delivery", "32": "maternity, after delivery",
    "81": "transfer, not an emergency", "82": "birth in this provider", "83": "birth outside this provider",
}  # fmt: skip
EMERGENCY_METHODS = ("21", "22", "23", "24", "25", "2A", "2B", "2D", "28")
TO_HOSPITAL = ("49", "50", "51", "52", "53", "87")  # destinations of a discharge: another hospital, NHS or not
ELECTIVE_METHODS = ("11", "12", "13")
CORE20_DECILES = 2  # highest national decile of deprivation of the most deprived fifth of areas (Core20)

ADMISSION = Table("admission", "one hospital spell (not an episode)", (
    record_id("spell_id", "spell"),
    person_id(),
    provider(),
    day("admi_date", "date of admission", required=True),
    day("disch_date", "date of discharge; missing while in hospital"),
    coded("admimeth", "method of admission", ADMISSION_METHOD, required=True),
    coded("class_pat", "class of patient", {"1": "ordinary", "2": "day case", "3": "regular day attender",
          "4": "regular night attender", "5": "mother and baby"}, required=True),
    Column("primary_icd10", "text", "primary diagnosis of the first episode, ICD-10 without the dot", pattern=ICD10),
    Column("los_days", "integer", "nights in hospital", lowest=0, highest=5000),
    coded("discharge_method", "method of discharge", {"1": "on advice", "2": "self-discharge", "3": "by a tribunal",
          "4": "died", "5": "stillborn", "8": "not applicable: still in hospital", "9": "not known"}),
    Column("discharge_dest", "text", "destination on discharge (two digits)", pattern="[0-9]{2}"),
    Column("cost", "number", "cost in pounds", lowest=0),
), {"person_id": "person"})  # fmt: skip

ED_ATTENDANCE = Table("ed_attendance", "one attendance at an emergency department", (
    record_id("att_id", "attendance"),
    person_id(),
    Column("arrival", "timestamp", "arrival", required=True),
    Column("departure", "timestamp", "departure"),
    provider(),
    coded("dept_type", "type of department", {"01": "major", "02": "single specialty",
          "03": "urgent treatment centre or minor injuries", "04": "walk-in centre",
          "05": "same-day emergency care"}, required=True),
    coded("att_category", "kind of attendance", {"unplanned_first": "first, unplanned",
          "unplanned_followup": "follow-up, unplanned", "planned_followup": "follow-up, planned"}),
    coded("arrival_mode", "how the person arrived", {"ambulance": "by ambulance", "other": "otherwise"}),
    coded("outcome", "how the attendance ended", {"admitted": "admitted", "discharged": "discharged",
          "left": "left before the end", "died": "died", "transfer": "transferred", "unknown": "not known"}),
    Column("acuity", "integer", "acuity, 1 = immediate to 5 = non-urgent", lowest=1, highest=5),
), {"person_id": "person"})  # fmt: skip

OUTPATIENT = Table("outpatient", "one outpatient appointment", (
    record_id("appt_id", "appointment"),
    person_id(),
    day("appt_date", "date of the appointment", required=True),
    Column("tfc", "text", "treatment function code", pattern="[0-9]{3}"),
    coded("attended", "whether the person came", {"2": "cancelled by the patient", "3": "did not attend",
          "4": "cancelled by the provider", "5": "seen", "6": "came late, seen", "7": "came late, not seen"},
          required=True),
    coded("first_followup", "first or follow-up", {"first": "first", "followup": "follow-up"}),
    coded("mode", "how it took place", {"f2f": "face to face", "remote": "by telephone or video"}),
), {"person_id": "person"})  # fmt: skip

GP_ENCOUNTER = Table("gp_encounter", "one clinical contact in general practice (no letters, no administration)", (
    record_id("enc_id", "contact"),
    person_id(),
    day("date", "date of the contact", required=True),
    coded("mode", "how it took place", {"f2f": "face to face", "telephone": "by telephone", "online": "online",
          "home": "at home"}),
    coded("role", "who saw the person", {"GP": "general practitioner", "nurse": "nurse", "other": "anyone else"}),
    coded("status", "whether it took place", {"attended": "yes", "dna": "did not attend", "cancelled": "cancelled"},
          required=True),
), {"person_id": "person"})  # fmt: skip

MH_CONTACT = Table("mh_contact", "one contact with mental health services", (
    record_id("contact_id", "contact"),
    person_id(),
    Column("referral_id", "text", "identifier of the referral", sensitivity="identifier"),
    day("date", "date of the contact", required=True),
    Column("team_type", "text", "type of team (MHSDS code)"),
    Column("attended", "boolean", "the contact took place", required=True),
    Column("crisis", "boolean", "a crisis or home-treatment contact", required=True),
    coded("setting", "where", {"community": "community", "inpatient": "ward", "ed_liaison": "emergency department",
          "s136": "place of safety (section 136)"}),
), {"person_id": "person"})  # fmt: skip

ASC_EVENT = Table("asc_event", "one event of adult social care", (
    record_id("event_id", "event"),
    person_id(),
    coded("event_type", "kind of event", {"request": "request for support", "assessment": "assessment",
          "service": "long or short-term service", "review": "review"}, required=True),
    coded("service_type", "kind of service", {"home_care": "care at home", "res_care": "residential care",
          "nursing_care": "nursing care", "reablement": "reablement", "equipment": "equipment",
          "direct_payment": "direct payment", "other": "any other"}),
    day("start", "first day", required=True),
    day("end", "first day no longer; missing while current"),
    Column("weekly_cost", "number", "cost a week in pounds", lowest=0),
), {"person_id": "person"})  # fmt: skip

CARE = (ADMISSION, ED_ATTENDANCE, OUTPATIENT, GP_ENCOUNTER, MH_CONTACT, ASC_EVENT)
