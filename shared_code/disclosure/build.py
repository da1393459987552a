"""Build the linear system of a release from its declarations and its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from shared_code.config.agreement import Agreement
from shared_code.config.study import Dimension, Policy, ResultsTable
from shared_code.disclosure.agreements import agreement_rows, level_rows, levels_made_of_others, numbered
from shared_code.disclosure.bandings import band_rows, bands_fit
from shared_code.disclosure.bounds import propagate
from shared_code.disclosure.costs import cost_of, totals_over
from shared_code.disclosure.keys import bandings_of, keys_of, once_of
from shared_code.disclosure.margins import Cohort, Key, margins, nested, sums_of
from shared_code.disclosure.past import Past
from shared_code.disclosure.rules import UNKNOWN_PEOPLE, Frames
from shared_code.disclosure.system import DAYS, IMPLICIT, LINEAR, PEOPLE, SUM, UNIT, System

AGAIN_COSTS = 0.1  # what an earlier release withheld is withheld again rather than something else


@dataclass
class Draft:
    """Collect unknowns and relations before they become arrays."""

    truth: list[float] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    told_lower: list[float] = field(default_factory=list)
    told_upper: list[float] = field(default_factory=list)
    again: dict[int, bool] = field(default_factory=dict)
    primary: list[bool] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    rows: dict[tuple[tuple[int, ...], tuple[float, ...], float, float], None] = field(default_factory=dict)
    pairs: dict[tuple[int, int], bool] = field(default_factory=dict)
    need_min: dict[int, float] = field(default_factory=dict)
    whole: dict[int, int] = field(default_factory=dict)
    pieces: list[int] = field(default_factory=list)
    public: list[int] = field(default_factory=list)
    differences: dict[int, float] = field(default_factory=dict)
    cohorts: list[Cohort] = field(default_factory=list)
    apart: bool = False

    def add(self, truth: float, kind: int, lower: float, upper: float, floor: float, primary: bool, cost: float) -> int:
        self.truth.append(truth)
        self.kind.append(kind)
        self.lower.append(lower)
        self.upper.append(upper)
        self.floor.append(floor)
        self.told_lower.append(-np.inf)
        self.told_upper.append(np.inf)
        self.primary.append(primary)
        self.cost.append(cost)
        return len(self.truth) - 1

    def implicit(self, truth: float, lower: float = 0.0, upper: float = np.inf, floor: float = 0.0) -> int:
        """Add an unknown that no table shows."""
        return self.add(truth, IMPLICIT, lower, upper, floor, False, np.inf)

    def tell(self, unknown: int, lower: float, upper: float) -> None:
        """Note what an earlier release said of an unknown: it stays known, whether the unknown is shown or not."""
        self.told_lower[unknown] = max(self.told_lower[unknown], lower)
        self.told_upper[unknown] = min(self.told_upper[unknown], upper)

    def row(self, columns: list[int], coefficients: list[float], lower: float, upper: float) -> None:
        """Add a relation, once."""
        self.rows[tuple(columns), tuple(coefficients), lower, upper] = None


def build(tables: Mapping[str, tuple[ResultsTable, pd.DataFrame]], frames: Mapping[str, Frames], policy: Policy,
          past: Sequence[Past] = (), agreements: Sequence[Agreement] = (), apart: bool = False) -> System:  # fmt: skip
    """Turn the tables of a release, judged row by row, into one system.

    frames      name -> what the rule of the layout says of every row
    past        tables of earlier releases, row by row of the table they are compared with
    agreements  what the study says of numbers of several tables
    apart       one denominator behind every condition is an unknown of its own for each, and as dear as all of them: an
                easier system than the one that an outsider solves
    """
    draft = Draft(apart=apart)
    cells: dict[tuple[str, str], np.ndarray] = {}
    bandings = bandings_of([declared for declared, _ in tables.values()])
    made = levels_made_of_others([declared for declared, _ in tables.values()])
    for name in sorted(tables):
        declared, table = tables[name]
        if declared.layout not in LINEAR:
            continue
        linear = LINEAR[declared.layout]
        for statistic, unit in linear.units.items():
            cells[name, statistic] = _unknowns(draft, name, declared, table, frames[name], statistic, unit, bandings, policy)
        _within_rows(draft, name, declared, cells, policy)
    for number, before in enumerate(past):
        _remember(draft, number, before, tables[before.name][1], cells, bandings, policy)
    for cohort in draft.cohorts:
        for columns, coefficients, lower, upper in [*margins(cohort, draft.truth), *band_rows(cohort, draft, bandings, policy)]:
            draft.row(columns, coefficients, lower, upper)
        for row in level_rows(cohort, draft, made):
            draft.row(*row)
    for row in agreement_rows(numbered(tables, cells), agreements, draft):
        draft.row(*row)
    return _system(draft, cells, policy)


def _unknowns(draft: Draft, name: str, declared: ResultsTable, table: pd.DataFrame, frames: Frames, statistic: str, unit: int,
              bandings: dict[str, list[tuple[str, Dimension]]], policy: Policy) -> np.ndarray:  # fmt: skip
    """Give the unknown behind every row of one statistic; the same people counted before are the same unknown."""
    values, shown = table[statistic].to_numpy(float), frames[statistic]
    named = "people" if declared.once and statistic in ("events", "events_squared") else statistic
    keys = keys_of(declared, table, values, bandings)
    given = [i for i in range(len(values)) if not np.isnan(values[i])]
    cohort = _cohort(draft, (declared.layout, named), declared, {keys[i]: values[i] for i in given}, bandings)
    once = once_of(declared, keys, values)
    copies, names = Counter(once[i] for i in given), keys if draft.apart else once
    numbers = np.full(len(values), -1)
    broken_out: dict[tuple[str, ...], int] = {}
    lower, upper, reason = (shown[c].to_numpy() for c in ("lower", "upper", "reason"))
    for i in given:
        (dimensions, levels), (fewer, rest) = keys[i], names[i]
        known, same = cohort.sets.setdefault(dimensions, {}), cohort.sets.setdefault(fewer, {})
        primary = reason[i] != ""
        if levels in known or rest in same:
            at = known[levels] = known[levels] if levels in known else same[rest]
            draft.primary[at] |= primary
            if not primary:
                draft.lower[at], draft.upper[at] = max(draft.lower[at], lower[i]), min(draft.upper[at], upper[i])
        else:
            low, high = (0.0, np.inf) if primary else (lower[i], upper[i])
            floor = 1.0 if unit == PEOPLE and not declared.sensitive and reason[i] != UNKNOWN_PEOPLE else 0.0
            if unit == SUM and (statistic != "sum_squares"):
                floor, low = -np.inf, (-np.inf if primary else low)
            if dimensions not in broken_out:
                broken_out[dimensions] = totals_over(declared, dimensions)
            cost = cost_of(broken_out[dimensions], levels, values[i], unit) * (copies[once[i]] if draft.apart else 1)
            at = known[levels] = draft.add(values[i], unit, low, high, floor, primary, cost)
        same.setdefault(rest, at)
        numbers[i] = at
    return numbers


def _remember(draft: Draft, number: int, past: Past, table: pd.DataFrame, cells: dict[tuple[str, str], np.ndarray],
              bandings: dict[str, list[tuple[str, Dimension]]], policy: Policy) -> None:  # fmt: skip
    """Add what an earlier release said: facts about the same unknown, or an unknown of its own and the difference to it."""
    declared = past.declared
    for statistic, unit in LINEAR[declared.layout].units.items():
        at, then, now = cells[past.name, statistic], past.truth[statistic].to_numpy(float), table[statistic].to_numpy(float)
        lower, upper = (past.shown[statistic][side].to_numpy(float) for side in ("lower", "upper"))
        withheld = (past.shown[statistic]["status"] == "withheld").to_numpy()
        told = (at >= 0) & ~np.isnan(lower)
        # what is no longer known counts as unchanged where it can be: that makes the outsider the stronger
        then = np.where(np.isnan(then) & (lower <= now) & (now <= upper), now, then)
        keys = keys_of(declared, past.truth, then, bandings)
        old = np.full(len(at), -1)
        seen: dict[tuple, int] = {}
        own = Cohort((f"release {number}", statistic), {}, _splits(declared, bandings))
        known = np.flatnonzero(told & ~np.isnan(then))
        for i in known[then[known] == now[known]]:  # the same number: one unknown, of which more is known
            old[i] = seen.setdefault(keys[i], int(at[i]))
            draft.tell(old[i], lower[i], upper[i])
            draft.again[old[i]] = bool(withheld[i])
            if upper[i] - lower[i] < (policy.threshold - 1) * UNIT.get(unit, 0.0):
                draft.public.append(at[i])  # it left before: nothing is left to protect in this number itself
        for i in known[then[known] != now[known]]:
            if keys[i] not in seen:
                seen[keys[i]] = draft.implicit(then[i], lower[i], upper[i], lower[i])
            old[i] = seen[keys[i]]
        for (dimensions, levels), unknown in seen.items():
            own.sets.setdefault(dimensions, {})[levels] = unknown
        for a, b in _pairs(at, old):
            change = draft.truth[a] - draft.truth[b]
            if change == 0:
                draft.row([a, b], [1.0, -1.0], 0.0, 0.0)
            elif unit != SUM and abs(change) < policy.threshold * UNIT[unit]:
                difference = draft.implicit(change, -np.inf, np.inf, -np.inf)
                draft.differences[difference] = (policy.threshold - 1) * UNIT[unit]
                draft.row([a, b, difference], [1.0, -1.0, -1.0], 0.0, 0.0)
        for i in np.flatnonzero(withheld & (at >= 0)):
            draft.cost[at[i]] *= AGAIN_COSTS
        draft.cohorts.append(own)


def _cohort(draft: Draft, statistic: tuple[str, str], declared: ResultsTable, values: dict, bandings: dict) -> Cohort:
    """Find the cohort that these numbers belong to: every number they have in common agrees, and there is one."""
    splits = _splits(declared, bandings)
    for cohort in draft.cohorts:
        if cohort.statistic == statistic and _agrees(cohort, values, draft.truth, splits | cohort.partition, bandings):
            cohort.partition |= splits
            return cohort
    draft.cohorts.append(Cohort(statistic, {}, splits))
    return draft.cohorts[-1]


def _splits(declared: ResultsTable, bandings: dict[str, list[tuple[str, Dimension]]]) -> set[str]:
    """Name the dimensions whose levels may be parts of a whole."""
    names = {n: [k for k, d in bandings.get(n, []) if (d.bands, d.kind) == (s.bands, s.kind)] or [n]
             for n, s in declared.dimensions.items()}  # fmt: skip
    return {names[n][0] for n, s in declared.dimensions.items() if not s.codelist and s.kind == "exclusive"}


def _agrees(cohort: Cohort, values: dict, truth: list[float], partition: set[str], bandings: dict) -> bool:
    own: dict[tuple[str, ...], dict[Key, float]] = {}
    for (dimensions, levels), value in values.items():
        own.setdefault(dimensions, {})[levels] = value
    theirs = {d: {k: truth[at] for k, at in cells.items()} for d, cells in cohort.sets.items()}
    fit = bands_fit(own, theirs, bandings)
    if fit is False:
        return False
    common = [(cohort.sets[d][k], v) for (d, k), v in values.items() if k in cohort.sets.get(d, {})]
    if common:
        return all(truth[at] == v for at, v in common)
    for fine, coarse in ((own, theirs), (theirs, own)):
        for f, p in nested(list(fine), list(coarse), partition):
            sums = sums_of(fine[f], f, p)
            if sums.keys() == coarse[p].keys() and all(sums[k] == coarse[p][k] for k in sums):
                return True
    return fit is True


def _within_rows(draft: Draft, name: str, declared: ResultsTable, cells: dict, policy: Policy) -> None:
    """Relate the statistics of a row: the rest of a whole, what cannot exceed what, what is withheld with what."""
    linear = LINEAR[declared.layout]
    for statistic, others in linear.follows.items():
        for other in others if statistic in linear.units else ():
            mutual = statistic in linear.follows.get(other, ())
            for child, parent in _pairs(cells[name, statistic], cells[name, other]):
                draft.pairs[parent, child] = draft.pairs.get((parent, child), True) and not mutual
    for part, whole in linear.parts.items():
        for x, n in _pairs(cells[name, part], cells[name, whole]):
            rest = draft.truth[n] - draft.truth[x]
            shown = (min(policy.threshold, rest) if policy.threshold > 1 else 0.0) if draft.truth[n] else 0.0
            y = draft.implicit(rest, lower=0.0 if draft.primary[x] else shown)
            draft.row([n, x, y], [1.0, -1.0, -1.0], 0.0, 0.0)
            draft.pairs[x, y] = True
            draft.whole[x] = n
            # an outsider must reckon with the threshold of others as well, as far as the whole allows it
            draft.need_min[x] = draft.truth[n] - min(policy.threshold, max(draft.truth[n] - 1, 0))
    for part, whole in linear.at_most.items():
        for x, n in _pairs(cells[name, part], cells[name, whole]):
            draft.row([n, x], [1.0, -1.0], 0.0, np.inf)


def _pairs(first: np.ndarray, second: np.ndarray) -> Iterator[tuple[int, int]]:
    both = (first >= 0) & (second >= 0) & (first != second)
    yield from dict.fromkeys(zip(first[both].tolist(), second[both].tolist()))


def _system(draft: Draft, cells: dict[tuple[str, str], np.ndarray], policy: Policy) -> System:
    n = len(draft.truth)
    kind, truth = np.array(draft.kind, int), np.array(draft.truth, float)
    data, columns, starts = [], [], [0]
    for row in draft.rows:
        columns += row[0]
        data += row[1]
        starts.append(len(columns))
    matrix = sparse.csr_matrix((np.array(data, float), np.array(columns, int), np.array(starts, int)), (len(draft.rows), n))
    row_lower, row_upper = np.array([r[2] for r in draft.rows], float), np.array([r[3] for r in draft.rows], float)
    truth = _completed(truth, matrix, row_lower, row_upper)
    unit = np.select([kind == PEOPLE, kind == DAYS], [UNIT[PEOPLE], UNIT[DAYS]], 0.0)
    t = policy.threshold
    need_width = np.where(kind == SUM, np.abs(truth), unit * (t - 1))
    need_max = np.where(kind == SUM, -np.inf, unit * t)
    need_max[kind == IMPLICIT], need_width[kind == IMPLICIT] = -np.inf, 0.0
    for piece in draft.pieces:
        if 0 < truth[piece] < t:
            need_width[piece], need_max[piece] = t - 1, t
    for difference, width in draft.differences.items():
        need_width[difference] = width
    need_min = np.full(n, np.inf)
    need_min[list(draft.need_min)] = list(draft.need_min.values())
    need_width[draft.public], need_max[draft.public], need_min[draft.public] = 0.0, -np.inf, np.inf
    pairs = list(draft.pairs)
    whole = np.full(n, -1)
    whole[list(draft.whole)] = list(draft.whole.values())
    again = np.zeros(n, bool)
    again[list(draft.again)] = list(draft.again.values())
    return System(
        truth, kind, np.array(draft.lower, float), np.array(draft.upper, float), np.array(draft.floor, float),
        np.array(draft.told_lower, float), np.array(draft.told_upper, float), again, np.array(draft.primary, bool),
        np.array(draft.cost, float), need_width, need_max, need_min,
        np.array([p for p, _ in pairs], int), np.array([c for _, c in pairs], int),
        np.array([draft.pairs[p] for p in pairs], bool), matrix, row_lower, row_upper, cells, whole,
    )  # fmt: skip


def _completed(truth: np.ndarray, matrix: sparse.csr_matrix, row_lower: np.ndarray, row_upper: np.ndarray) -> np.ndarray:
    """Compute the unknowns that no table shows, where those it shows give them away."""
    missing = np.isnan(truth)
    if not missing.any():
        return truth
    slack = 1e-6
    lower, upper = np.where(missing, 0.0, truth - slack), np.where(missing, np.inf, truth + slack)
    lower, upper = propagate(matrix, row_lower - slack, row_upper + slack, lower, upper, np.zeros(len(truth), bool))
    found = missing & (upper - lower < 0.01)
    return np.where(found, np.round((lower + upper) / 2), truth)
