"""Small artificial results, made row by row, of every kind that figures are drawn from."""

from __future__ import annotations

import math
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from shared_code import methods
from shared_code.config import Study
from shared_code.config.study import months_between
from shared_code.figures import style
from shared_code.figures.draw import draw_one, requests
from shared_code.figures.request import NUMBERS, SITE_COLUMNS, SPREAD, TEXTS

ROOT = Path(__file__).parents[2]
WORDS = ["Asthma", "Heart failure", "Chronic obstructive pulmonary disease", "Diabetes", "Stroke or TIA", "Epilepsy",
         "Cancer", "Depression", "Osteoporosis", "Inflammatory bowel disease", "Rheumatoid arthritis"]  # fmt: skip
TOWNS = ["Ashvale", "Brackenmoor", "Carrowby", "Dunmere", "Eastholt and the Northern Dales", "Fenwick", "Gorsley"]


@pytest.fixture
def look():
    with style.look():
        yield


def titles(count: int) -> dict[str, str]:
    return {f"item_{n}": WORDS[n % len(WORDS)] + (f" {n}" if n >= len(WORDS) else "") for n in range(count)}


def site_names(count: int) -> dict[str, str]:
    return {f"s{n:02d}": TOWNS[n % len(TOWNS)] + (f" {n}" if n >= len(TOWNS) else "") for n in range(count)}


def study(figures: dict, items: dict[str, str]) -> Study:
    """A study of one analysis whose items, sexes, fifths, months and places are all declared."""
    dimensions = {
        "item": {"label": "Condition", "values": items},
        "deprivation": {"label": "Deprivation", "values": {"1": "1 (most deprived)", "2": "2", "3": "3", "4": "4",
                                                           "5": "5 (least deprived)", "Unknown": "Unknown"}},
        "sex": {"label": "Sex", "values": {"F": "Female", "M": "Male"}},
        "age": {"label": "Age", "bands": [0, 65]},
        "month": {"label": "Month", "months": ["2019-01", "2020-12"]},
        "ward": {"label": "Ward", "local": True},
    }  # fmt: skip
    steps = [{"method": "prevalence", "table": "t", "item": "item", "standardise": ["sex", "age"],
              "groups": {"deprivation": "5"}},
             {"method": "change", "table": "e", "item": "item", "along": "month", "at": "2020-04",
              "against": "2019-04"}]  # fmt: skip
    return Study(
        study="artificial", title="Artificial", summary="Made up", coordinator="Nobody", index_date="2026-04-01",
        period={"start": "2021-04-01", "end": "2026-04-01"}, disclosure={},
        analyses={"one": {"title": "One", "question": "What?", "figures": figures,
                          "results": {"t": {"title": "T", "layout": "counts", "dimensions": dimensions},
                                      "e": {"title": "E", "layout": "events", "dimensions": dimensions}},
                          "pooled": steps}},
    )  # fmt: skip


def row(**values) -> dict:
    base = dict.fromkeys([*TEXTS, "verdict"], "") | dict.fromkeys([*NUMBERS, *SPREAD], math.nan)
    return base | {"analysis": "one", "sex": "both", "scope": "pooled", "n_sites": 5, "withheld_share": 0.0,
                   "releases": "abc123"} | values  # fmt: skip


def interval(value: float, factor: float) -> dict:
    return {"estimate": value, "lower": value / factor, "upper": value * factor}


def write(folder: Path, rows: list[dict], sites: dict[str, str], states: dict | None = None) -> Path:
    """Write results.csv and sites.csv; give the folder."""
    for one in rows:
        if not one["sites"] and one["scope"] == "pooled":
            one["sites"], one["n_sites"] = "; ".join(sites), len(sites)
        elif not one["sites"]:
            one["sites"], one["n_sites"] = one["scope"].removeprefix("site:"), 1
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows, columns=[*TEXTS, *NUMBERS, *SPREAD, "verdict"])
    table.to_csv(folder / "results.csv", index=False, float_format="%.10g")
    who = []
    for site, title in sites.items():
        state, reason = (states or {}).get(site, ("in", ""))
        who.append({"site": site, "title": title, "analysis": "one", "state": state, "reason": reason})
    pd.DataFrame(who, columns=SITE_COLUMNS).to_csv(folder / "sites.csv", index=False)
    return folder


def ratio_rows(items: dict[str, str], seed: int = 1) -> list[dict]:
    """Ratios of the most deprived fifth; every fourth item is largely withheld, the last one has no estimate."""
    chance, rows = random.Random(seed), []
    for n, item in enumerate(items):
        value = math.exp(chance.uniform(-0.6, 1.2))
        common = {"item": item, "group": "deprivation", "level": "1", "comparator": "5", "scale": "ratio",
                  "people": 1000, "events": 50, "withheld_share": 0.7 if n % 4 == 3 else 0.1}  # fmt: skip
        if n == len(items) - 1:
            rows.append(row(measure="standardised ratio", reason="fewer than 10 cases", **common))
            continue
        rows.append(row(measure="standardised ratio", **common, **interval(value, math.exp(chance.uniform(0.05, 0.6)))))
        rows.append(row(measure="crude ratio", **common, **interval(value * 0.8, 1.3)))
    return rows


