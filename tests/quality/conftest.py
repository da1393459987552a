"""A made-up site's prepared tables, small and clean, and variants of them with one planted fault each."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shared_code.config import Study
from shared_code.config.plan import Plan
from shared_code.measures import Prepared, check_results, open_prepared
from shared_code.model import TABLES
from shared_code.quality import (
    against_population,
    by_month,
    coding_depth,
    cohort,
    faults,
    flow,
    judge,
    lags,
    linked,
)

ROOT = Path(__file__).parents[2]
STUDY = Study.read(ROOT / "config" / "study.yaml")
PLAN = Plan(STUDY, "data_quality")
ON, EXTRACT = STUDY.index_date, dt.date(2026, 4, 20)
PEOPLE, AREAS = 4_000, 40
SNOMED, ICD10 = ["73211009", "38341003", "195967001", "35489007"], ["E119", "I10", "J459", "F329", "M0590"]
Tables = dict[str, pd.DataFrame]


def clean_site(seed: int = 7) -> Tables:
    """Draw every table of a site without a fault: 4,000 people, five years of contacts, national deciles."""
    rng = np.random.Generator(np.random.PCG64(seed))
    months = pd.date_range("1932-01-01", "2025-12-01", freq="MS")
    ids = [f"{n:064x}" for n in range(1, PEOPLE + 1)]
    person = pd.DataFrame({
        "person_id": ids, "birth_month": rng.choice(months, PEOPLE), "sex": rng.choice(["F", "M"], PEOPLE),
        "ethnicity16": rng.choice(["A", "H", "N", "Z"], PEOPLE, p=[0.8, 0.1, 0.07, 0.03]), "carehome_flag": False,
    })  # fmt: skip
    lsoa = [f"E01{n:06d}" for n in range(1, AREAS + 1)]
    decile = np.sort(rng.choice(np.arange(1, 11), AREAS, p=np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 1]) / 46))
    area_lookup = pd.DataFrame({"lsoa21": lsoa, "ward_vintage": "2024-05", "ward_cd": "E05000001", "ward_name": "One",
                                "locality": "Town", "imd_version": "IoD2025", "imd10": decile})  # fmt: skip
    home = rng.choice(lsoa, PEOPLE)
    born = person["birth_month"]
    address = pd.DataFrame({"person_id": ids, "start": born, "lsoa21": home})
    died = rng.choice(PEOPLE, 600, replace=False)
    day = np.array(rng.choice(pd.date_range("2021-04-01", "2026-03-20"), 600))
    day = np.maximum(day, born.iloc[died].to_numpy() + np.timedelta64(20, "D"))
    death = pd.DataFrame({"person_id": np.array(ids)[died], "death_date": day,
                          "reg_date": day + rng.integers(0, 12, 600).astype("timedelta64[D]"),
                          "underlying_icd10": rng.choice(["I219", "C349", "J189"], 600), "lsoa21": home[died]})  # fmt: skip
    registration = pd.DataFrame({"person_id": ids, "practice_code": rng.choice(["A81001", "A81002"], PEOPLE),
                                 "reg_start": born, "reg_type": "GMS"})  # fmt: skip
    registration = registration.merge(death[["person_id", "death_date"]], how="left")
    registration["reg_end"] = registration.pop("death_date") + pd.Timedelta(days=5)
    until = pd.Series(pd.Timestamp("2026-04-01"), index=ids)
    until[death["person_id"]] = death["death_date"].to_numpy()

    def dated(n: int) -> tuple[np.ndarray, np.ndarray]:
        who = rng.integers(0, PEOPLE, 4 * n)
        days = np.array(rng.choice(pd.date_range("2021-04-01", "2026-03-31"), 4 * n))
        fits = (days >= born.iloc[who].to_numpy() + np.timedelta64(31, "D")) & (days <= until.iloc[who].to_numpy())
        return np.array(ids)[who[fits]][:n], days[fits][:n]

    who, days = dated(12_000)
    gp = pd.DataFrame({"person_id": who, "event_date": days, "recorded_date": days + np.timedelta64(2, "D"),
                       "code": rng.choice(SNOMED, len(who)), "code_system": "SCT", "source": "GP"})  # fmt: skip
    who, days = dated(6_000)
    sex = person.set_index("person_id")["sex"].loc[who].to_numpy()
    mother = (sex == "F") & (rng.random(len(who)) < 0.1)
    admission = pd.DataFrame({
        "spell_id": [f"s{n}" for n in range(len(who))], "person_id": who, "provider": "RXX", "admi_date": days,
        "disch_date": days + rng.integers(0, 5, len(who)).astype("timedelta64[D]"), "class_pat": "1",
        "admimeth": np.where(mother, "31", "21"), "primary_icd10": rng.choice(ICD10, len(who)),
    }).drop_duplicates(["person_id", "admi_date"])  # fmt: skip
    copies = admission.loc[admission.index.repeat(rng.integers(1, 6, len(admission)))]
    apc = pd.DataFrame({"person_id": copies["person_id"], "event_date": copies["admi_date"], "code_system": "ICD10",
                        "code": rng.choice(ICD10, len(copies)), "source": "APC", "parent_id": copies["spell_id"],
                        "diag_position": copies.groupby("spell_id").cumcount() + 1})  # fmt: skip
    events = pd.concat([gp.drop_duplicates(["person_id", "event_date", "code"]), apc], ignore_index=True)
    events.insert(0, "event_id", [f"e{n}" for n in range(len(events))])
    alive = person.assign(home=home)[~person["person_id"].isin(death["person_id"])]
    age = ((pd.Timestamp(ON) - alive["birth_month"]).dt.days // 365.25).clip(0, 90).astype(int)
    population = alive.assign(age=age).groupby(["home", "sex", "age"]).size().reset_index(name="population")
    population = population.rename(columns={"home": "area_cd"}).assign(year=2025)
    return {"person": person, "person_address": address, "gp_registration": registration, "condition_event": events,
            "admission": admission, "death": death, "area_lookup": area_lookup, "area_population": population}  # fmt: skip


def store(tables: Tables, folder: Path, extract: dt.date = EXTRACT) -> Path:
    """Write tables as prepared tables, with every column of the data model."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds: dict[str, Any] = {"text": "string", "integer": "Int64", "number": "float64", "boolean": "boolean"}
    for name, table in tables.items():
        full = pd.DataFrame(index=table.index)
        for column in TABLES[name].columns:
            values = table[column.name] if column.name in table else pd.Series(None, index=table.index, dtype=object)
            dated = column.type in ("date", "timestamp")
            full[column.name] = pd.to_datetime(values) if dated else values.astype(kinds[column.type])
            if column.type == "date":
                full[column.name] = full[column.name].dt.date.astype("date32[pyarrow]" if not values.isna().all() else object)
                if values.isna().all():
                    full[column.name] = pd.array([None] * len(full), dtype="date32[pyarrow]")
        full.to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "prepared.json").write_text(json.dumps({"extract_date": extract.isoformat()}), "utf-8")
    return folder


