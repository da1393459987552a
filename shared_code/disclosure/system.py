"""All numbers of a release as one linear system: what anyone knows who reads every table together.

Unknowns are the true numbers behind the cells. Two cells that count the same people (the same levels of the same
dimensions in two tables, or one denominator printed beside every condition) are one unknown. Equations come from the
declarations: parts and totals, cases and non-cases, nested and overlapping bands. A relation is used where the site's
numbers fulfil it, so the system never contradicts the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from shared_code.model.units import DAYS_A_YEAR

PEOPLE, DAYS, SUM, IMPLICIT = 0, 1, 2, 3  # kinds of unknown: a number of people or records, days, a sum, not a cell


@dataclass(frozen=True)
class Linear:
    """Say which statistics of a layout add up, and what is withheld with what.

    units    statistic -> kind of unknown
    follows  statistic -> those whose withholding withholds it too (in the same row of the table)
    parts    part -> whole; the rest (whole - part) is protected as well
    at_most  part -> what it cannot exceed
    """

    units: dict[str, int]
    follows: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    at_most: dict[str, str] = field(default_factory=dict)


# Layouts that take part in joint protection. Another module adds its own layout here; one that is not here is
# protected by its rule alone.
LINEAR: dict[str, Linear] = {
    "counts": Linear({"people": PEOPLE, "cases": PEOPLE}, {"cases": ("people",)}, parts={"cases": "people"}),
    "events": Linear(
        {"people": PEOPLE, "events": PEOPLE, "events_squared": PEOPLE, "person_days": DAYS},
        {"people": ("events", "events_squared", "person_days"), "events": ("people", "events_squared", "person_days"),
         "events_squared": ("people", "events", "person_days")},
        at_most={"people": "events", "events": "events_squared"},
    ),
    "estimates": Linear({"people": PEOPLE, "person_days": DAYS},
                        {"estimate": ("people", "person_days"), "se": ("people", "person_days")}),
    "moments": Linear(
        {"people": PEOPLE, "sum": SUM, "sum_squares": SUM, "sum_products": SUM},
        {"sum": ("people", "sum_squares", "sum_products"), "sum_squares": ("people", "sum", "sum_products"),
         "sum_products": ("people", "sum", "sum_squares")},
    ),
    "bins": Linear({"people": PEOPLE, "records": PEOPLE}, {"people": ("records",), "records": ("people",)},
                   at_most={"people": "records"}),
}  # fmt: skip


@dataclass
class System:
    """Hold the unknowns and the relations between them.

    truth        true number behind each unknown; nan where the site itself cannot tell it
    kind         PEOPLE, DAYS, SUM or IMPLICIT
    lower, upper the range that is published when the unknown is shown
    floor        least value anyone must reckon with when it is withheld (with all it follows shown)
    told_lower, told_upper   the range that earlier releases tell, whether it is shown now or not
    again        was withheld by the last release in which it was the same
    primary      may not be shown, by the rule of its row
    cost         information lost when it is withheld; inf where that cannot be chosen
    need_width, need_max, need_min   what the interval of a withheld unknown must reach: its width at least, its upper
                 end at least, its lower end at most
    parent, child   child[i] is withheld when parent[i] is; one_way where the opposite does not hold
    matrix, row_lower, row_upper    row_lower <= matrix @ truth <= row_upper
    cells        (table, statistic) -> unknown of each row, -1 where there is none
    whole        the unknown that this one is a part of (cases of people), -1 where there is none
    """

    truth: np.ndarray
    kind: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    floor: np.ndarray
    told_lower: np.ndarray
    told_upper: np.ndarray
    again: np.ndarray
    primary: np.ndarray
    cost: np.ndarray
    need_width: np.ndarray
    need_max: np.ndarray
    need_min: np.ndarray
    parent: np.ndarray
    child: np.ndarray
    one_way: np.ndarray
    matrix: sparse.csr_matrix
    row_lower: np.ndarray
    row_upper: np.ndarray
    cells: dict[tuple[str, str], np.ndarray]
    whole: np.ndarray

    @property
    def size(self) -> int:
        return len(self.truth)

    def parts(self) -> np.ndarray:
        """Number the parts of the system that have no relation with each other."""
        m, n = self.matrix.shape
        rows = np.repeat(np.arange(m), np.diff(self.matrix.indptr))
        extra = np.arange(len(self.parent))
        a = np.concatenate([rows, m + n + extra, m + n + extra])
        b = np.concatenate([self.matrix.indices + m, self.parent + m, self.child + m])
        size = m + n + len(extra)
        graph = sparse.csr_matrix((np.ones(len(a)), (a, b)), (size, size))
        return connected_components(graph, directed=False)[1][m : m + n]

    def closed(self, withheld: np.ndarray) -> np.ndarray:
        """Add everything that is withheld together with what is withheld."""
        withheld = withheld.copy()
        while True:
            more = withheld[self.parent] & ~withheld[self.child]
            if not more.any():
                return withheld
            withheld[self.child[more]] = True

    def hidden_lower(self, withheld: np.ndarray) -> np.ndarray:
        """Give the least value of each unknown when it is withheld: zeros are shown, unless what they follow is hidden."""
        lower = self.floor.copy()
        lower[self.child[self.one_way & withheld[self.parent]]] = 0.0
        return np.where(withheld & (self.truth == 0), np.minimum(lower, 0.0), lower)

    def bounds(self, withheld: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the range of every unknown as an outsider knows it who is told nothing of the withheld ones."""
        lower = np.where(withheld, self.hidden_lower(withheld), self.lower)
        upper = np.where(withheld, np.inf, self.upper)
        # Cases cannot exceed a large denominator that is shown. To take its least value for it leaves the outsider a
        # little less room than there is, and so asks for more protection; it keeps conditions apart that share it.
        part = np.flatnonzero(withheld & (self.whole >= 0))
        least = self.lower[self.whole[part]]
        large = ~withheld[self.whole[part]] & (least >= 2 * self.need_max[part]) & (least >= self.truth[part])
        upper[part[large]] = least[large]
        return self.with_told(lower, upper)

    def with_told(self, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Narrow ranges to what earlier releases tell."""
        return np.maximum(lower, self.told_lower), np.minimum(upper, self.told_upper)


UNIT = {PEOPLE: 1.0, DAYS: DAYS_A_YEAR}
