"""Checks of data quality, declared once: what each one counts, and from which share of faults on it says look or stop.

A check counts faulty rows among the rows it can judge. Its name is `kind:table.column` or `kind:rule.table`. The default
limits are conventions of this project, chosen so that ordinary records raise nothing; a study may set its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared_code.model.people import RECORDED_IN
from shared_code.model.tables import TABLES, Table

PASS, LOOK, STOP, NOT_ASSESSED = "pass", "look", "stop", "not assessed"
VERDICTS = {
    PASS: "no more faults than usual", LOOK: "a person should look at it", STOP: "not fit for use as it is",
    NOT_ASSESSED: "there was nothing to judge it by; this is not a pass",
}  # fmt: skip
KINDS = {
    "complete": "Completeness", "valid": "Validity", "plausible": "Plausibility", "linked": "Linkage",
    "received": "Months received", "listed": "List against population", "national": "Deprivation",
    "drift": "Drift since the last release",
}  # fmt: skip

# The date by which a month of a feed is judged: when the fact happened, and for deaths when they were registered.
FEEDS = {
    "condition_event": "event_date", "admission": "admi_date", "ed_attendance": "arrival", "outpatient": "appt_date",
    "gp_encounter": "date", "mh_contact": "date", "asc_event": "start", "measurement": "date", "death": "reg_date",
}  # fmt: skip
WORDS = {
    "person": "people", "person_address": "addresses", "gp_registration": "registrations", "death": "deaths",
    "condition_event": "diagnoses", "admission": "hospital spells", "ed_attendance": "emergency department attendances",
    "outpatient": "outpatient appointments", "gp_encounter": "contacts in general practice",
    "mh_contact": "mental health contacts", "asc_event": "social care events", "measurement": "measurements",
    "list_flag": "entries of lists", "programme": "entries of programmes",
}  # fmt: skip
# Columns in which an empty value says something (still open, none), or that few sites are asked for.
MEANT_EMPTY = {
    "person": ("ethnicity_source", "ethnicity_date", "language", "homeless_flag"), "person_address": ("end", "source"),
    "gp_registration": ("reg_end",), "condition_event": ("recorded_date", "diag_position", "parent_id", "status"),
    "admission": ("disch_date", "los_days", "discharge_method", "discharge_dest", "cost"),
    "ed_attendance": ("acuity",), "mh_contact": ("referral_id", "setting"), "measurement": ("value", "unit"),
    "asc_event": ("service_type", "end", "weekly_cost"), "list_flag": ("removed", "reason"),
    "programme": ("eligible_date", "start_date", "end_date", "status"),
}  # fmt: skip

SHORT = {
    "ethnicity16": "an ethnic group", "carehome_flag": "the care home flag", "lsoa11": "a small area (LSOA 2011)",
    "lsoa21": "a small area (LSOA 2021)", "underlying_icd10": "an underlying cause", "place": "a place of death",
    "route": "the route onto the list", "provider": "a provider", "primary_icd10": "a primary diagnosis",
    "departure": "a time of departure", "att_category": "a category", "arrival_mode": "a mode of arrival",
    "outcome": "an outcome", "tfc": "a treatment function", "first_followup": "first or follow-up", "mode": "a mode",
    "role": "the role of who saw the person", "team_type": "a type of team",
}  # fmt: skip
# What is received separately, and so judged month by month separately: diagnoses by where they were recorded.
SOURCES = {f"condition_event.{code}": f"{WORDS['condition_event'].capitalize()}: {where}" for code, where in RECORDED_IN.items()}
SOURCES |= {table: WORDS[table].capitalize() for table in FEEDS if table != "condition_event"}
LISTS = {"sources": SOURCES}


@dataclass(frozen=True)
class Check:
    """Declare one check.

    name, kind   `complete:person.ethnicity16`; one of KINDS           table   the table it judges
    title        what a fault is, in words for people outside the site
    look, stop   share of faulty rows above which it says look, or stop
    index        the share is no share, but the population stability index
    """

    name: str
    kind: str
    table: str
    title: str
    look: float
    stop: float
    index: bool = False


def _complete(table: Table) -> list[Check]:
    wanted = [c for c in table.columns if not c.never_missing and c.name not in MEANT_EMPTY.get(table.name, ())]
    return [Check(f"complete:{table.name}.{c.name}", "complete", table.name,
                  f"{WORDS[table.name].capitalize()} without {SHORT.get(c.name, c.name.replace('_', ' '))}", 0.1, 0.5)
            for c in wanted]  # fmt: skip


def _valid(name: str, table: str, title: str, look: float = 0.01, stop: float = 0.05) -> Check:
    return Check(f"valid:{name}", "valid", table, title, look, stop)


def _plausible(rule: str, table: str, title: str, look: float = 0.001, stop: float = 0.01) -> Check:
    return Check(f"plausible:{rule}", "plausible", table, title, look, stop)


def _of_feeds() -> list[Check]:
    checks = []
    for table in FEEDS:
        what = WORDS[table].capitalize()
        checks.append(_plausible(f"before_birth.{table}", table, f"{what} before the month of birth"))
        checks.append(_plausible(f"after_extract.{table}", table, f"{what} after the day of the extract"))
        if table != "death":
            checks.append(_plausible(f"after_death.{table}", table, f"{what} more than 7 days after death"))
            checks.append(_plausible(f"twice.{table}", table, f"{what} that are there twice", 0.01, 0.05))
    return checks


PEOPLE_TABLES = [table for table in TABLES.values() if "person_id" in table.column_names]
_ALL = [
    *(check for table in PEOPLE_TABLES for check in _complete(table)),
    Check("valid:person.ethnicity16", "valid", "person", "People whose ethnic group is recorded as not stated or not known",
          0.1, 0.3),
    _valid("person.nhs_number", "person", "NHS numbers that fail their check digit or are not issued"),
    _valid("condition_event.snomed", "condition_event", "SNOMED CT codes that fail their check digit (Verhoeff)"),
    _valid("condition_event.icd10", "condition_event", "Diagnoses that are no ICD-10 codes"),
    _valid("admission.primary_icd10", "admission", "Primary diagnoses that are no ICD-10 codes"),
    _valid("death.underlying_icd10", "death", "Causes of death that are no ICD-10 codes"),
    _valid("person_address.lsoa21", "person_address", "Small areas of residence that have no LSOA code"),
    _valid("death.lsoa21", "death", "Small areas of residence at death that have no LSOA code"),
    _valid("gp_registration.practice_code", "gp_registration", "Practices without an ODS practice code"),
    _valid("admission.provider", "admission", "Hospital providers without an ODS code"),
    _valid("ed_attendance.provider", "ed_attendance", "Emergency department providers without an ODS code"),
    *_of_feeds(),
    _plausible("age_over_110", "person", "Living people older than 110", 0.0005, 0.005),
    _plausible("recorded_before_event", "condition_event", "Diagnoses recorded before they were made", 0.01, 0.05),
    _plausible("discharge_before_admission", "admission", "Hospital spells that end before they begin"),
    _plausible("departure_before_arrival", "ed_attendance", "Emergency department attendances that end before they begin"),
    _plausible("overlapping_spells", "admission", "Hospital spells at two providers at once, without a transfer", 0.01, 0.05),
    _plausible("male_maternity", "admission", "Maternity spells of people registered as male", 0.005, 0.05),
    _plausible("open_after_death", "death", "Dead people who are still registered with a practice 60 days later", 0.1, 0.3),
    Check("national:area_lookup.imd10", "national", "area_lookup",
          "Deciles of deprivation that are shares of the site's own areas instead of national ones", 0.01, 0.05),
    *(Check(f"received:{table}", "received", table, f"Months without {WORDS[table]}, or with far fewer or more than usual",
            0.0, 0.1) for table in FEEDS),
    Check("linked:records", "linked", "person", "Records with an identifier that could not be linked to a person", 0.05, 0.1),
    Check("listed:area_population", "listed", "area_population",
          "Registered people against the estimated population: above 1.08 or below 0.92", 0.08, 0.25),
    *(Check(f"drift:{name}", "drift", "person", f"Shift of the cohort by {label} since the last release (PSI)", 0.1, 0.25,
            index=True)
      for name, label in {"age": "age", "sex": "sex", "ethnicity": "ethnic group", "deprivation": "deprivation"}.items()),
    Check("drift:size", "drift", "person", "People in the cohort, more or fewer than in the last release", 0.05, 0.2),
    Check("drift:records", "drift", "person",
          "Months whose number of rows moved by more than a fifth since the last release held it", 0.0, 0.1),
]  # fmt: skip
CHECKS: dict[str, Check] = {check.name: check for check in _ALL}


def named(groups: list[str]) -> dict[str, str]:
    """Give name -> title of the checks of some kinds, or of the `sources` whose months are judged.

    >>> named(["national"])
    {'national:area_lookup.imd10': "Deciles of deprivation that are shares of the site's own areas instead of national ones"}
    """
    found = {name: check.title for name, check in CHECKS.items() if check.kind in groups}
    return found | {name: title for group in groups for name, title in LISTS.get(group, {}).items()}


def verdict(check: Check, share: float) -> str:
    """Judge a share of faults; a share that is not there (nan) is not assessed, never a pass.

    >>> check = CHECKS["plausible:age_over_110"]
    >>> verdict(check, 0.0), verdict(check, 0.002), verdict(check, 0.2), verdict(check, float("nan"))
    ('pass', 'look', 'stop', 'not assessed')
    """
    if share != share:
        return NOT_ASSESSED
    return STOP if share > check.stop else LOOK if share > check.look else PASS


__all__ = ["CHECKS", "FEEDS", "KINDS", "LISTS", "SOURCES", "VERDICTS", "WORDS", "Check", "named", "verdict"]
