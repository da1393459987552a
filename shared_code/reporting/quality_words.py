"""Words and tables of data quality: traffic lights, what was raised, shares, lists and lags."""

from __future__ import annotations

import pandas as pd

from shared_code.model.checks import CHECKS, KINDS, LOOK, NOT_ASSESSED, PASS, SOURCES, STOP
from shared_code.model.words import lower_first
from shared_code.reporting.words import estimate, number, pipe_table

WORST_FIRST = [STOP, LOOK, PASS, NOT_ASSESSED]
SIGNS = {PASS: "● pass", LOOK: "▲ look", STOP: "■ stop", NOT_ASSESSED: "○ not assessed"}
STEM = "data_quality"


def lights(told: pd.DataFrame) -> str:
    """Tabulate the worst verdict of each kind of check at each site, and of how many checks it is the worst."""
    rows = []
    for title, mine in told.groupby("title", sort=True):
        row = {"Site": title}
        for kind in KINDS.values():
            counts = mine.loc[mine["kind"] == kind, "verdict"].value_counts()
            worst = next((v for v in WORST_FIRST if counts.get(v)), NOT_ASSESSED)
            judged = sum(counts.get(v, 0) for v in (PASS, LOOK, STOP))
            row[kind] = SIGNS[worst] + (f" ({counts[worst]} of {judged})" if judged else "")
        rows.append(row)
    return pipe_table(pd.DataFrame(rows))


def raised(told: pd.DataFrame) -> str:
    """List every check that says look or stop, with the share of faults behind it."""
    found = told[told["verdict"].isin([STOP, LOOK])]
    if found.empty:
        return "Nothing was raised at any site.\n"
    order = found["verdict"].map({STOP: 0, LOOK: 1})
    lines = []
    for row in found.assign(order=order).sort_values(["order", "title", "check"]).to_dict("records"):
        size = f": {number(row['share'], 1)} %" if row["share"] == row["share"] else ""
        why = f" ({row['reason']})" if row["reason"] else ""
        lines.append(f"- {SIGNS[row['verdict']]}: {row['title']}, {lower_first(row['words'])}{size}{why}.")
    return "\n".join(lines) + "\n"


def checks(rows: pd.DataFrame) -> str:
    """Tabulate the share of every check that could be judged, all sites together."""
    table = [{
        "What is counted": CHECKS[row["item"]].title, "Kind": KINDS[CHECKS[row["item"]].kind],
        "Rows with the fault": number(row["people"] - row["events"] if sound else row["events"], 0),
        "of": number(row["people"], 0), "Without the fault, %": _without(row, sound), "Sites": int(row["n_sites"]),
    } for row in rows.to_dict("records") if row["item"] in CHECKS and row["estimate"] == row["estimate"]
        for sound in [row["measure"] in ("complete", "valid")]]  # fmt: skip
    return pipe_table(pd.DataFrame(table), right=("Rows with the fault", "of", "Without the fault, %", "Sites"))


def _without(row: dict, sound: bool) -> str:
    if sound:
        return estimate(row, 2)
    return estimate({**row, "estimate": 100 - row["estimate"], "lower": 100 - row["upper"], "upper": 100 - row["lower"]}, 2)


def list_ratio(rows: pd.DataFrame, labels: dict[str, str]) -> str:
    """Tabulate registered people over population: everybody, by sex, by age."""
    table = [{
        "Group": "Everybody" if row["group"] == "everyone" else labels.get(f"{row['group']}:{row['level']}", row["level"]),
        "Registered": number(row["events"], 0), "Estimated population": number(row["people"], 0), "Ratio": estimate(row, 2),
        "Sites": int(row["n_sites"]),
    } for row in rows.to_dict("records")]  # fmt: skip
    return pipe_table(pd.DataFrame(table), right=("Registered", "Estimated population", "Ratio", "Sites"))


def lags(rows: pd.DataFrame) -> str:
    """Tabulate median and 90th percentile of the days from a fact to its record."""
    table = []
    for item, part in rows.groupby("item", sort=True):
        by = part.set_index("measure")
        if not by["estimate"].notna().any():
            continue
        table.append({"What": SOURCES.get(str(item), item), "Median, days": estimate(by.loc["median"], 1),
                      "Nine in ten within, days": estimate(by.loc["90th percentile"], 1),
                      "Records": number(by.loc["median", "people"], 0), "Sites": int(by.loc["median", "n_sites"])})  # fmt: skip
    if not table:
        return "No site records both the day of a fact and the day of its record."
    return pipe_table(pd.DataFrame(table), right=("Median, days", "Nine in ten within, days", "Records", "Sites"))
