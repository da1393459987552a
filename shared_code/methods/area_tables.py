"""Area tables: methods applied to tidy tables of many areas at once."""

from __future__ import annotations

import numpy as np
import pandas as pd

from shared_code.methods.life_table import life_expectancy
from shared_code.methods.standard_population import standard_weights
from shared_code.methods.standardisation import standardised_proportion
from shared_code.model.units import DAYS_A_YEAR


def life_expectancy_table(table: pd.DataFrame, area: str, edges: list[int], ages: list[int]) -> pd.DataFrame:
    """Compute life expectancy of every area and sex from deaths and person-years by age band.

    table  columns area, sex, age (every band of every area and sex, in any order of rows), deaths, person_years
    edges  lower edges of the bands, years            ages  ages at which life expectancy is given; each is an edge
    Returns the `estimates` layout, one row per area, sex and term ("e0", "e65"): estimate and se in years (empty where
    it is not given), people = deaths, person_days. Method: life_table.life_expectancy.
    """
    from shared_code.model import band_labels

    order = {label: position for position, label in enumerate(band_labels(edges))}
    rows = table.assign(_order=table["age"].map(order)).sort_values([area, "sex", "_order"])
    groups = rows[[area, "sex"]].drop_duplicates().reset_index(drop=True)
    deaths = rows["deaths"].to_numpy(float).reshape(len(groups), len(edges))
    years = rows["person_years"].to_numpy(float).reshape(len(groups), len(edges))
    result = life_expectancy(deaths, years, edges)
    parts = []
    for age in ages:
        at = edges.index(age)
        given = ~np.asarray(result.too_wide)[:, at]
        parts.append(groups.assign(
            term=f"e{age}", estimate=np.where(given, result.estimate[:, at], np.nan),
            se=np.where(given, result.se[:, at], np.nan), people=deaths.sum(axis=1).astype("int64"),
            person_days=years.sum(axis=1) * DAYS_A_YEAR,
        ))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def standardised_table(table: pd.DataFrame, area: str, item: str, edges: list[int], terms: dict[str, list]) -> pd.DataFrame:
    """Standardise shares of people by age and sex in every area, each over its own range of ages.

    table  columns area, item, sex (F, M), age (bands of `edges`), people, cases       edges  lower edges of the bands, years
    terms  term -> item, first age, and the age it ends before (left out: open), such as {"working_age": ["asthma", 18, 65]};
           both ages are edges
    Returns the `estimates` layout, one row per area and term: estimate and se in per cent (empty where it is not given: fewer
    than 10 cases, or a band with nobody in it), people = cases, person_days 0. Method: standardised_proportion, European
    Standard Population 2013, both sexes the same weight; METHODS 3.
    """
    from shared_code.model import band_labels

    labels = band_labels(edges)
    parts = []
    for term, (of, first, *end) in terms.items():
        mine = table[table[item] == of]
        wide = mine.pivot_table(index=area, columns=["sex", "age"], values=["people", "cases"], aggfunc="sum", fill_value=0)
        chosen = [at for at, edge in enumerate(edges) if edge >= first and (not end or edge < end[0])]
        weights = np.tile(standard_weights([edges[at] for at in chosen], upper=end[0] if end else None, sexes=2), 2)
        columns = [(sex, labels[at]) for sex in ("F", "M") for at in chosen]
        cases, people = (wide[name].reindex(columns=columns, fill_value=0).to_numpy(float) for name in ("cases", "people"))
        result = standardised_proportion(cases, people, weights)
        parts.append(pd.DataFrame({area: wide.index, "term": term, "estimate": 100 * np.asarray(result.estimate),
                                   "se": 100 * np.asarray(result.se), "people": cases.sum(axis=1).astype("int64"),
                                   "person_days": 0.0}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)
