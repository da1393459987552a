"""How the evidence of the sites was put together, in words and tables."""

from __future__ import annotations

import pandas as pd

from shared_code.pooling.comparable import BY_CHANCE, FAR_APART
from shared_code.pooling.results import APART, BAYES, GROUP, GROUPS_DIFFER, MODERATOR, OWN, RANDOM, SMALL_SITES
from shared_code.reporting.words import estimate, interval, number, pipe_table

LARGEST = 4  # measures named in one cell


def verdicts(rows: pd.DataFrame, titles: dict[str, str]) -> str:
    """Tabulate what each site has to do before it uses a prediction: how far its level and slope are off, and the verdict."""
    table = []
    for scope, own in rows[rows["scope"].str.startswith("site:")].groupby("scope", sort=True):
        large, slope = (own[own["measure"] == name] for name in ("calibration in the large", "calibration slope"))
        if len(large) and len(slope):
            site = str(scope).removeprefix("site:")
            table.append({"Site": titles.get(site, site), "Calibration in the large": estimate(large.iloc[0], 2),
                          "Slope": estimate(slope.iloc[0], 2), "Verdict": str(slope.iloc[0]["verdict"])})  # fmt: skip
    return pipe_table(pd.DataFrame(table), right=("Calibration in the large", "Slope"))


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


def cautions(results: pd.DataFrame, titles: dict[str, str]) -> str:
    """List, per analysis, which averages have an interval that does not hold what 95 % promises, and why."""
    rows = results[results["analysis"].isin(titles) & (results["caution"] != "") & results["estimate"].notna()]
    if rows.empty:
        return "No interval on these pages is known to hold less, or much more, than the 95 % it promises."
    lines = []
    for (stem, measure, said), part in rows.groupby(["analysis", "measure", "caution"], sort=False):
        lines.append(f"- {titles[stem]}, {measure} ({len(part)} {'result' if len(part) == 1 else 'results'}): {said}.")
    return "\n".join(lines)


def each(own: pd.DataFrame, titles: dict[str, str], decimals: int) -> str:
    """Say what each site found, in one clause.

    own  one row per site     titles  site -> title
    """
    said = []
    for row in own[own["estimate"].notna()].sort_values("scope").to_dict("records"):
        limits = interval(row["lower"], row["upper"], decimals)
        shown = signed(row["estimate"], decimals) + (f" ({limits})" if limits else "")
        said.append(f"{titles.get(row['sites'], row['sites'])} {shown}")
    return ", ".join(said[:-1]) + (" and " if len(said) > 1 else "") + said[-1] if said else "no site gave an estimate"


def signed(value: float, decimals: int) -> str:
    """Write a number with its sign.

    >>> signed(0.31, 2), signed(-1.1, 2), signed(0.0, 1)
    ('+0.31', '−1.10', '0.0')
    """
    text = number(value, decimals)
    return f"+{text}" if value > 0 and any(c in "123456789" for c in text) else text


def effects(rows: pd.DataFrame, titles: dict[str, str], entry: dict, decimals: int) -> str:
    """Tabulate effects: a row per item (and level), a column per site, then what they give together.

    rows  results of one analysis     entry  its words (labels, items)
    """
    sites = [s for s in titles if (rows["scope"] == f"site:{s}").any()]
    table = []
    for (item, group, level), part in rows.groupby(["item", "group", "level"], sort=False):
        label = entry["labels"].get(f"{group}:{level}", level)
        own = part[part["measure"] == OWN].set_index("scope")
        line = {entry["item_label"] or "Effect": entry["labels"].get(item, item)}
        line |= {"For": label} if group != "everyone" else {}
        for site in sites:
            here = own.loc[f"site:{site}"] if f"site:{site}" in own.index else None
            line[titles[site]] = "no estimate" if here is None else estimate(here, decimals)
        named = part[part["scope"] == "pooled"].drop_duplicates("measure").set_index("measure")
        whole = named.loc[RANDOM] if RANDOM in named.index else None
        line["Together"] = "" if whole is None else estimate(whole, decimals)
        line["Difference"] = estimate(named.loc[APART], decimals) if APART in named.index else ""
        other = next((named.loc[m] for m in (RANDOM, BAYES) if m in named.index and pd.notna(named.loc[m, "pi_lo"])), None)
        line["Another site"] = "" if other is None else interval(other["pi_lo"], other["pi_hi"], decimals)
        given = whole is not None and pd.notna(whole["estimate"])
        line["Do they agree?"] = str(whole["agreement"]).removeprefix("the sites ") if given else ""
        table.append(line)
    frame = pd.DataFrame(table).fillna("")
    frame = frame[[c for c in frame.columns if (frame[c] != "").any()]]
    return pipe_table(frame, right=tuple(c for c in frame.columns if c in ("Together", "Difference", *titles.values())))


