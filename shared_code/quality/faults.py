"""Faulty rows: what each check of completeness, validity and plausibility judges, and which of these rows break it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from shared_code.measures.cohort import completed_years
from shared_code.measures.prepared import Prepared
from shared_code.model import TABLES
from shared_code.model.checks import CHECKS, FEEDS
from shared_code.quality import codes
from shared_code.quality.linked import numbers

GRACE = 7  # days after death on which a fact may still be dated (certificates, late entries)
CLOSED_WITHIN = 60  # days after death by which a registration should have ended
OLDEST = 110  # years
TRANSFERS = ("2B", "81")  # methods of admission from another provider
MOTHERS = ("31", "32")
COUNTED = ["people", "rows", "people_failing", "rows_failing"]
FORMS = {
    "condition_event.icd10": ("code", codes.ICD10), "admission.primary_icd10": ("primary_icd10", codes.ICD10),
    "death.underlying_icd10": ("underlying_icd10", codes.ICD10), "person_address.lsoa21": ("lsoa21", codes.LSOA),
    "death.lsoa21": ("lsoa21", codes.LSOA), "gp_registration.practice_code": ("practice_code", codes.PRACTICE),
    "admission.provider": ("provider", codes.ORGANISATION), "ed_attendance.provider": ("provider", codes.ORGANISATION),
}  # fmt: skip
Rule = tuple[str, ir.BooleanValue, ir.BooleanValue]  # check, rows it judges, those of them with the fault


def faults(prepared: Prepared, on: dt.date) -> pd.DataFrame:
    """Count faulty rows per check: check, people, rows, people_failing, rows_failing (the layout `records`).

    on  the index date; facts after the day of the extract are faults, where the prepared tables name that day
    One aggregation per table and check list; a table that the site lacks has no row here, and a column that is empty
    throughout counts as not collected (people_failing and rows_failing are nan). Source: methods specification, 1.
    """
    parts = []
    for name in dict.fromkeys(check.table for check in CHECKS.values() if check.kind in ("complete", "valid", "plausible")):
        if prepared.has(name):
            rows = _with_person(prepared, name)
            rules = [rule for rule in _rules(prepared, name, rows, on) if rule[0] in CHECKS]
            parts += [_counted(rows, rules)] if rules else []
    parts.append(numbers(prepared))
    table = pd.concat(parts, ignore_index=True)
    unknown = table["check"].str.startswith("complete:") & (table["rows"] > 0) & (table["rows"] == table["rows_failing"])
    table[["people_failing", "rows_failing"]] = table[["people_failing", "rows_failing"]].astype(float)
    table.loc[unknown, ["people_failing", "rows_failing"]] = np.nan
    return table


def _counted(rows: ir.Table, rules: list[Rule]) -> pd.DataFrame:
    """Aggregate all rules of one table: once by person, then over people."""
    sums = {}
    for i, (_, judged, bad) in enumerate(rules):
        sums |= {f"n{i}": rows.count(where=judged), f"x{i}": rows.count(where=judged & bad)}
    people = rows.group_by("person_id").agg(**sums)
    totals = {}
    for i in range(len(rules)):
        n, x = people[f"n{i}"], people[f"x{i}"]
        totals |= {f"people{i}": people.count(where=n > 0), f"rows{i}": n.sum(),
                   f"people_failing{i}": people.count(where=x > 0), f"rows_failing{i}": x.sum()}  # fmt: skip
    found = people.aggregate(**totals).execute().iloc[0].astype(float).fillna(0).astype("int64")
    return pd.DataFrame([{"check": check, **{name: found[f"{name}{i}"] for name in COUNTED}}
                         for i, (check, _, _) in enumerate(rules)])  # fmt: skip


def _with_person(prepared: Prepared, name: str) -> ir.Table:
    """Put what is known of the person beside each row: _birth, _sex, _died (missing where it is not known)."""
    rows = prepared.person if name == "person" else getattr(prepared, name)
    if name == "person":
        rows = rows.mutate(_birth=rows.birth_month, _sex=rows.sex)
    else:
        person = prepared.person.select("person_id", _birth="birth_month", _sex="sex")
        rows = rows.left_join(person, "person_id").drop("person_id_right")
    if name == "death":
        rows = rows.mutate(_died=rows.death_date)
    elif prepared.has("death"):
        died = prepared.death.select("person_id", _died="death_date")
        rows = rows.left_join(died, "person_id").drop("person_id_right")
    else:
        rows = rows.mutate(_died=ibis.null("date"))
    if name in FEEDS and TABLES[name].key != ["person_id"]:
        same = [c for c in rows.columns if c not in TABLES[name].key]
        rows = rows.mutate(_again=ibis.row_number().over(group_by=same, order_by=TABLES[name].key[0]))
    if name == "condition_event":
        rows = _with_snomed(rows)
    if name == "death" and prepared.has("gp_registration"):
        still = prepared.gp_registration.filter(lambda t: (t.reg_type == "GMS") & t.reg_end.isnull())
        still = still.select("person_id").distinct().mutate(_open=ibis.literal(True))
        rows = rows.left_join(still, "person_id").drop("person_id_right")
    if name == "admission":
        rows = rows.mutate(**{f"_{c}": rows[c].lag().over(group_by="person_id", order_by=["admi_date", "spell_id"])
                              for c in ("disch_date", "provider")})  # fmt: skip
    return rows


def _with_snomed(rows: ir.Table) -> ir.Table:
    """Mark rows whose SNOMED CT code fails its check digit; each distinct code is checked once."""
    found = rows.filter(rows.code_system == "SCT").select("code").distinct().execute()["code"]
    wrong = found[~codes.snomed_valid(found)]
    listed = ibis.memtable(pd.DataFrame({"_code": wrong.astype(str)}), schema=ibis.schema({"_code": "string"}))
    return rows.left_join(listed.mutate(_wrong=ibis.literal(True)), rows.code == listed._code)


def _rules(prepared: Prepared, name: str, rows: ir.Table, on: dt.date) -> Iterator[Rule]:
    everything = rows.person_id.notnull()
    for column in [c for c in TABLES[name].column_names if f"complete:{name}.{c}" in CHECKS]:
        yield f"complete:{name}.{column}", everything, rows[column].isnull()
    for check, (column, form) in FORMS.items():
        if check.startswith(f"{name}."):
            judged = rows[column].notnull()
            judged = judged & (rows.code_system == "ICD10") if check == "condition_event.icd10" else judged
            yield f"valid:{check}", judged, ~_bare(rows[column], form).re_search(f"^(?:{form})$")
    extract = prepared.extract_date
    if name in FEEDS:
        day = rows[FEEDS[name]].cast("date")
        yield f"plausible:before_birth.{name}", day.notnull() & rows._birth.notnull(), day < rows._birth
        if extract:
            yield f"plausible:after_extract.{name}", day.notnull(), day > _literal(extract)
        if prepared.has("death"):
            late = day > rows._died + ibis.interval(days=GRACE)
            yield f"plausible:after_death.{name}", day.notnull(), rows._died.notnull() & late
        if "_again" in rows.columns:
            yield f"plausible:twice.{name}", everything, rows._again > 0
    yield from _RULES.get(name, _no_rules)(rows, on, extract)


def _bare(value: ir.StringValue, form: str) -> ir.StringValue:
    """Take dot, dagger and asterisk off a diagnosis."""
    return value.replace(".", "").replace("+", "").replace("*", "") if form == codes.ICD10 else value


def _literal(day: dt.date) -> Any:
    return ibis.literal(day.isoformat()).cast("date")


def _no_rules(rows: ir.Table, on: dt.date, extract: dt.date | None) -> Iterator[Rule]:
    yield from ()


def _person(rows: ir.Table, on: dt.date, extract: dt.date | None) -> Iterator[Rule]:
    yield "valid:person.ethnicity16", rows.ethnicity16.notnull(), rows.ethnicity16.isin(["Z", "99"])
    living = rows._died.isnull() | (rows._died > _literal(on))
    yield "plausible:age_over_110", living, completed_years(rows._birth, on) > OLDEST


def _condition_event(rows: ir.Table, on: dt.date, extract: dt.date | None) -> Iterator[Rule]:
    yield "valid:condition_event.snomed", rows.code_system == "SCT", rows._wrong.notnull()
    yield "plausible:recorded_before_event", rows.recorded_date.notnull(), rows.recorded_date < rows.event_date


def _admission(rows: ir.Table, on: dt.date, extract: dt.date | None) -> Iterator[Rule]:
    ended = rows.disch_date.notnull()
    yield "plausible:discharge_before_admission", ended, rows.disch_date < rows.admi_date
    overlap = (rows._disch_date > rows.admi_date) & (rows._provider != rows.provider) & ~rows.admimeth.isin(TRANSFERS)
    yield "plausible:overlapping_spells", rows.provider.notnull(), overlap.fill_null(False)
    yield "plausible:male_maternity", rows.admimeth.isin(MOTHERS), rows._sex == "M"


def _ed_attendance(rows: ir.Table, on: dt.date, extract: dt.date | None) -> Iterator[Rule]:
    yield "plausible:departure_before_arrival", rows.departure.notnull(), rows.departure < rows.arrival


def _death(rows: ir.Table, on: dt.date, extract: dt.date | None) -> Iterator[Rule]:
    if "_open" in rows.columns:
        before = (extract or on) - dt.timedelta(days=CLOSED_WITHIN)
        yield "plausible:open_after_death", rows.death_date <= _literal(before), rows._open.fill_null(False)


_RULES = {"person": _person, "condition_event": _condition_event, "admission": _admission,
          "ed_attendance": _ed_attendance, "death": _death}  # fmt: skip
