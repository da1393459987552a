"""Matched controls: covariates before the start, a propensity score, exact strata, and a balance that is frozen.

Outcomes are counted only by `outcomes_of`, which takes what `match_controls` has frozen: the sets and their balance can no
longer change once anybody has seen what happened to these people.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from shared_code import methods
from shared_code.config.rooms import from_root
from shared_code.measures.event_days import Events, Ints
from shared_code.measures.risk_sets import RiskSets
from shared_code.model import Problem, Refused
from shared_code.model.care import CORE20_DECILES

ILLNESS = "severe_mental_illness"
EVER = 200 * 365  # days
FROZEN = "frozen.json"
ROWS = ["person", "start", "treated", "set", "weight"]
FEWEST = 2  # people of each group from which a spread, and so a caliper, can be had
# numbers, no attributes, told of people whom nobody is like
PROFILE = ("age", "ed_0_90", "ed_91_180", "ed_181_365", "days_since_rule", "conditions")
COUNTED = ("ed_ambulance", "ed_admission", "mh_contact", "mh_crisis", "gp_encounter", "eye_appointment")  # in the year before


class Matching(BaseModel):
    """Say how controls are chosen.

    ratio: most controls of a treated; caliper: in standard deviations of the logit; bands: lower edges of events in the
    year before, matched exactly; most: candidates of a stratum and day kept for each treated (drawn, where there are more);
    ridge: penalty of the propensity model; beside: covariates reported that are not in the model
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    ratio: int = Field(3, ge=1)
    caliper: float = Field(methods.matching.CALIPER, gt=0)
    bands: list[int] = [0, 7, 10, 15, 25]
    most: int = Field(200, ge=1)
    ridge: float = Field(0.0002, ge=0)
    seed: int = 1
    beside: list[str] = ["care_home"]


@dataclass(frozen=True)
class Frozen:
    """Hold matched people and their balance, as they were before any outcome was counted.

    rows: person, start, treated (0, 1), set, weight; balance: covariate, before, after (standardised differences),
    variance_ratio, unmatched (treated whom nobody is like, against those matched); eligible: treated who might have been
    matched; digest: of sets and balance, in 64 hexadecimal digits
    """

    sets: RiskSets
    rows: pd.DataFrame
    balance: pd.DataFrame
    eligible: int
    digest: str
    candidates: pd.DataFrame = field(repr=False)

    @property
    def flow(self) -> pd.DataFrame:
        """Say where people who started leave on the way to the comparison: step (the last: unmatched, matched), people, cases."""
        before, sets = self.sets.flow[self.sets.flow["step"] != "eligible"], self.rows["set"].nunique()
        last = pd.DataFrame({"step": ["unmatched", "matched"], "people": int(self.sets.flow["people"].max()),
                             "cases": [self.eligible - sets, sets]})  # fmt: skip
        return pd.concat([before, last], ignore_index=True)

    def check(self) -> None:
        """Refuse to go on when sets or balance are no longer those that were frozen."""
        if digest_of(self.rows, self.balance) != self.digest:
            mend = "Match again, and count outcomes from what match_controls gives"
            wrong = "they were changed after they had been frozen"
            raise Refused("The matched controls", [Problem("match_controls", wrong, "", mend)])


def digest_of(rows: pd.DataFrame, balance: pd.DataFrame) -> str:
    """Give the SHA-256 of matched sets and balance table."""
    text = rows.to_csv(index=False, float_format="%.12g") + balance.to_csv(index=False, float_format="%.12g")
    return hashlib.sha256(text.encode()).hexdigest()


