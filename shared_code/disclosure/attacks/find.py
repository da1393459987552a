"""Try every attack that needs nothing but one release, and list the weaknesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared_code.config.agreement import Agreement
from shared_code.disclosure.attacks import marks, relations, tables
from shared_code.disclosure.attacks.known import Known, Tables

LINEAR = {"margins": tables.margins, "complements": tables.complements, "nested bands": tables.nested,
          "linked tables": tables.linked, "repeated denominators": tables.denominators,
          "groups in groups": relations.groups}  # fmt: skip


@dataclass(frozen=True)
class Weakness:
    """Hold what an attack found: where, and the range it leaves. The range is for the site alone.

    piece    a number that no table holds: what is left when shown numbers are subtracted
    """

    attack: str
    table: str
    statistic: str
    levels: tuple[str, ...]
    lower: float
    upper: float
    piece: bool = False

    @property
    def may_be_nobody(self) -> bool:
        """Say whether shown numbers leave open that there is nobody: a reviewer who knows the counts sees which it is."""
        return self.piece and self.lower <= 0


def too_narrow(lower: float, upper: float, threshold: int, withheld: bool) -> bool:
    """Say whether a range gives a small number of people away.

    It does when no number from the threshold up is left in it (and not only zero), or when fewer numbers are left than the
    threshold (for a withheld number; a number that merely follows from others may be known).
    """
    if threshold <= 1 or (lower, upper) == (0, 0) or lower > upper:  # the last: what was assumed does not hold of these numbers
        return False
    return upper < threshold or (withheld and upper - lower < threshold - 1)


def find(released: Tables, threshold: int, agreements: Sequence[Agreement] = ()) -> list[Weakness]:
    """Attack one release: all its tables together, with everything the protocol says of them.

    released   analysis.table -> (declaration, cells)      threshold  of the rules in force
    agreements what the protocol says of numbers of several tables
    """
    known = Known.of(released, threshold)
    for attack in LINEAR.values():
        attack(known, released)
    relations.agreed(known, released, agreements)
    known.narrow()
    found = [
        Weakness("tables together", *cell, known.lower[i], known.upper[i], known.implicit[i] and not known.withheld[i])
        for i, cell in enumerate(known.cells)
        if (known.withheld[i] or known.implicit[i])
        and too_narrow(known.lower[i], known.upper[i], threshold, known.withheld[i])
    ]
    return found + [Weakness("marks", *one) for one in marks.told_apart(released, threshold)]
