"""Sentences of the leaders' summary: a number with its interval, and what must be said with it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from shared_code.reporting import evidence
from shared_code.reporting.words import interval, more_or_fewer, more_or_fewer_limits, number

MUCH_WITHHELD = 0.1  # share of the numerator in withheld or rounded numbers from which a sentence says so


def sentence(report: Any, stem: str, finding: dict[str, Any]) -> str:
    """Write one finding as a line of a list: its words, what they leave open, and how many sites are in it."""
    found = report.rows(stem, **finding["where"])
    if found.empty:
        return f"- Not given: no release holds the {finding['where']['measure']} asked for here."
    if len(found) > 1:
        raise ValueError(f"findings of {stem}: {finding['where']} fits {len(found)} results")
    row, decimals = found.iloc[0], finding["decimals"]
    if pd.isna(row["estimate"]):
        what = report.title_of(stem, row["item"])
        return f"- {what}, {finding['where']['measure']}: not given ({row['reason']})."
    told = "more_or_fewer" in finding["text"]
    limits = more_or_fewer_limits if told else interval
    words = finding["text"].format(
        estimate=f"**{number(row['estimate'], decimals)}**",
        more_or_fewer=f"**{more_or_fewer(row['estimate'], decimals)}**",
        interval="95 % interval " + limits(row["lower"], row["upper"], decimals), sites=int(row["n_sites"]),
        agreement=row["agreement"], each=evidence.each(report.of_sites(stem, row), report.titles, decimals),
    )  # fmt: skip
    if row["withheld_share"] > MUCH_WITHHELD:
        extremes = limits(row["bound_lower"], row["bound_upper"], decimals)
        words += f" If every withheld number were extreme: {extremes}." if extremes else ""
    words += "".join(but(report, stem, one) for one in finding.get("but", []))
    words += evidence.reservations(row)
    return f"- {words} [{int(row['n_sites'])} sites]{{.sites}}"


def but(report: Any, stem: str, one: dict[str, Any]) -> str:
    """Say what a finding must be read with, where another result lies below or above a value; else nothing.

    Where that result is not given its bounds decide, and it is said where they leave it open, or where there are none.
    """
    found, decimals = report.rows(stem, **one["where"]), one["decimals"]
    if len(found) > 1:
        raise ValueError(f"findings of {stem}: {one['where']} fits {len(found)} results")
    low = high = float("nan")
    if len(found):
        row = found.iloc[0]
        known = not pd.isna(row["estimate"])
        low, high = (row["estimate"],) * 2 if known else (row["bound_lower"], row["bound_upper"])
    if pd.isna(low) or pd.isna(high):
        return f" Not given, so that it may matter here: {one['unless']}."
    if (one["below"] is not None and not low < one["below"]) or (one["above"] is not None and not high > one["above"]):
        return ""
    told = number(low, decimals)
    if told != number(high, decimals):
        told = f"between {told} and {number(high, decimals)}"
    return " " + one["say"].format(estimate=told, interval=interval(row["lower"], row["upper"], decimals))
