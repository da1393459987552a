"""Reconciliation: do the numbers of a site fit together, within a table, over tables, and with what it released before?

All released numbers of a site form one linear system (pooling/relations.py). True numbers in the released ranges that
fulfil it exist wherever a site counted honestly. Where none exist, the fewest relations that must give way name the
contradiction: by site, table and cell, in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linprog

from shared_code.config.agreement import Agreement, at_places
from shared_code.config.study import Study
from shared_code.model import ALL, Problem, Refused
from shared_code.pooling import relations as rel
from shared_code.pooling.inbox import Inbox, Received
from shared_code.pooling.relations import Family, Numbers, Tables, numbers_of

WRITTEN = 1e-6  # numbers are written with six decimals
SLACK = 1e-4  # what a relation may miss by, beyond the digits that numbers are written with


@dataclass(frozen=True)
class Contradiction:
    """Hold one thing that no honest counting can give.

    table   analysis.table, or several of them        item   level of the pooled dimension it is about; empty: any
    words   what is wrong, with the numbers; it names no person and no number that was not released
    """

    site: str
    table: str
    cell: str
    words: str
    item: str = ""

    @property
    def analyses(self) -> set[str]:
        return {name.partition(".")[0] for name in self.table.split("; ")}


def reconcile(study: Study, inbox: Inbox, earlier: dict[str, list[Received]] | None = None) -> list[Contradiction]:
    """Find every contradiction in the releases of an inbox.

    earlier  site -> releases that were superseded, oldest first
    """
    found = []
    for site, received in inbox.releases.items():
        tables = {key: (study.analyses[key[0]].results[key[1]], cells) for key, cells in received.tables.items()}
        found += contradictions(site, tables, at_places(study.agree, received.manifest.get("places", {})))
        for before in (earlier or {}).get(site, []):
            found += changed(site, received, before, tables)
    return found


def contradictions(site: str, tables: Tables, agreements: Sequence[Agreement] = ()) -> list[Contradiction]:
    """Find what no true numbers in the released ranges of one site can fulfil."""
    numbers = numbers_of(tables)
    if not len(numbers.lower):
        return []
    families = list(rel.relations(numbers, agreements))
    room = WRITTEN * np.maximum(1.0, np.abs(np.where(np.isfinite(numbers.lower), numbers.lower, 0.0)))
    low, high = numbers.lower - room, numbers.upper + room
    empty = np.flatnonzero(numbers.lower > numbers.upper)
    found = [Contradiction(site, *_place(numbers, i), "its lowest value lies above its highest") for i in empty]
    low[empty], high[empty] = -np.inf, np.inf
    alone, left = [], []
    for family in families:  # first each relation by itself: what fails alone is said plainly, and set aside
        least, most = _activity(family.matrix, low, high)
        fails = (least > family.upper + SLACK) | (most < family.lower - SLACK)
        alone += [(family, row, least[row], most[row]) for row in np.flatnonzero(fails)]
        slack_rows = (least < family.lower) | (most > family.upper)  # the others hold whatever the numbers are
        left.append((family, np.flatnonzero(~fails & slack_rows)))
    found += [_told(site, numbers, family, row, None) for family, row, _, _ in alone]
    found += [_told(site, numbers, family, row, missed) for family, row, missed in _together(left, low, high)]
    return list(dict.fromkeys(found))


def _activity(matrix: sparse.csr_matrix, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the least and the largest value of every row."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    up = matrix.data > 0
    least = matrix.data * np.where(up, low[matrix.indices], high[matrix.indices])
    most = matrix.data * np.where(up, high[matrix.indices], low[matrix.indices])
    return np.bincount(rows, least, matrix.shape[0]), np.bincount(rows, most, matrix.shape[0])


def _together(left: list[tuple[Family, np.ndarray]], low: np.ndarray, high: np.ndarray
              ) -> Iterator[tuple[Family, int, float]]:  # fmt: skip
    """Find the relations that give way when all of them are asked for at once, and by how much (HiGHS).

    Each relation may be missed at a cost in proportion; the least total cost is 0 when all can hold together.
    """
    chosen = [(family, rows) for family, rows in left if len(rows)]
    if not chosen:
        return
    matrix = sparse.vstack([family.matrix[rows] for family, rows in chosen]).tocsr()
    lower = np.concatenate([family.lower[rows] for family, rows in chosen])
    upper = np.concatenate([family.upper[rows] for family, rows in chosen])
    used = np.unique(matrix.indices)
    matrix, low, high = matrix[:, used], low[used], high[used]
    n, m = matrix.shape[1], matrix.shape[0]
    above, below = np.isfinite(upper), np.isfinite(lower)  # one-sided rows: A x - s <= upper, -A x - s <= -lower
    give = sparse.identity(m, format="csr")
    rows = sparse.vstack([sparse.hstack([matrix[above], -give[above]]), sparse.hstack([-matrix[below], -give[below]])])
    found = linprog(
        np.concatenate([np.zeros(n), np.ones(m)]), A_ub=rows.tocsr(), b_ub=np.concatenate([upper[above], -lower[below]]),
        bounds=np.column_stack([np.concatenate([low, np.zeros(m)]), np.concatenate([high, np.full(m, np.inf)])]), method="highs",
    )  # fmt: skip
    if found.status != 0:
        raise RuntimeError(f"the solver stopped: {found.message}")
    missed = found.x[n:]
    places = [(family, int(row)) for family, rows in chosen for row in rows]
    for at in np.flatnonzero(missed > SLACK):
        yield (*places[at], float(missed[at]))


def _place(numbers: Numbers, unknown: int) -> tuple[str, str]:
    """Name the table and the cell of an unknown."""
    stem, name, statistic, row = numbers.cells[int(unknown)]
    return f"{stem}.{name}", cell_words(numbers.tables[stem, name].iloc[row], numbers.declared[stem, name], statistic)


def cell_words(row: pd.Series, declared: rel.ResultsTable, statistic: str) -> str:
    """Name a cell: the statistic, and the levels it is about."""
    levels = [f"{name} {row[name]}" for name in declared.dimensions if row[name] != ALL]
    return f"{statistic} ({', '.join(levels) or 'everyone'})"


def _item(numbers: Numbers, unknowns: np.ndarray) -> str:
    """Give the level of the table's first dimension that a contradiction is about, if it is about one only."""
    items = set()
    for unknown in unknowns:
        stem, name, _, row = numbers.cells[int(unknown)]
        first = next(iter(numbers.declared[stem, name].dimensions))
        items.add(str(numbers.tables[stem, name].iloc[row][first]))
    return items.pop() if len(items) == 1 else ""


