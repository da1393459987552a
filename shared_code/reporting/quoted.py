"""Tables of one study's report that a page of another study quotes: computed, committed, and compared by a test."""

from __future__ import annotations

from shared_code.reporting.page import Report

HEAD = "<!-- Computed from {sites} published tables by `cohortium quote`; never typed. A test compares it with the tables. -->"


def quoted_part(report: Report, stem: str) -> str:
    """Write, as Markdown, what published tables say of changes between two months: naive and against trend, by site and group."""
    captions = {
        "Change from a year before, and against the trend of the two years before that": report.trends(stem),
        "Change from a year before at each site, % (95 % interval)": report.site_changes(stem),
        "Change from a year before in each group, all sites together, % (95 % interval)": report.strata_changes(stem),
    }
    head = HEAD.format(sites=len(report.sites["site"].unique()))
    return "\n\n".join([head, *(f"{table.rstrip()}\n\n: {caption}" for caption, table in captions.items())]) + "\n"
