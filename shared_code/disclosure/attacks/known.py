"""What an attacker knows: one unknown per number of a release, and equations between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import highspy
import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from shared_code.config.study import ResultsTable

Cell = tuple[str, str, tuple[str, ...]]  # table, statistic, levels in the order of the declared dimensions
Tables = Mapping[str, tuple[ResultsTable, pd.DataFrame]]
TOLERANCE = 1e-6
PRIMAL = 4  # of HiGHS: the simplex method that walks on when only the question changes
MOST_SOLVED = 4_000  # linear programmes; beyond them only the equations one by one are used


@dataclass
class Known:
    """Collect unknowns with their published ranges, and equations low <= sum(coefficient * unknown) <= high.

    withheld   unknowns that the release withholds     implicit   numbers that are in no table but follow from several
    """

    threshold: int
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    withheld: list[bool] = field(default_factory=list)
    implicit: list[bool] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    index: dict[Cell, int] = field(default_factory=dict)
    equations: list[tuple[dict[int, float], float, float]] = field(default_factory=list)
    solved: bool = True

    @classmethod
    def of(cls, tables: Tables, threshold: int, statistics: Iterable[str] = ("people", "cases", "events", "records")) -> Known:
        """Take every number of people, cases or events of a release as an unknown."""
        known, wanted = cls(threshold), set(statistics)
        for name, (declared, cells) in tables.items():
            dimensions = list(declared.dimensions)
            chosen = cells[cells["statistic"].isin(wanted) & cells["status"].isin(["ok", "rounded", "withheld"])]
            levels = zip(*(chosen[d] for d in dimensions)) if dimensions else [()] * len(chosen)
            for level, statistic, status, lower, upper in zip(levels, chosen["statistic"], chosen["status"], chosen["lower"],
                                                              chosen["upper"]):  # fmt: skip
                known.add((name, statistic, tuple(level)), lower, upper, status == "withheld")
        return known

    def add(self, cell: Cell, lower: float, upper: float, withheld: bool = False, implicit: bool = False) -> int:
        """Add an unknown with the range it is published with; a number of people is never negative."""
        self.index[cell] = len(self.cells)
        self.cells.append(cell)
        self.lower.append(0.0 if math.isnan(lower) else max(lower, 0.0))
        self.upper.append(math.inf if math.isnan(upper) else upper)
        self.withheld.append(withheld)
        self.implicit.append(implicit)
        return self.index[cell]

    def equal(self, left: Mapping[int, float], low: float = 0.0, high: float = 0.0) -> None:
        """Add an equation, unless the published ranges contradict it: then it does not hold of these numbers."""
        least = sum(v * (self.lower[i] if v > 0 else self.upper[i]) for i, v in left.items())
        most = sum(v * (self.upper[i] if v > 0 else self.lower[i]) for i, v in left.items())
        if least > high + TOLERANCE or most < low - TOLERANCE:
            return
        self.equations.append((dict(left), low, high))

    def between(self, cell: Cell) -> tuple[float, float]:
        """Give the range that the attacker has of a number, after `narrow`."""
        return self.lower[self.index[cell]], self.upper[self.index[cell]]

    def narrow(self) -> Known:
        """Find the narrowest range of every number that is withheld or implicit: each by itself exact (linear programming)."""
        if not self.equations:
            return self
        rows, columns, values = zip(*((r, c, v) for r, (left, _, _) in enumerate(self.equations) for c, v in left.items()))
        matrix = coo_matrix((values, (rows, columns)), (len(self.equations), len(self.cells))).tocsr()
        low, high = (np.array([equation[side] for equation in self.equations]) for side in (1, 2))
        self._one_by_one(matrix, low, high)
        joined = coo_matrix((np.ones(len(rows)), (rows, [len(self.equations) + c for c in columns])), [sum(matrix.shape)] * 2)
        _, part = connected_components(joined, directed=False)
        left_to_solve = MOST_SOLVED
        for number in np.unique(part[: len(self.equations)]):
            members = np.flatnonzero(part[len(self.equations) :] == number)
            wanted = [i for i in members if (self.withheld[i] or self.implicit[i]) and self.upper[i] - self.lower[i] > TOLERANCE]
            if len(wanted) > left_to_solve:
                self.solved = False
                continue
            left_to_solve -= len(wanted)
            here = np.flatnonzero(part[: len(self.equations)] == number)
            self._programme(matrix[here][:, members], low[here], high[here], members, wanted)
        return self

    def _programme(self, matrix: csr_matrix, low: np.ndarray, high: np.ndarray, members: np.ndarray, wanted: list[int]) -> None:
        """Ask for both ends of every number that is wanted; each question walks on from the answer to the last one."""
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = len(members), matrix.shape[0]
        model.col_cost_ = np.zeros(len(members))
        model.col_lower_, model.col_upper_ = np.array(self.lower)[members], np.array(self.upper)[members]
        model.row_lower_, model.row_upper_ = low, high
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_, model.a_matrix_.index_ = matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32)
        model.a_matrix_.value_ = matrix.data
        solver = highspy.Highs()
        for option, value in (("output_flag", False), ("threads", 1), ("solver", "simplex"), ("simplex_strategy", PRIMAL)):
            solver.setOptionValue(option, value)
        solver.passModel(model)
        place = {i: p for p, i in enumerate(members)}
        for i in wanted:
            for sign in (1.0, -1.0):
                solver.changeColCost(place[i], sign)
                solver.run()
                if solver.getModelStatus() == highspy.HighsModelStatus.kUnknown:  # it lost its way: begin anew
                    solver.clearSolver()
                    solver.run()
                if solver.getModelStatus() == highspy.HighsModelStatus.kOptimal:
                    end = sign * solver.getInfo().objective_function_value
                    if sign > 0:
                        self.lower[i] = max(self.lower[i], math.ceil(end - TOLERANCE))
                    else:
                        self.upper[i] = min(self.upper[i], math.floor(end + TOLERANCE))
            solver.changeColCost(place[i], 0.0)

    def _one_by_one(self, matrix: csr_matrix, low: np.ndarray, high: np.ndarray) -> None:
        """Use each equation by itself, again and again, until none says more (whole numbers throughout)."""
        lower, upper = np.array(self.lower), np.array(self.upper)
        row, column, factor = np.repeat(np.arange(len(low)), np.diff(matrix.indptr)), matrix.indices, matrix.data
        for _ in range(30):
            least = np.where(factor > 0, factor * lower[column], factor * upper[column])
            most = np.where(factor > 0, factor * upper[column], factor * lower[column])
            rest_least, rest_most = _without_own(row, least, -math.inf), _without_own(row, most, math.inf)
            one, other = (low[row] - rest_most) / factor, (high[row] - rest_least) / factor
            new_lower, new_upper = lower.copy(), upper.copy()
            np.maximum.at(new_lower, column, np.ceil(np.minimum(one, other) - TOLERANCE))
            np.minimum.at(new_upper, column, np.floor(np.maximum(one, other) + TOLERANCE))
            if np.array_equal(new_lower, lower) and np.array_equal(new_upper, upper):
                break
            lower, upper = new_lower, new_upper
        self.lower, self.upper = lower.tolist(), upper.tolist()


def _without_own(row: np.ndarray, ends: np.ndarray, endless: float) -> np.ndarray:
    """Give, for each entry of each equation, the sum of the ends of the others."""
    infinite = np.isinf(ends)
    finite = np.where(infinite, 0.0, ends)
    total, infinities = np.bincount(row, finite), np.bincount(row, infinite)
    return np.where(infinities[row] - infinite > 0, endless, total[row] - finite)
