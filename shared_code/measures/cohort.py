"""Who is in: people alive and registered on a date, with what they are grouped by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import reduce

import ibis
import ibis.expr.types as ir

from shared_code.config.codelists import Codelist
from shared_code.measures.prepared import Prepared
from shared_code.model import ETHNICITY5, UNKNOWN, band_labels

DAY_OF_BIRTH = 15  # only the month of birth is kept; the day is assumed


def completed_years(birth_month: ir.DateValue, on: dt.date | ir.DateValue) -> ir.IntegerValue:
    """Compute age in completed years on a date, from the month of birth."""
    if isinstance(on, dt.date):
        months = ibis.literal(on.year * 12 + on.month - (on.day < DAY_OF_BIRTH))
    else:
        months = on.year() * 12 + on.month() - ibis.ifelse(on.day() < DAY_OF_BIRTH, 1, 0)
    return (months - (birth_month.year() * 12 + birth_month.month())) // 12


def band(value: ir.IntegerValue, edges: list[int]) -> ir.StringValue:
    """Name the band a number falls in; below the first edge it has none (null)."""
    labels = band_labels(edges)
    above = list(zip(edges, labels))[::-1]
    return ibis.cases(*[(value >= edge, label) for edge, label in above], else_=ibis.null("string"))


def ethnicity5(letter: ir.StringValue) -> ir.StringValue:
    """Group the 16+1 letters in five; not stated, not known and missing are a group of their own."""
    groups = [(letter.isin(list(letters)), name) for name, letters in ETHNICITY5.items()]
    return ibis.cases(*groups, else_=UNKNOWN)


def alive_and_registered(prepared: Prepared, on: dt.date) -> ir.Table:
    """List the people alive and permanently registered on a date (one row each: person_id, birth_month, sex, …).

    A death closes a registration that was never closed. Source: methods specification 0.2.
    """
    day = ibis.literal(on.isoformat()).cast("date")
    registrations = prepared.gp_registration
    current = registrations.filter(
        registrations.reg_type == "GMS",
        registrations.reg_start <= day,
        registrations.reg_end.isnull() | (registrations.reg_end > day),
    )
    people = prepared.person.semi_join(current, "person_id")
    if prepared.has("death"):
        died = prepared.death.filter(prepared.death.death_date <= day)
        people = people.filter(people.person_id.notin(died.person_id))  # not every engine knows an anti join
    return people


def area_of_residence(prepared: Prepared, on: dt.date) -> ir.Table:
    """Give each person's latest address on a date with its ward, locality and national deprivation decile.

    A latest address whose area is not known stays unknown: nobody is put back where they lived before.
    """
    day = ibis.literal(on.isoformat()).cast("date")
    address = prepared.person_address.filter(lambda t: t.start <= day)
    latest_first = ibis.window(group_by="person_id", order_by=ibis.desc("start"))
    latest = address.mutate(_place=ibis.row_number().over(latest_first)).filter(lambda t: t._place == 0)
    known = areas(prepared).select("lsoa21", "ward_cd", "locality", "imd10")
    return latest.select("person_id", "lsoa21").left_join(known, "lsoa21").drop("lsoa21_right")


def areas(prepared: Prepared) -> ir.Table:
    """List the small areas by the latest edition of wards in the table, so that each area is there once."""
    lookup = prepared.area_lookup
    return lookup.filter(lookup.ward_vintage == lookup.ward_vintage.max().as_scalar())


def ward_edition(prepared: Prepared) -> str:
    """Give the edition of the wards that people are put in, such as 2024-05."""
    return str(areas(prepared).ward_vintage.max().execute())


def ward_names(prepared: Prepared) -> dict[str, str]:
    """Give code -> name and code of every ward: the name for people, the code because names repeat."""
    found = areas(prepared).select("ward_cd", "ward_name").distinct().execute()
    named = found["ward_name"].fillna("") + " " + found["ward_cd"]
    return dict(zip(found["ward_cd"], named.str.strip()))


def wards_inside(prepared: Prepared) -> dict[str, dict[str, dict[str, str]]]:
    """Say which wards lie in which locality, {"ward": {"locality": {name and code of the ward: locality}}}.

    Only localities that are made of whole wards are named: of others the wards do not add up to the locality.
    Empty where the site has no areas.
    """
    if not prepared.has("area_lookup"):
        return {}
    pairs = areas(prepared).select("ward_cd", "locality").distinct().order_by("ward_cd").execute()
    split = pairs["ward_cd"].duplicated(keep=False)
    whole = pairs[~pairs["locality"].isin(pairs.loc[split, "locality"])]
    named = whole["ward_cd"].map(ward_names(prepared))
    return {"ward": {"locality": dict(zip(named, whole["locality"]))}} if len(whole) else {}


def registered(prepared: Prepared, on: dt.date) -> ir.Table:
    """List people of known sex alive and registered on a date, with age and what they are grouped by.

    Columns: person_id, sex, age (years), ethnicity, and, where the site records addresses, deprivation (national
    quintile, "1" = most deprived), decile, locality and ward. Where it does not, these four columns are absent.
    """
    people = alive_and_registered(prepared, on)
    people = people.filter(people.sex.isin(["F", "M"])).select(
        "person_id", "sex",
        age=completed_years(people.birth_month, on), ethnicity=ethnicity5(people.ethnicity16),
    )  # fmt: skip
    people = people.filter(people.age >= 0)
    if prepared.has("person_address") and prepared.has("area_lookup"):
        area = area_of_residence(prepared, on)
        decile = area.imd10.cast("string").fill_null(UNKNOWN)
        quintile = ((area.imd10 + 1) // 2).cast("string").fill_null(UNKNOWN)
        area = area.select("person_id", deprivation=quintile, decile=decile,
                           locality=area.locality.fill_null(UNKNOWN), ward=area.ward_cd.fill_null(UNKNOWN))  # fmt: skip
        people = people.left_join(area, "person_id").drop("person_id_right")
        unknown = {name: people[name].fill_null(UNKNOWN) for name in ("deprivation", "decile", "locality", "ward")}
        people = people.mutate(**unknown)
    return people


def conditions_present(prepared: Prepared, codelist: Codelist, on: dt.date, recent: Mapping[str, int] | None = None) -> ir.Table:
    """List (person_id, condition): a code of the condition dated on or before a day, family history left out.

    Where the list has codes that say a condition has ended, one of these on or after the latest code of the condition
    (and on or before the day) ends it. recent: condition -> days; a condition named there counts only where its latest code is
    of these days before the date (the definition `active`; the others are for life).
    Also gives the unions `two_or_more` and `four_or_more` of the list's conditions.
    """
    day = ibis.literal(on.isoformat()).cast("date")
    events = prepared.condition_event
    events = events.filter(events.event_date <= day, events.status.isnull() | (events.status != "family"))
    codes = recorded_codes(events)
    matches, ends = codelist.matches(codes), codelist.resolutions(codes)
    found = _latest(events, matches)
    if ends:
        ended = _latest(events, ends).rename(ended="latest")
        found = found.left_join(ended, ["person_id", "condition"])
        found = found.filter(found.ended.isnull() | (found.ended < found.latest))
    for name, days in (recent or {}).items():
        since = ibis.literal((on - dt.timedelta(days=days)).isoformat()).cast("date")
        found = found.filter((found.condition != name) | (found.latest >= since))
    found = found.select("person_id", "condition")
    numbers = found.group_by("person_id").agg(conditions=found.count())
    unions = [
        numbers.filter(numbers.conditions >= least).select("person_id", condition=ibis.literal(name))
        for name, least in (("two_or_more", 2), ("four_or_more", 4))
    ]
    return reduce(lambda a, b: a.union(b), unions, found)


def _latest(events: ir.Table, meanings: list[tuple[str, str, str]]) -> ir.Table:
    """Give the latest date on which a code with a meaning was recorded, per person and condition."""
    matched = with_meaning(events, meanings)
    return matched.group_by("person_id", "condition").agg(latest=matched.event_date.max())


def recorded_codes(events: ir.Table) -> list[tuple[str, str]]:
    """List the different codes that are recorded: (code_system, code), sorted."""
    found = events.select("code_system", "code").distinct().execute()
    return sorted(found.itertuples(index=False, name=None))


def with_meaning(events: ir.Table, meanings: list[tuple[str, str, str]]) -> ir.Table:
    """Keep the diagnoses whose code has a meaning, once for each: adds `condition`. meanings: (code_system, code, condition)."""
    schema = {"code_system": "string", "code": "string", "condition": "string"}
    if not meanings:
        return events.filter(ibis.literal(False)).mutate(condition=ibis.literal(""))
    meaning = ibis.memtable([dict(zip(schema, m)) for m in meanings], schema=ibis.schema(schema))
    return events.inner_join(meaning, ["code_system", "code"])
