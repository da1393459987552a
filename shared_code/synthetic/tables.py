"""Put the made-up facts into tables that every shape of delivery starts from.

Columns follow the common data model, with the full date of birth (a site extracts it; only the month is prepared).
Days stay whole numbers (days.NEVER: no such day) until a shape writes them its own way.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from shared_code.synthetic.chance import stream
from shared_code.synthetic.diagnoses import NOISE, SOURCES, STATUSES
from shared_code.synthetic.hospital import Hospital
from shared_code.synthetic.people import SEXES, People
from shared_code.synthetic.places import IMD_VERSION, WARD_VINTAGE, Places
from shared_code.synthetic.registrations import TYPES, addresses

ORDER = ("person", "person_address", "gp_registration", "condition_event", "death", "area_lookup", "area_population")


@dataclass(frozen=True)
class Facts:
    """Hold everything simulated about a site.

    feeds  tables of other systems, whole; a column `row` stands for the person
    """

    people: People
    places: Places
    registrations: dict[str, np.ndarray]
    diagnoses: dict[str, np.ndarray]
    deaths: dict[str, np.ndarray]
    population: pd.DataFrame
    feeds: dict[str, pd.DataFrame] = field(default_factory=dict)


def make_tables(facts: Facts, identifiers: np.ndarray) -> dict[str, pd.DataFrame]:
    """Build the seven tables; `identifiers` holds one identifier per person."""
    people, places, deaths = facts.people, facts.places, facts.deaths
    spells, records = facts.registrations, facts.diagnoses
    homes = addresses(people, places.lsoa21)
    count = len(records["row"])
    return {
        "person": pd.DataFrame({
            "person_id": identifiers, "birth": people.birth, "sex": named(people.recorded_sex, SEXES),
            "ethnicity16": pd.Categorical(pd.Series(people.ethnicity).replace("", None)),
            "carehome_flag": people.care_home.astype(np.int64),
        }),
        "person_address": _by_person(homes["row"], pd.DataFrame({
            "person_id": identifiers[homes["row"]], "start": homes["begin"], "end": homes["finish"],
            "lsoa21": homes["lsoa21"],
        })),
        "gp_registration": _by_person(spells["row"], pd.DataFrame({
            "person_id": identifiers[spells["row"]], "practice_code": spells["practice"], "reg_start": spells["begin"],
            "reg_end": spells["finish"], "reg_type": named(spells["type"], TYPES),
        })),
        "condition_event": pd.DataFrame({
            "event_id": np.arange(1, count + 1), "person_id": identifiers[records["row"]], "code": records["code"],
            "code_system": named(records["icd10"].astype(np.int64), ("SCT", "ICD10")), "event_date": records["day"],
            "source": named(records["source"], SOURCES), "status": named(records["status"], STATUSES),
            **({"recorded_date": records["recorded"]} if "recorded" in records else {}),
        }),
        "death": pd.DataFrame({
            "person_id": identifiers[deaths["row"]], "death_date": deaths["death"], "reg_date": deaths["registered"],
            "underlying_icd10": deaths["cause"], "lsoa21": places.lsoa21[people.area[deaths["row"]]].astype(object),
        }),
        "area_lookup": pd.DataFrame({
            "lsoa21": places.lsoa21.astype(object), "ward_vintage": WARD_VINTAGE,
            "ward_cd": places.ward_cd[places.ward].astype(object), "ward_name": places.ward_name[places.ward],
            "locality": places.ward_locality[places.ward], "imd_version": IMD_VERSION, "imd10": places.imd10,
        }),
        "area_population": pd.DataFrame({
            "area_cd": places.lsoa21[facts.population["area"]].astype(object), "year": facts.population["year"],
            "sex": named(facts.population["sex"].to_numpy(), SEXES[:2]), "age": facts.population["age"],
            "population": facts.population["population"],
        }),
    }  # fmt: skip


def named(codes: np.ndarray, names: tuple[str, ...]) -> pd.Categorical:
    """Name small whole numbers; -1 is missing."""
    return pd.Categorical.from_codes(codes, list(names))


def _by_person(row: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[np.argsort(row, kind="stable")].reset_index(drop=True)


def with_hospital(tables: dict[str, pd.DataFrame], facts: Facts, hospital: Hospital, seed: int) -> dict[str, pd.DataFrame]:
    """Let the register carry names and numbers, and the hospital's diagnoses its own record numbers instead of people.

    Adds the tables `hospital` (records with identifiers, as typed) and `superseded`, and column record to condition_event.
    """
    people, register = facts.people, hospital.register
    person = tables["person"].assign(
        **{c: register[c] for c in ("nhs_number", "surname", "forename", "postcode")},
        lsoa21=facts.places.lsoa21[people.area].astype(object), death_date=people.death,
    )  # fmt: skip
    events, theirs = tables["condition_event"], hospital.diagnosis >= 0
    number = hospital.records["record"].to_numpy(dtype=object)
    events = events.assign(record=np.where(theirs, number[hospital.diagnosis], None))
    events["person_id"] = events["person_id"].astype(object).where(~theirs, None)
    rng = stream(seed, "diagnoses of strangers")
    codes = np.array([c for c in NOISE if not c.isdigit()] + ["E119", "I10", "J449"], dtype=object)
    count = len(hospital.strangers)
    unknown = pd.DataFrame({
        "event_id": len(events) + 1 + np.arange(count), "person_id": None, "code": codes[rng.integers(0, len(codes), count)],
        "code_system": named(np.ones(count, dtype=np.int64), ("SCT", "ICD10")),
        "event_date": hospital.records["seen_on"].to_numpy()[hospital.strangers],
        "source": named(np.ones(count, dtype=np.int64), SOURCES),
        "status": named(np.zeros(count, dtype=np.int64), STATUSES), "record": number[hospital.strangers],
    })  # fmt: skip
    events = pd.concat([events, unknown], ignore_index=True)
    events["person_id"] = events["person_id"].astype(object).where(events["person_id"].notna(), None)
    return tables | {"person": person, "condition_event": events, "hospital": hospital.records, "superseded": hospital.superseded}
