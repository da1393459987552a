"""Months: what was received of each source, which months look like a failed feed, and person-time without them."""

from __future__ import annotations

import datetime as dt

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from shared_code.config.results import months_between
from shared_code.config.study import Period
from shared_code.measures.prepared import Prepared
from shared_code.model.checks import FEEDS, SOURCES

WINDOW = 12  # months whose median a month is compared with
SHARE, SCORE = 0.2, 5.0  # a month is unusual when it is off by more than this share and more than so many deviations
NORMAL = 1.4826  # median absolute deviation -> standard deviation
FEWEST = 7  # usual rows a month below which an empty month may be chance (Poisson: 1 in 1,100 at 7)


def unusual(counts: ArrayLike) -> np.ndarray:
    """Say which months hold far fewer or far more rows than the twelve months around them.

    counts  rows by month in order, shape (months,)
    Unusual: |n/median - 1| > 0.2 and |n - median| / (1.4826 MAD) > 5 over a window of 12 months; the deviation is taken
    to be at least Poisson noise, so that few rows a month raise nothing by chance. An empty month is unusual where 7 or
    more rows are usual. Source: methods specification, section 1.

    >>> unusual([4010, 3955, 4102, 4066, 3990, 4051, 1240, 4033, 3978, 4120, 4060, 4015]).nonzero()[0] + 1
    array([7])
    """
    n = np.asarray(counts, dtype=float)
    found = np.zeros(len(n), dtype=bool)
    for month in range(len(n)):
        start = int(np.clip(month - WINDOW // 2, 0, max(0, len(n) - WINDOW)))
        around = n[start : start + WINDOW]
        median = np.median(around)
        spread = max(NORMAL * np.median(np.abs(around - median)), np.sqrt(median), 1e-9)
        off = abs(n[month] - median)
        found[month] = median > 0 and off > SHARE * median and off > SCORE * spread
        found[month] |= n[month] == 0 and median >= FEWEST
    return found


def judged(counts: ArrayLike) -> bool:
    """Say whether a source has rows enough for its months to be judged.

    >>> judged([40, 38, 0, 41]), judged([1, 0, 2, 0])
    (True, False)
    """
    n = np.asarray(counts, dtype=float)
    return bool(len(n)) and float(np.median(n)) >= FEWEST


def by_month(prepared: Prepared, months: list[str]) -> pd.DataFrame:
    """Count rows and people of every source in every month: source, month, people, records (the layout `bins`).

    months  as YYYY-MM, in order. A month without rows is there with 0.
    """
    parts = [_of_feed(prepared, table) for table in FEEDS if prepared.has(table)]
    columns = ["source", "month", "people", "records"]
    found = pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)
    grid = pd.MultiIndex.from_product([sorted(found["source"].unique()), months], names=["source", "month"])
    counted = found.set_index(["source", "month"]).reindex(grid, fill_value=0)
    return counted.reset_index().astype({"people": "int64", "records": "int64"})


def receipt(prepared: Prepared, period: Period) -> pd.DataFrame:
    """Say for every source and month of a period what was received: source, month, received, rows, first, last.

    A site that delivers a table `source_receipt` is believed where it says that a month was not received, or was. For all
    else a month counts as received unless it is empty although rows are usual. first and last: dates within the month.
    """
    months = months_of(period)
    parts = [_of_feed(prepared, table) for table in FEEDS if prepared.has(table)]
    columns = ["source", "month", "received", "rows", "first", "last"]
    if not parts:
        return pd.DataFrame(columns=columns)
    found = pd.concat(parts, ignore_index=True)
    grid = pd.MultiIndex.from_product([sorted(found["source"].unique()), months], names=["source", "month"])
    table = found.set_index(["source", "month"]).reindex(grid).rename(columns={"records": "rows"}).reset_index()
    table["rows"] = table["rows"].fillna(0).astype("int64")
    usual = table.groupby("source")["rows"].transform(lambda n: unusual(n) & (n.to_numpy() == 0))
    table["received"] = ~usual.astype(bool)
    if prepared.has("source_receipt"):
        said = prepared.source_receipt.select("source", "month", "received").execute()
        known = {(str(s), f"{m:%Y-%m}"): bool(r) for s, m, r in said.itertuples(index=False)}
        own = [known.get((s, m), known.get((s.partition(".")[0], m))) for s, m in zip(table["source"], table["month"])]
        table["received"] = [bool(a if b is None else b) for a, b in zip(table["received"], own)]
    return table[columns]


def _of_feed(prepared: Prepared, name: str) -> pd.DataFrame:
    """Count one feed by source and month: source, month, people, records, first, last."""
    rows = getattr(prepared, name)
    day = rows[FEEDS[name]].cast("date")
    source = ibis.literal(f"{name}.").concat(rows.source) if name == "condition_event" else ibis.literal(name)
    rows = rows.filter(day.notnull()).mutate(source=source, day=day)
    rows = rows.mutate(month=rows.day.strftime("%Y-%m"))
    found = rows.group_by("source", "month").agg(people=rows.person_id.nunique(), records=rows.count(),
                                                 first=rows.day.min(), last=rows.day.max())  # fmt: skip
    table = found.execute()
    return table[table["source"].isin(list(SOURCES))]


def months_of(period: Period) -> list[str]:
    """List the months that begin in a period, as YYYY-MM.

    >>> months_of(Period(start="2025-11-01", end="2026-02-01"))
    ['2025-11', '2025-12', '2026-01']
    """
    return months_between(f"{period.start:%Y-%m}", f"{period.end - dt.timedelta(days=1):%Y-%m}")


def missing_months(receipt: pd.DataFrame, *sources: str) -> list[str]:
    """List the months in which one of some sources was not received. A table stands for all its sources."""
    wanted = receipt["source"].isin(sources) | receipt["source"].str.partition(".")[0].isin(sources)
    return sorted(set(receipt.loc[wanted & ~receipt["received"].astype(bool), "month"]))


def observed_days(entry: ir.DateValue, leave: ir.DateValue, missing: list[str]) -> ir.IntegerValue:
    """Give the days at risk in [entry, leave) outside the months in which a source was not received.

    entry, leave  dates by person, not missing    missing  months, YYYY-MM (see `missing_months`)
    An event cannot be seen in such a month, so its days are no part of the denominator.
    """
    days = ibis.greatest(leave.delta(entry, unit="day"), 0)
    for month in missing:
        first = dt.date.fromisoformat(f"{month}-01")
        after = (first + dt.timedelta(days=32)).replace(day=1)
        low, high = (ibis.literal(d.isoformat()).cast("date") for d in (first, after))
        days = days - ibis.greatest(ibis.least(leave, high).delta(ibis.greatest(entry, low), unit="day"), 0)
    return days


def observed_share(receipt: pd.DataFrame, period: Period, *sources: str) -> float:
    """Give the share of the days of a period in which some sources were received, for person-years of whole populations."""
    total = (period.end - period.start).days
    lost = 0
    for month in missing_months(receipt, *sources):
        first = dt.date.fromisoformat(f"{month}-01")
        after = (first + dt.timedelta(days=32)).replace(day=1)
        lost += max(0, (min(after, period.end) - max(first, period.start)).days)
    return 1 - lost / total
