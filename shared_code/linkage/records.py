"""Records of a source in one form: who can be told by what, and the groups that quality is broken out by.

Everything here is a table of the engine inside the private room; only counts are ever read out of it.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import ibis
import ibis.expr.types as ir

from shared_code.linkage.counters import AGE_EDGES, AGES, STRATA
from shared_code.linkage.normalise import IDENTIFIERS, normalise
from shared_code.linkage.settings import Settings
from shared_code.model import ETHNICITY5

NO_FIXED_ABODE = "ZZ993VZ"  # pseudo-postcode (NHS Data Dictionary, Postcode of usual address)
DAY_OF_BIRTH = 15  # as in the analyses: only the month of birth counts
NEEDS = {  # stratum -> columns of a source, any of which it is made from
    "age": ("date_of_birth",), "sex": ("sex",), "eth5": ("ethnicity16",), "imd5": ("imd10", "lsoa21"),
    "homeless": ("homeless_flag", "postcode"), "month": ("seen_on",),
}  # fmt: skip


def strata_of(columns: set[str], areas: bool) -> list[str]:
    """List the strata that a source with these columns knows; `areas`: deciles of small areas are at hand.

    >>> strata_of({"date_of_birth", "sex", "lsoa21"}, areas=False)
    ['age', 'sex']
    """
    usable = columns if areas else columns - {"lsoa21"}
    return [name for name in STRATA if usable & set(NEEDS[name])]


def tidy(rows: ir.Table, settings: Settings, on: dt.date, deciles: ir.Table | None) -> ir.Table:
    """Give every record's valid number, whether there is anything to link by, and its strata; null where not known.

    rows      columns of `IDENTIFIED` and row        deciles   lsoa21, imd10 (one row an area)
    identity  the first row with exactly the same identifiers
    """
    same = ibis.window(group_by=[rows[c] for c in IDENTIFIERS])
    compact = rows.postcode.upper().re_replace("[^0-9A-Z]", "")
    kept = rows.mutate(identity=rows.row.min().over(same), of_no_abode=compact == NO_FIXED_ABODE)
    clean = normalise(rows, "row", settings)
    known = kept.drop(*IDENTIFIERS).join(clean, "row")
    decile: Any = known.imd10
    if deciles is not None:
        areas = deciles.select(area=deciles.lsoa21, area_decile=deciles.imd10)
        known = known.left_join(areas, known.lsoa21 == areas.area)
        decile = ibis.coalesce(known.imd10, known.area_decile)
    homeless = ibis.coalesce(known.homeless_flag, known.of_no_abode)
    to_link_by = [known[c].notnull() for c in ("typed_number", "surname", "forename", "birth", "postcode")]
    return known.select(
        "row", "record", "identity", "birth", "death_date", "seen_on", "provider", "practice_code", "lsoa21", "sex",
        number=known.nhs_number, with_identifier=ibis.or_(*to_link_by), age=_band(_age(known.birth, on)),
        eth5=_group(known.ethnicity16), imd5=((decile + 1) // 2).cast("string"),
        homeless=ibis.cases((homeless, "yes"), (~homeless, "no"), else_=ibis.null("string")),
        month=known.seen_on.strftime("%Y-%m"),
    )  # fmt: skip


def _age(birth: ir.DateValue, on: dt.date) -> ir.IntegerValue:
    months = on.year * 12 + on.month - (on.day < DAY_OF_BIRTH) - (birth.year() * 12 + birth.month())
    return months // 12


def _band(age: ir.IntegerValue) -> ir.StringValue:
    above = list(zip(AGE_EDGES, AGES, strict=True))[::-1]
    return ibis.cases(*[(age >= edge, label) for edge, label in above], else_=ibis.null("string"))


def _group(letter: ir.StringValue) -> ir.StringValue:
    groups = [(letter.isin(list(letters)), name) for name, letters in ETHNICITY5.items()]
    return ibis.cases(*groups, else_=ibis.null("string"))
