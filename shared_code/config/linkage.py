"""Linkage settings of a site: which files hold identifiers, whose word counts, and who the people are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from shared_code.config.columns import TableMap, table_faults
from shared_code.config.extracts import Extract
from shared_code.config.strict import Fault, Strict, mapping, sequence, unknown
from shared_code.model.identified import IDENTIFIED, SOURCES

Kind = Literal["GP", "PDS", "APC", "ECDS", "MH", "ASC"]
TO_LINK_BY = ("nhs_number", "surname", "forename", "date_of_birth", "sex", "postcode")


class Identified(TableMap):
    """A source of records with identifiers: where its rows lie, as for any table, and its columns (see `IDENTIFIED`).

    kind                  what kind of source it is; decides whose word counts where sources disagree
    one_record_a_person   it holds a person once (a list of patients); false where a person may have many (episodes)
    """

    kind: Kind
    one_record_a_person: bool = True


class Superseded(Extract):
    """A list of NHS numbers that were merged into others: `from` is the old number, `to` the one that took its place."""

    from_: str = Field(alias="from")
    to: str
    model_config = {"extra": "forbid", "frozen": True, "populate_by_name": True}


class Linkage(Strict):
    """How records become people.

    index        the source that says who the people are: the register. The others are linked to it
    records      name -> source of records with identifiers, the register included
    superseded   NHS numbers merged into others
    precedence   kinds of sources, the most trusted first
    accept, clerical   probability from which a record is linked; from which a pair is listed for a person to look at
    """

    index: str
    records: dict[str, Identified] = Field(min_length=1)
    superseded: Superseded | None = None
    precedence: list[Kind] = list(SOURCES)  # type: ignore[assignment]
    accept: float = Field(0.99, gt=0.5, lt=1)
    clerical: float = Field(0.80, gt=0, lt=1)

    @property
    def others(self) -> dict[str, Identified]:
        """Give the sources that are linked to the index."""
        return {name: source for name, source in self.records.items() if name != self.index}


def linkage_faults(content: dict[str, Any], tables: dict[str, Any]) -> Iterator[Fault]:
    """Find sources nobody declared, columns a record cannot have, and `linked` where it cannot be. Both are as written."""
    sources = mapping(content, "records")
    if "index" in content:
        yield from unknown(("linkage", "index"), [content["index"]], sources, "one of linkage.records")
    for name in sources:
        yield from _source_faults(("linkage", "records", name), mapping(sources, name))
    for table in tables:
        written = mapping(tables, table)
        groups = [(("columns",), mapping(written, "columns"))]
        groups += [(("rows", str(i), "columns"), mapping(row, "columns")) for i, row in enumerate(sequence(written.get("rows")))]
        for keys, columns in groups:
            for column in columns:
                named = mapping(columns, column).get("linked")
                place = ("tables", table, *keys, column, "linked")
                if named and column != "person_id":
                    yield Fault(place, f"{column} is not the person", "linked at person_id only")
                elif named:
                    yield from unknown(place, [named], sources, "one of linkage.records")


def _source_faults(where: tuple[str, ...], written: dict[str, Any]) -> Iterator[Fault]:
    yield from table_faults(where, IDENTIFIED, written)
    columns = mapping(written, "columns")
    if "record" not in columns:
        yield Fault((*where, "columns"), "record is missing", "the column with the source's own number of the record")
    if not set(TO_LINK_BY) & set(columns):
        yield Fault((*where, "columns"), "there is nothing to link by", ", ".join(TO_LINK_BY))
    for key in ("rows", "number"):
        if written.get(key):
            yield Fault((*where, key), f"a source of records has no {key}", "where, present, join, look_up, steps")
    for column in columns:
        if mapping(columns, column).get("pseudonymise") or mapping(columns, column).get("linked"):
            yield Fault((*where, "columns", column), "identifiers are read here as they are", "from, values, date, …")


__all__ = ["Identified", "Linkage", "Superseded", "linkage_faults"]
