"""Tables of predicted risks for report pages: by band, by what can be offered, and group by group."""

from __future__ import annotations

import pandas as pd

from shared_code.pooling.risk_bands import FLAGGED, IN_BAND, OBSERVED, PPV, PREDICTED, SENSITIVITY
from shared_code.reporting.places import PlaceTables
from shared_code.reporting.words import estimate, number, pipe_table

NOTHING = "Nothing is given."


class RiskTables(PlaceTables):
    """Give a page tables of predicted risks; `Report` takes these in."""

    def risk_bands(self, stem: str, band: str = "band") -> str:
        """Tabulate predicted beside observed risk, band by band, with the share of people in each."""
        table = []
        for level, one in self._strata(stem, band):
            if IN_BAND in one.index:
                told = {name: estimate(one.loc[measure]) if measure in one.index else "nobody is in it"
                        for name, measure in (("Predicted, %", PREDICTED), ("Observed, %", OBSERVED))}  # fmt: skip
                row = one.loc[IN_BAND]
                table.append({"Risk, %": level, **told, "People": number(row["people"], 0), "Of all, %": number(row["estimate"]),
                              "Sites": int(row["n_sites"])})  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=tuple(table[0])) if table else NOTHING

    def capacity(self, stem: str, band: str = "band") -> str:
        """Tabulate who would be offered something, how many of the cases are among them, and how many of them are cases.

        First the few per cent at the highest risk, then everybody from each risk on.
        """
        table = []
        for stratum, words in (("capacity", "The {} % at the highest risk"), (band, "People at {} % or more")):
            for level, one in self._strata(stem, stratum):
                if SENSITIVITY in one.index and (stratum == "capacity" or FLAGGED in one.index) and level != "0":
                    row = one.loc[SENSITIVITY]
                    table.append({
                        "Offered to": words.format(level), "People": number(row["people"], 0),
                        "Cases among them": number(row["events"], 0), "Of all cases, %": estimate(row),
                        "Cases of those offered it, %": estimate(one.loc[PPV]) if PPV in one.index else "not given",
                        "Sites": int(row["n_sites"]),
                    })
        return pipe_table(pd.DataFrame(table), right=tuple(table[0])[1:]) if table else NOTHING

    def fairness(self, stem: str, group: str) -> str:
        """Tabulate of every level of a group: observed over expected, and cases found from the declared risk (`act_at`) on."""
        labels, rows = self.entry(stem)["labels"], self.rows(stem, group=group)
        at = self.entry(stem)["parameters"]["act_at"]
        shown = {"Observed over expected": ("observed over expected", 2),
                 "Of its cases found, %": (f"{SENSITIVITY} from {at} %", 1),
                 "Cases of those offered it, %": (f"{PPV} from {at} %", 1)}  # fmt: skip
        table = []
        for level, part in rows[rows["measure"].isin([measure for measure, _ in shown.values()])].groupby("level", sort=True):
            one = part.set_index("measure")
            told = {name: estimate(one.loc[measure], places) if measure in one.index else "not given"
                    for name, (measure, places) in shown.items()}  # fmt: skip
            sites = dict.fromkeys(f"{n:.0f}" for n in (one["n_sites"].min(), one["n_sites"].max()))
            table.append({"Group": labels.get(f"{group}:{level}", level), "People": number(one["people"].max(), 0),
                          "Cases": number(one["events"].max(), 0), **told, "Sites": " to ".join(sites)})  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=tuple(table[0])[1:]) if table else NOTHING

    def _strata(self, stem: str, name: str) -> list[tuple[str, pd.DataFrame]]:
        """Give the pooled results of every level of a stratum, by measure, the lowest level first."""
        mine = self.results[(self.results["analysis"] == stem) & (self.results["scope"] == "pooled")]
        mine = mine[mine["stratum"].str.startswith(f"{name}=")]
        parts = [(stratum.partition("=")[2], part.drop_duplicates("measure").set_index("measure"))
                 for stratum, part in mine.groupby("stratum", sort=False)]  # fmt: skip
        return sorted(parts, key=lambda part: float(part[0].partition("-")[0].rstrip("+")))