def covariates(sets: RiskSets) -> pd.DataFrame:
    """Measure every row of the risk sets before its start: one column a covariate, nothing of the start or after it.

    care_home is as of the extract: it carries no date, so it stands beside the model unless the protocol says otherwise.
    """
    cohort, rows = sets.cohort, sets.rows
    person, start = rows["person"].to_numpy(), rows["start"].to_numpy()

    def count(events: Events, days: int, until: int = 0) -> Ints:
        return events.between(person, start - days, start - until)

    decile = cohort.decile(person, start)
    known = {name: events for name in COUNTED if (events := cohort.events(name)) is not None}
    found: dict[str, Any] = {
        "age": cohort.age(person, start), "male": cohort.sex[person] == "M",
        "ethnic_minority": ~np.isin(cohort.ethnicity[person], ["White", "Unknown"]),
        "ethnicity_unknown": cohort.ethnicity[person] == "Unknown", "care_home": cohort.care_home[person],
        "ed_0_90": count(cohort.attended, 90), "ed_91_180": count(cohort.attended, 180, 90),
        "ed_181_365": count(cohort.attended, 365, 180), "ed_year_before": count(cohort.attended, 730, 365),
        "ed_earlier": _yearly(sets, person, start), "days_since_rule": cohort.spans.since(person, start),
        "conditions": sum((count(e, EVER) > 0).astype(int) for e in cohort.conditions.values()),
        **{name: count(events, 365) for name, events in known.items()},
    }  # fmt: skip
    if ILLNESS in cohort.conditions:
        found[ILLNESS] = count(cohort.conditions[ILLNESS], EVER) > 0
    if decile is not None:
        found["most_deprived_fifth"] = decile <= CORE20_DECILES
    return pd.DataFrame({name: np.asarray(values, dtype=float) for name, values in found.items()})


def _yearly(sets: RiskSets, person: Ints, start: Ints) -> np.ndarray:
    """Give attendances a year further back than two years: who has come often for long keeps coming."""
    entry = np.maximum(sets.cohort.registered.holding(person, start)[0], sets.cohort.first_day)
    days = np.maximum(start - 730 - entry, 0)
    return 365 * sets.cohort.attended.between(person, entry, start - 730) / np.maximum(days, 182)


def match_controls(sets: RiskSets, matching: Matching | dict[str, Any]) -> Frozen:
    """Match everybody who started with people of the same risk set, and freeze the sets with their balance.

    Exact on day of start, sex, band of events in the year before, and severe mental illness or contact with mental health
    services; nearest on the logit of a propensity score, within a caliper, a person once. Source: methods specification,
    section 4. Where fewer than two people started, or might have, nobody is matched: no rows, and a balance that is not known.
    """
    matching = matching if isinstance(matching, Matching) else Matching.model_validate(matching)
    every = sets.rows.assign(stratum=_strata(sets, matching.bands))
    treated = every[every["treated"] == 1]
    rows = every[every["stratum"].isin(treated["stratum"])]
    rows = _thinned(rows, matching).reset_index(drop=True)
    measured = covariates(replace(sets, rows=rows))
    names, eligible = list(measured), pd.concat([rows, measured], axis=1)
    of = eligible["treated"].to_numpy() == 1
    if min(of.sum(), (~of).sum()) < FEWEST:  # a small site goes on without estimates
        nobody, unknown = rows.iloc[:0].assign(set=0, weight=1.0)[ROWS], pd.DataFrame({"covariate": names})
        unknown[["before", "after", "variance_ratio", "unmatched"]] = np.nan
        return Frozen(sets, nobody, unknown, len(treated), digest_of(nobody, unknown), eligible)
    model = [n for n in names if n not in matching.beside]
    logit = methods.propensity_logit(_transformed(eligible[model]), of, matching.ridge)
    caliper = methods.caliper_width(logit[of], logit[~of], matching.caliper)
    t, c = eligible[of].reset_index(drop=True), eligible[~of].reset_index(drop=True)
    found = methods.match(logit[of], logit[~of], caliper, matching.ratio, treated_stratum=t["stratum"],
                          treated_person=t["person"], control_stratum=c["stratum"], control_person=c["person"],
                          treated_start=t["start"])  # fmt: skip
    inside = np.unique(found.treated)
    number = pd.Series(np.arange(len(inside)), index=inside)
    matched = pd.concat([
        t.loc[inside].assign(set=np.arange(len(inside)), weight=1.0),
        c.loc[found.control].assign(set=number[found.treated].to_numpy(), weight=found.weight),
    ])  # fmt: skip
    rows = matched[ROWS].sort_values(["set", "treated", "person"], ignore_index=True)
    balance = _balance(t[names], c[names], matched, names)
    return Frozen(sets, rows, balance, len(treated), digest_of(rows, balance), eligible)


