"""The declaration of a table of indicators of places: where each comes from, how it is computed, and for which places.

    config/indicators/<table>.yaml    this declaration
    config/indicators/<table>.csv     the table it makes, where it is small and its licences allow a copy
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from shared_code.config.reading import read_yaml, refuse_if_invalid
from shared_code.config.strict import STEM, Fault, Strict, mapping, unknown

FOLDER = Path(__file__).resolve().parents[2] / "config" / "indicators"
EDITION = r"^(LSOA|ward|district|place) [0-9]{4}(-[0-9]{2})?$"


class Areas(Strict):
    """Say which column holds codes of areas, and of which edition they are, such as `ward 2017-12` or `LSOA 2021`."""

    column: str
    edition: str = Field(pattern=EDITION)


class Source(Strict):
    """One file of open data: who made it, under which licence, and of which areas it speaks.

    file  inside the folder of open data     rows  column -> the one value that is used
    """

    title: str
    publisher: str
    licence: str
    published: str
    file: str
    areas: Areas
    rows: dict[str, Any] = {}
    note: str = ""


class Lookup(Strict):
    """A table that leads from areas of one edition to areas of another.

    share  source.column by whose size an area that lies in several is shared out between them (a source of the `end` edition)
    """

    title: str
    publisher: str
    licence: str
    file: str
    start: Areas
    end: Areas
    share: str = ""


class Indicator(Strict):
    """One indicator: a share or rate (numerator over denominator), or the average of a value over people.

    numerator    columns that are added up        denominator  column        per  100 for per cent
    value        column that is averaged          weight       source.column of the same edition
    events       the value is a rate of events per `per` of the weight: chance is that of counting them
    """

    title: str
    unit: str
    period: str
    source: str
    numerator: list[str] = []
    denominator: str = ""
    value: str = ""
    weight: str = ""
    per: float = 1
    events: bool = False
    note: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Indicator:
        if bool(self.value) == bool(self.numerator) or bool(self.numerator) != bool(self.denominator):
            raise ValueError("give either value, or numerator and denominator")
        return self


class Places(Strict):
    """The places of the table: their edition, and the file that names them.

    only  column -> values: the places that the table holds; everything is computed for all places, and then cut
    """

    edition: str = Field(pattern=EDITION)
    file: str
    column: str
    name: str = ""
    district: str = ""
    only: dict[str, list[str]] = {}
    bounds_among: str = ""  # beginning of the codes of the places from which bounds are taken


class IndicatorTable(Strict):
    """A table of indicators of places, all of one edition."""

    table: str = Field(pattern=f"^{STEM}$")
    title: str
    places: Places
    sources: dict[str, Source]
    lookups: dict[str, Lookup] = {}
    indicators: dict[str, Indicator]

    @classmethod
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find sources that are named and not declared."""
        sources = mapping(content, "sources")
        for name, spec in mapping(content, "indicators").items():
            named = [mapping(spec).get("source"), str(mapping(spec).get("weight") or "").partition(".")[0] or None]
            yield from unknown(("indicators", str(name)), [n for n in named if n], sources, "a source of this table")
        for name, spec in mapping(content, "lookups").items():
            share = str(mapping(spec).get("share") or "").partition(".")[0]
            yield from unknown(("lookups", str(name), "share"), [share] if share else [], sources, "a source of this table")

    @classmethod
    def read(cls, name: str, folder: Path = FOLDER) -> IndicatorTable:
        """Read a declaration by its name (raises model.Refused with every problem in it)."""
        path = folder / f"{name}.yaml"
        return refuse_if_invalid(cls, read_yaml(path), path)
