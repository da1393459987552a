"""Who is in it: the way from all people to the cohort, the cohort by what it is grouped by, and lags and coding depth."""

from __future__ import annotations

import datetime as dt

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from shared_code.measures.cohort import (
    alive_and_registered,
    area_of_residence,
    areas,
    band,
    completed_years,
    ethnicity5,
)
from shared_code.measures.moments import moments_of
from shared_code.measures.prepared import Prepared
from shared_code.model import ALL, UNKNOWN, band_labels
from shared_code.model.units import DAYS_A_YEAR

PSEUDONYM = "^[0-9a-f]{64}$"
STEPS = {
    "no_pseudonym": "No valid pseudonym", "not_registered": "Not alive and registered on the index date",
    "not_resident": "Not resident in the area", "age_or_sex_unknown": "Age or sex not known", "cohort": "In the cohort",
}  # fmt: skip
LAGS = {"condition_event": ("event_date", "recorded_date"), "death": ("death_date", "reg_date")}


def flow(prepared: Prepared, on: dt.date) -> pd.DataFrame:
    """Count where people leave on the way from all people to the cohort: step, people (everybody), cases (who stop here).

    Everybody stops at exactly one step, the last of which is the cohort itself. A site without addresses or areas has no
    step for residence. Source: methods specification, section 1.
    """
    person = prepared.person
    valid = person.person_id.re_search(PSEUDONYM)
    here = _counted(prepared, on).select("person_id").mutate(_registered=ibis.literal(True))
    rows = person.mutate(_valid=valid).left_join(here, "person_id").drop("person_id_right")
    if _has_areas(prepared):
        inside = area_of_residence(prepared, on).filter(lambda t: t.ward_cd.notnull())
        rows = rows.left_join(inside.select("person_id", _ward="ward_cd"), "person_id").drop("person_id_right")
    steps = [(~rows._valid, "no_pseudonym"), (rows._registered.isnull(), "not_registered")]
    steps += [(rows._ward.isnull(), "not_resident")] if _has_areas(prepared) else []
    known = rows.sex.isin(["F", "M"]) & (completed_years(rows.birth_month, on) >= 0)
    rows = rows.mutate(step=ibis.cases(*steps, (~known, "age_or_sex_unknown"), else_="cohort"))
    found = rows.group_by("step").agg(cases=rows.count()).execute().set_index("step")["cases"]
    wanted = [step for step in STEPS if step != "not_resident" or _has_areas(prepared)]
    cases = found.reindex(wanted, fill_value=0).astype("int64")
    return pd.DataFrame({"step": wanted, "people": int(cases.sum()), "cases": cases.to_numpy()})


