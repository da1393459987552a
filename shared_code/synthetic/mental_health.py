"""Severe mental illness: crises, stays on a ward and whether somebody is seen soon after, planted by Core20.

Everything depends on Core20 (the two most deprived tenths of areas) alone; crises come in clusters, because people have rates of
their own. Earlier death is planted in `conditions`: who died young is that much more likely to have had the illness.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from shared_code.model.care import CORE20_DECILES
from shared_code.synthetic import planted
from shared_code.synthetic.chance import stream
from shared_code.synthetic.days import NEVER, completed_years
from shared_code.synthetic.diagnoses import ICD10, SNOMED, SOURCES, STATUSES
from shared_code.synthetic.people import People
from shared_code.synthetic.places import Places

CRISES, CLUSTERED, CORE20_RATIO = 0.5, 0.6, 1.6  # yearly rate elsewhere, shape of people's own rates, ratio of Core20
STAYS, OLDEST = 0.10, 60  # yearly stays on a ward; older people's stays are left out, for theirs are predicted elsewhere
SEEN = {True: 0.70, False: 0.82}  # Core20 or not: share of discharges followed by a contact within 72 hours
YEAR = 365
REMISSION, RELAPSED = "4926007", 0.25  # schizophrenia in remission; share whose remission ended with another record


def make_mental_health(
    people: People, places: Places, rows: np.ndarray, began: np.ndarray, seed: int, start: int, end: int, spells: pd.DataFrame,
    contacts: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:  # fmt: skip
    """Add stays and contacts of people with severe mental illness; gives spells, contacts and the truth.

    rows, began  people with the illness, and the day on which it began     spells, contacts  what there is already
    """
    rng = stream(seed, "severe mental illness")
    since = np.maximum.reduce([began, people.entry[rows], np.full(len(rows), start)])
    until = np.minimum(people.death[rows], end)
    core20 = places.imd10[people.area[rows]] <= CORE20_DECILES
    rate = CRISES * np.where(core20, CORE20_RATIO, 1.0) * rng.gamma(CLUSTERED, 1 / CLUSTERED, len(rows))
    who, day = _events(rng, rate, since, until)
    young = completed_years(people.birth[rows], end) < OLDEST
    of, admitted = _events(rng, np.where(young, STAYS, 0.0), since, until)
    out = admitted + rng.integers(7, 40, len(of))
    seen = rng.random(len(of)) < np.where(core20[of], SEEN[True], SEEN[False])
    later = out + np.where(seen, rng.integers(0, 3, len(of)), rng.integers(5, 20, len(of)))
    left = out < np.minimum(until[of], end - 25)  # discharged alive, and early enough to be seen
    more = pd.DataFrame({
        "spell_id": len(spells) + 1 + np.arange(len(of)), "row": rows[of], "provider": "RXM01", "admi_date": admitted,
        "disch_date": np.where(left, out, NEVER), "admimeth": "25", "class_pat": "1", "primary_icd10": "F209",
        "los_days": np.where(left, (out - admitted).astype(str), ""), "discharge_method": np.where(left, "1", "8"),
        "discharge_dest": np.where(left, "19", ""),
    })  # fmt: skip
    row = np.concatenate([rows[who], rows[of[left]]])
    crisis = np.arange(len(row)) < len(who)
    seen_at = pd.DataFrame({
        "contact_id": contacts["contact_id"].max() + 1 + np.arange(len(row)), "row": row, "referral_id": [f"M{r}" for r in row],
        "date": np.concatenate([day, later[left]]), "team_type": np.where(crisis, "A02", "A06"), "attended": True,
        "crisis": crisis, "setting": "community",
    })  # fmt: skip
    truth = {"crisis_ratio": CORE20_RATIO, "seen": {"core20": SEEN[True], "rest": SEEN[False]},
             "mortality_ratio": planted.DEADLIER, "crises": len(who), "discharges": int(left.sum())}  # fmt: skip
    return pd.concat([spells, more], ignore_index=True), pd.concat([contacts, seen_at], ignore_index=True), truth


def remissions(people: People, diagnoses: dict[str, np.ndarray], rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Record of some people with severe mental illness that they were in remission once; the illness was recorded again since.

    diagnoses  arrays over records, as `make_diagnoses` gives them     rows  people with the illness
    They stay on the register: the latest code decides, and who was ever in remission is no reason to leave anybody out.
    """
    codes = [*SNOMED[planted.DEADLY], *ICD10[planted.DEADLY]]
    practice = diagnoses["source"] == SOURCES.index("GP")  # a record of a hospital may not be linked to its person
    of = practice & (diagnoses["status"] != STATUSES.index("family")) & np.isin(diagnoses["code"].astype(str), codes)
    last = np.full(len(people), -NEVER, dtype=np.int64)  # days before 1970 are negative
    np.maximum.at(last, diagnoses["row"][of], diagnoses["day"][of])
    rng = stream(seed, "remission")
    row = rows[(rng.random(len(rows)) < RELAPSED) & (last[rows] - people.birth[rows] > 20 * YEAR)]
    size = len(row)
    return {"row": row, "code": np.full(size, REMISSION, dtype=object), "icd10": np.zeros(size, dtype=bool),
            "day": last[row] - 30, "source": np.zeros(size, np.int64),
            "status": np.full(size, STATUSES.index("active"))}  # fmt: skip


def _events(rng: np.random.Generator, rate: np.ndarray, since: np.ndarray, until: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    length = np.maximum(until - since, 0)
    who = np.repeat(np.arange(len(rate)), rng.poisson(rate * length / YEAR))
    return who, since[who] + (rng.random(len(who)) * length[who]).astype(np.int64)
