"""What a report page can ask for: findings, figures, tables, and who is in them."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import pandas as pd

from shared_code.pooling.comparable import BY_CHANCE, FAR_APART
from shared_code.reporting import changes, evidence, held, quality_words
from shared_code.reporting.findings import sentence
from shared_code.reporting.index_words import IndexWords
from shared_code.reporting.risks import RiskTables
from shared_code.reporting.staged import DATA, STUDY
from shared_code.reporting.words import (
    estimate,
    interval,
    number,
    p_value,
    pipe_table,
    share,
    without_empty,
)

FIGURES = "figures"
NOTHING = "Nothing is given: too much is withheld, or no site sent it."


class Report(RiskTables):
    """Give a page the numbers of one study, as they were staged beside it."""

    def in_short(self) -> str:
        """Write the first sentence of every analysis that has one, with a link to its page."""
        first = {stem: self.findings(stem, 1) for stem in self.study["analyses"]}
        return "\n".join(f"{line} [{self.entry(stem)['title']}]({stem}.qmd)" for stem, line in first.items() if line)

    def findings(self, stem: str, most: int | None = None) -> str:
        """Write the sentences of the summary, each with its number, interval and sites; `most`: only the first ones."""
        lines = [sentence(self, stem, finding) for finding in self.entry(stem)["findings"][:most]]
        return "\n".join([*lines, *(self.deviated(stem) if most is None else [])])

    def figure(self, name: str, label: str = "") -> str:
        """Place a figure with its caption, alternative text, and links to the picture and its numbers."""
        about = json.loads((self.folder / FIGURES / f"{name}.json").read_text("utf-8"))
        alt = about["alt"].replace('"', "'")
        anchor = label or "fig-" + name.replace(".", "-").replace("_", "-")
        picture = f"{FIGURES}/{name}"
        shown = f'![{about["title"]}]({picture}.svg){{#{anchor} fig-alt="{alt}"}}\n\n'
        return shown + f"[Numbers of this figure]({picture}.csv) · [picture]({picture}.png)\n"

    def items(self, stem: str, measure: str, decimals: int = 2, **where: str) -> str:
        """Tabulate one pooled measure with its bounds and sites: item by item, or level by level of one item."""
        rows, labels = self.rows(stem, measure=measure, **where), self.entry(stem)["labels"]
        named = [labels.get(f"{r['group']}:{r['level']}", r["level"]) if "item" in where else self.title_of(stem, r["item"])
                 for _, r in rows.iterrows()]  # fmt: skip
        table = [{"": name, "Estimate": estimate(r, decimals),
                  "Bounds": interval(r["bound_lower"], r["bound_upper"], decimals), "p, adjusted": p_value(r["p_adjusted"]),
                  "Sites": int(r["n_sites"])}
                 for name, (_, r) in zip(named, rows.iterrows(), strict=True)]  # fmt: skip
        return pipe_table(without_empty(pd.DataFrame(table)), right=("Estimate", "Bounds", "p, adjusted", "Sites"))

    def ratios(self, stem: str, group: str, level: str) -> str:
        """Tabulate crude and standardised values and ratios of one level against its comparator, item by item."""
        table = []
        for item in self.entry(stem)["items"]:
            one = self.rows(stem, group=group, item=item, level=level).set_index("measure")
            if "standardised ratio" not in one.index:
                continue
            ratio = one.loc["standardised ratio"]
            table.append({
                "Condition": self.title_of(stem, item),
                "With it": number(one.loc["crude prevalence", "events"], 0),
                "of": number(one.loc["crude prevalence", "people"], 0),
                "Standardised, %": estimate(one.loc["standardised prevalence"], 2),
                "Crude ratio": number(one.loc["crude ratio", "estimate"], 2),
                "Standardised ratio": estimate(ratio, 2),
                "Bounds": interval(ratio["bound_lower"], ratio["bound_upper"], 2),
                "Withheld": share(ratio["withheld_share"]),
                "Sites": int(ratio["n_sites"]),
            })  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=tuple(table[0])[1:] if table else ())

    def levels(self, stem: str, measure: str, item: str, group: str, decimals: int = 1, **where: str) -> str:
        """Tabulate one measure over the levels of a group."""
        chosen = self.rows(stem, measure=measure, item=item, group=group, **where)
        chosen = chosen[chosen["level"] != "slope"]
        numeric = chosen["level"].str.isdigit()
        order = chosen["level"].where(~numeric, chosen["level"].str.zfill(3)).sort_values().index
        labels = self.entry(stem)["labels"]
        size = "Person-years" if chosen["people"].isna().all() else "People"
        what = "Deaths" if measure == "life expectancy" else "Events" if size == "Person-years" else "With it"
        heading = self.entry(stem)["dimensions"].get(group) or group.capitalize()
        table = [{
            heading: labels.get(f"{group}:{row['level']}", row["level"]),
            **({"Sex": labels.get(f"sex:{row['sex']}", row["sex"])} if "both" not in set(chosen["sex"]) else {}),
            "Estimate": estimate(row, decimals),
            "Bounds": interval(row["bound_lower"], row["bound_upper"], decimals),
            what: number(row["events"], 0),
            size: number(row["people"] if size == "People" else row["person_years"], 0),
            "Sites": int(row["n_sites"]),
        } for _, row in chosen.loc[order].iterrows()]  # fmt: skip
        if not table:
            return NOTHING
        return pipe_table(without_empty(pd.DataFrame(table)), right=("Estimate", "Bounds", what, size, "Sites"))

    def measures(self, stem: str, measures: list[str], item: str | list[str], decimals: int = 1, **where: str) -> str:
        """Tabulate several pooled measures of one item, or several in the order given, with their scale; totals first."""
        labels, items, table = self.entry(stem)["labels"], [item] if isinstance(item, str) else item, []
        for name in measures:
            chosen = self.rows(stem, measure=name, **where)
            chosen = chosen[chosen["item"].isin(items)]
            order = {"total": chosen["group"] != "everyone", "asked": chosen["item"].map(items.index)}
            for _, row in chosen.assign(**order).sort_values(["total", "asked"], kind="stable").iterrows():
                title = self.title_of(stem, row["item"]) if len(items) > 1 else ""
                level = "all" if row["group"] == "everyone" else labels.get(f"{row['group']}:{row['level']}", row["level"])
                told = name if len(measures) > 1 else f"{title}, {level}" if title and level != "all" else title or level
                table.append({"": told[:1].upper() + told[1:], "Estimate": estimate(row, decimals),
                              "Bounds": interval(row["bound_lower"], row["bound_upper"], decimals), "In": row["scale"],
                              "Sites": int(row["n_sites"])})  # fmt: skip
        return pipe_table(without_empty(pd.DataFrame(table)), right=("Estimate", "Bounds", "Sites")) if table else NOTHING

    def at_sites(self, stem: str, measure: str, items: list[str], decimals: int = 1) -> str:
        """Tabulate one measure site by site, a column an item: the value, or what a withheld number leaves possible."""
        rows = self.results[(self.results["analysis"] == stem) & (self.results["measure"] == measure)]
        rows = rows[rows["item"].isin(items) & rows["scope"].str.startswith("site:") & (rows["stratum"] == "")]
        return evidence.at_sites(rows, self.titles, {item: self.title_of(stem, item) for item in items}, decimals) or NOTHING

    def balanced(self, stem: str) -> str:
        """Tabulate, over all sites and at each, how many covariates differ after matching, and whether balance is met."""
        rows = self.results[(self.results["analysis"] == stem) & self.results["measure"].isin([FAR_APART, BY_CHANCE])]
        return evidence.balanced(rows, self.titles) if len(rows) else NOTHING

    def inside_groups(self, stem: str, item: str, group: str, level: str, ages: tuple[str, str], decimals: int = 1) -> str:
        """Tabulate a level against the one it is compared with, inside the levels of other groups: both ages, years earlier."""
        rows = self.results[(self.results["analysis"] == stem) & (self.results["scope"] == "pooled")]
        rows = rows[(rows["item"] == item) & (rows["group"] == group) & (rows["stratum"] != "")]
        rows = rows[(rows["level"] == level) | (rows["measure"] == ages[0])]
        about = self.entry(stem)
        return evidence.inside_groups(rows, ages, about["labels"], about["dimensions"], decimals)

    def changes(self, stem: str) -> str:
        """Tabulate the change between two months: sum of sites, average over sites, and another site's expected range."""
        return changes.over_sites(self, stem)

    def site_changes(self, stem: str) -> str:
        """Tabulate the change of every site, item by item."""
        return changes.at_sites(self, stem)

    def strata_changes(self, stem: str) -> str:
        """Tabulate the change in each group of people, all sites together, a column per item."""
        return changes.in_strata(self, stem)

    def places(self, stem: str, item: str) -> str:
        """Tabulate the estimates of places inside sites."""
        chosen = self.results[(self.results["analysis"] == stem) & (self.results["item"] == item)
                              & (self.results["measure"] == "estimate of the site")]  # fmt: skip
        titles = dict(zip(self.sites["site"], self.sites["title"]))
        labels = self.entry(stem)["labels"]
        table = [{
            "Site": titles.get(row["sites"], row["sites"]), "Place": row["level"],
            "Sex": labels.get(f"sex:{row['sex']}", row["sex"]), "Estimate": estimate(row, 1),
            "Events": number(row["events"], 0), "Person-years": number(row["person_years"], 0),
        } for _, row in chosen.sort_values(["sites", "level", "sex"]).iterrows()]  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=("Estimate", "Events", "Person-years"))

    def who(self) -> str:
        """Tabulate which site is in which analysis, and why not."""
        state = {"in": "in", "not run": "not in", "excluded": "excluded", "missing": "no release yet"}
        frame = self.sites.assign(words=[
            state[s] + (f" ({reason})" if reason else "") for s, reason in zip(self.sites["state"], self.sites["reason"])
        ])  # fmt: skip
        wide = frame.pivot(index="title", columns="analysis_title", values="words")
        wide = wide[list(dict.fromkeys(frame["analysis_title"]))].reset_index()
        return pipe_table(wide.rename(columns={"title": "Site"}))

    def how(self) -> str:
        """Tabulate how each thing that the study asks for is pooled, and why that way."""
        return evidence.how(self.results, {stem: self.entry(stem)["title"] for stem in self.study["analyses"]})

    def effects(self, stem: str, decimals: int = 2, **where: str) -> str:
        """Tabulate the effect of every site, their average, where another site would lie, and whether the sites agree."""
        rows = self.results[(self.results["analysis"] == stem) & ~self.results["scope"].str.startswith("loso:")]
        for column, value in where.items():
            rows = rows[rows[column] == value]
        return evidence.effects(rows, self.titles, self.entry(stem), decimals)

    def between_sites(self, stem: str, decimals: int = 2) -> str:
        """Tabulate what the study asks of differences between sites: kinds of site, what describes them, small sites."""
        return evidence.between_sites(self.results[self.results["analysis"] == stem], self.entry(stem), decimals)

    def verdicts(self, stem: str) -> str:
        """Tabulate, site by site, whether a prediction may be used as it is."""
        return evidence.verdicts(self.results[(self.results["analysis"] == stem) & (self.results["stratum"] == "")], self.titles)

    def model(self, stem: str, name: str) -> str:
        """Tabulate the coefficients of a model that was fitted over the sites, and say which sites are in it."""
        return evidence.model(self.rows(stem, item=name, target="coefficients"), self.entry(stem)["models"][name],
                              self.titles, self.record.get("models", {}).get(f"{stem}.{name}", {}))  # fmt: skip

    def without_each(self, stem: str, name: str) -> str:
        """Tabulate a fitted model beside the fits without each of its sites, and how these do at the site left out."""
        rows = self.results[(self.results["analysis"] == stem) & (self.results["target"] == "coefficients")]
        mine, slopes = (rows[rows["item"] == item] for item in (name, f"{name}_slope"))
        return evidence.without_each(mine, slopes, self.entry(stem)["models"][name], self.titles)

    def of_sites(self, stem: str, row: pd.Series) -> pd.DataFrame:
        """Give what each site found of what a pooled row is about."""
        rows = self.results[(self.results["analysis"] == stem) & self.results["scope"].str.startswith("site:")]
        same = ["item", "group", "level", "stratum", "sex"]
        return rows[(rows[same] == row[same]).all(axis=1) & rows["measure"].isin([row["measure"], evidence.OWN])]

    @property
    def titles(self) -> dict[str, str]:
        return dict(zip(self.sites["site"], self.sites["title"]))

    def contradictions(self) -> str:
        """List where the numbers of a site contradict each other, by table and cell."""
        found = pd.read_csv(self.folder / DATA / "contradictions.csv", dtype=str, keep_default_na=False)
        return evidence.contradictions(found, self.titles)

    def cautions(self, stem: str = "") -> str:
        """List the averages whose interval does not hold what it promises, of one analysis or of all."""
        return evidence.cautions(self.results, {s: self.entry(s)["title"] for s in ([stem] if stem else self.study["analyses"])})

    def releases(self) -> str:
        """Tabulate the releases that everything was computed from, with their digests."""
        table = [{
            "Site": r["title"], "Extract of": r["extract_date"], "Kind": r["kind"],
            "Numbers": number(sum(t["cells"] for t in r["disclosure"]["tables"].values()), 0),
            "Withheld": number(sum(t.get("withheld", 0) for t in r["disclosure"]["tables"].values()), 0),
            "Threshold": r["disclosure"]["rules"]["threshold"], "Rounded to": r["disclosure"]["rules"]["rounding"],
            "Release (SHA-256)": f"`{r['package'][:16]}…`",
        } for r in self.record["releases"].values()]  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=("Numbers", "Withheld", "Threshold", "Rounded to"))

    def holdings(self) -> str:
        """Tabulate what each site holds, table by table."""
        return held.holdings(self)

    def governance(self) -> str:
        """Tabulate under which authority each site takes part, how its data were judged, and the limits it names itself."""
        return held.governance(self)

    def lights(self) -> str:
        """Tabulate what the checks of data quality say of every site, as traffic lights in words."""
        return quality_words.lights(self._told)

    def raised(self) -> str:
        """List every check of data quality that says look or stop."""
        return quality_words.raised(self._told)

    def checks(self) -> str:
        """Tabulate how complete, valid and plausible the rows of all sites together are."""
        rows = self.rows(quality_words.STEM, group="everyone")
        return quality_words.checks(rows[rows["scale"] == "%"])

    def list_ratio(self) -> str:
        """Tabulate registered people for every person of the estimated population."""
        rows = self.rows(quality_words.STEM, measure="list ratio")
        return quality_words.list_ratio(rows, self.entry(quality_words.STEM)["labels"])

    def lags(self) -> str:
        """Tabulate the days from a fact to its record."""
        rows = self.rows(quality_words.STEM)
        return quality_words.lags(rows[rows["scale"] == "days"])

    @cached_property
    def _told(self) -> pd.DataFrame:
        kinds = dict.fromkeys(("site", "title", "kind", "check", "words", "verdict", "reason"), str)
        told = pd.read_csv(self.folder / DATA / "quality.csv", dtype=kinds, keep_default_na=False, na_values={"share": [""]})
        return told

    def index(self, name: str) -> IndexWords:
        """Open a composite index that was computed beside the pooled results: its tables and sentences."""
        return IndexWords(self.folder / DATA / "indices", name)

    def notes(self) -> str:
        """Say where the parts of a table do not add up to its total."""
        frame = pd.read_csv(self.folder / DATA / "notes.csv", dtype={"site": str})
        if frame.empty:
            return "At every site the parts of every table add up to its total."
        titles = dict(zip(self.sites["site"], self.sites["title"]))
        lines = [
            f"- {titles.get(n['site'], n['site'])}: broken out by {n['dimension']}, "
            f"{number(100 * n['share_missing'], 1)} % of the total is in no group ({n['analysis']}, {n['table']})."
            for n in frame.to_dict("records")
        ]
        return "\n".join(lines)


def open_report(folder: str | Path = ".") -> Report:
    """Open what was staged beside a page."""
    folder = Path(folder)
    if not (folder / DATA / STUDY).is_file():
        raise FileNotFoundError("the page has no data beside it: run `cohortium report`, or `cohortium stage` first")
    return Report(folder)
