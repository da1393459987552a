"""Count the results tables of both analyses in plain pandas, as a careful analyst would write it for one extract.

    python benchmarks/plain_pandas.py csv|spss EXTRACT OUT ANALYSIS [ANALYSIS ...]

EXTRACT is the folder of a demonstration site that delivers text (csv) or SPSS files (spss); OUT receives one Parquet
file per results table. The program uses nothing of `shared_code`: pandas, NumPy and pyreadstat only. It reads the
columns it needs and those that hold codes, recodes them, and refuses codes that nobody explained and dates that are
not dates. It does not do what `prepare` does besides: the form of identifiers, unique keys, references between tables,
and tables written for the next analysis.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from plain_extracts import read_extract

CODELIST = Path(__file__).resolve().parents[1] / "config" / "codelists" / "long_term_conditions" / "2026-11.csv"
INDEX_DATE = pd.Timestamp("2026-04-01")
PERIOD = (pd.Timestamp("2021-04-01"), pd.Timestamp("2026-04-01"))  # the end is not part of it
YEARS = [2021, 2022, 2023, 2024, 2025]  # those whose 30 June lies in the period
ETHNICITY5 = {letter: name for name, letters in {
    "White": "ABC", "Mixed": "DEFG", "Asian": "HJKL", "Black": "MNP", "Other": "RS", "Unknown": ["Z", "99"],
}.items() for letter in letters}  # fmt: skip
AGES = [0, 18, 40, 55, 65, 75, 85]
WARD_AGES = [0, 1, *range(5, 91, 5)]
DECILE_AGES = [0, 1, 5, 15, 25, 35, 45, 55, 65, 75, 85]
ALWAYS = ["sex", "age"]
SETS: list[list[str]] = [ALWAYS, *([name, *ALWAYS] for name in ("deprivation", "ethnicity", "locality")),
                         ["deprivation"], ["ethnicity"], ["sex"], []]
LEVELS = {"deprivation": ["1", "2", "3", "4", "5", "Unknown"], "sex": ["F", "M"],
          "ethnicity": ["White", "Mixed", "Asian", "Black", "Other", "Unknown"],
          "age": ["0-17", "18-39", "40-54", "55-64", "65-74", "75-84", "85+"]}  # fmt: skip
DAYS_A_YEAR = 365.25
FEWEST_PERSON_YEARS, WIDEST_INTERVAL = 5000, 20  # a life table of fewer, or with a wider interval, says nothing
NORMAL_975 = 1.959963984540054
NEEDED = {
    "long_term_conditions": ["person", "address", "registration", "diagnosis", "death", "area"],
    "life_expectancy": ["person", "death", "area", "population"],
}


def main(arguments: list[str]) -> None:
    """Count the analyses named on the command line and write their tables."""
    shape, extract, out, *analyses = arguments
    for name, table in count(shape, Path(extract), analyses).items():
        Path(out).mkdir(parents=True, exist_ok=True)
        table.to_parquet(Path(out) / f"{name}.parquet", index=False)


def count(shape: str, extract: Path, analyses: list[str]) -> dict[str, pd.DataFrame]:
    """Read what the analyses need, once, and count: name of the results table -> table."""
    needed = {table for analysis in analyses for table in NEEDED[analysis]}
    tables = read_extract(shape, extract, needed)
    made: dict[str, pd.DataFrame] = {}
    if "long_term_conditions" in analyses:
        made["conditions"] = long_term_conditions(tables)
    if "life_expectancy" in analyses:
        made["wards"], made["deciles"] = life_expectancy(tables)
    return made


# Long-term conditions


def long_term_conditions(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Count people and cases per condition, by age and sex, over every set of dimensions."""
    people = registered(tables)
    codelist = pd.read_csv(CODELIST, comment="#", dtype=str)
    found = cases(tables["diagnosis"], codelist).merge(people, on="person_id")
    items = [*codelist["condition"].unique(), "two_or_more", "four_or_more"]
    youngest = codelist.drop_duplicates("condition").set_index("condition")["minimum_age"].astype(int)
    least = {item: int(youngest.get(item, 0)) for item in items}
    found = found[found["completed_age"] >= found["condition"].map(least)]
    parts = []
    for by in SETS:
        levels = [LEVELS.get(name) or sorted(people[name].unique()) for name in by]
        grid = pd.MultiIndex.from_product([items, *levels], names=["condition", *by])
        counted = []
        for age in sorted(set(least.values())):
            old, of = people[people["completed_age"] >= age], [item for item in items if least[item] == age]
            n = old.groupby(by, observed=True).size() if by else pd.Series([len(old)])
            mine = grid[grid.get_level_values(0).isin(of)]
            counted.append(pd.Series(n.reindex(mine.droplevel(0)).to_numpy() if by else n.iloc[0], mine))
        x = found.groupby(["condition", *by], observed=True).size()
        x.index = pd.MultiIndex.from_tuples([i if isinstance(i, tuple) else (i,) for i in x.index], names=["condition", *by])
        part = pd.DataFrame({"people": pd.concat(counted).reindex(grid), "cases": x.reindex(grid).to_numpy()})
        part = part.fillna(0).astype("int64").reset_index()
        parts.append(part.assign(**{name: "all" for other in SETS for name in other if name not in by}))
    table = pd.concat(parts, ignore_index=True)
    begins = table["age"].map(dict(zip(LEVELS["age"], AGES)))
    table = table[begins.isna() | (begins >= table["condition"].map(least))]
    return table[["condition", "deprivation", "ethnicity", "locality", "sex", "age", "people", "cases"]]


