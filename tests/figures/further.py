"""Made-up results for the kinds of figures that are not about conditions: months, funnels, ways to the cohort, money, effects."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from shared_code import methods
from shared_code.config import Study
from shared_code.config.study import months_between

SOURCES = {"gp": "Codes from general practice", "admission": "Hospital stays", "ed": "Emergency department attendances"}
STEPS = {"no_pseudonym": "No pseudonym", "not_registered": "Not registered on the day", "unknown": "Age or sex unknown",
         "cohort": "In the cohort"}  # fmt: skip
STRATA = {"everyone": "Everyone", "age": "Age", "ethnicity": "Ethnic group"}
LEVELS = {"everyone": "Everyone", "0-39": "0 to 39", "40-64": "40 to 64", "65+": "65 and over", "White": "White",
          "Asian": "Asian", "Other": "Any other ethnic group", "Unknown": "Unknown"}  # fmt: skip
OF = {"everyone": ["everyone"], "age": ["0-39", "40-64", "65+"], "ethnicity": ["White", "Asian", "Other", "Unknown"]}
AREAS = {"maternity": "Booked for maternity care by ten weeks", "flu": "Vaccinated against influenza, of people with COPD",
         "checks": "Six health checks, of people with severe mental illness"}  # fmt: skip
GROUPS = {"core20": "Most deprived fifth", "rest": "Other areas"}
OUTCOMES = {"ed": "Emergency department attendances", "gp": "Contacts with the practice", "stay": "Emergency stays in hospital"}
NUMBERED = {str(m): f"Month {m}" for m in range(-12, 7) if m != -3}
WEIGHTS = [0.0, 0.5, 1.0]
QUARTERS = {f"202{y}-{m:02d}": f"202{y} Q{1 + m // 3}" for y in (3, 4, 5) for m in (1, 4, 7, 10)}
COMBINATIONS = {"none": "Nothing", "body": "Body only", "blood": "Blood only", "body_blood": "Body and blood"}
BANDS = {"0-9": (61, 5.2), "10-19": (29, 13.8), "20+": (10, 29.0)}  # % of people, mean predicted risk
FIGURES = {
    "calibration": {"kind": "calibration", "along": "band", "caption": "Predicted and observed risk"},
    "run_chart": {"kind": "run_chart", "item": "crisis", "along": "quarter", "caption": "Crises quarter by quarter"},
    "together": {"kind": "together", "caption": "What is missing together",
                 "patterns": {"none": [], "body": ["body"], "blood": ["blood"], "body_blood": ["body", "blood"]},
                 "marks": {"body": "Weight or blood pressure", "blood": "Lipids or glucose"}},
    "heat_map": {"kind": "heat_map", "caption": "What arrived in each month"},
    "funnel": {"kind": "funnel", "item": "gp", "measure": "share of rows", "caption": "Rows with a fault at each site"},
    "strata": {"kind": "strata", "item": "gp", "caption": "Who is linked"},
    "flow": {"kind": "flow", "caption": "The way to the cohort"},
    "pairs": {"kind": "pairs", "table": "areas", "targets": {"flu": 75}, "caption": "Care in two groups of areas"},
    "lever": {"kind": "lever", "caption": "Pounds of every place by the weight of need"},
    "intervals": {"kind": "intervals", "measure": "pooled estimate", "items": [*OUTCOMES], "published": {"Published": 0.6},
                  "caption": "Effects on several outcomes"},
    "event_study": {"kind": "event_study", "along": "numbered", "against": "-3", "caption": "The effect month by month"},
}  # fmt: skip


def study(sites: list[str]) -> Study:
    """Give a study of one analysis with all these figures."""

    def table(layout: str, **dimensions: Any) -> dict[str, Any]:
        return {"title": "T", "layout": layout, "dimensions": dimensions}

    def of(values: dict[str, str], **more: Any) -> dict[str, Any]:
        return {"values": values, **more}

    results = {
        "months": table("bins", source=of(SOURCES), month={"months": ["2022-01", "2024-12"]}),
        "linked": table("records", source=of(SOURCES), stratum=of(STRATA), level=of(LEVELS)),
        "way": table("counts", step=of(STEPS)),
        "areas": table("counts", indicator=of(AREAS), core20=of(GROUPS)),
        "residents": table("counts", need=of({"core20": "Core20"}), locality={"local": True}),
        "quarters": table("counts", event=of({"crisis": "A crisis"}), quarter=of(QUARTERS)),
        "combinations": table("counts", missing=of(COMBINATIONS)),
        "effects": table("estimates", outcome=of(OUTCOMES)),
        "risks": table("moments", quantity=of({"risk": "Risk", "risk_of_cases": "Of cases"}),
                       band={"label": "Predicted risk in %", "bands": [0, 10, 20], "total": True}),
        "by_month": table("estimates", numbered=of(NUMBERED)),
    }
    pooled = [
        {"method": "shares", "table": "quarters", "item": "event", "level": "quarter"},
        {"method": "shares", "table": "combinations", "item": "missing"},
        {"method": "months", "table": "months", "item": "source", "along": "month"},
        {"method": "shares", "table": "linked", "item": "source"},
        {"method": "shares", "table": "way", "item": "step"},
        {"method": "gaps", "table": "areas", "item": "indicator", "group": "core20", "compare": "core20", "against": "rest"},
        {"method": "allocation", "table": "residents", "item": "need", "place": "locality", "need": "core20",
         "total": 1_000_000 * len(sites), "weights": WEIGHTS, "weight": 0.5, "announced": dict.fromkeys(sites, 1_000_000)},
        {"method": "risk_performance", "table": "risks", "item": "quantity", "band": "band", "groups": [], "act_at": 20,
         "reduction": 0.1},
        {"method": "meta_analysis", "table": "effects", "item": "outcome", "unit": "ratio", "scale": "log"},
        {"method": "meta_analysis", "table": "by_month", "item": "numbered", "unit": "ratio", "scale": "log"},
    ]  # fmt: skip
    return Study.model_validate({
        "study": "artificial", "title": "Artificial", "summary": "Made up", "coordinator": "Nobody", "index_date": "2026-04-01",
        "period": {"start": "2021-04-01", "end": "2026-04-01"}, "disclosure": {},
        "analyses": {"one": {"title": "One", "question": "What?", "figures": FIGURES, "results": results, "pooled": pooled,
                             "parameters": {"act_at": 20}}},
    })  # fmt: skip


def rows(row: Any, sites: list[str]) -> list[dict[str, Any]]:
    """Make results of every kind; sites differ, one has a month without rows and one lies outside the funnel."""
    chance = np.random.default_rng(11)
    return [*_months(row, sites, chance), *_shares(row, sites, chance), *_money(row, sites, chance), *_effects(row, chance),
            *_in_time(row, np.random.default_rng(12)), *_risks(row, sites, np.random.default_rng(13))]  # fmt: skip


def _months(row: Any, sites: list[str], chance: np.random.Generator) -> list[dict[str, Any]]:
    found = []
    for site in sites:
        for source in SOURCES:
            for month in months_between("2022-01", "2024-12"):
                failed = (site, source, month) == (sites[0], "gp", "2023-05")
                found.append(row(measure="rows of a month", item=source, group="month", level=month, scope=f"site:{site}",
                                 scale="%", events=0 if failed else 100, estimate=0.0 if failed else float(chance.normal(100, 8)),
                                 verdict="look" if failed else "usual"))  # fmt: skip
    return found


def _shares(row: Any, sites: list[str], chance: np.random.Generator) -> list[dict[str, Any]]:
    found, people = [], chance.integers(500, 30_000, len(sites))
    for n, site in enumerate(sites):
        cases = chance.binomial(people[n], 0.15 if n == 1 else 0.08)
        share = methods.wilson(cases, people[n])
        found.append(row(measure="share of rows", item="gp", group="everyone", level="all", scope=f"site:{site}", scale="%",
                         people=int(people[n]), events=int(cases), **_percent(share)))  # fmt: skip
    found.append(row(measure="share of rows", item="gp", group="everyone", level="all", scale="%", people=int(people.sum()),
                     **_percent(methods.wilson(0.08 * people.sum(), people.sum()))))  # fmt: skip
    for stratum, levels in OF.items():
        for level in levels:
            share = _percent(methods.wilson(chance.integers(800, 980), 1000))
            found.append(row(measure="linked", item="gp", group=stratum, level=level, scale="%", people=1000, **share))
    left = 20_000.0 * len(sites)
    for step in STEPS:
        gone = left * (1 if step == "cohort" else 0.05)
        found.append(row(measure="share", item=step, group="everyone", level="all", scale="%", people=20_000 * len(sites),
                         events=gone, estimate=100 * gone / (20_000 * len(sites)), lower=90.0, upper=92.0))  # fmt: skip
        left -= gone
    for area in AREAS:
        for level, value in (("core20", 62.0), ("rest", 66.0)):
            found.append(row(measure="share", item=area, group="core20", level=level, scale="%", people=5000, estimate=value,
                             lower=value - 4, upper=value + 4))  # fmt: skip
        found.append(row(measure="difference", item=area, group="core20", level="core20", comparator="rest", estimate=-4.0,
                         lower=-9.0, upper=1.0, scale="percentage points"))  # fmt: skip
    return found


def _in_time(row: Any, chance: np.random.Generator) -> list[dict[str, Any]]:
    """Make twelve quarters, one withheld and one far from the others, and combinations of which nobody has one."""
    found = []
    for n, quarter in enumerate(QUARTERS):
        cases = chance.binomial(600, 0.32 if n == 8 else 0.12)
        told = {} if n == 3 else {"events": int(cases), **_percent(methods.wilson(cases, 600))}
        found.append(row(measure="share", item="crisis", group="quarter", level=quarter, scale="%", people=600, **told))
    for item, cases in zip(COMBINATIONS, (380, 160, 60, 0), strict=True):
        found.append(row(measure="share", item=item, group="everyone", level="all", scale="%", people=600, events=cases,
                         **_percent(methods.wilson(cases, 600))))  # fmt: skip
    return found


def _risks(row: Any, sites: list[str], chance: np.random.Generator) -> list[dict[str, Any]]:
    """Make predictions that are a little too low at the top; of one site a band is missing."""
    found = []
    for scope, size in [("pooled", 1000 * len(sites)), *((f"site:{site}", 1000) for site in sites)]:
        for n, (band, (share, risk)) in enumerate(BANDS.items()):
            if (scope, n) == (f"site:{sites[0]}", 2):
                continue
            one = {"item": "risk", "group": "everyone", "level": "everyone", "scope": scope, "scale": "%"}
            one["stratum"] = f"band={band}"
            people = size * share // 100
            seen = methods.wilson(chance.binomial(people, risk / 100 * (1.2 if n == 2 else 1.0)), people)
            found += [row(measure="people in the band", estimate=share, people=people, **one),
                      row(measure="predicted in the band", estimate=risk, people=people, **one),
                      row(measure="observed in the band", people=people, **one, **_percent(seen))]  # fmt: skip
    return found


def _percent(found: Any) -> dict[str, float]:
    return {end: 100 * float(getattr(found, end)) for end in ("estimate", "lower", "upper")}


def _money(row: Any, sites: list[str], chance: np.random.Generator) -> list[dict[str, Any]]:
    found = []
    for site in sites:
        found.append(row(measure="announced", group="site", level=site, scope=f"site:{site}", estimate=1e6, scale="GBP"))
        heads, need = chance.dirichlet([20] * 4), chance.dirichlet([5] * 4)
        for n, side in enumerate(("North", "East", "South", "West")):
            one = {"group": "locality", "level": f"{side} of {site}", "scope": f"site:{site}", "scale": "GBP"}
            for weight in WEIGHTS:
                pounds = 1e6 * ((1 - weight) * heads[n] + weight * need[n])
                found.append(row(measure=f"allocation, weight of need {weight:.1f}", estimate=pounds, **one))
            found.append(row(measure="allocation, proposed", estimate=1e6 * (heads[n] + need[n]) / 2, **one))
    found.append(row(measure="implied weight of need", group="everyone", level="all", estimate=0.62, scale="weight"))
    return found


def _effects(row: Any, chance: np.random.Generator) -> list[dict[str, Any]]:
    found = []
    for item in [*OUTCOMES, *NUMBERED]:
        value = math.exp(chance.normal(-0.2, 0.2))
        found.append(row(measure="pooled estimate", item=item, group="everyone", level="all", scale="ratio", estimate=value,
                         lower=value / 1.3, upper=value * 1.3))  # fmt: skip
    return found


def everything(made: Any, folder: Path, count: int) -> tuple[Study, Path]:
    """Give a study with these figures, and a folder of results of so many sites; of them one sent nothing."""
    named = made.site_names(count)
    inside = [*named][:-1]
    pooled = made.write(folder, rows(made.row, inside), named, {[*named][-1]: ("not run", "the site has no such table")})
    return study(inside), pooled
