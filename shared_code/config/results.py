"""The declaration of a results table: its layout, its dimensions, and what may stand in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from shared_code.config.strict import STEM, Fault, Strict, mapping, sequence, unknown
from shared_code.model import ALL, CELL_COLUMNS, LAYOUTS, band_labels, few
from shared_code.model.checks import KINDS, LISTS, named
from shared_code.model.layouts import point_labels

MONTH = r"[0-9]{4}-(0[1-9]|1[0-2])"
RESERVED = {"site", *CELL_COLUMNS, *(name for layout in LAYOUTS.values() for name in layout.columns)}


class Formed(Strict):
    """Say that a level holds everybody who is at so many or more of other levels: 1 is their union.
    of   the other levels; none named: every item of the codelist
    """

    at_least: int = Field(ge=1)
    of: list[str] = []


class Dimension(Strict):
    """One dimension of a results table; exactly one of values, bands, codelist, months, points or local.

    values    code -> label
    bands     lower edges, for example ages [0, 18, 65]; `kind` exclusive or nested
    codelist  the items of that parameter's codelist (plus `values`, for unions such as multimorbidity)
    months    first and last month, "YYYY-MM"
    points    lowest, highest and how many numbers at equal distances, such as the log ratios of a profile
    local     the site's own names (localities, wards): never pooled over sites
    total     may also hold "all", where the dimension is not broken out
    overlapping  a person (or a day) can be at several levels: the levels do not add up to the total
    formed    level -> the levels it is made of: any PLUS group, two or more conditions, all six checks
    within    level -> levels that hold everybody who is in it: four or more conditions are two or more
    checks    instead of values: every check of data quality of these kinds, or the `sources` whose months are judged
    """

    label: str = ""
    values: dict[str, str] = {}
    bands: list[int] = []
    kind: Literal["exclusive", "nested"] = "exclusive"
    codelist: str = ""
    months: list[str] = []
    points: list[float] = []
    local: bool = False
    total: bool = False
    overlapping: bool = False
    formed: dict[str, Formed] = {}
    within: dict[str, list[str]] = {}
    checks: list[str] = []

    @classmethod
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find kinds of checks that there are not, and levels that are made of, or lie within, levels that there are not."""
        yield from unknown(("checks",), sequence(content.get("checks")), [*KINDS, *LISTS], "a kind of check")
        values = mapping(content, "values")
        if content.get("codelist") or not values:  # which items a codelist has is not known here
            return
        for said in ("formed", "within"):
            yield from unknown((said,), mapping(content, said), values, "a level")
        for level, parts in mapping(content, "formed").items():
            yield from unknown(("formed", str(level), "of"), sequence(mapping(parts).get("of")), values, "a level")
        for level, outer in mapping(content, "within").items():
            yield from unknown(("within", str(level)), sequence(outer), values, "a level")

    @model_validator(mode="before")
    @classmethod
    def _values_of_checks(cls, content: Any) -> Any:
        if not isinstance(content, dict) or not isinstance(content.get("checks"), list) or content.get("values"):
            return content
        return {**content, "values": named(content["checks"])}

    @model_validator(mode="after")
    def _one_kind(self) -> Dimension:
        kinds = [bool(self.bands), bool(self.codelist), bool(self.months), bool(self.points), self.local]
        if sum(kinds) > 1 or (not any(kinds) and not self.values) or (self.values and not self.codelist and any(kinds)):
            raise ValueError("give exactly one of values, bands, codelist, months, points or local")
        if self.points and (len(self.points) != 3 or self.points[2] not in range(2, 65) or self.points[1] <= self.points[0]):
            raise ValueError(f"points are the lowest, the highest, and how many (2 to 64): {self.points}")
        if ALL in self.values:
            raise ValueError(f"{ALL!r} cannot be a value: it stands for the total")
        if self.months and (len(self.months) != 2 or not all(re.fullmatch(MONTH, m) for m in self.months)
                            or self.months[0] > self.months[1]):  # fmt: skip
            raise ValueError(f"months are the first and the last one, as YYYY-MM: {self.months}")
        if self.kind == "nested" and not self.bands:
            raise ValueError("only bands can be nested")
        for level, made in self.formed.items():
            if not made.of and not self.codelist:
                raise ValueError(f"formed: say which levels {level} is made of")
            if level in made.of or (made.of and made.at_least > len(set(made.of))):
                raise ValueError(f"formed: {level} cannot be at_least {made.at_least} of {made.of}")
        if (self.formed or self.within) and not self.values:
            raise ValueError("formed and within are of values")
        if self.bands and any(b <= a for a, b in zip(self.bands, self.bands[1:])):
            raise ValueError(f"bands must rise: {self.bands}")
        return self

    def levels(self, codelist_items: dict[str, str] | None = None) -> dict[str, str] | None:
        """Give the allowed codes and their labels, without the total; None where any text is allowed."""
        if self.local:
            return None
        if self.bands:
            return {label: label for label in band_labels(self.bands, self.kind)}
        if self.months:
            return {m: m for m in months_between(*self.months)}
        if self.points:
            return {label: label for label in point_labels(self.points[0], self.points[1], int(self.points[2]))}
        return {**(codelist_items or {}), **self.values}


