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


def contradictions(found: pd.DataFrame, titles: dict[str, str]) -> str:
    """List contradictions as footnotes; say so where there are none.

    found  contradictions.csv     titles  site -> title
    """
    if found.empty:
        return "The released numbers of every site fit together: within their tables, over tables, and with earlier releases."
    table = [{"Footnote": one["number"], "Site": titles.get(one["site"], one["site"]), "Table": one["table"],
              "Cell": one["cell"], "What does not fit": one["words"]} for one in found.to_dict("records")]  # fmt: skip
    return pipe_table(pd.DataFrame(table), right=("Footnote",))


def reservations(row: pd.Series) -> str:
    """Say with a finding what one must know before one relies on it: rough intervals, contradictory numbers."""
    words = f" Caution: {row['caution']}." if row["caution"] else ""
    if row["footnotes"]:
        words += f" A site in it sent numbers that contradict each other (footnote {row['footnotes'].replace('; ', ', ')})."
    return words


def _span(sites: pd.Series) -> str:
    if sites.empty:
        return ""
    least, most = int(sites.min()), int(sites.max())
    return f"{most}" if least == most else f"{least} to {most}"