def cohort(prepared: Prepared, on: dt.date, ages: list[int]) -> pd.DataFrame:
    """Count the people alive and registered by one characteristic at a time: characteristic, level, people, cases.

    ages  lower edges of the age bands. Unknown is a level of its own and never merged into another.
    """
    people = _counted(prepared, on)
    people = people.select("person_id", age=band(completed_years(people.birth_month, on), ages), sex="sex",
                           ethnicity=ethnicity5(people.ethnicity16))  # fmt: skip
    levels = {"age": [*band_labels(ages), UNKNOWN], "sex": ["F", "M", "I", "U"],
              "ethnicity": ["White", "Mixed", "Asian", "Black", "Other", UNKNOWN]}  # fmt: skip
    if _has_areas(prepared):
        area = area_of_residence(prepared, on)
        area = area.select("person_id", deprivation=((area.imd10 + 1) // 2).cast("string"))
        people = people.left_join(area, "person_id").drop("person_id_right")
        levels["deprivation"] = [*"12345", UNKNOWN]
    people = people.mutate(**{name: people[name].fill_null(UNKNOWN) for name in levels})
    found = people.group_by(list(levels)).agg(n=people.count()).execute()
    parts = []
    for name, wanted in levels.items():
        cases = found.groupby(name)["n"].sum().reindex(wanted, fill_value=0).astype("int64")
        parts.append(pd.DataFrame({"characteristic": name, "level": wanted, "cases": cases.to_numpy()}))
    return pd.concat(parts, ignore_index=True).assign(people=int(found["n"].sum()))


def against_population(prepared: Prepared, on: dt.date, ages: list[int]) -> pd.DataFrame:
    """Count registered residents and the estimated population, by district, sex and age band (the layout `events`).

    The latest mid-year estimate on or before the index date counts as one person-year for everybody. District: the
    district code of the area lookup, or the site's own locality where it has none. "all" is the whole site.
    """
    columns = ["district", "sex", "age", "people", "events", "person_days", "events_squared"]
    labels = band_labels(ages)
    if not (_has_areas(prepared) and prepared.has("area_population") and prepared.has("gp_registration")):
        grid = pd.DataFrame([(ALL, s, a) for s in "FM" for a in labels], columns=columns[:3])
        return grid.assign(people=0, events=0, person_days=0.0, events_squared=0)
    lookup = areas(prepared)
    place = lookup.select("lsoa21", district=ibis.coalesce(lookup.lad_cd, lookup.locality))
    people = alive_and_registered(prepared, on)
    people = people.select("person_id", "sex", age=band(completed_years(people.birth_month, on), ages))
    home = area_of_residence(prepared, on).select("person_id", "lsoa21")
    people = people.inner_join(home, "person_id").inner_join(place, "lsoa21")
    registered = people.group_by("district", "sex", "age").agg(people=people.count()).execute()
    population = prepared.area_population.filter(lambda t: t.year <= on.year)
    population = population.filter(population.year == population.year.max().as_scalar())
    population = population.inner_join(place, population.area_cd == place.lsoa21)
    lived = population.group_by("district", "sex", age=band(population.age, ages)).agg(n=population.population.sum()).execute()
    districts = sorted(lived["district"].dropna().unique())
    grid = pd.MultiIndex.from_product([districts, ["F", "M"], labels], names=columns[:3])
    counted = pd.DataFrame({"people": registered.set_index(columns[:3])["people"], "n": lived.set_index(columns[:3])["n"]})
    counted = counted.reindex(grid).fillna(0).reset_index()
    whole = counted.groupby(["sex", "age"], as_index=False)[["people", "n"]].sum().assign(district=ALL)
    table = pd.concat([counted, whole], ignore_index=True).astype({"people": "int64"})
    table = table.assign(events=table["people"], events_squared=table["people"], person_days=table["n"] * DAYS_A_YEAR)
    return table[columns]


def lags(prepared: Prepared, on: dt.date, edges: list[int]) -> pd.DataFrame:
    """Count records by the days from the fact to its record: source, lag, people, records (the layout `bins`).

    Diagnoses: from event_date to recorded_date; deaths: from death to registration. Only facts of the year before the
    index date, so that old records entered late do not count. Negative lags are a fault of their own and left out.
    """
    labels = band_labels(edges)
    parts = []
    for name, (happened, recorded) in LAGS.items():
        counted = pd.DataFrame({"lag": labels, "people": 0, "records": 0})
        if prepared.has(name):
            rows = getattr(prepared, name)
            since = ibis.literal(on.replace(year=on.year - 1, day=min(on.day, 28)).isoformat()).cast("date")
            until = ibis.literal(on.isoformat()).cast("date")
            rows = rows.filter(rows[recorded].notnull(), rows[happened] >= since, rows[happened] < until)
            days = rows[recorded].delta(rows[happened], unit="day")
            rows = rows.mutate(lag=band(days, edges))
            rows = rows.filter(rows.lag.notnull())
            found = rows.group_by("lag").agg(people=rows.person_id.nunique(), records=rows.count()).execute()
            counted = found.set_index("lag").reindex(labels, fill_value=0).reset_index()
        counted["source"] = "death" if name == "death" else f"{name}.GP"
        parts.append(counted)
    return pd.concat(parts, ignore_index=True)[["source", "lag", "people", "records"]]


def coding_depth(prepared: Prepared, period_start: dt.date, on: dt.date) -> pd.DataFrame:
    """Sum the number of diagnoses in each person's latest finished spell: quantity and the layout `moments`.

    One value per person, so that the sums are over people; spells of the period; a spell without a diagnosis counts 0.
    """
    value = np.zeros(0)
    if prepared.has("admission") and prepared.has("condition_event"):
        start, end = (ibis.literal(d.isoformat()).cast("date") for d in (period_start, on))
        spells = prepared.admission.filter(lambda t: (t.disch_date >= start) & (t.disch_date < end))
        latest_first = ibis.window(group_by="person_id", order_by=[ibis.desc("disch_date"), "spell_id"])
        spells = spells.mutate(_at=ibis.row_number().over(latest_first)).filter(lambda t: t._at == 0).select("spell_id")
        codes = prepared.condition_event.filter(lambda t: t.parent_id.notnull())
        codes = codes.group_by(spell_id="parent_id").agg(n=codes.count())
        if int(codes.count().execute()):
            counts = spells.left_join(codes, "spell_id").select(n=lambda t: t.n.fill_null(0)).execute()["n"]
            value = counts.to_numpy(float)
    return pd.DataFrame([{"quantity": "diagnoses", **moments_of(value)}])


def _counted(prepared: Prepared, on: dt.date) -> ir.Table:
    """List the people of the cohort: alive and registered, or alive where the site has no registrations."""
    if prepared.has("gp_registration"):
        return alive_and_registered(prepared, on)
    if not prepared.has("death"):
        return prepared.person
    died = prepared.death.filter(prepared.death.death_date <= ibis.literal(on.isoformat()).cast("date"))
    return prepared.person.filter(prepared.person.person_id.notin(died.person_id))


def _has_areas(prepared: Prepared) -> bool:
    return prepared.has("person_address") and prepared.has("area_lookup")


__all__ = ["STEPS", "against_population", "coding_depth", "cohort", "flow", "lags"]
