"""The part of the README that shows what the demonstration made: computed, never typed."""

from __future__ import annotations

import pandas as pd

from shared_code.reporting.page import Report
from shared_code.reporting.words import estimate, interval, number, pipe_table, share

START, END = "<!-- made by the demonstration: start -->", "<!-- made by the demonstration: end -->"
SHOWN = ["copd", "diabetes", "depression", "coronary_heart_disease", "hypertension", "cancer", "two_or_more", "four_or_more"]


def demonstration_part(report: Report) -> str:
    """Write the table of the README: most against least deprived fifth, a few conditions."""
    stem = "long_term_conditions"
    table = []
    for item in SHOWN:
        one = report.rows(stem, group="deprivation", item=item, level="1").set_index("measure")
        prevalence, ratio = one.loc["standardised prevalence"], one.loc["standardised ratio"]
        table.append({
            "Condition": report.title_of(stem, item),
            "With it, of people in the most deprived fifth":
                f"{number(prevalence['events'], 0)} of {number(prevalence['people'], 0)}",
            "Standardised, %": estimate(prevalence),
            "Times as common as in the least deprived fifth": estimate(ratio, 2),
            "Bounds": interval(ratio["bound_lower"], ratio["bound_upper"], 2),
            "Withheld, at most": share(ratio["withheld_share"]), "Sites": int(ratio["n_sites"]),
        })  # fmt: skip
    return pipe_table(pd.DataFrame(table), right=tuple(table[0])[1:])


def with_part(readme: str, part: str) -> str:
    """Put the part between its two markers."""
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{part}\n{END}{after}"


def part_of(readme: str) -> str:
    """Read what stands between the two markers."""
    return readme.partition(START)[2].partition(END)[0].strip()