def _range(low: float, high: float) -> str:
    """Write a released number or its range."""
    if np.isclose(low, high):
        return f"{low:,.6g}" if abs(low) < 1e15 else f"{low}"
    if np.isinf(high):
        return "any number" if np.isinf(low) or low <= 0 else f"{low:,.6g} or more"
    return f"{low:,.6g} to {high:,.6g}"


def _told(site: str, numbers: Numbers, family: Family, row: int, missed: float | None) -> Contradiction:
    """Say in words what one relation is about and how it fails, by itself or only together with others."""
    entries = family.matrix[row]
    at, times = entries.indices, entries.data
    table, cell = _place(numbers, family.about[row])
    tables = "; ".join(dict.fromkeys([table, *(_place(numbers, i)[0] for i in at)]))

    def summed(chosen: np.ndarray) -> str:
        least, most = (side[at[chosen]] @ np.abs(times[chosen]) for side in (numbers.lower, numbers.upper))
        return _range(float(least), float(most))

    left, right = summed(times < 0), summed(times > 0)
    if family.kind == rel.PARTS:
        words = f"broken out by {family.said} it adds up to {left}, but the total is {right}"
    elif family.kind in (rel.AGREES, rel.SAME):
        words = f"{family.said}: {left} in one place, {right} in another"
    elif family.kind == rel.PART:
        words = f"it is {left}, but not broken out by {family.said} it is {right}"
    elif family.kind == rel.NESTED:
        words = f"it is {left}, but for {family.said}, which holds it, {right}"
    else:
        words = f"it is {left}, but {family.said}, of which it is a part, is {right}"
    if missed is not None:
        words += f"; with the other numbers that were released, it misses by at least {missed:,.6g}"
    return Contradiction(site, tables, cell, words, _item(numbers, at))


def changed(site: str, now: Received, before: Received, tables: Tables) -> Iterator[Contradiction]:
    """Compare a release with an earlier one of the same extract and the same plan: every number must be able to be the same."""
    same = all(now.manifest.get(key) == before.manifest.get(key) for key in ("extract_date", "holdings"))
    if not same or now.manifest.get("made_up_data"):  # made-up people can be made up anew
        return
    for (stem, name), (declared, cells) in tables.items():
        old = before.tables.get((stem, name))
        if old is None or before.manifest["plans"].get(stem) != now.manifest["plans"].get(stem):
            continue
        keys = [*declared.dimensions, "statistic"]
        both = cells.merge(old, on=keys, suffixes=("", " before"))
        apart = both[(both["lower"] > both["upper before"]) | (both["upper"] < both["lower before"])]
        for _, row in apart.iterrows():
            then, today = (_range(row[f"lower{w}"], row[f"upper{w}"]) for w in (" before", ""))
            item = str(row[next(iter(declared.dimensions))])
            words = f"it is {today}, and was {then} in release {before.sent.number} of the same extract"
            yield Contradiction(site, f"{stem}.{name}", cell_words(row, declared, row["statistic"]), words, item)


def table_of(found: Sequence[Contradiction]) -> pd.DataFrame:
    """Lay contradictions out as they are published, numbered."""
    columns = ["number", "site", "table", "cell", "words", "item"]
    return pd.DataFrame([{"number": i, **asdict(one)} for i, one in enumerate(found, 1)], columns=columns)


def footnotes(row: dict, found: Sequence[Contradiction], inside: Sequence[str]) -> str:
    """List the numbers of the contradictions that touch a result."""
    touched = [i for i, one in enumerate(found, 1)
               if one.site in inside and row["analysis"] in one.analyses and one.item in ("", row.get("item", ""))]  # fmt: skip
    return "; ".join(map(str, touched))


def refuse_if_asked(study: Study, found: Sequence[Contradiction]) -> None:
    """Stop the pooling of contradictory releases where the study says so (raises model.Refused)."""
    if found and study.contradictions == "refuse":
        mend = ("Ask the site to correct it and to release again (where the newer of two releases is the correction, remove the "
                "older one from the folder superseded), or declare contradictions: footnote in the protocol")  # fmt: skip
        raise Refused("The releases", [Problem(f"{one.site}, {one.table}, {one.cell}", one.words, "", mend) for one in found])
