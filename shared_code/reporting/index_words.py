"""What a page can say of a composite index: sentences and tables; everything was computed when pooling."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.reporting.words import number, pipe_table

WEAK = 0.7  # Cronbach's alpha below which indicators of a component hardly go together
FLAGS = {1: "stronger", 0: "no clear difference", -1: "weaker"}
TEXTS = ("place", "name", "district", "group", "edition", "level", "item", "switch", "title", "reason", "component", "indicator",
         "more_is", "transform")  # fmt: skip


class IndexWords:
    """Give a page the tables and sentences of one index; where it was not computed, each of them says so."""

    def __init__(self, folder: Path, name: str):
        self.folder, self.name = folder, name
        self.there = (folder / f"{name}.csv").is_file()

    @cached_property
    def told(self) -> dict[str, Any]:
        return json.loads((self.folder / f"{self.name}.json").read_text("utf-8"))

    def _read(self, ending: str = "") -> pd.DataFrame:
        frame = pd.read_csv(self.folder / f"{self.name}{ending}.csv", dtype=dict.fromkeys(TEXTS, str))
        texts = [c for c in TEXTS if c in frame]
        return frame.assign(**{c: frame[c].fillna("") for c in texts})

    @cached_property
    def table(self) -> pd.DataFrame:
        return self._read()

    @cached_property
    def total(self) -> pd.DataFrame:
        """Give the rows of the index itself, best first."""
        return self.table[self.table["level"] == "index"].sort_values(["rank", "place"], kind="stable")

    def title(self, item: str) -> str:
        parts = {**self.told["dimensions"], **self.told["components"], **self.told["indicators"]}
        labels = self.told.get("labels", {})
        return self.told["title"] if item == self.name else labels.get(item) or parts[item]["title"]

    def _absent(self) -> str:
        if (self.folder / f"{self.name}.json").is_file():
            return f"Not given: {'; '.join(self.told['refused'])}."
        return "Not given: too few sites have released the indicators of this index."

    def summary(self) -> str:
        """Say what places the index is of, who is highest and lowest, and how certain ranks are."""
        if not self.there:
            return self._absent()
        told, known = self.told, self.total[self.total["rank"].notna()]
        first, last = known.iloc[0], known.iloc[-1]
        lines = [f"- **{told['places']}** wards of one edition ({told['edition'].removeprefix('ward ')}), "
                 f"{len(told['indicators'])} indicators, {_many(len(told['components']), 'component')}."]  # fmt: skip
        lines.append(f"- Highest: {_named(first)}; lowest: {_named(last)}.")
        for name, title in told["groups"].items():
            mine = known[known["group"] == name]
            sure = int((mine["lowest_fifth"] > 0.95).sum())
            lines.append(f"- {title}: **{len(mine)}** wards, mean score **{number(mine['score'].mean(), 1)}**; {sure} of them "
                         "are almost certainly in the lowest fifth of all.")  # fmt: skip
        wide, known = number(told["median_rank_width_without_one"], 0), len(told["with_error"])
        lines.append(f"- The 95 % interval of a middle ward spans {number(told['median_rank_width'], 0)} ranks"
                     + (f", and {wide} where one component is left out at random; {known} of the {len(told['indicators'])} "
                        "indicators have a known sampling error, so the wider interval is the one above."
                        if len(told["components"]) > 2 else "."))  # fmt: skip
        if told["within_range"]:
            lines.append(f"- Values that sites withheld are drawn within the range of their cases ({told['within_range']} of "
                         "them), never guessed from other wards and never nought.")  # fmt: skip
        if told["not_scored"]:
            lines.append(f"- {told['not_scored']} wards have no score: too much of it is withheld or missing.")
        return "\n".join(lines)

    def changed(self, what: str, first: str, last: str, by: float = 1.0) -> str:
        """Say in how many places an indicator rose, and fell, by more than so many points between two of its years.

        what  the indicator in words, as they stand in a sentence
        """
        if not self.there:
            return self._absent()
        values = self.table[self.table["level"] == "indicator"].pivot(index="place", columns="item", values="value")
        apart = values[last] - values[first]
        when = [self.told["indicators"][name]["period"] for name in (first, last)]
        much = f"by more than {'one point' if by == 1 else f'{by:g} points'}"
        rose, fell = int((apart > by).sum()), int((apart < -by).sum())
        return (f"From {when[0]} to {when[1]} {what} rose {much} in **{rose}** of the {apart.notna().sum()} wards and "
                f"fell {much} in **{fell}**.")  # fmt: skip

    def groups(self) -> str:
        """Tabulate dimensions and components: mean of all places, and of each group."""
        if not self.there:
            return self._absent()
        rows = []
        for item in [self.name, *(i for d, s in self.told["dimensions"].items() for i in (d, *s["components"]))]:
            mine = self.table[self.table["item"] == item]
            level = mine["level"].iloc[0]
            title = f"**{self.title(item)}**" if level != "component" else self.title(item)
            row = {"Score": title, "All": number(mine["score"].mean(), 1)}
            for name, group in self.told["groups"].items():
                row[group] = number(mine.loc[mine["group"] == name, "score"].mean(), 1)
            rows.append(row | {"From": number(mine["score"].min(), 0), "To": number(mine["score"].max(), 0)})
        frame = pd.DataFrame(rows)
        return pipe_table(frame, right=tuple(frame.columns)[1:])

    def structure(self) -> str:
        """Tabulate whether the indicators of each component go together, and their weights."""
        if not self.there:
            return self._absent()
        rows = []
        for component, part in self._read(".structure").groupby("component", sort=False):
            one = part.iloc[0]
            alone = len(part) == 1
            weak = not alone and one["alpha"] < WEAK
            named = [f"{self.title(r.indicator)} ({100 * r.weight:.0f} %)" for r in part.itertuples()]
            rows.append({
                "Component": self.title(str(component)), "Indicators and weights": "; ".join(named),
                "Alpha": "one indicator" if alone else number(one["alpha"], 2) + (" (weak)" if weak else ""),
                "Adequacy": "" if alone else number(one["adequacy"], 2), "First component": f"{100 * one['share']:.0f} %",
                "Clipped": number(one["clipped"], 0), "Note": self.told["components"][component]["note"],
            })  # fmt: skip
        return pipe_table(pd.DataFrame(rows), right=("Alpha", "Adequacy", "First component", "Clipped"))

    def indicators(self) -> str:
        """Tabulate every indicator: unit, year, direction, bounds, source."""
        if not self.there:
            return self._absent()
        rows = []
        for one in self._read(".structure").itertuples():
            about = self.told["indicators"][one.indicator]
            changes = [text for text, on in (("logarithm", one.transform == "log"), ("shrunk", one.shrunk)) if on]
            rows.append({"Indicator": self.title(one.indicator), "Unit": about["unit"], "Of": about["period"],
                         "More is": one.more_is, "Best": f"{one.best:g}", "Worst": f"{one.worst:g}",
                         "Changed by": ", ".join(changes), "Source": about["source"], "Note": about["note"]})  # fmt: skip
        return pipe_table(pd.DataFrame(rows), right=("Best", "Worst"))

    def sources(self) -> str:
        """Tabulate the sources with their publisher, licence and edition of areas."""
        if not self.there:
            return self._absent()
        rows = [{"Source": name, "Title": s["title"], "Publisher": s["publisher"], "Published": s["published"],
                 "Areas": s["edition"], "Licence": s["licence"]} for name, s in self.told["sources"].items()]  # fmt: skip
        return pipe_table(pd.DataFrame(rows)) if rows else "Its indicators arrived as releases of sites."

    def sensitivity(self) -> str:
        """Tabulate how ranks change under every other choice of method."""
        if not self.there:
            return self._absent()
        rows = [{"Other choice": r.title, "Correlation of ranks": "" if pd.isna(r.correlation) else number(r.correlation, 3),
                 "Largest change of a rank": "" if pd.isna(r.largest_change) else number(r.largest_change, 0),
                 "Lowest fifth kept": "" if pd.isna(getattr(r, "lowest_fifth_kept", float("nan")))
                 else f"{100 * r.lowest_fifth_kept:.0f} %",
                 "Note": self._note(r)} for r in self._read(".sensitivity").itertuples()]  # fmt: skip
        return pipe_table(pd.DataFrame(rows), right=("Correlation of ranks", "Largest change of a rank", "Lowest fifth kept"))

    def _note(self, row: Any) -> str:
        width = getattr(row, "median_width", float("nan"))
        said = getattr(row, "reason", "")
        for name in [*self.told["indicators"], *self.told["components"]]:
            said = said.replace(name, f"“{self.title(name)}”")
        return said if pd.isna(width) else f"a middle ward's interval then spans {number(width, 0)} ranks"

    def not_measured(self) -> str:
        """List components that the framework has and the data have not."""
        if not self.there:
            return self._absent()
        lines = [f"- {name.replace('_', ' ').capitalize()}: {why.strip()}." for name, why in self.told["not_measured"].items()]
        lines += [f"- {self.title(name)}: left out, too many wards lack it." for name in self.told["dropped"]]
        return "\n".join(lines)

    def files(self) -> str:
        """Link to the tables of the index, and to the released values behind it."""
        if not self.there:
            return ""
        links = [(f"data/indices/{self.name}{ending}.csv", title) for ending, title in
                 (("", "All scores as a table"), (".structure", "components and weights"), (".sensitivity", "other choices"))]
        if self.told.get("cells"):
            links.append((f"data/cells/{self.told['cells']}.csv", "the released values"))
        return " · ".join(f"[{title}]({path})" for path, title in links)

    def places(self) -> str:
        """Tabulate every place: score and rank with intervals, its dimensions, and where it differs from places like it."""
        if not self.there:
            return self._absent()
        wide = self.table[self.table["level"] == "dimension"].pivot(index="place", columns="item", values="score")
        parts = self.table[self.table["level"] == "component"]
        rows = []
        for one in self.total.itertuples():
            row = {"Ward": one.name, "District": one.district}
            if pd.isna(one.rank):
                rows.append(row | {"Score": "not given"})
                continue
            row |= {"Score": f"{number(one.score, 1)} ({number(one.lower, 0)} to {number(one.upper, 0)})", "Rank": _rank(one, "")}
            if self.told["groups"]:
                row["Rank in its group"] = _rank(one, "group")
            row |= {self.title(d): number(wide.loc[one.place, d], 0) for d in self.told["dimensions"] if len(wide.columns) > 1}
            mine = parts[parts["place"] == one.place]
            for flag in (1, -1) if self.told["peers"] else ():
                named = [self.title(item) for item in mine.loc[mine["against_peers"] == flag, "item"]]
                row[FLAGS[flag].capitalize()] = ", ".join(named)
            rows.append(row)
        frame = pd.DataFrame(rows).fillna("")
        return pipe_table(frame, right=("Score", "Rank", "Rank in its group", *[self.title(d) for d in self.told["dimensions"]]))


def _many(number_of: int, noun: str) -> str:
    return f"{number_of} {noun}" if number_of == 1 else f"{number_of} {noun}s"


def _named(row: pd.Series) -> str:
    """Name a place with its score and rank; of the two intervals the wider, which holds without one component too."""
    return (f"{row['name']}, {row['district']} (score **{number(row['score'], 1)}**, rank {row['rank']:.0f}, 95 % interval "
            f"{row['rank_lower_without_one']:.0f} to {row['rank_upper_without_one']:.0f})")  # fmt: skip


def _rank(row: Any, of: str) -> str:
    """Give a rank with its interval, or only the interval where it spans more than a quarter of the table."""
    if of == "group":
        return f"{row.rank_in_group:.0f} ({row.group_rank_lower:.0f} to {row.group_rank_upper:.0f})"
    interval = f"{row.rank_lower:.0f} to {row.rank_upper:.0f}"
    return f"between {interval}" if row.grouped else f"{row.rank:.0f} ({interval})"
