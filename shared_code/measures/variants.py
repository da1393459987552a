"""The same comparison under other rules, and of groups of the people in the service."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from shared_code.config.codelists import Codelist
from shared_code.measures.matched_controls import ILLNESS, Frozen, match_controls
from shared_code.measures.matched_follow_up import FollowUp, effect_row
from shared_code.measures.prepared import Prepared
from shared_code.measures.risk_sets import open_cohort, risk_sets
from shared_code.model.care import CORE20_DECILES

FEWEST_TREATED = 30  # of a group at a site, below which no effect in it is estimated (methods, section 4)
OLDER, MORE = 50, 10  # age and attendances in the year before that part the groups


def match_variants(prepared: Prepared, rule: Mapping[str, Any], matching: Mapping[str, Any],
                   changes: Mapping[str, Mapping[str, Any]], codelist: Codelist, palliative: Codelist, first_day: dt.date
                   ) -> dict[str, Frozen]:  # fmt: skip
    """Match again under changed rules (name -> what is changed of the rule), to be frozen with the main sets."""
    found: dict[str, Frozen] = {}
    for name, change in changes.items():
        cohort = open_cohort(prepared, {**rule, **change}, codelist, first_day, palliative=palliative)
        found[name] = match_controls(risk_sets(cohort), dict(matching))
    return found


def effects_in_groups(followed: FollowUp) -> pd.DataFrame:
    """Estimate the effect on the first outcome in groups of the people in the service: stratum, and the layout `estimates`.

    A matched set belongs where its person in the service does. Without 30 people in the service a group has no estimate.
    Strata: women, men, under_50, from_50, core20, elsewhere, illness, no_illness, below_10, from_10 (attendances before).
    """
    rule, rows, cohort = followed.frozen.sets.cohort.rule, followed.rows, followed.frozen.sets.cohort
    main = next(iter(followed.events))
    z = followed.four(main, (-rule.look_back, 0), (0, rule.follow_up))
    of = rows[rows["treated"] == 1].sort_values("set")
    person, start = of["person"].to_numpy(), of["start"].to_numpy()
    decile = cohort.decile(person, start)
    core20 = np.zeros(len(of), dtype=bool) if decile is None else decile <= CORE20_DECILES
    known = np.zeros(len(of), dtype=bool) if decile is None else ~np.isnan(decile)
    listed = cohort.conditions.get(ILLNESS)
    ill = np.zeros(len(of), dtype=bool) if listed is None else listed.between(person, start * 0, start) > 0
    often = cohort.attended.between(person, start - rule.look_back, start) >= MORE
    older = cohort.age(person, start) >= OLDER
    male = cohort.sex[person] == "M"
    groups = {"women": ~male, "men": male, "under_50": ~older, "from_50": older, "core20": core20, "elsewhere": known & ~core20,
              "illness": ill, "no_illness": ~ill, "below_10": ~often, "from_10": often}  # fmt: skip
    found = []
    for name, chosen in groups.items():
        inside = rows["set"].isin(of["set"][chosen]).to_numpy() & (chosen.sum() >= FEWEST_TREATED)
        own = rows[inside].reset_index(drop=True)
        own["set"] = np.unique(own["set"], return_inverse=True)[1]
        row = effect_row(main, "primary", replace(followed, rows=own), z[inside])
        found.append({"stratum": name, **{k: v for k, v in row.items() if k not in ("outcome", "estimator")}})
    return pd.DataFrame(found)
