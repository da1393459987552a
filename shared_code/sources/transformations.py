"""Transformations: the closed vocabulary by which a site file makes one column from others.

Each is an Ibis expression that gives null where it cannot be computed; the code that could not be used is then named in a
message. `docs/site.md` lists every word; `shared_code/config/columns.py` declares them.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from shared_code.config.columns import ColumnMap

AREAS = {"IoD2019": 32_844, "IoD2025": 33_755}  # small areas of England; sources: MHCLG, File 1 of each edition
OLDEST, NEWEST = 1850, 2200  # years of birth that are not a slip
MOST_YEARS = 130  # nobody is older; a larger number is a code for "unknown"
MIDDLE_OF_YEAR = 7
CLOCK = r"^([01][0-9]|2[0-3])([0-5][0-9])([0-5][0-9])?$"


def tidy(code: ir.StringValue, mapped: ColumnMap) -> ir.StringValue:
    """Remove characters, write in capitals, strip leading zeros, keep the first characters: in this order.

    `00012` without leading zeros is `12`, `000` is `0`.
    """
    if mapped.without:
        listed = "".join("\\" + c if not c.isalnum() and not c.isspace() else c for c in mapped.without)
        code = code.re_replace(f"[{listed}]", "").strip().nullif("")
    if mapped.upper:
        code = code.upper()
    if mapped.strip_leading_zeros:
        code = code.re_replace("^0+(.)", r"\1")
    if mapped.first_characters:
        code = code.left(mapped.first_characters).strip().nullif("")
    return code


def recoded(code: ir.StringValue, mapped: ColumnMap, kind: str) -> ir.Value:
    """Translate codes; null where a code is not listed."""
    asked = code.upper() if mapped.any_case else code
    pairs = {(old.upper() if mapped.any_case else old): new for old, new in mapped.values.items()}
    # a lookup names the code once; a CASE would write the whole expression of the code again for every pair
    return ibis.map(list(pairs), [str(new) for new in pairs.values()])[asked].cast(kind)


def minutes_of_day(clock: ir.StringValue) -> ir.IntegerValue:
    """Read a clock time (930, 0930, 09:30, 09:30:00) as minutes since midnight; null where it is none, such as 4000.

    A number of up to four digits is hours and minutes, its leading zeros lost: 5 is five past midnight.
    """
    digits = clock.re_replace(r"[.]0*$", "").replace(":", "")
    digits = ibis.ifelse(clock.re_search("^[0-9]:"), ibis.literal("0").concat(digits), digits)
    digits = ibis.ifelse(digits.length() < 4, digits.lpad(4, "0"), ibis.ifelse(digits.length() == 5, digits.lpad(6, "0"), digits))
    hours, minutes = digits.re_extract(CLOCK, 1).try_cast("int64"), digits.re_extract(CLOCK, 2).try_cast("int64")
    return hours * 60 + minutes


def moved(moment: ir.TimestampValue, minutes: ir.IntegerValue) -> ir.TimestampValue:
    """Move a moment by so many minutes."""
    return moment + minutes.as_interval("m")


def whole_minutes(code: ir.StringValue) -> ir.IntegerValue:
    """Read a number of minutes, at most a year; null where it is none."""
    number = code.try_cast("float64")
    good = (number >= 0) & (number <= 366 * 24 * 60)
    return ibis.ifelse(good.fill_null(False), number, ibis.null("float64")).try_cast("int64")


def birth_month_from_age(years: ir.StringValue, on: ir.DateValue) -> ir.DateValue:
    """Give the first day of the month that lies the completed years, and half a year, before a date."""
    number = years.try_cast("float64").floor()
    good = (number >= 0) & (number <= MOST_YEARS)
    months = ibis.ifelse(good.fill_null(False), number, ibis.null("float64")).try_cast("int64") * 12 + 6
    ordinal = on.year().cast("int64") * 12 + on.month() - 1 - months
    return ibis.date((ordinal // 12).cast("int32"), (ordinal % 12 + 1).cast("int32"), ibis.literal(1, "int32"))


def birth_month_from_parts(year: ir.StringValue, month: ir.StringValue) -> ir.DateValue:
    """Give the first day of a month from its year and month; July where the month is empty, null where it is wrong."""
    years, months = year.try_cast("int64"), ibis.ifelse(month.isnull(), MIDDLE_OF_YEAR, month.try_cast("int64"))
    good = (years >= OLDEST) & (years <= NEWEST) & (months >= 1) & (months <= 12)
    years = ibis.ifelse(good.fill_null(False), years, ibis.null("int64"))
    return ibis.date(years.cast("int32"), months.cast("int32"), ibis.literal(1, "int32"))


def imd_decile(rank: ir.StringValue, edition: str) -> ir.IntegerValue:
    """Give the national decile of a rank (1 = most deprived): the rank's share of all areas in tenths, rounded up.

    Equal to the published decile of every area. Source: MHCLG, English Indices of Deprivation, File 1.
    """
    number, areas = rank.try_cast("int64"), AREAS[edition]
    good = (number >= 1) & (number <= areas)
    return ibis.ifelse(good.fill_null(False), (number * 10 + areas - 1) // areas, ibis.null("int64"))
