"""Who is in palliative care on a day: the one definition that every analysis shares."""

from __future__ import annotations

import datetime as dt

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from shared_code.config.codelists import Codelist
from shared_code.measures.cohort import recorded_codes
from shared_code.measures.spells import day_number, days_since_1970

REGISTER, IN_HOSPITAL = "register", "in_hospital"  # items of the codelist: until it is ended, and for a year
HOLDS = 365  # days for which a record of a hospital stay holds


def palliative_records(events: ir.Table, codelist: Codelist) -> pd.DataFrame:
    """List records of palliative care: person_id, item, day (since 1970-01-01), ended (the record says that it is over).

    events  diagnoses, those of the family left out     codelist  items `register` and `in_hospital`
    A record of the register's codes with the status resolved, or a code that the list says resolves it, ends it.
    """
    recorded = recorded_codes(events.filter(events.code_system.notnull(), events.code.notnull()))
    starts, ends = codelist.matches(recorded), codelist.resolutions(recorded)
    meaning = pd.DataFrame([(*m, ended) for listed, ended in ((starts, False), (ends, True)) for m in listed],
                           columns=["code_system", "code", "item", "ended"])  # fmt: skip
    rows = events.filter(events.code.isin(sorted({*meaning["code"]})))
    found = rows.select("person_id", "code_system", "code", "event_date", "status").execute()
    found = found.merge(meaning, on=["code_system", "code"])
    found["ended"] |= found["status"].eq("resolved")
    return found.assign(day=days_since_1970(found["event_date"]))[["person_id", "item", "day", "ended"]]


def in_palliative_care(events: ir.Table, codelist: Codelist, on: dt.date) -> np.ndarray:
    """List the people in palliative care on a day: their identifiers, each once.

    events  diagnoses that were known on the day. Whose latest record of the register on or before the day does not end it,
    or who has a record of a hospital stay in the 365 days before. Source: methods specification, section 4.
    """
    records, day = palliative_records(events, codelist), day_number(on)
    listed = records[(records["item"] == REGISTER) & (records["day"] <= day)].sort_values(["day", "ended"], kind="stable")
    latest = listed.drop_duplicates("person_id", keep="last")
    stayed = records[(records["item"] == IN_HOSPITAL) & (records["day"] < day) & (records["day"] >= day - HOLDS)]
    return np.unique([*latest.loc[~latest["ended"], "person_id"], *stayed["person_id"]])
