"""How the evidence of the sites was put together, in words and tables."""

from __future__ import annotations

import pandas as pd

from shared_code.reporting.words import pipe_table

LARGEST = 4  # measures named in one cell


def how(results: pd.DataFrame, titles: dict[str, str]) -> str:
    """Tabulate what each analysis asks for, how it is pooled, and why that way.

    results  the tidy results     titles  analysis -> title, in report order
    """
    table = []
    for stem, title in titles.items():
        rows = results[(results["analysis"] == stem) & (results["scope"] == "pooled")]
        rows = rows if len(rows) else results[results["analysis"] == stem]
        for (target, why), part in rows.groupby(["target", "why"], sort=False):
            measures = list(dict.fromkeys(part["measure"]))
            more = f" and {len(measures) - LARGEST} more" if len(measures) > LARGEST else ""
            sites = part["n_sites"].dropna()
            table.append({"Analysis": title, "Asked for": target or "as the study names it",
                          "Given": ", ".join(measures[:LARGEST]) + more, "Why this way": why, "Sites": _span(sites)})  # fmt: skip
    return pipe_table(pd.DataFrame(table), right=("Sites",)) if table else "Nothing was pooled."


def _span(sites: pd.Series) -> str:
    if sites.empty:
        return ""
    least, most = int(sites.min()), int(sites.max())
    return f"{most}" if least == most else f"{least} to {most}"
