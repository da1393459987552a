"""Linkage rates by source and stratum, from the counters that linkage left beside the prepared tables."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from shared_code.measures.prepared import Prepared
from shared_code.model import ALL

FOLDER, TABLE, RECORD = "linkage", "linkage.parquet", "linkage.json"
EVERYONE = "everyone"
STRATA = {"all": EVERYONE, "age": "age", "sex": "sex", "eth5": "ethnicity", "imd5": "deprivation"}
BASES = {"with_identifier": "with_identifier", "every_record": "records"}
COUNTED = ["people", "rows", "people_failing", "rows_failing"]
COLUMNS = ["source", "stratum", "level", "basis", *COUNTED]


def linked(prepared: Prepared) -> pd.DataFrame:
    """Count records not linked to a person: source, stratum, level, basis, people, rows, people_failing, rows_failing.

    Reads private/<site>/linkage/linkage.parquet (see linkage.counters). A record that is not linked has no person, so
    records stand for people. source  the site's own name of it, or "all" for all sources together
    basis  with_identifier: of records with any identifier; every_record: of all records
    Without counters one row of zeros says that nothing can be assessed. Source: methods specification, 1 and 12.6.
    """
    nothing = pd.DataFrame([(ALL, EVERYONE, EVERYONE, "with_identifier", 0, 0, 0, 0)], columns=COLUMNS)
    path = _beside(prepared, TABLE)
    if path is None:
        return nothing
    found = pd.read_parquet(path)
    found = found[found["stratum"].isin(list(STRATA)) & found["records"].notna()]
    found = found.assign(stratum=found["stratum"].map(STRATA), level=found["level"].astype(str))
    found.loc[found["stratum"] == EVERYONE, "level"] = EVERYONE
    parts = []
    for basis, of in BASES.items():
        rows = found[of].astype("int64")
        faulty = (rows - found["linked"].astype("int64")).clip(lower=0)
        parts.append(found[["source", "stratum", "level"]].assign(
            basis=basis, people=rows, rows=rows, people_failing=faulty, rows_failing=faulty))  # fmt: skip
    table = pd.concat(parts, ignore_index=True)[COLUMNS]
    whole = table.groupby(["stratum", "level", "basis"], as_index=False)[COUNTED].sum().assign(source=ALL)
    return pd.concat([whole, table], ignore_index=True)[COLUMNS] if len(table) else nothing


def numbers(prepared: Prepared) -> pd.DataFrame:
    """Count NHS numbers that are given, and those that are not valid, as linkage found them (the layout `records`)."""
    path = _beside(prepared, RECORD)
    sources = json.loads(path.read_text("utf-8")).get("sources", {}) if path is not None else {}
    given = [n for source in sources.values() for n in source.get("numbers", []) if n["reason"] != "missing"]
    rows = sum(int(n["rows"]) for n in given)
    faulty = sum(int(n["rows"]) for n in given if n["reason"] != "valid")
    return pd.DataFrame([("valid:person.nhs_number", rows, rows, faulty, faulty)], columns=["check", *COUNTED])


def _beside(prepared: Prepared, name: str) -> Path | None:
    path = prepared.folder.parent / FOLDER / name if prepared.folder is not None else None
    return path if path is not None and path.is_file() else None