def results(prepared: Prepared, everything: bool = False) -> dict[str, pd.DataFrame]:
    """Compute what the notebook computes, or as much as verdicts need; every table must fit its declaration."""
    bands = PLAN.parameter("age_edges")
    tables = {
        "faults": faults(prepared, ON), "months": by_month(prepared, list(PLAN.levels("months", "month") or {})),
        "linked": linked(prepared), "registered": against_population(prepared, ON, bands),
    }  # fmt: skip
    tables |= {"cohort": cohort(prepared, ON, bands)}
    tables |= {} if not everything else {
        "flow": flow(prepared, ON),
        "lags": lags(prepared, ON, PLAN.results("lags").dimensions["lag"].bands),
        "depth": coding_depth(prepared, PLAN.period.start, ON),
    }  # fmt: skip
    for name, table in tables.items():
        assert check_results(PLAN, name, table, complete=True) == []
    return tables


@pytest.fixture(scope="session")
def clean() -> Tables:
    return clean_site()


@pytest.fixture()
def findings(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Store tables, run the analysis, and give the findings that say look or stop: check -> finding."""

    def run(tables: Tables, everything: bool = False, earlier: dict[str, pd.DataFrame] | None = None) -> dict[str, Any]:
        prepared = open_prepared(store(tables, tmp_path / "private" / "a_site" / "prepared"))
        found = judge(results(prepared, everything), prepared, PLAN.period, earlier)
        return found if everything else {k: f for k, f in found.items() if f.verdict in ("look", "stop")}

    return run


@pytest.fixture(scope="session")
def study() -> Study:
    return STUDY


@pytest.fixture(scope="session")
def stored() -> Callable[[Tables, Path], tuple[Path, dict[str, pd.DataFrame]]]:
    """Store tables, and give their folder and everything the analysis saves of them."""

    def keep(tables: Tables, folder: Path) -> tuple[Path, dict[str, pd.DataFrame]]:
        return store(tables, folder), results(open_prepared(folder), everything=True)

    return keep