class ResultsTable(Strict):
    """A declared results table: layout, dimensions, and which of the `total` dimensions are broken out together.

    ladder  banded dimension -> coarser bands, finest first, each made of the bands before; every site counts what each
            step would withhold and says from which one on nearly nothing is
    """

    title: str
    layout: str
    dimensions: dict[str, Dimension]
    sets: list[list[str]] = [[]]
    once: bool = False  # events layout: an event can happen to a person only once (a death)
    sensitive: bool = False  # counts layout: that nobody of a small group has it is withheld as well
    ladder: dict[str, list[list[int]]] = {}

    @classmethod
    def faults(cls, content: dict[str, Any]) -> Iterator[Fault]:
        """Find an unknown layout, names that dimensions cannot have, and sets of dimensions that have no total."""
        yield from unknown(("layout",), [content["layout"]] if "layout" in content else [], LAYOUTS, "a layout")
        dimensions = mapping(content, "dimensions")
        for name in dimensions:
            if not re.fullmatch(STEM, str(name)) or name in RESERVED:
                wrong = f"a dimension cannot be named {name!r}"
                yield Fault(("dimensions", str(name)), wrong, f"small letters, digits and _, but not {few(sorted(RESERVED), 20)}")
        totals = [str(name) for name, spec in dimensions.items() if getattr(spec, "total", mapping(spec).get("total"))]
        groups = [tuple(sequence(group)) for group in sequence(content.get("sets"))]
        for number, group in enumerate(groups):
            yield from unknown(("sets", str(number)), group, totals, "a dimension with total: true")
            if len(set(group)) < len(group) or {*group} in [{*earlier} for earlier in groups[:number]]:
                yield Fault(("sets", str(number)), f"{list(group)} names the same cells twice")

    @model_validator(mode="after")
    def _ladder_leads_up(self) -> ResultsTable:
        if self.ladder and not (self.layout == "counts" or (self.layout == "events" and self.once)):
            raise ValueError("a ladder needs a table that adds up over people: counts, or events that happen once")
        for name, steps in self.ladder.items():
            spec = self.dimensions.get(name)
            if spec is None or not spec.bands or spec.kind != "exclusive":
                raise ValueError(f"ladder: {name} is no dimension with exclusive bands")
            for finer, coarser in zip([spec.bands, *steps], steps):
                if not coarser or coarser[0] != finer[0] or not {*coarser} < {*finer} or coarser != sorted({*coarser}):
                    raise ValueError(f"ladder: {name} from {coarser} is not made of the bands from {finer}")
        return self

    @property
    def always(self) -> list[str]:
        """Give the dimensions that every row breaks out."""
        return [name for name, d in self.dimensions.items() if not d.total]


def year_before(month: str) -> str:
    """Name the same month a year earlier.

    >>> year_before("2020-04")
    '2019-04'
    """
    return f"{int(month[:4]) - 1}{month[4:]}"


def months_between(first: str, last: str) -> list[str]:
    """List the months from first to last.

    >>> months_between("2019-11", "2020-02")
    ['2019-11', '2019-12', '2020-01', '2020-02']
    """
    year, month = (int(p) for p in first.split("-"))
    months = []
    while f"{year:04d}-{month:02d}" <= last:
        months.append(f"{year:04d}-{month:02d}")
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return months
