"""What must agree at every site: numbers of different tables that count the same people, and what is done where they do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from shared_code.config.strict import Fault, Strict, mapping, sequence, unknown
from shared_code.model import ALL, LAYOUTS, few

Contradictions = Literal["refuse", "footnote"]


# Which small places lie in which large ones at one site, {"ward": {"locality": {ward: locality}}}: only large places that are
# made of whole small ones.
Places = Mapping[str, Mapping[str, Mapping[str, str]]]


class Inside(Strict):
    """A dimension whose levels lie inside the levels of another, such as wards in localities.

    dimension  of the table, whose levels are added
    levels     level -> the level it lies in: the areas of the site say it, never the study
    """

    dimension: str
    levels: dict[str, str] = {}

    @property
    def whole(self) -> dict[str, set[str]]:
        """Give all that lies in each larger level."""
        found: dict[str, set[str]] = {}
        for small, large in self.levels.items():
            found.setdefault(large, set()).add(small)
        return found


class Selected(Strict):
    """One number of a release, or the sum of several cells of one table.

    table      analysis.table
    statistic  of the layout of that table
    where      dimension -> its level, or several. Dimensions with a total that are not named are not broken out; over the
               levels of all others the numbers are added
    inside     dimension of `each` that the table does not have -> the dimension of the table whose levels lie in it
    times      what it counts; -1 where it is subtracted
    """

    table: str
    statistic: str
    where: dict[str, str | list[str]] = {}
    inside: dict[str, Inside] = {}
    times: float = 1.0


class Agreement(Strict):
    """Numbers that must agree at every site that released all of them, as far as rounding and withholding let one see.

    title     what agrees, in words: it is told where it does not
    numbers   each a number, or a list of numbers that are added
    relation  equal, or at_most: each is at most the next
    each      dimensions of all these tables, for every level of which it must hold; or such that levels lie `inside`
    over      a dimension: the numbers must be the same at each of its levels (the people beside every condition)
    """

    title: str
    numbers: list[Selected | list[Selected]] = Field(min_length=1)
    relation: Literal["equal", "at_most"] = "equal"
    each: list[str] = []
    over: str = ""

    @property
    def sums(self) -> list[list[Selected]]:
        """Give what is compared, each the numbers that are added: one, where a number stands alone."""
        return [listed if isinstance(listed, list) else [listed] for listed in self.numbers]


def at_places(agreements: Sequence[Agreement], places: Places) -> list[Agreement]:
    """Fill in which levels lie in which at one site; leave out what is said of places that the site does not have."""
    found = []
    for said in agreements:
        numbers = [[_at(one, places) for one in added] for added in said.sums]
        if all(lie.levels for added in numbers for one in added for lie in one.inside.values()):
            found.append(said.model_copy(update={"numbers": numbers}))
    return found


def _at(one: Selected, places: Places) -> Selected:
    inside = {large: lie.model_copy(update={"levels": dict(places.get(lie.dimension, {}).get(large, {}))})
              for large, lie in one.inside.items()}  # fmt: skip
    return one.model_copy(update={"inside": inside})


def agreement_faults(content: dict[str, Any]) -> Iterator[Fault]:
    """Find agreements of tables, statistics, dimensions and levels that the study does not declare."""
    tables = {
        f"{stem}.{name}": table
        for stem, entry in mapping(content, "analyses").items()
        for name, table in mapping(entry, "results").items()
    }
    for number, said in enumerate(sequence(content.get("agree"))):
        where, sums = ("agree", str(number)), sequence(mapping(said).get("numbers"))
        over = mapping(said).get("over", "")
        if len(sums) < 2 and not over:
            yield Fault((*where, "numbers"), "one number agrees with nothing", "two numbers or more, or over: a dimension")
        for at, one in enumerate(part for listed in sums for part in (listed if isinstance(listed, list) else [listed])):
            here, table = (*where, "numbers", str(at)), str(mapping(one).get("table", ""))
            yield from unknown((*here, "table"), [table], tables, "a results table of this study")
            if table not in tables:
                continue
            dimensions, layout = mapping(tables[table], "dimensions"), mapping(tables[table]).get("layout", "")
            statistic = mapping(one).get("statistic")
            if layout in LAYOUTS and statistic is not None:
                yield from unknown((*here, "statistic"), [statistic], LAYOUTS[layout].statistics, f"a statistic of {table}")
            chosen = mapping(one, "where")
            yield from unknown((*here, "where"), chosen, dimensions, f"a dimension of {table}")
            inside, named_each = mapping(one, "inside"), sequence(mapping(said).get("each"))
            each = [name for name in named_each if name not in inside]
            yield from unknown((*where, "each"), each, dimensions, f"a dimension of {table}")
            yield from _inside_faults((*here, "inside"), inside, named_each, dimensions, table)
            yield from unknown((*where, "over"), [over] if over else [], dimensions, f"a dimension of {table}")
            for name, levels in chosen.items():
                known, values = mapping(dimensions, str(name)), mapping(dimensions, str(name), "values")
                named = [str(level) for level in (levels if isinstance(levels, list) else [levels])]
                wrong = [level for level in named if level not in values and not (level == ALL and known.get("total"))]
                if values and not known.get("codelist") and wrong:
                    yield Fault((*here, "where", str(name)), f"{wrong[0]!r} is not a level of {name}", few(values, 12))


def _inside_faults(here: tuple[str, ...], inside: dict[str, Any], each: list[Any], dimensions: dict[str, Any], table: str
                   ) -> Iterator[Fault]:  # fmt: skip
    """Find places that nothing is asked for, levels of no dimension, and areas that the study would say itself."""
    yield from unknown(here, inside, each, "a dimension that each names")
    lie = [mapping(inside, str(name)).get("dimension") for name in inside]
    yield from unknown(here, [name for name in lie if name], dimensions, f"a dimension of {table}")
    for name in inside:
        if mapping(inside, str(name)).get("levels"):
            mend = "nothing: the areas of each site say it"
            yield Fault((*here, str(name), "levels"), "a study does not say which places lie in which", mend)
