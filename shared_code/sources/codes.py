"""Codes: the values of an extract as a person would write them."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

BLANKS = r"^[ \t\n\r\v\f]|[ \t\n\r\v\f]$"

def as_code(column: ir.Column) -> ir.StringColumn:
    """Write a value as the code a person would write: trimmed text, 1.0 as "1", midnight as a date, empty as missing."""
    kind = column.type()
    if kind.is_floating():
        number = ibis.ifelse(column.isnan() | column.isinf(), ibis.null(kind), column)
        return ibis.ifelse(is_whole(number), number.try_cast("int64").cast("string"), number.cast("string"))
    if kind.is_decimal():
        return column.cast("string").re_replace(r"([.][0-9]*?)0+$", r"\1").re_replace(r"[.]$", "")
    if kind.is_timestamp():
        day = column.cast("date")
        return ibis.ifelse(column == day.cast(kind), day.cast("string"), column.cast("string"))
    if kind.is_integer() or kind.is_boolean() or kind.is_date():  # nothing to trim, and trimming takes most of the time
        return column.cast("string")
    text = column.cast("string")
    return ibis.ifelse(text.re_search(BLANKS), text.strip(), text).nullif("")  # few need it, and trimming is slow


def is_whole(number: ir.FloatingColumn) -> ir.BooleanColumn:
    """Tell whole numbers of 64 bits; Ibis' own floor() would fail on a larger one."""
    return (number.try_cast("int64").cast("float64") == number).fill_null(False)