def between_sites(rows: pd.DataFrame, entry: dict, decimals: int) -> str:
    """Tabulate what the study declares about differences between sites: kinds of site, what describes them, small sites.

    rows  results of one analysis     entry  its words (labels, items, sites_by: what the study says of sites)
    """
    table = []
    for row in rows[rows["measure"].isin([GROUP, GROUPS_DIFFER, MODERATOR, SMALL_SITES])].to_dict("records"):
        name, _, kind = row["stratum"].partition("=")
        about = entry["sites_by"].get(name, name)
        asked = {GROUP: f"{about}: {kind}", GROUPS_DIFFER: f"{about}: {kind} against {row['comparator']}",
                 MODERATOR: f"one more of: {about}", SMALL_SITES: "small sites against large"}[row["measure"]]  # fmt: skip
        table.append({entry["item_label"] or "Effect": entry["labels"].get(row["item"], row["item"]), "Asked": asked,
                      "Estimate": estimate(pd.Series(row), decimals), "Sites": number(row["n_sites"], 0),
                      "Says": "; ".join(said for said in (row["agreement"], row["caution"]) if said)})  # fmt: skip
    return pipe_table(pd.DataFrame(table, columns=None if table else ["Asked", "Estimate"]), right=("Estimate", "Sites"))


def model(rows: pd.DataFrame, declared: dict, titles: dict[str, str], record: dict) -> str:
    """Tabulate the coefficients of one fitted model, and say who is in it and how it can be traced.

    rows  its results     declared  title and terms of the model     record  what pooling recorded of it
    """
    if rows.empty:
        why = record.get("not_shown") or "it has not been fitted yet (`cohortium model --help`)"
        return f"{declared['title']}: not given, {why}."
    table = []
    for row in rows[rows["group"] != "intercept"].to_dict("records"):
        term = declared["terms"].get(row["group"], {"label": row["group"], "levels": {}})
        against = term["levels"].get(row["comparator"], row["comparator"]) or row["comparator"]
        table.append({"Term": term["label"].capitalize(), "Level": term["levels"].get(row["level"], row["level"]) or row["level"],
                      "Against": against, row["measure"].capitalize(): estimate(pd.Series(row), 2)})  # fmt: skip
    first = rows.iloc[0]
    inside = ", ".join(titles.get(site, site) for site in first["sites"].split("; "))
    said = f"{int(first['people']):,} people at {int(first['n_sites'])} sites: {inside}."
    left = first["sites_excluded"]
    for site, title in titles.items():
        left = left.replace(f"{site} (", f"{title} (")
    said += f" Not in it: {left}." if left else ""
    said += f" {first['method'].capitalize()}; answers of the sites (SHA-256): `{first['releases']}`."
    return pipe_table(pd.DataFrame(table), right=(rows.iloc[0]["measure"].capitalize(),)) + "\n\n" + said


def inside_groups(rows: pd.DataFrame, ages: tuple[str, str], labels: dict[str, str], dimensions: dict[str, str], decimals: int
                  ) -> str:  # fmt: skip
    """Tabulate one comparison inside the levels of other groups: both values, and the difference with its interval.

    rows  of one group, its strata as dimension=level     ages  measure of each value, and of the difference     labels  of levels
    """
    value, gap = (rows[rows["measure"] == name] for name in ages)
    table = []
    for row in gap.to_dict("records"):
        inside, _, level = row["stratum"].partition("=")
        pair = value[value["stratum"] == row["stratum"]].set_index("level")
        codes = {code: labels.get(f"{row['group']}:{code}", code) for code in (row["level"], row["comparator"] or row["level"])}
        both = {name: estimate(pair.loc[code], decimals) if code in pair.index else "not given" for code, name in codes.items()}
        name = f"{dimensions.get(inside, inside)}: {labels.get(f'{inside}:{level}', level)}"
        table.append({"": name, **both, "Earlier": estimate(pd.Series(row), decimals), "Sites": int(row["n_sites"])})
    return pipe_table(pd.DataFrame(table), right=[*table[0]][1:]) if table else "Not given: no release holds these groups."


