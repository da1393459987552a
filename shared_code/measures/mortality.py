"""Deaths and person-years by area, sex and age band."""

from __future__ import annotations

import datetime as dt

import ibis
import ibis.expr.types as ir
import pandas as pd

from shared_code.config.study import Period
from shared_code.measures.cohort import areas, band, completed_years
from shared_code.measures.prepared import Prepared
from shared_code.model import Problem, Refused, band_labels, few
from shared_code.model.units import DAYS_A_YEAR

MID_YEAR = (6, 30)


LEAST_LOCATED = 0.9  # share of deaths that must be linked to a person and a place


def deaths_and_person_years(prepared: Prepared, period: Period, area: str, edges: list[int]) -> pd.DataFrame:
    """Count deaths registered in a period and the person-years lived, per area, sex and age band.

    area   ward (name and code), or a column of area_lookup: ward_cd, locality, imd10
    edges  lower edges of the age bands
    Person-years are the sum of the mid-year populations that fall in the period; deaths count where the person
    usually lived, by age at death. Returns area, sex, age, deaths, person_years: every combination, zeros included.
    Raises model.Refused when the population of a mid-year is not there. Source: methods specification, section 2.
    """
    lookup = areas(prepared)
    if area == "ward":  # a name for people and the code for machines; names alone repeat
        place = ibis.ifelse(lookup.ward_name.isnull(), lookup.ward_cd, lookup.ward_name + " " + lookup.ward_cd)
    else:
        place = lookup[area].cast("string")
    known = lookup.select("lsoa21", place=place)
    died = _deaths(prepared, known, period, edges).execute()
    lived = _person_years(prepared, known, period, edges).execute()
    places = sorted(set(lived["place"]) | set(died["place"].dropna()))
    grid = pd.MultiIndex.from_product([places, ["F", "M"], band_labels(edges)], names=["place", "sex", "age"])
    table = pd.DataFrame({
        "deaths": died.set_index(["place", "sex", "age"])["deaths"],
        "person_years": lived.set_index(["place", "sex", "age"])["person_years"],
    }).reindex(grid).fillna(0)  # fmt: skip
    return table.astype({"deaths": "int64"}).reset_index().rename(columns={"place": area})


def _deaths(prepared: Prepared, known: ir.Table, period: Period, edges: list[int]) -> ir.Table:
    start, end = (ibis.literal(day.isoformat()).cast("date") for day in (period.start, period.end))
    deaths = prepared.death.filter(lambda t: (t.reg_date >= start) & (t.reg_date < end))
    deaths = deaths.select("person_id", "death_date", "lsoa21")  # nothing else: names may repeat in the joined tables
    deaths = deaths.inner_join(prepared.person.select("person_id", "birth_month", "sex"), "person_id")
    deaths = deaths.inner_join(known, "lsoa21")
    # Birth is assumed on the 15th; whoever died in the month of birth before that day was 0 years old, not -1.
    age = completed_years(deaths.birth_month, deaths.death_date)
    age = ibis.ifelse((age < 0) & (deaths.death_date >= deaths.birth_month), 0, age)
    deaths = deaths.mutate(age=band(age, edges)).filter(lambda t: t.sex.isin(["F", "M"]))
    return deaths.group_by("place", "sex", "age").agg(deaths=deaths.count())


def require_located_deaths(prepared: Prepared, period: Period) -> None:
    """Refuse deaths that are without a place, a sex or a person too often: missing deaths would look like long lives.

    Raises model.Refused when no death was registered in the period, or when fewer than 90 % have all three.
    """
    start, end = (ibis.literal(day.isoformat()).cast("date") for day in (period.start, period.end))
    deaths = prepared.death.filter(lambda t: (t.reg_date >= start) & (t.reg_date < end))
    known = prepared.person.filter(prepared.person.sex.isin(["F", "M"])).select("person_id")
    total = int(deaths.count().execute())
    places = prepared.area_lookup.select("lsoa21").distinct()
    found = deaths.select("person_id", "lsoa21").inner_join(known, "person_id").inner_join(places, "lsoa21")
    if not total or int(found.count().execute()) < LEAST_LOCATED * total:
        wrong = "no death was registered in the period" if not total else (
            f"fewer than {LEAST_LOCATED:.0%} of the deaths have a known person, sex and small area of residence")
        mend = "Map death.lsoa21, and extract person, death and area_lookup on the same day"
        raise Refused("The deaths", [Problem("death", wrong, f"at least {LEAST_LOCATED:.0%}", mend)])


def _person_years(prepared: Prepared, known: ir.Table, period: Period, edges: list[int]) -> ir.Table:
    population = prepared.area_population.select("area_cd", "year", "sex", "age", "population")
    population = population.filter(population.year.isin(mid_years(period)))
    found = set(population.select("year").distinct().execute()["year"])
    lacking = [year for year in mid_years(period) if year not in found]
    if lacking:
        wrong = f"the population of {few(lacking)} is not there, so person-years of the period would be too few"
        mend = "Extract the population of these years, or shorten the period in the protocol"
        raise Refused("The population", [Problem("area_population", wrong, few(mid_years(period), 20), mend)])
    population = population.inner_join(known, population.area_cd == known.lsoa21)
    population = population.mutate(band=band(population.age, edges))
    return population.group_by("place", "sex", age=population.band).agg(person_years=population.population.sum())


def mid_years(period: Period) -> list[int]:
    """List the years whose middle, 30 June, falls in a period.

    >>> mid_years(Period(start="2021-04-01", end="2026-04-01"))
    [2021, 2022, 2023, 2024, 2025]
    """
    return [y for y in range(period.start.year, period.end.year + 1) if period.start <= dt.date(y, *MID_YEAR) < period.end]


def as_events(table: pd.DataFrame) -> pd.DataFrame:
    """Turn deaths and person-years into the `events` layout: a person dies once, so people, events and squares agree."""
    deaths = table["deaths"]
    rest = table.drop(columns=["deaths", "person_years"])
    return rest.assign(people=deaths, events=deaths, person_days=table["person_years"] * DAYS_A_YEAR,
                       events_squared=deaths)  # fmt: skip
