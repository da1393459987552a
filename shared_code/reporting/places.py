"""Tables of groups, places and money for report pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.model.words import lower_first
from shared_code.reporting.staged import Staged
from shared_code.reporting.words import estimate, estimate_or_bounds, interval, number, pipe_table, share

RULES = {"by heads": "allocation, weight of need 0.0", "by need": "allocation, weight of need 1.0",
         "proposed": "allocation, proposed", "with a floor": "allocation, with a floor",
         "at a pace": "allocation, at a pace"}  # fmt: skip

SMALL = 0.05  # adjusted p value below which a group stands out
DEVIATIONS = Path("data") / "deviations.csv"


class PlaceTables(Staged):
    """Give a page tables of groups, places and money; `Report` takes these in."""

    def deviations(self, stem: str = "") -> str:
        """Tabulate every recorded deviation from a plan, of one analysis or of all."""
        found = self._deviations()
        found = found[found["analysis"] == stem] if stem else found
        table = [{"Analysis": self.entry(row["analysis"])["title"], "Where": row["site"] or "all sites",
                  "Decided on": row["date"], "What": row["what"], "Why": row["why"], "What it may change": row["effect"]}
                 for _, row in found.iterrows()]  # fmt: skip
        return pipe_table(pd.DataFrame(table)) if table else "No deviation from a plan is recorded."

    def _deviations(self) -> pd.DataFrame:
        path = self.folder / DEVIATIONS
        if not path.is_file():
            return pd.DataFrame(columns=["analysis"])
        return pd.read_csv(path, dtype=str, keep_default_na=False)

    def deviated(self, stem: str) -> list[str]:
        """Say in one line each how an analysis departs from its plan or the methods it follows, for its page."""
        found = self._deviations()
        return [f"- **Departs from its plan or its methods** ({row['site'] or 'all sites'}, {row['date']}): {row['what']}. "
                f"{row['effect']}."
                for _, row in found[found["analysis"] == stem].iterrows()]  # fmt: skip

    def gaps(self, stem: str, items: str) -> str:
        """Tabulate shares in two groups, item by item, with difference, ratio and the people it would take to close the gap."""
        labels = self.entry(stem)["labels"]
        codes = [key.partition(":")[2] for key in labels if key.startswith(f"{items}:")]
        table = []
        for code in codes:
            rows = self.rows(stem, item=code)
            found = {m: part.iloc[0] for m, part in rows[rows["measure"].isin(["difference", "ratio", "people to close the gap"])]
                     .groupby("measure")}  # fmt: skip
            if "difference" not in found:
                continue
            gap = found["difference"]
            shares = rows[(rows["measure"] == "share") & (rows["group"] == gap["group"])].set_index("level")
            pair = [gap["level"], gap["comparator"]]
            table.append({
                "Item": labels.get(f"{items}:{code}", code),
                **{labels.get(f"{gap['group']}:{level}", level).capitalize(): estimate(shares.loc[level]) if level in shares.index
                   else "not given" for level in pair},
                "Difference, points": estimate(gap), "Bounds": interval(gap["bound_lower"], gap["bound_upper"]),
                "Ratio": estimate(found["ratio"], 2),
                "People to close the gap": estimate(found["people to close the gap"], 0),
                "Withheld": share(gap["withheld_share"]), "Sites": int(gap["n_sites"]),
            })  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=tuple(table[0])[1:] if table else ())

    def expected(self, stem: str) -> str:
        """Tabulate recorded cases against those expected at given rates, group by group."""
        rows, labels, table = self.rows(stem), self.entry(stem)["labels"], []
        for _, one in rows[rows["measure"] == "recorded over expected"].iterrows():
            level = one["level"]
            same = rows[(rows["measure"] == "expected and not recorded") & (rows["level"] == level)]
            who = "Everyone" if level == "all" else labels.get(f"{one['group']}:{level}", level).capitalize()
            table.append({
                "People": who, "Registered": number(one["people"], 0), "Recorded": number(one["events"], 0),
                "Recorded over expected": estimate(one, 2),
                "Bounds": interval(one["bound_lower"], one["bound_upper"], 2),
                "Expected and not recorded": number(same["estimate"].iloc[0], 0) if len(same) else "not given",
                "Sites": int(one["n_sites"]),
            })  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=tuple(table[0])[1:] if table else ())

    def place_shares(self, stem: str, item: str) -> str:
        """Tabulate of every place how many of its people are cases, and how many of all cases live there."""
        rows = self._places(stem, item)
        table = []
        for (scope, level), part in rows.groupby(["scope", "level"], sort=False):
            one = part.set_index("measure")
            if "share of the place" not in one.index:
                continue
            deep = one.loc["share of the place"]
            much = {name: estimate_or_bounds(one.loc[f"share of {what}"]) if f"share of {what}" in one.index else "not given"
                    for name, what in (("Of its site's, %", "the site"), ("Of all, %", "all sites"))}
            table.append({"Site": self._site(scope), "Place": level, "People": number(deep["people"], 0),
                          "With it": "withheld" if pd.isna(deep["events"]) else number(deep["events"], 0),
                          "Of its people, %": estimate_or_bounds(deep), **much})  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=tuple(table[0])[2:] if table else ())

    def counted_twice(self, first: tuple[str, str, str], second: tuple[str, str, str]) -> str:
        """Tabulate the shares of every place by two counts of people side by side, such as registered people and residents.

        first, second  what they are called, analysis, item
        """
        sides = {name: self._places(stem, item) for name, stem, item in (first, second)}
        one, other = ({(r["scope"], r["level"], r["measure"]): r for _, r in rows.iterrows()} for rows in sides.values())
        table = []
        for scope, level, measure in one:
            a, b = one[scope, level, measure], other.get((scope, level, measure))
            if measure != "share of the place" or b is None:
                continue
            apart = a["estimate"] - b["estimate"]
            of_site = [side.get((scope, level, "share of the site")) for side in (one, other)]
            table.append({
                "Site": self._site(scope), "Place": level,
                **{name: number(row["people"], 0) for name, row in zip(sides, (a, b), strict=True)},
                **{f"% of {name.lower()}": estimate_or_bounds(row) for name, row in zip(sides, (a, b), strict=True)},
                "Points apart": number(apart, 1) if pd.notna(apart) else estimate_or_bounds(pd.Series({
                    "estimate": apart, "reason": "", "bound_lower": a["bound_lower"] - b["bound_upper"],
                    "bound_upper": a["bound_upper"] - b["bound_lower"]})),
                **{f"Of the site's, {name.lower()}, %": "not given" if row is None else estimate_or_bounds(row, limits=False)
                   for name, row in zip(sides, of_site, strict=True)},
            })  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=tuple(table[0])[2:]) if table else "No place is in both."

    def allocations(self, stem: str) -> str:
        """Tabulate the pounds of every place under each rule, with the range over the definitions of need, and their sum."""
        rows = self._money(stem)
        table: list[dict[str, Any]] = []
        sums: dict[str, float] = {}
        for (scope, level), part in rows[rows["measure"].isin(RULES.values())].groupby(["scope", "level"], sort=False):
            one = part.set_index("measure")
            if "allocation, proposed" in one.index and pd.isna(one.loc["allocation, proposed", "estimate"]):
                return f"No amount is given: {one.loc['allocation, proposed', 'reason']}."
            values = {name: one.loc[measure, "estimate"] for name, measure in RULES.items() if measure in one.index}
            sums = {name: sums.get(name, 0.0) + value for name, value in values.items()}
            proposed = one.loc["allocation, proposed"]
            table.append({"Site": self._site(scope), "Place": level, "Residents": number(proposed["people"], 0),
                          "In need": number(proposed["events"], 0),
                          **{name.capitalize(): number(value, 0) for name, value in values.items()},
                          "Range": interval(proposed["bound_lower"], proposed["bound_upper"], 0)})  # fmt: skip
        whole = {"Site": "Together", "Place": "", "Residents": "", "In need": "",
                 **{name.capitalize(): number(value, 0) for name, value in sums.items()}, "Range": ""}  # fmt: skip
        return pipe_table(pd.DataFrame([*table, whole]), right=tuple(whole)[2:])

    def distances(self, stem: str) -> str:
        """Tabulate pounds per head and per person in need, and the distance from target before and after a year."""
        rows, table = self._money(stem), []
        shown = {"Per head, £": ("pounds per head", 2), "Per person in need, £": ("pounds per person in need", 2),
                 "Distance last year, %": ("distance from target, last year", 1),
                 "Distance this year, %": ("distance from target, this year", 1), "Years to within 5 %": ("years to target", 0)}
        for (scope, level), part in rows.groupby(["scope", "level"], sort=False):
            one = part.set_index("measure")
            if "pounds per head" in one.index:
                table.append({"Site": self._site(scope), "Place": level, **{
                    name: estimate(one.loc[measure].fillna({"reason": ""}), places) for name, (measure, places) in shown.items()
                    if measure in one.index}})  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=tuple(table[0])[2:]) if table else "No amount is given."

    def announced(self, stem: str) -> str:
        """Tabulate what every site is announced, per head and per person in need, and the weight of need it stands for."""
        rows = self.results[(self.results["analysis"] == stem) & (self.results["group"] == "site")]
        table = []
        for scope, part in rows.groupby("scope", sort=False):
            one = part.set_index("measure")
            table.append({
                "Site": self._site(scope), "Announced, £": number(one.loc["announced", "estimate"], 0),
                "Per head, £": number(one.loc["announced, pounds per head", "estimate"], 2),
                "Per person in need, £": estimate(one.loc["announced, pounds per person in need"], 2),
                "Weight of need": estimate(one.loc["implied weight of need"], 2), "": one.loc["implied weight of need", "reason"],
            })  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=tuple(table[0])[1:5]) if table else "Nothing is announced."

    def published_plan(self, stem: str) -> str:
        """Tabulate a published plan added up by tier and by purpose, and what it would be if one part came on top of the sum."""
        rows = self.results[(self.results["analysis"] == stem) & (self.results["scope"] == "published")]
        words = {"places": "localities", "beside": "voluntary organisations", "all": "together"}
        table = [{"Added up": row["measure"].removeprefix("published, "), "Part": words.get(row["level"], row["level"]),
                  "Pounds": number(row["estimate"], 0) if not pd.isna(row["estimate"]) else row["reason"],
                  "As": row["method"] if set("x+") & set(row["method"].split()) else ""}
                 for _, row in rows.iterrows()]  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=("Pounds",)) if table else "No plan is published."

    def trends(self, stem: str, **where: str) -> str:
        """Tabulate the change of a month from the year before, and against its own trend and season, item by item."""
        rows, labels, table = self.rows(stem, **where), self.entry(stem)["labels"], []
        for item in self.entry(stem)["items"]:
            one = rows[rows["item"] == item].drop_duplicates("measure").set_index("measure")
            if "change against trend" not in one.index:
                continue
            get, naive = one.loc, "change from a year before"
            table.append({
                self.entry(stem)["item_label"]: labels.get(item, item),
                "Trend before, % a year": estimate(get["trend"]) if "trend" in one.index else "not given",
                "Observed": number(get["change against trend", "events"], 0),
                "Expected": estimate(get["expected"], 0) if "expected" in one.index else "not given",
                "From the year before, %": estimate(get[naive]) if naive in one.index else "",
                "Against the trend, %": estimate(get["change against trend"]),
                "Sites": int(get["change against trend", "n_sites"]),
            })  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=tuple(table[0])[1:]) if table else "No trend is given."

    def designs(self, stem: str) -> str:
        """Tabulate what became of each service while a policy was in force, by design."""
        labels, table = self.entry(stem)["labels"], []
        for item in self.entry(stem)["items"]:
            one = self.rows(stem, item=item, group="cohort").drop_duplicates("measure").set_index("measure")
            names = {"Naive, %": ("change, naive", 1), "Against trend, %": ("change against trend", 1),
                     "Rolling cohorts, %": ("change, rolling cohorts", 1), "Ratio of ratios": ("ratio of ratios", 2),
                     "Average over sites": ("ratio of ratios, average over sites", 2)}  # fmt: skip
            shown = {name: estimate(one.loc[measure], places) for name, (measure, places) in names.items()
                     if measure in one.index}  # fmt: skip
            if {"Naive, %", "Against trend, %"} & set(shown):  # others have no months before, and a table of their own
                table.append({self.entry(stem)["item_label"]: labels.get(item, item), **shown,
                              "Sites": int(one["n_sites"].max())})  # fmt: skip
        return pipe_table(pd.DataFrame(table).fillna("not given"), right=tuple(table[0])[1:]) if table else "Nothing is given."

    def designs_by_site(self, stem: str) -> str:
        """Tabulate the ratio of ratios of every site."""
        labels = self.entry(stem)["labels"]
        mine = self.results[(self.results["analysis"] == stem) & (self.results["measure"] == "ratio of ratios")]
        table: dict[str, dict[str, str]] = {}
        for _, row in mine[(mine["scope"] != "pooled") & (mine["stratum"] == "")].iterrows():
            table.setdefault(self._site(row["scope"]), {})[labels.get(row["item"], row["item"])] = estimate(row, 2)
        frame = pd.DataFrame(table).T.fillna("not given").rename_axis("Site").reset_index()
        return pipe_table(frame, right=tuple(frame.columns)[1:])

    def designs_by_group(self, stem: str, measure: str = "ratio of ratios", decimals: int = 2) -> str:
        """Tabulate one design in every group of people, all sites together, a column per service."""
        labels, dimensions = self.entry(stem)["labels"], self.entry(stem)["dimensions"]
        table: dict[tuple[str, str], dict[str, str]] = {}
        for _, row in self._by_group(stem, measure).iterrows():
            dimension, _, level = row["stratum"].partition("=")
            named = (dimensions.get(dimension, dimension), labels.get(f"{dimension}:{level}", level))
            group = named if level else ("Everybody", "")
            sites = "" if pd.isna(row["estimate"]) else f" [{int(row['n_sites'])} sites]{{.sites}}"
            table.setdefault(group, {})[labels.get(row["item"], row["item"])] = estimate(row, decimals) + sites
        frame = pd.DataFrame(table).T.fillna("").rename_axis(["Group", "Level"]).reset_index()
        return pipe_table(frame, right=tuple(frame.columns)[2:])

    def looked_at(self, stem: str, measure: str = "ratio of ratios", nothing: float = 1.0, decimals: int = 0) -> str:
        """Say how many intervals a table of groups shows, how many leave out `nothing`, and how many would by chance."""
        rows = self._by_group(stem, measure).dropna(subset=["estimate", "lower", "upper"])
        if rows.empty:
            return "No interval is given here."
        outside = int(((rows["lower"] > nothing) | (rows["upper"] < nothing)).sum())
        n, stand = len(rows), f"{outside} {'does' if outside == 1 else 'do'}"
        tested, labels = rows.dropna(subset=["p_adjusted"]), self.entry(stem)["labels"]
        left = [f"{(own['p_adjusted'] < SMALL).sum()} of {len(own)} groups in {lower_first(labels.get(item, item))}"
                for item, own in tested.groupby("item", sort=False)]  # fmt: skip
        return (
            f"**{n} intervals are looked at here**, of groups that share people. If none differed from "
            f"{number(nothing, decimals)}, about {number(0.05 * n)} of {n} such intervals would leave it out by chance; {stand}. "
            f"With p values adjusted for how many groups there are (Holm) there remain {'; '.join(left) or 'none'}. "
            "What stands out only before that is a question for next year and no finding."
        )

    def _by_group(self, stem: str, measure: str) -> pd.DataFrame:
        """Take the rows of one design in groups of people, without the services that are followed month by month."""
        mine = self.results[(self.results["analysis"] == stem) & (self.results["measure"] == measure)]
        by_month = set(self.results.loc[self.results["measure"] == "change, naive", "item"])
        return mine[(mine["scope"] == "pooled") & ~mine["item"].isin(by_month)]

    def _places(self, stem: str, item: str) -> pd.DataFrame:
        rows = self.results[(self.results["analysis"] == stem) & (self.results["item"] == item)]
        rows = rows[rows["measure"].str.startswith("share of ")]
        return rows.sort_values(["scope", "level"], kind="stable")

    def _money(self, stem: str) -> pd.DataFrame:
        rows = self.results[(self.results["analysis"] == stem) & self.results["scope"].str.startswith("site:")
                            & (self.results["group"] != "site")]  # fmt: skip
        return rows.sort_values(["scope", "level"], kind="stable")

    def _site(self, scope: str) -> str:
        titles = dict(zip(self.sites["site"], self.sites["title"]))
        name = scope.removeprefix("site:")
        return titles.get(name, name)
