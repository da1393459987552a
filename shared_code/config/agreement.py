"""What must agree at every site: numbers of different tables that count the same people, and what is done where they do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from shared_code.config.strict import Fault, Strict, mapping, sequence, unknown
from shared_code.model import ALL, LAYOUTS, few

Contradictions = Literal["refuse", "footnote"]


class Selected(Strict):
    """One number of a release, or the sum of several cells of one table.

    table      analysis.table
    statistic  of the layout of that table
    where      dimension -> its level, or several. Dimensions with a total that are not named are not broken out; over the
               levels of all others the numbers are added
    times      what it counts; -1 where it is subtracted
    """

    table: str
    statistic: str
    where: dict[str, str | list[str]] = {}
    times: float = 1.0


class Agreement(Strict):
    """Numbers that must agree at every site that released all of them, as far as rounding and withholding let one see.

    title     what agrees, in words: it is told where it does not
    numbers   each a number, or a list of numbers that are added
    relation  equal, or at_most: each is at most the next
    each      dimensions of all these tables, for every level of which it must hold
    over      a dimension: the numbers must be the same at each of its levels (the people beside every condition)
    """

    title: str
    numbers: list[Selected | list[Selected]] = Field(min_length=1)
    relation: Literal["equal", "at_most"] = "equal"
    each: list[str] = []
    over: str = ""


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
            yield from unknown((*where, "each"), sequence(mapping(said).get("each")), dimensions, f"a dimension of {table}")
            yield from unknown((*where, "over"), [over] if over else [], dimensions, f"a dimension of {table}")
            for name, levels in chosen.items():
                known, values = mapping(dimensions, str(name)), mapping(dimensions, str(name), "values")
                named = [str(level) for level in (levels if isinstance(levels, list) else [levels])]
                wrong = [level for level in named if level not in values and not (level == ALL and known.get("total"))]
                if values and not known.get("codelist") and wrong:
                    yield Fault((*here, "where", str(name)), f"{wrong[0]!r} is not a level of {name}", few(values, 12))