def _strata(sets: RiskSets, bands: list[int]) -> Ints:
    """Number what is matched exactly: equal numbers may be compared."""
    cohort, person, start = sets.cohort, sets.rows["person"].to_numpy(), sets.rows["start"].to_numpy()
    band = np.searchsorted(bands, cohort.attended.between(person, start - 365, start), side="right")
    ill = np.zeros(len(person), dtype=bool)
    for events, days in ((cohort.conditions.get(ILLNESS), EVER), (cohort.events("mh_contact"), 365)):
        if events is not None:
            ill |= events.between(person, start - days, start) > 0
    key = ((start * 2 + (cohort.sex[person] == "M")) * (len(bands) + 1) + band) * 2 + ill
    return np.asarray(np.unique(key, return_inverse=True)[1])


def _thinned(table: pd.DataFrame, matching: Matching) -> pd.DataFrame:
    """Keep at most so many candidates for each treated of a stratum, drawn at random: memory stays small at large sites."""
    rng = np.random.default_rng(np.random.SeedSequence([matching.seed, 4]))
    drawn = rng.random(len(table))
    needed = table.groupby("stratum")["treated"].transform("sum") * matching.most
    order = pd.Series(np.where(table["treated"] == 1, -1.0, drawn), index=table.index)
    place = order.groupby(table["stratum"]).rank(method="first")
    return table[(table["treated"] == 1) | (place <= needed)]


def _transformed(table: pd.DataFrame) -> np.ndarray:
    """Take logarithms of counts: the tenth attendance says less than the second."""
    counts = [c for c in table if c.startswith(("ed_", "mh_", "gp_", "eye_", "days_"))]
    return table.assign(**{c: np.log1p(table[c]) for c in counts}).to_numpy(float)


def _balance(treated: pd.DataFrame, control: pd.DataFrame, matched: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    spread = methods.pooled_spread(treated, control)
    before = methods.standardised_difference(treated, control, spread=spread)
    arms = [matched[matched["treated"] == a] for a in (1, 0)]
    after = methods.standardised_difference(*(a[names] for a in arms), control_weights=arms[1]["weight"], spread=spread)
    alone = treated.loc[~treated.index.isin(matched.index[matched["treated"] == 1])]
    unmatched = methods.standardised_difference(alone, arms[0][names], spread=spread)
    return pd.DataFrame({"covariate": names, "before": before.difference, "after": after.difference,
                         "variance_ratio": after.variance_ratio, "unmatched": unmatched.difference})  # fmt: skip


def balance_table(frozen: Frozen) -> pd.DataFrame:
    """Give the balance as estimates: covariate, sample, standardised difference with its error.

    sample: before or after matching, and `unmatched`: the numbers (no attributes) of treated whom nobody is like, against
    those who were matched. people: those of the smaller group. Standard error: sqrt(1/n1 + 1/n0 + d^2 / 2 (n1 + n0)), n0 the
    effective number of weighted controls.
    """
    parts = []
    weights = frozen.rows.loc[frozen.rows["treated"] == 0, "weight"]
    of = frozen.candidates["treated"] == 1
    sizes = {"before": (of.sum(), frozen.candidates.loc[~of, "person"].nunique()),
             "after": (frozen.rows["set"].nunique(), weights.sum() ** 2 / (weights**2).sum() if len(weights) else 0)}  # fmt: skip
    sizes["unmatched"] = (frozen.eligible - sizes["after"][0], sizes["after"][0])
    people = {name: min(both) for name, both in sizes.items()} | {"after": int(min(sizes["after"][0], len(weights)))}
    for sample, (n1, n0) in sizes.items():
        told = frozen.balance[frozen.balance["covariate"].isin(PROFILE)] if sample == "unmatched" else frozen.balance
        d = told[sample].to_numpy()
        known = n1 > 0 and n0 > 0  # else nobody was matched
        se = np.sqrt(1 / n1 + 1 / n0 + d**2 / (2 * (n1 + n0))) if known else np.nan
        parts.append(pd.DataFrame({"covariate": told["covariate"], "sample": sample, "estimate": d,
                                   "se": np.where(np.isnan(d), np.nan, se), "people": int(people[sample]),
                                   "person_days": 0.0}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def save_frozen(folder: str | Path, **frozen: Frozen) -> None:
    """Write the digests of frozen sets and balances beside the results, from where they go into the release."""
    target = from_root(folder) / FROZEN
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{FROZEN}.partial")
    partial.write_text(json.dumps({name: one.digest for name, one in sorted(frozen.items())}, indent=2) + "\n", "utf-8")
    if os.name == "posix":
        partial.chmod(0o600)
    partial.replace(target)
