"""Who the people are: the register's rows with their pseudonyms, and numbers that were merged into others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.linkage import nhs_number
from shared_code.linkage.index import add_merges, as_of, current_ids
from shared_code.linkage.run import KIND
from shared_code.linkage.settings import Settings
from shared_code.sources.landing import quoted
from shared_code.sources.pseudonyms import pseudonym


@dataclass
class People:
    """Hold the people of the index.

    rows        row and record of the register, original (pseudonym of the row's own number) and person_id (after merges)
    current     pseudonym -> the pseudonym it was merged into, to the end
    superseded  old numbers found in records, and the number of the index they lead to; None without any
    merges      the versioned history of merges, by pseudonym        new_merges   pairs that this version added
    """

    rows: pd.DataFrame
    current: dict[str, str]
    superseded: pd.DataFrame | None
    merges: pd.DataFrame | None
    new_merges: int

    @property
    def without_number(self) -> int:
        return int((~self.rows["has_number"]).sum())

    @property
    def sharing(self) -> int:
        """Count rows of the register that repeat the number of another row: no number links to those."""
        return int(self.rows.loc[self.rows["has_number"], "original"].duplicated().sum())


def people_of(connection: Any, site: str, key: bytes, index: str, others: list[str], listed: Path | None,
              history: pd.DataFrame | None, version: int, settings: Settings) -> People:  # fmt: skip
    """Give the register's rows their pseudonyms. Tables `tidy_<source>` hold row, record and number (valid or null).

    listed  Parquet file with superseded and current NHS numbers     history, version   of merges so far, and of this run
    A row without a valid number gets the pseudonym of its record's own number: it stays a person, but nothing links to it.
    """
    register = connection.con.execute(f"SELECT row, record, number FROM tidy_{index} ORDER BY row").df()
    ids = {n: pseudonym(key, KIND, n) for n in register["number"].dropna().unique()}
    has = register["number"].notna()
    own = [pseudonym(key, site, str(r)) for r in register.loc[~has, "record"]]
    original = register["number"].map(ids).astype(object)
    original[~has] = own
    pairs = _pairs(connection, key, listed, settings)
    known = pairs.head(0) if history is None else as_of(history)
    fresh = pairs.merge(known, how="left", indicator="seen").query("seen == 'left_only'")[pairs.columns]
    merges = add_merges(history, fresh, version) if len(fresh) else history
    steps = current_ids(merges) if merges is not None else pd.DataFrame({"superseded": [], "current": []})
    current = dict(zip(steps["superseded"], steps["current"], strict=True))
    rows = pd.DataFrame({
        "row": register["row"], "record": register["record"].astype(str), "has_number": has, "original": original,
        "person_id": [current.get(i, i) for i in original],
    })  # fmt: skip
    return People(rows, current, _old_numbers(connection, key, ids, current, others), merges, len(fresh))


def _pairs(connection: Any, key: bytes, listed: Path | None, settings: Settings) -> pd.DataFrame:
    """Give merges as pseudonyms; pairs with a number that is not valid say nothing and are left out."""
    if listed is None:
        return pd.DataFrame({"superseded": pd.Series(dtype=object), "current": pd.Series(dtype=object)})
    table = connection.read_parquet(listed)
    valid = [nhs_number.reason_of(table[c], settings.rules) == nhs_number.VALID for c in ("superseded", "current")]
    found = table.filter(*valid).select(**{c: nhs_number.digits_of(table[c]) for c in ("superseded", "current")})
    numbers = found.filter(found.superseded != found.current).distinct().order_by("superseded", "current").execute()
    return pd.DataFrame({c: [pseudonym(key, KIND, n) for n in numbers[c]] for c in numbers.columns}, dtype=object)


def _old_numbers(connection: Any, key: bytes, ids: dict[str, str], current: dict[str, str], others: list[str]
                 ) -> pd.DataFrame | None:  # fmt: skip
    """Find numbers of records that the register no longer holds and that were merged, now or in an earlier version."""
    if not current or not others:
        return None
    known = {current.get(i, i): n for n, i in ids.items()} | {i: n for n, i in ids.items()}
    union = " UNION ".join(f"SELECT number FROM tidy_{name} WHERE number IS NOT NULL" for name in others)
    asked = [n for (n,) in connection.con.execute(f"SELECT number FROM ({union}) ORDER BY 1").fetchall() if n not in ids]
    led = [(n, known.get(current.get(pseudonym(key, KIND, n), ""))) for n in asked]
    found = [(old, now) for old, now in led if now]
    return pd.DataFrame(found, columns=["superseded", "current"], dtype=object) if found else None


def tally(connection: Any, path: Path, settings: Settings) -> list[dict[str, Any]]:
    """Count the NHS numbers of a file by the reason to reject them and by issue range."""
    connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW numbers_of AS SELECT nhs_number FROM read_parquet({quoted(path)})")
    found = nhs_number.report(connection.table("numbers_of"), rules=settings.rules).execute()
    return [{**row, "rows": int(row["rows"])} for row in found.to_dict("records")]
