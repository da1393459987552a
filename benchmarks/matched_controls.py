"""Simulate the whole way from attendances to the ratio, with and without an effect: what is shown, and how often it covers.

    python -m benchmarks.matched_controls --runs 1000        writes benchmarks/matched_controls.json

Each run draws 20,000 people with yearly rates from a gamma distribution (shape 0.25, mean 0.40), five years of attendances,
and a service that takes people who meet the rule; then risk sets, matching, freezing and the comparison are those of the
analysis. Nothing changes but what the service does.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np

from shared_code import measures, methods
from shared_code.measures.event_days import FAR, Events, Index
from shared_code.measures.risk_sets import Cohort
from shared_code.measures.rolling_rule import Intervals, Rule, spans

RULE = Rule(programme="service", recruitment=("2003-01-01", "2004-06-01"))
START, END = dt.date(2000, 1, 1), dt.date(2005, 1, 1)
FIRST, LAST = ((d - dt.date(1970, 1, 1)).days for d in (START, END))
MEETINGS = range(FIRST + 1100, LAST - 215, 30)
TAKEN, RECENT = 0.04, 0.3
SHAPE, MEAN = 0.25, 0.40


class Nothing:
    """Stand for prepared tables of a site that records attendances only."""

    def has(self, name: str) -> bool:
        return False


def site(seed: int, effect: float, people: int = 20_000) -> Cohort:
    """Draw a site: rates that never change, attendances, and a service that starts after those it takes met the rule."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 44]))
    own = rng.gamma(SHAPE, MEAN / SHAPE, people)
    times = rng.poisson(own * (LAST - FIRST) / 365)
    often = np.flatnonzero(times >= RULE.least)
    person = np.repeat(np.arange(len(often)), times[often])
    day = FIRST + np.floor(rng.random(len(person)) * (LAST - FIRST)).astype(np.int64)
    before = Events.of(person, day)
    referred, started = (np.full(len(often), FAR, dtype=np.int64) for _ in (0, 1))
    everyone = np.arange(len(often))
    for meeting in MEETINGS:
        on = np.full(len(often), meeting)
        lately = before.between(everyone, on - 90, on)
        met = before.between(everyone, on - 365, on) >= RULE.least
        log_odds = np.log(TAKEN / (1 - TAKEN)) + RECENT * (lately - 3)
        taken = met & (referred == FAR) & (rng.random(len(often)) < 1 / (1 + np.exp(-log_odds)))
        referred[taken] = meeting
        started[taken] = meeting + rng.integers(1, 15, taken.sum())
    inside = (day >= started[person]) & (day < started[person] + RULE.follow_up)
    kept = ~inside | (rng.random(len(day)) < effect)
    died = np.where(rng.random(len(often)) < 0.12, FIRST + rng.integers(1, 5 * 365, len(often)), FAR)
    attended = Events.of(person[kept & (day < died[person])], day[kept & (day < died[person])])
    ids = np.array([f"{n:06d}" for n in range(len(often))])
    none = np.zeros(0, dtype=np.int64)
    return Cohort(
        RULE, Index.of(ids), spans(attended, RULE.least, RULE.window), attended,
        Intervals(everyone, np.full(len(often), FIRST - 3650), np.full(len(often), FAR)), referred, started, died,
        np.full(len(often), FIRST - 15_000), np.where(rng.random(len(often)) < 0.5, "F", "M"), np.full(len(often), "White"),
        np.zeros(len(often), dtype=bool), (none, none, np.zeros(0, dtype=object)), Events(none), None, {}, FIRST,
        Nothing(),  # type: ignore[arg-type]
    )  # fmt: skip


def compare(cohort: Cohort, seed: int = 1) -> dict[str, Any]:
    """Match, freeze and compare: the ratio with its limits, the fall without controls, and after only."""
    frozen = measures.match_controls(measures.risk_sets(cohort), {"seed": seed})
    followed = measures.outcomes_of(frozen, END, ["ed_attendance"])
    found = measures.estimates(followed).set_index("estimator")
    falls = measures.changes(followed, np.ones((2, 4))).set_index("group_of")["estimate"]
    half = methods.checks.student_quantile(0.95, max(followed.rows["set"].nunique() - 2, 1))
    ratio, se = found.loc["primary", ["estimate", "se"]]
    after, se_after = found.loc["after_only", ["estimate", "se"]]
    return {"ratio": ratio, "se": se, "low": ratio - half * se, "high": ratio + half * se, "fall": np.expm1(falls["treated"]),
            "after": after, "after_low": after - half * se_after, "after_high": after + half * se_after,
            "placebo": found.loc["placebo", "estimate"], "eligible": frozen.eligible, "sets": followed.rows["set"].nunique(),
            "fixed_day": fixed_day(cohort)}  # fmt: skip


def fixed_day(cohort: Cohort) -> float:
    """Give the change, after over before, of everybody who meets the rule on one day before the service begins."""
    day = FIRST + 900
    met = cohort.spans.met(day, 0)
    on = np.full(len(met), day)
    before, after = cohort.attended.between(met, on - 365, on).sum(), cohort.attended.between(met, on, on + 183).sum()
    return float(after / 183 / (before / 365) - 1)


def simulate(runs: int, effect: float, first: int = 0) -> dict[str, float]:
    """Repeat, and say how often limits hold the truth and what is shown without controls."""
    rows = [compare(site(first + run, effect), run) for run in range(runs)]
    every = {name: np.array([row[name] for row in rows], dtype=float) for name in rows[0]}
    truth = np.log(effect)
    return {
        "runs": runs, "effect": effect, "mean_ratio": float(np.exp(every["ratio"].mean())),
        "coverage": float(((every["low"] <= truth) & (truth <= every["high"])).mean()),
        "coverage_after_only": float(((every["after_low"] <= truth) & (truth <= every["after_high"])).mean()),
        "sd": float(every["ratio"].std(ddof=1)), "mean_se": float(every["se"].mean()),
        "uncontrolled_change": float(every["fall"].mean()), "fixed_day_change": float(every["fixed_day"].mean()),
        "mean_ratio_after_only": float(np.exp(every["after"].mean())), "mean_placebo": float(np.exp(every["placebo"].mean())),
        "mean_sets": float(every["sets"].mean()), "share_matched": float((every["sets"] / every["eligible"]).mean()),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    found = []
    for effect in (1.0, 0.7):
        found.append(simulate(arguments.runs, effect))
        arguments.out.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
        print(json.dumps(found[-1], indent=2), flush=True)


if __name__ == "__main__":
    main()