def registered(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """List who is alive and permanently registered on the index date, with what they are grouped by."""
    spells, deaths, person = tables["registration"], tables["death"], tables["person"]
    current = spells[(spells["kind"] == "GMS") & (spells["start"] <= INDEX_DATE)
                     & (spells["end"].isna() | (spells["end"] > INDEX_DATE))]  # fmt: skip
    dead = deaths.loc[deaths["died"] <= INDEX_DATE, "person_id"]
    chosen = person["person_id"].isin(current["person_id"]) & ~person["person_id"].isin(dead)
    people = person[chosen & person["sex"].isin(["F", "M"])]
    age = completed_years(people["birth"], INDEX_DATE)
    people = pd.DataFrame({
        "person_id": people["person_id"], "sex": people["sex"], "age": banded(age, AGES), "completed_age": age,
        "ethnicity": people["ethnicity"].map(ETHNICITY5).fillna("Unknown"),
    })[age >= 0]  # fmt: skip
    homes = tables["address"]
    homes = homes[homes["start"] <= INDEX_DATE].sort_values("start")
    homes = homes.drop_duplicates("person_id", keep="last")[["person_id", "lsoa"]]
    people = people.merge(homes, "left", "person_id").merge(tables["area"], "left", "lsoa")
    quintile = (people["decile"] + 1) // 2
    people["deprivation"] = quintile.map({float(k): str(k) for k in range(1, 6)}).fillna("Unknown")
    people["locality"] = people["locality"].fillna("Unknown")
    return people[["person_id", "sex", "age", "completed_age", "ethnicity", "deprivation", "locality"]]


def cases(events: pd.DataFrame, codelist: pd.DataFrame) -> pd.DataFrame:
    """List (person_id, condition) up to the index date without family history, and who has two or four of them."""
    events = events[(events["date"] <= INDEX_DATE) & (events["status"] != "family")]
    meaning = meanings(events[["system", "code"]].drop_duplicates(), codelist)
    found = events[["person_id", "system", "code"]].merge(meaning, on=["system", "code"])
    found = found[["person_id", "condition"]].drop_duplicates()
    number = found.groupby("person_id").size()
    parts = [found]
    for name, least in (("two_or_more", 2), ("four_or_more", 4)):
        parts.append(pd.DataFrame({"person_id": number.index[number >= least], "condition": name}))
    return pd.concat(parts, ignore_index=True)


def meanings(recorded: pd.DataFrame, codelist: pd.DataFrame) -> pd.DataFrame:
    """Say which conditions each code means, as it was typed; the longest ICD-10 entry decides."""
    rules: dict[tuple[str, str], list[tuple[str, bool]]] = {}
    for entry in codelist.itertuples():
        rules.setdefault((entry.code_system, entry.code), []).append((entry.condition, entry.rule == "include"))
    tidy = recorded["code"].str.upper().str.replace(r"[.\s†+*]", "", regex=True)
    rows = []
    for system, typed, code in zip(recorded["system"], recorded["code"], tidy):
        decided: dict[str, bool] = {}
        for length in range(len(code), 2, -1) if system == "ICD10" else [len(code)]:
            for condition, include in rules.get((system, code[:length]), []):
                decided.setdefault(condition, include)
        rows += [(system, typed, condition) for condition, include in decided.items() if include]
    return pd.DataFrame(rows, columns=["system", "code", "condition"])


# Life expectancy


def life_expectancy(tables: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute life expectancy by ward, and deaths and person-years by decile of deprivation."""
    area, deaths = tables["area"], tables["death"]
    area = area.assign(ward=(area["ward_name"] + " " + area["ward_code"]).fillna(area["ward_code"]))
    deaths = deaths[(deaths["registered"] >= PERIOD[0]) & (deaths["registered"] < PERIOD[1])]
    deaths = deaths.merge(tables["person"][["person_id", "birth", "sex"]], on="person_id").merge(area, on="lsoa")
    deaths = deaths[deaths["sex"].isin(["F", "M"])]
    deaths = deaths.assign(years=completed_years(deaths["birth"], deaths["died"]).clip(lower=0))
    population = tables["population"]
    population = population[population["year"].isin(YEARS)].merge(area, on="lsoa")
    wards = life_tables(by_age(deaths, population, "ward", WARD_AGES))
    deciles = by_age(deaths, population, "decile", DECILE_AGES).reset_index()
    number = deciles["deaths"]
    deciles = deciles.assign(decile=deciles["decile"].astype(int).astype(str), people=number, events=number,
                             events_squared=number, person_days=deciles["lived"] * DAYS_A_YEAR)  # fmt: skip
    return wards, deciles.drop(columns=["deaths", "lived"])


def by_age(deaths: pd.DataFrame, population: pd.DataFrame, area: str, edges: list[int]) -> pd.DataFrame:
    """Count deaths and person-years lived by area, sex and age band; every combination has a row."""
    died = deaths.groupby([area, "sex", banded(deaths["years"], edges).rename("age")], observed=True).size()
    bands = banded(population["age"], edges).rename("age")
    lived = population.groupby([area, "sex", bands], observed=True)["people"].sum()
    places = sorted({*population[area].unique(), *deaths[area].unique()})
    grid = pd.MultiIndex.from_product([places, ["F", "M"], labels(edges)], names=[area, "sex", "age"])
    return pd.DataFrame({"deaths": died.reindex(grid, fill_value=0), "lived": lived.reindex(grid, fill_value=0.0)})


def life_tables(table: pd.DataFrame) -> pd.DataFrame:
    """Compute expectancy at 0 and 65 per ward and sex: Chiang's second method, last band by Silcocks."""
    edges = np.array(WARD_AGES, dtype=float)
    groups = table.index.droplevel("age").unique()
    d = table["deaths"].to_numpy(float).reshape(len(groups), len(edges))
    lived = table["lived"].to_numpy(float).reshape(d.shape)
    enough = lived.sum(axis=1) > FEWEST_PERSON_YEARS
    given = enough & (lived > 0).all(axis=1) & (d <= lived).all(axis=1) & (d[:, -1] > 0)
    died, years = np.where(given[:, None], d, 1.0), np.where(given[:, None], lived, 10.0)
    width, a = np.diff(edges), np.r_[0.1, np.full(len(edges) - 2, 0.5)]
    rate = died / years
    q = np.minimum(width * rate[:, :-1] / (1 + width * (1 - a) * rate[:, :-1]), 1)
    alive = np.c_[np.ones(len(d)), np.cumprod(1 - q, axis=1)]
    between = width * (alive[:, 1:] + a * (alive[:, :-1] - alive[:, 1:]))
    reached = np.where(alive > 0, alive, np.nan)
    e = np.c_[between, alive[:, -1] / rate[:, -1]][:, ::-1].cumsum(axis=1)[:, ::-1] / reached
    spread = q**2 * (1 - q) / np.maximum(died[:, :-1], 1)
    terms = np.c_[(alive[:, :-1] * ((1 - a) * width + np.nan_to_num(e[:, 1:]))) ** 2 * spread,
                  alive[:, -1] ** 2 / (died[:, -1] * rate[:, -1] ** 2)]  # fmt: skip
    se = np.sqrt(terms[:, ::-1].cumsum(axis=1)[:, ::-1]) / reached
    parts: list[pd.DataFrame] = []
    for age in (0, 65):
        at = WARD_AGES.index(age)
        shown = given & (2 * NORMAL_975 * se[:, at] <= WIDEST_INTERVAL)
        parts.append(groups.to_frame(index=False).assign(
            term=f"e{age}", estimate=np.where(shown, e[:, at], np.nan), se=np.where(shown, se[:, at], np.nan),
            people=d.sum(axis=1).astype("int64"), person_days=lived.sum(axis=1) * DAYS_A_YEAR,
        ))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


# What both use


def completed_years(birth: pd.Series, on: Any) -> pd.Series:
    """Compute age in completed years from the month of birth, with the 15th as day of birth."""
    if isinstance(on, pd.Series):
        months = on.dt.year * 12 + on.dt.month - (on.dt.day < 15)
    else:
        months = on.year * 12 + on.month - (on.day < 15)
    return (months - (birth.dt.year * 12 + birth.dt.month)) // 12


def labels(edges: list[int]) -> list[str]:
    """Name age bands: 0-17, 18-39, …, 85+."""
    names = [str(low) if low == high - 1 else f"{low}-{high - 1}" for low, high in pairwise(edges)]
    return [*names, f"{edges[-1]}+"]


def banded(years: pd.Series, edges: list[int]) -> pd.Series:
    """Put ages into bands."""
    return pd.cut(years, [*edges, np.inf], right=False, labels=labels(edges))


if __name__ == "__main__":
    main(sys.argv[1:])
