"""Random tables by the thousand, attacked with a solver that is not ours: what it derives of a withheld number stays wide.

Fifty tables at a time go through the door as one release; the other solver (CBC, through PuLP) is told only what left it.
COHORTIUM_TABLES says how many tables are tried in all.
"""

from __future__ import annotations

import os
from itertools import product

import numpy as np
import pandas as pd
import pulp
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.config.study import Policy, ResultsTable
from shared_code.disclosure import protect

AT_ONCE = 50
TABLES = int(os.environ.get("COHORTIUM_TABLES", "2000"))
NAMES = [f"t{i:02}" for i in range(AT_ONCE)]
DECLARED = ResultsTable.model_validate({
    "title": "t", "layout": "bins", "sets": [[], ["r"], ["c"], ["r", "c"]],
    "dimensions": {"t": {"values": dict.fromkeys(NAMES, "")},
                   "r": {"values": {f"r{i}": "" for i in range(4)}, "total": True},
                   "c": {"values": {f"c{j}": "" for j in range(4)}, "total": True}},
})  # fmt: skip
POLICIES = st.sampled_from([Policy(threshold=10, rounding=1), Policy(threshold=3, rounding=1), Policy(threshold=10, rounding=5),
                            Policy(rule_set="OPENSAFELY"), Policy(rule_set="MID6")])  # fmt: skip


def laid_out(tables: list[np.ndarray]) -> pd.DataFrame:
    """Lay tables out with their margins, one person per record."""
    rows: list[tuple[str, str, str, int]] = []
    for name, x in zip(NAMES, tables):
        rs, cs = [f"r{i}" for i in range(x.shape[0])], [f"c{j}" for j in range(x.shape[1])]
        rows += [(name, r, c, x[i, j]) for (i, r), (j, c) in product(enumerate(rs), enumerate(cs))]
        rows += [(name, r, "all", n) for r, n in zip(rs, x.sum(1))]
        rows += [(name, "all", c, n) for c, n in zip(cs, x.sum(0))]
        rows.append((name, "all", "all", x.sum()))
    frame = pd.DataFrame(rows, columns=["t", "r", "c", "people"])
    return frame.assign(records=frame["people"])


def derived(shown: pd.DataFrame) -> pd.DataFrame:
    """Give, for each withheld number of people, the least and the greatest value that fits everything published.

    The tables have nothing in common, so that one programme moves one number of every table at a time.
    """
    model = pulp.LpProblem("attack", pulp.LpMinimize)
    x = {(s.t, s.r, s.c): pulp.LpVariable(f"{s.t}_{s.r}_{s.c}", s.lower, None if np.isinf(s.upper) else s.upper)
         for s in shown.itertuples()}  # fmt: skip
    for name, table in shown.groupby("t"):
        rs, cs = sorted(set(table["r"]) - {"all"}), sorted(set(table["c"]) - {"all"})
        for r in [*rs, "all"]:
            model += x[name, r, "all"] == pulp.lpSum(x[name, r, c] for c in cs)
        for c in cs:
            model += x[name, "all", c] == pulp.lpSum(x[name, r, c] for r in rs)
    hidden = shown[shown["status"] == "withheld"].assign(round=lambda f: f.groupby("t").cumcount())
    solver, ends = pulp.PULP_CBC_CMD(msg=False), []
    for _, part in hidden.groupby("round"):
        keys = list(zip(part["t"], part["r"], part["c"]))
        found = []
        for sign in (1, -1):
            model.setObjective(sign * pulp.lpSum(x[k] for k in keys))
            assert pulp.LpStatus[model.solve(solver)] == "Optimal", "what was published contradicts itself"
            found.append([x[k].value() for k in keys])
        ends += zip(*zip(*keys), *found)
    return pd.DataFrame(ends, columns=["t", "r", "c", "least", "greatest"]).merge(hidden, on=["t", "r", "c"])


@settings(deadline=None, database=None, derandomize=True, max_examples=max(1, TABLES // AT_ONCE))
@given(POLICIES, st.integers(0, 2**32 - 1))
def test_another_solver_cannot_narrow_what_is_withheld(policy, seed):
    """Every withheld number of every table keeps a range as wide as the policy asks, and holds the truth."""
    rng = np.random.default_rng(seed)
    tables = [rng.negative_binomial(1, 1 / (1 + rng.choice([6, 20, 80])), (rng.integers(2, 4), rng.integers(2, 5)))
              for _ in NAMES]  # fmt: skip
    table = laid_out(tables)
    shown = protect({"a.t": (DECLARED, table)}, [], policy).tables["a.t"].query("statistic == 'people'")
    both = shown.merge(table, on=["t", "r", "c"])
    assert ((both["lower"] <= both["people"]) & (both["people"] <= both["upper"])).all()
    assert not ((both["people"] > 0) & (both["people"] < policy.threshold) & (both["status"] != "withheld")).any()
    found = derived(shown)
    assert len(found) == (shown["status"] == "withheld").sum()
    width, near = found["greatest"] - found["least"], 1e-6
    assert (width >= policy.threshold - 1 - near).all() and (found["greatest"] >= policy.threshold - near).all(), found
    assert (found["lower"] <= found["least"] + near).all() and (found["greatest"] <= found["upper"] + near).all()
