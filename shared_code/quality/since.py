"""Since the last release: how far the cohort, and the rows of each month, have moved from what a site released before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

SETTLED = 3  # months: the latest ones of the earlier release were still growing
MOVED = 0.2  # share of its rows by which a month may change
FEWEST = 50  # rows of a month in the earlier release; of fewer nothing can be said
TOLD = 5  # months that are named


@dataclass(frozen=True)
class Moved:
    """Hold how far something moved, as its check measures it, and the numbers in words (they stay at the site)."""

    share: float
    words: str = ""


def psi(now: np.ndarray, before: np.ndarray) -> float:
    """Give the population stability index of two distributions, from counts in the same groups.

    PSI = sum of (a - b) ln(a / b) over shares a and b; half a person is added to every group, so that an empty one has
    a share. 0.1 asks for a look, 0.25 for a stop.

    >>> round(psi(np.array([300, 400, 300]), np.array([300, 400, 300])), 4), round(psi(np.array([50, 50]), np.array([60, 40])), 3)
    (0.0, 0.04)
    """
    return float(_parts(now, before).sum())


def _parts(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    a, b = (np.asarray(counts, float) + 0.5 for counts in (now, before))
    a, b = a / a.sum(), b / b.sum()
    return (a - b) * np.log(a / b)


def drift(cohort: pd.DataFrame, earlier: pd.DataFrame) -> dict[str, float]:
    """Give the stability index of every characteristic of the cohort against the cells of an earlier release.

    cohort   characteristic, level, cases     earlier  released cells; a withheld number counts as the middle of its range
    """
    return {name: moved.share for name, moved in _characteristics(cohort, earlier)}


def since(tables: Mapping[str, pd.DataFrame], earlier: Mapping[str, pd.DataFrame]) -> dict[str, Moved]:
    """Say how far each thing moved since a release: name of the check behind `drift:` -> share and words.

    tables   cohort and months, as the analysis data_quality saved them     earlier  the released cells of the same tables
    """
    found: dict[str, Moved] = {}
    if "cohort" in earlier:
        found |= dict(_characteristics(tables["cohort"], earlier["cohort"])) | _size(tables["cohort"], earlier["cohort"])
    if "months" in earlier:
        found |= _records(tables["months"], earlier["months"])
    return found


def _number(cells: pd.DataFrame) -> pd.Series:
    middle = (cells["lower"] + cells["upper"].replace(np.inf, np.nan)) / 2
    return cells["value"].fillna(middle)


def _characteristics(cohort: pd.DataFrame, earlier: pd.DataFrame) -> Iterator[tuple[str, Moved]]:
    cells = earlier[earlier["statistic"] == "cases"]
    before = cells.assign(before=_number(cells).fillna(0)).set_index(["characteristic", "level"])["before"]
    for name, part in cohort.groupby("characteristic", sort=False):
        both = part.set_index(["characteristic", "level"])["cases"].to_frame("now").join(before, how="inner")
        if len(both) == len(part) and both["before"].sum() > 0 and both["now"].sum() > 0:
            parts, shares = _parts(both["now"].to_numpy(), both["before"].to_numpy()), 100 * both / both.sum()
            most = int(parts.argmax())
            level, (now, then) = both.index[most][1], shares.iloc[most]
            words = f"most by {level}: {now:.1f} % of the cohort now, {then:.1f} % in the last release"
            yield str(name), Moved(float(parts.sum()), words)


def _size(cohort: pd.DataFrame, earlier: pd.DataFrame) -> dict[str, Moved]:
    """Compare the people of the whole cohort; shares of groups do not tell when all of them shrink alike."""
    cells = earlier[earlier["statistic"] == "people"]
    before, now = _number(cells).max(), float(cohort["people"].max())
    if not before > 0:
        return {}
    return {"size": Moved(abs(now / before - 1), f"{now:,.0f} people now, about {before:,.0f} in the last release")}


def _records(months: pd.DataFrame, earlier: pd.DataFrame) -> dict[str, Moved]:
    """Count months that the earlier release held and that have many more or fewer rows now."""
    cells = earlier[earlier["statistic"] == "records"]
    cells = cells.assign(before=_number(cells))[["source", "month", "lower", "upper", "before"]]
    both = months.merge(cells, on=["source", "month"])
    latest = both[both["lower"] > 0].groupby("source")["month"].max()
    end = pd.PeriodIndex(both["source"].map(latest).fillna("1900-01"), freq="M")
    settled = pd.PeriodIndex(both["month"], freq="M") <= end - SETTLED
    judged = both[(both["lower"] >= FEWEST) & settled & both["records"].notna()]
    if judged.empty:
        return {}
    moved = judged[(judged["records"] < (1 - MOVED) * judged["lower"]) | (judged["records"] > (1 + MOVED) * judged["upper"])]
    told = [f"{row.source} {row.month}: {row.records:,.0f} rows now, about {row.before:,.0f} in the last release"
            for row in moved.sort_values(["source", "month"]).head(TOLD).itertuples()]  # fmt: skip
    more = [f"and {len(moved) - TOLD} more"] if len(moved) > TOLD else []
    return {"records": Moved(len(moved) / len(judged), "; ".join(told + more))}