def without_each(rows: pd.DataFrame, slopes: pd.DataFrame, declared: dict, titles: dict[str, str]) -> str:
    """Tabulate a fitted model beside the fits without each of its sites, and how each of these does at the site left out.

    rows  its results, those without a site (scope loso:<site>) among them     slopes  calibration slopes at the sites left out
    """
    left_out = sorted({scope for scope in rows["scope"] if scope.startswith("loso:")})
    rows = rows[rows["group"] != "intercept"]
    if not left_out or rows.empty:
        return f"{declared['title']}: not given, no fit without one of its sites stands among the results."
    table, names = [], {scope: f"Without {titles.get(scope[5:], scope[5:])}" for scope in left_out}
    for (group, level), part in rows.groupby(["group", "level"], sort=False):
        term, own = declared["terms"].get(group, {"label": group, "levels": {}}), part.set_index("scope")["estimate"]
        label = f"{term['label'].capitalize()} {term['levels'].get(level, level) or level}".strip()
        values = {name: own.get(scope, float("nan")) for scope, name in [("pooled", "All sites"), *names.items()]}
        table.append({"": label} | {name: number(v, 2) if pd.notna(v) else "not given" for name, v in values.items()})
    there = slopes[slopes["measure"] == OWN].set_index("scope")
    last = {"": "Calibration slope at the site left out", "All sites": ""}
    for scope, name in names.items():
        found = there[there.index == f"site:{scope[5:]}"]
        last[name] = estimate(found.iloc[0], 2) if len(found) else "not given"
    said = sorted(set(rows.loc[rows["scope"].isin(left_out) & rows["estimate"].isna(), "reason"]) - {""})
    whole = slopes[(slopes["scope"] == "pooled") & (slopes["measure"] == RANDOM)]
    words = [f"Not given: {'; '.join(said)}."] if said else []
    if len(whole) and pd.notna(whole.iloc[0]["pi_lo"]):
        row = whole.iloc[0]
        words.insert(0, f"Over sites the slope is {estimate(row, 2)}; at another site it would lie between "
                        f"{number(row['pi_lo'], 2)} and {number(row['pi_hi'], 2)} (95 % prediction interval).")  # fmt: skip
    return "\n\n".join([pipe_table(pd.DataFrame([*table, last]), right=("All sites", *names.values())), *words])


def contradictions(found: pd.DataFrame, titles: dict[str, str]) -> str:
    """List contradictions as footnotes; say so where there are none.

    found  contradictions.csv     titles  site -> title
    """
    if found.empty:
        return "The released numbers of every site fit together: within their tables, over tables, and with earlier releases."
    table = [{"Footnote": one["number"], "Site": titles.get(one["site"], one["site"]), "Table": one["table"],
              "Cell": one["cell"], "What does not fit": one["words"]} for one in found.to_dict("records")]  # fmt: skip
    return pipe_table(pd.DataFrame(table), right=("Footnote",))


def at_sites(rows: pd.DataFrame, titles: dict[str, str], items: dict[str, str], decimals: int) -> str:
    """Tabulate one measure site by site, a column an item: the value, or what a withheld number leaves possible."""
    table = []
    for scope, own in rows.groupby("scope", sort=True):
        site = str(scope).partition(":")[2]
        told = dict.fromkeys(items.values(), "not given")
        for row in own.to_dict("records"):
            ends = interval(row["bound_lower"], row["bound_upper"], decimals)
            value = number(row["estimate"], decimals)
            told[items[row["item"]]] = value if not pd.isna(row["estimate"]) else f"withheld: {ends}" if ends else value
        table.append({"Site": titles.get(site, site), **told})
    return pipe_table(pd.DataFrame(table), right=tuple(items.values())) if table else ""


def balanced(rows: pd.DataFrame, titles: dict[str, str]) -> str:
    """Tabulate, over all sites and at each, how many covariates differ after matching, how many would by chance, the verdict."""
    table = []
    for scope, own in rows.groupby("scope", sort=True):
        one = own.set_index("measure")
        site = str(scope).partition(":")[2]
        far, chance = one.loc[FAR_APART], one.loc[BY_CHANCE]
        table.append({"": titles.get(site, site) if site else "All sites together",
                      "Differ by 0.1 or more": number(far["estimate"], 0),
                      "By chance alone": number(chance["estimate"]), "Balance": far["verdict"]})  # fmt: skip
    return pipe_table(pd.DataFrame(table), right=("Differ by 0.1 or more", "By chance alone"))


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