def gradient_rows(items: dict[str, str], sites: dict[str, str], sexes: tuple[str, ...] = ("both",)) -> list[dict]:
    chance, rows = random.Random(2), []
    for item in items:
        for sex in sexes:
            common = {"item": item, "group": "deprivation", "sex": sex, "scale": "%"}
            for level in "12345":
                value = 20 - 2 * int(level) + chance.uniform(-1, 1)
                rows.append(row(measure="standardised prevalence", level=level, people=1000, **common,
                                **interval(value, 1.06)))  # fmt: skip
                for n, site in enumerate(sites):
                    rows.append(row(measure="standardised prevalence", level=level, scope=f"site:{site}",
                                    withheld_share=0.05 if n % 3 else 0.4, **common,
                                    **interval(value + chance.uniform(-2, 2), 1.2)))  # fmt: skip
            rows.append(row(measure="slope index", level="slope", **common | {"scale": "percentage points"},
                            estimate=-8.0, lower=-9.5, upper=-6.5))  # fmt: skip
    return rows


def place_rows(sites: dict[str, str], places: int) -> list[dict]:
    """Estimates of places; the first place of every site has none for men."""
    chance, rows = random.Random(3), []
    for site in sites:
        for place in range(places):
            for sex, level in (("F", 83), ("M", 79)):
                value, wide = level + chance.uniform(-6, 6), chance.uniform(1, 4)
                common = {"measure": "estimate of the site", "item": "item_0", "group": "ward", "sex": sex,
                          "level": f"{site.upper()}{place:03d}", "scope": f"site:{site}", "scale": "years"}  # fmt: skip
                if place == 0 and sex == "M":
                    rows.append(row(reason="withheld: fewer people than the threshold", **common))
                else:
                    rows.append(row(estimate=value, lower=value - wide, upper=value + wide, **common))
    return rows


def month_rows(items: dict[str, str], sites: dict[str, str], gap: str = "2020-04") -> list[dict]:
    """Monthly rates of 2019 and 2020 with a fall in April 2020; the last site has a gap."""
    chance, rows = random.Random(4), []
    for n, item in enumerate(items):
        for at, month in enumerate(months_between("2019-01", "2020-12")):
            value = (8 + 3 * n) * (0.5 if month == "2020-04" else 1) * (1 + 0.1 * math.sin(at / 2))
            common = {"measure": "monthly rate", "item": item, "group": "month", "level": month,
                      "scale": "per 1,000 people a month"}  # fmt: skip
            rows.append(row(**common, **interval(value, 1.05)))
            for site in sites:
                if site == list(sites)[-1] and month == gap:
                    continue
                own = value * math.exp(chance.gauss(0, 0.2))
                rows.append(row(scope=f"site:{site}", **common, **interval(own, 1.2)))
    return rows


def change_rows(items: dict[str, str], sites: dict[str, str]) -> list[dict]:
    """Changes from April 2019 to April 2020; the second item is not collected by the last site."""
    chance, rows = random.Random(5), []
    for n, item in enumerate(items):
        common = {"item": item, "group": "month", "level": "2020-04", "comparator": "2019-04", "scale": "% change"}
        inside = [*sites][:-1] if n == 1 else [*sites]
        middle = -45 + 8 * (n % 5)
        who = {"sites": "; ".join(inside), "n_sites": len(inside)}
        for measure, half in (("change", 2), ("average change", 6), ("change expected in another site", 25)):
            rows.append(row(measure=measure, **common, **who, estimate=middle, lower=middle - half,
                            upper=middle + half))  # fmt: skip
        rows.append(row(measure="difference between sites (tau2)", **common | {"scale": "variance of the log ratio"},
                        **who, estimate=0.02, lower=0.005, upper=0.09))  # fmt: skip
        for site in inside:
            value, half = middle + chance.uniform(-15, 15), chance.uniform(3, 12)
            rows.append(row(measure="change", scope=f"site:{site}", **common, estimate=value, lower=value - half,
                            upper=value + half))  # fmt: skip
    return rows


