"""One linear programme, solved again and again for other unknowns: the least and the largest an outsider can derive."""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
from scipy import sparse

from shared_code.disclosure.bounds import Contradiction

WHOLE = 1e-6  # a solution this close to whole numbers is whole
PRIMAL, DUAL = 4, 1  # of HiGHS: only costs change between questions, so the last answer stays feasible and is walked on from


@dataclass(frozen=True)
class Extreme:
    """Hold one end of an interval: the value, a solution that attains it, and how each bound holds it back.

    solution  value of every column; whole tells that all those that must be are whole numbers
    at_lower, at_upper   by how much the end moves per unit by which the lower (upper) bound of a column is moved out
    """

    value: float
    solution: np.ndarray
    whole: bool
    at_lower: np.ndarray
    at_upper: np.ndarray


class Programme:
    """Hold rows and columns in HiGHS; each question starts from the answer to the last one."""

    def __init__(self, matrix: sparse.csr_matrix, row_lower: np.ndarray, row_upper: np.ndarray, lower: np.ndarray,
                 upper: np.ndarray, whole: np.ndarray):  # fmt: skip
        self.matrix, self.whole, self.size = matrix, whole, len(lower)
        self.transposed = matrix.T.tocsr()
        self.solved = 0
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = self.size, matrix.shape[0]
        model.col_cost_ = np.zeros(self.size)
        model.col_lower_, model.col_upper_ = lower, upper
        model.row_lower_, model.row_upper_ = row_lower, row_upper
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_ = matrix.indptr.astype(np.int32)
        model.a_matrix_.index_ = matrix.indices.astype(np.int32)
        model.a_matrix_.value_ = matrix.data
        self.highs = highspy.Highs()
        for option, value in (("output_flag", False), ("threads", 1), ("solver", "simplex"), ("random_seed", 0),
                              ("simplex_strategy", PRIMAL)):
            self.highs.setOptionValue(option, value)
        self.highs.passModel(model)
        self.costed: np.ndarray = np.array([], np.int32)

    def extreme(self, column: int, largest: bool) -> Extreme:
        """Find the least or the largest value of a column (raises Contradiction when there is none)."""
        sign = -1.0 if largest else 1.0
        self._minimise(np.array([column], np.int32), np.array([sign]))
        state = self.highs.getModelStatus()
        if state in (highspy.HighsModelStatus.kUnbounded, highspy.HighsModelStatus.kUnboundedOrInfeasible):
            nothing = np.zeros(self.size)
            return Extreme(-sign * np.inf, np.full(self.size, np.nan), True, nothing, nothing)
        if state != highspy.HighsModelStatus.kOptimal:
            raise Contradiction(f"the solver stopped with {self.highs.modelStatusToString(state)}")
        found = self.highs.getSolution()
        solution = np.array(found.col_value)
        reduced = -(self.transposed @ np.array(found.row_dual))
        reduced[column] += sign
        whole = bool(np.all(np.abs(solution - np.round(solution))[self.whole] < WHOLE))
        return Extreme(solution[column], solution, whole, np.maximum(reduced, 0), np.maximum(-reduced, 0))

    def extremes(self, columns: np.ndarray, largest: np.ndarray) -> np.ndarray:
        """Find a solution in which each of these columns has its least or largest value; they share no row, even indirectly."""
        self._minimise(columns.astype(np.int32), np.where(largest, -1.0, 1.0))
        state = self.highs.getModelStatus()
        if state != highspy.HighsModelStatus.kOptimal:
            raise Contradiction(f"the solver stopped with {self.highs.modelStatusToString(state)}")
        return np.array(self.highs.getSolution().col_value)

    def whole_extreme(self, column: int, largest: bool) -> float:
        """Find the least or the largest value of a column when all that count people are whole numbers."""
        kinds = [highspy.HighsVarType.kInteger if w else highspy.HighsVarType.kContinuous for w in self.whole]
        every = np.arange(self.size, dtype=np.int32)
        self.highs.changeColsIntegrality(self.size, every, np.array(kinds))
        self._minimise(np.array([column], np.int32), np.array([-1.0 if largest else 1.0]))
        state = self.highs.getModelStatus()
        value = np.array(self.highs.getSolution().col_value)[column]
        self.highs.changeColsIntegrality(self.size, every, np.array([highspy.HighsVarType.kContinuous] * self.size))
        if state != highspy.HighsModelStatus.kOptimal:
            raise Contradiction(f"the solver stopped with {self.highs.modelStatusToString(state)}")
        return float(value)

    def _minimise(self, columns: np.ndarray, costs: np.ndarray) -> None:
        if len(self.costed):
            self.highs.changeColsCost(len(self.costed), self.costed, np.zeros(len(self.costed)))
        self.highs.changeColsCost(len(columns), columns, costs)
        self.costed = columns
        self.highs.run()
        if self.highs.getModelStatus() == highspy.HighsModelStatus.kUnknown:  # it lost its way from the last answer: begin anew
            self.highs.clearSolver()
            self.highs.setOptionValue("simplex_strategy", DUAL)
            self.highs.run()
            self.highs.setOptionValue("simplex_strategy", PRIMAL)
        self.solved += 1
