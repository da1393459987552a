"""How tables of an extract become tables of the data model, as a site file says it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from shared_code.config.extracts import Extract, FixedColumn
from shared_code.config.strict import Fault, Strict, code_text, mapping, sequence, unknown
from shared_code.config.table_steps import TableStep, step_faults
from shared_code.model import Column, Table, few

# A column takes one of these ways of making its value; the settings of one way belong together.
WAYS = (("values", "any_case"), ("date", "first_of_month", "time", "plus_minutes", "plus_days"), ("months_before",),
        ("years_before",), ("months_after",), ("age_on", "date"), ("month",), ("days_until", "date"), ("imd_decile",),
        ("icd10",), ("pseudonymise",), ("linked",), ("prefix",))  # fmt: skip

TIDYING = ("or_from", "without", "upper", "strip_leading_zeros", "first_characters", "default")


class ColumnMap(Strict):
    """How one column of a prepared table is made from the extract: one source, tidied, then one way of making the value.

    from         column of the extract           constant     the same value in every row
    values       code of the extract -> code of the data model; a code that is not listed is an error
    missing      codes of this column that mean "no value" (added to the table's own `missing`)
    date         format of a text date, as in strptime, e.g. "%d/%m/%Y"
    first_of_month   keep only the month of a date
    months_before    birth month = `at` minus this many months of age given in `from`
    years_before     the same with completed years (half a year is assumed)
    months_after     date = `at` plus the months given in `from`
    pseudonymise     keyed HMAC-SHA-256 of the identifier (see docs/site.md for the key)
    linked           person that the record of this number was linked to: name of a source in linkage.records
    icd10            upper case, no dot, no dagger or asterisk
    prefix           text put before the value
    any_case         codes of `values` are compared without regard to capitals
    time             column with a clock time (930, 0930, 09:30, 09:30:00) that is added to the date
    plus_minutes     column with minutes that are added to the moment       plus_days   days added to a date
    age_on           birth month = date in this column minus the completed years in `from` (half a year is assumed)
    month            birth month from a year in `from` and a month in this column (July where it is empty)
    days_until       whole days from the date in `from` to the date in this column
    imd_decile       national decile from the rank in `from`, by the number of areas of this edition
    Tidying, before anything else (in this order), and what is put where nothing is left:
    or_from          columns to take the value from where the ones before are empty
    without          characters that are removed       upper   capitals       strip_leading_zeros
    first_characters   keep so many characters          default   value where there is none
    """

    from_: str = Field("", alias="from")
    constant: Any = None
    values: dict[str, Any] = {}
    missing: list[Any] = []
    date: str = ""
    first_of_month: bool = False
    months_before: dt.date | None = None
    years_before: dt.date | None = None
    months_after: dt.date | None = None
    pseudonymise: bool = False
    linked: str = ""
    icd10: bool = False
    prefix: str = ""
    any_case: bool = False
    time: str = ""
    plus_minutes: str = ""
    plus_days: int = 0
    age_on: str = ""
    month: str = ""
    days_until: str = ""
    imd_decile: Literal["", "IoD2019", "IoD2025"] = ""
    or_from: list[str] = []
    without: str = ""
    upper: bool = False
    strip_leading_zeros: bool = False
    first_characters: int = Field(0, ge=0)
    default: Any = None
    model_config = {"extra": "forbid", "frozen": True, "populate_by_name": True}

    @model_validator(mode="before")
    @classmethod
    def _codes_are_text(cls, content: Any) -> Any:
        if not isinstance(content, dict) or not isinstance(content.get("values"), dict):
            return content
        values: dict[str, Any] = {}
        for code, value in content["values"].items():
            if code_text(code) in values:
                raise ValueError(f"values lists the code {code_text(code)!r} twice")
            values[code_text(code)] = value
        return {**content, "values": values}

    @model_validator(mode="after")
    def _one_source_one_way(self) -> ColumnMap:
        if bool(self.from_) == (self.constant is not None):
            raise ValueError("give exactly one of from or constant")
        used = [name for name in dict.fromkeys(n for way in WAYS for n in way) if getattr(self, name)]
        if self.constant is not None:
            extra = used + [name for name in TIDYING if getattr(self, name) not in (None, False, "", 0, [])]
            if extra:
                raise ValueError(f"a constant is taken as it is; remove {few(extra)}")
        if not any(set(used) <= set(way) for way in WAYS):
            raise ValueError(f"{' and '.join(used)} cannot be used together")
        if self.any_case:
            self._same_in_any_case()
        return self

    def _same_in_any_case(self) -> None:
        if not self.values:
            raise ValueError("any_case needs values to compare with")
        seen: dict[str, Any] = {}
        for code, value in self.values.items():
            if seen.setdefault(code.upper(), value) != value:
                raise ValueError(f"values gives {code!r} two meanings, which any_case cannot tell apart")

    @property
    def hides(self) -> bool:
        """Tell whether the value in the extract is an identifier that something else takes the place of."""
        return self.pseudonymise or bool(self.linked)

    def extract_columns(self) -> list[str]:
        """Name the columns of the extract that it reads."""
        return [c for c in (self.from_, *self.or_from, self.time, self.plus_minutes, self.age_on, self.month,
                            self.days_until) if c]  # fmt: skip


class RowMap(Strict):
    """One kind of row made from a wide extract: which rows qualify, and the columns that differ."""

    where: dict[str, Any] = {}
    columns: dict[str, ColumnMap] = {}


class Join(Extract):
    """Another source of the extract whose columns are added where the identifier `by` agrees.

    It holds one row per identifier. `delimiter` and `encoding` are those of the table's own file unless they are given.
    """

    by: str
    delimiter: str = ""
    encoding: str = ""


class LookUp(Extract):
    """Columns of a list of codes, added where a code agrees: `from` of the table, `to` of the list, which holds it once.

    take  the columns to add; none of them may be a column of the table
    """

    from_: str = Field(alias="from")
    to: str
    take: list[str] = Field(min_length=1)
    model_config = {"extra": "forbid", "frozen": True, "populate_by_name": True}


class TableMap(Extract):
    """How one prepared table is made: where its rows lie (see Extract), and its columns."""

    missing: list[Any] = []
    where: dict[str, Any] = {}
    present: list[str] = []  # keep only rows that have a value in these columns of the extract
    join: list[Join] = []
    look_up: list[LookUp] = []
    columns: dict[str, ColumnMap]
    rows: list[RowMap] = []
    steps: list[TableStep] = []
    number: str = ""  # column of the data model that numbers the rows (an identifier the extract lacks)


def table_faults(where: tuple[str, ...], table: Table, content: dict[str, Any]) -> Iterator[Fault]:
    """Find columns that the table does not have, and values that its columns cannot hold. `content` is as written."""
    groups = [((*where, "columns"), mapping(content, "columns"))]
    rows = sequence(content.get("rows"))
    groups += [((*where, "rows", str(i), "columns"), mapping(row, "columns")) for i, row in enumerate(rows)]
    for keys, columns in groups:
        yield from unknown(keys, columns, table.column_names, f"a column of {table.name}")
        for name in [n for n in columns if n in table.column_names]:
            yield from _values_faults((*keys, name), table.column(name), mapping(columns, name))
    yield from step_faults((*where, "steps"), table, sequence(content.get("steps")))
    number = [content["number"]] if content.get("number") else []
    texts = [c.name for c in table.columns if c.type == "text"]
    yield from unknown((*where, "number"), number, texts, f"a text column of {table.name}")
    if number and any(number[0] in columns for _, columns in groups):
        yield Fault((*where, "number"), f"{number[0]} is made from a column and numbered as well")


def _values_faults(keys: tuple[str, ...], column: Column, content: dict[str, Any]) -> Iterator[Fault]:
    """Find values and constants that a column of the data model cannot hold."""
    named: list[tuple[tuple[str, ...], Any]] = []
    named += [(("values", code_text(code)), value) for code, value in mapping(content, "values").items()]
    if content.get("constant") is not None:
        named.append((("constant",), content["constant"]))
    if content.get("default") is not None:
        named.append((("default",), content["default"]))
    for key, value in named:
        if value is None:
            yield Fault((*keys, *key), "the code leads to nothing", "a value; or name the code in missing")
        elif column.values and str(value) not in column.values:
            yield Fault((*keys, *key), f"{column.name} cannot be {value!r}", few(column.values, 20))
        elif not column.values and not _fits(value, column.type):
            yield Fault((*keys, *key), f"{value!r} is not a {column.type}")


def _fits(value: Any, kind: str) -> bool:
    if kind == "date":
        try:
            return isinstance(value, dt.date) or bool(dt.date.fromisoformat(str(value)))
        except ValueError:
            return False
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"boolean": isinstance(value, bool), "integer": number and value == int(value), "number": number}.get(kind, True)


__all__ = ["ColumnMap", "FixedColumn", "Join", "LookUp", "RowMap", "TableMap", "table_faults"]