def meta_rows(items: dict[str, str], sites: dict[str, str], seed: int = 6) -> list[dict]:
    """Meta-analyses of ratios by the method itself; the last site has no estimate of the first item."""
    chance, rows = np.random.default_rng(seed), []
    if len(sites) < 4:
        return []  # too few to leave one out
    for n, item in enumerate(items):
        names = [*sites][: -1 if n == 0 else None]
        y, v = chance.normal(0.3, 0.25, len(names)), chance.uniform(0.005, 0.2, len(names))
        found, one_out, joined = methods.random_effects(y, v), methods.leave_one_out(y, v), methods.cumulative(y, v)
        common = {"item": item, "group": "everyone", "level": "all", "scale": "ratio"}
        if n == 0:
            rows.append(row(**common, measure="effect at the site", scope=f"site:{[*sites][-1]}",
                            reason="withheld: fewer people than the threshold"))  # fmt: skip
        for i, site in enumerate(names):
            half = 1.96 * math.sqrt(v[i])
            rows.append(row(**common, measure="effect at the site", scope=f"site:{site}", weight=found.weights[i],
                            estimate=math.exp(y[i]), lower=math.exp(y[i] - half), upper=math.exp(y[i] + half)))  # fmt: skip
            rows.append(row(**common, measure="pooled without one site", scope=f"loso:{site}",
                            sites="; ".join(s for s in names if s != site), n_sites=len(names) - 1,
                            method="as the pooled estimate" + ("; hangs on this site: size changes without it" if i == 1 else ""),
                            **{end: math.exp(getattr(one_out, end)[i]) for end in ("estimate", "lower", "upper")}))  # fmt: skip
            rows.append(row(**common, measure="pooled as sites join", scope=f"joined:{site}", sites="; ".join(names[: i + 1]),
                            n_sites=i + 1, **{end: math.exp(getattr(joined, end)[i]) for end in ("estimate", "lower", "upper")}))
        for measure, result in (("pooled estimate", found), ("common effect", methods.common_effect(y, v))):
            more = {} if measure == "common effect" else {
                "tau2": found.tau2, "tau2_lo": found.tau2_lower, "tau2_hi": found.tau2_upper, "i2": found.i2_percent,
                "q": found.q, "pi_lo": math.exp(found.prediction_lower), "pi_hi": math.exp(found.prediction_upper)}  # fmt: skip
            rows.append(row(**common, measure=measure, method="random effects, REML, Hartung-Knapp with floor", **more,
                            sites="; ".join(names), n_sites=len(names),
                            **{end: math.exp(getattr(result, end)) for end in ("estimate", "lower", "upper")}))  # fmt: skip
    return rows


def curve_rows(items: dict[str, str]) -> list[dict]:
    """Shares by age in three fifths, ten years apart at equal height; the third fifth has no estimate at 50."""
    rows = []
    for level, shift in (("1", 10), ("3", 5), ("5", 0)):
        for age in range(50, 100, 10):
            value = age + shift - 40.0
            gone = level == "3" and age == 50
            numbers = {"reason": "withheld"} if gone else interval(value, 1.1)
            rows.append(row(measure="share by age", item=next(iter(items)), group="deprivation", level=level,
                            stratum=f"age={age}", scale="%", **numbers))  # fmt: skip
    return rows


def figures_of(items: dict[str, str]) -> dict:
    """One figure of every kind, and life expectancy by sex."""
    return {
        "ratios": {"kind": "ratios", "group": "deprivation", "level": "1", "caption": "In the most deprived fifth"},
        "gradient": {"kind": "gradient", "group": "deprivation", "items": [*items], "caption": "By deprivation"},
        "caterpillar": {"kind": "caterpillar", "item": "item_0", "caption": "Life expectancy by ward"},
        "trend": {"kind": "trend", "mark": "2020-03", "caption": "Hospital use by month"},
        "change": {"kind": "change", "caption": "Change in hospital use"},
        "forest": {"kind": "forest", "item": "item_0", "group": "everyone", "caption": "Effect at each site, and together"},
        "leave_one_out": {"kind": "leave_one_out", "item": "item_0", "group": "everyone", "caption": "Without each site in turn"},
        "cumulative": {"kind": "cumulative", "item": "item_0", "group": "everyone", "caption": "As sites join"},
        "heterogeneity": {"kind": "heterogeneity", "caption": "How much sites differ"},
        "availability": {"kind": "availability", "caption": "Which site is in which measure"},
        "curves": {"kind": "curves", "measure": "share by age", "along": "age", "group": "deprivation", "levels": ["1", "3", "5"],
                   "item": "item_0", "same": 65, "caption": "Who has it by each age"},
    }  # fmt: skip


def everything(folder: Path, items: int = 3, sites: int = 5, sexes: tuple[str, ...] = ("both",), places: int = 6):
    """Give a study with a figure of every kind, and a folder of results for all of them."""
    named, who = titles(items), site_names(sites)
    rows = [*ratio_rows(named), *gradient_rows(named, who, sexes), *place_rows(who, places), *month_rows(named, who),
            *change_rows(named, who), *meta_rows(named, who), *curve_rows(named)]  # fmt: skip
    return study(figures_of(named), named), write(folder, rows, who)


@pytest.fixture
def made() -> SimpleNamespace:
    """The makers above, for tests."""
    makers = (titles, site_names, study, row, interval, write, ratio_rows, gradient_rows, place_rows, month_rows,
              change_rows, meta_rows, figures_of, everything)  # fmt: skip
    return SimpleNamespace(**{maker.__name__: maker for maker in makers})


@pytest.fixture
def draw(look, made, tmp_path):
    """Draw one figure of a study by its name; give what was drawn."""

    def drawn(the_study: Study, pooled: Path, name: str):
        return draw_one(next(r for r in requests(the_study, pooled) if r.name == name))

    return drawn
