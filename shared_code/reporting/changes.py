"""Tables of changes between two months."""

from __future__ import annotations

import pandas as pd

from shared_code.reporting.staged import Staged
from shared_code.reporting.words import estimate, interval, pipe_table


def over_sites(report: Staged, stem: str) -> str:
    """Tabulate the change between two months: sum of sites, average over sites, and another site's expected range."""
    table = []
    titles = dict(zip(report.sites["site"], report.sites["title"]))
    for item in report.entry(stem)["items"]:
        rows = report.rows(stem, item=item).set_index("measure")
        summed, average = rows.loc["change"], rows.loc["average change"]
        another, spread = (rows.loc[m] for m in ("change expected in another site", "difference between sites (tau2)"))
        without = [titles.get(s, s) for s in summed["sites_without"].split("; ") if s]
        table.append({
            report.entry(stem)["item_label"]: report.title_of(stem, item),
            "Change, all events together, %": estimate(summed),
            "Average change over sites, %": estimate(average),
            "Range expected in another site, %": interval(another["lower"], another["upper"]),
            "tau2 (95 % interval)": estimate(spread, 3),
            "Sites": int(summed["n_sites"]), "Not in it": ", ".join(without) or "none",
        })  # fmt: skip
    return pipe_table(pd.DataFrame(table), right=tuple(table[0])[1:-1])


def at_sites(report: Staged, stem: str) -> str:
    """Tabulate the change of every site, item by item."""
    chosen = report.results[(report.results["analysis"] == stem) & (report.results["measure"] == "change")
                          & (report.results["scope"] != "pooled") & (report.results["stratum"] == "")]  # fmt: skip
    titles = dict(zip(report.sites["site"], report.sites["title"]))
    wide: dict[str, dict[str, str]] = {}
    for _, row in chosen.iterrows():
        site = titles.get(row["sites"], row["sites"])
        wide.setdefault(site, {})[report.title_of(stem, row["item"])] = estimate(row)
    frame = pd.DataFrame(wide).T.fillna("not collected").rename_axis("Site").reset_index()
    return pipe_table(frame, right=tuple(frame.columns)[1:])


def in_strata(report: Staged, stem: str) -> str:
    """Tabulate the change in each group of people, all sites together, a column per item."""
    chosen = report.results[(report.results["analysis"] == stem) & (report.results["measure"] == "change")
                          & (report.results["scope"] == "pooled") & (report.results["stratum"] != "")]  # fmt: skip
    labels = report.entry(stem)["labels"]
    wide: dict[tuple[str, str], dict[str, str]] = {}
    for _, row in chosen.iterrows():
        dimension, level = row["stratum"].split("=", 1)
        group = (report.entry(stem)["dimensions"].get(dimension, dimension), labels.get(f"{dimension}:{level}", level))
        shown = f"{estimate(row)} [{int(row['n_sites'])} sites]{{.sites}}"
        wide.setdefault(group, {})[report.title_of(stem, row["item"])] = shown
    frame = pd.DataFrame(wide).T.fillna("not given").rename_axis(["Group", "Level"]).reset_index()
    return pipe_table(frame, right=tuple(frame.columns)[2:])
