"""The covering problem of a small part: the least loss that fulfils every cut, solved exactly."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from shared_code.disclosure.cuts import Cut
from shared_code.disclosure.system import System

ZERO_COSTS = 1e4  # a zero is hidden only where nothing else helps


def cheapest(system: System, candidates: np.ndarray, cuts: list[Cut]) -> np.ndarray | None:
    """Solve the covering problem: the least loss that fulfils every cut and withholds what follows with what it follows."""
    place = {int(u): i for i, u in enumerate(candidates)}
    rows, columns, values, least = [], [], [], []
    for cut in cuts:
        for unknown, gain in cut.gain.items():
            if unknown in place:
                rows.append(len(least))
                columns.append(place[unknown])
                values.append(min(gain, cut.short) / cut.short)
        if cut.unknown in place:  # a number that need not be withheld calls for this only if it is
            rows.append(len(least))
            columns.append(place[cut.unknown])
            values.append(-(1.0 - 1e-7))
        least.append(0.0 if cut.unknown in place else 1.0 - 1e-7)
    for parent, child in zip(system.parent.tolist(), system.child.tolist()):
        if parent in place and child in place:
            rows += [len(least)] * 2
            columns += [place[child], place[parent]]
            values += [1.0, -1.0]
            least.append(0.0)
    cost = system.cost[candidates] + np.where(system.truth[candidates] == 0, ZERO_COSTS, 0.0)
    matrix = sparse.csr_matrix((values, (rows, columns)), (len(least), len(candidates)))
    solved = milp(cost, constraints=LinearConstraint(matrix, least, np.inf), integrality=np.ones(len(candidates)),
                  bounds=Bounds(0, 1), options={"mip_rel_gap": 0.0, "node_limit": 20_000})  # fmt: skip
    return None if solved.x is None else candidates[solved.x > 0.5]
