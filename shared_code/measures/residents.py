"""Residents of places in need, from published estimates of the population: nobody's record is read."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from shared_code.measures.cohort import areas
from shared_code.measures.prepared import Prepared
from shared_code.model import Problem, Refused


def residents_in_need(prepared: Prepared, year: int, deciles: Mapping[str, int]) -> pd.DataFrame:
    """Count the residents of every locality, and those who live in the most deprived small areas of the country.

    year     mid-year of the estimate      deciles  definition of need -> how many of the ten national deciles it takes in
    An area counts by its own decile, never by its ward's average, and goes to one locality by its people. Returns
    need, locality, people, cases (the layout `counts`). Raises model.Refused where the year is not there.
    """
    population = prepared.area_population
    population = population.filter(population.year == year)
    lived = population.group_by("area_cd").agg(people=population.population.sum())
    known = areas(prepared).select("lsoa21", "locality", "imd10")
    table = lived.inner_join(known, lived.area_cd == known.lsoa21).execute()
    if table.empty:
        wrong = f"there is no population of {year} in any known small area"
        raise Refused("The residents", [Problem("area_population", wrong, str(year), "Extract it, or name another year")])
    parts = []
    for need, most in deciles.items():
        inside = table.assign(cases=table["people"].where(table["imd10"] <= most, 0))
        summed = inside.groupby("locality", as_index=False)[["people", "cases"]].sum()
        parts.append(summed.assign(need=need))
    whole = pd.concat(parts, ignore_index=True)
    return whole.astype({"people": "int64", "cases": "int64"})[["need", "locality", "people", "cases"]]
